/* SPDX-License-Identifier: MIT */
/* The test port's locks: each misuse panics for its own reason, and good use never does. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "host.h"
#include "tmem_port.h"

static struct tmem_lock one, two, other_two, three, garbage;

static char page[TMEM_PAGE_SIZE] __attribute__((aligned(16)));

static int make_locks(void **state)
{
	(void)state;
	tmem_lock_init(&one, 1);
	tmem_lock_init(&two, 2);
	tmem_lock_init(&other_two, 2);
	tmem_lock_init(&three, 3);
	memset(&garbage, 0x5a, sizeof(garbage));
	return 0;
}

static void good_use(void *unused)
{
	(void)unused;
	tmem_copy_in(page, page);
	tmem_copy_done();
	tmem_lock(&one);
	tmem_lock(&two);
	tmem_lock(&three);
	tmem_assert_held(&two);
	tmem_unlock(&two);
	tmem_unlock(&three);
	tmem_lock(&other_two);
	tmem_unlock(&one);
	tmem_unlock(&other_two);
	tmem_lock(&three);
	tmem_unlock(&three);
	tmem_test_assert_no_locks();
}

static void good_use_does_not_panic(void **state)
{
	(void)state;
	assert_false(tmem_test_expect_panic(good_use, NULL));
	assert_int_equal(tmem_test_locks_held(), 0);
}

static void take_twice(void *unused)
{
	(void)unused;
	tmem_lock(&two);
	tmem_lock(&two);
}

static void take_down(void *unused)
{
	(void)unused;
	tmem_lock(&three);
	tmem_lock(&one);
}

static void take_same_level(void *unused)
{
	(void)unused;
	tmem_lock(&two);
	tmem_lock(&other_two);
}

static void take_down_after_release(void *unused)
{
	(void)unused;
	tmem_lock(&one);
	tmem_lock(&three);
	tmem_unlock(&one);
	tmem_lock(&two);
}

static void unlock_free(void *unused)
{
	(void)unused;
	tmem_unlock(&one);
}

static void assert_free(void *unused)
{
	(void)unused;
	tmem_assert_held(&one);
}

static void leave_held(void *unused)
{
	(void)unused;
	tmem_lock(&one);
	tmem_lock(&three);
	tmem_test_assert_no_locks();
}

static void use_garbage(void *unused)
{
	(void)unused;
	tmem_lock(&garbage);
}

static void lock_before_done(void *unused)
{
	(void)unused;
	tmem_copy_in(page, page);
	tmem_lock(&one);
}

static void init_level_0(void *unused)
{
	(void)unused;
	tmem_lock_init(&garbage, 0);
}

static void init_level_4(void *unused)
{
	(void)unused;
	tmem_lock_init(&garbage, 4);
}

static void each_misuse_panics_for_its_reason(void **state)
{
	static const struct {
		void (*misuse)(void *unused);
		const char *text;
	} cases[] = {
		{take_twice, "a lock was taken twice"},
		{take_down, "locks were taken in the wrong order"},
		{take_same_level, "locks were taken in the wrong order"},
		{take_down_after_release, "locks were taken in the wrong order"},
		{unlock_free, "a free lock was unlocked"},
		{assert_free, "a lock that should be held is not"},
		{leave_held, "a lock is still held"},
		{use_garbage, "a lock was used that was never made"},
		{lock_before_done, "a lock was taken before copies were done"},
		{init_level_0, "a lock's level is out of range"},
		{init_level_4, "a lock's level is out of range"},
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(tmem_test_expect_panic(cases[i].misuse, NULL));
		assert_string_equal(tmem_test_panic_text(), cases[i].text);
		/* What it left locked is free again. */
		assert_int_equal(tmem_test_locks_held(), 0);
		assert_false(tmem_test_expect_panic(good_use, NULL));
	}
}

static void *misuse_of_anothers_lock(void *unused)
{
	static const char *seen;
	struct tmem_lock *lock = unused;

	seen = NULL;
	/* Neither unlocks what the main thread holds nor passes for its holder. */
	if (tmem_test_expect_panic((void (*)(void *))tmem_unlock, lock))
		seen = tmem_test_panic_text();
	if (!tmem_test_expect_panic((void (*)(void *))tmem_assert_held, lock))
		seen = NULL;
	return (void *)seen;
}

static void a_lock_belongs_to_the_thread_that_took_it(void **state)
{
	pthread_t thread;
	void *text;

	(void)state;
	tmem_lock(&two);
	assert_int_equal(pthread_create(&thread, NULL, misuse_of_anothers_lock, &two), 0);
	pthread_join(thread, &text);
	assert_non_null(text);
	assert_string_equal(text, "a lock was unlocked by another thread");
	assert_int_equal(tmem_test_locks_held(), 1);
	tmem_unlock(&two);
}

static void *end_with_lock(void *lock)
{
	if (lock != NULL)
		tmem_lock(lock);
	return NULL;
}

/* The signal that ends a process whose thread ends so; 0: it lives. */
static int ends_with(void *lock)
{
	pthread_t thread;
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		close(2);
		signal(SIGABRT, SIG_DFL);
		if (pthread_create(&thread, NULL, end_with_lock, lock) != 0)
			_exit(9);
		pthread_join(thread, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void a_thread_that_ends_with_a_lock_panics(void **state)
{
	(void)state;
	assert_int_equal(ends_with(NULL), 0);
	assert_int_equal(ends_with(&one), SIGABRT);
}

static void misaligned_store(void *at)
{
	tmem_copy_in((char *)at + 8, at);
}

static void the_stores_side_must_be_aligned(void **state)
{
	static char at[TMEM_PAGE_SIZE + 16] __attribute__((aligned(16)));

	(void)state;
	assert_true(tmem_test_expect_panic(misaligned_store, at));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(good_use_does_not_panic, make_locks),
		cmocka_unit_test_setup(each_misuse_panics_for_its_reason, make_locks),
		cmocka_unit_test_setup(a_lock_belongs_to_the_thread_that_took_it, make_locks),
		cmocka_unit_test_setup(a_thread_that_ends_with_a_lock_panics, make_locks),
		cmocka_unit_test(the_stores_side_must_be_aligned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
