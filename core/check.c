/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Walks everything and holds every count against what it counts: blocks
 * against their extents, slots against blocks, objects against trees, bills
 * against both, records against slabs. For tests and the debug command;
 * nobody else may be in a call.
 */
#include "internal.h"

struct walk {
	struct tmem_engine *engine;
	const char *what;
	uint32_t touched;
	uint32_t used[SLAB_COUNT]; /* records that something leads to */
	uint64_t was_lent;	   /* bytes of extents */
	/* Of the client being walked: ephemeral, persistent. */
	uint64_t blocks[2]; /* that some slot leads to */
	uint64_t ordered;   /* ephemeral ones whose own object leads to them */
	uint64_t marked;    /* entries of put order that lead to a page */
	uint64_t bytes[2];
	uint64_t index[2];
	uint32_t dying;
	struct tally tally[TMEM_POOLS_PER_CLIENT]; /* of the extent being walked */
};

#define EXPECT(walk, fact)                                  \
	do {                                                \
		if (!(fact)) {                              \
			(walk)->what = __FILE__ ": " #fact; \
			return -TMEM_EIO;                   \
		}                                           \
	} while (0)

/* ---- extents ---- */

static int check_used(struct walk *walk, const struct block *block, struct tally *tally)
{
	uint32_t tag = block->tag, length = tag & TAG_LENGTH;

	EXPECT(walk, !(tag & (TAG_PINS | TAG_ZOMBIE)));
	EXPECT(walk, length - walk->engine->sum_size <= TMEM_PAGE_SIZE);
	EXPECT(walk, block->object);
	tally[TAG_POOL(tag)].pages++;
	tally[TAG_POOL(tag)].units += tmem_units(length);
	tally[TAG_POOL(tag)].payload += length;
	if (tmem_is_dense(walk->engine, TAG_CODEC(tag))) {
		tally[TAG_POOL(tag)].dense++;
		tally[TAG_POOL(tag)].dense_payload += length;
	}
	return 0;
}

static int is_noted(const struct lent *lent, uint32_t unit)
{
	uint32_t i;

	for (i = 0; i < lent->noted; i++)
		if ((lent->note[i] & ((1u << TMEM_UNIT_BITS) - 1)) == unit)
			return 1;
	return 0;
}

/*
 * A packed extent that is lent: its blocks as far as all of them are there,
 * without those that were freed. 1: they are, 0: some were taken.
 */
static int walk_lent(struct walk *walk, const struct extent *extent, const struct lent *lent,
		     struct tally *tally)
{
	uint32_t end = extent->size / TMEM_UNIT, unit, units;
	struct block block;

	for (unit = 0; unit < end; unit += units) {
		block.object = tmem_load(&tmem_block(extent, unit)->object);
		block.tag = tmem_load(&tmem_block(extent, unit)->tag);
		if (!(block.tag & TAG_USED)) {
			units = block.tag;
			if (!units)
				return 0;
			EXPECT(walk, units <= end - unit);
			continue;
		}
		units = tmem_units(block.tag & TAG_LENGTH);
		if (!is_noted(lent, unit) && check_used(walk, &block, tally))
			return -TMEM_EIO;
	}
	EXPECT(walk, unit == end);
	return 1;
}

static int check_packed(struct walk *walk, const struct extent *extent, struct tally *tally)
{
	uint32_t end = extent->size / TMEM_UNIT, unit, units, free = 0, listed = 0, before = 0, bin;
	uint32_t at;
	const struct block *block;

	for (unit = 0; unit < end; unit += units) {
		block = tmem_block(extent, unit);
		if (block->tag & TAG_USED) {
			EXPECT(walk, !(block->tag & TAG_PREV_FREE) == !before);
			if (check_used(walk, block, tally))
				return -TMEM_EIO;
			units = tmem_units(block->tag & TAG_LENGTH);
			before = 0;
			continue;
		}
		EXPECT(walk, !before);
		units = block->tag;
		EXPECT(walk, units && units <= end - unit);
		EXPECT(walk, tmem_block(extent, unit + units - 1)->tag == units);
		free++;
		before = 1;
	}
	EXPECT(walk, unit == end);
	for (bin = 0; bin < TMEM_BINS; bin++) {
		EXPECT(walk, !extent->bins->head[bin] ==
				     !(extent->bins->used[bin / 64] >> (bin % 64) & 1));
		for (at = extent->bins->head[bin]; at && listed <= free;
		     at = tmem_block(extent, at - 1)->object) {
			EXPECT(walk, !(tmem_block(extent, at - 1)->tag & TAG_USED));
			listed++;
		}
	}
	EXPECT(walk, listed == free);
	return 0;
}

static int check_pages(struct walk *walk, const struct extent *extent, struct tally *tally)
{
	uint32_t slots = extent->size / TMEM_PAGE_SIZE, i;
	const struct block *block;

	for (i = 0; i < slots; i++) {
		block = &extent->headers[i];
		EXPECT(walk, (extent->room[i / 64] >> (i % 64) & 1) == !(block->tag & TAG_USED));
		if ((block->tag & TAG_USED) && check_used(walk, block, tally))
			return -TMEM_EIO;
	}
	return 0;
}

/* 0: the blocks of a closed extent say no more what they were. */
static int check_lent(struct walk *walk, const struct extent *extent, struct tally *tally)
{
	const struct lent *lent = tmem_lent(walk->engine, extent);

	walk->used[SLAB_LENT]++;
	EXPECT(walk, extent->lent == lent && !lent->busy);
	EXPECT(walk, extent->size == walk->engine->extent_size);
	if (extent->headers)
		return check_pages(walk, extent, tally) ? -TMEM_EIO : 1;
	return lent->stale ? 0 : walk_lent(walk, extent, lent, tally);
}

static int check_extent(struct walk *walk, struct heap *heap, uint32_t number, uint32_t state)
{
	const struct extent *extent = tmem_extent(walk->engine, number);
	struct tally *tally = walk->tally;
	uint32_t i, live = 0, units = 0;
	int known;

	EXPECT(walk, extent->heap == heap && extent->number == number);
	EXPECT(walk, extent->state == state && !extent->moving);
	walk->used[SLAB_EXTENT]++;
	if (extent->headers_record)
		walk->used[heap->kind == TMEM_EXTENT_PERSISTENT ? SLAB_HEADERS_P
								: SLAB_HEADERS_E]++;
	if (extent->bins_record)
		walk->used[SLAB_BINS]++;
	memset(tally, 0, sizeof(walk->tally));
	if (extent->lent_record) {
		known = check_lent(walk, extent, tally);
		EXPECT(walk, extent->live);
		if (known <= 0)
			return known;
	} else if (state == EXTENT_PACKED && check_packed(walk, extent, tally))
		return -TMEM_EIO;
	if (!extent->lent_record && state == EXTENT_PAGES && check_pages(walk, extent, tally))
		return -TMEM_EIO;
	if (state == EXTENT_DEAD)
		return 0;
	for (i = 0; i < TMEM_POOLS_PER_CLIENT; i++) {
		EXPECT(walk, tally[i].pages == extent->tally[i].pages);
		live += tally[i].pages;
		if (extent->headers)
			continue;
		EXPECT(walk, tally[i].units == extent->tally[i].units);
		EXPECT(walk, tally[i].payload == extent->tally[i].payload);
		EXPECT(walk, tally[i].dense == extent->tally[i].dense);
		EXPECT(walk, tally[i].dense_payload == extent->tally[i].dense_payload);
		units += tally[i].units;
	}
	EXPECT(walk, live == extent->live && units == extent->units);
	EXPECT(walk, (state == EXTENT_EMPTY) == !live);
	return 0;
}

struct sums {
	uint64_t bytes;
	uint64_t live;
	uint64_t units;
	uint64_t payload;
	uint64_t dense;
	uint64_t dense_payload;
	uint64_t was_lent;
	uint64_t used[2]; /* bytes of page extents, and of packed ones */
	uint32_t count;
};

static void add_to_sums(struct sums *sums, const struct extent *extent)
{
	uint32_t i;

	sums->bytes += extent->size;
	sums->was_lent += extent->was_lent ? extent->size : 0;
	if (extent->state != EXTENT_EMPTY)
		sums->used[tmem_form(extent)] += extent->size;
	sums->live += extent->live;
	sums->units += extent->units;
	for (i = 0; i < TMEM_POOLS_PER_CLIENT; i++) {
		sums->payload += extent->tally[i].payload;
		sums->dense += extent->tally[i].dense;
		sums->dense_payload += extent->tally[i].dense_payload;
	}
}

static int check_list(struct walk *walk, struct heap *heap, uint32_t list, uint32_t state,
		      struct sums *sums)
{
	const struct extent *extent;
	uint32_t prev = 0;

	for (; list; list = extent->next) {
		extent = tmem_extent(walk->engine, list);
		EXPECT(walk, state == EXTENT_DEAD || extent->prev == prev);
		EXPECT(walk, !extent->lent_record);
		if (check_extent(walk, heap, list, state))
			return -TMEM_EIO;
		if (state != EXTENT_DEAD)
			add_to_sums(sums, extent);
		sums->count++;
		prev = list;
	}
	return 0;
}

/* Of those to fill only the first can be nearly full. */
static int check_to_fill(struct walk *walk, struct heap *heap)
{
	const struct extent *extent;
	uint32_t list = heap->pages ? tmem_extent(walk->engine, heap->pages)->next : 0;

	for (; list; list = extent->next) {
		extent = tmem_extent(walk->engine, list);
		EXPECT(walk, extent->size / TMEM_PAGE_SIZE - extent->live >= TMEM_ROOM_MIN);
	}
	return 0;
}

/* Closed extents of either shape. */
static int check_lent_list(struct walk *walk, struct heap *heap, uint32_t list, struct sums *sums)
{
	const struct extent *extent;
	uint32_t prev = 0;

	for (; list; list = extent->next) {
		extent = tmem_extent(walk->engine, list);
		EXPECT(walk, extent->prev == prev && extent->lent_record);
		if (check_extent(walk, heap, list, extent->headers ? EXTENT_PAGES : EXTENT_PACKED))
			return -TMEM_EIO;
		add_to_sums(sums, extent);
		sums->count++;
		prev = list;
	}
	return 0;
}

static __attribute__((noinline)) int check_heap(struct walk *walk, struct heap *heap)
{
	struct sums sums, dead;
	uint64_t live = 0, units = 0, payload = 0, dense = 0, dense_payload = 0, vacating;
	uint32_t before, i;

	memset(&sums, 0, sizeof(sums));
	memset(&dead, 0, sizeof(dead));
	if (check_list(walk, heap, heap->empty, EXTENT_EMPTY, &sums))
		return -TMEM_EIO;
	EXPECT(walk, sums.count == heap->empty_count);
	if (heap->spare) {
		if (check_extent(walk, heap, heap->spare, EXTENT_EMPTY))
			return -TMEM_EIO;
		sums.bytes += tmem_extent(walk->engine, heap->spare)->size;
	}
	if (check_list(walk, heap, heap->pages, EXTENT_PAGES, &sums) || check_to_fill(walk, heap) ||
	    check_list(walk, heap, heap->full, EXTENT_PAGES, &sums) ||
	    check_list(walk, heap, heap->dead, EXTENT_DEAD, &dead) ||
	    check_list(walk, heap, heap->sweeping, EXTENT_DEAD, &dead))
		return -TMEM_EIO;
	for (i = 0; i < TMEM_HEAP_CLASSES; i++)
		if (check_list(walk, heap, heap->packed[i], EXTENT_PACKED, &sums))
			return -TMEM_EIO;
	before = sums.count;
	if (check_lent_list(walk, heap, heap->lent, &sums) ||
	    check_lent_list(walk, heap, heap->ripe[0], &sums) ||
	    check_lent_list(walk, heap, heap->ripe[1], &sums))
		return -TMEM_EIO;
	EXPECT(walk, sums.count - before == heap->lent_count);
	vacating = sums.bytes;
	if (check_list(walk, heap, heap->vacating[0], EXTENT_PAGES, &sums) ||
	    check_list(walk, heap, heap->vacating[1], EXTENT_PACKED, &sums))
		return -TMEM_EIO;
	EXPECT(walk, sums.bytes - vacating == heap->vacating_bytes);
	EXPECT(walk, heap->vacate.phase != VACATE_REST || heap->surplus || !heap->vacating_bytes);
	if (heap->kind == TMEM_EXTENT_PERSISTENT && heap->client->state == CLIENT_ALIVE) {
		EXPECT(walk, heap->extent_bytes - heap->vacating_bytes >= heap->wanted);
		EXPECT(walk, heap->extent_bytes == heap->wanted || heap->surplus);
	}
	for (i = 0; i < TMEM_POOLS_PER_CLIENT; i++) {
		live += heap->total[i].pages + heap->total[i].slots;
		units += heap->total[i].units;
		payload += heap->total[i].payload;
		dense += heap->total[i].dense;
		dense_payload += heap->total[i].dense_payload;
	}
	EXPECT(walk, dead.count == heap->dead_count);
	EXPECT(walk, sums.bytes == heap->extent_bytes);
	EXPECT(walk, sums.used[0] == heap->used_bytes[0] && sums.used[1] == heap->used_bytes[1]);
	EXPECT(walk, sums.live == heap->live && live == heap->live);
	EXPECT(walk, sums.units == units && sums.payload == payload);
	EXPECT(walk, sums.dense == dense && sums.dense_payload == dense_payload);
	walk->was_lent += sums.was_lent;
	return 0;
}

/* ---- index ---- */

/* What the extent's blocks say of themselves may be gone, and is not to be written to. */
static int is_veiled(const struct extent *extent)
{
	return extent->lent_record && !extent->headers;
}

/* A stored slot of page @index leads to a block that names it. */
static int check_slot(struct walk *walk, const struct pool *pool, uint32_t number, uint32_t index,
		      uint64_t slot)
{
	struct extent *extent = tmem_extent(walk->engine, tmem_place_extent(SLOT_PLACE(slot)));
	int persistent = !!(pool->flags & TMEM_POOL_PERSISTENT), twin;
	const struct object *object = tmem_object_at(pool->objects, number);
	const struct block *block;

	EXPECT(walk, slot & SLOT_PRESENT);
	EXPECT(walk, extent->heap->client == pool->client);
	EXPECT(walk, extent->heap->record || extent->heap == pool->heap);
	if (extent->state == EXTENT_DEAD)
		return 0;
	EXPECT(walk, extent->state == EXTENT_PAGES || extent->state == EXTENT_PACKED);
	if (is_veiled(extent)) {
		walk->blocks[0]++;
		return 0;
	}
	block = tmem_block(extent, tmem_place_unit(SLOT_PLACE(slot)));
	twin = object->state == OBJECT_DEAD && block->object != number;
	EXPECT(walk, block->tag & TAG_USED);
	EXPECT(walk, twin || block->object == number);
	EXPECT(walk, block->index == index);
	EXPECT(walk, (block->tag & TAG_LENGTH) == SLOT_LENGTH(slot));
	EXPECT(walk, TAG_CODEC(block->tag) == SLOT_CODEC(slot));
	EXPECT(walk, TAG_POOL(block->tag) == pool->number % TMEM_POOLS_PER_CLIENT);
	walk->blocks[persistent]++;
	walk->bytes[persistent] += (uint64_t)tmem_units(SLOT_LENGTH(slot)) * TMEM_UNIT;
	if (!twin && !persistent)
		walk->ordered++;
	return 0;
}

static int check_leaf(struct walk *walk, const struct pool *pool, uint32_t number, uint32_t group,
		      uint32_t name)
{
	int persistent = !!(pool->flags & TMEM_POOL_PERSISTENT);
	uint32_t slab = name & GROUP_WIDE ? SLAB_LEAF : SLAB_LEAF_SMALL, i;
	uint32_t slots = name & GROUP_WIDE ? TMEM_GROUP_PAGES : TMEM_LEAF_SMALL;
	const struct leaf *leaf = tmem_slab_at(&walk->engine->slab[slab], name & GROUP_LEAF);
	uint64_t any = 0;

	walk->used[slab]++;
	walk->index[persistent] += slots * sizeof(uint64_t);
	for (i = 0; i < slots; i++) {
		any |= leaf->slot[i];
		if (leaf->slot[i] &&
		    check_slot(walk, pool, number, group * TMEM_GROUP_PAGES + i, leaf->slot[i]))
			return -TMEM_EIO;
	}
	EXPECT(walk, any || !group);
	return 0;
}

static int check_tree(struct walk *walk, const struct pool *pool, uint32_t number)
{
	const struct object *object = tmem_object_at(pool->objects, number);
	uint32_t level = object->root >> ROOT_HEIGHT, at[TMEM_TREE_LEVELS + 1], group = 0, any;
	uint32_t node_number[TMEM_TREE_LEVELS + 1], height = level;
	const struct node *node;

	if (!height)
		return 0;
	EXPECT(walk, height <= TMEM_TREE_LEVELS);
	node_number[level] = object->root & ROOT_NODE;
	at[level] = 0;
	for (any = 0; level <= height;) {
		node = tmem_slab_at(&walk->engine->slab[SLAB_NODE], node_number[level]);
		if (at[level] == 0)
			any = 0;
		while (at[level] < 64 && !node->entry[at[level]])
			at[level]++;
		if (at[level] == 64) {
			EXPECT(walk, any);
			walk->used[SLAB_NODE]++;
			walk->index[!!(pool->flags & TMEM_POOL_PERSISTENT)] += sizeof(*node);
			level++;
			any = 1;
			continue;
		}
		any = 1;
		group &= ~(63u << (6 * (level - 1)));
		group |= at[level] << (6 * (level - 1));
		if (level == 1) {
			if (check_leaf(walk, pool, number, group, node->entry[at[1]]))
				return -TMEM_EIO;
			at[1]++;
		} else {
			node_number[level - 1] = node->entry[at[level]++];
			at[--level] = 0;
		}
	}
	return 0;
}

static int check_object(struct walk *walk, const struct pool *pool, uint32_t number, uint32_t state)
{
	const struct object *object = tmem_object_at(pool->objects, number);
	int persistent = !!(pool->flags & TMEM_POOL_PERSISTENT);
	uint32_t i;

	EXPECT(walk, object->state == state);
	EXPECT(walk, object->pool == pool->serial);
	EXPECT(walk, state == OBJECT_DEAD || object->group || object->root);
	walk->used[persistent ? SLAB_OBJECT_P : SLAB_OBJECT_E]++;
	walk->index[persistent] += TMEM_OBJECT_BYTES;
	for (i = 0; i < 2; i++)
		if (object->slot[i] && check_slot(walk, pool, number, i, object->slot[i]))
			return -TMEM_EIO;
	EXPECT(walk, (object->group & GROUP_PRESENT) || !(object->slot[0] | object->slot[1]));
	if ((object->group & ~GROUP_PRESENT) &&
	    check_leaf(walk, pool, number, 0, object->group & ~GROUP_PRESENT))
		return -TMEM_EIO;
	return check_tree(walk, pool, number);
}

/* Both subtrees have the same number of black objects on every way down; -1: not so. */
static int black_height(const struct slab *objects, uint32_t number)
{
	const struct object *object;
	int height = 0;

	/* The leftmost way is measured; every other one is bounded by the tree's rules below. */
	while (number) {
		object = tmem_object_at(objects, number);
		height += !(object->left & TREE_RED);
		number = object->left & ~TREE_RED;
	}
	return height;
}

static int check_links(struct walk *walk, const struct slab *objects, uint32_t number)
{
	const struct object *object = tmem_object_at(objects, number), *child;
	uint32_t left = object->left & ~TREE_RED, right = object->right, i, link;

	EXPECT(walk, black_height(objects, left) == black_height(objects, right));
	for (i = 0; i < 2; i++) {
		link = i ? right : left;
		child = tmem_object_at(objects, link);
		EXPECT(walk, !link || !(object->left & TREE_RED) || !(child->left & TREE_RED));
	}
	return 0;
}

static int check_pool(struct walk *walk, struct pool *pool)
{
	uint32_t bucket, *root, number, count = 0;
	const struct object *object;
	const struct tmem_object_id *id;
	uint64_t hash;

	for (bucket = 0; bucket < pool->bucket_count; bucket++) {
		root = tmem_directory_bucket_at(pool, bucket);
		id = NULL;
		while ((number = tmem_tree_above(pool->objects, *root, id, &walk->touched))) {
			object = tmem_object_at(pool->objects, number);
			hash = tmem_hash(walk->engine->seed, pool->serial, &object->id);
			EXPECT(walk, tmem_directory_bucket(pool, hash) == root);
			EXPECT(walk, tmem_tree_find(pool->objects, *root, &object->id,
						    &walk->touched) == number);
			if (check_links(walk, pool->objects, number) ||
			    check_object(walk, pool, number, OBJECT_ALIVE))
				return -TMEM_EIO;
			id = &object->id;
			count++;
		}
	}
	EXPECT(walk, count == pool->object_count);
	return 0;
}

static int check_dying(struct walk *walk, struct tmem_client *client, int persistent)
{
	struct slab *objects = &walk->engine->slab[SLAB_OBJECT_E + persistent];
	const struct object *object;
	uint32_t number, i;

	for (number = client->dying[persistent]; number; number = object->left) {
		object = tmem_object_at(objects, number);
		for (i = 0; i < TMEM_POOLS_PER_CLIENT; i++)
			if (client->pools[i] && client->pools[i]->serial == object->pool)
				break;
		EXPECT(walk, i < TMEM_POOLS_PER_CLIENT);
		if (check_object(walk, client->pools[i], number, OBJECT_DEAD))
			return -TMEM_EIO;
		walk->dying++;
	}
	return 0;
}

/* ---- put order ---- */

/* The block that an entry means: one that its own object's slot leads to; else NULL. */
static struct block *meant(struct walk *walk, struct heap *heap, uint64_t place)
{
	struct slab *objects = &walk->engine->slab[SLAB_OBJECT_E];
	struct extent *extent = tmem_extent(walk->engine, tmem_place_extent(place));
	const struct object *object;
	const tmem_word *slot;
	struct block *block;
	struct key key;

	if (is_veiled(extent))
		return NULL;
	block = tmem_order_block_locked(heap, place);
	if (!block || !block->object || block->object >= objects->issued)
		return NULL;
	object = tmem_object_at(objects, block->object);
	if (object->state == OBJECT_FREE)
		return NULL;
	key.id = object->id;
	key.pool = object->pool;
	key.index = block->index;
	key.hash = tmem_hash(walk->engine->seed, key.pool, &key.id);
	slot = tmem_slot_in(walk->engine, &key, block->object, objects, &walk->touched);
	return slot && *slot && SLOT_PLACE(*slot) == place ? block : NULL;
}

static uint64_t ordered_place(const struct order_segment *segment, uint32_t i)
{
	return (uint64_t)segment->high[i] << 32 | segment->low[i];
}

/* A pin marks a block, so that it counts once. */
static uint32_t mark(struct walk *walk, struct heap *heap, uint64_t place)
{
	struct block *block = meant(walk, heap, place);

	if (!block || (block->tag & TAG_PINS))
		return 0;
	block->tag += TAG_PIN;
	return 1;
}

static void unmark(struct walk *walk, struct heap *heap, uint64_t place)
{
	struct block *block = meant(walk, heap, place);

	if (block)
		block->tag &= ~TAG_PINS;
}

/* By the entry of a block that was put in the segment's time a drop finds its extent. */
static int check_age(struct walk *walk, const struct heap *heap,
		     const struct order_segment *segment, uint64_t place)
{
	const struct extent *extent = tmem_extent(walk->engine, tmem_place_extent(place));
	uint32_t time = tmem_block(extent, tmem_place_unit(place))->time;

	EXPECT(walk, time - segment->oldest > segment->newest - segment->oldest ||
			     heap->clock - time <= heap->clock - extent->born);
	return 0;
}

static int check_order(struct walk *walk, struct heap *heap)
{
	struct slab *slab = &walk->engine->slab[SLAB_ORDER];
	const struct order_segment *segment;
	uint64_t entries = 0, marked = 0;
	uint32_t number, segments = 0, i;

	tmem_order_settle(heap);
	for (number = heap->order.first; number; number = segment->next) {
		segment = tmem_slab_at(slab, number);
		EXPECT(walk, segment->first <= segment->count);
		EXPECT(walk, segment->count <= TMEM_ORDER_ENTRIES);
		EXPECT(walk, segment->next || number == heap->order.last);
		for (i = segment->first; i < segment->count; i++) {
			if (!mark(walk, heap, ordered_place(segment, i)))
				continue;
			marked++;
			if (check_age(walk, heap, segment, ordered_place(segment, i)))
				return -TMEM_EIO;
		}
		entries += segment->count - segment->first;
		segments++;
	}
	for (number = heap->order.first; number; number = segment->next) {
		segment = tmem_slab_at(slab, number);
		for (i = segment->first; i < segment->count; i++)
			unmark(walk, heap, ordered_place(segment, i));
	}
	walk->used[SLAB_ORDER] += segments + !!heap->order.spare;
	EXPECT(walk, segments == heap->order.segments);
	EXPECT(walk, entries == heap->order.entries);
	walk->marked += marked;
	return 0;
}

/* ---- all of it ---- */

/* The members' heaps of a share: counted, and charged to somebody who is alive. */
static int check_member_heaps(struct walk *walk, struct tmem_client *share, uint64_t *live)
{
	const struct pool *pool;
	struct heap *heap;
	uint32_t members = 0, used = 0;

	for (heap = share->heap[0].next; heap; heap = heap->next) {
		walk->used[SLAB_HEAP]++;
		EXPECT(walk, heap->record && heap->pinned && heap->client == share);
		EXPECT(walk, heap->charged == share || heap->charged->state == CLIENT_ALIVE);
		EXPECT(walk, !heap->used_by || heap->used_by->heap == heap);
		used += heap->used_by != NULL;
		if (check_heap(walk, heap) || check_order(walk, heap))
			return -TMEM_EIO;
		*live += heap->live;
	}
	for (pool = share->members; pool; pool = pool->next_member) {
		EXPECT(walk, pool->state == POOL_ALIVE && pool->home->client == share);
		members++;
	}
	EXPECT(walk, members == used);
	EXPECT(walk, !share->is_share || (share->state == CLIENT_ALIVE) == (members != 0));
	return 0;
}

static __attribute__((noinline)) int check_pools(struct walk *walk, struct tmem_client *client)
{
	uint32_t i, kind, dying_pools = 0;
	struct pool *pool;

	for (i = 0; i < TMEM_POOLS_PER_CLIENT; i++) {
		for (kind = 0; kind < POOL_KINDS; kind++)
			walk->used[SLAB_POOL] += !!client->pool_record[kind][i];
		pool = client->pools[i];
		if (!pool || pool->home != pool)
			continue;
		dying_pools += pool->state == POOL_DYING;
		if (check_pool(walk, pool))
			return -TMEM_EIO;
	}
	EXPECT(walk, dying_pools == client->dying_pools);
	return 0;
}

static __attribute__((noinline)) int check_client(struct walk *walk, struct tmem_client *client)
{
	uint64_t live = client->heap[0].live;
	uint32_t i;

	memset(walk->blocks, 0, sizeof(walk->blocks));
	memset(walk->bytes, 0, sizeof(walk->bytes));
	memset(walk->index, 0, sizeof(walk->index));
	walk->ordered = 0;
	walk->marked = 0;
	walk->dying = 0;
	walk->used[SLAB_CLIENT]++;
	for (i = 0; i < 2; i++)
		if (check_heap(walk, &client->heap[i]) || check_dying(walk, client, (int)i))
			return -TMEM_EIO;
	EXPECT(walk, walk->dying == client->dying_count);
	if (check_pools(walk, client) || check_member_heaps(walk, client, &live))
		return -TMEM_EIO;
	EXPECT(walk, walk->blocks[0] == live);
	EXPECT(walk, walk->blocks[1] == client->heap[1].live);
	if (client->state == CLIENT_ALIVE) {
		EXPECT(walk, client->billed == walk->bytes[1] + walk->index[1]);
		EXPECT(walk, client->dying_count || client->billed <= client->allocation);
	}
	if (check_order(walk, &client->heap[0]))
		return -TMEM_EIO;
	EXPECT(walk, walk->marked == walk->ordered);
	return 0;
}

static __attribute__((noinline)) int check_slabs(struct walk *walk)
{
	struct tmem_engine *engine = walk->engine;
	uint64_t bytes = engine->self_size;
	const struct slab *slab;
	uint32_t i, w, number, free;

	for (w = 0; w < engine->worker_limit; w++) {
		EXPECT(walk, !engine->seat[w].held && !engine->seat[w].from);
		if (!engine->worker[w])
			continue;
		bytes += engine->worker[w]->size;
		for (i = 0; i <= SLAB_LEAF; i++)
			walk->used[i] += engine->worker[w]->spares.count[i];
	}
	for (i = 0; i < SLAB_COUNT; i++) {
		slab = &engine->slab[i];
		for (number = slab->free, free = 0; number && free <= slab->free_count; free++)
			number = *(uint32_t *)tmem_slab_at(slab, number);
		EXPECT(walk, free == slab->free_count);
		EXPECT(walk, slab->used + slab->free_count + 1 == slab->issued);
		if (i != SLAB_BUCKETS && i != SLAB_MAP)
			EXPECT(walk, slab->used == walk->used[i]);
		bytes += (uint64_t)slab->sheet_count * slab->sheet_size;
		for (w = 0; w < slab->array_count; w++)
			bytes += 4096ull << w;
	}
	EXPECT(walk, bytes == engine->meta_bytes);
	return 0;
}

static __attribute__((noinline)) int check_engine(struct walk *walk)
{
	struct tmem_engine *engine = walk->engine;
	struct tmem_client *client;
	const struct heap *heap;
	uint64_t extents = (uint64_t)engine->ready_count * engine->extent_size, allocated = 0;
	uint64_t shared = 0, charged = 0, persistent = 0;

	for (client = engine->clients; client; client = client->next) {
		if (check_client(walk, client))
			return -TMEM_EIO;
		persistent += client->heap[1].extent_bytes;
		for (heap = &client->heap[0]; heap; heap = heap->next) {
			extents += heap->extent_bytes;
			shared += heap->record ? heap->extent_bytes : 0;
		}
		charged += client->shared_bytes;
		allocated += client->allocation;
	}
	EXPECT(walk, allocated == engine->allocated);
	EXPECT(walk, shared == charged);
	EXPECT(walk, extents == engine->ephemeral_bytes);
	EXPECT(walk, walk->was_lent == engine->was_lent);
	EXPECT(walk, extents + persistent + engine->meta_bytes == engine->bytes);
	return check_slabs(walk);
}

int tmem_engine_check(struct tmem_engine *engine, const char **what)
{
	struct walk walk;
	int err;

	memset(&walk, 0, sizeof(walk));
	walk.engine = engine;
	tmem_settle_all(engine);
	err = check_engine(&walk);
	if (what)
		*what = walk.what;
	return err;
}
