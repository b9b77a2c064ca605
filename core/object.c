/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * From a handle to its slot. An object's pages are taken in groups of 64;
 * the group is what a shard's lock guards. Group 0 hangs from the object
 * itself, the others from a radix tree of 64-way nodes.
 *
 * Which objects, nodes and leaves exist is structure: changed only under the
 * stripe's lock, and a group's records are freed only under its shard's lock
 * too. So a slot that was found with the stripe's sequence unmoved, under the
 * shard's lock, stays where it is until that lock is released; but the flush
 * of a range may hand the group to a dead twin meanwhile (detach.c).
 */
#include "internal.h"

static uint32_t kind_of(const struct pool *pool)
{
	return pool->flags & TMEM_POOL_PERSISTENT ? SLAB_OBJECT_P : SLAB_OBJECT_E;
}

/* The record of @number, or NULL where no such record was ever given out. */
static inline void *record(const struct slab *slab, uint32_t number, uint32_t size)
{
	if (!number || number >= tmem_load_acquire(&slab->issued))
		return NULL;
	return tmem_record_at(slab, number, size);
}

static inline tmem_word *slot_of_leaf(const struct tmem_engine *engine, uint32_t name,
				      uint32_t index)
{
	uint32_t wide = name & GROUP_WIDE, i = index % TMEM_GROUP_PAGES;
	struct leaf *leaf;

	if (!wide && i >= TMEM_LEAF_SMALL)
		return NULL;
	if (wide)
		leaf = record(&engine->slab[SLAB_LEAF], name & GROUP_LEAF, sizeof(*leaf));
	else
		leaf = record(&engine->slab[SLAB_LEAF_SMALL], name & GROUP_LEAF,
			      TMEM_LEAF_SMALL * sizeof(leaf->slot[0]));
	return leaf ? &leaf->slot[i] : NULL;
}

/* The leaf's name in the tree of groups from 1 on; 0: none. */
static uint32_t *entry_of(const struct tmem_engine *engine, const struct object *object,
			  uint32_t group, uint32_t *touched)
{
	uint32_t root = tmem_load(&object->root), height = root >> ROOT_HEIGHT;
	uint32_t number = root & ROOT_NODE;
	struct node *node;
	uint32_t *entry = NULL;

	if (!height || group >> (6 * height))
		return NULL;
	while (height--) {
		node = record(&engine->slab[SLAB_NODE], number, sizeof(*node));
		if (!node)
			return NULL;
		(*touched)++;
		entry = &node->entry[(group >> (6 * height)) % 64];
		number = tmem_load(entry);
		if (!number)
			return NULL;
	}
	return entry;
}

/* The slot, or NULL; to be believed only if the stripe did not move. */
static inline tmem_word *walk(const struct tmem_engine *engine, struct object *object,
			      uint32_t index, uint32_t *touched)
{
	uint32_t group = index / TMEM_GROUP_PAGES, name, *entry;

	if (group == 0) {
		name = tmem_load(&object->group);
		if (!(name & GROUP_PRESENT))
			return NULL;
		if (index < 2)
			return &object->slot[index];
		/* The mark of presence is not part of a leaf's name. */
		name &= ~GROUP_PRESENT;
	} else {
		entry = entry_of(engine, object, group, touched);
		if (!entry)
			return NULL;
		name = tmem_load(entry);
	}
	(*touched)++;
	return slot_of_leaf(engine, name, index);
}

/* Asks for all slots of the object's first group, without a lock: for whoever comes there next. */
void tmem_group_prefetch(const struct tmem_engine *engine, const struct object *object)
{
	uint32_t name = tmem_load(&object->group), i;
	tmem_word *slot = NULL;

	if (name & GROUP_WIDE)
		slot = slot_of_leaf(engine, name & ~GROUP_PRESENT, 0);
	for (i = 0; slot && i < TMEM_GROUP_PAGES; i += TMEM_LINE / sizeof(*slot))
		tmem_prefetch_write(slot + i);
}

/*
 * Looks for the handle's slot without its shard's lock, so that the way there
 * is walked while what came before is still being copied. Reads all that leads
 * there, not the slot. What it finds is for prefetching, and for
 * tmem_slot_find().
 */
void tmem_slot_seek(struct tmem_worker *worker, const struct pool *pool, const struct key *key,
		    struct sought *sought)
{
	struct tmem_engine *engine = worker->engine;
	struct object *object;

	sought->sequence = tmem_stripe_begin(&engine->stripe[key->hash % TMEM_STRIPES]);
	sought->slot = NULL;
	sought->object =
		tmem_tree_find(pool->objects, tmem_load(tmem_directory_bucket(pool, key->hash)),
			       &key->id, &worker->touched);
	object = sought->object ? tmem_object_at(pool->objects, sought->object) : NULL;
	/* A pool that was destroyed since the key was made has nothing for it. */
	if (object && tmem_load(&object->pool) == key->pool)
		sought->slot = walk(engine, object, key->index, &worker->touched);
}

/* As tmem_slot_seek(), until the stripe did not move meanwhile. */
void tmem_slot_seek_again(struct tmem_worker *worker, const struct pool *pool,
			  const struct key *key, struct sought *sought)
{
	const struct stripe *stripe = &worker->engine->stripe[key->hash % TMEM_STRIPES];

	do
		tmem_slot_seek(worker, pool, key, sought);
	while (tmem_stripe_moved(stripe, sought->sequence));
}

/* The slot of key->index in object @number, alive or dead, if that is its object. */
tmem_word *tmem_slot_in(struct tmem_engine *engine, const struct key *key, uint32_t number,
			struct slab *objects, uint32_t *touched)
{
	const struct stripe *stripe = &engine->stripe[key->hash % TMEM_STRIPES];
	struct object *object = tmem_object_at(objects, number);
	tmem_word *slot;
	uint32_t sequence;

	do {
		sequence = tmem_stripe_begin(stripe);
		slot = NULL;
		if (tmem_load(&object->state) != OBJECT_FREE &&
		    tmem_load(&object->pool) == key->pool && tmem_object_is(object, &key->id))
			slot = walk(engine, object, key->index, touched);
	} while (tmem_stripe_moved(stripe, sequence));
	return slot;
}

/* ---- making ---- */

/* Records of the index that were just made; the bill has them already. */
void tmem_index_grown(struct pool *pool, uint64_t bytes)
{
	tmem_add(&pool->index_bytes, bytes);
}

void tmem_index_shrunk(struct pool *pool, uint64_t bytes)
{
	tmem_sub(&pool->index_bytes, bytes);
	if (pool->flags & TMEM_POOL_PERSISTENT)
		tmem_sub(&pool->client->billed, bytes);
}

static uint32_t new_object_locked(struct tmem_worker *worker, struct pool *pool,
				  const struct key *key, uint32_t *bucket)
{
	uint32_t number = tmem_spare_locked(worker, kind_of(pool)), i;
	struct object *object = tmem_object_at(pool->objects, number);

	for (i = 0; i < 3; i++)
		tmem_store(&object->id.word[i], key->id.word[i]);
	tmem_store(&object->root, 0u);
	tmem_store(&object->group, 0u);
	tmem_store(&object->pool, key->pool);
	tmem_store(&object->state, (uint32_t)OBJECT_ALIVE);
	tmem_store(&object->slot[0], (uint64_t)0);
	tmem_store(&object->slot[1], (uint64_t)0);
	tmem_tree_insert(pool->objects, bucket, number, &worker->touched);
	tmem_add(&pool->object_count, 1u);
	tmem_index_grown(pool, TMEM_OBJECT_BYTES);
	return number;
}

/* A node without entries, from the worker's spares. The stripe is locked. */
uint32_t tmem_node_make_locked(struct tmem_worker *worker, struct pool *pool)
{
	uint32_t number = tmem_spare_locked(worker, SLAB_NODE), i;
	struct node *node = tmem_slab_at(&worker->engine->slab[SLAB_NODE], number);

	for (i = 0; i < 64; i++)
		tmem_store(&node->entry[i], 0u);
	worker->touched++;
	tmem_index_grown(pool, sizeof(struct node));
	return number;
}

/* A leaf that has a slot for @index; takes over what the narrow one @name holds. */
static uint32_t widen_locked(struct tmem_worker *worker, struct pool *pool, uint32_t name,
			     uint32_t index)
{
	struct tmem_engine *engine = worker->engine;
	uint32_t wide = index % TMEM_GROUP_PAGES >= TMEM_LEAF_SMALL, number, i;
	struct leaf *leaf, *old;
	uint32_t size = (wide ? TMEM_GROUP_PAGES : TMEM_LEAF_SMALL) * (uint32_t)sizeof(uint64_t);

	if (name && (!wide || (name & GROUP_WIDE)))
		return name;
	number = tmem_spare_locked(worker, wide ? SLAB_LEAF : SLAB_LEAF_SMALL);
	leaf = tmem_slab_at(&engine->slab[wide ? SLAB_LEAF : SLAB_LEAF_SMALL], number);
	for (i = 0; i < size / sizeof(leaf->slot[0]); i++)
		tmem_store(&leaf->slot[i], (uint64_t)0);
	worker->touched++;
	tmem_index_grown(pool, size);
	if (name) {
		old = tmem_slab_at(&engine->slab[SLAB_LEAF_SMALL], name & GROUP_LEAF);
		for (i = 0; i < TMEM_LEAF_SMALL; i++)
			tmem_store(&leaf->slot[i], old->slot[i]);
		tmem_sub(&pool->index_bytes, TMEM_LEAF_SMALL * sizeof(uint64_t));
		tmem_discard_locked(worker, SLAB_LEAF_SMALL, name & GROUP_LEAF);
	}
	return number | (wide ? GROUP_WIDE : 0);
}

/* The entry for @group, which is not 0, with all nodes above it. */
static uint32_t *make_path_locked(struct tmem_worker *worker, struct pool *pool,
				  struct object *object, uint32_t group)
{
	struct tmem_engine *engine = worker->engine;
	uint32_t height = object->root >> ROOT_HEIGHT, number = object->root & ROOT_NODE, above;
	struct node *node;
	uint32_t *entry = NULL;

	while (!height || group >> (6 * height)) {
		above = height && number ? number : 0;
		if (above) {
			number = tmem_node_make_locked(worker, pool);
			node = tmem_slab_at(&engine->slab[SLAB_NODE], number);
			tmem_store(&node->entry[0], above);
		}
		height++;
	}
	if (!number)
		number = tmem_node_make_locked(worker, pool);
	tmem_store(&object->root, height << ROOT_HEIGHT | number);
	while (height--) {
		node = tmem_slab_at(&engine->slab[SLAB_NODE], number);
		worker->touched++;
		entry = &node->entry[(group >> (6 * height)) % 64];
		number = *entry;
		if (!number && height) {
			number = tmem_node_make_locked(worker, pool);
			tmem_store(entry, number);
		}
	}
	return entry;
}

/* Bytes of records that a slot for @index takes; @object NULL: it is not there either. */
static uint32_t growth_locked(const struct tmem_engine *engine, const struct object *object,
			      uint32_t index)
{
	uint32_t group = index / TMEM_GROUP_PAGES, name = 0, nodes = 0, height, number;
	uint32_t wide = index % TMEM_GROUP_PAGES >= TMEM_LEAF_SMALL, bytes;
	const struct node *node;

	if (!group && index < 2)
		return object ? 0 : (uint32_t)TMEM_OBJECT_BYTES;
	if (!group) {
		name = object ? object->group & ~GROUP_PRESENT : 0;
	} else {
		height = object ? object->root >> ROOT_HEIGHT : 0;
		number = object ? object->root & ROOT_NODE : 0;
		for (; !height || group >> (6 * height); height++)
			nodes += number != 0;
		/* Where the root is new, what is below its first entry is of no use to others. */
		number = nodes ? 0 : number;
		for (; height && number; height--) {
			node = tmem_slab_at(&engine->slab[SLAB_NODE], number);
			number = node->entry[(group >> (6 * (height - 1))) % 64];
		}
		name = height ? 0 : number;
		nodes += nodes ? height - 1 : height;
	}
	bytes = nodes * (uint32_t)sizeof(*node) + (object ? 0 : (uint32_t)TMEM_OBJECT_BYTES);
	if (!name || (wide && !(name & GROUP_WIDE)))
		bytes += (wide ? TMEM_GROUP_PAGES : TMEM_LEAF_SMALL) * (uint32_t)sizeof(uint64_t);
	if (name && wide && !(name & GROUP_WIDE))
		bytes -= TMEM_LEAF_SMALL * (uint32_t)sizeof(uint64_t);
	return bytes;
}

/*
 * The handle's slot, made from the worker's spares, and its object. In a
 * persistent pool the slot's records and @bytes for its block go on the bill.
 * NULL with *@err set: -TMEM_ENODEV, the pool is being destroyed;
 * -TMEM_ENOSPC, over the allocation; -TMEM_ENOMEM, the spares do not suffice.
 * The shard is locked.
 */
tmem_word *tmem_slot_make(struct tmem_worker *worker, struct pool *pool, const struct key *key,
			  uint64_t bytes, uint32_t *number, int *err)
{
	struct tmem_engine *engine = worker->engine;
	struct stripe *stripe = &engine->stripe[key->hash % TMEM_STRIPES];
	uint32_t group = key->index / TMEM_GROUP_PAGES, *bucket, *entry, name;
	struct object *object = NULL;
	tmem_word *slot = NULL;

	*err = -TMEM_ENODEV;
	tmem_lock(&stripe->lock);
	if (tmem_load(&pool->serial) != key->pool || tmem_load(&pool->state) != POOL_ALIVE)
		goto out;
	*err = -TMEM_ENOMEM;
	if (tmem_unlikely(!tmem_spares_suffice(worker, pool)))
		goto out;
	bucket = tmem_directory_bucket(pool, key->hash);
	*number = tmem_tree_find(pool->objects, *bucket, &key->id, &worker->touched);
	if (*number)
		object = tmem_object_at(pool->objects, *number);
	if (pool->flags & TMEM_POOL_PERSISTENT)
		*err = tmem_bill(pool->client, bytes + growth_locked(engine, object, key->index),
				 0);
	else
		*err = 0;
	if (*err)
		goto out;
	tmem_stripe_open_locked(stripe);
	if (!object) {
		*number = new_object_locked(worker, pool, key, bucket);
		object = tmem_object_at(pool->objects, *number);
	}
	if (group == 0 && key->index < 2) {
		tmem_store(&object->group, object->group | GROUP_PRESENT);
	} else if (group == 0) {
		name = widen_locked(worker, pool, object->group & ~GROUP_PRESENT, key->index);
		tmem_store(&object->group, name | GROUP_PRESENT);
	} else {
		entry = make_path_locked(worker, pool, object, group);
		tmem_store(entry, widen_locked(worker, pool, *entry, key->index));
	}
	slot = walk(engine, object, key->index, &worker->touched);
	tmem_stripe_close_locked(stripe);
out:
	tmem_unlock(&stripe->lock);
	return slot;
}

/* ---- taking away ---- */

static void discard_leaf_locked(struct tmem_worker *worker, struct pool *pool, uint32_t name)
{
	uint32_t wide = name & GROUP_WIDE;
	uint32_t slots = wide ? TMEM_GROUP_PAGES : TMEM_LEAF_SMALL;

	tmem_index_shrunk(pool, slots * sizeof(uint64_t));
	tmem_discard_locked(worker, wide ? SLAB_LEAF : SLAB_LEAF_SMALL, name & GROUP_LEAF);
}

static int is_empty_node(const struct node *node)
{
	uint32_t i, any = 0;

	for (i = 0; i < 64; i++)
		any |= node->entry[i];
	return !any;
}

/* Clears the entry of @group and every node that is empty then. */
static void remove_entry_locked(struct tmem_worker *worker, struct pool *pool,
				struct object *object, uint32_t group)
{
	struct slab *nodes = &worker->engine->slab[SLAB_NODE];
	uint32_t height = object->root >> ROOT_HEIGHT, level;
	uint32_t number[TMEM_TREE_LEVELS];
	struct node *node;

	number[height - 1] = object->root & ROOT_NODE;
	for (level = height - 1; level; level--) {
		node = tmem_slab_at(nodes, number[level]);
		number[level - 1] = node->entry[(group >> (6 * level)) % 64];
	}
	for (level = 0; level < height; level++) {
		node = tmem_slab_at(nodes, number[level]);
		worker->touched++;
		tmem_store(&node->entry[(group >> (6 * level)) % 64], 0u);
		if (!is_empty_node(node))
			return;
		tmem_index_shrunk(pool, sizeof(struct node));
		tmem_discard_locked(worker, SLAB_NODE, number[level]);
	}
	tmem_store(&object->root, 0u);
}

/*
 * Takes an empty group out of object @number, and a living object out of the
 * directory with its last group. The shard is locked.
 */
void tmem_group_remove(struct tmem_worker *worker, struct pool *pool, const struct key *key,
		       uint32_t number)
{
	struct tmem_engine *engine = worker->engine;
	struct stripe *stripe = &engine->stripe[key->hash % TMEM_STRIPES];
	struct object *object = tmem_object_at(pool->objects, number);
	uint32_t group = key->index / TMEM_GROUP_PAGES, *entry;

	tmem_lock(&stripe->lock);
	/* A range's flush moves groups to a twin under the stripe alone; the sweep frees them there. */
	entry = group && tmem_load(&object->state) != OBJECT_FREE &&
				tmem_load(&object->pool) == key->pool &&
				tmem_object_is(object, &key->id)
			? entry_of(engine, object, group, &worker->touched)
			: NULL;
	if (group && !entry) {
		tmem_unlock(&stripe->lock);
		return;
	}
	tmem_stripe_open_locked(stripe);
	if (group == 0) {
		if (object->group & ~GROUP_PRESENT)
			discard_leaf_locked(worker, pool, object->group & ~GROUP_PRESENT);
		tmem_store(&object->group, 0u);
	} else {
		discard_leaf_locked(worker, pool, *entry);
		remove_entry_locked(worker, pool, object, group);
	}
	if (!object->root && !object->group && object->state == OBJECT_ALIVE) {
		tmem_tree_remove(pool->objects, tmem_directory_bucket(pool, key->hash), number,
				 &worker->touched);
		tmem_object_bury(worker, pool, number);
		tmem_sub(&pool->object_count, 1u);
	}
	tmem_stripe_close_locked(stripe);
	tmem_unlock(&stripe->lock);
}

static int line_is_empty(const uint64_t *line)
{
	return !(line[0] | line[1] | line[2] | line[3] | line[4] | line[5] | line[6] | line[7]);
}

/*
 * A slot was just cleared: if that was the group's last page, the group goes.
 * The lines of a leaf are looked at only as far as they are empty. Locked.
 */
void tmem_slot_cleared(struct tmem_worker *worker, struct pool *pool, const struct key *key,
		       uint32_t number, const tmem_word *slot)
{
	struct object *object = tmem_object_at(pool->objects, number);
	tmem_word *slots[2];
	uint32_t count, i;

	if (key->index >= 2 &&
	    !line_is_empty((const uint64_t *)((uintptr_t)slot & ~(uintptr_t)(TMEM_LINE - 1))))
		return;
	if (key->index < TMEM_GROUP_PAGES && (object->slot[0] | object->slot[1]))
		return;
	count = tmem_group_slots(worker, key, number, pool->objects, slots);
	for (i = 0; i < count; i += 8)
		if (!line_is_empty(slots[1] + i))
			return;
	tmem_group_remove(worker, pool, key, number);
}

/*
 * A group's slots: slots[0] two in the object, or NULL; slots[1] those of its
 * leaf, whose number is returned. The shard is locked.
 */
uint32_t tmem_group_slots(struct tmem_worker *worker, const struct key *key, uint32_t number,
			  struct slab *objects, tmem_word **slots)
{
	struct key first = *key;
	uint32_t group = key->index / TMEM_GROUP_PAGES, count = TMEM_GROUP_PAGES;

	first.index = 0;
	slots[0] = group ? NULL
			 : tmem_slot_in(worker->engine, &first, number, objects, &worker->touched);
	/* The last slot is there only in a wide leaf, the third one in both. */
	first.index = group * TMEM_GROUP_PAGES + TMEM_GROUP_PAGES - 1;
	slots[1] = tmem_slot_in(worker->engine, &first, number, objects, &worker->touched);
	if (slots[1]) {
		slots[1] -= TMEM_GROUP_PAGES - 1;
		return count;
	}
	first.index = group * TMEM_GROUP_PAGES + 2;
	slots[1] = tmem_slot_in(worker->engine, &first, number, objects, &worker->touched);
	if (!slots[1])
		return 0;
	slots[1] -= 2;
	return TMEM_LEAF_SMALL;
}

/* The first group from @group on that is there, or TMEM_NO_GROUP. The stripe is locked. */
uint32_t tmem_group_next_locked(const struct tmem_engine *engine, const struct object *object,
				uint32_t group, uint32_t *touched)
{
	uint32_t height = object->root >> ROOT_HEIGHT, number, level, i;
	const struct node *node;

	if (!group && (object->group & GROUP_PRESENT))
		return 0;
	if (!group)
		group = 1;
	while (height && !(group >> (6 * height))) {
		number = object->root & ROOT_NODE;
		for (level = height; level; level--) {
			node = tmem_slab_at(&engine->slab[SLAB_NODE], number);
			(*touched)++;
			i = (group >> (6 * (level - 1))) % 64;
			if (!node->entry[i]) {
				while (i < 64 && !node->entry[i])
					i++;
				/* Go on at the start of what the next entry covers. */
				group = group >> (6 * level) << (6 * level);
				group += i << (6 * (level - 1));
			}
			if (i == 64)
				break;
			number = node->entry[i];
		}
		if (!level)
			return group;
	}
	return TMEM_NO_GROUP;
}
