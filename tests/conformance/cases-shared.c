/* SPDX-License-Identifier: MIT */
/* Pools that several clients see: who may join, what they see, what stays when one leaves. */
#include <pthread.h>
#include <stdlib.h>

#include "case.h"

static const uint64_t uuid[2] = {0x1122334455667788, 0x99aabbccddeeff00};
static const uint64_t other[2] = {0x1122334455667788, 0x99aabbccddeeff01};

static int join(struct rig *rig, uint32_t worker, int client, const uint64_t id[2])
{
	struct tmem_pool_config config = {
		.size = sizeof(config), .flags = TMEM_POOL_SHARED, .uuid = {id[0], id[1]}};

	return rig->backend->pool_create(rig, worker, client, &config);
}

/* A client that may join, and has. */
static int member(struct rig *rig, uint32_t *pool)
{
	int client = rig_client(rig, 0), number;

	MUST_EQ(rig->backend->grant(rig, client, uuid), 0);
	number = join(rig, 0, client, uuid);
	MUST(number >= 0);
	*pool = (uint32_t)number;
	return client;
}

static void put_some(struct rig *rig, int client, uint32_t pool, uint32_t first, uint32_t count)
{
	uint32_t i;

	for (i = first; i < first + count; i++)
		MUST_EQ(rig_put(rig, client, rig_handle(pool, i / 64, i), page_tag(PAGE_TEXT, i)),
			0);
}

/* How many of these pages are there, none of them wrong. */
static uint32_t see(struct rig *rig, int client, uint32_t pool, uint32_t first, uint32_t count)
{
	uint32_t i, seen = 0;

	for (i = first; i < first + count; i++)
		seen += rig_get(rig, client, rig_handle(pool, i / 64, i), page_tag(PAGE_TEXT, i)) ==
			1;
	return seen;
}

static void shared_pages_are_seen_by_all_members(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	uint32_t p, q;
	int a = member(rig, &p), b = member(rig, &q);

	put_some(rig, a, p, 0, 200);
	MUST_EQ(see(rig, b, q, 0, 200), 200);
	/* Gets leave the pages. */
	MUST_EQ(see(rig, b, q, 0, 200), 200);
	MUST_EQ(see(rig, a, p, 0, 200), 200);
	/* The other's new data replaces it, for both. */
	MUST_EQ(rig_put(rig, b, rig_handle(q, 0, 0), page_tag(PAGE_RANDOM, 7)), 0);
	MUST_EQ(rig_get(rig, a, rig_handle(p, 0, 0), page_tag(PAGE_RANDOM, 7)), 1);
	rig_stop(rig);
}

static void flushes_of_one_member_are_everybody_s(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	uint32_t p, q;
	int a = member(rig, &p), b = member(rig, &q);

	put_some(rig, a, p, 0, 640);
	MUST_EQ(rig_flush(rig, b, rig_handle(q, 0, 3)), 1);
	MUST_EQ(rig_get(rig, a, rig_handle(p, 0, 3), 0), -TMEM_ENOENT);
	MUST_EQ(rig_flush_object(rig, b, rig_handle(q, 1, 0)), 1);
	MUST_EQ(see(rig, a, p, 64, 64), 0);
	MUST_EQ(rig_flush_range(rig, b, rig_handle(q, 2, 128), 64), 0);
	MUST_EQ(see(rig, a, p, 128, 64), 0);
	MUST_EQ(see(rig, a, p, 192, 448), 448);
	rig_settle(rig);
	MUST_EQ(rig_stats(rig, a, (int)p).ephemeral_pages, 448 + 63);
	rig_stop(rig);
}

static void joining_needs_a_grant(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	uint32_t p;
	int a = member(rig, &p), b = rig_client(rig, 0);

	/* One that exists and one that does not are refused alike. */
	MUST_EQ(join(rig, 0, b, uuid), -TMEM_EACCES);
	MUST_EQ(join(rig, 0, b, other), -TMEM_EACCES);
	MUST_EQ(rig->backend->grant(rig, b, other), 0);
	MUST_EQ(join(rig, 0, b, uuid), -TMEM_EACCES);
	MUST(join(rig, 0, b, other) >= 0);
	/* The other pool is another pool. */
	put_some(rig, a, p, 0, 10);
	MUST_EQ(see(rig, b, 0, 0, 10), 0);
	rig_stop(rig);
}

static void shared_pool_requests_are_judged(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	struct tmem_pool_config good = {.size = sizeof(good),
					.flags = TMEM_POOL_SHARED,
					.uuid = {uuid[0], uuid[1]}},
				config;
	int a = rig_client(rig, 0);

	MUST_EQ(rig->backend->grant(rig, a, uuid), 0);
	config = good, config.flags |= TMEM_POOL_PERSISTENT;
	MUST_EQ(rig->backend->pool_create(rig, 0, a, &config), -TMEM_EINVAL);
	config = good, config.uuid[0] = config.uuid[1] = 0;
	MUST_EQ(rig->backend->pool_create(rig, 0, a, &config), -TMEM_EINVAL);
	config = good, config.flags = 0;
	MUST_EQ(rig->backend->pool_create(rig, 0, a, &config), -TMEM_EINVAL);
	MUST_EQ(rig->backend->pool_create(rig, 0, a, &good), 0);
	rig_stop(rig);
}

static void the_same_uuid_joined_twice(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	struct tmem_pool_config config = {.size = sizeof(config),
					  .flags = TMEM_POOL_SHARED,
					  .uuid = {uuid[0], uuid[1]},
					  .cookie = 77};
	int a = rig_client(rig, 0), p;

	MUST_EQ(rig->backend->grant(rig, a, uuid), 0);
	MUST_EQ(rig->backend->grant(rig, a, other), 0);
	p = rig->backend->pool_create(rig, 0, a, &config);
	MUST(p >= 0);
	MUST_EQ(join(rig, 0, a, uuid), -TMEM_EEXIST);
	/* The same cookie says that it is the same request. */
	MUST_EQ(rig->backend->pool_create(rig, 0, a, &config), p);
	config.uuid[1] = other[1];
	MUST_EQ(rig->backend->pool_create(rig, 0, a, &config), -TMEM_EINVAL);
	MUST_EQ(rig->backend->pool_destroy(rig, 0, a, (uint32_t)p), 0);
	MUST(join(rig, 0, a, uuid) > p);
	rig_stop(rig);
}

static void the_last_pool_may_be_shared(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int a = rig_client(rig, 0);
	uint32_t i, p;

	MUST_EQ(rig->backend->grant(rig, a, uuid), 0);
	MUST_EQ(rig->backend->grant(rig, a, other), 0);
	for (i = 0; i < TMEM_POOLS_PER_CLIENT - 1; i++)
		p = rig_pool(rig, a, 0);
	MUST(join(rig, 0, a, uuid) >= 0);
	MUST_EQ(join(rig, 0, a, other), -TMEM_EOVERFLOW);
	MUST_EQ(rig->backend->pool_destroy(rig, 0, a, p), 0);
	rig_settle(rig);
	MUST(join(rig, 0, a, other) >= 0);
	rig_stop(rig);
}

static void the_others_keep_what_a_leaver_put(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	uint32_t p, q, r;
	int a = member(rig, &p), b = member(rig, &q), c = member(rig, &r);

	put_some(rig, a, p, 0, 100);
	put_some(rig, b, q, 100, 100);
	MUST_EQ(rig->backend->pool_destroy(rig, 0, a, p), 0);
	MUST_EQ(rig_get(rig, a, rig_handle(p, 0, 0), 0), -TMEM_ENODEV);
	MUST_EQ(rig_put(rig, a, rig_handle(p, 0, 0), 0), -TMEM_ENODEV);
	MUST_EQ(see(rig, c, r, 0, 200), 200);
	rig->backend->client_destroy(rig, 0, b);
	rig_settle(rig);
	rig_check(rig);
	MUST_EQ(see(rig, c, r, 0, 200), 200);
	rig_stop(rig);
}

static void the_last_one_s_leaving_ends_it(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	uint32_t p, q;
	int a = member(rig, &p), b = member(rig, &q), again;

	put_some(rig, a, p, 0, 100);
	MUST_EQ(rig->backend->pool_destroy(rig, 0, a, p), 0);
	MUST_EQ(rig->backend->pool_destroy(rig, 0, b, q), 0);
	again = join(rig, 0, a, uuid);
	MUST(again > (int)p);
	MUST_EQ(see(rig, a, (uint32_t)again, 0, 100), 0);
	rig_settle(rig);
	MUST_EQ(rig_stats(rig, -1, -1).ephemeral_pages, 0);
	rig_stop(rig);
}

static void pages_count_against_their_last_putter(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	uint32_t p, q, r;
	int a = member(rig, &p), b = member(rig, &q), c = member(rig, &r);

	put_some(rig, a, p, 0, 100);
	put_some(rig, b, q, 50, 100);
	put_some(rig, c, r, 140, 30);
	MUST_EQ(rig_stats(rig, a, -1).ephemeral_pages, 50);
	MUST_EQ(rig_stats(rig, b, -1).ephemeral_pages, 90);
	MUST_EQ(rig_stats(rig, c, -1).ephemeral_pages, 30);
	MUST_EQ(rig_stats(rig, c, (int)r).ephemeral_pages, 170);
	MUST_EQ(rig_stats(rig, -1, -1).ephemeral_pages, 170);
	/* What a leaver put counts against the oldest member that is left. */
	MUST_EQ(rig->backend->pool_destroy(rig, 0, b, q), 0);
	MUST_EQ(rig_stats(rig, b, -1).ephemeral_pages, 0);
	MUST_EQ(rig_stats(rig, a, -1).ephemeral_pages, 140);
	rig->backend->client_destroy(rig, 0, a);
	MUST_EQ(rig_stats(rig, c, -1).ephemeral_pages, 170);
	rig_stop(rig);
}

static void revoking_stops_new_joins(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	uint32_t p;
	int a = member(rig, &p), b = rig_client(rig, 0);

	MUST_EQ(rig->backend->grant(rig, b, uuid), 0);
	MUST_EQ(rig->backend->revoke(rig, 0, b, uuid, false), 0);
	MUST_EQ(join(rig, 0, b, uuid), -TMEM_EACCES);
	/* A member stays one. */
	put_some(rig, a, p, 0, 10);
	MUST_EQ(rig->backend->revoke(rig, 0, a, uuid, false), 0);
	MUST_EQ(rig->backend->revoke(rig, 0, a, uuid, false), -TMEM_ENOENT);
	MUST_EQ(see(rig, a, p, 0, 10), 10);
	put_some(rig, a, p, 10, 10);
	rig_stop(rig);
}

static void revoke_now_ends_membership(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	uint32_t p, q;
	int a = member(rig, &p), b = member(rig, &q);

	put_some(rig, a, p, 0, 100);
	MUST_EQ(rig->backend->revoke(rig, 0, a, uuid, true), 0);
	MUST_EQ(rig_put(rig, a, rig_handle(p, 0, 0), 0), -TMEM_ENODEV);
	MUST_EQ(rig_get(rig, a, rig_handle(p, 0, 0), 0), -TMEM_ENODEV);
	MUST_EQ(rig_flush(rig, a, rig_handle(p, 0, 0)), -TMEM_ENODEV);
	MUST_EQ(rig->backend->pool_destroy(rig, 0, a, p), -TMEM_ENODEV);
	MUST_EQ(join(rig, 0, a, uuid), -TMEM_EACCES);
	MUST_EQ(see(rig, b, q, 0, 100), 100);
	rig_stop(rig);
}

static void another_session_leaves_shared_pools(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	uint32_t p, q;
	int a, b = member(rig, &q);

	a = rig_client(rig, 0);
	MUST_EQ(rig->backend->session(rig, a, 1), 1);
	MUST_EQ(rig->backend->grant(rig, a, uuid), 0);
	p = (uint32_t)join(rig, 0, a, uuid);
	put_some(rig, a, p, 0, 50);
	MUST_EQ(rig->backend->session(rig, a, 2), 1);
	MUST_EQ(see(rig, b, q, 0, 50), 50);
	MUST(join(rig, 0, a, uuid) >= 0);
	rig_stop(rig);
}

static void frozen_member_puts_nothing(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	uint32_t p, q;
	int a = member(rig, &p), b = member(rig, &q);

	put_some(rig, b, q, 0, 10);
	rig->backend->freeze(rig, a, true);
	MUST_EQ(rig_put(rig, a, rig_handle(p, 0, 0), page_tag(PAGE_TEXT, 0)), -TMEM_EAGAIN);
	/* Its failed put has emptied the handle, for all. */
	MUST_EQ(rig_get(rig, b, rig_handle(q, 0, 0), 0), -TMEM_ENOENT);
	MUST_EQ(see(rig, a, p, 1, 9), 9);
	put_some(rig, b, q, 0, 1);
	rig_stop(rig);
}

static void shared_pools_under_pressure(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	uint32_t count = (uint32_t)(rig->setup.capacity / TMEM_PAGE_SIZE), p, q, i;
	int a = member(rig, &p), b = member(rig, &q);

	for (i = 0; i < 3 * count; i += 50) {
		put_some(rig, i % 100 ? a : b, i % 100 ? p : q, i, 50);
		if (i % 1000 == 0)
			rig_check(rig);
	}
	MUST_LE(1, see(rig, a, p, 3 * count - 200, 200));
	rig->backend->set_cap(rig, a, 1u << 20);
	put_some(rig, a, p, 0, 1000);
	MUST_LE(rig_stats(rig, a, -1).ephemeral_bytes, 1u << 20);
	rig->backend->reclaim(rig, 0, ~0ull);
	MUST_EQ(rig_stats(rig, -1, -1).ephemeral_pages, 0);
	MUST_EQ(see(rig, b, q, 0, count), 0);
	rig_stop(rig);
}

/* ---- with threads ---- */

#define MEMBERS 4

struct life {
	struct rig *rig;
	uint32_t worker;
	uint64_t seed;
	uint64_t hits, joins;
	int stop;
};

/* Clients are made with worker 0, which no thread has for itself. */
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

static int another_client(struct rig *rig)
{
	int client;

	pthread_mutex_lock(&making);
	client = rig_client(rig, 0);
	pthread_mutex_unlock(&making);
	return client;
}

/* Joins, puts and reads, leaves or dies, and comes again. */
static void *come_and_go(void *arg)
{
	struct life *life = arg;
	struct rig *rig = life->rig;
	uint8_t page[TMEM_PAGE_SIZE];
	uint32_t round, i;

	for (round = 0; round < 60; round++) {
		int client = another_client(rig), pool, result;
		uint32_t ops = (uint32_t)rng_below(&life->seed, 200);

		MUST_EQ(rig->backend->grant(rig, client, uuid), 0);
		pool = join(rig, life->worker, client, uuid);
		if (pool == -TMEM_ENOMEM) {
			rig->backend->client_destroy(rig, life->worker, client);
			continue;
		}
		MUST(pool >= 0);
		life->joins++;
		for (i = 0; i < ops; i++) {
			uint32_t index = (uint32_t)rng_below(&life->seed, 300);
			struct tmem_handle h = rig_handle((uint32_t)pool, index / 64, index);

			switch (rng_below(&life->seed, 8)) {
			case 0:
				rig->backend->flush(rig, life->worker, client, &h);
				break;
			case 1:
				if (rng_below(&life->seed, 20) == 0)
					rig->backend->flush_object(rig, life->worker, client, &h);
				break;
			case 2:
			case 3:
			case 4:
				page_fill(page, page_tag(PAGE_TEXT, index));
				result = rig->backend->put(rig, life->worker, client, &h, page);
				MUST(result == 0 || result == -TMEM_ENOMEM);
				break;
			default:
				result = rig->backend->get(rig, life->worker, client, &h, page);
				MUST(result == 0 || result == -TMEM_ENOENT);
				if (!result) {
					MUST(page_holds(page, page_tag(PAGE_TEXT, index)));
					life->hits++;
				}
			}
		}
		if (rng_below(&life->seed, 2))
			MUST_EQ(rig->backend->pool_destroy(rig, life->worker, client,
							   (uint32_t)pool),
				0);
		rig->backend->client_destroy(rig, life->worker, client);
		rig->backend->step(rig, life->worker, 4);
	}
	return NULL;
}

static void members_come_and_go_while_others_read(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, MEMBERS + 1);
	struct life life[MEMBERS];
	pthread_t thread[MEMBERS];
	uint64_t hits = 0;
	uint32_t i, p;
	int stays = member(rig, &p);

	for (i = 0; i < MEMBERS; i++) {
		life[i] = (struct life){.rig = rig, .worker = i + 1, .seed = i + 1};
		MUST_EQ(pthread_create(&thread[i], NULL, come_and_go, &life[i]), 0);
	}
	for (i = 0; i < MEMBERS; i++) {
		pthread_join(thread[i], NULL);
		hits += life[i].hits;
	}
	MUST(hits > 0);
	rig_settle(rig);
	rig_check(rig);
	MUST_EQ(rig_stats(rig, stays, -1).ephemeral_pages, rig_stats(rig, -1, -1).ephemeral_pages);
	rig->backend->client_destroy(rig, 0, stays);
	rig_settle(rig);
	MUST_EQ(rig_stats(rig, -1, -1).ephemeral_pages, 0);
	rig_stop(rig);
}

#define NEEDS (CAN_ADMIN | CAN_OBJECTS | CAN_EPHEMERAL | CAN_STATS)

const struct conformance_case cases_shared[] = {
	{"3.14", "shared-pages-are-seen-by-all-members", NEEDS,
	 shared_pages_are_seen_by_all_members},
	{"3.14", "flushes-of-one-member-are-everybody-s", NEEDS,
	 flushes_of_one_member_are_everybody_s},
	{"2", "joining-needs-a-grant", NEEDS, joining_needs_a_grant},
	{"2", "shared-pool-requests-are-judged", NEEDS, shared_pool_requests_are_judged},
	{"9", "the-same-uuid-joined-twice", NEEDS, the_same_uuid_joined_twice},
	{"9", "the-last-pool-may-be-shared", NEEDS, the_last_pool_may_be_shared},
	{"3.14", "the-others-keep-what-a-leaver-put", NEEDS, the_others_keep_what_a_leaver_put},
	{"3.14", "the-last-one-s-leaving-ends-it", NEEDS, the_last_one_s_leaving_ends_it},
	{"3.14", "pages-count-against-their-last-putter", NEEDS,
	 pages_count_against_their_last_putter},
	{"3.14", "revoking-stops-new-joins", NEEDS, revoking_stops_new_joins},
	{"9", "revoke-now-ends-membership", NEEDS, revoke_now_ends_membership},
	{"1", "another-session-leaves-shared-pools", NEEDS, another_session_leaves_shared_pools},
	{"3.11", "frozen-member-puts-nothing", NEEDS, frozen_member_puts_nothing},
	{"3.7", "shared-pools-under-pressure", NEEDS, shared_pools_under_pressure},
	{"9", "members-come-and-go-while-others-read", NEEDS | CAN_THREADS,
	 members_come_and_go_while_others_read},
	{NULL, NULL, 0, NULL},
};
