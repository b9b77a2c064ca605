/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * How pages leave on request: one by one, as a range, or as an object. What
 * is larger than two groups is only taken out of sight here; its memory
 * comes back in steps (detach.c, sweep.c).
 */
#include "internal.h"

/* Frees the block of a slot that was taken out of @pool's index. No lock held. */
void tmem_release(const struct pool *pool, uint64_t slot, uint32_t generation, int billed)
{
	struct tmem_engine *engine = pool->client->engine;
	struct extent *extent = tmem_extent(engine, tmem_place_extent(SLOT_PLACE(slot)));
	struct heap *heap = tmem_load(&extent->heap);

	tmem_heap_free(heap, slot, tmem_pool_place(pool), generation);
	if (billed && heap->kind == TMEM_EXTENT_PERSISTENT)
		tmem_sub(&heap->client->billed, tmem_bill_of(SLOT_LENGTH(slot)));
}

/*
 * Takes one page out; @only not 0: if that is what its slot says. 1: it was
 * there. No lock held.
 */
int tmem_take(struct tmem_worker *worker, struct pool *pool, const struct key *key, uint64_t only)
{
	struct tmem_engine *engine = worker->engine;
	struct tmem_lock *lock = tmem_shard(engine, key);
	tmem_word *slot;
	uint64_t old = 0;
	struct sought sought;
	uint32_t generation = 0;
	int stored = 0;

	tmem_slot_seek(worker, pool, key, &sought);
	tmem_lock(lock);
	slot = tmem_slot_find(worker, pool, key, &sought);
	if (slot && *slot && (!only || *slot == only)) {
		old = *slot;
		stored = tmem_slot_stored(engine, old, &generation);
		tmem_store(slot, (uint64_t)0);
		tmem_slot_cleared(worker, pool, key, sought.object, slot);
	}
	tmem_unlock(lock);
	tmem_spares_settle(worker, pool);
	if (stored)
		tmem_release(pool, old, generation, 1);
	return stored;
}

/*
 * Takes the pages @first to @last (0 to 63) of key's group out of object
 * @number, and the group with its last page. How many there were. No lock held.
 */
uint32_t tmem_take_group(struct tmem_worker *worker, struct pool *pool, const struct key *key,
			 uint32_t number, uint32_t first, uint32_t last)
{
	struct tmem_engine *engine = worker->engine;
	struct tmem_lock *lock = tmem_shard(engine, key);
	tmem_word *slots[2], *slot;
	uint64_t left = 0;
	uint32_t count, taken = 0, i;

	tmem_lock(lock);
	count = tmem_group_slots(worker, key, number, pool->objects, slots);
	for (i = 0; i < TMEM_GROUP_PAGES; i++) {
		slot = tmem_group_slot(slots, count, i);
		if (!slot)
			break;
		if (i >= first && i <= last && *slot) {
			if (tmem_slot_stored(engine, *slot, &worker->taken_generation[taken]))
				worker->taken[taken++] = *slot;
			tmem_store(slot, (uint64_t)0);
		}
		left |= *slot;
	}
	if (!left && (count || slots[0]))
		tmem_group_remove(worker, pool, key, number);
	tmem_unlock(lock);
	tmem_spares_settle(worker, pool);
	worker->touched += taken;
	for (i = 0; i < taken; i++)
		tmem_release(pool, worker->taken[i], worker->taken_generation[i], 1);
	return taken;
}

int tmem_flush(struct tmem_client *client, struct tmem_worker *worker,
	       const struct tmem_handle *handle)
{
	struct counters *counters;
	struct access access;
	int err;

	err = tmem_begin(client, worker, handle, &access);
	if (err)
		return err;
	counters = tmem_counters(access.pool, worker);
	tmem_count(counters, flushes, 1);
	err = tmem_take(worker, access.home, &access.key, 0);
	tmem_count(counters, flushes_found, err);
	tmem_end(worker, &access);
	return err;
}

/* The object of a handle, without its shard: a number to be checked later. */
static uint32_t find_object(struct tmem_worker *worker, struct pool *pool, const struct key *key)
{
	struct stripe *stripe = &worker->engine->stripe[key->hash % TMEM_STRIPES];
	uint32_t number;

	tmem_lock(&stripe->lock);
	number = tmem_tree_find(pool->objects, *tmem_directory_bucket(pool, key->hash), &key->id,
				&worker->touched);
	tmem_unlock(&stripe->lock);
	return number;
}

/* Part of one group. */
static void flush_edge(struct tmem_worker *worker, struct pool *pool,
		       const struct tmem_handle *handle, uint32_t group, uint32_t first,
		       uint32_t last)
{
	struct tmem_handle here = *handle;
	struct key key;
	uint32_t number;

	here.index = group * TMEM_GROUP_PAGES;
	tmem_key_make(worker->engine, pool, &here, &key);
	number = find_object(worker, pool, &key);
	if (number)
		tmem_take_group(worker, pool, &key, number, first, last);
}

/* Without a node to spare, group by group; only when there is no memory at all. */
static void flush_groups(struct tmem_worker *worker, struct pool *pool,
			 const struct tmem_handle *handle, const struct key *key, uint32_t first,
			 uint32_t last)
{
	struct tmem_engine *engine = worker->engine;
	struct stripe *stripe = &engine->stripe[key->hash % TMEM_STRIPES];
	uint32_t number, group = first;

	for (;;) {
		tmem_lock(&stripe->lock);
		number = tmem_tree_find(pool->objects, *tmem_directory_bucket(pool, key->hash),
					&key->id, &worker->touched);
		group = number ? tmem_group_next_locked(engine,
							tmem_object_at(pool->objects, number),
							group, &worker->touched)
			       : TMEM_NO_GROUP;
		tmem_unlock(&stripe->lock);
		if (group > last)
			return;
		flush_edge(worker, pool, handle, group++, 0, TMEM_GROUP_PAGES - 1);
	}
}

/* The indexes @first to @last, which are not in one group, of an object. */
static void flush_groups_and_edges(struct tmem_worker *worker, struct pool *pool,
				   const struct tmem_handle *handle, const struct key *key,
				   uint32_t first, uint32_t last)
{
	uint32_t low = first / TMEM_GROUP_PAGES, high = last / TMEM_GROUP_PAGES, twin;
	uint32_t from = first % TMEM_GROUP_PAGES, to = last % TMEM_GROUP_PAGES;

	/* Group 0 hangs from the object itself, so it is always done here. */
	if (from || !low)
		flush_edge(worker, pool, handle, low++, from, TMEM_GROUP_PAGES - 1);
	if (to != TMEM_GROUP_PAGES - 1)
		flush_edge(worker, pool, handle, high--, 0, to);
	if (low > high)
		return;
	if (tmem_spares_fill(worker, pool)) {
		flush_groups(worker, pool, handle, key, low, high);
		return;
	}
	twin = tmem_object_split(worker, pool, key, low, high);
	if (twin)
		tmem_dying_add(pool, twin);
	tmem_spares_settle(worker, pool);
}

int tmem_flush_range(struct tmem_client *client, struct tmem_worker *worker,
		     const struct tmem_handle *handle, uint64_t count)
{
	uint32_t first = handle->index, last;
	struct access access;
	int err;

	err = tmem_begin(client, worker, handle, &access);
	if (err)
		return err;
	tmem_count(tmem_counters(access.pool, worker), range_flushes, 1);
	if (count) {
		last = first + (uint32_t)tmem_min64(count - 1, 0xffffffffu - first);
		if (first / TMEM_GROUP_PAGES == last / TMEM_GROUP_PAGES)
			flush_edge(worker, access.home, handle, first / TMEM_GROUP_PAGES,
				   first % TMEM_GROUP_PAGES, last % TMEM_GROUP_PAGES);
		else
			flush_groups_and_edges(worker, access.home, handle, &access.key, first,
					       last);
	}
	tmem_end(worker, &access);
	return 0;
}

int tmem_flush_object(struct tmem_client *client, struct tmem_worker *worker,
		      const struct tmem_handle *handle)
{
	struct counters *counters;
	struct access access;
	uint32_t number;
	int err;

	err = tmem_begin(client, worker, handle, &access);
	if (err)
		return err;
	counters = tmem_counters(access.pool, worker);
	tmem_count(counters, object_flushes, 1);
	number = tmem_object_detach(worker, access.home, &access.key);
	if (number) {
		tmem_count(counters, object_flushes_found, 1);
		tmem_dying_add(access.home, number);
		/* The usual file is gone whole by this. */
		tmem_sweep_client(access.home->client, worker, 2);
	}
	tmem_end(worker, &access);
	return number != 0;
}
