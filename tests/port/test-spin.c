/* SPDX-License-Identifier: MIT */
/*
 * Locks of one world, built once per world: they exclude, and what was
 * written under them is seen under them.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sanitizer.h"
#include "tmem_port.h"

#define THREADS 4
#define ROUNDS	20000u
#define YIELD	256u /* rounds between a thread's giving way in the middle of one */

static struct tmem_lock lock;
static unsigned long counter; /* guarded by lock, plain on purpose */
static int without;	      /* negative control: do not lock */
static pthread_barrier_t start;

static void *count(void *unused)
{
	volatile unsigned long *shared = &counter;
	unsigned long value;
	unsigned int i;

	pthread_barrier_wait(&start);
	for (i = 0; i < ROUNDS; i++) {
		if (!without)
			tmem_lock(&lock);
		value = *shared;
		/* Another thread's turn comes here even where there is one processor. */
		if (i % YIELD == 0)
			sched_yield();
		*shared = value + 1;
		if (!without)
			tmem_unlock(&lock);
	}
	return unused;
}

static unsigned long count_together(void)
{
	pthread_t thread[THREADS];
	int i;

	counter = 0;
	assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, count, NULL), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&start);
	return counter;
}

static void locks_exclude(void **state)
{
	(void)state;
	tmem_lock_init(&lock, 1);
	without = 0;
	assert_int_equal(count_together(), (unsigned long)THREADS * ROUNDS);
}

#if !UNDER_TSAN
static void counting_without_a_lock_is_noticed(void **state)
{
	(void)state;
	without = 1;
	assert_int_not_equal(count_together(), (unsigned long)THREADS * ROUNDS);
}
#endif

static void a_free_lock_is_not_held(void **state)
{
	int status;
	pid_t child;

	(void)state;
	tmem_lock_init(&lock, 2);
	tmem_lock(&lock);
	tmem_assert_held(&lock);
	tmem_unlock(&lock);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(2);
		/* cmocka would catch them and report a failure. */
		signal(SIGABRT, SIG_DFL);
		signal(SIGILL, SIG_DFL);
		tmem_assert_held(&lock);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(locks_exclude),
#if !UNDER_TSAN
		cmocka_unit_test(counting_without_a_lock_is_noticed),
#endif
		cmocka_unit_test(a_free_lock_is_not_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
