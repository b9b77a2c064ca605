/* SPDX-License-Identifier: MIT */
/*
 * Page contents as a function of one number, the tag. Whoever knows which
 * tag was put last knows every byte that a get has to return, so no test
 * keeps pages of its own. The low three bits say what kind of page it is;
 * the tag itself is the first word of every kind but PAGE_ZERO.
 */
#ifndef TESTS_PAGE_H
#define TESTS_PAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <tmem/types.h>

enum page_kind {
	PAGE_ZERO,   /* all zero bytes */
	PAGE_SAME,   /* one word, repeated */
	PAGE_TEXT,   /* compresses to between a tenth and nearly all of a page */
	PAGE_NEARLY, /* one word repeated, but for one word somewhere */
	PAGE_RANDOM, /* does not compress */
	PAGE_KINDS,
	PAGE_ANY = PAGE_KINDS /* a mix of them, by the number */
};

/* One step of a generator that visits every 64-bit state once (splitmix64). */
static inline uint64_t rng_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Below @limit, which is not 0; the bias of a modulus does not matter here. */
static inline uint64_t rng_below(uint64_t *state, uint64_t limit)
{
	return rng_next(state) % limit;
}

/* A tag of this kind; different numbers give different tags, whatever the kind. */
uint64_t page_tag(enum page_kind kind, uint64_t number);
enum page_kind page_kind_of(uint64_t tag);
/* The number that the tag was made of, modulo 2^61. */
uint64_t page_number_of(uint64_t tag);

/* @page: TMEM_PAGE_SIZE bytes, any alignment. */
void page_fill(void *page, uint64_t tag);
bool page_holds(const void *page, uint64_t tag);

#endif
