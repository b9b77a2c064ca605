// SPDX-License-Identifier: MIT
/* Sizes, arena, codecs, engine. */
#include "store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "arena.h"
#include "codec.h"
#include "daemon.h"
#include "lock_memory.h"
#include "log.h"
#include "options.h"
#include "units.h"

static uint64_t available(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			break;
	}
	if (file)
		fclose(file);
	return (uint64_t)kib << 10;
}

bool store_sizes(const struct options *options, uint64_t *memory, uint64_t *persistent)
{
	const uint64_t grain = UINT64_C(2) << 20;
	char all[UNITS_SIZE_TEXT];
	char part[UNITS_SIZE_TEXT];

	*memory = options->memory ? options->memory : available() / 2 & ~(grain - 1);
	if (!*memory) {
		log_error("cannot tell how much memory is available; give --memory");
		return false;
	}
	*persistent = options->persistent ? options->persistent : *memory / 2;
	if (*persistent > *memory) {
		log_error("--persistent %s is more than the %s of --memory",
			  units_format_size(*persistent, part), units_format_size(*memory, all));
		return false;
	}
	return true;
}

bool store_open(struct daemon *daemon, struct tmem_arena **arena)
{
	const struct tmem_codec *const codecs[] = {&tmem_lz4, tmem_vector_here()};
	struct tmem_arena_config memory = {.size = sizeof(memory),
					   .flags = TMEM_ARENA_HUGE | TMEM_ARENA_POPULATE,
					   .bytes = daemon->memory};
	struct tmem_config config = {.size = sizeof(config),
				     .workers = 1,
				     .capacity = daemon->memory,
				     .persistent = daemon->persistent,
				     .codec_count = sizeof(codecs) / sizeof(codecs[0]),
				     .codecs = codecs,
				     .host_ops = &tmem_arena_ops,
				     .lend = daemon->options->lend};
	char text[UNITS_SIZE_TEXT];
	int error;

	/* Unpredictable, so that no guest can aim its objects at one bucket. */
	if (getrandom(config.hash_seed, sizeof(config.hash_seed), 0) !=
		    (ssize_t)sizeof(config.hash_seed) ||
	    getrandom(&daemon->epoch, sizeof(daemon->epoch), 0) != (ssize_t)sizeof(daemon->epoch)) {
		log_error("no random numbers: %m");
		return false;
	}
	if (daemon->protection->locked)
		memory.flags |= TMEM_ARENA_LOCK;
	error = tmem_arena_create(&memory, arena);
	if (error) {
		log_error("cannot reserve %s of addresses: %s; give less --memory",
			  units_format_rough(daemon->memory, text), strerror(-error));
		return false;
	}
	config.host = *arena;
	error = tmem_engine_create(&config, &daemon->engine);
	if (error) {
		log_error("cannot make an engine with %s: %s; check --memory",
			  units_format_rough(daemon->memory, text), strerror(-error));
		goto err_arena;
	}
	error = tmem_worker_create(daemon->engine, &daemon->worker);
	if (error) {
		log_error("cannot make the engine's worker: %s", strerror(-error));
		goto err_engine;
	}
	return true;

err_engine:
	tmem_engine_destroy(daemon->engine);
err_arena:
	tmem_arena_destroy(*arena);
	return false;
}

void store_close(struct daemon *daemon, struct tmem_arena *arena)
{
	tmem_worker_destroy(daemon->worker);
	tmem_engine_destroy(daemon->engine);
	tmem_arena_destroy(arena);
}
