/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What a thread that works in the engine has of its own: records and slots
 * taken ahead, blocks left to be freed, and its copies of a page.
 */
#ifndef TMEM_CORE_WORKER_H
#define TMEM_CORE_WORKER_H

#include "index.h"

#define TMEM_WORKERS 64u

/*
 * Records that an operation may need, taken before it locks anything, and
 * those it no longer needs, given back after it has unlocked.
 */
#define TMEM_SPARE_NODES (2 * TMEM_TREE_LEVELS)
#define TMEM_DISCARDS	 32u

struct spares {
	uint32_t count[SLAB_LEAF + 1]; /* by slab: objects, nodes, leaves */
	uint32_t number[SLAB_LEAF + 1][TMEM_SPARE_NODES];
	uint32_t unsettled;	       /* something was spent or discarded */
	uint32_t spent[SLAB_LEAF + 1]; /* since the last settling */
	uint32_t discards;
	uint32_t discard_slab[TMEM_DISCARDS];
	uint32_t discard[TMEM_DISCARDS];
};

/*
 * Blocks to be freed: a ring that its worker fills, and that whoever has
 * claimed it empties.
 */
#define TMEM_PENDING 16u /* a power of two */

struct pending {
	uint32_t tail; /* blocks left so far; written by the worker */
	uint32_t head; /* blocks freed so far; written by who has the claim */
	uint32_t busy; /* 1 while somebody frees */
	struct {
		struct heap *heap;
		uint64_t slot;
		uint32_t generation;
		uint32_t pool; /* its place */
	} block[TMEM_PENDING];
};

/* Slots of 64 next to each other that a worker has in hand: its own, but for who has the claim. */
struct stock {
	uint32_t busy; /* 1 while somebody takes, fills or gives back */
	uint32_t pool;
	uint32_t extent;
	uint32_t word; /* of the extent's room */
	tmem_word slots;
	struct heap *heap; /* while there are slots */
	uint64_t seen;	   /* owned by who steps: the slots in the step before */
} __attribute__((aligned(TMEM_LINE)));

/*
 * What of a worker others look at, while workers come and go: the engine's, so
 * that it is there when its worker is not. Who is about to free something looks
 * at what all of them are at.
 */
struct seat {
	/*
	 * The extent whose block the worker is copying to or from; it is not
	 * dropped meanwhile. Set under its heap's lock by a put, and by a get
	 * with a full fence before it looks at the extent's generation.
	 */
	uint32_t held;
	uint32_t from; /* the extent that it moves or recodes a block out of, likewise */
	struct tmem_client *sharing; /* the share that it is in a call for, which stays */
	struct heap *visiting;	     /* the heap that it takes room from, whose client stays */
	struct pending pending;
	struct stock stock;
} __attribute__((aligned(TMEM_LINE)));

#define TMEM_AHEAD 32u /* operations; a power of two */

struct tmem_worker {
	struct tmem_engine *engine;
	struct seat *seat;
	uint32_t size; /* of the extent that holds it and its buffers */
	uint32_t id;
	/* Owned by the worker. */
	uint32_t touched;
	struct spares spares;
	uint64_t taken[TMEM_GROUP_PAGES + 2]; /* slots of a group on their way out */
	uint32_t taken_generation[TMEM_GROUP_PAGES + 2];
	/* Where a block would lie after the last one that was coded, and how long that was: a guess. */
	const unsigned char *next;
	uint32_t next_length;
	unsigned char *page;		/* one page and a sum: our copy */
	unsigned char *coded;		/* likewise: a codec's output */
	unsigned char *work;		/* the codecs' scratch */
	struct ahead ahead[TMEM_AHEAD]; /* of the batch that it is in */
};

/* spares.c: without locks, but for the two that say so */
int tmem_spares_suffice(const struct tmem_worker *worker, const struct pool *pool);
int tmem_spares_fill(struct tmem_worker *worker, const struct pool *pool);
uint32_t tmem_spare_locked(struct tmem_worker *worker, uint32_t slab);
void tmem_discard_locked(struct tmem_worker *worker, uint32_t slab, uint32_t number);
void tmem_spares_do_settle(struct tmem_worker *worker, struct pool *pool);
void tmem_spares_drain(struct tmem_worker *worker);

/* After the locks: charges what was spent for @pool, gives back what was discarded. */
static inline void tmem_spares_settle(struct tmem_worker *worker, struct pool *pool)
{
	if (tmem_unlikely(worker->spares.unsettled))
		tmem_spares_do_settle(worker, pool);
}

/* pending.c */
void tmem_pending_prepare(struct tmem_worker *worker, struct heap *heap, uint64_t slot,
			  uint32_t pool, uint32_t generation);
void tmem_pending_do_settle(struct pending *pending);
void tmem_pending_settle_all(struct tmem_engine *engine);

static inline void tmem_pending_settle(struct pending *pending)
{
	if (tmem_load_acquire(&pending->tail) != tmem_load_acquire(&pending->head))
		tmem_pending_do_settle(pending);
}

/* There is room for one more. */
static inline void tmem_pending_make_room(struct pending *pending)
{
	if (tmem_unlikely(pending->tail - tmem_load_acquire(&pending->head) == TMEM_PENDING))
		tmem_pending_do_settle(pending);
}

/* What tmem_pending_prepare() wrote may be freed from now on. */
static inline void tmem_pending_leave(struct tmem_worker *worker)
{
	tmem_store_release(&worker->seat->pending.tail, worker->seat->pending.tail + 1);
}

/* stock.c */
uint32_t tmem_stock_take(struct tmem_worker *worker, const struct heap *heap, uint32_t pool,
			 uint64_t *place, uint32_t most);
void tmem_stock_return(struct tmem_worker *worker, const uint64_t *place, uint32_t count);
int tmem_stock_fill_locked(struct tmem_worker *worker, struct heap *heap, uint64_t place,
			   uint32_t pool);
void tmem_stock_prefetch(const struct tmem_worker *worker);
void tmem_stock_forget_locked(struct heap *heap, struct extent *extent);
int tmem_stock_is_of(struct tmem_engine *engine, uint32_t number);
void tmem_stock_give_back_idle(struct tmem_engine *engine);
void tmem_stock_give_back_all(struct tmem_engine *engine);

#endif
