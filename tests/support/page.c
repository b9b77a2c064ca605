/* SPDX-License-Identifier: MIT */
/* Page contents from a tag: see page.h. */
#include <string.h>

#include "page.h"

#define WORDS (TMEM_PAGE_SIZE / 8)

uint64_t page_tag(enum page_kind kind, uint64_t number)
{
	uint64_t state = number;
	uint64_t mixed = rng_next(&state);

	if (kind == PAGE_ANY)
		kind = (enum page_kind)(mixed % PAGE_KINDS);
	/* An odd factor keeps numbers apart modulo 2^61; three bits are left for the kind. */
	return ((number * 0x9e3779b97f4a7c15u) << 3) | (uint64_t)kind;
}

enum page_kind page_kind_of(uint64_t tag)
{
	return (enum page_kind)((tag & 7) % PAGE_KINDS);
}

uint64_t page_number_of(uint64_t tag)
{
	const uint64_t factor = 0x9e3779b97f4a7c15u;
	uint64_t inverse = factor;
	int i;

	/* Newton's iteration doubles the right bits, of which an odd number has three of itself. */
	for (i = 0; i < 5; i++)
		inverse *= 2 - factor * inverse;
	return ((tag >> 3) * inverse) & ((1ull << 61) - 1);
}

static void fill_text(uint64_t *word, uint64_t tag)
{
	uint64_t state = tag;
	uint64_t some[8];
	uint64_t dense = rng_below(&state, 16);
	unsigned int i;

	for (i = 0; i < 8; i++)
		some[i] = rng_next(&state);
	for (i = 1; i < WORDS; i++) {
		uint64_t r = rng_next(&state);

		word[i] = (r >> 8) % 16 < dense ? r : some[r % 8];
	}
}

void page_fill(void *page, uint64_t tag)
{
	uint64_t word[WORDS];
	uint64_t state = tag;
	unsigned int i;

	switch (page_kind_of(tag)) {
	case PAGE_ZERO:
		memset(word, 0, sizeof(word));
		break;
	case PAGE_SAME:
	case PAGE_NEARLY:
		for (i = 0; i < WORDS; i++)
			word[i] = tag;
		if (page_kind_of(tag) == PAGE_NEARLY)
			word[1 + rng_below(&state, WORDS - 1)] ^= 1ull << (tag >> 58);
		break;
	case PAGE_TEXT:
		fill_text(word, tag);
		word[0] = tag;
		break;
	default:
		for (i = 0; i < WORDS; i++)
			word[i] = rng_next(&state);
		word[0] = tag;
		break;
	}
	memcpy(page, word, sizeof(word));
}

bool page_holds(const void *page, uint64_t tag)
{
	uint64_t word[WORDS];

	page_fill(word, tag);
	return memcmp(page, word, sizeof(word)) == 0;
}
