/* SPDX-License-Identifier: MIT */
/*
 * A rig and the model, fed the same operations, one at a time. After each
 * the two must agree: persistent pages exactly, ephemeral ones in that what
 * is returned was put last, and that nothing comes back after a miss.
 */
#ifndef TESTS_TWIN_H
#define TESTS_TWIN_H

#include "model.h"
#include "rig.h"

#define TWIN_CLIENTS 8
#define TWIN_POOLS   32768 /* numbers that a client's pools can have */

struct twin_client {
	bool there;
	int number; /* the rig's */
	bool frozen;
	uint64_t nonce;
	uint64_t allocation;
	uint8_t pool[TWIN_POOLS]; /* 0: none; 1: ephemeral; 2: persistent */
	uint32_t pools;
	uint64_t puts, gets, hits, flushes; /* as the client's statistics must have it */
};

struct twin {
	struct rig *rig;
	struct model model;
	struct twin_client client[TWIN_CLIENTS];
	uint64_t operation; /* how many were done */
	uint64_t version;
	uint32_t most;	  /* pages that the model may come to hold; put is no operation above */
	bool may_run_dry; /* -TMEM_ENOMEM is an answer to what makes something */
	/* ... and to the put of a new persistent page, where objects are small or sparse. */
	bool persistent_may_run_dry;
	bool trace; /* every operation is printed */
	bool quiet; /* check() after every operation is left to the caller */
	/* Figures for the reader. */
	uint64_t hits, misses, lost, refused, stored;
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
void twin_pool_destroy(struct twin *twin, unsigned int client, uint32_t pool);

/* @kind: of the page put. The result of the operation. */
int twin_put(struct twin *twin, unsigned int client, struct tmem_handle handle, int kind);
int twin_get(struct twin *twin, unsigned int client, struct tmem_handle handle);
int twin_flush(struct twin *twin, unsigned int client, struct tmem_handle handle);
int twin_flush_range(struct twin *twin, unsigned int client, struct tmem_handle handle,
		     uint64_t count);
int twin_flush_object(struct twin *twin, unsigned int client, struct tmem_handle handle);

/* Every page of the model is looked for; ephemeral ones are taken out by that. */
void twin_compare(struct twin *twin);
/* Persistent pages only; nothing changes. */
void twin_compare_persistent(struct twin *twin);
/* Steps until all is swept; then counts have to be the model's. */
void twin_settle(struct twin *twin);

/* Bytes as a source of choices; the fuzzer's are its input, the model test's random. */
struct choices {
	const uint8_t *data;
	size_t left;
	uint64_t state; /* where data is NULL: of the generator */
};

uint64_t choose(struct choices *choices, uint64_t limit);
bool choices_left(const struct choices *choices);

/* One operation of any kind. */
void twin_random(struct twin *twin, struct choices *choices);

#endif
