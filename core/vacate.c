/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What is free in a heap becomes whole extents after a fall in demand: the
 * emptiest extents are emptied into the room of the others, and given back.
 *
 * Extents are chosen at once, as many as the room of the rest will hold, and
 * closed: no put goes into them. Then one walk over put order moves what is in
 * them, so that each page's entry is at hand and keeps its place. A page moves
 * as a put replaces it: copied whole into a block that nobody knows, then its
 * slot turned under its group's lock; who put, took out or flushed it
 * meanwhile has won. No memory is asked for.
 *
 * A heap begins when a quarter of what it has is free, so a page is moved at
 * most for each one that left; and when that lasts: puts leave the room alone,
 * and the fall is over, since what moves while it goes on has moved in vain
 * where it leaves next. Or when as many pages came, and as many left, as the
 * room would hold, and it is still there. Puts that want the room after all
 * have it: extents that are being vacated are opened again before another one
 * is asked for.
 */
#include "internal.h"

#define FREE_PART    4u	  /* a heap is looked at when so much of it is free */
#define LEFT_PART    16u  /* and that is counted when so many of its pages have left */
#define QUIET_PART   64u  /* puts that may take so much of the room between two looks */
#define OVER_PART    256u /* pages that may leave meanwhile, when the fall is over */
#define LEAST_PARTS  32u  /* an extent is worth emptying if so many 256ths of it are free */
#define EXTENT_LOOKS 16u  /* extents, of which the emptiest is chosen */
#define MISSES_MOST  4u	  /* such looks in vain */
#define REOPENED     4u	  /* extents that one page may have opened again */
#define MOVES	     16u  /* pages that one step moves */

/* Of page extents, and of packed ones: 256ths of the room that puts and odd pieces keep. */
static const uint32_t slack_parts[2] = {4, 11};

static uint64_t room_locked(const struct heap *heap, uint32_t form)
{
	uint64_t used = 0;
	uint32_t i;

	for (i = 0; i < TMEM_POOLS_PER_CLIENT; i++)
		used += form ? heap->total[i].units * TMEM_UNIT
			     : heap->total[i].slots * TMEM_PAGE_SIZE;
	return heap->used_bytes[form] - used;
}

/* ---- whether, and which ---- */

/* What is free now has been looked at. */
static void note(struct heap *heap)
{
	struct vacate *vacate = &heap->vacate;

	vacate->noted_live = (uint32_t)tmem_load(&heap->live);
	vacate->noted_clock = tmem_load(&heap->clock);
	vacate->is_worth = 0;
}

/* How many pages came, and as many left, since what is free is worth it. */
static uint32_t turned_over(struct vacate *vacate, uint32_t live, uint32_t clock)
{
	uint32_t puts;

	if (!vacate->is_worth) {
		vacate->is_worth = 1;
		vacate->worth_clock = clock;
		vacate->worth_live = live;
	}
	puts = clock - vacate->worth_clock;
	return tmem_min32(puts, puts - (live - vacate->worth_live));
}

/* What is free is worth it, and is not being filled again. */
static int is_due(struct heap *heap)
{
	struct vacate *vacate = &heap->vacate;
	uint32_t live = (uint32_t)tmem_load(&heap->live), clock = tmem_load(&heap->clock), form;
	uint32_t puts = clock - vacate->clock, gone = puts - (live - vacate->live), left;
	uint64_t room = 0, bytes = 0;

	vacate->clock = clock;
	vacate->live = live;
	/* All that were put, less those that are there. */
	left = clock - vacate->noted_clock - (live - vacate->noted_live);
	if (left <= live / LEFT_PART)
		return 0;
	tmem_lock(&heap->lock);
	for (form = 0; form < 2; form++) {
		room += room_locked(heap, form);
		bytes += heap->used_bytes[form];
	}
	tmem_unlock(&heap->lock);
	if (room < bytes / FREE_PART) {
		note(heap);
		return 0;
	}
	bytes /= TMEM_PAGE_SIZE;
	room /= TMEM_PAGE_SIZE;
	return (uint64_t)puts * QUIET_PART + (uint64_t)gone * OVER_PART <= room ||
	       (uint64_t)turned_over(vacate, live, clock) * (bytes - room) >= room * live;
}

static void begin(struct heap *heap)
{
	struct vacate *vacate = &heap->vacate;

	vacate->phase = VACATE_CHOOSE;
	vacate->misses = 0;
	vacate->bytes[0] = 0;
	vacate->bytes[1] = 0;
}

static void rest(struct heap *heap)
{
	struct vacate *vacate = &heap->vacate;

	vacate->phase = VACATE_REST;
	vacate->clock = tmem_load(&heap->clock);
	vacate->live = (uint32_t)tmem_load(&heap->live);
	note(heap);
	/* What was had back, and is full now. */
	heap->lend_more = 1;
}

static int is_vacatable_locked(const struct heap *heap, uint32_t number, uint32_t form)
{
	const struct extent *extent = tmem_extent(heap->client->engine, number);
	uint32_t state = tmem_load(&extent->state);

	return tmem_load(&extent->heap) == heap &&
	       (state == EXTENT_PAGES || state == EXTENT_PACKED) && tmem_form(extent) == form &&
	       !extent->lent_record && !extent->moving && extent->class != TMEM_VACATING;
}

/* What is reserved in it is published: nobody copies into it, or is about to. */
static int is_settled_locked(const struct heap *heap, const struct extent *extent)
{
	struct tmem_engine *engine = heap->client->engine;

	return extent->number != heap->dense && !tmem_stock_is_of(engine, extent->number) &&
	       !tmem_extent_held(engine, extent->number);
}

/*
 * The emptiest of some extents of @form, where the last look ended or from
 * @list on, of which at least @least 256ths are free; NULL: none of them is.
 */
struct extent *tmem_vacate_emptiest_locked(struct heap *heap, uint32_t form, uint32_t list,
					   uint32_t least)
{
	struct tmem_engine *engine = heap->client->engine;
	struct vacate *vacate = &heap->vacate;
	struct extent *extent, *best = NULL;
	uint32_t looks, number;

	for (looks = 0; looks < EXTENT_LOOKS; looks++) {
		number = vacate->cursor[form];
		if (!number || !is_vacatable_locked(heap, number, form))
			number = list;
		if (!number)
			break;
		extent = tmem_extent(engine, number);
		vacate->cursor[form] = extent->next;
		if (extent->size - tmem_used_bytes(extent) < extent->size / 256 * least ||
		    !is_settled_locked(heap, extent))
			continue;
		if (!best || tmem_used_bytes(extent) < tmem_used_bytes(best))
			best = extent;
	}
	return best;
}

/* No put goes into it from here on. */
void tmem_vacate_close_locked(struct heap *heap, struct extent *extent)
{
	uint32_t form = tmem_form(extent);

	if (form)
		tmem_pack_close_locked(heap, extent);
	else
		tmem_heap_unlist_locked(heap, extent);
	extent->class = TMEM_VACATING;
	tmem_extent_link(heap->client->engine, &heap->vacating[form], extent);
	tmem_bump(&heap->vacating_bytes, extent->size);
}

/* Out of the list of those that are vacated. */
void tmem_vacate_unlist_locked(struct heap *heap, struct extent *extent)
{
	tmem_extent_unlink(heap->client->engine, &heap->vacating[tmem_form(extent)], extent);
	tmem_bump(&heap->vacating_bytes, -(uint64_t)extent->size);
}

/* Closes another extent, if what is in all that are closed will have room in the others. */
static int close_one(struct heap *heap, uint32_t form)
{
	struct vacate *vacate = &heap->vacate;
	struct extent *extent = NULL;
	uint32_t list;
	uint64_t room;

	tmem_lock(&heap->lock);
	list = form ? heap->packed[0] : heap->pages;
	room = room_locked(heap, form);
	if (room >= heap->used_bytes[form] / FREE_PART)
		extent = tmem_vacate_emptiest_locked(heap, form, list, LEAST_PARTS);
	if (extent && vacate->bytes[form] + extent->size + room / 256 * slack_parts[form] > room)
		extent = NULL;
	if (extent) {
		tmem_vacate_close_locked(heap, extent);
		vacate->bytes[form] += extent->size;
	}
	tmem_unlock(&heap->lock);
	return extent != NULL;
}

/* An extent less to be vacated: its room is wanted, or it did not empty. 0: there are none. */
int tmem_vacate_reopen_locked(struct heap *heap, uint32_t form)
{
	struct tmem_engine *engine = heap->client->engine;
	struct extent *extent;

	if (tmem_likely(!heap->vacating[form]))
		return 0;
	extent = tmem_extent(engine, heap->vacating[form]);
	tmem_vacate_unlist_locked(heap, extent);
	if (form)
		tmem_pack_reopen_locked(heap, extent);
	else
		tmem_heap_relist_locked(heap, extent);
	return 1;
}

/* Extents that are lent are had back first: what will be in them then is lent again. */
static int have_one_back(struct heap *heap, struct tmem_worker *worker)
{
	return tmem_lend_keep_ripe(heap, worker, 0) || tmem_lend_keep_ripe(heap, worker, 1);
}

static void choose_more(struct heap *heap, struct tmem_worker *worker)
{
	struct vacate *vacate = &heap->vacate;

	worker->touched++;
	if (have_one_back(heap, worker) || close_one(heap, 0) || close_one(heap, 1))
		return;
	/* Others may have been in somebody's hand just now. */
	if (++vacate->misses < MISSES_MOST)
		return;
	if (!vacate->bytes[0] && !vacate->bytes[1]) {
		rest(heap);
		return;
	}
	tmem_order_vacate_begin(heap);
	vacate->phase = VACATE_MOVE;
}

/* ---- moving ---- */

/* A page that is to move, as its header said. */
struct mover {
	struct heap *heap;
	uint64_t place;
	struct block block;
};

static void ask_for_page(struct tmem_engine *engine, uint64_t place)
{
	const struct extent *extent = tmem_extent(engine, tmem_place_extent(place));
	uint32_t unit = tmem_place_unit(place);
	const struct block *headers = tmem_load(&extent->headers);

	tmem_prefetch(tmem_load(&extent->base) + (size_t)unit * TMEM_UNIT);
	if (headers)
		tmem_prefetch(&headers[unit / TMEM_PAGE_UNITS]);
}

/* The header of the block at mover->place, if that is still in an extent to be vacated. */
static int read_header_locked(struct mover *mover)
{
	struct heap *heap = mover->heap;
	const struct extent *extent =
		tmem_extent(heap->client->engine, tmem_place_extent(mover->place));
	const struct block *block = tmem_order_block_locked(heap, mover->place);

	if (!block || extent->class != TMEM_VACATING)
		return 0;
	mover->block.object = tmem_peek(&block->object);
	mover->block.index = tmem_peek(&block->index);
	mover->block.tag = tmem_peek(&block->tag);
	return (mover->block.tag & TAG_USED) != 0;
}

/* A block like @slot's in @from, in another extent, held for @worker. 0: there is no room. */
static uint64_t reserve(struct heap *heap, struct tmem_worker *worker, const struct extent *from,
			uint64_t slot, uint32_t pool)
{
	uint32_t form = tmem_form(from), length = SLOT_LENGTH(slot);
	uint64_t place = 0;
	uint32_t try;

	tmem_lock(&heap->lock);
	/* Where room is short there is one less to be emptied: maybe this one. */
	for (try = 0; try < REOPENED && !place && from->class == TMEM_VACATING; try++) {
		place = tmem_heap_hole_locked(heap, form, length);
		if (!place && !tmem_vacate_reopen_locked(heap, form))
			break;
	}
	if (place) {
		tmem_heap_tag_locked(heap, place, length, SLOT_CODEC(slot), pool);
		tmem_store(&worker->seat->held, tmem_place_extent(place));
	}
	tmem_unlock(&heap->lock);
	return place;
}

/*
 * Copies the block that *@slot leads to, and turns the slot. Its shard is
 * locked, and its extent held. The extent that is to be closed then, or NULL.
 */
static struct extent *move_held(struct heap *heap, struct tmem_worker *worker, tmem_word *slot,
				struct extent *from)
{
	struct tmem_engine *engine = worker->engine;
	uint32_t unit = tmem_place_unit(SLOT_PLACE(*slot)), length = SLOT_LENGTH(*slot);
	struct block *old = tmem_block(from, unit), *fresh;
	uint32_t pool = TAG_POOL(tmem_load(&old->tag)), time = tmem_load(&old->time);
	uint64_t place = reserve(heap, worker, from, *slot, pool), left = *slot;
	struct extent *to, *closed;
	uint64_t turned;

	if (!place)
		return NULL;
	to = tmem_extent(engine, tmem_place_extent(place));
	fresh = tmem_block(to, tmem_place_unit(place));
	memcpy(tmem_payload(to, tmem_place_unit(place)), tmem_payload(from, unit), length);
	if (tmem_load(&old->tag) & TAG_TRIED)
		tmem_fetch_or_full(&fresh->tag, TAG_TRIED);
	tmem_store(&fresh->time, time);
	tmem_store(&fresh->index, tmem_load(&old->index));
	tmem_store(&fresh->object, tmem_load(&old->object));
	turned = SLOT_OF(place, length, SLOT_CODEC(left));
	tmem_lock(&heap->lock);
	if (tmem_order_replace_locked(heap, WALK_VACATE, SLOT_PLACE(left), place, time)) {
		tmem_store(slot, turned);
		heap->moved++;
		closed = tmem_heap_free_locked(heap, left, pool, tmem_load(&from->generation));
	} else {
		closed = tmem_heap_free_locked(heap, turned, pool, tmem_load(&to->generation));
	}
	tmem_unlock(&heap->lock);
	tmem_store_release(&worker->seat->held, 0u);
	return closed;
}

/* No lock held. */
static void move_page(struct tmem_worker *worker, const struct mover *mover)
{
	struct tmem_engine *engine = worker->engine;
	struct extent *from = tmem_extent(engine, tmem_place_extent(mover->place)), *closed = NULL;
	struct tmem_lock *lock;
	struct pool *pool;
	struct key key;
	tmem_word *slot;

	pool = tmem_owner_of(mover->heap, &mover->block, &key);
	if (!pool)
		return;
	lock = tmem_shard(engine, &key);
	tmem_lock(lock);
	slot = tmem_slot_in(engine, &key, mover->block.object, pool->objects, &worker->touched);
	/* Nobody but a drop frees it while its shard is held, and a drop sees who holds. */
	if (slot && (*slot & SLOT_PRESENT) && SLOT_PLACE(*slot) == mover->place &&
	    tmem_hold(&worker->seat->from, from)) {
		closed = move_held(mover->heap, worker, slot, from);
		tmem_store_release(&worker->seat->from, 0u);
	}
	tmem_unlock(lock);
	if (closed)
		tmem_extent_close(engine, closed);
}

static void move_some(struct heap *heap, struct tmem_worker *worker)
{
	struct mover mover;
	uint64_t place[MOVES];
	uint32_t count, i;
	int over, used;

	count = tmem_order_vacating(heap, place, MOVES, &over);
	for (i = 0; i < count; i++)
		ask_for_page(worker->engine, place[i]);
	mover.heap = heap;
	for (i = 0; i < count; i++) {
		mover.place = place[i];
		tmem_lock(&heap->lock);
		used = read_header_locked(&mover);
		tmem_unlock(&heap->lock);
		if (used)
			move_page(worker, &mover);
	}
	tmem_lock(&heap->lock);
	used = heap->vacating[0] || heap->vacating[1];
	tmem_unlock(&heap->lock);
	if (over || !used)
		heap->vacate.phase = VACATE_END;
}

/* What did not empty has room for puts. */
static void end(struct heap *heap)
{
	int more;

	tmem_lock(&heap->lock);
	more = tmem_vacate_reopen_locked(heap, 0) || tmem_vacate_reopen_locked(heap, 1);
	tmem_unlock(&heap->lock);
	if (!more)
		rest(heap);
}

static void vacate_one(struct heap *heap, struct tmem_worker *worker)
{
	switch (heap->vacate.phase) {
	case VACATE_REST:
		begin(heap);
		break;
	case VACATE_CHOOSE:
		choose_more(heap, worker);
		break;
	case VACATE_MOVE:
		move_some(heap, worker);
		break;
	default:
		end(heap);
	}
}

/*
 * Background: at most @budget steps, each of them 16 pages, or an extent.
 * @begin: a look at whether it is time is worth something, since nothing else
 * was to be done here: two looks are as far apart as the host's. No lock held.
 */
uint32_t tmem_vacate_step(struct heap *heap, struct tmem_worker *worker, uint32_t budget, int begin)
{
	uint32_t done = 0;

	if (heap->vacate.phase == VACATE_REST && (!begin || !budget || !is_due(heap)))
		return 0;
	do {
		vacate_one(heap, worker);
		done++;
	} while (done < budget && heap->vacate.phase != VACATE_REST);
	return done;
}
