// SPDX-License-Identifier: MIT
/*
 * After a fall in demand: half of what is stored is flushed at random, and
 * background steps run until there is nothing left to do. How much of what
 * became free went back to the kernel, and what puts and gets meanwhile feel:
 * their 99th percentile, beside that of as many just before, without steps.
 * In one round steps are taken as a daemon takes them, by the same thread
 * between parts of 16 pages, in the next by another thread without a pause.
 * Each put is of a page that is not there, each get takes one out, in random
 * order.
 */
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"

#define ROUNDS	   7u
#define BUDGET	   4u	 /* steps between two looks at the sockets, as a daemon's */
#define PART	   16u	 /* pages between two looks */
#define LEAST	   1000u /* operations of a percentile */
#define IDLE_CALLS 64u	 /* that do nothing: it is over */

struct percentiles {
	double with[ROUNDS], ratio[ROUNDS]; /* ns */
};

struct compact {
	struct bench *bench;
	struct bench_store store;
	struct bench_engine engine;
	struct tmem_worker *stepper;
	uint32_t *order; /* the first half stays, the second is flushed */
	uint32_t count, next;
	double *put_ns, *get_ns;
	pthread_t thread;
	uint32_t go, over; /* atomic */
	int core;
	double returned[2 * ROUNDS], moved[2 * ROUNDS];
	struct percentiles put[2], get[2]; /* [1]: another thread takes the steps */
	char why[160];
};

static int failed(struct compact *compact, const char *what)
{
	snprintf(compact->why, sizeof(compact->why), "%s", what);
	return -1;
}

static void handle_of(const struct compact *compact, uint32_t i, struct tmem_handle *handle)
{
	bench_handle(handle, compact->engine.pool, compact->order[i], 6);
}

static int fill(struct compact *compact, unsigned char *page)
{
	struct bench_engine *engine = &compact->engine;
	struct tmem_handle handle;
	uint32_t i, *order = bench_shuffled(compact->count, 43);
	int err = 0;

	for (i = 0; i < compact->count && !err; i++) {
		bench_handle(&handle, engine->pool, order[i], 6);
		err = tmem_put(engine->client, engine->worker, &handle, page);
	}
	free(order);
	bench_engine_settle(engine);
	for (i = compact->count / 2; i < compact->count && !err; i++) {
		handle_of(compact, i, &handle);
		err = tmem_flush(engine->client, engine->worker, &handle) != 1;
	}
	compact->next = 0;
	return err ? failed(compact, "a put or a flush fails") : 0;
}

/* 0: so many calls in a row had nothing to do. */
static int take_step(struct compact *compact, struct tmem_worker *worker, uint32_t *idle)
{
	if (tmem_engine_step(compact->engine.engine, worker, BUDGET) != 0)
		*idle = 0;
	else
		++*idle;
	return *idle < IDLE_CALLS;
}

/* The other thread: a host that has nothing else to do. */
static void *take_steps(void *context)
{
	struct compact *compact = context;
	uint32_t idle = 0;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(compact->core, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
	while (!__atomic_load_n(&compact->go, __ATOMIC_ACQUIRE))
		sched_yield();
	while (take_step(compact, compact->stepper, &idle))
		;
	__atomic_store_n(&compact->over, 1u, __ATOMIC_RELEASE);
	return NULL;
}

/*
 * One page comes, another one goes, each timed. @most times, or until steps are
 * over, whoever takes them; @steps: that is this thread.
 */
static uint32_t operate(struct compact *compact, unsigned char *page, uint32_t most, int steps)
{
	struct bench_engine *engine = &compact->engine;
	struct tmem_handle handle;
	uint64_t begun;
	uint32_t i, idle = 0;
	int err;

	for (i = 0; i < most; i++, compact->next++) {
		if (steps && i % PART == 0 && !take_step(compact, engine->worker, &idle))
			break;
		if (__atomic_load_n(&compact->over, __ATOMIC_RELAXED))
			break;
		handle_of(compact, compact->count / 2 + compact->next, &handle);
		begun = bench_now();
		err = tmem_put(engine->client, engine->worker, &handle, page);
		compact->put_ns[i] = (double)(bench_now() - begun);
		handle_of(compact, compact->next, &handle);
		begun = bench_now();
		err |= tmem_get(engine->client, engine->worker, &handle, page);
		compact->get_ns[i] = (double)(bench_now() - begun);
		if (err) {
			(void)failed(compact, "a put or a get fails");
			break;
		}
	}
	bench_sort(compact->put_ns, i);
	bench_sort(compact->get_ns, i);
	return i;
}

static double p99(const double *sorted, uint32_t count)
{
	return bench_quantile(sorted, count, 0.99);
}

static double over(double with, double without)
{
	return without > 0 ? with / without : 0;
}

static int round_of(struct compact *compact, uint32_t i, unsigned char *page)
{
	struct bench_engine *engine = &compact->engine;
	uint32_t half = compact->count / 2, count, idle, beside = i & 1, at = i / 2;
	struct percentiles *put = &compact->put[beside], *get = &compact->get[beside];
	double put_ns, get_ns;
	struct tmem_stats before, after;
	const char *what;

	if (fill(compact, page) != 0)
		return -1;
	compact->go = 0;
	compact->over = 0;
	if (beside && pthread_create(&compact->thread, NULL, take_steps, compact) != 0)
		return failed(compact, "pthread_create() fails");
	/* Both sides begin warm. */
	(void)operate(compact, page, half / 8, 0);
	count = operate(compact, page, half / 4, 0);
	put_ns = p99(compact->put_ns, count);
	get_ns = p99(compact->get_ns, count);
	tmem_engine_stats(engine->engine, &before);
	__atomic_store_n(&compact->go, 1u, __ATOMIC_RELEASE);
	count = operate(compact, page, half / 2, !beside);
	if (beside)
		(void)pthread_join(compact->thread, NULL);
	if (compact->why[0])
		return -1;
	if (count < LEAST)
		return failed(compact, "it was over before much was put");
	put->with[at] = p99(compact->put_ns, count);
	get->with[at] = p99(compact->get_ns, count);
	put->ratio[at] = over(put->with[at], put_ns);
	get->ratio[at] = over(get->with[at], get_ns);
	/* As a host does, which looks again. */
	for (idle = 0; idle < 2;
	     idle = tmem_engine_step(engine->engine, engine->worker, 1024) != 0 ? 0 : idle + 1)
		;
	tmem_engine_stats(engine->engine, &after);
	compact->returned[i] = (double)(before.freeable - after.freeable) /
			       ((double)(compact->count - half) * BENCH_PAGE);
	compact->moved[i] = (double)(after.pages_moved - before.pages_moved);
	if (after.pages_dropped || after.evicted)
		return failed(compact, "pages were lost");
	if (tmem_engine_check(engine->engine, &what) != 0)
		return failed(compact, what);
	bench_progress("compact: %.3f came back, %.0f pages moved %s %u puts and gets; p99 of "
		       "a put %.0f ns, without steps %.0f; of a get %.0f, %.0f",
		       compact->returned[i], compact->moved[i], beside ? "beside" : "between",
		       count, put->with[at], put_ns, get->with[at], get_ns);
	return tmem_pool_destroy(engine->client, engine->worker, engine->pool);
}

static void run(struct compact *compact)
{
	struct bench_engine *engine = &compact->engine;
	struct tmem_pool_config pool = {.size = sizeof(pool)};
	static unsigned char page[BENCH_PAGE];
	uint64_t seed = 7;
	uint32_t i;
	int number = (int)engine->pool;

	for (i = 0; i < BENCH_PAGE / 8; i++)
		((uint64_t *)(void *)page)[i] = bench_random(&seed);
	if (tmem_worker_create(engine->engine, &compact->stepper) != 0) {
		(void)failed(compact, "no second worker");
		return;
	}
	for (i = 0; i < 2 * ROUNDS && number >= 0; i++) {
		engine->pool = (uint32_t)number;
		if (round_of(compact, i, page) != 0)
			break;
		while (tmem_engine_step(engine->engine, engine->worker, 1024) != 0)
			;
		number = tmem_pool_create(engine->client, engine->worker, &pool);
	}
	if (i < 2 * ROUNDS && !compact->why[0])
		(void)failed(compact, "no pool for the next round");
}

static void add_row(struct compact *compact, struct bench_row *row, const char *name,
		    const char *unit, double *values, uint32_t count)
{
	if (compact->why[0]) {
		bench_results_skip(&compact->bench->results, name, unit, compact->why);
		return;
	}
	snprintf(row->name, sizeof(row->name), "%s", name);
	row->unit = unit;
	row->n = count;
	row->value = bench_median(values, count);
	row->min = values[0];
	row->max = values[count - 1];
	row->q1 = bench_quantile(values, count, 0.25);
	row->q3 = bench_quantile(values, count, 0.75);
	(void)bench_results_add(&compact->bench->results, row);
}

static void add_p99(struct compact *compact, const char *name, struct percentiles *p)
{
	struct bench_row row = {.peer = "the same without steps"};

	row.peer_value = bench_median(p->with, ROUNDS) / bench_median(p->ratio, ROUNDS);
	row.ratio_q1 = bench_quantile(p->ratio, ROUNDS, 0.25);
	row.ratio_q3 = bench_quantile(p->ratio, ROUNDS, 0.75);
	add_row(compact, &row, name, "ns", p->with, ROUNDS);
}

static void add_rows(struct compact *compact)
{
	struct bench_row row = {.higher_is_better = 1, .peer = "what became free", .peer_value = 1};

	snprintf(row.note, sizeof(row.note), "%.0f MiB, %.0f pages moved",
		 (double)compact->count * BENCH_PAGE / (1u << 20),
		 compact->why[0] ? 0 : bench_median(compact->moved, 2 * ROUNDS));
	add_row(compact, &row, "compact.returned", "share", compact->returned, 2 * ROUNDS);
	add_p99(compact, "compact.put.p99", &compact->put[0]);
	add_p99(compact, "compact.get.p99", &compact->get[0]);
	add_p99(compact, "compact.put.p99.beside", &compact->put[1]);
	add_p99(compact, "compact.get.p99.beside", &compact->get[1]);
}

void bench_compact(struct bench *bench)
{
	static struct compact compact;
	struct bench_setup setup = {.workers = 2};
	uint64_t bytes = bench->quick ? 256u << 20 : 1u << 30;

	compact.bench = bench;
	compact.count = (uint32_t)(bytes / BENCH_PAGE);
	compact.order = bench_shuffled(compact.count, 47);
	compact.put_ns = malloc(compact.count * sizeof(double));
	compact.get_ns = malloc(compact.count * sizeof(double));
	compact.core = sched_getcpu() == 0;
	setup.bytes = bytes + bytes / 4 + (64u << 20);
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		(void)failed(&compact, "needs two processors");
	} else if (bench_store_open(&compact.store, setup.bytes + (64u << 20), 0) != 0) {
		(void)failed(&compact, "tmem_arena_create() fails");
	} else {
		if (bench_engine_open(&compact.engine, &compact.store, &setup) != 0) {
			(void)failed(&compact, compact.engine.fault);
		} else {
			run(&compact);
			bench_engine_close(&compact.engine);
		}
		bench_store_close(&compact.store);
	}
	add_rows(&compact);
	free(compact.order);
	free(compact.put_ns);
	free(compact.get_ns);
}
