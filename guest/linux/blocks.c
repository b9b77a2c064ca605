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
	blocks->lost = bits(count);
	blocks->freed = bits(count);
	blocks->flushing = bits(count);
	if (blocks->stored && blocks->lost && blocks->freed && blocks->flushing)
		return 0;
	tmem_blocks_exit(blocks);
	return -ENOMEM;
}

void tmem_blocks_exit(struct tmem_blocks *blocks)
{
	kvfree(blocks->stored);
	kvfree(blocks->lost);
	kvfree(blocks->freed);
	kvfree(blocks->flushing);
}

bool tmem_blocks_is_stored(const struct tmem_blocks *blocks, u32 block)
{
	return test_bit(block, blocks->stored);
}

bool tmem_blocks_is_lost(const struct tmem_blocks *blocks, u32 block)
{
	return test_bit(block, blocks->lost);
}

void tmem_blocks_count(const struct tmem_blocks *blocks, u32 *stored, u32 *lost)
{
	*stored = (u32)bitmap_weight(blocks->stored, blocks->count);
	*lost = (u32)bitmap_weight(blocks->lost, blocks->count);
}

/*
 * Whoever flushes says so before he takes the block out of those that are
 * freed (below), and here it is the other way round: so either we see that he
 * is at it, or he finds nothing to do.
 */
void tmem_blocks_begin_write(struct tmem_blocks *blocks, u32 block)
{
	clear_bit(block, blocks->freed);
	smp_mb__after_atomic();
	wait_event(blocks->flushed, !test_bit(block, blocks->flushing));
}

void tmem_blocks_end_write(struct tmem_blocks *blocks, u32 block, bool stored)
{
	if (!stored) {
		tmem_blocks_lose(blocks, block);
		return;
	}
	clear_bit(block, blocks->lost);
	set_bit(block, blocks->stored);
}

void tmem_blocks_lose(struct tmem_blocks *blocks, u32 block)
{
	clear_bit(block, blocks->stored);
	set_bit(block, blocks->lost);
}

void tmem_blocks_empty(struct tmem_blocks *blocks, u32 block)
{
	clear_bit(block, blocks->stored);
	clear_bit(block, blocks->lost);
}

bool tmem_blocks_free(struct tmem_blocks *blocks, u32 block)
{
	clear_bit(block, blocks->lost);
	if (!test_and_clear_bit(block, blocks->stored))
		return false;
	set_bit(block, blocks->freed);
	return true;
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
		if (test_and_clear_bit(at, blocks->freed)) {
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
