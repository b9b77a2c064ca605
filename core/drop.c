/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Giving back: an ephemeral extent is marked dead and its memory returned in
 * one piece, without a look at what is in it. Who still has a slot that leads
 * there finds it dead; sweep.c takes such slots out of the index.
 */
#include "internal.h"

static void subtract_locked(struct heap *heap, struct extent *extent)
{
	uint32_t i;

	for (i = 0; i < TMEM_POOLS_PER_CLIENT; i++) {
		if (extent->headers)
			heap->total[i].slots -= extent->tally[i].pages;
		else
			heap->total[i].pages -= extent->tally[i].pages;
		heap->total[i].units -= extent->tally[i].units;
		heap->total[i].payload -= extent->tally[i].payload;
		heap->total[i].dense -= extent->tally[i].dense;
		heap->total[i].dense_payload -= extent->tally[i].dense_payload;
	}
	tmem_bump(&heap->live, -(uint64_t)extent->live);
	extent->live = 0;
	extent->units = 0;
}

/*
 * Marks an extent dead and gives its memory back; its pages are misses from
 * that instant, and a sweep takes their slots out of the index. @generation:
 * NULL, or the one that is meant. 0, or -TMEM_EAGAIN: somebody copies from it,
 * or it is not there any more.
 */
static int drop(struct heap *heap, uint32_t number, const uint32_t *generation,
		enum drop_cause cause, uint32_t *size)
{
	struct tmem_engine *engine = heap->client->engine;
	struct extent *extent = tmem_extent(engine, number);
	uint32_t state, pages;

	tmem_lock(&heap->lock);
	state = tmem_load(&extent->state);
	if (tmem_load(&extent->heap) != heap || state == EXTENT_NONE || state == EXTENT_DEAD ||
	    (generation && *generation != extent->generation)) {
		tmem_unlock(&heap->lock);
		return -TMEM_EAGAIN;
	}
	/* A reader that looks now waits; one that looked before is seen here. */
	tmem_exchange_full(&extent->state, (uint32_t)EXTENT_DROPPING);
	if (tmem_extent_held(engine, number)) {
		tmem_store_release(&extent->state, state);
		tmem_unlock(&heap->lock);
		return -TMEM_EAGAIN;
	}
	if (state == EXTENT_EMPTY) {
		tmem_extent_unlink(engine, &heap->empty, extent);
		heap->empty_count--;
	} else {
		tmem_heap_unlist_locked(heap, extent);
		heap->used_bytes[tmem_form(extent)] -= extent->size;
	}
	tmem_stock_forget_locked(heap, extent);
	pages = extent->live;
	subtract_locked(heap, extent);
	*size = extent->size;
	tmem_heap_grown_locked(heap, -(uint64_t)extent->size);
	/* A dying client's extents go because it ends: nobody took them. */
	if (cause != DROP_ENDED && tmem_load(&heap->client->state) == CLIENT_ALIVE) {
		heap->dropped++;
		heap->pages_dropped[cause] += pages;
		heap->taken += cause == DROP_TAKEN;
	}
	tmem_store_release(&extent->generation, extent->generation + 1);
	tmem_store_release(&extent->state, (uint32_t)EXTENT_DEAD);
	tmem_unlock(&heap->lock);
	tmem_extent_retire(engine, extent);
	/* Only now may a sweep find it and close it. */
	tmem_lock(&heap->lock);
	tmem_extent_link(engine, &heap->dead, extent);
	tmem_bump(&heap->dead_count, 1u);
	tmem_unlock(&heap->lock);
	return 0;
}

/* The extent at @turn in the heap's lists, counted from 0; 0: they end before. */
static uint32_t listed_locked(struct heap *heap, uint32_t turn)
{
	struct tmem_engine *engine = heap->client->engine;
	const uint32_t lists[] = {heap->full,	     heap->pages,   heap->lent,
				  heap->ripe[0],     heap->ripe[1], heap->vacating[0],
				  heap->vacating[1], heap->empty};
	uint32_t list, number;

	for (list = 0; list < TMEM_HEAP_CLASSES + sizeof(lists) / sizeof(lists[0]); list++) {
		number = list < TMEM_HEAP_CLASSES ? heap->packed[list]
						  : lists[list - TMEM_HEAP_CLASSES];
		for (; number; number = tmem_extent(engine, number)->next)
			if (!turn--)
				return number;
	}
	return 0;
}

/*
 * The extent to drop: at the first @try where the oldest put is, then, where
 * somebody copies from that one, any other. 0: there are no more.
 */
static uint32_t droppable(struct heap *heap, uint32_t try)
{
	struct extent *extent;
	uint32_t birth, state, number = 0;

	if (!try)
		number = tmem_order_droppable(heap, &birth);
	tmem_lock(&heap->lock);
	if (number) {
		extent = tmem_extent(heap->client->engine, number);
		state = tmem_load(&extent->state);
		if (tmem_load(&extent->heap) != heap ||
		    (state != EXTENT_PAGES && state != EXTENT_PACKED))
			number = 0;
	}
	if (!number)
		number = listed_locked(heap, try ? try - 1 : 0);
	tmem_unlock(&heap->lock);
	return number;
}

/*
 * Drops one extent, the least valuable that nobody copies from: each worker
 * holds one at most. Its bytes; 0: there is none. No lock held.
 */
uint32_t tmem_heap_drop_one(struct heap *heap, enum drop_cause cause)
{
	uint32_t try, number, size;

	for (try = 0; try < TMEM_WORKERS + 2; try++) {
		number = droppable(heap, try);
		if (!number)
			return 0;
		if (!drop(heap, number, NULL, cause, &size))
			return size;
	}
	return 0;
}

/* An extent that the host took from goes whole. 0, or -TMEM_EAGAIN as above. No lock held. */
int tmem_heap_drop_taken(struct heap *heap, uint32_t number, uint32_t generation)
{
	uint32_t size;

	return drop(heap, number, &generation, DROP_TAKEN, &size);
}
