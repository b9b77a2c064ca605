// SPDX-License-Identifier: MIT
/*
 * A client beside one that floods: two processes over libtmem and one tmemd,
 * of equal weight. The flood is as many batches of 64 puts as libtmem lets it
 * have under way, on all its slots; the other puts and gets 16 pages at a
 * time, one batch after the other. What that one gets done, and how long its
 * batches take, is compared with the same a moment before without the flood.
 *
 * All three processes run where the kernel puts them. Where there are fewer
 * processors than that, its scheduling is part of what is measured.
 */
#include "bench.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include <tmem/tmem.h>

#include "process.h"

#define FLIGHT	    16u	       /* pages of a batch of the one that is measured */
#define WORK_PAGES  4096u      /* its pages */
#define TIMES_MOST  (1u << 18) /* batches of one slice */
#define WIDTH	    64u	       /* pages of a batch of the flood */
#define DEPTH	    64u	       /* batches of it handed in: twice what libtmem sends at a time */
#define FLOOD_PAGES 16384u
#define LIMIT	    "100M" /* bytes per second, of the rows with a limit */
#define TURNS_MOST  40u

/* Between the two processes. */
struct valve {
	atomic_int open;
	atomic_int flowing; /* since it was opened all slots have been in use once */
	atomic_int fault;
	atomic_ullong pages; /* that were answered */
};

struct worker {
	struct tmem *tmem;
	struct tmem_pool *pool;
	struct tmem_io io[FLIGHT];
	unsigned char *page[FLIGHT]; /* shared with the daemon */
	double *times;		     /* ns per batch, of one slice */
	uint32_t next;
	uint64_t failed;
};

struct flood {
	struct bench *bench;
	struct bench_process server;
	char control[96];
	struct worker worker;
	struct valve *valve;
	pid_t pid;
	int bell[2]; /* a byte in it opens the valve */
};

/* Figures of one slice. */
struct slice {
	double throughput; /* pages per second */
	double p99;	   /* ns per batch */
};

static void name(struct tmem_object_id *object, uint32_t *index, uint32_t key)
{
	memset(object, 0, sizeof(*object));
	object->word[0] = key / 64;
	*index = key % 64;
}

/* A page that is neither one word nor compressed. */
static void fill(unsigned char *page, uint64_t seed)
{
	uint32_t i;

	for (i = 0; i < BENCH_PAGE / 8; i++)
		((uint64_t *)(void *)page)[i] = bench_random(&seed);
}

/* ---- the flood's process ---- */

struct source {
	struct tmem *tmem;
	struct tmem_pool *pool;
	unsigned char *page;
	struct tmem_io io[DEPTH][WIDTH];
	uint32_t next;
	uint32_t under_way;
};

static int offer(struct source *source, struct tmem_io *io)
{
	uint32_t i;

	for (i = 0; i < WIDTH; i++) {
		io[i] = (struct tmem_io){
			.code = TMEM_IO_PUT, .pool = source->pool, .page = source->page};
		name(&io[i].object, &io[i].index, source->next++ % FLOOD_PAGES);
	}
	source->under_way++;
	return tmem_batch_submit(source->tmem, io, WIDTH, io);
}

/* Hands in again what was answered, for as long as the valve is open. */
static int pour(struct source *source, struct valve *valve)
{
	void *tags[DEPTH];
	uint32_t i;
	int count, error;

	for (i = 0; i < DEPTH; i++) {
		error = offer(source, source->io[i]);
		if (error != 0)
			return error;
	}
	while (source->under_way > 0) {
		(void)tmem_batch_wait(source->tmem, 1000);
		count = tmem_batch_reap(source->tmem, tags, DEPTH);
		if (count < 0)
			return count;
		for (i = 0; i < (uint32_t)count; i++) {
			source->under_way--;
			atomic_fetch_add(&valve->pages, WIDTH);
			error = atomic_load(&valve->open) ? offer(source, tags[i]) : 0;
			if (error != 0)
				return error;
		}
		if (count > 0)
			atomic_store(&valve->flowing, 1);
	}
	atomic_store(&valve->flowing, 0);
	return 0;
}

static void flood_process(const char *path, struct valve *valve, int bell)
{
	struct tmem_options options = {.size = sizeof(options)};
	struct source *source = calloc(1, sizeof(*source));
	int error = source == NULL;
	char byte;

	if (!error)
		error = tmem_connect(path, &options, &source->tmem);
	if (!error)
		error = tmem_pool_open(source->tmem, NULL, &source->pool);
	if (!error) {
		source->page = tmem_buffer_alloc(source->tmem, 1);
		error = source->page == NULL;
	}
	if (!error)
		fill(source->page, 77);
	while (!error && read(bell, &byte, 1) == 1)
		error = pour(source, valve);
	atomic_store(&valve->fault, error);
	_exit(error != 0);
}

/* ---- the one that is measured ---- */

static void batch(struct worker *worker, uint32_t code)
{
	uint32_t i;

	for (i = 0; i < FLIGHT; i++) {
		worker->io[i] = (struct tmem_io){
			.code = code, .pool = worker->pool, .page = worker->page[i]};
		name(&worker->io[i].object, &worker->io[i].index, (worker->next + i) % WORK_PAGES);
	}
	worker->failed += tmem_batch_run(worker->tmem, worker->io, FLIGHT) != 0;
}

static void work(struct worker *worker, uint64_t ns, struct slice *slice)
{
	uint64_t begun = bench_now(), before = begun, now = begun;
	uint32_t count = 0;

	while (now - begun < ns && count < TIMES_MOST - 1) {
		batch(worker, TMEM_IO_PUT);
		now = bench_now();
		worker->times[count++] = (double)(now - before);
		before = now;
		batch(worker, TMEM_IO_GET);
		now = bench_now();
		worker->times[count++] = (double)(now - before);
		before = now;
		worker->next += FLIGHT;
	}
	slice->throughput = (double)count * FLIGHT * 1e9 / (double)(now - begun);
	bench_sort(worker->times, count);
	slice->p99 = bench_quantile(worker->times, count, 0.99);
}

/* ---- both ---- */

/* Waits until the flood flows or has run dry. 0, or -1: its process has failed. */
static int turn_valve(struct flood *flood, int open)
{
	uint64_t begun = bench_now();

	atomic_store(&flood->valve->open, open);
	if (open && write(flood->bell[1], "", 1) != 1)
		return -1;
	while (atomic_load(&flood->valve->flowing) != open) {
		if (atomic_load(&flood->valve->fault) || bench_now() - begun > 20000000000u)
			return -1;
		usleep(1000);
	}
	return 0;
}

static void summary(struct bench_row *row, double *beside, double *alone, uint32_t count)
{
	double ratio[TURNS_MOST];
	uint32_t i;

	for (i = 0; i < count; i++)
		ratio[i] = beside[i] / alone[i];
	bench_sort(ratio, count);
	bench_sort(beside, count);
	row->value = bench_quantile(beside, count, 0.5);
	row->q1 = bench_quantile(beside, count, 0.25);
	row->q3 = bench_quantile(beside, count, 0.75);
	row->min = beside[0];
	row->max = beside[count - 1];
	row->ratio_q1 = bench_quantile(ratio, count, 0.25);
	row->ratio_q3 = bench_quantile(ratio, count, 0.75);
	row->peer_value = bench_median(alone, count);
	row->n = count;
}

static void add(struct flood *flood, struct bench_row *row, double *beside, double *alone,
		uint32_t count, double poured)
{
	row->peer = "the same without the flood";
	summary(row, beside, alone, count);
	snprintf(row->note, sizeof(row->note), "the flood: %.0f pages/s", poured);
	bench_progress("%s: %.0f %s, %.3f x alone [%.3f %.3f] (%s)", row->name, row->value,
		       row->unit, row->value / row->peer_value, row->ratio_q1, row->ratio_q3,
		       row->note);
	(void)bench_results_add(&flood->bench->results, row);
}

/* Slices without and with the flood, in turn. NULL, or what went wrong. */
static const char *measure(struct flood *flood, const char *suffix)
{
	struct bench_row throughput = {.unit = "pages/s", .higher_is_better = 1};
	struct bench_row p99 = {.unit = "ns/batch"};
	uint64_t ns = flood->bench->quick ? 150000000u : 400000000u;
	uint32_t turns = flood->bench->quick ? 10 : TURNS_MOST, turn;
	double done[2][TURNS_MOST], late[2][TURNS_MOST];
	unsigned long long before;
	double poured = 0, seconds = 0;
	struct slice slice;
	uint64_t begun;
	int beside;

	snprintf(throughput.name, sizeof(throughput.name), "flood.throughput%s", suffix);
	snprintf(p99.name, sizeof(p99.name), "flood.p99%s", suffix);
	for (turn = 0; turn < turns; turn++) {
		for (beside = 0; beside < 2; beside++) {
			if (turn_valve(flood, beside) != 0)
				return "the flood fails";
			before = atomic_load(&flood->valve->pages);
			begun = bench_now();
			work(&flood->worker, ns, &slice);
			if (beside) {
				seconds += (double)(bench_now() - begun) / 1e9;
				poured += (double)(atomic_load(&flood->valve->pages) - before);
			}
			done[beside][turn] = slice.throughput;
			late[beside][turn] = slice.p99;
		}
	}
	if (turn_valve(flood, 0) != 0 || flood->worker.failed != 0)
		return "operations failed";
	add(flood, &throughput, done[1], done[0], turns, poured / seconds);
	add(flood, &p99, late[1], late[0], turns, poured / seconds);
	return NULL;
}

static const char *connect_worker(struct worker *worker, const char *path)
{
	struct tmem_options options = {.size = sizeof(options)};
	uint32_t i;

	worker->times = malloc(TIMES_MOST * sizeof(*worker->times));
	if (worker->times == NULL || tmem_connect(path, &options, &worker->tmem) != 0 ||
	    tmem_pool_open(worker->tmem, NULL, &worker->pool) != 0)
		return "libtmem does not get through";
	for (i = 0; i < FLIGHT; i++) {
		worker->page[i] = tmem_buffer_alloc(worker->tmem, 1);
		if (worker->page[i] == NULL)
			return "no memory shared with tmemd";
		fill(worker->page[i], i + 1);
	}
	return NULL;
}

static const char *start(struct flood *flood)
{
	const char *dir = flood->server.dir;
	const char *const serve[] = {flood->bench->tmemd, "--no-config", "--memory",  "1G",
				     "--codec",		  "raw",	 "--run-dir", dir,
				     "--log-level",	  "error",	 NULL};
	char *control = flood->control, path[2][96];
	int i, fd;

	snprintf(flood->control, sizeof(flood->control), "%s/control.sock", dir);
	snprintf(path[0], sizeof(path[0]), "%s/worker.sock", dir);
	snprintf(path[1], sizeof(path[1]), "%s/flood.sock", dir);
	if (bench_process_start(&flood->server, serve) != 0)
		return "tmemd does not start";
	fd = bench_process_connect(control);
	if (fd < 0)
		return "tmemd does not serve";
	close(fd);
	for (i = 0; i < 2; i++) {
		const char *const adding[] = {flood->bench->tmem,
					      "add",
					      i ? "flood" : "worker",
					      "--kind",
					      "device",
					      "--weight",
					      "100",
					      "--control",
					      control,
					      NULL};

		if (bench_process_run(adding) != 0)
			return "tmem add fails";
	}
	if (pipe(flood->bell) != 0)
		return "no pipe";
	flood->pid = fork();
	if (flood->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(flood->bell[1]);
		flood_process(path[1], flood->valve, flood->bell[0]);
	}
	close(flood->bell[0]);
	return flood->pid > 0 ? connect_worker(&flood->worker, path[0]) : "no process";
}

static const char *limit(struct flood *flood)
{
	const char *const setting[] = {flood->bench->tmem, "set",	   "flood", "--rate", LIMIT,
				       "--control",	   flood->control, NULL};

	return bench_process_run(setting) == 0 ? NULL : "tmem set fails";
}

static void end(struct flood *flood)
{
	tmem_disconnect(flood->worker.tmem);
	free(flood->worker.times);
	if (flood->bell[1] > 0)
		close(flood->bell[1]);
	if (flood->pid > 0)
		waitpid(flood->pid, NULL, 0);
	bench_process_end(&flood->server);
	munmap(flood->valve, sizeof(*flood->valve));
}

void bench_flood(struct bench *bench)
{
	static const char *const rows[] = {"flood.throughput", "flood.p99",
					   "flood.throughput.limited", "flood.p99.limited"};
	struct flood *flood = calloc(1, sizeof(*flood));
	const char *fault = "no --tmemd and --tmem on the command line";
	cpu_set_t pinned, all;
	size_t first, i;

	flood->bench = bench;
	flood->valve = mmap(NULL, sizeof(*flood->valve), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	/* None of the three has a place of its own. */
	sched_getaffinity(0, sizeof(pinned), &pinned);
	memset(&all, 0xff, sizeof(all));
	sched_setaffinity(0, sizeof(all), &all);
	if (bench->tmemd != NULL && bench->tmem != NULL)
		fault = bench_process_dir(&flood->server) == 0 ? start(flood) : "no directory";
	if (fault == NULL)
		fault = measure(flood, "");
	first = fault == NULL ? 2 : 0;
	if (fault == NULL)
		fault = limit(flood);
	if (fault == NULL)
		fault = measure(flood, ".limited");
	for (i = first; fault != NULL && i < sizeof(rows) / sizeof(rows[0]); i++)
		bench_results_skip(&bench->results, rows[i], i % 2 ? "ns/batch" : "pages/s", fault);
	end(flood);
	sched_setaffinity(0, sizeof(pinned), &pinned);
	free(flood);
}
