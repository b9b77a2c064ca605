// SPDX-License-Identifier: GPL-2.0-only
/* Bits for blocks, and the order in which they are looked at. */
#include "blocks.h"

#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/mm.h>

/* How many there are is the host's word: what is too much fails, and kills nobody. */
static unsigned long *bits(u32 count)
{
	return kvcalloc(BITS_TO_LONGS(count), sizeof(long),
			GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
}

int tmem_blocks_init(struct tmem_blocks *blocks, u32 count)
{
	blocks->count = count;
	init_waitqueue_head(&blocks->flushed);
	blocks->stored = bits(count);
	blocks->backed = bits(count);
	blocks->lost = bits(count);
	blocks->freed = bits(count);
	blocks->flushing = bits(count);
	if (blocks->stored && blocks->backed && blocks->lost && blocks->freed && blocks->flushing)
		return 0;
	tmem_blocks_exit(blocks);
	return -ENOMEM;
}

void tmem_blocks_exit(struct tmem_blocks *blocks)
{
	kvfree(blocks->stored);
	kvfree(blocks->backed);
	kvfree(blocks->lost);
	kvfree(blocks->freed);
	kvfree(blocks->flushing);
}

bool tmem_blocks_is_stored(const struct tmem_blocks *blocks, u32 block)
{
	return test_bit(block, blocks->stored);
}

bool tmem_blocks_is_backed(const struct tmem_blocks *blocks, u32 block)
{
	return test_bit(block, blocks->backed);
}

bool tmem_blocks_is_lost(const struct tmem_blocks *blocks, u32 block)
{
	return test_bit(block, blocks->lost);
}

bool tmem_blocks_is_there(const struct tmem_blocks *blocks, u32 block)
{
	return test_bit(block, blocks->stored) || test_bit(block, blocks->freed);
}

void tmem_blocks_count(const struct tmem_blocks *blocks, u32 *stored, u32 *backed, u32 *lost)
{
	*stored = (u32)bitmap_weight(blocks->stored, blocks->count);
	*backed = (u32)bitmap_weight(blocks->backed, blocks->count);
	*lost = (u32)bitmap_weight(blocks->lost, blocks->count);
}

static bool take_freed(struct tmem_blocks *blocks, u32 block)
{
	if (!test_and_clear_bit(block, blocks->freed))
		return false;
	atomic_dec(&blocks->dead);
	return true;
}

/*
 * Whoever flushes says so before he takes the block out of those that are
 * freed (below), and here it is the other way round: so either we see that he
 * is at it, or he finds nothing to do.
 */
void tmem_blocks_begin_write(struct tmem_blocks *blocks, u32 block)
{
	take_freed(blocks, block);
	smp_mb__after_atomic();
	wait_event(blocks->flushed, !test_bit(block, blocks->flushing));
}

/* What it is now is said first: between the two it would be empty, and read as zeros. */
void tmem_blocks_end_write(struct tmem_blocks *blocks, u32 block, enum tmem_written written)
{
	if (written == TMEM_WRITTEN_HOST)
		set_bit(block, blocks->stored);
	else if (written == TMEM_WRITTEN_BACKING)
		set_bit(block, blocks->backed);
	else if (written == TMEM_WRITTEN_NOT)
		set_bit(block, blocks->lost);
	smp_mb__after_atomic();
	if (written != TMEM_WRITTEN_HOST)
		clear_bit(block, blocks->stored);
	if (written != TMEM_WRITTEN_BACKING)
		clear_bit(block, blocks->backed);
	if (written != TMEM_WRITTEN_NOT)
		clear_bit(block, blocks->lost);
}

void tmem_blocks_lose(struct tmem_blocks *blocks, u32 block)
{
	tmem_blocks_end_write(blocks, block, TMEM_WRITTEN_NOT);
}

void tmem_blocks_empty(struct tmem_blocks *blocks, u32 block)
{
	clear_bit(block, blocks->backed);
	clear_bit(block, blocks->stored);
	clear_bit(block, blocks->lost);
}

bool tmem_blocks_free(struct tmem_blocks *blocks, u32 block)
{
	clear_bit(block, blocks->lost);
	clear_bit(block, blocks->backed);
	if (!test_and_clear_bit(block, blocks->stored))
		return false;
	if (!test_and_set_bit(block, blocks->freed))
		atomic_inc(&blocks->dead);
	return true;
}

u32 tmem_blocks_dead(const struct tmem_blocks *blocks)
{
	return (u32)atomic_read(&blocks->dead);
}

u32 tmem_blocks_begin_flush(struct tmem_blocks *blocks, u32 from, u32 *block, u32 most)
{
	u32 count = 0, at;

	for (at = from; count < most; at++) {
		at = (u32)find_next_bit(blocks->freed, blocks->count, at);
		if (at >= blocks->count)
			break;
		set_bit(at, blocks->flushing);
		smp_mb__after_atomic();
		if (take_freed(blocks, at)) {
			block[count++] = at;
			continue;
		}
		tmem_blocks_end_flush(blocks, &at, 1);
	}
	return count;
}

void tmem_blocks_end_flush(struct tmem_blocks *blocks, const u32 *block, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		clear_bit(block[i], blocks->flushing);
	smp_mb__after_atomic();
	wake_up_all(&blocks->flushed);
}
