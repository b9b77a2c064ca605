// SPDX-License-Identifier: MIT
/* See harness.h. */
#include "harness.h"
#include "arena.h"
#include "guest_mem.h"
#include "log.h"
#include "loop.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define GUESTS 4

struct harness {
	struct daemon daemon;
	struct tmem_arena *arena;
	struct guest *guest[GUESTS];
	char directory[64];
	char path[200];
	bool serve; /* do not stop when idle */
	bool busy;  /* the last turn left something */
	uint64_t turns;
	uint64_t idle_rounds;
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "harness: %s\n", what);
	abort();
}

static bool turn(void *arg)
{
	struct harness *harness = arg;

	harness->turns++;
	harness->busy = turns_round(&harness->daemon.turns);
	return harness->busy;
}

static bool idle(void *arg)
{
	struct harness *harness = arg;

	/* Its time grows with the clients, and some tests have a thousand. */
	if (harness->idle_rounds++ % 8 == 0)
		(void)tmem_engine_step(harness->daemon.engine, harness->daemon.worker, 4);
	if (!harness->serve && !harness->busy)
		loop_stop(harness->daemon.loop);
	return false;
}

struct harness *harness_create(void)
{
	return harness_create_sized(512ull << 20, 400ull << 20);
}

struct harness *harness_create_sized(uint64_t capacity, uint64_t persistent)
{
	const struct tmem_arena_config arena = {.size = sizeof(arena), .bytes = capacity};
	struct harness *harness = calloc(1, sizeof(*harness));
	const struct loop_work work = {.turn = turn, .idle = idle, .arg = harness};
	struct tmem_config config = {
		.size = sizeof(config),
		.workers = 1,
		.capacity = capacity,
		.persistent = persistent,
		.hash_seed = {1, 2},
		.host_ops = &tmem_arena_ops,
	};

	must(harness != NULL, "no memory");
	log_set_level(getenv("TEST_VERBOSE") ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR);
	turns_init(&harness->daemon.turns);
	strcpy(harness->directory, "/tmp/tmem-vhost-XXXXXX");
	must(mkdtemp(harness->directory) != NULL, "no directory");
	must(!tmem_arena_create(&arena, &harness->arena), "no arena");
	config.host = harness->arena;
	must(!tmem_engine_create(&config, &harness->daemon.engine), "no engine");
	must(!tmem_worker_create(harness->daemon.engine, &harness->daemon.worker), "no worker");
	must(!loop_create(&work, &harness->daemon.loop), "no loop");
	return harness;
}

void harness_destroy(struct harness *harness)
{
	int i;

	for (i = 0; i < GUESTS; i++) {
		if (harness->guest[i])
			harness_remove(harness, harness->guest[i]);
	}
	harness_settle(harness);
	harness_check(harness);
	loop_destroy(harness->daemon.loop);
	tmem_worker_destroy(harness->daemon.worker);
	tmem_engine_destroy(harness->daemon.engine);
	tmem_arena_destroy(harness->arena);
	must(!rmdir(harness->directory), "something was left in the directory of sockets");
	free(harness);
}

struct daemon *harness_daemon(struct harness *harness)
{
	return &harness->daemon;
}

const char *harness_path(struct harness *harness, const char *name)
{
	snprintf(harness->path, sizeof(harness->path), "%s/%s", harness->directory, name);
	return harness->path;
}

struct guest *harness_guest(struct harness *harness, const char *name, uint64_t blocks,
			    bool contents_unknown)
{
	const struct guest_config config = {
		.name = name,
		.socket_path = harness_path(harness, name),
		.disk_bytes = blocks * 4096,
		.allocation = HARNESS_ALLOCATION,
		.queues = 4,
		.contents_unknown = contents_unknown,
	};
	struct guest *guest = harness_adopt(harness, &config);

	must(guest != NULL, "no guest");
	return guest;
}

struct guest *harness_adopt(struct harness *harness, const struct guest_config *config)
{
	int i;

	for (i = 0; i < GUESTS; i++) {
		if (harness->guest[i])
			continue;
		if (guest_create(&harness->daemon, config, &harness->guest[i]))
			return NULL;
		return harness->guest[i];
	}
	must(false, "too many guests");
	return NULL;
}

void harness_remove(struct harness *harness, struct guest *guest)
{
	int i;

	for (i = 0; i < GUESTS; i++) {
		if (harness->guest[i] == guest)
			harness->guest[i] = NULL;
	}
	guest_destroy(guest);
}

void harness_pump(struct harness *harness)
{
	harness->serve = false;
	/* cmocka puts handlers of its own in place before each case. */
	must(!guest_mem_setup(), "no handler");
	must(!loop_run(harness->daemon.loop), "the loop failed");
}

void harness_pump_for(struct harness *harness, int ms)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		harness_pump(harness);
		usleep(50);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < ms);
}

void harness_serve(struct harness *harness)
{
	harness->serve = true;
	must(!loop_run(harness->daemon.loop), "the loop failed");
}

uint64_t harness_turns(struct harness *harness)
{
	uint64_t turns = harness->turns;

	harness->turns = 0;
	return turns;
}

void harness_settle(struct harness *harness)
{
	while (tmem_engine_step(harness->daemon.engine, harness->daemon.worker, 64))
		;
}

uint64_t harness_stored(struct guest *guest)
{
	struct tmem_stats stats;

	tmem_client_stats(guest_client(guest), &stats);
	return stats.persistent_pages;
}

void harness_check(struct harness *harness)
{
	const char *what = "?";

	if (!tmem_engine_check(harness->daemon.engine, &what))
		return;
	fprintf(stderr, "engine check: %s\n", what);
	abort();
}

uint64_t harness_errors(const struct guest *guest, enum guest_error error)
{
	struct guest_figures figures;

	guest_figures(guest, &figures);
	return figures.counters.errors[error];
}
