/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What was taken out of sight comes back as memory here, in bounded steps:
 * dead objects, the objects of pools that are being destroyed, and slots that
 * point into dropped extents. A step looks at one group, or at 64 empty
 * buckets. One worker at a time sweeps a client.
 *
 * The number of a dropped extent may be used again only when no slot leads to
 * it. A pass visits every bucket of the client, and closes the extents that
 * were dropped before it began only while no dead object is left anywhere:
 * one that left its bucket before the pass came there is counted in
 * dying_count from under its stripe's lock on.
 */
#include "internal.h"

#define BUCKETS_PER_STEP 64u

/* A detached object, counted already, joins the queue. No lock held. */
void tmem_dying_add(const struct pool *pool, uint32_t number)
{
	struct tmem_client *client = pool->client;
	struct object *object = tmem_object_at(pool->objects, number);
	int persistent = !!(pool->flags & TMEM_POOL_PERSISTENT);

	tmem_lock(&client->dying_lock);
	tmem_store(&object->left, client->dying[persistent]);
	client->dying[persistent] = number;
	tmem_unlock(&client->dying_lock);
}

static struct pool *pool_by_serial(struct tmem_client *client, uint32_t serial)
{
	struct pool *pool;
	uint32_t i;

	for (i = 0; i < TMEM_POOLS_PER_CLIENT; i++) {
		pool = tmem_load_acquire(&client->pools[i]);
		if (pool && tmem_load(&pool->serial) == serial)
			return pool;
	}
	return NULL;
}

void tmem_sweep_key(struct tmem_worker *worker, const struct pool *pool,
		    const struct tmem_object_id *id, uint32_t group, struct key *key)
{
	struct tmem_handle handle;

	handle.object = *id;
	handle.pool = tmem_load(&pool->number);
	handle.index = group * TMEM_GROUP_PAGES;
	tmem_key_make(worker->engine, pool, &handle, key);
}

/* One group of dead object @number, or the object itself after its last one. */
static void sweep_object(struct tmem_client *client, struct tmem_worker *worker, struct pool *pool,
			 uint32_t number)
{
	struct object *object = tmem_object_at(pool->objects, number);
	int persistent = !!(pool->flags & TMEM_POOL_PERSISTENT);
	struct stripe *stripe;
	struct key key;
	uint32_t group, taken;

	tmem_sweep_key(worker, pool, &object->id, 0, &key);
	stripe = &worker->engine->stripe[key.hash % TMEM_STRIPES];
	tmem_lock(&stripe->lock);
	group = tmem_group_next_locked(worker->engine, object, 0, &worker->touched);
	tmem_unlock(&stripe->lock);
	if (group != TMEM_NO_GROUP) {
		tmem_sweep_key(worker, pool, &object->id, group, &key);
		taken = tmem_take_group(worker, pool, &key, number, 0, TMEM_GROUP_PAGES - 1);
		tmem_count(tmem_counters(pool, worker), swept, taken);
		return;
	}
	/* New ones may have joined in front of it. */
	tmem_lock(&client->dying_lock);
	if (client->dying[persistent] != number) {
		tmem_unlock(&client->dying_lock);
		return;
	}
	client->dying[persistent] = object->left;
	tmem_unlock(&client->dying_lock);
	tmem_lock(&stripe->lock);
	tmem_stripe_open_locked(stripe);
	tmem_object_bury(worker, pool, number);
	tmem_stripe_close_locked(stripe);
	tmem_unlock(&stripe->lock);
	tmem_sub(&client->dying_count, 1u);
	tmem_spares_settle(worker, pool);
}

/* Takes the next object out of a pool that is being destroyed; frees the pool after the last. */
static uint32_t sweep_pool(struct tmem_client *client, struct tmem_worker *worker,
			   struct pool *pool)
{
	struct tmem_engine *engine = client->engine;
	struct stripe *stripe;
	struct object *object;
	uint32_t looked, *bucket, number = 0, idle = 0;

	for (looked = 0; looked < BUCKETS_PER_STEP && !number; looked++) {
		if (pool->sweep_bucket >= tmem_load(&pool->bucket_count)) {
			/* Claimed for good, until the record is a pool again: a put may be late with it. */
			if (tmem_load(&client->dying_count) || !tmem_cas(&pool->growing, &idle, 1u))
				return 0;
			tmem_lock(&engine->lock);
			tmem_pool_free(pool);
			tmem_unlock(&engine->lock);
			return 1;
		}
		stripe = &engine->stripe[pool->sweep_bucket % TMEM_STRIPES];
		tmem_lock(&stripe->lock);
		bucket = tmem_directory_bucket_at(pool, pool->sweep_bucket);
		number = *bucket;
		worker->touched++;
		if (number) {
			object = tmem_object_at(pool->objects, number);
			tmem_stripe_open_locked(stripe);
			tmem_tree_remove(pool->objects, bucket, number, &worker->touched);
			tmem_store(&object->state, (uint32_t)OBJECT_DEAD);
			tmem_add(&client->dying_count, 1u);
			tmem_sub(&pool->object_count, 1u);
			tmem_stripe_close_locked(stripe);
		} else {
			pool->sweep_bucket++;
		}
		tmem_unlock(&stripe->lock);
	}
	if (number)
		tmem_dying_add(pool, number);
	return 1;
}

/* As !tmem_slot_stored(), for a slot with something in it. The shard is locked. */
static inline int leads_nowhere(const struct tmem_engine *engine, uint64_t slot)
{
	const struct extent *extent = tmem_extent(engine, tmem_place_extent(SLOT_PLACE(slot)));
	uint32_t state, generation;

	state = tmem_load_acquire(&extent->state);
	if (tmem_unlikely(state == EXTENT_DROPPING))
		return !tmem_slot_stored(engine, slot, &generation);
	return state == EXTENT_DEAD;
}

/* Clears the slots of one group that point into dropped extents. */
static void clear_dead(struct tmem_worker *worker, struct pool *pool, const struct key *key,
		       uint32_t number)
{
	struct tmem_engine *engine = worker->engine;
	struct tmem_lock *lock = tmem_shard(engine, key);
	tmem_word *slots[2], *slot;
	uint64_t left = 0;
	uint32_t count, i;

	tmem_lock(lock);
	count = tmem_group_slots(worker, key, number, pool->objects, slots);
	for (i = 0; i < count; i += TMEM_LINE / sizeof(*slot))
		tmem_prefetch_write(slots[1] + i);
	for (i = 0; i < TMEM_GROUP_PAGES; i++) {
		slot = tmem_group_slot(slots, count, i);
		if (!slot)
			break;
		if (*slot && leads_nowhere(engine, *slot))
			tmem_store(slot, (uint64_t)0);
		left |= *slot;
	}
	if (!left && (count || slots[0]))
		tmem_group_remove(worker, pool, key, number);
	tmem_unlock(lock);
	tmem_spares_settle(worker, pool);
}

/* The object and group where the pass goes on, in its current bucket. The stripe is locked. */
uint32_t tmem_sweep_next_locked(struct tmem_worker *worker, struct pool *pool, struct sweep *sweep,
				uint32_t *group)
{
	struct tmem_engine *engine = worker->engine;
	uint32_t root = *tmem_directory_bucket_at(pool, sweep->bucket), number;

	*group = TMEM_NO_GROUP;
	if (sweep->inside) {
		number = tmem_tree_find(pool->objects, root, &sweep->id, &worker->touched);
		if (number)
			*group = tmem_group_next_locked(engine,
							tmem_object_at(pool->objects, number),
							sweep->group, &worker->touched);
		if (*group != TMEM_NO_GROUP)
			return number;
	}
	number = tmem_tree_above(pool->objects, root, sweep->inside ? &sweep->id : NULL,
				 &worker->touched);
	if (number)
		*group = tmem_group_next_locked(engine, tmem_object_at(pool->objects, number), 0,
						&worker->touched);
	return number;
}

/* What was dropped before this goes with the pass. 0: nothing was. */
static int begin_pass(struct tmem_client *client)
{
	struct heap *heap;
	int any = 0;

	for (heap = &client->heap[0]; heap; heap = tmem_load_acquire(&heap->next)) {
		tmem_lock(&heap->lock);
		heap->sweeping = heap->dead;
		heap->dead = 0;
		any |= heap->sweeping != 0;
		tmem_unlock(&heap->lock);
	}
	memset(&client->sweep, 0, sizeof(client->sweep));
	client->sweep.running = (uint32_t)any;
	return any;
}

/* Closes up to 64 of the extents that the pass was for. 1: more are left. */
static int end_pass(struct tmem_client *client)
{
	struct tmem_engine *engine = client->engine;
	struct extent *extent;
	struct heap *heap;
	uint32_t i = 0;

	for (heap = &client->heap[0]; heap; heap = tmem_load_acquire(&heap->next)) {
		while (heap->sweeping) {
			if (i++ == 64)
				return 1;
			extent = tmem_extent(engine, heap->sweeping);
			heap->sweeping = extent->next;
			tmem_extent_close(engine, extent);
			tmem_lock(&heap->lock);
			tmem_bump(&heap->dead_count, -1u);
			tmem_unlock(&heap->lock);
		}
	}
	return 0;
}

static int has_dead(const struct tmem_client *client)
{
	const struct heap *heap;

	for (heap = &client->heap[0]; heap; heap = tmem_load_acquire(&heap->next))
		if (tmem_load(&heap->dead_count))
			return 1;
	return 0;
}

/* Whether a step would find something to do: what each put asks. */
int tmem_sweep_due(const struct tmem_client *client)
{
	return tmem_load(&client->dying_count) || tmem_load(&client->dying_pools) ||
	       has_dead(client);
}

/* The object that a bucket's tree begins with, or NULL. No lock held: it may be another's by now. */
static const struct object *root_of(const struct pool *pool, uint32_t bucket)
{
	uint32_t number;

	if (bucket >= tmem_load_acquire(&pool->bucket_count))
		return NULL;
	number = tmem_load(tmem_directory_bucket_at(pool, bucket));
	if (!number || number >= tmem_load_acquire(&pool->objects->issued))
		return NULL;
	return tmem_object_at(pool->objects, number);
}

/* Buckets lie side by side; what they lead to is asked for before the pass comes there. */
static void look_ahead(const struct tmem_engine *engine, const struct pool *pool, uint32_t bucket)
{
	const struct object *object = root_of(pool, bucket + 1);

	tmem_prefetch(root_of(pool, bucket + 2));
	if (object)
		tmem_group_prefetch(engine, object);
}

/* One step of the pass over the index. 0: there is nothing to do. */
static uint32_t sweep_index(struct tmem_client *client, struct tmem_worker *worker)
{
	struct tmem_engine *engine = client->engine;
	struct sweep *sweep = &client->sweep;
	struct stripe *stripe;
	struct object *object;
	struct pool *pool;
	struct key key;
	uint32_t looked, number, group;

	if (!sweep->running && (!has_dead(client) || !begin_pass(client)))
		return 0;
	for (looked = 0; looked < BUCKETS_PER_STEP; looked++) {
		if (sweep->pool == TMEM_POOLS_PER_CLIENT) {
			if (tmem_load(&client->dying_count) || tmem_load(&client->dying_pools))
				return 0;
			sweep->running = (uint32_t)end_pass(client);
			return 1;
		}
		pool = tmem_load_acquire(&client->pools[sweep->pool]);
		if (!pool || (pool->flags & (TMEM_POOL_PERSISTENT | TMEM_POOL_SHARED)) ||
		    sweep->bucket >= tmem_load(&pool->bucket_count)) {
			sweep->pool++;
			sweep->bucket = 0;
			sweep->inside = 0;
			continue;
		}
		stripe = &engine->stripe[sweep->bucket % TMEM_STRIPES];
		tmem_lock(&stripe->lock);
		number = tmem_sweep_next_locked(worker, pool, sweep, &group);
		if (number) {
			object = tmem_object_at(pool->objects, number);
			sweep->inside = 1;
			sweep->id = object->id;
			sweep->group = group + 1;
		}
		tmem_unlock(&stripe->lock);
		worker->touched++;
		if (number) {
			look_ahead(engine, pool, sweep->bucket);
			tmem_sweep_key(worker, pool, &sweep->id, group, &key);
			clear_dead(worker, pool, &key, number);
			return 1;
		}
		sweep->bucket++;
		sweep->inside = 0;
	}
	return 1;
}

/* A dying client's extents go whole; nobody looks at what is in them any more. */
static int drop_all(struct tmem_client *client)
{
	struct heap *heap;

	for (heap = &client->heap[0]; heap; heap = tmem_load_acquire(&heap->next))
		if (tmem_heap_drop_one(heap, DROP_ENDED))
			return 1;
	return tmem_heap_drop_one(&client->heap[1], DROP_ENDED) != 0;
}

static uint32_t one_step(struct tmem_client *client, struct tmem_worker *worker)
{
	struct pool *pool;
	uint32_t i, number;
	struct object *object;

	if (tmem_load(&client->state) == CLIENT_DYING && drop_all(client))
		return 1;
	for (i = 0; i < 2 && tmem_load(&client->dying_count); i++) {
		tmem_lock(&client->dying_lock);
		number = client->dying[i];
		tmem_unlock(&client->dying_lock);
		if (!number)
			continue;
		object = tmem_object_at(&client->engine->slab[SLAB_OBJECT_E + i], number);
		pool = pool_by_serial(client, object->pool);
		TMEM_ASSERT(pool);
		sweep_object(client, worker, pool, number);
		return 1;
	}
	for (i = 0; i < TMEM_POOLS_PER_CLIENT && tmem_load(&client->dying_pools); i++) {
		pool = tmem_load_acquire(&client->pools[i]);
		if (pool && tmem_load(&pool->state) == POOL_DYING)
			return sweep_pool(client, worker, pool);
	}
	return sweep_index(client, worker);
}

/* At most @budget steps for @client. How many were done. No lock held. */
uint32_t tmem_sweep_client(struct tmem_client *client, struct tmem_worker *worker, uint32_t budget)
{
	uint32_t idle = 0, done = 0;

	if (!tmem_cas(&client->sweeper, &idle, 1u))
		return 0;
	while (done < budget && one_step(client, worker))
		done++;
	tmem_store_release(&client->sweeper, 0u);
	return done;
}
