/* SPDX-License-Identifier: MIT */
/* Rules of shared pools, broken: see planted-share.h. */
#include <string.h>

#include "must.h"
#include "planted-share.h"

#define OBJECTS 64u /* those that tests use most have these names */

void planted_share_start(struct planted_share *share, struct rig *inner)
{
	share->inner = inner;
	share->keeper = -1;
}

void planted_share_forget(struct planted_share *share, int client)
{
	if (client < 0)
		return;
	memset(share->pool[client], 0, sizeof(share->pool[client]));
	memset(&share->hidden[client], 0, sizeof(share->hidden[client]));
}

void planted_share_joined(struct planted_share *share, int client, int pool)
{
	share->pool[client][(uint32_t)pool % TMEM_POOLS_PER_CLIENT] = (uint32_t)pool + 1;
}

bool planted_share_is(const struct planted_share *share, int client, uint32_t pool)
{
	return share->pool[client][pool % TMEM_POOLS_PER_CLIENT] == pool + 1;
}

int planted_share_some(const struct planted_share *share, int client)
{
	uint32_t i;

	for (i = 0; i < TMEM_POOLS_PER_CLIENT - 1 && !share->pool[client][i]; i++)
		;
	return (int)share->pool[client][i] - 1;
}

void planted_share_keep(struct planted_share *share, const uint64_t uuid[2])
{
	struct tmem_client_config client_config = {.size = sizeof(client_config)};
	struct tmem_pool_config config = {
		.size = sizeof(config), .flags = TMEM_POOL_SHARED, .uuid = {uuid[0], uuid[1]}};

	if (share->keeper < 0)
		share->keeper = share->inner->backend->client_create(share->inner, &client_config);
	if (share->keeper < 0 || share->inner->backend->grant(share->inner, share->keeper, uuid))
		FAIL("nothing planted: no client of the wrapper's own");
	(void)share->inner->backend->pool_create(share->inner, 0, share->keeper, &config);
}

void planted_share_flush(struct planted_share *share, uint32_t worker, int client,
			 const struct tmem_handle *handle)
{
	uint64_t found = share->inner->backend->flush(share->inner, worker, client, handle) == 1;

	share->hidden[client].flushes++;
	share->hidden[client].found += found;
	share->all.flushes++;
	share->all.found += found;
}

void planted_share_empty(struct planted_share *share, uint32_t worker, int client, uint32_t pool)
{
	uint32_t i;

	for (i = 0; i < OBJECTS && planted_share_is(share, client, pool); i++) {
		struct tmem_handle h = rig_handle(pool, i, 0);
		int result = share->inner->backend->flush_object(share->inner, worker, client, &h);

		/* The client left it in another way, and its number means nothing now. */
		if (result < 0)
			return;
		share->hidden[client].objects++;
		share->hidden[client].objects_found += result == 1;
		share->all.objects++;
		share->all.objects_found += result == 1;
	}
}

void planted_share_hide(const struct planted_share *share, int client, struct tmem_stats *stats)
{
	const struct planted_hidden *hidden = client < 0 ? &share->all : &share->hidden[client];

	stats->flushes -= hidden->flushes;
	stats->flushes_found -= hidden->found;
	stats->object_flushes -= hidden->objects;
	stats->object_flushes_found -= hidden->objects_found;
}
