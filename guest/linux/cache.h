/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Clean pages of ext4 files that leave the page cache are put into an
 * ephemeral pool, and looked for there before the disk is asked. One host
 * serves them, the first that is found.
 */
#ifndef TMEM_LINUX_CACHE_H
#define TMEM_LINUX_CACHE_H

struct tmem_guest;

/* 0 also where the cache is switched off, or another host has it. */
int tmem_cache_create(struct tmem_guest *guest);
void tmem_cache_destroy(struct tmem_guest *guest);

/* NULL: pages of files go to this host; else, in words, why they do not. */
const char *tmem_cache_why_not(const struct tmem_guest *guest);

#endif
