// SPDX-License-Identifier: MIT
/*
 * Requests that are wrong: each gets its code and touches no page; what has
 * nowhere to be answered ends its session, and that one alone.
 */
#include "world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RANDOM 3000

/* One good request with a page, and what can be wrong with it. */
static struct tmem_req good(struct world *world, uint8_t op)
{
	struct tmem_req req = dv_req(op);

	req.pool = (uint32_t)world->persistent;
	req.object[0] = 1;
	req.index = 2;
	return req;
}

static int try(struct world *world, const struct tmem_req *req, int longer_in, int longer_out)
{
	static uint8_t bytes[DV_AREA];
	struct tmem_req layout = *req;
	uint32_t readable, writable, used;
	uint8_t page[TMEM_PAGE_SIZE] = {1};
	struct tmem_ent list[1] = {{{1, 0, 0}, 2, 0}};
	int status;

	/* Bytes of a request that is wrong are laid out as the nearest one that is not. */
	if (layout.op >= TMEM_WIRE_OPS)
		layout.op = TMEM_WIRE_PUT;
	if (layout.form > TMEM_WIRE_LIST)
		layout.form = TMEM_WIRE_ONE;
	layout.count = 1;
	readable = dv_encode(&layout, list, page, bytes, &writable);
	tmem_wire_put_req(bytes, req);
	readable = (uint32_t)((int)readable + longer_in);
	writable = (uint32_t)((int)writable + longer_out);
	status = dv_raw(&world->fe, DV_QUEUE, bytes, readable, writable, &used);
	assert_true(status == FE_GONE || !status || used == sizeof(struct tmem_rep));
	return status;
}

static void each_mistake_has_its_code(void **state)
{
	struct world *world = *state;
	struct tmem_req req = good(world, TMEM_WIRE_PUT);
	uint32_t i;

	assert_int_equal(try(world, &req, 0, 0), 0);
	assert_int_equal(harness_stored(world->guest), 1);

	assert_int_equal(try(world, &req, 1, 0), -TMEM_EINVAL);
	assert_int_equal(try(world, &req, -1, 0), -TMEM_EINVAL);
	assert_int_equal(try(world, &req, 0, 1), -TMEM_EINVAL);
	assert_int_equal(try(world, &req, 0, -1), -TMEM_EINVAL);
	assert_int_equal(try(world, &req, -TMEM_PAGE_SIZE, 0), -TMEM_EINVAL);
	assert_int_equal(try(world, &req, -TMEM_PAGE_SIZE - 1, 0), -TMEM_EINVAL);
	for (i = TMEM_WIRE_OPS; i < 256; i += 7) {
		req.op = (uint8_t)i;
		assert_int_equal(try(world, &req, 0, 0), -TMEM_EOPNOTSUPP);
	}
	req = good(world, TMEM_WIRE_PUT);
	for (i = 3; i < 256; i += 11) {
		req.form = (uint8_t)i;
		assert_int_equal(try(world, &req, 0, 0), -TMEM_EINVAL);
	}
	req.form = TMEM_WIRE_ONE;
	req.count = 0;
	assert_int_equal(try(world, &req, 0, 0), -TMEM_EINVAL);
	req.count = 2;
	assert_int_equal(try(world, &req, 0, 0), -TMEM_EINVAL);
	req.form = TMEM_WIRE_RUN;
	req.count = TMEM_WIRE_BATCH + 1;
	assert_int_equal(try(world, &req, 0, 0), -TMEM_EINVAL);
	req.count = 0xffff;
	assert_int_equal(try(world, &req, 0, 0), -TMEM_EINVAL);
	req.count = 2;
	req.index = 0xffffffffu;
	assert_int_equal(try(world, &req, TMEM_PAGE_SIZE, 0), -TMEM_EINVAL);

	req = good(world, TMEM_WIRE_PUT);
	req.flags = 1;
	assert_int_equal(try(world, &req, 0, 0), -TMEM_EINVAL);
	req = good(world, TMEM_WIRE_PUT);
	req.cookie = 1;
	assert_int_equal(try(world, &req, 0, 0), -TMEM_EINVAL);
	req = good(world, TMEM_WIRE_PUT);
	req.arg[1] = 1ull << 63;
	assert_int_equal(try(world, &req, 0, 0), -TMEM_EINVAL);
	req = good(world, TMEM_WIRE_PUT);
	req.form = TMEM_WIRE_LIST;
	assert_int_equal(try(world, &req, 0, 0), -TMEM_EINVAL);
	req = good(world, TMEM_WIRE_FLUSH_RANGE);
	req.arg[0] = TMEM_WIRE_RANGE + 1;
	assert_int_equal(try(world, &req, 0, 0), -TMEM_EINVAL);
	req = dv_req(TMEM_WIRE_NEW_POOL);
	req.flags = 0x100;
	assert_int_equal(try(world, &req, 0, 0), -TMEM_EINVAL);
	req.flags = 1u << 24;
	assert_int_equal(try(world, &req, 0, 0), -TMEM_EOPNOTSUPP);
	req.flags = 0x10;
	assert_int_equal(try(world, &req, 0, 0), -TMEM_EOPNOTSUPP);
	req.flags = 0;
	req.arg[0] = 1;
	assert_int_equal(try(world, &req, 0, 0), -TMEM_EINVAL);

	/* Nothing of all this was done. */
	assert_int_equal(harness_stored(world->guest), 1);
	assert_false(fe_is_dead(&world->fe));
}

/* One bad entry refuses all of them before the first page is touched. */
static void bad_entry_touches_nothing(void **state)
{
	struct world *world = *state;
	struct tmem_req req = dv_req(TMEM_WIRE_PUT);
	static uint8_t pages[4][TMEM_PAGE_SIZE];
	struct tmem_ent list[4] = {{{1, 0, 0}, 1, 0}, {{1, 0, 0}, 2, 0}, {{1, 0, 0}, 3, 0}};
	struct dv_reply reply;
	uint32_t i;

	req.form = TMEM_WIRE_LIST;
	req.count = 4;
	req.pool = (uint32_t)world->persistent;
	for (i = 0; i < 4; i++) {
		list[i].zero = 1;
		assert_int_equal(dv_call(&world->fe, DV_QUEUE, &req, list, pages, &reply),
				 -TMEM_EINVAL);
		assert_int_equal(harness_stored(world->guest), 0);
		list[i].zero = 0;
	}
	assert_int_equal(dv_call(&world->fe, DV_QUEUE, &req, list, pages, &reply), 0);
	assert_int_equal(harness_stored(world->guest), 4);
}

static void what_cannot_be_answered_ends_the_session(void **state)
{
	struct world *world = *state;
	uint8_t bytes[sizeof(struct tmem_req)];
	struct tmem_req req = dv_req(TMEM_WIRE_NOP);
	struct dv_reply reply;
	uint32_t writable, used;

	assert_int_equal(dv_put(&world->fe, (uint32_t)world->persistent, 1, 1, 11), 0);
	/* The control: sixteen bytes are enough, even for what is too short to be read. */
	assert_int_equal(dv_raw(&world->fe, DV_QUEUE, bytes, 63, 16, &used), -TMEM_EINVAL);
	(void)dv_encode(&req, NULL, NULL, bytes, &writable);
	assert_int_equal(dv_raw(&world->fe, DV_QUEUE, bytes, sizeof(bytes), 15, &used), FE_GONE);
	assert_int_equal(harness_errors(world->guest, GUEST_ERROR_request_short), 1);
	/* The client is not its connection. */
	assert_int_equal(fe_up(&world->fe, 3, true), 0);
	assert_int_equal(dv_hello(&world->fe, WORLD_NONCE, &reply), 0);
	assert_int_equal(dv_get(&world->fe, (uint32_t)world->persistent, 1, 1, 11), 0);
}

static uint64_t random_state = 88172645463325252ull;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Random requests near good ones: each is answered, and the engine agrees with itself. */
static void random_requests_are_answered(void **state)
{
	struct world *world = *state;
	static uint8_t bytes[DV_AREA];
	uint32_t i, readable, writable, used, done = 0;
	uint8_t raw[sizeof(struct tmem_req)];

	for (i = 0; i < RANDOM; i++) {
		struct tmem_req req = dv_req((uint8_t)(next_random() % (TMEM_WIRE_OPS + 1)));
		uint32_t flips = (uint32_t)(next_random() % 3);
		int status;

		/* HELLO with another nonce would be the end of the pools. */
		if (req.op == TMEM_WIRE_HELLO || req.op == TMEM_WIRE_EVENT)
			continue;
		req.form = (uint8_t)(next_random() % 3);
		req.count = (uint16_t)(req.form ? 1 + next_random() % TMEM_WIRE_BATCH : 1);
		req.pool = (uint32_t)(next_random() % 3);
		if (req.form != TMEM_WIRE_LIST) {
			req.object[0] = next_random() % 4;
			req.index = (uint32_t)(next_random() % 100);
		}
		memset(bytes, 0, sizeof(bytes));
		{
			struct tmem_wire_request wire = {
				.op = req.op % TMEM_WIRE_OPS, .form = req.form, .count = req.count};

			tmem_wire_layout(&wire);
			readable = (uint32_t)wire.read;
			writable = (uint32_t)wire.written;
		}
		tmem_wire_put_req(raw, &req);
		while (flips--)
			raw[next_random() % sizeof(raw)] ^= (uint8_t)(1u << next_random() % 8);
		memcpy(bytes, raw, sizeof(raw));
		if (raw[0] == TMEM_WIRE_EVENT)
			continue;
		if (next_random() % 8 == 0)
			readable += (uint32_t)(next_random() % 9) - 4;
		status = dv_raw(&world->fe, DV_QUEUE, bytes, readable, writable, &used);
		assert_true(status <= 0 && status > -200);
		assert_int_equal(used, status ? sizeof(struct tmem_rep) : writable);
		done += !status;
	}
	/* Many of them were good, and many were not. */
	assert_in_range(done, RANDOM / 20, RANDOM - RANDOM / 20);
	assert_false(fe_is_dead(&world->fe));
	harness_settle(world->harness);
	harness_check(world->harness);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		WORLD_CASE(each_mistake_has_its_code),
		WORLD_CASE(bad_entry_touches_nothing),
		WORLD_CASE(what_cannot_be_answered_ends_the_session),
		WORLD_CASE(random_requests_are_answered),
	};

	alarm(60);
	return cmocka_run_group_tests_name("device malformed", cases, NULL, NULL);
}
