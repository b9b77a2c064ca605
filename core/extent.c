/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Extents: the host's memory under a number, with the records that say what
 * is in it. What the blocks inside mean is heap.c's and pack.c's business.
 */
#include "internal.h"

static struct slab *headers_slab(struct tmem_engine *engine, const struct heap *heap)
{
	int persistent = heap->kind == TMEM_EXTENT_PERSISTENT;

	return &engine->slab[persistent ? SLAB_HEADERS_P : SLAB_HEADERS_E];
}

static void give_records(struct tmem_engine *engine, struct extent *extent)
{
	if (extent->headers_record)
		tmem_slab_give(headers_slab(engine, extent->heap), extent->headers_record, NULL);
	if (extent->bins_record)
		tmem_slab_give(&engine->slab[SLAB_BINS], extent->bins_record, NULL);
	if (extent->lent_record)
		tmem_slab_give(&engine->slab[SLAB_LENT], extent->lent_record, NULL);
	extent->lent_record = 0;
	tmem_store(&extent->lent, (struct lent *)NULL);
	extent->headers_record = 0;
	extent->bins_record = 0;
	tmem_store(&extent->headers, (struct block *)NULL);
	extent->bins = NULL;
}

/*
 * Where a slot leads that is read without its shard's lock, to prefetch by:
 * its leaf may have been given back meanwhile, and hold a slab's link. NULL:
 * nowhere.
 */
struct extent *tmem_extent_near(const struct tmem_engine *engine, uint64_t slot)
{
	const struct slab *slab = &engine->slab[SLAB_EXTENT];
	uint32_t number = tmem_place_extent(SLOT_PLACE(slot));
	struct extent *extent;

	if (!(slot & SLOT_PRESENT) || !number || number >= tmem_load_acquire(&slab->issued))
		return NULL;
	extent = tmem_extent(engine, number);
	return tmem_likely(tmem_load(&extent->base) != NULL) ? extent : NULL;
}

/*
 * A new extent for @heap, EXTENT_NONE, in no list. @headers, @bins: which
 * shapes it can take on. NULL: no memory. The caller holds no lock.
 */
struct extent *tmem_extent_open(struct tmem_engine *engine, struct tmem_worker *worker,
				struct heap *heap, uint32_t size, int headers, int bins)
{
	struct slab *slab = &engine->slab[SLAB_EXTENT];
	struct extent *extent;
	uint32_t number, headers_record = 0, bins_record = 0;
	unsigned char *base;

	number = tmem_slab_take(slab, worker, 1);
	if (!number)
		return NULL;
	if (headers) {
		headers_record = tmem_slab_take(headers_slab(engine, heap), worker, 1);
		if (!headers_record)
			goto err_number;
	}
	if (bins) {
		bins_record = tmem_slab_take(&engine->slab[SLAB_BINS], worker, 1);
		if (!bins_record)
			goto err_headers;
	}
	base = tmem_room_take(engine, worker, heap->kind, size);
	if (!base)
		goto err_bins;
	extent = tmem_slab_at(slab, number);
	tmem_store(&extent->base, base);
	tmem_store(&extent->headers, (struct block *)NULL);
	tmem_store(&extent->lent, (struct lent *)NULL);
	extent->lent_record = 0;
	extent->bins = NULL;
	extent->size = size;
	extent->headers_record = headers_record;
	extent->bins_record = bins_record;
	extent->live = 0;
	extent->units = 0;
	extent->class = 0;
	extent->moving = 0;
	extent->was_lent = 0;
	extent->lend_at = tmem_load(&heap->clock);
	memset(extent->tally, 0, sizeof(extent->tally));
	/* Those who still have the number from its last life look at these. */
	tmem_store(&extent->number, number);
	tmem_store(&extent->heap, heap);
	/* Nobody may drop it before it is in its heap's list, which makes it EXTENT_EMPTY. */
	tmem_store(&extent->state, (uint32_t)EXTENT_NONE);
	return extent;

err_bins:
	if (bins_record)
		tmem_slab_give(&engine->slab[SLAB_BINS], bins_record, NULL);
err_headers:
	if (headers_record)
		tmem_slab_give(headers_slab(engine, heap), headers_record, NULL);
err_number:
	tmem_slab_give(slab, number, NULL);
	return NULL;
}

/*
 * Memory that its client emptied is kept for the next one, if it is of the
 * usual size, the host does not take it for its own, and it was not vacated,
 * since then nobody needs it.
 */
static void leave(struct tmem_engine *engine, struct extent *extent)
{
	if (extent->heap->kind != TMEM_EXTENT_EPHEMERAL || extent->size != engine->extent_size ||
	    extent->was_lent || extent->class == TMEM_VACATING) {
		tmem_extent_retire(engine, extent);
		return;
	}
	tmem_room_keep(engine, extent->base);
	give_records(engine, extent);
}

/* The memory goes back to the host; the number stays taken, EXTENT_DEAD. */
void tmem_extent_retire(struct tmem_engine *engine, struct extent *extent)
{
	tmem_room_give(engine, extent->heap->kind, extent->base, extent->size);
	if (extent->was_lent)
		tmem_add(&engine->was_lent, -(uint64_t)extent->size);
	give_records(engine, extent);
}

/* An extent that no slot points into: memory and number are free again. */
void tmem_extent_close(struct tmem_engine *engine, struct extent *extent)
{
	if (extent->state != EXTENT_DEAD)
		leave(engine, extent);
	tmem_store(&extent->generation, extent->generation + 1);
	tmem_store(&extent->state, (uint32_t)EXTENT_NONE);
	tmem_slab_give(&engine->slab[SLAB_EXTENT], extent->number, NULL);
}

/* Lists are doubly linked through numbers; the heap's lock guards them. */
void tmem_extent_link(struct tmem_engine *engine, uint32_t *list, struct extent *extent)
{
	extent->prev = 0;
	extent->next = *list;
	if (*list)
		tmem_extent(engine, *list)->prev = extent->number;
	*list = extent->number;
}

/* Into the list that @first is in, next after it. */
void tmem_extent_link_behind(struct tmem_engine *engine, struct extent *first,
			     struct extent *extent)
{
	tmem_extent_link(engine, &first->next, extent);
	extent->prev = first->number;
}

void tmem_extent_unlink(struct tmem_engine *engine, uint32_t *list, struct extent *extent)
{
	if (extent->prev)
		tmem_extent(engine, extent->prev)->next = extent->next;
	else
		*list = extent->next;
	if (extent->next)
		tmem_extent(engine, extent->next)->prev = extent->prev;
}

static int is_held_by(const struct seat *seat, uint32_t number)
{
	return __atomic_load_n(&seat->held, __ATOMIC_SEQ_CST) == number ||
	       __atomic_load_n(&seat->from, __ATOMIC_SEQ_CST) == number;
}

/* Whether a worker copies to or from it. */
int tmem_extent_held(const struct tmem_engine *engine, uint32_t number)
{
	uint32_t i;

	for (i = 0; i < engine->worker_limit; i++)
		if (is_held_by(&engine->seat[i], number))
			return 1;
	return 0;
}

/*
 * Whether what @slot says is in the store; a slot into a dropped extent holds
 * nothing. *@generation is what tmem_heap_free() wants. The shard is locked.
 */
int tmem_slot_stored(const struct tmem_engine *engine, uint64_t slot, uint32_t *generation)
{
	struct extent *extent;
	uint32_t state;

	if (!(slot & SLOT_PRESENT))
		return 0;
	extent = tmem_extent(engine, tmem_place_extent(SLOT_PLACE(slot)));
	/* Before the state: an extent that is dropped in between has another one then. */
	*generation = tmem_load_acquire(&extent->generation);
	while ((state = tmem_load_acquire(&extent->state)) == EXTENT_DROPPING)
		tmem_cpu_relax();
	return state != EXTENT_DEAD;
}
