// SPDX-License-Identifier: GPL-2.0-only
/* The disk: requests of the block layer become puts, gets and flushes. */
#include "disk.h"

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "blocks.h"
#include "compat/disk.h"
#include "exchange.h"
#include "guest.h"
#include "transport.h"

#define BLOCK	      TMEM_PAGE_SIZE
#define BLOCK_SECTORS (BLOCK >> SECTOR_SHIFT)

/* Blocks of one object: 4 MiB of the disk. */
#define OBJECT_BLOCKS 1024u

/* What the host bills for a block at most: page, header, its part of the index. */
#define BILLED_BLOCK  (BLOCK + 16u + 12u)
#define BILLED_OBJECT 16384u /* and for the records of one object that is not full */

/* A pool that is made again by the same cookie is this one. */
#define COOKIE 0x6b736964706177ull

static DEFINE_IDA(numbers);

struct tmem_disk {
	struct tmem_guest *guest;
	struct gendisk *gendisk;
	int number;
	u32 pool;
	struct tmem_blocks blocks;
	struct workqueue_struct *queue;
	struct work_struct flush; /* of freed blocks */
	struct mutex
		there; /* guest, for those flushes: swapoff may come after the device has gone */
};

static void note(const struct tmem_disk *disk, enum tmem_counter which, u32 by)
{
	tmem_count(disk->guest->transport->counters, which, by);
}

static struct tmem_place place_of(const struct tmem_disk *disk, u32 block)
{
	struct tmem_place place = {
		.pool = disk->pool,
		.index = block % OBJECT_BLOCKS,
		.object = {block / OBJECT_BLOCKS, 0, 0},
	};

	return place;
}

/* @count blocks of one object. 0 or -EIO; as many as can be are stored. */
static int write_blocks(struct tmem_disk *disk, u32 first, struct page **page, u32 count)
{
	struct tmem_place place = place_of(disk, first);
	s32 result[EXCHANGE_PAGES];
	u32 failed = 0, i;
	int error;

	for (i = 0; i < count; i++)
		tmem_blocks_begin_write(&disk->blocks, first + i);
	error = tmem_guest_put(disk->guest, &place, page, count, result);
	for (i = 0; i < count; i++)
		tmem_blocks_end_write(&disk->blocks, first + i, !error && !result[i]);
	for (i = 0; i < count; i++)
		failed += error || result[i];
	note(disk, TMEM_SWAP_WRITES, count);
	note(disk, TMEM_SWAP_WRITES_REFUSED, failed);
	return failed ? -EIO : 0;
}

/* @count blocks of one object, all of them stored. */
static int get_blocks(struct tmem_disk *disk, u32 first, struct page **page, u32 count)
{
	struct tmem_place place = place_of(disk, first);
	s32 result[EXCHANGE_PAGES];
	int error;
	u32 i;

	error = tmem_guest_get(disk->guest, &place, page, count, result);
	if (error)
		return -EIO;
	note(disk, TMEM_SWAP_READS, count);
	for (i = 0; i < count; i++) {
		if (!result[i])
			continue;
		tmem_blocks_lose(&disk->blocks, first + i);
		note(disk, TMEM_SWAP_READS_LOST, 1);
		error = -EIO;
	}
	return error;
}

/* @count blocks of one object. */
static int read_blocks(struct tmem_disk *disk, u32 first, struct page **page, u32 count)
{
	u32 at = 0, run;
	int error = 0;

	while (at < count && !error) {
		for (run = at; run < count; run++)
			if (!tmem_blocks_is_stored(&disk->blocks, first + run))
				break;
		if (run > at) {
			error = get_blocks(disk, first + at, page + at, run - at);
			at = run;
			continue;
		}
		if (tmem_blocks_is_lost(&disk->blocks, first + at))
			return -EIO;
		clear_highpage(page[at++]);
	}
	return error;
}

static int move_blocks(struct tmem_disk *disk, bool write, u32 first, struct page **page, u32 count)
{
	return write ? write_blocks(disk, first, page, count)
		     : read_blocks(disk, first, page, count);
}

/* 0, -EINVAL: not whole blocks, or -EIO. */
static int move(struct tmem_disk *disk, struct bio *bio)
{
	u32 block = (u32)(bio->bi_iter.bi_sector / BLOCK_SECTORS), count = 0;
	bool write = op_is_write(bio_op(bio));
	struct page *page[EXCHANGE_PAGES];
	struct bvec_iter iter;
	struct bio_vec part;
	int error;

	bio_for_each_segment(part, bio, iter)
	{
		if (part.bv_offset || part.bv_len != BLOCK)
			return -EINVAL;
		page[count++] = part.bv_page;
		if (count < disk->guest->batch && (block + count) % OBJECT_BLOCKS)
			continue;
		error = move_blocks(disk, write, block, page, count);
		if (error)
			return error;
		block += count;
		count = 0;
	}
	return count ? move_blocks(disk, write, block, page, count) : 0;
}

/* Discard and write-zeroes: an object at a time. */
static int empty(struct tmem_disk *disk, struct bio *bio)
{
	u32 block = (u32)(bio->bi_iter.bi_sector / BLOCK_SECTORS);
	u32 end = block + bio_sectors(bio) / BLOCK_SECTORS, next, i;
	struct tmem_place place;
	bool any;
	int error;

	for (; block < end; block = next) {
		next = min(end, round_down(block, OBJECT_BLOCKS) + OBJECT_BLOCKS);
		any = false;
		for (i = block; i < next; i++) {
			any |= tmem_blocks_is_stored(&disk->blocks, i);
			tmem_blocks_begin_write(&disk->blocks, i);
		}
		if (any) {
			place = place_of(disk, block);
			error = tmem_guest_flush_range(disk->guest, &place, next - block);
			if (error)
				return -EIO;
		}
		for (i = block; i < next; i++)
			tmem_blocks_empty(&disk->blocks, i);
	}
	return 0;
}

static void carry_out(struct bio *bio)
{
	struct tmem_disk *disk = bio->bi_bdev->bd_disk->private_data;
	int error;

	if (bio->bi_iter.bi_sector % BLOCK_SECTORS || bio_sectors(bio) % BLOCK_SECTORS) {
		bio_io_error(bio);
		return;
	}
	switch (bio_op(bio)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		error = move(disk, bio);
		break;
	case REQ_OP_DISCARD:
	case REQ_OP_WRITE_ZEROES:
		error = empty(disk, bio);
		break;
	case REQ_OP_FLUSH:
		error = 0;
		break;
	default:
		error = -EOPNOTSUPP;
	}
	bio->bi_status = errno_to_blk_status(error);
	bio_endio(bio);
}

#if COMPAT_RW_PAGE
/* A page that is not moved comes again as a bio, and what failed is said there. */
static int rw_page(struct block_device *bdev, sector_t sector, struct page *page, enum req_op op)
{
	struct tmem_disk *disk = bdev->bd_disk->private_data;
	int error;

	if (PageTransHuge(page) || sector % BLOCK_SECTORS)
		return -EOPNOTSUPP;
	error = move_blocks(disk, op_is_write(op), (u32)(sector / BLOCK_SECTORS), &page, 1);
	if (error)
		return error;
	page_endio(page, op_is_write(op), 0);
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
	if (slot < disk->blocks.count && tmem_blocks_free(&disk->blocks, (u32)slot))
		queue_work(disk->queue, &disk->flush);
}

static void flush_freed(struct work_struct *work)
{
	struct tmem_disk *disk = container_of(work, struct tmem_disk, flush);
	struct tmem_place place[EXCHANGE_PAGES];
	u32 block[EXCHANGE_PAGES], count, from = 0, i;

	mutex_lock(&disk->there);
	while (disk->guest) {
		count = tmem_blocks_begin_flush(&disk->blocks, from, block, disk->guest->batch);
		if (!count)
			break;
		for (i = 0; i < count; i++)
			place[i] = place_of(disk, block[i]);
		/* A host that is gone has nothing left to flush. */
		(void)tmem_guest_flush(disk->guest, place, count);
		note(disk, TMEM_SWAP_FREED, count);
		tmem_blocks_end_flush(&disk->blocks, block, count);
		from = block[count - 1];
	}
	mutex_unlock(&disk->there);
}

/*
 * The last who had it open closes it: swapoff, when all slots are free. What
 * is free is flushed when that returns.
 */
static void release(compat_disk_release_args)
{
	struct tmem_disk *disk = gendisk->private_data;

	flush_work(&disk->flush);
}

/* Nobody knows it any more. */
static void free_disk(struct gendisk *gendisk)
{
	struct tmem_disk *disk = gendisk->private_data;

	destroy_workqueue(disk->queue);
	ida_free(&numbers, disk->number);
	tmem_blocks_exit(&disk->blocks);
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
	u64 most = div64_u64(allocation, BILLED_BLOCK);

	if (allocation <= BILLED_OBJECT)
		return 0;
	most = div64_u64(allocation - BILLED_OBJECT, BILLED_BLOCK);
	return (u32)min_t(u64, most, U32_MAX - OBJECT_BLOCKS);
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
	set_capacity(disk->gendisk, (sector_t)disk->blocks.count * BLOCK_SECTORS);
	return 0;
}

int tmem_disk_create(struct tmem_guest *guest, u64 allocation, struct tmem_disk **out)
{
	struct tmem_disk *disk;
	int error;

	if (!blocks_of(allocation))
		return 0;
	disk = kzalloc(sizeof(*disk), GFP_KERNEL);
	if (!disk)
		return -ENOMEM;
	disk->guest = guest;
	mutex_init(&disk->there);
	INIT_WORK(&disk->flush, flush_freed);
	error = tmem_guest_pool(guest, TMEM_POOL_PERSISTENT, NULL, COOKIE);
	if (error < 0)
		goto err_free;
	disk->pool = (u32)error;
	error = tmem_blocks_init(&disk->blocks, blocks_of(allocation));
	if (error)
		goto err_free;
	error = disk->number = ida_alloc(&numbers, GFP_KERNEL);
	if (error < 0)
		goto err_blocks;
	error = -ENOMEM;
	disk->queue = alloc_workqueue("tmem%d", WQ_MEM_RECLAIM | WQ_HIGHPRI, 1, disk->number);
	if (!disk->queue)
		goto err_number;
	error = make_gendisk(disk);
	if (error)
		goto err_queue;
	error = add_disk(disk->gendisk);
	if (error) {
		put_disk(disk->gendisk); /* frees all of it */
		return error;
	}
	*out = disk;
	return 0;

err_queue:
	destroy_workqueue(disk->queue);
err_number:
	ida_free(&numbers, disk->number);
err_blocks:
	tmem_blocks_exit(&disk->blocks);
err_free:
	kfree(disk);
	return error;
}

void tmem_disk_destroy(struct tmem_disk *disk)
{
	/* Nothing is submitted any more when this returns, whoever has it open. */
	del_gendisk(disk->gendisk);
	mutex_lock(&disk->there);
	disk->guest = NULL;
	mutex_unlock(&disk->there);
	put_disk(disk->gendisk);
}

void tmem_disk_figures(const struct tmem_disk *disk, struct tmem_disk_figures *figures)
{
	figures->name = disk->gendisk->disk_name;
	figures->blocks = disk->blocks.count;
	tmem_blocks_count(&disk->blocks, &figures->stored, &figures->lost);
}
