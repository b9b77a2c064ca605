/* SPDX-License-Identifier: MIT */
/* The bare host: any block of memory becomes extents, and nothing outside it is touched. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bare.h"
#include "broken.h"
#include "exercise.h"

#define BLOCK ((size_t)5 << 20)
#define GUARD 4096u

static unsigned char *block;

static int make_block(void **state)
{
	(void)state;
	block = aligned_alloc(4096, BLOCK + 2 * GUARD);
	/* Fresh extents read as zeros here only because the block does. */
	memset(block, 0, BLOCK + 2 * GUARD);
	return block == NULL;
}

static int drop_block(void **state)
{
	(void)state;
	free(block);
	return 0;
}

static void blocks_of_any_place_and_length_serve(void **state)
{
	static const size_t skips[] = {0, 1, 16, 4095};
	static const size_t lengths[] = {BLOCK, BLOCK - 1, BLOCK - 4096, 100000, 12288};
	struct exercise exercise = {&tmem_bare_ops, NULL, 0, 0, 3, 2000, (size_t)2 << 20};
	struct tmem_bare bare;
	unsigned int i, j;

	(void)state;
	for (i = 0; i < 4; i++) {
		for (j = 0; j < 5; j++) {
			memset(block, 0, BLOCK + 2 * GUARD);
			memset(block + skips[i] + lengths[j], 0xcc, GUARD);
			assert_int_equal(tmem_bare_init(&bare, block + skips[i], lengths[j]), 0);
			exercise.host = &bare;
			exercise.limit = lengths[j];
			assert_string_equal(exercise_run(&exercise) ?: "", "");
			assert_int_equal(bare.out, 0);
			assert_int_equal(block[skips[i] + lengths[j]], 0xcc);
			assert_int_equal(block[skips[i] + lengths[j] + GUARD - 1], 0xcc);
		}
	}
}

static void all_but_the_map_can_be_had(void **state)
{
	struct tmem_bare bare;
	unsigned int count = 0;
	size_t size;

	(void)state;
	assert_int_equal(tmem_bare_init(&bare, block, BLOCK), 0);
	while (tmem_bare_ops.extent_alloc(&bare, TMEM_EXTENT_META, 4096, 4096, &size) != NULL)
		count++;
	assert_int_equal(count, BLOCK / 4096 - 1);
}

static void a_block_too_small_is_refused(void **state)
{
	struct tmem_bare bare;

	(void)state;
	assert_int_equal(tmem_bare_init(&bare, block, 0), -TMEM_EINVAL);
	assert_int_equal(tmem_bare_init(&bare, block, 8191), -TMEM_EINVAL);
	assert_int_equal(tmem_bare_init(&bare, block + 1, 8192), -TMEM_EINVAL);
	assert_int_equal(tmem_bare_init(&bare, block + 1, 100), -TMEM_EINVAL);
	assert_int_equal(tmem_bare_init(&bare, block, 8192), 0);
}

/* Whether freeing so ends the process. */
static int free_traps(struct tmem_bare *bare, enum tmem_extent_kind kind, void *extent, size_t size)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		/* cmocka would catch the trap and report a failure. */
		signal(SIGILL, SIG_DFL);
		tmem_bare_ops.extent_free(bare, kind, extent, size);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status);
}

static void misuse_traps(void **state)
{
	struct tmem_bare bare;
	unsigned char *extent;
	size_t size;

	(void)state;
	assert_int_equal(tmem_bare_init(&bare, block, BLOCK), 0);
	extent = tmem_bare_ops.extent_alloc(&bare, TMEM_EXTENT_META, 8192, 8192, &size);
	assert_true(free_traps(&bare, TMEM_EXTENT_META, extent, 4096));
	assert_true(free_traps(&bare, TMEM_EXTENT_RECORDS, extent, 8192));
	assert_true(free_traps(&bare, TMEM_EXTENT_META, extent + 4096, 4096));
	assert_true(free_traps(&bare, TMEM_EXTENT_META, extent + 8192, 8192));
	assert_true(free_traps(&bare, TMEM_EXTENT_META, NULL, 8192));
	assert_false(free_traps(&bare, TMEM_EXTENT_META, extent, 8192));
	tmem_bare_ops.extent_free(&bare, TMEM_EXTENT_META, extent, 8192);
	assert_true(free_traps(&bare, TMEM_EXTENT_META, extent, 8192));
}

static void exercise_notices_each_broken_host(void **state)
{
	struct exercise exercise = {&broken_ops, NULL, (size_t)1 << 20, 0, 77, 3000, 65536};
	struct broken broken;
	struct tmem_bare bare;
	int way;

	(void)state;
	for (way = BROKEN_NOT; way < BROKEN_WAYS; way++) {
		memset(block, 0, BLOCK);
		assert_int_equal(tmem_bare_init(&bare, block,
						way == BROKEN_LIMIT ? BLOCK : exercise.limit),
				 0);
		broken = (struct broken){&tmem_bare_ops, &bare, (enum broken_way)way, NULL, 0};
		exercise.host = &broken;
		assert_string_equal(exercise_run(&exercise) ?: "",
				    broken_complaint((enum broken_way)way));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_of_any_place_and_length_serve),
		cmocka_unit_test(all_but_the_map_can_be_had),
		cmocka_unit_test(a_block_too_small_is_refused),
		cmocka_unit_test(misuse_traps),
		cmocka_unit_test(exercise_notices_each_broken_host),
	};

	return cmocka_run_group_tests(tests, make_block, drop_block);
}
