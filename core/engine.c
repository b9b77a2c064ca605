/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The engine as a whole: made from a config, worked by workers, kept tidy by
 * steps, given back at the end.
 */
#include "internal.h"

#define EXTENT_LEAST_SIZE (16u << 10) /* a smaller one would lose more than a fifth to its ends */
#define CHUNK_LEAST	  (16u << 10)
#define CHUNK_MOST	  (2u << 20)
#define WORK_MOST	  (64u << 10)

static int is_power2(uint64_t x)
{
	return x && !(x & (x - 1));
}

static int judge_config(const struct tmem_config *config)
{
	uint32_t i, id;

	if (config->size != sizeof(*config) || !config->host_ops || config->lend > 1 ||
	    config->verify > 1 ||
	    !config->host_ops->extent_lend != !config->host_ops->extent_keep ||
	    config->workers > TMEM_WORKERS)
		return -TMEM_EINVAL;
	if (config->extent_size &&
	    (!is_power2(config->extent_size) || config->extent_size < EXTENT_LEAST_SIZE ||
	     config->extent_size > (TMEM_UNIT << TMEM_UNIT_BITS)))
		return -TMEM_EINVAL;
	for (i = 0; i < config->codec_count; i++) {
		id = config->codecs[i]->id;
		if (id < TMEM_CODEC_LZ4 || id >= TMEM_CODEC_COUNT ||
		    config->codecs[i]->work_size > WORK_MOST)
			return -TMEM_EINVAL;
	}
	return 0;
}

static int make_slabs(struct tmem_engine *engine)
{
	uint32_t headers = engine->extent_size / TMEM_PAGE_SIZE * (uint32_t)sizeof(struct block);
	uint32_t pool =
		(uint32_t)(sizeof(struct pool) + engine->worker_limit * sizeof(struct counters));
	const struct {
		enum tmem_extent_kind kind;
		uint32_t size;
	} records[SLAB_COUNT] = {
		[SLAB_OBJECT_E] = {TMEM_EXTENT_META, sizeof(struct object)},
		[SLAB_OBJECT_P] = {TMEM_EXTENT_RECORDS, sizeof(struct object)},
		[SLAB_NODE] = {TMEM_EXTENT_META, sizeof(struct node)},
		[SLAB_LEAF_SMALL] = {TMEM_EXTENT_META, TMEM_LEAF_SMALL * sizeof(uint64_t)},
		[SLAB_LEAF] = {TMEM_EXTENT_META, sizeof(struct leaf)},
		[SLAB_EXTENT] = {TMEM_EXTENT_META, sizeof(struct extent)},
		[SLAB_HEADERS_E] = {TMEM_EXTENT_META, headers},
		[SLAB_HEADERS_P] = {TMEM_EXTENT_RECORDS, headers},
		[SLAB_BINS] = {TMEM_EXTENT_META, sizeof(struct bins)},
		[SLAB_LENT] = {TMEM_EXTENT_META, sizeof(struct lent)},
		[SLAB_ORDER] = {TMEM_EXTENT_META, sizeof(struct order_segment)},
		[SLAB_BUCKETS] = {TMEM_EXTENT_META, sizeof(struct bucket_page)},
		[SLAB_MAP] = {TMEM_EXTENT_META, sizeof(struct bucket_map)},
		[SLAB_POOL] = {TMEM_EXTENT_META, pool},
		[SLAB_HEAP] = {TMEM_EXTENT_META, sizeof(struct heap)},
		[SLAB_CLIENT] = {TMEM_EXTENT_META, sizeof(struct tmem_client)},
	};
	uint32_t i;

	for (i = 0; i < SLAB_COUNT; i++)
		if (tmem_slab_create(engine, &engine->slab[i], records[i].kind, records[i].size))
			return -TMEM_EINVAL;
	return 0;
}

static void set_sizes(struct tmem_engine *engine, const struct tmem_config *config)
{
	uint64_t chunk, extents;
	uint32_t i;

	engine->worker_limit = config->workers ? config->workers : 1;
	engine->extent_size =
		config->extent_size ? config->extent_size : TMEM_UNIT << TMEM_UNIT_BITS;
	engine->capacity = config->capacity ? config->capacity : ~0ull;
	engine->ephemeral_most = ~0ull;
	engine->persistent_limit = config->persistent ? config->persistent : engine->capacity / 2;
	extents = engine->capacity >> tmem_log2(engine->extent_size);
	engine->ready_most = (uint32_t)tmem_min64(TMEM_READY, extents / 16 + 2);
	chunk = tmem_power2(engine->capacity >> 16);
	engine->chunk_size =
		chunk < CHUNK_LEAST ? CHUNK_LEAST : (uint32_t)tmem_min64(chunk, CHUNK_MOST);
	for (i = 0; i < config->codec_count; i++) {
		engine->codec[config->codecs[i]->id] = config->codecs[i];
		if (config->codecs[i]->recode)
			engine->dense = config->codecs[i];
		if (config->codecs[i]->work_size > engine->work_size)
			engine->work_size = config->codecs[i]->work_size;
	}
}

int tmem_engine_create(const struct tmem_config *config, struct tmem_engine **result)
{
	uint32_t size = (uint32_t)tmem_power2(sizeof(struct tmem_engine)), i;
	struct tmem_engine *engine;
	size_t got = size;

	if (judge_config(config))
		return -TMEM_EINVAL;
	engine = config->host_ops->extent_alloc(config->host, TMEM_EXTENT_META, size, size, &got);
	if (!engine)
		return -TMEM_ENOMEM;
	memset(engine, 0, sizeof(*engine));
	engine->ops = config->host_ops;
	engine->host = config->host;
	engine->self_size = size;
	engine->sum_size = config->verify ? TMEM_SUM_SIZE : 0;
	engine->page_units = tmem_units(TMEM_PAGE_SIZE + engine->sum_size);
	engine->lends = config->lend && config->host_ops->extent_lend;
	engine->seed[0] = config->hash_seed[0];
	engine->seed[1] = config->hash_seed[1];
	tmem_lock_init(&engine->lock, 1);
	tmem_lock_init(&engine->room_lock, 3);
	for (i = 0; i < TMEM_SHARDS; i++)
		tmem_lock_init(&engine->shard[i].lock, 2);
	for (i = 0; i < TMEM_STRIPES; i++)
		tmem_lock_init(&engine->stripe[i].lock, 3);
	set_sizes(engine, config);
	engine->bytes = size;
	engine->meta_bytes = size;
	if (make_slabs(engine)) {
		engine->ops->extent_free(engine->host, TMEM_EXTENT_META, engine, size);
		return -TMEM_EINVAL;
	}
	*result = engine;
	return 0;
}

void tmem_engine_destroy(struct tmem_engine *engine)
{
	struct tmem_client *client;
	uint32_t i;

	while ((client = engine->clients)) {
		engine->clients = client->next;
		tmem_client_free(client);
	}
	while (engine->ready_count)
		tmem_room_give(engine, TMEM_EXTENT_EPHEMERAL, engine->ready[--engine->ready_count],
			       engine->extent_size);
	for (i = 0; i < engine->worker_limit; i++)
		if (engine->worker[i])
			tmem_worker_destroy(engine->worker[i]);
	for (i = 0; i < SLAB_COUNT; i++)
		tmem_slab_destroy(&engine->slab[i]);
	engine->ops->extent_free(engine->host, TMEM_EXTENT_META, engine, engine->self_size);
}

/* ---- workers ---- */

int tmem_worker_create(struct tmem_engine *engine, struct tmem_worker **result)
{
	uint32_t head = (uint32_t)(sizeof(struct tmem_worker) + TMEM_LINE - 1) & ~(TMEM_LINE - 1);
	/* A line more for a sum: without one, lz4's scratch just fits below a power of two. */
	uint32_t page = TMEM_PAGE_SIZE + (engine->sum_size ? TMEM_LINE : 0);
	uint32_t size = (uint32_t)tmem_power2(head + 2 * page + engine->work_size);
	struct tmem_worker *worker;
	uint32_t id;

	worker = tmem_room_take(engine, NULL, TMEM_EXTENT_META, size);
	if (!worker)
		return -TMEM_ENOMEM;
	memset(worker, 0, sizeof(*worker));
	worker->engine = engine;
	worker->size = size;
	worker->page = (unsigned char *)worker + head;
	worker->coded = worker->page + page;
	worker->work = worker->coded + page;
	tmem_lock(&engine->lock);
	for (id = 0; id < engine->worker_limit && engine->worker[id]; id++)
		;
	worker->id = id;
	worker->seat = &engine->seat[id % TMEM_WORKERS];
	if (id < engine->worker_limit)
		tmem_store_release(&engine->worker[id], worker);
	tmem_unlock(&engine->lock);
	if (id == engine->worker_limit) {
		tmem_room_give(engine, TMEM_EXTENT_META, worker, size);
		return -TMEM_EOVERFLOW;
	}
	*result = worker;
	return 0;
}

void tmem_worker_destroy(struct tmem_worker *worker)
{
	struct tmem_engine *engine = worker->engine;

	tmem_pending_settle(&worker->seat->pending);
	tmem_stock_give_back_all(engine);
	tmem_spares_drain(worker);
	tmem_lock(&engine->lock);
	tmem_store_release(&engine->worker[worker->id], (struct tmem_worker *)NULL);
	tmem_unlock(&engine->lock);
	tmem_room_give(engine, TMEM_EXTENT_META, worker, worker->size);
}

uint32_t tmem_worker_touched(const struct tmem_worker *worker)
{
	return worker->touched;
}

/* ---- background ---- */

static struct tmem_client *first_client(struct tmem_engine *engine)
{
	struct tmem_client *client;

	tmem_lock(&engine->lock);
	client = engine->clients;
	tmem_unlock(&engine->lock);
	return client;
}

/* Dying, and nothing is left to sweep. Its pools are killed in one go under L1. */
static int is_dead(struct tmem_client *client)
{
	struct tmem_lock *lock = &client->engine->lock;
	int dead;

	if (tmem_likely(tmem_load(&client->state) != CLIENT_DYING))
		return 0;
	tmem_lock(lock);
	dead = !tmem_load(&client->dying_pools);
	tmem_unlock(lock);
	return dead;
}

/* A dying client without pools leaves; whoever sees the sweeper free takes it. */
static int bury_client(struct tmem_client *client)
{
	struct tmem_engine *engine = client->engine;
	struct tmem_client **link;
	uint32_t idle = 0;

	if (!is_dead(client) || tmem_policy_visited(engine, client) ||
	    tmem_share_used(engine, client) || !tmem_cas(&client->sweeper, &idle, 1u))
		return 0;
	tmem_lock(&engine->lock);
	for (link = &engine->clients; *link && *link != client; link = &(*link)->next)
		;
	if (*link)
		*link = client->next;
	tmem_unlock(&engine->lock);
	tmem_client_free(client);
	return 1;
}

/* The client's extents that are not being filled go to the host; taken ones are found. */
static uint32_t lend(struct tmem_client *client, struct tmem_worker *worker, uint32_t budget)
{
	struct heap *heap;
	uint32_t done = 0;

	if (!tmem_load(&client->engine->lends) || tmem_load(&client->state) != CLIENT_ALIVE)
		return 0;
	for (heap = &client->heap[0]; heap && done < budget; heap = tmem_load_acquire(&heap->next))
		done += tmem_lend_step(heap, worker, budget - done);
	return done;
}

/* Extents that the client does not need any more are emptied, and go. @begin: it may begin so. */
static uint32_t vacate(struct tmem_client *client, struct tmem_worker *worker, uint32_t budget,
		       int begin)
{
	struct heap *heap;
	uint32_t done = 0;

	if (tmem_load(&client->state) != CLIENT_ALIVE)
		return 0;
	for (heap = &client->heap[0]; heap && done < budget; heap = tmem_load_acquire(&heap->next))
		done += tmem_vacate_step(heap, worker, budget - done, begin);
	return done + tmem_surplus_step(&client->heap[1], worker, budget - done);
}

uint32_t tmem_engine_step(struct tmem_engine *engine, struct tmem_worker *worker, uint32_t budget)
{
	struct tmem_client *client, *next;
	struct heap *heap;
	uint32_t done = 0, before, idle = 0;

	worker->touched = 0;
	if (!tmem_cas(&engine->stepper, &idle, 1u))
		return 0;
	tmem_pending_settle_all(engine);
	tmem_stock_give_back_idle(engine);
	/* Clients join in front and leave only by this worker, so the list can be walked. */
	for (client = first_client(engine); client && done < budget; client = next) {
		next = client->next;
		before = done;
		done += tmem_sweep_client(client, worker, budget - done);
		for (heap = &client->heap[0]; heap && done < budget;
		     heap = tmem_load_acquire(&heap->next))
			done += (tmem_order_compact_step(heap, 64 * (budget - done)) + 63) / 64;
		done += vacate(client, worker, budget - done, done == before);
		done += lend(client, worker, budget - done);
		if (done < budget && bury_client(client))
			done++;
	}
	if (done < budget)
		done += tmem_room_prepare(engine);
	tmem_store_release(&engine->stepper, 0u);
	return done;
}

uint64_t tmem_engine_reclaim(struct tmem_engine *engine, struct tmem_worker *worker, uint64_t bytes)
{
	struct heap *heap;
	uint64_t given = 0;
	uint32_t size = 1;

	worker->touched = 0;
	tmem_settle_all(engine);
	tmem_add(&engine->reclaim_asked, tmem_min64(bytes, TMEM_ASKED_MOST));
	while (given < bytes && (size = tmem_room_drop_ready(engine)))
		given += size;
	size = 1;
	while (given < bytes && size) {
		heap = tmem_policy_victim(engine, worker);
		size = heap ? tmem_heap_drop_one(heap, DROP_ASKED) : 0;
		given += size;
		tmem_policy_leave(worker);
	}
	tmem_add(&engine->reclaim_given, given);
	return given;
}

void tmem_engine_limit_ephemeral(struct tmem_engine *engine, uint64_t bytes)
{
	tmem_lock(&engine->room_lock);
	engine->ephemeral_most = bytes;
	tmem_unlock(&engine->room_lock);
}

uint64_t tmem_engine_ephemeral(struct tmem_engine *engine, uint64_t *was_lent)
{
	uint64_t bytes;

	if (was_lent)
		*was_lent = tmem_load(&engine->was_lent);
	tmem_lock(&engine->room_lock);
	bytes = engine->ephemeral_bytes;
	tmem_unlock(&engine->room_lock);
	return bytes;
}

void tmem_engine_set_capacity(struct tmem_engine *engine, struct tmem_worker *worker,
			      uint64_t capacity)
{
	uint64_t over;

	tmem_lock(&engine->room_lock);
	engine->capacity = capacity ? capacity : ~0ull;
	over = engine->bytes > engine->capacity ? engine->bytes - engine->capacity : 0;
	tmem_unlock(&engine->room_lock);
	if (over)
		tmem_engine_reclaim(engine, worker, over);
}
