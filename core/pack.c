/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Packed extents: blocks of any size in whole units, next to each other.
 * Good fit with coalescing: the smallest free block that is large enough, by
 * exact bins; a freed block joins its free neighbours at once. Boundary tags
 * after Knuth (1962): a used block's tag says whether the one before it is
 * free; only free blocks carry a footer.
 *
 *   | object index time tag | payload ........ |   used
 *   | next   prev  -    tag | ........ | tag   |   free; of one unit: tag once
 *
 * All of it under the heap's lock. Tags of used blocks are changed by atomic
 * operations, since readers pin blocks without that lock.
 */
#include "internal.h"

/* Larger ones than any page needs share bins, four to the octave. */
static uint32_t bin_of(uint32_t units)
{
	uint32_t octave;

	if (units <= TMEM_BLOCK_UNITS)
		return units;
	octave = tmem_log2(units);
	return TMEM_BLOCK_UNITS + 1 + (octave - 8) * 4 + ((units >> (octave - 2)) & 3);
}

TMEM_STATIC_ASSERT(TMEM_BLOCK_UNITS + 1 + (TMEM_UNIT_BITS - 8) * 4 + 3 < TMEM_BINS);

static uint32_t units_of(const struct extent *extent)
{
	return extent->size / TMEM_UNIT;
}

static uint32_t *footer(const struct extent *extent, uint32_t unit, uint32_t units)
{
	return &((struct block *)(void *)(extent->base + (size_t)(unit + units - 1) * TMEM_UNIT))
			->tag;
}

/* The extent gets its first free block in @bin: into the heap's list, unless it is vacated. */
static void enter_bin_locked(struct heap *heap, struct extent *extent, uint32_t bin)
{
	struct tmem_engine *engine = heap->client->engine;
	struct bins *bins = extent->bins;

	bins->used[bin / 64] |= 1ull << (bin % 64);
	if (tmem_unlikely(extent->class == TMEM_VACATING))
		return;
	bins->prev[bin] = 0;
	bins->next[bin] = heap->bin[bin];
	if (heap->bin[bin])
		tmem_extent(engine, heap->bin[bin])->bins->prev[bin] = extent->number;
	else
		heap->bins_used[bin / 64] |= 1ull << (bin % 64);
	heap->bin[bin] = extent->number;
}

static void leave_bin_locked(struct heap *heap, struct extent *extent, uint32_t bin)
{
	struct tmem_engine *engine = heap->client->engine;
	struct bins *bins = extent->bins;

	bins->used[bin / 64] &= ~(1ull << (bin % 64));
	if (tmem_unlikely(extent->class == TMEM_VACATING))
		return;
	if (bins->prev[bin])
		tmem_extent(engine, bins->prev[bin])->bins->next[bin] = bins->next[bin];
	else
		heap->bin[bin] = bins->next[bin];
	if (bins->next[bin])
		tmem_extent(engine, bins->next[bin])->bins->prev[bin] = bins->prev[bin];
	if (!heap->bin[bin])
		heap->bins_used[bin / 64] &= ~(1ull << (bin % 64));
}

/*
 * Makes units from @unit on one free block. Its neighbours are used, or the
 * extent's ends; the one after it knows, or will be told.
 */
static void insert_locked(struct heap *heap, struct extent *extent, uint32_t unit, uint32_t units)
{
	struct block *block = tmem_block(extent, unit);
	struct bins *bins = extent->bins;
	uint32_t bin = bin_of(units);

	block->object = bins->head[bin];
	block->index = 0;
	tmem_store(&block->tag, units);
	tmem_store(footer(extent, unit, units), units);
	if (bins->head[bin])
		tmem_block(extent, bins->head[bin] - 1)->index = unit + 1;
	else
		enter_bin_locked(heap, extent, bin);
	bins->head[bin] = unit + 1;
}

/* The block at @unit, if there is one, is told that there is a free one before it. */
static void tell_locked(const struct extent *extent, uint32_t unit)
{
	if (unit < units_of(extent))
		tmem_fetch_or_full(&tmem_block(extent, unit)->tag, TAG_PREV_FREE);
}

static void remove_locked(struct heap *heap, struct extent *extent, uint32_t unit, uint32_t units)
{
	struct block *block = tmem_block(extent, unit);
	struct bins *bins = extent->bins;
	uint32_t bin = bin_of(units);

	if (block->index)
		tmem_block(extent, block->index - 1)->object = block->object;
	else
		bins->head[bin] = block->object;
	if (block->object)
		tmem_block(extent, block->object - 1)->index = block->index;
	if (!bins->head[bin])
		leave_bin_locked(heap, extent, bin);
}

/* An empty extent becomes one free block. */
void tmem_pack_format_locked(struct heap *heap, struct extent *extent)
{
	struct slab *slab = &heap->client->engine->slab[SLAB_BINS];

	TMEM_ASSERT(extent->state == EXTENT_EMPTY && extent->bins_record);
	tmem_store(&extent->headers, (struct block *)NULL);
	extent->bins = tmem_slab_at(slab, extent->bins_record);
	memset(extent->bins, 0, sizeof(*extent->bins));
	tmem_store(&extent->state, (uint32_t)EXTENT_PACKED);
	heap->used_bytes[1] += extent->size;
	extent->born = heap->clock;
	extent->class = 0;
	insert_locked(heap, extent, 0, units_of(extent));
	tmem_extent_link(heap->client->engine, &heap->packed[0], extent);
	tmem_pack_moved_locked(heap, extent);
}

/*
 * Out of all bins and lists: for an extent that is dropped, emptied or
 * evacuated. Touches at most one record per bin, and none of its blocks.
 */
void tmem_pack_forget_locked(struct heap *heap, struct extent *extent)
{
	uint32_t word, bin;

	for (word = 0; word < TMEM_BINS / 64; word++) {
		while (extent->bins->used[word]) {
			bin = word * 64 + tmem_lowest(extent->bins->used[word]);
			leave_bin_locked(heap, extent, bin);
		}
	}
	tmem_extent_unlink(heap->client->engine, &heap->packed[extent->class], extent);
}

/* The same, for a while: its bins keep what they have. */
void tmem_pack_close_locked(struct heap *heap, struct extent *extent)
{
	uint64_t used[TMEM_BINS / 64];

	memcpy(used, extent->bins->used, sizeof(used));
	tmem_pack_forget_locked(heap, extent);
	memcpy(extent->bins->used, used, sizeof(used));
}

/* Into the lists again. Nothing in it has changed. */
void tmem_pack_reopen_locked(struct heap *heap, struct extent *extent)
{
	uint64_t used;
	uint32_t word;

	extent->class = 0;
	for (word = 0; word < TMEM_BINS / 64; word++)
		for (used = extent->bins->used[word]; used; used &= used - 1)
			enter_bin_locked(heap, extent, word * 64 + tmem_lowest(used));
	tmem_extent_link(heap->client->engine, &heap->packed[0], extent);
	tmem_pack_moved_locked(heap, extent);
}

/* Persistent extents are listed by how much is free, for the compactor. */
void tmem_pack_moved_locked(struct heap *heap, struct extent *extent)
{
	uint32_t free = units_of(extent) - extent->units;
	uint32_t page = heap->client->engine->page_units;
	uint32_t class = free < page ? 0 : tmem_log2(free / page) + 1;

	if (heap->kind != TMEM_EXTENT_PERSISTENT || class == extent->class ||
	    extent->class == TMEM_VACATING)
		return;
	tmem_extent_unlink(heap->client->engine, &heap->packed[extent->class], extent);
	extent->class = class;
	tmem_extent_link(heap->client->engine, &heap->packed[class], extent);
}

/* The bin of the smallest free block that is large enough, by a map of bins; 0: there is none. */
static uint32_t find_bin(const uint64_t used[TMEM_BINS / 64], uint32_t units)
{
	uint32_t bin = bin_of(units), word = bin / 64;
	uint64_t map = used[word] & (~0ull << (bin % 64));

	while (!map) {
		if (++word == TMEM_BINS / 64)
			return 0;
		map = used[word];
	}
	return word * 64 + tmem_lowest(map);
}

/* The first @units of the first free block in the extent's @bin. Its place. */
static uint64_t cut_locked(struct heap *heap, struct extent *extent, uint32_t bin, uint32_t units)
{
	uint32_t unit = extent->bins->head[bin] - 1, all;
	struct block *block = tmem_block(extent, unit);

	all = block->tag & TAG_UNITS;
	remove_locked(heap, extent, unit, all);
	tmem_store(&block->tag, (uint32_t)TAG_USED);
	if (all > units)
		insert_locked(heap, extent, unit + units, all - units);
	else if (unit + all < units_of(extent))
		tmem_fetch_and_full(&tmem_block(extent, unit + all)->tag, ~TAG_PREV_FREE);
	return tmem_place(extent, unit);
}

/*
 * A used block of @units (at most TMEM_BLOCK_UNITS) with only TAG_USED and
 * its neighbour's flag set. Its place, or 0 where no free block is large enough.
 */
uint64_t tmem_pack_alloc_locked(struct heap *heap, uint32_t units)
{
	uint32_t bin = find_bin(heap->bins_used, units);

	if (!bin)
		return 0;
	return cut_locked(heap, tmem_extent(heap->client->engine, heap->bin[bin]), bin, units);
}

/* The same in one extent, EXTENT_PACKED and in the heap's lists. */
uint64_t tmem_pack_alloc_in_locked(struct heap *heap, struct extent *extent, uint32_t units)
{
	uint32_t bin = find_bin(extent->bins->used, units);

	return bin ? cut_locked(heap, extent, bin, units) : 0;
}

/* A used block becomes free, together with its free neighbours. */
void tmem_pack_free_locked(struct heap *heap, struct extent *extent, uint32_t unit, uint32_t units)
{
	struct block *block = tmem_block(extent, unit), *next;
	uint32_t before;

	if (unit + units < units_of(extent)) {
		next = tmem_block(extent, unit + units);
		if (tmem_load(&next->tag) & TAG_USED) {
			tell_locked(extent, unit + units);
		} else {
			before = next->tag & TAG_UNITS;
			remove_locked(heap, extent, unit + units, before);
			units += before;
		}
	}
	if (tmem_load(&block->tag) & TAG_PREV_FREE) {
		before = *footer(extent, unit - 1, 1) & TAG_UNITS;
		unit -= before;
		remove_locked(heap, extent, unit, before);
		units += before;
	}
	insert_locked(heap, extent, unit, units);
}

/*
 * An extent in no list, whose used blocks are followed by one that is free to
 * the end, and between which free ones lie as they were left: joins these,
 * and enters the heap's lists.
 */
void tmem_pack_rebuild_locked(struct heap *heap, struct extent *extent)
{
	uint32_t unit, units, start = 0, run = 0, tag;
	struct block *block;

	memset(extent->bins, 0, sizeof(*extent->bins));
	extent->class = 0;
	tmem_extent_link(heap->client->engine, &heap->packed[0], extent);
	for (unit = 0; unit < units_of(extent); unit += units) {
		block = tmem_block(extent, unit);
		tag = tmem_load(&block->tag);
		if (!(tag & TAG_USED)) {
			units = tag & TAG_UNITS;
			if (!run)
				start = unit;
			run += units;
			continue;
		}
		units = tmem_units(tag & TAG_LENGTH);
		if (run) {
			insert_locked(heap, extent, start, run);
			tell_locked(extent, unit);
		}
		run = 0;
	}
	if (run)
		insert_locked(heap, extent, start, run);
	tmem_pack_moved_locked(heap, extent);
}
