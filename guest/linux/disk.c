// SPDX-License-Identifier: GPL-2.0-only
/* The disk: requests of the block layer become reads and writes of what is stored. */
#include "disk.h"

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "backing.h"
#include "compat/disk.h"
#include "exchange.h"
#include "guest.h"
#include "store.h"

#define BLOCK	      TMEM_PAGE_SIZE
#define BLOCK_SECTORS (BLOCK >> SECTOR_SHIFT)

/* What the host bills for a block at most: page, header, its part of the index. */
#define BILLED_BLOCK  (BLOCK + 16u + 12u)
#define BILLED_OBJECT 16384u /* and for the records of one object that is not full */

#define BLOCKS_MOST (U32_MAX - 1024u)

static char *backing;
module_param(backing, charp, 0444);
MODULE_PARM_DESC(backing, "block device that takes what the host refuses of the first disk, "
			  "and is the disk's alone (none)");

static char *disk_size;
module_param(disk_size, charp, 0444);
MODULE_PARM_DESC(disk_size, "bytes of the first disk, with K, M or G (the backing device's size; "
			    "without one, what the allocation covers, and no more than that)");

static DEFINE_IDA(numbers);

struct tmem_disk {
	struct gendisk *gendisk;
	struct tmem_store *store;
	u32 blocks;
	int number;
	/* Reads of which some pages come from the host and some from the backing device. */
	struct work_struct mixed;
	spinlock_t lock;
	struct bio_list mixed_bios; /* under lock */
};

static u32 first_block(const struct bio *bio)
{
	return (u32)(bio->bi_iter.bi_sector / BLOCK_SECTORS);
}

static void end(struct bio *bio, int error)
{
	bio->bi_status = errno_to_blk_status(error);
	bio_endio(bio);
}

/* 0, -EINVAL: not whole blocks, -EIO, or -EAGAIN of a read that is mixed. */
static int move(struct tmem_disk *disk, struct bio *bio)
{
	bool write = op_is_write(bio_op(bio));
	u32 block = first_block(bio), count = 0;
	struct page *page[EXCHANGE_PAGES];
	struct bvec_iter iter;
	struct bio_vec part;
	int error = 0;

	bio_for_each_segment(part, bio, iter)
	{
		if (part.bv_offset || part.bv_len != BLOCK)
			return -EINVAL;
		page[count++] = part.bv_page;
		if (count < EXCHANGE_PAGES && iter.bi_size > BLOCK)
			continue;
		error = write ? tmem_store_write(disk->store, block, page, count)
			      : tmem_store_read(disk->store, block, page, count);
		if (error)
			break;
		block += count;
		count = 0;
	}
	return error;
}

static int move_mixed(struct tmem_disk *disk, struct bio *bio)
{
	u32 block = first_block(bio);
	struct bvec_iter iter;
	struct bio_vec part;
	int error;

	bio_for_each_segment(part, bio, iter)
	{
		error = tmem_store_read(disk->store, block, &part.bv_page, 1);
		if (error == -EAGAIN)
			error = tmem_store_read_backed(disk->store, block, part.bv_page);
		if (error)
			return error;
		block++;
	}
	return 0;
}

static void read_mixed(struct work_struct *work)
{
	struct tmem_disk *disk = container_of(work, struct tmem_disk, mixed);
	struct bio *bio;

	do {
		spin_lock(&disk->lock);
		bio = bio_list_pop(&disk->mixed_bios);
		spin_unlock(&disk->lock);
		if (bio)
			end(bio, move_mixed(disk, bio));
	} while (bio);
}

static void read(struct tmem_disk *disk, struct bio *bio)
{
	u32 count = bio_sectors(bio) / BLOCK_SECTORS;
	int error;

	if (tmem_store_is_backed(disk->store, first_block(bio), count)) {
		tmem_store_pass(disk->store, bio, count);
		return;
	}
	error = move(disk, bio);
	if (error != -EAGAIN) {
		end(bio, error);
		return;
	}
	/* Who submits a bio cannot wait for another that he submits meanwhile. */
	spin_lock(&disk->lock);
	bio_list_add(&disk->mixed_bios, bio);
	spin_unlock(&disk->lock);
	tmem_store_work(disk->store, &disk->mixed);
}

static int write(struct tmem_disk *disk, struct bio *bio)
{
	int error = 0;

	if (bio->bi_opf & REQ_PREFLUSH)
		error = tmem_store_drain(disk->store);
	if (!error && bio_sectors(bio))
		error = move(disk, bio);
	if (!error && bio->bi_opf & REQ_FUA)
		error = tmem_store_drain(disk->store);
	return error;
}

static void carry_out(struct bio *bio)
{
	struct tmem_disk *disk = bio->bi_bdev->bd_disk->private_data;

	if (bio->bi_iter.bi_sector % BLOCK_SECTORS || bio_sectors(bio) % BLOCK_SECTORS) {
		bio_io_error(bio);
		return;
	}
	switch (bio_op(bio)) {
	case REQ_OP_READ:
		read(disk, bio);
		break;
	case REQ_OP_WRITE:
		end(bio, write(disk, bio));
		break;
	case REQ_OP_DISCARD:
	case REQ_OP_WRITE_ZEROES:
		end(bio, tmem_store_empty(disk->store, first_block(bio),
					  bio_sectors(bio) / BLOCK_SECTORS));
		break;
	case REQ_OP_FLUSH:
		end(bio, tmem_store_drain(disk->store));
		break;
	default:
		end(bio, -EOPNOTSUPP);
	}
}

#if COMPAT_RW_PAGE
/* A page that is not moved comes again as a bio, and what failed is said there. */
static int rw_page(struct block_device *bdev, sector_t sector, struct page *page, enum req_op op)
{
	struct tmem_disk *disk = bdev->bd_disk->private_data;
	u32 block = (u32)(sector / BLOCK_SECTORS);
	bool write = op_is_write(op);

	if (PageTransHuge(page) || sector % BLOCK_SECTORS)
		return -EOPNOTSUPP;
	if (write ? tmem_store_write(disk->store, block, &page, 1)
		  : tmem_store_read(disk->store, block, &page, 1))
		return -EOPNOTSUPP;
	page_endio(page, write, 0);
	return 0;
}
#endif

/* Under a spin lock of the swap area's. */
static void slot_is_free(struct block_device *bdev, unsigned long slot)
{
	struct tmem_disk *disk = bdev->bd_disk->private_data;

#ifdef TMEM_DEAF /* a test's control */
	return;
#endif
	if (slot < disk->blocks)
		tmem_store_free(disk->store, (u32)slot);
}

/*
 * The last who had it open closes it: swapoff, when all slots are free. What
 * is free is flushed when that returns.
 */
static void release(compat_disk_release_args)
{
	struct tmem_disk *disk = gendisk->private_data;

	if (tmem_store_drain(disk->store))
		pr_err("tmem: %s: pages that were written have been lost\n", gendisk->disk_name);
}

/* Nobody knows it any more. */
static void free_disk(struct gendisk *gendisk)
{
	struct tmem_disk *disk = gendisk->private_data;

	tmem_store_destroy(disk->store);
	ida_free(&numbers, disk->number);
	kfree(disk);
}

static const struct block_device_operations operations = {
	.owner = THIS_MODULE,
	.submit_bio = carry_out,
	.release = release,
	.free_disk = free_disk,
#if COMPAT_RW_PAGE
	.rw_page = rw_page,
#endif
	.swap_slot_free_notify = slot_is_free,
};

static u32 blocks_of(u64 allocation)
{
	u64 most;

	if (allocation <= BILLED_OBJECT)
		return 0;
	most = div64_u64(allocation - BILLED_OBJECT, BILLED_BLOCK);
	return (u32)min_t(u64, most, BLOCKS_MOST);
}

/* *@blocks is what the allocation covers, and becomes what the disk has. 0 or -errno. */
static int size_up(const struct tmem_backing *behind, u32 *blocks)
{
	u64 most = behind ? min(tmem_backing_blocks(behind), BLOCKS_MOST) : *blocks, wanted;
	char *rest;

	*blocks = (u32)most;
	if (!disk_size)
		return 0;
	wanted = memparse(disk_size, &rest) / BLOCK;
	if (*rest || !wanted) {
		pr_err("tmem: disk_size=%s: not a size; bytes, or a number with K, M or G\n",
		       disk_size);
		return -EINVAL;
	}
	if (wanted > most) {
		pr_err("tmem: disk_size=%s: %s has %llu KiB; give less%s\n", disk_size,
		       behind ? backing : "the allocation", most * (BLOCK / 1024),
		       behind ? "" : ", or backing=");
		return -ENOSPC;
	}
	*blocks = (u32)wanted;
	return 0;
}

static int open_backing(struct tmem_backing **behind)
{
	int error;

	if (!backing)
		return 0;
	error = tmem_backing_open(backing, behind);
	if (error)
		pr_err("tmem: backing=%s: cannot be opened for the disk alone: %d\n", backing,
		       error);
	return error;
}

static int make_gendisk(struct tmem_disk *disk)
{
	disk->gendisk = compat_disk_alloc(BLOCK);
	if (IS_ERR(disk->gendisk))
		return PTR_ERR(disk->gendisk);
	disk->gendisk->fops = &operations;
	disk->gendisk->private_data = disk;
	disk->gendisk->flags |= GENHD_FL_NO_PART;
	snprintf(disk->gendisk->disk_name, DISK_NAME_LEN, "tmem%d", disk->number);
	set_capacity(disk->gendisk, (sector_t)disk->blocks * BLOCK_SECTORS);
	return 0;
}

/* Takes @behind, whatever comes of it. */
static int make_store(struct tmem_disk *disk, struct tmem_guest *guest, struct tmem_backing *behind)
{
	char name[DISK_NAME_LEN];
	int error;

	snprintf(name, sizeof(name), "tmem%d", disk->number);
	error = tmem_store_create(guest, disk->blocks, behind, name, &disk->store);
	if (error && behind)
		tmem_backing_close(behind);
	return error;
}

int tmem_disk_create(struct tmem_guest *guest, u64 allocation, struct tmem_disk **out)
{
	struct tmem_backing *behind = NULL;
	struct tmem_disk *disk;
	int error;

	if (!blocks_of(allocation))
		return 0;
	disk = kzalloc(sizeof(*disk), GFP_KERNEL);
	if (!disk)
		return -ENOMEM;
	INIT_WORK(&disk->mixed, read_mixed);
	spin_lock_init(&disk->lock);
	bio_list_init(&disk->mixed_bios);
	disk->blocks = blocks_of(allocation);
	error = disk->number = ida_alloc(&numbers, GFP_KERNEL);
	if (error < 0)
		goto err_free;
	error = disk->number ? 0 : open_backing(&behind);
	if (error)
		goto err_number;
	error = disk->number ? 0 : size_up(behind, &disk->blocks);
	if (error) {
		if (behind)
			tmem_backing_close(behind);
		goto err_number;
	}
	error = make_store(disk, guest, behind);
	if (error)
		goto err_number;
	error = make_gendisk(disk);
	if (error)
		goto err_store;
	error = add_disk(disk->gendisk);
	if (error) {
		put_disk(disk->gendisk);
		goto err_store;
	}
	*out = disk;
	return 0;

err_store:
	tmem_store_destroy(disk->store);
err_number:
	ida_free(&numbers, disk->number);
err_free:
	kfree(disk);
	return error;
}

void tmem_disk_destroy(struct tmem_disk *disk)
{
	/* Nothing is submitted any more when this returns, whoever has it open. */
	del_gendisk(disk->gendisk);
	flush_work(&disk->mixed);
	tmem_store_leave(disk->store);
	put_disk(disk->gendisk);
}

void tmem_disk_figures(const struct tmem_disk *disk, struct tmem_disk_figures *figures)
{
	figures->name = disk->gendisk->disk_name;
	figures->blocks = disk->blocks;
	tmem_store_count(disk->store, &figures->stored, &figures->backed, &figures->lost);
}
