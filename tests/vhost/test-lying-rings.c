// SPDX-License-Identifier: MIT
/*
 * A front-end that lies in its rings, chains, requests, log and in-flight
 * region.
 */
#include "liar.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- queues --- */

static void queue_that_was_not_offered(void **state)
{
	struct liar *world = *state;

	liar_connect(world);
	assert_int_equal(fe_send_state(&world->fe, 8, 4, 64), 0);
	liar_expect(world, GUEST_ERROR_queue_index);
}

static void queue_of_size(struct liar *world, uint32_t size)
{
	liar_connect(world);
	assert_int_equal(fe_send_state(&world->fe, 8, 0, size), 0);
	liar_expect(world, GUEST_ERROR_queue_size);
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

static void ring_at(struct liar *world, uint64_t desc, uint64_t used, uint64_t avail)
{
	const uint64_t address[5] = {0, desc, used, avail, 0};
	uint64_t number = 0;

	liar_connect(world);
	assert_int_equal(fe_memory(&world->fe), 0);
	assert_int_equal(fe_send_state(&world->fe, 8, 0, FE_RING), 0);
	assert_int_equal(fe_send(&world->fe, 9, address, sizeof(address), NULL, 0), 0);
	assert_int_equal(fe_send(&world->fe, 12, &number, 8, &world->fe.queue[0].kick, 1), 0);
	liar_expect(world, GUEST_ERROR_queue_address);
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
	struct liar *world = *state;
	uint64_t number = 0;

	liar_connect(world);
	assert_int_equal(fe_send(&world->fe, 12, &number, 8, &world->fe.queue[0].kick, 1), 0);
	liar_expect(world, GUEST_ERROR_message_out_of_turn);
}

static void size_of_a_running_queue(void **state)
{
	struct liar *world = *state;

	liar_up(world);
	assert_int_equal(fe_send_state(&world->fe, 8, 0, 32), 0);
	liar_expect(world, GUEST_ERROR_message_out_of_turn);
}

static volatile uint16_t *avail_of(struct liar *world)
{
	return (volatile uint16_t *)(void *)(world->fe.ram + FE_AVAIL);
}

static void available_index_that_runs_away(void **state)
{
	struct liar *world = *state;

	liar_up(world);
	avail_of(world)[1] = FE_RING + 1;
	fe_kick(&world->fe, 0);
	liar_expect(world, GUEST_ERROR_queue_runaway);
}

static void available_index_that_runs_back(void **state)
{
	struct liar *world = *state;

	liar_up(world);
	assert_int_equal(fe_write(&world->fe, 0, 0, 1), FE_OK);
	avail_of(world)[1] = 0;
	fe_kick(&world->fe, 0);
	liar_expect(world, GUEST_ERROR_queue_runaway);
}

static void available_entry_that_is_no_descriptor(void **state)
{
	struct liar *world = *state;

	liar_up(world);
	fe_offer(&world->fe, 0, FE_RING);
	fe_kick(&world->fe, 0);
	liar_expect(world, GUEST_ERROR_queue_head);
}

static void head_that_is_being_served(void **state)
{
	struct liar *world = *state;
	uint8_t page[4096] = {0};
	uint16_t head;

	liar_up(world);
	tmem_client_freeze(guest_client(world->guest), 1);
	head = fe_submit(&world->fe, 0, FE_OUT, 0, page, sizeof(page));
	fe_offer(&world->fe, 0, head);
	fe_kick(&world->fe, 0);
	harness_pump(world->harness);
	tmem_client_freeze(guest_client(world->guest), 0);
	liar_expect(world, GUEST_ERROR_queue_head_busy);
}

/* The witness is served, whatever the liar did to its own eventfd, and the liar too. */
static void expect_both_served(struct liar *world)
{
	struct guest_figures figures;
	bool same;

	assert_int_equal(fe_write(&world->fe, 0, 1, 1), FE_OK);
	assert_int_equal(fe_read(&world->fe, 0, 1, 1, &same), FE_OK);
	assert_true(same);
	assert_int_equal(fe_read(&world->honest, 0, 42, 42, &same), FE_OK);
	assert_true(same);
	guest_figures(world->guest, &figures);
	assert_int_equal(figures.counters.sessions_ended, 0);
}

static void call_that_is_full_and_blocking(void **state)
{
	struct liar *world = *state;
	const uint64_t full = UINT64_MAX - 1;
	struct frontend *fe = &world->fe;
	uint64_t calls = 0;

	liar_up(world);
	assert_int_equal(fe_write(fe, 0, 0, 1), FE_OK);
	(void)!read(fe->queue[0].call, &calls, 8);
	assert_int_equal(write(fe->queue[0].call, &full, 8), 8);
	assert_int_equal(fcntl(fe->queue[0].call, F_SETFL, 0), 0);
	expect_both_served(world);
	assert_int_equal(fcntl(fe->queue[0].call, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(read(fe->queue[0].call, &calls, 8), 8);
	/* The control: it was called while there was no room. */
	assert_true(calls == UINT64_MAX);
	expect_both_served(world);
}

struct filler {
	int fd;
	bool stop;
	uint64_t rounds;
	uint64_t called; /* rounds in which the daemon was in time */
};

/* Whoever looks at the eventfd finds room, and at the next moment it is full and blocks. */
static void *fill_again_and_again(void *arg)
{
	struct filler *filler = arg;
	const uint64_t full = UINT64_MAX - 1;
	uint64_t count;

	while (!__atomic_load_n(&filler->stop, __ATOMIC_RELAXED)) {
		(void)fcntl(filler->fd, F_SETFL, O_NONBLOCK);
		if (read(filler->fd, &count, 8) == 8 && count != full)
			filler->called++;
		if (write(filler->fd, &full, 8) < 0)
			filler->called++;
		(void)fcntl(filler->fd, F_SETFL, 0);
		filler->rounds++;
	}
	return NULL;
}

static void call_that_fills_up_and_blocks_at_any_moment(void **state)
{
	struct liar *world = *state;
	struct frontend *fe = &world->fe;
	struct filler filler = {0};
	pthread_t thread;
	uint32_t i;

	liar_up(world);
	filler.fd = fe->queue[0].call;
	assert_int_equal(pthread_create(&thread, NULL, fill_again_and_again, &filler), 0);
	for (i = 0; i < 20000; i++)
		assert_int_equal(fe_io(fe, 0, FE_FLUSH, 0, NULL, 0), FE_OK);
	__atomic_store_n(&filler.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	/* The control: the two did meet. */
	assert_true(filler.rounds > 100 && filler.called > 0);
	expect_both_served(world);
}

/* --- chains --- */

/* A flush request whose descriptors the case then spoils: its head. */
static uint16_t prepare(struct liar *world, bool indirect)
{
	liar_up(world);
	world->fe.indirect = indirect;
	return fe_submit(&world->fe, 0, FE_FLUSH, 0, NULL, 0);
}

static void serve_spoilt(struct liar *world, enum guest_error error)
{
	world->fe.indirect = false;
	fe_kick(&world->fe, 0);
	liar_expect(world, error);
}

static struct fe_desc *table_of(struct liar *world, uint16_t head)
{
	return (struct fe_desc *)(void *)(world->fe.ram + FE_TABLE_AT(0, head));
}

static void chain_that_loops(void **state)
{
	uint16_t head = prepare(*state, false);
	struct fe_desc *desc = fe_desc(&((struct liar *)*state)->fe, 0, head);

	desc->next = head;
	serve_spoilt(*state, GUEST_ERROR_chain_loop);
}

static void chain_that_leaves_its_table(void **state)
{
	uint16_t head = prepare(*state, false);

	fe_desc(&((struct liar *)*state)->fe, 0, head)->next = FE_RING;
	serve_spoilt(*state, GUEST_ERROR_chain_next);
}

static void readable_behind_writable(void **state)
{
	struct liar *world = *state;
	uint16_t head = prepare(world, false);

	fe_desc(&world->fe, 0, head)->flags |= 2;
	fe_desc(&world->fe, 0, fe_desc(&world->fe, 0, head)->next)->flags = 0;
	serve_spoilt(world, GUEST_ERROR_chain_direction);
}

static void buffer_outside_of_memory(void **state)
{
	uint16_t head = prepare(*state, false);

	fe_desc(&((struct liar *)*state)->fe, 0, head)->guest = FE_GUEST_BASE - 8;
	serve_spoilt(*state, GUEST_ERROR_chain_address);
}

static void buffer_that_ends_outside_of_memory(void **state)
{
	uint16_t head = prepare(*state, false);

	fe_desc(&((struct liar *)*state)->fe, 0, head)->guest = fe_guest(FE_RAM - 15);
	serve_spoilt(*state, GUEST_ERROR_chain_address);
}

static void buffer_that_wraps(void **state)
{
	uint16_t head = prepare(*state, false);
	struct fe_desc *desc = fe_desc(&((struct liar *)*state)->fe, 0, head);

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

	fe_desc(&((struct liar *)*state)->fe, 0, head)->flags |= 1;
	serve_spoilt(*state, GUEST_ERROR_chain_indirect);
}

static void indirect_table_of_length(void **state, uint32_t length, enum guest_error error)
{
	uint16_t head = prepare(*state, true);

	fe_desc(&((struct liar *)*state)->fe, 0, head)->length = length;
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

	fe_desc(&((struct liar *)*state)->fe, 0, head)->guest = fe_guest(FE_RAM - 16);
	serve_spoilt(*state, GUEST_ERROR_chain_address);
}

static void request_without_header(void **state)
{
	uint16_t head = prepare(*state, false);

	fe_desc(&((struct liar *)*state)->fe, 0, head)->length = 15;
	serve_spoilt(*state, GUEST_ERROR_request_short);
}

static void request_without_status(void **state)
{
	uint16_t head = prepare(*state, false);

	fe_desc(&((struct liar *)*state)->fe, 0, head)->flags = 0;
	serve_spoilt(*state, GUEST_ERROR_request_short);
}

/* --- requests: these fail alone, their session goes on --- */

static void requests_with_wrong_numbers_only_fail(void **state)
{
	struct liar *world = *state;
	struct frontend *fe = &world->fe;
	uint8_t page[8192] = {0};
	struct fe_range range[33];
	struct guest_figures figures;
	bool same;

	liar_up(world);
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
	struct liar *world = *state;
	uint64_t word[2] = {16, 0};
	int fd = memfd_create("log", 0);
	struct fe_message reply;

	assert_int_equal(ftruncate(fd, 4096), 0);
	liar_up(world);
	assert_int_equal(fe_send(&world->fe, 6, word, sizeof(word), &fd, 1), 0);
	assert_int_equal(fe_receive(&world->fe, &reply, NULL), 0);
	assert_int_equal(fe_send_number(&world->fe, 2, 0x140000000ull | 1ull << 26), 0);
	fe_submit(&world->fe, 0, FE_FLUSH, 0, NULL, 0);
	fe_kick(&world->fe, 0);
	liar_expect(world, GUEST_ERROR_log_address);
	close(fd);
}

static void log_that_is_truncated(void **state)
{
	struct liar *world = *state;
	uint64_t word[2] = {4 << 20, 0};
	int fd = memfd_create("log", 0);
	struct fe_message reply;

	assert_int_equal(ftruncate(fd, 4 << 20), 0);
	liar_up(world);
	assert_int_equal(fe_send(&world->fe, 6, word, sizeof(word), &fd, 1), 0);
	assert_int_equal(fe_receive(&world->fe, &reply, NULL), 0);
	assert_int_equal(fe_send_number(&world->fe, 2, 0x140000000ull | 1ull << 26), 0);
	fe_submit(&world->fe, 0, FE_FLUSH, 0, NULL, 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	fe_kick(&world->fe, 0);
	liar_expect(world, GUEST_ERROR_memory_fault);
	close(fd);
}

static void send_inflight(struct liar *world, uint64_t size, uint64_t offset, uint16_t queues,
			  uint16_t queue_size)
{
	struct {
		uint64_t size, offset;
		uint16_t queues, queue_size;
		uint32_t padding;
	} area = {size, offset, queues, queue_size, 0};
	int fd = memfd_create("inflight", 0);

	assert_int_equal(ftruncate(fd, 65536), 0);
	liar_connect(world);
	assert_int_equal(fe_send(&world->fe, 32, &area, sizeof(area), &fd, 1), 0);
	close(fd);
}

static void inflight_region_that_is_too_small(void **state)
{
	send_inflight(*state, 64, 0, 4, 64);
	liar_expect(*state, GUEST_ERROR_inflight_malformed);
}

static void inflight_region_that_wraps(void **state)
{
	send_inflight(*state, 8192, UINT64_MAX - 4095, 4, 64);
	liar_expect(*state, GUEST_ERROR_inflight_malformed);
}

static void inflight_region_beyond_its_file(void **state)
{
	send_inflight(*state, 8192, 65536 - 4096, 4, 64);
	liar_expect(*state, GUEST_ERROR_inflight_malformed);
}

static void inflight_region_for_too_many_queues(void **state)
{
	send_inflight(*state, 8192, 0, 5, 64);
	liar_expect(*state, GUEST_ERROR_inflight_malformed);
}

/* Writes two numbers into the region between two lives of a front-end. */
static void spoil_inflight_twice(struct liar *world, uint32_t offset, uint16_t value,
				 uint32_t offset2, uint16_t value2)
{
	struct frontend *fe = &world->fe;
	uint8_t *area;

	liar_up(world);
	assert_int_equal(fe_write(fe, 0, 0, 1), FE_OK);
	fe_disconnect(fe);
	area = mmap(NULL, fe->inflight_size, PROT_READ | PROT_WRITE, MAP_SHARED, fe->inflight, 0);
	memcpy(area + offset, &value, 2);
	memcpy(area + offset2, &value2, 2);
	munmap(area, fe->inflight_size);
	assert_int_equal(fe_up(fe, 1, false), -1);
	liar_expect(world, GUEST_ERROR_inflight_malformed);
}

static void spoil_inflight(struct liar *world, uint32_t offset, uint16_t value)
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
	struct liar *world = *state;
	struct frontend *fe = &world->fe;
	struct {
		uint64_t size, offset;
		uint16_t queues, queue_size;
		uint32_t padding;
	} area = {8192, 0, 4, FE_RING, 0};
	int fd = memfd_create("inflight", 0);

	assert_int_equal(ftruncate(fd, 8192), 0);
	liar_connect(world);
	assert_int_equal(fe_send(fe, 32, &area, sizeof(area), &fd, 1), 0);
	assert_int_equal(fe_memory(fe), 0);
	assert_int_equal(fe_start(fe, 0), 0);
	harness_pump(world->harness);
	fe_submit(fe, 0, FE_FLUSH, 0, NULL, 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	fe_kick(fe, 0);
	liar_expect(world, GUEST_ERROR_memory_fault);
	close(fd);
}

static void inflight_region_while_rings_run(void **state)
{
	struct liar *world = *state;

	liar_up(world);
	fe_inflight(&world->fe, true);
	liar_expect(world, GUEST_ERROR_message_out_of_turn);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		LIAR_CASE(queue_that_was_not_offered),
		LIAR_CASE(queue_of_no_entries),
		LIAR_CASE(queue_of_three_entries),
		LIAR_CASE(queue_of_too_many_entries),
		LIAR_CASE(ring_outside_of_memory),
		LIAR_CASE(ring_that_ends_outside_of_memory),
		LIAR_CASE(ring_that_wraps),
		LIAR_CASE(ring_that_is_not_aligned),
		LIAR_CASE(kick_before_the_ring_is_known),
		LIAR_CASE(size_of_a_running_queue),
		LIAR_CASE(available_index_that_runs_away),
		LIAR_CASE(available_index_that_runs_back),
		LIAR_CASE(available_entry_that_is_no_descriptor),
		LIAR_CASE(head_that_is_being_served),
		LIAR_CASE(call_that_is_full_and_blocking),
		LIAR_CASE(call_that_fills_up_and_blocks_at_any_moment),
		LIAR_CASE(chain_that_loops),
		LIAR_CASE(chain_that_leaves_its_table),
		LIAR_CASE(readable_behind_writable),
		LIAR_CASE(buffer_outside_of_memory),
		LIAR_CASE(buffer_that_ends_outside_of_memory),
		LIAR_CASE(buffer_that_wraps),
		LIAR_CASE(indirect_table_that_loops),
		LIAR_CASE(indirect_table_in_an_indirect_table),
		LIAR_CASE(indirect_table_that_goes_on),
		LIAR_CASE(indirect_table_that_is_empty),
		LIAR_CASE(indirect_table_that_is_not_whole),
		LIAR_CASE(indirect_table_that_is_too_long),
		LIAR_CASE(indirect_table_that_is_left),
		LIAR_CASE(indirect_table_outside_of_memory),
		LIAR_CASE(request_without_header),
		LIAR_CASE(request_without_status),
		LIAR_CASE(requests_with_wrong_numbers_only_fail),
		LIAR_CASE(log_that_is_too_small),
		LIAR_CASE(log_that_is_truncated),
		LIAR_CASE(inflight_region_that_is_too_small),
		LIAR_CASE(inflight_region_that_wraps),
		LIAR_CASE(inflight_region_beyond_its_file),
		LIAR_CASE(inflight_region_for_too_many_queues),
		LIAR_CASE(inflight_region_of_another_version),
		LIAR_CASE(inflight_region_of_another_size),
		LIAR_CASE(inflight_batch_that_leaves_the_table),
		LIAR_CASE(inflight_used_index_that_runs_away),
		LIAR_CASE(inflight_region_truncated_while_in_use),
		LIAR_CASE(inflight_region_while_rings_run),
	};

	alarm(120);
	return cmocka_run_group_tests_name("vhost lying rings", cases, NULL, NULL);
}
