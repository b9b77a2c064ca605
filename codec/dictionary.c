/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Dictionaries: which family has which, from which pages, for how long.
 *
 * The first is trained when a family has shown as many pages as pay for it,
 * and each later one on pages from four times as many: the oldest pages of a
 * client come from few programs, and a dictionary of these alone fits the
 * rest badly. Old ones stay until their family goes, since blocks need them;
 * so there is nothing to count, and a block's one byte is all it needs.
 */
#include "dense_internal.h"

#include <stdlib.h>
#include <string.h>

#define ZDICT_STATIC_LINKING_ONLY
#include <zdict.h>

#define SAMPLES	   512u
#define TRAINED_ON 448u /* of them; the others say whether it was worth it */
#define LENGTH	   (16u << 10)

/* Of a family's pages every so many'th is a sample; the first dictionary after 4096 pages. */
static const uint32_t apart[GENERATIONS] = {8, 32, 128, 512};

/* A family that found the samples taken so often takes them over: their owner has gone idle. */
#define PATIENCE 8192u

/* A dictionary has to save this part of what the page is without. */
#define WORTH_PART 64u

/* ---- the samples ---- */

static uint32_t state_of(const struct samples *samples)
{
	return __atomic_load_n(&samples->state, __ATOMIC_ACQUIRE);
}

static void set_state(struct samples *samples, enum samples_state state)
{
	__atomic_store_n(&samples->state, (uint32_t)state, __ATOMIC_RELEASE);
}

static void count_bytes(struct tmem_dense *dense, size_t more, size_t less)
{
	__atomic_add_fetch(&dense->bytes, (uint64_t)more - less, __ATOMIC_RELAXED);
}

static void empty_samples(struct tmem_dense *dense)
{
	struct samples *samples = &dense->samples;

	if (samples->pages)
		count_bytes(dense, 0, SAMPLES * TMEM_PAGE_SIZE);
	dense_free(samples->pages);
	samples->pages = NULL;
	samples->taken = 0;
	samples->count = 0;
	set_state(samples, SAMPLES_NONE);
}

static int begin_samples(struct tmem_dense *dense, const struct family *family)
{
	struct samples *samples = &dense->samples;

	samples->pages = dense_alloc(SAMPLES * TMEM_PAGE_SIZE);
	if (!samples->pages)
		return 0;
	count_bytes(dense, SAMPLES * TMEM_PAGE_SIZE, 0);
	samples->taken = 1;
	samples->name = family->name;
	set_state(samples, SAMPLES_FILLING);
	return 1;
}

/* A page of @family goes by: a sample, maybe. */
static void sample(struct tmem_dense *dense, struct family *family, const void *page)
{
	struct samples *samples = &dense->samples;
	uint32_t state = state_of(samples);

	family->seen++;
	if (family->generation == GENERATIONS || family->seen % apart[family->generation])
		return;
	if (state == SAMPLES_FILLING && samples->name != family->name) {
		family->vain += apart[family->generation];
		if (family->vain < PATIENCE)
			return;
		empty_samples(dense);
		state = SAMPLES_NONE;
	}
	if (state == SAMPLES_NONE && !begin_samples(dense, family))
		return;
	if (state > SAMPLES_FILLING)
		return;
	family->vain = 0;
	memcpy(samples->pages + (size_t)samples->count++ * TMEM_PAGE_SIZE, page, TMEM_PAGE_SIZE);
	if (samples->count == SAMPLES)
		set_state(samples, SAMPLES_FULL);
}

/* ---- training: by any thread, on samples that are its own meanwhile ---- */

/* Bytes that the pages left for this take, each at most a page. */
static size_t bytes_of(ZSTD_CCtx *context, const ZSTD_CDict *dictionary, const unsigned char *pages)
{
	unsigned char out[TMEM_PAGE_SIZE];
	size_t sum = 0, length;
	uint32_t i;

	for (i = TRAINED_ON; i < SAMPLES; i++) {
		length = dense_frame(context, dictionary, pages + (size_t)i * TMEM_PAGE_SIZE, out,
				     sizeof(out));
		sum += length ? length : sizeof(out);
	}
	return sum;
}

static int is_worth_it(const ZSTD_CDict *dictionary, const unsigned char *pages)
{
	ZSTD_CCtx *context = dense_context();
	size_t without, with;

	if (!context)
		return 0;
	without = bytes_of(context, NULL, pages);
	with = bytes_of(context, dictionary, pages);
	ZSTD_freeCCtx(context);
	return with + without / WORTH_PART < without;
}

static void train(struct samples *samples, void *content, size_t *sizes)
{
	/* Lazy matching, and tables of the size of the dictionary: they are in memory for long. */
	const ZSTD_compressionParameters parameters = {17, 13, 13, 3, 4, 0, ZSTD_lazy};
	ZDICT_fastCover_params_t training;
	size_t length;
	uint32_t i;

	memset(&training, 0, sizeof(training));
	training.k = 256;
	training.d = 8;
	training.f = 18;
	training.accel = 1;
	training.zParams.compressionLevel = 5;
	for (i = 0; i < TRAINED_ON; i++)
		sizes[i] = TMEM_PAGE_SIZE;
	length = ZDICT_trainFromBuffer_fastCover(content, LENGTH, samples->pages, sizes, TRAINED_ON,
						 training);
	if (ZDICT_isError(length))
		return;
	samples->compressing = ZSTD_createCDict_advanced(content, length, ZSTD_dlm_byCopy,
							 ZSTD_dct_auto, parameters, dense_memory());
	samples->decompressing = ZSTD_createDDict_advanced(content, length, ZSTD_dlm_byCopy,
							   ZSTD_dct_auto, dense_memory());
	if (samples->compressing && samples->decompressing &&
	    is_worth_it(samples->compressing, samples->pages))
		return;
	ZSTD_freeCDict(samples->compressing);
	ZSTD_freeDDict(samples->decompressing);
	samples->compressing = NULL;
	samples->decompressing = NULL;
}

int tmem_dense_wants_training(const struct tmem_dense *dense)
{
	return state_of(&dense->samples) == SAMPLES_FULL;
}

int tmem_dense_train(struct tmem_dense *dense)
{
	uint32_t full = SAMPLES_FULL;
	size_t *sizes;
	void *content;

	if (!__atomic_compare_exchange_n(&dense->samples.state, &full, (uint32_t)SAMPLES_TRAINING,
					 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return 0;
	content = dense_alloc(LENGTH);
	sizes = malloc(TRAINED_ON * sizeof(*sizes));
	if (content && sizes)
		train(&dense->samples, content, sizes);
	free(sizes);
	dense_free(content);
	set_state(&dense->samples, SAMPLES_DONE);
	return 1;
}

/* ---- families ---- */

static struct family *find(struct tmem_dense *dense, uint32_t name)
{
	uint32_t i;

	for (i = 0; i < FAMILIES; i++)
		if (dense->family[i].used && dense->family[i].name == name)
			return &dense->family[i];
	return NULL;
}

static struct family *find_or_make(struct tmem_dense *dense, uint32_t name)
{
	struct family *family = find(dense, name);
	uint32_t i;

	for (i = 0; i < FAMILIES && !family; i++) {
		if (dense->family[i].used)
			continue;
		family = &dense->family[i];
		memset(family, 0, sizeof(*family));
		family->used = 1;
		family->name = name;
	}
	return family;
}

static uint8_t free_number(const struct tmem_dense *dense)
{
	uint32_t i;

	for (i = 1; i < DICTIONARIES; i++)
		if (!__atomic_load_n(&dense->dictionary[i], __ATOMIC_RELAXED))
			return (uint8_t)i;
	return 0;
}

/* What was trained becomes its family's, if that is there still. */
static void adopt(struct tmem_dense *dense)
{
	struct samples *samples = &dense->samples;
	struct family *family = samples->taken ? find(dense, samples->name) : NULL;
	uint8_t number = free_number(dense);

	if (family && samples->compressing && number) {
		count_bytes(dense,
			    ZSTD_sizeof_CDict(samples->compressing) +
				    ZSTD_sizeof_DDict(samples->decompressing),
			    ZSTD_sizeof_CDict(family->dictionary));
		ZSTD_freeCDict(family->dictionary);
		family->dictionary = samples->compressing;
		family->latest = number;
		family->number[family->generation] = number;
		__atomic_store_n(&dense->dictionary[number], samples->decompressing,
				 __ATOMIC_RELEASE);
		__atomic_add_fetch(&dense->dictionaries, 1, __ATOMIC_RELAXED);
	} else {
		ZSTD_freeCDict(samples->compressing);
		ZSTD_freeDDict(samples->decompressing);
		__atomic_add_fetch(&dense->rejected, 1, __ATOMIC_RELAXED);
	}
	if (family)
		family->generation++;
	samples->compressing = NULL;
	samples->decompressing = NULL;
	empty_samples(dense);
}

void tmem_dense_adopt(struct tmem_dense *dense)
{
	if (state_of(&dense->samples) == SAMPLES_DONE)
		adopt(dense);
}

/* The dictionary for a page of the family and its number; NULL and 0: none, or none yet. */
const ZSTD_CDict *dense_dictionary_for(struct tmem_dense *dense, uint32_t name, const void *page,
				       uint8_t *number)
{
	struct family *family;

	tmem_dense_adopt(dense);
	family = find_or_make(dense, name);
	*number = 0;
	if (!family)
		return NULL;
	sample(dense, family, page);
	*number = family->latest;
	return family->dictionary;
}

void dense_forget(struct tmem_dense *dense, uint32_t name)
{
	struct family *family = find(dense, name);
	struct samples *samples = &dense->samples;
	uint32_t full = SAMPLES_FULL, i;
	ZSTD_DDict *gone;

	if (!family)
		return;
	if (samples->taken && samples->name == name) {
		if (state_of(samples) == SAMPLES_FILLING ||
		    __atomic_compare_exchange_n(&samples->state, &full, (uint32_t)SAMPLES_FILLING,
						0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			empty_samples(dense);
		/* Else who trains goes on; what comes of it is thrown away. */
		samples->taken = 0;
	}
	count_bytes(dense, 0, ZSTD_sizeof_CDict(family->dictionary));
	ZSTD_freeCDict(family->dictionary);
	for (i = 0; i < GENERATIONS; i++) {
		if (!family->number[i])
			continue;
		gone = __atomic_exchange_n(&dense->dictionary[family->number[i]],
					   (ZSTD_DDict *)NULL, __ATOMIC_ACQ_REL);
		count_bytes(dense, 0, ZSTD_sizeof_DDict(gone));
		ZSTD_freeDDict(gone);
		__atomic_sub_fetch(&dense->dictionaries, 1, __ATOMIC_RELAXED);
	}
	family->used = 0;
}

/* Nobody is in a call any more. */
void dense_forget_all(struct tmem_dense *dense)
{
	uint32_t i;

	for (i = 0; i < FAMILIES; i++)
		if (dense->family[i].used)
			dense_forget(dense, dense->family[i].name);
	tmem_dense_adopt(dense);
}
