// SPDX-License-Identifier: MIT
/* Opening, closing, losing and making again. */
#include "pool.h"
#include "batch.h"
#include "debt.h"
#include "error.h"
#include "link.h"
#include "random.h"
#include "request.h"
#include <poll.h>
#include <stdlib.h>

#define TRIES 100 /* to have a pool made, a millisecond apart */

static void lose(struct tmem_pool *pool)
{
	if ((pool->flags & TMEM_POOL_PERSISTENT) && pool->made)
		pool->losses++;
	/* Other members may keep what a shared pool holds. */
	if (!(pool->flags & TMEM_POOL_SHARED))
		pool->stale = false;
	pool->made = false;
}

void lt_pool_lost(struct tmem *tmem)
{
	struct tmem_pool *pool;

	for (pool = tmem->pools; pool; pool = pool->next)
		lose(pool);
}

/* 0 and pool->number, a status of the daemon's (< 0), or, with *@broken, the link's. */
static int make(struct tmem_pool *pool, bool *broken)
{
	const struct tmem_req request = {
		.op = TMEM_WIRE_NEW_POOL,
		.count = 1,
		.flags = pool->flags,
		.cookie = pool->cookie,
		.arg = {pool->uuid[0], pool->uuid[1]},
	};
	struct tmem_rep reply;
	uint32_t tries = 0;
	int error;

	/* Places of pools that were closed are being swept: a matter of milliseconds. */
	do
		error = lt_request_control(pool->tmem, &request, &reply, NULL, 0);
	while (!error && reply.status == -TMEM_EAGAIN && tries++ < TRIES && !poll(NULL, 0, 1));
	*broken = error != 0;
	if (error)
		return error;
	if (!reply.status && reply.value >= TMEM_WIRE_ALL_POOLS) {
		*broken = true;
		return lt_fail(pool->tmem, -TMEM_EPROTO, "a pool's number is out of range");
	}
	if (!reply.status)
		pool->number = (uint32_t)reply.value;
	return reply.status;
}

static int destroy(struct tmem_pool *pool, bool *broken)
{
	const struct tmem_req request = {
		.op = TMEM_WIRE_DESTROY_POOL, .count = 1, .pool = pool->number};
	struct tmem_rep reply;
	int error = lt_request_control(pool->tmem, &request, &reply, NULL, 0);

	*broken = error != 0;
	return error ? error : reply.status;
}

static int remake(struct tmem_pool *pool, bool resumed)
{
	uint32_t number = pool->number;
	bool broken;
	int error;

	if (pool->stale && (pool->flags & TMEM_POOL_SHARED)) {
		/* This member is not to see again what it meant to replace. */
		pool->refused = -TMEM_ENODEV;
		return 0;
	}
	if (pool->stale && resumed) {
		error = destroy(pool, &broken);
		if (broken)
			return error;
		lose(pool);
	}
	error = make(pool, &broken);
	if (broken)
		return error;
	pool->refused = error;
	/* Numbers are not used twice: this is not the pool that it was. */
	if (!error && pool->made && pool->number != number)
		lose(pool);
	if (!error)
		pool->made = true;
	return 0;
}

int lt_pool_remake(struct tmem *tmem, bool resumed)
{
	struct tmem_pool *pool;
	int error;

	for (pool = tmem->pools; pool; pool = pool->next) {
		error = remake(pool, resumed);
		if (error)
			return error;
	}
	return 0;
}

void lt_pool_free_all(struct tmem *tmem)
{
	struct tmem_pool *pool;

	while (tmem->pools) {
		pool = tmem->pools;
		tmem->pools = pool->next;
		free(pool);
	}
}

static int open_locked(struct tmem *tmem, struct tmem_pool *pool)
{
	bool broken;
	int error = lt_link_ensure(tmem);

	if (error)
		return error;
	error = make(pool, &broken);
	if (broken) {
		/* Once more: a daemon that went may have come back. The cookie makes it one pool. */
		lt_link_down(tmem, error);
		error = lt_link_ensure(tmem);
		if (!error)
			error = make(pool, &broken);
		else
			broken = false;
		if (broken)
			lt_link_down(tmem, error);
	}
	return error;
}

int tmem_pool_open(struct tmem *tmem, const struct tmem_pool_options *options,
		   struct tmem_pool **out)
{
	struct tmem_pool_options given = {.size = sizeof(given)};
	struct tmem_pool *pool, **end;
	int error;

	if (!tmem || !out || (options && options->size != sizeof(given)))
		return -TMEM_EINVAL;
	if (options)
		given = *options;
	error = lt_enter(tmem);
	if (error)
		return error;
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return lt_leave(tmem, -TMEM_ENOMEM);
	pool->tmem = tmem;
	pool->flags = given.flags;
	pool->uuid[0] = given.uuid[0];
	pool->uuid[1] = given.uuid[1];
	pool->cookie = given.cookie ? given.cookie : lt_random();
	error = open_locked(tmem, pool);
	if (error) {
		free(pool);
		return lt_leave(tmem, error);
	}
	pool->made = true;
	for (end = &tmem->pools; *end; end = &(*end)->next)
		;
	*end = pool;
	*out = pool;
	return lt_leave(tmem, 0);
}

int tmem_pool_close(struct tmem_pool *pool)
{
	struct tmem_pool **at;
	struct tmem *tmem;
	bool broken;
	int error;

	if (!pool)
		return 0;
	tmem = pool->tmem;
	error = lt_enter(tmem);
	if (error)
		return error;
	if (lt_batch_uses(tmem, pool))
		return lt_leave(tmem, -TMEM_EBUSY);
	for (at = &tmem->pools; *at != pool; at = &(*at)->next)
		;
	*at = pool->next;
	error = lt_link_ensure(tmem);
	/* Where it could not be made again, its number may be another pool's by now. */
	if (!error && pool->made && !pool->refused) {
		error = destroy(pool, &broken);
		if (broken)
			lt_link_down(tmem, error);
		else
			pool->made = false;
	}
	if (error && pool->made && !pool->refused)
		lt_debt_add_pool(tmem, pool);
	else
		lt_debt_drop(tmem, pool);
	free(pool);
	return lt_leave(tmem, error);
}

uint64_t tmem_pool_losses(struct tmem_pool *pool)
{
	uint64_t losses = 0;

	if (pool && !lt_enter(pool->tmem)) {
		losses = pool->losses;
		pthread_mutex_unlock(&pool->tmem->lock);
	}
	return losses;
}

void tmem_pool_accept_loss(struct tmem_pool *pool)
{
	if (pool && !lt_enter(pool->tmem)) {
		pool->accepted = pool->losses;
		pthread_mutex_unlock(&pool->tmem->lock);
	}
}
