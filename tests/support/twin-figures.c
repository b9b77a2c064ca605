/* SPDX-License-Identifier: MIT */
/* What rig and model hold, compared page by page and by their figures. */
#include "must.h"
#include "twin-parts.h"

static void compare(struct twin *twin, bool all)
{
	bool quiet = twin->quiet;
	uint32_t i;

	twin->quiet = true;
	for (i = 0; i < twin->model.room; i++) {
		struct model_page page = twin->model.page[i];

		if (page.client >= 0 && (all || twin_kind(twin, (unsigned int)page.client,
							  page.handle.pool) == PERSISTENT))
			twin_get(twin, (unsigned int)page.client, page.handle);
	}
	twin->quiet = quiet;
	rig_check(twin->rig);
}

void twin_compare(struct twin *twin)
{
	compare(twin, true);
}

void twin_compare_persistent(struct twin *twin)
{
	compare(twin, false);
}

void twin_settle(struct twin *twin)
{
	unsigned int client;
	uint32_t pool;

	rig_settle(twin->rig);
	rig_check(twin->rig);
	for (client = 0; client < TWIN_CLIENTS; client++) {
		struct twin_client *c = &twin->client[client];
		struct tmem_stats stats;

		if (!c->there)
			continue;
		stats = rig_stats(twin->rig, c->number, -1);
		MUST_LE(stats.billed, c->allocation);
		MUST_EQ(stats.dying_objects, 0);
		MUST_EQ(stats.puts, c->puts);
		MUST_EQ(stats.gets, c->gets);
		MUST_EQ(stats.gets_hit, c->hits);
		MUST_EQ(stats.flushes, c->flushes);
		for (pool = 0; pool < TWIN_POOLS; pool++) {
			if (!c->pool[pool])
				continue;
			stats = rig_stats(twin->rig, c->number, (int)pool);
			if (c->pool[pool] == PERSISTENT) {
				MUST_EQ(stats.persistent_pages,
					model_count_pool(&twin->model, (int)client, pool));
				MUST_EQ(stats.objects,
					model_count_objects(&twin->model, (int)client, pool));
				MUST_EQ(stats.ephemeral_pages, 0);
			} else {
				MUST_LE(stats.ephemeral_pages,
					model_count_pool(&twin->model, (int)client, pool));
				MUST_EQ(stats.persistent_pages, 0);
			}
		}
	}
}
