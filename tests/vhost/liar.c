// SPDX-License-Identifier: MIT
/* See liar.h. */
#include "liar.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

static void pump(void *arg)
{
	harness_pump(arg);
}

int liar_set_up(void **state)
{
	struct liar *world = calloc(1, sizeof(*world));
	struct harness *harness = harness_create();

	world->harness = harness;
	world->guest = harness_guest(harness, "liar", 4096, false);
	world->witness = harness_guest(harness, "witness", 4096, false);
	fe_init(&world->fe, harness_path(harness, "liar"), pump, harness);
	fe_init(&world->honest, harness_path(harness, "witness"), pump, harness);
	assert_int_equal(fe_up(&world->honest, 1, true), 0);
	assert_int_equal(fe_write(&world->honest, 0, 42, 42), FE_OK);
	*state = world;
	return 0;
}

int liar_tear_down(void **state)
{
	struct liar *world = *state;

	fe_close(&world->fe);
	fe_close(&world->honest);
	harness_destroy(world->harness);
	free(world);
	return 0;
}

void liar_expect(struct liar *world, enum guest_error error)
{
	struct guest_figures figures;
	uint32_t i;
	bool same;

	assert_true(fe_is_dead(&world->fe));
	guest_figures(world->guest, &figures);
	for (i = 0; i < GUEST_ERROR_COUNT; i++) {
		if (figures.counters.errors[i] != (i == error))
			print_message("counted: %s\n", guest_error_name(i));
		assert_int_equal(figures.counters.errors[i], i == error);
	}
	assert_int_equal(figures.counters.sessions_ended, 1);
	assert_false(figures.connected);

	assert_int_equal(fe_read(&world->honest, 0, 42, 42, &same), FE_OK);
	assert_true(same);
	assert_int_equal(fe_write(&world->honest, 0, 43, 1), FE_OK);
	guest_figures(world->witness, &figures);
	assert_int_equal(figures.counters.sessions_ended, 0);

	/* And the liar may come back. */
	fe_disconnect(&world->fe);
	assert_int_equal(fe_up(&world->fe, 1, true), 0);
	assert_int_equal(fe_write(&world->fe, 0, 1, 1), FE_OK);
	assert_int_equal(fe_read(&world->fe, 0, 1, 1, &same), FE_OK);
	assert_true(same);
}

void liar_connect(struct liar *world)
{
	assert_int_equal(fe_connect(&world->fe), 0);
	assert_int_equal(fe_features(&world->fe), 0);
}

void liar_up(struct liar *world)
{
	assert_int_equal(fe_up(&world->fe, 1, true), 0);
}
