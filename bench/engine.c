// SPDX-License-Identifier: MIT
/* Opening and closing of what engine.h describes. */
#include "engine.h"

#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "codec.h"

#define SETTLE_CALLS 256
#define SETTLE_STEPS 16

/* Lies in the kept extent itself. */
struct bench_extent {
	struct bench_extent *next;
	size_t size;
};

static unsigned int class_of(size_t size)
{
	return (unsigned int)__builtin_ctzll(size) - 12;
}

static void *kept_alloc(void *host, enum tmem_extent_kind kind, size_t min, size_t max,
			size_t *size)
{
	struct bench_store *store = host;
	struct bench_extent *extent;

	pthread_mutex_lock(&store->lock);
	extent = store->kept[kind][class_of(max)];
	if (extent != NULL) {
		store->kept[kind][class_of(max)] = extent->next;
		store->kept_bytes -= extent->size;
	}
	pthread_mutex_unlock(&store->lock);
	if (extent == NULL)
		return tmem_arena_ops.extent_alloc(store->arena, kind, min, max, size);
	*size = extent->size;
	return extent;
}

static void kept_free(void *host, enum tmem_extent_kind kind, void *memory, size_t size)
{
	struct bench_store *store = host;
	struct bench_extent *extent = memory;

	if (!store->keep || kind == TMEM_EXTENT_PERSISTENT || kind == TMEM_EXTENT_RECORDS) {
		tmem_arena_ops.extent_free(store->arena, kind, memory, size);
		return;
	}
	pthread_mutex_lock(&store->lock);
	extent->next = store->kept[kind][class_of(size)];
	extent->size = size;
	store->kept[kind][class_of(size)] = extent;
	store->kept_bytes += size;
	pthread_mutex_unlock(&store->lock);
}

static const struct tmem_host_ops kept_ops = {
	.extent_alloc = kept_alloc,
	.extent_free = kept_free,
};

int bench_store_open(struct bench_store *store, uint64_t bytes, int keep)
{
	struct tmem_arena_config config = {
		.size = sizeof(config),
		.flags = TMEM_ARENA_HUGE | TMEM_ARENA_POPULATE,
		.bytes = bytes,
	};

	memset(store, 0, sizeof(*store));
	store->keep = keep;
	pthread_mutex_init(&store->lock, NULL);
	return tmem_arena_create(&config, &store->arena);
}

void bench_store_release(struct bench_store *store)
{
	int kind, size;

	for (kind = 0; kind < 4; kind++)
		for (size = 0; size < 10; size++)
			while (store->kept[kind][size] != NULL) {
				struct bench_extent *extent = store->kept[kind][size];

				store->kept[kind][size] = extent->next;
				tmem_arena_ops.extent_free(store->arena,
							   (enum tmem_extent_kind)kind, extent,
							   extent->size);
			}
	store->kept_bytes = 0;
}

void bench_store_close(struct bench_store *store)
{
	tmem_arena_destroy(store->arena);
}

static int fault(struct bench_engine *engine, const char *what, int code)
{
	snprintf(engine->fault, sizeof(engine->fault), "%s gives %d", what, code);
	if (engine->engine != NULL)
		bench_engine_close(engine);
	return -1;
}

int bench_engine_open(struct bench_engine *engine, struct bench_store *store,
		      const struct bench_setup *setup)
{
	static const struct tmem_codec *codecs[4];
	struct tmem_config config = {
		.size = sizeof(config),
		.workers = setup->workers ? setup->workers : 1,
		.capacity = setup->bytes,
		.persistent = setup->allocation,
		.verify = setup->verify,
		.hash_seed = {0x5eed, 0xfeed},
		.codec_count = setup->dense ? 4 : 3,
		.codecs = codecs,
		.host_ops = &kept_ops,
		.host = store,
	};
	struct tmem_client_config client = {
		.size = sizeof(client),
		.codec = setup->codec,
		.allocation = setup->allocation,
	};
	struct tmem_pool_config pool = {.size = sizeof(pool), .flags = setup->pool_flags};
	int code;

	codecs[0] = &tmem_lz4;
	codecs[1] = &tmem_small;
	codecs[2] = tmem_vector_here();
	codecs[3] = setup->dense;
	memset(engine, 0, sizeof(*engine));
	engine->store = store;
	code = tmem_engine_create(&config, &engine->engine);
	if (code != 0) {
		engine->engine = NULL;
		return fault(engine, "tmem_engine_create()", code);
	}
	code = tmem_worker_create(engine->engine, &engine->worker);
	if (code != 0)
		return fault(engine, "tmem_worker_create()", code);
	code = tmem_client_create(engine->engine, engine->worker, &client, &engine->client);
	if (code != 0)
		return fault(engine, "tmem_client_create()", code);
	code = tmem_pool_create(engine->client, engine->worker, &pool);
	if (code < 0)
		return fault(engine, "tmem_pool_create()", code);
	engine->pool = (uint32_t)code;
	return 0;
}

void bench_engine_close(struct bench_engine *engine)
{
	tmem_engine_destroy(engine->engine);
	engine->engine = NULL;
}

void bench_engine_settle(struct bench_engine *engine)
{
	int calls = 0;

	while (calls++ < SETTLE_CALLS &&
	       tmem_engine_step(engine->engine, engine->worker, SETTLE_STEPS) != 0)
		;
}
