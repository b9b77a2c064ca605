/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Pools: made, found by number, destroyed. A pool's number is its place in
 * the client plus 16 for every pool that had the place before it in this
 * session, so that a number is not used twice.
 */
#include "internal.h"

/* Pools at one place in one session: a number is an int, and negative ones are errors. */
#define EPOCHS (0x80000000u / TMEM_POOLS_PER_CLIENT)

/* 0 with *@pool set, or -TMEM_ENODEV, -TMEM_ESHUTDOWN. No lock needed. */
int tmem_pool_find(struct tmem_client *client, uint32_t number, struct pool **pool)
{
	struct pool *found;

	if (tmem_unlikely(tmem_load(&client->state) != CLIENT_ALIVE))
		return -TMEM_ESHUTDOWN;
	found = tmem_load_acquire(&client->pools[number % TMEM_POOLS_PER_CLIENT]);
	if (tmem_unlikely(!found || tmem_load(&found->number) != number ||
			  tmem_load_acquire(&found->state) != POOL_ALIVE))
		return -TMEM_ENODEV;
	*pool = found;
	return 0;
}

static int judge_pool(const struct tmem_pool_config *config)
{
	uint32_t flags = config->flags;

	if (config->size != sizeof(*config))
		return -TMEM_EINVAL;
	if ((flags & TMEM_POOL_VERSION_MASK) >> TMEM_POOL_VERSION_SHIFT != TMEM_POOL_VERSION)
		return -TMEM_EOPNOTSUPP;
	if (flags & (TMEM_POOL_PAGE_MASK | TMEM_POOL_PRECOMPRESSED))
		return -TMEM_EOPNOTSUPP;
	if (flags & TMEM_POOL_RESERVED)
		return -TMEM_EINVAL;
	if ((flags & TMEM_POOL_SHARED) && (flags & TMEM_POOL_PERSISTENT))
		return -TMEM_EINVAL;
	if (!(flags & TMEM_POOL_SHARED) != !(config->uuid[0] | config->uuid[1]))
		return -TMEM_EINVAL;
	return 0;
}

static uint32_t kind_of_pool(uint32_t flags)
{
	if (flags & TMEM_POOL_SHARED)
		return POOL_MEMBER;
	return flags & TMEM_POOL_PERSISTENT ? POOL_PERSISTENT : POOL_EPHEMERAL;
}

static struct pool *pool_at(struct tmem_client *client, uint32_t kind, uint32_t place)
{
	uint32_t record = client->pool_record[kind][place];

	return record ? tmem_slab_at(&client->engine->slab[SLAB_POOL], record) : NULL;
}

/* The pool that has @place, in whatever state; NULL: none. L1 is held. */
static struct pool *pool_in_use(struct tmem_client *client, uint32_t place)
{
	struct pool *pool;
	uint32_t kind;

	for (kind = 0; kind < POOL_KINDS; kind++) {
		pool = pool_at(client, kind, place);
		if (pool && pool->state != POOL_NONE)
			return pool;
	}
	return NULL;
}

/* A pool of the same cookie, or a place for a new one; negative: neither. L1 is held. */
int tmem_pool_place_locked(struct tmem_client *client, const struct tmem_pool_config *config,
			   int *found)
{
	struct pool *pool;
	uint32_t i;
	int place = -TMEM_EOVERFLOW;

	*found = 0;
	for (i = 0; i < TMEM_POOLS_PER_CLIENT; i++) {
		pool = pool_in_use(client, i);
		if (!pool) {
			if (place < 0 && client->pool_epoch[i] < EPOCHS)
				place = (int)i;
			continue;
		}
		if (pool->state != POOL_ALIVE && place == -TMEM_EOVERFLOW)
			place = -TMEM_EAGAIN;
		if (pool->state == POOL_ALIVE && config->cookie && pool->cookie == config->cookie) {
			*found = 1;
			return pool->flags == config->flags ? (int)pool->number : -TMEM_EINVAL;
		}
	}
	return place;
}

/* What the record counted so far belongs to the pools that had it before. */
static void set_base(struct pool *pool)
{
	uint32_t i;

	memset(&pool->base, 0, sizeof(pool->base));
	for (i = 0; i < pool->client->engine->worker_limit; i++) {
#define BASE(name, unit, sentence) pool->base.name += tmem_load(&pool->counters[i].name);
		TMEM_COUNTERS(BASE)
#undef BASE
	}
}

/* Nobody finds the pool yet; the late ones of its record's last life look at serial and state. */
void tmem_pool_init(struct pool *pool, const struct tmem_pool_config *config)
{
	pool->cookie = config->cookie;
	tmem_store(&pool->codec, (uint32_t)TMEM_CODEC_COUNT);
	tmem_store(&pool->object_count, 0u);
	tmem_store(&pool->index_bytes, (uint64_t)0);
	pool->sweep_bucket = 0;
	set_base(pool);
}

/* A record for a pool of this kind; NULL: no memory. No lock held. */
struct pool *tmem_pool_record(struct tmem_client *client, struct tmem_worker *worker,
			      uint32_t flags)
{
	struct tmem_engine *engine = client->engine;
	int persistent = !!(flags & TMEM_POOL_PERSISTENT);
	uint32_t record = tmem_slab_take(&engine->slab[SLAB_POOL], worker, 0);
	struct pool *pool;

	if (!record)
		return NULL;
	pool = tmem_slab_at(&engine->slab[SLAB_POOL], record);
	memset(pool, 0, sizeof(*pool) + engine->worker_limit * sizeof(struct counters));
	pool->record = record;
	pool->client = client;
	pool->flags = flags;
	pool->home = pool;
	pool->heap = &client->heap[persistent];
	pool->objects = &engine->slab[persistent ? SLAB_OBJECT_P : SLAB_OBJECT_E];
	return pool;
}

static int has_serial_locked(const struct tmem_engine *engine, uint32_t serial)
{
	const struct tmem_client *client;
	const struct pool *pool;
	uint32_t i;

	for (client = engine->clients; client; client = client->next) {
		for (i = 0; i < TMEM_POOLS_PER_CLIENT; i++) {
			pool = client->pools[i];
			if (pool && pool->serial == serial)
				return 1;
		}
	}
	return 0;
}

/* Of no pool that is there; 0 means none. They begin again after four thousand million pools. */
static uint32_t serial_locked(struct tmem_engine *engine)
{
	do {
		if (!++engine->next_serial)
			engine->serials_again = 1;
	} while (engine->serials_again &&
		 (!engine->next_serial || has_serial_locked(engine, engine->next_serial)));
	return engine->next_serial;
}

/* L1 is held. */
void tmem_pool_publish_locked(struct tmem_client *client, struct pool *pool, uint32_t place)
{
	struct tmem_engine *engine = client->engine;
	uint32_t epoch = client->pool_epoch[place]++;

	tmem_store(&pool->number, place + epoch * TMEM_POOLS_PER_CLIENT);
	tmem_store_release(&pool->serial, serial_locked(engine));
	tmem_store(&pool->growing, 0u);
	tmem_store_release(&pool->state, (uint32_t)POOL_ALIVE);
	tmem_store_release(&client->pools[place], pool);
}

/*
 * The record of the pool's kind that the place had before, or *@spare, which
 * is NULL then. L1 is held.
 */
struct pool *tmem_pool_take_locked(struct tmem_client *client, uint32_t place, struct pool **spare)
{
	uint32_t kind = kind_of_pool((*spare)->flags);
	struct pool *pool = pool_at(client, kind, place);

	if (!pool) {
		pool = *spare;
		*spare = NULL;
		client->pool_record[kind][place] = pool->record;
	}
	tmem_store(&pool->state, (uint32_t)POOL_MAKING);
	return pool;
}

int tmem_pool_create(struct tmem_client *client, struct tmem_worker *worker,
		     const struct tmem_pool_config *config)
{
	struct tmem_engine *engine = client->engine;
	struct pool *pool = NULL, *spare;
	int place, found, err;

	err = judge_pool(config);
	if (err)
		return err;
	if (config->flags & TMEM_POOL_SHARED)
		return tmem_share_join(client, worker, config);
	spare = tmem_pool_record(client, worker, config->flags);
	if (!spare)
		return -TMEM_ENOMEM;
	tmem_lock(&engine->lock);
	place = tmem_pool_place_locked(client, config, &found);
	if (place >= 0 && !found)
		pool = tmem_pool_take_locked(client, (uint32_t)place, &spare);
	tmem_unlock(&engine->lock);
	if (spare)
		tmem_slab_give(&engine->slab[SLAB_POOL], spare->record, NULL);
	if (!pool)
		return place;

	tmem_pool_init(pool, config);
	err = tmem_directory_create(pool, worker);
	tmem_lock(&engine->lock);
	if (!err) {
		tmem_pool_publish_locked(client, pool, (uint32_t)place);
		err = (int)pool->number;
	} else {
		tmem_store(&pool->state, (uint32_t)POOL_NONE);
	}
	tmem_unlock(&engine->lock);
	return err;
}

/* No operation finds the pool from now on; the sweep takes it apart. L1 is held. */
void tmem_pool_kill_locked(struct tmem_client *client, struct pool *pool)
{
	if (pool->state != POOL_ALIVE)
		return;
	if (pool->home != pool) {
		tmem_share_leave_locked(pool);
		return;
	}
	tmem_store_release(&pool->state, (uint32_t)POOL_DYING);
	tmem_add(&client->dying_pools, 1u);
}

/* A dead pool without objects; its record waits for the next one at its place. L1 is held. */
void tmem_pool_free(struct pool *pool)
{
	struct tmem_client *client = pool->client;

	tmem_store_release(&client->pools[pool->number % TMEM_POOLS_PER_CLIENT],
			   (struct pool *)NULL);
	tmem_store(&pool->serial, 0u);
	tmem_sub(&client->dying_pools, 1u);
	tmem_directory_destroy(pool);
	tmem_store_release(&pool->state, (uint32_t)POOL_NONE);
}

/* The client goes, and all that its pools counted is the host's. L1 is not held. */
void tmem_pool_records_free(struct tmem_client *client)
{
	struct tmem_engine *engine = client->engine;
	struct pool *pool;
	uint32_t place, i;

	for (place = 0; place < POOL_KINDS * TMEM_POOLS_PER_CLIENT; place++) {
		pool = pool_at(client, place % POOL_KINDS, place / POOL_KINDS);
		if (!pool)
			continue;
		tmem_lock(&engine->lock);
		for (i = 0; i < engine->worker_limit; i++) {
#define KEEP(name, unit, sentence) engine->gone.name += tmem_load(&pool->counters[i].name);
			TMEM_COUNTERS(KEEP)
#undef KEEP
		}
		tmem_unlock(&engine->lock);
		tmem_slab_give(&engine->slab[SLAB_POOL], pool->record, NULL);
	}
}

int tmem_pool_destroy(struct tmem_client *client, struct tmem_worker *worker, uint32_t number)
{
	struct tmem_engine *engine = client->engine;
	struct pool *pool;
	int err;

	worker->touched = 0;
	tmem_lock(&engine->lock);
	err = tmem_pool_find(client, number, &pool);
	if (!err)
		tmem_pool_kill_locked(client, pool);
	tmem_unlock(&engine->lock);
	if (!err)
		tmem_sweep_client(client, worker, 2);
	return err;
}

int tmem_pool_set_codec(struct tmem_client *client, uint32_t number, uint8_t codec)
{
	struct tmem_engine *engine = client->engine;
	struct pool *pool;
	int err;

	if (codec >= TMEM_CODEC_COUNT || (codec && !engine->codec[codec]))
		return -TMEM_EINVAL;
	tmem_lock(&engine->lock);
	err = tmem_pool_find(client, number, &pool);
	if (!err)
		tmem_store(&pool->codec, (uint32_t)codec);
	tmem_unlock(&engine->lock);
	return err;
}

int tmem_pool_next(struct tmem_client *client, uint32_t first, struct tmem_pool_config *config)
{
	struct tmem_engine *engine = client->engine;
	struct pool *pool, *next = NULL;
	int number = -TMEM_ENODEV;
	uint32_t i;

	memset(config, 0, sizeof(*config));
	config->size = sizeof(*config);
	tmem_lock(&engine->lock);
	for (i = 0; i < TMEM_POOLS_PER_CLIENT; i++) {
		pool = client->pools[i];
		if (pool && pool->state == POOL_ALIVE && pool->number >= first &&
		    (!next || pool->number < next->number))
			next = pool;
	}
	if (next) {
		number = (int)next->number;
		config->flags = next->flags;
		config->cookie = next->cookie;
		config->uuid[0] = next->home->client->uuid[0];
		config->uuid[1] = next->home->client->uuid[1];
	}
	tmem_unlock(&engine->lock);
	return number;
}
