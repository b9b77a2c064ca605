/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Taking many pages out of sight at once: a whole object leaves the
 * directory, or part of its tree moves to a nameless twin. Both are dead from
 * then on; sweep.c frees what they hold, in bounded steps.
 */
#include "internal.h"

/* An object that nothing is filed under any more. Its stripe is locked, if it was alive. */
void tmem_object_bury(struct tmem_worker *worker, struct pool *pool, uint32_t number)
{
	struct object *object = tmem_object_at(pool->objects, number);
	int persistent = !!(pool->flags & TMEM_POOL_PERSISTENT);

	tmem_store(&object->state, (uint32_t)OBJECT_FREE);
	tmem_store(&object->pool, 0u);
	tmem_index_shrunk(pool, TMEM_OBJECT_BYTES);
	tmem_discard_locked(worker, persistent ? SLAB_OBJECT_P : SLAB_OBJECT_E, number);
}

/* The object of @key leaves the directory, dead. Its number, or 0: there is none. */
uint32_t tmem_object_detach(struct tmem_worker *worker, struct pool *pool, const struct key *key)
{
	struct stripe *stripe = &worker->engine->stripe[key->hash % TMEM_STRIPES];
	struct object *object;
	uint32_t *bucket, number = 0;

	tmem_lock(&stripe->lock);
	if (tmem_load(&pool->serial) != key->pool)
		goto out;
	bucket = tmem_directory_bucket(pool, key->hash);
	number = tmem_tree_find(pool->objects, *bucket, &key->id, &worker->touched);
	if (!number)
		goto out;
	object = tmem_object_at(pool->objects, number);
	tmem_stripe_open_locked(stripe);
	tmem_tree_remove(pool->objects, bucket, number, &worker->touched);
	tmem_store(&object->state, (uint32_t)OBJECT_DEAD);
	tmem_add(&pool->client->dying_count, 1u);
	tmem_sub(&pool->object_count, 1u);
	tmem_stripe_close_locked(stripe);
out:
	tmem_unlock(&stripe->lock);
	return number;
}

/* A twin's records are billed whatever the limit: a flush does not fail, and they go soon. */
static void bill_twin(struct pool *pool, uint64_t bytes)
{
	if (pool->flags & TMEM_POOL_PERSISTENT)
		tmem_add(&pool->client->billed, bytes);
}

static uint32_t twin_node_locked(struct tmem_worker *worker, struct pool *pool)
{
	bill_twin(pool, sizeof(struct node));
	return tmem_node_make_locked(worker, pool);
}

/* One pair of nodes at one level, and the groups that move between them. */
struct cut {
	uint32_t from;
	uint32_t to;
	uint32_t first;
	uint32_t last;
};

/*
 * Moves the entries of cut->from that lie wholly in the range; those at its
 * ends that lie partly in it become cuts of the level below. Their number.
 */
static uint32_t move_locked(struct tmem_worker *worker, struct pool *pool, const struct cut *cut,
			    uint32_t level, struct cut *below)
{
	struct slab *nodes = &worker->engine->slab[SLAB_NODE];
	struct node *from = tmem_slab_at(nodes, cut->from), *to = tmem_slab_at(nodes, cut->to);
	uint32_t span = 1u << (6 * level), i, start, end, count = 0, copy;

	for (i = cut->first / span % 64; i <= cut->last / span % 64; i++) {
		if (!from->entry[i])
			continue;
		start = cut->first / (span * 64) * (span * 64) + i * span;
		end = start + span - 1;
		if (cut->first <= start && end <= cut->last) {
			tmem_store(&to->entry[i], from->entry[i]);
			tmem_store(&from->entry[i], 0u);
			continue;
		}
		copy = twin_node_locked(worker, pool);
		tmem_store(&to->entry[i], copy);
		below[count].from = from->entry[i];
		below[count].to = copy;
		below[count].first = cut->first > start ? cut->first : start;
		below[count++].last = cut->last < end ? cut->last : end;
	}
	worker->touched += 2;
	return count;
}

/* Takes nodes without entries out of the tree at *@root, along the way to @group. */
static void prune_locked(struct tmem_worker *worker, struct pool *pool, uint32_t *root,
			 uint32_t group)
{
	struct slab *nodes = &worker->engine->slab[SLAB_NODE];
	uint32_t height = *root >> ROOT_HEIGHT, level, number[TMEM_TREE_LEVELS], i, any;
	struct node *node;

	if (!height)
		return;
	number[height - 1] = *root & ROOT_NODE;
	for (level = height - 1; level; level--) {
		node = tmem_slab_at(nodes, number[level]);
		number[level - 1] = node->entry[(group >> (6 * level)) % 64];
		if (!number[level - 1])
			break;
	}
	for (; level < height; level++) {
		node = tmem_slab_at(nodes, number[level]);
		worker->touched++;
		for (i = 0, any = 0; i < 64; i++)
			any |= node->entry[i];
		if (any)
			return;
		tmem_index_shrunk(pool, sizeof(struct node));
		tmem_discard_locked(worker, SLAB_NODE, number[level]);
		if (level + 1 < height) {
			node = tmem_slab_at(nodes, number[level + 1]);
			tmem_store(&node->entry[(group >> (6 * (level + 1))) % 64], 0u);
		}
	}
	tmem_store(root, 0u);
}

/*
 * Groups @first to @last (from 1 on) of the object of @key move to a dead
 * twin with a tree of the same shape: at most two nodes are touched at each
 * level, however much hangs below. The twin's number; 0: nothing was there.
 * The worker has an object and TMEM_SPARE_NODES nodes to spare.
 */
uint32_t tmem_object_split(struct tmem_worker *worker, struct pool *pool, const struct key *key,
			   uint32_t first, uint32_t last)
{
	struct stripe *stripe = &worker->engine->stripe[key->hash % TMEM_STRIPES];
	int persistent = !!(pool->flags & TMEM_POOL_PERSISTENT);
	struct object *object, *twin;
	struct cut cut[2][2];
	uint32_t number, height, level, count = 1, more, i, now = 0, copy = 0, covered;

	tmem_lock(&stripe->lock);
	if (tmem_load(&pool->serial) != key->pool)
		goto out;
	number = tmem_tree_find(pool->objects, *tmem_directory_bucket(pool, key->hash), &key->id,
				&worker->touched);
	object = number ? tmem_object_at(pool->objects, number) : NULL;
	height = number ? object->root >> ROOT_HEIGHT : 0;
	if (!height || first >> (6 * height))
		goto out;
	covered = (1u << (6 * height)) - 1;
	last = tmem_min32(last, covered);
	tmem_stripe_open_locked(stripe);
	copy = tmem_spare_locked(worker, persistent ? SLAB_OBJECT_P : SLAB_OBJECT_E);
	twin = tmem_object_at(pool->objects, copy);
	for (i = 0; i < 3; i++)
		tmem_store(&twin->id.word[i], key->id.word[i]);
	tmem_store(&twin->slot[0], (uint64_t)0);
	tmem_store(&twin->slot[1], (uint64_t)0);
	tmem_store(&twin->group, 0u);
	tmem_store(&twin->pool, key->pool);
	tmem_store(&twin->state, (uint32_t)OBJECT_DEAD);
	bill_twin(pool, TMEM_OBJECT_BYTES);
	tmem_index_grown(pool, TMEM_OBJECT_BYTES);
	cut[0][0].from = object->root & ROOT_NODE;
	cut[0][0].to = twin_node_locked(worker, pool);
	cut[0][0].first = first;
	cut[0][0].last = last;
	tmem_store(&twin->root, height << ROOT_HEIGHT | cut[0][0].to);
	for (level = height; level-- && count; now = !now, count = more) {
		for (i = 0, more = 0; i < count; i++)
			more += move_locked(worker, pool, &cut[now][i], level, &cut[!now][more]);
	}
	prune_locked(worker, pool, &object->root, first);
	prune_locked(worker, pool, &object->root, last);
	prune_locked(worker, pool, &twin->root, first);
	prune_locked(worker, pool, &twin->root, last);
	if (!twin->root) {
		tmem_object_bury(worker, pool, copy);
		copy = 0;
	} else {
		tmem_add(&pool->client->dying_count, 1u);
	}
	if (!object->root && !object->group) {
		tmem_tree_remove(pool->objects, tmem_directory_bucket(pool, key->hash), number,
				 &worker->touched);
		tmem_object_bury(worker, pool, number);
		tmem_sub(&pool->object_count, 1u);
	}
	tmem_stripe_close_locked(stripe);
out:
	tmem_unlock(&stripe->lock);
	return copy;
}
