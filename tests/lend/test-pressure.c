/* SPDX-License-Identifier: MIT */
/*
 * A kernel that takes. In a memory cgroup with a limit, one process fills an
 * engine with ephemeral pages and lends them, then another one needs more than
 * is left: it has to be served, nobody killed, and each page right or missing.
 * The control is the same without lending: somebody is killed.
 *
 *	test-pressure [--mib N] [--small-pages] [--control]
 *
 * --mib: how much each of the two uses; the limit is half as much again.
 * Status 77: there is no memory cgroup to be had here.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../port/posix/arena.h"
#include <tmem/engine.h>

#define SKIPPED 77
#define MIB	((size_t)1 << 20)

struct options {
	size_t mib;
	bool small_pages, lend;
};

/* What the process with the engine found, in memory that all share. */
struct findings {
	struct tmem_stats before, after;
	uint64_t put, right, missing, broken_off, wrong;
	double seconds; /* that the other one took for its memory */
};

static char group[128]; /* path of the cgroup */

static void die(const char *what)
{
	fprintf(stderr, "test-pressure: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool write_file(const char *name, const char *text)
{
	char path[192];
	ssize_t done;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", group, name);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text));
	close(fd);
	return done == (ssize_t)strlen(text);
}

/* Version 1 or 2; false: neither is there, or ours to use. */
static bool make_group(size_t limit)
{
	static const char *const roots[] = {"/sys/fs/cgroup/memory", "/sys/fs/cgroup"};
	char bytes[32];
	int i;

	snprintf(bytes, sizeof(bytes), "%zu", limit);
	for (i = 0; i < 2; i++) {
		snprintf(group, sizeof(group), "%s/tmem-test-%d", roots[i], (int)getpid());
		if (mkdir(group, 0755))
			continue;
		if (write_file(i ? "memory.max" : "memory.limit_in_bytes", bytes))
			return true;
		rmdir(group);
	}
	return false;
}

static void join_group(void)
{
	if (!write_file("cgroup.procs", "0"))
		die("cgroup.procs");
}

static void fill_page(uint64_t *page, uint64_t number)
{
	uint64_t x = number;
	int i;

	for (i = 0; i < 512; i++) {
		x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
		page[i] = x;
	}
	page[0] = number;
}

static void look_back(struct tmem_client *client, struct tmem_worker *worker, uint64_t count,
		      uint32_t pool, struct findings *found)
{
	uint64_t page[512], should[512], i;
	struct tmem_handle handle = {.pool = pool};
	int result;

	for (i = 0; i < count; i++) {
		handle.object.word[0] = i / 64;
		handle.index = (uint32_t)(i % 64);
		result = tmem_get(client, worker, &handle, page);
		fill_page(should, i);
		found->right += !result && !memcmp(page, should, sizeof(page));
		found->wrong += !result && memcmp(page, should, sizeof(page));
		found->missing += result == -TMEM_ENOENT;
		found->broken_off += result == -TMEM_EIO;
	}
}

static int hold_pages(const struct options *o, struct findings *found, int ready, int go)
{
	struct tmem_arena_config arena_config = {
		.size = sizeof(arena_config),
		.flags = o->small_pages ? 0 : TMEM_ARENA_HUGE | TMEM_ARENA_POPULATE,
		.bytes = (uint64_t)o->mib * 2 * MIB,
	};
	struct tmem_config config = {
		.size = sizeof(config), .host_ops = &tmem_arena_ops, .lend = o->lend};
	struct tmem_client_config client_config = {.size = sizeof(client_config)};
	struct tmem_pool_config pool_config = {.size = sizeof(pool_config)};
	struct tmem_handle handle = {{{0, 0, 0}}, 0, 0};
	struct tmem_engine *engine;
	struct tmem_worker *worker;
	struct tmem_client *client;
	struct tmem_arena *arena;
	uint64_t page[512], i;
	const char *what;
	char byte = 0;
	int pool;

	join_group();
	if (tmem_arena_create(&arena_config, &arena))
		return 2;
	config.host = arena;
	if (tmem_engine_create(&config, &engine) || tmem_worker_create(engine, &worker) ||
	    tmem_client_create(engine, worker, &client_config, &client))
		return 2;
	pool = tmem_pool_create(client, worker, &pool_config);
	if (pool < 0)
		return 2;
	handle.pool = (uint32_t)pool;
	for (i = 0; i < o->mib * MIB / TMEM_PAGE_SIZE; i++) {
		handle.object.word[0] = i / 64;
		handle.index = (uint32_t)(i % 64);
		fill_page(page, i);
		if (tmem_put(client, worker, &handle, page))
			return 2;
	}
	found->put = i;
	while (tmem_engine_step(engine, worker, 1000))
		;
	/* The second look finds that nobody has put since the first. */
	while (tmem_engine_step(engine, worker, 1000))
		;
	tmem_engine_stats(engine, &found->before);
	if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 1)
		return 2;
	look_back(client, worker, found->put, (uint32_t)pool, found);
	while (tmem_engine_step(engine, worker, 1000))
		;
	tmem_engine_stats(engine, &found->after);
	if (tmem_engine_check(engine, &what)) {
		fprintf(stderr, "the engine's own figures: %s\n", what);
		return 2;
	}
	tmem_engine_destroy(engine);
	tmem_arena_destroy(arena);
	return 0;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int need_memory(const struct options *o, struct findings *found)
{
	double begin = now();
	unsigned char *memory;
	size_t i;

	join_group();
	memory = mmap(NULL, o->mib * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	if (memory == MAP_FAILED)
		return 2;
	for (i = 0; i < o->mib * MIB; i += 4096)
		memory[i] = 1;
	found->seconds = now() - begin;
	return 0;
}

/* 0: nobody was killed; 1: somebody was. */
static int run(const struct options *o, struct findings *found)
{
	int ready[2], go[2], status[2] = {0, 0};
	pid_t holder, other = 0;
	char byte = 0;

	if (pipe(ready) || pipe(go))
		die("pipe");
	holder = fork();
	if (!holder) {
		close(ready[0]);
		close(go[1]);
		_exit(hold_pages(o, found, ready[1], go[0]));
	}
	close(ready[1]);
	close(go[0]);
	if (read(ready[0], &byte, 1) == 1) {
		other = fork();
		if (!other)
			_exit(need_memory(o, found));
		if (waitpid(other, &status[1], 0) != other)
			die("waitpid");
		signal(SIGPIPE, SIG_IGN);
		if (write(go[1], &byte, 1) != 1 && errno != EPIPE)
			die("write");
	}
	close(go[1]);
	if (waitpid(holder, &status[0], 0) != holder)
		die("waitpid");
	if (WIFSIGNALED(status[0]) || WIFSIGNALED(status[1]))
		return 1;
	if (!other || WEXITSTATUS(status[0]) || WEXITSTATUS(status[1])) {
		fprintf(stderr, "statuses %#x and %#x\n", (unsigned int)status[0],
			(unsigned int)status[1]);
		exit(1);
	}
	return 0;
}

static int judge(const struct options *o, const struct findings *f, int killed)
{
	printf("%s, %s pages, %zu MiB wanted twice in %zu: ", o->lend ? "lent" : "not lent",
	       o->small_pages ? "small" : "huge", o->mib, o->mib * 3 / 2);
	if (killed) {
		printf("somebody was killed, %" PRIu64 " MiB were lent\n",
		       f->before.lent_bytes >> 20);
		return o->lend;
	}
	printf("nobody was killed\n");
	printf("%" PRIu64 " MiB lent; served in %.3f s; of %" PRIu64 " pages %" PRIu64
	       " right, %" PRIu64 " missing, %" PRIu64 " broken off, %" PRIu64 " wrong; %" PRIu64
	       " extents taken, %" PRIu64 " gets found it, %" PRIu64 " pages went with them\n",
	       f->before.lent_bytes >> 20, f->seconds, f->put, f->right, f->missing, f->broken_off,
	       f->wrong, f->after.extents_taken, f->after.gets_taken, f->after.dropped_when_taken);
	return !o->lend || f->wrong || f->right + f->missing + f->broken_off != f->put ||
	       !f->right || !f->missing || !f->after.extents_taken || !f->after.gets_taken;
}

int main(int argc, char **argv)
{
	struct options o = {.mib = 128, .lend = true};
	struct findings *found;
	int i, killed;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--small-pages"))
			o.small_pages = true;
		else if (!strcmp(argv[i], "--control"))
			o.lend = false;
		else if (!strcmp(argv[i], "--mib") && i + 1 < argc)
			o.mib = strtoull(argv[++i], NULL, 0);
		else
			return 2;
	}
	if (!make_group(o.mib * MIB * 3 / 2)) {
		printf("no memory cgroup to be had here\n");
		return SKIPPED;
	}
	found = mmap(NULL, sizeof(*found), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (found == MAP_FAILED)
		die("mmap");
	killed = run(&o, found);
	rmdir(group);
	return judge(&o, found, killed);
}
