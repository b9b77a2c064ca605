/* SPDX-License-Identifier: MIT */
/*
 * A codec under the names of lz4 that tests/support/codecs.c uses, for
 * machines that have a cross compiler and a C library and nothing else; the
 * build makes an lz4.h of it. Words of the page that were seen before take
 * one byte, others nine. What the engine sees is what it needs of a codec:
 * lengths of every kind, and now and then a page that does not fit.
 */
#ifndef TESTS_ARCH_WORDS_H
#define TESTS_ARCH_WORDS_H

#include <stdint.h>
#include <string.h>

#define ARCH_RECENT  16
#define ARCH_LITERAL 0xff

typedef struct {
	uint64_t recent[ARCH_RECENT];
} LZ4_stream_t;

static inline unsigned int arch_place(uint64_t word)
{
	return (unsigned int)(word * 0x9e3779b97f4a7c15u >> 60);
}

/* The length, or 0 if @room does not hold it. @length: a multiple of 8. */
static inline int LZ4_compress_fast_extState(void *state, const void *page, void *block, int length,
					     int room, int acceleration)
{
	LZ4_stream_t *s = state;
	const unsigned char *from = page;
	unsigned char *to = block;
	int at = 0, i;

	(void)acceleration;
	memset(s, 0, sizeof(*s));
	for (i = 0; i < length; i += 8) {
		unsigned int place;
		uint64_t word;

		memcpy(&word, from + i, 8);
		place = arch_place(word);
		if (s->recent[place] == word) {
			if (room - at < 1)
				return 0;
			to[at++] = (unsigned char)place;
		} else {
			if (room - at < 9)
				return 0;
			to[at] = ARCH_LITERAL;
			memcpy(to + at + 1, &word, 8);
			at += 9;
			s->recent[place] = word;
		}
	}
	return at;
}

/* The bytes written, or -1 for what is no block of a page. */
static inline int LZ4_decompress_safe(const void *block, void *page, int length, int room)
{
	LZ4_stream_t s = {{0}};
	const unsigned char *from = block;
	unsigned char *to = page;
	int at = 0, done = 0;

	while (at < length) {
		uint64_t word;

		if (room - done < 8)
			return -1;
		if (from[at] < ARCH_RECENT) {
			word = s.recent[from[at++]];
		} else {
			if (from[at] != ARCH_LITERAL || length - at < 9)
				return -1;
			memcpy(&word, from + at + 1, 8);
			s.recent[arch_place(word)] = word;
			at += 9;
		}
		memcpy(to + done, &word, 8);
		done += 8;
	}
	return done;
}

#endif
