/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Memory that the host may take at any moment, without asking: ephemeral
 * extents that are not being filled. What was taken reads as zeros.
 *
 * An extent is closed while it is lent: a write would end the lending, of a
 * whole huge page at once, and room found in it by what it says of itself
 * might be gone. Freed blocks are counted by what their slots said, and noted
 * where their memory would have to say it; they join the heap's room when the
 * extent is had back.
 *
 * What is proved: while an extent is lent nobody writes to it, so a 4 KiB unit
 * with any word that is not zero has not been taken, and was whole when it was
 * read before. A get looks at the block's own first words in each unit, after
 * the copy, and only where these are zeros at a word that was known not to be
 * before the lending began. An extent is had back only if all such words are
 * there still: then nothing was taken all the while, and whoever copied from
 * it has what he should.
 */
#include "internal.h"

/* Which list a lent extent is in: extent->class. */
#define LENT 2u
#define RIPE 3u

/* With so many notes an extent is had back before there is no room for another one. */
#define NOTES_ENOUGH (TMEM_NOTES / 4 * 3)

/* Steps look for extents to lend after so many puts, and for taken ones so seldom. */
#define PUTS_BETWEEN  32u
#define STEPS_BETWEEN 64u

#define LEND_LOOKS  8u		      /* extents that one search for one to lend looks at */
#define BLOCKS_MOST (32 * TMEM_NOTES) /* or a thirty-second of them could not be noted */

static uint32_t pieces(const struct extent *extent)
{
	return extent->size / TMEM_LENT_UNIT;
}

/* In slots of a page extent, or in units. */
static uint32_t room_of(const struct extent *extent)
{
	if (extent->headers)
		return extent->size / TMEM_PAGE_SIZE - extent->live;
	return extent->size / TMEM_UNIT - extent->units;
}

static uint32_t all_of(const struct extent *extent)
{
	return extent->size / (extent->headers ? TMEM_PAGE_SIZE : TMEM_UNIT);
}

static uint32_t *list_of(struct heap *heap, const struct extent *extent)
{
	return extent->class == LENT ? &heap->lent : &heap->ripe[!extent->headers];
}

static void enlist_locked(struct heap *heap, struct extent *extent, uint32_t class)
{
	extent->class = class;
	tmem_extent_link(heap->client->engine, list_of(heap, extent), extent);
	tmem_bump(&heap->lent_count, 1u);
}

void tmem_lend_unlist_locked(struct heap *heap, struct extent *extent)
{
	tmem_extent_unlink(heap->client->engine, list_of(heap, extent), extent);
	tmem_bump(&heap->lent_count, -1u);
}

/* Worth having back: a thirty-second of it is free, or there are no notes left to make. */
static int is_ripe(const struct extent *extent, const struct lent *lent)
{
	uint32_t enough = all_of(extent) / 32;

	if (lent->stale)
		return 0;
	if (extent->headers && enough < TMEM_ROOM_MIN)
		enough = TMEM_ROOM_MIN;
	return room_of(extent) >= enough || lent->noted >= TMEM_NOTES / 2;
}

static void settle_class_locked(struct heap *heap, struct extent *extent, const struct lent *lent)
{
	uint32_t class = is_ripe(extent, lent) ? RIPE : LENT;

	if (class == extent->class)
		return;
	tmem_lend_unlist_locked(heap, extent);
	enlist_locked(heap, extent, class);
}

/* Whether what has the number now is closed for lending, and in the heap's lists. */
static int is_lent_locked(const struct heap *heap, const struct extent *extent)
{
	uint32_t state = tmem_load(&extent->state);

	/* Only of an extent in the heap's lists may more be read under its lock. */
	return tmem_load(&extent->heap) == heap &&
	       (state == EXTENT_PAGES || state == EXTENT_PACKED) && extent->lent_record;
}

/* Read without the lock as well, by prefetch_notes(). */
static void note_locked(struct lent *lent, uint32_t unit, uint32_t units)
{
	tmem_store(&lent->note[lent->noted], unit | units << TMEM_UNIT_BITS);
	tmem_bump(&lent->noted, 1u);
}

/* A block of a lent extent was freed, and its pool's counts were changed. */
void tmem_lend_freed_locked(struct heap *heap, struct extent *extent, uint32_t unit, uint32_t units)
{
	struct lent *lent = tmem_lent(heap->client->engine, extent);

	if (!extent->headers && lent->noted == TMEM_NOTES)
		lent->stale = 1;
	else if (!extent->headers)
		note_locked(lent, unit, units);
	settle_class_locked(heap, extent, lent);
	if (lent->noted == NOTES_ENOUGH && extent->class == RIPE) {
		tmem_lend_unlist_locked(heap, extent);
		enlist_locked(heap, extent, RIPE);
		tmem_store(&heap->noted_full, 1u);
	}
}

TMEM_STATIC_ASSERT(TMEM_BLOCK_UNITS < 1u << (32 - TMEM_UNIT_BITS));

/* The end of a worker's work on a lent extent: if its last page left meanwhile, so does it. */
static struct extent *end_locked(struct heap *heap, struct extent *extent, struct lent *lent)
{
	lent->busy = 0;
	if (extent->live)
		return NULL;
	tmem_lend_unlist_locked(heap, extent);
	heap->used_bytes[tmem_form(extent)] -= extent->size;
	tmem_heap_grown_locked(heap, -(uint64_t)extent->size);
	tmem_store(&extent->state, (uint32_t)EXTENT_NONE);
	return extent;
}

/* ---- what was taken ---- */

static uint64_t word_at(const struct extent *extent, uint32_t piece, uint32_t word)
{
	/* Whoever has the extent back writes to it meanwhile. */
	return tmem_load((const tmem_word *)(const void *)(extent->base +
							   (size_t)piece * TMEM_LENT_UNIT +
							   (size_t)word * sizeof(uint64_t)));
}

static uint16_t find_word(const struct extent *extent, uint32_t piece)
{
	uint32_t i;

	for (i = 0; i < TMEM_LENT_UNIT / sizeof(uint64_t); i++)
		if (word_at(extent, piece, i))
			return (uint16_t)i;
	return TMEM_NO_WORD;
}

static int is_there(const struct extent *extent, const struct lent *lent, uint32_t piece)
{
	uint32_t word = lent->word[piece];

	return word == TMEM_NO_WORD || word_at(extent, piece, word);
}

static int is_whole(const struct extent *extent, const struct lent *lent)
{
	uint32_t i;

	for (i = 0; i < pieces(extent); i++)
		if (!is_there(extent, lent, i))
			return 0;
	return 1;
}

/*
 * Whether nothing was taken of the block at @unit, whose extent the caller
 * holds, up to now. A unit that has none of its words left may only look so:
 * the extent was had back meanwhile, and somebody else's block is there.
 */
int tmem_lend_is_left(const struct extent *extent, uint32_t unit, uint32_t length)
{
	const struct lent *lent = tmem_load_acquire(&extent->lent);
	uint32_t at = unit * TMEM_UNIT, end, word;

	end = at + (extent->headers ? TMEM_PAGE_SIZE : tmem_units(length) * TMEM_UNIT);
	for (; lent && at < end; at = (at & ~(TMEM_LENT_UNIT - 1)) + TMEM_LENT_UNIT) {
		word = at % TMEM_LENT_UNIT / sizeof(uint64_t);
		if (word_at(extent, at / TMEM_LENT_UNIT, word) ||
		    word_at(extent, at / TMEM_LENT_UNIT, word + 1) ||
		    is_there(extent, lent, at / TMEM_LENT_UNIT))
			continue;
		tmem_fence_acquire();
		return tmem_load(&extent->lent) != lent;
	}
	return 1;
}

/* ---- having back ---- */

static void join_notes_locked(struct heap *heap, struct extent *extent, const struct lent *lent)
{
	uint32_t i, unit;

	tmem_pack_reopen_locked(heap, extent);
	for (i = 0; i < lent->noted; i++) {
		unit = lent->note[i] & ((1u << TMEM_UNIT_BITS) - 1);
		tmem_pack_free_locked(heap, extent, unit, lent->note[i] >> TMEM_UNIT_BITS);
	}
}

/* Nothing was taken of a closed extent, and nothing will be: it is open again. */
static void open_locked(struct heap *heap, struct extent *extent, const struct lent *lent)
{
	tmem_lend_unlist_locked(heap, extent);
	tmem_store_release(&extent->lent, (struct lent *)NULL);
	extent->lent_record = 0;
	/* Not lent again before a good part of the heap was filled anew. */
	extent->lend_at = heap->clock + (uint32_t)heap->live / 4;
	if (extent->headers)
		tmem_heap_relist_locked(heap, extent);
	else
		join_notes_locked(heap, extent, lent);
}

/* What joining the notes will read: not to be waited for under the lock. */
static void prefetch_notes(const struct extent *extent, const struct lent *lent)
{
	uint32_t noted = tmem_min32(tmem_load(&lent->noted), TMEM_NOTES), i, unit, note;

	for (i = 0; i < noted && !extent->headers; i++) {
		note = tmem_load(&lent->note[i]);
		unit = note & ((1u << TMEM_UNIT_BITS) - 1);
		tmem_prefetch_write(extent->base + (size_t)unit * TMEM_UNIT);
		unit += note >> TMEM_UNIT_BITS;
		tmem_prefetch_write(extent->base + (size_t)unit * TMEM_UNIT);
	}
}

/*
 * An extent that is held and busy on behalf of @worker, closed and not lent,
 * is open again; or, if something was taken of it, dropped. 0, or
 * -TMEM_EAGAIN: that has to wait for who copies from it.
 */
static int have_back(struct heap *heap, struct tmem_worker *worker, struct extent *extent,
		     struct lent *lent)
{
	struct tmem_engine *engine = heap->client->engine;
	uint32_t record = extent->lent_record, generation = tmem_load(&extent->generation);
	int whole = is_whole(extent, lent);
	struct extent *closed;

	if (whole)
		prefetch_notes(extent, lent);
	tmem_lock(&heap->lock);
	lent->over = 1;
	closed = end_locked(heap, extent, lent);
	if (!closed && whole) {
		open_locked(heap, extent, lent);
		heap->kept++;
	} else if (!closed) {
		lent->stale = 1;
		settle_class_locked(heap, extent, lent);
	}
	tmem_unlock(&heap->lock);
	tmem_store_release(&worker->seat->held, 0u);
	if (closed)
		tmem_extent_close(engine, closed);
	else if (whole)
		tmem_slab_give(&engine->slab[SLAB_LENT], record, NULL);
	else
		return tmem_heap_drop_taken(heap, extent->number, generation);
	return 0;
}

/* 1: the extent is busy and held on behalf of @worker, if it can come back and nobody is at it. */
static int begin_keep_locked(struct tmem_worker *worker, struct extent *extent)
{
	struct lent *lent = tmem_lent(worker->engine, extent);

	if (lent->busy || lent->stale)
		return 0;
	lent->busy = 1;
	tmem_store(&worker->seat->held, extent->number);
	return 1;
}

/* 0, or -TMEM_EAGAIN as above. No lock held. */
static int keep(struct heap *heap, struct tmem_worker *worker, struct extent *extent)
{
	struct tmem_engine *engine = heap->client->engine;

	engine->ops->extent_keep(engine->host, heap->kind, extent->base, extent->size);
	return have_back(heap, worker, extent, tmem_lent(engine, extent));
}

/*
 * @heap needs room: for blocks in @packed extents, or for pages in slots. An
 * extent that has such room is had back. 1: there may be room now. No lock held.
 */
int tmem_lend_keep_ripe(struct heap *heap, struct tmem_worker *worker, int packed)
{
	struct extent *extent = NULL;

	if (tmem_likely(!tmem_load(&heap->lent_count)))
		return 0;
	tmem_lock(&heap->lock);
	if (heap->ripe[packed])
		extent = tmem_extent(worker->engine, heap->ripe[packed]);
	if (extent && !begin_keep_locked(worker, extent))
		extent = NULL;
	tmem_unlock(&heap->lock);
	return extent && !keep(heap, worker, extent);
}

/*
 * The oldest page is about to be evicted for its room, and others after it:
 * its extent is had back. 1: it is open; 0: the host had taken of it, and there
 * is room; -1: it will not come back, and should be dropped. No lock held.
 */
int tmem_lend_keep_oldest(struct heap *heap, struct tmem_worker *worker)
{
	struct extent *extent;
	uint32_t number, generation;
	int begun = 0, stale = 0;

	if (tmem_likely(!tmem_load(&heap->lent_count)))
		return 1;
	number = tmem_place_extent(tmem_order_oldest(heap));
	if (!number)
		return 1;
	extent = tmem_extent(worker->engine, number);
	tmem_lock(&heap->lock);
	if (is_lent_locked(heap, extent)) {
		stale = tmem_lent(worker->engine, extent)->stale != 0;
		begun = begin_keep_locked(worker, extent);
	}
	tmem_unlock(&heap->lock);
	if (!begun)
		return stale ? -1 : 1;
	generation = tmem_load(&extent->generation);
	if (keep(heap, worker, extent))
		return 1;
	return tmem_load(&extent->generation) == generation;
}

/* ---- lending ---- */

static int may_be_lent_locked(struct heap *heap, struct extent *extent, int quiet)
{
	struct tmem_engine *engine = heap->client->engine;
	uint32_t room = room_of(extent), all = all_of(extent), most, early;

	if (extent->lent_record || extent->moving || extent->size != engine->extent_size)
		return 0;
	early = extent->lend_at - heap->clock;
	if (!quiet && early && early <= heap->live_most / 4)
		return 0;
	/* Readers of shared pools pin packed blocks where these are. */
	if (!extent->headers && (heap->pinned || extent->live > BLOCKS_MOST))
		return 0;
	/* Where nobody puts, more room may wait until it is asked for. */
	most = extent->headers ? TMEM_ROOM_MIN - 1 : all / 32;
	if (room > (quiet ? all / 4 : most))
		return 0;
	/* Who copies into a block holds its extent, from before it is in nobody's hand. */
	return !tmem_stock_is_of(engine, extent->number) &&
	       !tmem_extent_held(engine, extent->number);
}

/* Whether what has the number now is in the heap's lists of extents with blocks, and not lent. */
static int is_open_locked(const struct heap *heap, const struct extent *extent)
{
	uint32_t state = tmem_load(&extent->state);

	return tmem_load(&extent->heap) == heap &&
	       (state == EXTENT_PAGES || state == EXTENT_PACKED) && !extent->lent_record &&
	       extent->class != TMEM_VACATING;
}

/* Whether @number is still in the list of @which kind: full or filled page extents, packed ones. */
static int is_listed_locked(const struct heap *heap, uint32_t number, uint32_t which)
{
	const struct extent *extent;

	if (!number)
		return 0;
	extent = tmem_extent(heap->client->engine, number);
	return is_open_locked(heap, extent) && !extent->headers == (which == 2) &&
	       (which == 2 || extent->class == which);
}

/* The next extent that may be lent, out of the few that are looked at; NULL. */
static struct extent *choose_lendable_locked(struct heap *heap, int quiet)
{
	struct tmem_engine *engine = heap->client->engine;
	struct extent *extent;
	uint32_t list, which, looks, number;

	for (which = 0; which < 3; which++) {
		/* The first of those to fill is being filled. */
		list = which == 0    ? heap->full
		       : which == 2  ? heap->packed[0]
		       : heap->pages ? tmem_extent(engine, heap->pages)->next
				     : 0;
		for (looks = 0; looks < LEND_LOOKS; looks++) {
			number = heap->lend_cursor[which];
			if (!is_listed_locked(heap, number, which))
				number = list;
			if (!number)
				break;
			extent = tmem_extent(engine, number);
			heap->lend_cursor[which] = extent->next;
			if ((which != 1 || number != heap->pages) &&
			    may_be_lent_locked(heap, extent, quiet))
				return extent;
		}
	}
	return NULL;
}

static void close_for_lending_locked(struct heap *heap, struct tmem_worker *worker,
				     struct extent *extent, uint32_t record)
{
	struct lent *lent;

	if (extent->headers)
		tmem_heap_unlist_locked(heap, extent);
	else
		tmem_pack_close_locked(heap, extent);
	extent->lent_record = record;
	lent = tmem_lent(worker->engine, extent);
	lent->busy = 1;
	lent->stale = 0;
	lent->over = 0;
	tmem_store(&lent->noted, 0u);
	enlist_locked(heap, extent, LENT);
	settle_class_locked(heap, extent, lent);
	tmem_store(&worker->seat->held, extent->number);
}

/* A closed extent, held and busy on behalf of @worker, goes to the host. */
static void hand_over(struct heap *heap, struct tmem_worker *worker, struct extent *extent)
{
	struct tmem_engine *engine = heap->client->engine;
	struct lent *lent = tmem_lent(engine, extent);
	struct extent *closed;
	uint32_t i;

	for (i = 0; i < pieces(extent); i++)
		lent->word[i] = find_word(extent, i);
	if (!extent->was_lent)
		tmem_add(&engine->was_lent, extent->size);
	extent->was_lent = 1;
	tmem_store_release(&extent->lent, lent);
	if (engine->ops->extent_lend(engine->host, heap->kind, extent->base, extent->size)) {
		/* This world cannot after all. */
		tmem_store(&engine->lends, 0u);
		have_back(heap, worker, extent, lent);
		return;
	}
	tmem_lock(&heap->lock);
	heap->lends++;
	closed = end_locked(heap, extent, lent);
	tmem_unlock(&heap->lock);
	tmem_store_release(&worker->seat->held, 0u);
	if (closed)
		tmem_extent_close(engine, closed);
}

static int lend_one(struct heap *heap, struct tmem_worker *worker, int quiet)
{
	struct slab *slab = &worker->engine->slab[SLAB_LENT];
	struct extent *extent;
	uint32_t record;

	tmem_lock(&heap->lock);
	extent = choose_lendable_locked(heap, quiet);
	tmem_unlock(&heap->lock);
	record = extent ? tmem_slab_take(slab, NULL, 0) : 0;
	if (!record)
		return 0;
	tmem_lock(&heap->lock);
	if (!is_open_locked(heap, extent) || !may_be_lent_locked(heap, extent, quiet))
		extent = NULL;
	if (extent)
		close_for_lending_locked(heap, worker, extent, record);
	tmem_unlock(&heap->lock);
	if (extent)
		hand_over(heap, worker, extent);
	else
		tmem_slab_give(slab, record, NULL);
	return extent != NULL;
}

/* ---- what nobody reads ---- */

/* The next lent extent to look at, and where in it. NULL: there is none, or somebody is at it. */
static struct extent *next_probe_locked(struct heap *heap, uint32_t *piece)
{
	struct tmem_engine *engine = heap->client->engine;
	const uint32_t lists[] = {heap->lent, heap->ripe[0], heap->ripe[1]};
	uint32_t number = heap->probe_cursor;
	struct extent *extent;
	struct lent *lent;

	if (!number || !is_lent_locked(heap, tmem_extent(engine, number)))
		number = lists[heap->probes % 3];
	heap->probes++;
	heap->probe_cursor = 0;
	if (!number)
		return NULL;
	extent = tmem_extent(engine, number);
	heap->probe_cursor = extent->next;
	lent = tmem_lent(engine, extent);
	if (lent->busy)
		return NULL;
	/* Another place each time: looking at a page keeps it from being taken for a while. */
	*piece = (heap->probes * 0x9e3779b1u >> 8) % pieces(extent);
	return extent;
}

/* Looks at one page of a lent extent. 1: it was taken, and the extent is dropped. */
static int probe(struct heap *heap, struct tmem_worker *worker)
{
	uint32_t piece = 0, number, generation;
	struct lent *lent = NULL;
	struct extent *extent;
	int taken;

	tmem_lock(&heap->lock);
	extent = next_probe_locked(heap, &piece);
	if (extent) {
		lent = tmem_lent(worker->engine, extent);
		number = extent->number;
		generation = tmem_load(&extent->generation);
		tmem_store(&worker->seat->held, number);
	}
	tmem_unlock(&heap->lock);
	if (!extent)
		return 0;
	taken = lent->over || !is_there(extent, lent, piece);
	/* It may have been had back whole meanwhile; it is not lent anew while it is held. */
	taken = taken && tmem_load_acquire(&extent->lent) == lent;
	tmem_store_release(&worker->seat->held, 0u);
	return taken && !tmem_heap_drop_taken(heap, number, generation);
}

/*
 * Background: looks for what was taken, and lends what is not being filled.
 * Extents that were dropped or lent, at most @budget. No lock held.
 */
uint32_t tmem_lend_step(struct heap *heap, struct tmem_worker *worker, uint32_t budget)
{
	uint32_t clock = tmem_load(&heap->clock), done = 0, before;
	int quiet = clock == heap->step_clock, due = clock - heap->lend_clock >= PUTS_BETWEEN;

	heap->step_clock = clock;
	if (tmem_load(&heap->lent_count) && (due || heap->steps++ % STEPS_BETWEEN == 0))
		while (done < budget && probe(heap, worker))
			done++;
	if (tmem_load(&heap->noted_full)) {
		tmem_store(&heap->noted_full, 0u);
		done += done < budget && tmem_lend_keep_ripe(heap, worker, 1);
	}
	/* What is full afterwards is lent when extents have been vacated. */
	if (heap->vacate.phase != VACATE_REST)
		return done;
	/* Who puts now and then does not wait for a look after each put. */
	if (!due && !(quiet && heap->lend_more))
		return done;
	heap->lend_clock = clock;
	for (before = done; done < budget && lend_one(heap, worker, quiet);)
		done++;
	heap->lend_more = !quiet || done > before;
	return done;
}
