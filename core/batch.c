/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Many operations in one call, in the order in which they stand. While one is
 * carried out, what leads to the next ones' pages is on its way from memory: a
 * page is behind a bucket, an object, a slot and a header, each of which says
 * where the next one is, so each operation is looked at several times, some
 * operations before its turn. A single call waits for all four. A put has its
 * copy to wait for meanwhile, and is only slower with this.
 *
 *	operation   i+12      i+9       i+6       i+3         i+1         i
 *	            bucket -> object -> slot ->   header  ->  its page -> now
 */
#include "internal.h"

/* How many operations before its turn one is brought so far. */
#define TO_BUCKET 12u
#define TO_OBJECT 9u
#define TO_SLOT	  6u
#define TO_HEADER 3u
#define TO_PAGE	  1u

TMEM_STATIC_ASSERT(TO_BUCKET < TMEM_AHEAD && !(TMEM_AHEAD & (TMEM_AHEAD - 1)));

static void to_bucket(struct tmem_client *client, struct tmem_worker *worker,
		      const struct tmem_op *op, struct ahead *ahead)
{
	struct pool *pool;

	ahead->pool = NULL;
	ahead->data = NULL;
	if (op->code != TMEM_OP_GET && op->code != TMEM_OP_FLUSH)
		return;
	/* Shared pools have their directory elsewhere, and may lose it meanwhile. */
	if (tmem_pool_find(client, op->handle.pool, &pool) || tmem_load(&pool->home) != pool)
		return;
	ahead->pool = pool;
	tmem_key_make(worker->engine, pool, &op->handle, &ahead->key);
	tmem_directory_prefetch(pool, ahead->key.hash);
}

static void to_object(struct ahead *ahead)
{
	const struct slab *objects;
	uint32_t root;

	if (!ahead->pool)
		return;
	objects = ahead->pool->objects;
	root = tmem_load(tmem_directory_bucket(ahead->pool, ahead->key.hash));
	if (root && root < tmem_load_acquire(&objects->issued))
		tmem_prefetch(tmem_object_at(objects, root));
}

static void to_slot(struct tmem_worker *worker, struct ahead *ahead)
{
	uint32_t number;

	ahead->slot = NULL;
	if (!ahead->pool)
		return;
	ahead->slot = tmem_slot_near(worker, ahead->pool, &ahead->key, &number);
	if (ahead->slot)
		tmem_prefetch_write(ahead->slot);
}

static void to_header(const struct tmem_engine *engine, const struct tmem_op *op,
		      struct ahead *ahead)
{
	uint64_t slot = ahead->slot ? tmem_load(ahead->slot) : 0;
	const struct extent *extent;
	struct block *headers;
	uint32_t unit;

	if (!(slot & SLOT_PRESENT))
		return;
	extent = tmem_extent(engine, tmem_place_extent(SLOT_PLACE(slot)));
	unit = tmem_place_unit(SLOT_PLACE(slot));
	headers = tmem_load(&extent->headers);
	if (headers)
		tmem_prefetch_write(&headers[unit / TMEM_PAGE_UNITS]);
	if (op->code == TMEM_OP_GET)
		ahead->data = tmem_load(&extent->base) + (size_t)unit * TMEM_UNIT;
	else if (!headers)
		tmem_prefetch_write(tmem_load(&extent->base) + (size_t)unit * TMEM_UNIT);
}

static void to_page(const struct ahead *ahead)
{
	uint64_t slot = ahead->data ? tmem_load(ahead->slot) : 0;
	uint32_t i;

	for (i = 0; slot && i < SLOT_LENGTH(slot); i += TMEM_LINE)
		tmem_prefetch(ahead->data + i);
}

static int32_t now(struct tmem_client *client, struct tmem_worker *worker, const struct tmem_op *op)
{
	switch (op->code) {
	case TMEM_OP_PUT:
		return tmem_put(client, worker, &op->handle, op->page);
	case TMEM_OP_GET:
		return tmem_get(client, worker, &op->handle, op->page);
	case TMEM_OP_FLUSH:
		return tmem_flush(client, worker, &op->handle);
	case TMEM_OP_FLUSH_RANGE:
		return tmem_flush_range(client, worker, &op->handle, op->count);
	case TMEM_OP_FLUSH_OBJECT:
		return tmem_flush_object(client, worker, &op->handle);
	default:
		return -TMEM_EINVAL;
	}
}

/* Which operation is @distance before its turn; what is not in the batch is not below @count. */
static inline uint32_t at(uint32_t turn, uint32_t distance)
{
	return turn + distance - TO_BUCKET;
}

void tmem_batch(struct tmem_client *client, struct tmem_worker *worker, struct tmem_op *ops,
		uint32_t count)
{
	struct ahead *ahead = worker->ahead;
	uint32_t turn, i;

	if (count == 1) {
		ops->result = now(client, worker, ops);
		return;
	}
	for (turn = 0; turn < count + TO_BUCKET; turn++) {
		if ((i = at(turn, TO_BUCKET)) < count)
			to_bucket(client, worker, &ops[i], &ahead[i % TMEM_AHEAD]);
		if ((i = at(turn, TO_OBJECT)) < count)
			to_object(&ahead[i % TMEM_AHEAD]);
		if ((i = at(turn, TO_SLOT)) < count)
			to_slot(worker, &ahead[i % TMEM_AHEAD]);
		if ((i = at(turn, TO_HEADER)) < count)
			to_header(worker->engine, &ops[i], &ahead[i % TMEM_AHEAD]);
		if ((i = at(turn, TO_PAGE)) < count)
			to_page(&ahead[i % TMEM_AHEAD]);
		if ((i = at(turn, 0)) < count)
			ops[i].result = now(client, worker, &ops[i]);
	}
}
