// SPDX-License-Identifier: MIT
/* Sizes, arena, codecs, engine. */
#include "store.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "arena.h"
#include "codec.h"
#include "daemon.h"
#include "dense.h"
#include "host_memory.h"
#include "lock_memory.h"
#include "log.h"
#include "options.h"
#include "units.h"

/* Half of what is available now; *@all: all that there can be. 0 where nobody says. */
static uint64_t half_available(uint64_t *all)
{
	struct fallow_room machine, group;
	struct host_memory memory;

	*all = 0;
	host_memory_open(&memory, "");
	if (!host_memory_read(&memory, &machine, &group))
		return 0;
	*all = machine.total;
	if (group.total && group.available < machine.available)
		return group.available / 2;
	return machine.available / 2;
}

bool store_sizes(const struct options *options, uint64_t *memory, uint64_t *persistent)
{
	const uint64_t grain = UINT64_C(2) << 20;
	char all[UNITS_SIZE_TEXT];
	char part[UNITS_SIZE_TEXT];
	uint64_t total, half = half_available(&total) & ~(grain - 1);

	*memory = options->memory ? options->memory : half;
	*persistent = options->persistent ? options->persistent : *memory / 2;
	/* What is fallow grows and shrinks: it has no other bound than the machine. */
	if (options->fallow && !options->memory)
		*memory = total & ~(grain - 1);
	if (!*memory) {
		log_error("cannot tell how much memory is available; give --memory");
		return false;
	}
	if (*persistent > *memory) {
		log_error("--persistent %s is more than the %s of --memory",
			  units_format_size(*persistent, part), units_format_size(*memory, all));
		return false;
	}
	return true;
}

bool store_open(struct daemon *daemon, struct tmem_arena **arena)
{
	const struct tmem_codec *codecs[] = {&tmem_lz4, tmem_vector_here(), NULL};
	struct tmem_arena_config memory = {.size = sizeof(memory),
					   .flags = TMEM_ARENA_HUGE | TMEM_ARENA_POPULATE,
					   .bytes = daemon->memory};
	/* Whoever is faster than a look at the host finds lent memory. */
	bool lend = daemon->options->lend || daemon->options->fallow;
	struct tmem_config config = {.size = sizeof(config),
				     .workers = 1,
				     .capacity = daemon->memory,
				     .persistent = daemon->persistent,
				     .codec_count = sizeof(codecs) / sizeof(codecs[0]),
				     .codecs = codecs,
				     .host_ops = &tmem_arena_ops,
				     .lend = lend,
				     .verify = daemon->options->verify};
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
	error = tmem_dense_create(config.workers, &daemon->dense);
	if (error) {
		log_error("no memory for zstd's contexts");
		return false;
	}
	codecs[2] = tmem_dense_codec(daemon->dense);
	error = tmem_arena_create(&memory, arena);
	if (error) {
		log_error("cannot reserve %s of addresses: %s; give less --memory",
			  units_format_rough(daemon->memory, text), strerror(-error));
		goto err_dense;
	}
	config.host = *arena;
	daemon->verify = daemon->options->verify;
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
err_dense:
	tmem_dense_destroy(daemon->dense);
	return false;
}

void store_close(struct daemon *daemon, struct tmem_arena *arena)
{
	tmem_worker_destroy(daemon->worker);
	tmem_engine_destroy(daemon->engine);
	tmem_arena_destroy(arena);
	/* NULL: somebody else uses it as long as this process lives. */
	if (daemon->dense)
		tmem_dense_destroy(daemon->dense);
}
