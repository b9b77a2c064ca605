// SPDX-License-Identifier: MIT
/*
 * A front-end that does everything right: every request, several queues,
 * direct and indirect chains, event index, data in odd pieces, stop and
 * start, reconnect with requests in flight, freeze, the dirty log.
 */
#include "frontend.h"
#include "harness.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct world {
	struct harness *harness;
	struct guest *guest;
	struct frontend fe;
};

static void pump(void *arg)
{
	harness_pump(arg);
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	world->harness = harness_create();
	world->guest = harness_guest(world->harness, "good", 4096, false);
	fe_init(&world->fe, harness_path(world->harness, "good"), pump, world->harness);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	fe_close(&world->fe);
	harness_destroy(world->harness);
	free(world);
	return 0;
}

static struct guest_figures figures_of(struct world *world)
{
	struct guest_figures figures;

	guest_figures(world->guest, &figures);
	return figures;
}

static void config_tells_capacity_and_blocks(void **state)
{
	struct world *world = *state;

	assert_int_equal(fe_up(&world->fe, 1, true), 0);
	assert_true(world->fe.protocol >> 9 & 1);
	assert_int_equal(world->fe.config_capacity, 4096 * 8);
}

static void new_disk_reads_zeros(void **state)
{
	struct world *world = *state;
	bool same;

	assert_int_equal(fe_up(&world->fe, 1, true), 0);
	assert_int_equal(fe_read(&world->fe, 0, 0, 0, &same), FE_OK);
	assert_true(same);
	assert_int_equal(fe_read(&world->fe, 0, 4095, 0, &same), FE_OK);
	assert_true(same);
	assert_int_equal(figures_of(world).blocks_empty, 4096);
}

static void rewrite_and_read(struct world *world)
{
	struct frontend *fe = &world->fe;
	uint64_t block, round;
	bool same;

	for (round = 1; round <= 2; round++) {
		for (block = 0; block < 300; block++)
			assert_int_equal(fe_write(fe, 0, block * 13 % 4096, round), FE_OK);
		for (block = 0; block < 300; block++) {
			assert_int_equal(fe_read(fe, 0, block * 13 % 4096, round, &same), FE_OK);
			assert_true(same);
		}
	}
	assert_int_equal(figures_of(world).blocks_stored, 300);
	assert_int_equal(harness_stored(world->guest), 300);
}

static void direct_chains(void **state)
{
	struct world *world = *state;

	assert_int_equal(fe_up(&world->fe, 1, true), 0);
	rewrite_and_read(world);
}

static void indirect_chains(void **state)
{
	struct world *world = *state;

	world->fe.indirect = true;
	assert_int_equal(fe_up(&world->fe, 1, true), 0);
	rewrite_and_read(world);
}

static void event_index(void **state)
{
	struct world *world = *state;

	world->fe.event_idx = true;
	world->fe.indirect = true;
	assert_int_equal(fe_up(&world->fe, 1, true), 0);
	rewrite_and_read(world);
}

static void data_in_odd_pieces(void **state)
{
	struct world *world = *state;

	world->fe.pieces = 5;
	assert_int_equal(fe_up(&world->fe, 1, true), 0);
	rewrite_and_read(world);
	world->fe.indirect = true;
	rewrite_and_read(world);
}

static void indirect_behind_direct(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	uint16_t head;

	assert_int_equal(fe_up(fe, 1, true), 0);
	fe->indirect = true;
	head = fe_submit(fe, 0, FE_FLUSH, 0, NULL, 0);
	/* The header moves out of the table: one direct descriptor, then the table. */
	*fe_desc(fe, 0, 60) = (struct fe_desc){fe_guest(FE_TABLE_AT(0, head)) + 16, 16, 4, 0};
	*fe_desc(fe, 0, head) = (struct fe_desc){fe_guest(FE_HEADER_AT(0, head)), 16, 1, 60};
	memset(fe->ram + FE_TABLE_AT(0, head), 0xff, 16);
	memset(fe->ram + FE_TABLE_AT(0, head) + 16, 0, 16);
	*(struct fe_desc *)(void *)(fe->ram + FE_TABLE_AT(0, head) + 16) =
		(struct fe_desc){fe_guest(FE_HEADER_AT(0, head)) + 32, 1, 2, 0};
	fe_kick(fe, 0);
	assert_int_equal(fe_wait(fe, 0), head);
	assert_int_equal(fe_status(fe, 0, head), FE_OK);
}

static void several_queues_see_one_disk(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	uint32_t i;
	bool same;

	fe->event_idx = true;
	assert_int_equal(fe_up(fe, 4, true), 0);
	for (i = 0; i < 64; i++)
		assert_int_equal(fe_write(fe, i % 4, i, 7), FE_OK);
	for (i = 0; i < 64; i++) {
		assert_int_equal(fe_read(fe, (i + 1) % 4, i, 7, &same), FE_OK);
		assert_true(same);
	}
}

static void many_requests_at_once(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	uint8_t page[4096];
	uint16_t head[4][7];
	uint32_t q, i;
	bool same;

	assert_int_equal(fe_up(fe, 4, true), 0);
	for (q = 0; q < 4; q++) {
		for (i = 0; i < 7; i++) {
			fe_fill(page, q * 100 + i, 3);
			head[q][i] = fe_submit(fe, q, FE_OUT, (q * 100 + i) * 8, page, 4096);
		}
	}
	for (q = 0; q < 4; q++)
		fe_kick(fe, q);
	for (q = 0; q < 4; q++) {
		for (i = 0; i < 7; i++) {
			assert_int_equal(fe_wait(fe, q), head[q][i]);
			assert_int_equal(fe_status(fe, q, head[q][i]), FE_OK);
			fe_release(fe, q, head[q][i]);
		}
		for (i = 0; i < 7; i++) {
			assert_int_equal(fe_read(fe, q, q * 100 + i, 3, &same), FE_OK);
			assert_true(same);
		}
	}
}

/* 2048 pages in one request cannot be had in one turn; another queue is served meanwhile. */
static void large_request_takes_turns(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	uint8_t *data = malloc(FE_BIG), *back = malloc(FE_BIG);
	uint64_t i, turns;
	bool same;

	assert_int_equal(fe_up(fe, 2, true), 0);
	for (i = 0; i < FE_BIG / 4096; i++)
		fe_fill(data + i * 4096, i, 11);
	harness_turns(world->harness);
	assert_int_equal(fe_io(fe, 0, FE_OUT, 0, data, FE_BIG), FE_OK);
	turns = harness_turns(world->harness);
	assert_true(turns >= FE_BIG / 4096 / GUEST_TURN_PAGES);
	assert_int_equal(fe_io(fe, 0, FE_IN, 0, back, FE_BIG), FE_OK);
	assert_memory_equal(data, back, FE_BIG);
	assert_int_equal(fe_read(fe, 1, 77, 11, &same), FE_OK);
	assert_true(same);
	free(data);
	free(back);
}

static void small_queue_is_not_starved(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	uint8_t *data = calloc(1, FE_BIG);
	uint16_t large, small;

	assert_int_equal(fe_up(fe, 2, true), 0);
	fe->pump = NULL;
	large = fe_submit(fe, 0, FE_OUT, 0, data, FE_BIG);
	small = fe_submit(fe, 1, FE_FLUSH, 0, NULL, 0);
	fe_kick(fe, 0);
	fe_kick(fe, 1);
	/* A few turns by hand. */
	harness_pump_for(world->harness, 0);
	fe->pump = pump;
	assert_int_equal(fe_wait(fe, 1), small);
	assert_int_equal(fe_wait(fe, 0), large);
	free(data);
}

static void flush_and_id(void **state)
{
	struct world *world = *state;
	char id[20];

	assert_int_equal(fe_up(&world->fe, 1, true), 0);
	assert_int_equal(fe_io(&world->fe, 0, FE_FLUSH, 0, NULL, 0), FE_OK);
	assert_int_equal(fe_io(&world->fe, 0, FE_GET_ID, 0, id, sizeof(id)), FE_OK);
	assert_string_equal(id, "tmem-good");
	assert_int_equal(fe_io(&world->fe, 0, 99, 0, NULL, 0), FE_UNSUPP);
}

static void discard_empties(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	uint64_t i;
	bool same;

	assert_int_equal(fe_up(fe, 1, true), 0);
	for (i = 0; i < 64; i++)
		assert_int_equal(fe_write(fe, 0, 1000 + i, 5), FE_OK);
	/* Across the border of two pieces, at block 1024. */
	assert_int_equal(fe_range(fe, 0, FE_DISCARD, 1010 * 8, 30 * 8, 0), FE_OK);
	for (i = 0; i < 64; i++) {
		bool gone = i >= 10 && i < 40;

		assert_int_equal(fe_read(fe, 0, 1000 + i, gone ? 0 : 5, &same), FE_OK);
		assert_true(same);
	}
	harness_settle(world->harness);
	assert_int_equal(harness_stored(world->guest), 34);
	assert_int_equal(figures_of(world).blocks_stored, 34);
}

static void write_zeroes_is_exact(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	uint64_t i;
	bool same;

	assert_int_equal(fe_up(fe, 1, true), 0);
	for (i = 0; i < 8; i++)
		assert_int_equal(fe_write(fe, 0, i, 5), FE_OK);
	assert_int_equal(fe_range(fe, 0, FE_ZEROES, 2 * 8, 2 * 8, 0), FE_OK);
	assert_int_equal(fe_range(fe, 0, FE_ZEROES, 5 * 8, 8, 1), FE_OK);
	for (i = 0; i < 8; i++) {
		bool gone = i == 2 || i == 3 || i == 5;

		assert_int_equal(fe_read(fe, 0, i, gone ? 0 : 5, &same), FE_OK);
		assert_true(same);
	}
}

static void discard_of_everything_is_stepped(void **state)
{
	struct world *world = *state;
	struct guest *large = harness_guest(world->harness, "large", 0, false);
	struct guest_figures figures;
	struct frontend fe;
	uint64_t blocks, i;
	bool same;

	guest_figures(large, &figures);
	blocks = figures.disk_bytes / 4096;
	fe_init(&fe, harness_path(world->harness, "large"), pump, world->harness);
	assert_int_equal(fe_up(&fe, 1, true), 0);
	for (i = 0; i < blocks; i += 97)
		assert_int_equal(fe_write(&fe, 0, i, 5), FE_OK);
	assert_int_equal(fe_range(&fe, 0, FE_DISCARD, 0, (uint32_t)blocks * 8, 0), FE_OK);
	harness_settle(world->harness);
	assert_int_equal(harness_stored(large), 0);
	guest_figures(large, &figures);
	assert_int_equal(figures.blocks_empty, blocks);
	assert_int_equal(figures.blocks_stored, 0);
	assert_int_equal(fe_read(&fe, 0, 97, 0, &same), FE_OK);
	assert_true(same);
	fe_close(&fe);
}

/* As many blocks as the allocation holds, each of them, again and again, in any order. */
static void full_disk_takes_every_rewrite(void **state)
{
	struct world *world = *state;
	struct guest *large = harness_guest(world->harness, "large", 0, false);
	struct guest_figures figures;
	struct frontend fe;
	uint64_t blocks, i, block;
	bool same;

	guest_figures(large, &figures);
	blocks = figures.disk_bytes / 4096;
	fe_init(&fe, harness_path(world->harness, "large"), pump, world->harness);
	assert_int_equal(fe_up(&fe, 1, true), 0);
	for (i = 0; i < blocks; i++)
		assert_int_equal(fe_write(&fe, 0, i, 1), FE_OK);
	guest_figures(large, &figures);
	assert_int_equal(figures.blocks_stored, blocks);
	for (i = 0; i < blocks; i++) {
		block = i * 7919 % blocks;
		if (i % 16 == 0)
			assert_int_equal(fe_range(&fe, 0, FE_DISCARD, block * 8, 8, 0), FE_OK);
		assert_int_equal(fe_write(&fe, 0, block, 2), FE_OK);
	}
	for (i = 0; i < blocks; i += 3) {
		block = i * 7919 % blocks;
		assert_int_equal(fe_read(&fe, 0, block, 2, &same), FE_OK);
		assert_true(same);
	}
	fe_close(&fe);
}

static void several_ranges_in_one_request(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	struct fe_range range[3] = {{0, 8, 0}, {16, 8, 0}, {4095 * 8, 8, 0}};
	bool same;

	assert_int_equal(fe_up(fe, 1, true), 0);
	assert_int_equal(fe_write(fe, 0, 0, 5), FE_OK);
	assert_int_equal(fe_write(fe, 0, 1, 5), FE_OK);
	assert_int_equal(fe_write(fe, 0, 2, 5), FE_OK);
	assert_int_equal(fe_write(fe, 0, 4095, 5), FE_OK);
	assert_int_equal(fe_io(fe, 0, FE_DISCARD, 0, range, sizeof(range)), FE_OK);
	assert_int_equal(fe_read(fe, 0, 0, 0, &same), FE_OK);
	assert_true(same);
	assert_int_equal(fe_read(fe, 0, 1, 5, &same), FE_OK);
	assert_true(same);
	assert_int_equal(fe_read(fe, 0, 4095, 0, &same), FE_OK);
	assert_true(same);
}

static void contents_survive_stop_reset_and_reconnect(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	uint32_t base;
	bool same;

	assert_int_equal(fe_up(fe, 1, true), 0);
	assert_int_equal(fe_write(fe, 0, 9, 21), FE_OK);
	assert_int_equal(fe_stop(fe, 0, &base), 0);
	assert_int_equal(base, 1);
	assert_int_equal(fe_start(fe, 0), 0);
	assert_int_equal(fe_read(fe, 0, 9, 21, &same), FE_OK);
	assert_true(same);
	/* A guest that boots again, on the same connection and on another. */
	assert_int_equal(fe_stop(fe, 0, &base), 0);
	fe_reset_ring(fe, 0);
	assert_int_equal(fe_inflight(fe, true), 0);
	assert_int_equal(fe_start(fe, 0), 0);
	assert_int_equal(fe_read(fe, 0, 9, 21, &same), FE_OK);
	assert_true(same);
	fe_disconnect(fe);
	assert_int_equal(fe_up(fe, 1, true), 0);
	assert_int_equal(fe_read(fe, 0, 9, 21, &same), FE_OK);
	assert_true(same);
	fe_disconnect(fe);
	assert_int_equal(fe_up(fe, 1, false), 0);
	assert_int_equal(fe_read(fe, 0, 9, 21, &same), FE_OK);
	assert_true(same);
}

static void frozen_writes_wait_and_reads_go_on(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	uint8_t page[4096];
	uint16_t head[3];
	uint64_t i;
	bool same;

	assert_int_equal(fe_up(fe, 1, true), 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(fe_write(fe, 0, i, 1), FE_OK);
	tmem_client_freeze(guest_client(world->guest), 1);
	for (i = 0; i < 3; i++) {
		fe_fill(page, i, 2);
		head[i] = fe_submit(fe, 0, FE_OUT, i * 8, page, 4096);
	}
	fe_kick(fe, 0);
	harness_pump_for(world->harness, 100);
	assert_int_equal(fe_used_index(fe, 0), 4);
	/* Only the first write was tried; the others kept what they had. */
	assert_int_equal(fe_read(fe, 0, 1, 1, &same), FE_OK);
	assert_true(same);
	assert_int_equal(fe_read(fe, 0, 3, 1, &same), FE_OK);
	assert_true(same);
	assert_int_equal(fe_range(fe, 0, FE_DISCARD, 3 * 8, 8, 0), FE_OK);
	assert_int_equal(fe_read(fe, 0, 3, 0, &same), FE_OK);
	assert_true(same);
	tmem_client_freeze(guest_client(world->guest), 0);
	harness_pump_for(world->harness, 100);
	for (i = 0; i < 3; i++) {
		assert_int_equal(fe_wait(fe, 0), head[i]);
		assert_int_equal(fe_status(fe, 0, head[i]), FE_OK);
		fe_release(fe, 0, head[i]);
	}
	for (i = 0; i < 3; i++) {
		assert_int_equal(fe_read(fe, 0, i, 2, &same), FE_OK);
		assert_true(same);
	}
	assert_int_equal(figures_of(world).counters.frozen_waits, 3);
}

static void frozen_writes_fail_when_stopped_without_inflight(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	uint8_t page[4096] = {1};
	uint16_t head;
	uint32_t base;

	fe->use_inflight = false;
	assert_int_equal(fe_up(fe, 1, true), 0);
	tmem_client_freeze(guest_client(world->guest), 1);
	head = fe_submit(fe, 0, FE_OUT, 0, page, 4096);
	fe_kick(fe, 0);
	harness_pump_for(world->harness, 30);
	assert_int_equal(fe_used_index(fe, 0), 0);
	assert_int_equal(fe_stop(fe, 0, &base), 0);
	assert_int_equal(base, 1);
	assert_int_equal(fe_wait(fe, 0), head);
	assert_int_equal(fe_status(fe, 0, head), FE_IOERR);
	assert_int_equal(figures_of(world).counters.failed_stopped, 1);
}

static void requests_in_flight_are_served_after_reconnect_in_order(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	uint8_t page[4096];
	uint16_t head[5];
	uint64_t i;
	bool same;

	assert_int_equal(fe_up(fe, 1, true), 0);
	/* Heads descend, so that their order is not that of the table. */
	for (i = 0; i < FE_RING / 2; i++) {
		uint16_t other = fe->queue[0].free[i];

		fe->queue[0].free[i] = fe->queue[0].free[FE_RING - 1 - i];
		fe->queue[0].free[FE_RING - 1 - i] = other;
	}
	tmem_client_freeze(guest_client(world->guest), 1);
	for (i = 0; i < 5; i++) {
		fe_fill(page, 7, i + 1);
		head[i] = fe_submit(fe, 0, FE_OUT, 7 * 8, page, 4096);
	}
	fe_kick(fe, 0);
	harness_pump_for(world->harness, 50);
	fe_disconnect(fe);
	tmem_client_freeze(guest_client(world->guest), 0);
	assert_int_equal(fe_up(fe, 1, false), 0);
	for (i = 0; i < 5; i++) {
		assert_int_equal(fe_wait(fe, 0), head[i]);
		assert_int_equal(fe_status(fe, 0, head[i]), FE_OK);
		fe_release(fe, 0, head[i]);
	}
	/* The last of them came last. */
	assert_int_equal(fe_read(fe, 0, 7, 5, &same), FE_OK);
	assert_true(same);
	assert_int_equal(figures_of(world).counters.resubmitted, 5);
	assert_int_equal(fe_used_index(fe, 0), 6);
}

/* Killed between the used index and the in-flight region: not served a second time. */
static void answered_request_is_not_served_again(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	uint8_t *area;
	uint16_t used, last;
	bool same;

	assert_int_equal(fe_up(fe, 1, true), 0);
	assert_int_equal(fe_write(fe, 0, 1, 1), FE_OK);
	assert_int_equal(fe_write(fe, 0, 1, 2), FE_OK);
	fe_disconnect(fe);
	area = mmap(NULL, fe->inflight_size, PROT_READ | PROT_WRITE, MAP_SHARED, fe->inflight, 0);
	assert_true(area != MAP_FAILED);
	memcpy(&last, area + 12, 2);
	memcpy(&used, area + 14, 2);
	assert_int_equal(used, 2);
	used = 1;
	memcpy(area + 14, &used, 2);
	area[16 + last * 16] = 1;
	assert_int_equal(fe_up(fe, 1, false), 0);
	assert_int_equal(figures_of(world).counters.resubmitted, 0);
	assert_int_equal(area[16 + last * 16], 0);
	assert_int_equal(fe_used_index(fe, 0), 2);
	assert_int_equal(fe_read(fe, 0, 1, 2, &same), FE_OK);
	assert_true(same);
	munmap(area, fe->inflight_size);
}

static bool marked(const uint8_t *log, uint64_t guest)
{
	return log[guest / 4096 / 8] >> (guest / 4096 % 8) & 1;
}

static void dirty_log_marks_all_that_was_written(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	uint64_t size = (FE_GUEST_BASE + FE_RAM) / 4096 / 8, word[2] = {size, 0}, features;
	int fd = memfd_create("log", 0);
	struct fe_message reply;
	uint64_t address[5];
	uint8_t *log;
	uint16_t head;
	bool same;

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	log = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_int_equal(fe_up(fe, 1, true), 0);
	assert_int_equal(fe_write(fe, 0, 3, 4), FE_OK);
	assert_int_equal(fe_send(fe, 6, word, sizeof(word), &fd, 1), 0);
	assert_int_equal(fe_receive(fe, &reply, NULL), 0);
	assert_int_equal(reply.request, 6);
	features = 0x140000000ull | 1ull << 26;
	assert_int_equal(fe_send_number(fe, 2, features), 0);
	address[0] = 1ull << 32; /* queue 0, flag: log the used ring */
	address[1] = FE_USER_BASE;
	address[2] = FE_USER_BASE + FE_USED;
	address[3] = FE_USER_BASE + FE_AVAIL;
	address[4] = fe_guest(FE_USED);
	assert_int_equal(fe_send(fe, 9, address, sizeof(address), NULL, 0), 0);
	head = fe->queue[0].free[fe->queue[0].free_count - 1];
	assert_int_equal(fe_read(fe, 0, 3, 4, &same), FE_OK);
	assert_true(same);
	assert_true(marked(log, fe_guest(FE_BUFFER_AT(0, head))));
	assert_true(marked(log, fe_guest(FE_HEADER_AT(0, head))));
	assert_true(marked(log, fe_guest(FE_USED)));
	assert_false(marked(log, fe_guest(FE_BUFFER_AT(0, head)) + 8192));
	assert_false(marked(log, fe_guest(FE_AVAIL)));
	munmap(log, size);
	close(fd);
}

static void memory_table_in_one_message(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	struct {
		uint32_t count, padding;
		uint64_t region[2][4];
	} table = {2,
		   0,
		   {{FE_GUEST_BASE, 16 << 20, FE_USER_BASE, 0},
		    {FE_GUEST_BASE + (16 << 20), 16 << 20, FE_USER_BASE + (16 << 20), 16 << 20}}};
	int fds[2] = {fe->memory, fe->memory};
	bool same;

	assert_int_equal(fe_connect(fe), 0);
	assert_int_equal(fe_features(fe), 0);
	assert_int_equal(fe_inflight(fe, true), 0);
	assert_int_equal(fe_acked(fe, 5, &table, sizeof(table), fds, 2), 0);
	assert_int_equal(fe_start(fe, 0), 0);
	assert_int_equal(fe_write(fe, 0, 1, 1), FE_OK);
	assert_int_equal(fe_read(fe, 0, 1, 1, &same), FE_OK);
	assert_true(same);
}

static void region_can_be_removed_and_added(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	const uint64_t region[5] = {0, FE_GUEST_BASE, FE_RAM, FE_USER_BASE, 0};
	uint32_t base;
	bool same;

	assert_int_equal(fe_up(fe, 1, true), 0);
	assert_int_equal(fe_write(fe, 0, 1, 1), FE_OK);
	assert_int_equal(fe_stop(fe, 0, &base), 0);
	assert_int_equal(fe_acked(fe, 38, region, sizeof(region), NULL, 0), 0);
	assert_int_equal(fe_acked(fe, 37, region, sizeof(region), &fe->memory, 1), 0);
	assert_int_equal(fe_start(fe, 0), 0);
	assert_int_equal(fe_read(fe, 0, 1, 1, &same), FE_OK);
	assert_true(same);
}

static void configuration_cannot_be_written(void **state)
{
	struct world *world = *state;
	uint8_t payload[13] = {32, 0, 0, 0, 1};
	bool same;

	assert_int_equal(fe_up(&world->fe, 1, true), 0);
	assert_int_equal(fe_acked(&world->fe, 25, payload, sizeof(payload), NULL, 0), 1);
	assert_int_equal(fe_read(&world->fe, 0, 0, 0, &same), FE_OK);
}

static void reset_device_stops_rings(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	uint16_t head;
	bool same;

	assert_int_equal(fe_up(fe, 1, true), 0);
	assert_int_equal(fe_write(fe, 0, 5, 5), FE_OK);
	assert_int_equal(fe_acked(fe, 34, NULL, 0, NULL, 0), 0);
	head = fe_submit(fe, 0, FE_FLUSH, 0, NULL, 0);
	fe_kick(fe, 0);
	harness_pump_for(world->harness, 20);
	assert_int_equal(fe_used_index(fe, 0), 1);
	fe_reset_ring(fe, 0);
	(void)head;
	assert_int_equal(fe_send_number(fe, 2, 0x140000000ull), 0);
	assert_int_equal(fe_inflight(fe, true), 0);
	assert_int_equal(fe_start(fe, 0), 0);
	assert_int_equal(fe_read(fe, 0, 5, 5, &same), FE_OK);
	assert_true(same);
}

static void front_end_is_slow(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	const uint8_t message[20] = {1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0};
	struct fe_message reply;
	size_t i;

	assert_int_equal(fe_connect(fe), 0);
	for (i = 0; i < 12; i++) {
		assert_int_equal(fe_send_raw(fe, message + i, 1, NULL, 0), 0);
		harness_pump(world->harness);
	}
	assert_int_equal(fe_receive(fe, &reply, NULL), 0);
	assert_int_equal(reply.size, 8);
	fe_disconnect(fe);
	assert_int_equal(figures_of(world).counters.sessions_ended, 0);
}

static uint32_t hook_calls, hook_last;

static void hook(struct guest *guest, bool in_use, void *arg)
{
	hook_calls++;
	hook_last = in_use;
}

static void in_use_is_told_once(void **state)
{
	struct world *world = *state;

	hook_calls = 0;
	guest_set_in_use_hook(world->guest, hook, NULL);
	assert_false(figures_of(world).in_use);
	assert_int_equal(fe_up(&world->fe, 2, true), 0);
	assert_int_equal(hook_calls, 1);
	assert_int_equal(hook_last, 1);
	fe_disconnect(&world->fe);
	assert_true(figures_of(world).in_use);
	assert_false(figures_of(world).connected);
	assert_int_equal(fe_up(&world->fe, 2, true), 0);
	assert_int_equal(hook_calls, 1);
}

/* As QEMU does where a device comes back over the connection of the one before. */
static void owner_on_the_same_connection_begins_anew(void **state)
{
	struct world *world = *state;
	struct frontend *fe = &world->fe;
	uint32_t base, round;
	bool same;

	assert_int_equal(fe_up(fe, 2, true), 0);
	assert_int_equal(fe_write(fe, 0, 7, 1), FE_OK);
	for (round = 0; round < 2; round++) {
		/* Rings may have been stopped before, or not. */
		if (round)
			assert_int_equal(fe_stop(fe, 0, &base), 0);
		assert_int_equal(fe_features(fe), 0);
		assert_int_equal(fe_memory(fe), 0);
		assert_int_equal(fe_inflight(fe, true), 0);
		fe_reset_ring(fe, 0);
		assert_int_equal(fe_start(fe, 0), 0);
		assert_int_equal(fe_read(fe, 0, 7, 1 + round, &same), FE_OK);
		assert_true(same);
		assert_int_equal(fe_write(fe, 0, 7, 2 + round), FE_OK);
	}
	/* A region that is there is refused as ever, where no owner has come. */
	assert_int_not_equal(fe_memory(fe), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest cases[] = {
		CASE(config_tells_capacity_and_blocks),
		CASE(new_disk_reads_zeros),
		CASE(direct_chains),
		CASE(indirect_chains),
		CASE(event_index),
		CASE(data_in_odd_pieces),
		CASE(indirect_behind_direct),
		CASE(several_queues_see_one_disk),
		CASE(many_requests_at_once),
		CASE(large_request_takes_turns),
		CASE(small_queue_is_not_starved),
		CASE(flush_and_id),
		CASE(discard_empties),
		CASE(write_zeroes_is_exact),
		CASE(discard_of_everything_is_stepped),
		CASE(full_disk_takes_every_rewrite),
		CASE(several_ranges_in_one_request),
		CASE(contents_survive_stop_reset_and_reconnect),
		CASE(frozen_writes_wait_and_reads_go_on),
		CASE(frozen_writes_fail_when_stopped_without_inflight),
		CASE(requests_in_flight_are_served_after_reconnect_in_order),
		CASE(answered_request_is_not_served_again),
		CASE(dirty_log_marks_all_that_was_written),
		CASE(memory_table_in_one_message),
		CASE(region_can_be_removed_and_added),
		CASE(configuration_cannot_be_written),
		CASE(reset_device_stops_rings),
		CASE(owner_on_the_same_connection_begins_anew),
		CASE(front_end_is_slow),
		CASE(in_use_is_told_once),
	};

	alarm(120);
	return cmocka_run_group_tests_name("vhost good", cases, NULL, NULL);
}
