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
	model_create(&twin->model, most_pages);
	twin->rig = rig_start(backend, setup);
}

uint8_t twin_kind(const struct twin *twin, unsigned int client, uint32_t pool)
{
	return pool < TWIN_POOLS ? twin->client[client].pool[pool] : 0;
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
	/* Below 256 pages after every operation, above now and then. */
	if (twin->model.count < 256 || twin->operation % 4096 == 0) {
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
	}
	twin_done(twin);
}

void twin_client_destroy(struct twin *twin, unsigned int client)
{
	if (!twin->client[client].there)
		return;
	twin_trace(twin, "destroy", client, NULL, 0);
	twin->rig->backend->client_destroy(twin->rig, 0, twin->client[client].number);
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
		else if (result != -TMEM_EOVERFLOW)
			FAIL("operation %" PRIu64 ": no pool: %d", twin->operation, result);
	} else if (result >= TWIN_POOLS || c->pool[result]) {
		FAIL("operation %" PRIu64 ": the new pool has number %d", twin->operation, result);
	} else {
		c->pool[result] = flags & TMEM_POOL_PERSISTENT ? PERSISTENT : EPHEMERAL;
		c->pools++;
	}
	twin_done(twin);
	return result < 0 ? -1 : result;
}

void twin_pool_destroy(struct twin *twin, unsigned int client, uint32_t pool)
{
	struct twin_client *c = &twin->client[client];
	bool there;
	int result;

	if (!c->there)
		return;
	twin_trace(twin, "destroy pool", client, NULL, pool);
	there = twin_kind(twin, client, pool) != 0;
	result = twin->rig->backend->pool_destroy(twin->rig, 0, c->number, pool);
	if (result != (there ? 0 : -TMEM_ENODEV))
		FAIL("operation %" PRIu64 ": destroy pool %u says %d", twin->operation, pool,
		     result);
	if (there) {
		c->pool[pool] = 0;
		c->pools--;
		model_drop_pool(&twin->model, (int)client, pool);
	}
	twin_done(twin);
}

/* Whether a put of @h may fail with @result. The model still has what was there before. */
static bool may_refuse(const struct twin *twin, unsigned int client, const struct tmem_handle *h,
		       int result)
{
	uint8_t pool = twin_kind(twin, client, h->pool);

	if (!pool)
		return result == -TMEM_ENODEV;
	if (twin->client[client].frozen)
		return result == -TMEM_EAGAIN;
	if (pool == EPHEMERAL)
		return result == -TMEM_ENOMEM && twin->may_run_dry;
	if (result == -TMEM_ENOMEM)
		return twin->persistent_may_run_dry && !model_find(&twin->model, (int)client, h);
	return result == -TMEM_ENOSPC;
}

int twin_put(struct twin *twin, unsigned int client, struct tmem_handle h, int kind)
{
	struct twin_client *c = &twin->client[client];
	uint8_t pool = twin_kind(twin, client, h.pool);
	uint64_t tag = page_tag((enum page_kind)kind, ++twin->version);
	int result;

	if (!c->there)
		return 0;
	if (twin->model.count == twin->most && !model_find(&twin->model, (int)client, &h))
		return 0;
	twin_trace(twin, "put", client, &h, page_kind_of(tag));
	result = rig_put(twin->rig, c->number, h, tag);
	if (pool)
		c->puts++;
	if (!result) {
		if (!pool || c->frozen)
			WRONG("put into a pool of kind %u of a client, frozen %d, is stored", h,
			      pool, c->frozen);
		model_put(&twin->model, (int)client, &h, tag);
		twin->stored++;
	} else {
		if (!may_refuse(twin, client, &h, result))
			WRONG("put into a pool of kind %u, frozen %d, says %d", h, pool, c->frozen,
			      result);
		model_drop(&twin->model, (int)client, &h);
		twin->refused++;
	}
	twin_done(twin);
	return result;
}

int twin_get(struct twin *twin, unsigned int client, struct tmem_handle h)
{
	struct twin_client *c = &twin->client[client];
	uint8_t pool = twin_kind(twin, client, h.pool);
	uint64_t *tag = model_find(&twin->model, (int)client, &h);
	uint8_t page[TMEM_PAGE_SIZE];
	int result;

	if (!c->there)
		return 0;
	twin_trace(twin, "get", client, &h, 0);
	memset(page, 0xc3, sizeof(page));
	result = twin->rig->backend->get(twin->rig, 0, c->number, &h, page);
	if (pool)
		c->gets++;
	if (!result) {
		if (!tag)
			WRONG("a hit on what is not there, kind of pool %u", h, pool);
		if (!page_holds(page, *tag))
			WRONG("wrong bytes, first word %" PRIx64 " for %" PRIx64, h,
			      *(uint64_t *)(void *)page, *tag);
		c->hits++;
		twin->hits++;
	} else {
		if (result != (pool ? -TMEM_ENOENT : -TMEM_ENODEV))
			WRONG("get says %d", h, result);
		if (tag && pool == PERSISTENT)
			WRONG("a persistent page is lost, its kind was %d", h, page_kind_of(*tag));
		if (page[0] != 0xc3 || memcmp(page, page + 1, sizeof(page) - 1))
			WRONG("a miss, %d, touched the buffer", h, result);
		twin->misses++;
		twin->lost += tag != NULL;
	}
	if (tag && pool == EPHEMERAL)
		model_drop(&twin->model, (int)client, &h);
	twin_done(twin);
	return result;
}

int twin_flush(struct twin *twin, unsigned int client, struct tmem_handle h)
{
	struct twin_client *c = &twin->client[client];
	uint8_t pool = twin_kind(twin, client, h.pool);
	bool there;
	int result;

	if (!c->there)
		return 0;
	twin_trace(twin, "flush", client, &h, 0);
	result = rig_flush(twin->rig, c->number, h);
	there = model_drop(&twin->model, (int)client, &h);
	if (pool)
		c->flushes++;
	if (!pool ? result != -TMEM_ENODEV
		  : result < 0 || result > there || (pool == PERSISTENT && result != there))
		WRONG("flush says %d, the page was there: %d", h, result, there);
	twin_done(twin);
	return result;
}

int twin_flush_range(struct twin *twin, unsigned int client, struct tmem_handle h, uint64_t count)
{
	struct twin_client *c = &twin->client[client];
	uint8_t pool = twin_kind(twin, client, h.pool);
	int result;

	if (!c->there)
		return 0;
	twin_trace(twin, "flush range", client, &h, count);
	result = rig_flush_range(twin->rig, c->number, h, count);
	if (result != (pool ? 0 : -TMEM_ENODEV))
		WRONG("flush range of %" PRIu64 " says %d", h, count, result);
	model_drop_range(&twin->model, (int)client, &h, count);
	twin_done(twin);
	return result;
}

int twin_flush_object(struct twin *twin, unsigned int client, struct tmem_handle h)
{
	struct twin_client *c = &twin->client[client];
	uint8_t pool = twin_kind(twin, client, h.pool);
	uint32_t there;
	int result;

	if (!c->there)
		return 0;
	twin_trace(twin, "flush object", client, &h, 0);
	result = rig_flush_object(twin->rig, c->number, h);
	there = model_drop_object(&twin->model, (int)client, &h);
	if (!pool ? result != -TMEM_ENODEV
		  : result < 0 || result > 1 || (pool == PERSISTENT && result != (there > 0)))
		WRONG("flush object says %d, %u pages were there", h, result, there);
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
