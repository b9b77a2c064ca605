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
	struct pending *pending = worker->pending;
	uint32_t i = pending->tail % TMEM_PENDING;

	pending->block[i].heap = heap;
	pending->block[i].slot = slot;
	pending->block[i].pool = pool;
	pending->block[i].generation = generation;
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
		tmem_heap_free_pending(pending, pending->head, tail);
		tmem_store_release(&pending->head, tail);
		tmem_store_release(&pending->busy, 0u);
	}
}

/* What all workers have left. No lock held. */
void tmem_pending_settle_all(struct tmem_engine *engine)
{
	uint32_t i;

	for (i = 0; i < engine->worker_limit; i++)
		tmem_pending_settle(&engine->pending[i]);
}
