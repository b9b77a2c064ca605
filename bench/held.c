// SPDX-License-Identifier: MIT
/*
 * tmem-bench-held PAGES: how much of their time two threads hold a lock while
 * they put and get pages of one object, in percent. A program of its own, as
 * its core is compiled with a clock in each lock. The benchmark runs it.
 */
#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine.h"
#include "tmem_port.h"

#define THREADS 2u
#define ROUNDS	5u
#define SHIFT	31u /* of a key: all are of one object */

__thread struct bench_held bench_held;

struct part {
	struct bench_engine *engine;
	struct tmem_worker *worker;
	const uint32_t *order[2]; /* of puts and of gets */
	uint32_t first, count;	  /* keys */
	uint64_t cycles, held, failed;
	pthread_t thread;
};

static void *cycle(void *context)
{
	unsigned char page[2][BENCH_PAGE] __attribute__((aligned(64)));
	struct part *part = context;
	struct bench_engine *engine = part->engine;
	uint64_t begun, seed = part->count;
	struct tmem_handle handle;
	uint32_t i, get;

	for (i = 0; i < BENCH_PAGE / 8; i++)
		((uint64_t *)(void *)page[0])[i] = bench_random(&seed);
	bench_held.cycles = 0;
	begun = bench_held_clock();
	for (get = 0; get < 2; get++) {
		for (i = 0; i < part->count; i++) {
			bench_handle(&handle, engine->pool, part->first + part->order[get][i],
				     SHIFT);
			part->failed +=
				get ? tmem_get(engine->client, part->worker, &handle, page[1]) != 0
				    : tmem_put(engine->client, part->worker, &handle, page[0]) != 0;
		}
	}
	part->cycles += bench_held_clock() - begun;
	part->held += bench_held.cycles;
	return NULL;
}

/* Percent, or below zero: with a sentence on stderr. */
static double measure(struct bench_engine *engine, uint32_t pages)
{
	uint32_t *order[2] = {bench_shuffled(pages / THREADS, 11),
			      bench_shuffled(pages / THREADS, 12)};
	struct part part[THREADS];
	uint64_t held = 0, cycles = 0, failed = 0;
	uint32_t round, t;

	for (t = 0; t < THREADS; t++) {
		part[t] = (struct part){.engine = engine,
					.order = {order[0], order[1]},
					.first = t * (pages / THREADS),
					.count = pages / THREADS};
		failed += tmem_worker_create(engine->engine, &part[t].worker) != 0;
	}
	/* The first round is for memory to be there, and does not count. */
	for (round = 0; !failed && round <= ROUNDS; round++) {
		for (t = 0; t < THREADS; t++) {
			if (round <= 1)
				part[t].cycles = part[t].held = 0;
			if (pthread_create(&part[t].thread, NULL, cycle, &part[t]) != 0)
				abort();
		}
		for (t = 0; t < THREADS; t++)
			(void)pthread_join(part[t].thread, NULL);
		bench_engine_settle(engine);
	}
	for (t = 0; t < THREADS; t++) {
		held += part[t].held;
		cycles += part[t].cycles;
		failed += part[t].failed;
	}
	free(order[0]);
	free(order[1]);
	if (failed != 0 || cycles == 0) {
		fprintf(stderr, "tmem-bench-held: %llu calls failed, %llu cycles\n",
			(unsigned long long)failed, (unsigned long long)cycles);
		return -1;
	}
	return 100.0 * (double)held / (double)cycles;
}

int main(int argc, char **argv)
{
	uint32_t pages = argc == 2 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
	struct bench_setup setup = {.workers = THREADS + 1,
				    .bytes = (uint64_t)pages * (BENCH_PAGE + 512) + (64u << 20)};
	struct bench_engine engine;
	struct bench_store store;
	double percent = -1;

	if (pages < 1024 || pages > 1u << 24) {
		fprintf(stderr, "usage: tmem-bench-held PAGES (1024 to 16777216)\n");
		return 2;
	}
	if (bench_store_open(&store, (uint64_t)pages * 5120 + (256u << 20), 1) != 0) {
		fprintf(stderr, "tmem-bench-held: tmem_arena_create() fails\n");
		return 1;
	}
	if (bench_engine_open(&engine, &store, &setup) == 0) {
		percent = measure(&engine, pages);
		bench_engine_close(&engine);
	} else {
		fprintf(stderr, "tmem-bench-held: %s\n", engine.fault);
	}
	bench_store_close(&store);
	if (percent < 0)
		return 1;
	printf("%.2f\n", percent);
	return 0;
}
