// SPDX-License-Identifier: GPL-2.0-only
/* Pages to and from another block device, by bios that are there beforehand. */
#include "backing.h"

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/slab.h>
#include <tmem/types.h>

#include "compat/backing.h"
#include "exchange.h"

#define BLOCK_SECTORS (TMEM_PAGE_SIZE >> SECTOR_SHIFT)

struct tmem_backing {
	struct compat_backing device;
	/* Of the one who moves. */
	atomic_t pending;
	struct completion moved;
	struct bio bio[EXCHANGE_PAGES];
	struct bio_vec part[EXCHANGE_PAGES];
};

int tmem_backing_open(const char *path, struct tmem_backing **out)
{
	struct tmem_backing *backing = kzalloc(sizeof(*backing), GFP_KERNEL);
	int error;

	if (!backing)
		return -ENOMEM;
	init_completion(&backing->moved);
	error = compat_backing_open(&backing->device, path, backing);
	if (error) {
		kfree(backing);
		return error;
	}
	*out = backing;
	return 0;
}

void tmem_backing_close(struct tmem_backing *backing)
{
	compat_backing_close(&backing->device);
	kfree(backing);
}

u32 tmem_backing_blocks(const struct tmem_backing *backing)
{
	sector_t blocks = bdev_nr_sectors(backing->device.bdev) / BLOCK_SECTORS;

	return (u32)min_t(sector_t, blocks, U32_MAX);
}

static void moved(struct bio *bio)
{
	struct tmem_backing *backing = bio->bi_private;

	if (atomic_dec_and_test(&backing->pending))
		complete(&backing->moved);
}

void tmem_backing_move(struct tmem_backing *backing, bool write, const u32 *block,
		       struct page **page, u32 count, int *status)
{
	struct blk_plug plug;
	u32 i;

	atomic_set(&backing->pending, (int)count);
	reinit_completion(&backing->moved);
	blk_start_plug(&plug);
	for (i = 0; i < count; i++) {
		struct bio *bio = &backing->bio[i];

		bio_init(bio, backing->device.bdev, &backing->part[i], 1,
			 write ? REQ_OP_WRITE : REQ_OP_READ);
		bio->bi_iter.bi_sector = (sector_t)block[i] * BLOCK_SECTORS;
		bio->bi_private = backing;
		bio->bi_end_io = moved;
		__bio_add_page(bio, page[i], TMEM_PAGE_SIZE, 0);
		submit_bio(bio);
	}
	blk_finish_plug(&plug);
	wait_for_completion_io(&backing->moved);
	for (i = 0; i < count; i++) {
		status[i] = blk_status_to_errno(backing->bio[i].bi_status);
		bio_uninit(&backing->bio[i]);
	}
}

void tmem_backing_submit(struct tmem_backing *backing, struct bio *bio)
{
	bio_set_dev(bio, backing->device.bdev);
	submit_bio_noacct(bio);
}
