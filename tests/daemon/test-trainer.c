// SPDX-License-Identifier: MIT
/*
 * The thread beside the loop: it works when processors have nothing else to
 * do, one piece at a time, and who closes it does not wait for it.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../port/sanitizer.h"
#include "trainer.h"

/* What a piece of work finds, and what it waits for. */
struct scene {
	int go[2];
	pthread_t thread;
	int policy;
	unsigned int done;
};

static void work(void *arg)
{
	struct scene *scene = arg;
	char byte;

	scene->thread = pthread_self();
	scene->policy = sched_getscheduler(0);
	scene->done += read(scene->go[0], &byte, 1) == 1;
}

static void begin(struct scene *scene, struct trainer **trainer)
{
	assert_int_equal(pipe(scene->go), 0);
	assert_int_equal(trainer_open(work, scene, trainer), 0);
}

static void let_go(struct scene *scene, const struct trainer *trainer)
{
	assert_int_equal(write(scene->go[1], "", 1), 1);
	while (trainer_works(trainer))
		sched_yield();
}

static void it_works_aside(void **state)
{
	struct scene scene = {.policy = -1};
	struct trainer *trainer;

	(void)state;
	begin(&scene, &trainer);
	assert_false(trainer_works(trainer));
	assert_int_equal(trainer_time(trainer), 0);
	assert_int_equal(trainer_start(trainer), 0);
	assert_true(trainer_works(trainer));
	let_go(&scene, trainer);
	assert_int_equal(scene.done, 1);
	assert_false(pthread_equal(scene.thread, pthread_self()));
	assert_int_equal(scene.policy, SCHED_IDLE);
	/* The control: it is of that thread alone. */
	assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
	assert_true(trainer_time(trainer) > 0);
	assert_true(trainer_close(trainer));
}

static void one_piece_at_a_time(void **state)
{
	struct scene scene = {.policy = -1};
	struct trainer *trainer;
	uint64_t first;

	(void)state;
	begin(&scene, &trainer);
	assert_int_equal(trainer_start(trainer), 0);
	assert_int_equal(trainer_start(trainer), -EBUSY);
	let_go(&scene, trainer);
	assert_int_equal(scene.done, 1);
	first = trainer_time(trainer);
	assert_int_equal(trainer_start(trainer), 0);
	let_go(&scene, trainer);
	assert_int_equal(scene.done, 2);
	assert_true(trainer_time(trainer) > first);
	assert_true(trainer_close(trainer));
}

static void nobody_waits_for_it(void **state)
{
	struct scene scene = {.policy = -1};
	struct trainer *trainer;

	(void)state;
	begin(&scene, &trainer);
	assert_int_equal(trainer_start(trainer), 0);
	assert_false(trainer_close(trainer));
	/* What it has is there still. */
	let_go(&scene, trainer);
	assert_int_equal(scene.done, 1);
	assert_true(trainer_close(trainer));
}

/* A process of its own: no stack of a thread is kept from before. */
static void without_a_thread_nothing_begins(void **state)
{
#if !UNDER_ASAN && !UNDER_TSAN
	struct scene scene = {.policy = -1};
	struct trainer *trainer;
	struct rlimit limit, none;
	int first, second, status;
	pid_t pid;

	(void)state;
	begin(&scene, &trainer);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		getrlimit(RLIMIT_AS, &limit);
		none = (struct rlimit){1, limit.rlim_max};
		setrlimit(RLIMIT_AS, &none);
		first = trainer_start(trainer);
		setrlimit(RLIMIT_AS, &limit);
		if (trainer_works(trainer))
			_exit(3);
		second = trainer_start(trainer);
		_exit(first == -EAGAIN && !second ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(trainer_close(trainer));
#else
	(void)state;
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_thread_nothing_begins),
		cmocka_unit_test(it_works_aside),
		cmocka_unit_test(one_piece_at_a_time),
		cmocka_unit_test(nobody_waits_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
