/* SPDX-License-Identifier: MIT */
/* Rig and model side by side: see twin.h. */
#include <stdio.h>
#include <string.h>

#include "must.h"
#include "page.h"
#include "twin-parts.h"

#define WRONG(what, h, ...)                                                                     \
	FAIL("operation %" PRIu64 ": " what " (client %u pool %u object %" PRIx64 " index %u)", \
	     twin->operation, __VA_ARGS__, client, (h).pool, (h).object.word[0], (h).index)

void twin_start(struct twin *twin, const struct backend *backend, const struct rig_setup *setup,
		uint32_t most_pages)
{
	memset(twin, 0, sizeof(*twin));
	twin->most = most_pages;
	twin->check_every = 1;
	model_create(&twin->model, most_pages);
	twin->rig = rig_start(backend, setup);
}

enum twin_kind twin_kind(const struct twin *twin, unsigned int client, uint32_t pool)
{
	uint8_t kind = pool < TWIN_POOLS ? twin->client[client].pool[pool] : NO_POOL;

	return kind == GONE ? NO_POOL : kind > MEMBER ? MEMBER : (enum twin_kind)kind;
}

int twin_place(const struct twin *twin, unsigned int client, const struct tmem_handle *handle,
	       struct tmem_handle *place)
{
	*place = *handle;
	if (twin_kind(twin, client, handle->pool) != MEMBER)
		return (int)client;
	place->pool = 0;
	return TWIN_CLIENTS + twin->client[client].pool[handle->pool] - MEMBER;
}

void twin_trace(const struct twin *twin, const char *what, unsigned int client,
		const struct tmem_handle *h, uint64_t arg)
{
	if (!twin->trace)
		return;
	printf("%" PRIu64 " client %u %s", twin->operation, client, what);
	if (h)
		printf(" pool %u object %" PRIx64 "-%" PRIx64 "-%" PRIx64 " index %u", h->pool,
		       h->object.word[0], h->object.word[1], h->object.word[2], h->index);
	printf(" %" PRIu64 "\n", arg);
	fflush(stdout);
}

void twin_done(struct twin *twin)
{
	twin->operation++;
	if (twin->quiet)
		return;
	if (twin->operation % (twin->model.count < 256 ? 8 : 64) == 0)
		twin_audit(twin);
	/* Below 256 pages after every operation or so, above now and then. */
	if (twin->operation % (twin->model.count < 256 ? twin->check_every : 4096) == 0) {
		const char *what = "(nothing named)";

		if (twin->rig->backend->check(twin->rig, &what))
			FAIL("operation %" PRIu64 ": check: %s", twin->operation, what);
	}
}

void twin_client_create(struct twin *twin, unsigned int client, uint64_t allocation, uint8_t codec)
{
	struct twin_client *c = &twin->client[client];
	struct tmem_client_config config = {
		.size = sizeof(config), .allocation = allocation, .codec = codec};
	uint64_t sum = 0;
	unsigned int i;
	int result;

	if (c->there)
		return;
	twin_trace(twin, "create", client, NULL, allocation);
	for (i = 0; i < TWIN_CLIENTS; i++)
		if (twin->client[i].there)
			sum += twin->client[i].allocation;
	result = twin->rig->backend->client_create(twin->rig, &config);
	if (result == -TMEM_ENOSPC) {
		/* The allocation of a client that died is free when its memory is back. */
		rig_settle(twin->rig);
		result = twin->rig->backend->client_create(twin->rig, &config);
	}
	if (result < 0) {
		bool too_much = sum + allocation > twin->rig->setup.persistent;

		if (result == -TMEM_ENOMEM && twin->may_run_dry)
			twin->refused++;
		else if (result != -TMEM_ENOSPC || !too_much)
			FAIL("operation %" PRIu64 ": client of %" PRIu64 " beside %" PRIu64
			     " refused: %d",
			     twin->operation, allocation, sum, result);
	} else {
		memset(c, 0, sizeof(*c));
		c->there = true;
		c->number = result;
		c->allocation = allocation;
		for (i = 0; i < TWIN_SHARED; i++)
			c->member[i] = -1;
	}
	twin_done(twin);
}

static void leave_all(struct twin *twin, unsigned int client)
{
	unsigned int which;

	for (which = 0; which < TWIN_SHARED; which++)
		twin_leave(twin, client, which);
}

void twin_client_destroy(struct twin *twin, unsigned int client)
{
	if (!twin->client[client].there)
		return;
	twin_trace(twin, "destroy", client, NULL, 0);
	twin->rig->backend->client_destroy(twin->rig, 0, twin->client[client].number);
	leave_all(twin, client);
	model_drop_client(&twin->model, (int)client);
	twin->client[client].there = false;
	twin_done(twin);
}

bool twin_session(struct twin *twin, unsigned int client, uint64_t nonce)
{
	struct twin_client *c = &twin->client[client];
	int result;

	if (!c->there)
		return false;
	twin_trace(twin, "session", client, NULL, nonce);
	result = twin->rig->backend->session(twin->rig, c->number, nonce + 1);
	if (result != (c->nonce != nonce + 1))
		FAIL("operation %" PRIu64 ": session says %d", twin->operation, result);
	/* The first session takes over what was made before it. */
	if (result && c->nonce) {
		leave_all(twin, client);
		memset(c->pool, 0, sizeof(c->pool));
		c->pools = 0;
		model_drop_client(&twin->model, (int)client);
	}
	c->nonce = nonce + 1;
	twin_done(twin);
	return c->pools == 0;
}

void twin_freeze(struct twin *twin, unsigned int client, bool frozen)
{
	struct twin_client *c = &twin->client[client];

	if (!c->there)
		return;
	twin_trace(twin, "freeze", client, NULL, frozen);
	twin->rig->backend->freeze(twin->rig, c->number, frozen);
	c->frozen = frozen;
	twin_done(twin);
}

void twin_pool_made(struct twin *twin, unsigned int client, int number, uint8_t kind)
{
	struct twin_client *c = &twin->client[client];

	if (number >= TWIN_POOLS || c->pool[number] != NO_POOL)
		FAIL("operation %" PRIu64 ": the new pool has number %d", twin->operation, number);
	c->pool[number] = kind;
	c->pools++;
}

int twin_pool_create(struct twin *twin, unsigned int client, uint32_t flags)
{
	struct twin_client *c = &twin->client[client];
	struct tmem_pool_config config = {.size = sizeof(config), .flags = flags};
	int result;

	if (!c->there)
		return -1;
	twin_trace(twin, "new pool", client, NULL, flags);
	result = rig_pool_create(twin->rig, c->number, &config);
	if (result < 0) {
		if (result == -TMEM_ENOMEM && twin->may_run_dry)
			twin->refused++;
		/* The directory of a persistent pool is billed. */
		else if (result == -TMEM_ENOSPC && flags & TMEM_POOL_PERSISTENT)
			twin->refused++;
		else if (result != -TMEM_EOVERFLOW || c->pools < TMEM_POOLS_PER_CLIENT)
			FAIL("operation %" PRIu64 ": no pool: %d", twin->operation, result);
	} else {
		twin_pool_made(twin, client, result,
			       flags & TMEM_POOL_PERSISTENT ? PERSISTENT : EPHEMERAL);
	}
	twin_done(twin);
	return result < 0 ? -1 : result;
}

void twin_pool_destroy(struct twin *twin, unsigned int client, uint32_t pool)
{
	struct twin_client *c = &twin->client[client];
	enum twin_kind kind = twin_kind(twin, client, pool);
	bool there = kind != NO_POOL;
	int result;

	if (!c->there)
		return;
	twin_trace(twin, "destroy pool", client, NULL, pool);
	result = twin->rig->backend->pool_destroy(twin->rig, 0, c->number, pool);
	if (result != (there ? 0 : -TMEM_ENODEV))
		FAIL("operation %" PRIu64 ": destroy pool %u says %d", twin->operation, pool,
		     result);
	if (kind == MEMBER) {
		twin_leave(twin, client, c->pool[pool] - MEMBER);
	} else if (there) {
		c->pool[pool] = GONE;
		c->pools--;
		model_drop_pool(&twin->model, (int)client, pool);
	}
	twin_done(twin);
}

/*
 * A persistent put is over the allocation only near it: what a page, the one
 * that was there before, and all records of both may be billed for.
 */
#define NEAR (4u * TMEM_PAGE_SIZE)

/* Whether a put of @h may have failed with @result. The model still has what was there before. */
static bool may_refuse(struct twin *twin, unsigned int client, const struct tmem_handle *h,
		       int result)
{
	const struct twin_client *c = &twin->client[client];
	enum twin_kind kind = twin_kind(twin, client, h->pool);

	if (kind == NO_POOL)
		return result == -TMEM_ENODEV;
	if (c->frozen)
		return result == -TMEM_EAGAIN;
	if (kind != PERSISTENT && result == -TMEM_ENOSPC)
		return c->cap != 0;
	if (kind != PERSISTENT)
		return result == -TMEM_ENOMEM && twin->may_run_dry;
	if (result == -TMEM_ENOMEM)
		return twin->persistent_may_run_dry && !model_find(&twin->model, (int)client, h);
	return result == -TMEM_ENOSPC &&
	       rig_stats(twin->rig, c->number, -1).billed + NEAR > c->allocation;
}

static void count_put(struct twin_counts *counts, int result)
{
	counts->puts++;
	counts->stored += !result;
	counts->frozen += result == -TMEM_EAGAIN;
	counts->no_room += result == -TMEM_ENOMEM;
	counts->over_limit += result == -TMEM_ENOSPC;
}

int twin_put(struct twin *twin, unsigned int client, struct tmem_handle h, int kind)
{
	struct twin_client *c = &twin->client[client];
	enum twin_kind pool = twin_kind(twin, client, h.pool);
	uint64_t tag = page_tag((enum page_kind)kind, ++twin->version), before = 0;
	bool capped = c->there && c->cap && (pool == EPHEMERAL || pool == MEMBER);
	struct tmem_handle place;
	int space = twin_place(twin, client, &h, &place), result;
	bool over = model_find(&twin->model, space, &place) != NULL;

	if (!c->there)
		return 0;
	if (twin->model.count == twin->most && !over)
		return 0;
	twin_trace(twin, "put", client, &h, page_kind_of(tag));
	if (capped)
		before = twin_ephemeral_bytes(twin, client);
	result = rig_put(twin->rig, c->number, h, tag);
	if (pool != NO_POOL)
		count_put(&c->counts, result);
	twin->ledger.over += over;
	if (!result) {
		if (pool == NO_POOL || c->frozen)
			WRONG("put into a pool of kind %d of a client, frozen %d, is stored", h,
			      pool, c->frozen);
		model_put(&twin->model, space, &place, tag, (int)client);
		twin->stored++;
	} else {
		if (!may_refuse(twin, client, &h, result))
			WRONG("put into a pool of kind %d, frozen %d, cap %" PRIu64 ", says %d", h,
			      pool, c->frozen, c->cap, result);
		model_drop(&twin->model, space, &place);
		twin->refused++;
	}
	if (capped)
		twin_cap_check(twin, client, before, result);
	twin_done(twin);
	return result;
}

int twin_get(struct twin *twin, unsigned int client, struct tmem_handle h)
{
	struct twin_client *c = &twin->client[client];
	enum twin_kind pool = twin_kind(twin, client, h.pool);
	struct tmem_handle place;
	int space = twin_place(twin, client, &h, &place), result;
	struct model_page *known = model_find(&twin->model, space, &place);
	uint8_t page[TMEM_PAGE_SIZE];

	if (!c->there)
		return 0;
	twin_trace(twin, "get", client, &h, 0);
	memset(page, 0xc3, sizeof(page));
	result = twin->rig->backend->get(twin->rig, 0, c->number, &h, page);
	if (pool != NO_POOL)
		c->counts.gets++;
	if (!result) {
		if (!known)
			WRONG("a hit on what is not there, kind of pool %d", h, pool);
		if (!page_holds(page, known->tag))
			WRONG("wrong bytes, first word %" PRIx64 " for %" PRIx64, h,
			      *(uint64_t *)(void *)page, known->tag);
		c->counts.hits++;
		twin->hits++;
		twin->shared_hits += pool == MEMBER;
	} else {
		if (result != (pool != NO_POOL ? -TMEM_ENOENT : -TMEM_ENODEV))
			WRONG("get says %d", h, result);
		if (known && pool == PERSISTENT)
			WRONG("a persistent page is lost, its kind was %d", h,
			      page_kind_of(known->tag));
		if (page[0] != 0xc3 || memcmp(page, page + 1, sizeof(page) - 1))
			WRONG("a miss, %d, touched the buffer", h, result);
		twin->misses++;
		twin->lost += known != NULL;
		twin->ledger.lost += known != NULL;
	}
	/* From a shared pool a hit leaves the page. */
	if (known && (pool == EPHEMERAL || (pool == MEMBER && result)))
		model_drop(&twin->model, space, &place);
	twin_done(twin);
	return result;
}

int twin_flush(struct twin *twin, unsigned int client, struct tmem_handle h)
{
	struct twin_client *c = &twin->client[client];
	enum twin_kind pool = twin_kind(twin, client, h.pool);
	struct tmem_handle place;
	int space = twin_place(twin, client, &h, &place), result;
	bool there;

	if (!c->there)
		return 0;
	twin_trace(twin, "flush", client, &h, 0);
	result = rig_flush(twin->rig, c->number, h);
	there = model_drop(&twin->model, space, &place);
	if (pool == NO_POOL
		    ? result != -TMEM_ENODEV
		    : result < 0 || result > there || (pool == PERSISTENT && result != there))
		WRONG("flush says %d, the page was there: %d", h, result, there);
	if (pool != NO_POOL) {
		c->counts.flushes++;
		c->counts.found += result == 1;
		twin->ledger.lost += there && !result;
	}
	twin_done(twin);
	return result;
}

int twin_flush_range(struct twin *twin, unsigned int client, struct tmem_handle h, uint64_t count)
{
	struct twin_client *c = &twin->client[client];
	enum twin_kind pool = twin_kind(twin, client, h.pool);
	struct tmem_handle place;
	int space = twin_place(twin, client, &h, &place), result;

	if (!c->there)
		return 0;
	twin_trace(twin, "flush range", client, &h, count);
	result = rig_flush_range(twin->rig, c->number, h, count);
	if (result != (pool != NO_POOL ? 0 : -TMEM_ENODEV))
		WRONG("flush range of %" PRIu64 " says %d", h, count, result);
	c->counts.ranges += pool != NO_POOL;
	model_drop_range(&twin->model, space, &place, count);
	twin_done(twin);
	return result;
}

int twin_flush_object(struct twin *twin, unsigned int client, struct tmem_handle h)
{
	struct twin_client *c = &twin->client[client];
	enum twin_kind pool = twin_kind(twin, client, h.pool);
	struct tmem_handle place;
	int space = twin_place(twin, client, &h, &place), result;
	uint32_t there;

	if (!c->there)
		return 0;
	twin_trace(twin, "flush object", client, &h, 0);
	result = rig_flush_object(twin->rig, c->number, h);
	there = model_drop_object(&twin->model, space, &place);
	if (pool == NO_POOL
		    ? result != -TMEM_ENODEV
		    : result < 0 || result > 1 || (pool == PERSISTENT && result != (there > 0)))
		WRONG("flush object says %d, %u pages were there", h, result, there);
	if (pool != NO_POOL) {
		c->counts.objects++;
		c->counts.objects_found += result == 1;
	}
	twin_done(twin);
	return result;
}

void twin_stop(struct twin *twin)
{
	twin_compare(twin);
	twin_settle(twin);
	rig_stop(twin->rig);
	model_destroy(&twin->model);
}
