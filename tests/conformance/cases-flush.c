/* SPDX-License-Identifier: MIT */
/*
 * Flushes of pages, ranges and objects, and batches: section 2 of the
 * contract, and rules 15 and 18 as far as results go.
 */
#include <stdlib.h>
#include <string.h>

#include "case.h"

static void never_there(struct stage *s)
{
	struct tmem_handle h = rig_handle(s->pool, 1, 1);

	MUST_EQ(rig_flush(s->rig, s->client, h), 0);
	MUST_EQ(rig_flush_range(s->rig, s->client, h, 1000), 0);
	MUST_EQ(rig_flush_object(s->rig, s->client, h), 0);
	MUST_EQ(rig_put(s->rig, s->client, h, page_tag(PAGE_TEXT, 1)), 0);
	h.index = 2;
	MUST_EQ(rig_flush(s->rig, s->client, h), 0);
	MUST_EQ(rig_flush_range(s->rig, s->client, h, ~0ull), 0);
	h.index = 1;
	MUST_EQ(rig_flush(s->rig, s->client, h), 1);
	MUST_EQ(rig_flush(s->rig, s->client, h), 0);
	MUST_EQ(rig_flush_object(s->rig, s->client, h), 0);
}

static void flush_of_what_was_never_there(const struct backend *backend)
{
	case_both(backend, never_there);
}

/* Pages around the borders of leaves and tree levels; every range over them. */
static const uint32_t around[] = {0,	      1,	  2,	      63,	 64,
				  65,	      127,	  128,	      4095,	 4096,
				  262143,     262144,	  16777215,   16777216,	 1u << 31,
				  0xffffffbf, 0xffffffc0, 0xfffffffe, 0xffffffff};
#define AROUND (sizeof(around) / sizeof(around[0]))

static void try_range(struct stage *s, uint32_t first, uint64_t count)
{
	unsigned int i;

	for (i = 0; i < AROUND; i++)
		MUST_EQ(rig_put(s->rig, s->client, rig_handle(s->pool, 1, around[i]),
				page_tag(PAGE_SAME, i)),
			0);
	MUST_EQ(rig_put(s->rig, s->client, rig_handle(s->pool, 2, first), page_tag(PAGE_SAME, 99)),
		0);
	MUST_EQ(rig_flush_range(s->rig, s->client, rig_handle(s->pool, 1, first), count), 0);
	rig_check(s->rig);
	for (i = 0; i < AROUND; i++) {
		bool gone = around[i] >= first && around[i] - first < count;
		int result = rig_get(s->rig, s->client, rig_handle(s->pool, 1, around[i]),
				     page_tag(PAGE_SAME, i));

		if (result != (gone ? -TMEM_ENOENT : 1))
			FAIL("flush range %u + %" PRIu64 ": index %u gives %d", first, count,
			     around[i], result);
	}
	MUST_EQ(rig_get(s->rig, s->client, rig_handle(s->pool, 2, first), page_tag(PAGE_SAME, 99)),
		1);
	rig_settle(s->rig);
	rig_check(s->rig);
}

static void ranges(struct stage *s)
{
	unsigned int a, b;

	for (a = 0; a < AROUND; a++)
		for (b = a; b < AROUND; b++) {
			try_range(s, around[a], (uint64_t)around[b] - around[a]);
			try_range(s, around[a], (uint64_t)around[b] - around[a] + 1);
		}
}

static void flush_range_takes_exactly_its_pages(const struct backend *backend)
{
	case_both(backend, ranges);
}

static void wrapping(struct stage *s)
{
	static const uint64_t counts[] = {1ull << 32, (1ull << 32) + 1, 1ull << 33,
					  1ull << 63, (1ull << 63) + 1, ~0ull - 1,
					  ~0ull};
	unsigned int i, j;

	for (i = 0; i < AROUND; i++)
		for (j = 0; j < sizeof(counts) / sizeof(counts[0]); j++)
			try_range(s, around[i], counts[j]);
}

static void flush_range_that_wraps_stops_at_the_end(const struct backend *backend)
{
	case_both(backend, wrapping);
}

static void nothing(struct stage *s)
{
	unsigned int i;

	for (i = 0; i < AROUND; i++)
		try_range(s, around[i], 0);
}

static void flush_range_of_nothing_takes_nothing(const struct backend *backend)
{
	case_both(backend, nothing);
}

static void put_again(struct stage *s)
{
	uint32_t round, i;

	/* The dead object's sweep must not take what was put after the flush. */
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 300; i++)
			MUST_EQ(rig_put(s->rig, s->client, rig_handle(s->pool, 1, i * 7),
					page_tag(PAGE_ANY, round * 1000 + i)),
				0);
		MUST_EQ(rig_get(s->rig, s->client, rig_handle(s->pool, 1, 7 * 299),
				page_tag(PAGE_ANY, round * 1000 + 299)),
			1);
		if (round % 3 == 0)
			MUST_EQ(rig_flush_object(s->rig, s->client, rig_handle(s->pool, 1, 5)), 1);
		else
			MUST_EQ(rig_flush_range(s->rig, s->client, rig_handle(s->pool, 1, 0), 2100),
				0);
		MUST_EQ(rig_put(s->rig, s->client, rig_handle(s->pool, 1, 7 * 150),
				page_tag(PAGE_TEXT, round)),
			0);
		s->rig->backend->step(s->rig, 0, round % 5);
		rig_check(s->rig);
		for (i = 0; i < 300; i++)
			if (i != 150)
				MUST_EQ(rig_get(s->rig, s->client, rig_handle(s->pool, 1, i * 7),
						0),
					-TMEM_ENOENT);
		rig_settle(s->rig);
		MUST_EQ(rig_get(s->rig, s->client, rig_handle(s->pool, 1, 7 * 150),
				page_tag(PAGE_TEXT, round)),
			1);
	}
}

static void put_after_a_flush_stays(const struct backend *backend)
{
	case_both(backend, put_again);
}

static void object_whole(struct stage *s)
{
	unsigned int i;

	for (i = 0; i < AROUND; i++) {
		MUST_EQ(rig_put(s->rig, s->client, rig_handle(s->pool, 1, around[i]),
				page_tag(PAGE_ANY, i)),
			0);
		MUST_EQ(rig_put(s->rig, s->client, rig_handle(s->pool, 2, around[i]),
				page_tag(PAGE_ANY, 100 + i)),
			0);
	}
	/* The index of the handle does not matter. */
	MUST_EQ(rig_flush_object(s->rig, s->client, rig_handle(s->pool, 1, 12345)), 1);
	MUST_EQ(rig_flush_object(s->rig, s->client, rig_handle(s->pool, 1, 0)), 0);
	for (i = 0; i < AROUND; i++) {
		MUST_EQ(rig_get(s->rig, s->client, rig_handle(s->pool, 1, around[i]), 0),
			-TMEM_ENOENT);
		MUST_EQ(rig_get(s->rig, s->client, rig_handle(s->pool, 2, around[i]),
				page_tag(PAGE_ANY, 100 + i)),
			1);
	}
}

static void flush_object_takes_the_whole_object(const struct backend *backend)
{
	case_both(backend, object_whole);
}

/* One handle through a batch: each operation sees what those before it did. */
static void in_order(struct stage *s)
{
	bool persistent = rig_stats(s->rig, s->client, (int)s->pool).persistent_pages > 0;
	static uint8_t page[8][TMEM_PAGE_SIZE];
	struct tmem_handle h = rig_handle(s->pool, 1, 1);
	struct tmem_handle next = rig_handle(s->pool, 1, 2);
	struct tmem_op ops[] = {
		{TMEM_OP_GET, 99, h, 0, page[0]},	{TMEM_OP_PUT, 99, h, 0, page[1]},
		{TMEM_OP_PUT, 99, h, 0, page[2]},	{TMEM_OP_GET, 99, h, 0, page[3]},
		{TMEM_OP_GET, 99, h, 0, page[4]},	{TMEM_OP_PUT, 99, next, 0, page[1]},
		{TMEM_OP_PUT, 99, h, 0, page[1]},	{TMEM_OP_FLUSH, 99, h, 0, NULL},
		{TMEM_OP_GET, 99, h, 0, page[5]},	{TMEM_OP_PUT, 99, h, 0, page[2]},
		{TMEM_OP_FLUSH_RANGE, 99, h, 1, NULL},	{TMEM_OP_GET, 99, h, 0, page[5]},
		{TMEM_OP_GET, 99, next, 0, page[6]},	{TMEM_OP_PUT, 99, next, 0, page[2]},
		{TMEM_OP_FLUSH_OBJECT, 99, h, 0, NULL}, {TMEM_OP_FLUSH_OBJECT, 99, h, 0, NULL},
		{TMEM_OP_GET, 99, next, 0, page[7]},
	};
	static const int ephemeral_results[] = {-TMEM_ENOENT,
						0,
						0,
						0,
						-TMEM_ENOENT,
						0,
						0,
						1,
						-TMEM_ENOENT,
						0,
						0,
						-TMEM_ENOENT,
						0,
						0,
						1,
						0,
						-TMEM_ENOENT};
	unsigned int i;

	page_fill(page[1], page_tag(PAGE_TEXT, 1));
	page_fill(page[2], page_tag(PAGE_TEXT, 2));
	s->rig->backend->batch(s->rig, 0, s->client, ops, sizeof(ops) / sizeof(ops[0]));
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		int should = i == 4 && persistent ? 0 : ephemeral_results[i];

		if (ops[i].result != should)
			FAIL("operation %u of the batch gives %d, should be %d", i, ops[i].result,
			     should);
	}
	MUST(page_holds(page[3], page_tag(PAGE_TEXT, 2)));
	MUST(page_holds(page[6], page_tag(PAGE_TEXT, 1)));
}

static void batch_takes_effect_in_order(const struct backend *backend)
{
	struct stage s = case_stage(backend, 0);

	in_order(&s);
	rig_stop(s.rig);
	s = case_stage(backend, TMEM_POOL_PERSISTENT);
	/* One page tells in_order() which kind of pool this is. */
	MUST_EQ(rig_put(s.rig, s.client, rig_handle(s.pool, 77, 1), page_tag(PAGE_TEXT, 1)), 0);
	in_order(&s);
	rig_stop(s.rig);
}

/* Wrong ones among right ones, in batches of every length that has a border. */
static void batch_results_are_each_its_own(const struct backend *backend)
{
	static const unsigned int lengths[] = {1, 2, 7, 31, 32, 33, 63, 64, 65, 128, 129, 500};
	struct stage s = case_stage(backend, TMEM_POOL_PERSISTENT);
	uint8_t(*page)[TMEM_PAGE_SIZE] = calloc(500, TMEM_PAGE_SIZE);
	uint32_t gone = rig_pool(s.rig, s.client, 0);
	struct tmem_op ops[500];
	unsigned int l, i;

	MUST(page != NULL);
	MUST_EQ(s.rig->backend->pool_destroy(s.rig, 0, s.client, gone), 0);
	s.rig->backend->batch(s.rig, 0, s.client, ops, 0);
	for (l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++) {
		unsigned int count = lengths[l];

		for (i = 0; i < count; i++) {
			struct tmem_handle h = rig_handle(s.pool, l, i * 3);

			if (i % 5 == 3)
				h.pool = gone;
			page_fill(page[i], page_tag(PAGE_TEXT, l * 1000 + i));
			ops[i] = (struct tmem_op){TMEM_OP_PUT, 99, h, 0, page[i]};
			if (i % 7 == 6)
				ops[i].code = i & 8 ? 0 : 77;
		}
		s.rig->backend->batch(s.rig, 0, s.client, ops, count);
		for (i = 0; i < count; i++) {
			int should = i % 7 == 6 ? -TMEM_EINVAL : i % 5 == 3 ? -TMEM_ENODEV : 0;

			if (ops[i].result != should)
				FAIL("put %u of %u gives %d, should be %d", i, count, ops[i].result,
				     should);
			ops[i].code = TMEM_OP_GET;
			ops[i].result = 99;
			ops[i].handle.pool = s.pool;
			memset(page[i], 0, TMEM_PAGE_SIZE);
		}
		s.rig->backend->batch(s.rig, 0, s.client, ops, count);
		for (i = 0; i < count; i++) {
			bool there = i % 7 != 6 && i % 5 != 3;

			MUST_EQ(ops[i].result, there ? 0 : -TMEM_ENOENT);
			if (there)
				MUST(page_holds(page[i], page_tag(PAGE_TEXT, l * 1000 + i)));
		}
	}
	free(page);
	rig_stop(s.rig);
}

/* The same handle again and again in one batch of puts, then of gets. */
static void batch_of_one_handle(const struct backend *backend)
{
	static uint8_t page[100][TMEM_PAGE_SIZE];
	struct stage s = case_stage(backend, 0);
	struct tmem_op ops[100];
	unsigned int i, hits = 0;

	for (i = 0; i < 100; i++) {
		page_fill(page[i], page_tag(PAGE_ANY, i));
		ops[i] = (struct tmem_op){TMEM_OP_PUT, 99, rig_handle(s.pool, 1, 1), 0, page[i]};
	}
	s.rig->backend->batch(s.rig, 0, s.client, ops, 100);
	for (i = 0; i < 100; i++) {
		MUST_EQ(ops[i].result, 0);
		ops[i].code = TMEM_OP_GET;
	}
	s.rig->backend->batch(s.rig, 0, s.client, ops, 100);
	for (i = 0; i < 100; i++)
		hits += ops[i].result == 0;
	MUST_EQ(hits, 1);
	MUST_EQ(ops[0].result, 0);
	MUST(page_holds(page[0], page_tag(PAGE_ANY, 99)));
	rig_stop(s.rig);
}

/* A row of puts sweeps what is dead as fast as so many single puts do. */
static void batch_of_puts_pays_for_each(const struct backend *backend)
{
	struct stage s = case_stage(backend, 0);
	static uint8_t page[RIG_ROW][TMEM_PAGE_SIZE];
	struct tmem_op ops[RIG_ROW];
	uint32_t round, i;

	for (i = 0; i < RIG_ROW; i++)
		page_fill(page[i], page_tag(PAGE_RANDOM, i));
	/* Raw pages have extents of their own only where there are many. */
	for (i = 0; i < 500; i++)
		MUST_EQ(rig_put(s.rig, s.client, rig_handle(s.pool, 1ull << 32, i),
				page_tag(PAGE_RANDOM, i)),
			0);
	for (round = 0; round < 400; round++) {
		for (i = 0; i < RIG_ROW; i++)
			ops[i] = (struct tmem_op){TMEM_OP_PUT, 99, rig_handle(s.pool, i, 64), 128,
						  page[i]};
		s.rig->backend->batch(s.rig, 0, s.client, ops, RIG_ROW);
		for (i = 0; i < RIG_ROW; i++) {
			MUST_EQ(ops[i].result, 0);
			/* What leaves an object but for its first group is swept later. */
			ops[i].code = TMEM_OP_FLUSH_RANGE;
		}
		s.rig->backend->batch(s.rig, 0, s.client, ops, RIG_ROW);
		MUST_LE(rig_stats(s.rig, s.client, -1).dying_objects, 2 * RIG_ROW);
	}
	rig_stop(s.rig);
}

static void counts_are_exact(const struct backend *backend)
{
	struct stage s = case_stage(backend, TMEM_POOL_PERSISTENT);
	struct tmem_stats stats;
	unsigned int i;

	for (i = 0; i < 10; i++)
		MUST_EQ(rig_put(s.rig, s.client, rig_handle(s.pool, i / 5, i),
				page_tag(PAGE_RANDOM, i)),
			0);
	for (i = 0; i < 3; i++)
		MUST_EQ(rig_put(s.rig, s.client, rig_handle(s.pool, 0, i), page_tag(PAGE_ZERO, i)),
			0);
	for (i = 0; i < 20; i++)
		rig_get(s.rig, s.client, rig_handle(s.pool, i / 5, i),
			i < 3 ? page_tag(PAGE_ZERO, i) : page_tag(PAGE_RANDOM, i));
	MUST_EQ(rig_flush(s.rig, s.client, rig_handle(s.pool, 0, 0)), 1);
	MUST_EQ(rig_flush(s.rig, s.client, rig_handle(s.pool, 0, 0)), 0);
	MUST_EQ(rig_flush_range(s.rig, s.client, rig_handle(s.pool, 0, 1), 2), 0);
	MUST_EQ(rig_flush_object(s.rig, s.client, rig_handle(s.pool, 1, 0)), 1);
	MUST_EQ(rig_flush_object(s.rig, s.client, rig_handle(s.pool, 5, 0)), 0);
	s.rig->backend->freeze(s.rig, s.client, true);
	MUST_EQ(rig_put(s.rig, s.client, rig_handle(s.pool, 0, 3), 0), -TMEM_EAGAIN);
	MUST_EQ(rig_put(s.rig, s.client, rig_handle(s.pool, 8, 8), 0), -TMEM_EAGAIN);
	s.rig->backend->freeze(s.rig, s.client, false);
	rig_settle(s.rig);
	for (i = 0; i < 3; i++) {
		stats = rig_stats(s.rig, i == 2 ? -1 : s.client, i == 0 ? (int)s.pool : -1);
		MUST_EQ(stats.puts, 15);
		MUST_EQ(stats.puts_stored, 13);
		MUST_EQ(stats.puts_replaced, 3);
		MUST_EQ(stats.puts_flushed, 1);
		MUST_EQ(stats.puts_frozen, 2);
		MUST_EQ(stats.puts_no_room, 0);
		MUST_EQ(stats.puts_over_limit, 0);
		MUST_EQ(stats.gets, 20);
		MUST_EQ(stats.gets_hit, 10);
		MUST_EQ(stats.gets_lost, 0);
		MUST_EQ(stats.flushes, 2);
		MUST_EQ(stats.flushes_found, 1);
		MUST_EQ(stats.range_flushes, 1);
		MUST_EQ(stats.object_flushes, 2);
		MUST_EQ(stats.object_flushes_found, 1);
		MUST_EQ(stats.pages_same, 3);
		MUST_EQ(stats.pages_raw, 10);
		MUST_EQ(stats.pages_coded, 0);
		MUST_EQ(stats.evicted, 0);
		MUST_EQ(stats.persistent_pages, 1);
		MUST_EQ(stats.persistent_payload, TMEM_PAGE_SIZE);
		MUST_EQ(stats.objects, 1);
	}
	/* What a destroyed pool counted stays with its client, and a client's with the host. */
	MUST_EQ(s.rig->backend->pool_destroy(s.rig, 0, s.client, s.pool), 0);
	rig_settle(s.rig);
	stats = rig_stats(s.rig, -1, -1);
	MUST_EQ(stats.puts, 15);
	MUST_EQ(stats.gets_hit, 10);
	MUST_EQ(stats.persistent_pages, 0);
	MUST_EQ(stats.objects, 0);
	rig_stop(s.rig);
}

const struct conformance_case cases_flush[] = {
	{"2", "flush-of-what-was-never-there", CAN_OBJECTS, flush_of_what_was_never_there},
	{"2", "flush-range-takes-exactly-its-pages", CAN_OBJECTS,
	 flush_range_takes_exactly_its_pages},
	{"9", "flush-range-that-wraps-stops-at-the-end", CAN_OBJECTS,
	 flush_range_that_wraps_stops_at_the_end},
	{"2", "flush-range-of-nothing-takes-nothing", CAN_OBJECTS,
	 flush_range_of_nothing_takes_nothing},
	{"2", "flush-object-takes-the-whole-object", CAN_OBJECTS,
	 flush_object_takes_the_whole_object},
	{"3.15", "put-after-a-flush-stays", CAN_OBJECTS, put_after_a_flush_stays},
	{"2", "batch-takes-effect-in-order", CAN_OBJECTS | CAN_EPHEMERAL | CAN_STATS,
	 batch_takes_effect_in_order},
	{"2", "batch-results-are-each-its-own", CAN_OBJECTS | CAN_EPHEMERAL,
	 batch_results_are_each_its_own},
	{"3.5", "batch-of-gets-of-one-page-hits-once", CAN_OBJECTS | CAN_EPHEMERAL,
	 batch_of_one_handle},
	{"3.15", "batch-of-puts-pays-for-each", CAN_OBJECTS | CAN_EPHEMERAL | CAN_STATS,
	 batch_of_puts_pays_for_each},
	{"7", "counts-are-exact", CAN_OBJECTS | CAN_STATS | CAN_ADMIN, counts_are_exact},
	{NULL, NULL, 0, NULL},
};
