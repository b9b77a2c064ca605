/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Slots for whole pages that a worker has in hand, so that threads which put
 * into one pool do not meet at their heap's lock for each page. They lie next
 * to each other in one extent, tagged and in put order like any block that is
 * being filled. Whoever wants exact figures, or the room, gives them back.
 */
#include "internal.h"

static uint64_t place_of(const struct stock *stock, uint32_t slot)
{
	return (uint64_t)stock->extent << TMEM_UNIT_BITS |
	       (stock->word * 64 + slot) * TMEM_PAGE_UNITS;
}

/* Nobody else looks at what is in hand from here on. 0: somebody does just now. */
static int seize(struct stock *stock)
{
	return !tmem_exchange_full(&stock->busy, 1u);
}

static void let_go(struct stock *stock)
{
	tmem_store_release(&stock->busy, 0u);
}

/*
 * Slots for at most @most raw pages of @pool's, all of one extent, which is
 * held for @worker as after tmem_heap_reserve(). How many; 0: there is none in
 * hand. The word that says which extent is held is written before the claim,
 * as in drop.c the state is before the look at who holds: one of the two sees
 * the other.
 */
uint32_t tmem_stock_take(struct tmem_worker *worker, const struct heap *heap, uint32_t pool,
			 uint64_t *place, uint32_t most)
{
	struct stock *stock = &worker->seat->stock;
	const struct extent *extent;
	uint64_t slots;
	uint32_t count = 0;

	if (!tmem_load(&stock->slots) || stock->heap != heap || stock->pool != pool)
		return 0;
	tmem_store(&worker->seat->held, tmem_load(&stock->extent));
	if (seize(stock)) {
		extent = tmem_extent(worker->engine, stock->extent);
		slots = stock->slots;
		if (tmem_load_acquire(&extent->state) == EXTENT_PAGES)
			for (; slots && count < most; slots &= slots - 1)
				place[count++] = place_of(stock, tmem_lowest(slots));
		tmem_store_release(&stock->slots, slots);
		let_go(stock);
	}
	if (!count)
		tmem_store_release(&worker->seat->held, 0u);
	return count;
}

/* Slots that tmem_stock_take() gave and that were not used; their extent is still held. */
void tmem_stock_return(struct tmem_worker *worker, const uint64_t *place, uint32_t count)
{
	struct stock *stock = &worker->seat->stock;
	uint32_t i;

	/* Only this worker fills it, so they are of the word that it has. */
	while (!seize(stock))
		tmem_cpu_relax();
	for (i = 0; i < count; i++)
		tmem_store(&stock->slots,
			   stock->slots | 1ull << tmem_place_unit(place[i]) / TMEM_PAGE_UNITS % 64);
	let_go(stock);
}

/*
 * What is in hand will be written soon: so that its pages' addresses are
 * translated side by side, instead of one before each copy. Its extent is held.
 */
void tmem_stock_prefetch(const struct tmem_worker *worker)
{
	const struct stock *stock = &worker->seat->stock;
	const struct extent *extent = tmem_extent(worker->engine, tmem_load(&stock->extent));
	uint64_t slots = tmem_load(&stock->slots);

	for (; slots; slots &= slots - 1)
		tmem_prefetch_write(
			tmem_payload(extent, tmem_place_unit(place_of(stock, tmem_lowest(slots)))));
}

/*
 * Takes all free slots of the 64 that the one at @place is of, which was just
 * taken for @pool and is of a page extent. Whether it did. The heap is locked.
 */
int tmem_stock_fill_locked(struct tmem_worker *worker, struct heap *heap, uint64_t place,
			   uint32_t pool)
{
	struct extent *extent = tmem_extent(worker->engine, tmem_place_extent(place));
	struct stock *stock = &worker->seat->stock;

	if (stock->slots || !seize(stock))
		return 0;
	tmem_store_release(&stock->heap, heap);
	stock->pool = pool;
	tmem_store(&stock->extent, extent->number);
	stock->word = tmem_place_unit(place) / TMEM_PAGE_UNITS / 64;
	tmem_store(&stock->slots, tmem_heap_word_locked(heap, extent, stock->word, pool));
	let_go(stock);
	return 1;
}

/* What any worker has in hand of @extent, which is about to be dropped, is no page in it. */
void tmem_stock_forget_locked(struct heap *heap, struct extent *extent)
{
	struct tmem_engine *engine = heap->client->engine;
	struct stock *stock;
	uint32_t i;

	for (i = 0; i < engine->worker_limit; i++) {
		stock = &engine->seat[i].stock;
		if (!tmem_load(&stock->slots) || tmem_load(&stock->extent) != extent->number)
			continue;
		/* Its worker sees that the extent goes, and lets go of it at once. */
		while (!seize(stock))
			tmem_cpu_relax();
		for (; stock->slots && stock->extent == extent->number;
		     tmem_store(&stock->slots, stock->slots & (stock->slots - 1)))
			tmem_heap_untally_locked(heap, place_of(stock, tmem_lowest(stock->slots)));
		let_go(stock);
	}
}

/*
 * Whether any worker has slots of extent @number in hand, or on the way to
 * their pages, or back: these are held. Both are looked at while nothing goes
 * from one state to the other. Its heap is locked, so nobody fills a stock.
 */
int tmem_stock_is_of(struct tmem_engine *engine, uint32_t number)
{
	struct stock *stock;
	uint32_t i;
	int is_of;

	for (i = 0; i < engine->worker_limit; i++) {
		stock = &engine->seat[i].stock;
		if (tmem_load(&stock->extent) != number)
			continue;
		while (!seize(stock))
			tmem_cpu_relax();
		is_of = stock->slots || tmem_load(&engine->seat[i].held) == number;
		let_go(stock);
		if (is_of)
			return 1;
	}
	return 0;
}

static void give_back(struct tmem_engine *engine, struct stock *stock)
{
	struct heap *heap = tmem_load_acquire(&stock->heap);
	struct extent *extent, *closed = NULL;
	uint64_t place;

	tmem_lock(&heap->lock);
	while (!seize(stock))
		tmem_cpu_relax();
	if (stock->heap == heap) {
		extent = tmem_extent(engine, stock->extent);
		for (; stock->slots; tmem_store(&stock->slots, stock->slots & (stock->slots - 1))) {
			place = place_of(stock, tmem_lowest(stock->slots));
			closed = tmem_heap_free_locked(
				heap, SLOT_OF(place, TMEM_PAGE_SIZE, TMEM_CODEC_RAW), stock->pool,
				extent->generation);
		}
	}
	if (heap->live > heap->live_most)
		heap->live_most = heap->live;
	let_go(stock);
	tmem_unlock(&heap->lock);
	if (closed)
		tmem_extent_close(engine, closed);
}

/* What all workers have in hand is free again. No lock held. */
void tmem_stock_give_back_all(struct tmem_engine *engine)
{
	uint32_t i;

	for (i = 0; i < engine->worker_limit; i++)
		if (tmem_load(&engine->seat[i].stock.slots))
			give_back(engine, &engine->seat[i].stock);
}

/*
 * Background: what a worker has in hand and took nothing of since the last call
 * is free again; who puts would miss it. One caller at a time, no lock held.
 */
void tmem_stock_give_back_idle(struct tmem_engine *engine)
{
	struct stock *stock;
	uint64_t slots;
	uint32_t i;

	for (i = 0; i < engine->worker_limit; i++) {
		stock = &engine->seat[i].stock;
		slots = tmem_load(&stock->slots);
		if (slots && slots == stock->seen)
			give_back(engine, stock);
		stock->seen = slots;
	}
}

/*
 * Nothing that any worker has left, or in hand, is missing from a figure
 * afterwards. Not inlined: those who look at everything have little stack left.
 */
__attribute__((noinline)) void tmem_settle_all(struct tmem_engine *engine)
{
	tmem_pending_settle_all(engine);
	tmem_stock_give_back_all(engine);
}
