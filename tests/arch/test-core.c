/* SPDX-License-Identifier: MIT */
/*
 * Core over the bare port, as freestanding objects, in one block of memory:
 * what a port to a new machine does first. Pages of both kinds of pool are
 * put, replaced, flushed and looked at again, more of them than there is
 * room for; then all figures are counted over.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <tmem/engine.h>
#include <tmem/stats.h>

#include "bare.h"
#include "codec.h"

#define BLOCK ((size_t)4 << 20)
#define PAGES 1500u

static unsigned char block[BLOCK];
static struct tmem_bare bare;
static uint64_t word[TMEM_PAGE_SIZE / 8];
static unsigned int passed, failed;

static void hold(int fact, const char *what)
{
	if (fact) {
		passed++;
	} else {
		printf("FAIL %s\n", what);
		failed++;
	}
}

/* One page in four is one word, repeated. */
static void fill(uint64_t version, uint32_t index)
{
	uint64_t value = version << 32 | index;
	unsigned int i;

	for (i = 0; i < TMEM_PAGE_SIZE / 8; i++)
		word[i] = index % 4 ? value * (2 * i + 1) : value;
}

static int is_page(const uint64_t *page, uint64_t version, uint32_t index)
{
	fill(version, index);
	return memcmp(page, word, TMEM_PAGE_SIZE) == 0;
}

/* Handles with bits in all of their bytes. */
static struct tmem_handle handle_of(int pool, uint32_t index)
{
	struct tmem_handle h = {{{0x0123456789abcdefu, index % 7, 0xfedcba9876543210u}},
				(uint32_t)pool,
				index * 0x01010101u};

	return h;
}

int main(void)
{
	static uint64_t page[TMEM_PAGE_SIZE / 8];
	const struct tmem_codec *codecs[] = {&tmem_small};
	struct tmem_config config = {.size = sizeof(config),
				     .capacity = BLOCK - (BLOCK >> 4),
				     .hash_seed = {1, 2},
				     .extent_size = 64u << 10,
				     .host_ops = &tmem_bare_ops,
				     .host = &bare,
				     .codecs = codecs,
				     .codec_count = 1};
	struct tmem_client_config client_config = {
		.size = sizeof(client_config), .codec = TMEM_CODEC_SMALL, .allocation = 1u << 20};
	struct tmem_stats stats;
	struct tmem_pool_config pool_config = {.size = sizeof(pool_config)};
	struct tmem_engine *engine;
	struct tmem_worker *worker;
	struct tmem_client *client;
	int ephemeral, persistent, result;
	uint32_t i, stored = 0, kept = 0, hits = 0, wrong = 0;
	const char *what = "";

	hold(tmem_bare_init(&bare, block, sizeof(block)) == 0, "the host takes its block");
	if (tmem_engine_create(&config, &engine) || tmem_worker_create(engine, &worker) ||
	    tmem_client_create(engine, worker, &client_config, &client)) {
		printf("FAIL no engine\n0 passed, 1 failed\n");
		return 1;
	}
	ephemeral = tmem_pool_create(client, worker, &pool_config);
	pool_config.flags = TMEM_POOL_PERSISTENT;
	persistent = tmem_pool_create(client, worker, &pool_config);
	hold(ephemeral == 0 && persistent == 1, "two pools");
	for (i = 0; i < 2 * PAGES; i++) {
		struct tmem_handle h = handle_of(ephemeral, i % PAGES);

		fill(1 + i / PAGES, i % PAGES);
		stored += tmem_put(client, worker, &h, word) == 0;
		h = handle_of(persistent, i % PAGES);
		if (i % PAGES < 100)
			kept += tmem_put(client, worker, &h, word) == 0;
	}
	hold(stored == 2 * PAGES, "ephemeral puts make room for themselves");
	hold(kept == 200, "persistent puts fit into the allocation");
	for (i = 0; i < 50; i++) {
		struct tmem_handle h = handle_of(persistent, i);

		wrong += tmem_flush(client, worker, &h) != 1;
	}
	hold(!wrong, "flushes find their pages");
	tmem_engine_stats(engine, &stats);
	hold(stats.pages_coded > PAGES && stats.bytes_coded_out < stats.bytes_coded_in,
	     "pages become smaller");
	for (i = 0; i < PAGES; i++) {
		struct tmem_handle h = handle_of(ephemeral, i);

		result = tmem_get(client, worker, &h, page);
		hits += result == 0;
		wrong += result == 0 ? !is_page(page, 2, i) : result != -TMEM_ENOENT;
		wrong += tmem_get(client, worker, &h, page) != -TMEM_ENOENT;
		h = handle_of(persistent, i);
		result = tmem_get(client, worker, &h, page);
		wrong += i >= 50 && i < 100 ? result || !is_page(page, 2, i)
					    : result != -TMEM_ENOENT;
	}
	hold(!wrong, "what comes back is what was put last");
	hold(hits > PAGES / 10 && hits < PAGES, "some were evicted, not all");
	hold(tmem_engine_check(engine, &what) == 0, what);
	tmem_client_destroy(client, worker);
	while (tmem_engine_step(engine, worker, 100))
		;
	hold(tmem_engine_check(engine, &what) == 0, what);
	tmem_worker_destroy(worker);
	tmem_engine_destroy(engine);
	hold(bare.out == 0, "all memory is given back");
	printf("%u of %u pages left; core on port/bare: %u passed, %u failed\n", hits, PAGES,
	       passed, failed);
	return failed != 0;
}
