/* SPDX-License-Identifier: MIT */
/*
 * A rig and the model, fed the same operations, one at a time or in batches.
 * After each the two must agree: persistent pages exactly, ephemeral ones in
 * that what is returned was put last, that nothing comes back after a miss, and
 * that no more is missing than the host says that it dropped (twin-figures.c).
 */
#ifndef TESTS_TWIN_H
#define TESTS_TWIN_H

#include <stdio.h>

#include "model.h"
#include "rig.h"

#define TWIN_CLIENTS 8
#define TWIN_POOLS   32768 /* numbers that a client's pools can have */
#define TWIN_SHARED  3	   /* shared pools, by their uuids */

/* Operations, as the client's statistics must have them. */
struct twin_counts {
	uint64_t puts, stored, frozen, no_room, over_limit;
	uint64_t gets, hits;
	uint64_t flushes, found, ranges, objects, objects_found;
};

struct twin_client {
	bool there;
	int number; /* the rig's */
	bool frozen;
	uint64_t nonce;
	uint64_t allocation;
	uint64_t cap;
	/*
	 * Its ephemeral bytes may be above the cap: that was lowered, or a
	 * member left pages behind. Its own puts only bring them down.
	 */
	bool above_cap;
	uint8_t pool[TWIN_POOLS]; /* what kind it is: twin-parts.h */
	uint32_t pools;
	bool granted[TWIN_SHARED];
	int member[TWIN_SHARED]; /* its pool's number; -1: it has not joined */
	struct twin_counts counts;
};

/* How many ephemeral pages were missing, and how many the host had dropped, at the last audit. */
struct twin_ledger {
	uint64_t ghosts;
	uint64_t dropped;
	uint64_t undone; /* puts that the rig says took a page's place, or flushed it */
	/* Since then: pages found to be missing, and puts over a page of the model. */
	uint64_t lost, over;
};

struct twin {
	struct rig *rig;
	struct model model; /* a shared pool's pages are filed under TWIN_CLIENTS + which */
	struct twin_client client[TWIN_CLIENTS];
	uint32_t members[TWIN_SHARED];
	struct twin_ledger ledger;
	uint64_t operation; /* how many were done */
	uint64_t version;
	uint32_t most;	  /* pages that the model may come to hold; put is no operation above */
	bool may_run_dry; /* -TMEM_ENOMEM is an answer to what makes something */
	/* ... and to the put of a new persistent page, where objects are small or sparse. */
	bool persistent_may_run_dry;
	bool trace;	      /* every operation is printed */
	bool quiet;	      /* check() after every operation is left to the caller */
	uint32_t check_every; /* operations, while there are few pages; 1 at the start */
	/* Random operations share pools and change limits; without, they are those of before. */
	bool sharing;
	bool batching; /* ... and go in batches now and then */
	/* Figures for the reader. */
	uint64_t hits, misses, lost, refused, stored;
	uint64_t joins, leaves, shared_hits, over_cap, audits, batches;
};

void twin_start(struct twin *twin, const struct backend *backend, const struct rig_setup *setup,
		uint32_t most_pages);
/* Compares all that is stored, then ends both. */
void twin_stop(struct twin *twin);

/* @client: 0 to TWIN_CLIENTS - 1. Each is nothing where it makes no sense. */
void twin_client_create(struct twin *twin, unsigned int client, uint64_t allocation, uint8_t codec);
void twin_client_destroy(struct twin *twin, unsigned int client);
/* True if the client has no pools then. */
bool twin_session(struct twin *twin, unsigned int client, uint64_t nonce);
void twin_freeze(struct twin *twin, unsigned int client, bool frozen);
/* The pool's number, or -1 if none was made. */
int twin_pool_create(struct twin *twin, unsigned int client, uint32_t flags);
/* A member of a shared pool leaves it by that. */
void twin_pool_destroy(struct twin *twin, unsigned int client, uint32_t pool);

/* @which: of the shared pools, 0 to TWIN_SHARED - 1. */
void twin_grant(struct twin *twin, unsigned int client, unsigned int which);
void twin_revoke(struct twin *twin, unsigned int client, unsigned int which, bool now);
void twin_join(struct twin *twin, unsigned int client, unsigned int which);
/* A request that nobody may make; @how: which mistake, any number. */
void twin_join_wrongly(struct twin *twin, unsigned int client, unsigned int which,
		       unsigned int how);

void twin_weight(struct twin *twin, unsigned int client, uint32_t weight);
void twin_cap(struct twin *twin, unsigned int client, uint64_t cap);
void twin_allocation(struct twin *twin, unsigned int client, uint64_t bytes);
void twin_codec(struct twin *twin, unsigned int client, uint8_t codec);
void twin_pool_codec(struct twin *twin, unsigned int client, uint32_t pool, uint8_t codec);
void twin_client_reclaim(struct twin *twin, unsigned int client, uint64_t bytes);
/* All is swept before, so that what is freeable has to come. */
void twin_reclaim(struct twin *twin, uint64_t bytes);

/* @kind: of the page put. The result of the operation. */
int twin_put(struct twin *twin, unsigned int client, struct tmem_handle handle, int kind);
int twin_get(struct twin *twin, unsigned int client, struct tmem_handle handle);
int twin_flush(struct twin *twin, unsigned int client, struct tmem_handle handle);
int twin_flush_range(struct twin *twin, unsigned int client, struct tmem_handle handle,
		     uint64_t count);
int twin_flush_object(struct twin *twin, unsigned int client, struct tmem_handle handle);

/*
 * One operation, from before it is carried out until it is judged: its result
 * is for the model as it is when all before it were judged.
 */
struct twin_act {
	uint32_t code; /* enum tmem_op_code, or no such */
	struct tmem_handle handle;
	uint64_t count; /* of a range */
	int kind;	/* of the page put */
	uint64_t tag;
	int32_t result;
	uint8_t *page; /* a put's, or where a get's comes */
};

#define TWIN_BATCH 72 /* more than the engine looks ahead */

/* At most TWIN_BATCH operations in one call, each judged as those above are. */
void twin_batch(struct twin *twin, unsigned int client, struct twin_act *acts, uint32_t count);

/*
 * Every page of the model is looked for, by each member of a shared pool, and
 * as many must be there as the pool's figures say. All is swept before. Pages
 * of private ephemeral pools are taken out by that.
 */
void twin_compare(struct twin *twin);
/* Persistent pages only; nothing changes. */
void twin_compare_persistent(struct twin *twin);
/* Steps until all is swept; then counts have to be the model's. */
void twin_settle(struct twin *twin);

/*
 * Bytes as a source of choices; the fuzzer's are its input, the model test's
 * random. What is chosen by the generator can be recorded as such bytes.
 */
struct choices {
	const uint8_t *data;
	size_t left;
	uint64_t state; /* where data is NULL: of the generator */
	FILE *record;	/* NULL: nowhere; the caller's */
};

uint64_t choose(struct choices *choices, uint64_t limit);
bool choices_left(const struct choices *choices);

/*
 * As twin_start(), sizes and what is refused chosen by the fuzzer's rules:
 * the setup begins with the byte @first. From TWIN_SHARING on the operations
 * share pools and change limits; below, an input means what it meant before
 * there were such, so that old ones are still worth something. From
 * TWIN_BATCHES on, operations also go in batches.
 */
#define TWIN_SHARING 0xe0
#define TWIN_BATCHES 0xf0
void twin_start_chosen(struct twin *twin, uint8_t first, struct choices *choices);

/* One operation of any kind, or one batch. */
void twin_random(struct twin *twin, struct choices *choices);

#endif
