/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Who gives when the host is full. A client's share of the ephemeral bytes
 * is its weight's part of all weights. The one whose oldest page is oldest
 * gives, where time runs faster for those above their share and slower for
 * those below, by the sixth power of how far; and who is below half of its
 * share gives nothing while anybody is above. Everything that a better policy
 * needs to change is behind these calls and the order of order.c.
 */
#include "internal.h"

#define USES 64u /* victims taken before all clients are looked at again, at most */

/* Bytes are counted in pieces of this size, so that no product overflows. */
#define PIECE_SHIFT 12u

#define RATIO_ONE  16u /* of what a client has to its share, in fixed point */
#define RATIO_MOST 39u /* the sixth power of one more, times an age, is below 2^64 */

/* The pieces of every client, and all of them; the weights of those that are alive. L1 is held. */
static void count_locked(struct tmem_engine *engine, uint64_t *pieces, uint64_t *weights)
{
	struct tmem_client *client;

	*pieces = 0;
	*weights = 0;
	for (client = engine->clients; client; client = client->next) {
		client->pieces = tmem_client_bytes(client) >> PIECE_SHIFT;
		*pieces += client->pieces;
		if (client->state == CLIENT_ALIVE && !client->is_share)
			*weights += tmem_load(&client->weight);
	}
}

/* What a client has to its share: RATIO_ONE is just its share. */
static uint32_t ratio(const struct tmem_client *client, uint64_t pieces, uint64_t weights)
{
	uint64_t share = pieces * tmem_load(&client->weight);
	uint64_t ratio;

	if (!share)
		return RATIO_MOST;
	ratio = tmem_divide(client->pieces * RATIO_ONE * weights, share);
	return (uint32_t)tmem_min64(ratio, RATIO_MOST);
}

static uint64_t power6(uint64_t x)
{
	return x * x * x * x * x * x;
}

/* A heap that may give, and how much it should. */
struct choice {
	struct heap *heap;
	uint64_t score;
};

/* Whether one of @client's ephemeral heaps is a better choice. L1 is held. */
static void weigh_locked(struct tmem_client *client, uint64_t pieces, uint64_t weights,
			 uint32_t floor, struct choice *best)
{
	uint32_t now = tmem_load(&client->engine->age), birth, has;
	struct heap *heap;
	uint64_t score;

	for (heap = &client->heap[0]; heap; heap = heap->next) {
		if (!tmem_load(&heap->extent_bytes))
			continue;
		has = ratio(heap->charged, pieces, weights);
		if (has < floor)
			continue;
		birth = now;
		(void)tmem_order_droppable(heap, &birth);
		score = (uint64_t)(now - birth + 1) * power6(has + 1);
		if (!best->heap || score > best->score) {
			best->heap = heap;
			best->score = score;
		}
	}
}

static struct heap *choose(struct tmem_engine *engine)
{
	struct choice best = {NULL, 0};
	struct tmem_client *client;
	uint64_t pieces, weights;
	uint32_t extents;
	int floor;

	tmem_lock(&engine->lock);
	count_locked(engine, &pieces, &weights);
	/* At first only those who have half of their share. */
	for (floor = RATIO_ONE / 2; floor >= 0 && !best.heap; floor -= RATIO_ONE / 2)
		for (client = engine->clients; client; client = client->next)
			if (client->state == CLIENT_ALIVE)
				weigh_locked(client, pieces, weights, (uint32_t)floor, &best);
	__atomic_store_n(&engine->victim, best.heap, __ATOMIC_SEQ_CST);
	/* Few at a time where few extents are all that there is. */
	extents = (uint32_t)(pieces >> (tmem_log2(engine->extent_size) - PIECE_SHIFT));
	tmem_store(&engine->victim_uses, tmem_min32(USES, 1 + extents / 64));
	tmem_unlock(&engine->lock);
	return best.heap;
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
		__atomic_store_n(&worker->seat->visiting, best, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&engine->victim, __ATOMIC_SEQ_CST) == best)
			return best;
	}
}

void tmem_policy_leave(struct tmem_worker *worker)
{
	tmem_store_release(&worker->seat->visiting, (struct heap *)NULL);
}

/* A client is dying: its heap is nobody's victim from now on. L1 is held. */
void tmem_policy_forget(struct tmem_engine *engine)
{
	__atomic_store_n(&engine->victim, (struct heap *)NULL, __ATOMIC_SEQ_CST);
}

/* Whether some worker still takes from a heap of @client, which is forgotten. */
int tmem_policy_visited(const struct tmem_engine *engine, const struct tmem_client *client)
{
	const struct heap *heap;
	uint32_t i;

	for (i = 0; i < engine->worker_limit; i++) {
		heap = __atomic_load_n(&engine->seat[i].visiting, __ATOMIC_SEQ_CST);
		if (heap && heap->client == client)
			return 1;
	}
	return 0;
}
