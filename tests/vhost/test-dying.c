// SPDX-License-Identifier: MIT
/*
 * Front-ends that die: killed with SIGKILL at random points of their work,
 * or hanging up after every possible number of bytes of a handshake. The
 * daemon goes on, the engine's figures stay exact, and every block holds one
 * whole write.
 */
#include "frontend.h"
#include "harness.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCKS 512
#define KILLS  60

static void pump(void *arg)
{
	harness_pump(arg);
}

static uint64_t random_state;

static uint32_t next_random(uint32_t below)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(random_state >> 33) % below;
}

/* Works until it is killed: up to eight blocks at a time, in two queues. */
static void work(const char *path, uint64_t seed, bool fresh)
{
	static uint8_t data[8 * 4096];
	struct frontend fe;
	uint32_t i, count, block;

	random_state = seed;
	fe_init(&fe, path, NULL, NULL);
	if (fe_up(&fe, 2, fresh))
		_exit(1);
	for (;;) {
		count = 1 + next_random(8);
		block = next_random(BLOCKS - count);
		fe.indirect = next_random(2);
		fe.pieces = 1 + next_random(5);
		switch (next_random(8)) {
		case 0:
			(void)fe_range(&fe, next_random(2), FE_DISCARD, block * 8, count * 8, 0);
			break;
		case 1:
			(void)fe_io(&fe, next_random(2), FE_IN, block * 8, data, count * 4096);
			break;
		default:
			for (i = 0; i < count; i++)
				fe_fill(data + i * 4096, block + i, 1 + next_random(1000));
			(void)fe_io(&fe, next_random(2), FE_OUT, block * 8, data, count * 4096);
			break;
		}
	}
}

/* Zeros, or exactly one write of this block. */
static bool is_whole(const uint8_t *page, uint64_t block)
{
	uint8_t expected[4096];
	uint64_t seed;

	for (seed = 0; seed <= 1000; seed++) {
		fe_fill(expected, block, seed);
		if (!memcmp(expected, page, sizeof(expected)))
			return true;
	}
	return false;
}

static void front_end_killed_at_random_points(void **state)
{
	struct harness *harness = harness_create();
	struct guest *guest = harness_guest(harness, "dying", BLOCKS, false);
	struct frontend honest, reader;
	struct guest_figures figures;
	uint32_t i, round, whole = 0;
	uint8_t page[4096];
	uint64_t seed = (uint64_t)time(NULL);
	char path[128];
	bool same;

	print_message("seed %llu\n", (unsigned long long)seed);
	strcpy(path, harness_path(harness, "dying"));
	harness_guest(harness, "honest", BLOCKS, false);
	fe_init(&honest, harness_path(harness, "honest"), pump, harness);
	assert_int_equal(fe_up(&honest, 1, true), 0);
	random_state = seed;
	for (round = 0; round < KILLS; round++) {
		uint64_t child_seed = seed + round;
		uint32_t life = 2 + next_random(40);
		pid_t pid = fork();

		if (!pid) {
			alarm(20);
			work(path, child_seed, true);
		}
		harness_pump_for(harness, (int)life);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		harness_pump(harness);
		harness_check(harness);
		assert_int_equal(fe_write(&honest, 0, round, round + 1), FE_OK);
		assert_int_equal(fe_read(&honest, 0, round, round + 1, &same), FE_OK);
		assert_true(same);
	}
	guest_figures(guest, &figures);
	assert_false(figures.connected);
	assert_true(figures.counters.writes > KILLS);
	assert_int_equal(figures.blocks_lost, 0);
	/* A life that ends between two messages is no error. */
	for (i = 0; i < GUEST_ERROR_COUNT; i++)
		assert_true(!figures.counters.errors[i] || i == GUEST_ERROR_message_half);
	harness_settle(harness);
	assert_int_equal(figures.blocks_stored, harness_stored(guest));

	fe_init(&reader, path, pump, harness);
	assert_int_equal(fe_up(&reader, 1, true), 0);
	for (i = 0; i < BLOCKS; i++) {
		assert_int_equal(fe_io(&reader, 0, FE_IN, i * 8, page, sizeof(page)), FE_OK);
		assert_true(is_whole(page, i));
		whole++;
	}
	print_message("%u kills, %llu writes, %u blocks whole\n", round,
		      (unsigned long long)figures.counters.writes, whole);
	fe_close(&reader);
	fe_close(&honest);
	harness_destroy(harness);
}

static void front_end_that_hangs_up_after_each_byte(void **state)
{
	struct harness *harness = harness_create();
	struct guest *guest = harness_guest(harness, "cut", BLOCKS, false);
	const uint32_t handshake[] = {
		3,	    1, 0, /* SET_OWNER */
		16,	    1, 8,  1 << 3 | 1 << 9 | 1 << 12 | 1 << 15,
		0,	    2, 1,  8,
		0x40000000, 1, 8,  1,
		8,	    0, 64, 10,
		1,	    8, 0,  0,
	};
	const uint8_t *bytes = (const uint8_t *)handshake;
	struct guest_figures figures;
	struct frontend fe;
	uint32_t cut, ends = 0;
	bool same;

	fe_init(&fe, harness_path(harness, "cut"), pump, harness);
	for (cut = 0; cut <= sizeof(handshake); cut++) {
		assert_int_equal(fe_connect(&fe), 0);
		if (cut)
			assert_int_equal(fe_send_raw(&fe, bytes, cut, NULL, 0), 0);
		if (cut % 2)
			harness_pump(harness);
		fe_disconnect(&fe);
		guest_figures(guest, &figures);
		assert_false(figures.connected);
		ends += cut != 0 && cut != 12 && cut != 32 && cut != 52 && cut != 72 && cut != 92;
	}
	assert_int_equal(figures.counters.errors[GUEST_ERROR_message_half], ends);
	assert_int_equal(figures.counters.sessions_ended, ends);
	assert_int_equal(fe_up(&fe, 1, true), 0);
	assert_int_equal(fe_write(&fe, 0, 1, 1), FE_OK);
	assert_int_equal(fe_read(&fe, 0, 1, 1, &same), FE_OK);
	assert_true(same);
	fe_close(&fe);
	harness_destroy(harness);
}

static void guest_removed_under_a_working_front_end(void **state)
{
	struct harness *harness = harness_create();
	struct guest *guest = harness_guest(harness, "gone", BLOCKS, false);
	uint8_t *data = calloc(1, FE_BUFFER);
	struct frontend fe;
	uint32_t i;

	fe_init(&fe, harness_path(harness, "gone"), pump, harness);
	assert_int_equal(fe_up(&fe, 2, true), 0);
	for (i = 0; i < 8; i++)
		fe_submit(&fe, i % 2, FE_OUT, i * 16 * 8, data, FE_BUFFER);
	fe_kick(&fe, 0);
	fe_kick(&fe, 1);
	harness_remove(harness, guest);
	assert_true(fe_is_dead(&fe));
	fe_close(&fe);
	free(data);
	harness_destroy(harness);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(front_end_killed_at_random_points),
		cmocka_unit_test(front_end_that_hangs_up_after_each_byte),
		cmocka_unit_test(guest_removed_under_a_working_front_end),
	};

	alarm(120);
	return cmocka_run_group_tests_name("vhost dying", cases, NULL, NULL);
}
