// SPDX-License-Identifier: MIT
/*
 * A front-end that lies in its messages and with the descriptors that it
 * sends: each case is one sentence of the rules for back-ends, broken.
 */
#include "liar.h"
#include "loop.h"
#include "notify.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* --- messages --- */

static void send_header(struct liar *world, uint32_t request, uint32_t flags, uint32_t size)
{
	const uint32_t header[3] = {request, flags, size};

	assert_int_equal(fe_send_raw(&world->fe, header, sizeof(header), NULL, 0), 0);
}

static void message_with_wrong_version(void **state)
{
	liar_connect(*state);
	send_header(*state, 1, 2, 0);
	liar_expect(*state, GUEST_ERROR_message_version);
}

static void message_with_reply_flag(void **state)
{
	liar_connect(*state);
	send_header(*state, 1, 5, 0);
	liar_expect(*state, GUEST_ERROR_message_version);
}

static void message_that_is_unknown(void **state)
{
	liar_connect(*state);
	send_header(*state, 33, 1, 0);
	liar_expect(*state, GUEST_ERROR_message_unknown);
}

static void message_number_that_is_huge(void **state)
{
	liar_connect(*state);
	send_header(*state, 0xffffffff, 1, 0);
	liar_expect(*state, GUEST_ERROR_message_unknown);
}

static void message_that_was_not_negotiated(void **state)
{
	struct liar *world = *state;
	uint8_t payload[12] = {0};

	assert_int_equal(fe_connect(&world->fe), 0);
	assert_int_equal(fe_send(&world->fe, 24, payload, 12, NULL, 0), 0);
	liar_expect(world, GUEST_ERROR_message_unknown);
}

static void message_that_is_too_long(void **state)
{
	liar_connect(*state);
	send_header(*state, 2, 1, 0xffffffff);
	liar_expect(*state, GUEST_ERROR_message_too_long);
}

static void message_of_wrong_size(void **state)
{
	struct liar *world = *state;

	liar_connect(world);
	assert_int_equal(fe_send(&world->fe, 2, "abc", 4, NULL, 0), 0);
	liar_expect(world, GUEST_ERROR_message_size);
}

static uint32_t open_descriptors(void)
{
	uint32_t count = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void half_a_message_and_its_descriptors(void **state)
{
	struct liar *world = *state;
	const uint32_t header[3] = {37, 1, 40};
	uint32_t before;
	int fds[2] = {world->fe.memory, world->fe.memory};

	liar_connect(world);
	harness_pump(world->harness);
	before = open_descriptors();
	assert_int_equal(fe_send_raw(&world->fe, header, 10, fds, 2), 0);
	harness_pump(world->harness);
	assert_int_equal(open_descriptors(), before + 2);
	shutdown(world->fe.fd, SHUT_WR);
	harness_pump(world->harness);
	/* The two, and the daemon's end of the connection. */
	assert_int_equal(open_descriptors(), before - 1);
	liar_expect(world, GUEST_ERROR_message_half);
}

static void descriptors_with_a_message_that_has_none(void **state)
{
	struct liar *world = *state;
	uint64_t number = 0x140000000ull;
	uint32_t before;

	liar_connect(world);
	harness_pump(world->harness);
	before = open_descriptors();
	assert_int_equal(fe_send(&world->fe, 2, &number, 8, &world->fe.memory, 1), 0);
	harness_pump(world->harness);
	assert_int_equal(open_descriptors(), before - 1);
	liar_expect(world, GUEST_ERROR_descriptor_count);
}

static void more_descriptors_than_any_message_has(void **state)
{
	struct liar *world = *state;
	const uint64_t region[5] = {0, FE_GUEST_BASE, FE_RAM, FE_USER_BASE, 0};
	uint32_t before;
	int fds[40], i;

	for (i = 0; i < 40; i++)
		fds[i] = world->fe.memory;
	liar_connect(world);
	harness_pump(world->harness);
	before = open_descriptors();
	assert_int_equal(fe_send(&world->fe, 37, region, sizeof(region), fds, 40), 0);
	harness_pump(world->harness);
	assert_int_equal(open_descriptors(), before - 1);
	liar_expect(world, GUEST_ERROR_descriptor_count);
}

static void feature_that_was_not_offered(void **state)
{
	struct liar *world = *state;

	liar_connect(world);
	assert_int_equal(fe_send_number(&world->fe, 2, 1ull << 34), 0);
	liar_expect(world, GUEST_ERROR_feature_unknown);
}

static void protocol_feature_that_was_not_offered(void **state)
{
	struct liar *world = *state;

	liar_connect(world);
	assert_int_equal(fe_send_number(&world->fe, 16, 1ull << 8), 0);
	liar_expect(world, GUEST_ERROR_feature_unknown);
}

static void replies_that_are_not_taken(void **state)
{
	struct liar *world = *state;
	const uint32_t header[3] = {1, 1, 0};
	uint32_t i, size = 4096;

	assert_int_equal(fe_connect(&world->fe), 0);
	setsockopt(world->fe.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	for (i = 0; i < 100000; i++) {
		if (send(world->fe.fd, header, 12, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		if (i % 64 == 0)
			harness_pump(world->harness);
	}
	assert_true(i < 100000);
	liar_expect(world, GUEST_ERROR_reply_blocked);
}

static void second_connection_is_closed(void **state)
{
	struct liar *world = *state;
	struct frontend second = world->fe;
	bool same;

	liar_up(world);
	assert_int_equal(fe_connect(&second), 0);
	assert_true(fe_is_dead(&second));
	close(second.fd);
	assert_int_equal(harness_errors(world->guest, GUEST_ERROR_second_connection), 1);
	assert_int_equal(fe_write(&world->fe, 0, 1, 1), FE_OK);
	assert_int_equal(fe_read(&world->fe, 0, 1, 1, &same), FE_OK);
	assert_true(same);
}

/* --- descriptors --- */

/* Something that is no eventfd, as each of KICK, CALL, ERR. */
static void refuse_as_event(struct liar *world, int fd)
{
	static const uint32_t requests[3] = {12, 13, 14};
	static uint32_t which;
	uint64_t number = 0;

	assert_true(fd >= 0);
	liar_connect(world);
	assert_int_equal(fe_memory(&world->fe), 0);
	assert_int_equal(fe_rings(&world->fe, 0), 0);
	assert_int_equal(fe_send(&world->fe, requests[which++ % 3], &number, 8, &fd, 1), 0);
	liar_expect(world, GUEST_ERROR_descriptor_not_event);
	close(fd);
}

static void pipe_as_event(void **state)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	refuse_as_event(*state, fds[1]);
	close(fds[0]);
}

static void timerfd_as_event(void **state)
{
	refuse_as_event(*state, timerfd_create(CLOCK_MONOTONIC, 0));
}

static void epoll_as_event(void **state)
{
	refuse_as_event(*state, epoll_create1(0));
}

static void inotify_as_event(void **state)
{
	refuse_as_event(*state, inotify_init());
}

static void signalfd_as_event(void **state)
{
	sigset_t set;

	sigemptyset(&set);
	refuse_as_event(*state, signalfd(-1, &set, 0));
}

static void memfd_as_event(void **state)
{
	refuse_as_event(*state, memfd_create("x", 0));
}

static void device_as_event(void **state)
{
	refuse_as_event(*state, open("/dev/null", O_RDWR));
}

static void socket_as_event(void **state)
{
	refuse_as_event(*state, socket(AF_UNIX, SOCK_STREAM, 0));
}

static void file_as_event(void **state)
{
	refuse_as_event(*state, open("/proc/self/exe", O_RDONLY));
}

static void eventfd_in_every_state_is_accepted(void **state)
{
	struct liar *world = *state;
	const uint64_t full = UINT64_MAX - 1;
	uint64_t number = 0, count;
	int fd[4] = {eventfd(0, 0), eventfd(5, EFD_SEMAPHORE), eventfd(0, EFD_NONBLOCK),
		     eventfd(0, 0)},
	    i;

	assert_int_equal(write(fd[2], &full, 8), 8);
	/* Fuller than full: no write gets there, and after it one of nothing would wait too. */
	assert_int_equal(write(fd[3], &full, 8), 8);
	assert_int_equal(notify_send(loop_notify(harness_daemon(world->harness)->loop), fd[3]), 0);
	liar_connect(world);
	for (i = 0; i < 4; i++)
		assert_int_equal(fe_send(&world->fe, 13, &number, 8, &fd[i], 1), 0);
	assert_false(fe_is_dead(&world->fe));
	/* Looking at it has not changed it. */
	assert_int_equal(read(fd[2], &count, 8), 8);
	assert_true(count == full);
	assert_int_equal(read(fd[3], &count, 8), 8);
	assert_true(count == UINT64_MAX);
	for (i = 0; i < 4; i++)
		close(fd[i]);
}

static void refuse_as_memory(struct liar *world, int fd, enum guest_error error)
{
	const uint64_t region[5] = {0, FE_GUEST_BASE, FE_RAM, FE_USER_BASE, 0};

	assert_true(fd >= 0);
	liar_connect(world);
	assert_int_equal(fe_acked(&world->fe, 37, region, sizeof(region), &fd, 1), 1);
	liar_expect(world, error);
	close(fd);
}

static void eventfd_as_memory(void **state)
{
	refuse_as_memory(*state, eventfd(0, 0), GUEST_ERROR_descriptor_not_memory);
}

static void device_as_memory(void **state)
{
	refuse_as_memory(*state, open("/dev/zero", O_RDWR), GUEST_ERROR_descriptor_not_memory);
}

static void file_on_proc_as_memory(void **state)
{
	refuse_as_memory(*state, open("/proc/self/maps", O_RDONLY),
			 GUEST_ERROR_descriptor_not_memory);
}

static void directory_as_memory(void **state)
{
	refuse_as_memory(*state, open("/dev/shm", O_RDONLY | O_DIRECTORY),
			 GUEST_ERROR_descriptor_not_memory);
}

static void disk_file_as_memory(void **state)
{
	/* The test's own program lies on a disk, or on tmpfs, where it cannot be mapped to write. */
	int fd = open("/proc/self/exe", O_RDONLY);
	struct liar *world = *state;
	const uint64_t region[5] = {0, FE_GUEST_BASE, 4096, FE_USER_BASE, 0};

	liar_connect(world);
	assert_int_equal(fe_acked(&world->fe, 37, region, sizeof(region), &fd, 1), 1);
	close(fd);
	assert_true(fe_is_dead(&world->fe));
	assert_int_equal(harness_errors(world->guest, GUEST_ERROR_descriptor_not_memory) +
				 harness_errors(world->guest, GUEST_ERROR_region_map),
			 1);
}

static void memory_that_cannot_be_written(void **state)
{
	int fd = memfd_create("sealed", MFD_ALLOW_SEALING);

	assert_int_equal(ftruncate(fd, FE_RAM), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	refuse_as_memory(*state, fd, GUEST_ERROR_region_map);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		LIAR_CASE(message_with_wrong_version),
		LIAR_CASE(message_with_reply_flag),
		LIAR_CASE(message_that_is_unknown),
		LIAR_CASE(message_number_that_is_huge),
		LIAR_CASE(message_that_was_not_negotiated),
		LIAR_CASE(message_that_is_too_long),
		LIAR_CASE(message_of_wrong_size),
		LIAR_CASE(half_a_message_and_its_descriptors),
		LIAR_CASE(descriptors_with_a_message_that_has_none),
		LIAR_CASE(more_descriptors_than_any_message_has),
		LIAR_CASE(feature_that_was_not_offered),
		LIAR_CASE(protocol_feature_that_was_not_offered),
		LIAR_CASE(replies_that_are_not_taken),
		LIAR_CASE(second_connection_is_closed),
		LIAR_CASE(pipe_as_event),
		LIAR_CASE(timerfd_as_event),
		LIAR_CASE(epoll_as_event),
		LIAR_CASE(inotify_as_event),
		LIAR_CASE(signalfd_as_event),
		LIAR_CASE(memfd_as_event),
		LIAR_CASE(device_as_event),
		LIAR_CASE(socket_as_event),
		LIAR_CASE(file_as_event),
		LIAR_CASE(eventfd_in_every_state_is_accepted),
		LIAR_CASE(eventfd_as_memory),
		LIAR_CASE(device_as_memory),
		LIAR_CASE(file_on_proc_as_memory),
		LIAR_CASE(directory_as_memory),
		LIAR_CASE(disk_file_as_memory),
		LIAR_CASE(memory_that_cannot_be_written),
	};

	alarm(120);
	return cmocka_run_group_tests_name("vhost lying messages", cases, NULL, NULL);
}
