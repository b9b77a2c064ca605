/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The tmem device's requests and replies as they lie in memory. Version 1:
 * none of this changes any more. doc/protocol.md is the normative text.
 *
 * In memory all fields are little-endian and naturally aligned; nothing is
 * packed. A request is one descriptor chain: a readable part and then a
 * writable part, each cut into descriptors anyhow. The lengths of both follow
 * from the request and must match exactly. wire/format.h has the structures
 * in host byte order to and from these bytes, wire/judge.h the one judge.
 *
 *   readable   struct tmem_req
 *              form LIST: count x struct tmem_ent
 *              PUT: count x page
 *   writable   struct tmem_rep
 *              PUT, GET, FLUSH: count x int32 results, zeros up to 8 bytes
 *              GET: count x page
 *              HELLO, STAT, EVENT: the answer's structure
 */
#ifndef TMEM_WIRE_H
#define TMEM_WIRE_H

#include <tmem/base.h>

#define TMEM_WIRE_MAGIC	  0x314d454d54544956ull /* object[0] of HELLO */
#define TMEM_WIRE_VERSION 1u
#define TMEM_WIRE_BATCH	  64u	       /* most pages in one request; a host grants at least 32 */
#define TMEM_WIRE_RANGE	  (1ull << 32) /* indexes of an object: most that one range names */

/* HELLO's pool field: the lowest and the highest version that a client speaks. */
#define TMEM_WIRE_VERSIONS(low, high) ((uint32_t)(low) | (uint32_t)(high) << 16)

/* Bytes of the results of so many pages, the padding included. */
#define TMEM_WIRE_RESULTS(count) (((uint32_t)(count) + 1u) / 2u * 8u)

enum tmem_wire_op {
	TMEM_WIRE_NOP = 0,
	TMEM_WIRE_HELLO = 1,
	TMEM_WIRE_NEW_POOL = 2,
	TMEM_WIRE_DESTROY_POOL = 3,
	TMEM_WIRE_PUT = 4,
	TMEM_WIRE_GET = 5,
	TMEM_WIRE_FLUSH = 6,
	TMEM_WIRE_FLUSH_RANGE = 7,
	TMEM_WIRE_FLUSH_OBJECT = 8,
	TMEM_WIRE_STAT = 9,
	TMEM_WIRE_EVENT = 10, /* answered when the host has news */
	TMEM_WIRE_OPS = 11
};

enum tmem_wire_form {
	TMEM_WIRE_ONE = 0, /* one page; the form of every request that has no pages */
	TMEM_WIRE_RUN = 1, /* count pages, at consecutive indexes from index on */
	TMEM_WIRE_LIST = 2 /* count entries follow the request; object and index are zero */
};

/* Every field that an operation does not use is zero, or the request is refused. */
struct tmem_req {
	uint8_t op;
	uint8_t form;
	uint16_t count;	    /* pages, 1 to the granted batch; 1 where there are none */
	uint32_t pool;	    /* HELLO: TMEM_WIRE_VERSIONS; STAT: or TMEM_WIRE_ALL_POOLS */
	uint64_t object[3]; /* HELLO: magic, features wanted, 0 */
	uint32_t index;	    /* HELLO: page size in bytes */
	uint32_t flags;	    /* NEW_POOL: the pool's; no others are defined */
	uint64_t cookie;    /* NEW_POOL: makes it repeatable, unless it is 0; else 0 */
	uint64_t arg[2];    /* HELLO: nonce, 0; NEW_POOL: uuid; FLUSH_RANGE: indexes, 0 */
};

/* Form LIST: one page. */
struct tmem_ent {
	uint64_t object[3];
	uint32_t index;
	uint32_t zero;
};

/* If the status is not 0, this is all that is written, and done and value are 0. */
struct tmem_rep {
	int32_t status; /* 0, or the request was not carried out: -code */
	uint32_t done;	/* PUT, GET, FLUSH: pages stored, got, found; else 0 */
	uint64_t value; /* NEW_POOL: number; FLUSH_OBJECT: 1 if it was there; else 0 */
};

/* The answer to HELLO. */
struct tmem_hello {
	uint32_t version;   /* the highest that both speak */
	uint32_t page_size; /* bytes */
	uint32_t max_batch; /* 32 to TMEM_WIRE_BATCH */
	uint32_t max_pools; /* at a time; at least 16 */
	uint64_t features;  /* granted; none is defined */
	uint64_t client;    /* the same over restarts of the host */
	uint64_t epoch;	    /* another one: persistent contents were lost */
	uint64_t session;   /* 1: a new one, without pools; 0: the one before goes on */
	uint64_t zero[2];
};

/*
 * What happened since the last EVENT was answered: bits of news. Of FROZEN and
 * THAWED at most one is set: what holds now.
 */
#define TMEM_NEWS_FROZEN  1u
#define TMEM_NEWS_THAWED  2u
#define TMEM_NEWS_GIVE	  4u /* the host needs memory: put less */
#define TMEM_NEWS_LIMITS  8u
#define TMEM_NEWS_DROPPED 16u /* ephemeral pages were given back */

/* The answer to EVENT. */
struct tmem_event {
	uint64_t news;	     /* TMEM_NEWS_* */
	uint64_t allocation; /* bytes, as they are now */
	uint64_t cap;
	uint64_t wanted; /* bytes that the host wants back */
	uint64_t zero[4];
};

/*
 * The answer to STAT: the client's figures, of one pool or of all
 * (TMEM_WIRE_ALL_POOLS). Allocation, billed and cap are the client's in both.
 */
struct tmem_stat {
	uint64_t ephemeral_pages;
	uint64_t ephemeral_bytes;
	uint64_t persistent_pages;
	uint64_t persistent_bytes;
	uint64_t allocation;
	uint64_t billed;
	uint64_t cap;
	uint64_t puts;
	uint64_t puts_stored;
	uint64_t gets;
	uint64_t gets_hit;
	uint64_t flushes;
	uint64_t flushes_found;
	uint64_t evicted;
	uint64_t lost;
	uint64_t zero;
};

#define TMEM_WIRE_ALL_POOLS 0xffffffffu

#endif
