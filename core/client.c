/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Clients: how they are made, the sessions they live in, what an
 * administrator sets for them, and how they go.
 */
#include "internal.h"

static int judge_client(const struct tmem_engine *engine, const struct tmem_client_config *config)
{
	if (config->size != sizeof(*config) || config->codec >= TMEM_CODEC_COUNT ||
	    config->weight > TMEM_WEIGHT_MOST || config->reserved[0] || config->reserved[1] ||
	    config->reserved[2])
		return -TMEM_EINVAL;
	if (config->codec != TMEM_CODEC_RAW && !engine->codec[config->codec])
		return -TMEM_EINVAL;
	return 0;
}

static void init_client(struct tmem_engine *engine, struct tmem_client *client, uint32_t record,
			const struct tmem_client_config *config)
{
	memset(client, 0, sizeof(*client));
	client->engine = engine;
	client->record = record;
	client->codec = config->codec;
	client->cap = config->cap;
	client->weight = config->weight ? config->weight : 100;
	client->fewest = config->pages_per_object;
	tmem_lock_init(&client->dying_lock, 3);
	tmem_heap_create(&client->heap[0], client, TMEM_EXTENT_EPHEMERAL, engine->extent_size);
	tmem_heap_create(&client->heap[1], client, TMEM_EXTENT_PERSISTENT,
			 tmem_allocation_extent(engine, config->allocation));
	client->heap[1].pinned = 1;
}

/* The host's figures keep what the heap counted. Nobody uses it any more. No lock held. */
static void free_heap(struct heap *heap)
{
	struct tmem_engine *engine = heap->client->engine;
	uint32_t cause;

	tmem_lock(&engine->lock);
	engine->gone_heaps.dropped += heap->dropped;
	for (cause = 0; cause < DROP_CAUSES; cause++)
		engine->gone_heaps.pages_dropped[cause] += heap->pages_dropped[cause];
	engine->gone_heaps.compacted += heap->compacted;
	engine->gone_heaps.vacated += heap->vacated;
	engine->gone_heaps.moved += heap->moved;
	engine->gone_heaps.lends += heap->lends;
	engine->gone_heaps.kept += heap->kept;
	engine->gone_heaps.taken += heap->taken;
	tmem_unlock(&engine->lock);
	tmem_heap_destroy(heap);
}

/* Nothing uses the client any more. No lock held. */
void tmem_client_free(struct tmem_client *client)
{
	struct tmem_engine *engine = client->engine;
	struct heap *heap, *next;
	uint32_t i;

	tmem_settle_all(engine);
	for (heap = client->heap[0].next; heap; heap = next) {
		next = heap->next;
		free_heap(heap);
		tmem_slab_give(&engine->slab[SLAB_HEAP], heap->record, NULL);
	}
	for (i = 0; i < 2; i++) {
		free_heap(&client->heap[i]);
		if (engine->dense && engine->dense->forget)
			engine->dense->forget(engine->dense, 2 * client->record + i);
	}
	tmem_pool_records_free(client);
	for (i = 0; i < SLAB_COUNT; i++)
		tmem_slab_withdraw(&engine->slab[i], &client->promise[i], 0);
	tmem_lock(&engine->lock);
	engine->allocated -= client->allocation;
	tmem_unlock(&engine->lock);
	tmem_slab_give(&engine->slab[SLAB_CLIENT], client->record, NULL);
}

/* @is_share: what stands behind a shared pool, see share.c. */
int tmem_client_make(struct tmem_engine *engine, struct tmem_worker *worker,
		     const struct tmem_client_config *config, int is_share,
		     struct tmem_client **result)
{
	struct tmem_client *client;
	uint32_t record;
	int err;

	err = judge_client(engine, config);
	if (err)
		return err;
	record = tmem_slab_take(&engine->slab[SLAB_CLIENT], worker, 0);
	if (!record)
		return -TMEM_ENOMEM;
	client = tmem_slab_at(&engine->slab[SLAB_CLIENT], record);
	init_client(engine, client, record, config);
	client->is_share = (uint32_t)is_share;
	err = tmem_client_set_allocation(client, worker, config->allocation);
	if (err) {
		tmem_client_free(client);
		return err;
	}
	tmem_store(&client->state, (uint32_t)CLIENT_ALIVE);
	tmem_lock(&engine->lock);
	client->next = engine->clients;
	engine->clients = client;
	tmem_unlock(&engine->lock);
	*result = client;
	return 0;
}

int tmem_client_create(struct tmem_engine *engine, struct tmem_worker *worker,
		       const struct tmem_client_config *config, struct tmem_client **client)
{
	return tmem_client_make(engine, worker, config, 0, client);
}

static void kill_pools_locked(struct tmem_client *client)
{
	uint32_t i;

	for (i = 0; i < TMEM_POOLS_PER_CLIENT; i++)
		if (client->pools[i])
			tmem_pool_kill_locked(client, client->pools[i]);
}

void tmem_client_kill_locked(struct tmem_client *client)
{
	tmem_store(&client->state, (uint32_t)CLIENT_DYING);
	kill_pools_locked(client);
	tmem_policy_forget(client->engine);
}

void tmem_client_destroy(struct tmem_client *client, struct tmem_worker *worker)
{
	struct tmem_engine *engine = client->engine;

	worker->touched = 0;
	tmem_lock(&engine->lock);
	tmem_client_kill_locked(client);
	tmem_unlock(&engine->lock);
}

int tmem_client_session(struct tmem_client *client, struct tmem_worker *worker, uint64_t nonce)
{
	struct tmem_engine *engine = client->engine;
	uint32_t i;
	int fresh;

	worker->touched = 0;
	tmem_lock(&engine->lock);
	fresh = !client->has_session || client->session != nonce;
	if (fresh && client->has_session) {
		kill_pools_locked(client);
		/* A place that is still being swept keeps counting, so its number stays unique. */
		for (i = 0; i < TMEM_POOLS_PER_CLIENT; i++)
			if (!client->pools[i])
				client->pool_epoch[i] = 0;
	}
	client->has_session = 1;
	client->session = nonce;
	tmem_unlock(&engine->lock);
	return fresh;
}

void tmem_client_freeze(struct tmem_client *client, int frozen)
{
	tmem_store(&client->frozen, frozen ? 1u : 0u);
}

int tmem_client_set_codec(struct tmem_client *client, uint8_t codec)
{
	if (codec >= TMEM_CODEC_COUNT || (codec && !client->engine->codec[codec]))
		return -TMEM_EINVAL;
	tmem_store(&client->codec, (uint32_t)codec);
	return 0;
}

/*
 * What a client's ephemeral pools take: extents, the headers that a large heap
 * has outside of them, at most, and the records that find their pages.
 */
uint64_t tmem_client_bytes(const struct tmem_client *client)
{
	const struct heap *heap = &client->heap[0];
	uint64_t bytes = tmem_load(&heap->extent_bytes) + tmem_load(&client->shared_bytes);
	const struct pool *pool;
	uint32_t i;

	if (tmem_heap_is_large(heap))
		bytes += tmem_load(&heap->extent_bytes) / TMEM_PAGE_SIZE * sizeof(struct block);
	for (i = 0; i < TMEM_POOLS_PER_CLIENT; i++) {
		pool = tmem_load_acquire(&client->pools[i]);
		if (pool && !(pool->flags & TMEM_POOL_PERSISTENT))
			bytes += tmem_load(&pool->index_bytes);
	}
	return bytes;
}

void tmem_client_set_cap(struct tmem_client *client, uint64_t cap)
{
	tmem_store(&client->cap, cap);
	while (cap && tmem_client_bytes(client) > cap &&
	       tmem_heap_drop_one(&client->heap[0], DROP_CAP))
		;
}

int tmem_client_set_weight(struct tmem_client *client, uint32_t weight)
{
	if (!weight || weight > TMEM_WEIGHT_MOST)
		return -TMEM_EINVAL;
	tmem_store(&client->weight, weight);
	return 0;
}

uint64_t tmem_client_reclaim(struct tmem_client *client, struct tmem_worker *worker, uint64_t bytes)
{
	struct tmem_engine *engine = client->engine;
	uint64_t given = 0;
	uint32_t size = 1;

	worker->touched = 0;
	tmem_settle_all(engine);
	tmem_add(&engine->reclaim_asked, tmem_min64(bytes, TMEM_ASKED_MOST));
	tmem_add(&client->reclaim_asked, tmem_min64(bytes, TMEM_ASKED_MOST));
	while (given < bytes && size) {
		size = tmem_heap_drop_one(&client->heap[0], DROP_ASKED);
		if (!size)
			size = tmem_share_drop_one(client, worker, DROP_ASKED);
		given += size;
	}
	tmem_add(&engine->reclaim_given, given);
	tmem_add(&client->reclaim_given, given);
	return given;
}
