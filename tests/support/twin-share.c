/* SPDX-License-Identifier: MIT */
/* Shared pools: who may join, who is a member, and what stays when one leaves. */
#include "must.h"
#include "twin-parts.h"

static struct tmem_pool_config config_of(unsigned int which)
{
	struct tmem_pool_config config = {
		.size = sizeof(config),
		.flags = TMEM_POOL_SHARED,
		/* They differ in one bit, in the first word or in the second. */
		.uuid = {which == 1 ? 3 : 1, which == 2 ? 1ull << 63 : 0},
	};

	return config;
}

void twin_leave(struct twin *twin, unsigned int client, unsigned int which)
{
	struct twin_client *c = &twin->client[client];
	unsigned int i;

	if (c->member[which] < 0)
		return;
	c->pool[c->member[which]] = GONE;
	c->pools--;
	c->member[which] = -1;
	twin->leaves++;
	if (!--twin->members[which]) {
		model_drop_client(&twin->model, TWIN_CLIENTS + (int)which);
		return;
	}
	model_disown(&twin->model, TWIN_CLIENTS + (int)which, (int)client);
	/* One of the others has more than before, whatever its cap. */
	for (i = 0; i < TWIN_CLIENTS; i++)
		if (twin->client[i].there && twin->client[i].member[which] >= 0)
			twin->client[i].above_cap = true;
}

void twin_grant(struct twin *twin, unsigned int client, unsigned int which)
{
	struct twin_client *c = &twin->client[client];
	struct tmem_pool_config config = config_of(which);
	int result;

	if (!c->there)
		return;
	twin_trace(twin, "grant", client, NULL, which);
	result = twin->rig->backend->grant(twin->rig, c->number, config.uuid);
	if (result)
		FAIL("operation %" PRIu64 ": grant says %d", twin->operation, result);
	c->granted[which] = true;
	twin_done(twin, 1);
}

void twin_revoke(struct twin *twin, unsigned int client, unsigned int which, bool now)
{
	struct twin_client *c = &twin->client[client];
	struct tmem_pool_config config = config_of(which);
	int result;

	if (!c->there)
		return;
	twin_trace(twin, now ? "revoke now" : "revoke", client, NULL, which);
	result = twin->rig->backend->revoke(twin->rig, 0, c->number, config.uuid, now);
	if (result != (c->granted[which] ? 0 : -TMEM_ENOENT))
		FAIL("operation %" PRIu64 ": revoke says %d, granted %d", twin->operation, result,
		     c->granted[which]);
	if (now && c->granted[which])
		twin_leave(twin, client, which);
	c->granted[which] = false;
	twin_done(twin, 1);
}

void twin_join(struct twin *twin, unsigned int client, unsigned int which)
{
	struct twin_client *c = &twin->client[client];
	struct tmem_pool_config config = config_of(which);
	int result, refusal = 0;

	if (!c->there)
		return;
	twin_trace(twin, "join", client, NULL, which);
	if (!c->granted[which])
		refusal = -TMEM_EACCES;
	else if (c->member[which] >= 0)
		refusal = -TMEM_EEXIST;
	else if (c->pools == TMEM_POOLS_PER_CLIENT)
		refusal = -TMEM_EOVERFLOW;
	result = rig_pool_create(twin->rig, c->number, &config);
	if (result == -TMEM_ENOMEM && c->granted[which] && twin->may_run_dry) {
		twin->refused++;
	} else if (refusal ? result != refusal : result < 0) {
		FAIL("operation %" PRIu64 ": client %u joins shared pool %u: %d, should be %d",
		     twin->operation, client, which, result, refusal);
	} else if (!refusal) {
		twin_pool_made(twin, client, result, (uint8_t)(MEMBER + which));
		c->member[which] = result;
		twin->members[which]++;
		twin->joins++;
		/* The heap that it gets may be one that a leaver filled. */
		c->above_cap = true;
	}
	twin_done(twin, 1);
}

void twin_join_wrongly(struct twin *twin, unsigned int client, unsigned int which, unsigned int how)
{
	static const struct {
		uint32_t flags;
		bool no_uuid;
		int result;
	} wrong[] = {
		{TMEM_POOL_SHARED | TMEM_POOL_PERSISTENT, false, -TMEM_EINVAL},
		{TMEM_POOL_SHARED | TMEM_POOL_PRECOMPRESSED, false, -TMEM_EOPNOTSUPP},
		{TMEM_POOL_SHARED | 1u << TMEM_POOL_PAGE_SHIFT, false, -TMEM_EOPNOTSUPP},
		{TMEM_POOL_SHARED | 1u << TMEM_POOL_VERSION_SHIFT, false, -TMEM_EOPNOTSUPP},
		{TMEM_POOL_SHARED | 1u << 8, false, -TMEM_EINVAL},
		{TMEM_POOL_SHARED, true, -TMEM_EINVAL},
		{0, false, -TMEM_EINVAL},
		{TMEM_POOL_PERSISTENT, false, -TMEM_EINVAL},
	};
	struct twin_client *c = &twin->client[client];
	struct tmem_pool_config config = config_of(which);
	int result;

	if (!c->there)
		return;
	how %= sizeof(wrong) / sizeof(wrong[0]);
	twin_trace(twin, "join wrongly", client, NULL, how);
	config.flags = wrong[how].flags;
	if (wrong[how].no_uuid)
		config.uuid[0] = config.uuid[1] = 0;
	result = rig_pool_create(twin->rig, c->number, &config);
	if (result != wrong[how].result)
		FAIL("operation %" PRIu64 ": a pool with flags %#x: %d, should be %d",
		     twin->operation, config.flags, result, wrong[how].result);
	twin_done(twin, 1);
}
