/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The fastest way to make an anonymous page smaller: a word of 64 bits loses
 * the zero bytes at its upper end, after exclusive or with the word at a
 * distance before it where that leaves fewer. One distance serves the whole
 * page: the size of the structures in it, guessed from a part of its words.
 * No branch depends on data, so all pages take the same time and a processor
 * does several words at once.
 *
 * Format: the distance in words, one byte; a tag of 4 bits for each of 512
 * words; the words' bytes, lowest first. Tags are in groups of eight: byte i
 * of four has word i's in its lower half, and word i + 4's. A tag is a length,
 * 7 for 8 bytes, and 8 more for a word that was taken together with the one
 * at the distance before it.
 */
#include "vector.h"

#define WORDS	 VECTOR_WORDS
#define GROUP	 VECTOR_GROUP
#define TOGETHER VECTOR_TOGETHER

/* By a tag: the bytes that follow, and where they are in a word. */
static const unsigned char lengths[16] = {0, 1, 2, 3, 4, 5, 6, 8, 0, 1, 2, 3, 4, 5, 6, 8};
#define MASKS 0, 0xff, 0xffff, 0xffffff, 0xffffffff, 0xffffffffff, 0xffffffffffff, ~(uint64_t)0
static const uint64_t masks[16] = {MASKS, MASKS};

/* By a tag: which bits of the word before are in it. */
#define ALL ~(uint64_t)0
static const uint64_t shared[16] = {0, 0, 0, 0, 0, 0, 0, 0, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL};

/*
 * What pointers into one area have in common, as a byte: the sum of a word's
 * five upper bytes, but with bit 1. 0 for a word that has none of them, which
 * is short anyway.
 */
static unsigned char sign(uint64_t word)
{
	uint64_t upper = word >> 24, sum = (upper & 0xff00ff00ff) + (upper >> 8 & 0xff00ff);

	return upper ? (unsigned char)(sum + (sum >> 16) + (sum >> 32)) | 2 : 0;
}

/* Of two runs of words: at which distance most have another with the same sign. */
static uint32_t guess(const unsigned char *page)
{
	unsigned char past[VECTOR_FARTHEST + VECTOR_RUN], now[VECTOR_RUN], count;
	uint32_t equal[VECTOR_FARTHEST + 1] = {0}, best = VECTOR_NEAREST, first, distance, i;

	for (first = 0; first < WORDS; first += WORDS / 2) {
		for (i = 0; i < VECTOR_FARTHEST + VECTOR_RUN; i++)
			past[i] = sign(get_le64(page + 8 * (first + i)));
		for (i = 0; i < VECTOR_RUN; i++) {
			now[i] = past[VECTOR_FARTHEST + i];
			now[i] = now[i] ? now[i] : 1;
		}
		for (distance = VECTOR_NEAREST; distance <= VECTOR_FARTHEST; distance++) {
			count = 0;
			for (i = 0; i < VECTOR_RUN; i++)
				count += now[i] == past[VECTOR_FARTHEST - distance + i];
			equal[distance] += count;
		}
	}
	for (distance = VECTOR_NEAREST; distance <= VECTOR_FARTHEST; distance++)
		if (equal[distance] > equal[best])
			best = distance;
	return best;
}

int tmem_vector_begin(struct vector_block *block, const void *page, void *dst, uint32_t room)
{
	if (room < VECTOR_HEAD)
		return 0;
	block->page = page;
	block->tags = (unsigned char *)dst + 1;
	block->to = (unsigned char *)dst + VECTOR_HEAD;
	block->end = (unsigned char *)dst + (room < VECTOR_MAX ? room : VECTOR_MAX);
	block->next = 0;
	return 1;
}

/* The tag of a word of which @left is left: by its highest byte that is not zero. */
static inline uint32_t tag_of(uint64_t left)
{
	static const unsigned char tags[8] = {0, 1, 2, 3, 4, 5, 6, 6};

	return tags[(63 - zeros_above(left | 1)) / 8] + (left != 0);
}

/* The next group's bytes at @to, where there is room for 64. Where they end. */
static inline unsigned char *put_group(struct vector_block *block, unsigned char *to)
{
	uint32_t i, word, tag, tags[GROUP / 2] = {0};

	for (i = 0; i < GROUP; i++) {
		uint64_t alone, both;

		word = block->next + i;
		alone = get_le64(block->page + 8 * word);
		both = alone;
		if (word >= block->distance)
			both ^= get_le64(block->page + 8 * (word - block->distance));
		tag = tag_of(both < alone ? both : alone);
		put_le64(to, both < alone ? both : alone);
		to += lengths[tag];
		tag |= both < alone ? TOGETHER : 0;
		tags[i % 4] |= tag << i / 4 * 4;
	}
	for (i = 0; i < GROUP / 2; i++)
		*block->tags++ = (unsigned char)tags[i];
	block->next += GROUP;
	return to;
}

uint32_t tmem_vector_finish(const struct vector_block *block, void *dst)
{
	struct vector_block here = *block; /* out of reach of what is written through it */
	unsigned char group[8 * GROUP];
	uint32_t length;

	while (here.next < WORDS && here.end - here.to >= (long)(8 * GROUP))
		here.to = put_group(&here, here.to);
	while (here.next < WORDS) {
		length = (uint32_t)(put_group(&here, group) - group);
		if (length > (uint32_t)(here.end - here.to))
			return 0;
		__builtin_memcpy(here.to, group, length);
		here.to += length;
	}
	return (uint32_t)(here.to - (unsigned char *)dst);
}

static uint32_t compress(const struct tmem_codec *codec, void *work, const void *page, void *dst,
			 uint32_t room)
{
	struct vector_block block;

	(void)codec;
	(void)work;
	if (!tmem_vector_begin(&block, page, dst, room))
		return 0;
	block.distance = guess(page);
	*(unsigned char *)dst = (unsigned char)block.distance;
	return tmem_vector_finish(&block, dst);
}

/*
 * One group of a page, the words from @word on, out of bytes of which 64 can be
 * read. Where they end; NULL for a tag that this word cannot have.
 */
static inline const unsigned char *get_group(unsigned char *page, uint32_t word, uint32_t distance,
					     const unsigned char *tags, const unsigned char *from)
{
	uint32_t i, tag;
	uint64_t value;

	for (i = 0; i < GROUP; i++) {
		tag = tags[i % 4] >> i / 4 * 4 & 15;
		value = get_le64(from) & masks[tag];
		from += lengths[tag];
		if (word + i >= distance)
			value ^= get_le64(page + 8 * (word + i - distance)) & shared[tag];
		else if (tag & TOGETHER)
			return NULL;
		put_le64(page + 8 * (word + i), value);
	}
	return from;
}

int tmem_vector_decompress(const struct tmem_codec *codec, void *work, const void *src,
			   uint32_t length, void *dst)
{
	const unsigned char *tags = (const unsigned char *)src + 1, *from = tags + WORDS / 2, *end;
	unsigned char group[8 * GROUP] = {0};
	uint32_t distance, word, left;

	(void)codec;
	(void)work;
	if (length < VECTOR_HEAD || length > VECTOR_MAX)
		return -TMEM_EIO;
	end = (const unsigned char *)src + length;
	distance = *(const unsigned char *)src;
	if (distance < VECTOR_NEAREST || distance > VECTOR_FARTHEST)
		return -TMEM_EIO;
	for (word = 0; word < WORDS && end - from >= (long)(8 * GROUP); word += GROUP, tags += 4) {
		from = get_group(dst, word, distance, tags, from);
		if (!from)
			return -TMEM_EIO;
	}
	for (; word < WORDS; word += GROUP, tags += 4) {
		const unsigned char *after;

		left = (uint32_t)(end - from);
		left = left < sizeof(group) ? left : sizeof(group);
		__builtin_memcpy(group, from, left);
		after = get_group(dst, word, distance, tags, group);
		if (!after || (uint32_t)(after - group) > left)
			return -TMEM_EIO;
		from += after - group;
	}
	return from == end ? 0 : -TMEM_EIO;
}

const struct tmem_codec tmem_vector = {
	.id = TMEM_CODEC_VECTOR,
	.name = "vector",
	.compress = compress,
	.decompress = tmem_vector_decompress,
};
