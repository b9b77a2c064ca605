// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entries in the order in which they came, and by name. An entry that is being
 * sent stays until the host has answered; of one name there is at most one
 * that waits, and it is younger than one that is being sent.
 */
#include "bounce.h"

#include <linux/hashtable.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "exchange.h"

#define ENTRIES	  4096u
#define NAME_BITS 10
#define LINGER	  (HZ / 10)
#define PACE	  HZ /* that a reader waits, at most */

#ifdef TMEM_SKIP /* tests': how many may wait */
static unsigned int entries = ENTRIES;
module_param(entries, uint, 0644);
#else
#define entries ENTRIES
#endif

struct entry {
	struct hlist_node name;
	struct list_head order;
	struct tmem_place place;
	struct page *page; /* NULL: a flush */
	bool sending;
};

struct tmem_bounce {
	struct tmem_guest *guest;
	void (*overflow)(void);
	struct workqueue_struct *queue;
	struct work_struct work;  /* sends as long as there are whole requests */
	struct delayed_work rest; /* sends all that waits */
	wait_queue_head_t sent;
	wait_queue_head_t spared; /* half of the pages are spare again */

	/* All below; taken with interrupts off. */
	spinlock_t lock;
	DECLARE_HASHTABLE(names, NAME_BITS);
	struct list_head order;
	struct list_head free;
	u32 waiting; /* entries that nobody sends yet */
	u32 spare_count;
	u32 pages;
	struct page **spare;
	struct entry entry[ENTRIES];
};

static u64 key_of(const struct tmem_place *place)
{
	return (place->object[1] << 32) + place->object[2] * 0x9e3779b97f4a7c15ull + place->index;
}

static bool same_object(const struct tmem_place *a, const struct tmem_place *b)
{
	return a->pool == b->pool && !memcmp(a->object, b->object, sizeof(a->object));
}

static struct entry *find_locked(struct tmem_bounce *bounce, const struct tmem_place *place,
				 bool sending)
{
	struct entry *entry;

	hash_for_each_possible(bounce->names, entry, name,
			       key_of(place)) if (entry->sending == sending &&
						  entry->place.index == place->index &&
						  same_object(&entry->place, place)) return entry;
	return NULL;
}

static bool is_half_spare(const struct tmem_bounce *bounce)
{
	return READ_ONCE(bounce->spare_count) >= bounce->pages / 2;
}

static void free_locked(struct tmem_bounce *bounce, struct entry *entry)
{
	hash_del(&entry->name);
	bounce->waiting -= !entry->sending;
	list_move(&entry->order, &bounce->free);
	if (entry->page)
		bounce->spare[bounce->spare_count++] = entry->page;
	entry->page = NULL;
	entry->sending = false;
}

/*
 * @page NULL: a flush. @changed: what the host has of it is old. False: there was no
 * room for the page, and a flush is there instead.
 */
static bool add(struct tmem_bounce *bounce, const struct tmem_place *place, struct page *page,
		bool changed)
{
	bool is_kept = !page, is_enough = false;
	struct entry *entry;
	unsigned long flags;

	spin_lock_irqsave(&bounce->lock, flags);
	entry = find_locked(bounce, place, false);
	if (entry)
		free_locked(bounce, entry);
	entry = NULL;
	if (bounce->waiting < entries)
		entry = list_first_entry_or_null(&bounce->free, struct entry, order);
	if (entry) {
		entry->place = *place;
		if (page && bounce->spare_count) {
			entry->page = bounce->spare[--bounce->spare_count];
			copy_highpage(entry->page, page);
			is_kept = true;
		}
		hash_add(bounce->names, &entry->name, key_of(place));
		list_move_tail(&entry->order, &bounce->order);
		is_enough = ++bounce->waiting >= bounce->guest->batch;
	}
	spin_unlock_irqrestore(&bounce->lock, flags);
	if (!entry && changed)
		bounce->overflow();
	else if (!entry || is_enough)
		queue_work(bounce->queue, &bounce->work);
	else
		queue_delayed_work(bounce->queue, &bounce->rest, LINGER);
	return is_kept;
}

bool tmem_bounce_put(struct tmem_bounce *bounce, const struct tmem_place *place, struct page *page)
{
	return add(bounce, place, page, true);
}

bool tmem_bounce_offer(struct tmem_bounce *bounce, const struct tmem_place *place,
		       struct page *page)
{
	/* Whoever takes the last one meanwhile makes this a put like any other. */
	return READ_ONCE(bounce->spare_count) > num_online_cpus() &&
	       add(bounce, place, page, false);
}

void tmem_bounce_flush(struct tmem_bounce *bounce, const struct tmem_place *place)
{
	(void)add(bounce, place, NULL, true);
}

void tmem_bounce_pace(struct tmem_bounce *bounce)
{
	if (!is_half_spare(bounce))
		(void)wait_event_killable_timeout(bounce->spared, is_half_spare(bounce), PACE);
}

/* The oldest that wait and are of one kind, up to @most of them; none if fewer than @least wait. */
static u32 begin(struct tmem_bounce *bounce, struct entry **batch, u32 least, u32 most)
{
	struct entry *entry;
	unsigned long flags;
	u32 count = 0;

	spin_lock_irqsave(&bounce->lock, flags);
	list_for_each_entry(entry, &bounce->order, order)
	{
		if (bounce->waiting + count < least || count == most ||
		    (count && !entry->page != !batch[0]->page) ||
		    (count && entry->place.pool != batch[0]->place.pool))
			break;
		entry->sending = true;
		bounce->waiting--;
		batch[count++] = entry;
	}
	spin_unlock_irqrestore(&bounce->lock, flags);
	return count;
}

static void end(struct tmem_bounce *bounce, struct entry **batch, u32 count)
{
	unsigned long flags;
	u32 i;

	spin_lock_irqsave(&bounce->lock, flags);
	for (i = 0; i < count; i++)
		free_locked(bounce, batch[i]);
	spin_unlock_irqrestore(&bounce->lock, flags);
	wake_up_all(&bounce->sent);
	if (is_half_spare(bounce))
		wake_up_all(&bounce->spared);
}

static void send(struct tmem_bounce *bounce, u32 least)
{
	struct tmem_place place[EXCHANGE_PAGES];
	struct entry *batch[EXCHANGE_PAGES];
	struct page *page[EXCHANGE_PAGES];
	u32 count, i;

	while ((count = begin(bounce, batch, least, bounce->guest->batch))) {
		for (i = 0; i < count; i++) {
			place[i] = batch[i]->place;
			page[i] = batch[i]->page;
		}
		/* A put that fails leaves nothing, and a host that is gone has nothing. */
		if (page[0])
			(void)tmem_guest_put_list(bounce->guest, place, page, count);
		else
			(void)tmem_guest_flush(bounce->guest, place, count);
		end(bounce, batch, count);
	}
}

static void send_whole(struct work_struct *work)
{
	struct tmem_bounce *bounce = container_of(work, struct tmem_bounce, work);

	send(bounce, bounce->guest->batch);
	if (READ_ONCE(bounce->waiting))
		queue_delayed_work(bounce->queue, &bounce->rest, LINGER);
}

static void send_rest(struct work_struct *work)
{
	send(container_of(to_delayed_work(work), struct tmem_bounce, rest), 1);
}

static bool is_sending(struct tmem_bounce *bounce, const struct tmem_place *place)
{
	unsigned long flags;
	bool sending;

	spin_lock_irqsave(&bounce->lock, flags);
	sending = find_locked(bounce, place, true);
	spin_unlock_irqrestore(&bounce->lock, flags);
	return sending;
}

enum tmem_found tmem_bounce_take(struct tmem_bounce *bounce, const struct tmem_place *place,
				 struct page *page)
{
	enum tmem_found found = TMEM_FOUND_ASK;
	struct entry *entry;
	unsigned long flags;
	bool sending;

	spin_lock_irqsave(&bounce->lock, flags);
	entry = find_locked(bounce, place, false);
	sending = find_locked(bounce, place, true);
	if (entry && entry->page) {
		copy_highpage(page, entry->page);
		found = TMEM_FOUND;
		/* What is being sent is older, and must not stay: this one flushes it. */
		if (sending) {
			bounce->spare[bounce->spare_count++] = entry->page;
			entry->page = NULL;
		} else {
			free_locked(bounce, entry);
		}
	} else if (entry) {
		found = TMEM_FOUND_NOT;
	}
	spin_unlock_irqrestore(&bounce->lock, flags);
	if (!entry && sending)
		wait_event(bounce->sent, !is_sending(bounce, place));
	return found;
}

/* Drops what waits; true: something is being sent. @place NULL: of everything. */
static bool drop(struct tmem_bounce *bounce, const struct tmem_place *place, u64 count)
{
	struct entry *entry, *next;
	unsigned long flags;
	bool sending = false;

	spin_lock_irqsave(&bounce->lock, flags);
	list_for_each_entry_safe(entry, next, &bounce->order, order)
	{
		if (place && (entry->place.index < place->index ||
			      entry->place.index - place->index >= count ||
			      !same_object(&entry->place, place)))
			continue;
		if (entry->sending)
			sending = true;
		else
			free_locked(bounce, entry);
	}
	spin_unlock_irqrestore(&bounce->lock, flags);
	return sending;
}

void tmem_bounce_drop(struct tmem_bounce *bounce, const struct tmem_place *place, u64 count)
{
	/* Whoever locked a file against puts has done so before he looks (put_or_flush()). */
	smp_mb();
	if (!list_empty_careful(&bounce->order))
		wait_event(bounce->sent, !drop(bounce, place, count));
}

void tmem_bounce_drop_all(struct tmem_bounce *bounce)
{
	wait_event(bounce->sent, !drop(bounce, NULL, 0));
}

int tmem_bounce_create(struct tmem_guest *guest, u32 pages, void (*overflow)(void),
		       struct tmem_bounce **out)
{
	struct tmem_bounce *bounce = kvzalloc(sizeof(*bounce), GFP_KERNEL);
	u32 i;

	if (!bounce)
		return -ENOMEM;
	bounce->guest = guest;
	bounce->overflow = overflow;
	spin_lock_init(&bounce->lock);
	init_waitqueue_head(&bounce->sent);
	init_waitqueue_head(&bounce->spared);
	INIT_WORK(&bounce->work, send_whole);
	INIT_DELAYED_WORK(&bounce->rest, send_rest);
	INIT_LIST_HEAD(&bounce->order);
	INIT_LIST_HEAD(&bounce->free);
	hash_init(bounce->names);
	for (i = 0; i < ENTRIES; i++)
		list_add(&bounce->entry[i].order, &bounce->free);
	bounce->queue = alloc_ordered_workqueue("tmem-bounce", WQ_MEM_RECLAIM | WQ_HIGHPRI);
	bounce->spare = kvcalloc(pages, sizeof(*bounce->spare), GFP_KERNEL);
	while (bounce->spare && bounce->pages < pages) {
		bounce->spare[bounce->pages] = alloc_page(GFP_KERNEL);
		if (!bounce->spare[bounce->pages])
			break;
		bounce->pages++;
	}
	bounce->spare_count = bounce->pages;
	*out = bounce;
	if (bounce->queue && bounce->pages == pages)
		return 0;
	tmem_bounce_destroy(bounce);
	return -ENOMEM;
}

void tmem_bounce_destroy(struct tmem_bounce *bounce)
{
	if (bounce->queue) {
		tmem_bounce_drop_all(bounce);
		flush_work(&bounce->work);
		cancel_delayed_work_sync(&bounce->rest);
		destroy_workqueue(bounce->queue);
	}
	while (bounce->spare_count)
		__free_page(bounce->spare[--bounce->spare_count]);
	kvfree(bounce->spare);
	kvfree(bounce);
}
