/* SPDX-License-Identifier: MIT */
/* What the files of the twin share with each other, and with nobody else. */
#ifndef TESTS_TWIN_PARTS_H
#define TESTS_TWIN_PARTS_H

#include "twin.h"

/* Kinds of pool: twin_client.pool[]. 0: the number was never given out in this session. */
enum twin_kind {
	NO_POOL,
	EPHEMERAL,
	PERSISTENT,
	GONE,	/* destroyed; the number does not come back */
	MEMBER, /* of shared pool 0, and so on */
};

/* NO_POOL, EPHEMERAL, PERSISTENT or MEMBER. */
enum twin_kind twin_kind(const struct twin *twin, unsigned int client, uint32_t pool);

/* Where the model files what @client calls @handle: under which number, and as *@place. */
int twin_place(const struct twin *twin, unsigned int client, const struct tmem_handle *handle,
	       struct tmem_handle *place);

/* The pool is there from now on: its number is checked. */
void twin_pool_made(struct twin *twin, unsigned int client, int number, uint8_t kind);
/* As if @client had destroyed its pool; nothing where it is no member. */
void twin_leave(struct twin *twin, unsigned int client, unsigned int which);

/* One line per operation, before it: what a report of a fault needs. */
void twin_trace(const struct twin *twin, const char *what, unsigned int client,
		const struct tmem_handle *handle, uint64_t arg);
/* After so many operations: counts them, and has the rig check itself. */
void twin_done(struct twin *twin, uint32_t operations);

/* Whether every ephemeral page that is missing was dropped for room. */
void twin_audit(struct twin *twin);

/* What counts against the client's cap: extents, and records of its private pools. */
uint64_t twin_ephemeral_bytes(struct twin *twin, unsigned int client);
/*
 * After puts into ephemeral pools with @before of them, the last of which gave
 * @result; @ranges were flushed since the look at @before.
 */
void twin_cap_check(struct twin *twin, unsigned int client, uint64_t before, int result,
		    uint32_t ranges);

#endif
