/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The block of a page that a get took out is freed by its worker's next call,
 * after that has started its own way to memory: what freeing touches was
 * asked for by then, and nothing waits for it between two copies. Whoever
 * wants exact figures, or the room, frees what the workers have left.
 */
#include "internal.h"

enum pending_state { PENDING_NONE, PENDING_LEFT, PENDING_TAKEN };

/* Fills in what tmem_pending_leave() will leave: the worker's last block is settled. */
void tmem_pending_prepare(struct tmem_worker *worker, struct heap *heap, uint64_t slot,
			  uint32_t pool, uint32_t generation)
{
	struct pending *pending = worker->pending;

	pending->heap = heap;
	pending->slot = slot;
	pending->pool = pool;
	pending->generation = generation;
}

void tmem_pending_leave(struct tmem_worker *worker)
{
	tmem_store_release(&worker->pending->state, (uint32_t)PENDING_LEFT);
}

/* No lock held. Afterwards nothing is left, or being freed by another. */
void tmem_pending_do_settle(struct pending *pending)
{
	uint32_t state;

	while ((state = tmem_load_acquire(&pending->state)) != PENDING_NONE) {
		if (state == PENDING_LEFT &&
		    tmem_cas(&pending->state, &state, (uint32_t)PENDING_TAKEN)) {
			tmem_heap_free(pending->heap, pending->slot, pending->pool,
				       pending->generation);
			tmem_store_release(&pending->state, (uint32_t)PENDING_NONE);
			return;
		}
		tmem_cpu_relax();
	}
}

/* What all workers have left. No lock held. */
void tmem_pending_settle_all(struct tmem_engine *engine)
{
	uint32_t i;

	for (i = 0; i < engine->worker_limit; i++)
		tmem_pending_settle(&engine->pending[i]);
}
