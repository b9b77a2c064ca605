/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * How a page is stored: as one repeated word, as a codec makes it, or as it
 * is. All of this sees only the worker's own copy of the page.
 */
#include "internal.h"

/* A codec's output has to save at least this much, or the page is stored raw. */
#define GAIN_MIN 64u

/* Whether every 64-bit word of a page is the same. */
int tmem_page_same(const void *page)
{
	const uint64_t *word = page;
	uint64_t first = word[0], other = 0;
	uint32_t i, j;

	for (i = 0; i < TMEM_PAGE_SIZE / sizeof(uint64_t); i += 8) {
		for (j = 0; j < 8; j++)
			other |= word[i + j] ^ first;
		if (other)
			return 0;
	}
	return 1;
}

/*
 * worker->page as codec number @wanted makes it, or as it is where that fails
 * or does not pay: *@data, the length returned, and the id of what was used.
 */
uint32_t tmem_code_page(struct tmem_worker *worker, uint32_t wanted, uint32_t *codec,
			const unsigned char **data)
{
	const struct tmem_codec *coder = worker->engine->codec[wanted];
	uint32_t length = 0;

	if (coder)
		length = coder->compress(coder, worker->work, worker->page, worker->coded,
					 TMEM_PAGE_SIZE - GAIN_MIN);
	if (length && length <= TMEM_PAGE_SIZE - GAIN_MIN) {
		*codec = coder->id;
		*data = worker->coded;
		return length;
	}
	*codec = TMEM_CODEC_RAW;
	*data = worker->page;
	return TMEM_PAGE_SIZE;
}

/*
 * worker->page as it will be stored: *@data, the length returned, and the id
 * of the codec that was used. @wanted is the client's choice.
 */
uint32_t tmem_encode(struct tmem_worker *worker, uint32_t wanted, struct counters *counters,
		     uint32_t *codec, const unsigned char **data)
{
	uint64_t first;
	uint32_t length;

	if (tmem_page_same(worker->page)) {
		memcpy(&first, worker->page, sizeof(first));
		tmem_count(counters, pages_same, 1);
		*codec = TMEM_CODEC_SAME;
		*data = worker->page;
		return first ? sizeof(first) : 0;
	}
	length = tmem_code_page(worker, wanted, codec, data);
	if (*codec != TMEM_CODEC_RAW) {
		tmem_count(counters, pages_coded, 1);
		tmem_count(counters, bytes_coded_in, TMEM_PAGE_SIZE);
		tmem_count(counters, bytes_coded_out, length);
	} else {
		if (worker->engine->codec[wanted])
			tmem_count(counters, pages_poor, 1);
		tmem_count(counters, pages_raw, 1);
	}
	return length;
}

static void fill_page(void *page, uint64_t word)
{
	uint64_t *to = page;
	uint32_t i;

	for (i = 0; i < TMEM_PAGE_SIZE / sizeof(word); i++)
		to[i] = word;
}

/* Any stored block but a raw page, into worker->page. 0 or -TMEM_EIO. */
int tmem_decode(struct tmem_worker *worker, uint32_t codec, const unsigned char *data,
		uint32_t length)
{
	const struct tmem_codec *coder = worker->engine->codec[codec];
	uint64_t word = 0;

	if (codec == TMEM_CODEC_SAME && length <= sizeof(word)) {
		memcpy(&word, data, length);
		fill_page(worker->page, word);
		return 0;
	}
	if (!coder || coder->decompress(coder, worker->work, data, length, worker->page))
		return -TMEM_EIO;
	return 0;
}
