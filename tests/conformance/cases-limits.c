/* SPDX-License-Identifier: MIT */
/* Who gives when all want more: weights, caps, and what is taken from one client only. */
#include <stdlib.h>

#include "case.h"

/* Puts @count pages in turns from @first on, as a client does that never stops. */
static void put_on(struct rig *rig, int client, uint32_t pool, uint32_t first, uint32_t count)
{
	struct rig_row *row = rig_row_begin(rig, client);
	uint32_t i;

	for (i = first; i < first + count; i++)
		rig_row_put(row, rig_handle(pool, i / 64, i), page_tag(PAGE_RANDOM, i));
	rig_row_send(row);
	if (row->refused)
		FAIL("%u of %u puts are refused: %d", row->refused, count, row->why);
	free(row);
}

static uint64_t ephemeral_bytes(struct rig *rig, int client)
{
	struct tmem_stats stats = rig_stats(rig, client, -1);

	return stats.ephemeral_bytes + stats.index_bytes;
}

/* What the first of two clients has in the end, in percent. */
static uint64_t percent_of_first(const struct backend *backend, uint32_t one, uint32_t other)
{
	/* Large beside an extent, which is what one of them gives at a time. */
	struct rig *rig = case_start(backend, 96u << 20, 1);
	int a = rig_client(rig, 0), b = rig_client(rig, 0);
	uint32_t p = rig_pool(rig, a, 0), q = rig_pool(rig, b, 0), i;
	uint32_t each = (uint32_t)(rig->setup.capacity / TMEM_PAGE_SIZE) * 5;
	uint64_t first, second;

	MUST_EQ(rig->backend->set_weight(rig, a, one), 0);
	MUST_EQ(rig->backend->set_weight(rig, b, other), 0);
	for (i = 0; i < each; i += 32) {
		put_on(rig, a, p, i, 32);
		put_on(rig, b, q, i, 32);
	}
	first = ephemeral_bytes(rig, a);
	second = ephemeral_bytes(rig, b);
	rig_stop(rig);
	return first * 100 / (first + second);
}

static void weights_say_who_gives(const struct backend *backend)
{
	uint64_t percent = percent_of_first(backend, 90, 10);

	if (percent < 80 || percent > 97)
		FAIL("weights 90 : 10 end at %" PRIu64 " %%", percent);
	percent = percent_of_first(backend, 10, 90);
	if (percent < 3 || percent > 20)
		FAIL("weights 10 : 90 end at %" PRIu64 " %%", percent);
	percent = percent_of_first(backend, 50, 50);
	if (percent < 40 || percent > 60)
		FAIL("equal weights end at %" PRIu64 " %%", percent);
}

static void weights_of_nothing_and_of_too_much(const struct backend *backend)
{
	struct stage s = case_stage(backend, 0);

	MUST_EQ(s.rig->backend->set_weight(s.rig, s.client, 0), -TMEM_EINVAL);
	MUST_EQ(s.rig->backend->set_weight(s.rig, s.client, 10001), -TMEM_EINVAL);
	MUST_EQ(s.rig->backend->set_weight(s.rig, s.client, 0xffffffff), -TMEM_EINVAL);
	MUST_EQ(s.rig->backend->set_weight(s.rig, s.client, 1), 0);
	MUST_EQ(s.rig->backend->set_weight(s.rig, s.client, 10000), 0);
	rig_stop(s.rig);
}

/* A client alone has all there is, whatever its weight; its weight leaves with it. */
static void weight_leaves_with_its_client(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 16u << 20, 1);
	int a = rig_client(rig, 0), b = rig_client(rig, 0);
	uint32_t p = rig_pool(rig, a, 0), q = rig_pool(rig, b, 0);
	uint32_t count = (uint32_t)(rig->setup.capacity / TMEM_PAGE_SIZE) * 2;

	MUST_EQ(rig->backend->set_weight(rig, a, 10), 0);
	MUST_EQ(rig->backend->set_weight(rig, b, 10000), 0);
	put_on(rig, b, q, 0, count);
	rig->backend->client_destroy(rig, 0, b);
	rig_settle(rig);
	put_on(rig, a, p, 0, count);
	MUST_LE(rig->setup.capacity * 3 / 4, ephemeral_bytes(rig, a));
	rig_stop(rig);
}

/* Who is below half of its share keeps what it has while another is above. */
static void below_half_of_its_share_nobody_gives(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 16u << 20, 1);
	int a = rig_client(rig, 0), b = rig_client(rig, 0);
	uint32_t p = rig_pool(rig, a, 0), q = rig_pool(rig, b, 0), i, left = 0;
	uint32_t quiet = (uint32_t)(rig->setup.capacity / TMEM_PAGE_SIZE) / 8;

	put_on(rig, a, p, 0, quiet);
	put_on(rig, b, q, 0, quiet * 40);
	for (i = 0; i < quiet; i++)
		left += rig_get(rig, a, rig_handle(p, i / 64, i), page_tag(PAGE_RANDOM, i)) == 1;
	MUST_EQ(left, quiet);
	rig_stop(rig);
}

/* What has been there for longest is worth least, extent by extent. */
static void what_was_put_first_is_taken_back_first(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 32u << 20, 1);
	int a = rig_client(rig, 0);
	uint32_t p = rig_pool(rig, a, 0), i, gone = 0;
	uint32_t count = (uint32_t)(rig->setup.capacity / TMEM_PAGE_SIZE) * 3 / 4;
	uint64_t back = 0, wanted = (uint64_t)count / 4 * TMEM_PAGE_SIZE;

	put_on(rig, a, p, 0, count);
	while (back < wanted) {
		uint64_t given = rig->backend->reclaim(rig, 0, wanted / 16);

		MUST_LE(1, given);
		back += given;
	}
	for (i = 0; i < count; i++)
		if (rig_get(rig, a, rig_handle(p, i / 64, i), page_tag(PAGE_RANDOM, i)) != 1) {
			gone++;
			if (i >= count / 2)
				FAIL("page %u of %u is gone, in the younger half", i, count);
		}
	MUST_LE(count / 16, gone);
	rig_stop(rig);
}

static void cap_is_enforced(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 32u << 20, 1);
	int a = rig_client(rig, 0), b = rig_client(rig, 0);
	uint32_t p = rig_pool(rig, a, 0), q = rig_pool(rig, b, 0), i;
	uint64_t cap = 8u << 20;

	rig->backend->set_cap(rig, a, cap);
	for (i = 0; i < 10000; i += 100) {
		put_on(rig, a, p, i, 100);
		MUST_LE(ephemeral_bytes(rig, a), cap);
	}
	MUST_LE(cap / 2, ephemeral_bytes(rig, a));
	put_on(rig, b, q, 0, 5000);
	MUST_LE(cap * 2, ephemeral_bytes(rig, b));
	rig_stop(rig);
}

static void cap_changed_under_load(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 32u << 20, 1);
	int a = rig_client(rig, 0);
	uint32_t p = rig_pool(rig, a, 0), i;
	uint64_t cap;

	put_on(rig, a, p, 0, 6000);
	for (i = 0, cap = 16u << 20; cap >= 2u << 20; cap /= 2, i++) {
		rig->backend->set_cap(rig, a, cap);
		rig_settle(rig);
		MUST_LE(ephemeral_bytes(rig, a), cap);
		put_on(rig, a, p, 10000 + 6000 * i, 6000);
		MUST_LE(ephemeral_bytes(rig, a), cap);
	}
	/* None, and more than there is. */
	rig->backend->set_cap(rig, a, 0);
	put_on(rig, a, p, 0, 6000);
	rig->backend->set_cap(rig, a, backend->bytes_most);
	put_on(rig, a, p, 0, 6000);
	MUST_LE(20u << 20, ephemeral_bytes(rig, a));
	rig_stop(rig);
}

static void reclaim_from_one_client_only(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 32u << 20, 1);
	int a = rig_client(rig, 0), b = rig_client(rig, 0);
	uint32_t p = rig_pool(rig, a, 0), q = rig_pool(rig, b, 0), i;
	struct tmem_stats stats;
	uint64_t given;

	put_on(rig, b, q, 0, 1000);
	put_on(rig, a, p, 0, 2000);
	MUST_EQ(rig->backend->client_reclaim(rig, 0, a, 0), 0);
	given = rig->backend->client_reclaim(rig, 0, a, 1u << 20);
	MUST_LE(1u << 20, given);
	MUST(rig_stats(rig, a, -1).ephemeral_pages > 0);
	MUST(rig->backend->client_reclaim(rig, 0, a, ~0ull) > 0);
	MUST_EQ(rig_stats(rig, a, -1).ephemeral_pages, 0);
	MUST_EQ(rig->backend->client_reclaim(rig, 0, a, 1), 0);
	stats = rig_stats(rig, a, -1);
	MUST_EQ(stats.ephemeral_pages_most, 2000);
	MUST_EQ(stats.pages_dropped, 2000);
	MUST_LE(2000 * TMEM_PAGE_SIZE, stats.extent_bytes_most);
	MUST_LE(given, stats.reclaim_given);
	MUST_LE(1u << 20, stats.reclaim_asked);
	for (i = 0; i < 1000; i++)
		MUST_EQ(rig_get(rig, b, rig_handle(q, i / 64, i), page_tag(PAGE_RANDOM, i)), 1);
	rig_stop(rig);
}

/* A cap, memory that is asked back, and a host that is full, one after the other. */
static void what_was_dropped_says_why(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 32u << 20, 1);
	int a = rig_client(rig, 0), b = rig_client(rig, 0);
	uint32_t p = rig_pool(rig, a, 0), q = rig_pool(rig, b, 0);
	struct tmem_stats capped, asked, full;

	rig->backend->set_cap(rig, a, 4u << 20);
	put_on(rig, a, p, 0, 3000);
	capped = rig_stats(rig, a, -1);
	MUST_LE(3000 - (4u << 20) / TMEM_PAGE_SIZE, capped.evicted + capped.pages_dropped);
	MUST_EQ(capped.evicted_capped, capped.evicted);
	MUST_EQ(capped.dropped_over_cap, capped.pages_dropped);

	MUST(rig->backend->client_reclaim(rig, 0, a, 1u << 20) > 0);
	asked = rig_stats(rig, a, -1);
	MUST(asked.dropped_when_asked > 0);
	MUST_EQ(asked.dropped_over_cap, capped.dropped_over_cap);
	MUST_EQ(asked.dropped_when_asked, asked.pages_dropped - capped.pages_dropped);
	MUST_EQ(asked.dropped_for_room, 0);
	MUST_EQ(rig->backend->client_reclaim(rig, 0, a, ~0ull) == 0, 0);

	put_on(rig, b, q, 0, 3 * (32u << 20) / TMEM_PAGE_SIZE);
	full = rig_stats(rig, b, -1);
	MUST(full.evicted + full.dropped_for_room > 0);
	MUST_EQ(full.evicted_capped, 0);
	MUST_EQ(full.dropped_for_room, full.pages_dropped);
	rig_stop(rig);
}

/* Puts incompressible pages until one is refused. How many there are then. */
static uint32_t fill(struct rig *rig, int client, uint32_t pool, uint32_t first)
{
	uint32_t i = first;

	while (!rig_put(rig, client, rig_handle(pool, i / 64, i), page_tag(PAGE_RANDOM, i)))
		i++;
	return i;
}

static uint32_t count_all(struct rig *rig, int client, uint32_t pool, uint32_t count)
{
	uint32_t i, there = 0;

	for (i = 0; i < count; i++)
		there += rig_get(rig, client, rig_handle(pool, i / 64, i),
				 page_tag(PAGE_RANDOM, i)) == 1;
	return there;
}

static void allocation_grows_and_shrinks(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 64u << 20, 1);
	int a = rig_client(rig, 1u << 20), b = rig_client(rig, 0), i;
	uint32_t p = rig_pool(rig, a, TMEM_POOL_PERSISTENT), small, large, again;
	uint64_t before;

	rig_settle(rig);
	before = rig_stats(rig, a, -1).extent_bytes;
	small = fill(rig, a, p, 0);
	MUST_EQ(rig->backend->set_allocation(rig, a, 8u << 20), 0);
	large = fill(rig, a, p, small);
	MUST_LE(small * 6, large);
	MUST_EQ(count_all(rig, a, p, large), large);
	/* Full again, and every page can be replaced. */
	for (i = 0; i < (int)large; i++)
		MUST_EQ(rig_put(rig, a, rig_handle(p, (uint32_t)i / 64, (uint32_t)i),
				page_tag(PAGE_RANDOM, (uint32_t)i)),
			0);
	/* Not below what is there. */
	MUST_EQ(rig->backend->set_allocation(rig, a, 1u << 20), -TMEM_ENOSPC);
	MUST_EQ(rig_stats(rig, a, -1).allocation, 8u << 20);
	MUST_EQ(count_all(rig, a, p, large), large);
	for (i = 0; i <= (int)large / 64; i++)
		rig_flush_object(rig, a, rig_handle(p, (uint32_t)i, 0));
	rig_settle(rig);
	MUST_EQ(rig->backend->set_allocation(rig, a, 1u << 20), 0);
	rig_check(rig);
	MUST_LE(rig_stats(rig, a, -1).extent_bytes, before);
	again = fill(rig, a, p, 0);
	MUST_EQ(again, small);
	/* What was given up is anybody's, and more than the host has is refused. */
	MUST_EQ(rig->backend->set_allocation(rig, b, rig->setup.persistent - (1u << 20)), 0);
	MUST_EQ(rig->backend->set_allocation(rig, b, rig->setup.persistent), -TMEM_ENOSPC);
	MUST_EQ(rig->backend->set_allocation(rig, b, backend->bytes_most), -TMEM_ENOSPC);
	MUST_EQ(rig->backend->set_allocation(rig, b, TMEM_PAGE_SIZE), 0);
	MUST_EQ(count_all(rig, a, p, again), again);
	rig_stop(rig);
}

/* Of two kinds, in turn. */
static uint64_t mixed(uint32_t i)
{
	return page_tag(i % 2 ? PAGE_RANDOM : PAGE_TEXT, i);
}

/* Half of the pages leave, anywhere, and half of the allocation is given up: that much comes back. */
static void smaller_allocation_gives_memory_back(const struct backend *backend)
{
	const uint64_t large = 15u << 20, small = large / 2;
	struct rig *rig = case_start(backend, 64u << 20, 1);
	int client = rig_client(rig, large);
	uint32_t pool = rig_pool(rig, client, TMEM_POOL_PERSISTENT), count = 0, i, more;
	uint64_t held, bytes, left = 11, n;

	MUST_EQ(rig->backend->set_codec(rig, client, TMEM_CODEC_LZ4), 0);
	while (!rig_put(rig, client, rig_handle(pool, count / 64, count % 64), mixed(count)))
		count++;
	for (i = 0; i < count; i++)
		if (rng_below(&left, 100) < 53)
			MUST_EQ(rig_flush(rig, client, rig_handle(pool, i / 64, i % 64)), 1);
	rig_settle(rig);
	held = rig->backend->host_bytes(rig);
	bytes = rig_stats(rig, client, -1).extent_bytes;
	MUST_EQ(rig->backend->set_allocation(rig, client, small), 0);
	/* New pages and old ones go on beside it. */
	for (n = 0; n < 200; n++) {
		MUST_EQ(rig_put(rig, client, rig_handle(pool, 900, (uint32_t)n % 8),
				page_tag(PAGE_RANDOM, n)),
			0);
		rig->backend->step(rig, 0, 1);
		MUST_EQ(rig_get(rig, client, rig_handle(pool, 900, (uint32_t)n % 8),
				page_tag(PAGE_RANDOM, n)),
			1);
	}
	rig_settle(rig);
	rig_check(rig);
	MUST_LE((large - small) * 9 / 10, bytes - rig_stats(rig, client, -1).extent_bytes);
	MUST_LE((large - small) * 9 / 10, held - rig->backend->host_bytes(rig));
	left = 11;
	for (i = 0; i < count; i++)
		MUST_EQ(rig_get(rig, client, rig_handle(pool, i / 64, i % 64), mixed(i)),
			rng_below(&left, 100) < 53 ? -TMEM_ENOENT : 1);
	/* And it holds what it promises. */
	more = 0;
	while (!rig_put(rig, client, rig_handle(pool, 1000 + more / 64, more % 64),
			page_tag(PAGE_RANDOM, more)))
		more++;
	MUST_EQ(rig_stats(rig, client, -1).puts_no_room, 0);
	for (i = 0; i < more; i++)
		MUST_EQ(rig_put(rig, client, rig_handle(pool, 1000 + i / 64, i % 64),
				page_tag(PAGE_RANDOM, i)),
			0);
	rig_stop(rig);
}

#define NEEDS (CAN_ADMIN | CAN_OBJECTS | CAN_EPHEMERAL | CAN_STATS)

const struct conformance_case cases_limits[] = {
	{"3.9", "weights-say-who-gives", NEEDS, weights_say_who_gives},
	{"3.7", "what-was-put-first-is-taken-back-first", NEEDS,
	 what_was_put_first_is_taken_back_first},
	{"3.9", "weights-of-nothing-and-of-too-much", NEEDS, weights_of_nothing_and_of_too_much},
	{"3.9", "weight-leaves-with-its-client", NEEDS, weight_leaves_with_its_client},
	{"3.9", "below-half-of-its-share-nobody-gives", NEEDS,
	 below_half_of_its_share_nobody_gives},
	{"3.10", "cap-is-enforced", NEEDS, cap_is_enforced},
	{"3.10", "cap-changed-under-load", NEEDS, cap_changed_under_load},
	{"6", "allocation-grows-and-shrinks", NEEDS, allocation_grows_and_shrinks},
	{"6", "smaller-allocation-gives-memory-back", NEEDS, smaller_allocation_gives_memory_back},
	{"6", "reclaim-from-one-client-only", NEEDS, reclaim_from_one_client_only},
	{"7", "what-was-dropped-says-why", NEEDS, what_was_dropped_says_why},
	{NULL, NULL, 0, NULL},
};
