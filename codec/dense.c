/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Pages as zstd frames: the number of the dictionary, or 0, in one byte, and
 * the frame without its magic number and sizes, which are always the same.
 * The library's contexts are made ahead, one for each worker, so that no get
 * can fail for want of memory.
 */
#include "dense_internal.h"

#include <stdlib.h>
#include <string.h>

/*
 * On anonymous pages a lower level makes a twentieth more of a page, and a
 * higher one takes twice the time for a hundredth less.
 */
#define LEVEL 5

static struct coder *take_coder(struct tmem_dense *dense)
{
	uint32_t i, idle;

	/* There are as many as workers, so one is free at the latest when its user is done. */
	for (i = 0;; i = (i + 1) % dense->coders) {
		idle = 0;
		if (__atomic_compare_exchange_n(&dense->coder[i].taken, &idle, 1u, 0,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return &dense->coder[i];
	}
}

static void give_coder(struct coder *coder)
{
	__atomic_store_n(&coder->taken, 0u, __ATOMIC_RELEASE);
}

size_t dense_frame(ZSTD_CCtx *context, const ZSTD_CDict *dictionary, const void *page, void *dst,
		   size_t room)
{
	size_t length;

	/* A frame that did not fit is left open in the context. */
	ZSTD_CCtx_reset(context, ZSTD_reset_session_only);
	if (ZSTD_isError(ZSTD_CCtx_refCDict(context, dictionary)))
		return 0;
	length = ZSTD_compress2(context, dst, room, page, TMEM_PAGE_SIZE);
	return ZSTD_isError(length) ? 0 : length;
}

ZSTD_CCtx *dense_context(void)
{
	ZSTD_CCtx *context = ZSTD_createCCtx_advanced(dense_memory());

	if (context &&
	    (ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, LEVEL)) ||
	     ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_format, ZSTD_f_zstd1_magicless)) ||
	     ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0)) ||
	     ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_dictIDFlag, 0)))) {
		ZSTD_freeCCtx(context);
		return NULL;
	}
	return context;
}

static ZSTD_DCtx *decompressor(void)
{
	ZSTD_DCtx *context = ZSTD_createDCtx_advanced(dense_memory());

	if (context &&
	    ZSTD_isError(ZSTD_DCtx_setParameter(context, ZSTD_d_format, ZSTD_f_zstd1_magicless))) {
		ZSTD_freeDCtx(context);
		return NULL;
	}
	return context;
}

static uint32_t encode(struct tmem_dense *dense, const ZSTD_CDict *dictionary, uint8_t number,
		       const void *page, unsigned char *dst, uint32_t room)
{
	struct coder *coder;
	size_t length;

	if (room < 2)
		return 0;
	coder = take_coder(dense);
	length = dense_frame(coder->compressor, dictionary, page, dst + 1, room - 1);
	give_coder(coder);
	dst[0] = number;
	return length ? (uint32_t)length + 1 : 0;
}

static uint32_t compress(const struct tmem_codec *codec, void *work, const void *page, void *dst,
			 uint32_t room)
{
	(void)work;
	return encode(codec->context, NULL, 0, page, dst, room);
}

static uint32_t recode(const struct tmem_codec *codec, void *work, uint32_t family,
		       const void *page, void *dst, uint32_t room)
{
	struct tmem_dense *dense = codec->context;
	const ZSTD_CDict *dictionary;
	uint8_t number;

	(void)work;
	dictionary = dense_dictionary_for(dense, family, page, &number);
	return encode(dense, dictionary, number, page, dst, room);
}

static int decompress(const struct tmem_codec *codec, void *work, const void *src, uint32_t length,
		      void *page)
{
	struct tmem_dense *dense = codec->context;
	const unsigned char *data = src;
	const ZSTD_DDict *dictionary = NULL;
	struct coder *coder;
	size_t done;

	(void)work;
	if (length < 2)
		return -TMEM_EIO;
	if (data[0]) {
		dictionary = __atomic_load_n(&dense->dictionary[data[0]], __ATOMIC_ACQUIRE);
		if (!dictionary)
			return -TMEM_EIO;
	}
	coder = take_coder(dense);
	done = ZSTD_decompress_usingDDict(coder->decompressor, page, TMEM_PAGE_SIZE, data + 1,
					  length - 1, dictionary);
	give_coder(coder);
	return done == TMEM_PAGE_SIZE ? 0 : -TMEM_EIO;
}

/* Contexts that know nothing of the pages before; where there is no memory for them, the old ones. */
static void renew(struct tmem_dense *dense)
{
	struct coder *coder;
	ZSTD_CCtx *compressor;
	ZSTD_DCtx *other;
	uint32_t i, idle;

	for (i = 0; i < dense->coders; i++) {
		coder = &dense->coder[i];
		idle = 0;
		/* Who has it now works on a page of somebody who is there still. */
		if (!__atomic_compare_exchange_n(&coder->taken, &idle, 1u, 0, __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
			continue;
		compressor = dense_context();
		other = decompressor();
		if (compressor && other) {
			ZSTD_freeCCtx(coder->compressor);
			ZSTD_freeDCtx(coder->decompressor);
			coder->compressor = compressor;
			coder->decompressor = other;
		} else {
			ZSTD_freeCCtx(compressor);
			ZSTD_freeDCtx(other);
		}
		give_coder(coder);
	}
}

static void forget(const struct tmem_codec *codec, uint32_t family)
{
	dense_forget(codec->context, family);
	renew(codec->context);
}

int tmem_dense_create(uint32_t workers, struct tmem_dense **result)
{
	struct tmem_dense *dense = calloc(1, sizeof(*dense) + workers * sizeof(dense->coder[0]));
	const struct tmem_codec codec = {
		.id = TMEM_CODEC_ZSTD,
		.name = "zstd",
		.compress = compress,
		.decompress = decompress,
		.recode = recode,
		.forget = forget,
		.context = dense,
	};
	struct coder *coder;

	if (!dense)
		return -TMEM_ENOMEM;
	dense->codec = codec;
	for (; dense->coders < workers; dense->coders++) {
		coder = &dense->coder[dense->coders];
		coder->compressor = dense_context();
		coder->decompressor = decompressor();
		if (!coder->compressor || !coder->decompressor) {
			dense->coders++;
			tmem_dense_destroy(dense);
			return -TMEM_ENOMEM;
		}
	}
	*result = dense;
	return 0;
}

void tmem_dense_destroy(struct tmem_dense *dense)
{
	uint32_t i;

	dense_forget_all(dense);
	for (i = 0; i < dense->coders; i++) {
		ZSTD_freeCCtx(dense->coder[i].compressor);
		ZSTD_freeDCtx(dense->coder[i].decompressor);
	}
	free(dense);
}

const struct tmem_codec *tmem_dense_codec(struct tmem_dense *dense)
{
	return &dense->codec;
}

void tmem_dense_figures(const struct tmem_dense *dense, struct tmem_dense_figures *figures)
{
	uint32_t i;

	figures->dictionaries = __atomic_load_n(&dense->dictionaries, __ATOMIC_RELAXED);
	figures->rejected = __atomic_load_n(&dense->rejected, __ATOMIC_RELAXED);
	figures->bytes = sizeof(*dense) + __atomic_load_n(&dense->bytes, __ATOMIC_RELAXED);
	for (i = 0; i < dense->coders; i++)
		figures->bytes += ZSTD_sizeof_CCtx(dense->coder[i].compressor) +
				  ZSTD_sizeof_DCtx(dense->coder[i].decompressor);
}
