/* SPDX-License-Identifier: MIT */
/*
 * Codecs that tests give to an engine: lz4 as hosts use it, and four whose
 * behaviour is set by the test, for what no honest codec does on demand.
 */
#ifndef TESTS_CODECS_H
#define TESTS_CODECS_H

#include <stdint.h>
#include <tmem/host.h>

enum {
	CODEC_RULER = 8, /* pages of codec_ruler_page() become exactly as long as they say */
	CODEC_MUTE = 9,	 /* never manages to compress */
	CODEC_LIAR = 10, /* compresses, and then cannot decompress */
	CODEC_DENSE = 11 /* recodes pages of page.h, and now and then fails to */
};

extern const struct tmem_codec *const test_codecs[];
extern const uint32_t test_codec_count;

/* A page that CODEC_RULER compresses to @length bytes, 24 to 4096; others by @number. */
void codec_ruler_page(void *page, uint32_t length, uint64_t number);

#endif
