/* SPDX-License-Identifier: MIT */
/*
 * The dense codec: pages come back, with a dictionary and without; families
 * get dictionaries of their own and lose them; nothing that training does or
 * fails to do, and no string of bytes, harms a page.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dense.h"

#define ROOM	8192u
#define ENOUGH	5000u /* pages of a family for its first dictionary */
#define WORDS	512u
#define WORD	24u
#define FAMILY	7u
#define ANOTHER 8u

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static struct tmem_dense *dense;
static const struct tmem_codec *codec;
static unsigned char page[TMEM_PAGE_SIZE], back[TMEM_PAGE_SIZE + 64], block[ROOM];

static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Words of the family's own in random order, each at most a few times in a page. */
static void make_page(unsigned char *to, uint32_t family, uint64_t number)
{
	uint64_t state = number, word;
	uint32_t i, j;

	for (i = 0; i + WORD <= TMEM_PAGE_SIZE; i += WORD) {
		word = family * WORDS + next(&state) % WORDS;
		for (j = 0; j < WORD; j++)
			to[i + j] = (unsigned char)next(&word);
	}
	for (; i < TMEM_PAGE_SIZE; i++)
		to[i] = 'x';
}

static void make_noise(unsigned char *to, uint64_t number)
{
	uint64_t state = ~number;
	uint32_t i;

	for (i = 0; i < TMEM_PAGE_SIZE; i++)
		to[i] = (unsigned char)(next(&state) % 200);
}

static struct tmem_dense_figures figures(void)
{
	struct tmem_dense_figures now;

	tmem_dense_figures(dense, &now);
	return now;
}

static uint32_t recode(uint32_t family)
{
	return codec->recode(codec, NULL, family, page, block, ROOM);
}

static int decompress(const void *src, uint32_t length)
{
	return codec->decompress(codec, NULL, src, length, back);
}

static void must_come_back(uint32_t length)
{
	assert_true(length > 1 && length <= ROOM);
	memset(back, 0xee, sizeof(back));
	assert_int_equal(decompress(block, length), 0);
	assert_memory_equal(back, page, TMEM_PAGE_SIZE);
	assert_int_equal(back[TMEM_PAGE_SIZE], 0xee);
}

static void show(uint32_t family, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count && !tmem_dense_wants_training(dense); i++) {
		make_page(page, family, i);
		must_come_back(recode(family));
	}
}

static int begin(void **state)
{
	(void)state;
	if (tmem_dense_create(2, &dense))
		return -1;
	codec = tmem_dense_codec(dense);
	return 0;
}

static int end(void **state)
{
	(void)state;
	tmem_dense_destroy(dense);
	return 0;
}

static void pages_come_back(void **state)
{
	uint32_t i;

	(void)state;
	assert_int_equal(codec->id, TMEM_CODEC_ZSTD);
	for (i = 0; i < 100; i++) {
		make_page(page, FAMILY, i);
		must_come_back(codec->compress(codec, NULL, page, block, ROOM));
		must_come_back(recode(FAMILY));
		assert_int_equal(block[0], 0);
	}
}

static void what_does_not_fit_is_refused(void **state)
{
	uint32_t length, room, i;

	(void)state;
	make_page(page, FAMILY, 1);
	length = recode(FAMILY);
	for (room = 0; room < length; room++) {
		memset(block, 0xee, sizeof(block));
		assert_int_equal(codec->compress(codec, NULL, page, block, room), 0);
		for (i = room; i < ROOM; i++)
			assert_int_equal(block[i], 0xee);
	}
	/* What did not fit left nothing behind in the context. */
	assert_int_equal(recode(FAMILY), length);
	must_come_back(length);
}

static void every_length_but_the_right_one_is_an_error(void **state)
{
	uint32_t length, i;

	(void)state;
	make_page(page, FAMILY, 2);
	memset(block, 0, sizeof(block));
	length = recode(FAMILY);
	memset(block + length, 0, ROOM - length);
	for (i = 0; i < ROOM; i++)
		assert_int_equal(decompress(block, i), i == length ? 0 : -TMEM_EIO);
}

static void no_bytes_make_it_write_beyond_the_page(void **state)
{
	uint32_t round, i, length, accepted = 0;
	unsigned char *exact;
	uint64_t rng = 1;

	(void)state;
	show(FAMILY, ENOUGH);
	assert_int_equal(tmem_dense_train(dense), 1);
	for (round = 0; round < 10000; round++) {
		make_page(page, FAMILY, round % 7);
		length = recode(FAMILY);
		for (i = 0; i <= round % 5; i++)
			block[next(&rng) % length] = (unsigned char)next(&rng);
		if (round % 3 == 0)
			length = 1 + (uint32_t)next(&rng) % length;
		/* In memory of exactly its length, so that a sanitizer sees any read beyond. */
		exact = malloc(length);
		assert_non_null(exact);
		memcpy(exact, block, length);
		memset(back + TMEM_PAGE_SIZE, 0xee, 64);
		accepted += decompress(exact, length) == 0;
		free(exact);
		for (i = TMEM_PAGE_SIZE; i < sizeof(back); i++)
			assert_int_equal(back[i], 0xee);
	}
	assert_true(accepted > 0 && accepted < round);
}

static void a_family_gets_a_dictionary_that_saves(void **state)
{
	uint32_t plain, with;

	(void)state;
	assert_int_equal(tmem_dense_train(dense), 0);
	show(FAMILY, ENOUGH);
	assert_true(tmem_dense_wants_training(dense));
	make_page(page, FAMILY, 77777);
	plain = recode(FAMILY);
	assert_int_equal(block[0], 0);
	assert_int_equal(tmem_dense_train(dense), 1);
	assert_int_equal(tmem_dense_train(dense), 0);
	with = recode(FAMILY);
	assert_int_not_equal(block[0], 0);
	must_come_back(with);
	assert_true(with < plain * 9 / 10);
	assert_int_equal(figures().dictionaries, 1);
	/* What has no family does without, and so does the put path. */
	make_page(page, ANOTHER, 1);
	must_come_back(recode(ANOTHER));
	assert_int_equal(block[0], 0);
	must_come_back(codec->compress(codec, NULL, page, block, ROOM));
	assert_int_equal(block[0], 0);
}

static void blocks_of_older_dictionaries_stay_readable(void **state)
{
	static unsigned char old[ROOM];
	uint32_t length, generation, i;

	(void)state;
	show(FAMILY, ENOUGH);
	assert_int_equal(tmem_dense_train(dense), 1);
	make_page(page, FAMILY, 1);
	length = recode(FAMILY);
	memcpy(old, block, length);
	for (generation = 1; generation < 2; generation++) {
		for (i = 0; !tmem_dense_wants_training(dense); i++) {
			make_page(page, FAMILY, i % 999);
			recode(FAMILY);
		}
		assert_int_equal(tmem_dense_train(dense), 1);
		make_page(page, FAMILY, 2);
		must_come_back(recode(FAMILY));
	}
	assert_int_equal(figures().dictionaries, 2);
	assert_int_not_equal(block[0], old[0]);
	make_page(page, FAMILY, 1);
	memcpy(block, old, length);
	must_come_back(length);
}

static void a_dictionary_goes_with_its_family_and_no_other(void **state)
{
	static unsigned char kept[ROOM];
	uint64_t before = figures().bytes;
	uint32_t length, other;

	(void)state;
	show(FAMILY, ENOUGH);
	assert_int_equal(tmem_dense_train(dense), 1);
	make_page(page, FAMILY, 1);
	recode(FAMILY);
	show(ANOTHER, ENOUGH);
	assert_int_equal(tmem_dense_train(dense), 1);
	make_page(page, ANOTHER, 1);
	other = recode(ANOTHER);
	memcpy(kept, block, other);
	make_page(page, FAMILY, 1);
	length = recode(FAMILY);
	assert_true(block[0] != 0 && kept[0] != 0 && block[0] != kept[0]);
	codec->forget(codec, FAMILY);
	assert_int_equal(decompress(block, length), -TMEM_EIO);
	make_page(page, ANOTHER, 1);
	memcpy(block, kept, other);
	must_come_back(other);
	codec->forget(codec, ANOTHER);
	codec->forget(codec, ANOTHER);
	assert_int_equal(figures().dictionaries, 0);
	/* But for what the library's contexts grew by. */
	assert_true(figures().bytes < before + (128u << 10));
}

/* How often the first words of FAMILY's are anywhere in this process's memory, but for @word. */
static uint32_t found_in_memory(void)
{
	static unsigned char word[WORD];
	unsigned long from, to;
	uint32_t found = 0, number, j;
	char line[256];
	FILE *maps = fopen("/proc/self/maps", "r");

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx rw", &from, &to) != 2 || !strstr(line, " rw") ||
		    strstr(line, "[v") || strstr(line, "[stack"))
			continue;
		for (number = 0; number < 4; number++) {
			uint64_t state = FAMILY * WORDS + number;
			const unsigned char *at = (const unsigned char *)from;

			for (j = 0; j < WORD; j++)
				word[j] = (unsigned char)next(&state);
			while ((at = memmem(at, to - (unsigned long)at, word, WORD))) {
				found += at != word;
				at += WORD;
			}
		}
	}
	fclose(maps);
	explicit_bzero(word, sizeof(word));
	return found;
}

/* First of all cases, as others leave words in memory. A sanitizer's allocator keeps what was freed. */
static void nothing_of_a_family_that_went_is_in_memory(void **state)
{
	(void)state;
	if (SANITIZED)
		skip();
	show(FAMILY, ENOUGH);
	assert_true(found_in_memory() > 100);
	assert_int_equal(tmem_dense_train(dense), 1);
	make_page(page, FAMILY, 1);
	must_come_back(recode(FAMILY));
	codec->forget(codec, FAMILY);
	explicit_bzero(page, sizeof(page));
	explicit_bzero(back, sizeof(back));
	explicit_bzero(block, sizeof(block));
	assert_int_equal(found_in_memory(), 0);
}

static void pages_that_no_dictionary_helps_get_none(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < ENOUGH; i++) {
		make_noise(page, i);
		must_come_back(recode(FAMILY));
	}
	assert_int_equal(tmem_dense_train(dense), 1);
	make_noise(page, 1);
	must_come_back(recode(FAMILY));
	assert_int_equal(block[0], 0);
	assert_int_equal(figures().dictionaries, 0);
	assert_int_equal(figures().rejected, 1);
	/* Training fails where all samples are one page. */
	codec->forget(codec, FAMILY);
	memset(page, 'x', sizeof(page));
	for (i = 0; i < ENOUGH; i++)
		must_come_back(recode(FAMILY));
	assert_int_equal(tmem_dense_train(dense), 1);
	must_come_back(recode(FAMILY));
	assert_int_equal(figures().dictionaries, 0);
	assert_int_equal(figures().rejected, 2);
}

static void a_family_may_go_at_every_stage_of_its_training(void **state)
{
	(void)state;
	show(FAMILY, ENOUGH / 2);
	codec->forget(codec, FAMILY);
	show(FAMILY, ENOUGH);
	assert_true(tmem_dense_wants_training(dense));
	codec->forget(codec, FAMILY);
	assert_int_equal(tmem_dense_train(dense), 0);
	show(FAMILY, ENOUGH);
	assert_int_equal(tmem_dense_train(dense), 1);
	codec->forget(codec, FAMILY);
	/* The name comes again, for others: what was trained is not theirs. */
	make_page(page, FAMILY, 1);
	must_come_back(recode(FAMILY));
	assert_int_equal(block[0], 0);
	assert_int_equal(figures().dictionaries, 0);
}

/* Who recodes nothing more for now still wants what the samples take. */
static void what_was_trained_is_adopted_when_asked(void **state)
{
	uint64_t bytes;

	(void)state;
	tmem_dense_adopt(dense);
	show(FAMILY, ENOUGH);
	tmem_dense_adopt(dense);
	assert_int_equal(tmem_dense_train(dense), 1);
	bytes = figures().bytes;
	assert_int_equal(figures().dictionaries, 0);
	tmem_dense_adopt(dense);
	assert_int_equal(figures().dictionaries, 1);
	assert_true(figures().bytes < bytes - (1u << 20));
	tmem_dense_adopt(dense);
	assert_int_equal(figures().dictionaries, 1);
	make_page(page, FAMILY, 1);
	must_come_back(recode(FAMILY));
	assert_int_not_equal(block[0], 0);
}

static void an_idle_family_does_not_keep_the_samples(void **state)
{
	uint32_t i;

	(void)state;
	show(FAMILY, ENOUGH / 2);
	for (i = 0; i < 6 * ENOUGH && !tmem_dense_wants_training(dense); i++) {
		make_page(page, ANOTHER, i);
		recode(ANOTHER);
	}
	assert_int_equal(tmem_dense_train(dense), 1);
	make_page(page, ANOTHER, 1);
	recode(ANOTHER);
	assert_int_not_equal(block[0], 0);
}

static uint32_t over;

static void *trainer(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE))
		tmem_dense_train(dense);
	return NULL;
}

static void training_runs_beside_recoding(void **state)
{
	pthread_t thread;
	uint32_t i;

	(void)state;
	__atomic_store_n(&over, 0u, __ATOMIC_RELEASE);
	assert_int_equal(pthread_create(&thread, NULL, trainer, NULL), 0);
	for (i = 0; i < 200000 && figures().dictionaries < 1; i++) {
		make_page(page, FAMILY, i % 999);
		must_come_back(recode(FAMILY));
	}
	codec->forget(codec, FAMILY);
	__atomic_store_n(&over, 1u, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_true(i < 200000);
	assert_int_equal(figures().dictionaries, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_of_a_family_that_went_is_in_memory, begin,
						end),
		cmocka_unit_test_setup_teardown(pages_come_back, begin, end),
		cmocka_unit_test_setup_teardown(what_does_not_fit_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(every_length_but_the_right_one_is_an_error, begin,
						end),
		cmocka_unit_test_setup_teardown(no_bytes_make_it_write_beyond_the_page, begin, end),
		cmocka_unit_test_setup_teardown(a_family_gets_a_dictionary_that_saves, begin, end),
		cmocka_unit_test_setup_teardown(blocks_of_older_dictionaries_stay_readable, begin,
						end),
		cmocka_unit_test_setup_teardown(a_dictionary_goes_with_its_family_and_no_other,
						begin, end),
		cmocka_unit_test_setup_teardown(pages_that_no_dictionary_helps_get_none, begin,
						end),
		cmocka_unit_test_setup_teardown(a_family_may_go_at_every_stage_of_its_training,
						begin, end),
		cmocka_unit_test_setup_teardown(what_was_trained_is_adopted_when_asked, begin, end),
		cmocka_unit_test_setup_teardown(an_idle_family_does_not_keep_the_samples, begin,
						end),
		cmocka_unit_test_setup_teardown(training_runs_beside_recoding, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
