// SPDX-License-Identifier: MIT
/* Who waits is due when his time is over, once, and not before; in all distances and orders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wheel.h"

#define MANY 200
#define MS   UINT64_C(1000000)

struct sleeper {
	struct link link;
	uint64_t until;
	uint32_t woken;
};

static struct sleeper sleepers[MANY];

static struct sleeper *sleeper_of(struct link *link)
{
	return (struct sleeper *)(void *)link;
}

static void begin(struct wheel *wheel)
{
	uint32_t i;

	wheel_init(wheel);
	for (i = 0; i < MANY; i++) {
		link_init(&sleepers[i].link);
		sleepers[i].woken = 0;
	}
}

static void all_are_due_in_time(void **state)
{
	struct wheel wheel;
	uint64_t now, start;
	struct link *link;
	uint32_t i, woken = 0;

	/* Wherever the ring begins, and with hours of nobody between. */
	for (start = 1; start < 40000000 * MS; start = start * 7 + 123456) {
		begin(&wheel);
		assert_null(wheel_take(&wheel, start));
		assert_int_equal(wheel.next, 0);
		for (i = 0; i < MANY; i++) {
			sleepers[i].until = start + (i * 7919u) % 60 * MS + i;
			wheel_add(&wheel, &sleepers[i].link, start, sleepers[i].until);
		}
		woken = 0;
		for (now = start; now < start + 62 * MS; now += MS / 3) {
			while ((link = wheel_take(&wheel, now))) {
				assert_true(now >= sleeper_of(link)->until);
				assert_true(now <= sleeper_of(link)->until + MS + MS / 3);
				sleeper_of(link)->woken++;
				woken++;
			}
			/* The loop may sleep until then: it is not too late. */
			assert_true(!wheel.next || wheel.next > now);
		}
		assert_int_equal(woken, MANY);
		for (i = 0; i < MANY; i++)
			assert_int_equal(sleepers[i].woken, 1);
		assert_int_equal(wheel.next, 0);
	}
}

static void a_long_wait_is_due_early(void **state)
{
	struct wheel wheel;

	begin(&wheel);
	wheel_add(&wheel, &sleepers[0].link, 5 * MS, 5000 * MS);
	assert_null(wheel_take(&wheel, 60 * MS));
	assert_ptr_equal(wheel_take(&wheel, 70 * MS), &sleepers[0].link);
	assert_null(wheel_take(&wheel, 70 * MS));
}

static void late_is_not_never(void **state)
{
	struct wheel wheel;

	begin(&wheel);
	wheel_add(&wheel, &sleepers[0].link, 5 * MS, 1 * MS);
	wheel_add(&wheel, &sleepers[1].link, 5 * MS, 40 * MS);
	assert_int_equal(wheel.next, 6 * MS);
	/* A round of the loop took an hour. */
	assert_non_null(wheel_take(&wheel, 3600000 * MS));
	assert_non_null(wheel_take(&wheel, 3600000 * MS));
	assert_null(wheel_take(&wheel, 3600000 * MS));
	wheel_add(&wheel, &sleepers[0].link, 3600000 * MS, 3600002 * MS);
	assert_null(wheel_take(&wheel, 3600001 * MS));
	assert_ptr_equal(wheel_take(&wheel, 3600003 * MS), &sleepers[0].link);
}

static void who_left_is_not_due(void **state)
{
	struct wheel wheel;

	begin(&wheel);
	wheel_add(&wheel, &sleepers[0].link, 5 * MS, 9 * MS);
	wheel_add(&wheel, &sleepers[1].link, 5 * MS, 9 * MS);
	link_out(&sleepers[0].link);
	assert_ptr_equal(wheel_take(&wheel, 10 * MS), &sleepers[1].link);
	assert_null(wheel_take(&wheel, 10 * MS));
	assert_int_equal(wheel.next, 0);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(all_are_due_in_time),
		cmocka_unit_test(a_long_wait_is_due_early),
		cmocka_unit_test(late_is_not_never),
		cmocka_unit_test(who_left_is_not_due),
	};

	return cmocka_run_group_tests_name("wheel", cases, NULL, NULL);
}
