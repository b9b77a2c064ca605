/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The memory of a Linux process as a host of extents. An arena hands out at
 * most a fixed number of bytes, from ranges of addresses that it reserves
 * once, and gives every freed extent back to the kernel before it can be
 * handed out again. A process that calls mlockall() needs MCL_ONFAULT, or the
 * kernel populates all reserved addresses. A child made by fork() shares the
 * memfd: it must not use the arena.
 */
#ifndef TMEM_ARENA_H
#define TMEM_ARENA_H

#include <tmem/host.h>

TMEM_BEGIN_C

struct tmem_arena;

#define TMEM_ARENA_HUGE	    0x1u /* huge pages for extents of 2 MiB, where the kernel has them */
#define TMEM_ARENA_LOCK	    0x2u /* persistent and records extents are locked in memory, or refused */
#define TMEM_ARENA_POPULATE 0x4u /* extents are faulted in when they are handed out */

/* Set size to sizeof(struct tmem_arena_config). */
struct tmem_arena_config {
	uint32_t size;
	uint32_t flags; /* TMEM_ARENA_* */
	uint64_t bytes; /* handed out at most, all kinds together: 4096 to 2^43 */
};

struct tmem_arena_figures {
	uint64_t bytes;	       /* the config's */
	uint64_t extents[4];   /* bytes handed out now, by enum tmem_extent_kind */
	uint64_t locked;       /* bytes of these that are locked in memory */
	uint64_t refused;      /* sum of the least bytes asked for in vain, ever */
	uint64_t refused_lock; /* part of it that was refused because locking failed */
};

/* 0, -TMEM_EINVAL or -TMEM_ENOMEM; *@arena is set only on success. */
TMEM_MUST_CHECK int tmem_arena_create(const struct tmem_arena_config *config,
				      struct tmem_arena **arena);

/* Unmaps everything, extents that are still out included. No call may be in progress. */
void tmem_arena_destroy(struct tmem_arena *arena);

void tmem_arena_figures(struct tmem_arena *arena, struct tmem_arena_figures *figures);

/* The host pointer that goes with it is the arena. */
extern const struct tmem_host_ops tmem_arena_ops;

TMEM_END_C

#endif
