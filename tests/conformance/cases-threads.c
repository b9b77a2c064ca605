/* SPDX-License-Identifier: MIT */
/*
 * What holds while several workers are in calls at once: rules 1, 2, 3, 5
 * and 18 of the contract, and the traps about things that end meanwhile.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "case.h"

#define THREADS 4
#define MADE	18u

/* What the threads of one case share. */
struct crowd {
	struct rig *rig;
	int client;
	uint32_t pool;
	pthread_barrier_t barrier;
	uint64_t done; /* atomic: version of the last put that returned */
	uint32_t stop; /* atomic */
	void *page;
	uint32_t made[MADE]; /* atomic; numbers of pools that are or were there */
};

struct member {
	struct crowd *crowd;
	uint32_t worker;
	uint64_t hits;
	pthread_t thread;
};

static void together(struct crowd *crowd, unsigned int count, struct member *member,
		     void *(*const run[])(void *))
{
	unsigned int i;

	MUST_EQ(pthread_barrier_init(&crowd->barrier, NULL, count), 0);
	for (i = 0; i < count; i++) {
		member[i] = (struct member){.crowd = crowd, .worker = i};
		MUST_EQ(pthread_create(&member[i].thread, NULL, run[i], &member[i]), 0);
	}
	for (i = 0; i < count; i++)
		MUST_EQ(pthread_join(member[i].thread, NULL), 0);
	pthread_barrier_destroy(&crowd->barrier);
}

static struct crowd crowd_start(const struct backend *backend, uint64_t allocation, uint32_t flags)
{
	struct crowd crowd = {.rig = case_start(backend, 0, THREADS)};

	crowd.client = rig_client(crowd.rig, allocation);
	crowd.pool = rig_pool(crowd.rig, crowd.client, flags);
	return crowd;
}

#define RACE_PAGES  200u
#define RACE_ROUNDS 100u

static void *take_all(void *arg)
{
	struct member *m = arg;
	struct crowd *c = m->crowd;
	uint8_t page[TMEM_PAGE_SIZE];
	uint32_t round, i;

	for (round = 0; round < RACE_ROUNDS; round++) {
		if (m->worker == 0)
			for (i = 0; i < RACE_PAGES; i++)
				MUST_EQ(rig_put(c->rig, c->client, rig_handle(c->pool, i / 90, i),
						page_tag(PAGE_ANY, round * RACE_PAGES + i)),
					0);
		pthread_barrier_wait(&c->barrier);
		for (i = 0; i < RACE_PAGES; i++) {
			struct tmem_handle h = rig_handle(c->pool, i / 90, i);
			int result = c->rig->backend->get(c->rig, m->worker, c->client, &h, page);

			if (result == 0) {
				m->hits++;
				MUST(page_holds(page, page_tag(PAGE_ANY, round * RACE_PAGES + i)));
			} else {
				MUST_EQ(result, -TMEM_ENOENT);
			}
		}
		pthread_barrier_wait(&c->barrier);
	}
	return NULL;
}

static void concurrent_exclusive_gets_hit_exactly_once(const struct backend *backend)
{
	void *(*const run[])(void *) = {take_all, take_all, take_all, take_all};
	struct crowd c = crowd_start(backend, 0, 0);
	struct member m[THREADS];

	together(&c, THREADS, m, run);
	MUST_EQ(m[0].hits + m[1].hits + m[2].hits + m[3].hits, RACE_PAGES * RACE_ROUNDS);
	rig_stop(c.rig);
}

/* Two patterns that the owner writes over each other while the page is put. */
static const uint64_t pattern[2] = {0x1111111111111111u, 0x2222222222222222u};

/* That is a race by contract, so ThreadSanitizer is not to look at it. */
__attribute__((no_sanitize("thread"))) static void *scribble(void *arg)
{
	struct member *m = arg;
	volatile uint64_t *word = m->crowd->page;
	unsigned int i, turn = 0;

	while (!__atomic_load_n(&m->crowd->stop, __ATOMIC_RELAXED)) {
		for (i = 0; i < TMEM_PAGE_SIZE / 8; i++)
			word[i] = pattern[turn & 1];
		turn++;
	}
	return NULL;
}

static void *put_scribbled(void *arg)
{
	struct member *m = arg;
	struct crowd *c = m->crowd;
	uint64_t first[TMEM_PAGE_SIZE / 8], again[TMEM_PAGE_SIZE / 8];
	unsigned int i, round;

	for (round = 0; round < 3000; round++) {
		struct tmem_handle h = rig_handle(c->pool, 1, round % 10);

		if (round == 1500)
			MUST_EQ(c->rig->backend->set_codec(c->rig, c->client, TMEM_CODEC_LZ4), 0);
		MUST_EQ(c->rig->backend->put(c->rig, 0, c->client, &h, c->page), 0);
		MUST_EQ(c->rig->backend->get(c->rig, 0, c->client, &h, first), 0);
		MUST_EQ(c->rig->backend->get(c->rig, 0, c->client, &h, again), 0);
		if (memcmp(first, again, sizeof(first)))
			FAIL("a page that its owner rewrote during the put is not stored once");
		for (i = 0; i < TMEM_PAGE_SIZE / 8; i++)
			if (first[i] != pattern[0] && first[i] != pattern[1])
				FAIL("word %u is %" PRIx64, i, first[i]);
	}
	__atomic_store_n(&c->stop, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void page_rewritten_by_its_owner_during_the_put(const struct backend *backend)
{
	void *(*const run[])(void *) = {put_scribbled, scribble};
	struct crowd c = crowd_start(backend, 1u << 20, TMEM_POOL_PERSISTENT);
	struct member m[2];

	c.page = rig_page_alloc(c.rig, c.client);
	memset(c.page, 0x11, TMEM_PAGE_SIZE);
	together(&c, 2, m, run);
	rig_page_free(c.rig, c.page);
	rig_stop(c.rig);
}

#define FULL_PAGES 400u

static void *overwrite_all(void *arg)
{
	struct member *m = arg;
	struct crowd *c = m->crowd;
	uint8_t page[TMEM_PAGE_SIZE];
	uint32_t round, i;

	for (round = 1; round < 20; round++)
		for (i = m->worker; i < FULL_PAGES; i += THREADS) {
			struct tmem_handle h = rig_handle(c->pool, i / 100, i % 100);

			page_fill(page, page_tag(PAGE_RANDOM, round * FULL_PAGES + i));
			MUST_EQ(c->rig->backend->put(c->rig, m->worker, c->client, &h, page), 0);
		}
	return NULL;
}

static void duplicate_puts_of_every_worker_when_exactly_full(const struct backend *backend)
{
	void *(*const run[])(void *) = {overwrite_all, overwrite_all, overwrite_all, overwrite_all};
	struct crowd c =
		crowd_start(backend, tmem_pages_allocation(FULL_PAGES, 100, conformance_verify),
			    TMEM_POOL_PERSISTENT);
	struct member m[THREADS];
	uint32_t i;

	for (i = 0; i < FULL_PAGES; i++)
		MUST_EQ(rig_put(c.rig, c.client, rig_handle(c.pool, i / 100, i % 100),
				page_tag(PAGE_RANDOM, i)),
			0);
	together(&c, THREADS, m, run);
	for (i = 0; i < FULL_PAGES; i++)
		MUST_EQ(rig_get(c.rig, c.client, rig_handle(c.pool, i / 100, i % 100),
				page_tag(PAGE_RANDOM, 19 * FULL_PAGES + i)),
			1);
	rig_stop(c.rig);
}

#define VERSIONS 30000u

/* One handle; its page says which version it is. */
static void *write_versions(void *arg)
{
	struct member *m = arg;
	struct crowd *c = m->crowd;
	struct tmem_handle h = rig_handle(c->pool, 1, 1);
	uint64_t word[TMEM_PAGE_SIZE / 8];
	uint64_t version;
	unsigned int i;

	for (version = 1; version <= VERSIONS; version++) {
		/* Same-filled, and not: the paths differ. */
		for (i = 0; i < TMEM_PAGE_SIZE / 8; i++)
			word[i] = version & 1 ? version : version + (uint64_t)i * VERSIONS * 2;
		MUST_EQ(c->rig->backend->put(c->rig, m->worker, c->client, &h, word), 0);
		__atomic_store_n(&c->done, version, __ATOMIC_SEQ_CST);
	}
	__atomic_store_n(&c->stop, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *read_versions(void *arg)
{
	struct member *m = arg;
	struct crowd *c = m->crowd;
	struct tmem_handle h = rig_handle(c->pool, 1, 1);
	uint64_t word[TMEM_PAGE_SIZE / 8];
	unsigned int i;

	while (!__atomic_load_n(&c->stop, __ATOMIC_SEQ_CST)) {
		uint64_t least = __atomic_load_n(&c->done, __ATOMIC_SEQ_CST);
		uint64_t step;

		if (!least)
			continue;
		MUST_EQ(c->rig->backend->get(c->rig, m->worker, c->client, &h, word), 0);
		m->hits++;
		if (word[0] < least || word[0] > VERSIONS)
			FAIL("version %" PRIu64 " after the put of %" PRIu64 " returned", word[0],
			     least);
		step = word[0] & 1 ? 0 : (uint64_t)VERSIONS * 2;
		for (i = 1; i < TMEM_PAGE_SIZE / 8; i++)
			if (word[i] != word[0] + i * step)
				FAIL("word %u is not of version %" PRIu64, i, word[0]);
	}
	return NULL;
}

static void old_data_is_never_returned_to_a_reader_beside(const struct backend *backend)
{
	void *(*const run[])(void *) = {write_versions, read_versions, read_versions};
	struct crowd c = crowd_start(backend, 1u << 20, TMEM_POOL_PERSISTENT);
	struct member m[3];

	together(&c, 3, m, run);
	rig_stop(c.rig);
}

static void *press_for_room(void *arg)
{
	struct member *m = arg;
	struct crowd *c = m->crowd;
	uint8_t page[TMEM_PAGE_SIZE];
	uint32_t i;

	for (i = 0; !__atomic_load_n(&c->stop, __ATOMIC_RELAXED); i++) {
		struct tmem_handle h = rig_handle(c->pool, m->worker, i);
		int result;

		page_fill(page, page_tag(PAGE_RANDOM, i));
		result = c->rig->backend->put(c->rig, m->worker, c->client, &h, page);
		if (result)
			MUST_EQ(result, -TMEM_ENOMEM);
		m->hits += !result;
	}
	return NULL;
}

static void *live_and_die(void *arg)
{
	struct member *m = arg;
	struct crowd *c = m->crowd;
	uint32_t round, i;

	for (round = 0; round < 30; round++) {
		int client = rig_client(c->rig, 1u << 20);
		uint32_t p = rig_pool(c->rig, client, 0);
		uint32_t q = rig_pool(c->rig, client, TMEM_POOL_PERSISTENT);

		for (i = 0; i < 600; i++)
			rig_put(c->rig, client, rig_handle(p, i / 30, i), page_tag(PAGE_RANDOM, i));
		for (i = 0; i < 50; i++)
			MUST_EQ(rig_put(c->rig, client, rig_handle(q, 1, i),
					page_tag(PAGE_RANDOM, i)),
				0);
		if (round % 3 == 0)
			MUST_EQ(c->rig->backend->pool_destroy(c->rig, 0, client, p), 0);
		c->rig->backend->client_destroy(c->rig, 0, client);
		c->rig->backend->step(c->rig, 0, round % 4);
	}
	__atomic_store_n(&c->stop, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void client_dies_while_its_pages_are_evicted(const struct backend *backend)
{
	void *(*const run[])(void *) = {live_and_die, press_for_room, press_for_room};
	struct crowd c = crowd_start(backend, 0, 0);
	struct member m[3];

	together(&c, 3, m, run);
	MUST(m[1].hits + m[2].hits > 0);
	rig_check(c.rig);
	rig_settle(c.rig);
	MUST_EQ(rig_stats(c.rig, -1, -1).allocation, 0);
	rig_stop(c.rig);
}

static struct tmem_handle any_handle(struct crowd *c, uint64_t *state)
{
	uint32_t *made = &c->made[rng_below(state, MADE)];

	return rig_handle(__atomic_load_n(made, __ATOMIC_RELAXED), rng_below(state, 4),
			  (uint32_t)rng_below(state, 100));
}

/* The contents say the handle and nothing else. */
static uint64_t tag_of(const struct tmem_handle *h)
{
	return page_tag(PAGE_TEXT, h->pool << 20 | h->object.word[0] << 10 | h->index);
}

static void *use_any_pool(void *arg)
{
	struct member *m = arg;
	struct crowd *c = m->crowd;
	uint8_t page[TMEM_PAGE_SIZE];
	uint64_t state = m->worker;
	uint32_t i;

	for (i = 0; !__atomic_load_n(&c->stop, __ATOMIC_RELAXED); i++) {
		struct tmem_handle h = any_handle(c, &state);
		uint64_t tag = tag_of(&h);
		int result;

		switch (rng_below(&state, 8)) {
		case 0:
			result = c->rig->backend->flush(c->rig, m->worker, c->client, &h);
			MUST(result == 0 || result == 1 || result == -TMEM_ENODEV);
			break;
		case 1:
			result = c->rig->backend->flush_object(c->rig, m->worker, c->client, &h);
			MUST(result == 0 || result == 1 || result == -TMEM_ENODEV);
			break;
		case 2:
		case 3:
		case 4:
			result = c->rig->backend->get(c->rig, m->worker, c->client, &h, page);
			MUST(result == 0 || result == -TMEM_ENOENT || result == -TMEM_ENODEV);
			if (result == 0)
				MUST(page_holds(page, tag));
			break;
		default:
			page_fill(page, tag);
			result = c->rig->backend->put(c->rig, m->worker, c->client, &h, page);
			MUST(result == 0 || result == -TMEM_ENOSPC || result == -TMEM_ENODEV);
			break;
		}
	}
	return NULL;
}

#define BATCH 24u

static void must_be_right(const struct tmem_op *op)
{
	int result = op->result;

	if (op->code == TMEM_OP_PUT)
		MUST(result == 0 || result == -TMEM_ENOSPC || result == -TMEM_ENODEV);
	else if (op->code == TMEM_OP_GET)
		MUST(result == 0 || result == -TMEM_ENOENT || result == -TMEM_ENODEV);
	else
		MUST(result == 0 || result == 1 || result == -TMEM_ENODEV);
	if (op->code == TMEM_OP_GET && result == 0)
		MUST(page_holds(op->page, tag_of(&op->handle)));
}

/* A pool ends while a batch is on its way to its pages. */
static void *batch_any_pool(void *arg)
{
	static const uint32_t codes[] = {TMEM_OP_PUT, TMEM_OP_PUT, TMEM_OP_GET, TMEM_OP_FLUSH};
	static uint8_t page[BATCH][TMEM_PAGE_SIZE];
	struct member *m = arg;
	struct crowd *c = m->crowd;
	uint64_t state = m->worker;
	struct tmem_op op[BATCH];
	uint32_t i;

	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		for (i = 0; i < BATCH; i++) {
			op[i] = (struct tmem_op){.code = codes[rng_below(&state, 4)],
						 .handle = any_handle(c, &state),
						 .page = page[i]};
			/* Puts next to each other into one pool go together. */
			if (i % 8)
				op[i].handle.pool = op[i - 1].handle.pool;
			if (op[i].code == TMEM_OP_PUT)
				page_fill(page[i], tag_of(&op[i].handle));
		}
		c->rig->backend->batch(c->rig, m->worker, c->client, op, BATCH);
		for (i = 0; i < BATCH; i++)
			must_be_right(&op[i]);
	}
	return NULL;
}

static void *make_and_break_pools(void *arg)
{
	struct member *m = arg;
	struct crowd *c = m->crowd;
	uint32_t round;

	for (round = 0; round < 1000; round++) {
		struct tmem_pool_config config = {.size = sizeof(config), .flags = round & 1};
		int pool = rig_pool_create(c->rig, c->client, &config);

		if (pool == -TMEM_EOVERFLOW || round % 50 == 49) {
			MUST_EQ(c->rig->backend->session(c->rig, c->client, round), 1);
			continue;
		}
		MUST(pool >= 0);
		__atomic_store_n(&c->made[round % MADE], (uint32_t)pool, __ATOMIC_RELAXED);
		if (round % 3)
			MUST_EQ(c->rig->backend->pool_destroy(c->rig, 0, c->client, (uint32_t)pool),
				0);
		c->rig->backend->step(c->rig, 0, 2);
	}
	__atomic_store_n(&c->stop, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void pools_end_while_others_use_them(const struct backend *backend)
{
	void *(*const run[])(void *) = {make_and_break_pools, use_any_pool,
					backend->batch ? batch_any_pool : use_any_pool};
	struct crowd c = crowd_start(backend, 4u << 20, 0);
	struct member m[3];

	together(&c, 3, m, run);
	rig_check(c.rig);
	MUST_EQ(c.rig->backend->session(c.rig, c.client, 99999), 1);
	rig_settle(c.rig);
	MUST_EQ(rig_stats(c.rig, -1, -1).persistent_pages, 0);
	MUST_EQ(rig_stats(c.rig, -1, -1).ephemeral_pages, 0);
	rig_stop(c.rig);
}

#define NEEDS (CAN_THREADS | CAN_OBJECTS)

const struct conformance_case cases_threads[] = {
	{"3.5", "concurrent-exclusive-gets-hit-exactly-once", NEEDS | CAN_EPHEMERAL,
	 concurrent_exclusive_gets_hit_exactly_once},
	{"9", "page-rewritten-by-its-owner-during-the-put", NEEDS | CAN_ADMIN,
	 page_rewritten_by_its_owner_during_the_put},
	{"3.2", "duplicate-puts-of-every-worker-when-exactly-full", NEEDS,
	 duplicate_puts_of_every_worker_when_exactly_full},
	{"3.3", "old-data-is-never-returned-to-a-reader-beside", NEEDS,
	 old_data_is_never_returned_to_a_reader_beside},
	{"9", "client-dies-while-its-pages-are-evicted", NEEDS | CAN_EPHEMERAL | CAN_ADMIN,
	 client_dies_while_its_pages_are_evicted},
	{"3.17", "pools-end-while-others-use-them", NEEDS | CAN_ADMIN | CAN_EPHEMERAL,
	 pools_end_while_others_use_them},
	{NULL, NULL, 0, NULL},
};
