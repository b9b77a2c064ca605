// SPDX-License-Identifier: MIT
/*
 * Pages of another process: libtmem and tmemd, 32 at a time and one at a time,
 * beside memcached over a Unix socket and beside a cache line that goes to
 * another processor and back. What 32 at a time cost is processor time of both
 * sides, since each side may wait by looking; one at a time is the time that a
 * caller waits while both sides are awake.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tmem/tmem.h>

#include "memcached.h"

#define FLIGHT 32u
#define SLICE  (128u * FLIGHT) /* pages of one measurement */
#define TURNS  48u
#define SINGLE 8000u
#define TURN   500u

struct daemon {
	struct bench *bench;
	struct bench_process process;
	struct tmem *tmem;
	struct tmem_pool *pool;
	struct tmem_io io[FLIGHT];
	unsigned char *page[FLIGHT]; /* shared with the daemon */
	struct memcached peer;
	int has_peer;
	uint32_t pages;
	uint32_t *order;
	uint64_t failed;
};

static void name(struct tmem_object_id *object, uint32_t *index, uint32_t key)
{
	memset(object, 0, sizeof(*object));
	object->word[0] = key / 64;
	*index = key % 64;
}

/* 32 pages, all under way before the first is answered. */
static void fly(struct daemon *d, const uint32_t *key, uint32_t code)
{
	uint32_t i;

	for (i = 0; i < FLIGHT; i++) {
		d->io[i] = (struct tmem_io){.code = code, .pool = d->pool, .page = d->page[i]};
		name(&d->io[i].object, &d->io[i].index, key[i]);
	}
	d->failed += tmem_batch_run(d->tmem, d->io, FLIGHT) != 0;
}

/*
 * A server's processor time is exact only while it sleeps: the kernel counts
 * that of a running process when its clock ticks. So it is given the time to
 * stop looking for more, and what it spends on that counts.
 */
static uint64_t server_cpu(const struct bench_process *server)
{
	usleep(1000);
	return bench_process_cpu(server);
}

static void fly_ours(struct daemon *d, uint32_t first, int put)
{
	uint32_t i;

	for (i = first; i < first + SLICE; i += FLIGHT)
		fly(d, d->order + i, put ? TMEM_IO_PUT : TMEM_IO_GET);
}

static void fly_peer(struct daemon *d, uint32_t first, int put)
{
	uint32_t i;

	for (i = first; i < first + SLICE; i += FLIGHT)
		d->failed += (put ? memcached_set : memcached_get)(&d->peer, d->order + i, FLIGHT,
								   d->page) != 0;
}

/* Processor time of both sides per page. */
static double slice(struct daemon *d, const struct bench_process *server,
		    void (*go)(struct daemon *, uint32_t, int), uint32_t first, int put)
{
	uint64_t theirs = server_cpu(server);
	uint64_t mine = bench_thread_cpu();

	go(d, first, put);
	mine = bench_thread_cpu() - mine;
	return (double)(server_cpu(server) - theirs + mine) / SLICE;
}

static const struct bench_row *row_of(const struct bench_results *results, const char *row)
{
	uint32_t i;

	for (i = 0; i < results->count; i++)
		if (strcmp(results->rows[i].name, row) == 0 && results->rows[i].why[0] == '\0')
			return &results->rows[i];
	return NULL;
}

static void summary(struct bench_row *row, double *ours, uint32_t count)
{
	bench_sort(ours, count);
	row->value = bench_quantile(ours, count, 0.5);
	row->q1 = bench_quantile(ours, count, 0.25);
	row->q3 = bench_quantile(ours, count, 0.75);
	row->min = ours[0];
	row->max = ours[count - 1];
	row->n = count;
}

static void add(struct daemon *d, struct bench_row *row, const char *why)
{
	if (d->failed != 0)
		why = "operations failed";
	if (why != NULL) {
		bench_results_skip(&d->bench->results, row->name, row->unit, why);
		return;
	}
	bench_progress("%s: %.0f ns, %.3f x %s (%.0f ns)", row->name, row->value,
		       row->value / row->peer_value, row->peer, row->peer_value);
	(void)bench_results_add(&d->bench->results, row);
}

static void flights(struct daemon *d)
{
	struct bench_row put = {.name = "daemon.put32", .unit = "CPU ns/page", .peer = "memcached"};
	struct bench_row get = {.name = "daemon.get32", .unit = "CPU ns/page"};
	const struct bench_row *inproc = row_of(&d->bench->results, "inproc.get64");
	double ours[2][TURNS], peer[2][TURNS];
	uint32_t turn, first;
	int side;

	/* Both are full before anything counts; what a get takes out the next put brings back. */
	for (first = 0; first < d->pages; first += SLICE) {
		fly_ours(d, first, 1);
		if (d->has_peer)
			fly_peer(d, first, 1);
	}
	for (turn = 0; turn < TURNS; turn++) {
		first = turn * SLICE % d->pages;
		for (side = 1; side >= 0; side--) {
			ours[side][turn] = slice(d, &d->process, fly_ours, first, side == 0);
			peer[side][turn] =
				d->has_peer ? slice(d, &d->peer.process, fly_peer, first, side == 0)
					    : 0;
		}
	}
	summary(&put, ours[0], TURNS);
	summary(&get, ours[1], TURNS);
	put.peer_value = bench_median(peer[0], TURNS);
	add(d, &put, d->has_peer ? NULL : "memcached is not installed");
	get.peer = "1.5 x inproc.get64 + 100 ns";
	get.peer_value = inproc != NULL ? 1.5 * inproc->value + 100 : 0;
	snprintf(get.note, sizeof(get.note), "memcached: %.0f ns", bench_median(peer[1], TURNS));
	add(d, &get, inproc != NULL ? NULL : "inproc.get64 was not measured in this run");
}

/* ---- one at a time ---- */

/* Sends every page back, until the other end is closed. */
static void echo(int fd)
{
	unsigned char page[BENCH_PAGE];

	while (recv(fd, page, sizeof(page), MSG_WAITALL) == (ssize_t)sizeof(page))
		if (send(fd, page, sizeof(page), MSG_NOSIGNAL) != (ssize_t)sizeof(page))
			break;
	_exit(0);
}

/* Median time for a page there and back over a Unix socket. 0: it cannot be had. */
static double socket_p50(struct daemon *d, double *times)
{
	int pair[2];
	uint64_t begun;
	uint32_t i;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		return 0;
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		echo(pair[1]);
	}
	close(pair[1]);
	for (i = 0; i < SINGLE; i++) {
		begun = bench_now();
		if (send(pair[0], d->page[0], BENCH_PAGE, MSG_NOSIGNAL) != (ssize_t)BENCH_PAGE ||
		    recv(pair[0], d->page[0], BENCH_PAGE, MSG_WAITALL) != (ssize_t)BENCH_PAGE)
			break;
		times[i] = (double)(bench_now() - begun);
	}
	close(pair[0]);
	waitpid(pid, NULL, 0);
	return i == SINGLE ? bench_median(times, SINGLE) : 0;
}

/* Pages of the places from @first on, one by one. */
static void one_by_one(struct daemon *d, double *times, uint32_t first, int put)
{
	struct tmem_object_id object;
	uint32_t i, index;
	uint64_t begun;
	int result;

	for (i = first; i < first + TURN; i++) {
		name(&object, &index, d->order[i]);
		begun = bench_now();
		result = put ? tmem_page_put(d->pool, &object, index, d->page[0])
			     : tmem_page_get(d->pool, &object, index, d->page[0]);
		times[i] = (double)(bench_now() - begun);
		d->failed += result != 0;
	}
}

/*
 * How far two processors are from each other is the hypervisor's affair and
 * changes: so the line goes to and fro in turn with the pages.
 */
static void singles(struct daemon *d)
{
	double *line = malloc(3 * SINGLE * sizeof(*line)), echoed = socket_p50(d, line);
	double *times[2] = {line + SINGLE, line + 2 * SINGLE}, line_p50;
	uint32_t first, trips = 0;
	int put;

	for (first = 0; first < SINGLE; first += TURN) {
		trips += bench_line_trips(line + trips, TURN);
		for (put = 0; put < 2; put++)
			one_by_one(d, times[put], first, put);
	}
	line_p50 = trips == SINGLE ? bench_median(line, SINGLE) : 0;
	for (put = 0; put < 2; put++) {
		struct bench_row row = {.unit = "ns", .peer = "a cache line's round trip"};

		snprintf(row.name, sizeof(row.name), "daemon.%s1.p50", put ? "put" : "get");
		summary(&row, times[put], SINGLE);
		row.peer_value = line_p50;
		snprintf(row.note, sizeof(row.note), "a page echoed over a Unix socket: %.0f ns",
			 echoed);
		add(d, &row,
		    trips == SINGLE ? NULL : "no other processor runs for a cache line to go to");
	}
	free(line);
}

/* ---- both servers ---- */

static const char *start(struct daemon *d, const char *tmemd, const char *tmem)
{
	struct tmem_options options = {.size = sizeof(options), .buffer_bytes = 1u << 20};
	char control[96], socket_path[96];
	const char *const serve[] = {tmemd,	    "--no-config", "--memory",	"2G",
				     "--codec",	    "raw",	   "--run-dir", d->process.dir,
				     "--log-level", "error",	   NULL};
	const char *const adding[] = {tmem,	"add",	     "bench", "--kind",
				      "device", "--control", control, NULL};
	uint32_t i;
	int fd;

	if (bench_process_dir(&d->process) != 0 || bench_process_start(&d->process, serve) != 0)
		return "tmemd does not start";
	snprintf(control, sizeof(control), "%s/control.sock", d->process.dir);
	snprintf(socket_path, sizeof(socket_path), "%s/bench.sock", d->process.dir);
	fd = bench_process_connect(control);
	if (fd < 0)
		return "tmemd does not serve";
	close(fd);
	if (bench_process_run(adding) != 0)
		return "tmem add fails";
	if (tmem_connect(socket_path, &options, &d->tmem) != 0 ||
	    tmem_pool_open(d->tmem, NULL, &d->pool) != 0)
		return "libtmem does not get through";
	for (i = 0; i < FLIGHT; i++) {
		d->page[i] = tmem_buffer_alloc(d->tmem, 1);
		if (d->page[i] == NULL)
			return "no memory shared with tmemd";
		memset(d->page[i], (int)i + 1, BENCH_PAGE);
		d->page[i][7] = 0;
	}
	return NULL;
}

static void measure(struct daemon *d)
{
	d->has_peer = memcached_open(&d->peer, 1u << 30) == 0;
	flights(d);
	singles(d);
	if (d->has_peer)
		memcached_close(&d->peer);
}

void bench_daemon(struct bench *bench)
{
	static const char *const rows[] = {"daemon.put32", "daemon.get32", "daemon.put1.p50",
					   "daemon.get1.p50"};
	struct daemon *d = calloc(1, sizeof(*d));
	const char *fault = "no --tmemd and --tmem on the command line";
	size_t i;

	d->bench = bench;
	d->pages = 65536;
	d->order = bench_shuffled(d->pages, 21);
	if (bench->tmemd != NULL && bench->tmem != NULL)
		fault = start(d, bench->tmemd, bench->tmem);
	if (fault == NULL)
		measure(d);
	for (i = 0; fault != NULL && i < sizeof(rows) / sizeof(rows[0]); i++)
		bench_results_skip(&bench->results, rows[i], "ns", fault);
	tmem_disconnect(d->tmem);
	bench_process_end(&d->process);
	free(d->order);
	free(d);
}
