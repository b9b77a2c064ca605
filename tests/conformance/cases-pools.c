/* SPDX-License-Identifier: MIT */
/*
 * Pools, their numbers and flags, and sessions: sections 1 and 2 of the
 * contract, and freeze, rule 11.
 */
#include <string.h>

#include "case.h"

static int new_pool(struct rig *rig, int client, uint32_t flags, uint64_t cookie)
{
	struct tmem_pool_config config = {.size = sizeof(config), .flags = flags, .cookie = cookie};

	return rig_pool_create(rig, client, &config);
}

static void sixteen_pools_and_one_more(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int client = rig_client(rig, 1u << 20);
	uint32_t seen = 0;
	int i, pool[16];

	for (i = 0; i < 16; i++) {
		pool[i] = new_pool(rig, client, i & 1 ? TMEM_POOL_PERSISTENT : 0, 0);
		MUST(pool[i] >= 0 && pool[i] < 16);
		MUST(!(seen & 1u << pool[i]));
		seen |= 1u << pool[i];
		MUST_EQ(rig_put(rig, client, rig_handle((uint32_t)pool[i], 1, 1),
				page_tag(PAGE_TEXT, (uint64_t)i)),
			0);
	}
	MUST_EQ(new_pool(rig, client, 0, 0), -TMEM_EOVERFLOW);
	MUST_EQ(new_pool(rig, client, TMEM_POOL_PERSISTENT, 5), -TMEM_EOVERFLOW);
	for (i = 0; i < 16; i++)
		MUST_EQ(rig_get(rig, client, rig_handle((uint32_t)pool[i], 1, 1),
				page_tag(PAGE_TEXT, (uint64_t)i)),
			1);
	/* Another client has sixteen of its own. */
	client = rig_client(rig, 1u << 20);
	for (i = 0; i < 16; i++)
		MUST(new_pool(rig, client, 0, 0) >= 0);
	rig_stop(rig);
}

static void same_cookie_gives_the_same_pool(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int client = rig_client(rig, 1u << 20);
	int other = rig_client(rig, 1u << 20);
	int a, b, i;

	a = new_pool(rig, client, TMEM_POOL_PERSISTENT, 111);
	b = new_pool(rig, client, 0, 222);
	MUST(a >= 0 && b >= 0 && a != b);
	MUST_EQ(rig_put(rig, client, rig_handle((uint32_t)a, 1, 1), page_tag(PAGE_TEXT, 1)), 0);
	for (i = 0; i < 40; i++) {
		MUST_EQ(new_pool(rig, client, TMEM_POOL_PERSISTENT, 111), a);
		MUST_EQ(new_pool(rig, client, 0, 222), b);
	}
	MUST_EQ(rig_get(rig, client, rig_handle((uint32_t)a, 1, 1), page_tag(PAGE_TEXT, 1)), 1);
	/* Without a cookie every call is another pool; a cookie is the client's own. */
	i = new_pool(rig, client, 0, 0);
	MUST(i >= 0 && i != a && i != b);
	MUST(new_pool(rig, client, 0, 0) != i);
	i = new_pool(rig, other, TMEM_POOL_PERSISTENT, 111);
	MUST(i >= 0);
	MUST_EQ(rig_get(rig, other, rig_handle((uint32_t)i, 1, 1), 0), -TMEM_ENOENT);
	rig_stop(rig);
}

static void cookie_of_a_destroyed_pool_makes_another(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int client = rig_client(rig, 1u << 20);
	int first = new_pool(rig, client, TMEM_POOL_PERSISTENT, 9), second;

	MUST(first >= 0);
	MUST_EQ(rig_put(rig, client, rig_handle((uint32_t)first, 1, 1), page_tag(PAGE_TEXT, 1)), 0);
	MUST_EQ(rig->backend->pool_destroy(rig, 0, client, (uint32_t)first), 0);
	second = new_pool(rig, client, TMEM_POOL_PERSISTENT, 9);
	MUST(second >= 0 && second != first);
	MUST_EQ(rig_get(rig, client, rig_handle((uint32_t)second, 1, 1), 0), -TMEM_ENOENT);
	MUST_EQ(rig_get(rig, client, rig_handle((uint32_t)first, 1, 1), 0), -TMEM_ENODEV);
	rig_stop(rig);
}

static void each_reserved_flag_is_refused(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int client = rig_client(rig, 1u << 20);
	unsigned int bit;

	MUST_EQ(TMEM_POOL_RESERVED, 0x00ffff08u);
	for (bit = 0; bit < 24; bit++)
		if (TMEM_POOL_RESERVED & 1u << bit) {
			MUST_EQ(new_pool(rig, client, 1u << bit, 0), -TMEM_EINVAL);
			MUST_EQ(new_pool(rig, client, 1u << bit | TMEM_POOL_PERSISTENT, 0),
				-TMEM_EINVAL);
		}
	/* Nothing was made: all sixteen are still to be had. */
	for (bit = 0; bit < 16; bit++)
		MUST(new_pool(rig, client, 0, 0) >= 0);
	rig_stop(rig);
}

static void each_page_shift_is_refused(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int client = rig_client(rig, 1u << 20);
	uint32_t shift;

	for (shift = 1; shift < 16; shift++)
		MUST_EQ(new_pool(rig, client, shift << TMEM_POOL_PAGE_SHIFT, 0), -TMEM_EOPNOTSUPP);
	rig_stop(rig);
}

static void each_unknown_version_is_refused(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int client = rig_client(rig, 1u << 20);
	uint32_t version;

	for (version = 0; version < 256; version++)
		if (version != TMEM_POOL_VERSION)
			MUST_EQ(new_pool(rig, client, version << TMEM_POOL_VERSION_SHIFT, 0),
				-TMEM_EOPNOTSUPP);
	MUST(new_pool(rig, client, TMEM_POOL_VERSION << TMEM_POOL_VERSION_SHIFT, 0) >= 0);
	rig_stop(rig);
}

/* Every operation of a pool that is not there, by every wrong number. */
static void no_such_pool(struct rig *rig, int client, uint32_t pool)
{
	struct tmem_handle h = rig_handle(pool, 1, 1);
	struct tmem_stats stats;
	uint8_t page[TMEM_PAGE_SIZE];

	page_fill(page, page_tag(PAGE_RANDOM, 1));
	MUST_EQ(rig->backend->put(rig, 0, client, &h, page), -TMEM_ENODEV);
	MUST_EQ(rig->backend->get(rig, 0, client, &h, page), -TMEM_ENODEV);
	MUST(page_holds(page, page_tag(PAGE_RANDOM, 1)));
	MUST_EQ(rig_flush(rig, client, h), -TMEM_ENODEV);
	MUST_EQ(rig_flush_range(rig, client, h, 1), -TMEM_ENODEV);
	MUST_EQ(rig_flush_range(rig, client, h, 0), -TMEM_ENODEV);
	MUST_EQ(rig_flush_object(rig, client, h), -TMEM_ENODEV);
	MUST_EQ(rig->backend->pool_destroy(rig, 0, client, pool), -TMEM_ENODEV);
	if ((int32_t)pool >= 0 && rig->backend->can & CAN_STATS)
		MUST_EQ(rig->backend->stats(rig, client, (int)pool, &stats), -TMEM_ENODEV);
}

static void pool_numbers_out_of_range(const struct backend *backend)
{
	static const uint32_t wrong[] = {1,	     2,		 15,	     16,
					 17,	     31,	 32,	     255,
					 256,	     0x10000,	 0x7fffffff, 0x80000000,
					 0x80000001, 0xfffffff0, 0xfffffffe, 0xffffffff};
	struct rig *rig = case_start(backend, 0, 1);
	int client = rig_client(rig, 1u << 20);
	unsigned int i;

	no_such_pool(rig, client, 0);
	MUST_EQ(rig_pool(rig, client, TMEM_POOL_PERSISTENT), 0);
	MUST_EQ(rig_put(rig, client, rig_handle(0, 1, 1), page_tag(PAGE_TEXT, 1)), 0);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		no_such_pool(rig, client, wrong[i]);
	MUST_EQ(rig_get(rig, client, rig_handle(0, 1, 1), page_tag(PAGE_TEXT, 1)), 1);
	rig_stop(rig);
}

static void destroyed_pool_is_gone(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int client = rig_client(rig, 2u << 20);
	uint32_t i, pool, other = rig_pool(rig, client, TMEM_POOL_PERSISTENT);
	uint32_t flags;

	for (i = 0; i < 100; i++)
		MUST_EQ(rig_put(rig, client, rig_handle(other, i / 10, i), page_tag(PAGE_ANY, i)),
			0);
	for (flags = 0; flags < 2; flags++) {
		pool = rig_pool(rig, client, flags);
		for (i = 0; i < 100; i++)
			MUST_EQ(rig_put(rig, client, rig_handle(pool, i / 10, i),
					page_tag(PAGE_ANY, i)),
				0);
		MUST_EQ(rig->backend->pool_destroy(rig, 0, client, pool), 0);
		no_such_pool(rig, client, pool);
		rig_check(rig);
		rig_settle(rig);
		no_such_pool(rig, client, pool);
	}
	for (i = 0; i < 100; i++)
		MUST_EQ(rig_get(rig, client, rig_handle(other, i / 10, i), page_tag(PAGE_ANY, i)),
			1);
	rig_stop(rig);
}

/* Either a number that no pool of this session ever had, or none at all. */
static void pool_number_is_not_reused(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int client = rig_client(rig, 1u << 20);
	int given[200], count = 0, i;

	MUST_EQ(rig->backend->session(rig, client, 1), 1);
	while (count < 200) {
		int pool = new_pool(rig, client, count & 1 ? TMEM_POOL_PERSISTENT : 0, 0);

		if (pool < 0) {
			MUST_EQ(pool, -TMEM_EOVERFLOW);
			break;
		}
		for (i = 0; i < count; i++) {
			if (pool == given[i])
				FAIL("number %d is given for the second time", pool);
			/* The latest, and of the others some: over a wire each takes its time. */
			if (count - i <= 16 || i % 16 == count % 16)
				no_such_pool(rig, client, (uint32_t)given[i]);
		}
		given[count++] = pool;
		MUST_EQ(rig_put(rig, client, rig_handle((uint32_t)pool, 1, 1),
				page_tag(PAGE_TEXT, 1)),
			0);
		MUST_EQ(rig->backend->pool_destroy(rig, 0, client, (uint32_t)pool), 0);
	}
	MUST(count >= 16);
	/* Another session has all its pools before it. */
	MUST_EQ(rig->backend->session(rig, client, 2), 1);
	for (i = 0; i < 16; i++)
		MUST(new_pool(rig, client, 0, 0) >= 0);
	rig_stop(rig);
}

static void pool_config_of_another_size_is_refused(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int client = rig_client(rig, 1u << 20);
	struct tmem_pool_config config = {.size = 0};

	MUST_EQ(rig->backend->pool_create(rig, 0, client, &config), -TMEM_EINVAL);
	config.size = sizeof(config) - 1;
	MUST_EQ(rig->backend->pool_create(rig, 0, client, &config), -TMEM_EINVAL);
	rig_stop(rig);
}

static void same_nonce_resumes_the_session(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int client = rig_client(rig, 1u << 20);
	uint32_t keep, lose;

	MUST_EQ(rig->backend->session(rig, client, 0x1234567890abcdefu), 1);
	keep = rig_pool(rig, client, TMEM_POOL_PERSISTENT);
	lose = rig_pool(rig, client, 0);
	MUST_EQ(rig_put(rig, client, rig_handle(keep, 1, 1), page_tag(PAGE_TEXT, 1)), 0);
	MUST_EQ(rig_put(rig, client, rig_handle(lose, 1, 1), page_tag(PAGE_TEXT, 2)), 0);
	MUST_EQ(rig->backend->session(rig, client, 0x1234567890abcdefu), 0);
	MUST_EQ(rig_get(rig, client, rig_handle(keep, 1, 1), page_tag(PAGE_TEXT, 1)), 1);
	MUST_EQ(rig_get(rig, client, rig_handle(lose, 1, 1), page_tag(PAGE_TEXT, 2)), 1);
	rig_stop(rig);
}

static void first_nonce_keeps_what_was_made_before(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int client = rig_client(rig, 1u << 20);
	uint32_t pool = rig_pool(rig, client, TMEM_POOL_PERSISTENT);

	MUST_EQ(rig_put(rig, client, rig_handle(pool, 1, 1), page_tag(PAGE_TEXT, 1)), 0);
	MUST_EQ(rig->backend->session(rig, client, 8), 1);
	MUST_EQ(rig_get(rig, client, rig_handle(pool, 1, 1), page_tag(PAGE_TEXT, 1)), 1);
	MUST_EQ(rig->backend->session(rig, client, 9), 1);
	MUST_EQ(rig_get(rig, client, rig_handle(pool, 1, 1), 0), -TMEM_ENODEV);
	rig_stop(rig);
}

static void another_nonce_ends_the_former_life(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int client = rig_client(rig, 1u << 20);
	static const uint64_t nonces[] = {5, 6, 0, 5, ~0ull, 0x100000005u};
	unsigned int n, i;

	for (n = 0; n < sizeof(nonces) / sizeof(nonces[0]); n++) {
		uint32_t pool;

		MUST_EQ(rig->backend->session(rig, client, nonces[n]), 1);
		no_such_pool(rig, client, 0);
		MUST_EQ(rig->backend->session(rig, client, nonces[n]), 0);
		pool = rig_pool(rig, client, n & 1 ? 0 : TMEM_POOL_PERSISTENT);
		for (i = 0; i < 100; i++) {
			struct tmem_handle h = rig_handle(pool, i / 3, i);

			MUST_EQ(rig_get(rig, client, h, 0), -TMEM_ENOENT);
			MUST_EQ(rig_put(rig, client, h, page_tag(PAGE_TEXT, i)), 0);
		}
		rig_check(rig);
	}
	MUST_EQ(rig->backend->session(rig, client, 4711), 1);
	rig_settle(rig);
	MUST_EQ(rig_stats(rig, client, -1).persistent_pages, 0);
	MUST_EQ(rig_stats(rig, client, -1).ephemeral_pages, 0);
	rig_stop(rig);
}

static void frozen_refuses_puts_only(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int client = rig_client(rig, 1u << 20);
	int other = rig_client(rig, 1u << 20);
	uint32_t theirs = rig_pool(rig, other, TMEM_POOL_PERSISTENT);
	uint32_t flags;

	for (flags = 0; flags < 2; flags++) {
		uint32_t i, pool = rig_pool(rig, client, flags);

		for (i = 0; i < 8; i++)
			MUST_EQ(rig_put(rig, client, rig_handle(pool, i / 4, i),
					page_tag(PAGE_TEXT, i)),
				0);
		rig->backend->freeze(rig, client, true);
		MUST_EQ(rig_put(rig, client, rig_handle(pool, 9, 9), 0), -TMEM_EAGAIN);
		MUST_EQ(rig_get(rig, client, rig_handle(pool, 9, 9), 0), -TMEM_ENOENT);
		MUST_EQ(rig_get(rig, client, rig_handle(pool, 0, 0), page_tag(PAGE_TEXT, 0)), 1);
		/* A frozen client's flush is carried out, and is a success. */
		MUST_EQ(rig_flush(rig, client, rig_handle(pool, 0, 1)), 1);
		MUST_EQ(rig_flush(rig, client, rig_handle(pool, 0, 1)), 0);
		MUST_EQ(rig_flush_range(rig, client, rig_handle(pool, 0, 2), 1), 0);
		MUST_EQ(rig_get(rig, client, rig_handle(pool, 0, 2), 0), -TMEM_ENOENT);
		MUST_EQ(rig_flush_object(rig, client, rig_handle(pool, 1, 0)), 1);
		MUST_EQ(rig_get(rig, client, rig_handle(pool, 1, 5), 0), -TMEM_ENOENT);
		MUST_EQ(rig_put(rig, other, rig_handle(theirs, 1, flags), page_tag(PAGE_TEXT, 1)),
			0);
		rig->backend->freeze(rig, client, false);
		MUST_EQ(rig_get(rig, client, rig_handle(pool, 0, 3), page_tag(PAGE_TEXT, 3)), 1);
		MUST_EQ(rig_put(rig, client, rig_handle(pool, 9, 9), page_tag(PAGE_TEXT, 1)), 0);
		MUST_EQ(rig_get(rig, client, rig_handle(pool, 9, 9), page_tag(PAGE_TEXT, 1)), 1);
		/* Freezing twice and thawing once is thawed. */
		rig->backend->freeze(rig, client, true);
		rig->backend->freeze(rig, client, true);
		rig->backend->freeze(rig, client, false);
		MUST_EQ(rig_put(rig, client, rig_handle(pool, 9, 9), page_tag(PAGE_TEXT, 2)), 0);
	}
	rig_stop(rig);
}

static void one_page_pool(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	int client = rig_client(rig, 1u << 20);
	unsigned int round;

	for (round = 0; round < 10; round++) {
		uint32_t pool = rig_pool(rig, client, TMEM_POOL_PERSISTENT);
		uint64_t tag = page_tag((enum page_kind)(round % PAGE_KINDS), round);

		MUST_EQ(rig_put(rig, client, rig_handle(pool, 0, 0), tag), 0);
		MUST_EQ(rig_stats(rig, client, (int)pool).persistent_pages, 1);
		MUST_EQ(rig_get(rig, client, rig_handle(pool, 0, 0), tag), 1);
		MUST_EQ(rig->backend->pool_destroy(rig, 0, client, pool), 0);
		rig_check(rig);
		rig_settle(rig);
		MUST_EQ(rig_stats(rig, client, -1).persistent_pages, 0);
	}
	rig_stop(rig);
}

#define ADMIN (CAN_ADMIN | CAN_OBJECTS | CAN_EPHEMERAL)

const struct conformance_case cases_pools[] = {
	{"2", "sixteen-pools-and-one-more", ADMIN, sixteen_pools_and_one_more},
	{"2", "same-cookie-gives-the-same-pool", ADMIN, same_cookie_gives_the_same_pool},
	{"2", "cookie-of-a-destroyed-pool-makes-another", ADMIN,
	 cookie_of_a_destroyed_pool_makes_another},
	{"2", "each-reserved-flag-is-refused", ADMIN, each_reserved_flag_is_refused},
	{"2", "each-page-shift-is-refused", ADMIN, each_page_shift_is_refused},
	{"2", "each-unknown-version-is-refused", ADMIN, each_unknown_version_is_refused},
	{"2", "pool-config-of-another-size-is-refused", ADMIN,
	 pool_config_of_another_size_is_refused},
	{"9", "pool-numbers-out-of-range", CAN_OBJECTS, pool_numbers_out_of_range},
	{"2", "destroyed-pool-is-gone", ADMIN, destroyed_pool_is_gone},
	{"1", "pool-number-is-not-reused", ADMIN, pool_number_is_not_reused},
	{"9", "one-page-pool", ADMIN | CAN_STATS, one_page_pool},
	{"1", "same-nonce-resumes-the-session", ADMIN, same_nonce_resumes_the_session},
	{"1", "first-nonce-keeps-what-was-made-before", ADMIN | CAN_NO_SESSION,
	 first_nonce_keeps_what_was_made_before},
	{"1", "another-nonce-ends-the-former-life", ADMIN | CAN_STATS,
	 another_nonce_ends_the_former_life},
	{"3.11", "frozen-refuses-puts-only", ADMIN, frozen_refuses_puts_only},
	{NULL, NULL, 0, NULL},
};
