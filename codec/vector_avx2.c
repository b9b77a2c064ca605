/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The vector format's compressor for processors with AVX2: four words at a
 * time, and the same bytes as vector.c makes, which has the words about what
 * and why. Where room grows short, the rest is left to it.
 */
#include "vector.h"

#if defined(__x86_64__)

#include <immintrin.h>

/* Bytes: the first words, and as many before them. */
#define FRONT (2 * 8 * VECTOR_FARTHEST)

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __m256i load(const unsigned char *from)
{
	return _mm256_loadu_si256((const __m256i *)from);
}

/* The lowest byte of each word. */
AVX2 static inline uint32_t lowest(__m256i words)
{
	const __m256i each = _mm256_setr_epi32(0, 2, 4, 6, 0, 0, 0, 0);
	const __m128i bytes =
		_mm_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
	__m128i halves = _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(words, each));

	return (uint32_t)_mm_cvtsi128_si32(_mm_shuffle_epi8(halves, bytes));
}

AVX2 static void sign(const unsigned char *page, unsigned char *signs, uint32_t count)
{
	const __m256i upper = _mm256_set1_epi64x(-(1ll << 24)), none = _mm256_setzero_si256();
	const __m256i two = _mm256_set1_epi64x(2);
	uint32_t i, four;

	for (i = 0; i < count; i += 4) {
		__m256i sum = _mm256_sad_epu8(_mm256_and_si256(load(page + 8 * i), upper), none);

		sum = _mm256_andnot_si256(_mm256_cmpeq_epi64(sum, none), _mm256_or_si256(sum, two));
		four = lowest(sum);
		__builtin_memcpy(signs + i, &four, sizeof(four));
	}
}

AVX2 static uint32_t guess(const unsigned char *page)
{
	const __m256i none = _mm256_setzero_si256(), one = _mm256_set1_epi8(1);
	unsigned char past[2][VECTOR_FARTHEST + VECTOR_RUN];
	uint32_t distance, run, best = VECTOR_NEAREST, most = 0, equal;
	__m256i now[4];

	for (run = 0; run < 2; run++) {
		sign(page + run * (TMEM_PAGE_SIZE / 2), past[run], sizeof(past[run]));
		now[2 * run] = _mm256_max_epu8(load(past[run] + VECTOR_FARTHEST), one);
		now[2 * run + 1] = _mm256_max_epu8(load(past[run] + VECTOR_FARTHEST + 32), one);
	}
	for (distance = VECTOR_NEAREST; distance <= VECTOR_FARTHEST; distance++) {
		const unsigned char *a = past[0] + VECTOR_FARTHEST - distance;
		const unsigned char *b = past[1] + VECTOR_FARTHEST - distance;
		__m256i n =
			_mm256_add_epi8(_mm256_add_epi8(_mm256_cmpeq_epi8(now[0], load(a)),
							_mm256_cmpeq_epi8(now[1], load(a + 32))),
					_mm256_add_epi8(_mm256_cmpeq_epi8(now[2], load(b)),
							_mm256_cmpeq_epi8(now[3], load(b + 32))));
		__m128i half;

		n = _mm256_sad_epu8(_mm256_sub_epi8(none, n), none);
		half = _mm_add_epi64(_mm256_castsi256_si128(n), _mm256_extracti128_si256(n, 1));
		equal = (uint32_t)_mm_cvtsi128_si32(half) + (uint32_t)_mm_extract_epi32(half, 2);
		if (equal > most) {
			most = equal;
			best = distance;
		}
	}
	return best;
}

/* Four words' bytes at @to; their tags are the lowest bytes of @tags. Where the bytes end. */
AVX2 static inline unsigned char *put_four(const unsigned char *at, size_t back, unsigned char *to,
					   __m256i *tags)
{
	const __m256i sign = _mm256_set1_epi64x(INT64_MIN);
	const __m256i together = _mm256_set1_epi64x(VECTOR_TOGETHER);
	const __m256i places = _mm256_set1_epi64x(0x0707060504030201);
	const __m256i lengths = _mm256_setr_epi8(0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0,
						 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 0, 0, 0, 0, 0);
	/* Compared without sign, which is turned for that. */
	__m256i alone = _mm256_xor_si256(load(at), sign);
	__m256i both = _mm256_xor_si256(alone, load(at - back));
	__m256i less = _mm256_cmpgt_epi64(alone, both);
	__m256i left = _mm256_xor_si256(_mm256_blendv_epi8(alone, both, less), sign);
	/* Of the bytes that are not zero, the highest one's place. */
	__m256i place =
		_mm256_andnot_si256(_mm256_cmpeq_epi8(left, _mm256_setzero_si256()), places);
	uint64_t word[4] __attribute__((aligned(32))), length[4] __attribute__((aligned(32)));

	place = _mm256_max_epu8(place, _mm256_srli_epi64(place, 32));
	place = _mm256_max_epu8(place, _mm256_srli_epi64(place, 16));
	place = _mm256_max_epu8(place, _mm256_srli_epi64(place, 8));
	place = _mm256_and_si256(place, _mm256_set1_epi64x(0xff));
	_mm256_store_si256((__m256i *)word, left);
	_mm256_store_si256((__m256i *)length, _mm256_shuffle_epi8(lengths, place));
	*tags = _mm256_or_si256(place, _mm256_and_si256(less, together));
	put_le64(to, word[0]);
	to += length[0];
	put_le64(to, word[1]);
	to += length[1];
	put_le64(to, word[2]);
	to += length[2];
	put_le64(to, word[3]);
	return to + length[3];
}

/* The groups from @at to @stop, before which the words go on, while there is room for whole words. */
AVX2 static inline void put_groups(struct vector_block *block, const unsigned char *at,
				   const unsigned char *stop)
{
	const unsigned char *end = block->end;
	unsigned char *to = block->to, *tags = block->tags;
	size_t back = 8 * block->distance;
	__m256i low, high;
	uint32_t four;

	for (; at != stop && end - to >= (long)(8 * VECTOR_GROUP); at += 8 * VECTOR_GROUP) {
		to = put_four(at, back, to, &low);
		to = put_four(at + 32, back, to, &high);
		four = lowest(_mm256_or_si256(low, _mm256_slli_epi64(high, 4)));
		__builtin_memcpy(tags, &four, sizeof(four));
		tags += sizeof(four);
		block->next += VECTOR_GROUP;
	}
	block->tags = tags;
	block->to = to;
}

AVX2 static uint32_t compress(const struct tmem_codec *codec, void *work, const void *page,
			      void *dst, uint32_t room)
{
	unsigned char *front = work;
	struct vector_block block;

	(void)codec;
	if (!tmem_vector_begin(&block, page, dst, room))
		return 0;
	block.distance = guess(page);
	*(unsigned char *)dst = (unsigned char)block.distance;
	/* The first words have zeros before them, which take nothing away. */
	__builtin_memset(front, 0, FRONT / 2);
	__builtin_memcpy(front + FRONT / 2, page, FRONT / 2);
	put_groups(&block, front + FRONT / 2, front + FRONT);
	if (block.next == VECTOR_FARTHEST)
		put_groups(&block, block.page + 8 * VECTOR_FARTHEST, block.page + TMEM_PAGE_SIZE);
	return tmem_vector_finish(&block, dst);
}

const struct tmem_codec tmem_vector_avx2 = {
	.id = TMEM_CODEC_VECTOR,
	.name = "vector",
	.work_size = FRONT,
	.compress = compress,
	.decompress = tmem_vector_decompress,
};

#endif
