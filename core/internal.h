/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The structures that core's files share; each field names what guards it.
 *
 *   client -> pool -> directory (buckets of trees) -> object -> leaf -> slot
 *                                                                      |
 *   client -> heap (one per kind) -> extent -> block  <----------------+
 *
 * Locks, by level; locks of one level are never nested (doc/locking.md):
 *   L1  engine->lock           clients come and go
 *   L2  engine->shard[]        the slots of one group: 64 consecutive pages
 *   L3  engine->stripe[]       which objects and groups exist
 *       heap->lock             blocks and extents of one heap
 *       slab->lock, client->dying_lock, engine->room_lock
 *
 * Readers find slots without L3: they walk the directory under their shard's
 * lock and believe what they found only if the stripe's sequence number did
 * not move. All records are type-stable: a stale number leads to another
 * record of the same type, never to foreign memory.
 */
#ifndef TMEM_CORE_INTERNAL_H
#define TMEM_CORE_INTERNAL_H

#include <tmem/engine.h>

#include "tmem_port.h"

#include "bits.h"
#include "hash.h"

#define TMEM_SHARDS  1024u
#define TMEM_STRIPES 256u
#define TMEM_WORKERS 64u
#define TMEM_LINE    64u

/* A 64-bit word that is read and written whole, on 32-bit machines too. */
typedef uint64_t tmem_word __attribute__((aligned(8)));

#define TMEM_READY 2u /* extents kept ready */

/* ---- slabs: fixed-size records, named by 32-bit numbers; 0 is none ---- */

/* Records that a persistent client may count on; guarded by slab->lock. */
struct promise {
	uint32_t left;
	uint32_t most;
};

#define TMEM_SLAB_ARRAYS 10u

struct slab {
	struct tmem_lock lock;
	/* Set at creation, then constant. */
	struct tmem_engine *engine;
	enum tmem_extent_kind kind;
	uint32_t record_size;
	uint32_t chunk_shift; /* log2 of the records in a chunk */
	uint32_t chunk_mask;  /* these records, less 1 */
	/* Written under the lock, read without: an array that only grows. */
	unsigned char **chunks;
	uint32_t issued; /* numbers below it were taken at least once */
	/* Guarded by the lock. */
	uint32_t chunk_count;
	uint32_t
		array_count; /* arrays so far; the last one is chunks, the others may still be read */
	unsigned char **array[TMEM_SLAB_ARRAYS];
	uint32_t free; /* first free record; linked through its first word */
	uint32_t free_count;
	uint32_t used;	   /* records taken */
	uint32_t promised; /* free records that only promises may take */
};

/* ---- extents: the host's memory, cut into blocks ---- */

#define TMEM_UNIT	 16u /* bytes; blocks start and end at whole units */
#define TMEM_UNIT_BITS	 17u /* of a place: units of the largest extent */
#define TMEM_PLACE_BITS	 40u
#define TMEM_PAGE_UNITS	 (TMEM_PAGE_SIZE / TMEM_UNIT)
#define TMEM_BLOCK_UNITS (TMEM_PAGE_UNITS + 1) /* the largest block: a raw page and its header */

/* What a block says of itself; a packed block has it in front of its payload. */
struct block {
	uint32_t object; /* number in the pool's slab; 0: reserved, not published */
	uint32_t index;
	uint32_t time; /* the heap's clock at the put */
	uint32_t tag;  /* below; changed under the heap's lock or by pins */
};

/*
 * A used block's tag: length, codec, the client's pool, pins of readers.
 * A free block's tag is its units; a copy of it is the block's last word, and
 * object, index and time hold the links of its bin.
 */
#define TAG_LENGTH     0x00001fffu
#define TAG_CODEC(tag) ((tag) >> 13 & 15u)
#define TAG_POOL(tag)  ((tag) >> 17 & 15u)
#define TAG_PIN	       0x00200000u /* times the pins, at most 127 */
#define TAG_PINS       0x0fe00000u
#define TAG_ZOMBIE     0x10000000u /* freed while pinned: the last reader frees it */
#define TAG_PREV_FREE  0x40000000u
#define TAG_USED       0x80000000u
#define TAG_UNITS      0x0003ffffu /* of a free block */

enum extent_state {
	EXTENT_NONE,  /* the number is free */
	EXTENT_EMPTY, /* memory, no blocks: a heap's reserve */
	EXTENT_PAGES, /* whole pages in fixed slots, headers in a side array */
	EXTENT_PACKED,
	EXTENT_DROPPING, /* for a moment, under the heap's lock */
	EXTENT_DEAD	 /* dropped; the number waits for a sweep of the index */
};

/*
 * What one pool has in one extent, so that dropping it keeps every figure
 * exact. In a page extent the pages say it all.
 */
struct tally {
	uint32_t pages;
	uint32_t units;
	uint32_t payload; /* bytes */
};

/* The same of a whole heap. */
struct total {
	uint64_t slots; /* pages in page extents */
	uint64_t pages; /* in packed ones */
	uint64_t units;
	uint64_t payload;
};

#define TMEM_BINS 320u

/*
 * The free blocks of one packed extent: exact bins up to the largest block,
 * four to the octave above. An extent is in the heap's list of every bin it
 * has a block in, so that dropping it touches none of its memory.
 */
struct bins {
	uint64_t used[TMEM_BINS / 64];
	uint32_t head[TMEM_BINS]; /* unit of the first free block, plus 1; 0: none */
	uint32_t next[TMEM_BINS]; /* extents */
	uint32_t prev[TMEM_BINS];
};

/*
 * The first line is all that a get needs; the rest is for freeing, dropping
 * and finding room.
 */
struct extent {
	unsigned char *base;   /* constant while the number is in use */
	struct block *headers; /* of a page extent; else NULL */
	struct heap *heap;
	uint32_t number;
	uint32_t size;	     /* bytes */
	uint32_t generation; /* moves at every drop; read under a shard's lock */
	/* Guarded by the heap's lock; state is read without. */
	uint32_t state;
	uint32_t live;	/* blocks, reserved ones included */
	uint32_t units; /* of these blocks, in a packed extent */
	uint32_t class; /* which of the heap's lists */
	uint32_t next;	/* in the heap's list of its state or class */
	uint32_t prev;
	uint32_t moving;	 /* compaction is moving blocks out of it, or into it */
	uint64_t room[8];	 /* page extents: a bit per free slot */
	struct bins *bins;	 /* of a packed extent */
	uint32_t headers_record; /* 0: none */
	uint32_t bins_record;
	struct tally tally[TMEM_POOLS_PER_CLIENT];
} __attribute__((aligned(TMEM_LINE)));

/* ---- put order: segments of block places, oldest first ---- */

#define TMEM_ORDER_ENTRIES 814u /* a segment is 4 KiB */

struct order_segment {
	uint32_t next;
	uint32_t count;	 /* entries in use, from first on */
	uint32_t first;	 /* entries before it were taken */
	uint32_t oldest; /* put times of its entries, both included */
	uint32_t newest;
	uint32_t birth; /* engine's age when it was begun */
	uint32_t low[TMEM_ORDER_ENTRIES];
	uint8_t high[TMEM_ORDER_ENTRIES];
};

/* All guarded by the heap's lock. */
struct order {
	uint32_t first;	    /* segment to evict from; 0: none */
	uint32_t last;	    /* segment to append to */
	uint32_t spare;	    /* taken when last is full */
	uint32_t discarded; /* segments to give back, linked through next */
	uint32_t segments;  /* in the chain */
	tmem_word entries;
	uint32_t passed; /* the heap's clock when the last compaction ended */
	uint32_t cursor; /* segment that compaction is at; 0: none */
	uint32_t before; /* the one before it; 0: it is the first */
	uint32_t read;	 /* entries of it before this one were looked at */
	uint32_t kept;	 /* and those before this one stay */
};

/* ---- heap: a client's blocks of one kind ---- */

#define TMEM_HEAP_CLASSES 12u
#define TMEM_PAGES_MIN	  4u /* extents' worth of units before raw pages get extents of their own */
#define TMEM_PAGES_EXTENT (64u << 10) /* smaller extents are never cut into page slots */
#define TMEM_ROOM_MIN	  4u /* free slots that bring a page extent back among those to fill */

struct heap {
	struct tmem_lock lock;
	/* Set at creation, then constant. */
	struct tmem_client *client;
	enum tmem_extent_kind kind;
	uint32_t extent_size; /* persistent: of every extent; else of the next */
	/* Guarded by the lock. */
	uint32_t clock;
	tmem_word live; /* blocks */
	tmem_word extent_bytes;
	uint32_t empty; /* list: extents without blocks */
	uint32_t empty_count;
	uint32_t pages; /* list: page extents to fill, the first one first */
	uint32_t full;	/* list: page extents with less than TMEM_ROOM_MIN free slots */
	uint32_t packed[TMEM_HEAP_CLASSES]; /* lists: packed extents by free units */
	uint32_t dead;	   /* list: dropped, their numbers wait for the next sweep */
	uint32_t sweeping; /* list: dropped before the sweep that runs */
	uint32_t dead_count;
	uint32_t
		spare; /* persistent: one empty extent that only compaction takes; 0: it is at work */
	uint32_t moving_from; /* extents that compaction is at; 0: none */
	uint32_t moving_to;
	uint64_t bins_used[TMEM_BINS / 64];
	uint32_t bin[TMEM_BINS]; /* first extent with a free block in it; 0: none */
	struct total total[TMEM_POOLS_PER_CLIENT];
	struct order order; /* of ephemeral heaps */
	uint64_t dropped;
	uint64_t compacted;
};

/* ---- index ---- */

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
	uint64_t slot[2];
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
	uint64_t slot[TMEM_GROUP_PAGES];
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
	uint32_t shard;
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
	struct heap *heap;
	struct slab *objects;
	uint64_t cookie;
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

/* ---- client, worker, engine ---- */

enum client_state { CLIENT_NONE, CLIENT_ALIVE, CLIENT_DYING };

/* Where a sweep of the index for dead extents stands. */
struct sweep {
	uint32_t running;
	uint32_t pool;
	uint32_t bucket;
	uint32_t inside; /* id is the object to go on with, from group on */
	uint32_t group;
	struct tmem_object_id id;
};

enum slab_name {
	SLAB_OBJECT_E, /* of ephemeral pools */
	SLAB_OBJECT_P, /* of persistent pools: in memory that can survive */
	SLAB_NODE,
	SLAB_LEAF_SMALL,
	SLAB_LEAF,
	SLAB_EXTENT,
	SLAB_HEADERS_E,
	SLAB_HEADERS_P,
	SLAB_BINS,
	SLAB_ORDER,
	SLAB_BUCKETS,
	SLAB_MAP,
	SLAB_POOL,
	SLAB_CLIENT,
	SLAB_COUNT
};

struct tmem_client {
	uint64_t link; /* the slab's, while the record is free */
	struct tmem_engine *engine;
	uint32_t record;
	uint32_t state;
	/* Guarded by L1. */
	struct tmem_client *next;
	uint64_t session; /* nonce */
	uint32_t has_session;
	uint32_t pool_epoch[TMEM_POOLS_PER_CLIENT]; /* pools made at this place in this session */
	/* Written under L1, read without. */
	struct pool *pools[TMEM_POOLS_PER_CLIENT];
	/* Ephemeral, persistent. Kept: who is late finds a pool of this client and kind. */
	uint32_t pool_record[2][TMEM_POOLS_PER_CLIENT];
	uint32_t frozen;
	uint32_t codec;
	uint32_t weight;
	tmem_word cap;
	uint64_t allocation;
	tmem_word billed; /* atomic: persistent blocks and their index */
	struct promise promise[SLAB_COUNT];
	struct heap heap[2]; /* ephemeral, persistent */
	/* Dead objects whose pages are not freed yet: ephemeral, persistent. */
	struct tmem_lock dying_lock;
	uint32_t dying[2];    /* guarded by dying_lock; linked through left */
	uint32_t dying_count; /* atomic; counted under the stripe that they leave */
	uint32_t dying_pools; /* atomic */
	uint32_t sweeper;     /* 1 while one worker sweeps; what follows is its own */
	struct sweep sweep;
};

/*
 * Records that an operation may need, taken before it locks anything, and
 * those it no longer needs, given back after it has unlocked.
 */
#define TMEM_SPARE_NODES (2 * TMEM_TREE_LEVELS)
#define TMEM_DISCARDS	 32u

struct spares {
	uint32_t count[SLAB_LEAF + 1]; /* by slab: objects, nodes, leaves */
	uint32_t number[SLAB_LEAF + 1][TMEM_SPARE_NODES];
	uint32_t unsettled;	       /* something was spent or discarded */
	uint32_t spent[SLAB_LEAF + 1]; /* since the last settling */
	uint32_t discards;
	uint32_t discard_slab[TMEM_DISCARDS];
	uint32_t discard[TMEM_DISCARDS];
};

struct tmem_worker {
	struct tmem_engine *engine;
	uint32_t size; /* of the extent that holds it and its buffers */
	uint32_t id;
	/*
	 * The extent whose block this worker is copying to or from; it is not
	 * dropped meanwhile. Set under its heap's lock by a put, and by a get
	 * with a full fence before it looks at the extent's generation.
	 */
	uint32_t held;
	struct heap *visiting; /* the heap it takes room from: the client is not freed meanwhile */
	/* Owned by the worker. */
	uint32_t touched;
	struct spares spares;
	uint64_t taken[TMEM_GROUP_PAGES + 2]; /* slots of a group on their way out */
	uint32_t taken_generation[TMEM_GROUP_PAGES + 2];
	unsigned char *page;  /* one page: our copy */
	unsigned char *coded; /* one page: a codec's output */
	unsigned char *work;  /* the codecs' scratch */
};

struct shard {
	struct tmem_lock lock;
} __attribute__((aligned(TMEM_LINE)));

struct stripe {
	struct tmem_lock lock;
	/*
	 * Odd while the holder changes structure. A reader believes what it
	 * walked over if this was even before and is the same after.
	 */
	uint32_t sequence;
} __attribute__((aligned(TMEM_LINE)));

static inline uint32_t tmem_stripe_begin(const struct stripe *stripe)
{
	uint32_t sequence;

	while ((sequence = tmem_load_acquire(&stripe->sequence)) & 1)
		tmem_cpu_relax();
	return sequence;
}

static inline int tmem_stripe_moved(const struct stripe *stripe, uint32_t sequence)
{
	tmem_fence_acquire();
	return tmem_load(&stripe->sequence) != sequence;
}

/* Before and after a change of structure; the stripe is locked. */
static inline void tmem_stripe_open_locked(struct stripe *stripe)
{
	tmem_store(&stripe->sequence, stripe->sequence + 1);
	tmem_fence_release();
}

static inline void tmem_stripe_close_locked(struct stripe *stripe)
{
	tmem_store_release(&stripe->sequence, stripe->sequence + 1);
}

struct tmem_engine {
	struct shard shard[TMEM_SHARDS];
	struct stripe stripe[TMEM_STRIPES];
	/* Set at creation, then constant. */
	const struct tmem_host_ops *ops;
	void *host;
	uint64_t seed[2];
	uint32_t extent_size;
	uint32_t chunk_size;
	uint32_t worker_limit;
	uint32_t work_size;
	uint32_t self_size; /* bytes of the extent that holds this */
	const struct tmem_codec *codec[TMEM_CODEC_COUNT];
	struct slab slab[SLAB_COUNT];
	/* Guarded by L1. */
	struct tmem_lock lock;
	struct tmem_client *clients;
	uint64_t allocated; /* sum of allocations */
	uint64_t persistent_limit;
	uint32_t next_serial;
	/* Written under L1, read without. */
	struct tmem_worker *worker[TMEM_WORKERS];
	/* Guarded by room_lock. */
	struct tmem_lock room_lock;
	uint64_t capacity;
	uint64_t bytes;		 /* of all extents held, or being asked for */
	uint64_t meta_bytes;	 /* of these: records */
	uint64_t claims;	 /* for which ephemeral extents are being dropped */
	void *ready[TMEM_READY]; /* memory of ephemeral extents, ahead of use */
	uint32_t ready_count;
	uint32_t ephemeral_taken; /* an ephemeral extent was opened since the last preparation */
	/* Atomic. */
	uint32_t age;	     /* put-order segments begun: time across clients */
	struct heap *victim; /* who gives next; asked again when victim_uses is 0 */
	uint32_t victim_uses;
	uint32_t stepper;     /* 1 while one worker does background work */
	struct counters gone; /* of clients that were destroyed; under L1 */
};

/* slab.c */
int tmem_slab_create(struct tmem_engine *engine, struct slab *slab, enum tmem_extent_kind kind,
		     uint32_t record_size);
void tmem_slab_destroy(struct slab *slab);
uint32_t tmem_slab_take(struct slab *slab, struct tmem_worker *worker, int promised);
void tmem_slab_give(struct slab *slab, uint32_t number, struct promise *promise);
int tmem_slab_promise(struct slab *slab, struct tmem_worker *worker, struct promise *promise,
		      uint32_t count);
void tmem_slab_release(struct slab *slab, struct promise *promise);
void tmem_slab_charge(struct slab *slab, struct promise *promise);

static inline void *tmem_slab_at(const struct slab *slab, uint32_t number)
{
	unsigned char **chunks = tmem_load_acquire(&slab->chunks);
	return chunks[number >> slab->chunk_shift] +
	       (size_t)(number & slab->chunk_mask) * slab->record_size;
}

/* room.c */
void *tmem_room_take(struct tmem_engine *engine, struct tmem_worker *worker,
		     enum tmem_extent_kind kind, uint32_t size);
int tmem_room_left(struct tmem_engine *engine, uint32_t size);
void tmem_room_give(struct tmem_engine *engine, enum tmem_extent_kind kind, void *memory,
		    uint32_t size);
uint32_t tmem_room_prepare(struct tmem_engine *engine);

/* extent.c */
static inline struct extent *tmem_extent(const struct tmem_engine *engine, uint32_t number)
{
	return tmem_slab_at(&engine->slab[SLAB_EXTENT], number);
}

struct extent *tmem_extent_open(struct tmem_engine *engine, struct tmem_worker *worker,
				struct heap *heap, uint32_t size, int headers, int bins);
void tmem_extent_close(struct tmem_engine *engine, struct extent *extent);
void tmem_extent_retire(struct tmem_engine *engine, struct extent *extent);
void tmem_extent_link(struct tmem_engine *engine, uint32_t *list, struct extent *extent);
void tmem_extent_unlink(struct tmem_engine *engine, uint32_t *list, struct extent *extent);

int tmem_slot_stored(const struct tmem_engine *engine, uint64_t slot, uint32_t *generation);

static inline uint32_t tmem_place_extent(uint64_t place)
{
	return (uint32_t)(place >> TMEM_UNIT_BITS);
}

static inline uint32_t tmem_place_unit(uint64_t place)
{
	return (uint32_t)place & ((1u << TMEM_UNIT_BITS) - 1);
}

static inline uint64_t tmem_place(const struct extent *extent, uint32_t unit)
{
	return (uint64_t)extent->number << TMEM_UNIT_BITS | unit;
}

/* The header of the block at @unit. */
static inline struct block *tmem_block(const struct extent *extent, uint32_t unit)
{
	if (extent->headers)
		return extent->headers + unit / TMEM_PAGE_UNITS;
	return (struct block *)(void *)(extent->base + (size_t)unit * TMEM_UNIT);
}

static inline unsigned char *tmem_payload(const struct extent *extent, uint32_t unit)
{
	return extent->base + (size_t)unit * TMEM_UNIT + (extent->headers ? 0 : TMEM_UNIT);
}

/* Units of a block with @length bytes of payload, header included. */
static inline uint32_t tmem_units(uint32_t length)
{
	return (length + TMEM_UNIT - 1) / TMEM_UNIT + 1;
}

/* Whether extents of @size may hold whole pages: only the engine's largest do. */
static inline int tmem_extent_holds_pages(const struct tmem_engine *engine, uint32_t size)
{
	return size == engine->extent_size && size >= TMEM_PAGES_EXTENT;
}

/* heap.c */
struct reserve {
	uint64_t place;
	struct extent *extent;
	struct block *block;
	unsigned char *payload;
};

void tmem_heap_create(struct heap *heap, struct tmem_client *client, enum tmem_extent_kind kind,
		      uint32_t extent_size);
int tmem_heap_fill(struct heap *heap, struct tmem_worker *worker, uint64_t bytes);
int tmem_heap_reserve(struct heap *heap, struct tmem_worker *worker, uint32_t length,
		      uint32_t codec, uint32_t pool, struct reserve *reserve);
void tmem_heap_free(struct heap *heap, uint64_t place, uint32_t generation);
void tmem_heap_unpin(struct heap *heap, struct extent *extent, struct block *block, uint64_t place);
void tmem_heap_destroy(struct heap *heap);
uint64_t tmem_heap_alloc_locked(struct heap *heap, uint32_t length);
void tmem_heap_tag_locked(struct heap *heap, uint64_t place, uint32_t length, uint32_t codec,
			  uint32_t pool);

void tmem_heap_unlist_locked(struct heap *heap, struct extent *extent);

/* drop.c */
uint32_t tmem_heap_drop_one(struct heap *heap);

/* pack.c */
void tmem_pack_format_locked(struct heap *heap, struct extent *extent);
uint64_t tmem_pack_alloc_locked(struct heap *heap, uint32_t units);
void tmem_pack_free_locked(struct heap *heap, struct extent *extent, uint32_t unit, uint32_t units);
void tmem_pack_forget_locked(struct heap *heap, struct extent *extent);
void tmem_pack_rebuild_locked(struct heap *heap, struct extent *extent);
void tmem_pack_moved_locked(struct heap *heap, struct extent *extent);

/* order.c */
int tmem_order_ready(struct heap *heap, struct tmem_worker *worker);
int tmem_order_room_locked(const struct heap *heap);
void tmem_order_append_locked(struct heap *heap, uint64_t place, uint32_t time);
int tmem_order_take(struct heap *heap, uint64_t *place, struct block *block, uint32_t *touched);
uint64_t tmem_order_oldest(struct heap *heap, uint32_t *birth);
uint32_t tmem_order_compact(struct heap *heap, uint32_t budget);
void tmem_order_settle(struct heap *heap);
void tmem_order_destroy(struct heap *heap);

/* tree.c */
uint32_t tmem_tree_find(const struct slab *objects, uint32_t root, const struct tmem_object_id *id,
			uint32_t *touched);
uint32_t tmem_tree_above(const struct slab *objects, uint32_t root, const struct tmem_object_id *id,
			 uint32_t *touched);
void tmem_tree_insert(const struct slab *objects, uint32_t *root, uint32_t number,
		      uint32_t *touched);
void tmem_tree_remove(const struct slab *objects, uint32_t *root, uint32_t number,
		      uint32_t *touched);

/* directory.c */
int tmem_directory_create(struct pool *pool, struct tmem_worker *worker);
void tmem_directory_destroy(struct pool *pool);
uint32_t *tmem_directory_bucket(const struct pool *pool, uint64_t hash);
uint32_t *tmem_directory_bucket_at(const struct pool *pool, uint32_t bucket);
void tmem_directory_grow(struct pool *pool, struct tmem_worker *worker);
void tmem_directory_prefetch(const struct pool *pool, uint64_t hash);

/* object.c: all but the last two with the key's shard locked */
#define TMEM_NO_GROUP 0xffffffffu

uint64_t *tmem_slot_find(struct tmem_worker *worker, const struct pool *pool, const struct key *key,
			 uint32_t *object);
uint64_t *tmem_slot_in(struct tmem_engine *engine, const struct key *key, uint32_t number,
		       struct slab *objects, uint32_t *touched);
uint64_t *tmem_slot_make(struct tmem_worker *worker, struct pool *pool, const struct key *key,
			 uint64_t bytes, uint32_t *object, int *err);
void tmem_slot_cleared(struct tmem_worker *worker, struct pool *pool, const struct key *key,
		       uint32_t object, const uint64_t *slot);
void tmem_group_remove(struct tmem_worker *worker, struct pool *pool, const struct key *key,
		       uint32_t object);
uint32_t tmem_group_slots(struct tmem_worker *worker, const struct key *key, uint32_t number,
			  struct slab *objects, uint64_t **slots);
uint32_t tmem_group_next_locked(const struct tmem_engine *engine, const struct object *object,
				uint32_t group, uint32_t *touched);
uint32_t tmem_node_make_locked(struct tmem_worker *worker, struct pool *pool);
void tmem_index_grown(struct pool *pool, uint64_t bytes);
void tmem_index_shrunk(struct pool *pool, uint64_t bytes);

/* Page @i of a group whose slots tmem_group_slots() found; NULL: it has none from there on. */
static inline uint64_t *tmem_group_slot(uint64_t *const *slots, uint32_t count, uint32_t i)
{
	if (i < 2 && slots[0])
		return slots[0] + i;
	return i < count ? slots[1] + i : NULL;
}

/* handle.c */
void tmem_key_make(const struct tmem_engine *engine, const struct pool *pool,
		   const struct tmem_handle *handle, struct key *key);
int tmem_begin(struct tmem_client *client, struct tmem_worker *worker,
	       const struct tmem_handle *handle, struct pool **pool, struct key *key);

/* detach.c: without locks */
uint32_t tmem_object_detach(struct tmem_worker *worker, struct pool *pool, const struct key *key);
uint32_t tmem_object_split(struct tmem_worker *worker, struct pool *pool, const struct key *key,
			   uint32_t first, uint32_t last);
void tmem_object_bury(struct tmem_worker *worker, struct pool *pool, uint32_t number);

/* spares.c: without locks, but for the two that say so */
int tmem_spares_fill(struct tmem_worker *worker, const struct pool *pool, uint32_t nodes);
uint32_t tmem_spare_locked(struct tmem_worker *worker, uint32_t slab);
void tmem_discard_locked(struct tmem_worker *worker, uint32_t slab, uint32_t number);
void tmem_spares_do_settle(struct tmem_worker *worker, struct pool *pool);
void tmem_spares_drain(struct tmem_worker *worker);

/* After the locks: charges what was spent for @pool, gives back what was discarded. */
static inline void tmem_spares_settle(struct tmem_worker *worker, struct pool *pool)
{
	if (tmem_unlikely(worker->spares.unsettled))
		tmem_spares_do_settle(worker, pool);
}

/* put.c, get.c, flush.c, evict.c */
int tmem_take(struct tmem_worker *worker, struct pool *pool, const struct key *key, uint64_t only);
void tmem_release(struct tmem_engine *engine, uint64_t slot, uint32_t generation, int billed);
uint32_t tmem_take_group(struct tmem_worker *worker, struct pool *pool, const struct key *key,
			 uint32_t object, uint32_t first, uint32_t last);
int tmem_evict_one(struct tmem_worker *worker, struct heap *heap);

/* quota.c */
uint64_t tmem_bill_of(uint32_t length);
int tmem_bill(struct tmem_client *client, uint64_t fresh, uint64_t old);

/* policy.c */
struct heap *tmem_policy_victim(struct tmem_engine *engine, struct tmem_worker *worker);
void tmem_policy_leave(struct tmem_worker *worker);
void tmem_policy_forget(struct tmem_engine *engine);
int tmem_policy_visited(struct tmem_engine *engine, const struct heap *heap);

/* compact.c */
int tmem_compact(struct heap *heap, struct tmem_worker *worker);
void tmem_compact_freed_locked(struct heap *heap, struct extent *extent, struct block *block,
			       uint32_t units);

/* sweep.c */
void tmem_dying_add(struct tmem_client *client, const struct pool *pool, uint32_t object);
uint32_t tmem_sweep_client(struct tmem_client *client, struct tmem_worker *worker, uint32_t budget);

/* pool.c */
int tmem_pool_find(struct tmem_client *client, uint32_t number, struct pool **pool);
void tmem_pool_kill_locked(struct tmem_client *client, struct pool *pool);
void tmem_pool_free(struct pool *pool);
void tmem_pool_records_free(struct tmem_client *client);

/* client.c */
void tmem_client_free(struct tmem_client *client);

/* codec.c */
uint32_t tmem_encode(struct tmem_worker *worker, uint32_t wanted, struct counters *counters,
		     uint32_t *codec, const unsigned char **data);
int tmem_decode(struct tmem_worker *worker, uint32_t codec, const unsigned char *data,
		uint32_t length, void *page);
int tmem_page_same(const void *page);

static inline struct counters *tmem_counters(struct pool *pool, const struct tmem_worker *worker)
{
	return &pool->counters[worker->id];
}

/* A counter has one writer; readers may see it at any moment. */
#define tmem_count(counters, name, n) \
	tmem_store(&(counters)->name, (counters)->name + (uint64_t)(n))

#endif
