// SPDX-License-Identifier: MIT
/*
 * A front-end that lies: each case is one sentence of the rules for
 * back-ends, broken. The session must end with exactly the named error, and
 * an honest guest beside it must go on, its disk untouched.
 */
#include "frontend.h"
#include "harness.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct world {
	struct harness *harness;
	struct guest *guest;
	struct guest *witness;
	struct frontend fe;
	struct frontend honest;
};

static void pump(void *arg)
{
	harness_pump(arg);
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct harness *harness = harness_create();

	world->harness = harness;
	world->guest = harness_guest(harness, "liar", 4096, false);
	world->witness = harness_guest(harness, "witness", 4096, false);
	fe_init(&world->fe, harness_path(harness, "liar"), pump, harness);
	fe_init(&world->honest, harness_path(harness, "witness"), pump, harness);
	assert_int_equal(fe_up(&world->honest, 1, true), 0);
	assert_int_equal(fe_write(&world->honest, 0, 42, 42), FE_OK);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	fe_close(&world->fe);
	fe_close(&world->honest);
	harness_destroy(world->harness);
	free(world);
	return 0;
}

/* The session is over for this reason and no other; the witness noticed nothing. */
static void expect(struct world *world, enum guest_error error)
{
	struct guest_figures figures;
	uint32_t i;
	bool same;

	assert_true(fe_is_dead(&world->fe));
	guest_figures(world->guest, &figures);
	for (i = 0; i < GUEST_ERROR_COUNT; i++) {
		if (figures.counters.errors[i] != (i == error))
			print_message("counted: %s\n", guest_error_name(i));
		assert_int_equal(figures.counters.errors[i], i == error);
	}
	assert_int_equal(figures.counters.sessions_ended, 1);
	assert_false(figures.connected);

	assert_int_equal(fe_read(&world->honest, 0, 42, 42, &same), FE_OK);
	assert_true(same);
	assert_int_equal(fe_write(&world->honest, 0, 43, 1), FE_OK);
	guest_figures(world->witness, &figures);
	assert_int_equal(figures.counters.sessions_ended, 0);

	/* And the liar may come back. */
	fe_disconnect(&world->fe);
	assert_int_equal(fe_up(&world->fe, 1, true), 0);
	assert_int_equal(fe_write(&world->fe, 0, 1, 1), FE_OK);
	assert_int_equal(fe_read(&world->fe, 0, 1, 1, &same), FE_OK);
	assert_true(same);
}

static void connect_to(struct world *world)
{
	assert_int_equal(fe_connect(&world->fe), 0);
	assert_int_equal(fe_features(&world->fe), 0);
}

static void up(struct world *world)
{
	assert_int_equal(fe_up(&world->fe, 1, true), 0);
}

/* --- messages --- */

static void send_header(struct world *world, uint32_t request, uint32_t flags, uint32_t size)
{
	const uint32_t header[3] = {request, flags, size};

	assert_int_equal(fe_send_raw(&world->fe, header, sizeof(header), NULL, 0), 0);
}

static void message_with_wrong_version(void **state)
{
	connect_to(*state);
	send_header(*state, 1, 2, 0);
	expect(*state, GUEST_ERROR_message_version);
}

static void message_with_reply_flag(void **state)
{
	connect_to(*state);
	send_header(*state, 1, 5, 0);
	expect(*state, GUEST_ERROR_message_version);
}

static void message_that_is_unknown(void **state)
{
	connect_to(*state);
	send_header(*state, 33, 1, 0);
	expect(*state, GUEST_ERROR_message_unknown);
}

static void message_number_that_is_huge(void **state)
{
	connect_to(*state);
	send_header(*state, 0xffffffff, 1, 0);
	expect(*state, GUEST_ERROR_message_unknown);
}

static void message_that_was_not_negotiated(void **state)
{
	struct world *world = *state;
	uint8_t payload[12] = {0};

	assert_int_equal(fe_connect(&world->fe), 0);
	assert_int_equal(fe_send(&world->fe, 24, payload, 12, NULL, 0), 0);
	expect(world, GUEST_ERROR_message_unknown);
}

static void message_that_is_too_long(void **state)
{
	connect_to(*state);
	send_header(*state, 2, 1, 0xffffffff);
	expect(*state, GUEST_ERROR_message_too_long);
}

static void message_of_wrong_size(void **state)
{
	struct world *world = *state;

	connect_to(world);
	assert_int_equal(fe_send(&world->fe, 2, "abc", 4, NULL, 0), 0);
	expect(world, GUEST_ERROR_message_size);
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
	struct world *world = *state;
	const uint32_t header[3] = {37, 1, 40};
	uint32_t before;
	int fds[2] = {world->fe.memory, world->fe.memory};

	connect_to(world);
	harness_pump(world->harness);
	before = open_descriptors();
	assert_int_equal(fe_send_raw(&world->fe, header, 10, fds, 2), 0);
	harness_pump(world->harness);
	assert_int_equal(open_descriptors(), before + 2);
	shutdown(world->fe.fd, SHUT_WR);
	harness_pump(world->harness);
	/* The two, and the daemon's end of the connection. */
	assert_int_equal(open_descriptors(), before - 1);
	expect(world, GUEST_ERROR_message_half);
}

static void descriptors_with_a_message_that_has_none(void **state)
{
	struct world *world = *state;
	uint64_t number = 0x140000000ull;
	uint32_t before;

	connect_to(world);
	harness_pump(world->harness);
	before = open_descriptors();
	assert_int_equal(fe_send(&world->fe, 2, &number, 8, &world->fe.memory, 1), 0);
	harness_pump(world->harness);
	assert_int_equal(open_descriptors(), before - 1);
	expect(world, GUEST_ERROR_descriptor_count);
}

static void more_descriptors_than_any_message_has(void **state)
{
	struct world *world = *state;
	const uint64_t region[5] = {0, FE_GUEST_BASE, FE_RAM, FE_USER_BASE, 0};
	uint32_t before;
	int fds[40], i;

	for (i = 0; i < 40; i++)
		fds[i] = world->fe.memory;
	connect_to(world);
	harness_pump(world->harness);
	before = open_descriptors();
	assert_int_equal(fe_send(&world->fe, 37, region, sizeof(region), fds, 40), 0);
	harness_pump(world->harness);
	assert_int_equal(open_descriptors(), before - 1);
	expect(world, GUEST_ERROR_descriptor_count);
}

static void feature_that_was_not_offered(void **state)
{
	struct world *world = *state;

	connect_to(world);
	assert_int_equal(fe_send_number(&world->fe, 2, 1ull << 34), 0);
	expect(world, GUEST_ERROR_feature_unknown);
}

static void protocol_feature_that_was_not_offered(void **state)
{
	struct world *world = *state;

	connect_to(world);
	assert_int_equal(fe_send_number(&world->fe, 16, 1ull << 8), 0);
	expect(world, GUEST_ERROR_feature_unknown);
}

static void replies_that_are_not_taken(void **state)
{
	struct world *world = *state;
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
	expect(world, GUEST_ERROR_reply_blocked);
}

static void second_connection_is_closed(void **state)
{
	struct world *world = *state;
	struct frontend second = world->fe;
	bool same;

	up(world);
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
static void refuse_as_event(struct world *world, int fd)
{
	static const uint32_t requests[3] = {12, 13, 14};
	static uint32_t which;
	uint64_t number = 0;

	assert_true(fd >= 0);
	connect_to(world);
	assert_int_equal(fe_memory(&world->fe), 0);
	assert_int_equal(fe_rings(&world->fe, 0), 0);
	assert_int_equal(fe_send(&world->fe, requests[which++ % 3], &number, 8, &fd, 1), 0);
	expect(world, GUEST_ERROR_descriptor_not_event);
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
	struct world *world = *state;
	const uint64_t full = UINT64_MAX - 1;
	uint64_t number = 0, count;
	int fd[3] = {eventfd(0, 0), eventfd(5, EFD_SEMAPHORE), eventfd(0, EFD_NONBLOCK)}, i;

	assert_int_equal(write(fd[2], &full, 8), 8);
	connect_to(world);
	for (i = 0; i < 3; i++)
		assert_int_equal(fe_send(&world->fe, 13, &number, 8, &fd[i], 1), 0);
	assert_false(fe_is_dead(&world->fe));
	/* Looking at it has not changed it. */
	assert_int_equal(read(fd[2], &count, 8), 8);
	assert_true(count == full);
	for (i = 0; i < 3; i++)
		close(fd[i]);
}

static void refuse_as_memory(struct world *world, int fd, enum guest_error error)
{
	const uint64_t region[5] = {0, FE_GUEST_BASE, FE_RAM, FE_USER_BASE, 0};

	assert_true(fd >= 0);
	connect_to(world);
	assert_int_equal(fe_acked(&world->fe, 37, region, sizeof(region), &fd, 1), 1);
	expect(world, error);
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
	struct world *world = *state;
	const uint64_t region[5] = {0, FE_GUEST_BASE, 4096, FE_USER_BASE, 0};

	connect_to(world);
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

/* --- regions --- */

static void add_region(struct world *world, uint64_t guest, uint64_t size, uint64_t user,
		       uint64_t offset, enum guest_error error)
{
	const uint64_t region[5] = {0, guest, size, user, offset};

	connect_to(world);
	assert_int_equal(fe_memory(&world->fe), 0);
	assert_int_equal(fe_acked(&world->fe, 37, region, sizeof(region), &world->fe.memory, 1), 1);
	expect(world, error);
}

static void regions_that_overlap_in_guest_addresses(void **state)
{
	add_region(*state, FE_GUEST_BASE + FE_RAM - 4096, 8192, 0x1000, 0,
		   GUEST_ERROR_region_overlap);
}

static void region_around_another(void **state)
{
	add_region(*state, FE_GUEST_BASE - 4096, FE_RAM, 0x1000, 0, GUEST_ERROR_region_overlap);
}

static void regions_that_overlap_in_user_addresses(void **state)
{
	add_region(*state, 0, 4096, FE_USER_BASE + 4096, 0, GUEST_ERROR_region_overlap);
}

static void region_that_wraps_in_guest_addresses(void **state)
{
	add_region(*state, UINT64_MAX - 4095, 8192, 0x1000, 0, GUEST_ERROR_region_wrap);
}

static void region_that_wraps_in_user_addresses(void **state)
{
	add_region(*state, 0, 8192, UINT64_MAX - 4095, 0, GUEST_ERROR_region_wrap);
}

static void region_that_wraps_in_its_file(void **state)
{
	add_region(*state, 0, 8192, 0x1000, UINT64_MAX - 4095, GUEST_ERROR_region_wrap);
}

static void region_that_is_empty(void **state)
{
	add_region(*state, 0, 0, 0x1000, 0, GUEST_ERROR_region_wrap);
}

static void region_beyond_its_file(void **state)
{
	add_region(*state, 0, 8192, 0x1000, FE_RAM - 4096, GUEST_ERROR_region_truncated);
}

static void region_larger_than_its_file(void **state)
{
	add_region(*state, FE_GUEST_BASE << 8, 1ull << 40, 0x1000, 0, GUEST_ERROR_region_truncated);
}

static void more_regions_than_slots(void **state)
{
	struct world *world = *state;
	uint64_t i, region[5] = {0, 0, 4096, 0x100000, 0};

	connect_to(world);
	for (i = 0; i < 32; i++) {
		region[1] = i * 8192;
		region[3] = 0x100000 + i * 8192;
		assert_int_equal(
			fe_acked(&world->fe, 37, region, sizeof(region), &world->fe.memory, 1), 0);
	}
	region[1] = 1 << 30;
	region[3] = 1 << 30;
	assert_int_equal(fe_acked(&world->fe, 37, region, sizeof(region), &world->fe.memory, 1), 1);
	expect(world, GUEST_ERROR_region_count);
}

static void removal_of_an_unknown_region(void **state)
{
	struct world *world = *state;
	const uint64_t region[5] = {0, FE_GUEST_BASE, FE_RAM - 4096, FE_USER_BASE, 0};

	connect_to(world);
	assert_int_equal(fe_memory(&world->fe), 0);
	assert_int_equal(fe_acked(&world->fe, 38, region, sizeof(region), NULL, 0), 1);
	expect(world, GUEST_ERROR_region_unknown);
}

static void table_with_fewer_descriptors_than_regions(void **state)
{
	struct world *world = *state;
	uint64_t table[9] = {2};

	connect_to(world);
	assert_int_equal(fe_send(&world->fe, 5, table, sizeof(table), &world->fe.memory, 1), 0);
	expect(world, GUEST_ERROR_descriptor_count);
}

static void table_that_says_more_than_it_holds(void **state)
{
	struct world *world = *state;
	uint64_t table[5] = {8};

	connect_to(world);
	assert_int_equal(fe_send(&world->fe, 5, table, sizeof(table), &world->fe.memory, 1), 0);
	expect(world, GUEST_ERROR_message_size);
}

static void memory_removed_while_in_use(void **state)
{
	struct world *world = *state;
	const uint64_t region[5] = {0, FE_GUEST_BASE, FE_RAM, FE_USER_BASE, 0};

	up(world);
	assert_int_equal(fe_acked(&world->fe, 38, region, sizeof(region), NULL, 0), 0);
	fe_kick(&world->fe, 0);
	expect(world, GUEST_ERROR_chain_address);
}

static void memory_truncated_while_in_use(void **state)
{
	struct world *world = *state;

	up(world);
	fe_submit(&world->fe, 0, FE_FLUSH, 0, NULL, 0);
	assert_int_equal(ftruncate(world->fe.memory, 0), 0);
	fe_kick(&world->fe, 0);
	harness_pump(world->harness);
	assert_int_equal(ftruncate(world->fe.memory, FE_RAM), 0);
	expect(world, GUEST_ERROR_memory_fault);
}

/* The data vanishes between two pages of one write: the block behind keeps its old contents. */
static void memory_truncated_under_a_write(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	uint8_t *data = malloc(8192);
	uint16_t head;
	bool same;

	up(world);
	assert_int_equal(fe_write(fe, 0, 0, 1), FE_OK);
	assert_int_equal(fe_write(fe, 0, 1, 1), FE_OK);
	fe_fill(data, 0, 2);
	fe_fill(data + 4096, 1, 2);
	head = fe_submit(fe, 0, FE_OUT, 0, data, 8192);
	/* The second page of data moves to the last page of RAM, which goes. */
	*fe_desc(fe, 0, 50) = *fe_desc(fe, 0, fe_desc(fe, 0, head)->next);
	fe_desc(fe, 0, fe_desc(fe, 0, head)->next)->length = 4096;
	fe_desc(fe, 0, fe_desc(fe, 0, head)->next)->next = 50;
	fe_desc(fe, 0, 50)->guest = fe_guest(FE_RAM - 4096);
	fe_desc(fe, 0, 50)->length = 4096;
	assert_int_equal(ftruncate(fe->memory, FE_RAM - 4096), 0);
	fe_kick(fe, 0);
	harness_pump(world->harness);
	assert_int_equal(ftruncate(fe->memory, FE_RAM), 0);
	assert_true(fe_is_dead(fe));
	assert_int_equal(harness_errors(world->guest, GUEST_ERROR_memory_fault), 1);
	fe_disconnect(fe);
	assert_int_equal(fe_up(fe, 1, true), 0);
	assert_int_equal(fe_read(fe, 0, 0, 2, &same), FE_OK);
	assert_true(same);
	assert_int_equal(fe_read(fe, 0, 1, 1, &same), FE_OK);
	assert_true(same);
	free(data);
}

/* A sealed memfd of huge pages: a hole gives its page back, and nobody promises another. */
static void hole_in_sealed_memory(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	const uint64_t address[5] = {0, FE_USER_BASE, FE_USER_BASE + FE_USED,
				     FE_USER_BASE + FE_AVAIL, 0};
	uint64_t region[5] = {0, FE_GUEST_BASE, 2 << 20, FE_USER_BASE, 0}, number = 0;
	int fd = memfd_create("huge", MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_HUGE_2MB);
	void *map, *other;
	int thief;

	if (fd < 0 || ftruncate(fd, 2 << 20))
		skip();
	map = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		print_message("no huge page to be had\n");
		close(fd);
		skip();
	}
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	memset(map, 0, 4096);
	connect_to(world);
	assert_int_equal(fe_acked(fe, 37, region, sizeof(region), &fd, 1), 0);
	assert_int_equal(fe_send_state(fe, 8, 0, FE_RING), 0);
	assert_int_equal(fe_send(fe, 9, address, sizeof(address), NULL, 0), 0);
	assert_int_equal(fe_send(fe, 12, &number, 8, &fe->queue[0].kick, 1), 0);
	assert_int_equal(fe_send_state(fe, 18, 0, 1), 0);
	assert_false(fe_is_dead(fe));
	munmap(map, 2 << 20);
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2 << 20), 0);
	/* All that are left go to somebody else. */
	thief = memfd_create("thief", MFD_HUGETLB | MFD_HUGE_2MB);
	assert_int_equal(ftruncate(thief, 1ll << 40), 0);
	for (number = 0; !fallocate(thief, 0, (off_t)number, 2 << 20); number += 2 << 20)
		;
	other = MAP_FAILED;
	fe_kick(fe, 0);
	harness_pump(world->harness);
	close(thief);
	(void)other;
	expect(world, GUEST_ERROR_memory_fault);
	close(fd);
}

/* --- queues --- */

static void queue_that_was_not_offered(void **state)
{
	struct world *world = *state;

	connect_to(world);
	assert_int_equal(fe_send_state(&world->fe, 8, 4, 64), 0);
	expect(world, GUEST_ERROR_queue_index);
}

static void queue_of_size(struct world *world, uint32_t size)
{
	connect_to(world);
	assert_int_equal(fe_send_state(&world->fe, 8, 0, size), 0);
	expect(world, GUEST_ERROR_queue_size);
}

static void queue_of_no_entries(void **state)
{
	queue_of_size(*state, 0);
}

static void queue_of_three_entries(void **state)
{
	queue_of_size(*state, 3);
}

static void queue_of_too_many_entries(void **state)
{
	queue_of_size(*state, 0x80000000);
}

static void ring_at(struct world *world, uint64_t desc, uint64_t used, uint64_t avail)
{
	const uint64_t address[5] = {0, desc, used, avail, 0};
	uint64_t number = 0;

	connect_to(world);
	assert_int_equal(fe_memory(&world->fe), 0);
	assert_int_equal(fe_send_state(&world->fe, 8, 0, FE_RING), 0);
	assert_int_equal(fe_send(&world->fe, 9, address, sizeof(address), NULL, 0), 0);
	assert_int_equal(fe_send(&world->fe, 12, &number, 8, &world->fe.queue[0].kick, 1), 0);
	expect(world, GUEST_ERROR_queue_address);
}

static void ring_outside_of_memory(void **state)
{
	ring_at(*state, FE_USER_BASE + FE_RAM, FE_USER_BASE + FE_USED, FE_USER_BASE + FE_AVAIL);
}

static void ring_that_ends_outside_of_memory(void **state)
{
	ring_at(*state, FE_USER_BASE, FE_USER_BASE + FE_RAM - 64, FE_USER_BASE + FE_AVAIL);
}

static void ring_that_wraps(void **state)
{
	ring_at(*state, UINT64_MAX - 15, FE_USER_BASE + FE_USED, FE_USER_BASE + FE_AVAIL);
}

static void ring_that_is_not_aligned(void **state)
{
	ring_at(*state, FE_USER_BASE + 8, FE_USER_BASE + FE_USED, FE_USER_BASE + FE_AVAIL);
}

static void kick_before_the_ring_is_known(void **state)
{
	struct world *world = *state;
	uint64_t number = 0;

	connect_to(world);
	assert_int_equal(fe_send(&world->fe, 12, &number, 8, &world->fe.queue[0].kick, 1), 0);
	expect(world, GUEST_ERROR_message_out_of_turn);
}

static void size_of_a_running_queue(void **state)
{
	struct world *world = *state;

	up(world);
	assert_int_equal(fe_send_state(&world->fe, 8, 0, 32), 0);
	expect(world, GUEST_ERROR_message_out_of_turn);
}

static volatile uint16_t *avail_of(struct world *world)
{
	return (volatile uint16_t *)(void *)(world->fe.ram + FE_AVAIL);
}

static void available_index_that_runs_away(void **state)
{
	struct world *world = *state;

	up(world);
	avail_of(world)[1] = FE_RING + 1;
	fe_kick(&world->fe, 0);
	expect(world, GUEST_ERROR_queue_runaway);
}

static void available_index_that_runs_back(void **state)
{
	struct world *world = *state;

	up(world);
	assert_int_equal(fe_write(&world->fe, 0, 0, 1), FE_OK);
	avail_of(world)[1] = 0;
	fe_kick(&world->fe, 0);
	expect(world, GUEST_ERROR_queue_runaway);
}

static void available_entry_that_is_no_descriptor(void **state)
{
	struct world *world = *state;

	up(world);
	fe_offer(&world->fe, 0, FE_RING);
	fe_kick(&world->fe, 0);
	expect(world, GUEST_ERROR_queue_head);
}

static void head_that_is_being_served(void **state)
{
	struct world *world = *state;
	uint8_t page[4096] = {0};
	uint16_t head;

	up(world);
	tmem_client_freeze(guest_client(world->guest), 1);
	head = fe_submit(&world->fe, 0, FE_OUT, 0, page, sizeof(page));
	fe_offer(&world->fe, 0, head);
	fe_kick(&world->fe, 0);
	harness_pump(world->harness);
	tmem_client_freeze(guest_client(world->guest), 0);
	expect(world, GUEST_ERROR_queue_head_busy);
}

static void call_that_is_full_and_blocking(void **state)
{
	struct world *world = *state;
	const uint64_t full = UINT64_MAX - 1;
	struct frontend *fe = &world->fe;
	uint64_t calls;

	up(world);
	assert_int_equal(fe_write(fe, 0, 0, 1), FE_OK);
	(void)!read(fe->queue[0].call, &calls, 8);
	assert_int_equal(write(fe->queue[0].call, &full, 8), 8);
	assert_int_equal(fcntl(fe->queue[0].call, F_SETFL, 0), 0);
	fe_submit(fe, 0, FE_FLUSH, 0, NULL, 0);
	fe_kick(fe, 0);
	harness_pump(world->harness);
	assert_int_equal(fcntl(fe->queue[0].call, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(read(fe->queue[0].call, &calls, 8), 8);
	expect(world, GUEST_ERROR_call_blocked);
}

/* --- chains --- */

/* A flush request whose descriptors the case then spoils: its head. */
static uint16_t prepare(struct world *world, bool indirect)
{
	up(world);
	world->fe.indirect = indirect;
	return fe_submit(&world->fe, 0, FE_FLUSH, 0, NULL, 0);
}

static void serve_spoilt(struct world *world, enum guest_error error)
{
	world->fe.indirect = false;
	fe_kick(&world->fe, 0);
	expect(world, error);
}

static struct fe_desc *table_of(struct world *world, uint16_t head)
{
	return (struct fe_desc *)(void *)(world->fe.ram + FE_TABLE_AT(0, head));
}

static void chain_that_loops(void **state)
{
	uint16_t head = prepare(*state, false);
	struct fe_desc *desc = fe_desc(&((struct world *)*state)->fe, 0, head);

	desc->next = head;
	serve_spoilt(*state, GUEST_ERROR_chain_loop);
}

static void chain_that_leaves_its_table(void **state)
{
	uint16_t head = prepare(*state, false);

	fe_desc(&((struct world *)*state)->fe, 0, head)->next = FE_RING;
	serve_spoilt(*state, GUEST_ERROR_chain_next);
}

static void readable_behind_writable(void **state)
{
	struct world *world = *state;
	uint16_t head = prepare(world, false);

	fe_desc(&world->fe, 0, head)->flags |= 2;
	fe_desc(&world->fe, 0, fe_desc(&world->fe, 0, head)->next)->flags = 0;
	serve_spoilt(world, GUEST_ERROR_chain_direction);
}

static void buffer_outside_of_memory(void **state)
{
	uint16_t head = prepare(*state, false);

	fe_desc(&((struct world *)*state)->fe, 0, head)->guest = FE_GUEST_BASE - 8;
	serve_spoilt(*state, GUEST_ERROR_chain_address);
}

static void buffer_that_ends_outside_of_memory(void **state)
{
	uint16_t head = prepare(*state, false);

	fe_desc(&((struct world *)*state)->fe, 0, head)->guest = fe_guest(FE_RAM - 15);
	serve_spoilt(*state, GUEST_ERROR_chain_address);
}

static void buffer_that_wraps(void **state)
{
	uint16_t head = prepare(*state, false);
	struct fe_desc *desc = fe_desc(&((struct world *)*state)->fe, 0, head);

	desc->guest = UINT64_MAX - 3;
	desc->length = 0xffffffff;
	serve_spoilt(*state, GUEST_ERROR_chain_address);
}

static void indirect_table_that_loops(void **state)
{
	uint16_t head = prepare(*state, true);

	table_of(*state, head)[0].next = 0;
	serve_spoilt(*state, GUEST_ERROR_chain_loop);
}

static void indirect_table_in_an_indirect_table(void **state)
{
	uint16_t head = prepare(*state, true);

	/* A good table in every other respect, and it is itself. */
	table_of(*state, head)[0] = (struct fe_desc){fe_guest(FE_TABLE_AT(0, head)), 48, 4, 0};
	serve_spoilt(*state, GUEST_ERROR_chain_indirect);
}

static void indirect_table_that_goes_on(void **state)
{
	uint16_t head = prepare(*state, true);

	fe_desc(&((struct world *)*state)->fe, 0, head)->flags |= 1;
	serve_spoilt(*state, GUEST_ERROR_chain_indirect);
}

static void indirect_table_of_length(void **state, uint32_t length, enum guest_error error)
{
	uint16_t head = prepare(*state, true);

	fe_desc(&((struct world *)*state)->fe, 0, head)->length = length;
	serve_spoilt(*state, error);
}

static void indirect_table_that_is_empty(void **state)
{
	indirect_table_of_length(state, 0, GUEST_ERROR_chain_indirect);
}

static void indirect_table_that_is_not_whole(void **state)
{
	indirect_table_of_length(state, 17, GUEST_ERROR_chain_indirect);
}

static void indirect_table_that_is_too_long(void **state)
{
	indirect_table_of_length(state, 0xfffffff0, GUEST_ERROR_chain_indirect);
}

static void indirect_table_that_is_left(void **state)
{
	indirect_table_of_length(state, 16, GUEST_ERROR_chain_next);
}

static void indirect_table_outside_of_memory(void **state)
{
	uint16_t head = prepare(*state, true);

	fe_desc(&((struct world *)*state)->fe, 0, head)->guest = fe_guest(FE_RAM - 16);
	serve_spoilt(*state, GUEST_ERROR_chain_address);
}

static void request_without_header(void **state)
{
	uint16_t head = prepare(*state, false);

	fe_desc(&((struct world *)*state)->fe, 0, head)->length = 15;
	serve_spoilt(*state, GUEST_ERROR_request_short);
}

static void request_without_status(void **state)
{
	uint16_t head = prepare(*state, false);

	fe_desc(&((struct world *)*state)->fe, 0, head)->flags = 0;
	serve_spoilt(*state, GUEST_ERROR_request_short);
}

/* --- requests: these fail alone, their session goes on --- */

static void requests_with_wrong_numbers_only_fail(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	uint8_t page[8192] = {0};
	struct fe_range range[33];
	struct guest_figures figures;
	bool same;

	up(world);
	assert_int_equal(fe_write(fe, 0, 4095, 3), FE_OK);
	assert_int_equal(fe_io(fe, 0, FE_OUT, 4, page, 4096), FE_IOERR);
	assert_int_equal(fe_io(fe, 0, FE_OUT, 0, page, 512), FE_IOERR);
	assert_int_equal(fe_io(fe, 0, FE_IN, 0, page, 4097), FE_IOERR);
	assert_int_equal(fe_io(fe, 0, FE_IN, 0, NULL, 0), FE_IOERR);
	assert_int_equal(fe_io(fe, 0, FE_OUT, 4096 * 8, page, 4096), FE_IOERR);
	assert_int_equal(fe_io(fe, 0, FE_OUT, 4095 * 8, page, 8192), FE_IOERR);
	assert_int_equal(fe_io(fe, 0, FE_IN, UINT64_MAX - 7, page, 4096), FE_IOERR);
	assert_int_equal(fe_io(fe, 0, FE_IN, UINT64_MAX - 7, page, 8192), FE_IOERR);
	assert_int_equal(fe_range(fe, 0, FE_DISCARD, UINT64_MAX - 7, 8, 0), FE_IOERR);
	assert_int_equal(fe_range(fe, 0, FE_DISCARD, 4095 * 8, 16, 0), FE_IOERR);
	assert_int_equal(fe_range(fe, 0, FE_DISCARD, 0, 0xfffffff8, 0), FE_IOERR);
	assert_int_equal(fe_range(fe, 0, FE_DISCARD, 0, 7, 0), FE_IOERR);
	assert_int_equal(fe_range(fe, 0, FE_DISCARD, 0, 0, 0), FE_IOERR);
	assert_int_equal(fe_range(fe, 0, FE_DISCARD, 0, 8, 1), FE_UNSUPP);
	assert_int_equal(fe_range(fe, 0, FE_ZEROES, 0, 8, 2), FE_UNSUPP);
	assert_int_equal(fe_range(fe, 0, FE_ZEROES, 4096 * 8, 8, 0), FE_IOERR);
	memset(range, 0, sizeof(range));
	assert_int_equal(fe_io(fe, 0, FE_DISCARD, 0, range, 15), FE_IOERR);
	assert_int_equal(fe_io(fe, 0, FE_DISCARD, 0, range, 33 * 16), FE_IOERR);
	assert_int_equal(fe_io(fe, 0, FE_DISCARD, 0, NULL, 0), FE_IOERR);
	/* A good range before a bad one has no effect either. */
	range[0] = (struct fe_range){4095 * 8, 8, 0};
	range[1] = (struct fe_range){4096 * 8, 8, 0};
	assert_int_equal(fe_io(fe, 0, FE_DISCARD, 0, range, 32), FE_IOERR);
	assert_int_equal(fe_read(fe, 0, 4095, 3, &same), FE_OK);
	assert_true(same);
	guest_figures(world->guest, &figures);
	assert_int_equal(figures.counters.failed_unaligned, 6);
	assert_int_equal(figures.counters.failed_beyond, 9);
	assert_int_equal(figures.counters.failed_malformed, 5);
	assert_int_equal(figures.counters.sessions_ended, 0);
}

/* --- log and in-flight region --- */

static void log_that_is_too_small(void **state)
{
	struct world *world = *state;
	uint64_t word[2] = {16, 0};
	int fd = memfd_create("log", 0);
	struct fe_message reply;

	assert_int_equal(ftruncate(fd, 4096), 0);
	up(world);
	assert_int_equal(fe_send(&world->fe, 6, word, sizeof(word), &fd, 1), 0);
	assert_int_equal(fe_receive(&world->fe, &reply, NULL), 0);
	assert_int_equal(fe_send_number(&world->fe, 2, 0x140000000ull | 1ull << 26), 0);
	fe_submit(&world->fe, 0, FE_FLUSH, 0, NULL, 0);
	fe_kick(&world->fe, 0);
	expect(world, GUEST_ERROR_log_address);
	close(fd);
}

static void log_that_is_truncated(void **state)
{
	struct world *world = *state;
	uint64_t word[2] = {4 << 20, 0};
	int fd = memfd_create("log", 0);
	struct fe_message reply;

	assert_int_equal(ftruncate(fd, 4 << 20), 0);
	up(world);
	assert_int_equal(fe_send(&world->fe, 6, word, sizeof(word), &fd, 1), 0);
	assert_int_equal(fe_receive(&world->fe, &reply, NULL), 0);
	assert_int_equal(fe_send_number(&world->fe, 2, 0x140000000ull | 1ull << 26), 0);
	fe_submit(&world->fe, 0, FE_FLUSH, 0, NULL, 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	fe_kick(&world->fe, 0);
	expect(world, GUEST_ERROR_memory_fault);
	close(fd);
}

static void send_inflight(struct world *world, uint64_t size, uint64_t offset, uint16_t queues,
			  uint16_t queue_size)
{
	struct {
		uint64_t size, offset;
		uint16_t queues, queue_size;
		uint32_t padding;
	} area = {size, offset, queues, queue_size, 0};
	int fd = memfd_create("inflight", 0);

	assert_int_equal(ftruncate(fd, 65536), 0);
	connect_to(world);
	assert_int_equal(fe_send(&world->fe, 32, &area, sizeof(area), &fd, 1), 0);
	close(fd);
}

static void inflight_region_that_is_too_small(void **state)
{
	send_inflight(*state, 64, 0, 4, 64);
	expect(*state, GUEST_ERROR_inflight_malformed);
}

static void inflight_region_that_wraps(void **state)
{
	send_inflight(*state, 8192, UINT64_MAX - 4095, 4, 64);
	expect(*state, GUEST_ERROR_inflight_malformed);
}

static void inflight_region_beyond_its_file(void **state)
{
	send_inflight(*state, 8192, 65536 - 4096, 4, 64);
	expect(*state, GUEST_ERROR_inflight_malformed);
}

static void inflight_region_for_too_many_queues(void **state)
{
	send_inflight(*state, 8192, 0, 5, 64);
	expect(*state, GUEST_ERROR_inflight_malformed);
}

/* Writes two numbers into the region between two lives of a front-end. */
static void spoil_inflight_twice(struct world *world, uint32_t offset, uint16_t value,
				 uint32_t offset2, uint16_t value2)
{
	struct frontend *fe = &world->fe;
	uint8_t *area;

	up(world);
	assert_int_equal(fe_write(fe, 0, 0, 1), FE_OK);
	fe_disconnect(fe);
	area = mmap(NULL, fe->inflight_size, PROT_READ | PROT_WRITE, MAP_SHARED, fe->inflight, 0);
	memcpy(area + offset, &value, 2);
	memcpy(area + offset2, &value2, 2);
	munmap(area, fe->inflight_size);
	assert_int_equal(fe_up(fe, 1, false), -1);
	expect(world, GUEST_ERROR_inflight_malformed);
}

static void spoil_inflight(struct world *world, uint32_t offset, uint16_t value)
{
	spoil_inflight_twice(world, offset, value, offset, value);
}

static void inflight_region_of_another_version(void **state)
{
	spoil_inflight(*state, 8, 2);
}

static void inflight_region_of_another_size(void **state)
{
	spoil_inflight(*state, 10, 63);
}

static void inflight_batch_that_leaves_the_table(void **state)
{
	/* One entry behind, and its head is nowhere: two numbers in one go. */
	spoil_inflight_twice(*state, 14, 0, 12, 64);
}

static void inflight_used_index_that_runs_away(void **state)
{
	spoil_inflight(*state, 14, 1000);
}

static void inflight_region_truncated_while_in_use(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	struct {
		uint64_t size, offset;
		uint16_t queues, queue_size;
		uint32_t padding;
	} area = {8192, 0, 4, FE_RING, 0};
	int fd = memfd_create("inflight", 0);

	assert_int_equal(ftruncate(fd, 8192), 0);
	connect_to(world);
	assert_int_equal(fe_send(fe, 32, &area, sizeof(area), &fd, 1), 0);
	assert_int_equal(fe_memory(fe), 0);
	assert_int_equal(fe_start(fe, 0), 0);
	harness_pump(world->harness);
	fe_submit(fe, 0, FE_FLUSH, 0, NULL, 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	fe_kick(fe, 0);
	expect(world, GUEST_ERROR_memory_fault);
	close(fd);
}

static void inflight_region_while_rings_run(void **state)
{
	struct world *world = *state;

	up(world);
	fe_inflight(&world->fe, true);
	expect(world, GUEST_ERROR_message_out_of_turn);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(message_with_wrong_version),
		CASE(message_with_reply_flag),
		CASE(message_that_is_unknown),
		CASE(message_number_that_is_huge),
		CASE(message_that_was_not_negotiated),
		CASE(message_that_is_too_long),
		CASE(message_of_wrong_size),
		CASE(half_a_message_and_its_descriptors),
		CASE(descriptors_with_a_message_that_has_none),
		CASE(more_descriptors_than_any_message_has),
		CASE(feature_that_was_not_offered),
		CASE(protocol_feature_that_was_not_offered),
		CASE(replies_that_are_not_taken),
		CASE(second_connection_is_closed),
		CASE(pipe_as_event),
		CASE(timerfd_as_event),
		CASE(epoll_as_event),
		CASE(inotify_as_event),
		CASE(signalfd_as_event),
		CASE(memfd_as_event),
		CASE(device_as_event),
		CASE(socket_as_event),
		CASE(file_as_event),
		CASE(eventfd_in_every_state_is_accepted),
		CASE(eventfd_as_memory),
		CASE(device_as_memory),
		CASE(file_on_proc_as_memory),
		CASE(directory_as_memory),
		CASE(disk_file_as_memory),
		CASE(memory_that_cannot_be_written),
		CASE(regions_that_overlap_in_guest_addresses),
		CASE(region_around_another),
		CASE(regions_that_overlap_in_user_addresses),
		CASE(region_that_wraps_in_guest_addresses),
		CASE(region_that_wraps_in_user_addresses),
		CASE(region_that_wraps_in_its_file),
		CASE(region_that_is_empty),
		CASE(region_beyond_its_file),
		CASE(region_larger_than_its_file),
		CASE(more_regions_than_slots),
		CASE(removal_of_an_unknown_region),
		CASE(table_with_fewer_descriptors_than_regions),
		CASE(table_that_says_more_than_it_holds),
		CASE(memory_removed_while_in_use),
		CASE(memory_truncated_while_in_use),
		CASE(memory_truncated_under_a_write),
		CASE(hole_in_sealed_memory),
		CASE(queue_that_was_not_offered),
		CASE(queue_of_no_entries),
		CASE(queue_of_three_entries),
		CASE(queue_of_too_many_entries),
		CASE(ring_outside_of_memory),
		CASE(ring_that_ends_outside_of_memory),
		CASE(ring_that_wraps),
		CASE(ring_that_is_not_aligned),
		CASE(kick_before_the_ring_is_known),
		CASE(size_of_a_running_queue),
		CASE(available_index_that_runs_away),
		CASE(available_index_that_runs_back),
		CASE(available_entry_that_is_no_descriptor),
		CASE(head_that_is_being_served),
		CASE(call_that_is_full_and_blocking),
		CASE(chain_that_loops),
		CASE(chain_that_leaves_its_table),
		CASE(readable_behind_writable),
		CASE(buffer_outside_of_memory),
		CASE(buffer_that_ends_outside_of_memory),
		CASE(buffer_that_wraps),
		CASE(indirect_table_that_loops),
		CASE(indirect_table_in_an_indirect_table),
		CASE(indirect_table_that_goes_on),
		CASE(indirect_table_that_is_empty),
		CASE(indirect_table_that_is_not_whole),
		CASE(indirect_table_that_is_too_long),
		CASE(indirect_table_that_is_left),
		CASE(indirect_table_outside_of_memory),
		CASE(request_without_header),
		CASE(request_without_status),
		CASE(requests_with_wrong_numbers_only_fail),
		CASE(log_that_is_too_small),
		CASE(log_that_is_truncated),
		CASE(inflight_region_that_is_too_small),
		CASE(inflight_region_that_wraps),
		CASE(inflight_region_beyond_its_file),
		CASE(inflight_region_for_too_many_queues),
		CASE(inflight_region_of_another_version),
		CASE(inflight_region_of_another_size),
		CASE(inflight_batch_that_leaves_the_table),
		CASE(inflight_used_index_that_runs_away),
		CASE(inflight_region_truncated_while_in_use),
		CASE(inflight_region_while_rings_run),
	};

	alarm(120);
	return cmocka_run_group_tests_name("vhost lying", cases, NULL, NULL);
}
