/* SPDX-License-Identifier: MIT */
/*
 * Whose memory it is, how much of it, and who gives way: rules 6, 7, 8, 10
 * and 15 of the contract, and the traps about full and empty memory.
 */
#include <stdlib.h>

#include "case.h"

#define MIB (1u << 20)

/* Puts of @count pages of one kind, @per_object in an object; how many were stored. */
static uint32_t fill(struct rig *rig, int client, uint32_t pool, enum page_kind kind,
		     uint32_t count, uint32_t per_object)
{
	struct rig_row *row = rig_row_begin(rig, client);
	uint32_t i, stored;

	for (i = 0; i < count; i++)
		rig_row_put(row, rig_handle(pool, i / per_object, i % per_object),
			    page_tag(kind, i));
	rig_row_send(row);
	stored = row->stored;
	free(row);
	return stored;
}

/* As fill(), and every put must be stored. */
static void fill_whole(struct rig *rig, int client, uint32_t pool, enum page_kind kind,
		       uint32_t count, uint32_t per_object)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		int result = rig_put(rig, client, rig_handle(pool, i / per_object, i % per_object),
				     page_tag(kind, i));

		if (result)
			FAIL("put %u of %u, %u pages in an object: %d", i, count, per_object,
			     result);
	}
}

/* How many of these pages are still there; the others must be misses. */
static uint32_t still(struct rig *rig, int client, uint32_t pool, enum page_kind kind,
		      uint32_t count, uint32_t per_object)
{
	uint32_t i, there = 0;

	for (i = 0; i < count; i++) {
		int result = rig_get(rig, client, rig_handle(pool, i / per_object, i % per_object),
				     page_tag(kind, i));

		if (result == 1)
			there++;
		else
			MUST_EQ(result, -TMEM_ENOENT);
	}
	return there;
}

static void within(struct rig *rig, uint64_t capacity)
{
	MUST_LE(rig->backend->host_bytes(rig), capacity);
}

/* A client with 300 pages to keep, one with pages to lose, much more than there is room for. */
static void pressed(const struct backend *backend,
		    void (*press)(struct rig *rig, int b, uint32_t q))
{
	struct rig *rig = case_start(backend, 0, 1);
	int a = rig_client(rig, 2 * MIB), b = rig_client(rig, 0);
	uint32_t p = rig_pool(rig, a, TMEM_POOL_PERSISTENT), q = rig_pool(rig, b, 0);

	fill_whole(rig, a, p, PAGE_ANY, 300, 7);
	press(rig, b, q);
	rig_check(rig);
	within(rig, rig->setup.capacity);
	MUST_EQ(still(rig, a, p, PAGE_ANY, 300, 7), 300);
	fill_whole(rig, a, p, PAGE_RANDOM, 300, 7);
	MUST_EQ(still(rig, a, p, PAGE_RANDOM, 300, 7), 300);
	rig_stop(rig);
}

static void with_puts(struct rig *rig, int b, uint32_t q)
{
	uint32_t count = (uint32_t)(rig->setup.capacity / TMEM_PAGE_SIZE * 3);

	fill_whole(rig, b, q, PAGE_RANDOM, count, 64);
	MUST(rig_stats(rig, b, -1).evicted > 0);
}

static void persistent_survives_ephemeral_pressure(const struct backend *backend)
{
	pressed(backend, with_puts);
}

static void with_reclaim(struct rig *rig, int b, uint32_t q)
{
	fill(rig, b, q, PAGE_TEXT, 1000, 10);
	MUST(rig->backend->reclaim(rig, 0, 1ull << 40) > 0);
	MUST_EQ(still(rig, b, q, PAGE_TEXT, 1000, 10), 0);
	MUST_EQ(rig_stats(rig, b, -1).ephemeral_pages, 0);
	MUST_LE(rig->backend->reclaim(rig, 0, 1ull << 40), rig->backend->kept_ready);
}

static void persistent_survives_reclaim_of_everything(const struct backend *backend)
{
	pressed(backend, with_reclaim);
}

/* No free memory at all: everything that may be refused is, and nothing else. */
static void with_no_capacity(struct rig *rig, int b, uint32_t q)
{
	uint64_t capacity = rig->setup.capacity, least = TMEM_PAGE_SIZE;
	uint32_t i;

	/* Where what is promised stays, all of it is promised. */
	if (rig->backend->keeps_reserve) {
		least = rig->setup.persistent;
		rig_client(rig, least - 2 * MIB);
	}
	fill(rig, b, q, PAGE_TEXT, 1000, 10);
	rig->backend->set_capacity(rig, least);
	MUST_EQ(still(rig, b, q, PAGE_TEXT, 1000, 10), 0);
	for (i = 0; i < 100; i++) {
		int result = rig_put(rig, b, rig_handle(q, 1, i), page_tag(PAGE_RANDOM, i));

		MUST_EQ(result, -TMEM_ENOMEM);
		MUST_EQ(rig_get(rig, b, rig_handle(q, 1, i), 0), -TMEM_ENOENT);
	}
	rig_check(rig);
	rig->backend->set_capacity(rig, capacity);
	fill_whole(rig, b, q, PAGE_TEXT, 100, 10);
	MUST_EQ(still(rig, b, q, PAGE_TEXT, 100, 10), 100);
	rig->backend->set_capacity(rig, least);
}

static void free_memory_at_zero(const struct backend *backend)
{
	pressed(backend, with_no_capacity);
}

static void through_one_object(struct rig *rig, int b, uint32_t q)
{
	uint32_t count = (uint32_t)(rig->setup.capacity / TMEM_PAGE_SIZE * 3), i;

	for (i = 0; i < count; i++) {
		MUST_EQ(rig_put(rig, b, rig_handle(q, 1, i * 64), page_tag(PAGE_RANDOM, i)), 0);
		if (i % 1024 == 0)
			within(rig, rig->setup.capacity);
	}
	MUST_EQ(rig_get(rig, b, rig_handle(q, 1, (i - 1) * 64), page_tag(PAGE_RANDOM, i - 1)), 1);
}

static void one_client_fills_all_memory_through_one_object(const struct backend *backend)
{
	pressed(backend, through_one_object);
}

static void zeros(struct rig *rig, int b, uint32_t q)
{
	struct rig_row *row = rig_row_begin(rig, b);
	uint32_t i;

	for (i = 0; i < 400000; i++) {
		rig_row_put(row, rig_handle(q, i, 0), page_tag(PAGE_ZERO, i));
		if (i % 4096 == 0)
			within(rig, rig->setup.capacity);
	}
	rig_row_send(row);
	MUST_EQ(row->refused, 0);
	free(row);
	MUST_EQ(rig_get(rig, b, rig_handle(q, i - 1, 0), page_tag(PAGE_ZERO, i)), 1);
}

static void nothing_but_zero_pages_in_one_page_objects(const struct backend *backend)
{
	pressed(backend, zeros);
}

static void zero_pages_are_billed(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int client = rig_client(rig, MIB);
	uint32_t pool = rig_pool(rig, client, TMEM_POOL_PERSISTENT), i;
	int result = 0;

	for (i = 0; i < 1000000 && !result; i++)
		result = rig_put(rig, client, rig_handle(pool, i, 0), page_tag(PAGE_ZERO, i));
	MUST_EQ(result, -TMEM_ENOSPC);
	MUST_LE(rig_stats(rig, client, -1).billed, MIB);
	MUST_EQ(rig_stats(rig, client, -1).persistent_pages, i - 1);
	rig_stop(rig);
}

static void ephemeral_gives_way_to_an_allocation(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int b = rig_client(rig, 0), a;
	uint32_t q = rig_pool(rig, b, 0), p;
	uint32_t count = (uint32_t)(rig->setup.capacity / TMEM_PAGE_SIZE * 2);
	uint64_t allocation = rig->setup.persistent / 2;
	uint32_t pages = (uint32_t)tmem_allocation_pages(allocation, 16, conformance_verify);

	MUST(pages > 0);
	fill(rig, b, q, PAGE_RANDOM, count, 64);
	a = rig_client(rig, allocation);
	p = rig_pool(rig, a, TMEM_POOL_PERSISTENT);
	fill_whole(rig, a, p, PAGE_RANDOM, pages, 16);
	/* The other way round it gives nothing. */
	fill(rig, b, q, PAGE_RANDOM, count, 64);
	MUST_EQ(still(rig, a, p, PAGE_RANDOM, pages, 16), pages);
	within(rig, rig->setup.capacity);
	rig_stop(rig);
}

static void allocations_never_exceed_the_host(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	struct tmem_client_config config = {.size = sizeof(config)};
	uint64_t quarter = rig->setup.persistent / 4;
	int client[4], i;

	config.allocation = rig->setup.persistent + 1;
	MUST_EQ(rig->backend->client_create(rig, &config), -TMEM_ENOSPC);
	config.allocation = backend->bytes_most;
	MUST_EQ(rig->backend->client_create(rig, &config), -TMEM_ENOSPC);
	for (i = 0; i < 4; i++)
		client[i] = rig_client(rig, quarter);
	config.allocation = TMEM_PAGE_SIZE;
	MUST_EQ(rig->backend->client_create(rig, &config), -TMEM_ENOSPC);
	config.allocation = backend->bytes_most - quarter;
	MUST_EQ(rig->backend->client_create(rig, &config), -TMEM_ENOSPC);
	MUST_EQ(rig_stats(rig, -1, -1).allocation, 4 * quarter);
	rig->backend->client_destroy(rig, 0, client[2]);
	rig_settle(rig);
	rig_client(rig, quarter);
	rig_stop(rig);
}

/* The host refuses every byte from now on: what was reserved is enough. */
static void persistent_put_needs_no_memory(const struct backend *backend)
{
	static const uint32_t per_object[] = {1, 3, 64, 5000};
	unsigned int i;

	for (i = 0; i < sizeof(per_object) / sizeof(per_object[0]); i++) {
		struct rig *rig = case_start(backend, 0, 1);
		int client = rig_client(rig, 4 * MIB);
		uint32_t pool = rig_pool(rig, client, TMEM_POOL_PERSISTENT);
		uint32_t pages =
			(uint32_t)tmem_allocation_pages(4 * MIB, per_object[i], conformance_verify);

		MUST(pages > 256);
		rig->backend->starve(rig, 1, true);
		MUST_EQ(fill(rig, client, pool, PAGE_RANDOM, pages, per_object[i]), pages);
		MUST_EQ(fill(rig, client, pool, PAGE_RANDOM, pages, per_object[i]), pages);
		rig_check(rig);
		MUST_EQ(still(rig, client, pool, PAGE_RANDOM, pages, per_object[i]), pages);
		rig->backend->starve(rig, 0, false);
		rig_stop(rig);
	}
}

static void allocation_holds_the_pages_it_promises(const struct backend *backend)
{
	static const uint32_t per_object[] = {1, 2, 8, 64, 65, 1024, 100000};
	static const uint32_t counts[] = {1, 2, 10, 255, 1000};
	unsigned int i, j;

	for (i = 0; i < sizeof(per_object) / sizeof(per_object[0]); i++)
		for (j = 0; j < sizeof(counts) / sizeof(counts[0]); j++) {
			struct rig *rig = case_start(backend, 0, 1);
			uint64_t bytes =
				tmem_pages_allocation(counts[j], per_object[i], conformance_verify);
			int client = rig_client(rig, bytes);
			uint32_t pool = rig_pool(rig, client, TMEM_POOL_PERSISTENT);

			MUST_LE(counts[j],
				tmem_allocation_pages(bytes, per_object[i], conformance_verify));
			fill_whole(rig, client, pool, PAGE_RANDOM, counts[j], per_object[i]);
			MUST_LE(rig_stats(rig, client, -1).billed, bytes);
			MUST_EQ(still(rig, client, pool, PAGE_RANDOM, counts[j], per_object[i]),
				counts[j]);
			rig_stop(rig);
		}
}

static void duplicate_put_when_exactly_full_never_fails(const struct backend *backend)
{
	struct stage s = case_stage(backend, TMEM_POOL_PERSISTENT);
	uint64_t state = 5;
	uint32_t count = 0, i;
	uint64_t *version;

	while (!rig_put(s.rig, s.client, rig_handle(s.pool, count / 32, count % 32),
			page_tag(PAGE_RANDOM, count)))
		count++;
	MUST_LE(tmem_allocation_pages(STAGE_ALLOCATION, 32, conformance_verify), count);
	version = calloc(count, sizeof(*version));
	MUST(version != NULL);
	for (i = 0; i < count; i++)
		version[i] = i;
	for (i = 0; i < 10 * count; i++) {
		uint32_t at = (uint32_t)rng_below(&state, count);

		version[at] = count + i;
		MUST_EQ(rig_put(s.rig, s.client, rig_handle(s.pool, at / 32, at % 32),
				page_tag(PAGE_RANDOM, version[at])),
			0);
		MUST_LE(rig_stats(s.rig, s.client, -1).billed, STAGE_ALLOCATION);
	}
	for (i = 0; i < count; i++)
		MUST_EQ(rig_get(s.rig, s.client, rig_handle(s.pool, i / 32, i % 32),
				page_tag(PAGE_RANDOM, version[i])),
			1);
	free(version);
	rig_stop(s.rig);
}

/*
 * What a disk does to its pool for years: any page, any contents, over and
 * over, now and then a discard. It was promised room for pages that do not
 * compress; at no moment may it be refused one.
 */
static void churn(const struct backend *backend, bool discards)
{
	struct rig *rig = case_start(backend, 0, 1);
	const uint32_t pages = 700, per_object = 100;
	int client = rig_client(rig, tmem_pages_allocation(pages, per_object, conformance_verify));
	uint32_t pool = rig_pool(rig, client, TMEM_POOL_PERSISTENT), i, round;
	uint64_t state = 11;
	static uint64_t tag[700];

	MUST_EQ(rig->backend->set_codec(rig, client, TMEM_CODEC_LZ4), 0);
	for (round = 0; round < 40; round++) {
		/* From all kinds to nothing but what does not compress, and back. */
		for (i = 0; i < 2 * pages; i++) {
			uint32_t at = round % 4 == 3 && i < pages
					      ? i
					      : (uint32_t)rng_below(&state, pages);
			enum page_kind kind = round % 4 == 3   ? PAGE_RANDOM
					      : round % 4 == 2 ? PAGE_TEXT
							       : PAGE_ANY;
			int result;

			tag[at] = page_tag(kind, rng_next(&state) >> 3);
			result = rig_put(rig, client,
					 rig_handle(pool, at / per_object, at % per_object),
					 tag[at]);
			if (result)
				FAIL("round %u, put %u: %d with %" PRIu64 " of %" PRIu64
				     " bytes billed",
				     round, i, result, rig_stats(rig, client, -1).billed,
				     rig_stats(rig, client, -1).allocation);
		}
		if (discards) {
			uint32_t first = (uint32_t)rng_below(&state, pages / per_object);
			uint32_t from = (uint32_t)rng_below(&state, per_object);
			uint32_t n = (uint32_t)rng_below(&state, per_object - from) + 1;

			MUST_EQ(rig_flush_range(rig, client, rig_handle(pool, first, from), n), 0);
			for (i = from; i < from + n; i++)
				tag[first * per_object + i] = ~0ull;
		}
		for (i = 0; i < pages; i++)
			if (tag[i]) {
				struct tmem_handle h =
					rig_handle(pool, i / per_object, i % per_object);

				MUST_EQ(rig_get(rig, client, h, tag[i]),
					tag[i] == ~0ull ? -TMEM_ENOENT : 1);
			}
		rig_check(rig);
	}
	rig_stop(rig);
}

static void full_client_is_never_refused_what_it_was_promised(const struct backend *backend)
{
	churn(backend, false);
}

static void discards_leave_the_promise_whole(const struct backend *backend)
{
	churn(backend, true);
}

/*
 * Nobody calls step(): what a client flushes is swept by its own puts, and
 * neither its bill nor the host's memory grows beyond the limits.
 */
static void flushes_and_puts_faster_than_the_sweeper(const struct backend *backend)
{
	uint32_t kind, round, i;

	for (kind = 0; kind < 6; kind++) {
		struct rig *rig = case_start(backend, 0, 1);
		uint32_t flags = kind & 1 ? TMEM_POOL_PERSISTENT : 0;
		uint32_t per_object = kind < 2 ? 1 : 512;
		int client = rig_client(rig, tmem_pages_allocation(1024, per_object,
								   conformance_verify));
		uint32_t pool = rig_pool(rig, client, flags);
		struct rig_row *row = rig_row_begin(rig, client);

		for (round = 0; round < 60; round++) {
			uint64_t object = (uint64_t)round << 32;

			for (i = 0; i < 1024; i++)
				rig_row_put(row,
					    rig_handle(pool, object + i / per_object,
						       i % per_object),
					    page_tag(PAGE_RANDOM, i));
			rig_row_send(row);
			for (i = 0; i < 1024; i += per_object)
				if (kind < 4)
					rig_flush_object(rig, client,
							 rig_handle(pool, object + i / per_object,
								    0));
				else
					rig_flush_range(rig, client,
							rig_handle(pool, object + i / per_object,
								   0),
							per_object);
			MUST_LE(rig_stats(rig, client, -1).billed,
				rig_stats(rig, client, -1).allocation);
			within(rig, rig->setup.capacity);
			MUST_LE(rig_stats(rig, client, -1).dying_objects, 8 * 1024);
		}
		if (row->refused)
			FAIL("%u of %u puts refused: %d (%s, %u pages per object, flush %s)",
			     row->refused, 60 * 1024, row->why, flags ? "persistent" : "ephemeral",
			     per_object, kind < 4 ? "object" : "range");
		free(row);
		rig_stop(rig);
	}
}

static void freeable_can_be_freed(const struct backend *backend)
{
	unsigned int codec, part;

	for (codec = 0; codec < 2; codec++)
		for (part = 1; part <= 4; part++) {
			struct rig *rig = case_start(backend, 0, 1);
			int a = rig_client(rig, MIB), b = rig_client(rig, 0);
			uint32_t p = rig_pool(rig, a, TMEM_POOL_PERSISTENT);
			uint32_t q = rig_pool(rig, b, 0);
			struct tmem_stats before;
			uint64_t freeable, held, back, given;

			if (codec)
				MUST_EQ(rig->backend->set_codec(rig, b, TMEM_CODEC_LZ4), 0);
			fill(rig, a, p, PAGE_RANDOM, 100, 10);
			fill(rig, b, q, codec ? PAGE_TEXT : PAGE_ANY, 2500, 10);
			/* Holes, so that what is stored is not what could be freed. */
			still(rig, b, q, codec ? PAGE_TEXT : PAGE_ANY, 500, 10);
			held = rig->backend->host_bytes(rig);
			before = rig_stats(rig, -1, -1);
			freeable = before.freeable;
			MUST_LE(1, freeable);
			MUST_EQ(rig_stats(rig, a, -1).freeable, 0);
			back = rig->backend->reclaim(rig, 0, freeable / part);
			given = held - rig->backend->host_bytes(rig) + rig->backend->kept_ready;
			/* A host that works between two requests may have emptied extents itself. */
			if (rig_stats(rig, -1, -1).extents_vacated == before.extents_vacated)
				MUST_LE(freeable / part, back);
			else
				MUST_LE(freeable / part, given);
			MUST_LE(back, given);
			rig_check(rig);
			if (part == 1)
				MUST_LE(rig_stats(rig, -1, -1).freeable, rig->backend->kept_ready);
			MUST_EQ(still(rig, a, p, PAGE_RANDOM, 100, 10), 100);
			rig_stop(rig);
		}
}

static void ephemeral_pages_are_billed_to_nobody(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int client = rig_client(rig, MIB);
	uint32_t q = rig_pool(rig, client, 0);
	uint64_t billed = rig_stats(rig, client, -1).billed;

	fill_whole(rig, client, q, PAGE_RANDOM, 1000, 10);
	MUST_EQ(rig_stats(rig, client, -1).billed, billed);
	rig_stop(rig);
}

static void persistent_bill_covers_metadata_and_comes_back(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int client = rig_client(rig, 4 * MIB);
	uint32_t p = rig_pool(rig, client, TMEM_POOL_PERSISTENT), i;
	uint64_t empty = rig_stats(rig, client, -1).billed;
	struct tmem_stats stats;

	for (i = 0; i < 4; i++) {
		MUST_EQ(fill(rig, client, p, PAGE_RANDOM, 500, i & 1 ? 1 : 50), 500);
		stats = rig_stats(rig, client, -1);
		/* A page takes more than its own bytes. */
		MUST_LE(empty + 500 * (TMEM_PAGE_SIZE + 16), stats.billed);
		MUST_LE(stats.persistent_bytes + stats.index_bytes, stats.billed);
		if (i < 2) {
			uint32_t object;

			for (object = 0; object < 500; object++)
				rig_flush_object(rig, client, rig_handle(p, object, 0));
		} else {
			MUST_EQ(rig->backend->pool_destroy(rig, 0, client, p), 0);
			p = rig_pool(rig, client, TMEM_POOL_PERSISTENT);
		}
		rig_settle(rig);
		rig_check(rig);
		MUST_EQ(rig_stats(rig, client, -1).billed, empty);
		MUST_EQ(rig_stats(rig, client, -1).persistent_pages, 0);
	}
	rig_stop(rig);
}

/* Dying pages stay billed: the bill never falls before the memory is back. */
static void flushed_pages_stay_billed_until_swept(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int client = rig_client(rig, 8 * MIB);
	uint32_t p = rig_pool(rig, client, TMEM_POOL_PERSISTENT);
	struct tmem_stats stats;

	fill_whole(rig, client, p, PAGE_RANDOM, 1500, 1500);
	MUST_LE(1500 * TMEM_PAGE_SIZE, rig_stats(rig, client, -1).billed);
	MUST_EQ(rig_flush_object(rig, client, rig_handle(p, 0, 0)), 1);
	do {
		stats = rig_stats(rig, client, -1);
		MUST_LE(stats.persistent_pages * TMEM_PAGE_SIZE, stats.billed);
		if (stats.persistent_pages)
			MUST_LE(1, stats.dying_objects);
	} while (rig->backend->step(rig, 0, 1));
	stats = rig_stats(rig, client, -1);
	MUST_EQ(stats.persistent_pages, 0);
	MUST_EQ(stats.dying_objects, 0);
	MUST_EQ(stats.swept, 1500);
	rig_stop(rig);
}

static void capacity_shrinks_and_grows(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int a = rig_client(rig, MIB), b = rig_client(rig, 0);
	uint32_t p = rig_pool(rig, a, TMEM_POOL_PERSISTENT), q = rig_pool(rig, b, 0), i;
	uint64_t capacity = rig->setup.capacity;
	uint32_t count = (uint32_t)(capacity / TMEM_PAGE_SIZE);

	fill_whole(rig, a, p, PAGE_RANDOM, 100, 10);
	for (i = 0; i < 5; i++) {
		fill(rig, b, q, PAGE_RANDOM, count, 64);
		rig->backend->set_capacity(rig, capacity / 4 * 3);
		within(rig, capacity / 4 * 3);
		rig_check(rig);
		fill(rig, b, q, PAGE_RANDOM, count, 64);
		within(rig, capacity / 4 * 3);
		MUST_LE(count / 4, still(rig, b, q, PAGE_RANDOM, count, 64));
		rig->backend->set_capacity(rig, capacity);
	}
	MUST_EQ(still(rig, a, p, PAGE_RANDOM, 100, 10), 100);
	rig_stop(rig);
}

/* A host that stops giving: ephemeral puts live on what there is, or are refused. */
static void host_that_gives_no_more(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int b = rig_client(rig, 0);
	uint32_t q = rig_pool(rig, b, 0), i, stored = 0;

	fill(rig, b, q, PAGE_RANDOM, 1000, 20);
	rig->backend->starve(rig, 1, true);
	for (i = 0; i < 5000; i++) {
		struct tmem_handle h = rig_handle(q, 1000 + i / 20, i % 20);
		int result = rig_put(rig, b, h, page_tag(PAGE_RANDOM, i));

		if (result) {
			MUST_EQ(result, -TMEM_ENOMEM);
			MUST_EQ(rig_get(rig, b, h, 0), -TMEM_ENOENT);
		} else {
			stored++;
		}
	}
	MUST_LE(2500, stored);
	MUST(rig->backend->refused(rig) > 0);
	rig_check(rig);
	rig->backend->starve(rig, 0, false);
	fill_whole(rig, b, q, PAGE_RANDOM, 1000, 20);
	rig_stop(rig);
}

static void duplicate_put_without_memory_empties(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int b = rig_client(rig, 0);
	uint32_t q = rig_pool(rig, b, 0), i, refused = 0;

	fill(rig, b, q, PAGE_ZERO, 2000, 20);
	rig->backend->starve(rig, 1, true);
	rig->backend->set_capacity(rig, TMEM_PAGE_SIZE * 2);
	rig->backend->set_capacity(rig, rig->setup.capacity);
	for (i = 0; i < 2000; i++) {
		struct tmem_handle h = rig_handle(q, i / 20, i % 20);
		int result = rig_put(rig, b, h, page_tag(PAGE_ZERO, i));

		if (!result)
			result = rig_put(rig, b, h, page_tag(PAGE_RANDOM, i));
		if (result) {
			MUST_EQ(result, -TMEM_ENOMEM);
			MUST_EQ(rig_get(rig, b, h, 0), -TMEM_ENOENT);
			refused++;
		} else {
			MUST_EQ(rig_get(rig, b, h, page_tag(PAGE_RANDOM, i)), 1);
		}
	}
	MUST_LE(1, refused);
	MUST_EQ(rig_stats(rig, b, -1).puts_no_room, refused);
	rig->backend->starve(rig, 0, false);
	rig_stop(rig);
}

/* Pages that lie as sparsely as can be have used up all records: no new one, but each may change. */
static void duplicate_put_needs_no_records(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int b = rig_client(rig, 4 * MIB);
	uint32_t q = rig_pool(rig, b, TMEM_POOL_PERSISTENT), i, count = 0;

	rig->backend->starve(rig, 1, true);
	while (!rig_put(rig, b, rig_handle(q, count, 1 << 20), page_tag(PAGE_ZERO, count)))
		count++;
	rig->backend->starve(rig, 0, false);
	MUST_LE(10, count);
	MUST_EQ(rig_stats(rig, b, -1).puts_no_room, 1);
	MUST_EQ(rig_stats(rig, b, -1).persistent_pages, count);
	rig->backend->starve(rig, 1, true);
	for (i = 0; i < count; i++)
		MUST_EQ(rig_put(rig, b, rig_handle(q, i, 1 << 20), page_tag(PAGE_RANDOM, i)), 0);
	rig->backend->starve(rig, 0, false);
	for (i = 0; i < count; i++)
		MUST_EQ(rig_get(rig, b, rig_handle(q, i, 1 << 20), page_tag(PAGE_RANDOM, i)), 1);
	rig_stop(rig);
}

static void client_s_end_gives_everything_back(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int keep = rig_client(rig, MIB);
	uint32_t p = rig_pool(rig, keep, TMEM_POOL_PERSISTENT), round;
	uint64_t held[40];

	fill_whole(rig, keep, p, PAGE_RANDOM, 100, 10);
	for (round = 0; round < 40; round++) {
		int client = rig_client(rig, 4 * MIB);
		uint32_t per_object = round % 2 ? 1 : 100;

		fill(rig, client, rig_pool(rig, client, TMEM_POOL_PERSISTENT), PAGE_ANY, 800,
		     per_object);
		fill(rig, client, rig_pool(rig, client, 0), PAGE_ANY, 800, per_object);
		rig->backend->client_destroy(rig, 0, client);
		rig_check(rig);
		rig_settle(rig);
		rig_check(rig);
		held[round] = rig->backend->host_bytes(rig);
		MUST_EQ(rig_stats(rig, -1, -1).persistent_pages, 100);
		MUST_EQ(rig_stats(rig, -1, -1).ephemeral_pages, 0);
		MUST_EQ(rig_stats(rig, -1, -1).allocation, MIB);
	}
	/* Records are kept for the next one; they do not add up. */
	MUST_LE(held[39], held[3]);
	MUST_EQ(still(rig, keep, p, PAGE_RANDOM, 100, 10), 100);
	rig_stop(rig);
}

static void same_filled_pages_age_like_others(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int b = rig_client(rig, 0);
	uint32_t zero = rig_pool(rig, b, 0), raw = rig_pool(rig, b, 0);
	uint32_t count = (uint32_t)(rig->setup.capacity / TMEM_PAGE_SIZE * 2);

	fill_whole(rig, b, zero, PAGE_ZERO, 1000, 10);
	fill_whole(rig, b, raw, PAGE_RANDOM, count, 64);
	MUST_EQ(still(rig, b, zero, PAGE_ZERO, 1000, 10), 0);
	MUST_LE(count / 4, still(rig, b, raw, PAGE_RANDOM, count, 64));
	rig_stop(rig);
}

static void client_config_is_judged(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	struct tmem_client_config good = {.size = sizeof(good)}, config;
	unsigned int i;

	for (i = 0; i < 7; i++) {
		config = good;
		if (i == 0)
			config.size = 0;
		else if (i == 1)
			config.size--;
		else if (i < 5)
			config.reserved[i - 2] = 1;
		else if (i == 5)
			config.reserved[2] = 1;
		else
			config.weight = 10001;
		if (rig->backend->client_create(rig, &config) != -TMEM_EINVAL)
			FAIL("wrong client config %u is not refused", i);
	}
	MUST(rig->backend->client_create(rig, &good) >= 0);
	rig_stop(rig);
}

#define NEEDS (CAN_ADMIN | CAN_OBJECTS | CAN_EPHEMERAL | CAN_STATS)

const struct conformance_case cases_memory[] = {
	{"3.6", "persistent-survives-ephemeral-pressure", NEEDS,
	 persistent_survives_ephemeral_pressure},
	{"3.6", "persistent-survives-reclaim-of-everything", NEEDS,
	 persistent_survives_reclaim_of_everything},
	{"9", "free-memory-at-zero", NEEDS, free_memory_at_zero},
	{"9", "one-client-fills-all-memory-through-one-object", NEEDS,
	 one_client_fills_all_memory_through_one_object},
	{"9", "nothing-but-zero-pages-in-one-page-objects", NEEDS,
	 nothing_but_zero_pages_in_one_page_objects},
	{"3.8", "zero-pages-are-billed", NEEDS, zero_pages_are_billed},
	{"3.7", "ephemeral-gives-way-to-an-allocation", NEEDS,
	 ephemeral_gives_way_to_an_allocation},
	{"1", "allocations-never-exceed-the-host", NEEDS, allocations_never_exceed_the_host},
	{"3.6", "persistent-put-needs-no-memory", NEEDS | CAN_STARVE,
	 persistent_put_needs_no_memory},
	{"1", "allocation-holds-the-pages-it-promises", NEEDS,
	 allocation_holds_the_pages_it_promises},
	{"3.2", "duplicate-put-when-exactly-full-never-fails", NEEDS,
	 duplicate_put_when_exactly_full_never_fails},
	{"4g", "full-client-is-never-refused-what-it-was-promised", NEEDS,
	 full_client_is_never_refused_what_it_was_promised},
	{"4g", "discards-leave-the-promise-whole", NEEDS, discards_leave_the_promise_whole},
	{"3.15", "flushes-and-puts-faster-than-the-sweeper", NEEDS,
	 flushes_and_puts_faster_than_the_sweeper},
	{"3.8", "freeable-can-be-freed", NEEDS, freeable_can_be_freed},
	{"3.8", "ephemeral-pages-are-billed-to-nobody", NEEDS,
	 ephemeral_pages_are_billed_to_nobody},
	{"3.8", "persistent-bill-covers-metadata-and-comes-back", NEEDS,
	 persistent_bill_covers_metadata_and_comes_back},
	{"3.8", "flushed-pages-stay-billed-until-swept", NEEDS,
	 flushed_pages_stay_billed_until_swept},
	{"3.7", "capacity-shrinks-and-grows", NEEDS, capacity_shrinks_and_grows},
	{"3.7", "host-that-gives-no-more", NEEDS | CAN_STARVE, host_that_gives_no_more},
	{"3.2", "duplicate-put-without-memory-empties", NEEDS | CAN_STARVE,
	 duplicate_put_without_memory_empties},
	{"3.2", "duplicate-put-needs-no-records", NEEDS | CAN_STARVE,
	 duplicate_put_needs_no_records},
	{"1", "client-s-end-gives-everything-back", NEEDS, client_s_end_gives_everything_back},
	{"3.13", "same-filled-pages-age-like-others", NEEDS, same_filled_pages_age_like_others},
	{"2", "client-config-is-judged", NEEDS, client_config_is_judged},
	{NULL, NULL, 0, NULL},
};
