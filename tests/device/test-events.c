// SPDX-License-Identifier: MIT
/* EVENT: it waits without being in the way, and no news is missed. */
#include "world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

static const struct tmem_req event = {.op = TMEM_WIRE_EVENT, .count = 1};

static uint16_t ask(struct world *world, uint32_t queue)
{
	uint16_t head = dv_start(&world->fe, queue, &event, NULL, NULL);

	fe_kick(&world->fe, queue);
	harness_pump(world->harness);
	return head;
}

static bool is_silent(struct world *world, uint32_t queue)
{
	harness_pump_for(world->harness, 20);
	return fe_used_index(&world->fe, queue) == world->fe.queue[queue].seen;
}

static void told(struct world *world, uint32_t queue, uint16_t head, uint64_t news)
{
	struct dv_reply reply;

	assert_int_equal(dv_finish(&world->fe, queue, head, &event, &reply), 0);
	assert_int_equal(reply.rep.status, 0);
	assert_int_equal(reply.event.news, news);
}

static void it_waits_for_news(void **state)
{
	struct world *world = *state;
	uint16_t head = ask(world, DV_EVENTS);

	assert_true(is_silent(world, DV_EVENTS));
	guest_freeze(world->guest, true);
	told(world, DV_EVENTS, head, TMEM_NEWS_FROZEN);
	assert_int_equal(dv_put(&world->fe, (uint32_t)world->ephemeral, 1, 1, 1), -TMEM_EAGAIN);
	head = ask(world, DV_EVENTS);
	assert_true(is_silent(world, DV_EVENTS));
	guest_freeze(world->guest, false);
	told(world, DV_EVENTS, head, TMEM_NEWS_THAWED);
	assert_int_equal(dv_put(&world->fe, (uint32_t)world->ephemeral, 1, 1, 1), 0);
	assert_int_equal(world_figures(world).counters.events, 2);
}

static void news_between_two_are_kept(void **state)
{
	struct world *world = *state;
	struct dv_reply reply;

	guest_freeze(world->guest, true);
	guest_freeze(world->guest, false);
	guest_set_cap(world->guest, 8 << 20);
	guest_tell(world->guest, TMEM_NEWS_GIVE, 12345);
	assert_int_equal(dv_call(&world->fe, DV_EVENTS, &event, NULL, NULL, &reply), 0);
	assert_int_equal(reply.event.news, TMEM_NEWS_THAWED | TMEM_NEWS_LIMITS | TMEM_NEWS_GIVE);
	assert_int_equal(reply.event.cap, 8 << 20);
	assert_int_equal(reply.event.allocation, WORLD_ALLOCATION);
	assert_int_equal(reply.event.wanted, 12345);
	(void)ask(world, DV_EVENTS);
	assert_true(is_silent(world, DV_EVENTS));
}

static void another_one_beside_it_is_refused(void **state)
{
	struct world *world = *state;
	struct dv_reply reply;
	uint16_t head = ask(world, DV_EVENTS);

	assert_int_equal(dv_call(&world->fe, DV_EVENTS, &event, NULL, NULL, &reply), -TMEM_EPROTO);
	assert_int_equal(dv_call(&world->fe, DV_QUEUE, &event, NULL, NULL, &reply), -TMEM_EPROTO);
	assert_true(is_silent(world, DV_EVENTS));
	guest_tell(world->guest, TMEM_NEWS_DROPPED, 0);
	told(world, DV_EVENTS, head, TMEM_NEWS_DROPPED);
}

static void it_is_overtaken_by_everything(void **state)
{
	struct world *world = *state;
	uint32_t pool = (uint32_t)world->persistent;
	struct tmem_req put = dv_req(TMEM_WIRE_PUT);
	uint16_t head = ask(world, DV_QUEUE), other;
	uint8_t page[TMEM_PAGE_SIZE];
	struct dv_reply reply;
	uint32_t i;

	put.pool = pool;
	put.object[0] = 1;
	for (i = 0; i < 3; i++) {
		dv_fill(page, i);
		put.index = i;
		other = dv_start(&world->fe, DV_QUEUE, &put, NULL, page);
		assert_int_not_equal(other, head);
		fe_kick(&world->fe, DV_QUEUE);
		assert_int_equal(dv_finish(&world->fe, DV_QUEUE, other, &put, &reply), 0);
		assert_int_equal(reply.rep.done, 1);
	}
	guest_tell(world->guest, TMEM_NEWS_DROPPED, 0);
	told(world, DV_QUEUE, head, TMEM_NEWS_DROPPED);
	assert_int_equal(dv_get(&world->fe, pool, 1, 2, 2), 0);
}

static void queue_of_events_takes_nothing_else(void **state)
{
	struct world *world = *state;
	uint8_t page[TMEM_PAGE_SIZE] = {0};
	struct dv_reply reply;
	uint8_t op;

	for (op = 0; op < TMEM_WIRE_OPS; op++) {
		struct tmem_req req = dv_req(op);

		if (op == TMEM_WIRE_EVENT)
			continue;
		assert_int_equal(dv_call(&world->fe, DV_EVENTS, &req, NULL, page, &reply),
				 -TMEM_EPROTO);
	}
}

/* Who stops the ring gets it back; it is not news. */
static void it_ends_with_its_ring(void **state)
{
	struct world *world = *state;
	uint16_t head;
	uint32_t base;

	/* Without a region that remembers what is in flight. */
	fe_disconnect(&world->fe);
	world->fe.use_inflight = false;
	assert_int_equal(fe_up(&world->fe, 3, true), 0);
	{
		struct dv_reply reply;

		assert_int_equal(dv_hello(&world->fe, WORLD_NONCE, &reply), 0);
	}
	head = ask(world, DV_EVENTS);
	assert_true(is_silent(world, DV_EVENTS));
	assert_int_equal(fe_stop(&world->fe, DV_EVENTS, &base), 0);
	told(world, DV_EVENTS, head, 0);
	assert_int_equal(fe_start(&world->fe, DV_EVENTS), 0);
	head = ask(world, DV_EVENTS);
	assert_true(is_silent(world, DV_EVENTS));
	guest_freeze(world->guest, true);
	told(world, DV_EVENTS, head, TMEM_NEWS_FROZEN);
}

/* A frozen client's system that begins is told so. */
static void newcomer_hears_that_it_is_frozen(void **state)
{
	struct world *world = *state;
	struct dv_reply reply;

	guest_freeze(world->guest, true);
	fe_disconnect(&world->fe);
	assert_int_equal(fe_up(&world->fe, 3, true), 0);
	assert_int_equal(dv_hello(&world->fe, WORLD_NONCE, &reply), 0);
	told(world, DV_EVENTS, ask(world, DV_EVENTS), TMEM_NEWS_FROZEN);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		WORLD_CASE(it_waits_for_news),
		WORLD_CASE(news_between_two_are_kept),
		WORLD_CASE(another_one_beside_it_is_refused),
		WORLD_CASE(it_is_overtaken_by_everything),
		WORLD_CASE(queue_of_events_takes_nothing_else),
		WORLD_CASE(it_ends_with_its_ring),
		WORLD_CASE(newcomer_hears_that_it_is_frozen),
	};

	alarm(60);
	return cmocka_run_group_tests_name("device events", cases, NULL, NULL);
}
