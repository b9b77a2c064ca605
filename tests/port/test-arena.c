/* SPDX-License-Identifier: MIT */
/*
 * The arena against its contract: extents never overlap, are aligned, stay
 * within the limit, come back as zeros, and go back to the kernel.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "arena.h"
#include "broken.h"
#include "exercise.h"
#include "sanitizer.h"

#define MIB ((size_t)1 << 20)

static __thread jmp_buf *catcher;

/* Takes the place of the port's, so that misuse can be shown to panic. */
void tmem_panic(const char *file, int line, const char *what) __attribute__((noreturn));
void tmem_panic(const char *file, int line, const char *what)
{
	if (catcher != NULL)
		longjmp(*catcher, 1);
	fail_msg("panic at %s:%d: %s", file, line, what);
	_exit(1);
}

static int free_panics(struct tmem_arena *arena, enum tmem_extent_kind kind, void *extent,
		       size_t size)
{
	jmp_buf here;

	if (setjmp(here) != 0) {
		catcher = NULL;
		return 1;
	}
	catcher = &here;
	tmem_arena_ops.extent_free(arena, kind, extent, size);
	catcher = NULL;
	return 0;
}

static struct tmem_arena *create(uint64_t bytes, uint32_t flags)
{
	struct tmem_arena_config config = {sizeof(config), flags, bytes};
	struct tmem_arena *arena = NULL;

	assert_int_equal(tmem_arena_create(&config, &arena), 0);
	return arena;
}

static uint64_t bytes_out(struct tmem_arena *arena)
{
	struct tmem_arena_figures figures;

	tmem_arena_figures(arena, &figures);
	return figures.extents[0] + figures.extents[1] + figures.extents[2] + figures.extents[3];
}

static void extents_keep_the_contract(void **state)
{
	static const uint32_t flags[] = {0, TMEM_ARENA_HUGE, TMEM_ARENA_POPULATE,
					 TMEM_ARENA_HUGE | TMEM_ARENA_POPULATE | TMEM_ARENA_LOCK};
	struct exercise exercise = {&tmem_arena_ops, NULL, 32 * MIB, 0, 0, 6000, 2 * MIB};
	struct tmem_arena *arena;
	unsigned int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		arena = create(exercise.limit, flags[i]);
		exercise.host = arena;
		exercise.seed = 0x1234567 + i;
		exercise.most = i % 2 ? 64 * 1024 : 2 * MIB;
		assert_string_equal(exercise_run(&exercise) ?: "", "");
		assert_int_equal(bytes_out(arena), 0);
		tmem_arena_destroy(arena);
	}
}

static void exercise_notices_each_broken_host(void **state)
{
	struct exercise exercise = {&broken_ops, NULL, 8 * MIB, 0, 77, 3000, 256 * 1024};
	struct broken broken;
	struct tmem_arena *arena;
	int way;

	(void)state;
	for (way = BROKEN_NOT; way < BROKEN_WAYS; way++) {
		arena = create(way == BROKEN_LIMIT ? 64 * MIB : exercise.limit, 0);
		broken = (struct broken){&tmem_arena_ops, arena, (enum broken_way)way, NULL, 0};
		exercise.host = &broken;
		assert_string_equal(exercise_run(&exercise) ?: "",
				    broken_complaint((enum broken_way)way));
		tmem_arena_destroy(arena);
	}
}

static void *exercise_thread(void *context)
{
	return (void *)exercise_run(context);
}

static void threads_do_not_share_extents(void **state)
{
	struct exercise exercise[3];
	pthread_t thread[3];
	struct tmem_arena *arena = create(24 * MIB, TMEM_ARENA_POPULATE);
	void *wrong;
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		exercise[i] = (struct exercise){&tmem_arena_ops,   arena, 24 * MIB,  0,
						900 + (uint64_t)i, 3000,  256 * 1024};
		assert_int_equal(pthread_create(&thread[i], NULL, exercise_thread, &exercise[i]),
				 0);
	}
	for (i = 0; i < 3; i++) {
		pthread_join(thread[i], &wrong);
		assert_string_equal(wrong ? wrong : "", "");
	}
	assert_int_equal(bytes_out(arena), 0);
	tmem_arena_destroy(arena);
}

static void limit_is_reached_and_never_passed(void **state)
{
	struct tmem_arena *arena = create(MIB + 4096, 0);
	struct tmem_arena_figures figures;
	void *extent[257];
	size_t size;
	int i;

	(void)state;
	/* The largest power of two that fits, not what was hoped for. */
	extent[0] = tmem_arena_ops.extent_alloc(arena, TMEM_EXTENT_META, 4096, 2 * MIB, &size);
	assert_non_null(extent[0]);
	assert_int_equal(size, MIB);
	tmem_arena_ops.extent_free(arena, TMEM_EXTENT_META, extent[0], size);
	for (i = 0; i < 257; i++) {
		extent[i] = tmem_arena_ops.extent_alloc(arena, (enum tmem_extent_kind)(i % 4), 4096,
							4096, &size);
		assert_non_null(extent[i]);
	}
	assert_null(tmem_arena_ops.extent_alloc(arena, TMEM_EXTENT_META, 4096, 4096, &size));
	tmem_arena_figures(arena, &figures);
	assert_int_equal(figures.refused, 4096);
	assert_int_equal(figures.extents[TMEM_EXTENT_META], 65 * 4096);
	assert_int_equal(bytes_out(arena), figures.bytes);
	for (i = 0; i < 257; i++)
		tmem_arena_ops.extent_free(arena, (enum tmem_extent_kind)(i % 4), extent[i], 4096);
	assert_int_equal(bytes_out(arena), 0);
	tmem_arena_destroy(arena);
}

/* Small extents scattered over the addresses must not keep large ones from being had. */
static void scattered_extents_cost_no_large_ones(void **state)
{
	static void *small[16384];
	struct tmem_arena *arena = create(64 * MIB, 0);
	size_t size;
	int i;

	(void)state;
	for (i = 0; i < 16384; i++)
		small[i] = tmem_arena_ops.extent_alloc(arena, TMEM_EXTENT_META, 4096, 4096, &size);
	for (i = 0; i < 16384; i++)
		if (i % 512 != 0)
			tmem_arena_ops.extent_free(arena, TMEM_EXTENT_META, small[i], 4096);
	for (i = 0; i < 31; i++)
		assert_non_null(tmem_arena_ops.extent_alloc(arena, TMEM_EXTENT_EPHEMERAL, 2 * MIB,
							    2 * MIB, &size));
	assert_null(
		tmem_arena_ops.extent_alloc(arena, TMEM_EXTENT_EPHEMERAL, 2 * MIB, 2 * MIB, &size));
	tmem_arena_destroy(arena);
}

static size_t resident(void)
{
	size_t pages = 0, all;
	FILE *file = fopen("/proc/self/statm", "r");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%zu %zu", &all, &pages), 2);
	fclose(file);
	return pages * 4096;
}

/* Allocates all of an arena of 64 MiB, writes it and frees it. */
static void fill_and_free(struct tmem_arena *arena, int kind, unsigned char **extent)
{
	size_t size = 0, before = resident();
	int i;

	for (i = 0; i < 32; i++) {
		extent[i] = tmem_arena_ops.extent_alloc(arena, (enum tmem_extent_kind)kind, 2 * MIB,
							2 * MIB, &size);
		assert_non_null(extent[i]);
	}
	/* POPULATE: resident before the first write. */
	assert_true(resident() >= before + 60 * MIB);
	for (i = 0; i < 32; i++)
		memset(extent[i], 0x77, size);
	for (i = 0; i < 32; i++)
		tmem_arena_ops.extent_free(arena, (enum tmem_extent_kind)kind, extent[i], size);
}

static void freed_memory_is_the_kernels(void **state)
{
	struct tmem_arena *arena;
	unsigned char *extent[32];
	size_t before;
	int kind, i;

	(void)state;
	for (kind = 0; kind < 4; kind++) {
		/* One for each kind: some kernels give memory to who only reads what was freed. */
		arena = create(64 * MIB, TMEM_ARENA_HUGE | TMEM_ARENA_POPULATE);
		/* What a sanitizer has for these addresses is there after the first time. */
		fill_and_free(arena, kind, extent);
		before = resident();
		fill_and_free(arena, kind, extent);
		/* ThreadSanitizer's shadow of what was written stays resident. */
		if (!UNDER_TSAN)
			assert_true(resident() <= before + 4 * MIB);
		for (i = 0; i < 32; i++)
			assert_int_equal(extent[i][i * 4096 + 5], 0);
		tmem_arena_destroy(arena);
	}
}

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* KiB of shared memory that this process has in huge pages. */
static unsigned long huge_kib(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	unsigned long kib = 0;
	char line[128];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
		(void)sscanf(line, "ShmemPmdMapped: %lu", &kib);
	fclose(file);
	return kib;
}

/* Linux 6.1 and later, unless huge pages are denied, or memory is too scattered. */
static int kernel_gathers(void)
{
	int fd = memfd_create("probe", MFD_CLOEXEC), does;
	unsigned char *map, *chunk;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4 * MIB), 0);
	map = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(map != MAP_FAILED);
	chunk = map + (-(uintptr_t)map & (2 * MIB - 1));
	assert_true(mmap(chunk, 2 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
		    chunk);
	(void)madvise(chunk, 2 * MIB, MADV_HUGEPAGE);
	*(volatile unsigned char *)chunk = 0;
	(void)madvise(chunk, 2 * MIB, MADV_COLLAPSE);
	does = huge_kib() == 2048;
	munmap(map, 4 * MIB);
	close(fd);
	return does;
}

static void persistent_memory_is_in_huge_pages(void **state)
{
	static const struct {
		uint32_t flags;
		size_t size;
		int huge;
	} rows[] = {
		{TMEM_ARENA_HUGE | TMEM_ARENA_POPULATE, 2 * MIB, 1},
		{TMEM_ARENA_HUGE | TMEM_ARENA_POPULATE, MIB, 0},
		{TMEM_ARENA_HUGE, 2 * MIB, 0},
		{TMEM_ARENA_POPULATE, 2 * MIB, 0},
	};
	struct tmem_arena *arena;
	unsigned char *extent[8];
	unsigned int i, j;
	size_t size;

	(void)state;
	if (!kernel_gathers())
		skip();
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		arena = create(32 * MIB, rows[i].flags);
		for (j = 0; j < 8; j++) {
			extent[j] = tmem_arena_ops.extent_alloc(arena, TMEM_EXTENT_PERSISTENT,
								rows[i].size, rows[i].size, &size);
			assert_non_null(extent[j]);
		}
		/* Not each of them: a kernel may have no such page left at any time. */
		assert_int_equal(huge_kib() > 0, rows[i].huge);
		for (j = 0; j < 8; j++)
			tmem_arena_ops.extent_free(arena, TMEM_EXTENT_PERSISTENT, extent[j],
						   rows[i].size);
		assert_int_equal(huge_kib(), 0);
		tmem_arena_destroy(arena);
	}
}

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

/* Pages of @extent that are all zeros, each of which must be so or as it was filled. */
static unsigned int taken(const unsigned char *extent, size_t size)
{
	static const unsigned char zero[4096];
	unsigned char full[4096];
	unsigned int count = 0;
	size_t i;

	memset(full, 0x77, sizeof(full));
	for (i = 0; i < size; i += 4096) {
		if (!memcmp(extent + i, zero, 4096))
			count++;
		else
			assert_memory_equal(extent + i, full, 4096);
	}
	return count;
}

/* A kernel under pressure, for the sake of this extent alone. */
static void press(unsigned char *extent, size_t size)
{
	int i;

	for (i = 0; i < 3; i++)
		(void)madvise(extent, size, MADV_PAGEOUT);
}

static void lent_memory_is_taken_until_it_is_kept(void **state)
{
	static const uint32_t flags[] = {0, TMEM_ARENA_HUGE | TMEM_ARENA_POPULATE};
	static const size_t sizes[] = {64 << 10, 2 << 20};
	struct tmem_arena *arena;
	unsigned char *extent;
	unsigned int i, j;
	size_t size;

	(void)state;
	for (i = 0; i < 2; i++)
		for (j = 0; j < 2; j++) {
			arena = create(8 * MIB, flags[i]);
			extent = tmem_arena_ops.extent_alloc(arena, TMEM_EXTENT_EPHEMERAL, sizes[j],
							     sizes[j], &size);
			assert_non_null(extent);
			memset(extent, 0x77, size);
			press(extent, size);
			assert_int_equal(taken(extent, size), 0);
			assert_int_equal(tmem_arena_ops.extent_lend(arena, TMEM_EXTENT_EPHEMERAL,
								    extent, size),
					 0);
			tmem_arena_ops.extent_keep(arena, TMEM_EXTENT_EPHEMERAL, extent, size);
			press(extent, size);
			assert_int_equal(taken(extent, size), 0);
			assert_int_equal(tmem_arena_ops.extent_lend(arena, TMEM_EXTENT_EPHEMERAL,
								    extent, size),
					 0);
			press(extent, size);
			assert_int_equal(taken(extent, size), size / 4096);
			/* Keeping what was taken brings nothing back. */
			tmem_arena_ops.extent_keep(arena, TMEM_EXTENT_EPHEMERAL, extent, size);
			assert_int_equal(taken(extent, size), size / 4096);
			tmem_arena_ops.extent_free(arena, TMEM_EXTENT_EPHEMERAL, extent, size);
			tmem_arena_destroy(arena);
		}
}

static void persistent_memory_is_not_lent(void **state)
{
	struct tmem_arena *arena = create(8 * MIB, 0);
	void *extent;
	size_t size;

	(void)state;
	extent = tmem_arena_ops.extent_alloc(arena, TMEM_EXTENT_PERSISTENT, 4096, 4096, &size);
	assert_int_equal(tmem_arena_ops.extent_lend(arena, TMEM_EXTENT_PERSISTENT, extent, size),
			 -TMEM_EOPNOTSUPP);
	tmem_arena_ops.extent_free(arena, TMEM_EXTENT_PERSISTENT, extent, size);
	tmem_arena_destroy(arena);
}

static void misuse_panics(void **state)
{
	struct tmem_arena *arena = create(8 * MIB, 0);
	unsigned char *a, *b;
	size_t size;
	int foreign;

	(void)state;
	a = tmem_arena_ops.extent_alloc(arena, TMEM_EXTENT_META, 8192, 8192, &size);
	b = tmem_arena_ops.extent_alloc(arena, TMEM_EXTENT_META, 8192, 8192, &size);
	assert_true(free_panics(arena, TMEM_EXTENT_META, a, 4096));
	assert_true(free_panics(arena, TMEM_EXTENT_META, a, 16384));
	assert_true(free_panics(arena, TMEM_EXTENT_META, a, 12288));
	assert_true(free_panics(arena, TMEM_EXTENT_META, a + 4096, 4096));
	assert_true(free_panics(arena, TMEM_EXTENT_META, a + 1, 8192));
	assert_true(free_panics(arena, TMEM_EXTENT_META, a + 16, 8192));
	assert_true(free_panics(arena, TMEM_EXTENT_EPHEMERAL, a, 8192));
	assert_true(free_panics(arena, TMEM_EXTENT_PERSISTENT, a, 8192));
	assert_true(free_panics(arena, (enum tmem_extent_kind)4, a, 8192));
	assert_true(free_panics(arena, TMEM_EXTENT_META, &foreign, 8192));
	assert_true(free_panics(arena, TMEM_EXTENT_META, NULL, 8192));
	assert_false(free_panics(arena, TMEM_EXTENT_META, a, 8192));
	assert_true(free_panics(arena, TMEM_EXTENT_META, a, 8192));
	assert_false(free_panics(arena, TMEM_EXTENT_META, b, 8192));
	assert_int_equal(bytes_out(arena), 0);
	tmem_arena_destroy(arena);
}

#if !UNDER_ASAN && !UNDER_TSAN

/* In a process of its own: without privileges, the limit on locked memory holds. */
static int locked_child(void)
{
	struct rlimit limit = {64 * 1024, 64 * 1024};
	struct tmem_arena_config config = {sizeof(config), TMEM_ARENA_LOCK, 8 * MIB};
	struct tmem_arena_figures figures;
	enum tmem_extent_kind kind;
	struct tmem_arena *arena;
	size_t size;
	void *extent;
	int i;

	if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0)
		return 10;
	if (getuid() == 0 && setuid(65534) != 0)
		return 11;
	if (tmem_arena_create(&config, &arena) != 0)
		return 12;
	if (tmem_arena_ops.extent_alloc(arena, TMEM_EXTENT_PERSISTENT, MIB, 2 * MIB, &size) != NULL)
		return 13;
	tmem_arena_figures(arena, &figures);
	if (figures.refused_lock != MIB || figures.locked != 0 || bytes_out(arena) != 0)
		return 14;
	/*
	 * What is given back uses up no limit: the two kinds never share a
	 * chunk while the first extent lives, so their addresses differ.
	 */
	if (tmem_arena_ops.extent_alloc(arena, TMEM_EXTENT_RECORDS, 4096, 4096, &size) == NULL)
		return 15;
	for (i = 0; i < 8; i++) {
		kind = i % 2 ? TMEM_EXTENT_RECORDS : TMEM_EXTENT_PERSISTENT;
		extent = tmem_arena_ops.extent_alloc(arena, kind, 32768, 32768, &size);
		tmem_arena_figures(arena, &figures);
		if (extent == NULL || figures.locked != 32768 + 4096)
			return 16;
		tmem_arena_ops.extent_free(arena, kind, extent, size);
	}
	/* Memory that may be dropped is not locked. */
	if (tmem_arena_ops.extent_alloc(arena, TMEM_EXTENT_EPHEMERAL, MIB, MIB, &size) == NULL)
		return 17;
	tmem_arena_figures(arena, &figures);
	return figures.locked == 4096 ? 0 : 18;
}

static void persistent_memory_is_locked_or_refused(void **state)
{
	int status;
	pid_t child;

	(void)state;
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(locked_child());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* In a process all of whose memory is locked, the usual way of giving back is refused. */
static void a_locked_process_scrubs_too(void **state)
{
	struct exercise exercise = {&tmem_arena_ops, NULL, 8 * MIB, 0, 31, 2000, 256 * 1024};
	int status;
	pid_t child;

	(void)state;
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
			_exit(77);
		exercise.host = create(exercise.limit, 0);
		_exit(exercise_run(&exercise) != NULL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

#endif

struct contest {
	struct tmem_arena *arena;
	void *extent;
	pthread_barrier_t start;
};

static void *free_once(void *context)
{
	struct contest *contest = context;

	pthread_barrier_wait(&contest->start);
	return (void *)(size_t)free_panics(contest->arena, TMEM_EXTENT_EPHEMERAL, contest->extent,
					   2 * MIB);
}

static void of_two_frees_at_once_one_panics(void **state)
{
	struct contest contest = {create(2 * MIB, TMEM_ARENA_POPULATE), NULL, {{0}}};
	pthread_t thread;
	void *panicked;
	size_t size;
	int round;

	(void)state;
	assert_int_equal(pthread_barrier_init(&contest.start, NULL, 2), 0);
	for (round = 0; round < 200; round++) {
		contest.extent = tmem_arena_ops.extent_alloc(contest.arena, TMEM_EXTENT_EPHEMERAL,
							     2 * MIB, 2 * MIB, &size);
		assert_non_null(contest.extent);
		assert_int_equal(pthread_create(&thread, NULL, free_once, &contest), 0);
		size = (size_t)free_once(&contest);
		pthread_join(thread, &panicked);
		assert_int_equal(size + (size_t)panicked, 1);
		assert_int_equal(bytes_out(contest.arena), 0);
	}
	pthread_barrier_destroy(&contest.start);
	tmem_arena_destroy(contest.arena);
}

static void bad_configs_are_refused(void **state)
{
	struct tmem_arena_config good = {sizeof(good), 0, MIB}, bad;
	struct tmem_arena *arena = NULL;

	(void)state;
	bad = good;
	bad.size--;
	assert_int_equal(tmem_arena_create(&bad, &arena), -TMEM_EINVAL);
	bad = good;
	bad.flags = 8;
	assert_int_equal(tmem_arena_create(&bad, &arena), -TMEM_EINVAL);
	bad = good;
	bad.bytes = 4095;
	assert_int_equal(tmem_arena_create(&bad, &arena), -TMEM_EINVAL);
	bad.bytes = UINT64_MAX;
	assert_int_equal(tmem_arena_create(&bad, &arena), -TMEM_EINVAL);
	assert_null(arena);
	bad.bytes = 4096;
	assert_int_equal(tmem_arena_create(&bad, &arena), 0);
	tmem_arena_destroy(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(extents_keep_the_contract),
		cmocka_unit_test(exercise_notices_each_broken_host),
		cmocka_unit_test(threads_do_not_share_extents),
		cmocka_unit_test(limit_is_reached_and_never_passed),
		cmocka_unit_test(scattered_extents_cost_no_large_ones),
		cmocka_unit_test(freed_memory_is_the_kernels),
		cmocka_unit_test(persistent_memory_is_in_huge_pages),
		cmocka_unit_test(lent_memory_is_taken_until_it_is_kept),
		cmocka_unit_test(persistent_memory_is_not_lent),
		cmocka_unit_test(misuse_panics),
#if !UNDER_ASAN && !UNDER_TSAN
		/* These sanitizers make mlock() do nothing. */
		cmocka_unit_test(persistent_memory_is_locked_or_refused),
		cmocka_unit_test(a_locked_process_scrubs_too),
#endif
		cmocka_unit_test(of_two_frees_at_once_one_panics),
		cmocka_unit_test(bad_configs_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
