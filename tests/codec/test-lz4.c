/* SPDX-License-Identifier: MIT */
/*
 * The LZ4 codec: pages come back, what does not fit is refused, and no string
 * of bytes makes decompression write or read where it must not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec.h"

#define ROOM 8192u

static uint64_t work[65536 / 8];
static unsigned char page[TMEM_PAGE_SIZE], back[TMEM_PAGE_SIZE + 64];

/* Half text, half noise: compresses, but not to nothing. */
static void make_page(unsigned int seed)
{
	unsigned int i;

	srandom(seed);
	for (i = 0; i < TMEM_PAGE_SIZE; i++)
		page[i] = (unsigned char)(i / 512 % 2 ? random() : "the quick page "[i % 15]);
}

static uint32_t compress(void *dst, uint32_t room)
{
	return tmem_lz4.compress(&tmem_lz4, work, page, dst, room);
}

static int decompress(const void *src, uint32_t length)
{
	return tmem_lz4.decompress(&tmem_lz4, work, src, length, back);
}

static void pages_come_back(void **state)
{
	unsigned char block[ROOM];
	unsigned int seed;
	uint32_t length;

	(void)state;
	assert_int_equal(tmem_lz4.id, TMEM_CODEC_LZ4);
	assert_true(tmem_lz4.work_size <= sizeof(work));
	for (seed = 0; seed < 50; seed++) {
		make_page(seed);
		/* Scratch holds whatever the last user left in it. */
		memset(work, (int)seed * 37, sizeof(work));
		length = compress(block, ROOM);
		assert_true(length > 0 && length < TMEM_PAGE_SIZE);
		memset(back, 0, sizeof(back));
		assert_int_equal(decompress(block, length), 0);
		assert_memory_equal(back, page, TMEM_PAGE_SIZE);
	}
}

static void what_does_not_fit_is_refused(void **state)
{
	unsigned char block[ROOM];
	uint32_t length, room;
	unsigned int i;

	(void)state;
	make_page(1);
	length = compress(block, ROOM);
	for (room = 0; room <= length + 1; room++) {
		memset(block, 0xee, sizeof(block));
		if (room < length)
			assert_int_equal(compress(block, room), 0);
		else
			assert_int_equal(compress(block, room), length);
		for (i = room; i < ROOM; i++)
			assert_int_equal(block[i], 0xee);
	}
	assert_int_equal(compress(block, UINT32_MAX), length);
}

static void every_length_but_the_right_one_is_an_error(void **state)
{
	unsigned char block[ROOM] = {0};
	uint32_t length, i;

	(void)state;
	make_page(2);
	length = compress(block, ROOM);
	for (i = 0; i < ROOM; i++)
		assert_int_equal(decompress(block, i), i == length ? 0 : -TMEM_EIO);
	assert_int_equal(decompress(block, UINT32_MAX), -TMEM_EIO);
	assert_int_equal(decompress(block, 0x80000000u), -TMEM_EIO);
}

/* Blocks that are whole and well-formed, but hold more or less than a page. */
static void blocks_of_another_size_are_errors(void **state)
{
	static const unsigned char short_block[] = {0x30, 'a', 'b', 'c'};
	unsigned char long_block[ROOM];
	size_t i, at = 0;

	(void)state;
	assert_int_equal(decompress(short_block, sizeof(short_block)), -TMEM_EIO);
	/* 4097 literals: 15 in the token, 16 times 255, and 2 more. */
	long_block[at++] = 0xf0;
	for (i = 0; i < 16; i++)
		long_block[at++] = 255;
	long_block[at++] = 2;
	memset(long_block + at, 'x', 4097);
	assert_int_equal(decompress(long_block, (uint32_t)at + 4097), -TMEM_EIO);
	/* The same with one literal less is a page. */
	long_block[at - 1] = 1;
	assert_int_equal(decompress(long_block, (uint32_t)at + 4096), 0);
}

static void no_bytes_make_it_write_beyond_the_page(void **state)
{
	unsigned char block[ROOM], *exact;
	unsigned int round, i, accepted = 0;
	uint32_t length;

	(void)state;
	for (round = 0; round < 20000; round++) {
		make_page(round % 7);
		length = compress(block, ROOM);
		srandom(round);
		for (i = 0; i <= round % 5; i++)
			block[(size_t)random() % length] = (unsigned char)random();
		if (round % 3 == 0)
			length = 1 + (uint32_t)random() % length;
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
	/* Some changes only touch literals: both verdicts were seen. */
	assert_true(accepted > 0 && accepted < round);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_come_back),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(every_length_but_the_right_one_is_an_error),
		cmocka_unit_test(blocks_of_another_size_are_errors),
		cmocka_unit_test(no_bytes_make_it_write_beyond_the_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
