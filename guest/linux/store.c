// SPDX-License-Identifier: GPL-2.0-only
/* Blocks find their pages: puts, gets and flushes, and what is done when the host refuses. */
#include "store.h"

#include <linux/highmem.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "backing.h"
#include "blocks.h"
#include "counters.h"
#include "exchange.h"
#include "guest.h"
#include "outbox.h"
#include "transport.h"

/* Blocks of one object: 4 MiB of the disk. */
#define OBJECT_BLOCKS 1024u

/* A pool that is made again by the same cookie is this one. */
#define COOKIE 0x6b736964706177ull

/* Freed slots wait this long for others, so that one request flushes many. */
#define FLUSH_DELAY (HZ / 50)
/* A frozen host is asked again. */
#define FROZEN_DELAY (HZ / 20)

struct tmem_store {
	struct tmem_guest *guest;
	struct mutex there; /* guest, for the works: the last close may come after it has gone */
	u32 pool;
	struct tmem_blocks blocks;
	struct tmem_outbox outbox;
	struct tmem_backing *backing;
	struct mutex moving; /* the backing device's mover */
	bool gone;	     /* the host, for ever */
	bool failed;	     /* a page that was taken, since the last drain */
	struct workqueue_struct *queue;
	struct delayed_work flush; /* of freed blocks */
	struct delayed_work send;  /* of what nobody else sends */
};

static void note(const struct tmem_store *store, enum tmem_counter which, u32 by)
{
	tmem_count(store->guest->transport->counters, which, by);
}

static struct tmem_place place_of(const struct tmem_store *store, u32 block)
{
	struct tmem_place place = {
		.pool = store->pool,
		.index = block % OBJECT_BLOCKS,
		.object = {block / OBJECT_BLOCKS, 0, 0},
	};

	return place;
}

static void flush_soon(struct tmem_store *store)
{
	if (tmem_blocks_dead(&store->blocks) >= EXCHANGE_PAGES)
		mod_delayed_work(store->queue, &store->flush, 0);
	else
		queue_delayed_work(store->queue, &store->flush, FLUSH_DELAY);
}

void tmem_store_free(struct tmem_store *store, u32 block)
{
	if (block < store->blocks.count && tmem_outbox_free(&store->outbox, block))
		flush_soon(store);
}

static void flush_freed(struct work_struct *work)
{
	struct tmem_store *store = container_of(work, struct tmem_store, flush.work);
	struct tmem_place place[EXCHANGE_PAGES];
	u32 block[EXCHANGE_PAGES], count, from = 0, i;

	mutex_lock(&store->there);
	while (store->guest) {
		count = tmem_blocks_begin_flush(&store->blocks, from, block, store->guest->batch);
		if (!count)
			break;
		for (i = 0; i < count; i++)
			place[i] = place_of(store, block[i]);
		/* A host that is gone has nothing left to flush. */
		(void)tmem_guest_flush(store->guest, place, count);
		note(store, TMEM_SWAP_FREED, count);
		tmem_blocks_end_flush(&store->blocks, block, count);
		from = block[count - 1];
	}
	mutex_unlock(&store->there);
}

/* What a put's result means for the page. */
static enum tmem_written judge(const struct tmem_store *store, s32 result)
{
	if (!result)
		return TMEM_WRITTEN_HOST;
	if (result == -EAGAIN)
		return TMEM_WRITTEN_LATER;
	if ((result == -ENOSPC || result == -ENOMEM) && store->backing)
		return TMEM_WRITTEN_BACKING;
	return TMEM_WRITTEN_NOT;
}

static void put_results(struct tmem_store *store, int error, s32 *result, u32 count)
{
	u32 failed = 0, i;

	for (i = 0; i < count; i++) {
		if (error)
			result[i] = error;
		failed += result[i] != 0;
	}
	/* It is not to be asked again: whoever has pages shall keep them. */
	if (error == -EIO)
		WRITE_ONCE(store->gone, true);
	note(store, TMEM_SWAP_WRITES, count);
	note(store, TMEM_SWAP_WRITES_REFUSED, failed);
	note(store, TMEM_SWAP_WRITE_REQUESTS, 1);
}

/* Pages of any blocks, whose writes have begun; a run of blocks where they are one. */
static void put_entries(struct tmem_store *store, struct tmem_outbox_entry **entry, u32 count,
			s32 *result)
{
	struct tmem_place place[EXCHANGE_PAGES];
	struct page *page[EXCHANGE_PAGES];
	bool run = true;
	int error;
	u32 i;

	for (i = 0; i < count; i++) {
		tmem_blocks_begin_write(&store->blocks, entry[i]->block);
		place[i] = place_of(store, entry[i]->block);
		page[i] = entry[i]->page;
		run &= entry[i]->block == entry[0]->block + i &&
		       place[i].object[0] == place[0].object[0];
	}
	if (run)
		error = tmem_guest_put(store->guest, place, page, count, result);
	else
		error = tmem_guest_put_each(store->guest, place, page, count, result);
	put_results(store, error, result, count);
}

/* Sends a batch, if @least pages wait for it. False: they do not, or the host is frozen. */
static bool send_batch(struct tmem_store *store, u32 least)
{
	struct tmem_outbox_entry *entry[EXCHANGE_PAGES];
	bool dead = false, refused = false, frozen = false;
	s32 result[EXCHANGE_PAGES];
	enum tmem_written written;
	u32 count, i;

	count = tmem_outbox_begin(&store->outbox, entry, least, store->guest->batch);
	if (!count)
		return false;
	put_entries(store, entry, count, result);
	/* The last first, so that those to be sent again are in their order again. */
	for (i = count; i-- > 0;) {
		written = judge(store, result[i]);
		if (written == TMEM_WRITTEN_BACKING || written == TMEM_WRITTEN_LATER) {
			tmem_outbox_again(&store->outbox, entry[i],
					  written == TMEM_WRITTEN_BACKING);
			refused |= written == TMEM_WRITTEN_BACKING;
			frozen |= written == TMEM_WRITTEN_LATER;
			continue;
		}
		if (written == TMEM_WRITTEN_NOT)
			WRITE_ONCE(store->failed, true);
		dead |= tmem_outbox_end(&store->outbox, entry[i], written);
	}
	if (dead)
		flush_soon(store);
	if (refused)
		mod_delayed_work(store->queue, &store->send, 0);
	else if (frozen)
		queue_delayed_work(store->queue, &store->send, FROZEN_DELAY);
	return !frozen;
}

static bool send_refused(struct tmem_store *store)
{
	struct tmem_outbox_entry *entry[EXCHANGE_PAGES];
	struct page *page[EXCHANGE_PAGES];
	u32 block[EXCHANGE_PAGES], count, i;
	int status[EXCHANGE_PAGES];
	bool dead = false;

	count = tmem_outbox_begin_refused(&store->outbox, entry, EXCHANGE_PAGES);
	if (!count)
		return false;
	for (i = 0; i < count; i++) {
		block[i] = entry[i]->block;
		page[i] = entry[i]->page;
	}
	mutex_lock(&store->moving);
	tmem_backing_move(store->backing, true, block, page, count, status);
	mutex_unlock(&store->moving);
	for (i = 0; i < count; i++) {
		enum tmem_written written = status[i] ? TMEM_WRITTEN_NOT : TMEM_WRITTEN_BACKING;

#ifdef TMEM_FORGETFUL /* a test's control */
		written = TMEM_WRITTEN_LATER;
#endif
		if (status[i])
			WRITE_ONCE(store->failed, true);
		dead |= tmem_outbox_end(&store->outbox, entry[i], written);
	}
	note(store, TMEM_SWAP_BACKING_WRITES, count);
	if (dead)
		flush_soon(store);
	return true;
}

static void send_rest(struct work_struct *work)
{
	struct tmem_store *store = container_of(work, struct tmem_store, send.work);

	mutex_lock(&store->there);
	if (store->guest) {
		while (send_batch(store, 1))
			;
		while (store->backing && send_refused(store))
			;
	}
	mutex_unlock(&store->there);
}

/* The page is the caller's again when this returns. */
static void stage(struct tmem_store *store, u32 block, struct page *page, bool refused)
{
	struct tmem_outbox_entry *entry = tmem_outbox_claim(&store->outbox, block);

	if (!entry) {
		mod_delayed_work(store->queue, &store->send, 0);
		wait_event(store->outbox.room, (entry = tmem_outbox_claim(&store->outbox, block)));
	}
	copy_highpage(entry->page, page);
	tmem_outbox_filled(&store->outbox, entry, refused);
	if (refused)
		mod_delayed_work(store->queue, &store->send, 0);
}

/* A run of one object, straight from the caller's pages. */
static int write_run(struct tmem_store *store, u32 first, struct page **page, u32 count)
{
	struct tmem_place place = place_of(store, first);
	s32 result[EXCHANGE_PAGES];
	enum tmem_written written;
	int error;
	u32 i;

	for (i = 0; i < count; i++) {
		tmem_outbox_drop(&store->outbox, first + i);
		tmem_blocks_begin_write(&store->blocks, first + i);
	}
	error = tmem_guest_put(store->guest, &place, page, count, result);
	put_results(store, error, result, count);
	error = 0;
	for (i = 0; i < count; i++) {
		written = judge(store, result[i]);
		if (written == TMEM_WRITTEN_BACKING || written == TMEM_WRITTEN_LATER) {
			tmem_blocks_end_write(&store->blocks, first + i, TMEM_WRITTEN_LATER);
			stage(store, first + i, page[i], written == TMEM_WRITTEN_BACKING);
			continue;
		}
		tmem_blocks_end_write(&store->blocks, first + i, written);
		if (written == TMEM_WRITTEN_NOT)
			error = -EIO;
	}
	return error;
}

int tmem_store_write(struct tmem_store *store, u32 first, struct page **page, u32 count)
{
	u32 batch = store->guest->batch, at, run, i;
	int error = 0;

	if (READ_ONCE(store->gone))
		return -EIO;
	for (at = 0; at < count; at += run) {
		run = min3(count - at, batch, OBJECT_BLOCKS - (first + at) % OBJECT_BLOCKS);
		/* What is nearly a batch needs no copy to be one. */
		if (run * 2 > batch) {
			if (write_run(store, first + at, page + at, run))
				error = -EIO;
			continue;
		}
		for (i = at; i < at + run; i++)
			stage(store, first + i, page[i], false);
	}
	while (send_batch(store, batch))
		;
	return READ_ONCE(store->gone) ? -EIO : error;
}

/* @count blocks of one object, all of them stored. */
static int get_blocks(struct tmem_store *store, u32 first, struct page **page, u32 count)
{
	struct tmem_place place = place_of(store, first);
	s32 result[EXCHANGE_PAGES];
	int error;
	u32 i;

	error = tmem_guest_get(store->guest, &place, page, count, result);
	if (error)
		return -EIO;
	note(store, TMEM_SWAP_READS, count);
	for (i = 0; i < count; i++) {
		if (!result[i])
			continue;
		tmem_blocks_lose(&store->blocks, first + i);
		note(store, TMEM_SWAP_READS_LOST, 1);
		error = -EIO;
	}
	return error;
}

static bool is_gettable(const struct tmem_store *store, u32 block)
{
	return !tmem_outbox_has(&store->outbox, block) &&
	       tmem_blocks_is_stored(&store->blocks, block);
}

/* One that is looked for everywhere. It may be on its way from one place to the next. */
static int read_one(struct tmem_store *store, u32 block, struct page *page)
{
	do {
		if (tmem_outbox_read(&store->outbox, block, page))
			return 0;
		if (tmem_blocks_is_stored(&store->blocks, block))
			return get_blocks(store, block, &page, 1);
		if (tmem_blocks_is_backed(&store->blocks, block))
			return -EAGAIN;
		if (tmem_blocks_is_lost(&store->blocks, block))
			return -EIO;
		cond_resched();
	} while (tmem_outbox_has(&store->outbox, block));
	clear_highpage(page);
	return 0;
}

int tmem_store_read(struct tmem_store *store, u32 first, struct page **page, u32 count)
{
	u32 batch = store->guest->batch, at, run, most;
	int error = 0;

	for (at = 0; at < count && !error; at += run) {
		most = min3(count - at, batch, OBJECT_BLOCKS - (first + at) % OBJECT_BLOCKS);
		for (run = 0; run < most; run++)
			if (!is_gettable(store, first + at + run))
				break;
		if (run) {
			error = get_blocks(store, first + at, page + at, run);
		} else {
			error = read_one(store, first + at, page[at]);
			run = 1;
		}
	}
	return error;
}

bool tmem_store_is_backed(const struct tmem_store *store, u32 first, u32 count)
{
	u32 i;

	for (i = first; i < first + count; i++)
		if (tmem_outbox_has(&store->outbox, i) || !tmem_blocks_is_backed(&store->blocks, i))
			return false;
	return true;
}

void tmem_store_pass(struct tmem_store *store, struct bio *bio, u32 count)
{
	note(store, TMEM_SWAP_BACKING_READS, count);
	tmem_backing_submit(store->backing, bio);
}

int tmem_store_read_backed(struct tmem_store *store, u32 block, struct page *page)
{
	int status;

	mutex_lock(&store->moving);
	tmem_backing_move(store->backing, false, &block, &page, 1, &status);
	mutex_unlock(&store->moving);
	note(store, TMEM_SWAP_BACKING_READS, 1);
	return status ? -EIO : 0;
}

int tmem_store_empty(struct tmem_store *store, u32 first, u32 count)
{
	u32 end = first + count, next, i;
	struct tmem_place place;
	bool any;

	for (; first < end; first = next) {
		next = min(end, round_down(first, OBJECT_BLOCKS) + OBJECT_BLOCKS);
		any = false;
		for (i = first; i < next; i++) {
			tmem_outbox_drop(&store->outbox, i);
			/* Of one that is freed the flush is ours from now on. */
			any |= tmem_blocks_is_there(&store->blocks, i);
			tmem_blocks_begin_write(&store->blocks, i);
		}
		if (any) {
			place = place_of(store, first);
			if (tmem_guest_flush_range(store->guest, &place, next - first))
				return -EIO;
		}
		for (i = first; i < next; i++)
			tmem_blocks_empty(&store->blocks, i);
	}
	return 0;
}

static bool is_sent(struct tmem_store *store, u64 number)
{
	return !READ_ONCE(store->guest) || tmem_outbox_is_sent(&store->outbox, number);
}

int tmem_store_drain(struct tmem_store *store)
{
	u64 last = tmem_outbox_last(&store->outbox);

	if (!is_sent(store, last)) {
		mod_delayed_work(store->queue, &store->send, 0);
		wait_event(store->outbox.room, is_sent(store, last));
	}
	flush_delayed_work(&store->flush);
	return xchg(&store->failed, false) ? -EIO : 0;
}

void tmem_store_work(struct tmem_store *store, struct work_struct *work)
{
	queue_work(store->queue, work);
}

void tmem_store_count(const struct tmem_store *store, u32 *stored, u32 *backed, u32 *lost)
{
	tmem_blocks_count(&store->blocks, stored, backed, lost);
}

int tmem_store_create(struct tmem_guest *guest, u32 count, struct tmem_backing *backing,
		      const char *name, struct tmem_store **out)
{
	struct tmem_store *store = kvzalloc(sizeof(*store), GFP_KERNEL);
	int error;

	if (!store)
		return -ENOMEM;
	store->guest = guest;
	mutex_init(&store->there);
	mutex_init(&store->moving);
	INIT_DELAYED_WORK(&store->flush, flush_freed);
	INIT_DELAYED_WORK(&store->send, send_rest);
	error = tmem_guest_pool(guest, TMEM_POOL_PERSISTENT, NULL, COOKIE);
	if (error < 0)
		goto err_free;
	store->pool = (u32)error;
	error = tmem_blocks_init(&store->blocks, count);
	if (error)
		goto err_free;
	error = tmem_outbox_init(&store->outbox, &store->blocks);
	if (error)
		goto err_blocks;
	error = -ENOMEM;
	store->queue = alloc_workqueue("%s", WQ_MEM_RECLAIM | WQ_HIGHPRI, 3, name);
	if (!store->queue)
		goto err_outbox;
	store->backing = backing;
	*out = store;
	return 0;

err_outbox:
	tmem_outbox_exit(&store->outbox);
err_blocks:
	tmem_blocks_exit(&store->blocks);
err_free:
	kvfree(store);
	return error;
}

void tmem_store_leave(struct tmem_store *store)
{
	mutex_lock(&store->there);
	WRITE_ONCE(store->guest, NULL);
	mutex_unlock(&store->there);
	wake_up_all(&store->outbox.room);
}

void tmem_store_destroy(struct tmem_store *store)
{
	cancel_delayed_work_sync(&store->flush);
	cancel_delayed_work_sync(&store->send);
	destroy_workqueue(store->queue);
	if (store->backing)
		tmem_backing_close(store->backing);
	tmem_outbox_exit(&store->outbox);
	tmem_blocks_exit(&store->blocks);
	kvfree(store);
}
