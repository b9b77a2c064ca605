/* SPDX-License-Identifier: MIT */
/*
 * Every request for memory fails, one after the other: for each operation the
 * first, the second, the third ... is refused, once alone and once with all
 * that follow, until the operation runs through without asking that often.
 * After each the engine's own check must be clean, every persistent page must
 * be there, the operation must work once there is memory again, and at the
 * end every byte must be back with the host.
 *
 *   test-fault [--verify] [NAME...]
 */
#include <stdio.h>
#include <string.h>

#include "codecs.h"
#include "glue.h"
#include "must.h"
#include "page.h"
#include "twin.h"

#define MIB (1u << 20)

struct scenario {
	const char *name;
	void (*prepare)(struct twin *twin);
	void (*operate)(struct twin *twin);
	bool asks;   /* it has to ask for memory at least once */
	bool sparse; /* files pages too thinly for the promise of room for records */
};

/* Client 0 with pools 0 (persistent) and 1 (ephemeral); client 1 has something to lose. */
static void two_clients(struct twin *t)
{
	uint32_t c, i;

	for (c = 0; c < 2; c++) {
		twin_client_create(t, c, 3 * MIB, c ? TMEM_CODEC_LZ4 : TMEM_CODEC_RAW);
		MUST_EQ(twin_pool_create(t, c, TMEM_POOL_PERSISTENT), 0);
		MUST_EQ(twin_pool_create(t, c, 0), 1);
	}
	for (i = 0; i < 60; i++) {
		twin_put(t, 1, rig_handle(0, i / 20, i * 9), PAGE_ANY);
		twin_put(t, 1, rig_handle(1, i / 20, i * 9), PAGE_ANY);
	}
}

static void clients(struct twin *t)
{
	twin_client_create(t, 2, MIB, TMEM_CODEC_LZ4);
	twin_client_create(t, 3, 0, TMEM_CODEC_RAW);
	twin_client_create(t, 4, 100000, TMEM_CODEC_RAW);
	twin_client_destroy(t, 3);
	twin_client_destroy(t, 2);
	twin_client_destroy(t, 4);
}

static void pools(struct twin *t)
{
	int pool[8];
	uint32_t i;

	for (i = 0; i < 8; i++)
		pool[i] = twin_pool_create(t, 0, i & 1 ? TMEM_POOL_PERSISTENT : 0);
	for (i = 0; i < 8; i++)
		if (pool[i] >= 0) {
			twin_put(t, 0, rig_handle((uint32_t)pool[i], 1, i), PAGE_RANDOM);
			twin_pool_destroy(t, 0, (uint32_t)pool[i]);
		}
}

/* A client of its own, which the model does not know, joins, puts and reads. Its number or -1. */
static int join_and_use(struct rig *rig)
{
	struct tmem_client_config client_config = {.size = sizeof(client_config)};
	struct tmem_pool_config config = {
		.size = sizeof(config), .flags = TMEM_POOL_SHARED, .uuid = {5, 6}};
	int client = rig->backend->client_create(rig, &client_config), pool, result;
	uint32_t i;

	if (client < 0)
		return -1;
	MUST_EQ(rig->backend->grant(rig, client, config.uuid), 0);
	pool = rig->backend->pool_create(rig, 0, client, &config);
	if (pool < 0)
		MUST_EQ(pool, -TMEM_ENOMEM);
	for (i = 0; i < 100 && pool >= 0; i++) {
		struct tmem_handle h = rig_handle((uint32_t)pool, i / 10, i);

		result = rig_put(rig, client, h, page_tag(PAGE_TEXT, i));
		MUST(result == 0 || result == -TMEM_ENOMEM);
		if (!result)
			MUST_EQ(rig_get(rig, client, h, page_tag(PAGE_TEXT, i)), 1);
	}
	return client;
}

/* Whoever is refused leaves nothing half made; who got in can use it. */
static void shared_pools(struct twin *t)
{
	int a = join_and_use(t->rig), b = join_and_use(t->rig);

	if (a >= 0)
		t->rig->backend->client_destroy(t->rig, 0, a);
	if (b >= 0)
		t->rig->backend->client_destroy(t->rig, 0, b);
}

/* What is refused changes nothing: no byte of extents, no promise, no allocation. */
static void allocation_changes(struct twin *t)
{
	struct tmem_client_config config = {.size = sizeof(config), .allocation = 100000};
	const struct backend *backend = t->rig->backend;
	int client = backend->client_create(t->rig, &config), result;
	uint64_t before;

	if (client < 0)
		return;
	before = rig_stats(t->rig, client, -1).extent_bytes;
	result = backend->set_allocation(t->rig, client, 2 * MIB);
	if (result) {
		MUST_EQ(result, -TMEM_ENOMEM);
		MUST_EQ(rig_stats(t->rig, client, -1).allocation, 100000);
		MUST_EQ(rig_stats(t->rig, client, -1).extent_bytes, before);
	}
	MUST_EQ(backend->set_allocation(t->rig, client, 0), 0);
	MUST_EQ(rig_stats(t->rig, client, -1).extent_bytes, 0);
	backend->client_destroy(t->rig, 0, client);
}

/* An allocation that is full, of which half leaves, scattered. */
static void half_of_an_allocation(struct twin *t)
{
	uint32_t i;

	two_clients(t);
	for (i = 0; i < 900; i++)
		twin_put(t, 0, rig_handle(0, 20 + i / 100, i % 100),
			 i % 3 ? PAGE_RANDOM : PAGE_TEXT);
	for (i = 0; i < 900; i += 2)
		twin_flush(t, 0, rig_handle(0, 20 + i / 100, i % 100));
}

/* It is made smaller, larger again in the middle of what follows from that, and smaller. */
static void allocation_given_up(struct twin *t)
{
	uint32_t round, i;

	for (round = 0; round < 3; round++) {
		twin_allocation(t, 0, 2 * MIB);
		for (i = 0; i < 20; i++) {
			t->rig->backend->step(t->rig, 0, 1 + 2 * round);
			twin_put(t, 0, rig_handle(0, 40, i), PAGE_RANDOM);
		}
		rig_check(t->rig);
		twin_allocation(t, 0, 3 * MIB);
		twin_put(t, 0, rig_handle(0, 41, round), PAGE_RANDOM);
	}
	twin_allocation(t, 0, 2 * MIB);
	rig_settle(t->rig);
}

static void first_pages(struct twin *t)
{
	uint32_t i;

	for (i = 0; i < 150; i++) {
		twin_put(t, 0, rig_handle(0, 1000 + i, i), PAGE_ZERO);
		twin_put(t, 0, rig_handle(1, 1000 + i, i), PAGE_ZERO);
	}
}

static void many_objects(struct twin *t)
{
	uint32_t i;

	for (i = 0; i < 3000; i++)
		twin_put(t, 0, rig_handle(1, i, 0), PAGE_ZERO);
}

static void leaves(struct twin *t)
{
	uint32_t i;

	for (i = 0; i < 400; i++)
		twin_put(t, 0, rig_handle(i & 1, 7, i), PAGE_SAME);
}

static void heights(struct twin *t)
{
	static const uint32_t index[] = {0,	 2,	   63,	     64,	4096,
					 262144, 16777216, 1u << 30, 0xffffffff};
	uint32_t i, j;

	for (i = 0; i < 12; i++)
		for (j = 0; j < sizeof(index) / sizeof(index[0]); j++) {
			/* Upwards in one object, downwards in the next. */
			uint32_t at = i & 1 ? 8 - j : j;

			twin_put(t, 0, rig_handle(i / 2 & 1, 50 + i, index[at]), PAGE_SAME);
		}
}

static void raw_pages(struct twin *t)
{
	uint32_t i;

	for (i = 0; i < 120; i++)
		twin_put(t, 0, rig_handle(i & 1, 3, i), PAGE_RANDOM);
}

static void packed_pages(struct twin *t)
{
	uint32_t i;

	for (i = 0; i < 200; i++)
		twin_put(t, 1, rig_handle(i & 1, 33, i), PAGE_TEXT);
}

static void growing_duplicates(struct twin *t)
{
	uint32_t i;

	for (i = 0; i < 60; i++) {
		twin_put(t, 1, rig_handle(0, i / 20, i * 9), PAGE_RANDOM);
		twin_put(t, 1, rig_handle(1, i / 20, i * 9), PAGE_RANDOM);
	}
	for (i = 0; i < 60; i++) {
		twin_put(t, 1, rig_handle(0, i / 20, i * 9), PAGE_TEXT);
		twin_put(t, 1, rig_handle(1, i / 20, i * 9), PAGE_TEXT);
	}
}

/* Two objects of a thousand pages, to be cut up. */
static void large_objects(struct twin *t)
{
	uint32_t i;

	two_clients(t);
	for (i = 0; i < 1000; i++) {
		twin_put(t, 0, rig_handle(0, 7, i * 3), PAGE_SAME);
		twin_put(t, 0, rig_handle(1, 7, i * 3), PAGE_SAME);
	}
}

static void ranges_in_the_middle(struct twin *t)
{
	uint32_t pool, i;

	for (pool = 0; pool < 2; pool++) {
		twin_flush_range(t, 0, rig_handle(pool, 7, 1001), 777);
		twin_flush_range(t, 0, rig_handle(pool, 7, 100), 1);
		twin_flush_range(t, 0, rig_handle(pool, 7, 64), 640);
		twin_flush_range(t, 0, rig_handle(pool, 7, 2900), ~0ull);
		for (i = 0; i < 20; i++)
			twin_put(t, 0, rig_handle(pool, 7, 1000 + 7 * i), PAGE_SAME);
		twin_flush_range(t, 0, rig_handle(pool, 7, 0), 1ull << 32);
		twin_put(t, 0, rig_handle(pool, 7, 5), PAGE_SAME);
	}
}

static void ends(struct twin *t)
{
	twin_flush_object(t, 0, rig_handle(0, 7, 0));
	twin_flush_object(t, 0, rig_handle(1, 7, 0));
	twin_pool_destroy(t, 1, 1);
	twin_session(t, 1, 9);
	twin_client_destroy(t, 0);
}

static void flush_and_step(struct twin *t)
{
	uint32_t i;

	twin_flush_range(t, 0, rig_handle(0, 7, 500), 900);
	twin_flush_object(t, 0, rig_handle(1, 7, 0));
	for (i = 0; i < 20; i++) {
		t->rig->backend->step(t->rig, 0, 1);
		twin_put(t, 0, rig_handle(0, 8, i), PAGE_SAME);
	}
	t->rig->backend->step(t->rig, 0, 1000);
	rig_check(t->rig);
}

static void squeeze(struct twin *t)
{
	t->rig->backend->reclaim(t->rig, 0, 10000);
	twin_put(t, 0, rig_handle(1, 9, 1), PAGE_RANDOM);
	t->rig->backend->set_capacity(t->rig, 8192);
	rig_check(t->rig);
	t->rig->backend->set_capacity(t->rig, t->rig->setup.capacity);
	twin_put(t, 0, rig_handle(1, 9, 2), PAGE_RANDOM);
	twin_put(t, 0, rig_handle(0, 9, 2), PAGE_RANDOM);
}

/* More than there is room for, so that every put makes room first. */
static void evictions(struct twin *t)
{
	uint32_t i;

	t->rig->backend->set_capacity(t->rig, 12 * MIB);
	for (i = 0; i < 400; i++)
		twin_put(t, i & 1, rig_handle(1, i / 50, 500 + i), i % 3 ? PAGE_RANDOM : PAGE_TEXT);
	t->rig->backend->set_capacity(t->rig, t->rig->setup.capacity);
}

static void until_full(struct twin *t)
{
	uint32_t i;

	for (i = 0; i < 800; i++)
		if (twin_put(t, 0, rig_handle(0, i / 100, i), PAGE_RANDOM))
			break;
	for (i = 0; i < 100; i++)
		MUST_EQ(twin_put(t, 0, rig_handle(0, i / 100, i), PAGE_RANDOM), 0);
}

/* Extents go to the host, lose pages there, and are had back for their room. */
static void lent_extents(struct twin *t)
{
	uint32_t c, i;

	for (i = 0; i < 300; i++)
		for (c = 0; c < 2; c++)
			twin_put(t, c, rig_handle(1, 50 + i / 64, i % 64), PAGE_ANY);
	for (i = 0; i < 3; i++)
		t->rig->backend->step(t->rig, 0, 100);
	t->rig->backend->take(t->rig, 5);
	for (i = 0; i < 300; i += 3)
		for (c = 0; c < 2; c++)
			twin_get(t, c, rig_handle(1, 50 + i / 64, i % 64));
	for (i = 0; i < 300; i += 2)
		for (c = 0; c < 2; c++)
			twin_put(t, c, rig_handle(1, 50 + i / 64, i % 64), PAGE_ANY);
}

/* So many raw pages that the worker has slots in hand for the next ones. */
static void many_raw_pages(struct twin *t)
{
	uint32_t i;

	two_clients(t);
	for (i = 0; i < 400; i++)
		twin_put(t, 0, rig_handle(1, 90, i), PAGE_RANDOM);
}

/*
 * Rows of puts, each page in an object or in a group of its own, so that the
 * records for them run out in the middle of a row; then other operations
 * between and behind them.
 */
static void batches(struct twin *t)
{
	struct twin_act acts[TWIN_BATCH];
	uint32_t round, i;

	for (round = 0; round < 8; round++) {
		for (i = 0; i < TWIN_BATCH; i++) {
			uint32_t n = round * TWIN_BATCH + i;

			acts[i] = (struct twin_act){
				.code = TMEM_OP_PUT,
				.handle = round % 2 ? rig_handle(1, 200 + n, 0)
						    : rig_handle(1, 100, (n * 64) << round % 12),
				.kind = round % 8 == 7 && i % 16 == 9 ? PAGE_SAME : PAGE_RANDOM,
			};
			if (round % 4 == 3 && i % 24 == 23)
				acts[i].handle.pool = 0;
		}
		twin_batch(t, 0, acts, TWIN_BATCH);
		/* Half of them again; then each is got, flushed, or put in a second row. */
		for (i = 0; i < TWIN_BATCH; i++)
			if (round % 8 == 6)
				acts[i].code = i % 3 ? TMEM_OP_GET : TMEM_OP_PUT;
			else if (round % 8 < 2)
				acts[i].code = i % 4 ? TMEM_OP_FLUSH : TMEM_OP_GET;
		twin_batch(t, 0, acts, TWIN_BATCH);
	}
}

static const struct scenario scenarios[] = {
	{"clients come and go", two_clients, clients, true, true},
	{"pools come and go", two_clients, pools, false, true},
	{"an allocation changes", two_clients, allocation_changes, true, true},
	{"an allocation is given up", half_of_an_allocation, allocation_given_up, true, false},
	{"shared pools come and go", two_clients, shared_pools, true, true},
	{"first pages of objects", two_clients, first_pages, false, true},
	{"many objects", two_clients, many_objects, true, false},
	{"leaves of an object", two_clients, leaves, false, false},
	{"height of an object", two_clients, heights, false, true},
	{"raw pages", two_clients, raw_pages, true, false},
	{"packed pages", two_clients, packed_pages, true, false},
	{"batches", many_raw_pages, batches, true, true},
	{"lent extents", two_clients, lent_extents, true, false},
	{"growing duplicates", two_clients, growing_duplicates, true, false},
	{"ranges in the middle", large_objects, ranges_in_the_middle, false, false},
	{"objects, pools and clients end", large_objects, ends, false, false},
	{"steps", large_objects, flush_and_step, false, false},
	{"reclaim and capacity", large_objects, squeeze, false, false},
	{"evictions", two_clients, evictions, true, true},
	{"allocation filled", two_clients, until_full, false, false},
};
#define SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

static struct rig_setup setup = {
	.capacity = 16 * MIB, .extent_size = 65536, .seed = 3, .lend = true, .recode = true};

/* How many requests were refused. */
static uint64_t once(const struct scenario *s, uint64_t nth, bool for_good)
{
	struct twin t;
	uint64_t refused;

	snprintf(must_context, sizeof(must_context), "%s, request %u refused%s", s->name,
		 (unsigned int)nth, for_good ? " and all after it" : "");
	twin_start(&t, &backend_engine, &setup, 8000);
	/* check() walks everything: here it runs when it matters. */
	t.quiet = true;
	s->prepare(&t);
	rig_check(t.rig);
	t.may_run_dry = true;
	t.persistent_may_run_dry = s->sparse;
	t.rig->backend->starve(t.rig, nth, for_good);
	s->operate(&t);
	refused = t.rig->backend->refused(t.rig);
	rig_check(t.rig);
	twin_compare_persistent(&t);
	t.rig->backend->starve(t.rig, 0, false);
	t.may_run_dry = false;
	t.persistent_may_run_dry = false;
	s->operate(&t);
	rig_check(t.rig);
	twin_stop(&t);
	return refused;
}

/* Engine and workers themselves: there is nothing to compare yet. */
static uint64_t beginning(uint64_t nth, bool for_good)
{
	void *host = glue_create(setup.capacity);
	struct tmem_config config = {
		.size = sizeof(config),
		.workers = 3,
		.capacity = setup.capacity,
		.extent_size = setup.extent_size,
		.codec_count = test_codec_count,
		.codecs = test_codecs,
		.host_ops = glue_ops(),
		.host = host,
		.verify = setup.verify,
	};
	struct tmem_engine *engine = NULL;
	struct tmem_worker *worker[3];
	unsigned int i, made = 0;
	uint64_t refused;
	int result;

	snprintf(must_context, sizeof(must_context), "the beginning, request %u refused%s",
		 (unsigned int)nth, for_good ? " and all after it" : "");
	glue_starve(host, nth, for_good);
	result = tmem_engine_create(&config, &engine);
	if (result) {
		MUST_EQ(result, -TMEM_ENOMEM);
		MUST(engine == NULL);
		MUST_EQ(glue_bytes(host), 0);
	} else {
		for (i = 0; i < 3; i++) {
			worker[made] = NULL;
			result = tmem_worker_create(engine, &worker[made]);
			if (result) {
				MUST_EQ(result, -TMEM_ENOMEM);
				MUST(worker[made] == NULL);
			} else {
				made++;
			}
		}
		MUST_EQ(tmem_engine_check(engine, NULL), 0);
		for (i = 0; i < made; i++)
			tmem_worker_destroy(worker[i]);
		tmem_engine_destroy(engine);
	}
	refused = glue_refused(host);
	MUST(glue_destroy(host) == NULL);
	return refused;
}

static bool wanted(const char *name, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return argc == 1;
}

int main(int argc, char **argv)
{
	unsigned int s, for_good, passed = 0;

	if (!glue_can_starve)
		return 77;
	if (argc > 1 && !strcmp(argv[1], "--verify")) {
		setup.verify = true;
		argc--;
		argv++;
	}
	for (s = 0; s <= SCENARIOS; s++) {
		const char *name = s < SCENARIOS ? scenarios[s].name : "the beginning";
		uint64_t count[2] = {0, 0};

		if (!wanted(name, argc, argv))
			continue;
		for (for_good = 0; for_good < 2; for_good++) {
			uint64_t nth = 1;

			while (s < SCENARIOS ? once(&scenarios[s], nth, for_good)
					     : beginning(nth, for_good))
				nth++;
			count[for_good] = nth - 1;
		}
		if ((s == SCENARIOS || scenarios[s].asks) && !count[0])
			FAIL("%s: no memory was ever asked for", name);
		printf("ok    %-32s %3u refused in turn, %3u for good\n", name,
		       (unsigned int)count[0], (unsigned int)count[1]);
		fflush(stdout);
		passed++;
	}
	printf("fault on %s: %u passed, 0 failed\n", glue_name, passed);
	return passed ? 0 : 1;
}
