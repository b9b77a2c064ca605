/* SPDX-License-Identifier: MIT */
/*
 * Demand falls and comes back, with several workers beside the steps that move
 * pages: each worker puts many pages of its own, puts some again, flushes half
 * of what it has, and reads. Whatever is moved meanwhile, a page that is there
 * is the last that was put; and there is room for all, so each is there until
 * memory is asked back, in the second half of the rounds.
 *
 *   test-demand [--rounds N] [--seed S]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "glue.h"
#include "must.h"
#include "page.h"
#include "rig.h"

#define THREADS 4
#define PAGES	1200u /* of each worker */
#define OBJECT	50u   /* pages of an object, which workers share */

struct actor {
	pthread_t thread;
	uint32_t worker;
	uint64_t state;
	uint64_t tag[PAGES]; /* of the last put; 0: flushed, or taken out */
	uint64_t version;
	uint64_t hits, misses;
};

static struct rig *rig;
static int client;
static uint32_t pool, rounds = 60;
static struct actor actors[THREADS];
static pthread_barrier_t together; /* each round: nobody asks memory back before the others know */

static struct tmem_handle handle_of(const struct actor *a, uint32_t i)
{
	return rig_handle(pool, i / OBJECT, i % OBJECT * THREADS + a->worker);
}

static void put(struct actor *a, uint32_t i)
{
	static const enum page_kind kinds[] = {PAGE_TEXT, PAGE_NEARLY, PAGE_RANDOM, PAGE_RANDOM};
	struct tmem_handle handle = handle_of(a, i);
	uint8_t page[TMEM_PAGE_SIZE];

	a->tag[i] = page_tag(kinds[rng_below(&a->state, 4)], ++a->version * THREADS + a->worker);
	page_fill(page, a->tag[i]);
	MUST_EQ(rig->backend->put(rig, a->worker, client, &handle, page), 0);
}

/* @asked: memory has been asked back, so it may have gone. */
static void get(struct actor *a, uint32_t i, bool asked)
{
	struct tmem_handle handle = handle_of(a, i);
	uint8_t page[TMEM_PAGE_SIZE];
	int result = rig->backend->get(rig, a->worker, client, &handle, page);

	if (result) {
		MUST_EQ(result, -TMEM_ENOENT);
		if (a->tag[i] && !asked)
			FAIL("worker %u: page %u is lost", a->worker, i);
		a->misses++;
	} else {
		if (!a->tag[i] || !page_holds(page, a->tag[i]))
			FAIL("worker %u: page %u is not what was put last", a->worker, i);
		a->hits++;
	}
	a->tag[i] = 0;
}

static void flush(struct actor *a, uint32_t i)
{
	struct tmem_handle handle = handle_of(a, i);

	MUST(rig->backend->flush(rig, a->worker, client, &handle) >= 0);
	a->tag[i] = 0;
}

static void step(struct actor *a)
{
	rig->backend->step(rig, a->worker, 1 + (uint32_t)rng_below(&a->state, 4));
}

static void *act(void *arg)
{
	struct actor *a = arg;
	uint32_t round, i;

	for (round = 0; round < rounds; round++) {
		bool asked = round >= rounds / 2;

		pthread_barrier_wait(&together);
		if (a->worker == 0)
			MUST_EQ(rig->backend->set_codec(
					rig, client, round % 2 ? TMEM_CODEC_LZ4 : TMEM_CODEC_RAW),
				0);
		for (i = 0; i < PAGES; i++)
			if (!a->tag[i])
				put(a, i);
		for (i = 0; i < PAGES; i++)
			if (rng_below(&a->state, 2))
				flush(a, i);
		/* What is left is moved, while it is put again, taken out and flushed. */
		for (i = 0; i < PAGES; i++) {
			uint32_t which = (uint32_t)rng_below(&a->state, PAGES);

			step(a);
			if (a->tag[which] && rng_below(&a->state, 4) == 0)
				put(a, which);
			else if (rng_below(&a->state, 8) == 0)
				get(a, which, asked);
			if (asked && i % 16 == a->worker)
				rig->backend->reclaim(rig, a->worker, 16384);
		}
	}
	for (i = 0; i < PAGES; i++)
		get(a, i, true);
	return NULL;
}

int main(int argc, char **argv)
{
	struct rig_setup setup = {.capacity = 96u << 20, .workers = THREADS, .recode = true};
	uint64_t seed = (uint64_t)time(NULL), hits = 0, misses = 0;
	struct tmem_stats stats;
	uint32_t i;

	for (i = 1; i < (uint32_t)argc; i += 2)
		if (!strcmp(argv[i], "--rounds") && argv[i + 1])
			rounds = (uint32_t)strtoul(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--seed") && argv[i + 1])
			seed = strtoull(argv[i + 1], NULL, 0);
		else
			return fprintf(stderr, "usage: %s [--rounds N] [--seed S]\n", argv[0]), 2;
	printf("seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	snprintf(must_context, sizeof(must_context), "--seed %llu", (unsigned long long)seed);
	setup.seed = seed;
	rig = rig_start(&backend_engine, &setup);
	client = rig_client(rig, 0);
	pool = rig_pool(rig, client, 0);
	MUST_EQ(pthread_barrier_init(&together, NULL, THREADS), 0);
	for (i = 0; i < THREADS; i++) {
		actors[i].worker = i;
		actors[i].state = seed * THREADS + i + 1;
		MUST_EQ(pthread_create(&actors[i].thread, NULL, act, &actors[i]), 0);
	}
	for (i = 0; i < THREADS; i++) {
		MUST_EQ(pthread_join(actors[i].thread, NULL), 0);
		hits += actors[i].hits;
		misses += actors[i].misses;
	}
	pthread_barrier_destroy(&together);
	stats = rig_stats(rig, -1, -1);
	printf("demand on %s: %u rounds, %llu hits, %llu misses; %llu pages moved, %llu extents "
	       "emptied\n",
	       glue_name, rounds, (unsigned long long)hits, (unsigned long long)misses,
	       (unsigned long long)stats.pages_moved, (unsigned long long)stats.extents_vacated);
	MUST(stats.pages_moved > 10 * rounds && stats.extents_vacated > rounds / 4);
	rig_stop(rig);
	return 0;
}
