/* SPDX-License-Identifier: MIT */
/* What most cases begin with: a guest with a tmem device, and its driver, greeted. */
#ifndef TEST_DEVICE_WORLD_H
#define TEST_DEVICE_WORLD_H

#include "driver.h"
#include "harness.h"

#define WORLD_ALLOCATION (16ull << 20)
#define WORLD_CAP	 (32ull << 20)
#define WORLD_NONCE	 0x1122334455667788ull
#define WORLD_EPOCH	 0x77ull
#define WORLD_ID	 0x1234567890abcdefull

struct world {
	struct harness *harness;
	struct guest *guest;
	struct frontend fe;
	int ephemeral; /* pools */
	int persistent;
};

int world_set_up(void **state);
int world_tear_down(void **state);

void world_pump(void *harness);

struct guest_figures world_figures(const struct world *world);

#define WORLD_CASE(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

#endif
