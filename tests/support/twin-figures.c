/* SPDX-License-Identifier: MIT */
/*
 * What rig and model hold, compared page by page and by their figures.
 *
 * An ephemeral page may be missing, but not for nothing: the host counts each
 * page that it drops for room. A page that the model has and the rig has not
 * is a ghost here. From one audit to the next there are at most as many new
 * ghosts, found out or not, as pages were dropped; while none is, none may be
 * missing.
 */
#include "must.h"
#include "twin-parts.h"

static uint64_t pages_of(struct twin *twin, unsigned int client, uint32_t pool)
{
	return rig_stats(twin->rig, twin->client[client].number, (int)pool).ephemeral_pages;
}

/* The first client that is a member; TWIN_CLIENTS: nobody is. */
static unsigned int some_member(const struct twin *twin, unsigned int which)
{
	unsigned int client;

	for (client = 0; client < TWIN_CLIENTS; client++)
		if (twin->client[client].there && twin->client[client].member[which] >= 0)
			break;
	return client;
}

/* In ephemeral pools that are there, each shared one counted once. */
static uint64_t rig_pages(struct twin *twin)
{
	unsigned int client, which;
	uint64_t pages = 0;
	uint32_t pool, found;

	for (client = 0; client < TWIN_CLIENTS; client++) {
		const struct twin_client *c = &twin->client[client];

		if (!c->there)
			continue;
		for (pool = 0, found = 0; pool < TWIN_POOLS && found < c->pools; pool++) {
			enum twin_kind kind = twin_kind(twin, client, pool);

			found += kind != NO_POOL;
			if (kind == EPHEMERAL)
				pages += pages_of(twin, client, pool);
		}
	}
	for (which = 0; which < TWIN_SHARED; which++) {
		client = some_member(twin, which);
		if (client < TWIN_CLIENTS)
			pages += pages_of(twin, client,
					  (uint32_t)twin->client[client].member[which]);
	}
	return pages;
}

static uint64_t model_pages(const struct twin *twin)
{
	uint64_t pages = 0;
	uint32_t i;

	for (i = 0; i < twin->model.room; i++) {
		const struct model_page *page = &twin->model.page[i];

		if (page->client >= TWIN_CLIENTS)
			pages++;
		else if (page->client >= 0)
			pages += twin_kind(twin, (unsigned int)page->client, page->handle.pool) ==
				 EPHEMERAL;
	}
	return pages;
}

void twin_audit(struct twin *twin)
{
	struct twin_ledger *ledger = &twin->ledger, now = {0};
	struct tmem_stats host = rig_stats(twin->rig, -1, -1);
	uint64_t model, rig, found;

	/* Pages of flushed objects are still counted, and are no ghosts. */
	if (host.dying_objects)
		return;
	model = model_pages(twin);
	rig = rig_pages(twin);
	if (rig > model)
		FAIL("operation %" PRIu64 ": %" PRIu64
		     " ephemeral pages, of which there should be at most %" PRIu64,
		     twin->operation, rig, model);
	now.ghosts = model - rig;
	now.dropped = host.evicted + host.pages_dropped + host.gets_taken;
	now.undone = host.puts_replaced + host.puts_flushed;
	/* A put over a page of the model that neither replaced nor flushed one met a ghost. */
	found = ledger->lost + ledger->over + ledger->undone - now.undone;
	if ((int64_t)(now.ghosts + found - ledger->ghosts) >
	    (int64_t)(now.dropped - ledger->dropped))
		FAIL("operation %" PRIu64 ": %" PRIu64 " ephemeral pages are missing after %" PRIu64
		     ", %" PRId64 " were found to be since, and only %" PRIu64 " were dropped",
		     twin->operation, now.ghosts, ledger->ghosts, (int64_t)found,
		     now.dropped - ledger->dropped);
	*ledger = now;
	twin->audits++;
}

/* Every page of one pool is looked for by @client: as many are there as the figures say. */
static void compare_pool(struct twin *twin, unsigned int client, uint32_t pool)
{
	struct tmem_handle some = {.pool = pool}, place;
	int space = twin_place(twin, client, &some, &place);
	uint64_t wanted = pages_of(twin, client, pool), found = 0;
	uint32_t i;

	for (i = 0; i < twin->model.room; i++) {
		struct model_page page = twin->model.page[i];

		if (page.client != space || page.handle.pool != place.pool)
			continue;
		page.handle.pool = pool;
		found += twin_get(twin, client, page.handle) == 0;
	}
	/* What was taken counts until somebody looks. */
	if (twin->rig->setup.lend && found < wanted)
		wanted = found;
	if (twin_kind(twin, client, pool) != PERSISTENT && found != wanted)
		FAIL("operation %" PRIu64 ": client %u finds %" PRIu64 " of %" PRIu64
		     " pages in pool %u",
		     twin->operation, client, found, wanted, pool);
}

static void compare(struct twin *twin, bool all)
{
	bool quiet = twin->quiet;
	unsigned int client;
	uint32_t pool;

	twin->quiet = true;
	for (client = 0; client < TWIN_CLIENTS; client++)
		for (pool = 0; pool < TWIN_POOLS && twin->client[client].there; pool++) {
			enum twin_kind kind = twin_kind(twin, client, pool);

			if (kind == PERSISTENT || (all && kind != NO_POOL))
				compare_pool(twin, client, pool);
		}
	twin->quiet = quiet;
	rig_check(twin->rig);
}

void twin_compare(struct twin *twin)
{
	rig_settle(twin->rig);
	twin_audit(twin);
	compare(twin, true);
	twin_audit(twin);
}

void twin_compare_persistent(struct twin *twin)
{
	compare(twin, false);
}

static void settle_pool(struct twin *twin, unsigned int client, uint32_t pool)
{
	struct tmem_handle some = {.pool = pool}, place;
	int space = twin_place(twin, client, &some, &place);
	enum twin_kind kind = twin_kind(twin, client, pool);
	struct tmem_stats stats = rig_stats(twin->rig, twin->client[client].number, (int)pool);

	if (kind == PERSISTENT) {
		MUST_EQ(stats.persistent_pages, model_count_pool(&twin->model, space, pool));
		MUST_EQ(stats.objects, model_count_objects(&twin->model, space, pool));
		MUST_EQ(stats.ephemeral_pages, 0);
	} else {
		MUST_LE(stats.ephemeral_pages, model_count_pool(&twin->model, space, place.pool));
		MUST_EQ(stats.persistent_pages, 0);
	}
}

/* At most what may count against the client: what it put, and what leavers left where it is. */
static uint64_t charged_most(const struct twin *twin, unsigned int client)
{
	const struct twin_client *c = &twin->client[client];
	unsigned int which;
	uint64_t most = model_count_owned(&twin->model, (int)client, (int)client);

	for (which = 0; which < TWIN_SHARED; which++)
		if (c->member[which] >= 0)
			most += model_count_owned(&twin->model, TWIN_CLIENTS + (int)which,
						  (int)client) +
				model_count_owned(&twin->model, TWIN_CLIENTS + (int)which, -1);
	return most;
}

static void settle_client(struct twin *twin, unsigned int client)
{
	const struct twin_client *c = &twin->client[client];
	const struct twin_counts *counts = &c->counts;
	struct tmem_stats stats = rig_stats(twin->rig, c->number, -1);
	uint32_t pool;

	MUST_LE(stats.billed, c->allocation);
	MUST_LE(stats.persistent_bytes, stats.billed);
	MUST_EQ(stats.allocation, c->allocation);
	MUST_EQ(stats.capacity, c->cap);
	MUST_EQ(stats.dying_objects, 0);
	MUST_EQ(stats.puts, counts->puts);
	MUST_EQ(stats.puts_stored, counts->stored);
	MUST_EQ(stats.puts_frozen, counts->frozen);
	MUST_EQ(stats.puts_no_room, counts->no_room);
	MUST_EQ(stats.puts_over_limit, counts->over_limit);
	MUST_EQ(stats.gets, counts->gets);
	MUST_EQ(stats.gets_hit, counts->hits);
	MUST_EQ(stats.gets_lost, 0);
	MUST_EQ(stats.flushes, counts->flushes);
	MUST_EQ(stats.flushes_found, counts->found);
	MUST_EQ(stats.range_flushes, counts->ranges);
	MUST_EQ(stats.object_flushes, counts->objects);
	MUST_EQ(stats.object_flushes_found, counts->objects_found);
	MUST_LE(stats.ephemeral_pages, charged_most(twin, client));
	for (pool = 0; pool < TWIN_POOLS; pool++)
		if (twin_kind(twin, client, pool) != NO_POOL)
			settle_pool(twin, client, pool);
}

void twin_settle(struct twin *twin)
{
	unsigned int client, which, first;
	uint64_t charged = 0, pages;

	rig_settle(twin->rig);
	rig_check(twin->rig);
	twin_audit(twin);
	for (client = 0; client < TWIN_CLIENTS; client++) {
		if (!twin->client[client].there)
			continue;
		settle_client(twin, client);
		charged += rig_stats(twin->rig, twin->client[client].number, -1).ephemeral_pages;
	}
	/* Each page counts against one client, and a shared pool's are the same for all. */
	pages = rig_pages(twin);
	MUST_EQ(charged, pages);
	MUST_EQ(rig_stats(twin->rig, -1, -1).ephemeral_pages, pages);
	for (which = 0; which < TWIN_SHARED; which++) {
		first = some_member(twin, which);
		for (client = first + 1; client < TWIN_CLIENTS; client++) {
			const struct twin_client *c = &twin->client[client];

			if (c->there && c->member[which] >= 0)
				MUST_EQ(pages_of(twin, client, (uint32_t)c->member[which]),
					pages_of(twin, first,
						 (uint32_t)twin->client[first].member[which]));
		}
	}
}
