/* SPDX-License-Identifier: MIT */
/*
 * The trees of objects against a sorted array: order, colours, and that no
 * way down is longer than a red-black tree allows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "must.h"
#include "page.h"

#define OBJECTS 2000u
#define SHEETS	(OBJECTS * sizeof(struct object) / TMEM_SHEET + 1)

static struct object *object;
static unsigned char *chunk, *sheet[SHEETS];
static struct slab slab;
static uint32_t root;
static uint8_t there[OBJECTS]; /* by number */
static uint32_t present;

static int compare(const struct tmem_object_id *a, const struct tmem_object_id *b)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		if (a->word[i] != b->word[i])
			return a->word[i] < b->word[i] ? -1 : 1;
	return 0;
}

static uint32_t left_of(uint32_t number)
{
	return object[number].left & ~TREE_RED;
}

/* The blacks on every way down from here; counts what it visits, in order. */
static uint32_t walk(uint32_t number, const struct tmem_object_id **last, uint32_t *count)
{
	uint32_t a, b;
	int red;

	if (!number)
		return 1;
	red = !!(object[number].left & TREE_RED);
	if (red && ((left_of(number) && object[left_of(number)].left & TREE_RED) ||
		    (object[number].right && object[object[number].right].left & TREE_RED)))
		FAIL("red below red at %u", number);
	a = walk(left_of(number), last, count);
	MUST(there[number]);
	if (*last && compare(*last, &object[number].id) >= 0)
		FAIL("out of order at %u", number);
	*last = &object[number].id;
	++*count;
	b = walk(object[number].right, last, count);
	if (a != b)
		FAIL("%u blacks to the left of %u, %u to the right", a, number, b);
	return a + !red;
}

static void check_tree(void)
{
	const struct tmem_object_id *last = NULL;
	uint32_t count = 0;

	MUST(!root || !(object[root].left & TREE_RED));
	walk(root, &last, &count);
	MUST_EQ(count, present);
}

/* Twice the logarithm: what a red-black tree of this many is allowed. */
static uint32_t allowed(void)
{
	return 2 * tmem_log2(present + 1) + 2;
}

static void check_finds(uint32_t number, const struct tmem_object_id *id)
{
	uint32_t touched = 0, i, above = 0;

	MUST_EQ(tmem_tree_find(&slab, root, id, &touched), there[number] ? number : 0);
	MUST_LE(touched, allowed());
	for (i = 1; i < OBJECTS; i++)
		if (there[i] && compare(&object[i].id, id) > 0 &&
		    (!above || compare(&object[i].id, &object[above].id) < 0))
			above = i;
	touched = 0;
	MUST_EQ(tmem_tree_above(&slab, root, id, &touched), above);
	MUST_LE(touched, allowed());
}

static void change(uint32_t number)
{
	uint32_t touched = 0;

	if (there[number]) {
		tmem_tree_remove(&slab, &root, number, &touched);
		there[number] = 0;
		present--;
	} else {
		tmem_tree_insert(&slab, &root, number, &touched);
		there[number] = 1;
		present++;
	}
	MUST_LE(touched, 2 * allowed());
}

/* Ids that differ in the last word, the first, or anywhere. */
static void name_all(unsigned int how, uint64_t *state)
{
	uint32_t i;

	for (i = 1; i < OBJECTS; i++) {
		object[i].id = (struct tmem_object_id){{0, 0, 0}};
		if (how < 3)
			object[i].id.word[how] = i * (how ? 0x1000000000000u : 1u) + 5;
		else
			object[i].id = (struct tmem_object_id){
				{rng_next(state) & 3, rng_next(state) & 7, rng_next(state)}};
	}
}

int main(void)
{
	uint64_t state = 42;
	uint32_t i, how;

	chunk = calloc(SHEETS, TMEM_SHEET);
	MUST(chunk != NULL);
	object = (struct object *)(void *)chunk;
	for (i = 0; i < SHEETS; i++)
		sheet[i] = chunk + (size_t)i * TMEM_SHEET;
	slab.sheets = sheet;
	slab.sheet_shift = tmem_log2(TMEM_SHEET / sizeof(struct object));
	slab.record_size = sizeof(struct object);
	slab.issued = OBJECTS;
	for (how = 0; how < 4; how++) {
		name_all(how, &state);
		/* Upwards, then downwards: the shapes that an unbalanced tree dies of. */
		for (i = 1; i < OBJECTS; i++) {
			change(i);
			if (i % 64 == 0)
				check_tree();
		}
		check_tree();
		for (i = OBJECTS - 1; i; i--) {
			change(i);
			if (i % 64 == 0)
				check_tree();
		}
		MUST_EQ(root, 0);
		for (i = 0; i < 20000; i++) {
			/* Small trees first: there every shape is met. */
			uint32_t number =
				1 + (uint32_t)rng_below(&state, i < 10000 ? 12 : OBJECTS - 1);

			change(number);
			if (i < 10000 || i % 200 == 0)
				check_tree();
			if (i % 50 == 0)
				check_finds(number, &object[number].id);
		}
		for (i = 1; i < OBJECTS; i++)
			if (there[i])
				change(i);
		MUST_EQ(root, 0);
	}
	free(chunk);
	printf("tree: 4 passed, 0 failed\n");
	return 0;
}
