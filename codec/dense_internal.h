/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What dense.c, dictionary.c and wiped.c share. Whoever calls recode() or forget(),
 * one worker at a time, owns the families; any worker reads dictionary[];
 * who trains owns the samples while their state says so.
 */
#ifndef TMEM_DENSE_INTERNAL_H
#define TMEM_DENSE_INTERNAL_H

/* Magicless frames, dictionaries with parameters of their own, one round of training. */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include "dense.h"

#define DICTIONARIES 256u /* a block has one byte for it; 0 is none */
#define FAMILIES     64u  /* that have dictionaries at a time; others do without */
#define GENERATIONS  4u	  /* of a family's dictionaries, each from wider apart pages */

struct coder {
	uint32_t taken; /* atomic */
	ZSTD_CCtx *compressor;
	ZSTD_DCtx *decompressor;
};

struct family {
	uint32_t used;
	uint32_t name;
	uint64_t seen; /* pages */
	uint32_t vain; /* pages that found the samples taken by another family */
	uint32_t generation;
	uint8_t number[GENERATIONS]; /* of its dictionaries; the blocks of older ones stay */
	uint8_t latest;
	ZSTD_CDict *dictionary; /* the latest; older ones only decompress */
};

enum samples_state {
	SAMPLES_NONE,
	SAMPLES_FILLING,
	SAMPLES_FULL,
	SAMPLES_TRAINING, /* owned by who trains */
	SAMPLES_DONE
};

/* One family's at a time: what it is trained on, and what came of it. */
struct samples {
	uint32_t state; /* atomic */
	uint32_t taken; /* name is set: the family is there still */
	uint32_t name;
	uint32_t count;
	unsigned char *pages;
	ZSTD_CDict *compressing; /* NULL: not worth it */
	ZSTD_DDict *decompressing;
};

struct tmem_dense {
	struct tmem_codec codec;
	ZSTD_DDict *dictionary[DICTIONARIES]; /* atomic */
	struct family family[FAMILIES];
	struct samples samples;
	/* Atomic: figures. */
	uint32_t dictionaries;
	uint32_t rejected;
	uint64_t bytes;
	uint32_t coders;
	struct coder coder[];
};

/* wiped.c: as malloc() and free(); and the same for zstd's objects. */
void *dense_alloc(size_t size);
void dense_free(void *memory);
ZSTD_customMem dense_memory(void);

/* dense.c */
ZSTD_CCtx *dense_context(void);
size_t dense_frame(ZSTD_CCtx *context, const ZSTD_CDict *dictionary, const void *page, void *dst,
		   size_t room);

/* dictionary.c */
const ZSTD_CDict *dense_dictionary_for(struct tmem_dense *dense, uint32_t name, const void *page,
				       uint8_t *number);
void dense_forget(struct tmem_dense *dense, uint32_t name);
void dense_forget_all(struct tmem_dense *dense);

#endif
