/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * From a pool and an object id to 64 bits, keyed with the engine's seed so
 * that no client can aim its objects at one bucket. Each word is multiplied
 * by a large odd number (multiplicative hashing, Knuth 6.4), and what gathers
 * in the upper half is folded into the lower one, twice. Trees of colliding
 * objects stay balanced (tree.c), so this is fast and not cryptographic.
 */
#ifndef TMEM_CORE_HASH_H
#define TMEM_CORE_HASH_H

#include <tmem/types.h>

static inline uint64_t tmem_hash(const uint64_t seed[2], uint32_t pool,
				 const struct tmem_object_id *id)
{
	uint64_t a = (id->word[0] ^ seed[0]) * 0x9e3779b97f4a7c15ull;
	uint64_t b = (id->word[1] ^ seed[1] ^ pool) * 0xd1342543de82ef95ull;
	uint64_t x = a ^ (b >> 32 | b << 32);

	x += id->word[2] * 0xaf251af3b0f025b5ull;
	x = (x ^ x >> 32) * 0x9fb21c651e98df25ull;
	return x ^ x >> 29;
}

#endif
