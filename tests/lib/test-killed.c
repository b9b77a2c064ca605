// SPDX-License-Identifier: MIT
/*
 * tmemd killed and started again under a program that goes on: a page of a
 * cache is a hit or a miss, a page of a store is a hit or lost, and none is
 * ever another than the last one that was put.
 *
 *	test-lib-killed TMEMD TMEM
 */
#include "daemon.h"
#include "page.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <tmem/tmem.h>
#include <unistd.h>

#define PAGES  1000u
#define ROUNDS 6

static struct daemon_process daemon_process;
static const struct tmem_object_id object = {{9, 8, 7}};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void fill(void *page, uint64_t number)
{
	page_fill(page, page_tag(PAGE_ANY, number));
}

static bool holds(const void *page, uint64_t number)
{
	return page_holds(page, page_tag(PAGE_ANY, number));
}

struct world {
	struct tmem *tmem;
	struct tmem_pool *pool[2]; /* cache, store */
	uint64_t known[2][PAGES];  /* number of the page that may be there; 0: none */
	struct tmem_io io[PAGES];
	uint8_t page[PAGES][4096];
	uint64_t number;
	uint64_t seed;
	uint64_t hits[2], misses, lost, refused;
};

static void open_world(struct world *world, uint32_t timeout_ms, uint32_t away_ms)
{
	struct tmem_options options = {
		.size = sizeof(options), .timeout_ms = timeout_ms, .away_ms = away_ms};
	struct tmem_pool_options store = {.size = sizeof(store), .flags = TMEM_POOL_PERSISTENT};

	memset(world, 0, sizeof(*world));
	world->seed = 7;
	assert_int_equal(tmem_connect(daemon_process.socket, &options, &world->tmem), 0);
	assert_int_equal(tmem_pool_open(world->tmem, NULL, &world->pool[0]), 0);
	assert_int_equal(tmem_pool_open(world->tmem, &store, &world->pool[1]), 0);
}

/* A batch of puts, gets and flushes over all pages of one pool, each result judged. */
static void churn(struct world *world, uint32_t which)
{
	struct tmem_pool *pool = world->pool[which];
	uint64_t *known = world->known[which];
	uint32_t i, stretch = 0, code = TMEM_IO_PUT;

	memset(world->io, 0, sizeof(world->io));
	for (i = 0; i < PAGES; i++) {
		struct tmem_io *io = &world->io[i];

		if (!stretch--) {
			stretch = (uint32_t)rng_below(&world->seed, 100);
			code = TMEM_IO_PUT + (uint32_t)rng_below(&world->seed, 5) % 3;
		}
		io->code = code;
		io->pool = pool;
		io->object = object;
		io->index = i;
		io->page = world->page[i];
		if (code == TMEM_IO_PUT)
			fill(io->page, world->number + i + 1);
	}
	(void)tmem_batch_run(world->tmem, world->io, PAGES);
	for (i = 0; i < PAGES; i++) {
		int32_t result = world->io[i].result;
		uint64_t before = known[i];

		assert_int_not_equal(result, -TMEM_EWAITS);
		switch (world->io[i].code) {
		case TMEM_IO_PUT:
			known[i] = result ? 0 : world->number + i + 1;
			break;
		case TMEM_IO_FLUSH:
			known[i] = 0;
			break;
		default:
			if (result == 0) {
				if (!before || !holds(world->page[i], before))
					fail_msg("page %u of pool %u is wrong", i, which);
				world->hits[which]++;
			} else if (result == -TMEM_ENOENT && which == 1 && before) {
				fail_msg("page %u, which is lost, is said to be a miss", i);
			} else if (result == -TMEM_EIO) {
				assert_int_equal(which, 1);
				assert_true(tmem_pool_losses(pool) > 0);
				world->lost++;
			} else if (result == -TMEM_ENOENT) {
				world->misses++;
			} else {
				world->refused++;
				break;
			}
			if (which == 0)
				known[i] = 0;
			break;
		}
	}
	world->number += PAGES;
}

static _Atomic int batches, over, finished;

/* Kills in the middle of whatever is going on, and starts again. */
static void *killer(void *arg)
{
	int round, seen;

	for (round = 0; round < ROUNDS; round++) {
		for (seen = batches; batches < seen + 6 + round;)
			usleep(100);
		usleep((useconds_t)(round * 137 % 500));
		daemon_kill(&daemon_process);
		daemon_start(&daemon_process);
	}
	over = 1;
	/* The last daemon lives as long as this thread. */
	while (!finished)
		usleep(1000);
	return NULL;
}

static void killed_in_mid_batch_it_is_hits_misses_and_losses(void **state)
{
	static struct world world;
	pthread_t thread;
	uint32_t i;

	daemon_start(&daemon_process);
	open_world(&world, 5000, 5000);
	over = 0;
	assert_int_equal(pthread_create(&thread, NULL, killer, NULL), 0);
	for (i = 0; !over || i % 2; i++) {
		churn(&world, i % 2);
		batches++;
	}
	/* Nothing of that says much if nothing was there to be wrong about. */
	assert_true(world.hits[0] > 100 && world.hits[1] > 100);
	assert_true(world.lost > 0 && world.misses > 0);
	assert_int_equal(tmem_pool_losses(world.pool[0]), 0);
	assert_int_equal(tmem_pool_losses(world.pool[1]), ROUNDS);
	print_message("%lu hits, %lu misses, %lu lost, %lu refused\n",
		      (unsigned long)(world.hits[0] + world.hits[1]), (unsigned long)world.misses,
		      (unsigned long)world.lost, (unsigned long)world.refused);

	/* With a loss accepted, nothing is lost any more. */
	tmem_pool_accept_loss(world.pool[1]);
	assert_int_equal(tmem_page_flush(world.pool[1], &object, 5) < 0, 0);
	assert_int_equal(tmem_page_get(world.pool[1], &object, 5, world.page[0]), -TMEM_ENOENT);
	tmem_disconnect(world.tmem);
	daemon_kill(&daemon_process);
	finished = 1;
	pthread_join(thread, NULL);
}

static void while_it_is_away_calls_fail_and_say_so(void **state)
{
	static struct world world;
	uint64_t before;
	uint32_t i;

	daemon_start(&daemon_process);
	open_world(&world, 5000, 300);
	churn(&world, 0);
	daemon_kill(&daemon_process);
	before = now_ms();
	assert_int_equal(tmem_page_put(world.pool[0], &object, 1, world.page[1]), -TMEM_ENOTCONN);
	assert_true(now_ms() - before >= 300 && now_ms() - before < 10000);
	assert_non_null(strstr(tmem_last_error(world.tmem), daemon_process.socket));
	assert_non_null(strstr(tmem_last_error(world.tmem), "start tmemd"));
	/* Later ones do not wait as long for each. */
	before = now_ms();
	for (i = 0; i < 1000; i++)
		assert_int_equal(tmem_page_get(world.pool[0], &object, i, world.page[0]),
				 -TMEM_ENOTCONN);
	assert_true(now_ms() - before < 10000);
	daemon_start(&daemon_process);
	before = now_ms();
	while (tmem_page_put(world.pool[0], &object, 1, world.page[1]))
		assert_true(now_ms() - before < 10000);
	tmem_disconnect(world.tmem);
	daemon_kill(&daemon_process);
}

static void stopped_it_is_waited_for_no_longer_than_asked(void **state)
{
	static struct world world;
	uint8_t page[4096];
	uint64_t before;
	int result;

	daemon_start(&daemon_process);
	open_world(&world, 1000, 300);
	fill(page, 1);
	assert_int_equal(tmem_page_put(world.pool[1], &object, 1, page), 0);
	kill(daemon_process.pid, SIGSTOP);
	before = now_ms();
	fill(page, 2);
	assert_int_equal(tmem_page_put(world.pool[1], &object, 1, page), -TMEM_ETIMEDOUT);
	assert_true(now_ms() - before >= 300 && now_ms() - before < 10000);
	assert_int_equal(tmem_page_get(world.pool[1], &object, 1, page), -TMEM_ENOTCONN);
	kill(daemon_process.pid, SIGCONT);
	before = now_ms();
	do {
		result = tmem_page_get(world.pool[1], &object, 1, page);
		assert_true(now_ms() - before < 10000);
	} while (result == -TMEM_ENOTCONN || result == -TMEM_ETIMEDOUT);
	/* The put failed, so neither it nor what was there before is. */
	assert_int_equal(result, -TMEM_ENOENT);
	assert_int_equal(tmem_pool_losses(world.pool[1]), 0);
	tmem_disconnect(world.tmem);
	daemon_kill(&daemon_process);
}

static void batches_under_way_end_with_it(void **state)
{
	static struct world world;
	struct pollfd fd = {.events = POLLIN};
	uint32_t i, done = 0;
	void *tags[8];
	int got;

	daemon_start(&daemon_process);
	open_world(&world, 5000, 200);
	fd.fd = tmem_batch_fd(world.tmem);
	kill(daemon_process.pid, SIGSTOP);
	for (i = 0; i < 100; i++) {
		fill(world.page[i], i);
		world.io[i] = (struct tmem_io){.code = TMEM_IO_PUT,
					       .pool = world.pool[0],
					       .index = i,
					       .page = world.page[i]};
		assert_int_equal(tmem_batch_submit(world.tmem, &world.io[i], 1, &world.io[i]), 0);
	}
	assert_int_equal(poll(&fd, 1, 0), 0);
	daemon_kill(&daemon_process);
	while (done < 100) {
		assert_int_equal(poll(&fd, 1, 5000), 1);
		got = tmem_batch_reap(world.tmem, tags, 8);
		assert_true(got >= 0);
		done += (uint32_t)got;
	}
	for (i = 0; i < 100; i++)
		assert_int_equal(world.io[i].result, -TMEM_ENOTCONN);
	tmem_disconnect(world.tmem);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_in_mid_batch_it_is_hits_misses_and_losses),
		cmocka_unit_test(while_it_is_away_calls_fail_and_say_so),
		cmocka_unit_test(stopped_it_is_waited_for_no_longer_than_asked),
		cmocka_unit_test(batches_under_way_end_with_it),
	};
	int failed;

	if (argc != 3)
		return 2;
	daemon_prepare(&daemon_process, argv[1], argv[2]);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	daemon_clean(&daemon_process);
	return failed;
}
