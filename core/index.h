/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Where pages are found: pools with their directories of objects, objects
 * with their leaves of slots, and the key that a handle is turned into. Each
 * field names what guards it.
 */
#ifndef TMEM_CORE_INDEX_H
#define TMEM_CORE_INDEX_H

#include "store.h"

enum object_state { OBJECT_FREE, OBJECT_ALIVE, OBJECT_DEAD };

/*
 * One cache line. The pages 0 and 1 have their slots here; the rest of group
 * 0 (pages 2 to 63) in one leaf; all other groups' leaves in a radix tree.
 * Slots are guarded by the group's shard, all else by the stripe.
 */
struct object {
	struct tmem_object_id id;
	uint32_t left; /* link.TREE_RED: this object is red; dead: next in the queue */
	uint32_t right;
	uint32_t root;	/* height in the top 3 bits, node number below; 0: none */
	uint32_t group; /* group 0: GROUP_PRESENT, and its leaf */
	uint32_t pool;	/* serial */
	uint32_t state;
	tmem_word slot[2];
};

/* What an object counts for: its record, and its share of the buckets. */
#define TMEM_OBJECT_BYTES (sizeof(struct object) + sizeof(uint32_t))

#define TREE_RED      0x80000000u
#define ROOT_NODE     0x1fffffffu
#define ROOT_HEIGHT   29u
#define GROUP_PRESENT 0x40000000u
#define GROUP_WIDE    0x80000000u /* of a leaf's name: 64 slots, else the group's first 8 */
#define GROUP_LEAF    0x3fffffffu

#define TMEM_GROUP_PAGES 64u
#define TMEM_LEAF_SMALL	 8u
#define TMEM_TREE_LEVELS 5u /* 64^5 groups are more than 2^26 */

struct node {
	uint32_t entry[64]; /* level 1: leaves; above: nodes */
};

struct leaf {
	tmem_word slot[TMEM_GROUP_PAGES];
};

/* A slot: present, and where and how its page is stored. */
#define SLOT_PRESENT	  0x8000000000000000ull
#define SLOT_PLACE(slot)  ((slot) & ((1ull << TMEM_PLACE_BITS) - 1))
#define SLOT_LENGTH(slot) ((uint32_t)((slot) >> 40) & 0x1fffu)
#define SLOT_CODEC(slot)  ((uint32_t)((slot) >> 53) & 15u)
#define SLOT_OF(place, length, codec) \
	(SLOT_PRESENT | (place) | (uint64_t)(length) << 40 | (uint64_t)(codec) << 53)

#define TMEM_BUCKETS	  256u /* in one page of buckets */
#define TMEM_BUCKET_PAGES 512u /* in one map */
#define TMEM_BUCKET_MAPS  64u  /* in one pool */

struct bucket_page {
	uint32_t root[TMEM_BUCKETS];
};

struct bucket_map {
	uint64_t link; /* the slab's, while the record is free: who is late follows page[] */
	struct bucket_page *page[TMEM_BUCKET_PAGES];
	uint32_t number[TMEM_BUCKET_PAGES];
};

/* What a handle is called inside: made once per operation. */
struct key {
	struct tmem_object_id id;
	uint64_t hash;
	uint32_t index;
	uint32_t pool; /* serial */
};

/* What an operation found out first: whose view, which pool, which heap, and what to look for. */
struct access {
	struct pool *pool; /* the client's: counters, codec, flags */
	struct pool *home; /* where the index is; mostly the same */
	struct heap *heap; /* where the client's puts go */
	struct key key;
};

/* Where a handle's slot was when its stripe's sequence number was this. */
struct sought {
	tmem_word *slot; /* NULL: there was none */
	uint32_t object; /* 0: there was none */
	uint32_t sequence;
};

/*
 * An operation of a batch that is still to come, and how far the way to its
 * page is known. Only what tmem_slot_find() confirms is believed.
 */
struct ahead {
	uint32_t is_known; /* what follows is: it is of a private pool */
	struct access access;
	struct sought sought;
	const unsigned char *data; /* of a get; NULL: not known */
	uint32_t length;	   /* bytes of it */
};

#define TMEM_COUNTER_WORD_(name, unit, sentence) tmem_word name;

struct counters {
	TMEM_COUNTERS(TMEM_COUNTER_WORD_)
};

enum pool_state { POOL_NONE, POOL_MAKING, POOL_ALIVE, POOL_DYING };

struct pool {
	uint64_t link; /* the slab's, while the record is free */
	uint32_t record;
	/* Written under L1 and, for the directory's sake, before a stripe is taken. */
	uint32_t state;
	uint32_t serial; /* never given twice */
	uint32_t number; /* the client's; low 4 bits: its place in client->pools */
	uint32_t flags;
	struct tmem_client *client;
	/*
	 * The pool that has the directory and its pages' figures: this one, or
	 * what a member's view of a shared pool is a view of (share.c).
	 */
	struct pool *home;
	struct pool *next_member; /* under L1 */
	struct heap *heap;
	struct slab *objects;
	uint64_t cookie;
	uint32_t codec; /* of new puts; TMEM_CODEC_COUNT: as the client has it */
	/* Under a stripe each; counts by atomics. */
	uint32_t bucket_count;
	uint32_t object_count;
	tmem_word index_bytes; /* objects, nodes, leaves */
	uint32_t growing;      /* 1 while one worker adds a bucket */
	uint32_t map_number[TMEM_BUCKET_MAPS];
	struct bucket_map *map[TMEM_BUCKET_MAPS];
	/* Owned by the sweep (client->sweeping). */
	uint32_t sweep_bucket;
	struct counters base; /* of the pools that had the record before; under L1 */
	/* Each owned by one worker; they go on counting from pool to pool. */
	struct counters counters[];
};

/* Which of its client's pools it is: the same for all pools that had the record. */
static inline uint32_t tmem_pool_place(const struct pool *pool)
{
	return tmem_load(&pool->number) % TMEM_POOLS_PER_CLIENT;
}

#endif
