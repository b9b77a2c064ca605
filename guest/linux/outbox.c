// SPDX-License-Identifier: GPL-2.0-only
/* Pages between a write and the host: who has each, and what it has become. */
#include "outbox.h"

#include <linux/bitops.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

enum {
	ENTRY_FREE,
	ENTRY_FILLING, /* its claimer's: what it holds is not yet written */
	ENTRY_READY,
	ENTRY_REFUSED,
	ENTRY_SENDING /* its sender's, who reads it without the lock */
};

int tmem_outbox_init(struct tmem_outbox *outbox, struct tmem_blocks *blocks)
{
	u32 i;

	outbox->blocks = blocks;
	spin_lock_init(&outbox->lock);
	INIT_LIST_HEAD(&outbox->free);
	INIT_LIST_HEAD(&outbox->ready);
	INIT_LIST_HEAD(&outbox->refused);
	init_waitqueue_head(&outbox->room);
	outbox->here = kvcalloc(BITS_TO_LONGS(blocks->count), sizeof(long),
				GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	if (!outbox->here)
		return -ENOMEM;
	for (i = 0; i < OUTBOX_PAGES; i++) {
		outbox->entry[i].page = alloc_page(GFP_KERNEL);
		if (!outbox->entry[i].page) {
			tmem_outbox_exit(outbox);
			return -ENOMEM;
		}
		list_add_tail(&outbox->entry[i].link, &outbox->free);
	}
	return 0;
}

void tmem_outbox_exit(struct tmem_outbox *outbox)
{
	u32 i;

	for (i = 0; i < OUTBOX_PAGES && outbox->entry[i].page; i++)
		__free_page(outbox->entry[i].page);
	kvfree(outbox->here);
}

static struct tmem_outbox_entry *find_locked(struct tmem_outbox *outbox, u32 block)
{
	u32 i;

	if (!test_bit(block, outbox->here))
		return NULL;
	for (i = 0; i < OUTBOX_PAGES; i++)
		if (outbox->entry[i].state != ENTRY_FREE && outbox->entry[i].block == block)
			return &outbox->entry[i];
	return NULL;
}

static bool is_waiting(const struct tmem_outbox_entry *entry)
{
	return entry->state == ENTRY_READY || entry->state == ENTRY_REFUSED;
}

/* Out of the list that it waits in. */
static void take_locked(struct tmem_outbox *outbox, struct tmem_outbox_entry *entry, u8 state)
{
	list_del(&entry->link);
	outbox->ready_count -= entry->state == ENTRY_READY;
	entry->state = state;
}

static void wait_locked(struct tmem_outbox *outbox, struct tmem_outbox_entry *entry, bool refused,
			bool first)
{
	struct list_head *list = refused ? &outbox->refused : &outbox->ready;

	entry->state = refused ? ENTRY_REFUSED : ENTRY_READY;
	outbox->ready_count += !refused;
	if (first)
		list_add(&entry->link, list);
	else
		list_add_tail(&entry->link, list);
}

/* What its block is has been said before: who finds it here no more finds that. */
static void leave_locked(struct tmem_outbox *outbox, struct tmem_outbox_entry *entry)
{
	entry->state = ENTRY_FREE;
	list_add(&entry->link, &outbox->free);
	clear_bit_unlock(entry->block, outbox->here);
}

struct tmem_outbox_entry *tmem_outbox_claim(struct tmem_outbox *outbox, u32 block)
{
	struct tmem_outbox_entry *entry;
	unsigned long flags;

	spin_lock_irqsave(&outbox->lock, flags);
	entry = find_locked(outbox, block);
	if (entry && is_waiting(entry)) {
		take_locked(outbox, entry, ENTRY_FILLING);
	} else if (entry) {
		entry = NULL;
	} else {
		entry = list_first_entry_or_null(&outbox->free, struct tmem_outbox_entry, link);
		if (entry) {
			list_del(&entry->link);
			entry->state = ENTRY_FILLING;
			entry->block = block;
			set_bit(block, outbox->here);
		}
	}
	if (entry) {
		entry->freed = false;
		entry->number = ++outbox->written;
	}
	spin_unlock_irqrestore(&outbox->lock, flags);
	return entry;
}

void tmem_outbox_filled(struct tmem_outbox *outbox, struct tmem_outbox_entry *entry, bool refused)
{
	unsigned long flags;

	spin_lock_irqsave(&outbox->lock, flags);
	if (entry->freed)
		leave_locked(outbox, entry);
	else
		wait_locked(outbox, entry, refused, false);
	spin_unlock_irqrestore(&outbox->lock, flags);
	wake_up(&outbox->room);
}

bool tmem_outbox_read(struct tmem_outbox *outbox, u32 block, struct page *page)
{
	struct tmem_outbox_entry *entry;
	unsigned long flags;
	bool found;

	if (!tmem_outbox_has(outbox, block))
		return false;
	spin_lock_irqsave(&outbox->lock, flags);
	entry = find_locked(outbox, block);
	found = entry && entry->state != ENTRY_FILLING;
	if (found)
		copy_highpage(page, entry->page);
	spin_unlock_irqrestore(&outbox->lock, flags);
	return found;
}

bool tmem_outbox_free(struct tmem_outbox *outbox, u32 block)
{
	struct tmem_outbox_entry *entry;
	unsigned long flags;
	bool dead = false;

	if (!tmem_outbox_has(outbox, block))
		return tmem_blocks_free(outbox->blocks, block);
	spin_lock_irqsave(&outbox->lock, flags);
	entry = find_locked(outbox, block);
	if (entry && !is_waiting(entry)) {
		entry->freed = true;
	} else {
		dead = tmem_blocks_free(outbox->blocks, block);
		if (entry) {
			take_locked(outbox, entry, ENTRY_FREE);
			leave_locked(outbox, entry);
		}
	}
	spin_unlock_irqrestore(&outbox->lock, flags);
	wake_up(&outbox->room);
	return dead;
}

static bool try_drop(struct tmem_outbox *outbox, u32 block)
{
	struct tmem_outbox_entry *entry;
	unsigned long flags;
	bool gone;

	spin_lock_irqsave(&outbox->lock, flags);
	entry = find_locked(outbox, block);
	gone = !entry || is_waiting(entry);
	if (entry && gone) {
		take_locked(outbox, entry, ENTRY_FREE);
		leave_locked(outbox, entry);
	}
	spin_unlock_irqrestore(&outbox->lock, flags);
	return gone;
}

void tmem_outbox_drop(struct tmem_outbox *outbox, u32 block)
{
	if (!tmem_outbox_has(outbox, block))
		return;
	wait_event(outbox->room, try_drop(outbox, block));
	wake_up(&outbox->room);
}

static u32 begin(struct tmem_outbox *outbox, struct list_head *list,
		 struct tmem_outbox_entry **entry, u32 least, u32 most)
{
	unsigned long flags;
	u32 count = 0;

	spin_lock_irqsave(&outbox->lock, flags);
	while (count < most && !list_empty(list) && (count || outbox->ready_count >= least)) {
		entry[count] = list_first_entry(list, struct tmem_outbox_entry, link);
		take_locked(outbox, entry[count++], ENTRY_SENDING);
	}
	spin_unlock_irqrestore(&outbox->lock, flags);
	return count;
}

u32 tmem_outbox_begin(struct tmem_outbox *outbox, struct tmem_outbox_entry **entry, u32 least,
		      u32 most)
{
	return begin(outbox, &outbox->ready, entry, least, most);
}

u32 tmem_outbox_begin_refused(struct tmem_outbox *outbox, struct tmem_outbox_entry **entry,
			      u32 most)
{
	return begin(outbox, &outbox->refused, entry, 0, most);
}

bool tmem_outbox_end(struct tmem_outbox *outbox, struct tmem_outbox_entry *entry,
		     enum tmem_written written)
{
	unsigned long flags;
	bool dead = false;

	spin_lock_irqsave(&outbox->lock, flags);
	tmem_blocks_end_write(outbox->blocks, entry->block, written);
	if (entry->freed)
		dead = tmem_blocks_free(outbox->blocks, entry->block);
	leave_locked(outbox, entry);
	spin_unlock_irqrestore(&outbox->lock, flags);
	wake_up_all(&outbox->room);
	return dead;
}

void tmem_outbox_again(struct tmem_outbox *outbox, struct tmem_outbox_entry *entry, bool refused)
{
	unsigned long flags;

	spin_lock_irqsave(&outbox->lock, flags);
	tmem_blocks_end_write(outbox->blocks, entry->block, TMEM_WRITTEN_LATER);
	if (entry->freed)
		leave_locked(outbox, entry);
	else
		wait_locked(outbox, entry, refused, true);
	spin_unlock_irqrestore(&outbox->lock, flags);
	wake_up_all(&outbox->room);
}

u64 tmem_outbox_last(struct tmem_outbox *outbox)
{
	unsigned long flags;
	u64 last;

	spin_lock_irqsave(&outbox->lock, flags);
	last = outbox->written;
	spin_unlock_irqrestore(&outbox->lock, flags);
	return last;
}

bool tmem_outbox_is_sent(struct tmem_outbox *outbox, u64 number)
{
	unsigned long flags;
	bool sent = true;
	u32 i;

	spin_lock_irqsave(&outbox->lock, flags);
	for (i = 0; i < OUTBOX_PAGES && sent; i++)
		sent = outbox->entry[i].state == ENTRY_FREE ||
		       outbox->entry[i].state == ENTRY_FILLING || outbox->entry[i].number > number;
	spin_unlock_irqrestore(&outbox->lock, flags);
	return sent;
}
