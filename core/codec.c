/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * How a page is stored: as one repeated word, as a codec makes it, or as it
 * is. All of this sees only the worker's own copy of the page.
 *
 * Where gets are verified, what is stored ends with a sum of itself and of
 * whose page it is, and is looked at by nobody else before that was found to
 * be right. What moves a block moves the sum with it.
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
 * Of @length bytes at @data, by codec number @codec, which are @key's page. The
 * hash has the pool and the object in it, and both outlive what is stored of them.
 */
static uint64_t sum_of(const struct key *key, uint32_t codec, const unsigned char *data,
		       uint32_t length)
{
	return tmem_sum(data, length, key->hash, (uint64_t)key->index << 32 | codec << 16 | length);
}

/*
 * What is to be stored, @length bytes at @data, which is worker->page or
 * worker->coded, gets its sum, if gets are verified. The length with it.
 */
uint32_t tmem_seal(struct tmem_worker *worker, const struct key *key, uint32_t codec,
		   const unsigned char *data, uint32_t length)
{
	unsigned char *own = data == worker->page ? worker->page : worker->coded;
	uint64_t sum;

	if (tmem_likely(!worker->engine->sum_size))
		return length;
	sum = sum_of(key, codec, data, length);
	memcpy(own + length, &sum, sizeof(sum));
	return length + (uint32_t)sizeof(sum);
}

/*
 * The worker's own copy of what is stored in @length bytes at @data, so that
 * what is looked at afterwards is what was found to be right: a raw page into
 * worker->page, anything else into worker->coded. NULL: it is not what it was.
 */
static const unsigned char *unseal(struct tmem_worker *worker, const struct key *key,
				   uint32_t codec, const unsigned char *data, uint32_t *length)
{
	unsigned char *own = codec == TMEM_CODEC_RAW ? worker->page : worker->coded;
	uint64_t sum;

	if (*length < sizeof(sum) || *length > TMEM_PAGE_SIZE + sizeof(sum))
		return NULL;
	if (data != own)
		memcpy(own, data, *length);
	*length -= (uint32_t)sizeof(sum);
	memcpy(&sum, own + *length, sizeof(sum));
	return sum == sum_of(key, codec, own, *length) ? own : NULL;
}

/*
 * worker->page as it will be stored: *@data, the length returned, and the id
 * of the codec that was used. @wanted is the client's choice.
 */
uint32_t tmem_encode(struct tmem_worker *worker, const struct key *key, uint32_t wanted,
		     struct counters *counters, uint32_t *codec, const unsigned char **data)
{
	uint64_t first;
	uint32_t length;

	if (tmem_page_same(worker->page)) {
		memcpy(&first, worker->page, sizeof(first));
		tmem_count(counters, pages_same, 1);
		*codec = TMEM_CODEC_SAME;
		*data = worker->page;
		return tmem_seal(worker, key, TMEM_CODEC_SAME, *data, first ? sizeof(first) : 0);
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
	return tmem_seal(worker, key, *codec, *data, length);
}

static void fill_page(void *page, uint64_t word)
{
	uint64_t *to = page;
	uint32_t i;

	for (i = 0; i < TMEM_PAGE_SIZE / sizeof(word); i++)
		to[i] = word;
}

/* Any stored block but a raw page without a sum, into worker->page. 0 or -TMEM_EIO. */
int tmem_decode(struct tmem_worker *worker, const struct key *key, uint32_t codec,
		const unsigned char *data, uint32_t length)
{
	const struct tmem_codec *coder = worker->engine->codec[codec];
	uint64_t word = 0;

	if (tmem_unlikely(worker->engine->sum_size)) {
		data = unseal(worker, key, codec, data, &length);
		if (!data)
			return -TMEM_EIO;
		if (codec == TMEM_CODEC_RAW)
			return length == TMEM_PAGE_SIZE ? 0 : -TMEM_EIO;
	}
	if (codec == TMEM_CODEC_SAME && length <= sizeof(word)) {
		memcpy(&word, data, length);
		fill_page(worker->page, word);
		return 0;
	}
	if (!coder || coder->decompress(coder, worker->work, data, length, worker->page))
		return -TMEM_EIO;
	return 0;
}
