// SPDX-License-Identifier: MIT
/* See world.h. */
#include "world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

void world_pump(void *harness)
{
	harness_pump(harness);
}

int world_set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct guest_config config = {
		.kind = GUEST_DEVICE,
		.name = "device",
		.id = WORLD_ID,
		.allocation = WORLD_ALLOCATION,
		.cap = WORLD_CAP,
		.queues = 4,
	};
	struct dv_reply reply;

	world->harness = harness_create();
	harness_daemon(world->harness)->epoch = WORLD_EPOCH;
	config.socket_path = harness_path(world->harness, "device");
	world->guest = harness_adopt(world->harness, &config);
	assert_non_null(world->guest);
	fe_init(&world->fe, config.socket_path, world_pump, world->harness);
	assert_int_equal(fe_up(&world->fe, 3, true), 0);
	assert_int_equal(dv_hello(&world->fe, WORLD_NONCE, &reply), 0);
	world->ephemeral = dv_pool(&world->fe, 0, 1);
	world->persistent = dv_pool(&world->fe, TMEM_POOL_PERSISTENT, 2);
	assert_true(world->ephemeral >= 0 && world->persistent >= 0);
	*state = world;
	return 0;
}

int world_tear_down(void **state)
{
	struct world *world = *state;

	fe_close(&world->fe);
	harness_destroy(world->harness);
	free(world);
	return 0;
}

struct guest_figures world_figures(const struct world *world)
{
	struct guest_figures figures;

	guest_figures(world->guest, &figures);
	return figures;
}
