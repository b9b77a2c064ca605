/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Statistics: counters of workers summed up, gauges read where they are kept.
 * Nothing is walked but clients, pools and workers.
 */
#include "internal.h"

static void add_counters(struct tmem_stats *stats, const struct counters *counters)
{
#define ADD(name, unit, sentence) stats->name += tmem_load(&counters->name);
	TMEM_COUNTERS(ADD)
#undef ADD
}

/* What the record's workers counted, in this pool's life and before. */
static void add_record(struct tmem_stats *stats, const struct pool *pool)
{
	uint32_t i;

	for (i = 0; i < pool->client->engine->worker_limit; i++)
		add_counters(stats, &pool->counters[i]);
}

static void add_index(struct tmem_stats *stats, const struct pool *pool)
{
	stats->objects += tmem_load(&pool->object_count);
	stats->index_bytes += tmem_load(&pool->index_bytes);
}

/* @sum_size: bytes of each payload that are its sum, and none of its page's. */
static void add_tally(struct tmem_stats *stats, int persistent, const struct total *tally,
		      uint32_t sum_size)
{
	uint64_t units = tally->units + tally->slots * (TMEM_PAGE_UNITS + 1);
	uint64_t pages = tally->pages + tally->slots;
	uint64_t payload = tally->payload - tally->pages * sum_size + tally->slots * TMEM_PAGE_SIZE;

	stats->dense_pages += tally->dense;
	stats->dense_payload += tally->dense_payload - tally->dense * sum_size;
	if (persistent) {
		stats->persistent_pages += pages;
		stats->persistent_bytes += units * TMEM_UNIT;
		stats->persistent_payload += payload;
	} else {
		stats->ephemeral_pages += pages;
		stats->ephemeral_bytes += units * TMEM_UNIT;
		stats->ephemeral_payload += payload;
	}
}

static void add_dropped(struct tmem_stats *stats, const uint64_t pages[DROP_CAUSES])
{
	stats->dropped_for_room += pages[DROP_ROOM];
	stats->dropped_over_cap += pages[DROP_CAP];
	stats->dropped_when_asked += pages[DROP_ASKED];
	stats->dropped_when_taken += pages[DROP_TAKEN];
	stats->pages_dropped +=
		pages[DROP_ROOM] + pages[DROP_CAP] + pages[DROP_ASKED] + pages[DROP_TAKEN];
}

static void add_heap(struct tmem_stats *stats, struct heap *heap)
{
	int persistent = heap->kind == TMEM_EXTENT_PERSISTENT;
	uint32_t place;

	tmem_lock(&heap->lock);
	for (place = 0; place < TMEM_POOLS_PER_CLIENT; place++)
		add_tally(stats, persistent, &heap->total[place], heap->client->engine->sum_size);
	stats->extent_bytes += heap->extent_bytes;
	stats->order_bytes += heap->order.segments * sizeof(struct order_segment);
	stats->extents_dropped += heap->dropped;
	add_dropped(stats, heap->pages_dropped);
	stats->extent_bytes_most += heap->extent_bytes_most;
	if (persistent)
		stats->persistent_pages_most += heap->live_most;
	else
		stats->ephemeral_pages_most += heap->live_most;
	stats->extents_compacted += heap->compacted;
	stats->extents_vacated += heap->vacated;
	stats->pages_moved += heap->moved;
	stats->lent_bytes += (uint64_t)heap->lent_count * heap->client->engine->extent_size;
	stats->extents_lent += heap->lends;
	stats->extents_kept += heap->kept;
	stats->extents_taken += heap->taken;
	if (!persistent)
		stats->freeable += heap->extent_bytes;
	tmem_unlock(&heap->lock);
}

static void add_heaps(struct tmem_stats *stats, struct tmem_client *client)
{
	struct heap *heap;

	for (heap = &client->heap[0]; heap; heap = heap->next)
		add_heap(stats, heap);
	add_heap(stats, &client->heap[1]);
}

/* What counts against @client in shared pools. L1 is held. */
static void add_charged_locked(struct tmem_stats *stats, struct tmem_client *client)
{
	struct tmem_client *share;
	struct heap *heap;

	for (share = client->engine->clients; share; share = share->next)
		for (heap = share->is_share ? share->heap[0].next : NULL; heap; heap = heap->next)
			if (heap->charged == client)
				add_heap(stats, heap);
}

/* L1 is held. */
static void add_client_locked(struct tmem_stats *stats, struct tmem_client *client)
{
	uint32_t i, kind;

	for (i = 0; i < TMEM_POOLS_PER_CLIENT; i++) {
		for (kind = 0; kind < POOL_KINDS; kind++)
			if (client->pool_record[kind][i])
				add_record(stats, tmem_slab_at(&client->engine->slab[SLAB_POOL],
							       client->pool_record[kind][i]));
		if (client->pools[i] && client->pools[i]->home == client->pools[i])
			add_index(stats, client->pools[i]);
	}
	add_heaps(stats, client);
	stats->allocation += tmem_load(&client->allocation);
	stats->billed += tmem_load(&client->billed);
	stats->dying_objects += tmem_load(&client->dying_count);
}

void tmem_client_stats(struct tmem_client *client, struct tmem_stats *stats)
{
	struct tmem_engine *engine = client->engine;

	memset(stats, 0, sizeof(*stats));
	tmem_settle_all(engine);
	tmem_lock(&engine->lock);
	add_client_locked(stats, client);
	add_charged_locked(stats, client);
	stats->reclaim_asked = tmem_load(&client->reclaim_asked);
	stats->reclaim_given = tmem_load(&client->reclaim_given);
	tmem_unlock(&engine->lock);
	stats->capacity = tmem_load(&client->cap);
}

void tmem_engine_stats(struct tmem_engine *engine, struct tmem_stats *stats)
{
	struct tmem_client *client;

	memset(stats, 0, sizeof(*stats));
	tmem_settle_all(engine);
	tmem_lock(&engine->lock);
	for (client = engine->clients; client; client = client->next)
		add_client_locked(stats, client);
	add_counters(stats, &engine->gone);
	stats->extents_dropped += engine->gone_heaps.dropped;
	add_dropped(stats, engine->gone_heaps.pages_dropped);
	stats->extents_compacted += engine->gone_heaps.compacted;
	stats->extents_vacated += engine->gone_heaps.vacated;
	stats->pages_moved += engine->gone_heaps.moved;
	stats->extents_lent += engine->gone_heaps.lends;
	stats->extents_kept += engine->gone_heaps.kept;
	stats->extents_taken += engine->gone_heaps.taken;
	stats->reclaim_asked = tmem_load(&engine->reclaim_asked);
	stats->reclaim_given = tmem_load(&engine->reclaim_given);
	tmem_unlock(&engine->lock);
	tmem_lock(&engine->room_lock);
	stats->capacity = engine->capacity;
	stats->meta_bytes = engine->meta_bytes;
	stats->freeable += (uint64_t)engine->ready_count * engine->extent_size;
	tmem_unlock(&engine->room_lock);
}

int tmem_pool_stats(struct tmem_client *client, uint32_t number, struct tmem_stats *stats)
{
	struct tmem_engine *engine = client->engine;
	struct pool *pool;
	struct heap *heap;
	uint32_t place;
	int err, persistent;

	memset(stats, 0, sizeof(*stats));
	tmem_settle_all(engine);
	tmem_lock(&engine->lock);
	err = tmem_pool_find(client, number, &pool);
	if (!err) {
		add_record(stats, pool);
#define LESS(name, unit, sentence) stats->name -= pool->base.name;
		TMEM_COUNTERS(LESS)
#undef LESS
		add_index(stats, pool->home);
		persistent = !!(pool->flags & TMEM_POOL_PERSISTENT);
		place = tmem_load(&pool->home->number) % TMEM_POOLS_PER_CLIENT;
		/* All pages of a shared pool, whoever put them. */
		heap = pool->home == pool ? pool->heap : pool->home->client->heap[0].next;
		for (; heap; heap = pool->home == pool ? NULL : heap->next) {
			tmem_lock(&heap->lock);
			add_tally(stats, persistent, &heap->total[place],
				  heap->client->engine->sum_size);
			tmem_unlock(&heap->lock);
		}
	}
	tmem_unlock(&engine->lock);
	return err;
}
