/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Red-black trees of objects, one tree per bucket, ordered by object id;
 * links are numbers, and there is none to the parent: insertion and removal
 * remember their way down (Bayer 1972; Guibas, Sedgewick 1978).
 *
 * The stripe's lock guards a tree. Readers without it may see it half turned:
 * they are bounded by steps and judged by the stripe's sequence.
 */
#include "internal.h"

#define DEPTH 80u /* no tree of 2^32 objects is higher than 64 */

static int order_of(const struct tmem_object_id *a, const struct object *object)
{
	uint64_t word = tmem_load(&object->id.word[0]);
	uint32_t i;

	for (i = 0; i < 2 && a->word[i] == word; i++)
		word = tmem_load(&object->id.word[i + 1]);
	return a->word[i] < word ? -1 : a->word[i] > word;
}

/* Side 0 is left; the colour of an object is in its own left link. */
static uint32_t link_of(const struct object *object, int side)
{
	return side ? tmem_load(&object->right) : tmem_load(&object->left) & ~TREE_RED;
}

static void set_link(struct object *object, int side, uint32_t number)
{
	if (side)
		tmem_store(&object->right, number);
	else
		tmem_store(&object->left, (object->left & TREE_RED) | number);
}

static int is_red(const struct slab *objects, uint32_t number)
{
	return number && (tmem_object_at(objects, number)->left & TREE_RED);
}

static void set_red(struct object *object, int red)
{
	tmem_store(&object->left, (object->left & ~TREE_RED) | (red ? TREE_RED : 0));
}

/*
 * One step down from object @number, which exists; 0: it is @id's, or there is
 * none. For prefetching: without the lock it may be any number.
 */
uint32_t tmem_tree_towards(const struct slab *objects, uint32_t number,
			   const struct tmem_object_id *id)
{
	const struct object *object = tmem_object_at(objects, number);

	return tmem_object_is(object, id) ? 0 : link_of(object, order_of(id, object) > 0);
}

/* As tmem_tree_find(), below object @number, which exists. */
uint32_t tmem_tree_below(const struct slab *objects, uint32_t number,
			 const struct tmem_object_id *id, uint32_t *touched)
{
	uint32_t issued = tmem_load(&objects->issued), steps = 0, left, right;
	const struct object *object = tmem_object_at(objects, number);

	do {
		/* Which way is anybody's guess: both are read, so that there is no branch. */
		left = link_of(object, 0);
		right = link_of(object, 1);
		number = order_of(id, object) < 0 ? left : right;
		/* Numbers from 1 to issued - 1 exist. */
		if (number - 1 >= issued - 1)
			number = 0;
		object = tmem_object_at(objects, number);
		steps++;
	} while (number && steps < DEPTH && !tmem_object_is(object, id));
	*touched += steps;
	return steps < DEPTH ? number : 0;
}

/* The object with the smallest id above @id (@id NULL: of all), or 0. Locked. */
uint32_t tmem_tree_above(const struct slab *objects, uint32_t root, const struct tmem_object_id *id,
			 uint32_t *touched)
{
	const struct object *object;
	uint32_t number = root, best = 0;

	while (number) {
		object = tmem_object_at(objects, number);
		(*touched)++;
		if (!id || order_of(id, object) < 0) {
			best = number;
			number = link_of(object, 0);
		} else {
			number = link_of(object, 1);
		}
	}
	return best;
}

/* Turns the subtree at @number towards @side; its new top. Colours stay. */
static uint32_t turn(const struct slab *objects, uint32_t number, int side)
{
	struct object *object = tmem_object_at(objects, number), *child;
	uint32_t top = link_of(object, !side);

	child = tmem_object_at(objects, top);
	set_link(object, !side, link_of(child, side));
	set_link(child, side, number);
	return top;
}

/* The way from the root to a place in the tree: objects, and the side taken at each. */
struct path {
	uint32_t depth;
	uint32_t number[DEPTH];
	uint8_t side[DEPTH];
};

static void step(struct path *path, uint32_t number, int side)
{
	TMEM_ASSERT(path->depth < DEPTH - 1);
	path->number[path->depth] = number;
	path->side[path->depth++] = (uint8_t)side;
}

/* Hangs @number where the first @depth steps of the path lead to. */
static void hang(const struct slab *objects, uint32_t *root, const struct path *path,
		 uint32_t depth, uint32_t number)
{
	if (depth)
		set_link(tmem_object_at(objects, path->number[depth - 1]), path->side[depth - 1],
			 number);
	else
		tmem_store(root, number);
}

/* Object @number is in no tree, and its id is not in the one at *@root. Locked. */
void tmem_tree_insert(const struct slab *objects, uint32_t *root, uint32_t number,
		      uint32_t *touched)
{
	struct object *fresh = tmem_object_at(objects, number), *object;
	struct path path;
	uint32_t here = *root, parent, grand, uncle, d;
	int side;

	path.depth = 0;
	while (here) {
		object = tmem_object_at(objects, here);
		(*touched)++;
		side = order_of(&fresh->id, object) > 0;
		step(&path, here, side);
		here = link_of(object, side);
	}
	tmem_store(&fresh->left, (uint32_t)TREE_RED);
	tmem_store(&fresh->right, 0u);
	hang(objects, root, &path, path.depth, number);
	/* A red root is made black at the end, so a red parent has a parent. */
	for (d = path.depth; d && is_red(objects, path.number[d - 1]); d -= 2) {
		parent = path.number[d - 1];
		grand = path.number[d - 2];
		side = path.side[d - 2];
		uncle = link_of(tmem_object_at(objects, grand), !side);
		if (!is_red(objects, uncle)) {
			if (path.side[d - 1] != side)
				set_link(tmem_object_at(objects, grand), side,
					 turn(objects, parent, side));
			hang(objects, root, &path, d - 2, turn(objects, grand, !side));
			set_red(tmem_object_at(objects, grand), 1);
			parent = d > 2 ? link_of(tmem_object_at(objects, path.number[d - 3]),
						 path.side[d - 3])
				       : *root;
			set_red(tmem_object_at(objects, parent), 0);
			break;
		}
		set_red(tmem_object_at(objects, parent), 0);
		set_red(tmem_object_at(objects, uncle), 0);
		set_red(tmem_object_at(objects, grand), 1);
	}
	set_red(tmem_object_at(objects, *root), 0);
}

/* One black is missing below the end of the path: borrow, or pass it up. */
static void rebalance(const struct slab *objects, uint32_t *root, struct path *path)
{
	uint32_t parent, sibling, top;
	struct object *near_, *far_, *object;
	int side;

	while (path->depth) {
		parent = path->number[path->depth - 1];
		side = path->side[path->depth - 1];
		sibling = link_of(tmem_object_at(objects, parent), !side);
		if (is_red(objects, sibling)) {
			hang(objects, root, path, path->depth - 1, turn(objects, parent, side));
			set_red(tmem_object_at(objects, sibling), 0);
			set_red(tmem_object_at(objects, parent), 1);
			path->number[path->depth - 1] = sibling;
			step(path, parent, side);
			sibling = link_of(tmem_object_at(objects, parent), !side);
		}
		object = tmem_object_at(objects, sibling);
		if (!is_red(objects, link_of(object, 0)) && !is_red(objects, link_of(object, 1))) {
			set_red(object, 1);
			if (is_red(objects, parent)) {
				set_red(tmem_object_at(objects, parent), 0);
				return;
			}
			path->depth--;
			continue;
		}
		if (!is_red(objects, link_of(object, !side))) {
			near_ = tmem_object_at(objects, link_of(object, side));
			set_red(near_, 0);
			set_red(object, 1);
			set_link(tmem_object_at(objects, parent), !side,
				 turn(objects, sibling, !side));
		}
		top = turn(objects, parent, side);
		hang(objects, root, path, path->depth - 1, top);
		far_ = tmem_object_at(objects, link_of(tmem_object_at(objects, top), !side));
		set_red(tmem_object_at(objects, top), is_red(objects, parent));
		set_red(tmem_object_at(objects, parent), 0);
		set_red(far_, 0);
		return;
	}
}

/* Object @number is in the tree at *@root. Its own links are left as they are. Locked. */
void tmem_tree_remove(const struct slab *objects, uint32_t *root, uint32_t number,
		      uint32_t *touched)
{
	struct object *gone = tmem_object_at(objects, number), *object;
	struct path path;
	uint32_t here = *root, child, at;
	int side, red;

	path.depth = 0;
	while (here != number) {
		object = tmem_object_at(objects, here);
		(*touched)++;
		side = order_of(&gone->id, object) > 0;
		step(&path, here, side);
		here = link_of(object, side);
	}
	red = is_red(objects, number);
	if (link_of(gone, 0) && link_of(gone, 1)) {
		/* The next object in order takes its place, links and colour. */
		at = path.depth;
		step(&path, number, 1);
		here = link_of(gone, 1);
		while (link_of(tmem_object_at(objects, here), 0)) {
			(*touched)++;
			step(&path, here, 0);
			here = link_of(tmem_object_at(objects, here), 0);
		}
		object = tmem_object_at(objects, here);
		child = link_of(object, 1);
		path.number[at] = here;
		red = is_red(objects, here);
		tmem_store(&object->left, gone->left);
		if (path.depth > at + 1) {
			tmem_store(&object->right, gone->right);
			hang(objects, root, &path, path.depth, child);
		}
		hang(objects, root, &path, at, here);
	} else {
		child = link_of(gone, 0) ? link_of(gone, 0) : link_of(gone, 1);
		hang(objects, root, &path, path.depth, child);
	}
	if (red)
		return;
	if (is_red(objects, child))
		set_red(tmem_object_at(objects, child), 0);
	else
		rebalance(objects, root, &path);
}
