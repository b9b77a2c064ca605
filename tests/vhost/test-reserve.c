// SPDX-License-Identifier: MIT
/*
 * What a guest's memory is reserved for: a disk on a host that has not one
 * extent to spare takes every block, in the order that needs most of the
 * index, and the reservation costs no more than that.
 */
#include "disk.h"
#include "frontend.h"
#include "harness.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <unistd.h>

#define BLOCKS 16384u /* enough that slack for the workers does not hide a shortage */
#define STEP   4096u
/* Records of an index that is reserved for objects of one page take 4.5 % of the allocation. */
#define INDEX_PARTS 40

static void pump(void *arg)
{
	harness_pump(arg);
}

static struct harness *try(uint64_t capacity, struct guest **guest)
{
	const uint64_t allocation = tmem_pages_allocation(BLOCKS, DISK_PIECE, 0);
	struct harness *harness = harness_create_sized(capacity, allocation);
	const struct guest_config config = {
		.name = "tight",
		.socket_path = harness_path(harness, "tight"),
		.disk_bytes = (uint64_t)BLOCKS * DISK_BLOCK,
		.allocation = allocation,
		.queues = 4,
	};

	*guest = harness_adopt(harness, &config);
	if (*guest)
		return harness;
	harness_destroy(harness);
	return NULL;
}

/* A host on which the guest just fits: with STEP bytes less it does not. */
static struct harness *tightest(struct guest **guest)
{
	uint64_t low = (uint64_t)BLOCKS * DISK_BLOCK / STEP, high = 2 * low, middle;
	struct harness *harness;

	while (high - low > 1) {
		middle = (low + high) / 2;
		harness = try(middle * STEP, guest);
		if (harness) {
			harness_destroy(harness);
			high = middle;
		} else {
			low = middle;
		}
	}
	harness = try(high * STEP, guest);
	assert_non_null(harness);
	return harness;
}

static void sparse_writes_never_lack_an_index(void **state)
{
	struct guest_figures figures;
	struct tmem_stats stats;
	struct guest *guest;
	struct harness *harness = tightest(&guest);
	struct frontend fe;
	uint32_t i, block;

	*state = harness;
	tmem_engine_stats(harness_daemon(harness)->engine, &stats);
	assert_true(stats.meta_bytes < stats.allocation / INDEX_PARTS);
	fe_init(&fe, harness_path(harness, "tight"), pump, harness);
	assert_int_equal(fe_up(&fe, 1, true), 0);
	for (i = 0; i < BLOCKS; i++) {
		block = (i * 64u + i / (BLOCKS / 64u)) % BLOCKS;
		assert_int_equal(fe_write(&fe, 0, block, i + 1), FE_OK);
	}
	guest_figures(guest, &figures);
	assert_int_equal(figures.blocks_stored, BLOCKS);
	assert_int_equal(figures.counters.failed_no_room, 0);
	fe_close(&fe);
}

static int tear_down(void **state)
{
	if (*state)
		harness_destroy(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test_teardown(sparse_writes_never_lack_an_index, tear_down),
	};

	alarm(120);
	return cmocka_run_group_tests_name("vhost reserve", cases, NULL, NULL);
}
