/* SPDX-License-Identifier: MIT */
/*
 * Bounded work, counted in nodes instead of time: whatever is stored, no
 * operation touches more than 200 buckets, objects, leaves and blocks, and no
 * background step looks at more than 64 pages.
 *
 *   test-steps [--pages N]...
 *
 * One object of N pages and N objects of one page, ephemeral and persistent;
 * N is ten million unless it is given. The pages are zero, so that what is
 * held is metadata and little else. What dies is swept to its end at a
 * hundredth of N, where every way to die is tried; at N the sweep is followed
 * for a while.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "glue.h"
#include "must.h"
#include "page.h"
#include "rig.h"

#define MOST	      200u
#define PAGES_IN_STEP 64u

enum operation {
	PUT_NEW,
	PUT_AGAIN,
	PUT_WITH_DYING,
	GET_HIT,
	GET_MISS,
	FLUSH,
	FLUSH_RANGE,
	FLUSH_OBJECT,
	POOL_CREATE,
	POOL_DESTROY,
	SESSION,
	CLIENT_DESTROY,
	STEP,
	OPERATIONS
};

static const char *const names[OPERATIONS] = {"put of a new page",
					      "put of a page again",
					      "put beside dying pages",
					      "get, hit",
					      "get, miss",
					      "flush of a page",
					      "flush of a range",
					      "flush of an object",
					      "new pool",
					      "pool destroyed",
					      "session",
					      "client destroyed",
					      "background step"};

static struct {
	uint64_t count, sum, over;
	uint32_t most, least;
} seen[OPERATIONS];

static const char *shape;

static bool bounded(uint64_t touched)
{
	return touched <= MOST;
}

static void note(struct rig *rig, enum operation operation)
{
	uint32_t touched = rig->backend->touched(rig, 0);

	if (!bounded(touched) && !seen[operation].over++)
		fprintf(stderr, "%s: %s touches %u nodes\n", shape, names[operation], touched);
	if (!seen[operation].count || touched < seen[operation].least)
		seen[operation].least = touched;
	if (touched > seen[operation].most)
		seen[operation].most = touched;
	seen[operation].count++;
	seen[operation].sum += touched;
}

struct scene {
	struct rig *rig;
	int client;
	uint32_t pool;
	uint32_t pages;
	bool one_object;
	bool persistent;
	bool large;
};

static struct tmem_handle name_of(const struct scene *s, uint32_t page)
{
	return s->one_object ? rig_handle(s->pool, 1, page) : rig_handle(s->pool, page, page & 1);
}

static const uint64_t zero[TMEM_PAGE_SIZE / 8];

static int put(struct scene *s, uint32_t page, enum operation operation)
{
	struct tmem_handle h = name_of(s, page);
	int result = s->rig->backend->put(s->rig, 0, s->client, &h, zero);

	note(s->rig, operation);
	return result;
}

static void fill(struct scene *s)
{
	uint32_t i;

	for (i = 0; i < s->pages; i++)
		MUST_EQ(put(s, i, PUT_NEW), 0);
	MUST_EQ(s->persistent ? rig_stats(s->rig, s->client, (int)s->pool).persistent_pages
			      : rig_stats(s->rig, s->client, (int)s->pool).ephemeral_pages,
		s->pages);
}

static void use(struct scene *s)
{
	uint64_t state = 3, page[TMEM_PAGE_SIZE / 8];
	uint32_t i;

	for (i = 0; i < 100000; i++) {
		uint32_t at = (uint32_t)rng_below(&state, s->pages);
		struct tmem_handle h = name_of(s, at);

		MUST_EQ(s->rig->backend->get(s->rig, 0, s->client, &h, page), 0);
		note(s->rig, GET_HIT);
		MUST_EQ(put(s, at, PUT_AGAIN), 0);
		MUST_EQ(put(s, at, PUT_AGAIN), 0);
		MUST_EQ(rig_flush(s->rig, s->client, h), 1);
		note(s->rig, FLUSH);
		MUST_EQ(s->rig->backend->get(s->rig, 0, s->client, &h, page), -TMEM_ENOENT);
		note(s->rig, GET_MISS);
		MUST_EQ(rig_flush(s->rig, s->client, h), 0);
		note(s->rig, FLUSH);
		MUST_EQ(put(s, at, PUT_NEW), 0);
	}
}

#define SOME_STEPS 100000u

/*
 * What died is given back in steps of at most 64 pages, so there are as many
 * as that takes. Unless the scene is a large one, followed to the end.
 */
static void sweep(struct scene *s, uint64_t died)
{
	uint64_t steps = 0, before = rig_stats(s->rig, -1, -1).swept, swept;

	while (s->rig->backend->step(s->rig, 0, 1)) {
		note(s->rig, STEP);
		if (++steps == SOME_STEPS && s->large)
			break;
		if (steps > 4 * died + 100000)
			FAIL("%s: %" PRIu64 " steps for %" PRIu64 " pages", shape, steps, died);
	}
	swept = rig_stats(s->rig, -1, -1).swept - before;
	MUST_LE(swept, steps * PAGES_IN_STEP);
	if (!s->large)
		MUST_EQ(rig_stats(s->rig, -1, -1).dying_objects, 0);
}

static void flushes(struct scene *s)
{
	uint32_t i;

	if (s->one_object) {
		MUST_EQ(rig_flush_range(s->rig, s->client, name_of(s, s->pages / 3), s->pages / 3),
			0);
		note(s->rig, FLUSH_RANGE);
		MUST_EQ(rig_flush_range(s->rig, s->client, name_of(s, 1), 1000), 0);
		note(s->rig, FLUSH_RANGE);
		for (i = 0; i < 1000; i++)
			put(s, s->pages / 3 + i * 71 % (s->pages / 3), PUT_WITH_DYING);
		MUST_EQ(rig_flush_range(s->rig, s->client, name_of(s, 100), ~0ull), 0);
		note(s->rig, FLUSH_RANGE);
		MUST_EQ(rig_flush_object(s->rig, s->client, name_of(s, 0)), 1);
		note(s->rig, FLUSH_OBJECT);
	} else {
		for (i = 0; i < s->pages / 10; i++) {
			MUST_EQ(rig_flush_object(s->rig, s->client, name_of(s, i * 10)), 1);
			note(s->rig, FLUSH_OBJECT);
			MUST_EQ(rig_flush_range(s->rig, s->client, name_of(s, i * 10 + 1), ~0ull),
				0);
			note(s->rig, FLUSH_RANGE);
		}
		for (i = 0; i < 1000; i++)
			put(s, i * 10 % s->pages, PUT_WITH_DYING);
	}
	for (i = 0; i < 10; i++)
		put(s, i, PUT_WITH_DYING);
	sweep(s, s->pages);
}

static void ends(struct scene *s, enum operation how)
{
	int other;

	fill(s);
	if (how == POOL_DESTROY)
		MUST_EQ(s->rig->backend->pool_destroy(s->rig, 0, s->client, s->pool), 0);
	else if (how == SESSION)
		MUST_EQ(s->rig->backend->session(s->rig, s->client, 99), 1);
	else
		s->rig->backend->client_destroy(s->rig, 0, s->client);
	note(s->rig, how);
	if (how != CLIENT_DESTROY) {
		struct scene after = *s;

		after.pool = rig_pool(s->rig, s->client, s->persistent ? TMEM_POOL_PERSISTENT : 0);
		note(s->rig, POOL_CREATE);
		put(&after, 1, PUT_WITH_DYING);
		s->pool = after.pool;
	} else {
		other = rig_client(s->rig, 0);
		rig_pool(s->rig, other, 0);
		note(s->rig, POOL_CREATE);
	}
	sweep(s, s->pages);
	if (how != CLIENT_DESTROY)
		MUST_EQ(rig_flush(s->rig, s->client, name_of(s, 1)), 1);
}

static void run(uint32_t pages, bool one_object, bool persistent, bool large)
{
	const uint32_t each = one_object ? 40 : 128;
	struct rig_setup setup = {
		.capacity = (uint64_t)pages * 4 * each + (64u << 20),
		.persistent = (uint64_t)pages * each + (8u << 20),
		.extent_size = 2u << 20,
		.seed = 5,
	};
	struct scene s = {
		.pages = pages, .one_object = one_object, .persistent = persistent, .large = large};
	struct timespec a, b;
	char text[100];

	snprintf(text, sizeof(text), "%s, %u pages in %s", persistent ? "persistent" : "ephemeral",
		 pages, one_object ? "one object" : "as many objects");
	shape = text;
	clock_gettime(CLOCK_MONOTONIC, &a);
	s.rig = rig_start(&backend_engine, &setup);
	s.client = rig_client(s.rig, persistent ? setup.persistent : 0);
	MUST_EQ(s.rig->backend->session(s.rig, s.client, 1), 1);
	s.pool = rig_pool(s.rig, s.client, persistent ? TMEM_POOL_PERSISTENT : 0);
	fill(&s);
	use(&s);
	flushes(&s);
	if (large) {
		MUST_EQ(s.rig->backend->pool_destroy(s.rig, 0, s.client, s.pool), 0);
		note(s.rig, POOL_DESTROY);
		sweep(&s, pages);
		s.rig->backend->client_destroy(s.rig, 0, s.client);
		note(s.rig, CLIENT_DESTROY);
		sweep(&s, pages);
	} else {
		ends(&s, POOL_DESTROY);
		ends(&s, SESSION);
		ends(&s, CLIENT_DESTROY);
	}
	rig_check(s.rig);
	MUST(s.rig->backend->stop(s.rig) == NULL);
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("ok    %s (%.1f s)\n", text,
	       (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9);
	fflush(stdout);
}

/*
 * Negative controls. The counter counts: a page at the end of a tall object
 * is under more nodes than one in a small object. And a walk over what is
 * stored would be caught: the touches of a thousand flushes, taken as one
 * operation's, are judged too many.
 */
static void controls(void)
{
	struct rig *rig = rig_start(&backend_engine, NULL);
	int client = rig_client(rig, 2u << 20);
	uint32_t pool = rig_pool(rig, client, TMEM_POOL_PERSISTENT), i;
	uint32_t near, far;
	uint64_t walked = 0;

	shape = "controls";
	MUST_EQ(rig_put(rig, client, rig_handle(pool, 1, 0), page_tag(PAGE_ZERO, 0)), 0);
	MUST_EQ(rig_get(rig, client, rig_handle(pool, 1, 0), page_tag(PAGE_ZERO, 0)), 1);
	near = rig->backend->touched(rig, 0);
	MUST_EQ(rig_put(rig, client, rig_handle(pool, 1, 0xffffffff), page_tag(PAGE_ZERO, 0)), 0);
	MUST_EQ(rig_get(rig, client, rig_handle(pool, 1, 0xffffffff), page_tag(PAGE_ZERO, 0)), 1);
	far = rig->backend->touched(rig, 0);
	MUST(near >= 2);
	MUST(far >= near + 3);
	for (i = 0; i < 1000; i++)
		MUST_EQ(rig_put(rig, client, rig_handle(pool, i, 3), page_tag(PAGE_ZERO, 0)), 0);
	for (i = 0; i < 1000; i++) {
		MUST_EQ(rig_flush(rig, client, rig_handle(pool, i, 3)), 1);
		MUST(rig->backend->touched(rig, 0) > 0);
		walked += rig->backend->touched(rig, 0);
	}
	MUST(!bounded(walked));
	rig_stop(rig);
	printf("ok    the counter counts: %u near, %u far, a linear walk %" PRIu64 "\n", near, far,
	       walked);
}

int main(int argc, char **argv)
{
	uint32_t pages = 10000000;
	unsigned int i, failed = 0;
	int arg;

	/* The last --pages counts: a sanitizer's run adds a smaller one to the test's own. */
	for (arg = 1; arg + 1 < argc; arg += 2) {
		if (strcmp(argv[arg], "--pages") || atoi(argv[arg + 1]) < 100000)
			break;
		pages = (uint32_t)atoi(argv[arg + 1]);
	}
	if (arg != argc)
		return fprintf(stderr, "usage: %s [--pages N, at least 100000]\n", argv[0]), 2;
	controls();
	for (i = 0; i < 8; i++)
		run(i < 4 ? pages / 100 : pages, i & 1, i & 2, i >= 4);
	for (i = 0; i < OPERATIONS; i++) {
		failed += seen[i].over > 0;
		printf("%s %-24s %10" PRIu64 " times, %3u to %3u nodes, mean %.1f\n",
		       seen[i].over ? "FAIL " : "ok   ", names[i], seen[i].count, seen[i].least,
		       seen[i].most,
		       seen[i].count ? (double)seen[i].sum / (double)seen[i].count : 0.0);
	}
	printf("steps on %s: %u passed, %u failed\n", glue_name, OPERATIONS - failed, failed);
	return failed != 0;
}
