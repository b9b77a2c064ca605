/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Words in memory as the formats have them, little-endian, on any machine and
 * at any address. Compilers make one instruction of each.
 */
#ifndef TMEM_CODEC_WORDS_H
#define TMEM_CODEC_WORDS_H

#include <tmem/types.h>

static inline uint64_t get_le64(const unsigned char *from)
{
	uint64_t word;

	__builtin_memcpy(&word, from, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

/*
 * Bits below the lowest one that is set, above the highest one that is; some
 * bit is. In halves where a word is two registers, or a compiler would call its
 * library.
 */
static inline uint32_t zeros_below(uint64_t word)
{
#if defined(__LP64__)
	return (uint32_t)__builtin_ctzl(word);
#else
	uint32_t low = (uint32_t)word, high = (uint32_t)(word >> 32);

	return (uint32_t)(low ? __builtin_ctz(low) : 32 + __builtin_ctz(high));
#endif
}

static inline uint32_t zeros_above(uint64_t word)
{
#if defined(__LP64__)
	return (uint32_t)__builtin_clzl(word);
#else
	uint32_t low = (uint32_t)word, high = (uint32_t)(word >> 32);

	return (uint32_t)(high ? __builtin_clz(high) : 32 + __builtin_clz(low));
#endif
}

static inline void put_le64(unsigned char *to, uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	__builtin_memcpy(to, &word, sizeof(word));
}

#endif
