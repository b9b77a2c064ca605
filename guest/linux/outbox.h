/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages of a disk on their way out. A write is done when its page has been
 * copied here; from here pages go to the host many at a time, whoever wrote
 * them. One by one each would cost a notification of the host, which costs
 * more than the copy, and as bios that end later each would cost the kernel a
 * second look at a page that it wants to be rid of now.
 *
 * All memory is there from the beginning. A block is here once at most; as
 * long as it is, this is what it holds, whatever the host has. Pages that do
 * not make a batch stay until there are more: they are no worse off here.
 */
#ifndef TMEM_LINUX_OUTBOX_H
#define TMEM_LINUX_OUTBOX_H

#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "blocks.h"

#define OUTBOX_PAGES 128u /* two processors send a batch each, while two more gather */

struct tmem_outbox_entry {
	struct list_head link;
	struct page *page; /* of the outbox's own */
	u64 number;	   /* in the order of writes */
	u32 block;
	u8 state;
	bool freed; /* while it was being written or sent */
};

struct tmem_outbox {
	struct tmem_blocks *blocks; /* the owner's; what they say changes together with this */
	spinlock_t lock;	    /* all below; taken with interrupts off */
	struct list_head free;
	struct list_head ready;	  /* oldest first */
	struct list_head refused; /* by the host: for the backing device */
	u32 ready_count;
	u64 written;		/* number of the last write */
	unsigned long *here;	/* a bit per block; changes under the lock, read anywhere */
	wait_queue_head_t room; /* woken when an entry has gone, or has become ready */
	struct tmem_outbox_entry entry[OUTBOX_PAGES];
};

/* 0 or -ENOMEM. */
int tmem_outbox_init(struct tmem_outbox *outbox, struct tmem_blocks *blocks);
void tmem_outbox_exit(struct tmem_outbox *outbox);

/* A place for a page of @block, to be filled; NULL: none now. Wait for room, then. */
struct tmem_outbox_entry *tmem_outbox_claim(struct tmem_outbox *outbox, u32 block);
/* Its page is there: for the host, or @refused by it. */
void tmem_outbox_filled(struct tmem_outbox *outbox, struct tmem_outbox_entry *entry, bool refused);

/* True: @block was here, and has been copied to @page. */
bool tmem_outbox_read(struct tmem_outbox *outbox, u32 block, struct page *page);
static inline bool tmem_outbox_has(const struct tmem_outbox *outbox, u32 block)
{
	return test_bit_acquire(block, outbox->here);
}

/* Any context. Nobody wants @block any more, here or at the host. True: one more to flush. */
bool tmem_outbox_free(struct tmem_outbox *outbox, u32 block);
/* May sleep. Nothing of @block is here afterwards. */
void tmem_outbox_drop(struct tmem_outbox *outbox, u32 block);

/* Up to @most pages to send, if there are at least @least of them. Each is to be ended. */
u32 tmem_outbox_begin(struct tmem_outbox *outbox, struct tmem_outbox_entry **entry, u32 least,
		      u32 most);
/* The same of those that the host refused. */
u32 tmem_outbox_begin_refused(struct tmem_outbox *outbox, struct tmem_outbox_entry **entry,
			      u32 most);
/* What became of it. True: it was freed meanwhile, and there is one more to flush. */
bool tmem_outbox_end(struct tmem_outbox *outbox, struct tmem_outbox_entry *entry,
		     enum tmem_written written);
/* It has to be sent again, or to the backing device. */
void tmem_outbox_again(struct tmem_outbox *outbox, struct tmem_outbox_entry *entry, bool refused);

/* The number of the last write, and whether all up to @number that were over have been sent. */
u64 tmem_outbox_last(struct tmem_outbox *outbox);
bool tmem_outbox_is_sent(struct tmem_outbox *outbox, u64 number);

#endif
