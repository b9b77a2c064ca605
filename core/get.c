/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Where a page comes back from. A private ephemeral page is taken out of its
 * slot first and then copied, by the only one who still knows of it; any
 * other page is pinned and copied. An ephemeral page's extent is held against
 * dropping meanwhile.
 * The copy runs outside every lock.
 */
#include "internal.h"

/*
 * So much of a whole page is asked for ahead of its copy: the processor sees
 * by then which way it goes and fetches the rest itself. More of these than
 * it can have under way hold up the lock that comes before the copy.
 */
#define LEAD 512u

/*
 * Holds @extent in a word of the worker's, held or from, unless it was dropped;
 * who holds it writes 0 there. The exchange comes before
 * the look at the state, as in drop.c the state changes before the
 * look at who holds: one of the two sees the other.
 */
int tmem_hold(uint32_t *hold, struct extent *extent)
{
	uint32_t state;

	tmem_exchange_full(hold, extent->number);
	while ((state = tmem_load_acquire(&extent->state)) == EXTENT_DROPPING)
		tmem_cpu_relax();
	if (tmem_likely(state != EXTENT_DEAD))
		return 1;
	tmem_store_release(hold, 0u);
	return 0;
}

/* The block that @value leads to, and what is written if it @is_freed. */
static inline void prefetch(const struct tmem_engine *engine, uint64_t value, int is_freed)
{
	struct extent *extent = tmem_extent_near(engine, value);
	uint32_t unit = tmem_place_unit(SLOT_PLACE(value)), slot = unit / TMEM_PAGE_UNITS, i;
	const unsigned char *data;
	struct block *headers;

	if (tmem_unlikely(!extent))
		return;
	data = tmem_load(&extent->base) + (size_t)unit * TMEM_UNIT;
	headers = tmem_load(&extent->headers);
	tmem_prefetch(data);
	if (!headers) {
		tmem_prefetch_block(data, SLOT_LENGTH(value) + TMEM_UNIT);
		return;
	}
	tmem_prefetch_write(&headers[slot]);
	for (i = TMEM_LINE; i < LEAD; i += TMEM_LINE)
		tmem_prefetch(data + i);
	if (is_freed) {
		tmem_prefetch_write(&extent->room[slot / 64]);
		tmem_prefetch_write(&extent->tally[0]);
	}
}

static int is_named(const struct block *block, uint32_t object, uint32_t index)
{
	return tmem_load(&block->object) == object && tmem_load(&block->index) == index;
}

static inline int is_taken(const struct extent *extent, uint32_t unit, uint64_t value)
{
	return tmem_unlikely(tmem_lend_asked(extent)) &&
	       !tmem_lend_is_left(extent, unit, SLOT_LENGTH(value));
}

/*
 * The block at @unit, which @value leads to, into a client's page. 0;
 * -TMEM_EIO; -TMEM_ENOENT: the host has taken it, and the page is untouched.
 * *@taken: it has, where that is why. Only a raw page that goes in the middle
 * of the copy is an error for that reason.
 */
static inline int fetch(struct tmem_worker *worker, const struct key *key,
			const struct extent *extent, uint32_t unit, uint64_t value, void *page,
			int *taken)
{
	const unsigned char *data = tmem_payload(extent, unit);
	int err;

	if (SLOT_CODEC(value) == TMEM_CODEC_RAW &&
	    tmem_likely(SLOT_LENGTH(value) == TMEM_PAGE_SIZE)) {
		*taken = is_taken(extent, unit, value);
		if (tmem_unlikely(*taken))
			return -TMEM_ENOENT;
		tmem_copy_out(page, data);
		*taken = is_taken(extent, unit, value);
		return tmem_likely(!*taken) ? 0 : -TMEM_EIO;
	}
	err = tmem_decode(worker, key, SLOT_CODEC(value), data, SLOT_LENGTH(value));
	*taken = is_taken(extent, unit, value);
	if (tmem_unlikely(*taken))
		return -TMEM_ENOENT;
	if (tmem_likely(!err))
		memcpy(page, worker->page, TMEM_PAGE_SIZE);
	return err;
}

/*
 * A persistent page was got: it is as young as one that was put just now, and
 * a dense one is to go back to a faster codec, if there is a step to do it
 * before so many others were got. The shard is locked.
 */
static void note_use(struct tmem_engine *engine, const struct heap *heap, struct block *block,
		     uint64_t value)
{
	tmem_store(&block->time, tmem_load(&heap->clock));
	if (tmem_is_dense(engine, SLOT_CODEC(value)))
		tmem_store(&engine->hot[tmem_add(&engine->hot_next, 1u) % TMEM_HOT],
			   SLOT_PLACE(value));
}

/* Whether a page of the pool is gone once it was got. */
static inline int is_exclusive(const struct pool *pool)
{
	return !(pool->flags & (TMEM_POOL_PERSISTENT | TMEM_POOL_SHARED));
}

static inline __attribute__((always_inline)) int get(struct tmem_worker *worker,
						     const struct access *access,
						     struct sought *sought, void *page)
{
	struct tmem_engine *engine = worker->engine;
	const struct key *key = &access->key;
	struct pool *home = access->home;
	struct counters *counters;
	struct tmem_lock *lock;
	struct extent *extent;
	struct block *block;
	struct heap *heap;
	uint64_t value = 0;
	uint32_t unit, generation;
	tmem_word *slot;
	int exclusive, held, taken, err;

	counters = tmem_counters(access->pool, worker);
	tmem_count(counters, gets, 1);
	exclusive = is_exclusive(access->pool);
	held = !(access->pool->flags & TMEM_POOL_PERSISTENT);
	if (exclusive)
		tmem_pending_make_room(&worker->seat->pending);

	lock = tmem_shard(engine, key);
	tmem_lock(lock);
	slot = tmem_slot_find(worker, home, key, sought);
	if (slot)
		value = *slot;
	if (!value)
		goto miss;
	extent = tmem_extent(engine, tmem_place_extent(SLOT_PLACE(value)));
	unit = tmem_place_unit(SLOT_PLACE(value));
	if (held && !tmem_hold(&worker->seat->held, extent)) {
		tmem_store(slot, (uint64_t)0);
		tmem_slot_cleared(worker, home, key, sought->object, slot);
		goto miss;
	}
	heap = tmem_load(&extent->heap);
	block = tmem_block(extent, unit);
	worker->touched++;
	generation = tmem_load(&extent->generation);
	if (exclusive) {
		tmem_store(slot, (uint64_t)0);
		tmem_slot_cleared(worker, home, key, sought->object, slot);
	} else {
		tmem_fetch_add_full(&block->tag, TAG_PIN);
		if (!held && tmem_unlikely(engine->dense != NULL))
			note_use(engine, heap, block, value);
	}
	tmem_unlock(lock);
	tmem_spares_settle(worker, home);
	tmem_count(counters, gets_hit, 1);
	if (exclusive)
		tmem_pending_prepare(worker, heap, value, tmem_pool_place(home), generation);
	/* Taken out, or pinned: its header stays, and need not be waited for under the lock. */
	if (tmem_likely(is_named(block, sought->object, key->index))) {
		err = fetch(worker, key, extent, unit, value, page, &taken);
	} else {
		taken = is_taken(extent, unit, value);
		err = taken ? -TMEM_ENOENT : -TMEM_EIO;
	}
	if (exclusive) {
		tmem_pending_leave(worker);
	} else {
		/* What failed its check is gone; while it is pinned no other page has its place. */
		if (tmem_unlikely(err))
			tmem_take(worker, home, key, value);
		tmem_heap_unpin(heap, extent, block, SLOT_PLACE(value));
	}
	if (held)
		tmem_store_release(&worker->seat->held, 0u);
	if (tmem_unlikely(err)) {
		tmem_count(counters, gets_hit, -1);
		if (taken) {
			/* What was marked with it goes with it: the host takes in that order. */
			tmem_count(counters, gets_taken, 1);
			tmem_heap_drop_taken(heap, extent->number, generation);
		} else {
			tmem_count(counters, gets_lost, 1);
		}
	}
	tmem_end(worker, access);
	return err;

miss:
	tmem_unlock(lock);
	tmem_spares_settle(worker, home);
	tmem_end(worker, access);
	return -TMEM_ENOENT;
}

/*
 * Between one copy and the next call's way to its page there is as little as
 * possible: a processor looks only some hundred instructions ahead of what it
 * waits for, and that way is where the time goes.
 */
int tmem_get(struct tmem_client *client, struct tmem_worker *worker,
	     const struct tmem_handle *handle, void *page)
{
	struct access access;
	struct sought sought;
	uint64_t value;
	int err;

	err = tmem_begin(client, worker, handle, &access);
	if (err)
		return err;
	tmem_slot_seek(worker, access.home, &access.key, &sought);
	value = sought.slot ? tmem_load(sought.slot) : 0;
	prefetch(worker->engine, value, is_exclusive(access.pool));
	return get(worker, &access, &sought, page);
}

/* As tmem_get(), where a batch has found the way already. */
int tmem_get_found(struct tmem_worker *worker, struct ahead *ahead, void *page)
{
	worker->touched = 0;
	return get(worker, &ahead->access, &ahead->sought, page);
}
