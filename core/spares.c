/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A worker's own few records: taken from the slabs before an operation locks
 * anything, so that under the locks nothing can fail; and given back after.
 */
#include "internal.h"

static struct slab *slab_of(const struct tmem_worker *worker, uint32_t slab)
{
	return &worker->engine->slab[slab];
}

static int fill_spare(struct tmem_worker *worker, uint32_t slab, uint32_t count, int promised)
{
	struct spares *spares = &worker->spares;
	uint32_t number;

	while (spares->count[slab] < count) {
		number = tmem_slab_take(slab_of(worker, slab), worker, promised);
		if (!number)
			return -TMEM_ENOMEM;
		spares->number[slab][spares->count[slab]++] = number;
	}
	return 0;
}

static uint32_t objects_of(const struct pool *pool)
{
	return pool->flags & TMEM_POOL_PERSISTENT ? SLAB_OBJECT_P : SLAB_OBJECT_E;
}

/* Whether the worker has all that one operation on @pool may need. */
int tmem_spares_suffice(const struct tmem_worker *worker, const struct pool *pool)
{
	const uint32_t *count = worker->spares.count;

	return count[objects_of(pool)] && count[SLAB_LEAF] && count[SLAB_LEAF_SMALL] &&
	       count[SLAB_NODE] >= TMEM_SPARE_NODES;
}

/* All that one operation on @pool may need. 0 or -TMEM_ENOMEM. */
int tmem_spares_fill(struct tmem_worker *worker, const struct pool *pool)
{
	int promised = !!(pool->flags & TMEM_POOL_PERSISTENT);

	if (tmem_likely(tmem_spares_suffice(worker, pool)))
		return 0;
	if (fill_spare(worker, objects_of(pool), 1, promised) ||
	    fill_spare(worker, SLAB_LEAF, 1, promised) ||
	    fill_spare(worker, SLAB_LEAF_SMALL, 1, promised) ||
	    fill_spare(worker, SLAB_NODE, TMEM_SPARE_NODES, promised))
		return -TMEM_ENOMEM;
	return 0;
}

/* One of the records that were filled in before. Any lock may be held. */
uint32_t tmem_spare_locked(struct tmem_worker *worker, uint32_t slab)
{
	struct spares *spares = &worker->spares;

	TMEM_ASSERT(spares->count[slab]);
	spares->unsettled = 1;
	spares->spent[slab]++;
	return spares->number[slab][--spares->count[slab]];
}

/* A record that nothing leads to any more, for tmem_spares_settle(). Any lock may be held. */
void tmem_discard_locked(struct tmem_worker *worker, uint32_t slab, uint32_t number)
{
	struct spares *spares = &worker->spares;

	TMEM_ASSERT(spares->discards < TMEM_DISCARDS);
	spares->unsettled = 1;
	spares->discard_slab[spares->discards] = slab;
	spares->discard[spares->discards++] = number;
}

void tmem_spares_do_settle(struct tmem_worker *worker, struct pool *pool)
{
	struct spares *spares = &worker->spares;
	struct promise *promise = NULL;
	uint32_t slab;

	spares->unsettled = 0;
	if (pool->flags & TMEM_POOL_PERSISTENT)
		promise = pool->client->promise;
	for (slab = 0; slab <= SLAB_LEAF; slab++) {
		for (; promise && spares->spent[slab]; spares->spent[slab]--)
			tmem_slab_charge(slab_of(worker, slab), &promise[slab]);
		spares->spent[slab] = 0;
	}
	while (spares->discards) {
		slab = spares->discard_slab[--spares->discards];
		tmem_slab_give(slab_of(worker, slab), spares->discard[spares->discards],
			       promise ? &promise[slab] : NULL);
	}
}

/* The worker goes. */
void tmem_spares_drain(struct tmem_worker *worker)
{
	struct spares *spares = &worker->spares;
	uint32_t slab;

	for (slab = 0; slab <= SLAB_LEAF; slab++)
		while (spares->count[slab])
			tmem_slab_give(slab_of(worker, slab),
				       spares->number[slab][--spares->count[slab]], NULL);
}
