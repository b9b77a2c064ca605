/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What the vector format's compressors share; the format itself is in vector.c. */
#ifndef TMEM_CODEC_VECTOR_H
#define TMEM_CODEC_VECTOR_H

#include "codec.h"
#include "words.h"

#define VECTOR_WORDS	(TMEM_PAGE_SIZE / 8)
#define VECTOR_GROUP	8u  /* words whose tags are next to each other */
#define VECTOR_NEAREST	2u  /* words; a neighbour would have to be waited for */
#define VECTOR_FARTHEST 32u /* words */
#define VECTOR_RUN	64u /* words that the distance is guessed from, twice */
#define VECTOR_HEAD	(1 + VECTOR_WORDS / 2)
#define VECTOR_MAX	(VECTOR_HEAD + TMEM_PAGE_SIZE)
#define VECTOR_TOGETHER 8u

/* A block that is being written. */
struct vector_block {
	const unsigned char *page;
	unsigned char *tags;	  /* the next group's */
	unsigned char *to;	  /* the next word's bytes */
	const unsigned char *end; /* of the room */
	uint32_t distance;	  /* words */
	uint32_t next;		  /* word, the first of a group */
};

/* The head of a block of a page, without its distance: 0 where there is no room for it. */
int tmem_vector_begin(struct vector_block *block, const void *page, void *dst, uint32_t room);

/* All that is left. The length of the block, or 0 where it does not fit. */
uint32_t tmem_vector_finish(const struct vector_block *block, void *dst);

extern const struct tmem_codec tmem_vector_avx2, tmem_vector_avx512; /* x86-64 only */

int tmem_vector_decompress(const struct tmem_codec *codec, void *work, const void *src,
			   uint32_t length, void *dst);

#endif
