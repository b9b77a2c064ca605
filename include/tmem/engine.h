/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The tmem engine: a store of pages that are only ever copied in and out.
 *
 * An engine holds the memory of one host and lends it to clients, each with
 * up to TMEM_POOLS_PER_CLIENT pools. Pages of ephemeral pools may vanish at
 * any moment; pages of persistent pools stay until they are flushed, and are
 * billed to their client's allocation. The rules are the contract's; what is
 * said here is shape, unit, error, ownership and locking.
 *
 * Threads: any number of threads may be in calls at once, each with a worker
 * of its own. No call blocks for longer than a short spin, and none takes
 * time in proportion to what is stored, except those that say so.
 */
#ifndef TMEM_ENGINE_H
#define TMEM_ENGINE_H

#include <tmem/host.h>
#include <tmem/stats.h>
#include <tmem/types.h>

TMEM_BEGIN_C

struct tmem_engine;
struct tmem_client;
struct tmem_worker;

/* Set size to sizeof(struct tmem_config) and the rest to zero; zero is the default. */
struct tmem_config {
	uint32_t size;
	uint32_t workers;      /* most workers at a time, 1 to 64; 0: 1 */
	uint64_t capacity;     /* bytes of extents of all kinds, at most; 0: what the host gives */
	uint64_t persistent;   /* bytes that allocations may sum up to; 0: half of the capacity */
	uint64_t hash_seed[2]; /* random, so that no client can aim for one bucket */
	uint32_t
		extent_size; /* largest extent asked for: 16 KiB to 2 MiB, a power of two; 0: 2 MiB */
	uint32_t codec_count;
	const struct tmem_codec *const *codecs; /* kept by the caller as long as the engine lives */
	const struct tmem_host_ops *host_ops;	/* likewise; required */
	void *host;
	/*
	 * 1: ephemeral extents that are not being filled are lent to the host,
	 * where it has extent_lend: it may take their memory at any moment.
	 */
	uint32_t lend;
	/*
	 * 1: each page is stored with eight bytes that say whether it is still what
	 * was put, and nothing is given out before they agree. A block is up to 16
	 * bytes more, and pages that do not compress have no extents of their own.
	 */
	uint32_t verify;
};

/* 0, -TMEM_EINVAL or -TMEM_ENOMEM; *@engine is set only on success. */
TMEM_MUST_CHECK int tmem_engine_create(const struct tmem_config *config,
				       struct tmem_engine **engine);

/* Gives every extent back. No other call may be in progress or follow. */
void tmem_engine_destroy(struct tmem_engine *engine);

/* Another capacity in bytes; ephemeral pages are dropped until it holds. Time in proportion to the extents given back. */
void tmem_engine_set_capacity(struct tmem_engine *engine, struct tmem_worker *worker,
			      uint64_t capacity);

/*
 * Extents of ephemeral pages, and those kept ready for them, become no more
 * than @bytes, whatever the capacity; there is no such limit at first. Nothing
 * is dropped for it but by puts: tmem_engine_reclaim() gives back what is more.
 */
void tmem_engine_limit_ephemeral(struct tmem_engine *engine, uint64_t bytes);

/*
 * Bytes of these extents now. *@was_lent: of those among them that were lent
 * since the host gave them. A host that takes lent memory counts it as
 * available, and may go on to do so when it was had back. @was_lent may be NULL.
 */
uint64_t tmem_engine_ephemeral(struct tmem_engine *engine, uint64_t *was_lent);

/*
 * Background work: sweeping what was flushed or dropped, compacting put
 * order, emptying extents whose room nobody needs and giving them back,
 * lending extents, having some ready ahead of use. At most @budget steps, each
 * of which looks at no more than 64 pages, moves no more than 16, or looks at
 * one extent. The number done; 0: nothing to do, or another worker is at it.
 */
uint32_t tmem_engine_step(struct tmem_engine *engine, struct tmem_worker *worker, uint32_t budget);

/*
 * More background work, by the codec that has recode(), if one was given:
 * pages that nobody wants soon are stored anew by it, the oldest put first,
 * where their client has them compressed at all; persistent ones that were got
 * since go back to their client's codec. Of each kind the newest eighth stays
 * as it is. At most @budget units, each one page recoded or 64 looked at. The
 * number done; 0: nothing to do now, or another worker does background work.
 */
uint32_t tmem_engine_recode(struct tmem_engine *engine, struct tmem_worker *worker,
			    uint32_t budget);

/*
 * Drops whole ephemeral extents, the least valuable first, until @bytes are
 * back with the host. The bytes given back; time in proportion to them.
 */
uint64_t tmem_engine_reclaim(struct tmem_engine *engine, struct tmem_worker *worker,
			     uint64_t bytes);

/*
 * Walks everything and compares every count with what it counts. 0, or
 * -TMEM_EIO with *@what naming the first difference. No other call may be in
 * progress. Time in proportion to all that is stored. @what may be NULL.
 */
TMEM_MUST_CHECK int tmem_engine_check(struct tmem_engine *engine, const char **what);

void tmem_engine_stats(struct tmem_engine *engine, struct tmem_stats *stats);

/* One per thread. 0, -TMEM_EOVERFLOW (too many) or -TMEM_ENOMEM. */
TMEM_MUST_CHECK int tmem_worker_create(struct tmem_engine *engine, struct tmem_worker **worker);
void tmem_worker_destroy(struct tmem_worker *worker);

/* Nodes (buckets, objects, leaves, blocks) that this worker's last operation touched. */
uint32_t tmem_worker_touched(const struct tmem_worker *worker);

/* Set size to sizeof(struct tmem_client_config) and the rest to zero. */
struct tmem_client_config {
	uint32_t size;
	uint8_t codec; /* for new puts: TMEM_CODEC_RAW or the id of a codec of the engine */
	uint8_t reserved[3];
	uint64_t allocation; /* bytes that persistent pools may hold, metadata included */
	uint64_t cap;	     /* bytes that ephemeral pages may take; 0: no cap */
	uint32_t weight;     /* of the ephemeral bytes when all want more, 1 to 10000; 0: 100 */
	/* The allocation's index is reserved for objects of at least so many pages; 0: 1. */
	uint32_t pages_per_object;
};

/*
 * A new client. Its allocation is reserved and populated before the call
 * returns: time in proportion to it. 0, -TMEM_EINVAL, -TMEM_ENOSPC (the sum
 * of allocations would exceed the engine's), -TMEM_ENOMEM.
 */
TMEM_MUST_CHECK int tmem_client_create(struct tmem_engine *engine, struct tmem_worker *worker,
				       const struct tmem_client_config *config,
				       struct tmem_client **client);

/*
 * Destroys a client and all its pools; returns at once, its memory comes back
 * in steps. No other call may use @client while or after this runs.
 */
void tmem_client_destroy(struct tmem_client *client, struct tmem_worker *worker);

/*
 * A life of the client's system begins: a nonce other than the last destroys
 * every pool, the same one changes nothing. The first session takes over what
 * was made before it. 1: a new session; 0: the same.
 */
int tmem_client_session(struct tmem_client *client, struct tmem_worker *worker, uint64_t nonce);

/* Puts of a frozen client fail with -TMEM_EAGAIN; a duplicate put also flushes the old page. */
void tmem_client_freeze(struct tmem_client *client, int frozen);

/* How new puts are stored. 0 or -TMEM_EINVAL. */
TMEM_MUST_CHECK int tmem_client_set_codec(struct tmem_client *client, uint8_t codec);

/*
 * Another allocation in bytes. More is reserved and populated before it counts,
 * or -TMEM_ENOSPC (over the host's sum of allocations), -TMEM_ENOMEM: nothing
 * changed. Less is -TMEM_ENOSPC where the client is billed for more, and gives
 * back empty extents now, others that are not needed when steps have emptied
 * them. Time in proportion to the change; one call for a client at a time.
 */
TMEM_MUST_CHECK int tmem_client_set_allocation(struct tmem_client *client,
					       struct tmem_worker *worker, uint64_t bytes);

/*
 * Another cap in bytes, records included; 0: none. Extents of private pools above it are
 * dropped at once, those of shared ones one with each of the client's next puts:
 * time in proportion to them.
 */
void tmem_client_set_cap(struct tmem_client *client, uint64_t cap);

/* Another weight, 1 to 10 000. 0 or -TMEM_EINVAL. */
TMEM_MUST_CHECK int tmem_client_set_weight(struct tmem_client *client, uint32_t weight);

/*
 * Drops ephemeral extents of one client until @bytes are given back or it has
 * none left. Bytes given back; time in proportion to them.
 */
uint64_t tmem_client_reclaim(struct tmem_client *client, struct tmem_worker *worker,
			     uint64_t bytes);

/*
 * Who may share: the administrator grants a client a shared pool's uuid, which
 * is not zero. A grant is looked at when a pool is made or joined; taking it
 * back ends membership only if @now.
 */
#define TMEM_GRANTS 64u /* of one client, at most */

/* 0, granted before or not; -TMEM_EINVAL (no uuid), -TMEM_EOVERFLOW (TMEM_GRANTS). */
TMEM_MUST_CHECK int tmem_client_grant(struct tmem_client *client, const uint64_t uuid[2]);

/* 0 or -TMEM_ENOENT. */
int tmem_client_revoke(struct tmem_client *client, struct tmem_worker *worker,
		       const uint64_t uuid[2], int now);

/* How many there are; the first @most of them into @uuid. */
uint32_t tmem_client_grants(struct tmem_client *client, uint64_t (*uuid)[2], uint32_t most);

void tmem_client_stats(struct tmem_client *client, struct tmem_stats *stats);

/*
 * Incompressible pages that @allocation bytes hold, @pages_per_object in each
 * object; @verify is that of the engine's config.
 */
uint64_t tmem_allocation_pages(uint64_t allocation, uint32_t pages_per_object, int verify);
/* The smallest allocation for which that is at least @pages. */
uint64_t tmem_pages_allocation(uint64_t pages, uint32_t pages_per_object, int verify);

/* Set size to sizeof(struct tmem_pool_config) and the rest to zero. */
struct tmem_pool_config {
	uint32_t size;
	uint32_t flags;	  /* TMEM_POOL_* */
	uint64_t uuid[2]; /* of a shared pool; zero for a private one */
	uint64_t cookie;  /* not 0: the same cookie in one session gives the same pool */
};

/*
 * The new pool's number: 0 to 15 for the first sixteen, never used again in
 * this session. Or -TMEM_EOPNOTSUPP (version, page size or kind not supported),
 * -TMEM_EINVAL (a reserved bit, or another pool's cookie), -TMEM_EOVERFLOW (16
 * pools), -TMEM_EAGAIN (16 with those that are still being swept: repeat after
 * tmem_engine_step()), -TMEM_ENOMEM.
 */
TMEM_MUST_CHECK int tmem_pool_create(struct tmem_client *client, struct tmem_worker *worker,
				     const struct tmem_pool_config *config);

/* 0 or -TMEM_ENODEV. Its pages are gone at once, their memory comes back in steps. */
int tmem_pool_destroy(struct tmem_client *client, struct tmem_worker *worker, uint32_t pool);

/* How new puts are stored, whatever their client's choice. 0, -TMEM_ENODEV, -TMEM_EINVAL. */
TMEM_MUST_CHECK int tmem_pool_set_codec(struct tmem_client *client, uint32_t pool, uint8_t codec);

/*
 * A walk over a client's pools: the lowest number from @first on of one that is
 * there, and how it was made: flags, cookie, uuid. Or -TMEM_ENODEV: no more.
 */
int tmem_pool_next(struct tmem_client *client, uint32_t first, struct tmem_pool_config *config);

/*
 * 0 or -TMEM_ENODEV. Of a shared pool, pages and objects are all that there
 * are, and counters what this member did.
 */
int tmem_pool_stats(struct tmem_client *client, uint32_t pool, struct tmem_stats *stats);

enum tmem_op_code {
	TMEM_OP_PUT = 4,
	TMEM_OP_GET = 5,
	TMEM_OP_FLUSH = 6,
	TMEM_OP_FLUSH_RANGE = 7,
	TMEM_OP_FLUSH_OBJECT = 8
};

/*
 * One operation of a batch. The page is TMEM_PAGE_SIZE bytes that the caller
 * has judged: readable for a put, writable for a get, any alignment, never
 * inside the store. It is touched during the call only.
 */
struct tmem_op {
	uint32_t code; /* enum tmem_op_code */
	int32_t result;
	struct tmem_handle handle;
	uint64_t count; /* FLUSH_RANGE: indexes from handle.index on; cut off at 2^32 */
	void *page;	/* PUT: read only; GET: written on a hit */
};

/* The primary form: operations take effect in array order, each on its own. */
void tmem_batch(struct tmem_client *client, struct tmem_worker *worker, struct tmem_op *ops,
		uint32_t count);

/* 0; -TMEM_ENODEV, -TMEM_ENOMEM, -TMEM_ENOSPC, -TMEM_EAGAIN: the handle is empty then. */
TMEM_MUST_CHECK int tmem_put(struct tmem_client *client, struct tmem_worker *worker,
			     const struct tmem_handle *handle, const void *page);

/*
 * 0; -TMEM_ENOENT (page untouched), -TMEM_EIO (lost; page undefined, but
 * untouched where gets are verified), -TMEM_ENODEV.
 */
TMEM_MUST_CHECK int tmem_get(struct tmem_client *client, struct tmem_worker *worker,
			     const struct tmem_handle *handle, void *page);

/* 1: gone now; 0: was not there; -TMEM_ENODEV. */
int tmem_flush(struct tmem_client *client, struct tmem_worker *worker,
	       const struct tmem_handle *handle);

/* 0; -TMEM_ENODEV. From handle->index on, @count indexes. */
int tmem_flush_range(struct tmem_client *client, struct tmem_worker *worker,
		     const struct tmem_handle *handle, uint64_t count);

/* 1: gone now; 0: was not there; -TMEM_ENODEV. The handle's index is not looked at. */
int tmem_flush_object(struct tmem_client *client, struct tmem_worker *worker,
		      const struct tmem_handle *handle);

TMEM_END_C

#endif
