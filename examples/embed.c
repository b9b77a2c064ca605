/* SPDX-License-Identifier: MIT */
/*
 * The engine inside a program, without a daemon: a cache whose pages may
 * vanish, and a store whose pages may not. Everything that a host has to
 * bring is here; on Linux port/posix and codec have it ready.
 */
#include <stdio.h>
#include <string.h>
#include <tmem/engine.h>

#include "arena.h"
#include "codec.h"

#define MIB (1024ull * 1024)

int main(void)
{
	const struct tmem_codec *codecs[] = {&tmem_lz4};
	struct tmem_arena_config arena_config = {.size = sizeof(arena_config), .bytes = 64 * MIB};
	struct tmem_config config = {.size = sizeof(config), .capacity = 64 * MIB};
	struct tmem_client_config client_config = {.size = sizeof(client_config)};
	struct tmem_pool_config pool_config = {.size = sizeof(pool_config)};
	/* The caller's name for a page: pool, object (a file, say), index (its offset). */
	struct tmem_handle handle = {.object = {{1, 2, 3}}, .index = 42};
	static char page[TMEM_PAGE_SIZE] = "a page of the caller's own", back[TMEM_PAGE_SIZE];
	struct tmem_arena *arena;
	struct tmem_engine *engine;
	struct tmem_worker *worker; /* one per thread */
	struct tmem_client *client; /* one per party whose pages are kept apart */
	int cache, store;

	if (tmem_arena_create(&arena_config, &arena))
		return 1;
	config.host_ops = &tmem_arena_ops;
	config.host = arena;
	config.codecs = codecs;
	config.codec_count = 1;
	if (tmem_engine_create(&config, &engine) || tmem_worker_create(engine, &worker))
		return 1;

	client_config.codec = TMEM_CODEC_LZ4;
	client_config.allocation = 8 * MIB; /* persistent pages are promised their room */
	if (tmem_client_create(engine, worker, &client_config, &client))
		return 1;
	cache = tmem_pool_create(client, worker, &pool_config);
	pool_config.flags = TMEM_POOL_PERSISTENT;
	store = tmem_pool_create(client, worker, &pool_config);
	if (cache < 0 || store < 0)
		return 1;

	handle.pool = (uint32_t)store;
	if (tmem_put(client, worker, &handle, page) || tmem_get(client, worker, &handle, back))
		return 1;
	printf("store: %s\n", memcmp(page, back, sizeof(page)) ? "wrong" : back);

	handle.pool = (uint32_t)cache;
	if (tmem_put(client, worker, &handle, page))
		return 1;
	/* A get from a cache takes the page out: the second one misses. */
	printf("cache: %d", tmem_get(client, worker, &handle, back));
	printf(", then %d\n", tmem_get(client, worker, &handle, back));

	/* What was flushed is given back in steps, whenever there is time. */
	tmem_client_destroy(client, worker);
	while (tmem_engine_step(engine, worker, 64))
		;
	tmem_worker_destroy(worker);
	tmem_engine_destroy(engine);
	tmem_arena_destroy(arena);
	return 0;
}
