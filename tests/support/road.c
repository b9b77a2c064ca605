/* SPDX-License-Identifier: MIT */
/* Connections, and numbers for handles: see road.h. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tmem/tmem.h>

#include "must.h"
#include "road.h"
#include "stranger.h"

#define NUMBERS 4096 /* that the control socket looks for */

/* Under sanitizers, and beside others, a daemon has time. */
#define PATIENCE_MS 100000
/* A daemon that is killed is back before anybody calls; a client that is removed is not. */
#define AWAY_MS 2000

/* libtmem takes 0 for a nonce or a cookie of its own choice; nothing else is these. */
#define NONCE_FIRST  0x6e6f6e6365000001u
#define NONCE_ZERO   0x6e6f6e6365000000u
#define COOKIE_FIRST 0x636f6f6b69650000u

/* An object that no case uses. */
static const struct tmem_object_id nowhere = {{0x6e6f7768657265u, 0x6e6f7768657265u, 1}};

struct number {
	bool seen;  /* in this session */
	bool lives; /* to be opened again when the session goes on */
	struct tmem_pool_options options;
	/* Both NULL where libtmem is not connected, or its pool is gone since. */
	struct tmem_pool *pool;	 /* what operations go by; outlives its pool */
	struct tmem_pool *spare; /* another handle of it, for its destruction to close */
};

struct road {
	struct control *control;
	const char *name;
	const char *socket;
	bool async;
	pthread_mutex_t turn; /* of those who submit and reap */

	/* Shared by calls through libtmem; alone whoever changes anything below. */
	pthread_rwlock_t lock;
	uint64_t nonce;
	bool greeted;	   /* a session with this nonce was begun */
	struct tmem *tmem; /* one of these two at most */
	struct stranger *stranger;
	void *shared; /* where async: a page of the connection's */
	uint64_t cookies;
	struct number number[NUMBERS];
};

struct road *road_create(struct control *control, const char *name, const char *socket, bool async)
{
	struct road *road = calloc(1, sizeof(*road));
	pthread_rwlockattr_t writers_first;

	MUST(road != NULL);
	road->control = control;
	road->name = name;
	road->socket = socket;
	road->async = async;
	road->nonce = NONCE_FIRST;
	MUST_EQ(pthread_mutex_init(&road->turn, NULL), 0);
	/* Those who call without end must not keep out who ends the session. */
	pthread_rwlockattr_init(&writers_first);
	pthread_rwlockattr_setkind_np(&writers_first, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	MUST_EQ(pthread_rwlock_init(&road->lock, &writers_first), 0);
	pthread_rwlockattr_destroy(&writers_first);
	return road;
}

static void leave(struct road *road)
{
	uint32_t i;

	if (road->stranger)
		stranger_disconnect(road->stranger);
	tmem_disconnect(road->tmem);
	for (i = 0; i < NUMBERS; i++)
		road->number[i].pool = road->number[i].spare = NULL;
	road->stranger = NULL;
	road->tmem = NULL;
}

void road_destroy(struct road *road)
{
	leave(road);
	pthread_rwlock_destroy(&road->lock);
	pthread_mutex_destroy(&road->turn);
	free(road);
}

/* Both handles of a number. Its pool may be gone by the administrator's word. */
static void open_again(struct road *road, struct number *number)
{
	int error = tmem_pool_open(road->tmem, &number->options, &number->pool);

	if (!error)
		error = tmem_pool_open(road->tmem, &number->options, &number->spare);
	if (error == -TMEM_EACCES)
		number->lives = false;
	else if (error)
		FAIL("a pool is not found again: %d, %s", error, tmem_last_error(road->tmem));
}

/* The client's pools by the daemon's word. */
static struct json_object *list_pools(struct road *road, struct json_object **answer)
{
	struct json_object *guests;

	MUST_EQ(control_ask(road->control, answer, "\"op\":\"stat\",\"name\":\"%s\",\"pools\":true",
			    road->name),
		0);
	guests = control_member(*answer, "guests");
	return control_member(json_object_array_get_idx(guests, 0), "pools");
}

static uint32_t number_at(struct json_object *pools, size_t i)
{
	uint64_t number = control_number(json_object_array_get_idx(pools, i), "pool");

	MUST(number < NUMBERS);
	return (uint32_t)number;
}

/* Nothing was made anew although it was there. */
static void must_be_seen(struct road *road)
{
	struct json_object *answer, *pools = list_pools(road, &answer);
	size_t i;

	for (i = 0; i < json_object_array_length(pools); i++)
		if (!road->number[number_at(pools, i)].seen)
			FAIL("pool %u was made although its cookie was known", number_at(pools, i));
	json_object_put(answer);
}

/* 1: a session began; 0: it goes on, with its pools. */
static int connect_libtmem(struct road *road)
{
	struct tmem_options options = {.size = sizeof(options),
				       .timeout_ms = PATIENCE_MS,
				       .away_ms = AWAY_MS,
				       .nonce = road->nonce};
	int error = tmem_connect(road->socket, &options, &road->tmem), fresh;
	uint32_t i;

	if (error)
		FAIL("%s", tmem_last_error(NULL));
	fresh = tmem_session_is_new(road->tmem);
	road->greeted = true;
	road->shared = NULL;
	if (road->async) {
		road->shared = tmem_buffer_alloc(road->tmem, 1);
		MUST(road->shared != NULL);
	}
	if (fresh) {
		memset(road->number, 0, sizeof(road->number));
		return fresh;
	}
	for (i = 0; i < NUMBERS; i++)
		if (road->number[i].lives)
			open_again(road, &road->number[i]);
	must_be_seen(road);
	return fresh;
}

/* Alone. */
static void take_libtmem(struct road *road)
{
	bool greeted = road->greeted;

	if (road->tmem)
		return;
	leave(road);
	if (connect_libtmem(road) == greeted)
		FAIL("%s", greeted ? "the nonce of the session that goes on has begun another one"
				   : "a client that is new has a session");
}

/* Alone. */
static void take_stranger(struct road *road)
{
	if (road->stranger)
		return;
	if (!road->greeted)
		take_libtmem(road);
	leave(road);
	road->stranger = stranger_connect(road->socket, road->nonce);
}

int road_session(struct road *road, uint64_t nonce)
{
	int fresh;

	pthread_rwlock_wrlock(&road->lock);
	leave(road);
	road->nonce = nonce ? nonce : NONCE_ZERO;
	fresh = connect_libtmem(road);
	pthread_rwlock_unlock(&road->lock);
	return fresh;
}

/* Which of the client's pools a handle stands for: the one that is asked when it is. */
static uint32_t ask_pool(struct road *road, struct tmem_pool *pool)
{
	uint64_t before[NUMBERS];
	struct json_object *answer, *pools = list_pools(road, &answer);
	uint32_t found = NUMBERS;
	size_t i;

	for (i = 0; i < json_object_array_length(pools); i++)
		before[number_at(pools, i)] =
			control_number(json_object_array_get_idx(pools, i), "flushes");
	json_object_put(answer);
	MUST_EQ(tmem_page_flush(pool, &nowhere, 0), 0);
	pools = list_pools(road, &answer);
	for (i = 0; i < json_object_array_length(pools); i++)
		if (before[number_at(pools, i)] !=
		    control_number(json_object_array_get_idx(pools, i), "flushes"))
			found = number_at(pools, i);
	json_object_put(answer);
	MUST(found < NUMBERS);
	return found;
}

/* The number of a pool that was just opened: one that was not there, or one that was. */
static uint32_t find_number(struct road *road, struct tmem_pool *pool)
{
	struct json_object *answer, *pools = list_pools(road, &answer);
	uint32_t found = NUMBERS, fresh = 0;
	size_t i;

	for (i = 0; i < json_object_array_length(pools); i++)
		if (!road->number[number_at(pools, i)].seen) {
			found = number_at(pools, i);
			fresh++;
		}
	json_object_put(answer);
	MUST_LE(fresh, 1);
	return fresh ? found : ask_pool(road, pool);
}

int road_pool_create(struct road *road, const struct tmem_pool_config *config)
{
	struct tmem_pool_options options = {
		.size = (uint32_t)sizeof(options) + config->size - (uint32_t)sizeof(*config),
		.flags = config->flags,
		.uuid = {config->uuid[0], config->uuid[1]},
		.cookie = config->cookie,
	};
	struct tmem_pool *pool;
	struct number *number;
	int result;

	pthread_rwlock_wrlock(&road->lock);
	take_libtmem(road);
	if (!options.cookie)
		options.cookie = COOKIE_FIRST + road->cookies++;
	result = tmem_pool_open(road->tmem, &options, &pool);
	if (!result) {
		result = (int)find_number(road, pool);
		number = &road->number[result];
		if (!number->seen) {
			*number = (struct number){true, true, options, pool, NULL};
			MUST_EQ(tmem_pool_open(road->tmem, &options, &number->spare), 0);
		}
	}
	pthread_rwlock_unlock(&road->lock);
	return result;
}

int road_pool_destroy(struct road *road, uint32_t pool)
{
	struct number *number = pool < NUMBERS ? &road->number[pool] : NULL;
	int result;

	pthread_rwlock_wrlock(&road->lock);
	if (number && number->lives)
		take_libtmem(road);
	if (number && number->spare) {
		result = tmem_pool_close(number->spare);
		number->spare = NULL;
	} else if (number && number->pool) {
		result = tmem_pool_close(number->pool);
		number->pool = NULL;
	} else {
		take_stranger(road);
		result = stranger_destroy_pool(road->stranger, pool);
	}
	if (number)
		number->lives = false;
	pthread_rwlock_unlock(&road->lock);
	return result;
}

static int carry_out(struct road *road, struct tmem_io *io)
{
	void *page = io->page, *tag;
	int error;

	if (!road->async) {
		tmem_batch_run(road->tmem, io, 1);
		return io->result;
	}
	pthread_mutex_lock(&road->turn);
	if (page) {
		memcpy(road->shared, page, TMEM_PAGE_SIZE);
		io->page = road->shared;
	}
	error = tmem_batch_submit(road->tmem, io, 1, io);
	while (!error && tmem_batch_reap(road->tmem, &tag, 1) != 1)
		MUST(tmem_batch_wait(road->tmem, PATIENCE_MS) == 1);
	MUST(error || tag == io);
	/* A miss too: what it may have done to the page is to be seen. */
	if (io->code == TMEM_IO_GET)
		memcpy(page, road->shared, TMEM_PAGE_SIZE);
	pthread_mutex_unlock(&road->turn);
	return error ? error : io->result;
}

static int call_single(struct tmem_pool *pool, uint32_t code, const struct tmem_handle *handle,
		       uint64_t count, void *page)
{
	switch (code) {
	case TMEM_OP_PUT:
		return tmem_page_put(pool, &handle->object, handle->index, page);
	case TMEM_OP_GET:
		return tmem_page_get(pool, &handle->object, handle->index, page);
	case TMEM_OP_FLUSH:
		return tmem_page_flush(pool, &handle->object, handle->index);
	case TMEM_OP_FLUSH_RANGE:
		return tmem_range_flush(pool, &handle->object, handle->index, count);
	default:
		return tmem_object_flush(pool, &handle->object);
	}
}

static int call_libtmem(struct road *road, struct tmem_pool *pool, uint32_t code,
			const struct tmem_handle *handle, uint64_t count, void *page)
{
	struct tmem_io io = {.code = code,
			     .pool = pool,
			     .object = handle->object,
			     .index = handle->index,
			     .count = count,
			     .page = page};

	return road->async ? carry_out(road, &io) : call_single(pool, code, handle, count, page);
}

static struct tmem_pool *pool_of(const struct road *road, uint32_t number)
{
	return number < NUMBERS ? road->number[number].pool : NULL;
}

/* With the lock, shared: whether this number's operations can go through libtmem. */
static struct tmem_pool *enter(struct road *road, uint32_t number)
{
	struct tmem_pool *pool;

	pthread_rwlock_rdlock(&road->lock);
	pool = pool_of(road, number);
	if (pool || number >= NUMBERS || !road->number[number].lives)
		return pool;
	pthread_rwlock_unlock(&road->lock);
	pthread_rwlock_wrlock(&road->lock);
	take_libtmem(road);
	pthread_rwlock_unlock(&road->lock);
	pthread_rwlock_rdlock(&road->lock);
	return pool_of(road, number);
}

int road_call(struct road *road, uint32_t code, const struct tmem_handle *handle, uint64_t count,
	      void *page)
{
	struct tmem_pool *pool = enter(road, handle->pool);
	int result;

	if (pool) {
		result = call_libtmem(road, pool, code, handle, count, page);
	} else {
		pthread_rwlock_unlock(&road->lock);
		pthread_rwlock_wrlock(&road->lock);
		take_stranger(road);
		result = stranger_call(road->stranger, code, handle, count, page);
	}
	pthread_rwlock_unlock(&road->lock);
	return result;
}

/* All of them, where every pool has a handle; false: nothing was begun. */
static bool run_batch(struct road *road, struct tmem_op *ops, uint32_t count)
{
	struct tmem_io *io = calloc(count, sizeof(*io));
	uint32_t i;
	bool whole;

	MUST(io != NULL);
	enter(road, ops[0].handle.pool);
	whole = road->tmem != NULL;
	for (i = 0; i < count && whole; i++) {
		io[i] = (struct tmem_io){.code = ops[i].code,
					 .pool = pool_of(road, ops[i].handle.pool),
					 .object = ops[i].handle.object,
					 .index = ops[i].handle.index,
					 .count = ops[i].count,
					 .page = ops[i].page};
		whole = io[i].pool != NULL;
	}
	if (whole) {
		MUST(tmem_batch_run(road->tmem, io, count) >= 0);
		for (i = 0; i < count; i++)
			ops[i].result = io[i].result;
	}
	pthread_rwlock_unlock(&road->lock);
	free(io);
	return whole;
}

void road_batch(struct road *road, struct tmem_op *ops, uint32_t count)
{
	uint32_t i;

	if (!count || run_batch(road, ops, count))
		return;
	for (i = 0; i < count; i++)
		ops[i].result =
			road_call(road, ops[i].code, &ops[i].handle, ops[i].count, ops[i].page);
}

void *road_page_alloc(struct road *road)
{
	void *page;

	pthread_rwlock_wrlock(&road->lock);
	take_libtmem(road);
	page = tmem_buffer_alloc(road->tmem, 1);
	pthread_rwlock_unlock(&road->lock);
	return page;
}

void road_lose_reply(struct road *road, enum rig_loss loss, uint32_t code,
		     const struct tmem_handle *handle, void *page)
{
	pthread_rwlock_wrlock(&road->lock);
	take_stranger(road);
	stranger_ask(road->stranger, loss, code, handle, page);
	leave(road);
	pthread_rwlock_unlock(&road->lock);
}

int road_bad_address(struct road *road, uint32_t code, const struct tmem_handle *handle)
{
	int result;

	pthread_rwlock_wrlock(&road->lock);
	take_stranger(road);
	result = stranger_bad_address(road->stranger, code, handle);
	leave(road);
	pthread_rwlock_unlock(&road->lock);
	return result;
}
