/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What a test can ask of the test port: a host of extents that fails on
 * demand and poisons what it hands out and gets back, locks that can be
 * counted, and panics that can be expected.
 */
#ifndef TMEM_TEST_HOST_H
#define TMEM_TEST_HOST_H

#include <tmem/host.h>

/* Contents of an extent when it is handed out, and from when it is freed on. */
#define TMEM_TEST_FRESH 0xA5
#define TMEM_TEST_FREED 0x5A

enum tmem_test_sizes {
	TMEM_TEST_LARGEST,  /* as large as asked for and the limit allows */
	TMEM_TEST_SMALLEST, /* always the least */
	TMEM_TEST_RANDOM    /* any power of two between, from the seed */
};

struct tmem_test_slots;

struct tmem_test_host {
	/* Set by the test while no call is in progress. */
	uint64_t limit;	  /* bytes handed out at most; never above what create() was told */
	uint64_t fail_at; /* this allocation from now on fails, 1 being the next; 0: none */
	int fail_on;	  /* and all after it fail too, until fail_at is set again */
	enum tmem_test_sizes sizes;
	uint64_t seed;	/* of TMEM_TEST_RANDOM; advances with each draw */
	int no_lending; /* extent_lend() is refused */
	unsigned int
		take_at_once; /* of 100 extents, so many lose a page as soon as they are lent */
	uint64_t take_seed;   /* which pages are taken; advances with each draw */

	/* Figures; exact while no call is in progress. Arrays by enum tmem_extent_kind. */
	uint64_t live[4];  /* extents handed out now */
	uint64_t bytes[4]; /* bytes of these */
	uint64_t peak;	   /* most bytes handed out at one time */
	uint64_t tried;	   /* allocations asked for */
	uint64_t failed;   /* of these, refused because of fail_at */
	uint64_t refused;  /* of these, refused because of the limit */
	uint64_t lent;	   /* extents that are lent now */
	uint64_t lends;	   /* extents that were ever */
	uint64_t taken;	   /* pages taken out of them */

	struct tmem_test_slots *slots; /* the host's own */
};

/* The host pointer that goes with it is a struct tmem_test_host. */
extern const struct tmem_host_ops tmem_test_host_ops;

/* A host of at most @bytes bytes; address space of ten times that is reserved. Never NULL. */
struct tmem_test_host *tmem_test_host_create(uint64_t bytes);

/* Panics, after giving everything back, if an extent is still out or was written after free. */
void tmem_test_host_destroy(struct tmem_test_host *host);

/*
 * Takes @pages random pages out of random lent extents, a whole extent now and
 * then. From any thread. While an extent is lent, a write to it is a fault.
 */
void tmem_test_host_take(struct tmem_test_host *host, unsigned int pages);

/* Panics if an extent that is free now was written after it was freed. */
void tmem_test_host_verify(struct tmem_test_host *host);

/*
 * Calls @fn; 1 if it panicked, and then the locks that it took and left held
 * are free again: they must be in memory that outlives @fn. Only panics of
 * the calling thread are caught.
 */
int tmem_test_expect_panic(void (*fn)(void *arg), void *arg);

/* What the last panic caught by this thread said; "" if none was. */
const char *tmem_test_panic_text(void);

/* Locks that the calling thread holds. A thread that ends with any panics. */
unsigned int tmem_test_locks_held(void);

/* Panics if the calling thread holds a lock. */
void tmem_test_assert_no_locks(void);

#endif
