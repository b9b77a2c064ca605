// SPDX-License-Identifier: MIT
/*
 * A client with a limit: its requests wait in their ring, and come in time. A
 * clock of our own stands still where it is counted what passes; a real one
 * says how long it took at least, which no slowness makes less.
 */
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
#define ALL	(BATCHES * TMEM_WIRE_BATCH)
#define RATE	2000 /* pages per second */
#define SAVED	21   /* pages that pass at once after a pause: 10 ms of that, and one */

static uint8_t pages[TMEM_WIRE_BATCH][TMEM_PAGE_SIZE];
static uint64_t fake_time = 1000000000000;

static uint64_t fake_clock(void)
{
	return fake_time;
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint16_t heads[BATCHES];

static struct tmem_req batch(const struct world *world, uint32_t number)
{
	struct tmem_req req = dv_req(TMEM_WIRE_PUT);

	req.form = TMEM_WIRE_RUN;
	req.count = TMEM_WIRE_BATCH;
	req.pool = (uint32_t)world->ephemeral;
	req.index = number * TMEM_WIRE_BATCH;
	return req;
}

static void offer(struct world *world)
{
	struct tmem_req req;
	uint32_t i;

	for (i = 0; i < BATCHES; i++) {
		req = batch(world, i);
		heads[i] = dv_start(&world->fe, DV_QUEUE, &req, NULL, pages);
	}
	fe_kick(&world->fe, DV_QUEUE);
}

/* None of them failed. */
static void finish(struct world *world)
{
	struct dv_reply reply;
	struct tmem_req req;
	uint32_t i, j;

	for (i = 0; i < BATCHES; i++) {
		req = batch(world, i);
		assert_int_equal(dv_finish(&world->fe, DV_QUEUE, heads[i], &req, &reply), 0);
		assert_int_equal(reply.rep.status, 0);
		for (j = 0; j < TMEM_WIRE_BATCH; j++)
			assert_int_equal(reply.result[j], 0);
	}
}

static uint64_t moved(const struct world *world, uint64_t before)
{
	return world_figures(world).counters.pages_in - before;
}

/* Until the loop would sleep. */
static void serve(struct world *world)
{
	int i;

	for (i = 0; i < 10; i++)
		harness_pump(world->harness);
}

static void what_is_too_much_waits_and_comes(void **state)
{
	struct world *world = *state;
	struct turns *turns = &harness_daemon(world->harness)->turns;
	struct tmem_req req = dv_req(TMEM_WIRE_NOP);
	uint64_t before = world_figures(world).counters.pages_in;
	uint64_t served = SAVED, ms;
	struct dv_reply reply;

	harness_pump(world->harness);
	turns->clock = fake_clock;
	guest_set_rate(world->guest, RATE * (uint64_t)TMEM_PAGE_SIZE);
	assert_int_equal(turns_sleep(turns), -1);
	offer(world);
	serve(world);
	assert_int_equal(moved(world, before), SAVED);
	assert_true(turns_sleep(turns) > 0);
	serve(world);
	assert_int_equal(moved(world, before), SAVED);
	for (ms = 1; served < ALL; ms++) {
		fake_time += 1000000;
		serve(world);
		served = moved(world, before);
		assert_true(served <= SAVED + 2 * ms);
		/* A wait is for a part of 16 pages, and to the next millisecond. */
		assert_true(served == ALL || served + 24 >= SAVED + 2 * ms);
	}
	finish(world);
	assert_true(world_figures(world).counters.rate_waits > 10);
	/* It owes nothing: after a pause it is served at once. */
	fake_time += 100000000;
	assert_int_equal(dv_call(&world->fe, DV_QUEUE, &req, NULL, NULL, &reply), 0);
}

/* The control: the same requests in the same moment. */
static void without_a_limit_all_comes_at_once(void **state)
{
	struct world *world = *state;
	struct turns *turns = &harness_daemon(world->harness)->turns;
	uint64_t before = world_figures(world).counters.pages_in;

	harness_pump(world->harness);
	turns->clock = fake_clock;
	offer(world);
	serve(world);
	assert_int_equal(moved(world, before), ALL);
	finish(world);
	assert_int_equal(world_figures(world).counters.rate_waits, 0);
	assert_int_equal(turns_sleep(turns), -1);
}

/* And beside one that waits another does not. */
static void others_do_not_wait(void **state)
{
	struct world *world = *state;
	struct guest_config config = {
		.kind = GUEST_DEVICE, .name = "other", .allocation = WORLD_ALLOCATION, .queues = 4};
	struct turns *turns = &harness_daemon(world->harness)->turns;
	struct frontend other;
	struct dv_reply reply;
	struct guest *guest;
	uint64_t before;
	uint32_t i;
	int pool;

	config.socket_path = harness_path(world->harness, "other");
	guest = harness_adopt(world->harness, &config);
	fe_init(&other, config.socket_path, world_pump, world->harness);
	assert_int_equal(fe_up(&other, 2, true), 0);
	assert_int_equal(dv_hello(&other, 5, &reply), 0);
	pool = dv_pool(&other, 0, 1);
	turns->clock = fake_clock;
	before = world_figures(world).counters.pages_in;
	guest_set_rate(world->guest, RATE * (uint64_t)TMEM_PAGE_SIZE);
	offer(world);
	for (i = 0; i < 100; i++)
		assert_int_equal(dv_put(&other, (uint32_t)pool, 4, i, i), 0);
	assert_int_equal(moved(world, before), SAVED);
	fe_close(&other);
	harness_remove(world->harness, guest);
}

static void it_takes_as_long_as_it_must(void **state)
{
	struct world *world = *state;
	uint64_t before = world_figures(world).counters.pages_in, begun = now();
	double allowed;

	guest_set_rate(world->guest, RATE * (uint64_t)TMEM_PAGE_SIZE);
	offer(world);
	while (moved(world, before) < ALL) {
		harness_pump(world->harness);
		allowed = (double)(now() - begun) / 1e9 * RATE + SAVED;
		assert_true((double)moved(world, before) <= allowed);
	}
	assert_true((double)(now() - begun) / 1e9 >= (double)(ALL - SAVED) / RATE);
	finish(world);
}

/* A disk's requests are of any size, and count by their pages. */
static void a_disk_waits_as_well(void **state)
{
	struct world *world = *state;
	struct turns *turns = &harness_daemon(world->harness)->turns;
	struct guest *disk = harness_guest(world->harness, "disk", 512, false);
	static uint8_t data[256 * 4096];
	struct guest_figures figures;
	struct frontend fe;
	uint16_t head;
	uint32_t ms;

	fe_init(&fe, harness_path(world->harness, "disk"), world_pump, world->harness);
	assert_int_equal(fe_up(&fe, 1, true), 0);
	turns->clock = fake_clock;
	guest_set_rate(disk, RATE * (uint64_t)TMEM_PAGE_SIZE);
	head = fe_submit(&fe, 0, FE_OUT, 0, data, sizeof(data));
	fe_kick(&fe, 0);
	serve(world);
	assert_int_equal(fe_used_index(&fe, 0), 0);
	guest_figures(disk, &figures);
	assert_int_equal(figures.counters.pages_in, SAVED);
	for (ms = 0; !fe_used_index(&fe, 0); ms++) {
		fake_time += 1000000;
		serve(world);
	}
	assert_true(ms >= (256 - SAVED) / 2 && ms < 256 / 2 + 20);
	assert_int_equal(fe_wait(&fe, 0), head);
	assert_int_equal(fe_status(&fe, 0, head), FE_OK);
	assert_int_equal(harness_stored(disk), 256);
	fe_close(&fe);
	harness_remove(world->harness, disk);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		WORLD_CASE(what_is_too_much_waits_and_comes),
		WORLD_CASE(without_a_limit_all_comes_at_once),
		WORLD_CASE(others_do_not_wait),
		WORLD_CASE(it_takes_as_long_as_it_must),
		WORLD_CASE(a_disk_waits_as_well),
	};

	alarm(60);
	return cmocka_run_group_tests_name("device rate", cases, NULL, NULL);
}
