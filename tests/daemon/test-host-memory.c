// SPDX-License-Identifier: MIT
/*
 * What the host says of its memory, from trees of files as kernels of both
 * kinds of control groups have them, whole and with parts missing; and from
 * the kernel that this runs on.
 */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host_memory.h"

#define MIB (UINT64_C(1) << 20)

static char root[64];

static int set_up(void **state)
{
	(void)state;
	strcpy(root, "/tmp/tmem-host-memory.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void write_text(const char *name, const char *text)
{
	char path[256];
	char *slash;
	FILE *file;

	snprintf(path, sizeof(path), "%s%s", root, name);
	for (slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		(void)mkdir(path, 0700);
		*slash = '/';
	}
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	fclose(file);
}

static void write_machine(void)
{
	write_text("/proc/meminfo", "MemTotal:        4194304 kB\n"
				    "MemFree:         1048576 kB\n"
				    "MemAvailable:    2097152 kB\n"
				    "Cached:          1048576 kB\n");
}

static void write_v2(const char *path)
{
	char text[256];

	snprintf(text, sizeof(text), "0::%s\n", path);
	write_text("/proc/self/cgroup", text);
	write_text(
		"/proc/self/mountinfo",
		"22 1 0:20 / /proc rw - proc proc rw\n"
		"30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
}

static struct fallow_room group_now(void)
{
	struct fallow_room machine, group;
	struct host_memory memory;

	host_memory_open(&memory, root);
	assert_true(host_memory_read(&memory, &machine, &group));
	assert_int_equal(machine.total, 4096 * MIB);
	assert_int_equal(machine.available, 2048 * MIB);
	assert_int_equal(machine.free, 1024 * MIB);
	return group;
}

static void no_figures_at_all(void **state)
{
	struct fallow_room machine, group;
	struct host_memory memory;

	(void)state;
	host_memory_open(&memory, root);
	assert_false(host_memory_read(&memory, &machine, &group));
	write_text("/proc/meminfo", "");
	assert_false(host_memory_read(&memory, &machine, &group));
	write_text("/proc/meminfo", "MemTotal: many kB\nMemFree: 1 kB\n");
	assert_false(host_memory_read(&memory, &machine, &group));
	assert_int_equal(host_memory_pressure(&memory, false), -1);
	assert_int_equal(host_memory_pressure(&memory, true), -1);
}

static void a_kernel_that_does_not_say_what_is_available(void **state)
{
	struct fallow_room machine, group;
	struct host_memory memory;

	(void)state;
	write_text("/proc/meminfo", "MemTotal: 1000 kB\nMemFree: 100 kB\n");
	host_memory_open(&memory, root);
	assert_true(host_memory_read(&memory, &machine, &group));
	assert_int_equal(machine.available, 100 << 10);
	assert_int_equal(group.total, 0);
}

static void no_group_is_no_limit(void **state)
{
	(void)state;
	write_machine();
	assert_int_equal(group_now().total, 0);
	write_text("/proc/self/cgroup", "nothing of the kind");
	write_text("/proc/self/mountinfo", "\n - \n1 2 3 - cgroup2\n");
	assert_int_equal(group_now().total, 0);
}

/* The group itself has no limit; the one above has, with what can be taken back in it. */
static void version_2_up_the_tree(void **state)
{
	struct fallow_room group;

	(void)state;
	write_machine();
	write_v2("/system.slice/tmemd.service");
	write_text("/sys/fs/cgroup/system.slice/tmemd.service/memory.max", "max\n");
	write_text("/sys/fs/cgroup/system.slice/tmemd.service/memory.high", "max\n");
	assert_int_equal(group_now().total, 0);
	write_text("/sys/fs/cgroup/system.slice/memory.max", "1073741824\n");
	write_text("/sys/fs/cgroup/system.slice/memory.current", "1063256064\n");
	group = group_now();
	assert_int_equal(group.total, 1024 * MIB);
	assert_int_equal(group.free, 10 * MIB);
	assert_int_equal(group.available, 10 * MIB);
	write_text("/sys/fs/cgroup/system.slice/memory.stat",
		   "anon 1\ninactive_file 104857600\nactive_file 52428800\nslab_reclaimable 0\n");
	group = group_now();
	assert_int_equal(group.free, 10 * MIB);
	assert_int_equal(group.available, 160 * MIB);
	/* What slows a group down counts as its limit. */
	write_text("/sys/fs/cgroup/system.slice/memory.high", "536870912\n");
	group = group_now();
	assert_int_equal(group.total, 512 * MIB);
	assert_int_equal(group.free, 0);
	/* And of two limits the one that leaves less. */
	write_text("/sys/fs/cgroup/system.slice/tmemd.service/memory.max", "67108864\n");
	write_text("/sys/fs/cgroup/system.slice/tmemd.service/memory.current", "50331648\n");
	group = group_now();
	assert_int_equal(group.total, 64 * MIB);
	assert_int_equal(group.available, 16 * MIB);
}

static void version_1(void **state)
{
	struct fallow_room group;

	(void)state;
	write_machine();
	write_text("/proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/box/inner\n0::/\n");
	write_text("/proc/self/mountinfo",
		   "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
		   "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,cpu,memory\n"
		   "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
	write_text("/sys/fs/cgroup/memory/box/inner/memory.limit_in_bytes",
		   "9223372036854771712\n");
	write_text("/sys/fs/cgroup/memory/box/inner/memory.usage_in_bytes", "1048576\n");
	assert_int_equal(group_now().total, 0);
	write_text("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "209715200\n");
	write_text("/sys/fs/cgroup/memory/box/memory.usage_in_bytes", "199229440\n");
	write_text("/sys/fs/cgroup/memory/box/memory.stat",
		   "inactive_file 1\ntotal_inactive_file 41943040\ntotal_active_file 0\n");
	group = group_now();
	assert_int_equal(group.total, 200 * MIB);
	assert_int_equal(group.free, 10 * MIB);
	assert_int_equal(group.available, 50 * MIB);
}

/* Containers see a part of the tree, or a path that leads out of what they see. */
static void a_part_of_the_tree(void **state)
{
	(void)state;
	write_machine();
	write_v2("/../../elsewhere");
	write_text("/sys/fs/cgroup/memory.max", "134217728\n");
	write_text("/sys/fs/cgroup/memory.current", "0\n");
	assert_int_equal(group_now().total, 128 * MIB);
	write_text("/proc/self/cgroup", "0::/pod/box\n");
	write_text("/proc/self/mountinfo",
		   "30 22 0:26 /pod /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
	write_text("/sys/fs/cgroup/box/memory.max", "67108864\n");
	write_text("/sys/fs/cgroup/box/memory.current", "0\n");
	assert_int_equal(group_now().total, 64 * MIB);
}

static void figures_that_contradict_each_other(void **state)
{
	struct fallow_room group;

	(void)state;
	write_machine();
	write_v2("/a");
	write_text("/sys/fs/cgroup/a/memory.max", "0\n");
	write_text("/sys/fs/cgroup/a/memory.current", "18446744073709551615\n");
	write_text("/sys/fs/cgroup/a/memory.stat",
		   "inactive_file 18446744073709551615\nactive_file 7\n");
	group = group_now();
	assert_int_equal(group.available, 0);
	write_text("/sys/fs/cgroup/a/memory.max", "1048576\n");
	write_text("/sys/fs/cgroup/a/memory.current", "1048577\n");
	group = group_now();
	assert_true(group.free == 0 && group.available <= group.total);
}

/* And this one. */
static void the_kernel_that_this_runs_on(void **state)
{
	struct fallow_room machine, group;
	struct host_memory memory;

	(void)state;
	host_memory_open(&memory, "");
	assert_true(host_memory_read(&memory, &machine, &group));
	assert_true(machine.total >= machine.available && machine.total >= machine.free);
	assert_true(machine.available > 0);
	assert_int_equal(machine.total % 4096, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(no_figures_at_all),
		CASE(a_kernel_that_does_not_say_what_is_available),
		CASE(no_group_is_no_limit),
		CASE(version_2_up_the_tree),
		CASE(version_1),
		CASE(a_part_of_the_tree),
		CASE(figures_that_contradict_each_other),
		cmocka_unit_test(the_kernel_that_this_runs_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
