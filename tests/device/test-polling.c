// SPDX-License-Identifier: MIT
/*
 * Polling: when rings are looked at without a kick, when they are not, and
 * that no request is left lying where one ends and the other begins.
 */
#include "loop.h"
#include "polling.h"
#include "world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

static void work(struct polling *polling)
{
	polling->worked = true;
	polling_round(polling);
}

/* Until there has been a try, during which the next piece of work comes. */
static void work_often(struct polling *polling)
{
	uint32_t i;

	for (i = 0; i < POLLING_TRIES + 2; i++)
		work(polling);
	polling->worked = true;
}

static void open_with_processors(struct polling *polling)
{
	polling_open(polling);
	polling->cpus = 1u << 20;
	polling_set(polling, true);
}

static void it_begins_once_a_try_has_paid(void **state)
{
	struct polling polling;
	uint32_t i;

	open_with_processors(&polling);
	for (i = 0; i < POLLING_TRIES; i++) {
		assert_false(polling.active);
		polling.worked = true;
		assert_false(polling_wanted(&polling));
		polling_round(&polling);
	}
	/* The last of them made the next one be followed by a try. */
	work(&polling);
	assert_true(polling_wanted(&polling));
	assert_int_equal(polling.credit, 0);
	work(&polling);
	assert_int_equal(polling.credit, 1);
	polling.worked = true;
	assert_true(polling_wanted(&polling));
	polling_close(&polling);
}

static void a_try_in_vain_changes_nothing(void **state)
{
	struct polling polling;
	uint32_t i;

	open_with_processors(&polling);
	for (i = 0; i <= POLLING_TRIES; i++)
		work(&polling);
	assert_true(polling_wanted(&polling));
	usleep(2 * POLLING_TRY / 1000);
	polling_round(&polling);
	assert_false(polling_wanted(&polling));
	work(&polling);
	assert_int_equal(polling.credit, 0);
	assert_false(polling_wanted(&polling));
	polling_close(&polling);
}

static void it_ends_when_it_no_longer_pays(void **state)
{
	struct polling polling;
	uint32_t i;

	open_with_processors(&polling);
	for (i = 0; i < 10 * POLLING_TRIES; i++)
		work(&polling);
	assert_int_equal(polling.credit, POLLING_CREDIT);
	for (i = 0; i < POLLING_CREDIT; i++) {
		assert_true(polling_wanted(&polling));
		usleep(2 * POLLING_MOST / 1000);
		polling_round(&polling);
		assert_false(polling_wanted(&polling));
		work(&polling);
	}
	assert_int_equal(polling.credit, 0);
	usleep(2 * POLLING_MOST / 1000);
	polling_round(&polling);
	work(&polling);
	assert_false(polling_wanted(&polling));
	polling_close(&polling);
}

static void it_needs_a_processor_to_spare_and_the_switch(void **state)
{
	struct polling polling;

	polling_open(&polling);
	polling.cpus = 1;
	polling_set(&polling, true);
	work_often(&polling);
	assert_false(polling_wanted(&polling));
	/* Where it cannot be known, there is none. */
	polling.cpus = 2;
	close(polling.runnable);
	polling.runnable = -1;
	polling.checked = 0;
	work_often(&polling);
	assert_false(polling_wanted(&polling));
	polling_close(&polling);

	polling_open(&polling);
	polling.cpus = 1u << 20;
	polling_set(&polling, false);
	work_often(&polling);
	assert_false(polling_wanted(&polling));
	/* The control. */
	polling_set(&polling, true);
	work_often(&polling);
	assert_true(polling_wanted(&polling));
	polling_close(&polling);
}

/* Bursts and pauses of all lengths around the budget, with and without event indexes. */
static void no_request_is_left_lying(void **state)
{
	struct world *world = *state;
	uint32_t pool = (uint32_t)world->ephemeral, i, round;
	struct dv_reply reply;

	loop_set_polling(harness_daemon(world->harness)->loop, true);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 1000; i++) {
			assert_int_equal(dv_put(&world->fe, pool, 1, i, i), 0);
			if (i % 16 == 0)
				usleep(i / 4);
			assert_int_equal(dv_get(&world->fe, pool, 1, i, i), 0);
		}
		fe_disconnect(&world->fe);
		world->fe.event_idx = true;
		assert_int_equal(fe_up(&world->fe, 3, true), 0);
		assert_int_equal(dv_hello(&world->fe, WORLD_NONCE, &reply), 0);
	}
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(it_begins_once_a_try_has_paid),
		cmocka_unit_test(a_try_in_vain_changes_nothing),
		cmocka_unit_test(it_ends_when_it_no_longer_pays),
		cmocka_unit_test(it_needs_a_processor_to_spare_and_the_switch),
		WORLD_CASE(no_request_is_left_lying),
	};

	alarm(60);
	return cmocka_run_group_tests_name("device polling", cases, NULL, NULL);
}
