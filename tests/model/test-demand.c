/* SPDX-License-Identifier: MIT */
/*
 * Demand falls and comes back, with several workers beside the steps that move
 * pages: each worker puts many pages of its own, puts some again, flushes half
 * of what it has, and reads: one by one and in batches. Whatever is moved
 * meanwhile, a page that is there is the last that was put; and there is room
 * for all, so each is there until memory is asked back, in the second half of
 * the rounds.
 *
 * Beside it, pages that nobody may lose, of a client whose allocation is made
 * smaller when half of them have left, and larger again while steps are at
 * it: each is there, and within the allocation no put is refused.
 *
 *   test-demand [--rounds N] [--seed S] [--lend 1]
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
#define KEPT	600u  /* persistent pages of each worker */
#define SOME	340u  /* of them, that the smaller allocation has room for */

#define BATCH 40u

struct actor {
	pthread_t thread;
	uint32_t worker;
	uint64_t state;
	uint64_t tag[PAGES]; /* of the last put; 0: flushed, or taken out */
	uint64_t kept[KEPT]; /* likewise, of persistent ones */
	uint64_t version;
	uint64_t hits, misses;
	/* A batch that is being made up; its pages, and what they are of. */
	struct tmem_op op[BATCH];
	uint32_t which[BATCH];
	uint32_t count;
	uint8_t page[BATCH][TMEM_PAGE_SIZE];
};

static struct rig *rig;
static int client, keeper;
static uint32_t pool, kept_pool, rounds = 60;
static struct actor actors[THREADS];
static bool ephemeral_only;	   /* no persistent pages beside */
static pthread_barrier_t together; /* each round: nobody asks memory back before the others know */

static struct tmem_handle handle_of(const struct actor *a, uint32_t i)
{
	return rig_handle(pool, i / OBJECT, i % OBJECT * THREADS + a->worker);
}

static void fill(struct actor *a, uint32_t i, uint8_t *page)
{
	static const enum page_kind kinds[] = {PAGE_TEXT, PAGE_NEARLY, PAGE_RANDOM, PAGE_RANDOM};

	a->tag[i] = page_tag(kinds[rng_below(&a->state, 4)], ++a->version * THREADS + a->worker);
	page_fill(page, a->tag[i]);
}

static void put(struct actor *a, uint32_t i)
{
	struct tmem_handle handle = handle_of(a, i);
	uint8_t page[TMEM_PAGE_SIZE];

	fill(a, i, page);
	MUST_EQ(rig->backend->put(rig, a->worker, client, &handle, page), 0);
}

/* @asked: memory has been asked back, so it may have gone. */
static void judge(struct actor *a, uint32_t i, int result, const uint8_t *page, bool asked)
{
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

static void get(struct actor *a, uint32_t i, bool asked)
{
	struct tmem_handle handle = handle_of(a, i);
	uint8_t page[TMEM_PAGE_SIZE];
	int result = rig->backend->get(rig, a->worker, client, &handle, page);

	judge(a, i, result, page, asked);
}

/* What was put is known by the page: it is the tag's first word, whatever was put since. */
static void send(struct actor *a, bool asked)
{
	uint32_t n;

	rig->backend->batch(rig, a->worker, client, a->op, a->count);
	for (n = 0; n < a->count; n++) {
		uint32_t i = a->which[n];

		switch (a->op[n].code) {
		case TMEM_OP_PUT:
			MUST_EQ(a->op[n].result, 0);
			memcpy(&a->tag[i], a->page[n], sizeof(a->tag[i]));
			break;
		case TMEM_OP_GET:
			judge(a, i, a->op[n].result, a->page[n], asked);
			break;
		default:
			MUST(a->op[n].result >= 0);
			a->tag[i] = 0;
		}
	}
	a->count = 0;
}

static void add(struct actor *a, enum tmem_op_code code, uint32_t i, bool asked)
{
	uint64_t tag = a->tag[i];

	if (code == TMEM_OP_PUT)
		fill(a, i, a->page[a->count]);
	a->tag[i] = tag; /* until it is sent */
	a->op[a->count] = (struct tmem_op){code, 0, handle_of(a, i), 0, a->page[a->count]};
	a->which[a->count++] = i;
	if (a->count == BATCH)
		send(a, asked);
}

static void flush(struct actor *a, uint32_t i)
{
	struct tmem_handle handle = handle_of(a, i);

	MUST(rig->backend->flush(rig, a->worker, client, &handle) >= 0);
	a->tag[i] = 0;
}

static struct tmem_handle kept_of(const struct actor *a, uint32_t i)
{
	return rig_handle(kept_pool, i / OBJECT, i % OBJECT * THREADS + a->worker);
}

static void keep(struct actor *a, uint32_t i)
{
	enum page_kind kind = rng_below(&a->state, 8) ? PAGE_RANDOM : PAGE_TEXT;
	struct tmem_handle handle = kept_of(a, i);
	uint8_t page[TMEM_PAGE_SIZE];

	a->kept[i] = page_tag(kind, ++a->version * THREADS + a->worker);
	page_fill(page, a->kept[i]);
	MUST_EQ(rig->backend->put(rig, a->worker, keeper, &handle, page), 0);
}

static void look(struct actor *a, uint32_t i)
{
	struct tmem_handle handle = kept_of(a, i);
	uint8_t page[TMEM_PAGE_SIZE];
	int result = rig->backend->get(rig, a->worker, keeper, &handle, page);

	MUST_EQ(result, a->kept[i] ? 0 : -TMEM_ENOENT);
	if (!result && !page_holds(page, a->kept[i]))
		FAIL("worker %u: persistent page %u is not what was put last", a->worker, i);
}

static void let_go(struct actor *a, uint32_t i)
{
	struct tmem_handle handle = kept_of(a, i);

	MUST_EQ(rig->backend->flush(rig, a->worker, keeper, &handle), a->kept[i] != 0);
	a->kept[i] = 0;
}

/* Room for @pages of each worker, and for the records of all that it ever has. */
static uint64_t allocation_of(uint32_t pages)
{
	return tmem_pages_allocation(KEPT * THREADS, OBJECT * THREADS, 0) -
	       (uint64_t)(KEPT - pages) * THREADS * (TMEM_PAGE_SIZE + 16);
}

/* Demand comes back, and half of it leaves. */
static void fill_and_thin_out(struct actor *a, uint32_t round)
{
	uint32_t i;

	if (a->worker == 0) {
		/* What is raw by its client's wish stays so; else it is recoded, and little is left. */
		MUST_EQ(rig->backend->set_codec(rig, keeper,
						round % 4 ? TMEM_CODEC_RAW : TMEM_CODEC_LZ4),
			0);
		MUST_EQ(rig->backend->set_allocation(rig, keeper, allocation_of(KEPT)), 0);
	}
	pthread_barrier_wait(&together);
	for (i = 0; i < KEPT; i++)
		if (!a->kept[i])
			keep(a, i);
	pthread_barrier_wait(&together);
	for (i = 0; i < KEPT; i++)
		if (rng_below(&a->state, 2))
			let_go(a, i);
	pthread_barrier_wait(&together);
	if (a->worker == 0)
		MUST_EQ(rig->backend->set_allocation(rig, keeper, allocation_of(SOME)), 0);
}

static void step(struct actor *a)
{
	rig->backend->step(rig, a->worker, 1 + (uint32_t)rng_below(&a->state, 4));
}

static void *act(void *arg)
{
	static const enum tmem_op_code codes[] = {TMEM_OP_PUT, TMEM_OP_PUT,  TMEM_OP_PUT,
						  TMEM_OP_PUT, TMEM_OP_PUT,  TMEM_OP_GET,
						  TMEM_OP_GET, TMEM_OP_FLUSH};
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
			if (!a->tag[i] && round % 3)
				add(a, TMEM_OP_PUT, i, asked);
			else if (!a->tag[i])
				put(a, i);
		if (a->count)
			send(a, asked);
		for (i = 0; i < PAGES; i++)
			if (rng_below(&a->state, 2))
				flush(a, i);
		if (!ephemeral_only)
			fill_and_thin_out(a, round);
		/* What is left is moved, while it is put again, taken out and flushed. */
		for (i = 0; i < PAGES; i++) {
			uint32_t which = (uint32_t)rng_below(&a->state, PAGES);

			step(a);
			if (a->count || rng_below(&a->state, 64) == 0)
				add(a, codes[rng_below(&a->state, 8)], which, asked);
			else if (a->tag[which] && rng_below(&a->state, 4) == 0)
				put(a, which);
			else if (rng_below(&a->state, 8) == 0)
				get(a, which, asked);
			which = (uint32_t)rng_below(&a->state, KEPT);
			if (ephemeral_only)
				;
			else if (a->kept[which] && rng_below(&a->state, 3) == 0)
				keep(a, which);
			else if (rng_below(&a->state, 16) == 0)
				let_go(a, which);
			else
				look(a, which);
			if (asked && i % 16 == a->worker)
				rig->backend->reclaim(rig, a->worker, 16384);
		}
		if (a->count)
			send(a, asked);
	}
	for (i = 0; i < PAGES; i++)
		get(a, i, true);
	for (i = 0; i < KEPT && !ephemeral_only; i++)
		look(a, i);
	return NULL;
}

int main(int argc, char **argv)
{
	struct rig_setup setup = {.capacity = 96u << 20, .workers = THREADS, .recode = true};
	uint64_t seed = (uint64_t)time(NULL), hits = 0, misses = 0;
	struct tmem_stats stats, kept;
	uint64_t least;
	uint32_t i;
	int another;

	for (i = 1; i < (uint32_t)argc; i += 2)
		if (!strcmp(argv[i], "--rounds") && argv[i + 1])
			rounds = (uint32_t)strtoul(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--seed") && argv[i + 1])
			seed = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--lend") && argv[i + 1])
			setup.lend = strtoul(argv[i + 1], NULL, 0) != 0;
		else if (!strcmp(argv[i], "--ephemeral") && argv[i + 1])
			ephemeral_only = strtoul(argv[i + 1], NULL, 0) != 0;
		else
			return fprintf(stderr,
				       "usage: %s [--rounds N] [--seed S] [--lend 1] [--ephemeral "
				       "1]\n",
				       argv[0]),
			       2;
	printf("seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	snprintf(must_context, sizeof(must_context), "--seed %llu", (unsigned long long)seed);
	setup.seed = seed;
	rig = rig_start(&backend_engine, &setup);
	client = rig_client(rig, 0);
	pool = rig_pool(rig, client, 0);
	keeper = rig_client(rig, allocation_of(SOME));
	kept_pool = rig_pool(rig, keeper, TMEM_POOL_PERSISTENT);
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
	stats = rig_stats(rig, client, -1);
	kept = rig_stats(rig, keeper, -1);
	printf("demand on %s: %u rounds, %llu hits, %llu misses; %llu pages moved, %llu extents "
	       "emptied; persistent: %llu and %llu\n",
	       glue_name, rounds, (unsigned long long)hits, (unsigned long long)misses,
	       (unsigned long long)stats.pages_moved, (unsigned long long)stats.extents_vacated,
	       (unsigned long long)kept.pages_moved, (unsigned long long)kept.extents_vacated);
	if (setup.lend) {
		stats = rig_stats(rig, -1, -1);
		printf("%llu extents lent, %llu had back\n", (unsigned long long)stats.extents_lent,
		       (unsigned long long)stats.extents_kept);
		MUST(stats.extents_lent && stats.extents_kept);
		stats = rig_stats(rig, client, -1);
	}
	MUST(stats.pages_moved > 10 * rounds && stats.extents_vacated > rounds / 4);
	if (ephemeral_only) {
		rig_stop(rig);
		return 0;
	}
	MUST(kept.pages_moved > 10 * rounds && kept.extents_vacated > rounds / 4);
	/* Hardly one page more than once: most extents that go were empty. */
	MUST_LE(kept.pages_moved, (uint64_t)rounds * KEPT * THREADS / 8);
	MUST_EQ(kept.puts_no_room + kept.puts_over_limit + kept.gets_lost, 0);
	rig_check(rig);
	rig_settle(rig);
	least = rig_stats(rig, keeper, -1).extent_bytes;
	another = rig_client(rig, allocation_of(SOME));
	MUST_LE(least, rig_stats(rig, another, -1).extent_bytes);
	rig_stop(rig);
	return 0;
}
