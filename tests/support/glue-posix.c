/* SPDX-License-Identifier: MIT */
/*
 * Tests on the port that real processes use. It cannot be made to fail on
 * demand; but what it lends, the kernel can be told to take. See glue.h.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "../../port/posix/arena.h"

#include "glue.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#define LENT_MOST 4096u

const char *const glue_name = "port/posix";
const bool glue_can_starve = false;

struct lent {
	unsigned char *extent;
	size_t size;
};

/* The arena, and what it has lent: taken from under the lock, so that it is still lent then. */
struct glue {
	struct tmem_arena *arena;
	pthread_mutex_t lock;
	uint32_t count;
	struct lent lent[LENT_MOST];
	uint64_t draw;
};

static struct tmem_arena *arena_of(void *host)
{
	return ((struct glue *)host)->arena;
}

static void *take_extent(void *host, enum tmem_extent_kind kind, size_t min, size_t max,
			 size_t *size)
{
	return tmem_arena_ops.extent_alloc(arena_of(host), kind, min, max, size);
}

static void forget(struct glue *glue, const void *extent)
{
	uint32_t i;

	for (i = 0; i < glue->count && glue->lent[i].extent != extent; i++)
		;
	if (i < glue->count)
		glue->lent[i] = glue->lent[--glue->count];
}

static void free_extent(void *host, enum tmem_extent_kind kind, void *extent, size_t size)
{
	struct glue *glue = host;

	pthread_mutex_lock(&glue->lock);
	forget(glue, extent);
	pthread_mutex_unlock(&glue->lock);
	tmem_arena_ops.extent_free(glue->arena, kind, extent, size);
}

static int lend(void *host, enum tmem_extent_kind kind, void *extent, size_t size)
{
	struct glue *glue = host;
	int err;

	pthread_mutex_lock(&glue->lock);
	err = tmem_arena_ops.extent_lend(glue->arena, kind, extent, size);
	if (!err && glue->count < LENT_MOST)
		glue->lent[glue->count++] = (struct lent){extent, size};
	pthread_mutex_unlock(&glue->lock);
	return err;
}

static void keep(void *host, enum tmem_extent_kind kind, void *extent, size_t size)
{
	struct glue *glue = host;

	pthread_mutex_lock(&glue->lock);
	forget(glue, extent);
	pthread_mutex_unlock(&glue->lock);
	tmem_arena_ops.extent_keep(glue->arena, kind, extent, size);
}

static const struct tmem_host_ops ops = {
	.extent_alloc = take_extent,
	.extent_free = free_extent,
	.extent_lend = lend,
	.extent_keep = keep,
};

void *glue_create(uint64_t limit)
{
	struct tmem_arena_config config = {.size = sizeof(config), .bytes = limit};
	struct glue *glue = calloc(1, sizeof(*glue));

	if (!glue || tmem_arena_create(&config, &glue->arena)) {
		free(glue);
		return NULL;
	}
	pthread_mutex_init(&glue->lock, NULL);
	return glue;
}

const struct tmem_host_ops *glue_ops(void)
{
	return &ops;
}

uint64_t glue_bytes(void *host)
{
	struct tmem_arena_figures figures;

	tmem_arena_figures(arena_of(host), &figures);
	return figures.extents[0] + figures.extents[1] + figures.extents[2] + figures.extents[3];
}

void glue_starve(void *host, uint64_t nth, bool for_good)
{
}

uint64_t glue_refused(void *host)
{
	return 0;
}

void glue_take(void *host, unsigned int pages)
{
	struct glue *glue = host;
	const struct lent *lent;
	size_t offset;

	pthread_mutex_lock(&glue->lock);
	while (glue->count && pages--) {
		glue->draw = glue->draw * UINT64_C(6364136223846793005) + 1442695040888963407;
		lent = &glue->lent[(glue->draw >> 33) % glue->count];
		offset = (glue->draw >> 20) % (lent->size / 4096) * 4096;
		/* What the kernel would do under pressure, for this page alone. */
		(void)madvise(lent->extent + offset, 4096, MADV_PAGEOUT);
	}
	pthread_mutex_unlock(&glue->lock);
}

const char *glue_destroy(void *host)
{
	struct glue *glue = host;
	const char *complaint = glue_bytes(host) ? "memory was not given back" : NULL;

	tmem_arena_destroy(glue->arena);
	pthread_mutex_destroy(&glue->lock);
	free(glue);
	return complaint;
}
