// SPDX-License-Identifier: MIT
/*
 * Peers that are silent, deaf or gone, at any moment: each costs itself its
 * session, the clients beside it nothing, and the daemon no memory.
 */
#include "world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint8_t pages[TMEM_WIRE_BATCH][TMEM_PAGE_SIZE];

struct pair {
	struct world *world; /* who misbehaves */
	struct guest *other;
	struct frontend honest;
	int pool;
};

static int set_up(void **state)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	struct guest_config config = {.kind = GUEST_DEVICE,
				      .name = "honest",
				      .allocation = WORLD_ALLOCATION,
				      .queues = 4};
	struct dv_reply reply;

	world_set_up((void **)&pair->world);
	config.socket_path = harness_path(pair->world->harness, "honest");
	pair->other = harness_adopt(pair->world->harness, &config);
	fe_init(&pair->honest, config.socket_path, world_pump, pair->world->harness);
	assert_int_equal(fe_up(&pair->honest, 2, true), 0);
	assert_int_equal(dv_hello(&pair->honest, 5, &reply), 0);
	pair->pool = dv_pool(&pair->honest, TMEM_POOL_PERSISTENT, 1);
	assert_int_equal(dv_put(&pair->honest, (uint32_t)pair->pool, 4, 2, 42), 0);
	*state = pair;
	return 0;
}

static int tear_down(void **state)
{
	struct pair *pair = *state;

	/* Whatever happened: the other one's page is there, and it is connected. */
	assert_int_equal(dv_get(&pair->honest, (uint32_t)pair->pool, 4, 2, 42), 0);
	fe_close(&pair->honest);
	world_tear_down((void **)&pair->world);
	free(pair);
	return 0;
}

static void offer_batches(struct world *world, uint32_t count)
{
	struct tmem_req req = dv_req(TMEM_WIRE_PUT);
	uint32_t i;

	req.form = TMEM_WIRE_RUN;
	req.count = TMEM_WIRE_BATCH;
	req.pool = (uint32_t)world->persistent;
	for (i = 0; i < count; i++) {
		req.index = i * TMEM_WIRE_BATCH;
		(void)dv_start(&world->fe, DV_QUEUE, &req, NULL, pages);
	}
	fe_kick(&world->fe, DV_QUEUE);
}

static void it_comes_back(struct world *world)
{
	struct dv_reply reply;

	assert_int_equal(fe_up(&world->fe, 3, true), 0);
	assert_int_equal(dv_hello(&world->fe, WORLD_NONCE, &reply), 0);
	assert_int_equal(reply.hello.session, 0);
	assert_int_equal(dv_put(&world->fe, (uint32_t)world->persistent, 9, 9, 9), 0);
}

static void vanishes_with_requests_in_the_ring(void **state)
{
	struct pair *pair = *state;
	struct world *world = pair->world;

	offer_batches(world, 6);
	close(world->fe.fd);
	world->fe.fd = -1;
	harness_pump_for(world->harness, 20);
	assert_false(world_figures(world).connected);
	/* What was done of them is whole batches of whole pages. */
	harness_check(world->harness);
	it_comes_back(world);
}

static void memory_goes_in_the_middle(void **state)
{
	struct pair *pair = *state;
	struct world *world = pair->world;

	offer_batches(world, 3);
	assert_int_equal(ftruncate(world->fe.memory, FE_BIG_AT + 2 * DV_AREA), 0);
	harness_pump_for(world->harness, 20);
	assert_true(fe_is_dead(&world->fe));
	assert_int_equal(harness_errors(world->guest, GUEST_ERROR_memory_fault), 1);
	assert_false(world_figures(world).connected);
	assert_int_equal(ftruncate(world->fe.memory, FE_RAM), 0);
	fe_disconnect(&world->fe);
	it_comes_back(world);
}

/* The second page of a put goes before it is read: nothing is stored, no zeros and no half page. */
static void memory_goes_under_a_put(void **state)
{
	struct pair *pair = *state;
	struct world *world = pair->world;
	struct frontend *fe = &world->fe;
	struct tmem_req req = dv_req(TMEM_WIRE_PUT);
	struct fe_desc *first, *second;
	uint16_t head, spare;
	uint32_t index;

	for (index = 2; index < 4; index++)
		assert_int_equal(dv_put(fe, (uint32_t)world->persistent, 4, index, 1), 0);
	req.form = TMEM_WIRE_RUN;
	req.count = 2;
	req.pool = (uint32_t)world->persistent;
	req.object[0] = 4;
	req.index = 2;
	fe->pieces = 1;
	fe->indirect = false;
	dv_fill(pages[0], 2);
	dv_fill(pages[1], 2);
	head = dv_start(fe, DV_QUEUE, &req, NULL, pages);
	spare = fe->queue[DV_QUEUE].free[fe->queue[DV_QUEUE].free_count - 1];
	first = fe_desc(fe, DV_QUEUE, head);
	second = fe_desc(fe, DV_QUEUE, spare);
	*second = *first;
	second->guest = fe_guest(FE_RAM - TMEM_PAGE_SIZE);
	second->length = TMEM_PAGE_SIZE;
	first->length -= TMEM_PAGE_SIZE;
	first->next = spare;
	assert_int_equal(ftruncate(fe->memory, FE_RAM - TMEM_PAGE_SIZE), 0);
	fe_kick(fe, DV_QUEUE);
	harness_pump_for(world->harness, 20);
	assert_int_equal(ftruncate(fe->memory, FE_RAM), 0);
	assert_true(fe_is_dead(fe));
	assert_int_equal(harness_errors(world->guest, GUEST_ERROR_memory_fault), 1);
	harness_check(world->harness);
	fe_disconnect(fe);
	it_comes_back(world);
	for (index = 2; index < 4; index++)
		assert_int_equal(dv_get(fe, (uint32_t)world->persistent, 4, index, 1),
				 -TMEM_ENOENT);
}

static void says_half_a_message(void **state)
{
	struct pair *pair = *state;
	struct world *world = pair->world;
	uint32_t half[2] = {1, 1};

	fe_disconnect(&world->fe);
	assert_int_equal(fe_connect(&world->fe), 0);
	assert_int_equal(fe_send_raw(&world->fe, half, sizeof(half), NULL, 0), 0);
	harness_pump_for(world->harness, 20);
	assert_int_equal(dv_put(&pair->honest, (uint32_t)pair->pool, 4, 3, 1), 0);
	fe_disconnect(&world->fe);
	assert_int_equal(harness_errors(world->guest, GUEST_ERROR_message_half), 1);
	it_comes_back(world);
}

static void says_nothing(void **state)
{
	struct pair *pair = *state;
	struct world *world = pair->world;

	fe_disconnect(&world->fe);
	assert_int_equal(fe_connect(&world->fe), 0);
	harness_pump_for(world->harness, 20);
	(void)harness_turns(world->harness);
	assert_int_equal(dv_put(&pair->honest, (uint32_t)pair->pool, 4, 3, 1), 0);
	assert_false(fe_is_dead(&world->fe));
	fe_disconnect(&world->fe);
	it_comes_back(world);
}

/* Its calls are full and its ring is never looked at: it is served, and nobody waits for it. */
static void hears_nothing(void **state)
{
	struct pair *pair = *state;
	struct world *world = pair->world;
	const uint64_t most = UINT64_MAX - 1;
	int call = world->fe.queue[DV_QUEUE].call;
	uint64_t calls;

	(void)!read(call, &calls, sizeof(calls));
	assert_int_equal(write(call, &most, sizeof(most)), sizeof(most));
	assert_int_equal(fcntl(call, F_SETFL, 0), 0);
	offer_batches(world, 6);
	harness_pump_for(world->harness, 50);
	assert_int_equal(dv_put(&pair->honest, (uint32_t)pair->pool, 4, 3, 1), 0);
	assert_int_equal(harness_stored(world->guest), 6 * TMEM_WIRE_BATCH);
	assert_int_equal(fcntl(call, F_SETFL, O_NONBLOCK), 0);
}

/*
 * Parts of a flood, and others come between two of them: whoever asks for
 * little while a part is served has its answer before the next one.
 */
static void flood_lets_others_through(void **state)
{
	struct pair *pair = *state;
	struct world *world = pair->world;
	struct turns *turns = &harness_daemon(world->harness)->turns;
	struct tmem_req req = dv_req(TMEM_WIRE_NOP);
	struct dv_reply reply;
	uint64_t before;
	uint16_t head;
	int i;

	harness_pump(world->harness);
	before = world_figures(world).counters.pages_in;
	offer_batches(world, 12);
	guest_look(world->guest);
	/* Turn by turn, by hand. */
	(void)turns_round(turns);
	for (i = 0; i < 3; i++) {
		head = dv_start(&pair->honest, DV_QUEUE, &req, NULL, NULL);
		guest_look(pair->other);
		before = world_figures(world).counters.pages_in;
		(void)turns_round(turns);
		/* The control: the flood is there, and has its part as well. */
		assert_int_equal(world_figures(world).counters.pages_in - before, TURNS_PART);
		assert_int_equal(fe_used_index(&pair->honest, DV_QUEUE),
				 (uint16_t)(pair->honest.queue[DV_QUEUE].seen + 1));
		assert_int_equal(dv_finish(&pair->honest, DV_QUEUE, head, &req, &reply), 0);
		/* So that it is one that comes up, and not one of two that are busy. */
		(void)turns_round(turns);
		(void)turns_round(turns);
	}
	assert_true(world_figures(world).counters.pages_in < 12 * TMEM_WIRE_BATCH);
}

/* Queues of one client take turns, too: 64 pages of one, then the next. */
static void queues_take_turns(void **state)
{
	struct pair *pair = *state;
	struct world *world = pair->world;
	struct turns *turns = &harness_daemon(world->harness)->turns;
	struct tmem_req req = dv_req(TMEM_WIRE_NOP);
	struct dv_reply reply;
	uint64_t before;
	uint16_t head;

	harness_pump(world->harness);
	before = world_figures(world).counters.pages_in;
	offer_batches(world, 12);
	head = dv_start(&world->fe, DV_QUEUE + 1, &req, NULL, NULL);
	guest_look(world->guest);
	while (fe_used_index(&world->fe, DV_QUEUE + 1) == world->fe.queue[DV_QUEUE + 1].seen)
		turns_everybody(turns);
	/* The part that brought the answer went on with the first one. */
	assert_true(world_figures(world).counters.pages_in - before <
		    GUEST_TURN_PAGES + TURNS_PART);
	/* The control: of which there was more. */
	while (world_figures(world).counters.pages_in - before < 12 * TMEM_WIRE_BATCH)
		turns_everybody(turns);
	assert_int_equal(dv_finish(&world->fe, DV_QUEUE + 1, head, &req, &reply), 0);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test_setup_teardown(vanishes_with_requests_in_the_ring, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(memory_goes_in_the_middle, set_up, tear_down),
		cmocka_unit_test_setup_teardown(memory_goes_under_a_put, set_up, tear_down),
		cmocka_unit_test_setup_teardown(says_half_a_message, set_up, tear_down),
		cmocka_unit_test_setup_teardown(says_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hears_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(flood_lets_others_through, set_up, tear_down),
		cmocka_unit_test_setup_teardown(queues_take_turns, set_up, tear_down),
	};

	alarm(60);
	return cmocka_run_group_tests_name("device vanishing", cases, NULL, NULL);
}
