/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What core's files share: clients and the engine, and what each file offers
 * the others. Where pages lie is in store.h, how they are found in index.h, and
 * what a thread has of its own in worker.h.
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

#include "hash.h"
#include "worker.h"

#define TMEM_SHARDS  1024u
#define TMEM_STRIPES 256u

#define TMEM_WEIGHT_MOST 10000u

/* Who asks for everything asks for this much, so that the sum does not wrap. */
#define TMEM_ASKED_MOST (1ull << 48)

/* Persistent pages of the dense codec that were got and whose places are remembered, at most. */
#define TMEM_HOT 64u

#define TMEM_READY 32u /* extents kept ready, at most; a sixteenth of the capacity, too */

/* ---- client, worker, engine ---- */

enum pool_kind { POOL_EPHEMERAL, POOL_PERSISTENT, POOL_MEMBER, POOL_KINDS };

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

/*
 * Persistent pages to be recoded. They have no put order: passes over the
 * index find those that were not put or got for so long, then those of half
 * that age, and so on.
 */
struct cold {
	struct sweep at; /* running: a pass is on its way */
	uint32_t age;	 /* in puts, that the pass looks for */
	uint32_t began;	 /* the heap's clock when the last pass began */
	uint32_t has_begun;
	uint32_t count; /* places that were found and not recoded yet */
	uint64_t place[TMEM_GROUP_PAGES];
};

struct tmem_client {
	uint64_t link; /* the slab's, while the record is free */
	struct tmem_engine *engine;
	uint32_t record;
	uint32_t state;
	/* Guarded by L1. */
	struct tmem_client *next;
	uint64_t pieces;  /* of ephemeral extents; scratch of the policy */
	uint64_t session; /* nonce */
	uint32_t has_session;
	/* Of a share, the client behind one shared pool (share.c). */
	uint32_t is_share;
	uint32_t share_flags;
	uint64_t uuid[2];     /* 0: not published, or gone */
	struct pool *members; /* the oldest first */
	uint32_t grant_count;
	uint64_t grant[TMEM_GRANTS][2];		    /* uuids */
	uint32_t pool_epoch[TMEM_POOLS_PER_CLIENT]; /* pools made at this place in this session */
	/* Written under L1, read without. */
	struct pool *pools[TMEM_POOLS_PER_CLIENT];
	/* By kind. Kept: who is late finds a pool of this client and kind. */
	uint32_t pool_record[POOL_KINDS][TMEM_POOLS_PER_CLIENT];
	uint32_t frozen;
	uint32_t codec;
	uint32_t weight;
	tmem_word cap;
	tmem_word allocation;	/* written by who sets it, read by every bill */
	uint32_t fewest;	/* pages in an object, as the client said */
	tmem_word shared_bytes; /* atomic: extents of shared pools that count against it */
	/* Atomic: bytes of tmem_client_reclaim(); the engine's are of both calls. */
	tmem_word reclaim_asked;
	tmem_word reclaim_given;
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
	struct cold cold; /* owned by who recodes, the engine's stepper */
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

/* What the heaps of clients that were destroyed had counted. */
struct gone_heaps {
	uint64_t dropped;
	uint64_t pages_dropped[DROP_CAUSES];
	uint64_t compacted;
	uint64_t vacated;
	uint64_t moved;
	uint64_t lends;
	uint64_t kept;
	uint64_t taken;
};

struct tmem_engine {
	struct shard shard[TMEM_SHARDS];
	struct seat seat[TMEM_WORKERS];
	struct stripe stripe[TMEM_STRIPES];
	/* Set at creation, then constant. */
	const struct tmem_host_ops *ops;
	void *host;
	uint64_t seed[2];
	uint32_t extent_size;
	uint32_t chunk_size;
	uint32_t worker_limit;
	uint32_t work_size;
	uint32_t self_size;  /* bytes of the extent that holds this */
	uint32_t sum_size;   /* bytes that each payload ends with; 0: gets are not verified */
	uint32_t page_units; /* of a page that is stored as it is */
	const struct tmem_codec *codec[TMEM_CODEC_COUNT];
	const struct tmem_codec *dense; /* the one that background steps recode with; NULL: none */
	struct slab slab[SLAB_COUNT];
	/* Guarded by L1. */
	struct tmem_lock lock;
	struct tmem_client *clients;
	uint64_t allocated; /* sum of allocations */
	uint64_t persistent_limit;
	uint32_t next_serial;
	uint32_t serials_again; /* 1: they came to their end, and some may be in use */
	/* Written under L1, read without. */
	struct tmem_worker *worker[TMEM_WORKERS];
	/* Guarded by room_lock. */
	struct tmem_lock room_lock;
	uint64_t capacity;
	uint64_t bytes;		  /* of all extents held, or being asked for */
	uint64_t meta_bytes;	  /* of these: records */
	uint64_t claims;	  /* for which ephemeral extents are being dropped */
	uint64_t ephemeral_bytes; /* of all extents: ephemeral ones, ready ones included */
	uint64_t ephemeral_most;
	void *ready[TMEM_READY]; /* memory of ephemeral extents, ahead of use */
	uint32_t ready_count;
	uint32_t ready_most;
	uint32_t ephemeral_taken; /* an ephemeral extent was opened since the last preparation */
	/* Atomic. */
	uint32_t age;	     /* put-order segments begun: time across clients */
	struct heap *victim; /* who gives next; asked again when victim_uses is 0 */
	uint32_t victim_uses;
	tmem_word reclaim_asked;
	tmem_word reclaim_given;
	tmem_word was_lent;	 /* bytes of extents that were lent since the host gave them */
	uint32_t lends;		 /* extents are lent to the host */
	uint32_t stepper;	 /* 1 while one worker does background work */
	tmem_word hot[TMEM_HOT]; /* places of dense pages that were got; 0: none */
	uint32_t hot_next;
	uint32_t
		recode_next; /* the heap whose turn it is, counted over all clients; the stepper's */
	/* Under L1: of clients that were destroyed. */
	struct counters gone;
	struct gone_heaps gone_heaps;
};

/* Whether pages of codec number @codec are those that background steps make. */
static inline int tmem_is_dense(const struct tmem_engine *engine, uint32_t codec)
{
	return engine->dense && engine->dense->id == codec;
}

/* The lock of the slots in key's group: 64 consecutive pages of an object. */
static inline struct tmem_lock *tmem_shard(struct tmem_engine *engine, const struct key *key)
{
	uint32_t group = key->index / TMEM_GROUP_PAGES;

	return &engine->shard[((uint32_t)(key->hash >> 32) + group * 0x9e3779b1u) / 64 %
			      TMEM_SHARDS]
			.lock;
}

/* slab.c */
int tmem_slab_create(struct tmem_engine *engine, struct slab *slab, enum tmem_extent_kind kind,
		     uint32_t record_size);
void tmem_slab_destroy(struct slab *slab);
uint32_t tmem_slab_take(struct slab *slab, struct tmem_worker *worker, int promised);
void tmem_slab_give(struct slab *slab, uint32_t number, struct promise *promise);
int tmem_slab_promise(struct slab *slab, struct tmem_worker *worker, struct promise *promise,
		      uint32_t count);
void tmem_slab_withdraw(struct slab *slab, struct promise *promise, uint32_t count);
void tmem_slab_charge(struct slab *slab, struct promise *promise);

static inline void *tmem_sheet_at(const struct slab *slab, uint32_t number, uint32_t shift,
				  uint32_t size)
{
	unsigned char **sheets = tmem_load_acquire(&slab->sheets);
	return sheets[number >> shift] + (size_t)(number & ((1u << shift) - 1)) * size;
}

/* A record of any slab. */
static inline void *tmem_slab_at(const struct slab *slab, uint32_t number)
{
	return tmem_sheet_at(slab, number, slab->sheet_shift, slab->record_size);
}

/* A record whose slab is known when this is compiled; @size is a constant. */
static inline void *tmem_record_at(const struct slab *slab, uint32_t number, uint32_t size)
{
	return tmem_sheet_at(slab, number, tmem_log2(TMEM_SHEET / size), size);
}

static inline struct object *tmem_object_at(const struct slab *objects, uint32_t number)
{
	return tmem_record_at(objects, number, sizeof(struct object));
}

/* room.c */
void *tmem_room_take(struct tmem_engine *engine, struct tmem_worker *worker,
		     enum tmem_extent_kind kind, uint32_t size);
int tmem_room_left(struct tmem_engine *engine, uint32_t size);
void tmem_room_keep(struct tmem_engine *engine, void *memory);
uint32_t tmem_room_drop_ready(struct tmem_engine *engine);
void tmem_room_give(struct tmem_engine *engine, enum tmem_extent_kind kind, void *memory,
		    uint32_t size);
uint32_t tmem_room_prepare(struct tmem_engine *engine);

/* extent.c */
static inline struct extent *tmem_extent(const struct tmem_engine *engine, uint32_t number)
{
	return tmem_record_at(&engine->slab[SLAB_EXTENT], number, sizeof(struct extent));
}

struct extent *tmem_extent_near(const struct tmem_engine *engine, uint64_t slot);
struct extent *tmem_extent_open(struct tmem_engine *engine, struct tmem_worker *worker,
				struct heap *heap, uint32_t size, int headers, int bins);
void tmem_extent_close(struct tmem_engine *engine, struct extent *extent);
void tmem_extent_retire(struct tmem_engine *engine, struct extent *extent);
void tmem_extent_link(struct tmem_engine *engine, uint32_t *list, struct extent *extent);
void tmem_extent_link_behind(struct tmem_engine *engine, struct extent *first,
			     struct extent *extent);
void tmem_extent_unlink(struct tmem_engine *engine, uint32_t *list, struct extent *extent);

int tmem_extent_held(const struct tmem_engine *engine, uint32_t number);
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

/*
 * Of an ephemeral extent the host may take what is read here, header included:
 * whoever copies it holds the extent, and asks tmem_lend_is_left() afterwards.
 */
static inline unsigned char *tmem_payload(const struct extent *extent, uint32_t unit)
{
	return extent->base + (size_t)unit * TMEM_UNIT + (extent->headers ? 0 : TMEM_UNIT);
}

/* Units of a block with @length bytes of payload, header included. */
static inline uint32_t tmem_units(uint32_t length)
{
	return (length + TMEM_UNIT - 1) / TMEM_UNIT + 1;
}

/* Whether extents of @size may hold whole pages: only the engine's largest do, without sums. */
static inline int tmem_extent_holds_pages(const struct tmem_engine *engine, uint32_t size)
{
	return size == engine->extent_size && size >= TMEM_PAGES_EXTENT && !engine->sum_size;
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
void tmem_heap_free(struct heap *heap, uint64_t slot, uint32_t pool, uint32_t generation);
struct extent *tmem_heap_free_locked(struct heap *heap, uint64_t slot, uint32_t pool,
				     uint32_t generation);
uint64_t tmem_heap_hole_locked(struct heap *heap, uint32_t form, uint32_t length);
uint64_t tmem_heap_word_locked(struct heap *heap, struct extent *extent, uint32_t word,
			       uint32_t pool);
void tmem_heap_untally_locked(struct heap *heap, uint64_t place);
void tmem_heap_unpin(struct heap *heap, struct extent *extent, struct block *block, uint64_t place);
void tmem_heap_destroy(struct heap *heap);
void tmem_heap_grown_locked(struct heap *heap, uint64_t bytes);
void tmem_heap_charge(struct heap *heap, struct tmem_client *client);
uint64_t tmem_heap_alloc_locked(struct heap *heap, uint32_t length);
int tmem_heap_reserve_aside(struct heap *heap, struct tmem_worker *worker, uint32_t length,
			    uint32_t codec, uint32_t pool, int apart, struct reserve *reserve);
void tmem_heap_tag_locked(struct heap *heap, uint64_t place, uint32_t length, uint32_t codec,
			  uint32_t pool);

void tmem_heap_unlist_locked(struct heap *heap, struct extent *extent);
void tmem_heap_relist_locked(struct heap *heap, struct extent *extent);

/* Large enough for raw pages to have extents of their own. */
static inline int tmem_heap_is_large(const struct heap *heap)
{
	return tmem_load(&heap->extent_bytes) >=
	       (uint64_t)TMEM_PAGES_MIN * heap->client->engine->extent_size;
}

/* drop.c */
uint32_t tmem_heap_drop_one(struct heap *heap, enum drop_cause cause);

int tmem_heap_drop_taken(struct heap *heap, uint32_t number, uint32_t generation);

/* lend.c */
uint32_t tmem_lend_step(struct heap *heap, struct tmem_worker *worker, uint32_t budget);
int tmem_lend_keep_ripe(struct heap *heap, struct tmem_worker *worker, int packed);
int tmem_lend_keep_oldest(struct heap *heap, struct tmem_worker *worker);
int tmem_lend_is_left(const struct extent *extent, uint32_t unit, uint32_t length);
void tmem_lend_freed_locked(struct heap *heap, struct extent *extent, uint32_t unit,
			    uint32_t units);
void tmem_lend_unlist_locked(struct heap *heap, struct extent *extent);

/* Of an extent that is closed for lending. The heap's lock is held. */
static inline struct lent *tmem_lent(const struct tmem_engine *engine, const struct extent *extent)
{
	return tmem_record_at(&engine->slab[SLAB_LENT], extent->lent_record, sizeof(struct lent));
}

/* Whether what was copied of @extent has to be proved. */
static inline int tmem_lend_asked(const struct extent *extent)
{
	tmem_fence_acquire();
	return tmem_load_acquire(&extent->lent) != NULL;
}

/* vacate.c */
uint32_t tmem_vacate_step(struct heap *heap, struct tmem_worker *worker, uint32_t budget,
			  int begin);
int tmem_vacate_reopen_locked(struct heap *heap, uint32_t form);
struct extent *tmem_vacate_emptiest_locked(struct heap *heap, uint32_t form, uint32_t list,
					   uint32_t least);
void tmem_vacate_close_locked(struct heap *heap, struct extent *extent);
void tmem_vacate_unlist_locked(struct heap *heap, struct extent *extent);

/* surplus.c */
void tmem_surplus_trim(struct heap *heap, uint64_t bytes);
int tmem_surplus_is_locked(struct heap *heap, uint32_t size);
int tmem_surplus_keep(struct heap *heap);
uint32_t tmem_surplus_step(struct heap *heap, struct tmem_worker *worker, uint32_t budget);

/* pack.c */
void tmem_pack_format_locked(struct heap *heap, struct extent *extent);
uint64_t tmem_pack_alloc_locked(struct heap *heap, uint32_t units);
uint64_t tmem_pack_alloc_in_locked(struct heap *heap, struct extent *extent, uint32_t units);
void tmem_pack_free_locked(struct heap *heap, struct extent *extent, uint32_t unit, uint32_t units);
void tmem_pack_forget_locked(struct heap *heap, struct extent *extent);
void tmem_pack_close_locked(struct heap *heap, struct extent *extent);
void tmem_pack_reopen_locked(struct heap *heap, struct extent *extent);
void tmem_pack_rebuild_locked(struct heap *heap, struct extent *extent);
void tmem_pack_moved_locked(struct heap *heap, struct extent *extent);

/* order.c */
int tmem_order_ready(struct heap *heap, struct tmem_worker *worker);
/* NULL: what was at @place cannot be there any more. Else what is there now, under heap->lock. */
struct block *tmem_order_block_locked(const struct heap *heap, uint64_t place);
int tmem_order_room_locked(const struct heap *heap);
void tmem_order_append_locked(struct heap *heap, uint64_t place, uint32_t time);
int tmem_order_take(struct heap *heap, uint64_t *place, struct block *block, uint32_t *touched);
uint64_t tmem_order_oldest(struct heap *heap);
uint32_t tmem_order_droppable(struct heap *heap, uint32_t *birth);
uint32_t tmem_order_compact(struct heap *heap, uint32_t budget);
uint32_t tmem_order_compact_step(struct heap *heap, uint32_t budget);
void tmem_order_settle(struct heap *heap);
uint64_t tmem_order_cold(struct heap *heap, uint32_t dense, uint32_t *looks);
int tmem_order_replace_locked(struct heap *heap, enum order_walk_name which, uint64_t old,
			      uint64_t fresh, uint32_t time);
void tmem_order_vacate_begin(struct heap *heap);
uint32_t tmem_order_vacating(struct heap *heap, uint64_t *place, uint32_t most, int *over);
void tmem_order_destroy(struct heap *heap);

/* tree.c */
static inline int tmem_object_is(const struct object *object, const struct tmem_object_id *id)
{
	return !((tmem_load(&object->id.word[0]) ^ id->word[0]) |
		 (tmem_load(&object->id.word[1]) ^ id->word[1]) |
		 (tmem_load(&object->id.word[2]) ^ id->word[2]));
}

uint32_t tmem_tree_below(const struct slab *objects, uint32_t number,
			 const struct tmem_object_id *id, uint32_t *touched);

/*
 * The object's number, or 0. Safe without the lock; then it may be wrong.
 * Mostly it is the bucket's only one: @root.
 */
static inline uint32_t tmem_tree_find(const struct slab *objects, uint32_t root,
				      const struct tmem_object_id *id, uint32_t *touched)
{
	if (!root || root >= tmem_load_acquire(&objects->issued))
		return 0;
	(*touched)++;
	if (tmem_likely(tmem_object_is(tmem_object_at(objects, root), id)))
		return root;
	return tmem_tree_below(objects, root, id, touched);
}

uint32_t tmem_tree_towards(const struct slab *objects, uint32_t number,
			   const struct tmem_object_id *id);
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

void tmem_slot_seek(struct tmem_worker *worker, const struct pool *pool, const struct key *key,
		    struct sought *sought);
void tmem_group_prefetch(const struct tmem_engine *engine, const struct object *object);
void tmem_slot_seek_again(struct tmem_worker *worker, const struct pool *pool,
			  const struct key *key, struct sought *sought);
tmem_word *tmem_slot_in(struct tmem_engine *engine, const struct key *key, uint32_t number,
			struct slab *objects, uint32_t *touched);
tmem_word *tmem_slot_make(struct tmem_worker *worker, struct pool *pool, const struct key *key,
			  uint64_t bytes, uint32_t *object, int *err);
void tmem_slot_cleared(struct tmem_worker *worker, struct pool *pool, const struct key *key,
		       uint32_t object, const tmem_word *slot);
void tmem_group_remove(struct tmem_worker *worker, struct pool *pool, const struct key *key,
		       uint32_t object);
uint32_t tmem_group_slots(struct tmem_worker *worker, const struct key *key, uint32_t number,
			  struct slab *objects, tmem_word **slots);
uint32_t tmem_group_next_locked(const struct tmem_engine *engine, const struct object *object,
				uint32_t group, uint32_t *touched);
uint32_t tmem_node_make_locked(struct tmem_worker *worker, struct pool *pool);
void tmem_index_grown(struct pool *pool, uint64_t bytes);
void tmem_index_shrunk(struct pool *pool, uint64_t bytes);

/*
 * The handle's slot, with sought->object its object, or NULL: no such group.
 * The shard is locked; @sought is from a tmem_slot_seek() before that.
 */
static inline tmem_word *tmem_slot_find(struct tmem_worker *worker, const struct pool *pool,
					const struct key *key, struct sought *sought)
{
	const struct stripe *stripe = &worker->engine->stripe[key->hash % TMEM_STRIPES];

	if (tmem_unlikely(tmem_stripe_moved(stripe, sought->sequence)))
		tmem_slot_seek_again(worker, pool, key, sought);
	return sought->slot;
}

/* Page @i of a group whose slots tmem_group_slots() found; NULL: it has none from there on. */
static inline tmem_word *tmem_group_slot(tmem_word *const *slots, uint32_t count, uint32_t i)
{
	if (i < 2 && slots[0])
		return slots[0] + i;
	return i < count ? slots[1] + i : NULL;
}

/* handle.c */
void tmem_key_make(const struct tmem_engine *engine, const struct pool *pool,
		   const struct tmem_handle *handle, struct key *key);
int tmem_begin(struct tmem_client *client, struct tmem_worker *worker,
	       const struct tmem_handle *handle, struct access *access);
struct pool *tmem_owner_of(struct heap *heap, const struct block *block, struct key *key);

/*
 * Whether @pool is still the one that was found, once the key has its serial:
 * another one at its place has its number before it has its serial.
 */
static inline int tmem_pool_is(const struct pool *pool, const struct tmem_handle *handle)
{
	return tmem_load(&pool->number) == handle->pool;
}

/* After an operation that tmem_begin() let in. */
static inline void tmem_end(struct tmem_worker *worker, const struct access *access)
{
	if (tmem_unlikely(access->home != access->pool))
		tmem_store_release(&worker->seat->sharing, (struct tmem_client *)NULL);
}

/* share.c */
int tmem_share_enter(struct tmem_worker *worker, uint32_t number, struct access *access);
int tmem_share_join(struct tmem_client *client, struct tmem_worker *worker,
		    const struct tmem_pool_config *config);
void tmem_share_leave_locked(struct pool *pool);
int tmem_share_used(const struct tmem_engine *engine, const struct tmem_client *share);
uint32_t tmem_share_drop_one(struct tmem_client *client, struct tmem_worker *worker,
			     enum drop_cause cause);
uint32_t tmem_share_drop_elsewhere(struct heap *heap, struct tmem_worker *worker);

/* detach.c: without locks */
uint32_t tmem_object_detach(struct tmem_worker *worker, struct pool *pool, const struct key *key);
uint32_t tmem_object_split(struct tmem_worker *worker, struct pool *pool, const struct key *key,
			   uint32_t first, uint32_t last);
void tmem_object_bury(struct tmem_worker *worker, struct pool *pool, uint32_t number);

void tmem_settle_all(struct tmem_engine *engine);

/* put.c, get.c, flush.c, evict.c */
int tmem_take(struct tmem_worker *worker, struct pool *pool, const struct key *key, uint64_t only);
void tmem_release(const struct pool *pool, uint64_t slot, uint32_t generation, int billed);
uint32_t tmem_take_group(struct tmem_worker *worker, struct pool *pool, const struct key *key,
			 uint32_t object, uint32_t first, uint32_t last);
int tmem_evict_one(struct tmem_worker *worker, struct heap *heap, enum drop_cause cause);

/* put.c */
#define TMEM_RUN 16u /* puts in a row, at most */

/*
 * Puts of a batch that share one wait for their stores. It is the batch's own;
 * the worker holds the extent while there is a row.
 */
struct row {
	uint32_t first;	 /* of the batch's operations */
	uint32_t taken;	 /* slots; 0: there is no row */
	uint32_t copied; /* pages that lie in them, the first ones */
	struct extent *extent;
	uint64_t place[TMEM_RUN]; /* of the slots, all in the extent */
};

void tmem_row_begin(struct tmem_client *client, struct tmem_worker *worker,
		    const struct ahead *ahead, uint32_t first, uint32_t count, struct row *row);
int tmem_row_copy(struct row *row, const void *page);
uint32_t tmem_row_publish(struct tmem_client *client, struct tmem_worker *worker,
			  struct tmem_op *ops, struct row *row);

/* get.c */
int tmem_get_found(struct tmem_worker *worker, struct ahead *ahead, void *page);
int tmem_hold(uint32_t *hold, struct extent *extent);

/* recode.c: no lock held */
enum recode { RECODE_DENSE, RECODE_FAST };
void tmem_recode(struct tmem_worker *worker, struct heap *heap, uint64_t place, enum recode into);

/* quota.c */
uint64_t tmem_bill_of(uint32_t length);
int tmem_bill(struct tmem_client *client, uint64_t fresh, uint64_t old);

/* policy.c */
struct heap *tmem_policy_victim(struct tmem_engine *engine, struct tmem_worker *worker);
void tmem_policy_leave(struct tmem_worker *worker);
void tmem_policy_forget(struct tmem_engine *engine);
int tmem_policy_visited(const struct tmem_engine *engine, const struct tmem_client *client);

/* compact.c */
int tmem_compact(struct heap *heap, struct tmem_worker *worker);
void tmem_compact_freed_locked(struct heap *heap, struct extent *extent, struct block *block,
			       uint32_t units);

/* sweep.c */
void tmem_dying_add(const struct pool *pool, uint32_t object);
int tmem_sweep_due(const struct tmem_client *client);
uint32_t tmem_sweep_client(struct tmem_client *client, struct tmem_worker *worker, uint32_t budget);
uint32_t tmem_sweep_next_locked(struct tmem_worker *worker, struct pool *pool, struct sweep *sweep,
				uint32_t *group);
void tmem_sweep_key(struct tmem_worker *worker, const struct pool *pool,
		    const struct tmem_object_id *id, uint32_t group, struct key *key);

/* pool.c */
int tmem_pool_find(struct tmem_client *client, uint32_t number, struct pool **pool);
struct pool *tmem_pool_record(struct tmem_client *client, struct tmem_worker *worker,
			      uint32_t flags);
int tmem_pool_place_locked(struct tmem_client *client, const struct tmem_pool_config *config,
			   int *found);
struct pool *tmem_pool_take_locked(struct tmem_client *client, uint32_t place, struct pool **spare);
void tmem_pool_init(struct pool *pool, const struct tmem_pool_config *config);
void tmem_pool_publish_locked(struct tmem_client *client, struct pool *pool, uint32_t place);
void tmem_pool_kill_locked(struct tmem_client *client, struct pool *pool);
void tmem_pool_free(struct pool *pool);
void tmem_pool_records_free(struct tmem_client *client);

/* allocation.c */
uint32_t tmem_allocation_extent(const struct tmem_engine *engine, uint64_t allocation);

/* grant.c */
int tmem_granted_locked(const struct tmem_client *client, const uint64_t uuid[2]);

/* client.c */
int tmem_client_make(struct tmem_engine *engine, struct tmem_worker *worker,
		     const struct tmem_client_config *config, int is_share,
		     struct tmem_client **client);
void tmem_client_kill_locked(struct tmem_client *client);
void tmem_client_free(struct tmem_client *client);
uint64_t tmem_client_bytes(const struct tmem_client *client);

/* sum.c */
uint64_t tmem_sum(const unsigned char *data, uint32_t length, uint64_t whose, uint64_t what);

/* codec.c */
uint32_t tmem_encode(struct tmem_worker *worker, const struct key *key, uint32_t wanted,
		     struct counters *counters, uint32_t *codec, const unsigned char **data);
int tmem_decode(struct tmem_worker *worker, const struct key *key, uint32_t codec,
		const unsigned char *data, uint32_t length);
uint32_t tmem_seal(struct tmem_worker *worker, const struct key *key, uint32_t codec,
		   const unsigned char *data, uint32_t length);
uint32_t tmem_code_page(struct tmem_worker *worker, uint32_t wanted, uint32_t *codec,
			const unsigned char **data);

int tmem_page_same(const void *page);

/* The codec that a fresh put into the pool is stored by. */
static inline uint32_t tmem_codec_of(const struct pool *pool)
{
	uint32_t codec = tmem_load(&pool->codec);

	return tmem_likely(codec == TMEM_CODEC_COUNT) ? tmem_load(&pool->client->codec) : codec;
}

static inline struct counters *tmem_counters(struct pool *pool, const struct tmem_worker *worker)
{
	return &pool->counters[worker->id];
}

/* A counter has one writer; readers may see it at any moment. */
#define tmem_count(counters, name, n) \
	tmem_store(&(counters)->name, (counters)->name + (uint64_t)(n))

#endif
