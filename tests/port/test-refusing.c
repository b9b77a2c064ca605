/* SPDX-License-Identifier: MIT */
/*
 * The arena on kernels that refuse: no memory, no such advice, no huge pages.
 * A filter of the process's own answers in the kernel's place, so each case
 * is a child that has it from then on.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "arena.h"
#include "exercise.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define MIB	 ((size_t)1 << 20)
#define UNFILTER 99

struct call {
	uint32_t number;
	uint32_t which; /* argument that must have @value */
	uint32_t value;
	uint32_t error;
};

/* From now on @call fails. 0, or -1 where there are no filters. */
static int refuse(const struct call *call)
{
	const uint32_t argument =
		(uint32_t)(offsetof(struct seccomp_data, args) + call->which * sizeof(uint64_t));
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call->number, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call->value, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | call->error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static struct tmem_arena *create(uint64_t bytes, uint32_t flags)
{
	struct tmem_arena_config config = {sizeof(config), flags, bytes};
	struct tmem_arena *arena = NULL;

	return tmem_arena_create(&config, &arena) ? NULL : arena;
}

static uint64_t bytes_out(struct tmem_arena *arena)
{
	struct tmem_arena_figures figures;

	tmem_arena_figures(arena, &figures);
	return figures.extents[0] + figures.extents[1] + figures.extents[2] + figures.extents[3];
}

/* Runs @body in a child; its result, which is 0 if all is well. */
static int in_child(int (*body)(const struct call *call), const struct call *call)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(body(call));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == UNFILTER)
		skip();
	return WEXITSTATUS(status);
}

/* Each kind's extents are given, with memory behind them. */
static int are_given(struct tmem_arena *arena)
{
	unsigned char there[2 * MIB / 4096];
	unsigned char *extent;
	unsigned int i;
	size_t size;
	int kind;

	for (kind = 0; kind < 4; kind++) {
		extent = tmem_arena_ops.extent_alloc(arena, (enum tmem_extent_kind)kind, 2 * MIB,
						     2 * MIB, &size);
		if (extent == NULL || mincore(extent, 2 * MIB, there) != 0)
			return 0;
		for (i = 0; i < sizeof(there); i++)
			if (!(there[i] & 1))
				return 0;
		tmem_arena_ops.extent_free(arena, (enum tmem_extent_kind)kind, extent, size);
	}
	return 1;
}

/* Everything is as it should be; only slower, or in smaller pages. */
static int all_is_well(const struct call *call)
{
	struct exercise exercise = {&tmem_arena_ops, NULL, 32 * MIB, 0, 5, 1500, 2 * MIB};

	exercise.host = create(exercise.limit, TMEM_ARENA_HUGE | TMEM_ARENA_POPULATE);
	if (exercise.host == NULL)
		return 1;
	if (refuse(call) != 0)
		return UNFILTER;
	if (!are_given(exercise.host))
		return 2;
	return exercise_run(&exercise) != NULL || bytes_out(exercise.host) != 0;
}

static void what_is_only_faster_may_be_refused(void **state)
{
	static const struct call calls[] = {
		{SYS_madvise, 2, MADV_HUGEPAGE, EINVAL},
		{SYS_madvise, 2, MADV_NOHUGEPAGE, EINVAL},
		{SYS_madvise, 2, MADV_COLLAPSE, EINVAL},
		{SYS_madvise, 2, MADV_COLLAPSE, ENOMEM},
		{SYS_madvise, 2, MADV_COLLAPSE, EAGAIN},
		{SYS_madvise, 2, MADV_POPULATE_WRITE, EINVAL},
		{SYS_madvise, 2, MADV_DONTNEED, EINVAL},
		{SYS_fallocate, 1, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, EOPNOTSUPP},
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		assert_int_equal(in_child(all_is_well, &calls[i]), 0);
}

/* No memory: each extent is refused, and none of them is held or counted as held. */
static int nothing_is_given(const struct call *call)
{
	static const uint32_t flags[] = {TMEM_ARENA_POPULATE,
					 TMEM_ARENA_POPULATE | TMEM_ARENA_HUGE};
	struct tmem_arena_figures figures;
	struct tmem_arena *arena[2];
	unsigned int i, round;
	size_t size;
	int kind;

	for (i = 0; i < 2; i++)
		if (!(arena[i] = create(8 * MIB, flags[i])))
			return 1;
	if (refuse(call) != 0)
		return UNFILTER;
	/* More in all than there is room for, had any of it been kept. */
	for (i = 0; i < 2; i++)
		for (round = 0; round < 16; round++)
			for (kind = 0; kind < 4; kind++)
				if (tmem_arena_ops.extent_alloc(arena[i],
								(enum tmem_extent_kind)kind,
								2 * MIB, 2 * MIB, &size) != NULL)
					return 2;
	for (i = 0; i < 2; i++) {
		tmem_arena_figures(arena[i], &figures);
		if (bytes_out(arena[i]) != 0 || figures.refused != 64 * 2 * MIB)
			return 3;
	}
	return 0;
}

static void without_memory_nothing_is_given(void **state)
{
	static const struct call call = {SYS_madvise, 2, MADV_POPULATE_WRITE, ENOMEM};

	(void)state;
	assert_int_equal(in_child(nothing_is_given, &call), 0);
}

/* The control: with a filter for a call that nobody makes, extents are given. */
static void other_calls_are_left_alone(void **state)
{
	static const struct call call = {SYS_madvise, 2, 98765, ENOMEM};

	(void)state;
	assert_int_equal(in_child(nothing_is_given, &call), 2);
	assert_int_equal(in_child(all_is_well, &call), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_only_faster_may_be_refused),
		cmocka_unit_test(without_memory_nothing_is_given),
		cmocka_unit_test(other_calls_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
