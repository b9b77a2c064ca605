// SPDX-License-Identifier: MIT
/*
 * What is fallow, and what is given back: a table of situations on a machine
 * of 64 GiB, each with what must come of it, and a machine that is followed
 * through time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "fallow.h"

#define MIB    (UINT64_C(1) << 20)
#define GIB    (UINT64_C(1) << 30)
#define SECOND UINT64_C(1000000000)

#define ANY UINT64_MAX

struct row {
	const char *name;
	struct fallow_situation given;
	uint64_t fallow, limit, give_back; /* ANY: not looked at */
	enum fallow_cause cause;
};

#define MACHINE(available_gib, free_gib)                                                \
	.machine = {64 * GIB, (available_gib)*GIB, (free_gib)*GIB}, .reserve = 4 * GIB, \
	.since_given = FALLOW_NEVER, .since_looked = SECOND

static const struct row rows[] = {
	{"nothing is held: one second's growth", {MACHINE(40, 40)}, 40 * GIB, ANY, 0, 0},
	{"what is held was taken from what was available",
	 {MACHINE(40, 40), .held = 10 * GIB},
	 50 * GIB,
	 ANY,
	 0,
	 0},
	{"what is lent is available still",
	 {MACHINE(50, 40), .held = 10 * GIB, .counted = 10 * GIB},
	 50 * GIB,
	 ANY,
	 0,
	 0},
	{"a part of it is lent",
	 {MACHINE(44, 40), .held = 10 * GIB, .counted = 4 * GIB},
	 50 * GIB,
	 ANY,
	 0,
	 0},
	{"the kernel took half of what was lent: others use that",
	 {MACHINE(5, 0), .held = 10 * GIB, .counted = 10 * GIB},
	 5 * GIB,
	 ANY,
	 ANY,
	 FALLOW_WATERMARK},
	{"more was lent than is held: it was given back between the two looks",
	 {MACHINE(40, 40), .held = 1 * GIB, .counted = 2 * GIB},
	 40 * GIB,
	 ANY,
	 0,
	 0},
	{"nothing is held, and nothing is left", {MACHINE(1, 1)}, ANY, 0, 0, 0},
	{"exactly the reserve is left", {MACHINE(4, 4), .held = 10 * GIB}, ANY, 10 * GIB, 0, 0},
	{"a byte less than the reserve: that byte, and an eighth of the reserve",
	 {.machine = {64 * GIB, 4 * GIB - 1, 0}, .reserve = 4 * GIB, .held = 10 * GIB},
	 ANY,
	 10 * GIB - GIB / 2 - 1,
	 GIB / 2 + 1,
	 FALLOW_WATERMARK},
	{"others took all: all that is missing, at once",
	 {MACHINE(0, 0), .held = 10 * GIB},
	 ANY,
	 ANY,
	 4 * GIB + GIB / 2,
	 FALLOW_WATERMARK},
	{"somebody took much since the last look: as much again, before he asks for it",
	 {.machine = {64 * GIB, 6 * GIB, 0},
	  .reserve = 4 * GIB,
	  .held = 10 * GIB,
	  .since_given = FALLOW_NEVER,
	  .since_looked = SECOND / 50,
	  .before = 19 * GIB},
	 16 * GIB,
	 9 * GIB - GIB / 2,
	 GIB + GIB / 2,
	 FALLOW_WATERMARK},
	{"he took more than there is left: half of what there is left",
	 {.machine = {64 * GIB, 6 * GIB, 0},
	  .reserve = 4 * GIB,
	  .held = 10 * GIB,
	  .since_given = FALLOW_NEVER,
	  .since_looked = SECOND / 50,
	  .before = 27 * GIB},
	 16 * GIB,
	 6 * GIB - GIB / 2,
	 4 * GIB + GIB / 2,
	 FALLOW_WATERMARK},
	{"he took it in a longer time: it is not much",
	 {.machine = {64 * GIB, 6 * GIB, 0},
	  .reserve = 4 * GIB,
	  .held = 10 * GIB,
	  .since_given = SECOND,
	  .since_looked = 2 * SECOND,
	  .before = 19 * GIB},
	 16 * GIB,
	 10 * GIB,
	 0,
	 0},
	{"somebody gave back much: nothing follows from it",
	 {.machine = {64 * GIB, 6 * GIB, 0},
	  .reserve = 4 * GIB,
	  .held = 10 * GIB,
	  .since_given = SECOND,
	  .since_looked = SECOND / 50,
	  .before = 10 * GIB},
	 16 * GIB,
	 10 * GIB,
	 0,
	 0},
	{"looks that follow each other closely are no growth each",
	 {.machine = {64 * GIB, 40 * GIB, 40 * GIB},
	  .reserve = 4 * GIB,
	  .held = 10 * GIB,
	  .since_given = FALLOW_NEVER,
	  .since_looked = SECOND / 50},
	 ANY,
	 10 * GIB,
	 0,
	 0},
	{"less is held than is missing",
	 {MACHINE(0, 0), .held = GIB},
	 ANY,
	 0,
	 GIB,
	 FALLOW_WATERMARK},
	{"a little more than the reserve is left: no growth for so little",
	 {.machine = {64 * GIB, 4 * GIB + 100 * MIB, 0},
	  .reserve = 4 * GIB,
	  .held = 10 * GIB,
	  .since_given = FALLOW_NEVER,
	  .since_looked = SECOND},
	 ANY,
	 10 * GIB,
	 0,
	 0},
	{"growth ends at the reserve",
	 {.machine = {64 * GIB, 5 * GIB, 0},
	  .reserve = 4 * GIB,
	  .held = 10 * GIB,
	  .since_given = FALLOW_NEVER,
	  .since_looked = 100 * SECOND},
	 ANY,
	 11 * GIB,
	 0,
	 0},
	{"no growth right after something was given back",
	 {.machine = {64 * GIB, 40 * GIB, 40 * GIB},
	  .reserve = 4 * GIB,
	  .held = 10 * GIB,
	  .since_given = SECOND,
	  .since_looked = SECOND},
	 ANY,
	 10 * GIB,
	 0,
	 0},
	{"somebody waits, and the kernel has nothing free: a part, though much is available",
	 {MACHINE(20, 1), .held = 16 * GIB, .pressure = true},
	 ANY,
	 15 * GIB,
	 GIB,
	 FALLOW_PRESSURE},
	{"somebody waits within a limit of his own: the machine has plenty",
	 {MACHINE(20, 20), .held = 16 * GIB, .pressure = true},
	 ANY,
	 ANY,
	 0,
	 0},
	{"somebody waits, and nothing is held", {MACHINE(20, 1), .pressure = true}, ANY, ANY, 0, 0},
	{"both: the watermark asks for more",
	 {MACHINE(2, 0), .held = 16 * GIB, .pressure = true},
	 ANY,
	 ANY,
	 2 * GIB + GIB / 2,
	 FALLOW_WATERMARK},
	{"our group is full, and the machine is not",
	 {MACHINE(40, 40), .group = {8 * GIB, GIB / 4, 0}, .held = 4 * GIB},
	 4 * GIB + GIB / 4,
	 ANY,
	 GIB / 4 + GIB / 16,
	 FALLOW_GROUP},
	{"our group has room: it bounds growth, with a reserve of its own",
	 {MACHINE(40, 40), .group = {8 * GIB, GIB, GIB}, .held = 4 * GIB},
	 5 * GIB,
	 4 * GIB + GIB / 2,
	 0,
	 0},
	{"somebody waits in our group, and its memory is at an end",
	 {MACHINE(40, 40), .group = {8 * GIB, 2 * GIB, 0}, .held = 4 * GIB, .pressure = true},
	 ANY,
	 ANY,
	 GIB / 4,
	 FALLOW_PRESSURE},
	{"the machine is tighter than our group",
	 {MACHINE(3, 3), .group = {32 * GIB, 20 * GIB, 20 * GIB}, .held = 4 * GIB},
	 7 * GIB,
	 ANY,
	 GIB + GIB / 2,
	 FALLOW_WATERMARK},
	{"a reserve of more than there is: half of it counts",
	 {.machine = {GIB, GIB, GIB},
	  .reserve = 4 * GIB,
	  .since_given = FALLOW_NEVER,
	  .since_looked = SECOND},
	 ANY,
	 32 * MIB,
	 0,
	 0},
	{"a machine that says nothing gets nothing",
	 {.held = GIB, .since_given = FALLOW_NEVER},
	 ANY,
	 ANY,
	 0,
	 0},
};

static void each_situation_has_its_verdict(void **state)
{
	struct fallow_verdict v;
	unsigned int failed = 0;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];

		fallow_judge(&row->given, &v);
		if ((row->fallow == ANY || v.fallow == row->fallow) &&
		    (row->limit == ANY || v.limit == row->limit) &&
		    (row->give_back == ANY || v.give_back == row->give_back) &&
		    v.cause == row->cause && !v.give_back == !v.cause &&
		    v.give_back <= row->given.held)
			continue;
		fprintf(stderr, "%s: fallow %llu, limit %llu, give back %llu, %s\n", row->name,
			(unsigned long long)v.fallow, (unsigned long long)v.limit,
			(unsigned long long)v.give_back, fallow_cause_name(v.cause));
		failed++;
	}
	assert_int_equal(failed, 0);
}

/* Puts as fast as it is let: a second brings a thirty-second of the machine, and no more. */
static void growth_is_bounded_and_ends_at_the_reserve(void **state)
{
	struct fallow_situation s = {.machine = {64 * GIB, 60 * GIB, 60 * GIB},
				     .reserve = 4 * GIB,
				     .since_given = FALLOW_NEVER};
	uint64_t used = 4 * GIB, time = 0, before;
	struct fallow_verdict v;

	(void)state;
	while (time < 120 * SECOND) {
		fallow_judge(&s, &v);
		assert_int_equal(v.give_back, 0);
		before = s.held;
		if (v.limit > s.held)
			s.held = v.limit;
		assert_true(s.held - before <= 2 * GIB);
		assert_true(v.look >= SECOND / 10 && v.look <= SECOND);
		s.machine.available = 64 * GIB - used - s.held;
		s.since_looked = v.look;
		time += v.look;
		if (time <= 10 * SECOND)
			assert_true(s.held <= 24 * GIB);
	}
	assert_true(s.held <= 56 * GIB && s.held >= 55 * GIB);
	/* Somebody takes a gigabyte every tenth of a second: he never finds less than that. */
	for (; used < 50 * GIB; used += GIB) {
		s.machine.available = 64 * GIB - used - s.held;
		assert_true(s.machine.available >= GIB);
		fallow_judge(&s, &v);
		s.held -= v.give_back;
		s.since_given = 0;
	}
	assert_true(s.held <= 11 * GIB);
}

/* Half of the reserve is seen on its way out, and a large machine is left alone. */
static void glances_are_as_rare_as_the_reserve_is_large(void **state)
{
	(void)state;
	assert_int_equal(fallow_glance(0), SECOND / 200);
	assert_int_equal(fallow_glance(256 * MIB), 16 * MIB);
	assert_int_equal(fallow_glance(4 * GIB), SECOND / 10);
	assert_int_equal(fallow_glance(UINT64_MAX), SECOND / 10);
}

/* Nothing overflows, and no more is given back than is held, whatever the host says. */
static void any_figures_have_a_verdict(void **state)
{
	static const uint64_t sizes[] = {0, 1, 4095, MIB, GIB, 64 * GIB, UINT64_MAX >> 10 << 10};
	const size_t n = sizeof(sizes) / sizeof(sizes[0]);
	struct fallow_verdict v;
	size_t i, all = n * n * n * n * n * n;

	(void)state;
	for (i = 0; i < all; i++) {
		struct fallow_situation s = {
			.machine = {sizes[i % n], sizes[i / n % n], sizes[i / n / n % n]},
			.group = {sizes[i / n % n], sizes[i % n], 0},
			.reserve = sizes[i / n / n / n % n],
			.held = sizes[i / n / n / n / n % n],
			.counted = sizes[i / n / n / n / n / n % n],
			.pressure = i & 1,
			.since_given = i & 2 ? FALLOW_NEVER : 0,
			.since_looked = i & 4 ? FALLOW_NEVER : 0,
		};

		fallow_judge(&s, &v);
		assert_true(v.give_back <= s.held);
		assert_true(!v.give_back || v.limit == s.held - v.give_back);
		assert_true(v.look >= SECOND / 10 && v.look <= SECOND);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_situation_has_its_verdict),
		cmocka_unit_test(growth_is_bounded_and_ends_at_the_reserve),
		cmocka_unit_test(glances_are_as_rare_as_the_reserve_is_large),
		cmocka_unit_test(any_figures_have_a_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
