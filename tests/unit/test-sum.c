/* SPDX-License-Identifier: MIT */
/*
 * The sum that blocks end with where gets are verified: whatever changes in
 * one word of a block, in its length or in what it says that it is, another
 * sum comes out. tests/mutants/verify.list breaks it, and this must notice.
 */
#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "must.h"
#include "page.h"

#define WHOSE 0x0123456789abcdefull
#define WHAT  0xfedcba9876543210ull

static unsigned char data[TMEM_PAGE_SIZE + 8];

static uint64_t sum_of(uint32_t length)
{
	return tmem_sum(data, length, WHOSE, WHAT);
}

static void fill(enum page_kind kind, uint64_t number)
{
	page_fill(data, page_tag(kind, number));
}

/* Flips each bit of the first @length bytes. */
static void every_bit(uint32_t length)
{
	uint64_t sum = sum_of(length);
	uint32_t bit;

	for (bit = 0; bit < length * 8; bit++) {
		data[bit / 8] ^= 1u << bit % 8;
		if (sum_of(length) == sum)
			FAIL("of %u bytes, bit %u may change", length, bit);
		data[bit / 8] ^= 1u << bit % 8;
	}
	MUST(sum_of(length) == sum);
}

static void a_flipped_bit_is_noticed_in_every_kind_of_page(void)
{
	uint32_t kind;

	for (kind = 0; kind < PAGE_KINDS; kind++) {
		fill((enum page_kind)kind, kind);
		every_bit(TMEM_PAGE_SIZE);
	}
}

static void a_flipped_bit_is_noticed_in_data_of_every_length(void)
{
	uint32_t length;

	fill(PAGE_RANDOM, 1);
	for (length = 0; length <= 260; length++)
		every_bit(length);
	for (length = TMEM_PAGE_SIZE - 70; length < TMEM_PAGE_SIZE; length += 3)
		every_bit(length);
}

/* All that a word may become, by some: its bits at random, and each alone. */
static void what_changes_within_a_word_is_noticed(void)
{
	uint64_t state = 2, sum, word, other;
	uint32_t i, at;

	fill(PAGE_RANDOM, 2);
	sum = sum_of(TMEM_PAGE_SIZE);
	for (i = 0; i < 400000; i++) {
		at = (uint32_t)rng_below(&state, TMEM_PAGE_SIZE / 8) * 8;
		memcpy(&word, data + at, 8);
		do
			other = i % 2 ? rng_next(&state) & rng_next(&state) & rng_next(&state)
				      : rng_next(&state);
		while (other == word);
		memcpy(data + at, &other, 8);
		if (sum_of(TMEM_PAGE_SIZE) == sum)
			FAIL("the word at %u may become %" PRIx64, at, other);
		memcpy(data + at, &word, 8);
	}
}

/* Words that change places, a page that moves by a word, a word that is everywhere else. */
static void what_moves_is_noticed(void)
{
	unsigned char copy[TMEM_PAGE_SIZE], word[8];
	uint64_t sum;
	uint32_t i, j;

	fill(PAGE_RANDOM, 3);
	memcpy(copy, data, sizeof(copy));
	sum = sum_of(TMEM_PAGE_SIZE);
	for (i = 0; i < TMEM_PAGE_SIZE; i += 8)
		for (j = i + 8; j < TMEM_PAGE_SIZE; j += 56) {
			memcpy(word, data + i, 8);
			memcpy(data + i, data + j, 8);
			memcpy(data + j, word, 8);
			MUST(sum_of(TMEM_PAGE_SIZE) != sum);
			memcpy(data, copy, sizeof(copy));
		}
	for (i = 8; i < TMEM_PAGE_SIZE; i += 8) {
		memcpy(data, copy + i, TMEM_PAGE_SIZE - i);
		memcpy(data + TMEM_PAGE_SIZE - i, copy, i);
		MUST(sum_of(TMEM_PAGE_SIZE) != sum);
	}
}

/* A line of memory that reads as zeros, as ones, or as its neighbour. */
static void a_lost_line_is_noticed(void)
{
	unsigned char line[64];
	uint64_t sum;
	uint32_t at, how;

	fill(PAGE_RANDOM, 4);
	sum = sum_of(TMEM_PAGE_SIZE);
	for (at = 64; at < TMEM_PAGE_SIZE; at += 64)
		for (how = 0; how < 3; how++) {
			memcpy(line, data + at, 64);
			if (how < 2)
				memset(data + at, how ? 0xff : 0, 64);
			else
				memcpy(data + at, data + at - 64, 64);
			MUST(sum_of(TMEM_PAGE_SIZE) != sum);
			memcpy(data + at, line, 64);
		}
}

static void whose_and_what_are_part_of_it(void)
{
	static const uint32_t lengths[] = {0, 8, 100, TMEM_PAGE_SIZE};
	uint32_t i, bit;
	uint64_t sum;

	fill(PAGE_TEXT, 5);
	for (i = 0; i < 4; i++) {
		sum = sum_of(lengths[i]);
		for (bit = 0; bit < 64; bit++) {
			MUST(tmem_sum(data, lengths[i], WHOSE ^ 1ull << bit, WHAT) != sum);
			MUST(tmem_sum(data, lengths[i], WHOSE, WHAT ^ 1ull << bit) != sum);
		}
	}
}

/* It is the same wherever the data lies: a block may move by a unit, a codec's output by a byte. */
static void it_does_not_depend_on_the_place(void)
{
	unsigned char copy[TMEM_PAGE_SIZE + 8];
	uint32_t shift, length;

	fill(PAGE_RANDOM, 6);
	for (shift = 1; shift < 8; shift++)
		for (length = 0; length < TMEM_PAGE_SIZE; length += 97) {
			memcpy(copy + shift, data, length);
			MUST(tmem_sum(copy + shift, length, WHOSE, WHAT) == sum_of(length));
		}
}

int main(void)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} cases[] = {
		{"a flipped bit is noticed in every kind of page",
		 a_flipped_bit_is_noticed_in_every_kind_of_page},
		{"a flipped bit is noticed in data of every length",
		 a_flipped_bit_is_noticed_in_data_of_every_length},
		{"what changes within a word is noticed", what_changes_within_a_word_is_noticed},
		{"what moves is noticed", what_moves_is_noticed},
		{"a lost line is noticed", a_lost_line_is_noticed},
		{"whose and what are part of it", whose_and_what_are_part_of_it},
		{"it does not depend on the place", it_does_not_depend_on_the_place},
	};
	uint32_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(must_context, sizeof(must_context), "%s", cases[i].name);
		cases[i].run();
		printf("ok    %s\n", cases[i].name);
		fflush(stdout);
	}
	return 0;
}
