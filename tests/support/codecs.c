/* SPDX-License-Identifier: MIT */
/* Codecs for tests: see codecs.h. */
#include <lz4.h>
#include <string.h>
#include <tmem/types.h>

#include "codec.h"
#include "codecs.h"
#include "page.h"

#define RULER_MAGIC 0x72756c6572u

static uint32_t lz4_compress(const struct tmem_codec *codec, void *work, const void *page,
			     void *dst, uint32_t room)
{
	int length = LZ4_compress_fast_extState(work, page, dst, TMEM_PAGE_SIZE, (int)room, 1);

	return length > 0 ? (uint32_t)length : 0;
}

static int lz4_decompress(const struct tmem_codec *codec, void *work, const void *src,
			  uint32_t length, void *page)
{
	int done = LZ4_decompress_safe(src, page, (int)length, TMEM_PAGE_SIZE);

	return done == (int)TMEM_PAGE_SIZE ? 0 : -TMEM_EIO;
}

/* Magic, length, number, then noise from the number: the noise needs no storing. */
void codec_ruler_page(void *page, uint32_t length, uint64_t number)
{
	uint64_t word[TMEM_PAGE_SIZE / 8] = {RULER_MAGIC, length, number};
	uint64_t state = number ^ length;
	unsigned int i;

	for (i = 3; i < TMEM_PAGE_SIZE / 8; i++)
		word[i] = rng_next(&state);
	memcpy(page, word, sizeof(word));
}

static uint32_t ruler_compress(const struct tmem_codec *codec, void *work, const void *page,
			       void *dst, uint32_t room)
{
	uint64_t head[3];

	memcpy(head, page, sizeof(head));
	if (head[0] != RULER_MAGIC || head[1] > room || head[1] < sizeof(head) ||
	    head[1] > TMEM_PAGE_SIZE)
		return 0;
	/* The tail is part of the block: a store that keeps less than it was given is seen. */
	memcpy(dst, page, head[1]);
	return (uint32_t)head[1];
}

static int ruler_decompress(const struct tmem_codec *codec, void *work, const void *src,
			    uint32_t length, void *page)
{
	uint64_t head[3];

	if (length < sizeof(head))
		return -TMEM_EIO;
	memcpy(head, src, sizeof(head));
	if (head[0] != RULER_MAGIC || head[1] != length)
		return -TMEM_EIO;
	codec_ruler_page(page, length, head[2]);
	return memcmp(page, src, length) ? -TMEM_EIO : 0;
}

static uint32_t mute_compress(const struct tmem_codec *codec, void *work, const void *page,
			      void *dst, uint32_t room)
{
	memset(dst, 0xee, room);
	return 0;
}

static uint32_t liar_compress(const struct tmem_codec *codec, void *work, const void *page,
			      void *dst, uint32_t room)
{
	uint32_t length = room < 1000 ? room : 1000;

	memcpy(dst, page, length);
	return length;
}

static int never_decompress(const struct tmem_codec *codec, void *work, const void *src,
			    uint32_t length, void *page)
{
	return -TMEM_EIO;
}

/* The dense codec of tests: a page of page.h is its tag and what fills it up to a length. */
struct dense_block {
	uint64_t tag;
	uint64_t length; /* of the block */
};

/*
 * Of eight tags one fails, one claims to have written more than there is room
 * for, and the others become blocks of some tens or hundreds of bytes.
 */
static uint32_t dense_recode(const struct tmem_codec *codec, void *work, uint32_t family,
			     const void *page, void *dst, uint32_t room)
{
	struct dense_block block;
	uint64_t state;

	memcpy(&block.tag, page, sizeof(block.tag));
	state = block.tag;
	switch (rng_below(&state, 8)) {
	case 0:
		return 0;
	case 1:
		memset(dst, 0xee, room);
		return room + 1 + (uint32_t)rng_below(&state, 5000);
	}
	block.length = sizeof(block) + rng_below(&state, 700);
	if (block.length > room || !page_holds(page, block.tag))
		return 0;
	memset(dst, (int)block.tag, block.length);
	memcpy(dst, &block, sizeof(block));
	return (uint32_t)block.length;
}

static uint32_t dense_compress(const struct tmem_codec *codec, void *work, const void *page,
			       void *dst, uint32_t room)
{
	return dense_recode(codec, work, 0, page, dst, room);
}

static int dense_decompress(const struct tmem_codec *codec, void *work, const void *src,
			    uint32_t length, void *page)
{
	const unsigned char *byte = src;
	struct dense_block block;
	uint32_t i;

	if (length < sizeof(block))
		return -TMEM_EIO;
	memcpy(&block, src, sizeof(block));
	if (block.length != length)
		return -TMEM_EIO;
	for (i = sizeof(block); i < length; i++)
		if (byte[i] != (unsigned char)block.tag)
			return -TMEM_EIO;
	page_fill(page, block.tag);
	return 0;
}

static const struct tmem_codec lz4 = {
	.id = TMEM_CODEC_LZ4,
	.name = "lz4",
	.work_size = sizeof(LZ4_stream_t),
	.compress = lz4_compress,
	.decompress = lz4_decompress,
};
static const struct tmem_codec ruler = {
	.id = CODEC_RULER,
	.name = "ruler",
	.compress = ruler_compress,
	.decompress = ruler_decompress,
};
static const struct tmem_codec mute = {
	.id = CODEC_MUTE,
	.name = "mute",
	.compress = mute_compress,
	.decompress = never_decompress,
};
static const struct tmem_codec liar = {
	.id = CODEC_LIAR,
	.name = "liar",
	.compress = liar_compress,
	.decompress = never_decompress,
};

static const struct tmem_codec dense = {
	.id = CODEC_DENSE,
	.name = "dense",
	.compress = dense_compress,
	.decompress = dense_decompress,
	.recode = dense_recode,
};

const struct tmem_codec *const test_codecs[] = {&lz4,  &ruler,	    &mute,	 &dense,
						&liar, &tmem_small, &tmem_vector};
const uint32_t test_codec_count = sizeof(test_codecs) / sizeof(test_codecs[0]);
