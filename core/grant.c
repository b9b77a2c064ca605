/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Which shared pools a client may make or join: uuids that an administrator
 * granted it. Their number is bounded, and so is the time to look through them.
 */
#include "internal.h"

/* Where @uuid is among the client's grants, or past their end. L1 is held. */
static uint32_t find_locked(const struct tmem_client *client, const uint64_t uuid[2])
{
	uint32_t i;

	for (i = 0; i < client->grant_count; i++)
		if (client->grant[i][0] == uuid[0] && client->grant[i][1] == uuid[1])
			break;
	return i;
}

int tmem_granted_locked(const struct tmem_client *client, const uint64_t uuid[2])
{
	return find_locked(client, uuid) < client->grant_count;
}

int tmem_client_grant(struct tmem_client *client, const uint64_t uuid[2])
{
	struct tmem_lock *lock = &client->engine->lock;
	uint32_t i;
	int err = 0;

	if (!uuid[0] && !uuid[1])
		return -TMEM_EINVAL;
	tmem_lock(lock);
	i = find_locked(client, uuid);
	if (i == TMEM_GRANTS) {
		err = -TMEM_EOVERFLOW;
	} else if (i == client->grant_count) {
		client->grant[i][0] = uuid[0];
		client->grant[i][1] = uuid[1];
		client->grant_count++;
	}
	tmem_unlock(lock);
	return err;
}

static void end_membership_locked(struct tmem_client *client, const uint64_t uuid[2])
{
	struct pool *pool;
	uint32_t i;

	for (i = 0; i < TMEM_POOLS_PER_CLIENT; i++) {
		pool = client->pools[i];
		if (pool && pool->home != pool && pool->home->client->uuid[0] == uuid[0] &&
		    pool->home->client->uuid[1] == uuid[1])
			tmem_share_leave_locked(pool);
	}
}

int tmem_client_revoke(struct tmem_client *client, struct tmem_worker *worker,
		       const uint64_t uuid[2], int now)
{
	struct tmem_lock *lock = &client->engine->lock;
	uint32_t i, last;
	int err = -TMEM_ENOENT;

	worker->touched = 0;
	tmem_lock(lock);
	i = find_locked(client, uuid);
	if (i < client->grant_count) {
		last = --client->grant_count;
		client->grant[i][0] = client->grant[last][0];
		client->grant[i][1] = client->grant[last][1];
		err = 0;
	}
	if (!err && now)
		end_membership_locked(client, uuid);
	tmem_unlock(lock);
	return err;
}

uint32_t tmem_client_grants(struct tmem_client *client, uint64_t (*uuid)[2], uint32_t most)
{
	struct tmem_lock *lock = &client->engine->lock;
	uint32_t i, count;

	tmem_lock(lock);
	count = client->grant_count;
	for (i = 0; i < count && i < most; i++) {
		uuid[i][0] = client->grant[i][0];
		uuid[i][1] = client->grant[i][1];
	}
	tmem_unlock(lock);
	return count;
}
