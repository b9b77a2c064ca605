// SPDX-License-Identifier: MIT
/*
 * Fuzzer of the codecs of our own. The first byte chooses the codec and what
 * the rest is: a block, which is a page or an error and no byte beyond
 * either; or a page, which comes back.
 */
#include <stdlib.h>
#include <string.h>

#include "codec.h"

#define ROOM (2 * TMEM_PAGE_SIZE)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
	if (!ok)
		abort();
}

/* A page into a block and back, and vector's twins to the same block. */
static void round_trip(const struct tmem_codec *codec, const unsigned char *page, uint32_t room)
{
	unsigned char *block = malloc(room + 1), *twin = malloc(room + 1);
	unsigned char *back = malloc(TMEM_PAGE_SIZE), *work = malloc(codec->work_size + 1);
	uint32_t length = codec->compress(codec, work, page, block, room);

	must(length <= room && (length || room < ROOM));
	if (length)
		must(codec->decompress(codec, work, block, length, back) == 0 &&
		     memcmp(page, back, TMEM_PAGE_SIZE) == 0);
	if (codec->id == TMEM_CODEC_VECTOR)
		must(tmem_vector.compress(&tmem_vector, work, page, twin, room) == length &&
		     memcmp(block, twin, length) == 0);
	free(block);
	free(twin);
	free(back);
	free(work);
}

/* What tmem_vector says of a block, its twin says too. */
static void must_be_one(const unsigned char *block, uint32_t length, const unsigned char *page,
			int result)
{
	unsigned char *twin = malloc(TMEM_PAGE_SIZE);

	must(tmem_vector.decompress(&tmem_vector, NULL, block, length, twin) == result);
	must(result || memcmp(page, twin, TMEM_PAGE_SIZE) == 0);
	free(twin);
}

static const struct tmem_codec *choose(uint8_t choice)
{
	uint32_t count = 0;

	if (choice & 1)
		return &tmem_small;
	while (tmem_vector_twin(count))
		count++;
	return tmem_vector_twin((uint32_t)(choice >> 2) % count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct tmem_codec *codec;
	unsigned char *page, *work;
	int result;

	if (size < 3)
		return 0;
	codec = choose(data[0]);
	page = calloc(1, TMEM_PAGE_SIZE);
	if (data[0] & 2) {
		memcpy(page, data + 3, size - 3 < TMEM_PAGE_SIZE ? size - 3 : TMEM_PAGE_SIZE);
		round_trip(codec, page, ROOM);
		round_trip(codec, page, data[1] + 256u * (data[2] % 32));
	} else {
		/* The block alone, in memory of its own length. */
		unsigned char *block = malloc(size - 3);

		memcpy(block, data + 3, size - 3);
		work = malloc(codec->work_size + 1);
		result = codec->decompress(codec, work, block, (uint32_t)size - 3, page);
		must(result == 0 || result == -TMEM_EIO);
		if (codec->id == TMEM_CODEC_VECTOR)
			must_be_one(block, (uint32_t)size - 3, page, result);
		if (result == 0)
			round_trip(codec, page, ROOM);
		free(work);
		free(block);
	}
	free(page);
	return 0;
}
