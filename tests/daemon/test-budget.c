// SPDX-License-Identifier: MIT
/*
 * A budget of processor time, with a clock of our own: whoever takes a piece
 * whenever it may has its part of the time and no more, in slices, whatever
 * came before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "budget.h"

#define SECOND 1000000000u
#define PIECE  70000u /* nanoseconds: a page */

typedef void spend_of(struct budget *budget, uint64_t time);

struct taken {
	uint64_t time;
	unsigned int slices;
};

/* Takes for @length from @now on. */
static struct taken take(struct budget *budget, uint64_t now, uint64_t length, spend_of *spend)
{
	uint64_t end = now + length, left;
	struct taken taken = {0, 0};

	while (now < end) {
		left = budget_wait(budget, now);
		if (left == BUDGET_NEVER)
			break;
		if (left) {
			taken.slices++;
			now += left;
			continue;
		}
		spend(budget, PIECE);
		taken.time += PIECE;
		now += PIECE;
	}
	return taken;
}

static bool is_kept(uint32_t percent, spend_of *spend)
{
	struct budget budget = {0};
	uint64_t share = (uint64_t)10 * SECOND * percent / 100;
	struct taken taken;

	budget_set(&budget, percent);
	taken = take(&budget, 77 * (uint64_t)SECOND, 10 * (uint64_t)SECOND, spend);
	/* One slice more at the beginning, and a piece that was begun in each. */
	return taken.time <= share + BUDGET_PERIOD + PIECE && taken.time + share / 50 >= share;
}

static void spend_nothing(struct budget *budget, uint64_t time)
{
	(void)budget;
	(void)time;
}

static void spend_half(struct budget *budget, uint64_t time)
{
	budget_spend(budget, time / 2);
}

static void spend_twice(struct budget *budget, uint64_t time)
{
	budget_spend(budget, time * 2);
}

static void a_budget_is_kept_and_used_up(void **state)
{
	static const uint32_t percent[] = {1, 3, 10, 50, 99, 100};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(percent) / sizeof(percent[0]); i++)
		assert_true(is_kept(percent[i], budget_spend));
	/* Controls: accounts that are wrong. */
	assert_false(is_kept(10, spend_nothing));
	assert_false(is_kept(10, spend_half));
	assert_false(is_kept(10, spend_twice));
}

static void nothing_is_nothing(void **state)
{
	struct budget budget = {0};

	(void)state;
	assert_true(budget_wait(&budget, 0) == BUDGET_NEVER);
	budget_set(&budget, 10);
	budget_set(&budget, 0);
	assert_true(budget_wait(&budget, SECOND) == BUDGET_NEVER);
	budget_spend(&budget, SECOND);
	assert_true(budget_wait(&budget, UINT64_MAX / 2) == BUDGET_NEVER);
}

static void it_comes_in_slices(void **state)
{
	struct budget budget = {0};
	struct taken taken;

	(void)state;
	budget_set(&budget, 10);
	taken = take(&budget, SECOND, SECOND, budget_spend);
	assert_in_range(taken.slices, 50, SECOND / BUDGET_PERIOD);
	/* With all of a processor there is nothing to wait for. */
	budget_set(&budget, 100);
	taken = take(&budget, SECOND, SECOND, budget_spend);
	assert_in_range(taken.slices, 0, 1);
}

/* A dictionary takes more than a slice has. */
static void what_was_too_much_is_waited_for(void **state)
{
	struct budget budget = {0};

	(void)state;
	budget_set(&budget, 10);
	assert_int_equal(budget_wait(&budget, SECOND), 0);
	budget_spend(&budget, SECOND / 10);
	assert_in_range(budget_wait(&budget, SECOND), SECOND - BUDGET_PERIOD,
			SECOND + BUDGET_PERIOD);
	/* Who changes the budget wants it to be so now. */
	budget_set(&budget, 20);
	assert_int_equal(budget_wait(&budget, SECOND + 1), 0);
}

static void nothing_is_saved_up(void **state)
{
	struct budget budget = {0};
	struct taken taken;

	(void)state;
	budget_set(&budget, 10);
	(void)take(&budget, SECOND, SECOND, budget_spend);
	taken = take(&budget, 100 * (uint64_t)SECOND, BUDGET_PERIOD / 2, budget_spend);
	/* And what came while that was taken. */
	assert_in_range(taken.time, BUDGET_PERIOD / 10, BUDGET_PERIOD / 8 + PIECE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_budget_is_kept_and_used_up),
		cmocka_unit_test(nothing_is_nothing),
		cmocka_unit_test(it_comes_in_slices),
		cmocka_unit_test(what_was_too_much_is_waited_for),
		cmocka_unit_test(nothing_is_saved_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
