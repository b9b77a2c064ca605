/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * File systems whose pages several guests share: /sys/kernel/tmem/shared says
 * which, and by which uuid the host knows their pool. Only what is mounted
 * read-only is shared, and only for as long as it is; so nothing that is in
 * such a pool ever has to be flushed. What its pages are called does not
 * depend on the guest.
 */
#ifndef TMEM_LINUX_POOLS_H
#define TMEM_LINUX_POOLS_H

#include <linux/types.h>

struct inode;
struct seq_file;
struct super_block;
struct tmem_guest;
struct tmem_place;

/* 0 or -errno; without it nothing is shared. */
int tmem_pools_create(struct tmem_guest *guest);
/* Nobody may ask for places any more. */
void tmem_pools_destroy(void);

/* Any context. True: the page is a shared pool's, by this name. */
bool tmem_pools_place(const struct inode *inode, pgoff_t index, struct tmem_place *place);

/* Any context. @sb is about to be made writable or shut down, and shares nothing any more. */
void tmem_pools_leave(const struct super_block *sb);

/* For people, a line each. */
void tmem_pools_show(struct seq_file *file);

#endif
