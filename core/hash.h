/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * From a pool and an object id to 64 bits, keyed with the engine's seed so
 * that no client can aim its objects at one bucket. The mixing steps are the
 * finaliser of SplitMix64 (Steele, Lea, Flood 2014), one per word. Trees of
 * colliding objects stay balanced (tree.h), so this needs to be fast, not
 * cryptographic.
 */
#ifndef TMEM_CORE_HASH_H
#define TMEM_CORE_HASH_H

#include <tmem/types.h>

static inline uint64_t tmem_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

static inline uint64_t tmem_hash(const uint64_t seed[2], uint32_t pool,
				 const struct tmem_object_id *id)
{
	uint64_t a = tmem_mix(id->word[0] ^ seed[0]);
	uint64_t b = tmem_mix(id->word[1] + (seed[1] ^ pool));

	return tmem_mix(a + (b << 1) + id->word[2] * 0x9e3779b97f4a7c15ull);
}

#endif
