/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Room in a persistent heap whose free bytes lie scattered: one extent's
 * blocks are moved into the heap's spare extent, one after the other, and the
 * emptied extent is the next spare.
 *
 * Why a put within the allocation always finds room: the extents of a heap,
 * without those that are being emptied (surplus.c), hold the allocation, and
 * for each extent a little more than the largest block (allocation.c). So
 * while the bill is within the allocation, some packed extent has a largest
 * block's worth of free bytes, or some page extent has TMEM_ROOM_MIN free
 * slots; its living blocks fit into the spare, packed, with that much left at
 * the end. The work is bounded by one extent.
 *
 * A block moves as a put replaces it: copied whole, then its slot turned
 * under its group's lock. Readers that have the old copy pinned keep it,
 * and the extent is no spare before they are done.
 */
#include "internal.h"

/* A block of an extent that is emptied or filled here: only marked, in units. */
void tmem_compact_freed_locked(struct heap *heap, struct extent *extent, struct block *block,
			       uint32_t units)
{
	tmem_store(&block->tag, extent->headers ? 0u : units);
	if (extent->live || extent->number == heap->moving_to ||
	    extent->number == heap->moving_from)
		return;
	/* The last reader of an extent that was emptied before. */
	extent->moving = 0;
	heap->used_bytes[tmem_form(extent)] -= extent->size;
	tmem_store(&extent->state, (uint32_t)EXTENT_EMPTY);
	tmem_store(&extent->headers, (struct block *)NULL);
	extent->bins = NULL;
	heap->spare = extent->number;
}

/* The extent with the most to gain, out of all lists; NULL: none has enough. */
static struct extent *choose_locked(struct heap *heap)
{
	struct tmem_engine *engine = heap->client->engine;
	struct extent *extent;
	uint32_t class;

	for (class = TMEM_HEAP_CLASSES - 1; class; class --) {
		if (!heap->packed[class])
			continue;
		extent = tmem_extent(engine, heap->packed[class]);
		tmem_pack_forget_locked(heap, extent);
		return extent;
	}
	if (!heap->pages)
		return NULL;
	/* Only the first page extent can have fewer free slots than brought it there. */
	extent = tmem_extent(engine, heap->pages);
	if (extent->size / TMEM_PAGE_SIZE - extent->live < TMEM_ROOM_MIN) {
		if (!extent->next)
			return NULL;
		extent = tmem_extent(engine, extent->next);
	}
	tmem_extent_unlink(engine, &heap->pages, extent);
	return extent;
}

/* Copies a block to @unit of the spare and turns its slot. Units it took, or 0: it was gone. */
static uint32_t move(struct heap *heap, struct tmem_worker *worker, struct extent *from,
		     uint32_t old_unit, struct extent *to, uint32_t unit)
{
	struct tmem_engine *engine = heap->client->engine;
	struct slab *objects = &engine->slab[SLAB_OBJECT_P];
	struct block *block = tmem_block(from, old_unit), *fresh = tmem_block(to, unit);
	struct block copy;
	uint64_t place = tmem_place(from, old_unit), old = 0;
	tmem_word *slot;
	uint32_t length, number, pool;
	struct tmem_lock *lock;
	struct key key;

	/* Reserved by somebody who is copying into it at this moment. */
	while (!(number = tmem_load(&block->object)) && (tmem_load(&block->tag) & TAG_USED))
		tmem_cpu_relax();
	copy.object = number;
	copy.index = tmem_load(&block->index);
	copy.tag = tmem_load(&block->tag);
	if (!tmem_owner_of(heap, &copy, &key))
		return 0;
	lock = tmem_shard(engine, &key);
	tmem_lock(lock);
	slot = tmem_slot_in(engine, &key, number, objects, &worker->touched);
	if (slot && (*slot & SLOT_PRESENT) && SLOT_PLACE(*slot) == place) {
		old = *slot;
		length = SLOT_LENGTH(old);
		TMEM_ASSERT(unit + tmem_units(length) <= to->size / TMEM_UNIT);
		pool = TAG_POOL(tmem_load(&block->tag));
		memcpy(tmem_payload(to, unit), tmem_payload(from, old_unit), length);
		tmem_lock(&heap->lock);
		tmem_store(&fresh->tag, (uint32_t)TAG_USED);
		tmem_heap_tag_locked(heap, tmem_place(to, unit), length, SLOT_CODEC(old), pool);
		tmem_unlock(&heap->lock);
		tmem_store(&fresh->time, tmem_load(&block->time));
		tmem_store(&fresh->index, key.index);
		tmem_store(&fresh->object, number);
		tmem_store(slot, SLOT_OF(tmem_place(to, unit), length, SLOT_CODEC(old)));
	}
	tmem_unlock(lock);
	if (!old)
		return 0;
	tmem_heap_free(heap, old, pool, from->generation);
	return tmem_units(length);
}

/* All blocks of @from, to the start of @to. */
static uint32_t move_all(struct heap *heap, struct tmem_worker *worker, struct extent *from,
			 struct extent *to)
{
	uint32_t end = from->size / TMEM_UNIT, unit, units, tag, filled = 0;

	for (unit = 0; unit < end; unit += units) {
		tmem_lock(&heap->lock);
		tag = tmem_load(&tmem_block(from, unit)->tag);
		tmem_unlock(&heap->lock);
		if (from->headers)
			units = TMEM_PAGE_UNITS;
		else
			units = tag & TAG_USED ? tmem_units(tag & TAG_LENGTH) : tag & TAG_UNITS;
		if (tag & TAG_USED)
			filled += move(heap, worker, from, unit, to, filled);
	}
	return filled;
}

/*
 * The spare is in use: another worker moves blocks into it, or a reader has
 * not left the extent that was emptied last. Either takes no longer than some
 * pages are copied; a caller that came back at once would use up all its tries
 * meanwhile. 0: there is none to wait for, since the heap has no extents.
 */
static int wait_for_spare_locked(struct heap *heap)
{
	while (heap->has_spare && !heap->spare) {
		tmem_unlock(&heap->lock);
		tmem_cpu_relax();
		tmem_lock(&heap->lock);
	}
	return heap->has_spare;
}

/*
 * Makes one extent's free bytes whole. 0: try again to find room;
 * -TMEM_ENOMEM: there is nothing to gain; -TMEM_ENOSPC: the allocation is 0.
 * No lock held.
 */
int tmem_compact(struct heap *heap, struct tmem_worker *worker)
{
	struct tmem_engine *engine = heap->client->engine;
	struct extent *from, *to;
	uint32_t filled, units;
	int has_spare;

	tmem_lock(&heap->lock);
	if (!heap->spare) {
		has_spare = wait_for_spare_locked(heap);
		tmem_unlock(&heap->lock);
		return has_spare ? 0 : -TMEM_ENOSPC;
	}
	from = choose_locked(heap);
	if (!from) {
		tmem_unlock(&heap->lock);
		return -TMEM_ENOMEM;
	}
	to = tmem_extent(engine, heap->spare);
	heap->spare = 0;
	heap->moving_from = from->number;
	heap->moving_to = to->number;
	from->moving = 1;
	to->moving = 1;
	tmem_store(&to->headers, (struct block *)NULL);
	to->bins = tmem_slab_at(&engine->slab[SLAB_BINS], to->bins_record);
	tmem_store(&to->state, (uint32_t)EXTENT_PACKED);
	heap->used_bytes[1] += to->size;
	tmem_unlock(&heap->lock);

	filled = move_all(heap, worker, from, to);
	worker->touched++;

	tmem_lock(&heap->lock);
	units = to->size / TMEM_UNIT - filled;
	if (units)
		tmem_store(&tmem_block(to, filled)->tag, units);
	to->moving = 0;
	tmem_pack_rebuild_locked(heap, to);
	heap->moving_from = 0;
	heap->moving_to = 0;
	heap->compacted++;
	if (!from->live) {
		from->moving = 0;
		heap->used_bytes[tmem_form(from)] -= from->size;
		tmem_store(&from->state, (uint32_t)EXTENT_EMPTY);
		tmem_store(&from->headers, (struct block *)NULL);
		from->bins = NULL;
		heap->spare = from->number;
	}
	tmem_unlock(&heap->lock);
	return 0;
}
