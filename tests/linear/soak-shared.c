/* SPDX-License-Identifier: MIT */
/*
 * Sixteen clients of two shared pools, for as long as one likes: they join,
 * put, get, flush, leave, lose their grant, reboot and die at random, with
 * less memory than they fill. Every page that comes back is one that was put
 * under that very handle. Now and then everybody stops and all is counted
 * over: the pages that can be got are the pages that the figures say; and at
 * the end, when the last one has left, nothing.
 *
 *   soak-shared [--seconds N] [--seed S] [--wide-ranges] [--planted]
 *
 * Meant for ThreadSanitizer, for ten minutes: tests/linear/meson.build runs it
 * for seconds. --planted is the control: one page goes while all are counted.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "glue.h"
#include "must.h"
#include "page.h"
#include "rig.h"

#define CLIENTS 16u
#define THREADS (RIG_WORKERS - 1u) /* worker 0 is the administrator's */
#define POOLS	2u
#define OBJECTS 8u
#define INDEXES 200u

/* Touched by the thread that owns the client, and by main() while all stand still. */
struct member {
	int client; /* -1: not there */
	bool frozen;
	int pool[POOLS]; /* -1: not joined */
};

struct tally {
	uint64_t puts, stored, gets, hits, joins, leaves, deaths, reboots, revoked;
};

struct owner {
	pthread_t thread;
	uint32_t worker;
	uint64_t rng;
	uint64_t version;
	struct tally tally;
};

static struct rig *rig;
static struct member member[CLIENTS];
static pthread_mutex_t administrator = PTHREAD_MUTEX_INITIALIZER; /* worker 0 */
static pthread_barrier_t standstill;
static uint32_t halt; /* atomic: how many times to stand still */
static uint32_t over; /* atomic */
static bool wide_ranges, planted;

static const uint64_t uuid[POOLS][2] = {{1, 0}, {0, 1}};

static struct tmem_handle handle_of(uint32_t pool_number, uint32_t object, uint32_t index)
{
	/* Groups from 0 to 39: a range can take many. */
	return rig_handle(pool_number, object, index * 13);
}

/* Which handle a page is of, and which put, are in its tag. */
static uint64_t tag_of(uint32_t pool, uint32_t object, uint32_t index, uint64_t version,
		       enum page_kind kind)
{
	return page_tag(kind, ((uint64_t)pool * OBJECTS + object) * INDEXES + index +
				      (version << 16 & ((1ull << 60) - 1)));
}

static void judge_page(const void *page, uint32_t pool, uint32_t object, uint32_t index)
{
	uint64_t tag;

	memcpy(&tag, page, sizeof(tag));
	if ((page_number_of(tag) & 0xffff) != ((uint64_t)pool * OBJECTS + object) * INDEXES + index)
		FAIL("a page of another handle: pool %u object %u index %u", pool, object, index);
	if (!page_holds(page, tag))
		FAIL("a page that nobody put: pool %u object %u index %u", pool, object, index);
}

static void forget_pools(struct member *m)
{
	uint32_t i;

	for (i = 0; i < POOLS; i++)
		m->pool[i] = -1;
}

static void appear(struct owner *o, struct member *m)
{
	struct tmem_client_config config = {.size = sizeof(config)};
	uint32_t i;

	config.weight = 1 + (uint32_t)rng_below(&o->rng, 1000);
	config.codec = rng_below(&o->rng, 2) ? TMEM_CODEC_LZ4 : TMEM_CODEC_RAW;
	if (rng_below(&o->rng, 4) == 0)
		config.cap = 1u << 20;
	pthread_mutex_lock(&administrator);
	m->client = rig->backend->client_create(rig, &config);
	pthread_mutex_unlock(&administrator);
	m->frozen = false;
	forget_pools(m);
	if (m->client < 0) {
		if (m->client != -TMEM_ENOMEM)
			FAIL("no client: %d", m->client);
		m->client = -1;
		return;
	}
	for (i = 0; i < POOLS; i++)
		MUST_EQ(rig->backend->grant(rig, m->client, uuid[i]), 0);
}

static void die(struct owner *o, struct member *m)
{
	rig->backend->client_destroy(rig, o->worker, m->client);
	m->client = -1;
	o->tally.deaths++;
}

static void join(struct owner *o, struct member *m, uint32_t pool)
{
	struct tmem_pool_config config = {.size = sizeof(config), .flags = TMEM_POOL_SHARED};
	int result;

	memcpy(config.uuid, uuid[pool], sizeof(config.uuid));
	result = rig->backend->pool_create(rig, o->worker, m->client, &config);
	if (m->pool[pool] >= 0) {
		MUST_EQ(result, -TMEM_EEXIST);
	} else if (result < 0) {
		if (result != -TMEM_EAGAIN && result != -TMEM_ENOMEM)
			FAIL("joining says %d", result);
		rig->backend->step(rig, o->worker, 8);
	} else {
		m->pool[pool] = result;
		o->tally.joins++;
	}
}

static void leave(struct owner *o, struct member *m, uint32_t pool)
{
	int result;

	if (m->pool[pool] < 0)
		return;
	result = rig->backend->pool_destroy(rig, o->worker, m->client, (uint32_t)m->pool[pool]);
	MUST_EQ(result, 0);
	result = rig->backend->pool_destroy(rig, o->worker, m->client, (uint32_t)m->pool[pool]);
	MUST_EQ(result, -TMEM_ENODEV);
	m->pool[pool] = -1;
	o->tally.leaves++;
}

/* Membership ends with the grant; the grant comes back, for another time. */
static void lose_grant(struct owner *o, struct member *m, uint32_t pool)
{
	MUST_EQ(rig->backend->revoke(rig, o->worker, m->client, uuid[pool], true), 0);
	if (m->pool[pool] >= 0) {
		struct tmem_handle h = handle_of((uint32_t)m->pool[pool], 0, 0);

		MUST_EQ(rig->backend->flush(rig, o->worker, m->client, &h), -TMEM_ENODEV);
	}
	m->pool[pool] = -1;
	MUST_EQ(rig->backend->grant(rig, m->client, uuid[pool]), 0);
	o->tally.revoked++;
}

/* The first session takes over what was made before it; any other ends it. */
static void reboot(struct owner *o, struct member *m)
{
	pthread_mutex_lock(&administrator);
	MUST_EQ(rig->backend->session(rig, m->client, ++o->version), 1);
	MUST_EQ(rig->backend->session(rig, m->client, ++o->version), 1);
	pthread_mutex_unlock(&administrator);
	forget_pools(m);
	o->tally.reboots++;
}

static void put(struct owner *o, struct member *m, uint32_t pool, uint32_t object, uint32_t index)
{
	static const enum page_kind kinds[] = {PAGE_SAME, PAGE_TEXT, PAGE_NEARLY, PAGE_RANDOM};
	struct tmem_handle h = handle_of((uint32_t)m->pool[pool], object, index);
	uint8_t page[TMEM_PAGE_SIZE];
	int result;

	page_fill(page, tag_of(pool, object, index, ++o->version * THREADS + o->worker,
			       kinds[rng_below(&o->rng, 4)]));
	result = rig->backend->put(rig, o->worker, m->client, &h, page);
	if (result && result != -TMEM_ENOMEM && result != -TMEM_ENOSPC &&
	    !(m->frozen && result == -TMEM_EAGAIN))
		FAIL("a put says %d", result);
	o->tally.puts++;
	o->tally.stored += result == 0;
}

static void get(struct owner *o, struct member *m, uint32_t pool, uint32_t object, uint32_t index)
{
	struct tmem_handle h = handle_of((uint32_t)m->pool[pool], object, index);
	uint8_t page[TMEM_PAGE_SIZE];
	int result = rig->backend->get(rig, o->worker, m->client, &h, page);

	if (!result)
		judge_page(page, pool, object, index);
	else
		MUST_EQ(result, -TMEM_ENOENT);
	o->tally.gets++;
	o->tally.hits += result == 0;
}

static void flush(struct owner *o, struct member *m, uint32_t pool, uint32_t object, uint32_t index)
{
	struct tmem_handle h = handle_of((uint32_t)m->pool[pool], object, index);
	uint32_t dice = (uint32_t)rng_below(&o->rng, 100);

	if (dice < 90)
		MUST_LE(rig->backend->flush(rig, o->worker, m->client, &h), 1);
	else if (dice < 98)
		MUST_EQ(rig->backend->flush_range(rig, o->worker, m->client, &h,
						  wide_ranges ? 1000 : 64),
			0);
	else
		MUST_LE(rig->backend->flush_object(rig, o->worker, m->client, &h), 1);
}

static void change(struct owner *o, struct member *m)
{
	switch (rng_below(&o->rng, 5)) {
	case 0:
		m->frozen = !m->frozen;
		rig->backend->freeze(rig, m->client, m->frozen);
		break;
	case 1:
		MUST_EQ(rig->backend->set_weight(rig, m->client,
						 1 + (uint32_t)rng_below(&o->rng, 10000)),
			0);
		break;
	case 2:
		rig->backend->set_cap(rig, m->client,
				      rng_below(&o->rng, 2) ? 0 : 1 + rng_below(&o->rng, 4u << 20));
		break;
	case 3:
		rig->backend->reclaim(rig, o->worker, 64u << 10);
		break;
	default:
		rig->backend->client_reclaim(rig, o->worker, m->client, 64u << 10);
		break;
	}
}

static void act(struct owner *o, struct member *m)
{
	uint32_t pool = (uint32_t)rng_below(&o->rng, POOLS);
	uint32_t object = (uint32_t)rng_below(&o->rng, OBJECTS);
	uint32_t index = (uint32_t)rng_below(&o->rng, INDEXES);
	uint32_t dice = (uint32_t)rng_below(&o->rng, 10000);

	if (m->client < 0)
		appear(o, m);
	else if (dice < 3)
		die(o, m);
	else if (dice < 6)
		reboot(o, m);
	else if (dice < 12)
		lose_grant(o, m, pool);
	else if (dice < 30)
		leave(o, m, pool);
	else if (dice < 60 || m->pool[pool] < 0)
		join(o, m, pool);
	else if (dice < 80)
		change(o, m);
	else if (dice < 400)
		rig->backend->step(rig, o->worker, 4);
	else if (dice < 5000)
		put(o, m, pool, object, index);
	else if (dice < 9400)
		get(o, m, pool, object, index);
	else
		flush(o, m, pool, object, index);
}

static void *own(void *arg)
{
	struct owner *o = arg;
	uint32_t stood = 0, mine = (CLIENTS - o->worker) / THREADS + 1;

	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
		uint32_t i = o->worker - 1 + THREADS * (uint32_t)rng_below(&o->rng, mine);

		if (stood != __atomic_load_n(&halt, __ATOMIC_ACQUIRE)) {
			stood++;
			pthread_barrier_wait(&standstill);
			pthread_barrier_wait(&standstill);
		}
		act(o, &member[i]);
	}
	return NULL;
}

/* Pages of a shared pool that can be got, by any of its members; all others stand still. */
static uint64_t count_pages(uint32_t pool)
{
	struct tmem_handle last = {.pool = 0};
	struct tmem_stats stats;
	uint8_t page[TMEM_PAGE_SIZE];
	uint64_t found = 0;
	uint32_t i, object, index;

	for (i = 0; i < CLIENTS && (member[i].client < 0 || member[i].pool[pool] < 0); i++)
		;
	if (i == CLIENTS)
		return 0;
	for (object = 0; object < OBJECTS; object++)
		for (index = 0; index < INDEXES; index++) {
			struct tmem_handle h =
				handle_of((uint32_t)member[i].pool[pool], object, index);

			if (rig->backend->get(rig, 0, member[i].client, &h, page))
				continue;
			judge_page(page, pool, object, index);
			last = h;
			found++;
		}
	if (planted && found)
		MUST_EQ(rig->backend->flush(rig, 0, member[i].client, &last), 1);
	MUST_EQ(rig->backend->stats(rig, member[i].client, member[i].pool[pool], &stats), 0);
	MUST_EQ(stats.ephemeral_pages, found);
	return found;
}

static uint64_t audit(void)
{
	struct tmem_stats stats;
	uint64_t found = 0;
	uint32_t pool;

	rig_settle(rig);
	rig_check(rig);
	for (pool = 0; pool < POOLS; pool++)
		found += count_pages(pool);
	MUST_EQ(rig->backend->stats(rig, -1, -1, &stats), 0);
	MUST_EQ(stats.ephemeral_pages, found);
	MUST_EQ(stats.dying_objects, 0);
	return found;
}

static uint64_t now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

/* Only while the owners stand still, or are gone. */
static struct tally sum_of(const struct owner *owner)
{
	struct tally sum = {0};
	uint32_t i;

	for (i = 0; i < THREADS; i++) {
		const struct tally *t = &owner[i].tally;

		sum.puts += t->puts;
		sum.stored += t->stored;
		sum.gets += t->gets;
		sum.hits += t->hits;
		sum.joins += t->joins;
		sum.leaves += t->leaves;
		sum.deaths += t->deaths;
		sum.reboots += t->reboots;
		sum.revoked += t->revoked;
	}
	return sum;
}

static bool has_all(const struct tally *sum)
{
	return sum->hits && sum->stored && sum->leaves && sum->deaths && sum->reboots &&
	       sum->revoked;
}

static void report(const struct owner *owner, uint32_t audits, uint64_t pages)
{
	const struct tally sum = sum_of(owner);

	printf("%" PRIu64 " puts (%" PRIu64 " stored), %" PRIu64 " gets (%" PRIu64
	       " hits), %" PRIu64 " joins, %" PRIu64 " leaves, %" PRIu64 " revoked, %" PRIu64
	       " reboots, %" PRIu64 " deaths; %u audits of %" PRIu64 " pages\n",
	       sum.puts, sum.stored, sum.gets, sum.hits, sum.joins, sum.leaves, sum.revoked,
	       sum.reboots, sum.deaths, audits, pages);
	MUST(has_all(&sum));
	MUST(pages);
}

static void run(uint64_t seconds, uint64_t seed)
{
	struct rig_setup setup = {
		.capacity = 8u << 20, .workers = RIG_WORKERS, .seed = seed, .recode = true};
	struct owner owner[THREADS];
	struct tmem_stats stats;
	const struct timespec half_a_second = {.tv_nsec = 500000000};
	const uint64_t end = now_seconds() + seconds;
	bool enough = false;
	uint64_t pages = 0;
	uint32_t i, audits;

	rig = rig_start(&backend_engine, &setup);
	for (i = 0; i < CLIENTS; i++)
		member[i].client = -1;
	MUST_EQ(pthread_barrier_init(&standstill, NULL, THREADS + 1), 0);
	for (i = 0; i < THREADS; i++) {
		owner[i] = (struct owner){.worker = i + 1, .rng = seed + i};
		MUST_EQ(pthread_create(&owner[i].thread, NULL, own, &owner[i]), 0);
	}
	for (audits = 0; !enough; audits++) {
		struct tally sum;

		nanosleep(&half_a_second, NULL);
		__atomic_add_fetch(&halt, 1, __ATOMIC_RELEASE);
		pthread_barrier_wait(&standstill);
		pages += audit();
		sum = sum_of(owner);
		/* A busy machine gets a minute more for each kind of thing to happen. */
		enough = now_seconds() >= end + (has_all(&sum) ? 0 : 60);
		pthread_barrier_wait(&standstill);
	}
	__atomic_store_n(&over, 1, __ATOMIC_RELEASE);
	for (i = 0; i < THREADS; i++)
		MUST_EQ(pthread_join(owner[i].thread, NULL), 0);
	audit();
	for (i = 0; i < CLIENTS; i++)
		if (member[i].client >= 0)
			rig->backend->client_destroy(rig, 0, member[i].client);
	rig_settle(rig);
	MUST_EQ(rig->backend->stats(rig, -1, -1, &stats), 0);
	MUST_EQ(stats.ephemeral_pages, 0);
	MUST_EQ(stats.ephemeral_bytes, 0);
	MUST_EQ(stats.objects, 0);
	MUST_EQ(stats.dying_objects, 0);
	rig_stop(rig);
	pthread_barrier_destroy(&standstill);
	report(owner, audits, pages);
}

int main(int argc, char **argv)
{
	uint64_t seconds = 600, seed = (uint64_t)time(NULL);
	int i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--seconds") && i + 1 < argc)
			seconds = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
			seed = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--wide-ranges"))
			wide_ranges = true;
		else if (!strcmp(argv[i], "--planted"))
			planted = true;
		else
			return fprintf(stderr,
				       "usage: %s [--seconds N] [--seed S] [--wide-ranges] "
				       "[--planted]\n",
				       argv[0]),
			       2;
	}
	snprintf(must_context, sizeof(must_context), "--seed %" PRIu64, seed);
	printf("seed %" PRIu64 ", %" PRIu64 " s, %u clients, %u threads\n", seed, seconds, CLIENTS,
	       THREADS);
	fflush(stdout);
	run(seconds, seed);
	printf("shared pools on %s: all accounts exact\n", glue_name);
	return 0;
}
