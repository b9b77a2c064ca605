/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A pool's objects: hash buckets of small balanced trees. The number of
 * buckets follows the number of objects, one bucket at a time (linear
 * hashing, Litwin 1980), so that there is never a pause for rehashing.
 * A bucket and the one it is split into lie in the same stripe.
 */
#include "internal.h"

TMEM_STATIC_ASSERT(TMEM_BUCKETS % TMEM_STRIPES == 0);

/* The word that holds bucket's tree; the bucket exists. */
uint32_t *tmem_directory_bucket_at(const struct pool *pool, uint32_t bucket)
{
	const struct bucket_map *map;
	struct bucket_page *page;

	map = tmem_load_acquire(&pool->map[bucket / (TMEM_BUCKETS * TMEM_BUCKET_PAGES)]);
	page = tmem_load_acquire(&map->page[bucket / TMEM_BUCKETS % TMEM_BUCKET_PAGES]);
	return &page->root[bucket % TMEM_BUCKETS];
}

/* Without the stripe's lock the answer may be out of date, never out of bounds. */
uint32_t *tmem_directory_bucket(const struct pool *pool, uint64_t hash)
{
	uint32_t count = tmem_load_acquire(&pool->bucket_count);
	uint32_t half = 1u << tmem_log2(count);
	uint32_t bucket = (uint32_t)hash & (2 * half - 1);

	return tmem_directory_bucket_at(pool, bucket < count ? bucket : bucket & (half - 1));
}

void tmem_directory_prefetch(const struct pool *pool, uint64_t hash)
{
	tmem_prefetch(tmem_directory_bucket(pool, hash));
}

/* A page of buckets for @bucket and those after it. 0 or -TMEM_ENOMEM. No lock held. */
static int add_page(struct pool *pool, struct tmem_worker *worker, uint32_t bucket)
{
	struct tmem_engine *engine = pool->client->engine;
	uint32_t m = bucket / (TMEM_BUCKETS * TMEM_BUCKET_PAGES);
	uint32_t p = bucket / TMEM_BUCKETS % TMEM_BUCKET_PAGES, number, i;
	struct bucket_page *page;
	struct bucket_map *map;

	if (m >= TMEM_BUCKET_MAPS)
		return -TMEM_ENOMEM;
	map = pool->map_number[m] ? pool->map[m] : NULL;
	if (map && map->number[p])
		return 0;
	number = tmem_slab_take(&engine->slab[SLAB_BUCKETS], worker, 0);
	if (!number)
		return -TMEM_ENOMEM;
	page = tmem_slab_at(&engine->slab[SLAB_BUCKETS], number);
	for (i = 0; i < TMEM_BUCKETS; i++)
		tmem_store(&page->root[i], 0u);
	if (!map) {
		pool->map_number[m] = tmem_slab_take(&engine->slab[SLAB_MAP], worker, 0);
		if (!pool->map_number[m]) {
			tmem_slab_give(&engine->slab[SLAB_BUCKETS], number, NULL);
			return -TMEM_ENOMEM;
		}
		map = tmem_slab_at(&engine->slab[SLAB_MAP], pool->map_number[m]);
		memset(map->number, 0, sizeof(map->number));
		/* Who is late in the record's last pool finds some page at each place, never none. */
		for (i = 0; i < TMEM_BUCKET_PAGES; i++)
			tmem_store(&map->page[i], page);
		tmem_store_release(&pool->map[m], map);
	}
	map->number[p] = number;
	tmem_store_release(&map->page[p], page);
	return 0;
}

/* The first buckets. 0 or -TMEM_ENOMEM with nothing left behind. */
int tmem_directory_create(struct pool *pool, struct tmem_worker *worker)
{
	if (add_page(pool, worker, 0)) {
		tmem_directory_destroy(pool);
		return -TMEM_ENOMEM;
	}
	tmem_store_release(&pool->bucket_count, TMEM_BUCKETS);
	return 0;
}

/* No object is left. Time in proportion to the bucket pages. */
void tmem_directory_destroy(struct pool *pool)
{
	struct tmem_engine *engine = pool->client->engine;
	uint32_t m, p;

	for (m = 0; m < TMEM_BUCKET_MAPS && pool->map_number[m]; m++) {
		for (p = 0; p < TMEM_BUCKET_PAGES && pool->map[m]->number[p]; p++)
			tmem_slab_give(&engine->slab[SLAB_BUCKETS], pool->map[m]->number[p], NULL);
		tmem_slab_give(&engine->slab[SLAB_MAP], pool->map_number[m], NULL);
		pool->map_number[m] = 0;
	}
}

/* Those of bucket @from's objects that belong there go to @to; @mask tells by its bit. */
static void split_locked(struct pool *pool, uint32_t from, uint32_t to, uint32_t mask,
			 uint32_t *touched)
{
	struct tmem_engine *engine = pool->client->engine;
	uint32_t *low = tmem_directory_bucket_at(pool, from);
	uint32_t *high = tmem_directory_bucket_at(pool, to);
	uint32_t rest = *low, number;
	struct object *object;
	uint64_t hash;

	tmem_store(low, 0u);
	while (rest) {
		number = rest;
		tmem_tree_remove(pool->objects, &rest, number, touched);
		object = tmem_object_at(pool->objects, number);
		hash = tmem_hash(engine->seed, pool->serial, &object->id);
		tmem_tree_insert(pool->objects, hash & mask ? high : low, number, touched);
	}
}

/* Adds one bucket if there are more objects than buckets. No lock held. */
void tmem_directory_grow(struct pool *pool, struct tmem_worker *worker)
{
	struct tmem_engine *engine = pool->client->engine;
	uint32_t count = tmem_load(&pool->bucket_count), idle = 0, half;
	struct stripe *stripe;

	if (tmem_likely(tmem_load(&pool->object_count) <= count))
		return;
	if (!tmem_cas(&pool->growing, &idle, 1u))
		return;
	count = pool->bucket_count;
	if (count % TMEM_BUCKETS == 0 && add_page(pool, worker, count))
		goto out; /* deeper trees, nothing worse */
	half = 1u << tmem_log2(count);
	stripe = &engine->stripe[count % TMEM_STRIPES];
	tmem_lock(&stripe->lock);
	tmem_stripe_open_locked(stripe);
	split_locked(pool, count - half, count, half, &worker->touched);
	tmem_store_release(&pool->bucket_count, count + 1);
	tmem_stripe_close_locked(stripe);
	tmem_unlock(&stripe->lock);
out:
	tmem_store_release(&pool->growing, 0u);
}
