/* SPDX-License-Identifier: MIT */
/*
 * Locks of one world, built once per world: they exclude, and what was
 * written under them is seen under them.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tmem_port.h"

#define THREADS 4
#define ROUNDS	100000u

static struct tmem_lock lock;
static unsigned long counter; /* guarded by lock, plain on purpose */
static int without;	      /* negative control: do not lock */

static void *count(void *unused)
{
	volatile unsigned long *shared = &counter;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		if (!without)
			tmem_lock(&lock);
		*shared = *shared + 1;
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
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, count, NULL), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	return counter;
}

static void locks_exclude(void **state)
{
	(void)state;
	tmem_lock_init(&lock, 1);
	without = 0;
	assert_int_equal(count_together(), (unsigned long)THREADS * ROUNDS);
}

#if !defined(__SANITIZE_THREAD__)
static void counting_without_a_lock_is_noticed(void **state)
{
	int tries;

	(void)state;
	without = 1;
	for (tries = 0; tries < 200; tries++)
		if (count_together() != (unsigned long)THREADS * ROUNDS)
			return;
	fail_msg("no increment was ever lost without a lock");
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
#if !defined(__SANITIZE_THREAD__)
		cmocka_unit_test(counting_without_a_lock_is_noticed),
#endif
		cmocka_unit_test(a_free_lock_is_not_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
