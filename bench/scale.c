// SPDX-License-Identifier: MIT
/*
 * Two threads at once: on one pool, and on one object of it. What two threads
 * can copy is less than twice what one can, so that is the peer: how many
 * times more pages two threads put and get than one, beside how many times
 * more two copy than one. And how often they met at a lock, and held one.
 */
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"
#include "tmem_port.h"

#define THREADS	   2u
#define ROUNDS	   15u
#define QUICK	   9u /* rounds */
#define WARM_PAGES 8u

struct scale;

struct side {
	struct scale *scale;
	struct tmem_worker *worker;
	unsigned char *warm; /* WARM_PAGES sources, then as many buffers */
	uint32_t first, count;
	int core;
	int copies; /* memcpy, not the engine */
	uint64_t failed;
	pthread_t thread;
};

struct scale {
	struct bench *bench;
	struct bench_engine engine;
	uint32_t *order[2]; /* of puts and of gets */
	uint32_t shift;
	uint32_t rounds;
	uint32_t ready; /* threads that wait for go */
	uint32_t go;
	struct side side[THREADS];
};

static void cycle_engine(struct side *side)
{
	struct scale *scale = side->scale;
	struct tmem_client *client = scale->engine.client;
	struct tmem_handle handle;
	uint32_t i, get;

	for (get = 0; get < 2; get++) {
		for (i = side->first; i < side->first + side->count; i++) {
			unsigned char *page = side->warm + (i % WARM_PAGES) * BENCH_PAGE;

			bench_handle(&handle, scale->engine.pool, scale->order[get][i],
				     scale->shift);
			side->failed += get ? tmem_get(client, side->worker, &handle,
						       page + WARM_PAGES * BENCH_PAGE) != 0
					    : tmem_put(client, side->worker, &handle, page) != 0;
		}
	}
}

static void cycle_copies(struct side *side)
{
	struct scale *scale = side->scale;
	uint32_t i, get;

	for (get = 0; get < 2; get++) {
		for (i = side->first; i < side->first + side->count; i++) {
			unsigned char *page = side->warm + (i % WARM_PAGES) * BENCH_PAGE;
			unsigned char *cold =
				scale->bench->ref + (size_t)scale->order[get][i] * BENCH_PAGE;

			if (get)
				bench_copy(page + WARM_PAGES * BENCH_PAGE, cold);
			else
				bench_copy(cold, page);
		}
	}
}

static void *cycle(void *context)
{
	struct side *side = context;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(side->core, &set);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	__atomic_add_fetch(&side->scale->ready, 1, __ATOMIC_ACQ_REL);
	while (!__atomic_load_n(&side->scale->go, __ATOMIC_ACQUIRE))
		sched_yield();
	if (side->copies)
		cycle_copies(side);
	else
		cycle_engine(side);
	return NULL;
}

/* Pages put and got per second by @threads threads, each with a part of its own of all pages. */
static double rate(struct scale *scale, uint32_t threads, int copies)
{
	uint32_t each = scale->bench->pages / THREADS, i;
	uint64_t begun;

	scale->ready = scale->go = 0;
	for (i = 0; i < threads; i++) {
		scale->side[i].first = i * each;
		scale->side[i].count = each;
		scale->side[i].copies = copies;
		if (pthread_create(&scale->side[i].thread, NULL, cycle, &scale->side[i]) != 0)
			abort();
	}
	while (__atomic_load_n(&scale->ready, __ATOMIC_ACQUIRE) < threads)
		sched_yield();
	begun = bench_now();
	__atomic_store_n(&scale->go, 1, __ATOMIC_RELEASE);
	for (i = 0; i < threads; i++)
		(void)pthread_join(scale->side[i].thread, NULL);
	begun = bench_now() - begun;
	if (!copies)
		bench_engine_settle(&scale->engine);
	return 2.0 * each * threads / ((double)begun / 1e9);
}

static void report(struct scale *scale, const char *name, double *ours, double *peer, double *ratio)
{
	struct bench_row row = {.unit = "x one thread",
				.higher_is_better = 1,
				.n = scale->rounds,
				.peer = "memcpy of two threads"};
	uint64_t failed = scale->side[0].failed + scale->side[1].failed;

	snprintf(row.name, sizeof(row.name), "%s", name);
	row.value = bench_median(ours, scale->rounds);
	row.min = ours[0];
	row.max = ours[scale->rounds - 1];
	row.q1 = bench_quantile(ours, scale->rounds, 0.25);
	row.q3 = bench_quantile(ours, scale->rounds, 0.75);
	row.peer_value = row.value / bench_median(ratio, scale->rounds);
	row.ratio_q1 = bench_quantile(ratio, scale->rounds, 0.25);
	row.ratio_q3 = bench_quantile(ratio, scale->rounds, 0.75);
	snprintf(row.note, sizeof(row.note), "memcpy %.2f x", bench_median(peer, scale->rounds));
	if (failed != 0) {
		snprintf(row.why, sizeof(row.why), "%llu calls failed", (unsigned long long)failed);
		bench_results_skip(&scale->bench->results, name, row.unit, row.why);
		return;
	}
	bench_progress("%s: %.2f x one thread, memcpy %.2f x", name, row.value, row.peer_value);
	(void)bench_results_add(&scale->bench->results, &row);
}

/* How many of a hundred operations met another at a lock, in the runs of two threads. */
static void report_contended(struct bench *bench, uint64_t met, double operations)
{
	struct bench_row row = {.name = "lock.contended",
				.unit = "per 100 operations",
				.n = 1,
				.peer = "one in a hundred",
				.peer_value = 1};

	/* A figure of zero cannot be judged; one in all of them is as good. */
	row.value = 100.0 * (double)(met ? met : 1) / operations;
	row.min = row.max = row.q1 = row.q3 = row.value;
	snprintf(row.note, sizeof(row.note), "%llu of %.0f operations of two threads on one object",
		 (unsigned long long)met, operations);
	bench_progress("lock.contended: %s", row.note);
	(void)bench_results_add(&bench->results, &row);
}

/* What the program beside this one says; @why, where it says nothing. */
static double ask_held(uint32_t pages, const char **why)
{
	char self[512], command[560], text[32] = "";
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	FILE *from = NULL;

	*why = "tmem-bench-held is not there";
	if (length > 0) {
		snprintf(command, sizeof(command), "'%.*s-held' %u", (int)length, self, pages);
		from = popen(command, "r");
	}
	if (from == NULL)
		return 0;
	if (fgets(text, sizeof(text), from) != NULL)
		*why = NULL;
	if (pclose(from) != 0 && *why == NULL)
		*why = "tmem-bench-held fails";
	return strtod(text, NULL);
}

static void report_held(struct bench *bench)
{
	struct bench_row row = {.name = "lock.held",
				.unit = "percent of time",
				.n = 1,
				.peer = "15 percent",
				.peer_value = 15,
				.note = "two threads on one object; the clock's own time is in it"};
	const char *why;

	row.value = ask_held(bench->pages, &why);
	row.min = row.max = row.q1 = row.q3 = row.value;
	if (why != NULL) {
		bench_results_skip(&bench->results, row.name, row.unit, why);
		return;
	}
	bench_progress("lock.held: %.1f percent", row.value);
	(void)bench_results_add(&bench->results, &row);
}

static void series(struct scale *scale, const char *name, int contended)
{
	double ours[ROUNDS], peer[ROUNDS], ratio[ROUNDS], one;
	uint64_t met = 0, before;
	uint32_t i;

	for (i = 0; i < scale->rounds; i++) {
		one = rate(scale, 1, 0);
		before = tmem_lock_meetings();
		ours[i] = rate(scale, THREADS, 0) / one;
		met += tmem_lock_meetings() - before;
		one = rate(scale, 1, 1);
		peer[i] = rate(scale, THREADS, 1) / one;
		ratio[i] = ours[i] / peer[i];
	}
	report(scale, name, ours, peer, ratio);
	if (contended)
		report_contended(scale->bench, met, 2.0 * scale->rounds * scale->bench->pages);
}

/* The cores of the two threads; 0, or -1: there are no two that this process may use. */
static int choose_cores(struct scale *scale, const cpu_set_t *allowed)
{
	uint32_t found = 0;
	int core;

	for (core = CPU_SETSIZE - 1; core >= 0 && found < THREADS; core--)
		if (CPU_ISSET(core, allowed))
			scale->side[found++].core = core;
	return found == THREADS ? 0 : -1;
}

static const char *open_sides(struct scale *scale, const cpu_set_t *allowed)
{
	uint64_t seed = 6, i;
	uint32_t t;

	if (choose_cores(scale, allowed) != 0)
		return "there is one processor";
	scale->side[0].worker = scale->engine.worker;
	if (tmem_worker_create(scale->engine.engine, &scale->side[1].worker) != 0)
		return "no second worker";
	for (t = 0; t < THREADS; t++) {
		scale->side[t].scale = scale;
		scale->side[t].warm = bench_memory_map(2 * WARM_PAGES * BENCH_PAGE);
		for (i = 0; i < WARM_PAGES * BENCH_PAGE / 8; i++)
			((uint64_t *)scale->side[t].warm)[i] = bench_random(&seed);
	}
	return NULL;
}

static void close_sides(struct scale *scale)
{
	uint32_t t;

	for (t = 0; t < THREADS; t++)
		if (scale->side[t].warm)
			bench_memory_unmap(scale->side[t].warm, 2 * WARM_PAGES * BENCH_PAGE);
}

/* Each thread gets what it put, in another order. */
static void shuffle_parts(struct scale *scale)
{
	uint32_t each = scale->bench->pages / THREADS, t, i, j, key;
	uint64_t seed = 12;

	memcpy(scale->order[1], scale->order[0], (size_t)scale->bench->pages * sizeof(key));
	for (t = 0; t < THREADS; t++) {
		uint32_t *part = scale->order[1] + (size_t)t * each;

		for (i = each - 1; i > 0; i--) {
			j = (uint32_t)(bench_random(&seed) % (i + 1));
			key = part[i];
			part[i] = part[j];
			part[j] = key;
		}
	}
}

/* @allowed: where this process could run before the benchmark chose a core for it. */
static void layout(struct scale *scale, struct bench_store *store, const char *name, uint32_t shift,
		   const cpu_set_t *allowed, int contended)
{
	struct bench_setup setup = {.workers = THREADS,
				    .bytes = (uint64_t)scale->bench->pages * (BENCH_PAGE + 512) +
					     (64u << 20)};
	const char *why;

	scale->shift = shift;
	memset(scale->side, 0, sizeof(scale->side));
	if (bench_engine_open(&scale->engine, store, &setup) != 0) {
		bench_results_skip(&scale->bench->results, name, "x one thread",
				   scale->engine.fault);
		return;
	}
	why = open_sides(scale, allowed);
	if (why) {
		bench_results_skip(&scale->bench->results, name, "x one thread", why);
	} else {
		/* Once before anything counts: memory is populated, records are there. */
		(void)rate(scale, THREADS, 0);
		series(scale, name, contended);
	}
	close_sides(scale);
	bench_engine_close(&scale->engine);
}

void bench_scale(struct bench *bench)
{
	struct scale scale = {.bench = bench, .rounds = bench->quick ? QUICK : ROUNDS};
	struct bench_store store;
	cpu_set_t own, all;
	int core;

	CPU_ZERO(&all);
	for (core = 0; core < (int)sysconf(_SC_NPROCESSORS_CONF); core++)
		CPU_SET(core, &all);
	(void)sched_getaffinity(0, sizeof(own), &own);
	/* As far as it is allowed to, this process runs on all of them again. */
	(void)sched_setaffinity(0, sizeof(all), &all);
	(void)sched_getaffinity(0, sizeof(all), &all);
	scale.order[0] = bench_shuffled(bench->pages, 11);
	scale.order[1] = bench_shuffled(bench->pages, 12);
	shuffle_parts(&scale);
	if (bench_store_open(&store, (uint64_t)bench->pages * 5120 + (256u << 20), 1) != 0) {
		bench_results_skip(&bench->results, "scale.samepool2", "x one thread",
				   "tmem_arena_create() fails");
	} else {
		layout(&scale, &store, "scale.samepool2", 6, &all, 0);
		bench_store_release(&store);
		layout(&scale, &store, "scale.sameobject2", 31, &all, 1);
		bench_store_close(&store);
	}
	report_held(bench);
	free(scale.order[0]);
	free(scale.order[1]);
	(void)sched_setaffinity(0, sizeof(own), &own);
}
