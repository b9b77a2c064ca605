// SPDX-License-Identifier: MIT
/*
 * The device's operations on pages and pools, each from a driver's ring to
 * the engine and back: every form, cut into any pieces, up to a whole batch.
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

#define BATCH TMEM_WIRE_BATCH

static uint8_t pages[BATCH][TMEM_PAGE_SIZE];

static struct tmem_req batch_req(uint8_t op, uint8_t form, uint32_t pool, uint16_t count)
{
	struct tmem_req req = dv_req(op);

	req.form = form;
	req.count = count;
	req.pool = pool;
	if (form != TMEM_WIRE_LIST) {
		req.object[0] = 77;
		req.object[2] = 1;
		req.index = 1000;
	}
	return req;
}

static void name_pages(struct tmem_ent *list)
{
	uint32_t i;

	memset(list, 0, BATCH * sizeof(*list));
	for (i = 0; i < BATCH; i++) {
		list[i].object[0] = 5;
		list[i].object[1] = i % 7;
		list[i].index = 0xffffffffu - i * 1000;
	}
}

static void fill_pages(uint64_t seed)
{
	uint32_t i;

	for (i = 0; i < BATCH; i++)
		dv_fill(pages[i], seed + i);
}

static void put_get_and_flush(struct world *world, uint32_t pool, bool stays)
{
	struct frontend *fe = &world->fe;

	assert_int_equal(dv_get(fe, pool, 1, 1, 0), -TMEM_ENOENT);
	assert_int_equal(dv_put(fe, pool, 1, 1, 11), 0);
	assert_int_equal(dv_put(fe, pool, 1, 2, 12), 0);
	assert_int_equal(dv_put(fe, pool, 1, 1, 13), 0);
	assert_int_equal(dv_get(fe, pool, 1, 1, 13), 0);
	assert_int_equal(dv_get(fe, pool, 1, 1, 13), stays ? 0 : -TMEM_ENOENT);
	assert_int_equal(dv_flush(fe, pool, 1, 2), 1);
	assert_int_equal(dv_flush(fe, pool, 1, 2), 0);
	assert_int_equal(dv_get(fe, pool, 1, 2, 0), -TMEM_ENOENT);
	assert_int_equal(dv_flush(fe, pool, 1, 1), stays);
}

static void page_is_put_got_and_flushed(void **state)
{
	struct world *world = *state;

	put_get_and_flush(world, (uint32_t)world->ephemeral, false);
	put_get_and_flush(world, (uint32_t)world->persistent, true);
}

/* A whole batch of @form, some of whose pages are not there any more when it is got. */
static void batch_of(struct world *world, uint8_t form, uint16_t count)
{
	struct frontend *fe = &world->fe;
	uint32_t pool = (uint32_t)world->persistent, i, found = 0;
	struct tmem_ent list[BATCH];
	struct dv_reply reply;
	struct tmem_req req;

	name_pages(list);
	fill_pages(form * 100 + count);
	req = batch_req(TMEM_WIRE_PUT, form, pool, count);
	assert_int_equal(dv_call(fe, DV_QUEUE, &req, list, pages, &reply), 0);
	assert_int_equal(reply.rep.done, count);
	for (i = 0; i < count; i += 3) {
		struct tmem_req one = dv_req(TMEM_WIRE_FLUSH);

		one.pool = pool;
		memcpy(one.object, form == TMEM_WIRE_LIST ? list[i].object : req.object,
		       sizeof(one.object));
		one.index = form == TMEM_WIRE_LIST ? list[i].index : req.index + i;
		assert_int_equal(dv_call(fe, DV_QUEUE, &one, NULL, NULL, &reply), 0);
		assert_int_equal(reply.rep.done, 1);
		assert_int_equal(reply.result[0], 1);
	}
	req.op = TMEM_WIRE_GET;
	assert_int_equal(dv_call(fe, DV_QUEUE, &req, list, NULL, &reply), 0);
	for (i = 0; i < count; i++) {
		const uint8_t *page = reply.data + i * TMEM_PAGE_SIZE;

		if (i % 3) {
			found++;
			assert_int_equal(reply.result[i], 0);
			assert_memory_equal(page, pages[i], TMEM_PAGE_SIZE);
		} else {
			uint8_t untouched[TMEM_PAGE_SIZE];

			memset(untouched, 0x5a, sizeof(untouched));
			assert_int_equal(reply.result[i], -TMEM_ENOENT);
			assert_memory_equal(page, untouched, TMEM_PAGE_SIZE);
		}
	}
	assert_int_equal(reply.rep.done, found);
	req.op = TMEM_WIRE_FLUSH;
	assert_int_equal(dv_call(fe, DV_QUEUE, &req, list, NULL, &reply), 0);
	assert_int_equal(reply.rep.done, found);
	for (i = 0; i < count; i++)
		assert_int_equal(reply.result[i], i % 3 != 0);
	assert_int_equal(harness_stored(world->guest), 0);
}

static void batches_have_three_forms(void **state)
{
	struct world *world = *state;

	batch_of(world, TMEM_WIRE_ONE, 1);
	batch_of(world, TMEM_WIRE_RUN, 1);
	batch_of(world, TMEM_WIRE_RUN, 17);
	batch_of(world, TMEM_WIRE_RUN, BATCH);
	batch_of(world, TMEM_WIRE_LIST, 1);
	batch_of(world, TMEM_WIRE_LIST, 16);
	batch_of(world, TMEM_WIRE_LIST, BATCH);
}

static void chains_are_cut_anyhow(void **state)
{
	struct world *world = *state;

	for (world->fe.pieces = 1; world->fe.pieces <= 4; world->fe.pieces++)
		batch_of(world, TMEM_WIRE_LIST, BATCH);
	world->fe.indirect = true;
	for (world->fe.pieces = 1; world->fe.pieces <= 31; world->fe.pieces += 5)
		batch_of(world, TMEM_WIRE_RUN, BATCH);
}

static void page_named_twice_is_done_twice(void **state)
{
	struct world *world = *state;
	struct tmem_req req = batch_req(TMEM_WIRE_PUT, TMEM_WIRE_LIST, 0, 2);
	struct tmem_ent list[2] = {{{9, 0, 0}, 4, 0}, {{9, 0, 0}, 4, 0}};
	struct dv_reply reply;

	req.pool = (uint32_t)world->ephemeral;
	dv_fill(pages[0], 1);
	dv_fill(pages[1], 2);
	assert_int_equal(dv_call(&world->fe, DV_QUEUE, &req, list, pages, &reply), 0);
	assert_int_equal(reply.rep.done, 2);
	req.op = TMEM_WIRE_GET;
	assert_int_equal(dv_call(&world->fe, DV_QUEUE, &req, list, NULL, &reply), 0);
	assert_int_equal(reply.rep.done, 1);
	assert_int_equal(reply.result[0], 0);
	assert_int_equal(reply.result[1], -TMEM_ENOENT);
	assert_true(dv_is(reply.data, 2));
}

/* More than one turn's worth of pages in one ring, and every one is answered. */
static void many_batches_at_once(void **state)
{
	struct world *world = *state;
	struct tmem_req req =
		batch_req(TMEM_WIRE_PUT, TMEM_WIRE_RUN, (uint32_t)world->persistent, BATCH);
	struct dv_reply reply;
	uint16_t head[4];
	uint32_t i;

	fill_pages(500);
	for (i = 0; i < 4; i++) {
		req.index = i * BATCH;
		head[i] = dv_start(&world->fe, DV_QUEUE, &req, NULL, pages);
	}
	fe_kick(&world->fe, DV_QUEUE);
	for (i = 0; i < 4; i++) {
		assert_int_equal(dv_finish(&world->fe, DV_QUEUE, head[i], &req, &reply), 0);
		assert_int_equal(reply.rep.done, BATCH);
	}
	assert_int_equal(harness_stored(world->guest), 4 * BATCH);
}

static int range(struct world *world, uint64_t object, uint32_t index, uint64_t count)
{
	struct tmem_req req = dv_req(TMEM_WIRE_FLUSH_RANGE);
	struct dv_reply reply;

	req.pool = (uint32_t)world->persistent;
	req.object[0] = object;
	req.index = index;
	req.arg[0] = count;
	return dv_call(&world->fe, DV_QUEUE, &req, NULL, NULL, &reply);
}

static void ranges_and_objects_are_flushed(void **state)
{
	struct world *world = *state;
	struct tmem_req req = dv_req(TMEM_WIRE_FLUSH_OBJECT);
	uint32_t pool = (uint32_t)world->persistent, i;
	struct dv_reply reply;

	for (i = 0; i < 100; i++)
		assert_int_equal(dv_put(&world->fe, pool, 3, i, i), 0);
	assert_int_equal(dv_put(&world->fe, pool, 3, 0xffffffffu, 4), 0);
	assert_int_equal(range(world, 3, 10, 20), 0);
	for (i = 0; i < 100; i++)
		assert_int_equal(dv_get(&world->fe, pool, 3, i, i),
				 i >= 10 && i < 30 ? -TMEM_ENOENT : 0);
	assert_int_equal(range(world, 3, 50, 0), 0);
	assert_int_equal(dv_get(&world->fe, pool, 3, 50, 50), 0);
	assert_int_equal(range(world, 3, 50, TMEM_WIRE_RANGE), 0);
	assert_int_equal(dv_get(&world->fe, pool, 3, 0xffffffffu, 4), -TMEM_ENOENT);
	assert_int_equal(dv_get(&world->fe, pool, 3, 49, 49), 0);

	req.pool = pool;
	req.object[0] = 3;
	assert_int_equal(dv_call(&world->fe, DV_QUEUE, &req, NULL, NULL, &reply), 0);
	assert_int_equal(reply.rep.value, 1);
	assert_int_equal(dv_call(&world->fe, DV_QUEUE, &req, NULL, NULL, &reply), 0);
	assert_int_equal(reply.rep.value, 0);
	assert_int_equal(dv_get(&world->fe, pool, 3, 49, 49), -TMEM_ENOENT);
}

static int destroy(struct world *world, uint32_t pool)
{
	struct tmem_req req = dv_req(TMEM_WIRE_DESTROY_POOL);
	struct dv_reply reply;

	req.pool = pool;
	return dv_call(&world->fe, DV_QUEUE, &req, NULL, NULL, &reply);
}

static void pools_come_and_go(void **state)
{
	struct world *world = *state;
	uint32_t i;
	int pool;

	/* The same cookie gives the same pool, and never one with other flags. */
	assert_int_equal(dv_pool(&world->fe, 0, 1), world->ephemeral);
	assert_int_equal(dv_pool(&world->fe, TMEM_POOL_PERSISTENT, 1), -TMEM_EINVAL);
	/* Sixteen, and one more; then none is left behind, however often it is done. */
	for (i = 2; i < TMEM_POOLS_PER_CLIENT; i++)
		assert_true(dv_pool(&world->fe, 0, 100 + i) >= 0);
	assert_int_equal(dv_pool(&world->fe, 0, 0), -TMEM_EOVERFLOW);
	for (i = 0; i < 200; i++) {
		pool = dv_pool(&world->fe, 0, 115);
		assert_true(pool >= 0);
		assert_int_equal(dv_put(&world->fe, (uint32_t)pool, 1, 1, 1), 0);
		assert_int_equal(destroy(world, (uint32_t)pool), 0);
		assert_int_equal(destroy(world, (uint32_t)pool), -TMEM_ENODEV);
		assert_int_equal(dv_get(&world->fe, (uint32_t)pool, 1, 1, 1), -TMEM_ENODEV);
	}
	assert_int_equal(dv_put(&world->fe, 99, 1, 1, 1), -TMEM_ENODEV);
	assert_int_equal(dv_flush(&world->fe, 99, 1, 1), -TMEM_ENODEV);
}

static void figures_are_told(void **state)
{
	struct world *world = *state;
	struct tmem_req req = dv_req(TMEM_WIRE_STAT);
	struct guest_figures figures;
	struct dv_reply reply;

	assert_int_equal(dv_put(&world->fe, (uint32_t)world->persistent, 1, 1, 1), 0);
	assert_int_equal(dv_put(&world->fe, (uint32_t)world->ephemeral, 1, 1, 1), 0);
	assert_int_equal(dv_get(&world->fe, (uint32_t)world->ephemeral, 1, 2, 1), -TMEM_ENOENT);
	req.pool = TMEM_WIRE_ALL_POOLS;
	assert_int_equal(dv_call(&world->fe, DV_QUEUE, &req, NULL, NULL, &reply), 0);
	assert_int_equal(reply.stat.puts, 2);
	assert_int_equal(reply.stat.puts_stored, 2);
	assert_int_equal(reply.stat.gets, 1);
	assert_int_equal(reply.stat.gets_hit, 0);
	assert_int_equal(reply.stat.ephemeral_pages, 1);
	assert_int_equal(reply.stat.persistent_pages, 1);
	assert_int_equal(reply.stat.allocation, WORLD_ALLOCATION);
	assert_int_equal(reply.stat.cap, WORLD_CAP);
	assert_true(reply.stat.billed >= TMEM_PAGE_SIZE);
	req.pool = (uint32_t)world->persistent;
	assert_int_equal(dv_call(&world->fe, DV_QUEUE, &req, NULL, NULL, &reply), 0);
	assert_int_equal(reply.stat.puts, 1);
	assert_int_equal(reply.stat.gets, 0);
	assert_int_equal(reply.stat.allocation, WORLD_ALLOCATION);
	req.pool = 99;
	assert_int_equal(dv_call(&world->fe, DV_QUEUE, &req, NULL, NULL, &reply), -TMEM_ENODEV);

	figures = world_figures(world);
	assert_int_equal(figures.counters.pages_in, 2);
	assert_int_equal(figures.counters.pages_out, 0);
	assert_int_equal(figures.counters.refused, 1);
	assert_int_equal(figures.counters.hellos, 1);
	/* Time passes for whoever is served, and for nobody else. */
	assert_true(figures.counters.busy_ns > 0);
	harness_pump_for(world->harness, 5);
	assert_int_equal(world_figures(world).counters.busy_ns, figures.counters.busy_ns);
}

/* A put beyond the allocation is refused by page, and the rest of its batch goes on. */
static void full_client_is_told_by_page(void **state)
{
	struct world *world = *state;
	struct tmem_req req =
		batch_req(TMEM_WIRE_PUT, TMEM_WIRE_RUN, (uint32_t)world->persistent, BATCH);
	uint32_t i, stored = 0, refused = 0, j;
	struct dv_reply reply;

	fill_pages(900);
	for (i = 0; i < 2 * WORLD_ALLOCATION / TMEM_PAGE_SIZE / BATCH; i++) {
		req.index = i * BATCH;
		assert_int_equal(dv_call(&world->fe, DV_QUEUE, &req, NULL, pages, &reply), 0);
		stored += reply.rep.done;
		for (j = 0; j < BATCH; j++) {
			assert_true(!reply.result[j] || reply.result[j] == -TMEM_ENOSPC);
			refused += reply.result[j] != 0;
		}
	}
	assert_true(stored >= tmem_allocation_pages(WORLD_ALLOCATION, 64, 0));
	assert_int_equal(stored + refused, i * BATCH);
	assert_int_equal(harness_stored(world->guest), stored);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		WORLD_CASE(page_is_put_got_and_flushed), WORLD_CASE(batches_have_three_forms),
		WORLD_CASE(chains_are_cut_anyhow),	 WORLD_CASE(page_named_twice_is_done_twice),
		WORLD_CASE(many_batches_at_once),	 WORLD_CASE(ranges_and_objects_are_flushed),
		WORLD_CASE(pools_come_and_go),		 WORLD_CASE(figures_are_told),
		WORLD_CASE(full_client_is_told_by_page),
	};

	alarm(60);
	return cmocka_run_group_tests_name("device pages", cases, NULL, NULL);
}
