/* SPDX-License-Identifier: MIT */
/* The wrapper that is wrong about time: see faults.h. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "must.h"

enum kind {
	NOTHING,
	GET_LEAVES,
	TWO_WINNERS,
	LATE_PUT,
	LATE_FLUSH,
	UNDONE_FLUSH,
	STALE_READ,
	GAP_IN_REPLACEMENT,
	KEPT_WHEN_REFUSED,
	STORED_WHEN_REFUSED,
};

const struct linear_fault linear_faults[] = {
	{"a get does not take the page out", GET_LEAVES},
	{"two gets at once both take the page", TWO_WINNERS},
	{"a put is published after it returned", LATE_PUT},
	{"a flush takes effect after it returned", LATE_FLUSH},
	{"a flush is undone", UNDONE_FLUSH},
	{"a get returns what was there before", STALE_READ},
	{"a replacement leaves a gap", GAP_IN_REPLACEMENT},
	{"a refused put leaves the old page", KEPT_WHEN_REFUSED},
	{"a refused put stores its page", STORED_WHEN_REFUSED},
	{NULL, NOTHING},
};

const struct linear_fault *linear_fault_now;

#define REMEMBERED 8

/* What the wrapper keeps of one worker's calls; touched by that worker only. */
struct memory {
	bool put_waits, flush_waits;
	int client;
	struct tmem_handle handle;
	uint8_t page[TMEM_PAGE_SIZE];
	uint64_t calls;
	/* Of STALE_READ. */
	struct {
		struct tmem_handle handle;
		uint8_t page[TMEM_PAGE_SIZE];
	} last[REMEMBERED];
};

struct faulty_rig {
	struct rig rig;
	struct rig *inner;
	uint32_t frozen; /* atomic */
	struct memory memory[RIG_WORKERS];
};

static struct faulty_rig *of(struct rig *rig)
{
	return (struct faulty_rig *)rig;
}

static struct rig *inner(struct rig *rig)
{
	return of(rig)->inner;
}

static bool is(enum kind kind)
{
	return linear_fault_now && linear_fault_now->kind == (int)kind;
}

/* True for every @nth call of this worker. */
static bool turn(struct rig *rig, uint32_t worker, uint32_t nth)
{
	return of(rig)->memory[worker].calls++ % nth == 0;
}

/* What the worker's last call left undone. */
static void catch_up(struct rig *rig, uint32_t worker)
{
	struct memory *m = &of(rig)->memory[worker];

	if (m->put_waits &&
	    backend_engine.put(inner(rig), worker, m->client, &m->handle, m->page) > 0)
		FAIL("a put says more than 0");
	if (m->flush_waits)
		backend_engine.flush(inner(rig), worker, m->client, &m->handle);
	m->put_waits = m->flush_waits = false;
}

static struct rig *start(const struct backend *backend, const struct rig_setup *setup)
{
	struct faulty_rig *rig = calloc(1, sizeof(*rig));

	if (!rig)
		return NULL;
	rig->inner = rig_start(&backend_engine, setup);
	return &rig->rig;
}

static const char *stop(struct rig *rig)
{
	const char *complaint = backend_engine.stop(inner(rig));

	free(rig);
	return complaint;
}

static int client_create(struct rig *rig, const struct tmem_client_config *config)
{
	return backend_engine.client_create(inner(rig), config);
}

static void freeze(struct rig *rig, int client, bool frozen)
{
	__atomic_store_n(&of(rig)->frozen, frozen, __ATOMIC_RELAXED);
	backend_engine.freeze(inner(rig), client, frozen);
}

static int set_codec(struct rig *rig, int client, uint8_t codec)
{
	return backend_engine.set_codec(inner(rig), client, codec);
}

static int grant(struct rig *rig, int client, const uint64_t uuid[2])
{
	return backend_engine.grant(inner(rig), client, uuid);
}

static int pool_create(struct rig *rig, uint32_t worker, int client,
		       const struct tmem_pool_config *config)
{
	return backend_engine.pool_create(inner(rig), worker, client, config);
}

static int put(struct rig *rig, uint32_t worker, int client, const struct tmem_handle *handle,
	       const void *page)
{
	struct memory *m = &of(rig)->memory[worker];
	int result;

	catch_up(rig, worker);
	if (is(LATE_PUT) && turn(rig, worker, 2)) {
		m->put_waits = true;
		m->client = client;
		m->handle = *handle;
		memcpy(m->page, page, TMEM_PAGE_SIZE);
		return 0;
	}
	if (is(KEPT_WHEN_REFUSED) && __atomic_load_n(&of(rig)->frozen, __ATOMIC_RELAXED))
		return -TMEM_EAGAIN;
	if (is(GAP_IN_REPLACEMENT)) {
		backend_engine.flush(inner(rig), worker, client, handle);
		sched_yield();
	}
	result = backend_engine.put(inner(rig), worker, client, handle, page);
	if (!result && is(STORED_WHEN_REFUSED) && turn(rig, worker, 8))
		return -TMEM_ENOMEM;
	return result;
}

static int get(struct rig *rig, uint32_t worker, int client, const struct tmem_handle *handle,
	       void *page)
{
	struct memory *m = &of(rig)->memory[worker];
	uint32_t at = (handle->index ^ (uint32_t)handle->object.word[0]) % REMEMBERED;
	int result;

	catch_up(rig, worker);
	if (is(STALE_READ) && !memcmp(&m->last[at].handle, handle, sizeof(*handle)) &&
	    turn(rig, worker, 4)) {
		memcpy(page, m->last[at].page, TMEM_PAGE_SIZE);
		return 0;
	}
	result = backend_engine.get(inner(rig), worker, client, handle, page);
	if (!result && is(STALE_READ)) {
		m->last[at].handle = *handle;
		memcpy(m->last[at].page, page, TMEM_PAGE_SIZE);
	}
	if (!result && (is(GET_LEAVES) || is(TWO_WINNERS)) &&
	    backend_engine.put(inner(rig), worker, client, handle, page) > 0)
		FAIL("a put says more than 0");
	if (!result && is(TWO_WINNERS)) {
		sched_yield();
		backend_engine.flush(inner(rig), worker, client, handle);
	}
	return result;
}

static int flush(struct rig *rig, uint32_t worker, int client, const struct tmem_handle *handle)
{
	struct memory *m = &of(rig)->memory[worker];
	bool there = false;
	int result;

	catch_up(rig, worker);
	if (is(LATE_FLUSH)) {
		m->flush_waits = true;
		m->client = client;
		m->handle = *handle;
		return 0;
	}
	if (is(UNDONE_FLUSH) && turn(rig, worker, 4))
		there = !backend_engine.get(inner(rig), worker, client, handle, m->page);
	result = backend_engine.flush(inner(rig), worker, client, handle);
	if (there && backend_engine.put(inner(rig), worker, client, handle, m->page) > 0)
		FAIL("a put says more than 0");
	return there ? 1 : result;
}

static int flush_range(struct rig *rig, uint32_t worker, int client,
		       const struct tmem_handle *handle, uint64_t count)
{
	catch_up(rig, worker);
	return backend_engine.flush_range(inner(rig), worker, client, handle, count);
}

static int flush_object(struct rig *rig, uint32_t worker, int client,
			const struct tmem_handle *handle)
{
	catch_up(rig, worker);
	return backend_engine.flush_object(inner(rig), worker, client, handle);
}

static uint32_t step(struct rig *rig, uint32_t worker, uint32_t budget)
{
	return backend_engine.step(inner(rig), worker, budget);
}

static void take(struct rig *rig, unsigned int pages)
{
	backend_engine.take(inner(rig), pages);
}

static uint64_t reclaim(struct rig *rig, uint32_t worker, uint64_t bytes)
{
	return backend_engine.reclaim(inner(rig), worker, bytes);
}

static int check(struct rig *rig, const char **what)
{
	return backend_engine.check(inner(rig), what);
}

const struct backend backend_faulty = {
	.name = "faulty",
	.can = CAN_EPHEMERAL | CAN_OBJECTS | CAN_ADMIN | CAN_THREADS | CAN_CODECS,
	.start = start,
	.stop = stop,
	.client_create = client_create,
	.freeze = freeze,
	.set_codec = set_codec,
	.grant = grant,
	.pool_create = pool_create,
	.put = put,
	.get = get,
	.flush = flush,
	.flush_range = flush_range,
	.flush_object = flush_object,
	.step = step,
	.reclaim = reclaim,
	.take = take,
	.check = check,
};
