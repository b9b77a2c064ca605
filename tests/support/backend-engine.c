/* SPDX-License-Identifier: MIT */
/*
 * The back-end that is the engine itself, in this process, on the port that
 * the program is linked with: once through the single calls, and once with
 * every operation sent as a batch of one.
 */
#include <pthread.h>
#include <stdlib.h>

#include "codecs.h"
#include "glue.h"
#include "must.h"
#include "rig.h"

struct engine_rig {
	struct rig rig;
	void *host;
	struct tmem_engine *engine;
	struct tmem_worker *worker[RIG_WORKERS];
	pthread_mutex_t lock; /* for client[]: tests create and destroy from any thread */
	struct tmem_client *client[RIG_CLIENTS];
};

static struct engine_rig *of(struct rig *rig)
{
	return (struct engine_rig *)rig;
}

static struct tmem_client *client_of(struct rig *rig, int client)
{
	if (client < 0 || client >= RIG_CLIENTS || !of(rig)->client[client])
		FAIL("the test names a client that is not there: %d", client);
	return of(rig)->client[client];
}

static struct tmem_worker *worker_of(struct rig *rig, uint32_t worker)
{
	return of(rig)->worker[worker];
}

static struct rig *start(const struct backend *backend, const struct rig_setup *setup)
{
	struct engine_rig *rig = calloc(1, sizeof(*rig));
	struct tmem_config config = {
		.size = sizeof(config),
		.workers = setup->workers,
		.capacity = setup->capacity,
		.persistent = setup->persistent,
		.hash_seed = {setup->seed, ~setup->seed},
		.extent_size = setup->extent_size,
		.codec_count = test_codec_count,
		.codecs = test_codecs,
		.host_ops = glue_ops(),
		.lend = setup->lend,
		.verify = setup->verify,
	};
	uint32_t i;

	if (!rig)
		return NULL;
	pthread_mutex_init(&rig->lock, NULL);
	/* The engine keeps to its capacity by itself; the host's limit must not be what stops it. */
	rig->host = glue_create(setup->capacity * 2 + (64u << 20));
	if (!rig->host)
		FAIL("no host");
	config.host = rig->host;
	MUST_EQ(tmem_engine_create(&config, &rig->engine), 0);
	for (i = 0; i < setup->workers; i++)
		MUST_EQ(tmem_worker_create(rig->engine, &rig->worker[i]), 0);
	return &rig->rig;
}

static const char *stop(struct rig *rig)
{
	struct engine_rig *e = of(rig);
	const char *complaint;
	uint32_t i;

	for (i = 0; i < RIG_CLIENTS; i++)
		if (e->client[i])
			tmem_client_destroy(e->client[i], e->worker[0]);
	for (i = 0; i < rig->setup.workers; i++)
		tmem_worker_destroy(e->worker[i]);
	tmem_engine_destroy(e->engine);
	complaint = glue_destroy(e->host);
	pthread_mutex_destroy(&e->lock);
	free(e);
	return complaint;
}

static int client_create(struct rig *rig, const struct tmem_client_config *config)
{
	struct engine_rig *e = of(rig);
	struct tmem_client *client = NULL;
	int result = tmem_client_create(e->engine, e->worker[0], config, &client);
	int i;

	if (result) {
		if (client)
			FAIL("a client beside the error %d", result);
		return result;
	}
	pthread_mutex_lock(&e->lock);
	for (i = 0; i < RIG_CLIENTS && e->client[i]; i++)
		;
	if (i == RIG_CLIENTS)
		FAIL("more clients than a rig has room for");
	e->client[i] = client;
	pthread_mutex_unlock(&e->lock);
	return i;
}

static void client_destroy(struct rig *rig, uint32_t worker, int client)
{
	struct engine_rig *e = of(rig);
	struct tmem_client *gone = client_of(rig, client);

	tmem_client_destroy(gone, e->worker[worker]);
	pthread_mutex_lock(&e->lock);
	e->client[client] = NULL;
	pthread_mutex_unlock(&e->lock);
}

static int session(struct rig *rig, int client, uint64_t nonce)
{
	return tmem_client_session(client_of(rig, client), worker_of(rig, 0), nonce);
}

static void freeze(struct rig *rig, int client, bool frozen)
{
	tmem_client_freeze(client_of(rig, client), frozen);
}

static int set_codec(struct rig *rig, int client, uint8_t codec)
{
	return tmem_client_set_codec(client_of(rig, client), codec);
}

static int set_weight(struct rig *rig, int client, uint32_t weight)
{
	return tmem_client_set_weight(client_of(rig, client), weight);
}

static int set_allocation(struct rig *rig, int client, uint64_t bytes)
{
	return tmem_client_set_allocation(client_of(rig, client), worker_of(rig, 0), bytes);
}

static void set_cap(struct rig *rig, int client, uint64_t cap)
{
	tmem_client_set_cap(client_of(rig, client), cap);
}

static int set_pool_codec(struct rig *rig, int client, uint32_t pool, uint8_t codec)
{
	return tmem_pool_set_codec(client_of(rig, client), pool, codec);
}

static uint64_t client_reclaim(struct rig *rig, uint32_t worker, int client, uint64_t bytes)
{
	return tmem_client_reclaim(client_of(rig, client), worker_of(rig, worker), bytes);
}

static int grant(struct rig *rig, int client, const uint64_t uuid[2])
{
	return tmem_client_grant(client_of(rig, client), uuid);
}

static int revoke(struct rig *rig, uint32_t worker, int client, const uint64_t uuid[2], bool now)
{
	return tmem_client_revoke(client_of(rig, client), worker_of(rig, worker), uuid, now);
}

static int pool_create(struct rig *rig, uint32_t worker, int client,
		       const struct tmem_pool_config *config)
{
	return tmem_pool_create(client_of(rig, client), worker_of(rig, worker), config);
}

static int pool_destroy(struct rig *rig, uint32_t worker, int client, uint32_t pool)
{
	return tmem_pool_destroy(client_of(rig, client), worker_of(rig, worker), pool);
}

static int put(struct rig *rig, uint32_t worker, int client, const struct tmem_handle *handle,
	       const void *page)
{
	return tmem_put(client_of(rig, client), worker_of(rig, worker), handle, page);
}

static int get(struct rig *rig, uint32_t worker, int client, const struct tmem_handle *handle,
	       void *page)
{
	return tmem_get(client_of(rig, client), worker_of(rig, worker), handle, page);
}

static int flush(struct rig *rig, uint32_t worker, int client, const struct tmem_handle *handle)
{
	return tmem_flush(client_of(rig, client), worker_of(rig, worker), handle);
}

static int flush_range(struct rig *rig, uint32_t worker, int client,
		       const struct tmem_handle *handle, uint64_t count)
{
	return tmem_flush_range(client_of(rig, client), worker_of(rig, worker), handle, count);
}

static int flush_object(struct rig *rig, uint32_t worker, int client,
			const struct tmem_handle *handle)
{
	return tmem_flush_object(client_of(rig, client), worker_of(rig, worker), handle);
}

static void batch(struct rig *rig, uint32_t worker, int client, struct tmem_op *ops, uint32_t count)
{
	tmem_batch(client_of(rig, client), worker_of(rig, worker), ops, count);
}

static int by_batch(struct rig *rig, uint32_t worker, int client, enum tmem_op_code code,
		    const struct tmem_handle *handle, uint64_t count, void *page)
{
	struct tmem_op op = {code, 12345, *handle, count, page};

	tmem_batch(client_of(rig, client), worker_of(rig, worker), &op, 1);
	return op.result;
}

static int batch_put(struct rig *rig, uint32_t worker, int client, const struct tmem_handle *handle,
		     const void *page)
{
	return by_batch(rig, worker, client, TMEM_OP_PUT, handle, 0, (void *)(uintptr_t)page);
}

static int batch_get(struct rig *rig, uint32_t worker, int client, const struct tmem_handle *handle,
		     void *page)
{
	return by_batch(rig, worker, client, TMEM_OP_GET, handle, 0, page);
}

static int batch_flush(struct rig *rig, uint32_t worker, int client,
		       const struct tmem_handle *handle)
{
	return by_batch(rig, worker, client, TMEM_OP_FLUSH, handle, 0, NULL);
}

static int batch_flush_range(struct rig *rig, uint32_t worker, int client,
			     const struct tmem_handle *handle, uint64_t count)
{
	return by_batch(rig, worker, client, TMEM_OP_FLUSH_RANGE, handle, count, NULL);
}

static int batch_flush_object(struct rig *rig, uint32_t worker, int client,
			      const struct tmem_handle *handle)
{
	return by_batch(rig, worker, client, TMEM_OP_FLUSH_OBJECT, handle, 0, NULL);
}

static uint32_t step(struct rig *rig, uint32_t worker, uint32_t budget)
{
	uint32_t done = tmem_engine_step(of(rig)->engine, worker_of(rig, worker), budget);

	if (rig->setup.recode)
		done += tmem_engine_recode(of(rig)->engine, worker_of(rig, worker), budget);
	return done;
}

static void take(struct rig *rig, unsigned int pages)
{
	glue_take(of(rig)->host, pages);
}

static uint64_t reclaim(struct rig *rig, uint32_t worker, uint64_t bytes)
{
	return tmem_engine_reclaim(of(rig)->engine, worker_of(rig, worker), bytes);
}

static void set_capacity(struct rig *rig, uint64_t bytes)
{
	tmem_engine_set_capacity(of(rig)->engine, worker_of(rig, 0), bytes);
}

static int stats(struct rig *rig, int client, int pool, struct tmem_stats *out)
{
	if (client < 0)
		tmem_engine_stats(of(rig)->engine, out);
	else if (pool < 0)
		tmem_client_stats(client_of(rig, client), out);
	else
		return tmem_pool_stats(client_of(rig, client), (uint32_t)pool, out);
	return 0;
}

static int check(struct rig *rig, const char **what)
{
	return tmem_engine_check(of(rig)->engine, what);
}

static uint32_t touched(struct rig *rig, uint32_t worker)
{
	return tmem_worker_touched(worker_of(rig, worker));
}

static uint64_t host_bytes(struct rig *rig)
{
	return glue_bytes(of(rig)->host);
}

static void starve(struct rig *rig, uint64_t nth, bool for_good)
{
	glue_starve(of(rig)->host, nth, for_good);
}

static uint64_t refused(struct rig *rig)
{
	return glue_refused(of(rig)->host);
}

#define ADMIN_CALLS                                                                             \
	.start = start, .stop = stop, .client_create = client_create,                           \
	.client_destroy = client_destroy, .session = session, .freeze = freeze,                 \
	.set_codec = set_codec, .set_weight = set_weight, .set_allocation = set_allocation,     \
	.set_cap = set_cap, .set_pool_codec = set_pool_codec, .client_reclaim = client_reclaim, \
	.grant = grant, .revoke = revoke, .pool_create = pool_create,                           \
	.pool_destroy = pool_destroy, .batch = batch, .step = step, .reclaim = reclaim,         \
	.take = take, .set_capacity = set_capacity, .stats = stats, .check = check,             \
	.touched = touched, .host_bytes = host_bytes, .starve = starve, .refused = refused

const struct backend backend_engine = {
	.name = "engine",
	.can = CAN_HERE,
	.bytes_most = UINT64_MAX,
	ADMIN_CALLS,
	.put = put,
	.get = get,
	.flush = flush,
	.flush_range = flush_range,
	.flush_object = flush_object,
};

const struct backend backend_batch = {
	.name = "batch",
	.can = CAN_HERE,
	.bytes_most = UINT64_MAX,
	ADMIN_CALLS,
	.put = batch_put,
	.get = batch_get,
	.flush = batch_flush,
	.flush_range = batch_flush_range,
	.flush_object = batch_flush_object,
};
