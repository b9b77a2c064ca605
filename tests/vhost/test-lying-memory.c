// SPDX-License-Identifier: MIT
/*
 * A front-end that lies about its memory, or takes it away while it is used.
 */
#include "liar.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- regions --- */

static void add_region(struct liar *world, uint64_t guest, uint64_t size, uint64_t user,
		       uint64_t offset, enum guest_error error)
{
	const uint64_t region[5] = {0, guest, size, user, offset};

	liar_connect(world);
	assert_int_equal(fe_memory(&world->fe), 0);
	assert_int_equal(fe_acked(&world->fe, 37, region, sizeof(region), &world->fe.memory, 1), 1);
	liar_expect(world, error);
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
	struct liar *world = *state;
	uint64_t i, region[5] = {0, 0, 4096, 0x100000, 0};

	liar_connect(world);
	for (i = 0; i < 32; i++) {
		region[1] = i * 8192;
		region[3] = 0x100000 + i * 8192;
		assert_int_equal(
			fe_acked(&world->fe, 37, region, sizeof(region), &world->fe.memory, 1), 0);
	}
	region[1] = 1 << 30;
	region[3] = 1 << 30;
	assert_int_equal(fe_acked(&world->fe, 37, region, sizeof(region), &world->fe.memory, 1), 1);
	liar_expect(world, GUEST_ERROR_region_count);
}

static void removal_of_an_unknown_region(void **state)
{
	struct liar *world = *state;
	const uint64_t region[5] = {0, FE_GUEST_BASE, FE_RAM - 4096, FE_USER_BASE, 0};

	liar_connect(world);
	assert_int_equal(fe_memory(&world->fe), 0);
	assert_int_equal(fe_acked(&world->fe, 38, region, sizeof(region), NULL, 0), 1);
	liar_expect(world, GUEST_ERROR_region_unknown);
}

static void table_with_fewer_descriptors_than_regions(void **state)
{
	struct liar *world = *state;
	uint64_t table[9] = {2};

	liar_connect(world);
	assert_int_equal(fe_send(&world->fe, 5, table, sizeof(table), &world->fe.memory, 1), 0);
	liar_expect(world, GUEST_ERROR_descriptor_count);
}

static void table_that_says_more_than_it_holds(void **state)
{
	struct liar *world = *state;
	uint64_t table[5] = {8};

	liar_connect(world);
	assert_int_equal(fe_send(&world->fe, 5, table, sizeof(table), &world->fe.memory, 1), 0);
	liar_expect(world, GUEST_ERROR_message_size);
}

static void memory_removed_while_in_use(void **state)
{
	struct liar *world = *state;
	const uint64_t region[5] = {0, FE_GUEST_BASE, FE_RAM, FE_USER_BASE, 0};

	liar_up(world);
	assert_int_equal(fe_acked(&world->fe, 38, region, sizeof(region), NULL, 0), 0);
	fe_kick(&world->fe, 0);
	liar_expect(world, GUEST_ERROR_chain_address);
}

static void memory_truncated_while_in_use(void **state)
{
	struct liar *world = *state;

	liar_up(world);
	fe_submit(&world->fe, 0, FE_FLUSH, 0, NULL, 0);
	assert_int_equal(ftruncate(world->fe.memory, 0), 0);
	fe_kick(&world->fe, 0);
	harness_pump(world->harness);
	assert_int_equal(ftruncate(world->fe.memory, FE_RAM), 0);
	liar_expect(world, GUEST_ERROR_memory_fault);
}

/* The data vanishes between two pages of one write: the block behind keeps its old contents. */
static void memory_truncated_under_a_write(void **state)
{
	struct liar *world = *state;
	struct frontend *fe = &world->fe;
	uint8_t *data = malloc(8192);
	uint16_t head;
	bool same;

	liar_up(world);
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
	struct liar *world = *state;
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
	liar_connect(world);
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
	liar_expect(world, GUEST_ERROR_memory_fault);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		LIAR_CASE(regions_that_overlap_in_guest_addresses),
		LIAR_CASE(region_around_another),
		LIAR_CASE(regions_that_overlap_in_user_addresses),
		LIAR_CASE(region_that_wraps_in_guest_addresses),
		LIAR_CASE(region_that_wraps_in_user_addresses),
		LIAR_CASE(region_that_wraps_in_its_file),
		LIAR_CASE(region_that_is_empty),
		LIAR_CASE(region_beyond_its_file),
		LIAR_CASE(region_larger_than_its_file),
		LIAR_CASE(more_regions_than_slots),
		LIAR_CASE(removal_of_an_unknown_region),
		LIAR_CASE(table_with_fewer_descriptors_than_regions),
		LIAR_CASE(table_that_says_more_than_it_holds),
		LIAR_CASE(memory_removed_while_in_use),
		LIAR_CASE(memory_truncated_while_in_use),
		LIAR_CASE(memory_truncated_under_a_write),
		LIAR_CASE(hole_in_sealed_memory),
	};

	alarm(120);
	return cmocka_run_group_tests_name("vhost lying memory", cases, NULL, NULL);
}
