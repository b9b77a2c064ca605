/* SPDX-License-Identifier: MIT */
/*
 * The page copies of one world, built once per world: every byte arrives, no
 * other is written, and the verdict is about what arrived.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sanitizer.h"
#include "tmem_port.h"

#define WORDS (TMEM_PAGE_SIZE / 8)
#define GUARD 64u

typedef int (*copy_fn)(void *dst, const void *src);

static int world(void *dst, const void *src)
{
	int same = tmem_copy_in(dst, src);

	tmem_copy_done();
	return same;
}

/* Negative controls: each is wrong in one way. */

static int blind_to_the_last_word(void *dst, const void *src)
{
	memcpy(dst, src, TMEM_PAGE_SIZE);
	return memcmp(dst, (char *)dst + 8, TMEM_PAGE_SIZE - 16) == 0;
}

static int blind_to_high_halves(void *dst, const void *src)
{
	uint32_t differs = 0, *word = dst;
	unsigned int i;

	memcpy(dst, src, TMEM_PAGE_SIZE);
	for (i = 0; i < WORDS; i++)
		differs |= word[2 * i] ^ word[0];
	return differs == 0;
}

static int finds_pairs_alike(void *dst, const void *src)
{
	memcpy(dst, src, TMEM_PAGE_SIZE);
	return memcmp(dst, (char *)dst + 16, TMEM_PAGE_SIZE - 16) == 0;
}

static int writes_too_far(void *dst, const void *src)
{
	int same = world(dst, src);

	((char *)dst)[TMEM_PAGE_SIZE] ^= 1;
	return same;
}

static int forgets_a_byte(void *dst, const void *src)
{
	char kept = ((char *)dst)[4000];
	int same = world(dst, src);

	((char *)dst)[4000] = kept;
	return same;
}

static unsigned char source[TMEM_PAGE_SIZE + 64] __attribute__((aligned(64)));
static unsigned char store[TMEM_PAGE_SIZE + 4 * GUARD] __attribute__((aligned(64)));
static unsigned char expected[TMEM_PAGE_SIZE];

/* Copies what is in expected from @from to @to: whether bytes, guards and verdict are right. */
static int copies_well(copy_fn copy, unsigned char *to, unsigned char *from, int same)
{
	unsigned int i;

	memset(store, 0xee, sizeof(store));
	memcpy(from, expected, TMEM_PAGE_SIZE);
	if ((copy(to, from) != 0) != same || memcmp(to, expected, TMEM_PAGE_SIZE) != 0)
		return 0;
	for (i = 0; i < sizeof(store); i++)
		if ((store + i < to || store + i >= to + TMEM_PAGE_SIZE) && store[i] != 0xee)
			return 0;
	return 1;
}

static void fill(uint64_t word)
{
	unsigned int i;

	for (i = 0; i < WORDS; i++)
		memcpy(expected + i * 8, &word, 8);
}

/* Every page that is the same but for one bit of one word, and some that are the same. */
static int judges_well(copy_fn copy, unsigned int src_offset, unsigned int dst_offset)
{
	static const uint64_t words[] = {0, UINT64_MAX, UINT64_C(0x0123456789abcdef), 1,
					 UINT64_C(1) << 63};
	unsigned char *from = source + src_offset, *to = store + GUARD + dst_offset;
	unsigned int i, w, bit;

	for (w = 0; w < sizeof(words) / sizeof(words[0]); w++) {
		fill(words[w]);
		if (!copies_well(copy, to, from, 1))
			return 0;
		for (i = 0; i < WORDS; i++) {
			bit = (i * 7 + w * 13) % 64;
			expected[i * 8 + bit / 8] ^= (unsigned char)(1 << bit % 8);
			if (!copies_well(copy, to, from, 0))
				return 0;
			expected[i * 8 + bit / 8] ^= (unsigned char)(1 << bit % 8);
		}
	}
	/* Two words in turn are not one word. */
	for (i = 1; i < WORDS; i += 2)
		expected[i * 8] ^= 1;
	if (!copies_well(copy, to, from, 0))
		return 0;
	for (i = 0; i < TMEM_PAGE_SIZE; i++)
		expected[i] = (unsigned char)(i * 31 + i / 256);
	return copies_well(copy, to, from, 0);
}

static void copy_in_judges_every_word_at_any_alignment(void **state)
{
	static const unsigned int offsets[] = {0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 63};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
		assert_true(judges_well(world, offsets[i], i % 4 * 16));
}

static void broken_copies_are_noticed(void **state)
{
	(void)state;
	assert_false(judges_well(blind_to_the_last_word, 0, 0));
	assert_false(judges_well(blind_to_high_halves, 0, 0));
	assert_false(judges_well(finds_pairs_alike, 0, 0));
	assert_false(judges_well(writes_too_far, 0, 0));
	assert_false(judges_well(forgets_a_byte, 0, 0));
}

static void copy_out_copies_one_page(void **state)
{
	unsigned int offset, i;

	(void)state;
	for (i = 0; i < TMEM_PAGE_SIZE; i++)
		expected[i] = (unsigned char)(i * 17 + i / 256);
	for (offset = 0; offset < 64; offset += 7) {
		memset(store, 0xee, sizeof(store));
		memcpy(source, expected, TMEM_PAGE_SIZE);
		tmem_copy_out(store + offset, source);
		assert_memory_equal(store + offset, expected, TMEM_PAGE_SIZE);
		assert_int_equal(store[offset + TMEM_PAGE_SIZE], 0xee);
		assert_true(offset == 0 || store[offset - 1] == 0xee);
	}
}

#if !UNDER_TSAN

static volatile int stop;

/* The owner that rewrites its page during the put: all of one word, then of another. */
static void *rewrite(void *page)
{
	volatile uint64_t *word = page;
	unsigned int i;
	uint64_t value = 0;

	while (!stop) {
		value = value ? 0 : UINT64_MAX;
		for (i = 0; i < WORDS; i++)
			word[i] = value;
	}
	return NULL;
}

static int is_same(const unsigned char *page)
{
	return memcmp(page, page + 8, TMEM_PAGE_SIZE - 8) == 0;
}

/* What the source is now says nothing: wrong verdicts, sooner or later. */
static int judges_the_source(void *dst, const void *src)
{
	memcpy(dst, src, TMEM_PAGE_SIZE);
	__asm__ volatile("" : : : "memory");
	return is_same(src);
}

/* Copies during which the verdict was about something else than what arrived. */
static unsigned int wrong_verdicts(copy_fn copy, unsigned int rounds)
{
	unsigned int wrong = 0;
	pthread_t thread;

	stop = 0;
	assert_int_equal(pthread_create(&thread, NULL, rewrite, source), 0);
	while (rounds-- > 0)
		wrong += (copy(store, source) != 0) != is_same(store);
	stop = 1;
	pthread_join(thread, NULL);
	return wrong;
}

static void verdict_is_about_what_arrived(void **state)
{
	unsigned int tries;

	(void)state;
	assert_int_equal(wrong_verdicts(world, 300000), 0);
	/* The control needs both threads to run at once: more tries on a busy machine. */
	for (tries = 0; tries < 50; tries++)
		if (wrong_verdicts(judges_the_source, 100000) > 0)
			return;
	fail_msg("a copy that judges the source was not noticed");
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_in_judges_every_word_at_any_alignment),
		cmocka_unit_test(broken_copies_are_noticed),
		cmocka_unit_test(copy_out_copies_one_page),
#if !UNDER_TSAN
		cmocka_unit_test(verdict_is_about_what_arrived),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
