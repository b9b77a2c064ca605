/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A heap is what one client stores of one kind: its extents, the blocks in
 * them, and all that is counted about them. Whole pages go into page
 * extents, everything else into packed ones. A block is reserved before its
 * data is copied; from then on nothing can fail.
 */
#include "internal.h"

/* Which list a page extent is in: extent->class. */
#define TO_FILL 1u
#define FULL	0u

#define REOPENED_MOST 4u /* lent extents that one put has back */

#define TRIES 24u /* evictions for one block, before a whole extent goes */

void tmem_heap_create(struct heap *heap, struct tmem_client *client, enum tmem_extent_kind kind,
		      uint32_t extent_size)
{
	memset(heap, 0, sizeof(*heap));
	tmem_lock_init(&heap->lock, 3);
	heap->client = client;
	heap->charged = client;
	heap->kind = kind;
	heap->extent_size = extent_size;
}

static int is_persistent(const struct heap *heap)
{
	return heap->kind == TMEM_EXTENT_PERSISTENT;
}

static uint32_t free_slots(const struct extent *extent)
{
	return extent->size / TMEM_PAGE_SIZE - extent->live;
}

/* Extents of @bytes came, or went. The bytes of shared pools are summed for who is charged. */
void tmem_heap_grown_locked(struct heap *heap, uint64_t bytes)
{
	tmem_bump(&heap->extent_bytes, bytes);
	if (heap->extent_bytes > heap->extent_bytes_most)
		heap->extent_bytes_most = heap->extent_bytes;
	if (heap->record)
		tmem_add(&heap->charged->shared_bytes, bytes);
}

/* All that the heap has counts against @client from now on. L1 is held. */
void tmem_heap_charge(struct heap *heap, struct tmem_client *client)
{
	tmem_lock(&heap->lock);
	tmem_sub(&heap->charged->shared_bytes, heap->extent_bytes);
	tmem_add(&client->shared_bytes, heap->extent_bytes);
	tmem_store(&heap->charged, client);
	tmem_unlock(&heap->lock);
}

/* ---- shapes of extents ---- */

/*
 * Among those to fill. Only the first, which is being filled, can have fewer
 * free slots than brought it there: compact.c relies on it.
 */
static void link_to_fill_locked(struct heap *heap, struct extent *extent)
{
	struct tmem_engine *engine = heap->client->engine;
	struct extent *first = heap->pages ? tmem_extent(engine, heap->pages) : NULL;

	extent->class = TO_FILL;
	if (first && free_slots(first) < TMEM_ROOM_MIN)
		tmem_extent_link_behind(engine, first, extent);
	else
		tmem_extent_link(engine, &heap->pages, extent);
}

static void format_pages_locked(struct heap *heap, struct extent *extent)
{
	struct tmem_engine *engine = heap->client->engine;
	uint32_t slots = extent->size / TMEM_PAGE_SIZE, i;
	struct slab *slab = &engine->slab[is_persistent(heap) ? SLAB_HEADERS_P : SLAB_HEADERS_E];

	tmem_store(&extent->headers, (struct block *)tmem_slab_at(slab, extent->headers_record));
	for (i = 0; i < slots; i++)
		tmem_store(&extent->headers[i].tag, 0u);
	memset(extent->room, 0, sizeof(extent->room));
	for (i = 0; i < slots; i++)
		extent->room[i / 64] |= 1ull << (i % 64);
	tmem_store(&extent->state, (uint32_t)EXTENT_PAGES);
	heap->used_bytes[0] += extent->size;
	extent->born = heap->clock;
	link_to_fill_locked(heap, extent);
}

static void link_full_locked(struct heap *heap, struct extent *extent)
{
	extent->class = FULL;
	tmem_extent_link(heap->client->engine, &heap->full, extent);
}

/* Out of whatever list of used extents it is in. */
void tmem_heap_unlist_locked(struct heap *heap, struct extent *extent)
{
	struct tmem_engine *engine = heap->client->engine;

	if (extent->lent_record)
		tmem_lend_unlist_locked(heap, extent);
	else if (extent->class == TMEM_VACATING)
		tmem_vacate_unlist_locked(heap, extent);
	else if (extent->headers)
		tmem_extent_unlink(engine, extent->class == TO_FILL ? &heap->pages : &heap->full,
				   extent);
	else
		tmem_pack_forget_locked(heap, extent);
}

/* A page extent that was in no list: among those to fill, if it is worth it. */
void tmem_heap_relist_locked(struct heap *heap, struct extent *extent)
{
	if (free_slots(extent) >= TMEM_ROOM_MIN)
		link_to_fill_locked(heap, extent);
	else
		link_full_locked(heap, extent);
}

/* An empty extent that can take the shape; it leaves the list of empty ones. */
static struct extent *take_empty_locked(struct heap *heap, int headers)
{
	struct tmem_engine *engine = heap->client->engine;
	struct extent *extent;
	uint32_t number = heap->empty;

	if (!number)
		return NULL;
	extent = tmem_extent(engine, number);
	if (headers ? !extent->headers_record : !extent->bins_record)
		return NULL;
	tmem_extent_unlink(engine, &heap->empty, extent);
	heap->empty_count--;
	return extent;
}

static void add_empty_locked(struct heap *heap, struct extent *extent)
{
	tmem_store(&extent->state, (uint32_t)EXTENT_EMPTY);
	tmem_store(&extent->headers, (struct block *)NULL);
	extent->bins = NULL;
	extent->class = 0;
	tmem_extent_link(heap->client->engine, &heap->empty, extent);
	heap->empty_count++;
}

/* ---- blocks ---- */

/* The last free slot of an extent to fill is taken. */
static void fill_up_locked(struct heap *heap, struct extent *extent)
{
	tmem_extent_unlink(heap->client->engine, &heap->pages, extent);
	link_full_locked(heap, extent);
}

/* A place in room that is there in extents of @form, not yet tagged; 0: there is none. */
uint64_t tmem_heap_hole_locked(struct heap *heap, uint32_t form, uint32_t length)
{
	struct extent *extent;
	uint32_t word = 0, slot;

	if (form)
		return tmem_pack_alloc_locked(heap, tmem_units(length));
	if (!heap->pages)
		return 0;
	extent = tmem_extent(heap->client->engine, heap->pages);
	while (!extent->room[word])
		word++;
	slot = word * 64 + tmem_lowest(extent->room[word]);
	extent->room[word] &= extent->room[word] - 1;
	if (free_slots(extent) == 1)
		fill_up_locked(heap, extent);
	return tmem_place(extent, slot * TMEM_PAGE_UNITS);
}

/* What is being emptied serves puts again; a persistent heap has room enough without (surplus.c). */
static int reopen_locked(struct heap *heap, uint32_t form)
{
	return !is_persistent(heap) && tmem_vacate_reopen_locked(heap, form);
}

static uint64_t take_slot_locked(struct heap *heap)
{
	struct extent *extent;

	if (!heap->pages && !reopen_locked(heap, 0)) {
		extent = take_empty_locked(heap, 1);
		if (!extent)
			return 0;
		format_pages_locked(heap, extent);
	}
	return tmem_heap_hole_locked(heap, 0, TMEM_PAGE_SIZE);
}

/*
 * A place for @length bytes, not yet tagged; 0: there is none. A heap that is
 * small, and raw pages that find no slot, use packed extents.
 */
uint64_t tmem_heap_alloc_locked(struct heap *heap, uint32_t length)
{
	struct extent *extent;
	uint64_t place = 0;
	uint32_t try;

	if (length == TMEM_PAGE_SIZE && tmem_heap_is_large(heap))
		place = take_slot_locked(heap);
	if (!place)
		place = tmem_pack_alloc_locked(heap, tmem_units(length));
	for (try = 0; !place && try < REOPENED_MOST && reopen_locked(heap, 1); try++)
		place = tmem_pack_alloc_locked(heap, tmem_units(length));
	if (!place) {
		extent = take_empty_locked(heap, 0);
		if (extent) {
			tmem_pack_format_locked(heap, extent);
			place = tmem_pack_alloc_locked(heap, tmem_units(length));
		}
	}
	return place;
}

/* So many more, or less. */
static void tally_slots_locked(struct heap *heap, struct extent *extent, uint32_t pool, int slots)
{
	extent->tally[pool].pages += (uint32_t)slots;
	extent->live += (uint32_t)slots;
	heap->total[pool].slots += (uint64_t)(int64_t)slots;
	tmem_bump(&heap->live, (uint64_t)(int64_t)slots);
}

static void tally_packed_locked(struct heap *heap, struct extent *extent, uint32_t tag, int sign)
{
	uint32_t length = tag & TAG_LENGTH, pool = TAG_POOL(tag);
	struct tally *here = &extent->tally[pool];
	struct total *all = &heap->total[pool];
	int32_t units = sign * (int32_t)tmem_units(length), bytes = sign * (int32_t)length;

	here->pages += (uint32_t)sign;
	here->units += (uint32_t)units;
	here->payload += (uint32_t)bytes;
	all->pages += (uint64_t)(int64_t)sign;
	all->units += (uint64_t)(int64_t)units;
	all->payload += (uint64_t)(int64_t)bytes;
	if (tmem_is_dense(heap->client->engine, TAG_CODEC(tag))) {
		here->dense += (uint32_t)sign;
		here->dense_payload += (uint32_t)bytes;
		all->dense += (uint64_t)(int64_t)sign;
		all->dense_payload += (uint64_t)(int64_t)bytes;
	}
	extent->live += (uint32_t)sign;
	extent->units += (uint32_t)units;
	tmem_bump(&heap->live, (uint64_t)(int64_t)sign);
	if (!extent->moving && !extent->lent_record)
		tmem_pack_moved_locked(heap, extent);
}

static void tally_locked(struct heap *heap, struct extent *extent, uint32_t tag, int sign)
{
	if (extent->headers)
		tally_slots_locked(heap, extent, TAG_POOL(tag), sign);
	else
		tally_packed_locked(heap, extent, tag, sign);
}

/* Says what the fresh block at @place will hold, and counts it. */
void tmem_heap_tag_locked(struct heap *heap, uint64_t place, uint32_t length, uint32_t codec,
			  uint32_t pool)
{
	struct extent *extent = tmem_extent(heap->client->engine, tmem_place_extent(place));
	struct block *block = tmem_block(extent, tmem_place_unit(place));
	uint32_t tag = TAG_USED | TAG_OF(length, codec, pool);

	tmem_store(&block->object, 0u);
	tmem_store(&block->time, heap->clock);
	if (extent->headers)
		tmem_store(&block->tag, tag);
	else
		tmem_fetch_or_full(&block->tag, tag);
	tally_locked(heap, extent, tag, 1);
	if (heap->live > heap->live_most)
		heap->live_most = heap->live;
}

/*
 * All free slots of one of @extent's words, as far as put order has room for
 * them, become blocks for raw pages of @pool's. Which ones; 0: none is free.
 * In heap->live_most they count once they are pages.
 */
uint64_t tmem_heap_word_locked(struct heap *heap, struct extent *extent, uint32_t word,
			       uint32_t pool)
{
	uint32_t tag = TAG_USED | TAG_OF(TMEM_PAGE_SIZE, TMEM_CODEC_RAW, pool), slot, count = 0;
	uint64_t room = extent->room[word], taken;
	struct block *block;

	for (; room && tmem_order_room_locked(heap); room &= room - 1) {
		slot = word * 64 + tmem_lowest(room);
		block = &extent->headers[slot];
		tmem_bump(&heap->clock, 1u);
		tmem_store(&block->object, 0u);
		tmem_store(&block->time, heap->clock);
		tmem_store(&block->tag, tag);
		tmem_order_append_locked(heap, tmem_place(extent, slot * TMEM_PAGE_UNITS),
					 heap->clock);
		count++;
	}
	if (!count)
		return 0;
	taken = extent->room[word] ^ room;
	extent->room[word] = room;
	tally_slots_locked(heap, extent, pool, (int)count);
	if (!free_slots(extent))
		fill_up_locked(heap, extent);
	return taken;
}

/* The block at @place is none any more, as far as figures say; its extent is being dropped. */
void tmem_heap_untally_locked(struct heap *heap, uint64_t place)
{
	struct extent *extent = tmem_extent(heap->client->engine, tmem_place_extent(place));

	tally_locked(heap, extent, tmem_load(&tmem_block(extent, tmem_place_unit(place))->tag), -1);
}

/*
 * Frees a block, of which @tag says length and pool. The extent, if this
 * emptied it and it is to be closed.
 */
static struct extent *free_locked(struct heap *heap, struct extent *extent, uint64_t place,
				  uint32_t tag)
{
	uint32_t unit = tmem_place_unit(place), slot = unit / TMEM_PAGE_UNITS;
	struct block *block = tmem_block(extent, unit);
	int lent = extent->lent_record != 0;

	tally_locked(heap, extent, tag, -1);
	/* Nothing is written to what is lent, and what it says is not relied on. */
	if (!lent || extent->headers) {
		TMEM_ASSERT((tmem_load(&block->tag) & TAG_SHAPE) == (tag & TAG_SHAPE));
		tmem_store(&block->object, 0u);
	}
	if (extent->moving) {
		tmem_compact_freed_locked(heap, extent, block, tmem_units(tag & TAG_LENGTH));
		return NULL;
	}
	if (extent->headers) {
		tmem_store(&block->tag, 0u);
		extent->room[slot / 64] |= 1ull << (slot % 64);
	}
	if (lent) {
		tmem_lend_freed_locked(heap, extent, unit, tmem_units(tag & TAG_LENGTH));
		if (extent->live || tmem_lent(heap->client->engine, extent)->busy)
			return NULL;
	} else if (extent->headers) {
		if (extent->class == FULL && free_slots(extent) >= TMEM_ROOM_MIN) {
			tmem_extent_unlink(heap->client->engine, &heap->full, extent);
			link_to_fill_locked(heap, extent);
		}
	} else {
		tmem_pack_free_locked(heap, extent, unit, tmem_units(tag & TAG_LENGTH));
	}
	if (extent->live)
		return NULL;
	tmem_heap_unlist_locked(heap, extent);
	heap->used_bytes[tmem_form(extent)] -= extent->size;
	heap->vacated += extent->class == TMEM_VACATING;
	/* A persistent heap keeps what its allocation needs, an ephemeral one an extent to go on with. */
	if (lent)
		;
	else if (is_persistent(heap) ? !tmem_surplus_is_locked(heap, extent->size)
				     : !heap->empty && extent->class != TMEM_VACATING) {
		add_empty_locked(heap, extent);
		return NULL;
	}
	tmem_heap_grown_locked(heap, -(uint64_t)extent->size);
	/* In no list any more: nobody may drop it before it is closed. */
	tmem_store(&extent->state, (uint32_t)EXTENT_NONE);
	return extent;
}

/*
 * The block that @slot leads to, of the pool at place @pool, unless its extent
 * was dropped since @generation was read, or a last reader is still to come.
 * The extent, if this emptied it and it is to be closed.
 */
struct extent *tmem_heap_free_locked(struct heap *heap, uint64_t slot, uint32_t pool,
				     uint32_t generation)
{
	uint64_t place = SLOT_PLACE(slot);
	struct extent *extent = tmem_extent(heap->client->engine, tmem_place_extent(place));
	uint32_t tag = TAG_USED | TAG_OF(SLOT_LENGTH(slot), SLOT_CODEC(slot), pool);
	struct block *block;

	if (tmem_load(&extent->generation) != generation || tmem_load(&extent->heap) != heap)
		return NULL;
	block = tmem_block(extent, tmem_place_unit(place));
	if (heap->pinned && (tmem_fetch_or_full(&block->tag, TAG_ZOMBIE) & TAG_PINS))
		return NULL;
	return free_locked(heap, extent, place, tag);
}

/*
 * Frees the block that @slot leads to, of the pool at place @pool, or leaves
 * that to its last reader. Nothing happens if its extent was dropped since
 * @generation was read.
 */
void tmem_heap_free(struct heap *heap, uint64_t slot, uint32_t pool, uint32_t generation)
{
	struct extent *closed;

	tmem_lock(&heap->lock);
	closed = tmem_heap_free_locked(heap, slot, pool, generation);
	tmem_unlock(&heap->lock);
	if (closed)
		tmem_extent_close(heap->client->engine, closed);
}

/* A reader is done with a pinned block. */
void tmem_heap_unpin(struct heap *heap, struct extent *extent, struct block *block, uint64_t place)
{
	uint32_t tag = tmem_fetch_sub_full(&block->tag, TAG_PIN);
	struct extent *closed;

	if ((tag & (TAG_PINS | TAG_ZOMBIE)) != (TAG_PIN | TAG_ZOMBIE))
		return;
	tmem_lock(&heap->lock);
	closed = free_locked(heap, extent, place, tag);
	tmem_unlock(&heap->lock);
	if (closed)
		tmem_extent_close(heap->client->engine, closed);
}

/* ---- extents ---- */

static void add_extent(struct heap *heap, struct extent *extent)
{
	tmem_lock(&heap->lock);
	tmem_heap_grown_locked(heap, extent->size);
	add_empty_locked(heap, extent);
	tmem_unlock(&heap->lock);
}

/* Opens extents until @bytes are there for blocks. 0 or -TMEM_ENOMEM; what was opened stays. */
int tmem_heap_fill(struct heap *heap, struct tmem_worker *worker, uint64_t bytes)
{
	struct tmem_engine *engine = heap->client->engine;
	int headers = tmem_extent_holds_pages(engine, heap->extent_size);
	struct extent *extent;

	tmem_lock(&heap->lock);
	heap->wanted = bytes + heap->extent_size;
	tmem_unlock(&heap->lock);
	while (tmem_surplus_keep(heap))
		;
	while (heap->extent_bytes < bytes + (heap->has_spare ? heap->extent_size : 0)) {
		extent = tmem_extent_open(engine, worker, heap, heap->extent_size, headers, 1);
		if (!extent)
			return -TMEM_ENOMEM;
		add_extent(heap, extent);
	}
	if (heap->has_spare)
		return 0;
	extent = tmem_extent_open(engine, worker, heap, heap->extent_size, headers, 1);
	if (!extent)
		return -TMEM_ENOMEM;
	tmem_lock(&heap->lock);
	tmem_heap_grown_locked(heap, extent->size);
	tmem_store(&extent->state, (uint32_t)EXTENT_EMPTY);
	heap->spare = extent->number;
	heap->has_spare = 1;
	tmem_unlock(&heap->lock);
	return 0;
}

/* The next extent of an ephemeral heap: an eighth of what it has, within bounds. */
static uint32_t next_size(const struct heap *heap)
{
	uint64_t size = tmem_power2(tmem_load(&heap->extent_bytes) / 8);
	uint32_t most = heap->client->engine->extent_size;
	uint32_t least = tmem_min32(most, 64u << 10);

	return size < least ? least : (uint32_t)tmem_min64(size, most);
}

static int is_victim(struct heap *heap, struct tmem_worker *worker)
{
	struct heap *victim = tmem_policy_victim(heap->client->engine, worker);

	tmem_policy_leave(worker);
	return victim == heap;
}

/* Whether an extent of @size bytes is more than who is charged for the heap may have. */
static int is_capped(const struct heap *heap, uint32_t size)
{
	const struct tmem_client *charged = tmem_load(&heap->charged);
	uint64_t cap = tmem_load(&charged->cap), held = cap ? tmem_client_bytes(charged) : 0;

	return cap && (held >= cap || size > cap - held);
}

/* An ephemeral heap needs room for @length bytes: another extent, or its oldest pages go. */
static int make_room(struct heap *heap, struct tmem_worker *worker, uint32_t length, uint32_t try)
{
	struct tmem_engine *engine = heap->client->engine;
	uint32_t size = next_size(heap);
	int pages = length == TMEM_PAGE_SIZE && tmem_extent_holds_pages(engine, size) &&
		    tmem_heap_is_large(heap);
	int capped = is_capped(heap, size);
	enum drop_cause cause = capped ? DROP_CAP : DROP_ROOM;
	struct extent *extent;
	int open;

	if (try < REOPENED_MOST &&
	    tmem_lend_keep_ripe(heap, worker,
				!(length == TMEM_PAGE_SIZE && tmem_heap_is_large(heap))))
		return 0;
	extent = NULL;
	if (!capped && tmem_room_left(engine, size))
		extent = tmem_extent_open(engine, NULL, heap, size, pages, !pages);
	if (!capped && !extent && !is_victim(heap, worker))
		extent = tmem_extent_open(engine, worker, heap, size, pages, !pages);
	if (extent) {
		tmem_store(&engine->ephemeral_taken, 1u);
		add_extent(heap, extent);
		return 0;
	}
	/* What goes page by page is open for the room that each leaves. */
	if (try < TRIES) {
		open = tmem_lend_keep_oldest(heap, worker);
		if (!open || (open > 0 && !tmem_evict_one(worker, heap, cause)))
			return 0;
	}
	if (tmem_heap_drop_one(heap, cause) || (capped && tmem_share_drop_elsewhere(heap, worker)))
		return 0;
	return capped ? -TMEM_ENOSPC : -TMEM_ENOMEM;
}

static void fill_reserve(struct tmem_engine *engine, struct reserve *reserve)
{
	reserve->extent = tmem_extent(engine, tmem_place_extent(reserve->place));
	reserve->block = tmem_block(reserve->extent, tmem_place_unit(reserve->place));
	reserve->payload = tmem_payload(reserve->extent, tmem_place_unit(reserve->place));
}

/*
 * Reserves a block for @length bytes and holds its extent for @worker, which
 * stores worker->seat->held = 0 when the block is published or freed. 0,
 * -TMEM_ENOMEM, -TMEM_ENOSPC. The caller holds no lock.
 */
int tmem_heap_reserve(struct heap *heap, struct tmem_worker *worker, uint32_t length,
		      uint32_t codec, uint32_t pool, struct reserve *reserve)
{
	struct tmem_engine *engine = heap->client->engine;
	int stocks = length == TMEM_PAGE_SIZE && !is_persistent(heap) && !heap->record, filled = 0;
	uint32_t try;
	int err;

	reserve->place = 0;
	if (stocks)
		tmem_stock_take(worker, heap, pool, &reserve->place, 1);
	for (try = 0; !reserve->place && try < 2 * TRIES; try++) {
		if (!is_persistent(heap)) {
			err = tmem_order_ready(heap, worker);
			if (err)
				return err;
		}
		tmem_lock(&heap->lock);
		if (!is_persistent(heap) && !tmem_order_room_locked(heap)) {
			tmem_unlock(&heap->lock);
			reserve->place = 0;
			continue;
		}
		reserve->place = tmem_heap_alloc_locked(heap, length);
		if (reserve->place) {
			tmem_bump(&heap->clock, 1u);
			tmem_heap_tag_locked(heap, reserve->place, length, codec, pool);
			if (!is_persistent(heap))
				tmem_order_append_locked(heap, reserve->place, heap->clock);
			tmem_store(&worker->seat->held, tmem_place_extent(reserve->place));
			if (stocks &&
			    tmem_extent(engine, tmem_place_extent(reserve->place))->headers)
				filled = tmem_stock_fill_locked(worker, heap, reserve->place, pool);
		}
		tmem_unlock(&heap->lock);
		if (filled)
			tmem_stock_prefetch(worker);
		if (reserve->place)
			break;
		worker->touched++;
		tmem_pending_settle(&worker->seat->pending);
		tmem_stock_give_back_all(engine);
		err = is_persistent(heap) ? tmem_compact(heap, worker)
					  : make_room(heap, worker, length, try);
		if (err)
			return err;
	}
	/* Over the cap by so many extents that each of the next puts takes some. */
	if (!reserve->place)
		return !is_persistent(heap) && is_capped(heap, next_size(heap)) ? -TMEM_ENOSPC
										: -TMEM_ENOMEM;
	fill_reserve(engine, reserve);
	return 0;
}

/* ---- room for what is stored already ---- */

/*
 * Recoded pages of an ephemeral heap go into extents of their own, so that
 * the extents they came from empty, and what is cold lies together.
 */
static uint64_t alloc_aside_locked(struct heap *heap, uint32_t length, int anywhere)
{
	struct extent *extent;
	uint64_t place = 0;

	if (heap->dense) {
		extent = tmem_extent(heap->client->engine, heap->dense);
		if (tmem_load(&extent->heap) == heap &&
		    tmem_load(&extent->state) == EXTENT_PACKED && !extent->lent_record &&
		    extent->class != TMEM_VACATING)
			place = tmem_pack_alloc_in_locked(heap, extent, tmem_units(length));
	}
	if (!place && (extent = take_empty_locked(heap, 0))) {
		tmem_pack_format_locked(heap, extent);
		heap->dense = extent->number;
		place = tmem_pack_alloc_in_locked(heap, extent, tmem_units(length));
	}
	if (!place && anywhere)
		place = tmem_pack_alloc_locked(heap, tmem_units(length));
	return place;
}

/* Another extent, if it costs nobody anything. */
static int open_aside(struct heap *heap)
{
	struct tmem_engine *engine = heap->client->engine;
	uint32_t size = next_size(heap);
	struct extent *extent;

	if (is_capped(heap, size) || !tmem_room_left(engine, size))
		return 0;
	extent = tmem_extent_open(engine, NULL, heap, size, 0, 1);
	if (!extent)
		return 0;
	add_extent(heap, extent);
	return 1;
}

/*
 * As tmem_heap_reserve(), for a page that is stored already: no put, so time
 * does not go on, put order does not get it, and nobody's page goes for it.
 * @apart: not between others if there is no room for an extent of its own.
 */
int tmem_heap_reserve_aside(struct heap *heap, struct tmem_worker *worker, uint32_t length,
			    uint32_t codec, uint32_t pool, int apart, struct reserve *reserve)
{
	struct tmem_engine *engine = heap->client->engine;
	int anywhere = 0, err;
	uint32_t try;

	reserve->place = 0;
	for (try = 0; try < TRIES && !reserve->place; try++) {
		tmem_lock(&heap->lock);
		reserve->place = is_persistent(heap) ? tmem_heap_alloc_locked(heap, length)
						     : alloc_aside_locked(heap, length, anywhere);
		if (reserve->place) {
			tmem_heap_tag_locked(heap, reserve->place, length, codec, pool);
			tmem_store(&worker->seat->held, tmem_place_extent(reserve->place));
		}
		tmem_unlock(&heap->lock);
		if (reserve->place)
			break;
		worker->touched++;
		if (is_persistent(heap)) {
			err = tmem_compact(heap, worker);
			if (err)
				return err;
		} else if (!open_aside(heap)) {
			if (apart || anywhere)
				return -TMEM_ENOMEM;
			anywhere = 1;
		}
	}
	if (!reserve->place)
		return -TMEM_ENOMEM;
	fill_reserve(engine, reserve);
	return 0;
}

static void close_list(struct heap *heap, uint32_t list)
{
	struct tmem_engine *engine = heap->client->engine;
	struct extent *extent;

	while (list) {
		extent = tmem_extent(engine, list);
		list = extent->next;
		tmem_extent_close(engine, extent);
	}
}

/* Gives back every extent, whatever is in it. Nobody uses the heap any more. */
void tmem_heap_destroy(struct heap *heap)
{
	uint32_t i;

	close_list(heap, heap->empty);
	close_list(heap, heap->pages);
	close_list(heap, heap->full);
	close_list(heap, heap->lent);
	close_list(heap, heap->ripe[0]);
	close_list(heap, heap->ripe[1]);
	close_list(heap, heap->vacating[0]);
	close_list(heap, heap->vacating[1]);
	close_list(heap, heap->dead);
	close_list(heap, heap->sweeping);
	for (i = 0; i < TMEM_HEAP_CLASSES; i++)
		close_list(heap, heap->packed[i]);
	if (heap->spare)
		tmem_extent_close(heap->client->engine,
				  tmem_extent(heap->client->engine, heap->spare));
	tmem_order_destroy(heap);
}
