/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Who gives when the host is full: today the client whose oldest page is the
 * oldest of all, by segments of puts. Everything that a better policy needs to
 * change is behind these two calls and the order of order.c.
 */
#include "internal.h"

#define USES 64u /* victims taken before all clients are looked at again */

static struct heap *choose(struct tmem_engine *engine)
{
	struct tmem_client *client;
	struct heap *best = NULL, *heap;
	uint32_t now = tmem_load(&engine->age), oldest = 0, birth;

	tmem_lock(&engine->lock);
	for (client = engine->clients; client; client = client->next) {
		heap = &client->heap[0];
		if (client->state != CLIENT_ALIVE || !tmem_load(&heap->extent_bytes))
			continue;
		birth = now;
		tmem_order_oldest(heap, &birth);
		if (!best || now - birth > oldest) {
			best = heap;
			oldest = now - birth;
		}
	}
	__atomic_store_n(&engine->victim, best, __ATOMIC_SEQ_CST);
	tmem_store(&engine->victim_uses, USES);
	tmem_unlock(&engine->lock);
	return best;
}

/*
 * The ephemeral heap to take from; NULL: nobody has anything. It stays there
 * until tmem_policy_leave(): the mark comes before the second look, as in
 * tmem_policy_forget() the change comes before the look at the marks. No lock
 * held.
 */
struct heap *tmem_policy_victim(struct tmem_engine *engine, struct tmem_worker *worker)
{
	struct heap *best;
	uint32_t uses;

	for (;;) {
		best = tmem_load_acquire(&engine->victim);
		uses = tmem_load(&engine->victim_uses);
		if (!best || !uses || !tmem_load(&best->live))
			best = choose(engine);
		else
			tmem_store(&engine->victim_uses, uses - 1);
		__atomic_store_n(&worker->visiting, best, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&engine->victim, __ATOMIC_SEQ_CST) == best)
			return best;
	}
}

void tmem_policy_leave(struct tmem_worker *worker)
{
	tmem_store_release(&worker->visiting, (struct heap *)NULL);
}

/* A client is dying: its heap is nobody's victim from now on. L1 is held. */
void tmem_policy_forget(struct tmem_engine *engine)
{
	__atomic_store_n(&engine->victim, (struct heap *)NULL, __ATOMIC_SEQ_CST);
}

/* Whether some worker still takes from @heap, which is forgotten. */
int tmem_policy_visited(struct tmem_engine *engine, const struct heap *heap)
{
	struct tmem_worker *worker;
	uint32_t i;

	for (i = 0; i < engine->worker_limit; i++) {
		worker = tmem_load_acquire(&engine->worker[i]);
		if (worker && __atomic_load_n(&worker->visiting, __ATOMIC_SEQ_CST) == heap)
			return 1;
	}
	return 0;
}
