/* SPDX-License-Identifier: MIT */
/*
 * The keyed pages that hog writes and verifies. Each page names its owner:
 * the first word is a bijection of (seed, round, page number), so a page that
 * turns up anywhere, in a wrong place or on a raw disk, says where it came
 * from; the rest follows from that word.
 */
#ifndef TMEM_DEMO_PATTERN_H
#define TMEM_DEMO_PATTERN_H

#include <stdint.h>

#define PAGE_BYTES 4096u
#define PAGE_WORDS (PAGE_BYTES / sizeof(uint64_t))

/* Seed 16 bits, round 16 bits, page 32 bits. Seed 0 is never used: it would allow key 0. */
static inline uint64_t pattern_name(uint16_t seed, uint16_t round, uint32_t page)
{
	return (uint64_t)seed << 48 | (uint64_t)round << 32 | page;
}

#define PATTERN_MUL 0x9e3779b97f4a7c15ull
#define PATTERN_INV 0xf1de83e19937733dull /* PATTERN_MUL times this is 1 mod 2^64 */

static inline uint64_t pattern_key(uint64_t name)
{
	uint64_t x = name * PATTERN_MUL;

	return x ^ x >> 32;
}

static inline uint64_t pattern_unkey(uint64_t key)
{
	return (key ^ key >> 32) * PATTERN_INV;
}

/* Words of @page that are noise; the rest repeats what LZ4 finds. 1: all the same word. */
static inline unsigned int pattern_noise(uint64_t key)
{
	static const uint16_t words[4] = {1, PAGE_WORDS, PAGE_WORDS / 4, PAGE_WORDS / 8};

	return words[key >> 20 & 3];
}

/*
 * Walks the words of the page named by @key. A quarter of all pages is
 * same-filled, a quarter does not compress, half compresses 3 to 7 times.
 */
struct pattern {
	uint64_t word;
	unsigned int noise;
	unsigned int at;
};

static inline void pattern_start(struct pattern *p, uint64_t key)
{
	p->word = key;
	p->noise = pattern_noise(key);
	p->at = 0;
}

static inline uint64_t pattern_next(struct pattern *p)
{
	uint64_t word = p->word;

	if (++p->at < p->noise) {
		p->word ^= p->word << 13;
		p->word ^= p->word >> 7;
		p->word ^= p->word << 17;
	}
	return word;
}

#endif
