// SPDX-License-Identifier: MIT
/*
 * store.util: what part of the store's memory is payload, after compressed
 * pages were overwritten at random ten times over, as swap does. Sizes change
 * with every overwrite, so this is where an allocator fragments.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

#define ROUNDS 10u

static void put_round(struct bench *bench, struct bench_engine *engine, const uint32_t *order,
		      uint32_t count, uint64_t *seed, uint64_t *failed)
{
	struct tmem_handle handle;
	uint32_t i, page;

	for (i = 0; i < count; i++) {
		/* The first round fills every key; the others hit keys at random. */
		uint32_t key = order != NULL ? order[i] : (uint32_t)(bench_random(seed) % count);

		page = (uint32_t)(bench_random(seed) % bench->corpus.count);
		bench_handle(&handle, engine->pool, key, 6);
		*failed += tmem_put(engine->client, engine->worker, &handle,
				    bench->corpus.pages + (size_t)page * BENCH_PAGE) != 0;
		if ((i & 255) == 255)
			bench_engine_settle(engine);
	}
}

static void report(struct bench *bench, struct bench_engine *engine, const char *name,
		   uint32_t count, uint64_t failed)
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
		 "%u pages, %.1f MiB payload, headers %.2f %%, free inside extents %.2f %%, "
		 "%llu extents compacted",
		 count, payload / (1u << 20), 100 * (blocks - payload) / (double)s.extent_bytes,
		 100 * (1 - blocks / (double)s.extent_bytes),
		 (unsigned long long)s.extents_compacted);
	if (failed != 0 || stored != count) {
		snprintf(row.why, sizeof(row.why), "%llu puts failed, %llu of %u pages are stored",
			 (unsigned long long)failed, (unsigned long long)stored, count);
		bench_results_skip(&bench->results, name, row.unit, row.why);
		return;
	}
	bench_progress("%s: %.4f (%s)", name, row.value, row.note);
	(void)bench_results_add(&bench->results, &row);
}

static void run(struct bench *bench, const char *name, struct bench_setup *setup, uint32_t count)
{
	struct bench_store store;
	struct bench_engine engine;
	uint64_t seed = 31, failed = 0;
	uint32_t *order, round;

	if (bench_store_open(&store, setup->bytes + (64u << 20), 0) != 0) {
		bench_results_skip(&bench->results, name, "payload/bytes",
				   "tmem_arena_create() fails");
		return;
	}
	if (bench_engine_open(&engine, &store, setup) != 0) {
		bench_results_skip(&bench->results, name, "payload/bytes", engine.fault);
	} else {
		order = bench_shuffled(count, 32);
		for (round = 0; round <= ROUNDS; round++) {
			put_round(bench, &engine, round == 0 ? order : NULL, count, &seed, &failed);
			bench_progress("%s: round %u of %u", name, round, ROUNDS);
		}
		report(bench, &engine, name, count, failed);
		free(order);
		bench_engine_close(&engine);
	}
	bench_store_close(&store);
}

void bench_store_util(struct bench *bench)
{
	uint32_t count = bench->quick ? 1u << 16 : 1u << 18;
	struct bench_setup swap = {.codec = TMEM_CODEC_LZ4, .pool_flags = TMEM_POOL_PERSISTENT};
	struct bench_setup cache = {.codec = TMEM_CODEC_LZ4};

	swap.allocation = tmem_pages_allocation(count, 64);
	swap.bytes = swap.allocation + (64u << 20);
	cache.bytes = (uint64_t)count * BENCH_PAGE + (64u << 20);
	run(bench, "store.util", &swap, count);
	run(bench, "store.util.ephemeral", &cache, count);
}
