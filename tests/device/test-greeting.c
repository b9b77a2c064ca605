// SPDX-License-Identifier: MIT
/*
 * HELLO: what must be said first, what is refused, and what is found again
 * when the same system, or another one, comes back.
 */
#include "world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

/* Another connection, that has not greeted. */
static void connect_again(struct world *world)
{
	fe_disconnect(&world->fe);
	assert_int_equal(fe_up(&world->fe, 3, true), 0);
}

static void nothing_is_done_before_it(void **state)
{
	struct world *world = *state;
	struct tmem_req req = dv_req(0);
	struct dv_reply reply;
	uint8_t op;

	assert_int_equal(dv_put(&world->fe, (uint32_t)world->persistent, 1, 1, 1), 0);
	connect_again(world);
	for (op = 0; op < TMEM_WIRE_OPS; op++) {
		uint8_t pages[TMEM_PAGE_SIZE] = {0};

		req.op = op;
		req.pool = 0;
		if (op == TMEM_WIRE_HELLO)
			continue;
		assert_int_equal(dv_call(&world->fe, DV_QUEUE, &req, NULL, pages, &reply),
				 -TMEM_EPROTO);
	}
	assert_int_equal(dv_hello(&world->fe, WORLD_NONCE, &reply), 0);
	/* The control: with it, what was there is there. */
	assert_int_equal(dv_get(&world->fe, (uint32_t)world->persistent, 1, 1, 1), 0);
}

/* QEMU warns of one behind vhost-user-fs. That a disk has one is the control, in tests/vhost. */
static void there_is_no_configuration_space(void **state)
{
	struct world *world = *state;

	assert_false(world->fe.protocol >> 9 & 1);
	assert_true(world->fe.protocol >> 3 & 1);
}

static void it_is_said_once(void **state)
{
	struct world *world = *state;
	struct dv_reply reply;

	assert_int_equal(dv_hello(&world->fe, WORLD_NONCE, &reply), -TMEM_EPROTO);
	assert_int_equal(dv_hello(&world->fe, 1, &reply), -TMEM_EPROTO);
	assert_int_equal(dv_put(&world->fe, (uint32_t)world->persistent, 1, 1, 1), 0);
}

static int hello_with(struct world *world, struct tmem_req req)
{
	struct dv_reply reply;

	return dv_call(&world->fe, DV_QUEUE, &req, NULL, NULL, &reply);
}

static void wrong_ones_are_refused(void **state)
{
	struct world *world = *state;
	struct tmem_req good = dv_req(TMEM_WIRE_HELLO), req;
	struct dv_reply reply;

	good.pool = TMEM_WIRE_VERSIONS(TMEM_WIRE_VERSION, TMEM_WIRE_VERSION);
	good.object[0] = TMEM_WIRE_MAGIC;
	good.index = TMEM_PAGE_SIZE;
	good.arg[0] = WORLD_NONCE;
	connect_again(world);

	req = good;
	req.object[0]++;
	assert_int_equal(hello_with(world, req), -TMEM_EINVAL);
	req = good;
	req.pool = TMEM_WIRE_VERSIONS(TMEM_WIRE_VERSION + 1, TMEM_WIRE_VERSION + 9);
	assert_int_equal(hello_with(world, req), -TMEM_EOPNOTSUPP);
	req = good;
	req.pool = TMEM_WIRE_VERSIONS(2, 1);
	assert_int_equal(hello_with(world, req), -TMEM_EINVAL);
	req = good;
	req.index = 16384;
	assert_int_equal(hello_with(world, req), -TMEM_EOPNOTSUPP);
	req = good;
	req.object[2] = 1;
	assert_int_equal(hello_with(world, req), -TMEM_EINVAL);
	req = good;
	req.arg[1] = 1;
	assert_int_equal(hello_with(world, req), -TMEM_EINVAL);
	req = good;
	req.count = 2;
	assert_int_equal(hello_with(world, req), -TMEM_EINVAL);
	/* A refused one was none, and ended nothing. */
	assert_int_equal(dv_put(&world->fe, (uint32_t)world->persistent, 1, 1, 1), -TMEM_EPROTO);
	good.object[1] = 0xff; /* features that nobody knows are not granted, and no error */
	assert_int_equal(hello_with(world, good), 0);
	assert_int_equal(dv_put(&world->fe, (uint32_t)world->persistent, 1, 1, 1), 0);
	assert_int_equal(dv_hello(&world->fe, 1, &reply), -TMEM_EPROTO);
}

static void it_says_what_there_is(void **state)
{
	struct world *world = *state;
	struct dv_reply reply;

	connect_again(world);
	assert_int_equal(dv_hello(&world->fe, WORLD_NONCE, &reply), 0);
	assert_int_equal(reply.hello.version, TMEM_WIRE_VERSION);
	assert_int_equal(reply.hello.page_size, TMEM_PAGE_SIZE);
	assert_int_equal(reply.hello.max_batch, TMEM_WIRE_BATCH);
	assert_int_equal(reply.hello.max_pools, TMEM_POOLS_PER_CLIENT);
	assert_int_equal(reply.hello.features, 0);
	assert_int_equal(reply.hello.client, WORLD_ID);
	assert_int_equal(reply.hello.epoch, WORLD_EPOCH);
	assert_int_equal(reply.hello.session, 0);
	assert_int_equal(reply.hello.zero[0] | reply.hello.zero[1], 0);
}

static void same_system_goes_on_and_another_begins(void **state)
{
	struct world *world = *state;
	uint32_t pool = (uint32_t)world->persistent;
	struct dv_reply reply;

	assert_int_equal(dv_put(&world->fe, pool, 1, 1, 11), 0);
	connect_again(world);
	assert_int_equal(dv_hello(&world->fe, WORLD_NONCE, &reply), 0);
	assert_int_equal(reply.hello.session, 0);
	assert_int_equal(dv_get(&world->fe, pool, 1, 1, 11), 0);
	assert_int_equal(dv_pool(&world->fe, TMEM_POOL_PERSISTENT, 2), world->persistent);

	connect_again(world);
	assert_int_equal(dv_hello(&world->fe, WORLD_NONCE + 1, &reply), 0);
	assert_int_equal(reply.hello.session, 1);
	assert_int_equal(dv_get(&world->fe, pool, 1, 1, 11), -TMEM_ENODEV);
	/* Whatever the number, it is empty. */
	pool = (uint32_t)dv_pool(&world->fe, TMEM_POOL_PERSISTENT, 2);
	assert_int_equal(dv_get(&world->fe, pool, 1, 1, 11), -TMEM_ENOENT);

	/* And the first one does not find its pages again. */
	connect_again(world);
	assert_int_equal(dv_hello(&world->fe, WORLD_NONCE, &reply), 0);
	assert_int_equal(reply.hello.session, 1);
	assert_int_equal(dv_get(&world->fe, pool, 1, 1, 11), -TMEM_ENODEV);
	harness_settle(world->harness);
	assert_int_equal(harness_stored(world->guest), 0);
}

/* A machine that reboots, or is paused, stops its rings and keeps its connection. */
static void it_is_due_again_when_all_rings_stopped(void **state)
{
	struct world *world = *state;
	uint32_t pool = (uint32_t)world->persistent, queue, base;
	struct dv_reply reply;

	world->fe.use_inflight = false;
	connect_again(world);
	assert_int_equal(dv_hello(&world->fe, WORLD_NONCE, &reply), 0);
	assert_int_equal(dv_put(&world->fe, pool, 1, 1, 11), 0);
	/* The control: one ring is not all of them. */
	assert_int_equal(fe_stop(&world->fe, 2, &base), 0);
	assert_int_equal(dv_get(&world->fe, pool, 1, 1, 11), 0);
	for (queue = 0; queue < 2; queue++)
		assert_int_equal(fe_stop(&world->fe, queue, &base), 0);
	for (queue = 0; queue < 3; queue++) {
		fe_reset_ring(&world->fe, queue);
		assert_int_equal(fe_start(&world->fe, queue), 0);
	}
	assert_int_equal(dv_get(&world->fe, pool, 1, 1, 11), -TMEM_EPROTO);
	assert_int_equal(dv_hello(&world->fe, WORLD_NONCE, &reply), 0);
	assert_int_equal(reply.hello.session, 0);
	assert_int_equal(dv_get(&world->fe, pool, 1, 1, 11), 0);
}

/* What was in flight when the connection ended comes back before HELLO: nothing is done twice. */
static void requests_in_flight_are_refused(void **state)
{
	struct world *world = *state;
	uint32_t pool = (uint32_t)world->persistent;
	struct tmem_req event = dv_req(TMEM_WIRE_EVENT);
	struct dv_reply reply;
	uint16_t head;

	assert_int_equal(dv_put(&world->fe, pool, 1, 1, 11), 0);
	head = dv_start(&world->fe, DV_EVENTS, &event, NULL, NULL);
	fe_kick(&world->fe, DV_EVENTS);
	harness_pump(world->harness);
	fe_disconnect(&world->fe);
	assert_int_equal(fe_up(&world->fe, 3, false), 0);
	assert_int_equal(dv_finish(&world->fe, DV_EVENTS, head, &event, &reply), 0);
	assert_int_equal(reply.rep.status, -TMEM_EPROTO);
	assert_int_equal(world_figures(world).counters.resubmitted, 1);
	assert_int_equal(dv_hello(&world->fe, WORLD_NONCE, &reply), 0);
	assert_int_equal(dv_get(&world->fe, pool, 1, 1, 11), 0);
}

/* The same where HELLO comes by an earlier queue: an EVENT of before is not one that waits now. */
static void event_in_flight_is_refused_behind_hello(void **state)
{
	struct world *world = *state;
	struct tmem_req event = dv_req(TMEM_WIRE_EVENT), hello = dv_req(TMEM_WIRE_HELLO);
	uint16_t waits, greets;
	struct dv_reply reply;

	waits = dv_start(&world->fe, 2, &event, NULL, NULL);
	fe_kick(&world->fe, 2);
	harness_pump(world->harness);
	fe_disconnect(&world->fe);
	hello.pool = TMEM_WIRE_VERSIONS(TMEM_WIRE_VERSION, TMEM_WIRE_VERSION);
	hello.object[0] = TMEM_WIRE_MAGIC;
	hello.index = TMEM_PAGE_SIZE;
	hello.arg[0] = WORLD_NONCE;
	greets = dv_start(&world->fe, DV_QUEUE, &hello, NULL, NULL);
	assert_int_equal(fe_up(&world->fe, 3, false), 0);
	assert_int_equal(dv_finish(&world->fe, DV_QUEUE, greets, &hello, &reply), 0);
	assert_int_equal(reply.rep.status, 0);
	assert_int_equal(dv_finish(&world->fe, 2, waits, &event, &reply), 0);
	assert_int_equal(reply.rep.status, -TMEM_EPROTO);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		WORLD_CASE(nothing_is_done_before_it),
		WORLD_CASE(there_is_no_configuration_space),
		WORLD_CASE(it_is_said_once),
		WORLD_CASE(wrong_ones_are_refused),
		WORLD_CASE(it_says_what_there_is),
		WORLD_CASE(same_system_goes_on_and_another_begins),
		WORLD_CASE(it_is_due_again_when_all_rings_stopped),
		WORLD_CASE(requests_in_flight_are_refused),
		WORLD_CASE(event_in_flight_is_refused_behind_hello),
	};

	alarm(60);
	return cmocka_run_group_tests_name("device greeting", cases, NULL, NULL);
}
