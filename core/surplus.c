/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What a persistent heap has and a smaller allocation does not need: as many
 * extents as that are emptied into the room of the others, and given back.
 *
 * All of them are chosen first, the emptiest ones, and closed: no put goes
 * into them. Those that stay open are as many as the allocation needs for
 * whatever it is filled with (allocation.c), and what lies in closed ones is
 * on the bill too; so puts find room as ever, and so does each page that is
 * moved, if need be after a compaction. Nothing has to be opened again before
 * the allocation grows.
 *
 * There is no put order to walk, and none is needed: an extent says itself
 * what is in it. Nothing new comes into a closed one, so its first page is
 * behind at most one free block, however often one looks.
 */
#include "internal.h"

#define MOVES	    16u	 /* pages that one step moves */
#define BLOCK_LOOKS 256u /* blocks that it looks at: of some the last reader is still to come */

static uint64_t open_bytes_locked(const struct heap *heap)
{
	return heap->extent_bytes - heap->vacating_bytes;
}

static void reopen_one_locked(struct heap *heap)
{
	if (!tmem_vacate_reopen_locked(heap, 0))
		tmem_vacate_reopen_locked(heap, 1);
}

/*
 * Whether an extent of @size bytes that is empty now is one too many. If the
 * heap is emptying another one in its place, that one stays.
 */
int tmem_surplus_is_locked(struct heap *heap, uint32_t size)
{
	if (heap->extent_bytes - size < heap->wanted)
		return 0;
	if (open_bytes_locked(heap) - size < heap->wanted)
		reopen_one_locked(heap);
	return 1;
}

/* An extent that is being emptied is wanted after all. 0: there are none, or enough without. */
int tmem_surplus_keep(struct heap *heap)
{
	int wanted;

	tmem_lock(&heap->lock);
	wanted = heap->vacating_bytes && open_bytes_locked(heap) < heap->wanted;
	if (wanted)
		reopen_one_locked(heap);
	tmem_unlock(&heap->lock);
	return wanted;
}

/* One empty extent that is not wanted, out of the heap; NULL: there is none. */
static struct extent *take_surplus(struct heap *heap)
{
	struct tmem_engine *engine = heap->client->engine;
	struct extent *extent = NULL;
	uint32_t number;

	tmem_lock(&heap->lock);
	number = heap->empty;
	if (number && tmem_surplus_is_locked(heap, tmem_extent(engine, number)->size)) {
		extent = tmem_extent(engine, number);
		tmem_extent_unlink(engine, &heap->empty, extent);
		heap->empty_count--;
	} else if (!heap->wanted && !heap->live && heap->spare) {
		extent = tmem_extent(engine, heap->spare);
		heap->spare = 0;
		heap->has_spare = 0;
	}
	if (extent) {
		tmem_heap_grown_locked(heap, -(uint64_t)extent->size);
		tmem_store(&extent->state, (uint32_t)EXTENT_NONE);
	}
	tmem_unlock(&heap->lock);
	return extent;
}

/*
 * The heap needs @bytes and a spare extent from now on, or nothing. Extents
 * that are empty go now; steps empty as many more as are not needed.
 */
void tmem_surplus_trim(struct heap *heap, uint64_t bytes)
{
	struct extent *extent;

	tmem_lock(&heap->lock);
	heap->wanted = bytes ? bytes + heap->extent_size : 0;
	tmem_store(&heap->surplus, heap->extent_bytes != 0);
	tmem_unlock(&heap->lock);
	while ((extent = take_surplus(heap)))
		tmem_extent_close(heap->client->engine, extent);
}

/* ---- which ---- */

/* The list that has the emptiest packed extents; 0: there are none. */
static uint32_t emptiest_packed(const struct heap *heap)
{
	uint32_t class = TMEM_HEAP_CLASSES - 1;

	while (class && !heap->packed[class])
		class --;
	return heap->packed[class];
}

/* One of the emptiest extents, of either form; NULL: somebody is filling each that was seen. */
static struct extent *choose_surplus_locked(struct heap *heap)
{
	struct extent *pages, *packed;

	pages = tmem_vacate_emptiest_locked(heap, 0, heap->pages ? heap->pages : heap->full, 0);
	packed = tmem_vacate_emptiest_locked(heap, 1, emptiest_packed(heap), 0);
	if (!pages || !packed)
		return pages ? pages : packed;
	return tmem_used_bytes(pages) < tmem_used_bytes(packed) ? pages : packed;
}

/* Closes another extent, if those that are open are more than wanted. */
static int close_surplus(struct heap *heap)
{
	struct extent *extent = NULL;

	tmem_lock(&heap->lock);
	if (!heap->vacating_bytes && heap->extent_bytes <= heap->wanted)
		tmem_store(&heap->surplus, 0u);
	else if (open_bytes_locked(heap) >= heap->wanted + heap->extent_size)
		extent = choose_surplus_locked(heap);
	if (extent)
		tmem_vacate_close_locked(heap, extent);
	tmem_unlock(&heap->lock);
	return extent != NULL;
}

/* ---- moving ---- */

/* A page in a closed extent, as its header said. */
struct tenant {
	uint64_t place;
	struct block block;
};

/* Whether the block is a page that is not on its way out already. */
static int is_tenant(uint32_t tag)
{
	return (tag & (TAG_USED | TAG_ZOMBIE)) == TAG_USED;
}

static uint32_t find_slots_locked(const struct extent *extent, uint64_t *places)
{
	uint32_t slots = extent->size / TMEM_PAGE_SIZE, count = 0, slot;

	for (slot = 0; slot < slots && count < MOVES; slot++)
		if (is_tenant(tmem_load(&extent->headers[slot].tag)))
			places[count++] = tmem_place(extent, slot * TMEM_PAGE_UNITS);
	return count;
}

static uint32_t find_packed_locked(const struct extent *extent, uint64_t *places)
{
	uint32_t end = extent->size / TMEM_UNIT, count = 0, unit = 0, looks, tag;

	for (looks = 0; looks < BLOCK_LOOKS && unit < end && count < MOVES; looks++) {
		tag = tmem_load(&tmem_block(extent, unit)->tag);
		if (is_tenant(tag))
			places[count++] = tmem_place(extent, unit);
		unit += tag & TAG_USED ? tmem_units(tag & TAG_LENGTH) : tag & TAG_UNITS;
	}
	return count;
}

static int is_closed_locked(const struct heap *heap, const struct extent *extent)
{
	uint32_t state = tmem_load(&extent->state);

	return tmem_load(&extent->heap) == heap && extent->class == TMEM_VACATING &&
	       (state == EXTENT_PAGES || state == EXTENT_PACKED);
}

/* Where some pages of a closed extent are, MOVES at most. */
static uint32_t find_tenants(struct heap *heap, uint64_t *places)
{
	const struct extent *extent;
	uint32_t count = 0, number;

	tmem_lock(&heap->lock);
	number = heap->vacating[0] ? heap->vacating[0] : heap->vacating[1];
	if (number) {
		extent = tmem_extent(heap->client->engine, number);
		count = extent->headers ? find_slots_locked(extent, places)
					: find_packed_locked(extent, places);
	}
	tmem_unlock(&heap->lock);
	return count;
}

/* What the header at tenant->place says now. 0: there is no page any more. */
static int read_tenant_locked(const struct heap *heap, struct tenant *tenant)
{
	const struct extent *extent =
		tmem_extent(heap->client->engine, tmem_place_extent(tenant->place));
	const struct block *block;

	if (!is_closed_locked(heap, extent))
		return 0;
	block = tmem_block(extent, tmem_place_unit(tenant->place));
	tenant->block.object = tmem_load(&block->object);
	tenant->block.index = tmem_load(&block->index);
	tenant->block.tag = tmem_load(&block->tag);
	return is_tenant(tenant->block.tag);
}

/*
 * A block for the tenant in an open extent, held for @worker. 0, -TMEM_ENOENT:
 * it has left, -TMEM_ENOMEM: there is no hole that is large enough.
 */
static int reserve_elsewhere(struct heap *heap, struct tmem_worker *worker, struct tenant *tenant,
			     uint64_t *place)
{
	uint32_t tag;
	int err = -TMEM_ENOENT;

	tmem_lock(&heap->lock);
	if (read_tenant_locked(heap, tenant)) {
		tag = tenant->block.tag;
		*place = tmem_heap_alloc_locked(heap, tag & TAG_LENGTH);
		err = *place ? 0 : -TMEM_ENOMEM;
	}
	if (!err) {
		tmem_heap_tag_locked(heap, *place, tag & TAG_LENGTH, TAG_CODEC(tag), TAG_POOL(tag));
		tmem_store(&worker->seat->held, tmem_place_extent(*place));
	}
	tmem_unlock(&heap->lock);
	return err;
}

/*
 * Fills the block at @place with the tenant's page and turns its slot, as a
 * put would: who put or flushed the page meanwhile has won, and the slot does
 * not say @left any more. The block that is to be freed then, as a slot names it.
 */
static uint64_t turn_to(struct heap *heap, struct tmem_worker *worker, const struct tenant *tenant,
			uint64_t left, uint64_t place)
{
	struct tmem_engine *engine = heap->client->engine;
	struct extent *from = tmem_extent(engine, tmem_place_extent(tenant->place));
	struct extent *to = tmem_extent(engine, tmem_place_extent(place));
	uint32_t unit = tmem_place_unit(tenant->place), length = SLOT_LENGTH(left);
	struct block *old, *fresh = tmem_block(to, tmem_place_unit(place));
	uint64_t freed = SLOT_OF(place, length, SLOT_CODEC(left));
	struct tmem_lock *lock;
	struct pool *pool;
	struct key key;
	tmem_word *slot;

	pool = tmem_owner_of(heap, &tenant->block, &key);
	if (!pool)
		return freed;
	lock = tmem_shard(engine, &key);
	tmem_lock(lock);
	slot = tmem_slot_in(engine, &key, tenant->block.object, pool->objects, &worker->touched);
	if (slot && *slot == left) {
		old = tmem_block(from, unit);
		memcpy(tmem_payload(to, tmem_place_unit(place)), tmem_payload(from, unit), length);
		if (tmem_load(&old->tag) & TAG_TRIED)
			tmem_fetch_or_full(&fresh->tag, TAG_TRIED);
		tmem_store(&fresh->time, tmem_load(&old->time));
		tmem_store(&fresh->index, key.index);
		tmem_store(&fresh->object, tenant->block.object);
		tmem_store(slot, freed);
		freed = left;
	}
	tmem_unlock(lock);
	return freed;
}

/* The page at @place. 1: it has moved; 0: it has not; -TMEM_ENOMEM: for want of a hole. */
static int rehouse(struct heap *heap, struct tmem_worker *worker, uint64_t old)
{
	struct tmem_engine *engine = heap->client->engine;
	struct tenant tenant;
	struct extent *closed;
	uint64_t place, left, freed;
	int err;

	tenant.place = old;
	err = reserve_elsewhere(heap, worker, &tenant, &place);
	if (err)
		return err == -TMEM_ENOMEM ? err : 0;
	left = SLOT_OF(old, tenant.block.tag & TAG_LENGTH, TAG_CODEC(tenant.block.tag));
	freed = turn_to(heap, worker, &tenant, left, place);
	tmem_lock(&heap->lock);
	heap->moved += freed == left;
	closed = tmem_heap_free_locked(
		heap, freed, TAG_POOL(tenant.block.tag),
		tmem_load(&tmem_extent(engine, tmem_place_extent(SLOT_PLACE(freed)))->generation));
	tmem_unlock(&heap->lock);
	tmem_store_release(&worker->seat->held, 0u);
	if (closed)
		tmem_extent_close(engine, closed);
	return freed == left;
}

/* Some pages of one closed extent, or a compaction if there is no hole for them. 0: nothing. */
static int rehouse_some(struct heap *heap, struct tmem_worker *worker)
{
	uint64_t places[MOVES];
	uint32_t count = find_tenants(heap, places), i;
	int moved = 0, result;

	for (i = 0; i < count; i++) {
		result = rehouse(heap, worker, places[i]);
		if (result < 0)
			return moved || !tmem_compact(heap, worker);
		moved += result;
	}
	return moved;
}

static int surplus_one(struct heap *heap, struct tmem_worker *worker)
{
	struct extent *extent = take_surplus(heap);

	worker->touched++;
	if (extent) {
		tmem_extent_close(worker->engine, extent);
		return 1;
	}
	return close_surplus(heap) || rehouse_some(heap, worker);
}

/* Background: at most @budget steps, each of them 16 pages, or an extent. No lock held. */
uint32_t tmem_surplus_step(struct heap *heap, struct tmem_worker *worker, uint32_t budget)
{
	uint32_t done = 0;

	while (done < budget && tmem_load(&heap->surplus) && surplus_one(heap, worker))
		done++;
	return done;
}
