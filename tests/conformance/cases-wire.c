/* SPDX-License-Identifier: MIT */
/*
 * What happens to a peer on a wire, and to nobody who calls a function:
 * answers that never come, pages at no address, a host that is gone. Rules 5,
 * 6, 17 and 19 of the contract.
 */
#include <string.h>

#include "case.h"

/* Asks, and the answer is lost; whether it was carried out is not said. */
static void lose(struct stage *s, enum rig_loss loss, uint32_t code, struct tmem_handle h,
		 uint64_t tag)
{
	uint8_t page[TMEM_PAGE_SIZE];

	page_fill(page, tag);
	s->rig->backend->lose_reply(s->rig, s->client, loss, code, &h, page);
}

#define OLD(i) page_tag(PAGE_TEXT, (i))
#define NEW(i) page_tag(PAGE_RANDOM, 1000 + (i))

static void repeated(struct stage *s)
{
	bool persistent = rig_stats(s->rig, s->client, -1).persistent_pages > 0;
	uint8_t page[TMEM_PAGE_SIZE];
	uint32_t round;

	for (round = 0; round < 6; round++) {
		enum rig_loss loss = (enum rig_loss)(round % RIG_LOSSES);
		struct tmem_handle h = rig_handle(s->pool, 1, round);
		uint64_t old = OLD(round), new = NEW(round);
		int result;

		/* A put has happened or not; repeated, it has. */
		MUST_EQ(rig_put(s->rig, s->client, h, old), 0);
		lose(s, loss, TMEM_OP_PUT, h, new);
		MUST_EQ(rig_put(s->rig, s->client, h, new), 0);
		MUST_EQ(rig_get(s->rig, s->client, h, new), 1);
		/* A get from a persistent pool can be repeated; after an exclusive one the page may be gone. */
		MUST_EQ(rig_put(s->rig, s->client, h, old), 0);
		lose(s, loss, TMEM_OP_GET, h, 0);
		result = rig_get(s->rig, s->client, h, old);
		MUST(result == 1 || (!persistent && result == -TMEM_ENOENT));
		if (loss == RIG_LOST_ANSWERED && !persistent)
			MUST_EQ(result, -TMEM_ENOENT);
		/* A flush. */
		MUST_EQ(rig_put(s->rig, s->client, h, old), 0);
		lose(s, loss, TMEM_OP_FLUSH, h, 0);
		result = rig_flush(s->rig, s->client, h);
		MUST(result == 0 || result == 1);
		MUST_EQ(rig_get(s->rig, s->client, h, 0), -TMEM_ENOENT);
		/* Not repeated: the one or the other, and never a third. */
		MUST_EQ(rig_put(s->rig, s->client, h, old), 0);
		lose(s, loss, TMEM_OP_PUT, h, new);
		MUST_EQ(s->rig->backend->get(s->rig, 0, s->client, &h, page), 0);
		MUST(page_holds(page, new) || (loss != RIG_LOST_ANSWERED && page_holds(page, old)));
	}
	rig_check(s->rig);
}

static void operation_whose_reply_was_lost_is_repeated(const struct backend *backend)
{
	struct stage s = case_stage(backend, 0);

	repeated(&s);
	rig_stop(s.rig);
	s = case_stage(backend, TMEM_POOL_PERSISTENT);
	MUST_EQ(rig_put(s.rig, s.client, rig_handle(s.pool, 77, 1), OLD(0)), 0);
	repeated(&s);
	rig_stop(s.rig);
}

/* The address is judged before a page is taken, and costs nobody else anything. */
static void bad_address(struct stage *s)
{
	struct tmem_handle h = rig_handle(s->pool, 1, 1), other = rig_handle(s->pool, 1, 2);
	int result, neighbour = rig_client(s->rig, 1u << 20);
	uint32_t theirs = rig_pool(s->rig, neighbour, TMEM_POOL_PERSISTENT);

	MUST_EQ(rig_put(s->rig, neighbour, rig_handle(theirs, 1, 1), NEW(1)), 0);
	MUST_EQ(rig_put(s->rig, s->client, h, OLD(1)), 0);
	MUST_EQ(rig_put(s->rig, s->client, other, OLD(2)), 0);
	MUST_EQ(s->rig->backend->bad_address(s->rig, s->client, TMEM_OP_GET, &h), -TMEM_EFAULT);
	MUST_EQ(rig_get(s->rig, s->client, h, OLD(1)), 1);
	/* A put's handle holds what it held or nothing, and no page that was never whole. */
	MUST_EQ(s->rig->backend->bad_address(s->rig, s->client, TMEM_OP_PUT, &other), -TMEM_EFAULT);
	result = rig_get(s->rig, s->client, other, OLD(2));
	MUST(result == 1 || result == -TMEM_ENOENT);
	MUST_EQ(rig_put(s->rig, s->client, other, NEW(2)), 0);
	MUST_EQ(rig_get(s->rig, s->client, other, NEW(2)), 1);
	MUST_EQ(rig_get(s->rig, neighbour, rig_handle(theirs, 1, 1), NEW(1)), 1);
	rig_check(s->rig);
}

static void page_at_a_bad_address(const struct backend *backend)
{
	case_both(backend, bad_address);
}

static void client_that_is_removed_is_told_so(const struct backend *backend)
{
	struct stage s = case_stage(backend, TMEM_POOL_PERSISTENT);
	struct tmem_pool_config config = {.size = sizeof(config)};
	struct tmem_handle h = rig_handle(s.pool, 1, 1);

	MUST_EQ(rig_put(s.rig, s.client, h, OLD(1)), 0);
	s.rig->backend->client_remove(s.rig, s.client);
	MUST(rig_put(s.rig, s.client, h, OLD(2)) < 0);
	/* Not a miss: that would say that the page was never there. */
	MUST(rig_get(s.rig, s.client, h, 0) < 0);
	MUST(rig_get(s.rig, s.client, h, 0) != -TMEM_ENOENT);
	MUST(rig_flush(s.rig, s.client, h) < 0);
	MUST(rig_flush_object(s.rig, s.client, h) < 0);
	MUST(s.rig->backend->pool_create(s.rig, 0, s.client, &config) < 0);
	rig_settle(s.rig);
	MUST_EQ(rig_stats(s.rig, -1, -1).persistent_pages, 0);
	MUST_EQ(rig_stats(s.rig, -1, -1).allocation, 0);
	s.rig->backend->client_destroy(s.rig, 0, s.client);
	rig_stop(s.rig);
}

/* Persistent pages that went with their host are errors, and never misses; others are misses. */
static void pages_that_went_with_their_host_are_errors(const struct backend *backend)
{
	struct stage s = case_stage(backend, TMEM_POOL_PERSISTENT);
	uint32_t q = rig_pool(s.rig, s.client, 0), i;

	for (i = 0; i < 100; i++) {
		MUST_EQ(rig_put(s.rig, s.client, rig_handle(s.pool, i / 9, i), OLD(i)), 0);
		MUST_EQ(rig_put(s.rig, s.client, rig_handle(q, i / 9, i), OLD(i)), 0);
	}
	s.rig->backend->kill(s.rig);
	for (i = 0; i < 100; i++) {
		MUST_EQ(rig_get(s.rig, s.client, rig_handle(s.pool, i / 9, i), 0), -TMEM_EIO);
		MUST_EQ(rig_get(s.rig, s.client, rig_handle(q, i / 9, i), 0), -TMEM_ENOENT);
		MUST_EQ(rig_put(s.rig, s.client, rig_handle(s.pool, i / 9, i), NEW(i)), 0);
		MUST_EQ(rig_get(s.rig, s.client, rig_handle(s.pool, i / 9, i), NEW(i)), 1);
	}
	rig_stop(s.rig);
}

#define SECRETS 200u

/* Pages that do not compress, each with these bytes in the middle. */
static void put_secrets(struct rig *rig, int client, uint32_t pool, const char *secret)
{
	uint8_t page[TMEM_PAGE_SIZE];
	uint32_t i;

	for (i = 0; i < SECRETS; i++) {
		struct tmem_handle h = rig_handle(pool, 1, i);

		page_fill(page, NEW(i));
		memcpy(page + 1000, secret, strlen(secret));
		MUST_EQ(rig->backend->put(rig, 0, client, &h, page), 0);
	}
	MUST_LE(SECRETS, rig->backend->find(rig, secret, strlen(secret)));
}

/* Pages of a client that is gone are not in memory that the store gave back, nor anywhere else. */
static void pages_of_who_is_gone_are_nowhere(const struct backend *backend)
{
	static const char *const secrets[] = {"a page that stays until it is flushed",
					      "a page that may vanish at any moment"};
	struct rig *rig = case_start(backend, 0, 1);
	int keeps = rig_client(rig, 1u << 20), goes = rig_client(rig, 2u << 20);
	uint32_t other = rig_pool(rig, keeps, TMEM_POOL_PERSISTENT), i;

	put_secrets(rig, goes, rig_pool(rig, goes, TMEM_POOL_PERSISTENT), secrets[0]);
	put_secrets(rig, goes, rig_pool(rig, goes, 0), secrets[1]);
	rig->backend->client_destroy(rig, 0, goes);
	rig_settle(rig);
	rig->backend->reclaim(rig, 0, ~0ull);
	/* Whoever copies a page has the last one at hand; another's takes its place. */
	for (i = 0; i < 100; i++)
		MUST_EQ(rig_put(rig, keeps, rig_handle(other, 1, i), NEW(i)), 0);
	for (i = 0; i < 2; i++)
		MUST_EQ(rig->backend->find(rig, secrets[i], strlen(secrets[i])), 0);
	rig_stop(rig);
}

#define NEEDS (CAN_WIRE | CAN_OBJECTS | CAN_EPHEMERAL | CAN_STATS)

const struct conformance_case cases_wire[] = {
	{"3.19", "operation-whose-reply-was-lost-is-repeated", NEEDS,
	 operation_whose_reply_was_lost_is_repeated},
	{"3.5", "page-at-a-bad-address", NEEDS, page_at_a_bad_address},
	{"2", "client-that-is-removed-is-told-so", NEEDS, client_that_is_removed_is_told_so},
	{"3.6", "pages-that-went-with-their-host-are-errors", NEEDS,
	 pages_that_went_with_their_host_are_errors},
	{"3.16", "pages-of-who-is-gone-are-nowhere", NEEDS, pages_of_who_is_gone_are_nowhere},
	{NULL, NULL, 0, NULL},
};
