/* SPDX-License-Identifier: MIT */
/*
 * What happens to one page: it is copied, replaced, returned, taken out.
 * Rules 1 to 6 of the contract's section 3, and 18's exact names.
 */
#include <string.h>
#include <sys/mman.h>

#include "case.h"

/* A page with guard bytes around it, at every offset that an address can have. */
struct loose_page {
	uint8_t before[64];
	uint8_t room[TMEM_PAGE_SIZE + 64];
	uint8_t after[64];
};

static void copies(struct stage *s)
{
	uint8_t page[TMEM_PAGE_SIZE];
	unsigned int kind;

	for (kind = 0; kind < PAGE_KINDS; kind++) {
		struct tmem_handle h = rig_handle(s->pool, 1, kind);
		uint64_t tag = page_tag((enum page_kind)kind, kind);

		page_fill(page, tag);
		MUST_EQ(s->rig->backend->put(s->rig, 0, s->client, &h, page), 0);
		if (!page_holds(page, tag))
			FAIL("put changed the client's page");
		memset(page, 0x5a, sizeof(page));
		MUST_EQ(rig_get(s->rig, s->client, h, tag), 1);
	}
}

static void put_copies_the_page(const struct backend *backend)
{
	case_both(backend, copies);
}

static void reads_only(struct stage *s)
{
	struct tmem_handle h = rig_handle(s->pool, 1, 1);
	void *page = mmap(NULL, TMEM_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	MUST(page != MAP_FAILED);
	page_fill(page, page_tag(PAGE_TEXT, 1));
	MUST_EQ(mprotect(page, TMEM_PAGE_SIZE, PROT_READ), 0);
	MUST_EQ(s->rig->backend->put(s->rig, 0, s->client, &h, page), 0);
	munmap(page, TMEM_PAGE_SIZE);
	MUST_EQ(rig_get(s->rig, s->client, h, page_tag(PAGE_TEXT, 1)), 1);
}

static void put_from_a_read_only_page(const struct backend *backend)
{
	case_both(backend, reads_only);
}

static void at_any_address(struct stage *s)
{
	struct loose_page in, out;
	unsigned int offset, kind, i;

	for (offset = 0; offset < 64; offset++) {
		struct tmem_handle h = rig_handle(s->pool, 1, offset);
		uint64_t tag;

		kind = offset % PAGE_KINDS;
		tag = page_tag((enum page_kind)kind, offset);
		memset(&out, 0xa7, sizeof(out));
		page_fill(in.room + offset, tag);
		MUST_EQ(s->rig->backend->put(s->rig, 0, s->client, &h, in.room + offset), 0);
		MUST_EQ(s->rig->backend->get(s->rig, 0, s->client, &h, out.room + offset), 0);
		MUST(page_holds(out.room + offset, tag));
		for (i = 0; i < sizeof(out); i++) {
			const uint8_t *at = (uint8_t *)&out + i;

			if ((at < out.room + offset || at >= out.room + offset + TMEM_PAGE_SIZE) &&
			    *at != 0xa7)
				FAIL("get wrote outside the page, at offset %u", i);
		}
	}
}

static void put_and_get_at_any_address(const struct backend *backend)
{
	case_both(backend, at_any_address);
}

static void misses(struct stage *s)
{
	struct tmem_handle h = rig_handle(s->pool, 1, 1);
	uint8_t page[TMEM_PAGE_SIZE];

	page_fill(page, page_tag(PAGE_RANDOM, 9));
	MUST_EQ(s->rig->backend->get(s->rig, 0, s->client, &h, page), -TMEM_ENOENT);
	MUST(page_holds(page, page_tag(PAGE_RANDOM, 9)));
	/* The object exists now, the page does not. */
	h.index = 2;
	MUST_EQ(rig_put(s->rig, s->client, h, page_tag(PAGE_RANDOM, 1)), 0);
	h.index = 1;
	MUST_EQ(s->rig->backend->get(s->rig, 0, s->client, &h, page), -TMEM_ENOENT);
	MUST(page_holds(page, page_tag(PAGE_RANDOM, 9)));
}

static void miss_leaves_the_buffer(const struct backend *backend)
{
	case_both(backend, misses);
}

/* Every kind of page over every other: in place of it, smaller, larger. */
static void replaces(struct stage *s)
{
	unsigned int old, new, codec;

	for (codec = 0; codec < 2; codec++) {
		if (s->rig->backend->can & CAN_ADMIN)
			MUST_EQ(s->rig->backend->set_codec(s->rig, s->client,
							   codec ? TMEM_CODEC_LZ4 : 0),
				0);
		for (old = 0; old < PAGE_KINDS; old++)
			for (new = 0; new < PAGE_KINDS; new ++) {
				struct tmem_handle h = rig_handle(s->pool, old, new);
				uint64_t first = page_tag((enum page_kind)old, 1000 + new);
				uint64_t then = page_tag((enum page_kind) new, 2000 + old);

				MUST_EQ(rig_put(s->rig, s->client, h, first), 0);
				MUST_EQ(rig_put(s->rig, s->client, h, then), 0);
				MUST_EQ(rig_get(s->rig, s->client, h, then), 1);
				rig_check(s->rig);
			}
	}
}

static void duplicate_put_replaces(const struct backend *backend)
{
	case_both(backend, replaces);
}

static void put_put_gets(struct stage *s)
{
	struct tmem_handle h = rig_handle(s->pool, 3, 77);
	uint64_t version;

	for (version = 0; version < 500; version++)
		MUST_EQ(rig_put(s->rig, s->client, h, page_tag(PAGE_ANY, version)), 0);
	MUST_EQ(rig_get(s->rig, s->client, h, page_tag(PAGE_ANY, 499)), 1);
}

static void put_put_get_returns_the_second(const struct backend *backend)
{
	case_both(backend, put_put_gets);
}

static void frozen_duplicate(struct stage *s)
{
	struct tmem_handle h = rig_handle(s->pool, 3, 77);
	struct tmem_handle other = rig_handle(s->pool, 3, 78);

	MUST_EQ(rig_put(s->rig, s->client, h, page_tag(PAGE_RANDOM, 1)), 0);
	MUST_EQ(rig_put(s->rig, s->client, other, page_tag(PAGE_RANDOM, 2)), 0);
	s->rig->backend->freeze(s->rig, s->client, true);
	MUST_EQ(rig_put(s->rig, s->client, h, page_tag(PAGE_RANDOM, 3)), -TMEM_EAGAIN);
	MUST_EQ(rig_get(s->rig, s->client, h, 0), -TMEM_ENOENT);
	MUST_EQ(rig_get(s->rig, s->client, other, page_tag(PAGE_RANDOM, 2)), 1);
	s->rig->backend->freeze(s->rig, s->client, false);
	MUST_EQ(rig_get(s->rig, s->client, h, 0), -TMEM_ENOENT);
}

static void duplicate_put_frozen_empties(const struct backend *backend)
{
	case_both(backend, frozen_duplicate);
}

/*
 * Zero pages until the allocation is full, then pages that do not compress in
 * their place: some of these must be refused, and each refusal must empty its
 * handle and nothing else.
 */
static void duplicate_put_over_allocation_empties(const struct backend *backend)
{
	struct stage s;
	unsigned int refused = 0, i, count = 0;
	uint64_t small = 256u << 10;

	s.rig = case_start(backend, 0, 1);
	if (conformance_extent > small)
		small = conformance_extent;
	s.client = rig_client(s.rig, small);
	s.pool = rig_pool(s.rig, s.client, TMEM_POOL_PERSISTENT);
	while (count < 100000) {
		int result = rig_put(s.rig, s.client, rig_handle(s.pool, count >> 6, count & 63),
				     page_tag(PAGE_ZERO, count));

		if (result) {
			MUST_EQ(result, -TMEM_ENOSPC);
			break;
		}
		count++;
	}
	MUST_LE(small / TMEM_PAGE_SIZE, count);
	MUST_LE(count, 99999);
	for (i = 0; i < count; i++) {
		struct tmem_handle h = rig_handle(s.pool, i >> 6, i & 63);
		int result = rig_put(s.rig, s.client, h, page_tag(PAGE_RANDOM, i));

		if (result) {
			MUST_EQ(result, -TMEM_ENOSPC);
			MUST_EQ(rig_get(s.rig, s.client, h, 0), -TMEM_ENOENT);
			refused++;
		} else {
			MUST_EQ(rig_get(s.rig, s.client, h, page_tag(PAGE_RANDOM, i)), 1);
		}
		if (i + 1 < count) {
			h = rig_handle(s.pool, (i + 1) >> 6, (i + 1) & 63);
			MUST_EQ(rig_get(s.rig, s.client, h, page_tag(PAGE_ZERO, i + 1)), 1);
		}
	}
	MUST(refused > 0);
	rig_stop(s.rig);
}

static void new_put_refused_leaves_nothing(const struct backend *backend)
{
	struct stage s = case_stage(backend, TMEM_POOL_PERSISTENT);
	struct tmem_handle h;
	unsigned int i = 0;
	int result;

	do {
		h = rig_handle(s.pool, 5, i++);
		result = rig_put(s.rig, s.client, h, page_tag(PAGE_RANDOM, i));
	} while (!result && i < 100000);
	MUST_EQ(result, -TMEM_ENOSPC);
	MUST_EQ(rig_get(s.rig, s.client, h, 0), -TMEM_ENOENT);
	MUST_EQ(rig_flush(s.rig, s.client, h), 0);
	rig_stop(s.rig);
}

static void get_gets(struct stage *s)
{
	struct tmem_handle h = rig_handle(s->pool, 4, 4);
	unsigned int i;

	MUST_EQ(rig_get(s->rig, s->client, h, 0), -TMEM_ENOENT);
	for (i = 0; i < 200; i++)
		MUST_EQ(rig_put(s->rig, s->client, rig_handle(s->pool, i % 7, 1000 + i),
				page_tag(PAGE_ANY, i)),
			0);
	MUST_EQ(rig_get(s->rig, s->client, h, 0), -TMEM_ENOENT);
	MUST_EQ(rig_put(s->rig, s->client, h, page_tag(PAGE_TEXT, 1)), 0);
	MUST_EQ(rig_flush(s->rig, s->client, h), 1);
	MUST_EQ(rig_get(s->rig, s->client, h, 0), -TMEM_ENOENT);
	rig_settle(s->rig);
	MUST_EQ(rig_get(s->rig, s->client, h, 0), -TMEM_ENOENT);
}

static void no_hit_after_a_miss_without_a_put(const struct backend *backend)
{
	case_both(backend, get_gets);
}

static void ephemeral_get_takes_the_page_out(const struct backend *backend)
{
	struct stage s = case_stage(backend, 0);
	unsigned int kind;

	for (kind = 0; kind < PAGE_KINDS; kind++) {
		struct tmem_handle h = rig_handle(s.pool, 9, kind);
		uint64_t tag = page_tag((enum page_kind)kind, 3);

		MUST_EQ(rig_put(s.rig, s.client, h, tag), 0);
		MUST_EQ(rig_get(s.rig, s.client, h, tag), 1);
		MUST_EQ(rig_get(s.rig, s.client, h, tag), -TMEM_ENOENT);
		MUST_EQ(rig_flush(s.rig, s.client, h), 0);
	}
	MUST_EQ(rig_stats(s.rig, s.client, -1).ephemeral_pages, 0);
	rig_stop(s.rig);
}

static void persistent_get_leaves_the_page(const struct backend *backend)
{
	struct stage s = case_stage(backend, TMEM_POOL_PERSISTENT);
	unsigned int kind, i;

	for (kind = 0; kind < PAGE_KINDS; kind++) {
		struct tmem_handle h = rig_handle(s.pool, 9, kind);
		uint64_t tag = page_tag((enum page_kind)kind, 3);

		MUST_EQ(rig_put(s.rig, s.client, h, tag), 0);
		for (i = 0; i < 100; i++)
			MUST_EQ(rig_get(s.rig, s.client, h, tag), 1);
	}
	rig_stop(s.rig);
}

static void all_indexes(struct stage *s)
{
	static const uint32_t around[] = {0,	      1,	  62,	      63,
					  64,	      65,	  4095,	      4096,
					  4097,	      262143,	  262144,     16777215,
					  16777216,   0x3fffffff, 0x40000000, 0x7fffffff,
					  0x80000000, 0xc0000000, 0xfffffffe, 0xffffffff};
	const unsigned int count = sizeof(around) / sizeof(around[0]);
	unsigned int i, bit;

	for (i = 0; i < count; i++)
		MUST_EQ(rig_put(s->rig, s->client, rig_handle(s->pool, 1, around[i]),
				page_tag(PAGE_TEXT, i)),
			0);
	for (i = count; i-- > 0;)
		MUST_EQ(rig_get(s->rig, s->client, rig_handle(s->pool, 1, around[i]),
				page_tag(PAGE_TEXT, i)),
			1);
	/* One page, and every index that differs from its own in one bit. */
	MUST_EQ(rig_put(s->rig, s->client, rig_handle(s->pool, 2, 0x5a5a5a5a),
			page_tag(PAGE_RANDOM, 1)),
		0);
	for (bit = 0; bit < 32; bit++)
		MUST_EQ(rig_get(s->rig, s->client, rig_handle(s->pool, 2, 0x5a5a5a5a ^ (1u << bit)),
				0),
			-TMEM_ENOENT);
	MUST_EQ(rig_get(s->rig, s->client, rig_handle(s->pool, 2, 0x5a5a5a5a),
			page_tag(PAGE_RANDOM, 1)),
		1);
}

static void index_up_to_the_last(const struct backend *backend)
{
	case_both(backend, all_indexes);
}

static void one_bit(struct stage *s)
{
	struct tmem_handle h = {{{0x0123456789abcdefu, 0, ~0ull}}, s->pool, 5};
	unsigned int bit;

	MUST_EQ(rig_put(s->rig, s->client, h, page_tag(PAGE_RANDOM, 1000)), 0);
	for (bit = 0; bit < 192; bit++) {
		struct tmem_handle near = h;

		near.object.word[bit / 64] ^= 1ull << (bit % 64);
		MUST_EQ(rig_get(s->rig, s->client, near, 0), -TMEM_ENOENT);
		MUST_EQ(rig_flush(s->rig, s->client, near), 0);
		MUST_EQ(rig_flush_object(s->rig, s->client, near), 0);
		MUST_EQ(rig_put(s->rig, s->client, near, page_tag(PAGE_RANDOM, bit)), 0);
	}
	for (bit = 0; bit < 192; bit++) {
		struct tmem_handle near = h;

		near.object.word[bit / 64] ^= 1ull << (bit % 64);
		MUST_EQ(rig_get(s->rig, s->client, near, page_tag(PAGE_RANDOM, bit)), 1);
	}
	MUST_EQ(rig_get(s->rig, s->client, h, page_tag(PAGE_RANDOM, 1000)), 1);
}

static void objects_that_differ_in_one_bit(const struct backend *backend)
{
	case_both(backend, one_bit);
}

static void clients_and_pools_are_apart(const struct backend *backend)
{
	struct rig *rig = case_start(backend, 0, 1);
	uint32_t pool[3][4];
	int client[3];
	unsigned int c, p;

	for (c = 0; c < 3; c++) {
		client[c] = rig_client(rig, 1u << 20);
		for (p = 0; p < 4; p++) {
			pool[c][p] = rig_pool(rig, client[c], p & 1 ? TMEM_POOL_PERSISTENT : 0);
			MUST_EQ(rig_put(rig, client[c], rig_handle(pool[c][p], 1, 1),
					page_tag(PAGE_RANDOM, c * 4 + p)),
				0);
		}
	}
	/* One's flush, sessions and end leave the others alone. */
	MUST_EQ(rig_flush_object(rig, client[0], rig_handle(pool[0][1], 1, 1)), 1);
	MUST_EQ(rig->backend->session(rig, client[1], 76), 1);
	MUST_EQ(rig->backend->session(rig, client[1], 77), 1);
	MUST_EQ(rig_get(rig, client[0], rig_handle(pool[0][1], 1, 1), 0), -TMEM_ENOENT);
	for (p = 0; p < 4; p++) {
		MUST_EQ(rig_get(rig, client[1], rig_handle(pool[1][p], 1, 1), 0), -TMEM_ENODEV);
		if (p != 1)
			MUST_EQ(rig_get(rig, client[0], rig_handle(pool[0][p], 1, 1),
					page_tag(PAGE_RANDOM, p)),
				1);
		MUST_EQ(rig_get(rig, client[2], rig_handle(pool[2][p], 1, 1),
				page_tag(PAGE_RANDOM, 8 + p)),
			1);
	}
	rig_stop(rig);
}

static void persistent_page_survives_a_refused_neighbour(const struct backend *backend)
{
	struct stage s = case_stage(backend, TMEM_POOL_PERSISTENT);
	unsigned int count, i;

	for (count = 0;; count++)
		if (rig_put(s.rig, s.client, rig_handle(s.pool, count % 5, count),
			    page_tag(PAGE_RANDOM, count)))
			break;
	for (i = 0; i < 1000; i++)
		MUST_EQ(rig_put(s.rig, s.client, rig_handle(s.pool, i % 11, 1000000 + i),
				page_tag(PAGE_RANDOM, i)),
			-TMEM_ENOSPC);
	for (i = 0; i < count; i++)
		MUST_EQ(rig_get(s.rig, s.client, rig_handle(s.pool, i % 5, i),
				page_tag(PAGE_RANDOM, i)),
			1);
	rig_stop(s.rig);
}

const struct conformance_case cases_pages[] = {
	{"3.1", "put-copies-the-page", 0, put_copies_the_page},
	{"3.1", "put-from-a-read-only-page", 0, put_from_a_read_only_page},
	{"3.1", "put-and-get-at-any-address", 0, put_and_get_at_any_address},
	{"2", "miss-leaves-the-buffer", CAN_OBJECTS, miss_leaves_the_buffer},
	{"3.2", "duplicate-put-replaces", CAN_OBJECTS, duplicate_put_replaces},
	{"3.2", "duplicate-put-frozen-empties", CAN_ADMIN | CAN_OBJECTS,
	 duplicate_put_frozen_empties},
	{"3.2", "duplicate-put-over-allocation-empties", CAN_OBJECTS,
	 duplicate_put_over_allocation_empties},
	{"3.2", "new-put-refused-leaves-nothing", CAN_OBJECTS, new_put_refused_leaves_nothing},
	{"3.3", "put-put-get-returns-the-second", 0, put_put_get_returns_the_second},
	{"3.4", "no-hit-after-a-miss-without-a-put", CAN_OBJECTS,
	 no_hit_after_a_miss_without_a_put},
	{"3.5", "ephemeral-get-takes-the-page-out", CAN_EPHEMERAL | CAN_STATS,
	 ephemeral_get_takes_the_page_out},
	{"3.5", "persistent-get-leaves-the-page", 0, persistent_get_leaves_the_page},
	{"3.6", "persistent-page-survives-a-refused-neighbour", CAN_OBJECTS,
	 persistent_page_survives_a_refused_neighbour},
	{"1", "index-up-to-the-last", CAN_OBJECTS, index_up_to_the_last},
	{"3.18", "objects-that-differ-in-one-bit", CAN_OBJECTS, objects_that_differ_in_one_bit},
	{"3.17", "clients-and-pools-are-apart", CAN_ADMIN | CAN_OBJECTS | CAN_EPHEMERAL,
	 clients_and_pools_are_apart},
	{NULL, NULL, 0, NULL},
};
