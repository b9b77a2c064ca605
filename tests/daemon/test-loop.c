// SPDX-License-Identifier: MIT
/*
 * The loop's promises to the watches: one that was removed is never called
 * again, not even for an event that was fetched before; background work runs
 * when nothing else does, and not for ever; without work the loop sleeps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop.h"

struct scene;

/* A watch on an eventfd, in memory of its own so that a sanitizer sees a late call. */
struct bell {
	struct watch watch;
	struct scene *scene;
	unsigned int rings;
};

struct scene {
	struct loop *loop;
	struct watch clock; /* ends the scene */
	struct bell *bells[4];
	unsigned int removals; /* bells that the first callback removes and frees */
	unsigned int turns;    /* how often there is more to do for a guest */
	unsigned int idles;
	unsigned int beside; /* background calls while guests had more to do */
	unsigned int spares; /* how often there is something to do that can wait for ever */
	unsigned int early;  /* calls for that while anything else was to be done */
};

static void ring(struct watch *watch, uint32_t ready)
{
	struct bell *bell = (struct bell *)(void *)watch;
	struct scene *scene = bell->scene;
	unsigned int i;

	assert_true(ready & EPOLLIN);
	bell->rings++;
	for (i = 0; i < 4 && scene->removals; i++) {
		if (!scene->bells[i] || scene->bells[i] == bell)
			continue;
		loop_remove(scene->loop, &scene->bells[i]->watch);
		close(scene->bells[i]->watch.fd);
		free(scene->bells[i]);
		scene->bells[i] = NULL;
		scene->removals--;
	}
}

static void tick(struct watch *watch, uint32_t ready)
{
	struct scene *scene =
		(struct scene *)(void *)((char *)watch - offsetof(struct scene, clock));
	uint64_t count;

	(void)ready;
	assert_int_equal(read(watch->fd, &count, sizeof(count)), sizeof(count));
	loop_stop(scene->loop);
}

static bool turn(void *arg)
{
	struct scene *scene = arg;

	return scene->turns && --scene->turns;
}

static bool idle(void *arg)
{
	struct scene *scene = arg;

	scene->beside += scene->turns > 0;
	return scene->idles && --scene->idles;
}

static bool spare(void *arg)
{
	struct scene *scene = arg;

	scene->early += scene->turns || scene->idles;
	return scene->spares && --scene->spares;
}

static void begin(struct scene *scene)
{
	const struct itimerspec soon = {.it_value = {.tv_nsec = 100000000}};
	const struct loop_work work = {.turn = turn, .idle = idle, .spare = spare, .arg = scene};
	unsigned int i;

	assert_int_equal(loop_create(&work, &scene->loop), 0);
	for (i = 0; i < 4; i++) {
		struct bell *bell = calloc(1, sizeof(*bell));

		assert_non_null(bell);
		bell->scene = scene;
		/* Edge-triggered, as rings are: rung once, called once. */
		bell->watch = (struct watch){eventfd(0, EFD_NONBLOCK), EPOLLIN | EPOLLET, ring};
		assert_int_equal(loop_add(scene->loop, &bell->watch), 0);
		scene->bells[i] = bell;
	}
	scene->clock = (struct watch){timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), EPOLLIN, tick};
	assert_int_equal(timerfd_settime(scene->clock.fd, 0, &soon, NULL), 0);
	assert_int_equal(loop_add(scene->loop, &scene->clock), 0);
}

static void end(struct scene *scene)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		if (!scene->bells[i])
			continue;
		loop_remove(scene->loop, &scene->bells[i]->watch);
		close(scene->bells[i]->watch.fd);
		free(scene->bells[i]);
	}
	loop_remove(scene->loop, &scene->clock);
	close(scene->clock.fd);
	loop_destroy(scene->loop);
}

static void ring_all(struct scene *scene)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		assert_int_equal(eventfd_write(scene->bells[i]->watch.fd, 1), 0);
}

static void each_event_is_called(void **state)
{
	struct scene scene = {0};
	unsigned int i;

	(void)state;
	begin(&scene);
	ring_all(&scene);
	assert_int_equal(loop_run(scene.loop), 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(scene.bells[i]->rings, 1);
	end(&scene);
}

/* Four are ready in one round; the first one's call removes and frees the other three. */
static void removed_watch_is_not_called(void **state)
{
	struct scene scene = {.removals = 3};
	unsigned int left = 0;
	unsigned int i;

	(void)state;
	begin(&scene);
	ring_all(&scene);
	assert_int_equal(loop_run(scene.loop), 0);
	assert_int_equal(scene.removals, 0);
	for (i = 0; i < 4; i++) {
		if (!scene.bells[i])
			continue;
		left++;
		assert_int_equal(scene.bells[i]->rings, 1);
	}
	assert_int_equal(left, 1);
	end(&scene);
}

static void changed_watch_waits_for_something_else(void **state)
{
	struct scene scene = {0};

	(void)state;
	begin(&scene);
	/* An eventfd at its highest value cannot be written, and is not waited for to be read. */
	scene.bells[0]->watch.events = EPOLLOUT | EPOLLET;
	assert_int_equal(eventfd_write(scene.bells[0]->watch.fd, UINT64_MAX - 1), 0);
	assert_int_equal(loop_change(scene.loop, &scene.bells[0]->watch), 0);
	assert_int_equal(loop_run(scene.loop), 0);
	assert_int_equal(scene.bells[0]->rings, 0);
	end(&scene);
}

static void loop_without_work_sleeps(void **state)
{
	struct scene scene = {0};
	struct loop_figures figures;

	(void)state;
	begin(&scene);
	assert_int_equal(loop_run(scene.loop), 0);
	loop_figures(scene.loop, &figures);
	/* One look without waiting, one wait that the clock ended. */
	assert_int_equal(figures.rounds, 2);
	assert_int_equal(figures.idle, 1);
	assert_int_equal(figures.work, 0);
	end(&scene);
}

/* Some work begins when the guests are seen to rest: one look more, once, without an event. */
static void after_an_event_it_looks_once_more(void **state)
{
	const struct itimerspec later = {.it_value = {.tv_nsec = 500000000}};
	struct scene scene = {0};
	struct loop_figures figures;

	(void)state;
	begin(&scene);
	assert_int_equal(timerfd_settime(scene.clock.fd, 0, &later, NULL), 0);
	ring_all(&scene);
	assert_int_equal(loop_run(scene.loop), 0);
	loop_figures(scene.loop, &figures);
	/* The event, a look without waiting, the one after a while, and the clock. */
	assert_int_equal(figures.rounds, 4);
	assert_int_equal(figures.idle, 2);
	end(&scene);
}

static void all_work_is_done_and_then_it_sleeps(void **state)
{
	struct scene scene = {.turns = 1000, .idles = 500};
	struct loop_figures figures;

	(void)state;
	begin(&scene);
	assert_int_equal(loop_run(scene.loop), 0);
	loop_figures(scene.loop, &figures);
	assert_int_equal(scene.turns, 0);
	assert_int_equal(scene.idles, 0);
	/* Guests first: while they have work, background work has one round in 64. */
	assert_in_range(figures.idle, 500, 502);
	assert_int_equal(figures.work, 499);
	assert_in_range(figures.rounds, 1000 + 500 - 1000 / 64 - 4, 1000 + 500 + 4);
	end(&scene);
}

static void guests_do_not_starve_background_work(void **state)
{
	struct scene scene = {.turns = 6400, .idles = 1};

	(void)state;
	begin(&scene);
	assert_int_equal(loop_run(scene.loop), 0);
	assert_int_equal(scene.turns, 0);
	assert_in_range(scene.beside, 6400 / 64 - 1, 6400 / 64 + 1);
	end(&scene);
}

static void what_can_wait_waits_for_all_else(void **state)
{
	struct scene scene = {.turns = 1000, .idles = 500, .spares = 100};
	struct loop_figures figures;

	(void)state;
	begin(&scene);
	assert_int_equal(loop_run(scene.loop), 0);
	loop_figures(scene.loop, &figures);
	assert_int_equal(scene.idles, 0);
	assert_int_equal(scene.spares, 0);
	assert_int_equal(scene.early, 0);
	/* It is not the background's work. */
	assert_int_equal(figures.work, 499);
	end(&scene);
}

static void bad_descriptor_is_refused(void **state)
{
	struct watch watch = {-1, EPOLLIN, tick};
	struct scene scene = {0};

	(void)state;
	begin(&scene);
	assert_true(loop_add(scene.loop, &watch) < 0);
	assert_true(loop_add(scene.loop, &scene.clock) < 0);
	assert_true(loop_change(scene.loop, &watch) < 0);
	end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_event_is_called),
		cmocka_unit_test(removed_watch_is_not_called),
		cmocka_unit_test(changed_watch_waits_for_something_else),
		cmocka_unit_test(loop_without_work_sleeps),
		cmocka_unit_test(after_an_event_it_looks_once_more),
		cmocka_unit_test(all_work_is_done_and_then_it_sleeps),
		cmocka_unit_test(guests_do_not_starve_background_work),
		cmocka_unit_test(what_can_wait_waits_for_all_else),
		cmocka_unit_test(bad_descriptor_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
