/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a disk knows of its blocks. A block is empty (never written, discarded,
 * freed), stored by the host, on the backing device, or lost: its write failed.
 * A block that the host should have and has not is an error, never zeros; so
 * the disk has to remember which it wrote. And a freed block is to be flushed:
 * that is remembered without memory being needed, since it is freed where
 * nothing can be allocated or waited for.
 *
 * One I/O on a block at a time, as for every disk; freeing comes between two.
 */
#ifndef TMEM_LINUX_BLOCKS_H
#define TMEM_LINUX_BLOCKS_H

#include <linux/atomic.h>
#include <linux/types.h>
#include <linux/wait.h>

struct tmem_blocks {
	u32 count;
	/* A bit per block; atomic operations only. */
	unsigned long *stored;
	unsigned long *backed;
	unsigned long *lost;
	unsigned long *freed;	 /* the host still has its page */
	unsigned long *flushing; /* its flush is on the way */
	atomic_t dead;		 /* blocks that are freed */
	wait_queue_head_t flushed;
};

/* What became of a write. */
enum tmem_written {
	TMEM_WRITTEN_HOST,
	TMEM_WRITTEN_BACKING,
	TMEM_WRITTEN_NOT,   /* lost */
	TMEM_WRITTEN_LATER, /* empty: refused, and the writer still has it */
};

/* 0 or -ENOMEM. */
int tmem_blocks_init(struct tmem_blocks *blocks, u32 count);
void tmem_blocks_exit(struct tmem_blocks *blocks);

bool tmem_blocks_is_stored(const struct tmem_blocks *blocks, u32 block);
bool tmem_blocks_is_backed(const struct tmem_blocks *blocks, u32 block);
bool tmem_blocks_is_lost(const struct tmem_blocks *blocks, u32 block);
/* The host has a page of it, whether or not anybody wants it. */
bool tmem_blocks_is_there(const struct tmem_blocks *blocks, u32 block);

/* Before a write: no flush of it is on the way, or will be, when this returns. May sleep. */
void tmem_blocks_begin_write(struct tmem_blocks *blocks, u32 block);
void tmem_blocks_end_write(struct tmem_blocks *blocks, u32 block, enum tmem_written written);
/* The host has lost it. */
void tmem_blocks_lose(struct tmem_blocks *blocks, u32 block);
/* Empties it without a flush: its page is gone, or will be before anything else is written. */
void tmem_blocks_empty(struct tmem_blocks *blocks, u32 block);

/* Any context. True: there is one more to flush. */
bool tmem_blocks_free(struct tmem_blocks *blocks, u32 block);
/* As they are now. */
void tmem_blocks_count(const struct tmem_blocks *blocks, u32 *stored, u32 *backed, u32 *lost);

u32 tmem_blocks_dead(const struct tmem_blocks *blocks);
/* Up to @most freed blocks from @from on, whose flush begins; those are to be ended. */
u32 tmem_blocks_begin_flush(struct tmem_blocks *blocks, u32 from, u32 *block, u32 most);
void tmem_blocks_end_flush(struct tmem_blocks *blocks, const u32 *block, u32 count);

#endif
