/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Where a page goes. Reserve, copy, publish: a block is taken from the heap
 * and filled while nobody can see it; then, under the lock of the page's
 * group, the slot is turned to it in one store. Whatever fails before that
 * flushes what the handle held, so that old data never comes back.
 */
#include "internal.h"

#define EVICTIONS   32u /* for the records that one put needs */
#define ORDER_LOOKS 8u	/* a put adds one entry; where a quarter is dead, eight looks find two */

/*
 * The lines that a block will probably take are on their way while the codec
 * works. If it comes to lie elsewhere, or there is no memory any more, they are
 * asked for in vain: nothing is read.
 */
static void ask_for_next(const struct tmem_worker *worker)
{
	uint32_t i;

	for (i = 0; i < worker->next_length; i += TMEM_LINE)
		tmem_prefetch_write(worker->next + i);
}

/*
 * The page into a reserved block. Raw pages are copied straight into the
 * store, past the cache; where that shows a page of one repeated word, the
 * block is given up for a smaller one.
 */
static int stage(struct tmem_worker *worker, const struct access *access, const void *page,
		 struct reserve *reserve, uint64_t *slot)
{
	struct counters *counters = tmem_counters(access->pool, worker);
	uint32_t wanted = tmem_codec_of(access->pool), where = tmem_pool_place(access->home);
	uint32_t codec, length;
	const unsigned char *data;
	int err, same;

	if (wanted == TMEM_CODEC_RAW && tmem_likely(!worker->engine->sum_size)) {
		err = tmem_heap_reserve(access->heap, worker, TMEM_PAGE_SIZE, TMEM_CODEC_RAW, where,
					reserve);
		if (err)
			return err;
		same = tmem_copy_in(reserve->payload, page);
		tmem_copy_done();
		if (tmem_likely(!same)) {
			tmem_count(counters, pages_raw, 1);
			*slot = SLOT_OF(reserve->place, TMEM_PAGE_SIZE, TMEM_CODEC_RAW);
			return 0;
		}
		memcpy(worker->page, reserve->payload, TMEM_PAGE_SIZE);
		tmem_heap_free(access->heap,
			       SLOT_OF(reserve->place, TMEM_PAGE_SIZE, TMEM_CODEC_RAW), where,
			       reserve->extent->generation);
		tmem_store_release(&worker->seat->held, 0u);
	} else {
		memcpy(worker->page, page, TMEM_PAGE_SIZE);
	}
	ask_for_next(worker);
	length = tmem_encode(worker, &access->key, wanted, counters, &codec, &data);
	err = tmem_heap_reserve(access->heap, worker, length, codec, where, reserve);
	if (err)
		return err;
	memcpy(reserve->payload, data, length);
	worker->next = reserve->payload + length;
	worker->next_length = length + 2 * TMEM_LINE;
	*slot = SLOT_OF(reserve->place, length, codec);
	return 0;
}

/*
 * Turns the handle's slot, which @sought leads to, to the reserved block. The
 * old one, if any, is freed.
 */
static int publish(struct tmem_client *client, struct tmem_worker *worker,
		   const struct access *access, struct sought *sought, struct block *block,
		   uint64_t fresh)
{
	const struct key *key = &access->key;
	struct pool *pool = access->home;
	struct tmem_engine *engine = worker->engine;
	struct tmem_lock *lock = tmem_shard(engine, key);
	struct counters *counters = tmem_counters(access->pool, worker);
	uint64_t bytes = tmem_bill_of(SLOT_LENGTH(fresh)), old = 0;
	tmem_word *slot;
	uint32_t generation = 0;
	int replaced = 0, err = 0;

	tmem_lock(lock);
	slot = tmem_slot_find(worker, pool, key, sought);
	if (slot) {
		old = *slot;
		replaced = tmem_slot_stored(engine, old, &generation);
		if (pool->flags & TMEM_POOL_PERSISTENT)
			err = tmem_bill(client, bytes,
					replaced ? tmem_bill_of(SLOT_LENGTH(old)) : 0);
	} else {
		slot = tmem_slot_make(worker, pool, key, bytes, &sought->object, &err);
	}
	if (tmem_likely(!err)) {
		tmem_store(&block->index, key->index);
		tmem_store(&block->object, sought->object);
		tmem_store(slot, fresh);
	}
	tmem_unlock(lock);
	if (tmem_likely(!err) && replaced) {
		tmem_count(counters, puts_replaced, 1);
		tmem_release(pool, old, generation, 0);
	}
	return err;
}

/*
 * Records for the index. Where the host has none to give, the oldest
 * ephemeral pages leave theirs: one page in an object of its own leaves all
 * that the next such page needs.
 */
static int have_spares(struct tmem_worker *worker, const struct access *access)
{
	struct pool *pool = access->home;
	uint32_t try;

	for (try = 0; tmem_spares_fill(worker, pool); try++) {
		if (try == EVICTIONS || (pool->flags & TMEM_POOL_PERSISTENT))
			return -TMEM_ENOMEM;
		if (!tmem_sweep_client(pool->client, worker, 2) &&
		    tmem_evict_one(worker, access->heap, DROP_ROOM))
			return -TMEM_ENOMEM;
	}
	return 0;
}

/* What the sweep owes is paid by those who put: the least that lets it keep up. */
static void pay_sweep(struct tmem_client *client, struct tmem_worker *worker,
		      const struct pool *home, uint32_t puts)
{
	if (tmem_unlikely(tmem_sweep_due(client)))
		tmem_sweep_client(client, worker, 2 * puts);
	if (tmem_unlikely(home->client != client && tmem_sweep_due(home->client)))
		tmem_sweep_client(home->client, worker, 2 * puts);
}

/* After the last publishing of so many puts: the worker holds no extent any more. */
static void settle(struct tmem_worker *worker, const struct access *access, uint32_t puts)
{
	struct heap *heap = access->heap;
	uint64_t live;
	uint32_t i;

	tmem_store_release(&worker->seat->held, 0u);
	tmem_spares_settle(worker, access->home);
	for (i = 0; i < puts; i++)
		tmem_directory_grow(access->home, worker);
	live = tmem_load(&heap->live);
	if (tmem_unlikely(tmem_load(&heap->order.entries) >
			  live + live / 4 + 4 * TMEM_ORDER_ENTRIES))
		worker->touched += tmem_order_compact(heap, ORDER_LOOKS * puts);
}

/* The way to the slot, which is on its way itself before a lock has to wait for it. */
static void seek(struct tmem_worker *worker, const struct access *access, struct sought *sought)
{
	tmem_slot_seek(worker, access->home, &access->key, sought);
	if (sought->slot)
		tmem_prefetch_write(sought->slot);
}

static int put(struct tmem_client *client, struct tmem_worker *worker, struct access *access,
	       const void *page)
{
	struct pool *home = access->home;
	struct reserve reserve;
	struct sought sought;
	uint64_t slot;
	int err, early;

	if (tmem_unlikely(tmem_load(&client->frozen)))
		return -TMEM_EAGAIN;
	pay_sweep(client, worker, home, 1);
	tmem_directory_prefetch(home, access->key.hash);
	err = have_spares(worker, access);
	/* A page that replaces another one needs none: it is never refused for want of them. */
	if (tmem_unlikely(err)) {
		tmem_slot_seek(worker, home, &access->key, &sought);
		if (!sought.slot)
			return err;
	}
	/* The way to the slot is gone while the codec works; it is not waited for. */
	early = tmem_codec_of(access->pool) != TMEM_CODEC_RAW;
	if (early)
		seek(worker, access, &sought);
	err = stage(worker, access, page, &reserve, &slot);
	if (tmem_unlikely(err))
		return err;
	if (!early)
		seek(worker, access, &sought);
	err = publish(client, worker, access, &sought, reserve.block, slot);
	if (tmem_unlikely(err))
		tmem_heap_free(access->heap, slot, tmem_pool_place(home),
			       reserve.extent->generation);
	settle(worker, access, 1);
	return err;
}

/* Counts what became of a put; one that was refused leaves its handle empty. */
static void conclude(struct tmem_worker *worker, const struct access *access, int err)
{
	struct counters *counters = tmem_counters(access->pool, worker);

	tmem_count(counters, puts, 1);
	if (tmem_likely(!err)) {
		tmem_count(counters, puts_stored, 1);
		return;
	}
	if (err == -TMEM_ENOMEM)
		tmem_count(counters, puts_no_room, 1);
	else if (err == -TMEM_ENOSPC)
		tmem_count(counters, puts_over_limit, 1);
	else if (err == -TMEM_EAGAIN)
		tmem_count(counters, puts_frozen, 1);
	if (tmem_take(worker, access->home, &access->key, 0))
		tmem_count(counters, puts_flushed, 1);
}

static inline int is_over_cap(const struct tmem_client *client)
{
	uint64_t cap = tmem_load(&client->cap);

	return tmem_unlikely(cap) && tmem_client_bytes(client) > cap;
}

/*
 * Extents are opened within the cap. But records may have grown past it, it
 * may have been lowered, or a member may have left its pages of a shared pool
 * to this client: each put then takes an extent with it, wherever it is. No
 * call for a shared pool has begun.
 */
static void keep_cap(struct tmem_client *client, struct tmem_worker *worker)
{
	if (is_over_cap(client) && !tmem_heap_drop_one(&client->heap[0], DROP_CAP))
		tmem_share_drop_one(client, worker, DROP_CAP);
}

int tmem_put(struct tmem_client *client, struct tmem_worker *worker,
	     const struct tmem_handle *handle, const void *page)
{
	struct access access;
	int err;

	keep_cap(client, worker);
	err = tmem_begin(client, worker, handle, &access);
	if (err)
		return err;
	err = put(client, worker, &access, page);
	conclude(worker, &access, err);
	tmem_end(worker, &access);
	return err;
}

/*
 * Puts that stand next to each other in a batch, into one private ephemeral
 * pool: raw pages, as many as there are slots for in hand, are all copied and
 * then all published, so that streamed stores are waited for once, and are on
 * their way while the batch looks ahead. @ahead is what it knows of the first
 * one, operation @first; there are @count. row->taken is how many can be of
 * the row; 0: the first one has to go by itself.
 */
void tmem_row_begin(struct tmem_client *client, struct tmem_worker *worker,
		    const struct ahead *ahead, uint32_t first, uint32_t count, struct row *row)
{
	const struct access *access = &ahead->access;
	const struct pool *home = access->home;

	if (home->flags & TMEM_POOL_PERSISTENT || tmem_codec_of(home) != TMEM_CODEC_RAW ||
	    worker->engine->sum_size || tmem_load(&client->frozen))
		return;
	worker->touched = 0;
	if (tmem_unlikely(is_over_cap(client)))
		return;
	row->taken = tmem_stock_take(worker, access->heap, tmem_pool_place(home), row->place,
				     tmem_min32(count, TMEM_RUN));
	if (!row->taken)
		return;
	row->first = first;
	row->copied = 0;
	row->extent = tmem_extent(worker->engine, tmem_place_extent(row->place[0]));
}

/* The next put's page. 0: it is of one repeated word, and has a smaller place elsewhere. */
int tmem_row_copy(struct row *row, const void *page)
{
	uint32_t unit = tmem_place_unit(row->place[row->copied]);

	if (tmem_copy_in(tmem_payload(row->extent, unit), page))
		return 0;
	row->copied++;
	return 1;
}

/*
 * Publishes what was copied: @ops are the batch's, where results go. How many
 * were carried out; those after them have to go by themselves. The row ends.
 */
uint32_t tmem_row_publish(struct tmem_client *client, struct tmem_worker *worker,
			  struct tmem_op *ops, struct row *row)
{
	const struct access *access = &worker->ahead[row->first % TMEM_AHEAD].access;
	struct pool *home = access->home;
	struct ahead *ahead;
	uint64_t slot;
	uint32_t i;
	int err;

	tmem_copy_done();
	for (i = 0; i < row->copied && !tmem_spares_fill(worker, home); i++) {
		/* The records of those before may have gone past it. */
		if (tmem_unlikely(i && is_over_cap(client)))
			break;
		ahead = &worker->ahead[(row->first + i) % TMEM_AHEAD];
		slot = SLOT_OF(row->place[i], TMEM_PAGE_SIZE, TMEM_CODEC_RAW);
		err = publish(client, worker, &ahead->access, &ahead->sought,
			      tmem_block(row->extent, tmem_place_unit(row->place[i])), slot);
		if (tmem_likely(!err))
			tmem_count(tmem_counters(home, worker), pages_raw, 1);
		else
			tmem_heap_free(access->heap, slot, tmem_pool_place(home),
				       row->extent->generation);
		tmem_spares_settle(worker, home);
		conclude(worker, &ahead->access, err);
		ops[row->first + i].result = err;
	}
	if (i < row->taken)
		tmem_stock_return(worker, row->place + i, row->taken - i);
	row->taken = 0;
	settle(worker, access, i);
	pay_sweep(client, worker, home, i);
	return i;
}
