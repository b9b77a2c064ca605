/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Which pages are stored anew, and when: those that nobody wants soon, by the
 * dense codec; persistent ones of it that were got, by their client's again.
 * An ephemeral heap's are found by put order. A persistent one has none, but
 * its blocks have the time of their last put or get: passes over the index
 * take the oldest first, by halves of age. What is found is a suggestion; who
 * recodes it looks again (recode.c).
 */
#include "internal.h"

#define AGE_MOST     8u /* a pass begins with pages this many times the heap's puts ago */
#define AGE_LEAST    8u /* the newest such part of a heap is left alone */
#define BUCKETS_MOST 64u

/* ---- ephemeral heaps ---- */

static uint32_t recode_oldest(struct tmem_worker *worker, struct heap *heap)
{
	uint32_t looks;
	uint64_t place = tmem_order_cold(heap, worker->engine->dense->id, &looks);

	if (place)
		tmem_recode(worker, heap, place, RECODE_DENSE);
	return place || looks;
}

/* ---- persistent heaps ---- */

/* The places of a group's pages that are at least as old as @age. No lock held. */
static void find_old(struct tmem_worker *worker, struct pool *pool, struct cold *cold,
		     const struct key *key, uint32_t number, uint32_t age)
{
	struct tmem_engine *engine = worker->engine;
	uint32_t clock = tmem_load(&pool->heap->clock), count, i, codec;
	struct tmem_lock *lock = tmem_shard(engine, key);
	tmem_word *slots[2], *slot;
	const struct block *block;

	tmem_lock(lock);
	count = tmem_group_slots(worker, key, number, pool->objects, slots);
	for (i = 0; i < TMEM_GROUP_PAGES; i++) {
		slot = tmem_group_slot(slots, count, i);
		if (!slot)
			break;
		codec = SLOT_CODEC(*slot);
		if (!(*slot & SLOT_PRESENT) || codec == TMEM_CODEC_SAME ||
		    tmem_is_dense(engine, codec))
			continue;
		block = tmem_block(tmem_extent(engine, tmem_place_extent(SLOT_PLACE(*slot))),
				   tmem_place_unit(SLOT_PLACE(*slot)));
		if (!(tmem_load(&block->tag) & TAG_TRIED) && clock - tmem_load(&block->time) >= age)
			cold->place[cold->count++] = SLOT_PLACE(*slot);
	}
	tmem_unlock(lock);
}

/* The pass is at its end: the next one looks for half the age, or there is none for now. */
static void end_pass_of(struct cold *cold, const struct heap *heap, uint32_t least)
{
	memset(&cold->at, 0, sizeof(cold->at));
	cold->at.running = cold->age > least;
	cold->age = cold->age / 2 > least ? cold->age / 2 : least;
	if (cold->at.running)
		cold->began = tmem_load(&heap->clock);
}

/*
 * The next group of the pass, or 64 empty buckets. The client's sweeper is
 * this worker, so that no pool of it is freed.
 */
static void pass_on(struct tmem_client *client, struct tmem_worker *worker, uint32_t least)
{
	struct tmem_engine *engine = client->engine;
	struct cold *cold = &client->cold;
	struct sweep *at = &cold->at;
	uint32_t looked, number, group;
	struct tmem_object_id id;
	struct stripe *stripe;
	struct pool *pool;
	struct key key;

	for (looked = 0; looked < BUCKETS_MOST; looked++) {
		if (at->pool == TMEM_POOLS_PER_CLIENT) {
			end_pass_of(cold, &client->heap[1], least);
			return;
		}
		pool = tmem_load_acquire(&client->pools[at->pool]);
		if (!pool || !(pool->flags & TMEM_POOL_PERSISTENT) ||
		    tmem_load(&pool->state) != POOL_ALIVE ||
		    at->bucket >= tmem_load(&pool->bucket_count)) {
			at->pool++;
			at->bucket = 0;
			at->inside = 0;
			continue;
		}
		stripe = &engine->stripe[at->bucket % TMEM_STRIPES];
		tmem_lock(&stripe->lock);
		number = tmem_sweep_next_locked(worker, pool, at, &group);
		if (number)
			id = tmem_object_at(pool->objects, number)->id;
		tmem_unlock(&stripe->lock);
		worker->touched++;
		if (number) {
			at->inside = 1;
			at->id = id;
			at->group = group + 1;
			tmem_sweep_key(worker, pool, &id, group, &key);
			/* Since the pass began the heap may have grown. */
			find_old(worker, pool, cold, &key, number,
				 cold->age > least ? cold->age : least);
			return;
		}
		at->bucket++;
		at->inside = 0;
	}
}

/* Begins the passes over a client, if enough was put since the last one began. 0: not now. */
static int begin_passes(struct cold *cold, const struct heap *heap, uint32_t live)
{
	uint32_t clock = tmem_load(&heap->clock);

	if (!live || (cold->has_begun && clock - cold->began < live / AGE_LEAST + 1))
		return 0;
	cold->began = clock;
	cold->has_begun = 1;
	memset(&cold->at, 0, sizeof(cold->at));
	cold->at.running = 1;
	cold->age = live * AGE_MOST;
	return 1;
}

static uint32_t recode_persistent(struct tmem_client *client, struct tmem_worker *worker)
{
	struct heap *heap = &client->heap[1];
	struct cold *cold = &client->cold;
	uint32_t live = (uint32_t)tmem_min64(tmem_load(&heap->live), ~0u / AGE_MOST), idle = 0;

	if (cold->count) {
		tmem_recode(worker, heap, cold->place[--cold->count], RECODE_DENSE);
		return 1;
	}
	if (!cold->at.running && !begin_passes(cold, heap, live))
		return 0;
	if (!tmem_cas(&client->sweeper, &idle, 1u))
		return 0;
	pass_on(client, worker, live / AGE_LEAST);
	tmem_store_release(&client->sweeper, 0u);
	return 1;
}

/* Dense pages that were got go back. */
static uint32_t recode_hot(struct tmem_engine *engine, struct tmem_worker *worker, uint32_t budget)
{
	struct extent *extent;
	uint32_t i, state, done = 0;
	uint64_t place;

	for (i = 0; i < TMEM_HOT && done < budget; i++) {
		if (!tmem_load(&engine->hot[i]))
			continue;
		place = tmem_exchange_full(&engine->hot[i], (uint64_t)0);
		extent = tmem_extent(engine, tmem_place_extent(place));
		/* While an extent is in use its client is there: only this worker could bury it. */
		state = tmem_load_acquire(&extent->state);
		if (state == EXTENT_PAGES || state == EXTENT_PACKED)
			tmem_recode(worker, tmem_load(&extent->heap), place, RECODE_FAST);
		done++;
	}
	return done;
}

/* ---- all of it ---- */

/* The first client; others join in front of it, and none leaves while this worker steps. */
static struct tmem_client *first_of(struct tmem_engine *engine)
{
	struct tmem_client *client;

	tmem_lock(&engine->lock);
	client = engine->clients;
	tmem_unlock(&engine->lock);
	return client;
}

/*
 * One unit for each heap, @budget at most, from the one on that is next: however
 * small the budgets, a client with more and more cold pages is not the only one.
 */
static uint32_t recode_round(struct tmem_engine *engine, struct tmem_worker *worker,
			     uint32_t budget)
{
	uint32_t first = engine->recode_next, turn = 0, done = 0;
	struct tmem_client *client;
	struct heap *heap;

	for (client = first_of(engine); client; client = client->next) {
		if (tmem_load(&client->state) != CLIENT_ALIVE)
			continue;
		for (heap = &client->heap[0]; heap; heap = tmem_load_acquire(&heap->next)) {
			if (turn++ < first)
				continue;
			done += recode_oldest(worker, heap);
			if (done >= budget)
				goto out;
		}
		if (turn++ < first)
			continue;
		done += recode_persistent(client, worker);
		if (done >= budget)
			goto out;
	}
	turn = 0;
out:
	engine->recode_next = turn;
	return done;
}

uint32_t tmem_engine_recode(struct tmem_engine *engine, struct tmem_worker *worker, uint32_t budget)
{
	uint32_t done, before, first, idle = 0;

	worker->touched = 0;
	if (!engine->dense || !tmem_cas(&engine->stepper, &idle, 1u))
		return 0;
	tmem_pending_settle(&worker->seat->pending);
	done = recode_hot(engine, worker, budget);
	do {
		before = done;
		first = engine->recode_next;
		if (done < budget)
			done += recode_round(engine, worker, budget - done);
	} while (done < budget && (done > before || first));
	tmem_store_release(&engine->stepper, 0u);
	return done;
}
