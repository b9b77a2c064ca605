/* SPDX-License-Identifier: MIT */
/*
 * Two bits for each block of a disk: what the daemon knows of it. The map is
 * allocated and touched when the disk is made, so that a block can become
 * lost when there is no memory left.
 */
#ifndef TMEMD_BLOCKMAP_H
#define TMEMD_BLOCKMAP_H

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum block_state {
	BLOCK_UNTOUCHED, /* as when the disk was made: what that means is the disk's business */
	BLOCK_EMPTY,	 /* discarded or zeroed: reads zeros */
	BLOCK_STORED,	 /* in the engine's pool */
	BLOCK_LOST,	 /* reads are errors */
	BLOCK_STATES
};

#define BLOCKMAP_PER_WORD 32u

struct blockmap {
	uint64_t *word;
	uint64_t blocks;
	uint64_t count[BLOCK_STATES];
};

static inline size_t blockmap_bytes(uint64_t blocks)
{
	return (size_t)((blocks + BLOCKMAP_PER_WORD - 1) / BLOCKMAP_PER_WORD) * sizeof(uint64_t);
}

/* All blocks untouched. 0 or -errno. */
static inline int blockmap_open(struct blockmap *map, uint64_t blocks)
{
	void *word = mmap(NULL, blockmap_bytes(blocks), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	memset(map, 0, sizeof(*map));
	if (word == MAP_FAILED)
		return -errno;
	map->word = word;
	map->blocks = blocks;
	map->count[BLOCK_UNTOUCHED] = blocks;
	return 0;
}

static inline void blockmap_close(struct blockmap *map)
{
	if (map->word)
		munmap(map->word, blockmap_bytes(map->blocks));
	memset(map, 0, sizeof(*map));
}

static inline enum block_state blockmap_get(const struct blockmap *map, uint64_t block)
{
	return (enum block_state)(
		map->word[block / BLOCKMAP_PER_WORD] >> (block % BLOCKMAP_PER_WORD * 2) & 3);
}

/* Sets the blocks of one word that @mask covers, both bits of each. */
static inline void blockmap_set_word(struct blockmap *map, uint64_t at, uint64_t mask,
				     enum block_state state)
{
	const uint64_t low = 0x5555555555555555ull;
	uint64_t old = map->word[at], lows = old & low & mask, highs = old >> 1 & low & mask;
	uint64_t covered = (uint64_t)__builtin_popcountll(mask) / 2;
	uint64_t lost = (uint64_t)__builtin_popcountll(lows & highs);
	uint64_t empty = (uint64_t)__builtin_popcountll(lows) - lost;
	uint64_t stored = (uint64_t)__builtin_popcountll(highs) - lost;

	map->count[BLOCK_LOST] -= lost;
	map->count[BLOCK_EMPTY] -= empty;
	map->count[BLOCK_STORED] -= stored;
	map->count[BLOCK_UNTOUCHED] -= covered - lost - empty - stored;
	map->count[state] += covered;
	map->word[at] = (old & ~mask) | (low * (uint64_t)state & mask);
}

/* Sets @count blocks from @first on, all of which exist. */
static inline void blockmap_set(struct blockmap *map, uint64_t first, uint64_t count,
				enum block_state state)
{
	while (count) {
		uint64_t skip = first % BLOCKMAP_PER_WORD;
		uint64_t part = BLOCKMAP_PER_WORD - skip;
		uint64_t mask = ~(uint64_t)0;

		if (part > count) {
			part = count;
			mask = ((uint64_t)1 << part * 2) - 1;
		}
		blockmap_set_word(map, first / BLOCKMAP_PER_WORD, mask << skip * 2, state);
		first += part;
		count -= part;
	}
}

#endif
