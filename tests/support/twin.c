/* SPDX-License-Identifier: MIT */
/* Rig and model side by side: see twin.h. */
#include <stdio.h>
#include <string.h>

#include "must.h"
#include "twin-parts.h"

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

/* Whether one of the last @done operations was an @every-th. */
static bool is_time(const struct twin *twin, uint32_t done, uint32_t every)
{
	return twin->operation / every != (twin->operation - done) / every;
}

void twin_done(struct twin *twin, uint32_t operations)
{
	twin->operation += operations;
	if (twin->quiet)
		return;
	if (is_time(twin, operations, twin->model.count < 256 ? 8 : 64))
		twin_audit(twin);
	/* Below 256 pages after every operation or so, above now and then. */
	if (is_time(twin, operations, twin->model.count < 256 ? twin->check_every : 4096)) {
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
	twin_done(twin, 1);
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
	twin_done(twin, 1);
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
	twin_done(twin, 1);
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
	twin_done(twin, 1);
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
	twin_done(twin, 1);
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
	twin_done(twin, 1);
}

void twin_stop(struct twin *twin)
{
	twin_compare(twin);
	twin_settle(twin);
	rig_stop(twin->rig);
	model_destroy(&twin->model);
}
