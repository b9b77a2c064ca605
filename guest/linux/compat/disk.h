/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Making a disk: its limits are set before it from 6.9 on, and that its I/O is
 * done when it has been submitted was said by having rw_page before 6.3.
 */
#ifndef TMEM_LINUX_COMPAT_DISK_H
#define TMEM_LINUX_COMPAT_DISK_H

#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/version.h>

#define COMPAT_RW_PAGE (LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0))

/* Of the operation release; who opened it how was said before 6.5. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#define compat_disk_release_args struct gendisk *gendisk, fmode_t mode
#else
#define compat_disk_release_args struct gendisk *gendisk
#endif

/* Non-rotational, of blocks of @block bytes, with a cache for writes, discard and write-zeroes. ERR_PTR. */
static inline struct gendisk *compat_disk_alloc(u32 block)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
	struct gendisk *disk = blk_alloc_disk(NUMA_NO_NODE);

	if (!disk)
		return ERR_PTR(-ENOMEM);
	blk_queue_logical_block_size(disk->queue, block);
	blk_queue_physical_block_size(disk->queue, block);
	blk_queue_dma_alignment(disk->queue, (int)block - 1);
	disk->queue->limits.discard_granularity = block;
	blk_queue_max_discard_sectors(disk->queue, UINT_MAX);
	blk_queue_max_write_zeroes_sectors(disk->queue, UINT_MAX);
	blk_queue_write_cache(disk->queue, true, true);
	blk_queue_flag_set(QUEUE_FLAG_NONROT, disk->queue);
	blk_queue_flag_clear(QUEUE_FLAG_ADD_RANDOM, disk->queue);
	return disk;
#else
	struct queue_limits limits = {
		.logical_block_size = block,
		.physical_block_size = block,
		.dma_alignment = block - 1,
		.discard_granularity = block,
		.max_hw_discard_sectors = UINT_MAX,
		.max_write_zeroes_sectors = UINT_MAX,
		.features = BLK_FEAT_SYNCHRONOUS | BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA,
	};

	return blk_alloc_disk(&limits, NUMA_NO_NODE);
#endif
}

#endif
