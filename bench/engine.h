/* SPDX-License-Identifier: MIT */
/*
 * An engine for the benchmark: one client, one pool, one worker, and a host
 * whose extents stay populated, as a daemon's background work keeps them.
 */
#ifndef TMEM_BENCH_ENGINE_H
#define TMEM_BENCH_ENGINE_H

#include <pthread.h>

#include <tmem/engine.h>

#include "arena.h"

struct bench_extent;

/*
 * The posix arena, but an extent that the engine gives back is kept, populated,
 * for the next time it asks. Without this every pass would measure the page
 * faults of the kernel below us; doc/benchmark.md has the reason.
 */
struct bench_store {
	struct tmem_arena *arena;
	int keep;
	pthread_mutex_t lock;		  /* of what follows */
	struct bench_extent *kept[4][10]; /* by kind and size */
	uint64_t kept_bytes;
};

struct bench_engine {
	struct bench_store *store;
	struct tmem_engine *engine;
	struct tmem_worker *worker;
	struct tmem_client *client;
	uint32_t pool;
	char fault[96]; /* what could not be opened, and why */
};

struct bench_setup {
	uint32_t workers;		/* 0: 1 */
	uint64_t bytes;			/* capacity of the engine */
	uint32_t pool_flags;		/* TMEM_POOL_* */
	uint8_t codec;			/* for new puts */
	uint8_t verify;			/* each get looks at its page's sum */
	const struct tmem_codec *dense; /* that recodes cold pages; NULL: none */
	uint64_t allocation;		/* of the client; 0 for ephemeral pools */
};

/* 0 or a negative code. With @keep extents stay populated between engines. */
int bench_store_open(struct bench_store *store, uint64_t bytes, int keep);
/* Gives kept extents back to the arena. */
void bench_store_release(struct bench_store *store);
void bench_store_close(struct bench_store *store);

/* 0, or -1 with engine->fault saying what failed; nothing stays open then. */
int bench_engine_open(struct bench_engine *engine, struct bench_store *store,
		      const struct bench_setup *setup);
void bench_engine_close(struct bench_engine *engine);

/* Background work until there is none, or much was done: as often as a daemon's loop would. */
void bench_engine_settle(struct bench_engine *engine);

static inline void bench_handle(struct tmem_handle *handle, uint32_t pool, uint32_t key,
				uint32_t shift)
{
	handle->object.word[0] = 0x62656e6368;
	handle->object.word[1] = key >> shift;
	handle->object.word[2] = 0;
	handle->pool = pool;
	handle->index = key & ((1u << shift) - 1);
}

#endif
