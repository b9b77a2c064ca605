/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Where pages lie: records of fixed size, extents cut into blocks, the order
 * in which blocks were filled, and the heap that has them all for one client
 * and kind. Each field names what guards it.
 */
#ifndef TMEM_CORE_STORE_H
#define TMEM_CORE_STORE_H

#include <tmem/engine.h>

#include "tmem_port.h"

#include "bits.h"

#define TMEM_LINE 64u

/* A 64-bit word that is read and written whole, on 32-bit machines too. */
typedef uint64_t tmem_word __attribute__((aligned(8)));

/* ---- slabs: fixed-size records, named by 32-bit numbers; 0 is none ---- */

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
	SLAB_LENT,
	SLAB_ORDER,
	SLAB_BUCKETS,
	SLAB_MAP,
	SLAB_POOL,
	SLAB_HEAP,
	SLAB_CLIENT,
	SLAB_COUNT
};

/* Records that a persistent client may count on; guarded by slab->lock. */
struct promise {
	uint32_t left;
	uint32_t most;
};

#define TMEM_SLAB_ARRAYS 12u

/*
 * Records are found through a table of sheets, the same size for all records
 * that fit: where a record's size is a constant, so is all arithmetic on its
 * number. The host gives chunks of one sheet or more.
 */
#define TMEM_SHEET 16384u

struct slab {
	struct tmem_lock lock;
	/* Set at creation, then constant. */
	struct tmem_engine *engine;
	enum tmem_extent_kind kind;
	uint32_t record_size;
	uint32_t sheet_size;  /* TMEM_SHEET, or a whole chunk for larger records */
	uint32_t sheet_shift; /* log2 of the records in a sheet */
	/* Written under the lock, read without: an array that only grows. */
	unsigned char **sheets;
	uint32_t issued; /* numbers below it were taken at least once */
	/* Guarded by the lock. */
	uint32_t sheet_count;
	uint32_t
		array_count; /* arrays so far; the last one is sheets, the others may still be read */
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
#define TMEM_SUM_SIZE	 8u /* bytes that a payload ends with where gets are verified */
#define TMEM_BLOCK_UNITS (TMEM_PAGE_UNITS + 2) /* the largest block: a raw page, header and sum */

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
#define TAG_LENGTH		    0x00001fffu
#define TAG_CODEC(tag)		    ((tag) >> 13 & 15u)
#define TAG_POOL(tag)		    ((tag) >> 17 & 15u)
#define TAG_OF(length, codec, pool) ((length) | (codec) << 13 | (pool) << 17)
#define TAG_SHAPE		    0x801fffffu /* all of these, of a used block */
#define TAG_PIN			    0x00200000u /* times the pins, at most 127 */
#define TAG_PINS		    0x0fe00000u
#define TAG_ZOMBIE		    0x10000000u /* freed while pinned: the last reader frees it */
#define TAG_TRIED		    0x20000000u /* recoding has looked at it and left it as it is */
#define TAG_PREV_FREE		    0x40000000u
#define TAG_USED		    0x80000000u
#define TAG_UNITS		    0x0003ffffu /* of a free block */

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
	uint32_t payload;	/* bytes */
	uint32_t dense;		/* of the pages, those of the dense codec */
	uint32_t dense_payload; /* their bytes */
};

/* The same of a whole heap. */
struct total {
	uint64_t slots; /* pages in page extents */
	uint64_t pages; /* in packed ones */
	uint64_t units;
	uint64_t payload;
	uint64_t dense;
	uint64_t dense_payload;
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

#define TMEM_LENT_UNIT	4096u /* what the host takes at a time */
#define TMEM_LENT_UNITS 512u  /* of the largest extent */
#define TMEM_NO_WORD	0xffffu
#define TMEM_NOTES	251u

/*
 * An extent that is lent is closed: nothing in it is written. For each 4 KiB,
 * a 64-bit word that is not zero; there is none where all is zeros, which
 * taking does not change. What is freed in a packed extent is noted.
 */
struct lent {
	/* Guarded by the heap's lock. */
	uint32_t busy; /* a worker is about to lend it, or to have it back */
	uint32_t
		stale; /* a freed block could not be noted, or some was taken: it will not come back */
	uint32_t over; /* the host takes nothing of it any more */
	uint32_t noted;
	uint32_t note[TMEM_NOTES]; /* unit; its units above TMEM_UNIT_BITS */
	/* Constant while it is lent. */
	uint16_t word[TMEM_LENT_UNITS]; /* or TMEM_NO_WORD */
};

/* An extent's class, of either form, while it is in heap->vacating[]. */
#define TMEM_VACATING 15u

/*
 * The first line is all that a get needs; the rest is for freeing, dropping
 * and finding room.
 */
struct extent {
	unsigned char *base;   /* constant while the number is in use */
	struct block *headers; /* of a page extent; else NULL */
	struct heap *heap;
	struct lent *lent; /* while the host may take its memory; read without a lock */
	uint32_t number;
	uint32_t size;	     /* bytes */
	uint32_t generation; /* moves at every drop; read under a shard's lock */
	/* Guarded by the heap's lock; state is read without. */
	uint32_t state;
	uint32_t live;	      /* blocks, reserved ones included */
	uint32_t units;	      /* of these blocks, in a packed extent */
	uint32_t class;	      /* which of the heap's lists */
	uint32_t lent_record; /* it is closed, and lent or about to be; 0: neither */
	uint32_t lend_at;     /* the heap's clock from which on it may be lent again */
	uint32_t next;	      /* in the heap's list of its state or class */
	uint32_t prev;
	uint16_t moving;	 /* compaction is moving blocks out of it, or into it */
	uint16_t was_lent;	 /* since the host gave its memory */
	uint64_t room[8];	 /* page extents: a bit per free slot */
	struct bins *bins;	 /* of a packed extent */
	uint32_t headers_record; /* 0: none */
	uint32_t bins_record;
	uint32_t born; /* ephemeral: nothing in it was put before, by the heap's clock */
	struct tally tally[TMEM_POOLS_PER_CLIENT];
} __attribute__((aligned(TMEM_LINE)));

/* Where the line begins that @data lies in. */
static inline const unsigned char *tmem_line_of(const unsigned char *data)
{
	return data - (uintptr_t)data % TMEM_LINE;
}

/* All lines of @length bytes at @data but the first. */
static inline void tmem_prefetch_block(const unsigned char *data, uint32_t length)
{
	const unsigned char *line, *end = data + length;

	for (line = tmem_line_of(data) + TMEM_LINE; line < end; line += TMEM_LINE)
		tmem_prefetch(line);
}

/* Which list of vacating ones an extent would be in, and which of the heap's sums. */
static inline uint32_t tmem_form(const struct extent *extent)
{
	return !extent->headers;
}

/* Bytes of an extent in which there are blocks. */
static inline uint32_t tmem_used_bytes(const struct extent *extent)
{
	return extent->headers ? extent->live * TMEM_PAGE_SIZE : extent->units * TMEM_UNIT;
}

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

/* Who looks at every entry once, from the oldest on. */
enum order_walk_name { WALK_RECODE, WALK_VACATE, WALK_DROP, ORDER_WALKS };

/* Where a walk is: all before this entry was looked at. Segment 0: nothing was yet. */
struct order_walk {
	uint32_t segment;
	uint32_t at;
};

/* All guarded by the heap's lock. */
struct order {
	uint32_t first;	    /* segment to evict from; 0: none */
	uint32_t last;	    /* segment to append to */
	uint32_t spare;	    /* taken when last is full */
	uint32_t discarded; /* segments to give back, linked through next */
	uint32_t segments;  /* in the chain */
	tmem_word entries;
	uint32_t passed;  /* the heap's clock when the last compaction ended */
	uint32_t cursor;  /* segment that compaction is at; 0: none */
	uint32_t before;  /* the one before it; 0: it is the first */
	uint32_t read;	  /* entries of it before this one were looked at */
	uint32_t kept;	  /* and those before this one stay */
	uint32_t stepped; /* by who steps: the clock and how many blocks there were, added */
	struct order_walk walk[ORDER_WALKS];
};

/* ---- heap: a client's blocks of one kind ---- */

#define TMEM_HEAP_CLASSES 12u
#define TMEM_PAGES_MIN	  4u /* extents' worth of units before raw pages get extents of their own */
#define TMEM_PAGES_EXTENT (64u << 10) /* smaller extents are never cut into page slots */
#define TMEM_ROOM_MIN	  4u /* free slots that bring a page extent back among those to fill */

/* Why an extent is dropped. */
enum drop_cause {
	DROP_ROOM,  /* somebody's pages or records need its memory */
	DROP_CAP,   /* its client is at its cap, or over it */
	DROP_ASKED, /* the host wants memory back */
	DROP_TAKEN, /* it took some, without asking */
	DROP_CAUSES,
	DROP_ENDED = DROP_CAUSES /* its client is no more; not counted */
};

enum vacate_phase {
	VACATE_REST,   /* until enough is free */
	VACATE_CHOOSE, /* which extents are to be emptied */
	VACATE_MOVE,   /* a walk over the heap's pages */
	VACATE_END     /* what did not empty is filled again */
};

/* Where the emptying of extents stands. Owned by the step. */
struct vacate {
	uint32_t phase;
	/* At the last look: the heap's clock, and how many blocks there were. */
	uint32_t clock;
	uint32_t live;
	uint32_t misses; /* looks in vain for another extent */
	/* When what is free was last counted: blocks, and the heap's clock. */
	uint32_t noted_live;
	uint32_t noted_clock;
	/* When what is free was found to be worth it, and it has been since: likewise. */
	uint32_t is_worth;
	uint32_t worth_live;
	uint32_t worth_clock;
	/* Of page extents, and of packed ones: */
	uint32_t cursor[2]; /* extents to look at next */
	uint64_t bytes[2];  /* of those that were chosen */
};

struct heap {
	uint64_t
		link; /* the slab's, while the record is free: who is late finds a lock that is one */
	struct tmem_lock lock;
	/* Set at creation, then constant. */
	struct tmem_client *client;
	enum tmem_extent_kind kind;
	uint32_t record;      /* of a member's heap in a shared pool; 0: it is part of its client */
	uint32_t pinned;      /* readers pin its blocks: of persistent and shared pools */
	uint32_t extent_size; /* persistent: of every extent; else of the next */
	/* Written under L1, read without: its client's next ephemeral heap. */
	struct heap *next;
	/* Written under L1: whose share and cap it counts against. */
	struct tmem_client *charged;
	struct pool *used_by; /* under L1: the member's view that puts into it; NULL: it left */
	/* Guarded by the lock. */
	uint32_t clock;
	tmem_word live; /* blocks */
	tmem_word extent_bytes;
	uint32_t empty; /* list: extents without blocks */
	uint32_t empty_count;
	uint32_t pages; /* list: page extents to fill, the first one first */
	uint32_t full;	/* list: page extents with less than TMEM_ROOM_MIN free slots */
	uint32_t packed[TMEM_HEAP_CLASSES]; /* lists: packed extents by free units */
	uint32_t lent;			    /* list: extents that are lent */
	/* Lists: extents whose pages are being moved out; [1]: packed ones. */
	uint32_t vacating[2];
	tmem_word vacating_bytes; /* of them all */
	uint64_t used_bytes[2];	  /* of all extents with blocks in them; likewise */
	/* Lists: lent ones with room worth having back; [1]: packed ones. */
	uint32_t ripe[2];
	uint32_t lent_count;
	uint32_t lend_cursor[3]; /* extents to look at next: full ones, others, packed ones */
	uint32_t probe_cursor;
	uint32_t probes;
	uint32_t noted_full; /* the first of ripe[1] has hardly room for notes */
	/* Owned by the step. */
	uint32_t step_clock; /* the clock at the last step */
	uint32_t lend_clock; /* and when extents to lend were last looked for */
	uint32_t lend_more;  /* there may be more, as soon as nobody puts */
	uint32_t steps;
	struct vacate vacate;
	/* Guarded by the lock. */
	uint32_t dead;	   /* list: dropped, their numbers wait for the next sweep */
	uint32_t sweeping; /* list: dropped before the sweep that runs */
	uint32_t dead_count;
	uint32_t
		spare; /* persistent: one empty extent that only compaction takes; 0: it is at work */
	uint64_t wanted; /* persistent: bytes of extents that the allocation needs, and the spare */
	uint32_t surplus;     /* persistent: 1 while it may have more; read without */
	uint32_t has_spare;   /* it has one, at work or not */
	uint32_t moving_from; /* extents that compaction is at; 0: none */
	uint32_t moving_to;
	uint64_t bins_used[TMEM_BINS / 64];
	uint32_t bin[TMEM_BINS]; /* first extent with a free block in it; 0: none */
	struct total total[TMEM_POOLS_PER_CLIENT];
	struct order order; /* of ephemeral heaps */
	uint64_t dropped;
	uint64_t pages_dropped[DROP_CAUSES];
	uint64_t live_most;
	uint64_t extent_bytes_most;
	uint64_t compacted;
	uint64_t vacated;
	uint64_t moved;
	uint64_t lends;
	uint64_t kept;
	uint64_t taken;
	uint32_t dense; /* ephemeral: the extent that recoded pages go to; only a hint */
};

#endif
