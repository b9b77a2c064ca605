/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A persistent allocation is memory that is there from the first moment:
 * extents for every byte of it, and records for the index of its pages.
 */
#include "internal.h"

#define EXTENT_LEAST (64u << 10) /* of a small client's persistent extents */

/* Bytes of one object's records that files @pages densely from index 0 on. */
static uint64_t index_bytes(uint64_t pages)
{
	uint64_t groups = (pages + TMEM_GROUP_PAGES - 1) / TMEM_GROUP_PAGES, nodes = 0, span;

	if (pages <= 2)
		return TMEM_OBJECT_BYTES;
	for (span = groups; span > 1; span = (span + 63) / 64)
		nodes += (span + 63) / 64;
	return TMEM_OBJECT_BYTES + groups * sizeof(struct leaf) + nodes * sizeof(struct node);
}

/* What a page that does not compress is billed for. */
static uint64_t page_bytes(int verify)
{
	return tmem_bill_of(TMEM_PAGE_SIZE + (verify ? TMEM_SUM_SIZE : 0));
}

uint64_t tmem_allocation_pages(uint64_t allocation, uint32_t pages_per_object, int verify)
{
	uint64_t object = index_bytes(pages_per_object) + pages_per_object * page_bytes(verify);
	uint64_t whole, rest, most;

	if (!pages_per_object)
		return 0;
	whole = tmem_divide(allocation, object);
	rest = allocation - whole * object;
	most = index_bytes(pages_per_object);
	rest = rest > most ? tmem_divide(rest - most, page_bytes(verify)) : 0;
	return whole * pages_per_object + rest;
}

uint64_t tmem_pages_allocation(uint64_t pages, uint32_t pages_per_object, int verify)
{
	uint64_t whole, rest;

	if (!pages_per_object)
		return 0;
	whole = tmem_divide(pages, pages_per_object);
	rest = pages - whole * pages_per_object;
	return whole * (index_bytes(pages_per_object) + pages_per_object * page_bytes(verify)) +
	       (rest ? index_bytes(pages_per_object) + rest * page_bytes(verify) : 0);
}

/*
 * Bytes of extents that hold @allocation whatever is put in which order: each
 * extent may be left with just less free than a page needs (compact.c), and
 * every worker replaces one page at a time.
 */
static uint64_t extent_bytes(const struct tmem_engine *engine, uint64_t allocation,
			     uint32_t extent_size)
{
	uint64_t page = page_bytes(engine->sum_size != 0), lost = page,
		 bytes = allocation + (engine->worker_limit + 1) * page;
	uint64_t count;

	if (tmem_extent_holds_pages(engine, extent_size))
		lost = (TMEM_ROOM_MIN + 1) * page;
	count = tmem_divide(bytes, extent_size - lost) + 2;
	return count * extent_size;
}

/* The size of the persistent extents of a client with @allocation bytes. */
uint32_t tmem_allocation_extent(const struct tmem_engine *engine, uint64_t allocation)
{
	uint64_t size = tmem_power2(allocation / 16);
	uint32_t least = tmem_min32(EXTENT_LEAST, engine->extent_size);

	return size < least ? least : (uint32_t)tmem_min64(size, engine->extent_size);
}

/*
 * The fewest pages in an object that has one such record, and how many
 * (2^shift) a large object files in one: a group that is begun at its start
 * has a small leaf before it has a large one.
 */
static const struct {
	uint32_t slab;
	uint32_t least;
	uint32_t shift;
} need[] = {{SLAB_OBJECT_P, 1, 31},
	    {SLAB_LEAF_SMALL, 3, 6},
	    {SLAB_LEAF, TMEM_LEAF_SMALL + 1, 6},
	    {SLAB_NODE, TMEM_GROUP_PAGES + 1, 10}};

#define NEEDS (sizeof(need) / sizeof(need[0]))

/*
 * Records of one kind for an index of the incompressible pages that @bytes
 * hold, filed densely in objects of at least as many as the client said, and
 * for each worker's spares.
 */
static uint32_t records(const struct tmem_client *client, uint64_t bytes, uint32_t i)
{
	uint32_t per = client->fewest > need[i].least ? client->fewest : need[i].least;
	uint64_t pages = tmem_divide(bytes, page_bytes(client->engine->sum_size != 0)) + 1;

	if (!bytes)
		return 0;
	return (uint32_t)(tmem_divide(pages, per) + (pages >> need[i].shift)) +
	       client->engine->worker_limit * TMEM_SPARE_NODES;
}

static void keep_promises(struct tmem_client *client, uint64_t bytes)
{
	uint32_t i;

	for (i = 0; i < NEEDS; i++)
		tmem_slab_withdraw(&client->engine->slab[need[i].slab],
				   &client->promise[need[i].slab], records(client, bytes, i));
}

/* Extents and records for @bytes, which are more than before. What came stays on failure. */
static int grow(struct tmem_client *client, struct tmem_worker *worker, uint64_t bytes)
{
	struct tmem_engine *engine = client->engine;
	struct heap *heap = &client->heap[1];
	uint32_t i;

	if (!heap->extent_bytes)
		heap->extent_size = tmem_allocation_extent(engine, bytes);
	if (tmem_heap_fill(heap, worker, extent_bytes(engine, bytes, heap->extent_size)))
		return -TMEM_ENOMEM;
	for (i = 0; i < NEEDS; i++)
		if (tmem_slab_promise(&engine->slab[need[i].slab], worker,
				      &client->promise[need[i].slab], records(client, bytes, i)))
			return -TMEM_ENOMEM;
	return 0;
}

/* Gives back what @bytes do not need: empty extents now, the others when steps emptied them. */
static void shrink(struct tmem_client *client, uint64_t bytes)
{
	struct heap *heap = &client->heap[1];

	keep_promises(client, bytes);
	tmem_surplus_trim(heap, bytes ? extent_bytes(client->engine, bytes, heap->extent_size) : 0);
}

/* The host's sum of allocations, with @fresh bytes in the place of @old ones. 0 or -TMEM_ENOSPC. */
static int account(struct tmem_engine *engine, uint64_t fresh, uint64_t old)
{
	int err = 0;

	tmem_lock(&engine->lock);
	if (fresh > old && fresh - old > engine->persistent_limit - engine->allocated)
		err = -TMEM_ENOSPC;
	else
		engine->allocated += fresh - old;
	tmem_unlock(&engine->lock);
	return err;
}

int tmem_client_set_allocation(struct tmem_client *client, struct tmem_worker *worker,
			       uint64_t bytes)
{
	struct tmem_engine *engine = client->engine;
	uint64_t old = tmem_load(&client->allocation);
	int err;

	worker->touched = 0;
	if (bytes > old) {
		err = account(engine, bytes, old);
		if (err)
			return err;
		err = grow(client, worker, bytes);
		if (err) {
			shrink(client, old);
			(void)account(engine, old, bytes);
			return err;
		}
		tmem_store(&client->allocation, bytes);
		return 0;
	}
	/* First nothing more is let in, then what is there is looked at. */
	tmem_exchange_full(&client->allocation, bytes);
	if (tmem_load(&client->billed) > bytes) {
		tmem_store(&client->allocation, old);
		return -TMEM_ENOSPC;
	}
	shrink(client, bytes);
	return account(engine, bytes, old);
}
