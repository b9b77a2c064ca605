/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The blocks of pages that gets took out are freed some at a time, so that
 * two threads do not meet at their heap's lock for each, and by a later call,
 * after that has started its own way to memory: what freeing touches was
 * asked for by then, and nothing waits for it between two copies. Whoever
 * wants exact figures, or the room, frees what the workers have left.
 */
#include "internal.h"

TMEM_STATIC_ASSERT(!(TMEM_PENDING & (TMEM_PENDING - 1)));

/* Fills in what tmem_pending_leave() will leave. There is room. */
void tmem_pending_prepare(struct tmem_worker *worker, struct heap *heap, uint64_t slot,
			  uint32_t pool, uint32_t generation)
{
	struct pending *pending = &worker->seat->pending;
	uint32_t i = pending->tail % TMEM_PENDING;

	pending->block[i].heap = heap;
	pending->block[i].slot = slot;
	pending->block[i].pool = pool;
	pending->block[i].generation = generation;
}

/* What freeing will write to: asked for before the lock is taken. */
static void prefetch_pending(const struct pending *pending, uint32_t first, uint32_t last)
{
	struct tmem_engine *engine = pending->block[first % TMEM_PENDING].heap->client->engine;
	struct extent *extent;
	struct block *headers;
	uint32_t i, slot;

	for (i = first; i != last; i++) {
		uint64_t place = SLOT_PLACE(pending->block[i % TMEM_PENDING].slot);

		extent = tmem_extent(engine, tmem_place_extent(place));
		slot = tmem_place_unit(place) / TMEM_PAGE_UNITS;
		headers = tmem_load(&extent->headers);
		tmem_prefetch_write(&extent->tally[0]);
		if (!headers)
			continue;
		tmem_prefetch_write(&headers[slot]);
		tmem_prefetch_write(&extent->room[slot / 64]);
	}
}

/* Frees what was left from @first on to before @last; the caller has the claim. */
static void free_pending(const struct pending *pending, uint32_t first, uint32_t last)
{
	struct extent *closed[TMEM_PENDING];
	uint32_t count, i;
	struct heap *heap;

	if (first != last)
		prefetch_pending(pending, first, last);
	while (first != last) {
		heap = pending->block[first % TMEM_PENDING].heap;
		count = 0;
		tmem_lock(&heap->lock);
		for (; first != last; first++) {
			i = first % TMEM_PENDING;
			if (pending->block[i].heap != heap)
				break;
			closed[count] = tmem_heap_free_locked(heap, pending->block[i].slot,
							      pending->block[i].pool,
							      pending->block[i].generation);
			if (closed[count])
				count++;
		}
		tmem_unlock(&heap->lock);
		for (i = 0; i < count; i++)
			tmem_extent_close(heap->client->engine, closed[i]);
	}
}

/* No lock held. What was left when this began is freed when it returns, by whoever. */
void tmem_pending_do_settle(struct pending *pending)
{
	uint32_t wanted = tmem_load_acquire(&pending->tail), tail, idle;

	while ((int32_t)(tmem_load_acquire(&pending->head) - wanted) < 0) {
		idle = 0;
		if (!tmem_cas(&pending->busy, &idle, 1u)) {
			tmem_cpu_relax();
			continue;
		}
		tail = tmem_load_acquire(&pending->tail);
		free_pending(pending, pending->head, tail);
		tmem_store_release(&pending->head, tail);
		tmem_store_release(&pending->busy, 0u);
	}
}

/* What all workers have left. No lock held. */
void tmem_pending_settle_all(struct tmem_engine *engine)
{
	uint32_t i;

	for (i = 0; i < engine->worker_limit; i++)
		tmem_pending_settle(&engine->seat[i].pending);
}
