/* SPDX-License-Identifier: MIT */
/*
 * Bytes as operations: every input is a sequence of calls of the engine, run
 * beside the model of tests/support. The first bytes choose the size of the
 * memory and of its extents, and which request for memory is refused; the
 * very first also whether pools are shared (TWIN_SHARING), and whether
 * operations go in batches (TWIN_BATCHES).
 *
 * In the corpus, shared-N was recorded, with N = 1 2 4 5 7 8, and batch-N, with
 * N = 17 18 21 23, by
 *   test-model-test --seed N --operations (100 * N) --record FILE
 * and is to be again where what a choice means has changed.
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
	static struct twin twin;

	/* A miss of the end of @data must not be taken for "random". */
	if (!size)
		return 0;
	must_abort = true;
	twin_start_chosen(&twin, (uint8_t)choose(&choices, 256), &choices);
	while (choices_left(&choices) && twin.operation < MOST_OPERATIONS)
		twin_random(&twin, &choices);
	twin.rig->backend->starve(twin.rig, 0, false);
	twin_stop(&twin);
	return 0;
}
