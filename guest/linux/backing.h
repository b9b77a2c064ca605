/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The block device behind a disk: it takes the pages that the host refuses,
 * each at the place that it has on the disk. So nothing has to be found or
 * allotted, and it is as large as the disk.
 */
#ifndef TMEM_LINUX_BACKING_H
#define TMEM_LINUX_BACKING_H

#include <linux/mm_types.h>
#include <linux/types.h>

struct bio;
struct tmem_backing;

/* Opens it for this disk alone. 0 or -errno. */
int tmem_backing_open(const char *path, struct tmem_backing **backing);
void tmem_backing_close(struct tmem_backing *backing);
u32 tmem_backing_blocks(const struct tmem_backing *backing);

/*
 * Moves @count pages, at most EXCHANGE_PAGES, and waits. One caller at a time,
 * who is not submitting a bio himself; no memory is needed. @status of each: 0
 * or -errno.
 */
void tmem_backing_move(struct tmem_backing *backing, bool write, const u32 *block,
		       struct page **page, u32 count, int *status);
/* Hands on a bio for the same blocks. Any number of callers. */
void tmem_backing_submit(struct tmem_backing *backing, struct bio *bio);

#endif
