/* SPDX-License-Identifier: MIT */
/* What shared pools cost a host whose clients ask for them without end, and no step between. */
#include <pthread.h>
#include <stdio.h>
#include <tmem/engine.h>

#include "must.h"
#include "page.h"
#include "rig.h"

#define ROUNDS	 20000
#define MEETINGS 10000

static const struct rig_setup setup = {.capacity = 8u << 20, .seed = 1};
static const uint64_t uuid[2] = {1, 2}, other[2] = {3, 4};

static int join(struct rig *rig, int client, const uint64_t id[2])
{
	struct tmem_pool_config config = {
		.size = sizeof(config), .flags = TMEM_POOL_SHARED, .uuid = {id[0], id[1]}};

	return rig->backend->pool_create(rig, 0, client, &config);
}

/* Asks again and again for what is refused with @refusal: not a byte more is in use. */
static void ask(struct rig *rig, int client, const uint64_t id[2], int refusal)
{
	uint64_t before;
	uint32_t i;

	MUST_EQ(join(rig, client, id), refusal);
	before = rig->backend->host_bytes(rig);
	for (i = 0; i < ROUNDS; i++)
		MUST_EQ(join(rig, client, id), refusal);
	MUST_EQ(rig->backend->host_bytes(rig), before);
}

static void refused_joins_leave_nothing_behind(void)
{
	struct rig *rig = rig_start(&backend_engine, &setup);
	int client = rig_client(rig, 0);
	uint32_t pool = 0, i, j;

	ask(rig, client, other, -TMEM_EACCES);
	MUST_EQ(rig->backend->grant(rig, client, uuid), 0);
	MUST_EQ(rig->backend->grant(rig, client, other), 0);
	MUST_EQ(join(rig, client, uuid), 0);
	ask(rig, client, uuid, -TMEM_EEXIST);
	for (i = 1; i < TMEM_POOLS_PER_CLIENT; i++)
		pool = rig_pool(rig, client, 0);
	ask(rig, client, other, -TMEM_EOVERFLOW);
	/* A place that is still being swept: repeat after a step, says the answer. */
	for (j = 0; j < 200; j++)
		MUST_EQ(rig_put(rig, client, rig_handle(pool, j, 0), page_tag(PAGE_SAME, j)), 0);
	MUST_EQ(rig->backend->pool_destroy(rig, 0, client, pool), 0);
	ask(rig, client, other, -TMEM_EAGAIN);
	rig_stop(rig);
}

static void shared_pools_made_and_left_without_end(void)
{
	struct rig *rig = rig_start(&backend_engine, &setup);
	int client = rig_client(rig, 0), pool;
	uint64_t before = 0;
	uint32_t i;

	MUST_EQ(rig->backend->grant(rig, client, uuid), 0);
	for (i = 0; i < ROUNDS; i++) {
		pool = join(rig, client, uuid);
		if (pool < 0)
			FAIL("round %u: %d", i, pool);
		MUST_EQ(rig_put(rig, client, rig_handle((uint32_t)pool, 1, i),
				page_tag(PAGE_TEXT, i)),
			0);
		MUST_EQ(rig->backend->pool_destroy(rig, 0, client, (uint32_t)pool), 0);
		if (i == 100)
			before = rig->backend->host_bytes(rig);
	}
	MUST_LE(rig->backend->host_bytes(rig), before);
	rig_stop(rig);
}

static void put_some(struct rig *rig, int client, uint32_t pool, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		MUST_EQ(rig_put(rig, client, rig_handle(pool, i, 0), page_tag(PAGE_RANDOM, i)), 0);
}

/* The heir's own puts bring them down, into whichever pool, and are stored again then. */
static void what_a_leaver_leaves_above_the_heir_s_cap_goes(void)
{
	struct rig *rig = rig_start(&backend_engine, &setup);
	int heir = rig_client(rig, 0), leaver = rig_client(rig, 0);
	uint32_t own = rig_pool(rig, heir, 0), round, i;
	int ours, theirs;

	rig->backend->set_cap(rig, heir, 1u << 20);
	MUST_EQ(rig->backend->grant(rig, heir, uuid), 0);
	MUST_EQ(rig->backend->grant(rig, leaver, uuid), 0);
	ours = join(rig, heir, uuid);
	MUST(ours >= 0);
	for (round = 0; round < 2; round++) {
		const uint32_t pool = round ? (uint32_t)ours : own;

		theirs = join(rig, leaver, uuid);
		MUST(theirs >= 0);
		put_some(rig, leaver, (uint32_t)theirs, 1000);
		MUST_EQ(rig->backend->pool_destroy(rig, 0, leaver, (uint32_t)theirs), 0);
		MUST_LE(3u << 20, rig_stats(rig, heir, -1).freeable);
		for (i = 0; i < 100; i++)
			(void)rig_put(rig, heir, rig_handle(pool, 1, i), page_tag(PAGE_RANDOM, i));
		MUST_LE(rig_stats(rig, heir, -1).freeable, 1u << 20);
		MUST_EQ(rig_put(rig, heir, rig_handle(pool, 1, 0), page_tag(PAGE_RANDOM, 0)), 0);
	}
	rig_stop(rig);
}

struct coming {
	struct rig *rig;
	uint32_t worker;
	int client;
};

static void *come_and_go(void *arg)
{
	struct coming *c = arg;
	struct tmem_pool_config config = {
		.size = sizeof(config), .flags = TMEM_POOL_SHARED, .uuid = {uuid[0], uuid[1]}};
	uint32_t i;
	int pool;

	for (i = 0; i < MEETINGS; i++) {
		pool = c->rig->backend->pool_create(c->rig, c->worker, c->client, &config);
		if (pool < 0)
			FAIL("round %u: %d", i, pool);
		MUST_EQ(c->rig->backend->pool_destroy(c->rig, c->worker, c->client, (uint32_t)pool),
			0);
	}
	return NULL;
}

/* It finds the pool, or makes it after all: there is room, so nobody is told that there is none. */
static void a_join_beside_the_last_one_s_leaving(void)
{
	struct rig_setup two = setup;
	struct coming coming[2];
	pthread_t thread[2];
	struct rig *rig;
	uint32_t i;

	two.workers = 2;
	/* Enough for all that both make, should neither come to bury any. */
	two.capacity = 512u << 20;
	rig = rig_start(&backend_engine, &two);
	for (i = 0; i < 2; i++) {
		coming[i] = (struct coming){rig, i, rig_client(rig, 0)};
		MUST_EQ(rig->backend->grant(rig, coming[i].client, uuid), 0);
	}
	for (i = 0; i < 2; i++)
		MUST_EQ(pthread_create(&thread[i], NULL, come_and_go, &coming[i]), 0);
	for (i = 0; i < 2; i++)
		MUST_EQ(pthread_join(thread[i], NULL), 0);
	rig_stop(rig);
}

int main(void)
{
	refused_joins_leave_nothing_behind();
	shared_pools_made_and_left_without_end();
	what_a_leaver_leaves_above_the_heir_s_cap_goes();
	a_join_beside_the_last_one_s_leaving();
	printf("share: 4 passed, 0 failed\n");
	return 0;
}
