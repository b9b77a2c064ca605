/* SPDX-License-Identifier: MIT */
/*
 * The test port's host: keeps the contract, fails when told to, and finds
 * whoever frees or writes what is not theirs.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "broken.h"
#include "exercise.h"
#include "host.h"

#define MIB ((size_t)1 << 20)

static void *take(struct tmem_test_host *host, size_t min, size_t max, size_t *size)
{
	return tmem_test_host_ops.extent_alloc(host, TMEM_EXTENT_META, min, max, size);
}

static void extents_keep_the_contract_in_every_mode(void **state)
{
	struct exercise exercise = {&tmem_test_host_ops, NULL, 4 * MIB, TMEM_TEST_FRESH, 5, 4000,
				    256 * 1024};
	struct tmem_test_host *host;
	int mode;

	(void)state;
	for (mode = TMEM_TEST_LARGEST; mode <= TMEM_TEST_RANDOM; mode++) {
		host = tmem_test_host_create(exercise.limit);
		host->sizes = (enum tmem_test_sizes)mode;
		host->seed = 42;
		exercise.host = host;
		assert_string_equal(exercise_run(&exercise) ?: "", "");
		assert_true(host->peak <= exercise.limit && host->peak > 0);
		assert_int_equal(host->live[0] + host->live[1] + host->live[2] + host->live[3], 0);
		tmem_test_host_destroy(host);
	}
}

static void modes_choose_the_size(void **state)
{
	struct tmem_test_host *host = tmem_test_host_create(8 * MIB);
	unsigned int seen = 0, i;
	size_t size;
	void *extent;

	(void)state;
	extent = take(host, 4096, 2 * MIB, &size);
	assert_int_equal(size, 2 * MIB);
	tmem_test_host_ops.extent_free(host, TMEM_EXTENT_META, extent, size);
	host->sizes = TMEM_TEST_SMALLEST;
	extent = take(host, 8192, 2 * MIB, &size);
	assert_int_equal(size, 8192);
	tmem_test_host_ops.extent_free(host, TMEM_EXTENT_META, extent, size);
	host->sizes = TMEM_TEST_RANDOM;
	for (i = 0; i < 200; i++) {
		extent = take(host, 4096, 32768, &size);
		seen |= (unsigned int)size;
		tmem_test_host_ops.extent_free(host, TMEM_EXTENT_META, extent, size);
	}
	assert_int_equal(seen, 4096 | 8192 | 16384 | 32768);
	tmem_test_host_destroy(host);
}

static void fails_once_or_for_good_when_told(void **state)
{
	struct tmem_test_host *host = tmem_test_host_create(MIB);
	char pattern[9] = "";
	size_t size;
	void *extent;
	int i;

	(void)state;
	host->fail_at = 3;
	for (i = 0; i < 8; i++) {
		if (i == 5) {
			host->fail_at = 2;
			host->fail_on = 1;
		}
		extent = take(host, 4096, 4096, &size);
		pattern[i] = extent != NULL ? '+' : '-';
		if (extent != NULL)
			tmem_test_host_ops.extent_free(host, TMEM_EXTENT_META, extent, size);
	}
	assert_string_equal(pattern, "++-+++--");
	assert_int_equal(host->tried, 8);
	assert_int_equal(host->failed, 3);
	host->fail_at = 0;
	host->limit = 4096;
	extent = take(host, 4096, 8192, &size);
	assert_int_equal(size, 4096);
	assert_null(take(host, 4096, 4096, &size));
	assert_int_equal(host->refused, 1);
	tmem_test_host_ops.extent_free(host, TMEM_EXTENT_META, extent, 4096);
	tmem_test_host_destroy(host);
}

struct misuse {
	struct tmem_test_host *host;
	unsigned char *extent;
	size_t size;
	enum tmem_extent_kind kind;
};

static void do_free(void *context)
{
	struct misuse *misuse = context;

	tmem_test_host_ops.extent_free(misuse->host, misuse->kind, misuse->extent, misuse->size);
}

static void do_alloc(void *context)
{
	struct misuse *misuse = context;
	size_t size;

	take(misuse->host, misuse->size, misuse->size, &size);
}

static void do_verify(void *context)
{
	tmem_test_host_verify(context);
}

static void do_destroy(void *context)
{
	tmem_test_host_destroy(context);
}

static void each_wrong_free_panics_for_its_reason(void **state)
{
	struct tmem_test_host *host = tmem_test_host_create(MIB);
	size_t size;
	unsigned char *extent = take(host, 8192, 8192, &size);
	const struct {
		struct misuse misuse;
		const char *text;
	} cases[] = {
		{{host, extent, 4096, TMEM_EXTENT_META}, "an extent was freed with another size"},
		{{host, extent, 8192, TMEM_EXTENT_EPHEMERAL},
		 "an extent was freed with another kind"},
		{{host, extent + 4096, 8192, TMEM_EXTENT_META},
		 "memory was freed that is no extent"},
		{{host, extent + 8192, 8192, TMEM_EXTENT_META},
		 "an extent was freed that is not handed out"},
		{{host, NULL, 8192, TMEM_EXTENT_META}, "memory was freed that is no extent"},
	};
	struct misuse misuse;
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		misuse = cases[i].misuse;
		assert_true(tmem_test_expect_panic(do_free, &misuse));
		assert_string_equal(tmem_test_panic_text(), cases[i].text);
	}
	misuse = (struct misuse){host, extent, 8192, TMEM_EXTENT_META};
	assert_false(tmem_test_expect_panic(do_free, &misuse));
	assert_true(tmem_test_expect_panic(do_free, &misuse));
	assert_string_equal(tmem_test_panic_text(), "an extent was freed that is not handed out");
	misuse.size = 12288;
	assert_true(tmem_test_expect_panic(do_alloc, &misuse));
	tmem_test_host_destroy(host);
}

static void writes_after_free_are_found(void **state)
{
	struct tmem_test_host *host = tmem_test_host_create(MIB);
	struct misuse misuse = {host, NULL, 8192, TMEM_EXTENT_META};
	size_t size;

	(void)state;
	misuse.extent = take(host, 8192, 8192, &size);
	assert_int_equal(misuse.extent[8191], TMEM_TEST_FRESH);
	do_free(&misuse);
	assert_int_equal(misuse.extent[8191], TMEM_TEST_FREED);
	assert_false(tmem_test_expect_panic(do_verify, host));
	misuse.extent[8191] = 0;
	assert_true(tmem_test_expect_panic(do_verify, host));
	assert_true(tmem_test_expect_panic(do_destroy, host));
	assert_string_equal(tmem_test_panic_text(), "an extent was written after it was freed");

	host = tmem_test_host_create(MIB);
	misuse.host = host;
	misuse.extent = take(host, 8192, 8192, &size);
	do_free(&misuse);
	misuse.extent[0] = 1;
	/* Its turn comes again. */
	assert_true(tmem_test_expect_panic(do_alloc, &misuse));
	assert_string_equal(tmem_test_panic_text(), "an extent was written after it was freed");
	/* What was reported is not reported twice. */
	tmem_test_host_destroy(host);
}

static unsigned int zeros(const unsigned char *extent, size_t size)
{
	unsigned int count = 0;
	size_t i;

	for (i = 0; i < size; i += 4096)
		count += extent[i] == 0 && !memcmp(extent + i, extent + i + 1, 4095);
	return count;
}

static void lent_memory_is_taken_until_it_is_kept(void **state)
{
	struct tmem_test_host *host = tmem_test_host_create(MIB);
	const struct tmem_host_ops *ops = &tmem_test_host_ops;
	unsigned char *extent[4];
	unsigned int i, pages = 0;
	size_t size;

	(void)state;
	for (i = 0; i < 4; i++)
		extent[i] = ops->extent_alloc(host, TMEM_EXTENT_EPHEMERAL, 65536, 65536, &size);
	for (i = 0; i < 3; i++)
		assert_int_equal(ops->extent_lend(host, TMEM_EXTENT_EPHEMERAL, extent[i], size), 0);
	tmem_test_host_take(host, 8);
	for (i = 0; i < 3; i++)
		pages += zeros(extent[i], size);
	assert_true(pages > 0 && pages <= host->taken);
	assert_int_equal(zeros(extent[3], size), 0);
	ops->extent_keep(host, TMEM_EXTENT_EPHEMERAL, extent[0], size);
	pages = zeros(extent[0], size);
	tmem_test_host_take(host, 100);
	assert_int_equal(zeros(extent[0], size), pages);
	assert_true(zeros(extent[1], size) > 0);
	memset(extent[0], 1, size);
	for (i = 0; i < 4; i++)
		ops->extent_free(host, TMEM_EXTENT_EPHEMERAL, extent[i], size);
	assert_int_equal(host->lent, 0);
	tmem_test_host_take(host, 100);
	tmem_test_host_destroy(host);
}

static void a_write_to_lent_memory_is_a_fault(void **state)
{
	struct tmem_test_host *host = tmem_test_host_create(MIB);
	volatile unsigned char *extent;
	size_t size;
	int status;
	pid_t child;

	(void)state;
	extent = tmem_test_host_ops.extent_alloc(host, TMEM_EXTENT_EPHEMERAL, 65536, 65536, &size);
	assert_int_equal(tmem_test_host_ops.extent_lend(host, TMEM_EXTENT_EPHEMERAL,
							(void *)(uintptr_t)extent, size),
			 0);
	child = fork();
	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		extent[5000] = 0;
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
	tmem_test_host_ops.extent_free(host, TMEM_EXTENT_EPHEMERAL, (void *)(uintptr_t)extent,
				       size);
	tmem_test_host_destroy(host);
}

static void leaks_are_reported(void **state)
{
	struct tmem_test_host *host = tmem_test_host_create(MIB);
	size_t size;

	(void)state;
	assert_non_null(take(host, 4096, 4096, &size));
	assert_int_equal(host->live[TMEM_EXTENT_META], 1);
	assert_true(tmem_test_expect_panic(do_destroy, host));
	assert_string_equal(tmem_test_panic_text(), "extents were not freed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(extents_keep_the_contract_in_every_mode),
		cmocka_unit_test(modes_choose_the_size),
		cmocka_unit_test(fails_once_or_for_good_when_told),
		cmocka_unit_test(each_wrong_free_panics_for_its_reason),
		cmocka_unit_test(writes_after_free_are_found),
		cmocka_unit_test(lent_memory_is_taken_until_it_is_kept),
		cmocka_unit_test(a_write_to_lent_memory_is_a_fault),
		cmocka_unit_test(leaks_are_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
