/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A watch of the page cache: the kernel's doings with pages of files, told to
 * those who keep clean ones elsewhere. By a kernel that has a place for that
 * (guest/linux/patch): patched.c; by hooks into one that has none: stock.c.
 * Which of them is compiled, the kernel's configuration says.
 */
#ifndef TMEM_LINUX_WATCH_H
#define TMEM_LINUX_WATCH_H

#include <linux/types.h>

#include "compat/readpages.h"

struct address_space;
struct folio;

/* 0, or -errno and why in the kernel's log: nothing is told then. May sleep. */
int tmem_watch_begin(void);
/* Afterwards nothing is told, and nobody is still being told. May sleep. */
void tmem_watch_end(void);

/* ---- what is told, and who it is told to: cache.c, and tmem_pools_leave() ---- */

/* Before @folio is removed, which nobody else can find any more; interrupts are off. */
void tmem_cache_removed(struct folio *folio);
/* Pages change where the page cache does not see it: before that, and again after. May sleep. */
void tmem_cache_changed(struct address_space *mapping, pgoff_t first, pgoff_t last);
/* In place of @original, by which it reads what nobody else has. May sleep. */
int tmem_cache_read(struct inode *inode, struct readahead_control *ahead, compat_unit *unit,
		    compat_readpages *original);

#endif
