/* SPDX-License-Identifier: MIT */
/* What the engine's own calls refuse, and the arithmetic of allocations. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <tmem/engine.h>

#include "codecs.h"
#include "glue.h"
#include "internal.h"
#include "must.h"

enum { MIB = 1 << 20, MIB_PAGES = MIB / TMEM_PAGE_SIZE };

static struct tmem_config good(void *host)
{
	struct tmem_config config = {.size = sizeof(config),
				     .workers = 2,
				     .capacity = 16u << 20,
				     .host_ops = glue_ops(),
				     .host = host};

	return config;
}

static void refused(struct tmem_config *config, const char *why)
{
	struct tmem_engine *engine = NULL;
	int result = tmem_engine_create(config, &engine);

	if (result != -TMEM_EINVAL || engine)
		FAIL("%s: %d", why, result);
	if (glue_bytes(config->host))
		FAIL("%s: memory was not given back", why);
}

static void configs(void *host)
{
	static const struct tmem_codec low = {.id = 1, .name = "low"};
	static const struct tmem_codec high = {.id = TMEM_CODEC_COUNT, .name = "high"};
	static const struct tmem_codec greedy = {
		.id = TMEM_CODEC_SMALL, .name = "greedy", .work_size = (64u << 10) + 1};
	const struct tmem_codec *codec;
	struct tmem_config config;
	uint32_t size;

	config = good(host), config.size = 0, refused(&config, "size 0");
	config = good(host), config.size--, refused(&config, "size too small");
	config = good(host), config.host_ops = NULL, refused(&config, "no host");
	config = good(host), config.workers = 65, refused(&config, "65 workers");
	config = good(host), config.lend = 2, refused(&config, "lend is 0 or 1");
	config = good(host), config.verify = 2, refused(&config, "verify is 0 or 1");
	for (size = 1; size && size < (4u << 20); size = size * 2 + 1) {
		config = good(host), config.extent_size = size;
		refused(&config, "extents that are no power of two");
	}
	config = good(host), config.extent_size = 2048, refused(&config, "extents too small");
	config = good(host), config.extent_size = 4u << 20, refused(&config, "extents too large");
	config = good(host), config.codecs = &codec, config.codec_count = 1;
	codec = &low, refused(&config, "a codec's id below the first");
	codec = &high, refused(&config, "a codec's id above the last");
	codec = &greedy, refused(&config, "a codec with too much scratch");
}

/* The header says which sizes are right; each has to work. */
static void sizes(void *host)
{
	struct tmem_client_config client_config = {.size = sizeof(client_config),
						   .allocation = 1u << 20};
	struct tmem_config config;
	struct tmem_client *client;
	struct tmem_engine *engine;
	struct tmem_worker *worker;
	unsigned int failed = 0;
	uint32_t size;

	for (size = 16384; size <= 2u << 20; size *= 2) {
		config = good(host), config.extent_size = size, config.capacity = 64u << 20;
		if (tmem_engine_create(&config, &engine)) {
			fprintf(stderr, "extents of %u bytes are refused\n", size);
			failed++;
			continue;
		}
		MUST_EQ(tmem_worker_create(engine, &worker), 0);
		MUST_EQ(tmem_client_create(engine, worker, &client_config, &client), 0);
		MUST_EQ(tmem_engine_check(engine, NULL), 0);
		tmem_client_destroy(client, worker);
		tmem_worker_destroy(worker);
		tmem_engine_destroy(engine);
	}
	MUST_EQ(failed, 0);
}

static void workers(void *host)
{
	struct tmem_worker *worker[3] = {NULL, NULL, NULL};
	struct tmem_config config = good(host);
	struct tmem_engine *engine;
	int round;

	MUST_EQ(tmem_engine_create(&config, &engine), 0);
	for (round = 0; round < 5; round++) {
		MUST_EQ(tmem_worker_create(engine, &worker[0]), 0);
		MUST_EQ(tmem_worker_create(engine, &worker[1]), 0);
		MUST_EQ(tmem_worker_create(engine, &worker[2]), -TMEM_EOVERFLOW);
		MUST(worker[2] == NULL);
		tmem_worker_destroy(worker[0]);
		tmem_worker_destroy(worker[1]);
	}
	tmem_engine_destroy(engine);
}

/* What an administrator sets: judged, and bounded where it takes memory. */
static void settings(void *host)
{
	struct tmem_client_config client_config = {.size = sizeof(client_config)};
	struct tmem_pool_config pool_config = {.size = sizeof(pool_config)};
	struct tmem_config config = good(host);
	uint64_t uuid[2] = {0, 0}, got[TMEM_GRANTS][2];
	struct tmem_client *client;
	struct tmem_engine *engine;
	struct tmem_worker *worker;
	int pool, i;

	MUST_EQ(tmem_engine_create(&config, &engine), 0);
	MUST_EQ(tmem_worker_create(engine, &worker), 0);
	MUST_EQ(tmem_client_create(engine, worker, &client_config, &client), 0);
	MUST_EQ(tmem_client_set_weight(client, 0), -TMEM_EINVAL);
	MUST_EQ(tmem_client_set_weight(client, 10001), -TMEM_EINVAL);
	MUST_EQ(tmem_client_set_weight(client, 10000), 0);

	MUST_EQ(tmem_client_grant(client, uuid), -TMEM_EINVAL);
	for (i = 0; i < 2 * (int)TMEM_GRANTS; i++) {
		uuid[i % 2] = (uint64_t)i / 2 + 1;
		uuid[1 - i % 2] = 7000;
		MUST_EQ(tmem_client_grant(client, uuid),
			i < (int)TMEM_GRANTS ? 0 : -TMEM_EOVERFLOW);
	}
	uuid[0] = 1, uuid[1] = 7000;
	MUST_EQ(tmem_client_grant(client, uuid), 0);
	MUST_EQ(tmem_client_grants(client, got, 1), TMEM_GRANTS);
	MUST(got[0][0] == uuid[0] && got[0][1] == uuid[1]);
	MUST_EQ(tmem_client_revoke(client, worker, uuid, 0), 0);
	MUST_EQ(tmem_client_revoke(client, worker, uuid, 1), -TMEM_ENOENT);
	MUST_EQ(tmem_client_grants(client, got, TMEM_GRANTS), TMEM_GRANTS - 1);
	for (i = 0; i < (int)TMEM_GRANTS - 1; i++)
		MUST(got[i][0] != uuid[0] || got[i][1] != uuid[1]);

	pool = tmem_pool_create(client, worker, &pool_config);
	MUST_EQ(pool, 0);
	MUST_EQ(tmem_pool_set_codec(client, 1, TMEM_CODEC_RAW), -TMEM_ENODEV);
	MUST_EQ(tmem_pool_set_codec(client, 0, TMEM_CODEC_LZ4), -TMEM_EINVAL);
	MUST_EQ(tmem_pool_set_codec(client, 0, TMEM_CODEC_COUNT), -TMEM_EINVAL);
	MUST_EQ(tmem_pool_set_codec(client, 0, TMEM_CODEC_RAW), 0);
	tmem_worker_destroy(worker);
	tmem_engine_destroy(engine);
}

/* The walk's next pool has this number, and was made like this. */
static void comes(struct tmem_client *client, uint32_t first, int number, uint32_t flags,
		  uint64_t cookie, uint64_t uuid)
{
	struct tmem_pool_config config = {.size = 1, .cookie = 99};

	MUST_EQ(tmem_pool_next(client, first, &config), number);
	if (number < 0)
		return;
	MUST_EQ(config.size, sizeof(config));
	MUST_EQ(config.flags, flags);
	MUST_EQ(config.cookie, cookie);
	MUST_EQ(config.uuid[0], uuid ? 1 : 0);
	MUST_EQ(config.uuid[1], uuid);
}

/* In order of their numbers, whichever places they have. */
static void walk(void *host)
{
	struct tmem_client_config client_config = {.size = sizeof(client_config),
						   .allocation = 1u << 20};
	struct tmem_pool_config pool_config = {.size = sizeof(pool_config)};
	struct tmem_config config = good(host);
	uint64_t uuid[2] = {1, 2};
	struct tmem_client *client;
	struct tmem_engine *engine;
	struct tmem_worker *worker;

	MUST_EQ(tmem_engine_create(&config, &engine), 0);
	MUST_EQ(tmem_worker_create(engine, &worker), 0);
	MUST_EQ(tmem_client_create(engine, worker, &client_config, &client), 0);
	comes(client, 0, -TMEM_ENODEV, 0, 0, 0);
	pool_config.cookie = 7;
	MUST_EQ(tmem_pool_create(client, worker, &pool_config), 0);
	pool_config.cookie = 8;
	pool_config.flags = TMEM_POOL_PERSISTENT;
	MUST_EQ(tmem_pool_create(client, worker, &pool_config), 1);
	MUST_EQ(tmem_client_grant(client, uuid), 0);
	pool_config.cookie = 9;
	pool_config.flags = TMEM_POOL_SHARED;
	pool_config.uuid[0] = uuid[0];
	pool_config.uuid[1] = uuid[1];
	MUST_EQ(tmem_pool_create(client, worker, &pool_config), 2);
	comes(client, 0, 0, 0, 7, 0);
	comes(client, 1, 1, TMEM_POOL_PERSISTENT, 8, 0);
	comes(client, 2, 2, TMEM_POOL_SHARED, 9, 2);
	comes(client, 3, -TMEM_ENODEV, 0, 0, 0);

	/* The first place's next pool comes last; one that is being swept does not come. */
	MUST_EQ(tmem_pool_destroy(client, worker, 0), 0);
	comes(client, 0, 1, TMEM_POOL_PERSISTENT, 8, 0);
	while (tmem_engine_step(engine, worker, 64))
		;
	memset(&pool_config, 0, sizeof(pool_config));
	pool_config.size = sizeof(pool_config);
	MUST_EQ(tmem_pool_create(client, worker, &pool_config), 16);
	comes(client, 0, 1, TMEM_POOL_PERSISTENT, 8, 0);
	comes(client, 3, 16, 0, 0, 0);
	comes(client, 17, -TMEM_ENODEV, 0, 0, 0);
	comes(client, UINT32_MAX, -TMEM_ENODEV, 0, 0, 0);

	/* Revoked now, it is no member, and the number no pool's. */
	MUST_EQ(tmem_client_revoke(client, worker, uuid, 1), 0);
	comes(client, 2, 16, 0, 0, 0);
	tmem_worker_destroy(worker);
	tmem_engine_destroy(engine);
}

/* What was dropped for room stays counted when its client has gone; its own end drops nothing. */
static void dropped_stays_counted(void *host)
{
	struct tmem_client_config client_config = {.size = sizeof(client_config)};
	struct tmem_pool_config pool_config = {.size = sizeof(pool_config)};
	struct tmem_config config = good(host);
	struct tmem_handle handle = {.pool = 0};
	static unsigned char page[TMEM_PAGE_SIZE];
	struct tmem_client *client;
	struct tmem_engine *engine;
	struct tmem_worker *worker;
	struct tmem_stats stats, after;

	config.extent_size = 65536;
	MUST_EQ(tmem_engine_create(&config, &engine), 0);
	MUST_EQ(tmem_worker_create(engine, &worker), 0);
	MUST_EQ(tmem_client_create(engine, worker, &client_config, &client), 0);
	MUST_EQ(tmem_pool_create(client, worker, &pool_config), 0);
	for (handle.index = 0; handle.index < 100; handle.index++) {
		/* The first word differs from the others: stored raw. */
		page[0] = (unsigned char)(handle.index + 1);
		MUST_EQ(tmem_put(client, worker, &handle, page), 0);
	}
	MUST_LE(65536, tmem_client_reclaim(client, worker, 65536));
	tmem_engine_stats(engine, &stats);
	MUST_EQ(stats.extents_dropped, 1);
	MUST(stats.pages_dropped > 0 && stats.pages_dropped < 100);
	MUST_EQ(stats.ephemeral_pages, 100 - stats.pages_dropped);
	MUST_EQ(stats.dropped_when_asked, stats.pages_dropped);
	tmem_client_destroy(client, worker);
	while (tmem_engine_step(engine, worker, 100))
		;
	tmem_engine_stats(engine, &after);
	MUST_EQ(after.ephemeral_pages, 0);
	MUST_EQ(after.extents_dropped, stats.extents_dropped);
	MUST_EQ(after.pages_dropped, stats.pages_dropped);
	MUST_EQ(after.dropped_when_asked, stats.dropped_when_asked);
	tmem_worker_destroy(worker);
	tmem_engine_destroy(engine);
}

/* Refused over the allocation, whatever room the host has; before there was one, and after. */
static void put_without_allocation_is_over_it(void *host)
{
	struct tmem_client_config client_config = {.size = sizeof(client_config)};
	struct tmem_pool_config pool_config = {.size = sizeof(pool_config),
					       .flags = TMEM_POOL_PERSISTENT};
	struct tmem_config config = good(host);
	struct tmem_handle handle = {.pool = 0};
	static const unsigned char page[TMEM_PAGE_SIZE] = {1};
	struct tmem_client *client;
	struct tmem_engine *engine;
	struct tmem_worker *worker;

	config.extent_size = 65536;
	MUST_EQ(tmem_engine_create(&config, &engine), 0);
	MUST_EQ(tmem_worker_create(engine, &worker), 0);
	MUST_EQ(tmem_client_create(engine, worker, &client_config, &client), 0);
	MUST_EQ(tmem_pool_create(client, worker, &pool_config), 0);
	MUST_EQ(tmem_put(client, worker, &handle, page), -TMEM_ENOSPC);
	MUST_EQ(tmem_client_set_allocation(client, worker, 1u << 20), 0);
	MUST_EQ(tmem_put(client, worker, &handle, page), 0);
	MUST_EQ(tmem_flush(client, worker, &handle), 1);
	MUST_EQ(tmem_client_set_allocation(client, worker, 0), 0);
	MUST_EQ(tmem_put(client, worker, &handle, page), -TMEM_ENOSPC);
	tmem_worker_destroy(worker);
	tmem_engine_destroy(engine);
}

static void put_pages(struct tmem_client *client, struct tmem_worker *worker, uint32_t pool,
		      uint32_t first, uint32_t count)
{
	static unsigned char page[TMEM_PAGE_SIZE];
	struct tmem_handle handle = {.pool = pool, .index = first};

	/* The first word differs from the others: stored raw. */
	for (; handle.index < first + count; handle.index++) {
		page[0] = (unsigned char)(handle.index % 255 + 1);
		MUST_EQ(tmem_put(client, worker, &handle, page), 0);
	}
}

/* Puts go on below a limit of ephemeral pages' own, which persistent ones do not feel. */
static void ephemeral_limit(void *host)
{
	struct tmem_client_config client_config = {.size = sizeof(client_config),
						   .allocation = 2 * MIB};
	struct tmem_pool_config pool_config = {.size = sizeof(pool_config)};
	struct tmem_handle handle = {.pool = 0};
	struct tmem_config config = good(host);
	static const unsigned char page[TMEM_PAGE_SIZE] = {1};
	struct tmem_client *client;
	struct tmem_engine *engine;
	struct tmem_worker *worker;

	config.extent_size = 65536;
	MUST_EQ(tmem_engine_create(&config, &engine), 0);
	MUST_EQ(tmem_worker_create(engine, &worker), 0);
	MUST_EQ(tmem_client_create(engine, worker, &client_config, &client), 0);
	MUST_EQ(tmem_pool_create(client, worker, &pool_config), 0);
	pool_config.flags = TMEM_POOL_PERSISTENT;
	MUST_EQ(tmem_pool_create(client, worker, &pool_config), 1);
	put_pages(client, worker, 0, 0, 6 * MIB_PAGES);
	MUST_LE(6 * MIB, tmem_engine_ephemeral(engine, NULL));
	tmem_engine_limit_ephemeral(engine, 2 * MIB);
	MUST_LE(6 * MIB, tmem_engine_ephemeral(engine, NULL));
	MUST_LE(5 * MIB, tmem_engine_reclaim(engine, worker, 5 * MIB));
	put_pages(client, worker, 0, 6 * MIB_PAGES, 6 * MIB_PAGES);
	MUST_LE(tmem_engine_ephemeral(engine, NULL), 2 * MIB);
	MUST_LE(MIB, tmem_engine_ephemeral(engine, NULL));
	tmem_engine_limit_ephemeral(engine, 0);
	put_pages(client, worker, 1, 0, MIB_PAGES);
	(void)tmem_engine_reclaim(engine, worker, 16 * MIB);
	MUST_EQ(tmem_engine_ephemeral(engine, NULL), 0);
	MUST_EQ(tmem_put(client, worker, &handle, page), -TMEM_ENOMEM);
	tmem_engine_limit_ephemeral(engine, UINT64_MAX);
	put_pages(client, worker, 0, 0, 6 * MIB_PAGES);
	MUST_LE(6 * MIB, tmem_engine_ephemeral(engine, NULL));
	MUST_EQ(tmem_engine_check(engine, NULL), 0);
	tmem_worker_destroy(worker);
	tmem_engine_destroy(engine);
}

static void allocations(int verify)
{
	static const uint32_t per_object[] = {1, 2, 3, 63, 64, 65, 1024, 4096, 1000000, 0xffffffff};
	uint64_t pages, bytes;
	unsigned int i;

	for (i = 0; i < sizeof(per_object) / sizeof(per_object[0]); i++) {
		MUST_EQ(tmem_allocation_pages(0, per_object[i], verify), 0);
		for (pages = 1; pages < 1ull << 40; pages = pages * 5 / 3 + 1) {
			bytes = tmem_pages_allocation(pages, per_object[i], verify);
			/* Enough, the least that is, and more than the pages themselves. */
			if (tmem_allocation_pages(bytes, per_object[i], verify) < pages)
				FAIL("%" PRIu64 " bytes are not enough for %" PRIu64
				     " pages, %u each",
				     bytes, pages, per_object[i]);
			if (tmem_allocation_pages(bytes - 1, per_object[i], verify) >= pages)
				FAIL("%" PRIu64 " bytes for %" PRIu64
				     " pages, %u each, are not the least",
				     bytes, pages, per_object[i]);
			MUST(bytes > pages * TMEM_PAGE_SIZE);
			if (verify)
				MUST(tmem_pages_allocation(pages, per_object[i], 0) < bytes);
		}
	}
}

/* Serials and numbers come to their end: none is given that is in use, none is negative. */
static void counts_that_come_to_their_end(void *host)
{
	struct tmem_client_config client_config = {.size = sizeof(client_config)};
	struct tmem_pool_config pool_config = {.size = sizeof(pool_config)};
	struct tmem_config config = good(host);
	uint32_t first, second, i;
	struct tmem_client *client, *other;
	struct tmem_engine *engine;
	struct tmem_worker *worker;

	MUST_EQ(tmem_engine_create(&config, &engine), 0);
	MUST_EQ(tmem_worker_create(engine, &worker), 0);
	MUST_EQ(tmem_client_create(engine, worker, &client_config, &client), 0);
	MUST_EQ(tmem_client_create(engine, worker, &client_config, &other), 0);
	MUST_EQ(tmem_pool_create(client, worker, &pool_config), 0);
	MUST_EQ(tmem_pool_create(other, worker, &pool_config), 0);
	first = client->pools[0]->serial;
	second = other->pools[0]->serial;
	MUST_EQ(second, first + 1);
	engine->next_serial = first - 2;
	engine->serials_again = 1;
	MUST_EQ(tmem_pool_create(client, worker, &pool_config), 1);
	MUST_EQ(client->pools[1]->serial, first - 1 ? first - 1 : second + 1);
	engine->next_serial = UINT32_MAX;
	engine->serials_again = 0;
	MUST_EQ(tmem_pool_create(client, worker, &pool_config), 2);
	for (i = 0; i < 2; i++)
		MUST(client->pools[2]->serial &&
		     client->pools[2]->serial != client->pools[i]->serial);
	MUST(client->pools[2]->serial != second);
	for (i = 3; i < TMEM_POOLS_PER_CLIENT; i++)
		client->pool_epoch[i] = (1u << 31) / TMEM_POOLS_PER_CLIENT - 1;
	for (i = 3; i < TMEM_POOLS_PER_CLIENT; i++) {
		MUST_EQ(tmem_pool_create(client, worker, &pool_config),
			(1u << 31) - TMEM_POOLS_PER_CLIENT + i);
		MUST_EQ(tmem_pool_destroy(client, worker, client->pools[i]->number), 0);
		while (tmem_engine_step(engine, worker, 100))
			;
	}
	MUST_EQ(tmem_pool_create(client, worker, &pool_config), -TMEM_EOVERFLOW);
	MUST_EQ(tmem_engine_check(engine, NULL), 0);
	tmem_worker_destroy(worker);
	tmem_engine_destroy(engine);
}

/*
 * After so many puts that a heap's clock has gone half round, in extents that
 * were there before and are filled again: what was put first is dropped first.
 */
static void extents_outlive_half_of_the_clock(void *host)
{
	enum { PAGES = 300, HOLES = 10 };
	struct tmem_client_config client_config = {.size = sizeof(client_config)};
	struct tmem_pool_config pool_config = {.size = sizeof(pool_config)};
	struct tmem_config config = good(host);
	struct tmem_handle handle = {.pool = 0};
	unsigned char page[TMEM_PAGE_SIZE];
	struct tmem_client *client;
	struct tmem_engine *engine;
	struct tmem_worker *worker;
	uint32_t gone = 0, old = 0;

	config.extent_size = 65536;
	MUST_EQ(tmem_engine_create(&config, &engine), 0);
	MUST_EQ(tmem_worker_create(engine, &worker), 0);
	MUST_EQ(tmem_client_create(engine, worker, &client_config, &client), 0);
	MUST_EQ(tmem_pool_create(client, worker, &pool_config), 0);
	put_pages(client, worker, 0, 0, PAGES);
	tmem_settle_all(engine);
	client->heap[0].clock += 1u << 31;
	for (handle.index = 0; handle.index < PAGES; handle.index += PAGES / HOLES)
		MUST_EQ(tmem_flush(client, worker, &handle), 1);
	put_pages(client, worker, 0, PAGES, HOLES);
	MUST_EQ(tmem_client_reclaim(client, worker, 65536), 65536);
	MUST_EQ(tmem_engine_check(engine, NULL), 0);
	for (handle.index = 0; handle.index < PAGES; handle.index++) {
		if (handle.index % (PAGES / HOLES) == 0 || !tmem_get(client, worker, &handle, page))
			continue;
		gone++;
		old += handle.index < PAGES / 4;
	}
	MUST(gone > 0);
	MUST_EQ(old, gone);
	tmem_worker_destroy(worker);
	tmem_engine_destroy(engine);
}

#define VISITS 3000

struct visits {
	struct tmem_engine *engine;
	int over; /* atomic */
};

static void *come_and_go(void *arg)
{
	struct visits *visits = arg;
	struct tmem_worker *worker;
	int i;

	for (i = 0; i < VISITS; i++) {
		MUST_EQ(tmem_worker_create(visits->engine, &worker), 0);
		tmem_worker_destroy(worker);
	}
	__atomic_store_n(&visits->over, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Who drops an extent asks whether a worker copies from it: one that may be leaving just then. */
static void workers_leave_beside_drops(void *host)
{
	struct tmem_client_config client_config = {.size = sizeof(client_config)};
	struct tmem_pool_config pool_config = {.size = sizeof(pool_config)};
	struct tmem_config config = good(host);
	struct tmem_client *client;
	struct tmem_worker *worker;
	struct visits visits = {0};
	pthread_t thread;
	uint32_t next = 0;

	MUST_EQ(tmem_engine_create(&config, &visits.engine), 0);
	MUST_EQ(tmem_worker_create(visits.engine, &worker), 0);
	MUST_EQ(tmem_client_create(visits.engine, worker, &client_config, &client), 0);
	MUST_EQ(tmem_pool_create(client, worker, &pool_config), 0);
	MUST_EQ(pthread_create(&thread, NULL, come_and_go, &visits), 0);
	while (!__atomic_load_n(&visits.over, __ATOMIC_ACQUIRE) || next < 16 * MIB_PAGES) {
		put_pages(client, worker, 0, next, MIB_PAGES);
		(void)tmem_engine_reclaim(visits.engine, worker, 1);
		next += MIB_PAGES;
	}
	MUST_EQ(pthread_join(thread, NULL), 0);
	MUST_EQ(tmem_engine_check(visits.engine, NULL), 0);
	tmem_worker_destroy(worker);
	tmem_engine_destroy(visits.engine);
}

int main(void)
{
	void *host = glue_create(256u << 20);

	configs(host);
	workers(host);
	workers_leave_beside_drops(host);
	counts_that_come_to_their_end(host);
	extents_outlive_half_of_the_clock(host);
	settings(host);
	walk(host);
	dropped_stays_counted(host);
	put_without_allocation_is_over_it(host);
	ephemeral_limit(host);
	allocations(0);
	allocations(1);
	sizes(host);
	MUST(glue_destroy(host) == NULL);
	printf("engine: 13 passed, 0 failed\n");
	return 0;
}
