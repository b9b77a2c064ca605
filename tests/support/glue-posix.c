/* SPDX-License-Identifier: MIT */
/* Tests on the port that real processes use. It cannot be made to fail on demand. See glue.h. */
#include "../../port/posix/arena.h"

#include "glue.h"

const char *const glue_name = "port/posix";
const bool glue_can_starve = false;

void *glue_create(uint64_t limit)
{
	struct tmem_arena_config config = {.size = sizeof(config), .bytes = limit};
	struct tmem_arena *arena;

	return tmem_arena_create(&config, &arena) ? NULL : arena;
}

const struct tmem_host_ops *glue_ops(void)
{
	return &tmem_arena_ops;
}

uint64_t glue_bytes(void *host)
{
	struct tmem_arena_figures figures;

	tmem_arena_figures(host, &figures);
	return figures.extents[0] + figures.extents[1] + figures.extents[2] + figures.extents[3];
}

void glue_starve(void *host, uint64_t nth, bool for_good)
{
}

uint64_t glue_refused(void *host)
{
	return 0;
}

const char *glue_destroy(void *host)
{
	const char *complaint = glue_bytes(host) ? "memory was not given back" : NULL;

	tmem_arena_destroy(host);
	return complaint;
}
