// SPDX-License-Identifier: MIT
/*
 * Blocks that the daemon does not have. Whatever the reason, a read is an
 * error until the block is written or discarded, or a front-end begins
 * afresh; zeros are the one wrong answer. The same program is built with a
 * disk that gives it, and succeeds then only if every case failed.
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
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCKS 4096

struct world {
	struct harness *harness;
	struct frontend fe;
};

static void pump(void *arg)
{
	harness_pump(arg);
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	world->harness = harness_create();
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	fe_close(&world->fe);
	unlink(harness_path(world->harness, "killed"));
	harness_destroy(world->harness);
	free(world);
	return 0;
}

static struct guest *make(struct world *world, bool contents_unknown)
{
	struct guest *guest = harness_guest(world->harness, "disk", BLOCKS, contents_unknown);

	if (!world->fe.ram)
		fe_init(&world->fe, harness_path(world->harness, "disk"), pump, world->harness);
	return guest;
}

/* The daemon forgets: another guest under the same name, with nothing in it. */
static struct guest *restart(struct world *world, struct guest *guest, bool contents_unknown)
{
	harness_remove(world->harness, guest);
	fe_disconnect(&world->fe);
	return make(world, contents_unknown);
}

static void expect_lost(struct frontend *fe, uint64_t block)
{
	bool same;

	assert_int_equal(fe_read(fe, 0, block, 0, &same), FE_IOERR);
}

static void expect_zeros(struct frontend *fe, uint64_t block)
{
	bool same;

	assert_int_equal(fe_read(fe, 0, block, 0, &same), FE_OK);
	assert_true(same);
}

static uint64_t lost(struct guest *guest)
{
	struct guest_figures figures;

	guest_figures(guest, &figures);
	assert_int_equal(figures.blocks_empty + figures.blocks_stored + figures.blocks_lost,
			 BLOCKS);
	return figures.blocks_lost;
}

static void front_end_that_goes_on_finds_everything_lost(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	struct guest *guest = make(world, false);
	bool same;

	assert_int_equal(fe_up(fe, 1, true), 0);
	assert_int_equal(fe_write(fe, 0, 5, 5), FE_OK);
	guest = restart(world, guest, false);
	assert_int_equal(fe_up(fe, 1, false), 0);
	expect_lost(fe, 5);
	expect_lost(fe, 6);
	assert_int_equal(lost(guest), BLOCKS);

	/* Written, discarded and zeroed blocks are known again. */
	assert_int_equal(fe_write(fe, 0, 5, 6), FE_OK);
	assert_int_equal(fe_read(fe, 0, 5, 6, &same), FE_OK);
	assert_true(same);
	assert_int_equal(fe_range(fe, 0, FE_DISCARD, 6 * 8, 8, 0), FE_OK);
	expect_zeros(fe, 6);
	assert_int_equal(fe_range(fe, 0, FE_ZEROES, 7 * 8, 8, 0), FE_OK);
	expect_zeros(fe, 7);
	expect_lost(fe, 8);
	assert_int_equal(lost(guest), BLOCKS - 3);

	/* Going on once more changes nothing. */
	fe_disconnect(fe);
	assert_int_equal(fe_up(fe, 1, false), 0);
	expect_lost(fe, 8);
	assert_int_equal(fe_read(fe, 0, 5, 6, &same), FE_OK);
	assert_true(same);
}

static void fresh_start_frees_what_an_earlier_daemon_lost(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	struct guest *guest = make(world, false);
	bool same;

	assert_int_equal(fe_up(fe, 1, true), 0);
	guest = restart(world, guest, false);
	assert_int_equal(fe_up(fe, 1, false), 0);
	expect_lost(fe, 8);
	assert_int_equal(fe_write(fe, 0, 5, 6), FE_OK);
	fe_disconnect(fe);
	assert_int_equal(fe_up(fe, 1, true), 0);
	expect_zeros(fe, 8);
	/* What this daemon was given it keeps. */
	assert_int_equal(fe_read(fe, 0, 5, 6, &same), FE_OK);
	assert_true(same);
	assert_int_equal(lost(guest), 0);
}

static void unknown_contents_are_lost_until_a_fresh_start(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	struct guest *guest = make(world, true);

	fe->use_inflight = false;
	assert_int_equal(fe_up(fe, 1, true), 0);
	expect_lost(fe, 0);
	expect_lost(fe, BLOCKS - 1);
	assert_int_equal(lost(guest), BLOCKS);
	fe_disconnect(fe);
	fe->use_inflight = true;
	assert_int_equal(fe_up(fe, 1, true), 0);
	expect_zeros(fe, 0);
	assert_int_equal(lost(guest), 0);
}

static struct tmem_handle handle_of(uint64_t block)
{
	struct tmem_handle handle = {
		.object = {{block / 1024, 0, 0}}, .pool = 0, .index = (uint32_t)(block % 1024)};

	return handle;
}

static void block_that_the_store_does_not_have_is_an_error(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	struct guest *guest = make(world, false);
	struct tmem_handle handle = handle_of(2000);
	struct daemon *daemon = harness_daemon(world->harness);

	assert_int_equal(fe_up(fe, 1, true), 0);
	assert_int_equal(fe_write(fe, 0, 2000, 1), FE_OK);
	/* Behind the disk's back. */
	assert_int_equal(tmem_flush(guest_client(guest), daemon->worker, &handle), 1);
	expect_lost(fe, 2000);
	assert_int_equal(lost(guest), 1);
	expect_lost(fe, 2000);
	expect_zeros(fe, 2001);
	/* A fresh start does not turn it into zeros: this daemon had it. */
	fe_disconnect(fe);
	assert_int_equal(fe_up(fe, 1, true), 0);
	expect_lost(fe, 2000);
	assert_int_equal(fe_range(fe, 0, FE_DISCARD, 2000 * 8, 8, 0), FE_OK);
	expect_zeros(fe, 2000);
}

static void read_of_many_blocks_fails_for_one_lost(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	struct guest *guest = make(world, false);
	struct tmem_handle handle = handle_of(3);
	struct daemon *daemon = harness_daemon(world->harness);
	uint8_t data[8 * 4096] = {1};

	assert_int_equal(fe_up(fe, 1, true), 0);
	assert_int_equal(fe_io(fe, 0, FE_OUT, 0, data, sizeof(data)), FE_OK);
	assert_int_equal(tmem_flush(guest_client(guest), daemon->worker, &handle), 1);
	assert_int_equal(fe_io(fe, 0, FE_IN, 0, data, sizeof(data)), FE_IOERR);
	assert_int_equal(fe_io(fe, 0, FE_IN, 0, data, 3 * 4096), FE_OK);
	assert_int_equal(fe_io(fe, 0, FE_IN, 4 * 8, data, 4 * 4096), FE_OK);
}

/* The pool is gone, so every put fails: the block is lost, never what it was. */
static void failed_write_loses_its_block(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	struct guest *guest = make(world, false);
	struct daemon *daemon = harness_daemon(world->harness);
	struct guest_figures figures;

	assert_int_equal(fe_up(fe, 1, true), 0);
	assert_int_equal(fe_write(fe, 0, 9, 1), FE_OK);
	assert_int_equal(tmem_pool_destroy(guest_client(guest), daemon->worker, 0), 0);
	assert_int_equal(fe_write(fe, 0, 9, 2), FE_IOERR);
	/* At once, not when it is found out by a read. */
	assert_int_equal(lost(guest), 1);
	expect_lost(fe, 9);
	assert_int_equal(fe_write(fe, 0, 10, 2), FE_IOERR);
	expect_lost(fe, 10);
	assert_int_equal(lost(guest), 2);
	guest_figures(guest, &figures);
	assert_int_equal(figures.counters.failed_no_room, 2);
}

/* A daemon in a process of its own. */
static pid_t spawn(const char *directory_of_socket, struct frontend *fe)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		struct harness *harness = harness_create();
		const struct guest_config config = {
			.name = "killed",
			.socket_path = directory_of_socket,
			.disk_bytes = BLOCKS * 4096ull,
			.allocation = HARNESS_ALLOCATION,
			.queues = 4,
		};
		struct guest *guest;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(60);
		/* Its guest is at a path that outlives it, and its own directory would, too. */
		if (rmdir(harness_path(harness, "")))
			_exit(1);
		guest = harness_adopt(harness, &config);
		if (!guest || write(ready[1], "x", 1) != 1)
			_exit(1);
		harness_serve(harness);
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void daemon_killed_and_restarted(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	char path[128];
	uint64_t i;
	pid_t pid;
	bool same;

	strcpy(path, harness_path(world->harness, "killed"));
	fe_init(fe, path, NULL, NULL);
	pid = spawn(path, fe);
	assert_int_equal(fe_up(fe, 1, true), 0);
	for (i = 0; i < 100; i++)
		assert_int_equal(fe_write(fe, 0, i, 3), FE_OK);
	for (i = 0; i < 100; i++) {
		assert_int_equal(fe_read(fe, 0, i, 3, &same), FE_OK);
		assert_true(same);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	fe_disconnect(fe);
	/* The socket it left behind is replaced. */
	pid = spawn(path, fe);
	assert_int_equal(fe_up(fe, 1, false), 0);
	for (i = 0; i < 100; i++)
		expect_lost(fe, i);
	assert_int_equal(fe_write(fe, 0, 50, 4), FE_OK);
	assert_int_equal(fe_read(fe, 0, 50, 4, &same), FE_OK);
	assert_true(same);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	int failed;
#ifdef DISK_ANSWERS_ZEROS_FOR_LOST
	int out, count;
#endif
	const struct CMUnitTest cases[] = {
		CASE(front_end_that_goes_on_finds_everything_lost),
		CASE(fresh_start_frees_what_an_earlier_daemon_lost),
		CASE(unknown_contents_are_lost_until_a_fresh_start),
		CASE(block_that_the_store_does_not_have_is_an_error),
		CASE(read_of_many_blocks_fails_for_one_lost),
		CASE(failed_write_loses_its_block),
		CASE(daemon_killed_and_restarted),
	};

	alarm(120);
#ifdef DISK_ANSWERS_ZEROS_FOR_LOST
	/* Every case here must bite on such a disk; how each of them fails is of no interest. */
	out = dup(STDOUT_FILENO);
	count = (int)(sizeof(cases) / sizeof(cases[0]));
	if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
		return 1;
	failed = cmocka_run_group_tests_name("vhost lost", cases, NULL, NULL);
	dprintf(out, "%d passed, %d failed\n", failed, count - failed);
	return failed == count ? 0 : 1;
#else
	failed = cmocka_run_group_tests_name("vhost lost", cases, NULL, NULL);
	return failed;
#endif
}
