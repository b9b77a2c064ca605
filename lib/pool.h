/* SPDX-License-Identifier: MIT */
/* Pools across links: made again by their cookies, lost or found. */
#ifndef LIBTMEM_POOL_H
#define LIBTMEM_POOL_H

#include "connection.h"

/* The daemon has nothing of what it held: pages of persistent pools are lost. */
void lt_pool_lost(struct tmem *tmem);

/* On a new link. @resumed: in the same session. 0, or why the link is to be taken down. */
int lt_pool_remake(struct tmem *tmem, bool resumed);

/* Frees them all, without a word to the daemon. */
void lt_pool_free_all(struct tmem *tmem);

#endif
