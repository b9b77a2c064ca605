/* SPDX-License-Identifier: MIT */
/*
 * Bytes as operations: every input is a sequence of calls of the engine, run
 * beside the model of tests/support. The first bytes choose the size of the
 * memory and of its extents, and which request for memory is refused.
 */
#include <stddef.h>
#include <stdint.h>

#include "must.h"
#include "twin.h"

#define MOST_OPERATIONS 20000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct choices choices = {.data = data, .left = size};
	struct rig_setup setup;
	static struct twin twin;
	uint64_t nth;

	/* A miss of the end of @data must not be taken for "random". */
	if (!size)
		return 0;
	must_abort = true;
	setup = (struct rig_setup){
		.capacity = (2 + choose(&choices, 7)) << 20,
		.extent_size = 16384u << choose(&choices, 8),
		.seed = 1,
	};
	twin_start(&twin, &backend_engine, &setup, 4000);
	/* The memory can be less than three clients ask for. */
	twin.may_run_dry = true;
	twin.persistent_may_run_dry = true;
	nth = choose(&choices, 256);
	if (nth >= 128)
		twin.rig->backend->starve(twin.rig, nth - 127, nth & 1);
	while (choices_left(&choices) && twin.operation < MOST_OPERATIONS)
		twin_random(&twin, &choices);
	twin.rig->backend->starve(twin.rig, 0, false);
	twin_stop(&twin);
	return 0;
}
