// SPDX-License-Identifier: MIT
/*
 * Giving memory back: how long until a gibibyte of ephemeral pages is the
 * kernel's again, beside madvise() of as many extents, populated the same way;
 * how long until the first extent is; and what the sweep of the index costs
 * afterwards, per page. Two pools, 64 pages per object, put in random order.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine.h"

#define ROUNDS	 9u
#define EXTENT	 (2u << 20)
#define FIRST_MS 1.0 /* a first extent is back after this at the latest */
#define SWEEP_NS 10.0

struct reclaim {
	struct bench *bench;
	uint64_t bytes; /* given back at once */
	struct bench_store store;
	struct bench_engine engine;
	uint32_t pools[2];
	uint32_t *order;
	uint32_t count;					  /* pages, some more than fill the bytes */
	unsigned char *extents;				  /* the peer's, aligned */
	double ours[ROUNDS], peer[ROUNDS], ratio[ROUNDS]; /* ms */
	double first[ROUNDS];				  /* ms */
	double sweep[ROUNDS];				  /* ns per page that was dropped */
	char why[160];
};

static double ms_since(uint64_t begun)
{
	return (double)(bench_now() - begun) / 1e6;
}

/* 0, or -1 with a reason. */
static int fill(struct reclaim *reclaim)
{
	struct bench_engine *engine = &reclaim->engine;
	unsigned char page[BENCH_PAGE];
	struct tmem_handle handle;
	uint64_t seed = 7;
	uint32_t i;

	for (i = 0; i < BENCH_PAGE / 8; i++)
		((uint64_t *)(void *)page)[i] = bench_random(&seed);
	for (i = 0; i < reclaim->count; i++) {
		uint32_t key = reclaim->order[i];

		memcpy(page, &key, sizeof(key));
		bench_handle(&handle, reclaim->pools[key & 1], key >> 1, 6);
		if (tmem_put(engine->client, engine->worker, &handle, page) != 0) {
			snprintf(reclaim->why, sizeof(reclaim->why), "a put fails");
			return -1;
		}
	}
	bench_engine_settle(engine);
	return 0;
}

/* What the peer gives back: populated as the arena does it, extent by extent. */
static double madvise_ms(struct reclaim *reclaim)
{
	uint64_t at, begun;

	for (at = 0; at < reclaim->bytes; at += EXTENT)
		memset(reclaim->extents + at, 1, EXTENT);
	begun = bench_now();
	for (at = 0; at < reclaim->bytes; at += EXTENT)
		(void)madvise(reclaim->extents + at, EXTENT, MADV_DONTNEED);
	return ms_since(begun);
}

static int round_of(struct reclaim *reclaim, uint32_t i)
{
	struct bench_engine *engine = &reclaim->engine;
	struct tmem_stats before, after;
	uint64_t begun, given;
	const char *what;

	if (fill(reclaim) != 0)
		return -1;
	tmem_engine_stats(engine->engine, &before);
	begun = bench_now();
	given = tmem_engine_reclaim(engine->engine, engine->worker, 1);
	reclaim->first[i] = ms_since(begun);
	begun = bench_now();
	given += tmem_engine_reclaim(engine->engine, engine->worker, reclaim->bytes - given);
	reclaim->ours[i] = ms_since(begun) + reclaim->first[i];
	if (given < reclaim->bytes) {
		snprintf(reclaim->why, sizeof(reclaim->why), "%llu of %llu bytes came back",
			 (unsigned long long)given, (unsigned long long)reclaim->bytes);
		return -1;
	}
	tmem_engine_stats(engine->engine, &after);
	begun = bench_now();
	while (tmem_engine_step(engine->engine, engine->worker, 1024) != 0)
		;
	reclaim->sweep[i] =
		1e6 * ms_since(begun) / (double)(before.ephemeral_pages - after.ephemeral_pages);
	if (tmem_engine_check(engine->engine, &what) != 0) {
		snprintf(reclaim->why, sizeof(reclaim->why), "tmem_engine_check(): %s", what);
		return -1;
	}
	reclaim->peer[i] = madvise_ms(reclaim);
	reclaim->ratio[i] = reclaim->ours[i] / reclaim->peer[i];
	bench_progress("reclaim: %.2f ms, madvise %.2f ms; the first after %.3f ms; sweep %.1f "
		       "ns per page",
		       reclaim->ours[i], reclaim->peer[i], reclaim->first[i], reclaim->sweep[i]);
	return 0;
}

static void add(struct reclaim *reclaim, const char *name, const char *unit, double *values,
		const char *peer, double peer_value, double *ratio)
{
	struct bench_row row = {.unit = unit, .n = ROUNDS, .peer = peer};

	snprintf(row.name, sizeof(row.name), "%s", name);
	if (reclaim->why[0]) {
		bench_results_skip(&reclaim->bench->results, name, unit, reclaim->why);
		return;
	}
	row.value = bench_median(values, ROUNDS);
	row.min = values[0];
	row.max = values[ROUNDS - 1];
	row.q1 = bench_quantile(values, ROUNDS, 0.25);
	row.q3 = bench_quantile(values, ROUNDS, 0.75);
	row.peer_value = peer_value;
	if (ratio) {
		row.peer_value = row.value / bench_median(ratio, ROUNDS);
		row.ratio_q1 = bench_quantile(ratio, ROUNDS, 0.25);
		row.ratio_q3 = bench_quantile(ratio, ROUNDS, 0.75);
	}
	snprintf(row.note, sizeof(row.note), "%.0f MiB", (double)reclaim->bytes / (1u << 20));
	(void)bench_results_add(&reclaim->bench->results, &row);
}

static void run(struct reclaim *reclaim)
{
	struct tmem_pool_config pool = {.size = sizeof(pool), .cookie = 2};
	unsigned char *map;
	uint32_t i;
	int second;

	second = tmem_pool_create(reclaim->engine.client, reclaim->engine.worker, &pool);
	if (second < 0) {
		snprintf(reclaim->why, sizeof(reclaim->why), "tmem_pool_create() gives %d", second);
		return;
	}
	reclaim->pools[0] = reclaim->engine.pool;
	reclaim->pools[1] = (uint32_t)second;
	map = mmap(NULL, reclaim->bytes + EXTENT, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED) {
		snprintf(reclaim->why, sizeof(reclaim->why), "mmap() fails");
		return;
	}
	reclaim->extents = (unsigned char *)(((size_t)map + EXTENT - 1) & ~((size_t)EXTENT - 1));
	(void)madvise(reclaim->extents, reclaim->bytes, MADV_HUGEPAGE);
	for (i = 0; i < ROUNDS && round_of(reclaim, i) == 0; i++)
		;
	(void)munmap(map, reclaim->bytes + EXTENT);
}

void bench_reclaim(struct bench *bench)
{
	static struct reclaim reclaim;
	struct bench_setup setup = {0};

	reclaim.bench = bench;
	reclaim.bytes = bench->quick ? 256u << 20 : 1u << 30;
	reclaim.count = (uint32_t)(reclaim.bytes / BENCH_PAGE + reclaim.bytes / BENCH_PAGE / 16);
	reclaim.order = bench_shuffled(reclaim.count, 41);
	setup.bytes = (uint64_t)reclaim.count * (BENCH_PAGE + 512) + (64u << 20);
	if (bench_store_open(&reclaim.store, setup.bytes + (64u << 20), 0) != 0) {
		snprintf(reclaim.why, sizeof(reclaim.why), "tmem_arena_create() fails");
	} else {
		if (bench_engine_open(&reclaim.engine, &reclaim.store, &setup) != 0) {
			snprintf(reclaim.why, sizeof(reclaim.why), "%s", reclaim.engine.fault);
		} else {
			run(&reclaim);
			bench_engine_close(&reclaim.engine);
		}
		bench_store_close(&reclaim.store);
	}
	add(&reclaim, "reclaim.gib", "ms", reclaim.ours, "madvise of as many extents", 0,
	    reclaim.ratio);
	add(&reclaim, "reclaim.first", "ms", reclaim.first, "a millisecond", FIRST_MS, NULL);
	add(&reclaim, "reclaim.sweep", "ns/page", reclaim.sweep, "10 ns", SWEEP_NS, NULL);
	free(reclaim.order);
}
