/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Put order: the places of a heap's blocks, oldest first, in a chain of
 * segments. An entry is five bytes, written in sequence and never looked for
 * again: it is dead once its block is free, was put outside the segment's
 * time, or went with its extent. Taking skips dead entries; compaction
 * squeezes them out when they are more than a quarter.
 *
 * Whether an entry's block is the one meant is decided in the index, by the
 * caller: a place may have become the middle of another block, whose payload
 * then only looks like a header.
 */
#include "internal.h"

#define LOOKS	    64u	 /* entries that one call looks at */
#define PIECE	    8u	 /* or background compaction, before it steps aside for so long: */
#define ASIDE	    32u	 /* relaxed turns, some 500 ns: who waited has had the lock by then */
#define QUIET	    64u	 /* pieces in which nobody put or freed: nobody waits */
#define DROP_LOOKS  256u /* or a drop, of which it is one in so many pages of an extent: */
#define STRIDE_PART 2u

static struct order_segment *segment_at(const struct heap *heap, uint32_t number)
{
	return tmem_slab_at(&heap->client->engine->slab[SLAB_ORDER], number);
}

static uint64_t entry(const struct order_segment *segment, uint32_t i)
{
	return (uint64_t)segment->high[i] << 32 | segment->low[i];
}

static void set_entry(struct order_segment *segment, uint32_t i, uint64_t place)
{
	segment->low[i] = (uint32_t)place;
	segment->high[i] = (uint8_t)(place >> 32);
}

/* Whether an append can be made now; several workers may have counted on one spare. */
int tmem_order_room_locked(const struct heap *heap)
{
	const struct order *order = &heap->order;

	return order->spare ||
	       (order->last && segment_at(heap, order->last)->count < TMEM_ORDER_ENTRIES);
}

/*
 * Has a segment at hand before the next one is needed. 0, or -TMEM_ENOMEM:
 * there is neither a segment nor a free entry. No lock held.
 */
int tmem_order_ready(struct heap *heap, struct tmem_worker *worker)
{
	struct slab *slab = &heap->client->engine->slab[SLAB_ORDER];
	struct order *order = &heap->order;
	uint32_t number;
	int full = 0;

	if (tmem_likely(tmem_load(&order->spare)))
		return 0;
	number = tmem_slab_take(slab, worker, 0);
	if (!number) {
		/* The pages that leave until the last segment is full leave one behind. */
		tmem_evict_one(worker, heap, DROP_ROOM);
		tmem_evict_one(worker, heap, DROP_ROOM);
	}
	tmem_lock(&heap->lock);
	if (!number && !tmem_order_room_locked(heap))
		full = 1;
	if (number && !order->spare) {
		tmem_store(&order->spare, number);
		number = 0;
	}
	tmem_unlock(&heap->lock);
	if (number)
		tmem_slab_give(slab, number, NULL);
	return full ? -TMEM_ENOMEM : 0;
}

/* The newest put. */
void tmem_order_append_locked(struct heap *heap, uint64_t place, uint32_t time)
{
	struct order *order = &heap->order;
	struct order_segment *segment = order->last ? segment_at(heap, order->last) : NULL;

	if (!segment || segment->count == TMEM_ORDER_ENTRIES) {
		TMEM_ASSERT(order->spare);
		segment = segment_at(heap, order->spare);
		memset(segment, 0, offsetof(struct order_segment, low));
		if (order->last)
			segment_at(heap, order->last)->next = order->spare;
		else
			order->first = order->spare;
		order->last = order->spare;
		tmem_store(&order->spare, 0u);
		order->segments++;
	}
	if (!segment->count) {
		segment->oldest = time;
		segment->birth = tmem_add(&heap->client->engine->age, 1u);
	}
	set_entry(segment, segment->count++, place);
	segment->newest = time;
	tmem_bump(&order->entries, (uint64_t)1);
}

/* The extent of @place, if it is one of the heap's and in use; else NULL. */
static inline struct extent *extent_of_locked(const struct heap *heap, uint64_t place)
{
	struct extent *extent = tmem_extent(heap->client->engine, tmem_place_extent(place));
	uint32_t state = tmem_load(&extent->state);

	if (tmem_load(&extent->heap) != heap || (state != EXTENT_PAGES && state != EXTENT_PACKED))
		return NULL;
	return extent;
}

/*
 * An extent may have gone since the place was noted, and its number come back
 * to this heap with another form, or smaller.
 */
static inline struct block *block_locked(const struct heap *heap, uint64_t place)
{
	const struct extent *extent = extent_of_locked(heap, place);
	uint32_t unit = tmem_place_unit(place);

	return extent && (size_t)unit * TMEM_UNIT < extent->size ? tmem_block(extent, unit) : NULL;
}

struct block *tmem_order_block_locked(const struct heap *heap, uint64_t place)
{
	return block_locked(heap, place);
}

/* The block's header, if the entry may still mean it; else NULL. */
static inline struct block *alive_locked(const struct heap *heap,
					 const struct order_segment *segment, uint64_t place)
{
	struct block *block = block_locked(heap, place);
	uint32_t time;

	if (!block || !(tmem_peek(&block->tag) & TAG_USED))
		return NULL;
	time = tmem_peek(&block->time);
	return time - segment->oldest <= segment->newest - segment->oldest ? block : NULL;
}

/* A segment out of the chain; its record goes back when the lock is free again. */
static void discard_locked(struct heap *heap, uint32_t number)
{
	struct order *order = &heap->order;

	segment_at(heap, number)->next = order->discarded;
	order->discarded = number;
	order->segments--;
}

/* The heap's lock is not held. */
static void give_discarded(struct heap *heap)
{
	struct order *order = &heap->order;
	uint32_t number, next;

	tmem_lock(&heap->lock);
	number = order->discarded;
	order->discarded = 0;
	tmem_unlock(&heap->lock);
	for (; number; number = next) {
		next = segment_at(heap, number)->next;
		tmem_slab_give(&heap->client->engine->slab[SLAB_ORDER], number, NULL);
	}
}

/* Ends the work on the segment at the cursor: what was not looked at stays. */
static void settle_locked(struct heap *heap)
{
	struct order *order = &heap->order;
	struct order_segment *segment = segment_at(heap, order->cursor);
	uint32_t i;

	for (; order->read < segment->count; order->read++)
		set_entry(segment, order->kept++, entry(segment, order->read));
	segment->count = order->kept;
	/* What was looked at lies elsewhere now: all of it is looked at again. */
	for (i = 0; i < ORDER_WALKS; i++)
		if (order->walk[i].segment == order->cursor)
			order->walk[i].at = segment->first;
}

static void drop_first_locked(struct heap *heap)
{
	struct order *order = &heap->order;
	uint32_t number = order->first, i;

	order->first = segment_at(heap, number)->next;
	if (!order->first)
		order->last = 0;
	if (order->before == number)
		order->before = 0;
	for (i = 0; i < ORDER_WALKS; i++) {
		if (order->walk[i].segment != number)
			continue;
		order->walk[i].segment = order->first;
		order->walk[i].at = 0;
	}
	discard_locked(heap, number);
}

static void pass_locked(struct order *order, struct order_segment *segment)
{
	segment->first++;
	tmem_bump(&order->entries, -(uint64_t)1);
}

/*
 * Passes dead entries: the header of the oldest block that may be alive, and
 * its *@place; NULL: there is none among so many. *@looks is what is left of them.
 */
static struct block *reach_oldest_locked(struct heap *heap, uint32_t *looks, uint64_t *place)
{
	struct order *order = &heap->order;
	struct order_segment *segment;
	struct block *block;

	for (; *looks && order->first; --*looks) {
		segment = segment_at(heap, order->first);
		if (order->cursor == order->first) {
			settle_locked(heap);
			order->cursor = 0;
		}
		if (segment->first == segment->count) {
			if (order->first == order->last) {
				segment->first = 0;
				segment->count = 0;
				break;
			}
			drop_first_locked(heap);
			continue;
		}
		*place = entry(segment, segment->first);
		block = alive_locked(heap, segment, *place);
		if (block)
			return block;
		pass_locked(order, segment);
	}
	return NULL;
}

/*
 * Takes the oldest entry whose block may be alive: *@result is its place, and
 * *@copy what its header says; place 0: all that were looked at were dead. 0,
 * or -TMEM_ENOENT: there is no entry, or the oldest block is not published yet.
 */
int tmem_order_take(struct heap *heap, uint64_t *result, struct block *copy, uint32_t *touched)
{
	struct order *order = &heap->order;
	struct block *block;
	uint32_t looks = LOOKS, discarded;
	int none;

	*result = 0;
	tmem_lock(&heap->lock);
	block = reach_oldest_locked(heap, &looks, result);
	none = looks == LOOKS;
	if (block) {
		copy->object = tmem_peek(&block->object);
		copy->index = tmem_peek(&block->index);
		copy->tag = tmem_peek(&block->tag);
		/* In flight: as good as new, so it stays where it is. */
		none = !copy->object;
		if (!none)
			pass_locked(order, segment_at(heap, order->first));
	}
	if (!block || none)
		*result = 0;
	discarded = order->discarded;
	tmem_unlock(&heap->lock);
	*touched += LOOKS - looks + 1;
	if (discarded)
		give_discarded(heap);
	return none ? -TMEM_ENOENT : 0;
}

/* The place of the oldest block that may be alive; 0: there is none, or many dead ones before it. */
uint64_t tmem_order_oldest(struct heap *heap)
{
	struct order *order = &heap->order;
	uint32_t looks = LOOKS, discarded;
	uint64_t place;
	struct block *block;

	tmem_lock(&heap->lock);
	block = reach_oldest_locked(heap, &looks, &place);
	discarded = order->discarded;
	tmem_unlock(&heap->lock);
	if (discarded)
		give_discarded(heap);
	return block ? place : 0;
}

/*
 * Whether the extent of @place has blocks as old as the segment: its number may
 * have come back since. Its headers are not looked at, which are far away.
 */
static int has_old_locked(const struct heap *heap, const struct order_segment *segment,
			  uint64_t place)
{
	const struct extent *extent = extent_of_locked(heap, place);

	/* By age, since extents that are filled again and again outlive half the clock. */
	return extent && heap->clock - extent->born >= heap->clock - segment->newest;
}

/* Entries from one look of a drop's to the next, so that some of each large extent are met. */
static uint32_t stride_locked(const struct heap *heap)
{
	/* As large as heap.c makes the next one; the sizes of those that went are another's now. */
	uint64_t size = tmem_min64(heap->extent_bytes / 8, heap->client->engine->extent_size);

	return 1 + (uint32_t)size / (STRIDE_PART * TMEM_PAGE_SIZE);
}

/*
 * The extent to drop next, 0 if none is met in so many looks; *@birth is the
 * age of what it was found by, and unchanged where that is nothing. Drops walk
 * by themselves, and only look at some entries of what is gone: whoever looked
 * at each would take longer than the kernel takes to have the memory back.
 */
uint32_t tmem_order_droppable(struct heap *heap, uint32_t *birth)
{
	struct order *order = &heap->order;
	struct order_walk *walk = &order->walk[WALK_DROP];
	struct order_segment *segment;
	uint32_t number = 0, looks;
	uint64_t place;

	tmem_lock(&heap->lock);
	for (looks = 0; looks < DROP_LOOKS && !number; looks++) {
		if (!walk->segment) {
			walk->segment = order->first;
			walk->at = 0;
		}
		if (!walk->segment)
			break;
		segment = segment_at(heap, walk->segment);
		if (walk->at < segment->first)
			walk->at = segment->first;
		if (walk->at >= segment->count) {
			walk->segment = segment->next;
			walk->at = 0;
			/* The end; what was passed over is met the next time. */
			if (!walk->segment)
				break;
			continue;
		}
		*birth = segment->birth;
		place = entry(segment, walk->at);
		if (has_old_locked(heap, segment, place))
			number = tmem_place_extent(place);
		else
			walk->at += stride_locked(heap);
	}
	tmem_unlock(&heap->lock);
	return number;
}

/* ---- compaction ---- */

/* Moves the segment at the cursor behind the one before, if it fits there. */
static int merge_locked(struct heap *heap)
{
	struct order *order = &heap->order;
	struct order_segment *segment = segment_at(heap, order->cursor), *before;
	uint32_t have = segment->count - segment->first, i;

	if (!order->before)
		return 0;
	before = segment_at(heap, order->before);
	if (have > TMEM_ORDER_ENTRIES - before->count)
		return 0;
	for (i = 0; i < ORDER_WALKS; i++) {
		if (order->walk[i].segment != order->cursor)
			continue;
		order->walk[i].segment = order->before;
		order->walk[i].at = before->count;
	}
	for (i = 0; i < have; i++)
		set_entry(before, before->count + i, entry(segment, segment->first + i));
	before->count += have;
	before->newest = segment->newest;
	before->next = segment->next;
	discard_locked(heap, order->cursor);
	return 1;
}

static void enter_locked(struct heap *heap, uint32_t number)
{
	struct order *order = &heap->order;

	order->cursor = number;
	if (number) {
		order->read = segment_at(heap, number)->first;
		order->kept = order->read;
	}
}

/* A pass from the oldest segment to the last but one; never into the one that grows. */
static int begin_locked(struct heap *heap)
{
	struct order *order = &heap->order;

	if (order->cursor)
		return 1;
	if (order->segments < 3 || order->entries <= heap->live + heap->live / 4)
		return 0;
	/* Nothing grows without puts: one pass for each segment of them is enough. */
	if (heap->clock - order->passed < TMEM_ORDER_ENTRIES)
		return 0;
	order->before = 0;
	enter_locked(heap, order->first);
	return 1;
}

/* Keeps what is alive of the segment at the cursor, from what was read on to before @end. */
static void squeeze_locked(struct heap *heap, struct order_segment *segment, uint32_t end)
{
	struct order *order = &heap->order;
	uint32_t kept = order->kept, i;
	uint64_t place;

	for (i = order->read; i < end; i++) {
		place = entry(segment, i);
		if (alive_locked(heap, segment, place))
			set_entry(segment, kept++, place);
	}
	tmem_bump(&order->entries, (uint64_t)(kept - order->kept) - (end - order->read));
	order->kept = kept;
	order->read = end;
}

/*
 * Where more than a quarter of the entries are dead, looks at up to @budget of
 * them, squeezes out the dead and joins segments. How many were looked at.
 */
uint32_t tmem_order_compact(struct heap *heap, uint32_t budget)
{
	struct order *order = &heap->order;
	struct order_segment *segment;
	uint32_t looks = 0, next, end, discarded;

	tmem_lock(&heap->lock);
	while (looks < budget && begin_locked(heap)) {
		segment = segment_at(heap, order->cursor);
		if (order->read < segment->count) {
			end = order->read +
			      tmem_min32(segment->count - order->read, budget - looks);
			looks += end - order->read;
			squeeze_locked(heap, segment, end);
			continue;
		}
		settle_locked(heap);
		next = segment->next;
		if (!merge_locked(heap))
			order->before = order->cursor;
		enter_locked(heap, next == order->last ? 0 : next);
		if (!order->cursor)
			order->passed = heap->clock;
	}
	discarded = order->discarded;
	tmem_unlock(&heap->lock);
	if (discarded)
		give_discarded(heap);
	return looks;
}

/*
 * The same in the background. While pages come or leave, others have the
 * heap's lock in between: whoever unlocks and locks at once has its line still,
 * and who waits does not see it free.
 */
uint32_t tmem_order_compact_step(struct heap *heap, uint32_t budget)
{
	struct order *order = &heap->order;
	uint32_t looks = 0, quiet = QUIET, more, now, i;

	while ((more = tmem_order_compact(heap, tmem_min32(budget - looks, PIECE)))) {
		looks += more;
		now = tmem_load(&heap->clock) + (uint32_t)tmem_load(&heap->live);
		quiet = now == order->stepped ? quiet + 1 : 0;
		order->stepped = now;
		for (i = 0; i < ASIDE && quiet < QUIET; i++)
			tmem_cpu_relax();
	}
	return looks;
}

/* ---- recoding ---- */

static int is_young_locked(const struct heap *heap, const struct block *block)
{
	return heap->clock - tmem_peek(&block->time) < heap->live / 8;
}

/*
 * Whether a block that is young has left the entry at @i behind: a slot that
 * was given back unused and taken again has a second entry, where it was put.
 * Times only grow along the order, so an old block after it says so.
 */
static int is_left_behind_locked(const struct heap *heap, const struct order_segment *segment,
				 uint32_t i)
{
	uint32_t end = tmem_min32(segment->count, i + 1 + LOOKS);
	const struct block *block;

	while (++i < end) {
		block = alive_locked(heap, segment, entry(segment, i));
		if (block && !is_young_locked(heap, block))
			return 1;
	}
	return 0;
}

/*
 * The place of the oldest block that recoding has not looked at; 0: none.
 * *@looks: entries looked at. The newest eighth of the heap, counted in puts,
 * is left alone.
 */
uint64_t tmem_order_cold(struct heap *heap, uint32_t dense, uint32_t *looks)
{
	struct order *order = &heap->order;
	struct order_walk *walk = &order->walk[WALK_RECODE];
	struct order_segment *segment;
	uint64_t place = 0, cold = 0;
	struct block *block;
	uint32_t tag;

	tmem_lock(&heap->lock);
	for (*looks = 0; *looks < LOOKS && !cold; ++*looks) {
		if (!walk->segment)
			walk->segment = order->first;
		/* What compaction is at holds an entry twice. */
		if (!walk->segment || walk->segment == order->cursor)
			break;
		segment = segment_at(heap, walk->segment);
		if (walk->at < segment->first || walk->at > segment->count)
			walk->at = segment->first;
		if (walk->at == segment->count) {
			if (walk->segment == order->last)
				break;
			walk->segment = segment->next;
			walk->at = 0;
			continue;
		}
		place = entry(segment, walk->at);
		block = alive_locked(heap, segment, place);
		tag = block ? tmem_peek(&block->tag) : 0;
		if (block && is_young_locked(heap, block)) {
			if (!is_left_behind_locked(heap, segment, walk->at))
				break;
			block = NULL;
		}
		walk->at++;
		if (block && !(tag & TAG_TRIED) && TAG_CODEC(tag) != dense)
			cold = place;
	}
	tmem_unlock(&heap->lock);
	return cold;
}

/* ---- what walks share, and vacating ---- */

/*
 * The entry of a block put at @time that walk number @which has moved leads to
 * its new place. 0: it has none any more. Compaction may have moved it, but
 * not past the walk; mostly it is where the walk just was.
 */
int tmem_order_replace_locked(struct heap *heap, enum order_walk_name which, uint64_t old,
			      uint64_t fresh, uint32_t time)
{
	struct order *order = &heap->order;
	struct order_walk *walk = &order->walk[which];
	struct order_segment *segment;
	struct extent *extent;
	uint32_t have, at, i;

	if (!walk->segment)
		return 0;
	segment = segment_at(heap, walk->segment);
	/* An entry that was left behind by another block of the same place. */
	if (time - segment->oldest > segment->newest - segment->oldest)
		return 0;
	at = tmem_min32(walk->at, segment->count);
	for (have = segment->count - segment->first; have; have--) {
		i = at > segment->first ? --at : (at = segment->count - 1);
		if (walk->segment == order->cursor && i >= order->kept && i < order->read)
			continue;
		if (entry(segment, i) != old)
			continue;
		set_entry(segment, i, fresh);
		extent = tmem_extent(heap->client->engine, tmem_place_extent(fresh));
		if (heap->clock - time > heap->clock - extent->born)
			extent->born = time;
		return 1;
	}
	return 0;
}

void tmem_order_vacate_begin(struct heap *heap)
{
	struct order_walk *walk = &heap->order.walk[WALK_VACATE];

	tmem_lock(&heap->lock);
	walk->segment = heap->order.first;
	walk->at = 0;
	tmem_unlock(&heap->lock);
}

static int is_vacating_locked(const struct heap *heap, uint64_t place)
{
	const struct extent *extent = extent_of_locked(heap, place);

	return extent && extent->class == TMEM_VACATING;
}

/*
 * The next places in extents that are being vacated, at most @most, into
 * @place. How many; *@over: there are no entries after these.
 */
uint32_t tmem_order_vacating(struct heap *heap, uint64_t *place, uint32_t most, int *over)
{
	struct order *order = &heap->order;
	struct order_walk *walk = &order->walk[WALK_VACATE];
	struct order_segment *segment;
	uint32_t looks, count = 0;

	*over = 0;
	tmem_lock(&heap->lock);
	for (looks = 0; looks < LOOKS && count < most; looks++) {
		if (!walk->segment) {
			*over = 1;
			break;
		}
		segment = segment_at(heap, walk->segment);
		if (walk->segment == order->cursor) {
			settle_locked(heap);
			order->cursor = 0;
		}
		if (walk->at < segment->first || walk->at > segment->count)
			walk->at = segment->first;
		if (walk->at == segment->count) {
			*over = walk->segment == order->last;
			/* What is found is turned in the segment that the walk is in. */
			if (*over || count)
				break;
			walk->segment = segment->next;
			walk->at = 0;
			continue;
		}
		place[count] = entry(segment, walk->at++);
		count += (uint32_t)is_vacating_locked(heap, place[count]);
	}
	tmem_unlock(&heap->lock);
	return count;
}

/* Has no segment half compacted, for who walks them. */
void tmem_order_settle(struct heap *heap)
{
	tmem_lock(&heap->lock);
	if (heap->order.cursor)
		settle_locked(heap);
	heap->order.cursor = 0;
	tmem_unlock(&heap->lock);
}

void tmem_order_destroy(struct heap *heap)
{
	struct order *order = &heap->order;

	tmem_lock(&heap->lock);
	order->cursor = 0;
	while (order->first)
		drop_first_locked(heap);
	if (order->spare) {
		order->segments++;
		discard_locked(heap, order->spare);
	}
	tmem_store(&order->spare, 0u);
	tmem_store(&order->entries, (uint64_t)0);
	tmem_unlock(&heap->lock);
	give_discarded(heap);
}
