/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The vector format for processors that can push bytes together (AVX-512 with
 * VBMI2): a group of eight words at a time in both directions, and the same
 * bytes as vector.c makes, which has the words about what and why. Where room
 * for a block grows short, the rest is left to it.
 */
#include "vector.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define GROUPS	    (VECTOR_WORDS / VECTOR_GROUP)
#define GROUP_BYTES (8 * VECTOR_GROUP)

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512cd,avx512vbmi2,popcnt")))

AVX512 static inline __m512i load(const void *from)
{
	return _mm512_loadu_si512(from);
}

/* The lowest byte of each word. */
AVX512 static inline uint64_t lowest(__m512i words)
{
	return (uint64_t)_mm_cvtsi128_si64(_mm512_cvtepi64_epi8(words));
}

/* Of each word the bytes that there are, by their number, from the lowest up. */
AVX512 static inline __mmask64 bytes_of(__m512i lengths)
{
	const __m512i places = _mm512_set1_epi64(0x0706050403020100);
	const __m512i first = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0808080808080808, 0));

	return _mm512_cmplt_epu8_mask(places, _mm512_shuffle_epi8(lengths, first));
}

/* What a tag says; 7 is for 8 bytes. */
AVX512 static inline __m512i lengths_of(__m512i tags)
{
	const __m512i seven = _mm512_set1_epi64(7), one = _mm512_set1_epi64(1);
	__m512i lengths = _mm512_and_si512(tags, seven);

	return _mm512_mask_add_epi64(lengths, _mm512_cmpeq_epi64_mask(lengths, seven), lengths,
				     one);
}

/* Of the group at @word, those that have another one at @distance before them. */
static inline __mmask8 lanes_of(uint32_t word, uint32_t distance)
{
	uint32_t without = word < distance ? distance - word : 0;

	return without < VECTOR_GROUP ? (__mmask8)(0xff << without) : 0;
}

AVX512 static void sign(const unsigned char *page, unsigned char *signs, uint32_t count)
{
	const __m512i upper = _mm512_set1_epi64(-(1ll << 24)), two = _mm512_set1_epi64(2);
	const __m512i none = _mm512_setzero_si512();
	uint64_t eight;
	__m512i sum;
	uint32_t i;

	for (i = 0; i < count; i += 8) {
		sum = _mm512_sad_epu8(_mm512_and_si512(load(page + 8 * i), upper), none);
		eight = lowest(_mm512_maskz_or_epi64(_mm512_test_epi64_mask(sum, sum), sum, two));
		put_le64(signs + i, eight);
	}
}

AVX512 static uint32_t guess(const unsigned char *page)
{
	unsigned char past[2][VECTOR_FARTHEST + VECTOR_RUN];
	uint32_t distance, run, best = VECTOR_NEAREST, most = 0, equal;
	__m512i now[2];

	for (run = 0; run < 2; run++) {
		sign(page + run * (TMEM_PAGE_SIZE / 2), past[run], sizeof(past[run]));
		now[run] = _mm512_max_epu8(load(past[run] + VECTOR_FARTHEST), _mm512_set1_epi8(1));
	}
	for (distance = VECTOR_NEAREST; distance <= VECTOR_FARTHEST; distance++) {
		equal = 0;
		for (run = 0; run < 2; run++)
			equal += (uint32_t)_mm_popcnt_u64(_mm512_cmpeq_epi8_mask(
				now[run], load(past[run] + VECTOR_FARTHEST - distance)));
		if (equal > most) {
			most = equal;
			best = distance;
		}
	}
	return best;
}

/* A group of words that are @alone, or together with @before. Where its bytes end. */
AVX512 static inline unsigned char *put_group(__m512i alone, __m512i before, unsigned char *to,
					      unsigned char *tags)
{
	__m512i both = _mm512_xor_si512(alone, before);
	__m512i left = _mm512_min_epu64(alone, both);
	__m512i count = _mm512_srli_epi64(
		_mm512_sub_epi64(_mm512_set1_epi64(64 + 7), _mm512_lzcnt_epi64(left)), 3);
	__m512i tag = _mm512_min_epu64(count, _mm512_set1_epi64(7));
	__mmask64 bytes = bytes_of(lengths_of(tag));
	uint64_t eight;
	uint32_t four;

	_mm512_storeu_si512(to, _mm512_maskz_compress_epi8(bytes, left));
	tag = _mm512_mask_or_epi64(tag, _mm512_cmplt_epu64_mask(both, alone), tag,
				   _mm512_set1_epi64(VECTOR_TOGETHER));
	eight = lowest(tag);
	four = (uint32_t)eight | (uint32_t)(eight >> 32) << 4;
	__builtin_memcpy(tags, &four, sizeof(four));
	return to + _mm_popcnt_u64(bytes);
}

AVX512 static uint32_t compress(const struct tmem_codec *codec, void *work, const void *page,
				void *dst, uint32_t room)
{
	struct vector_block block;
	unsigned char *to, *tags;
	const unsigned char *at = page;
	uint32_t word, distance;

	(void)codec;
	(void)work;
	if (!tmem_vector_begin(&block, page, dst, room))
		return 0;
	distance = guess(page);
	*(unsigned char *)dst = (unsigned char)distance;
	to = block.to;
	tags = block.tags;
	for (word = 0; word < VECTOR_WORDS && block.end - to >= (long)GROUP_BYTES;
	     word += VECTOR_GROUP, at += GROUP_BYTES, tags += VECTOR_GROUP / 2)
		to = put_group(load(at),
			       _mm512_maskz_loadu_epi64(lanes_of(word, distance),
							at - 8 * (size_t)distance),
			       to, tags);
	block.distance = distance;
	block.next = word;
	block.tags = tags;
	block.to = to;
	return tmem_vector_finish(&block, dst);
}

/* A group that was written already; there is nothing before the page. */
AVX512 static inline __m512i past(const unsigned char *page, int group)
{
	return group < 0 ? _mm512_setzero_si512() : load(page + group * (int)GROUP_BYTES);
}

/*
 * What is @distance words before those of @group: out of two whole groups,
 * since what was stored a moment ago is soonest loaded the same way. Some of it
 * may be in the group itself, which is found a few words at a time.
 */
AVX512 static inline __m512i unite(const unsigned char *page, int group, uint32_t distance,
				   __mmask8 together, __m512i words)
{
	const __m512i lanes = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
	__m512i from = _mm512_sub_epi64(lanes, _mm512_set1_epi64(distance % VECTOR_GROUP));
	__m512i older = past(page, group - (int)(distance / VECTOR_GROUP) - 1), value = words;
	uint32_t found;

	if (distance >= VECTOR_GROUP)
		return _mm512_mask_xor_epi64(
			words, together, words,
			_mm512_permutex2var_epi64(
				past(page, group - (int)(distance / VECTOR_GROUP)), from, older));
	for (found = 0; found < VECTOR_GROUP; found += distance)
		value = _mm512_mask_xor_epi64(words, together, words,
					      _mm512_permutex2var_epi64(value, from, older));
	return value;
}

AVX512 static int decompress(const struct tmem_codec *codec, void *work, const void *src,
			     uint32_t length, void *dst)
{
	const unsigned char *tags = (const unsigned char *)src + 1, *from = tags + VECTOR_WORDS / 2;
	uint32_t distance, group, four, taken, left;
	__mmask8 together, lanes;
	__mmask64 bytes, there;
	__m512i tag, words;

	(void)codec;
	(void)work;
	if (length < VECTOR_HEAD || length > VECTOR_MAX)
		return -TMEM_EIO;
	left = length - VECTOR_HEAD;
	distance = *(const unsigned char *)src;
	if (distance < VECTOR_NEAREST || distance > VECTOR_FARTHEST)
		return -TMEM_EIO;
	for (group = 0; group < GROUPS; group++, tags += VECTOR_GROUP / 2) {
		__builtin_memcpy(&four, tags, sizeof(four));
		tag = _mm512_cvtepu8_epi64(
			_mm_cvtsi64_si128((long long)((four & 0x0f0f0f0f) |
						      (uint64_t)(four >> 4 & 0x0f0f0f0f) << 32)));
		bytes = bytes_of(lengths_of(tag));
		taken = (uint32_t)_mm_popcnt_u64(bytes);
		together = _mm512_test_epi64_mask(tag, _mm512_set1_epi64(VECTOR_TOGETHER));
		lanes = lanes_of(group * VECTOR_GROUP, distance);
		if (taken > left || (together & ~lanes))
			return -TMEM_EIO;
		there = left < GROUP_BYTES ? ((__mmask64)1 << left) - 1 : ~(__mmask64)0;
		words = _mm512_maskz_expand_epi8(bytes, _mm512_maskz_loadu_epi8(there, from));
		_mm512_storeu_si512((unsigned char *)dst + group * GROUP_BYTES,
				    unite(dst, (int)group, distance, together, words));
		from += taken;
		left -= taken;
	}
	return left ? -TMEM_EIO : 0;
}

const struct tmem_codec tmem_vector_avx512 = {
	.id = TMEM_CODEC_VECTOR,
	.name = "vector",
	.compress = compress,
	.decompress = decompress,
};

#endif
