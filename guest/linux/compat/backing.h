/* SPDX-License-Identifier: GPL-2.0-only */
/* Opening a block device for oneself: what is held is a file from 6.9 on. */
#ifndef TMEM_LINUX_COMPAT_BACKING_H
#define TMEM_LINUX_COMPAT_BACKING_H

#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)

struct compat_backing {
	struct block_device *bdev;
};

#define COMPAT_BACKING_MODE (FMODE_READ | FMODE_WRITE | FMODE_EXCL)

static inline int compat_backing_open(struct compat_backing *backing, const char *path,
				      void *holder)
{
	backing->bdev = blkdev_get_by_path(path, COMPAT_BACKING_MODE, holder);
	return PTR_ERR_OR_ZERO(backing->bdev);
}

static inline void compat_backing_close(struct compat_backing *backing)
{
	blkdev_put(backing->bdev, COMPAT_BACKING_MODE);
}

#else

struct compat_backing {
	struct block_device *bdev;
	struct file *file;
};

static inline int compat_backing_open(struct compat_backing *backing, const char *path,
				      void *holder)
{
	backing->file = bdev_file_open_by_path(path, BLK_OPEN_READ | BLK_OPEN_WRITE, holder, NULL);
	if (IS_ERR(backing->file))
		return PTR_ERR(backing->file);
	backing->bdev = file_bdev(backing->file);
	return 0;
}

static inline void compat_backing_close(struct compat_backing *backing)
{
	bdev_fput(backing->file);
}

#endif

#endif
