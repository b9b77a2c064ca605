/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A swap disk over a persistent pool, /dev/tmemN: a block is a page, blocks of
 * 4 MiB are an object. The kernel says of each slot when it is free, and that
 * page is flushed then.
 */
#ifndef TMEM_LINUX_DISK_H
#define TMEM_LINUX_DISK_H

#include <linux/types.h>

struct tmem_disk;
struct tmem_guest;

struct tmem_disk_figures {
	const char *name; /* as long as the disk */
	u32 blocks, stored, backed, lost;
};

/* Of as many blocks as @allocation bytes hold whatever is in them. 0 or -errno. */
int tmem_disk_create(struct tmem_guest *guest, u64 allocation, struct tmem_disk **disk);
/* Who has it open is left with a disk that answers -EIO. */
void tmem_disk_destroy(struct tmem_disk *disk);

/* As they are now. */
void tmem_disk_figures(const struct tmem_disk *disk, struct tmem_disk_figures *figures);

#endif
