/* SPDX-License-Identifier: MIT */
/* Shorthand over the table of a back-end: see rig.h. */
#include <sched.h>
#include <stdlib.h>

#include "must.h"
#include "page.h"
#include "rig.h"

struct rig *rig_start(const struct backend *backend, const struct rig_setup *setup)
{
	struct rig_setup full = setup ? *setup : (struct rig_setup){0};
	struct rig *rig;

	if (!full.capacity)
		full.capacity = 16u << 20;
	if (!full.persistent)
		full.persistent = full.capacity / 2;
	if (!full.extent_size)
		full.extent_size = backend->extent_size ? backend->extent_size : 64u << 10;
	if (!full.workers)
		full.workers = 1;
	rig = backend->start(backend, &full);
	if (!rig)
		FAIL("back-end %s does not start", backend->name);
	rig->backend = backend;
	rig->setup = full;
	return rig;
}

void rig_settle(struct rig *rig)
{
	unsigned int rounds = 0, idle = 0;

	/* What is to be emptied is looked at twice: whether pages still leave is seen then. */
	for (; idle < 2; idle = rig->backend->step(rig, 0, 1024) ? 0 : idle + 1)
		if (++rounds > 100000)
			FAIL("background work never ends");
}

void rig_check(struct rig *rig)
{
	const char *what = "(nothing named)";

	if (rig->backend->check(rig, &what))
		FAIL("check: %s", what);
}

void rig_stop(struct rig *rig)
{
	const char *complaint;

	rig_check(rig);
	rig_settle(rig);
	rig_check(rig);
	complaint = rig->backend->stop(rig);
	if (complaint)
		FAIL("at the end: %s", complaint);
}

int rig_client(struct rig *rig, uint64_t allocation)
{
	struct tmem_client_config config = {.size = sizeof(config), .allocation = allocation};
	int client = rig->backend->client_create(rig, &config);
	unsigned int tries = 0;

	/* As above; what is dying then comes back in a few turns at most. */
	while ((client == -TMEM_ENOSPC || client == -TMEM_ENOMEM) && tries++ < 20) {
		rig_settle(rig);
		sched_yield();
		client = rig->backend->client_create(rig, &config);
	}
	if (client < 0)
		FAIL("no client with an allocation of %" PRIu64 ": %d", allocation, client);
	return client;
}

int rig_pool_create(struct rig *rig, int client, const struct tmem_pool_config *config)
{
	unsigned int tries = 0;
	int pool;

	/* A step of nothing may also mean that another worker is at it. */
	while ((pool = rig->backend->pool_create(rig, 0, client, config)) == -TMEM_EAGAIN) {
		if (!rig->backend->step(rig, 0, 1))
			sched_yield();
		if (++tries > 1000000)
			FAIL("no pool, and no step that brings one nearer");
	}
	return pool;
}

uint32_t rig_pool(struct rig *rig, int client, uint32_t flags)
{
	struct tmem_pool_config config = {.size = sizeof(config), .flags = flags};
	int pool = rig_pool_create(rig, client, &config);
	unsigned int tries = 0;

	/* As for a client: what is dying has to be swept before its memory is anybody's. */
	while (pool == -TMEM_ENOMEM && tries++ < 20) {
		rig_settle(rig);
		sched_yield();
		pool = rig_pool_create(rig, client, &config);
	}
	if (pool < 0)
		FAIL("no pool with flags %#x: %d", flags, pool);
	return (uint32_t)pool;
}

struct tmem_handle rig_handle(uint32_t pool, uint64_t object, uint32_t index)
{
	struct tmem_handle handle = {{{object, ~object, 7}}, pool, index};

	return handle;
}

int rig_put(struct rig *rig, int client, struct tmem_handle handle, uint64_t tag)
{
	uint8_t page[TMEM_PAGE_SIZE];

	page_fill(page, tag);
	return rig->backend->put(rig, 0, client, &handle, page);
}

int rig_get(struct rig *rig, int client, struct tmem_handle handle, uint64_t tag)
{
	uint8_t page[TMEM_PAGE_SIZE];
	int result = rig->backend->get(rig, 0, client, &handle, page);

	if (result)
		return result;
	if (!page_holds(page, tag))
		FAIL("wrong page for pool %u object %" PRIx64 " index %u", handle.pool,
		     handle.object.word[0], handle.index);
	return 1;
}

struct rig_row *rig_row_begin(struct rig *rig, int client)
{
	struct rig_row *row = calloc(1, sizeof(*row));

	MUST(row != NULL);
	row->rig = rig;
	row->client = client;
	return row;
}

void rig_row_send(struct rig_row *row)
{
	uint32_t i;

	row->rig->backend->batch(row->rig, 0, row->client, row->op, row->count);
	for (i = 0; i < row->count; i++) {
		if (row->op[i].result)
			row->why = row->op[i].result;
		row->stored += !row->op[i].result;
		row->refused += row->op[i].result != 0;
	}
	row->count = 0;
}

void rig_row_put(struct rig_row *row, struct tmem_handle handle, uint64_t tag)
{
	uint8_t *page = row->page[row->count];

	page_fill(page, tag);
	row->op[row->count++] = (struct tmem_op){TMEM_OP_PUT, 0, handle, 0, page};
	if (row->count == RIG_ROW)
		rig_row_send(row);
}

int rig_flush(struct rig *rig, int client, struct tmem_handle handle)
{
	return rig->backend->flush(rig, 0, client, &handle);
}

int rig_flush_range(struct rig *rig, int client, struct tmem_handle handle, uint64_t count)
{
	return rig->backend->flush_range(rig, 0, client, &handle, count);
}

int rig_flush_object(struct rig *rig, int client, struct tmem_handle handle)
{
	return rig->backend->flush_object(rig, 0, client, &handle);
}

struct tmem_stats rig_stats(struct rig *rig, int client, int pool)
{
	struct tmem_stats stats;

	MUST_EQ(rig->backend->stats(rig, client, pool, &stats), 0);
	return stats;
}

void *rig_page_alloc(struct rig *rig, int client)
{
	void *page = rig->backend->page_alloc ? rig->backend->page_alloc(rig, client)
					      : aligned_alloc(TMEM_PAGE_SIZE, TMEM_PAGE_SIZE);

	MUST(page != NULL);
	return page;
}

void rig_page_free(struct rig *rig, void *page)
{
	if (!rig->backend->page_alloc)
		free(page);
}
