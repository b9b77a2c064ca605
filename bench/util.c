// SPDX-License-Identifier: MIT
/*
 * store.util: what part of the store's memory is payload, after compressed
 * pages were overwritten at random ten times over, as swap does. Sizes change
 * with every overwrite, so this is where an allocator fragments. In an
 * ephemeral pool, whose extents follow what is stored, and in a persistent
 * one, whose extents are a reservation that is kept full.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

#define ROUNDS 10u

static int put_one(struct bench *bench, struct bench_engine *engine, uint32_t key, uint64_t *seed)
{
	uint32_t page = (uint32_t)(bench_random(seed) % bench->corpus.count);
	struct tmem_handle handle;

	bench_handle(&handle, engine->pool, key, 6);
	return tmem_put(engine->client, engine->worker, &handle,
			bench->corpus.pages + (size_t)page * BENCH_PAGE);
}

/* The first round fills every key in @order; the others, without, hit keys at random. */
static void put_round(struct bench *bench, struct bench_engine *engine, const uint32_t *order,
		      uint32_t count, uint64_t *seed, uint64_t *refused)
{
	uint32_t i, key;

	for (i = 0; i < count; i++) {
		key = order != NULL ? order[i] : (uint32_t)(bench_random(seed) % count);
		*refused += put_one(bench, engine, key, seed) != 0;
		if ((i & 255) == 255)
			bench_engine_settle(engine);
	}
}

static void report(struct bench *bench, struct bench_engine *engine, const char *name,
		   uint32_t count, uint64_t refused, int full)
{
	struct bench_row row = {.unit = "payload/bytes",
				.higher_is_better = 1,
				.n = 1,
				.peer = "nothing but payload",
				.peer_value = 1};
	struct tmem_stats s;
	double payload, blocks, outside;
	uint64_t stored;

	tmem_engine_stats(engine->engine, &s);
	stored = s.ephemeral_pages + s.persistent_pages;
	payload = (double)(s.ephemeral_payload + s.persistent_payload);
	blocks = (double)(s.ephemeral_bytes + s.persistent_bytes);
	/* Raw pages have their headers outside of the extent. */
	outside = 16.0 * (double)s.pages_raw * (double)count / (double)s.puts_stored;
	row.value = payload / ((double)s.extent_bytes + outside);
	row.min = row.max = row.q1 = row.q3 = row.value;
	snprintf(row.name, sizeof(row.name), "%s", name);
	snprintf(row.note, sizeof(row.note),
		 "%llu pages, %.1f MiB payload, headers %.2f %%, free inside extents %.2f %%, "
		 "%llu extents compacted",
		 (unsigned long long)stored, payload / (1u << 20),
		 100 * (blocks - payload) / (double)s.extent_bytes,
		 100 * (1 - blocks / (double)s.extent_bytes),
		 (unsigned long long)s.extents_compacted);
	if (full ? refused == 0 : refused != 0 || stored != count) {
		snprintf(row.why, sizeof(row.why), "%llu puts refused, %llu of %u pages are stored",
			 (unsigned long long)refused, (unsigned long long)stored, count);
		bench_results_skip(&bench->results, name, row.unit, row.why);
		return;
	}
	bench_progress("%s: %.4f (%s)", name, row.value, row.note);
	(void)bench_results_add(&bench->results, &row);
}

/*
 * @full: there are more keys than the allocation holds pages, so that the pool
 * is full all the time; a put that is refused has emptied its handle.
 */
static void run(struct bench *bench, const char *name, struct bench_setup *setup, uint32_t count,
		int full)
{
	struct bench_store store;
	struct bench_engine engine;
	uint64_t seed = 31, refused = 0;
	uint32_t *order, round;

	if (bench_store_open(&store, setup->bytes + (64u << 20), 0) != 0) {
		bench_results_skip(&bench->results, name, "payload/bytes",
				   "tmem_arena_create() fails");
		return;
	}
	if (bench_engine_open(&engine, &store, setup) != 0) {
		bench_results_skip(&bench->results, name, "payload/bytes", engine.fault);
	} else {
		bench_progress("%s: filling, then overwriting %u times", name, ROUNDS);
		order = bench_shuffled(count, 32);
		for (round = 0; round <= ROUNDS; round++)
			put_round(bench, &engine, round == 0 ? order : NULL, count, &seed,
				  &refused);
		report(bench, &engine, name, count, refused, full);
		free(order);
		bench_engine_close(&engine);
	}
	bench_store_close(&store);
}

void bench_store_util(struct bench *bench)
{
	uint32_t count = bench->quick ? 1u << 16 : 1u << 18;
	struct bench_setup cache = {.codec = TMEM_CODEC_LZ4};
	struct bench_setup swap = {.codec = TMEM_CODEC_LZ4, .pool_flags = TMEM_POOL_PERSISTENT};

	cache.bytes = (uint64_t)count * BENCH_PAGE + (64u << 20);
	run(bench, "store.util", &cache, count, 0);
	/* Its memory is reserved and does not follow what is stored: so it is kept full. */
	swap.allocation = (uint64_t)count / 2 * 1200;
	swap.bytes = swap.allocation + (64u << 20);
	run(bench, "store.util.persistent", &swap, count / 2, 1);
}
