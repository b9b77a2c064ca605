/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Dropping the oldest page of a heap. The order of puts only says where it
 * may be; the index says whether it is: a slot that names exactly this place.
 */
#include "internal.h"

/*
 * Drops the oldest page, or as much as is behind one look at the order. 0, or
 * -TMEM_ENOENT: the order has none left. No lock held.
 */
int tmem_evict_one(struct tmem_worker *worker, struct heap *heap, enum drop_cause cause)
{
	struct tmem_engine *engine = worker->engine;
	struct slab *objects = &engine->slab[SLAB_OBJECT_E];
	struct block block;
	struct pool *pool;
	struct key key;
	uint64_t place, old = 0;
	tmem_word *slot;
	uint32_t generation = 0;

	if (tmem_order_take(heap, &place, &block, &worker->touched))
		return -TMEM_ENOENT;
	if (!place)
		return 0;
	pool = tmem_owner_of(heap, &block, &key);
	if (!pool)
		return 0;
	tmem_lock(tmem_shard(engine, &key));
	slot = tmem_slot_in(engine, &key, block.object, objects, &worker->touched);
	if (slot && (*slot & SLOT_PRESENT) && SLOT_PLACE(*slot) == place &&
	    tmem_slot_stored(engine, *slot, &generation)) {
		old = *slot;
		tmem_store(slot, (uint64_t)0);
		tmem_slot_cleared(worker, pool, &key, block.object, slot);
	}
	tmem_unlock(tmem_shard(engine, &key));
	tmem_spares_settle(worker, pool);
	if (!old)
		return 0;
	tmem_release(pool, old, generation, 0);
	tmem_count(tmem_counters(pool, worker), evicted, 1);
	if (cause == DROP_CAP)
		tmem_count(tmem_counters(pool, worker), evicted_capped, 1);
	return 0;
}
