/* SPDX-License-Identifier: MIT */
/* What an administrator sets: weights, caps, allocations, codecs; and what he takes back. */
#include "must.h"
#include "twin-parts.h"

/*
 * The records that one put may add: an object, a leaf, a node for each level
 * of the index, and buckets. They are held against the cap by the next put.
 */
#define RECORDS (TMEM_PAGE_SIZE)

/* Weights say who gives; no result is another for them. */
void twin_weight(struct twin *twin, unsigned int client, uint32_t weight)
{
	struct twin_client *c = &twin->client[client];
	int result;

	if (!c->there)
		return;
	twin_trace(twin, "weight", client, NULL, weight);
	result = twin->rig->backend->set_weight(twin->rig, c->number, weight);
	if (result != (weight && weight <= 10000 ? 0 : -TMEM_EINVAL))
		FAIL("operation %" PRIu64 ": weight %u: %d", twin->operation, weight, result);
	twin_done(twin, 1);
}

uint64_t twin_ephemeral_bytes(struct twin *twin, unsigned int client)
{
	const struct twin_client *c = &twin->client[client];
	uint64_t bytes = rig_stats(twin->rig, c->number, -1).freeable;
	uint32_t pool, found = 0;

	for (pool = 0; pool < TWIN_POOLS && found < c->pools; pool++) {
		enum twin_kind kind = twin_kind(twin, client, pool);

		found += kind != NO_POOL;
		if (kind == EPHEMERAL)
			bytes += rig_stats(twin->rig, c->number, (int)pool).index_bytes;
	}
	return bytes;
}

static uint64_t private_pages(struct twin *twin, unsigned int client)
{
	const struct twin_client *c = &twin->client[client];
	uint32_t pool, found = 0;
	uint64_t pages = 0;

	for (pool = 0; pool < TWIN_POOLS && found < c->pools; pool++) {
		enum twin_kind kind = twin_kind(twin, client, pool);

		found += kind != NO_POOL;
		if (kind == EPHEMERAL)
			pages += rig_stats(twin->rig, c->number, (int)pool).ephemeral_pages;
	}
	return pages;
}

void twin_cap(struct twin *twin, unsigned int client, uint64_t cap)
{
	struct twin_client *c = &twin->client[client];

	if (!c->there)
		return;
	twin_trace(twin, "cap", client, NULL, cap);
	twin->rig->backend->set_cap(twin->rig, c->number, cap);
	c->cap = cap;
	c->above_cap = cap && twin_ephemeral_bytes(twin, client) > cap;
	/* Private pages above it go at once, those of shared pools with puts. */
	if (c->above_cap && private_pages(twin, client))
		FAIL("operation %" PRIu64 ": client %u is above its new cap of %" PRIu64
		     " and keeps %" PRIu64 " pages",
		     twin->operation, client, cap, private_pages(twin, client));
	twin_done(twin, 1);
}

void twin_cap_check(struct twin *twin, unsigned int client, uint64_t before, int result,
		    uint32_t ranges)
{
	struct twin_client *c = &twin->client[client];
	uint64_t after = twin_ephemeral_bytes(twin, client), most = c->cap + RECORDS;
	/* A range that is cut out has records of its own, which no cap refuses. */
	uint64_t cut = (uint64_t)ranges * RECORDS;

	if (most < c->cap)
		most = c->cap;
	twin->over_cap += result == -TMEM_ENOSPC;
	if (after <= most) {
		c->above_cap = false;
		return;
	}
	if (!c->above_cap && after - most > cut)
		FAIL("operation %" PRIu64 ": client %u has %" PRIu64 " bytes, its cap is %" PRIu64,
		     twin->operation, client, after, c->cap);
	if (!c->above_cap) {
		c->above_cap = true;
		return;
	}
	/* Each put, stored or not, takes an extent with it while there is one. */
	if (after > before + cut ||
	    (!cut && after == before && rig_stats(twin->rig, c->number, -1).freeable))
		FAIL("operation %" PRIu64 ": client %u is above its cap of %" PRIu64
		     ", and a put, %d, took it from %" PRIu64 " bytes to %" PRIu64,
		     twin->operation, client, c->cap, result, before, after);
}

void twin_allocation(struct twin *twin, unsigned int client, uint64_t bytes)
{
	struct twin_client *c = &twin->client[client];
	const struct backend *backend = twin->rig->backend;
	uint64_t most = twin->rig->setup.persistent, billed;
	unsigned int i;
	int result;

	if (!c->there)
		return;
	twin_trace(twin, "allocation", client, NULL, bytes);
	for (i = 0; i < TWIN_CLIENTS; i++)
		if (i != client && twin->client[i].there)
			most -= twin->client[i].allocation;
	billed = rig_stats(twin->rig, c->number, -1).billed;
	result = backend->set_allocation(twin->rig, c->number, bytes);
	if (result == -TMEM_ENOSPC && bytes > c->allocation) {
		/* As for a client: what died is free when its memory is back. */
		rig_settle(twin->rig);
		result = backend->set_allocation(twin->rig, c->number, bytes);
	}
	if (!result) {
		if (bytes < billed || bytes > most)
			FAIL("operation %" PRIu64 ": client %u may have %" PRIu64 " of %" PRIu64
			     " bytes, with %" PRIu64 " billed",
			     twin->operation, client, bytes, most, billed);
		c->allocation = bytes;
	} else if (bytes < c->allocation    ? result != -TMEM_ENOSPC || billed <= bytes
		   : result == -TMEM_ENOMEM ? !twin->may_run_dry
					    : result != -TMEM_ENOSPC || bytes <= most) {
		FAIL("operation %" PRIu64 ": client %u, %" PRIu64 " bytes of %" PRIu64
		     " after %" PRIu64 ", with %" PRIu64 " billed: %d",
		     twin->operation, client, bytes, most, c->allocation, billed, result);
	}
	MUST_EQ(rig_stats(twin->rig, c->number, -1).allocation, c->allocation);
	twin_done(twin, 1);
}

void twin_codec(struct twin *twin, unsigned int client, uint8_t codec)
{
	struct twin_client *c = &twin->client[client];

	if (!c->there)
		return;
	twin_trace(twin, "codec", client, NULL, codec);
	MUST_EQ(twin->rig->backend->set_codec(twin->rig, c->number, codec), 0);
	twin_done(twin, 1);
}

void twin_pool_codec(struct twin *twin, unsigned int client, uint32_t pool, uint8_t codec)
{
	struct twin_client *c = &twin->client[client];
	bool there = twin_kind(twin, client, pool) != NO_POOL;
	int result;

	if (!c->there)
		return;
	twin_trace(twin, "pool's codec", client, NULL, pool);
	result = twin->rig->backend->set_pool_codec(twin->rig, c->number, pool, codec);
	if (result != (there ? 0 : -TMEM_ENODEV))
		FAIL("operation %" PRIu64 ": codec of pool %u: %d", twin->operation, pool, result);
	twin_done(twin, 1);
}

/* All of it, or as much as is freeable. */
static void judge_given(const struct twin *twin, uint64_t asked, uint64_t freeable, uint64_t given)
{
	if (given < asked && given < freeable)
		FAIL("operation %" PRIu64 ": of %" PRIu64 " bytes asked back, and %" PRIu64
		     " freeable, %" PRIu64 " came",
		     twin->operation, asked, freeable, given);
}

void twin_client_reclaim(struct twin *twin, unsigned int client, uint64_t bytes)
{
	struct twin_client *c = &twin->client[client];
	uint64_t before[TWIN_CLIENTS] = {0};
	unsigned int i;

	if (!c->there)
		return;
	twin_trace(twin, "client's reclaim", client, NULL, bytes);
	for (i = 0; i < TWIN_CLIENTS; i++)
		if (i != client && twin->client[i].there)
			before[i] = rig_stats(twin->rig, twin->client[i].number, -1).freeable;
	before[client] = rig_stats(twin->rig, c->number, -1).freeable;
	judge_given(twin, bytes, before[client],
		    twin->rig->backend->client_reclaim(twin->rig, 0, c->number, bytes));
	for (i = 0; i < TWIN_CLIENTS; i++)
		if (i != client && twin->client[i].there)
			MUST_EQ(rig_stats(twin->rig, twin->client[i].number, -1).freeable,
				before[i]);
	twin_done(twin, 1);
}

void twin_reclaim(struct twin *twin, uint64_t bytes)
{
	uint64_t freeable;

	twin_trace(twin, "reclaim", 0, NULL, bytes);
	rig_settle(twin->rig);
	freeable = rig_stats(twin->rig, -1, -1).freeable;
	judge_given(twin, bytes, freeable, twin->rig->backend->reclaim(twin->rig, 0, bytes));
	twin_done(twin, 1);
}
