/* SPDX-License-Identifier: MIT */
/*
 * Several workers at once, on a few names that all of them use. Everything
 * that each did is logged with the moments of its call and its return, and
 * judged afterwards: no page is returned that another operation, wholly
 * between its put and this get, had replaced or flushed; no exclusive get
 * hits a page that another got; no persistent page is missed that must be
 * there. A third of the names is in a shared pool, of which each worker is a
 * member by a client of its own: it leaves and joins again, and its weight and
 * cap change meanwhile. A part goes in batches, each of whose operations is
 * at any moment between the batch's call and its return. Meant for ThreadSanitizer as much as for its own checks.
 *
 *   test-threads [--operations N] [--seed S] [--extent BYTES] [--planted]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "glue.h"
#include "must.h"
#include "page.h"
#include "planted.h"
#include "rig.h"

#define THREADS 4
#define OBJECTS 4
#define INDEXES 20
#define KIND	(OBJECTS * INDEXES) /* names of one kind: persistent, ephemeral, shared */
#define NAMES	(3 * KIND)

enum what { DID_PUT, DID_GET, DID_FLUSH, DID_OBJECT, DID_RANGE };

struct event {
	uint64_t began, ended; /* of one clock for all threads */
	uint64_t version;      /* put: this one; get: what was returned */
	int32_t result;
	uint16_t name;
	uint16_t count; /* names that a range or an object covers, from name on */
	uint8_t what;
};

struct actor {
	pthread_t thread;
	uint32_t worker;
	uint64_t seed;
	struct event *event;
	int client; /* the member */
	int pool;   /* its number of the shared pool */
	uint64_t joins, batches;
	uint8_t (*page)[TMEM_PAGE_SIZE];
};

static struct rig *rig;
static int client;
static uint32_t pool[2];
static uint32_t per_thread;
static uint32_t extent = 65536;
static uint64_t now;

static uint64_t tick(void)
{
	return __atomic_fetch_add(&now, 1, __ATOMIC_SEQ_CST);
}

static bool is_shared(uint32_t name)
{
	return name / KIND == 2;
}

static struct tmem_handle handle_of(const struct actor *a, uint32_t name)
{
	return rig_handle(is_shared(name) ? (uint32_t)a->pool : pool[name / KIND],
			  name / INDEXES % OBJECTS, name % INDEXES * 5);
}

static void join(struct actor *a)
{
	struct tmem_pool_config config = {
		.size = sizeof(config), .flags = TMEM_POOL_SHARED, .uuid = {1, 2}};

	a->pool = rig->backend->pool_create(rig, a->worker, a->client, &config);
	if (a->pool < 0)
		FAIL("worker %u joins: %d", a->worker, a->pool);
	a->joins++;
}

static void change(struct actor *a, uint32_t round)
{
	MUST_EQ(rig->backend->set_weight(rig, a->client, 1 + round % 1000), 0);
	rig->backend->set_cap(rig, a->client, round / 256 % 2 ? 1u << 20 : 0);
	MUST_EQ(rig->backend->pool_destroy(rig, a->worker, a->client, (uint32_t)a->pool), 0);
	join(a);
}

#define BATCH 48u

/* What worker @a does as its event @i: all but when, and with what result. */
static struct tmem_op choice(struct actor *a, uint64_t *state, uint32_t i, uint8_t *page)
{
	struct event *e = &a->event[i];
	uint32_t dice = (uint32_t)rng_below(state, 100);
	struct tmem_op op = {.page = page, .count = INDEXES * 5};

	e->name = (uint16_t)rng_below(state, NAMES);
	e->count = 1;
	if (dice >= 97) {
		/* A whole object, or a range in it. */
		e->name = (uint16_t)(e->name / INDEXES * INDEXES);
		e->count = INDEXES;
	}
	op.handle = handle_of(a, e->name);
	if (dice < 45) {
		e->what = DID_PUT;
		op.code = TMEM_OP_PUT;
		e->version = (uint64_t)i * THREADS + a->worker + 1;
		page_fill(page, page_tag((enum page_kind)(PAGE_SAME + dice % 4), e->version));
	} else if (dice < 93) {
		e->what = DID_GET;
		op.code = TMEM_OP_GET;
	} else if (dice < 97) {
		e->what = DID_FLUSH;
		op.code = TMEM_OP_FLUSH;
	} else if (dice < 98) {
		e->what = DID_OBJECT;
		op.code = TMEM_OP_FLUSH_OBJECT;
	} else {
		e->what = DID_RANGE;
		op.code = TMEM_OP_FLUSH_RANGE;
	}
	return op;
}

static int32_t call(const struct actor *a, int by, const struct tmem_op *op)
{
	const struct backend *be = rig->backend;

	switch (op->code) {
	case TMEM_OP_PUT:
		return be->put(rig, a->worker, by, &op->handle, op->page);
	case TMEM_OP_GET:
		return be->get(rig, a->worker, by, &op->handle, op->page);
	case TMEM_OP_FLUSH:
		return be->flush(rig, a->worker, by, &op->handle);
	case TMEM_OP_FLUSH_OBJECT:
		return be->flush_object(rig, a->worker, by, &op->handle);
	default:
		return be->flush_range(rig, a->worker, by, &op->handle, op->count);
	}
}

/* The result of event @i, and what came. */
static void note(struct actor *a, uint32_t i, const struct tmem_op *op)
{
	struct event *e = &a->event[i];
	uint64_t tag;

	e->result = op->result;
	if (e->what != DID_GET || e->result)
		return;
	memcpy(&tag, op->page, sizeof(tag));
	e->version = page_number_of(tag);
	if (!page_holds(op->page, tag))
		FAIL("worker %u, operation %u: a page that nobody put", a->worker, i);
}

/* Events from @i on, by the client that the first one is of. How many. */
static uint32_t act_in_a_batch(struct actor *a, uint64_t *state, uint32_t i, uint32_t most)
{
	uint32_t count = 1 + (uint32_t)rng_below(state, most < BATCH ? most : BATCH), n;
	struct tmem_op ops[BATCH];
	struct event *e;
	bool shared = false;

	for (n = 0; n < count; n++) {
		ops[n] = choice(a, state, i + n, a->page[n]);
		if (!n)
			shared = is_shared(a->event[i].name);
		/* Who is no member does the same in a pool of his own. */
		for (e = &a->event[i + n]; is_shared(e->name) != shared;)
			e->name = (uint16_t)((e->name + KIND) % NAMES);
		ops[n].handle = handle_of(a, e->name);
	}
	a->event[i].began = tick();
	rig->backend->batch(rig, a->worker, shared ? a->client : client, ops, count);
	a->event[i].ended = tick();
	for (n = 0; n < count; n++) {
		a->event[i + n].began = a->event[i].began;
		a->event[i + n].ended = a->event[i].ended;
		note(a, i + n, &ops[n]);
	}
	a->batches++;
	return count;
}

static void act_once(struct actor *a, uint64_t *state, uint32_t i)
{
	struct event *e = &a->event[i];
	struct tmem_op op = choice(a, state, i, a->page[0]);

	e->began = tick();
	op.result = call(a, is_shared(e->name) ? a->client : client, &op);
	e->ended = tick();
	note(a, i, &op);
}

static void *act(void *arg)
{
	const struct backend *be = rig->backend;
	struct actor *a = arg;
	uint64_t state = a->seed + a->worker * 77;
	uint32_t i = 0, end;

	while (i < per_thread) {
		end = i + 1;
		if (rng_below(&state, 64) == 0)
			end = i + act_in_a_batch(a, &state, i, per_thread - i);
		else
			act_once(a, &state, i);
		for (; i < end; i++) {
			if (i % 64 == 0)
				be->step(rig, a->worker, 2);
			if (i % 1024 == a->worker)
				be->reclaim(rig, a->worker, 100000);
			if (i % 256 == a->worker * 64)
				change(a, i);
		}
	}
	return NULL;
}

/* All events of one name, in no order. */
struct history {
	const struct event **event;
	uint32_t count;
};

/* After the operation the page of before it is not there. */
static bool replaces(const struct event *e)
{
	return e->what != DID_GET;
}

static void judge_hit(const struct history *h, const struct event *get, bool exclusive)
{
	const struct event *put = NULL;
	uint32_t i;

	for (i = 0; i < h->count && !put; i++)
		if (h->event[i]->what == DID_PUT && h->event[i]->version == get->version)
			put = h->event[i];
	if (!put)
		FAIL("name %u: version %" PRIu64 " was never put there", get->name, get->version);
	if (put->result || put->began > get->ended)
		FAIL("name %u: version %" PRIu64 " was refused (%d), or put later", get->name,
		     get->version, put->result);
	for (i = 0; i < h->count; i++) {
		const struct event *e = h->event[i];

		if (e != put && replaces(e) && e->began > put->ended && e->ended < get->began)
			FAIL("name %u: version %" PRIu64
			     " is returned after operation %u, result %d, had replaced it",
			     get->name, get->version, e->what, e->result);
		if (exclusive && e != get && e->what == DID_GET && !e->result &&
		    e->version == get->version)
			FAIL("name %u: version %" PRIu64 " is taken out twice", get->name,
			     get->version);
	}
}

/* A put that ended before, and nothing that could have undone it since it began. */
static void judge_persistent_miss(const struct history *h, const struct event *get)
{
	uint32_t i, j;

	for (i = 0; i < h->count; i++) {
		const struct event *put = h->event[i];

		if (put->what != DID_PUT || put->result || put->ended > get->began)
			continue;
		for (j = 0; j < h->count; j++) {
			const struct event *e = h->event[j];

			if (replaces(e) && !(e->what == DID_PUT && !e->result) &&
			    e->began < get->ended && e->ended > put->began)
				break;
		}
		if (j == h->count)
			FAIL("name %u: version %" PRIu64 " is lost", get->name, put->version);
	}
}

static void judge(const struct actor *actor)
{
	const struct event **all = calloc((size_t)THREADS * per_thread, sizeof(*all));
	uint64_t hits = 0, shared = 0, misses = 0;
	uint32_t name, t, i;

	MUST(all != NULL);
	for (name = 0; name < NAMES; name++) {
		struct history h = {all, 0};
		bool persistent = name < KIND, exclusive = name / KIND == 1;

		for (t = 0; t < THREADS; t++)
			for (i = 0; i < per_thread; i++) {
				const struct event *e = &actor[t].event[i];

				if (name >= e->name && name < e->name + e->count)
					all[h.count++] = e;
			}
		for (i = 0; i < h.count; i++) {
			const struct event *e = all[i];

			if (e->what == DID_GET && !e->result) {
				judge_hit(&h, e, exclusive);
				hits++;
				shared += is_shared(name);
			} else if (e->what == DID_GET) {
				MUST_EQ(e->result, -TMEM_ENOENT);
				if (persistent)
					judge_persistent_miss(&h, e);
				misses++;
			} else if (e->what == DID_PUT && e->result) {
				/* Over its cap, a member; or no room, while others hold what there is. */
				if (!is_shared(name) || e->result != -TMEM_ENOSPC)
					MUST_EQ(e->result,
						persistent ? -TMEM_ENOSPC : -TMEM_ENOMEM);
			}
		}
	}
	printf("%" PRIu64 " hits, %" PRIu64 " of them shared, and %" PRIu64 " misses judged\n",
	       hits, shared, misses);
	MUST(hits > per_thread / 20 && misses > per_thread / 20 && shared > per_thread / 50);
	free(all);
}

static void run(const struct backend *backend, uint64_t seed)
{
	struct rig_setup setup = {.capacity = 6u << 20,
				  .persistent = 2u << 20,
				  .extent_size = extent,
				  .workers = THREADS,
				  .seed = seed,
				  .recode = true};
	const uint64_t uuid[2] = {1, 2};
	struct actor actor[THREADS];
	uint64_t joins = 0, batches = 0;
	uint32_t i;

	snprintf(must_context, sizeof(must_context), "--seed %" PRIu64, seed);
	rig = rig_start(backend, &setup);
	client = rig_client(rig, 1u << 20);
	pool[0] = rig_pool(rig, client, TMEM_POOL_PERSISTENT);
	pool[1] = rig_pool(rig, client, 0);
	for (i = 0; i < THREADS; i++) {
		actor[i] = (struct actor){.worker = i, .seed = seed};
		actor[i].event = calloc(per_thread, sizeof(struct event));
		actor[i].page = calloc(BATCH, sizeof(*actor[i].page));
		MUST(actor[i].event != NULL && actor[i].page != NULL);
		actor[i].client = rig_client(rig, 0);
		MUST_EQ(rig->backend->grant(rig, actor[i].client, uuid), 0);
		join(&actor[i]);
	}
	for (i = 0; i < THREADS; i++) {
		MUST_EQ(pthread_create(&actor[i].thread, NULL, act, &actor[i]), 0);
	}
	for (i = 0; i < THREADS; i++)
		MUST_EQ(pthread_join(actor[i].thread, NULL), 0);
	judge(actor);
	for (i = 0; i < THREADS; i++) {
		joins += actor[i].joins;
		batches += actor[i].batches;
		free(actor[i].event);
		free(actor[i].page);
	}
	printf("%" PRIu64 " joins, %" PRIu64 " batches\n", joins, batches);
	rig_stop(rig);
}

static int run_planted(uint64_t seed)
{
	static const char *const faults[] = {"a persistent page is lost",
					     "a second hit after an exclusive get", "one wrong bit",
					     "a flush is not carried out"};
	unsigned int i, missed = 0;

	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		int status;
		pid_t child;

		fflush(stdout);
		child = fork();
		if (child == 0) {
			for (planted_now = planted_faults;
			     planted_now->name && strcmp(planted_now->name, faults[i]);
			     planted_now++)
				;
			if (!planted_now->name || !freopen("/dev/null", "w", stderr))
				_exit(2);
			run(&backend_planted, seed);
			_exit(0);
		}
		if (child < 0 || waitpid(child, &status, 0) != child)
			return 2;
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 1) {
			printf("FAIL  not noticed: %s\n", faults[i]);
			missed++;
		} else {
			printf("ok    noticed: %s\n", faults[i]);
		}
	}
	printf("threads on %s, planted faults: %u passed, %u failed\n", glue_name, i - missed,
	       missed);
	return missed != 0;
}

int main(int argc, char **argv)
{
	uint64_t seed = (uint64_t)time(NULL);
	bool planted = false;
	int i;

	per_thread = 20000;
	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--planted"))
			planted = true;
		else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
			seed = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--extent") && i + 1 < argc)
			extent = (uint32_t)strtoul(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--operations") && i + 1 < argc)
			per_thread = (uint32_t)strtoul(argv[++i], NULL, 0) / THREADS;
		else
			return fprintf(stderr,
				       "usage: %s [--operations N] [--seed S] [--extent BYTES] "
				       "[--planted]\n",
				       argv[0]),
			       2;
	}
	if (planted)
		return run_planted(seed);
	printf("seed %" PRIu64 ", %u workers\n", seed, THREADS);
	fflush(stdout);
	run(&backend_engine, seed);
	printf("threads on %s: %u operations judged\n", glue_name, THREADS * per_thread);
	return 0;
}
