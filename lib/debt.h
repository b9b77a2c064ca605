/* SPDX-License-Identifier: MIT */
/*
 * Debts: what was to be put or flushed while the daemon was away. A put that
 * fails leaves its handle empty; where the daemon comes back with what it
 * held before, that is made true before the program can see otherwise.
 */
#ifndef LIBTMEM_DEBT_H
#define LIBTMEM_DEBT_H

#include "connection.h"

/* For an operation that is given up. */
void lt_debt_add(struct tmem *tmem, const struct tmem_io *io);
/* For a pool that is closed while the daemon is away, in place of its other debts. */
void lt_debt_add_pool(struct tmem *tmem, const struct tmem_pool *pool);

/* For a pool that is freed and has nothing to be destroyed. */
void lt_debt_drop(struct tmem *tmem, const struct tmem_pool *pool);

/*
 * On a new link, when the pools are there again: carries them out. In another
 * session only a shared pool can hold something that we put before. 0, or why
 * the link is to be taken down.
 */
int lt_debt_pay(struct tmem *tmem, bool resumed);

#endif
