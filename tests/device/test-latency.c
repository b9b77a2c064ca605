// SPDX-License-Identifier: MIT
/*
 * What is counted as a request's time: from when it was found in its ring to
 * its answer, waiting included, once for each request and in its own column.
 * Bounds are times that were measured around it, so that no slowness can make
 * a case fail.
 */
#include "latency.h"
#include "world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BATCHES 12

static uint8_t pages[TMEM_WIRE_BATCH][TMEM_PAGE_SIZE];

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static struct latency_histogram of(const struct guest *guest, enum latency_op op)
{
	return guest_latency(guest)->op[op];
}

static uint64_t requests(const struct guest *guest, enum latency_op op)
{
	struct latency_histogram histogram = of(guest, op);

	return latency_requests(&histogram);
}

static void each_request_is_counted_once(void **state)
{
	struct world *world = *state;
	uint32_t pool = (uint32_t)world->ephemeral, i;
	uint64_t others = requests(world->guest, LATENCY_other), begun = now();
	struct latency_histogram put, get;
	struct tmem_req req;
	struct dv_reply reply;

	for (i = 0; i < 10; i++) {
		assert_int_equal(dv_put(&world->fe, pool, 1, i, i), 0);
		assert_int_equal(dv_get(&world->fe, pool, 1, i, i), 0);
	}
	begun = now() - begun;
	put = of(world->guest, LATENCY_put);
	get = of(world->guest, LATENCY_get);
	assert_int_equal(latency_requests(&put), 10);
	assert_int_equal(latency_requests(&get), 10);
	assert_true(put.sum && get.sum && put.sum + get.sum <= begun);
	assert_true(put.most <= put.sum && put.most * 10 >= put.sum);

	assert_int_equal(dv_flush(&world->fe, pool, 1, 3), 0);
	req = dv_req(TMEM_WIRE_FLUSH_OBJECT);
	req.pool = pool;
	assert_int_equal(dv_call(&world->fe, DV_QUEUE, &req, NULL, NULL, &reply), 0);
	req.op = TMEM_WIRE_FLUSH_RANGE;
	req.arg[0] = 5;
	assert_int_equal(dv_call(&world->fe, DV_QUEUE, &req, NULL, NULL, &reply), 0);
	req = dv_req(TMEM_WIRE_NOP);
	assert_int_equal(dv_call(&world->fe, DV_QUEUE, &req, NULL, NULL, &reply), 0);
	assert_int_equal(requests(world->guest, LATENCY_flush), 1);
	assert_int_equal(requests(world->guest, LATENCY_flush_object), 1);
	assert_int_equal(requests(world->guest, LATENCY_flush_range), 1);
	assert_int_equal(requests(world->guest, LATENCY_other), others + 1);
	assert_int_equal(requests(world->guest, LATENCY_put), 10);
}

/* What waits for news may wait for ever, and delays nobody. */
static void waiting_for_news_is_no_delay(void **state)
{
	struct world *world = *state;
	uint64_t others = requests(world->guest, LATENCY_other);
	struct tmem_req req = dv_req(TMEM_WIRE_EVENT);
	struct dv_reply reply;
	uint16_t head = dv_start(&world->fe, DV_EVENTS, &req, NULL, NULL);

	fe_kick(&world->fe, DV_EVENTS);
	harness_pump(world->harness);
	guest_tell(world->guest, TMEM_NEWS_DROPPED, 0);
	assert_int_equal(dv_finish(&world->fe, DV_EVENTS, head, &req, &reply), 0);
	assert_int_equal(requests(world->guest, LATENCY_other), others);
}

/* A part of a batch a turn: the last one has waited through all turns but the first. */
static void waiting_between_turns_counts(void **state)
{
	struct world *world = *state;
	struct turns *turns = &harness_daemon(world->harness)->turns;
	struct tmem_req req = dv_req(TMEM_WIRE_PUT);
	struct latency_histogram put;
	uint64_t first, all;
	uint32_t i;

	harness_pump(world->harness);
	req.form = TMEM_WIRE_RUN;
	req.count = TMEM_WIRE_BATCH;
	req.pool = (uint32_t)world->persistent;
	all = now();
	for (i = 0; i < BATCHES; i++) {
		req.index = i * TMEM_WIRE_BATCH;
		(void)dv_start(&world->fe, DV_QUEUE, &req, NULL, pages);
	}
	guest_look(world->guest);
	turns_everybody(turns);
	first = now();
	for (i = 2; i < BATCHES * TMEM_WIRE_BATCH / TURNS_PART; i++)
		turns_everybody(turns);
	/* So long has passed since all of them were seen, and the last one is not answered. */
	first = now() - first;
	put = of(world->guest, LATENCY_put);
	assert_int_equal(latency_requests(&put), BATCHES - 1);
	turns_everybody(turns);
	all = now() - all;
	put = of(world->guest, LATENCY_put);
	assert_int_equal(latency_requests(&put), BATCHES);
	assert_true(put.most > first && put.most <= all);
	assert_true(put.sum > put.most);
}

/* Small requests of one turn share a reading of the clock; none is left out, none gets it all. */
static void neighbours_share_a_clock(void **state)
{
	struct world *world = *state;
	struct tmem_req req = dv_req(TMEM_WIRE_PUT);
	struct latency_histogram put;
	uint64_t begun, all;
	uint32_t i;

	harness_pump(world->harness);
	req.pool = (uint32_t)world->ephemeral;
	begun = now();
	for (i = 0; i < 15; i++) {
		req.index = i;
		(void)dv_start(&world->fe, DV_QUEUE, &req, NULL, pages);
	}
	guest_look(world->guest);
	turns_everybody(&harness_daemon(world->harness)->turns);
	all = now() - begun;
	put = of(world->guest, LATENCY_put);
	assert_int_equal(latency_requests(&put), 15);
	assert_true(put.most <= all);
	/* If all had ended with the last one, each would have taken as long. */
	assert_true(put.sum < 15 * put.most);
}

/* A disk that is frozen lets its writes wait, and they know for how long. */
static void a_frozen_write_counts_the_freeze(void **state)
{
	struct world *world = *state;
	struct guest *disk = harness_guest(world->harness, "disk", 64, false);
	struct latency_histogram write;
	struct frontend fe;
	uint8_t page[4096];
	uint64_t frozen, begun;
	uint16_t head;
	bool same;

	fe_init(&fe, harness_path(world->harness, "disk"), world_pump, world->harness);
	assert_int_equal(fe_up(&fe, 1, true), 0);
	begun = now();
	assert_int_equal(fe_write(&fe, 0, 1, 1), FE_OK);
	begun = now() - begun;
	write = of(disk, LATENCY_write);
	assert_true(write.sum && write.sum <= begun);
	tmem_client_freeze(guest_client(disk), 1);
	fe_fill(page, 2, 2);
	head = fe_submit(&fe, 0, FE_OUT, 2 * 8, page, 4096);
	fe_kick(&fe, 0);
	harness_pump_for(world->harness, 5);
	frozen = now();
	assert_int_equal(fe_read(&fe, 0, 1, 1, &same), FE_OK);
	harness_pump_for(world->harness, 50);
	frozen = now() - frozen;
	assert_int_equal(requests(disk, LATENCY_write), 1);
	tmem_client_freeze(guest_client(disk), 0);
	assert_int_equal(fe_wait(&fe, 0), head);
	write = of(disk, LATENCY_write);
	assert_int_equal(latency_requests(&write), 2);
	assert_true(write.most >= frozen);
	assert_int_equal(requests(disk, LATENCY_read), 1);
	assert_int_equal(fe_range(&fe, 0, FE_DISCARD, 0, 8, 0), FE_OK);
	assert_int_equal(fe_range(&fe, 0, FE_ZEROES, 0, 8, 0), FE_OK);
	assert_int_equal(fe_io(&fe, 0, FE_FLUSH, 0, NULL, 0), FE_OK);
	assert_int_equal(requests(disk, LATENCY_discard), 1);
	assert_int_equal(requests(disk, LATENCY_write_zeroes), 1);
	assert_int_equal(requests(disk, LATENCY_flush), 1);
	assert_int_equal(requests(disk, LATENCY_put), 0);
	fe_close(&fe);
	harness_remove(world->harness, disk);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		WORLD_CASE(each_request_is_counted_once),
		WORLD_CASE(waiting_for_news_is_no_delay),
		WORLD_CASE(waiting_between_turns_counts),
		WORLD_CASE(neighbours_share_a_clock),
		WORLD_CASE(a_frozen_write_counts_the_freeze),
	};

	alarm(60);
	return cmocka_run_group_tests_name("device latency", cases, NULL, NULL);
}
