// SPDX-License-Identifier: MIT
/*
 * Guests before anybody connects: what their socket looks like, and which of
 * them are refused, each with its own code and nothing left behind.
 */
#include "harness.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct world {
	struct harness *harness;
};

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	world->harness = harness_create();
	harness_guest(world->harness, "good", 4096, false);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	harness_destroy(world->harness);
	free(world);
	return 0;
}

static void socket_is_private_and_stale_one_is_replaced(void **state)
{
	struct world *world = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = harness_path(world->harness, "stale");
	struct stat stat_buf;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	harness_guest(world->harness, "stale", 16, false);
	path = harness_path(world->harness, "stale");
	assert_int_equal(stat(path, &stat_buf), 0);
	assert_int_equal(stat_buf.st_mode & 0777, 0700);
}

static void name_that_is_another_s_is_not_removed(void **state)
{
	struct world *world = *state;
	struct guest *guest = harness_guest(world->harness, "gone", 16, false);
	const char *path = harness_path(world->harness, "gone");
	int fd;

	assert_int_equal(unlink(path), 0);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	close(fd);
	harness_remove(world->harness, guest);
	assert_int_equal(unlink(path), 0);
	/* The control: its own it does remove. */
	guest = harness_guest(world->harness, "gone", 16, false);
	harness_remove(world->harness, guest);
	assert_int_equal(access(harness_path(world->harness, "gone"), F_OK), -1);
}

static int create(struct world *world, const char *path, uint64_t disk, uint64_t allocation)
{
	const struct guest_config config = {
		.name = "x", .socket_path = path, .disk_bytes = disk, .allocation = allocation};
	struct guest *guest = NULL;
	int error = guest_create(harness_daemon(world->harness), &config, &guest);

	assert_true(error && !guest);
	harness_check(world->harness);
	return error;
}

static void bad_guests_are_refused(void **state)
{
	struct world *world = *state;
	char path[300];

	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = 0;
	assert_int_equal(create(world, path, 0, 8 << 20), -ENAMETOOLONG);
	assert_int_equal(create(world, harness_path(world->harness, "good"), 0, 8 << 20),
			 -EADDRINUSE);
	assert_int_equal(create(world, "/proc/x", 0, 8 << 20), -ENOENT);
	assert_int_equal(create(world, "/dev/null", 0, 8 << 20), -EEXIST);
	assert_int_equal(create(world, harness_path(world->harness, "x"), 4097, 8 << 20), -EINVAL);
	assert_int_equal(create(world, harness_path(world->harness, "x"), 8 << 20, 8 << 20),
			 -TMEM_ENOSPC);
	assert_int_equal(create(world, harness_path(world->harness, "x"), 0, 4096), -TMEM_ENOSPC);
	assert_int_equal(create(world, harness_path(world->harness, "x"), 0, 4096ull << 20),
			 -TMEM_ENOSPC);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(socket_is_private_and_stale_one_is_replaced),
		CASE(name_that_is_another_s_is_not_removed),
		CASE(bad_guests_are_refused),
	};

	alarm(60);
	return cmocka_run_group_tests_name("vhost guest", cases, NULL, NULL);
}
