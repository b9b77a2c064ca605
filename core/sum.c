/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Eight bytes that say whether others are still what they were: for engines
 * that verify what they give out. It is against memory that errs, not against
 * somebody who wants to deceive, and it never leaves the machine.
 *
 * A lane takes one word at a time: exclusive or with it, a multiplication by
 * an odd number, a rotation. Each of the three can be undone, so for a given
 * word a lane's next state says its last one, and for a given last state it
 * says the word. Word i goes into lane i % 8, and the lanes into the sum by
 * the same step. So two inputs of one length that differ within one aligned
 * word never have one sum: their lanes differ from there on, and so do their
 * sums. Where several words differ, one value in 2^64 of the last of them
 * undoes what the others did.
 *
 * Eight lanes, since a multiplication takes longer than until the next one may
 * begin. They are written out, for they have to be in registers.
 */
#include "internal.h"

#define LANES  8u
#define FACTOR 0xd6e8feb86659fd93ull /* odd */
#define TURN   31u

static inline uint64_t mix(uint64_t lane, uint64_t word)
{
	lane = (lane ^ word) * FACTOR;
	return lane << TURN | lane >> (64 - TURN);
}

static inline void take(uint64_t *lane, const unsigned char *data)
{
	uint64_t word;

	memcpy(&word, data, sizeof(word));
	*lane = mix(*lane, word);
}

static inline void take_all(uint64_t lane[LANES], const unsigned char *data)
{
	take(&lane[0], data);
	take(&lane[1], data + 8);
	take(&lane[2], data + 16);
	take(&lane[3], data + 24);
	take(&lane[4], data + 32);
	take(&lane[5], data + 40);
	take(&lane[6], data + 48);
	take(&lane[7], data + 56);
}

/*
 * Of @length bytes at @data, and of two words that say what these are; one of
 * them has the length in it, since the last bytes are filled up with zeros.
 */
uint64_t tmem_sum(const unsigned char *data, uint32_t length, uint64_t whose, uint64_t what)
{
	uint64_t lane[LANES] = {1, 2, 3, 4, 5, 6, 7, 8}, sum = mix(whose, what);
	unsigned char rest[LANES * 8];

	for (; length >= sizeof(rest); length -= (uint32_t)sizeof(rest)) {
		take_all(lane, data);
		data += sizeof(rest);
	}
	if (length) {
		memset(rest, 0, sizeof(rest));
		memcpy(rest, data, length);
		take_all(lane, rest);
	}
	sum = mix(sum, lane[0]);
	sum = mix(sum, lane[1]);
	sum = mix(sum, lane[2]);
	sum = mix(sum, lane[3]);
	sum = mix(sum, lane[4]);
	sum = mix(sum, lane[5]);
	sum = mix(sum, lane[6]);
	return mix(sum, lane[7]);
}
