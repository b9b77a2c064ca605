/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Pools: made, found by number, destroyed. A pool's number is its place in
 * the client plus 16 for every pool that had the place before it in this
 * session, so that a number is not used twice.
 */
#include "internal.h"

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
	if (flags & (TMEM_POOL_PAGE_MASK | TMEM_POOL_SHARED | TMEM_POOL_PRECOMPRESSED))
		return -TMEM_EOPNOTSUPP;
	if (flags & TMEM_POOL_RESERVED)
		return -TMEM_EINVAL;
	if (config->uuid[0] || config->uuid[1])
		return -TMEM_EINVAL;
	return 0;
}

/* A pool of the same cookie, or a place for a new one; negative: neither. L1 is held. */
static int choose_place_locked(struct tmem_client *client, const struct tmem_pool_config *config,
			       int *found)
{
	struct pool *pool;
	uint32_t i;
	int place = -TMEM_EOVERFLOW;

	*found = 0;
	for (i = 0; i < TMEM_POOLS_PER_CLIENT; i++) {
		pool = client->pools[i];
		if (!pool) {
			if (place < 0)
				place = (int)i;
			continue;
		}
		if (pool->state == POOL_DYING && place == -TMEM_EOVERFLOW)
			place = -TMEM_EAGAIN;
		if (pool->state == POOL_ALIVE && config->cookie && pool->cookie == config->cookie) {
			*found = 1;
			return pool->flags == config->flags ? (int)pool->number : -TMEM_EINVAL;
		}
	}
	return place;
}

static void init_pool(struct tmem_client *client, struct pool *pool,
		      const struct tmem_pool_config *config)
{
	struct tmem_engine *engine = client->engine;
	int persistent = !!(config->flags & TMEM_POOL_PERSISTENT);

	memset(pool, 0, sizeof(*pool) + engine->worker_limit * sizeof(struct counters));
	pool->client = client;
	pool->flags = config->flags;
	pool->cookie = config->cookie;
	pool->heap = &client->heap[persistent];
	pool->objects = &engine->slab[persistent ? SLAB_OBJECT_P : SLAB_OBJECT_E];
}

int tmem_pool_create(struct tmem_client *client, struct tmem_worker *worker,
		     const struct tmem_pool_config *config)
{
	struct tmem_engine *engine = client->engine;
	struct slab *slab = &engine->slab[SLAB_POOL];
	struct pool *pool;
	uint32_t record;
	int place, found, err;

	err = judge_pool(config);
	if (err)
		return err;
	record = tmem_slab_take(slab, worker, 0);
	if (!record)
		return -TMEM_ENOMEM;
	pool = tmem_slab_at(slab, record);
	init_pool(client, pool, config);
	if (tmem_directory_create(pool, worker)) {
		tmem_slab_give(slab, record, NULL);
		return -TMEM_ENOMEM;
	}
	tmem_lock(&engine->lock);
	place = choose_place_locked(client, config, &found);
	if (place < 0 || found) {
		tmem_unlock(&engine->lock);
		tmem_directory_destroy(pool);
		tmem_slab_give(slab, record, NULL);
		return place;
	}
	pool->number = (uint32_t)place + client->pool_epoch[place]++ * TMEM_POOLS_PER_CLIENT;
	/* 0 means none: after four thousand million pools it is left out. */
	if (!++engine->next_serial)
		engine->next_serial = 1;
	tmem_store(&pool->serial, engine->next_serial);
	tmem_store_release(&pool->state, (uint32_t)POOL_ALIVE);
	client->pool_record[place] = record;
	tmem_store_release(&client->pools[place], pool);
	err = (int)pool->number;
	tmem_unlock(&engine->lock);
	return err;
}

/* No operation finds the pool from now on; the sweep takes it apart. L1 is held. */
void tmem_pool_kill_locked(struct tmem_client *client, struct pool *pool)
{
	if (pool->state != POOL_ALIVE)
		return;
	tmem_store_release(&pool->state, (uint32_t)POOL_DYING);
	tmem_add(&client->dying_pools, 1u);
}

static void keep_counters(struct tmem_engine *engine, const struct pool *pool)
{
	uint32_t i;

	for (i = 0; i < engine->worker_limit; i++) {
#define KEEP(name, unit, sentence)                   \
	engine->gone.name += pool->counters[i].name; \
	pool->client->gone.name += pool->counters[i].name;
		TMEM_COUNTERS(KEEP)
#undef KEEP
	}
}

/* A dead pool without objects. L1 is held. */
void tmem_pool_free(struct pool *pool)
{
	struct tmem_client *client = pool->client;
	struct tmem_engine *engine = client->engine;
	uint32_t place = pool->number % TMEM_POOLS_PER_CLIENT;

	keep_counters(engine, pool);
	tmem_store_release(&client->pools[place], (struct pool *)NULL);
	tmem_store(&pool->serial, 0u);
	tmem_sub(&client->dying_pools, 1u);
	tmem_directory_destroy(pool);
	tmem_slab_give(&engine->slab[SLAB_POOL], client->pool_record[place], NULL);
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
