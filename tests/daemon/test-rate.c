// SPDX-License-Identifier: MIT
/*
 * The limit on a client, with a clock of our own: whoever takes all that he
 * gets, whenever he likes, has no more than rate x time and the burst, and no
 * less than rate x time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rate.h"

#define PAGE   4096.0
#define SECOND 1000000000u

static const uint64_t rates[] = {1, 4096, 5000, 1 << 20, 100 << 20, UINT64_C(3) << 30, RATE_MOST};

#define RATES (sizeof(rates) / sizeof(rates[0]))

typedef void spend_of(struct rate *rate, uint32_t pages);

static uint64_t random_below(uint64_t *state, uint64_t limit)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (*state >> 33) % limit;
}

/* Takes up to 64 pages at a time, as often as there are some, at random times. */
static bool is_kept(spend_of *spend, uint64_t bytes, uint64_t seed)
{
	struct rate rate = {.bytes = bytes};
	/* Long enough for a few hundred pages, and 20 s at most for others. */
	double second = SECOND, page = PAGE * second / (double)bytes, total = 0;
	uint64_t begun = 77 * (uint64_t)SECOND, now = begun, pages;
	uint64_t end = begun + (uint64_t)(page * 300 < 2e7 ? 2e7 : page * 300);
	uint64_t pause = (end - begun) / 500;
	uint32_t calls = 0;
	double most;

	while (now < end && calls++ < 3000000) {
		pages = rate_pages(&rate, now);
		if (!pages) {
			now += 1 +
			       random_below(&seed, pause < 100000 ? pause : 100000 + pause / 50);
			continue;
		}
		pages = pages < 64 ? pages : 64;
		spend(&rate, (uint32_t)pages);
		total += (double)pages;
		most = (double)(now - begun) / page + RATE_BURST / page + 1;
		if (total > most * 1.0000001 + 0.001)
			return false;
	}
	/* What did not come was a rest of less than a page, and what a microsecond brings. */
	return calls < 3000000 ? total >= (double)(now - begun) / page - 2 - 200000 / page : true;
}

static void no_more_and_no_less(void **state)
{
	uint64_t seed;
	size_t i;

	for (i = 0; i < RATES; i++) {
		for (seed = 1; seed < 4; seed++)
			assert_true(is_kept(rate_spend, rates[i], seed));
	}
}

static void spend_whole_nanoseconds(struct rate *rate, uint32_t pages)
{
	rate->paid += pages * (uint64_t)(PAGE * SECOND) / rate->bytes;
}

static void spend_twice(struct rate *rate, uint32_t pages)
{
	rate_spend(rate, 2 * pages);
}

static void spend_nothing(struct rate *rate, uint32_t pages)
{
}

static void the_control(void **state)
{
	assert_false(is_kept(spend_whole_nanoseconds, RATE_MOST, 1));
	assert_false(is_kept(spend_twice, 1 << 20, 1));
	assert_false(is_kept(spend_nothing, 1 << 20, 1));
}

static void without_a_limit_there_is_none(void **state)
{
	struct rate rate = {0};

	assert_true(rate_pages(&rate, 5) == UINT64_MAX);
	rate_spend(&rate, 64);
	assert_true(rate_pages(&rate, 5) == UINT64_MAX);
}

static void a_pause_saves_the_burst_and_no_more(void **state)
{
	struct rate rate = {.bytes = 4096 * 1000};

	/* A page a millisecond. */
	assert_int_equal(rate_pages(&rate, SECOND), 11);
	rate_spend(&rate, 11);
	assert_int_equal(rate_pages(&rate, SECOND), 0);
	assert_int_equal(rate_pages(&rate, SECOND + 999999), 0);
	assert_int_equal(rate_pages(&rate, SECOND + 1000000), 1);
	assert_int_equal(rate_pages(&rate, SECOND + 7000000), 7);
	assert_int_equal(rate_pages(&rate, 3600 * (uint64_t)SECOND), 11);
}

static void when_it_is_ready_it_is(void **state)
{
	uint32_t pages;
	size_t i;

	for (i = 0; i < RATES; i++) {
		for (pages = 1; pages <= 16; pages += 15) {
			struct rate rate = {.bytes = rates[i]};
			uint64_t now = UINT64_C(10000000000000), ready, got;

			got = rate_pages(&rate, now);
			assert_true(got > 0);
			while (got) {
				rate_spend(&rate, got < 64 ? (uint32_t)got : 64);
				got = rate_pages(&rate, now);
			}
			ready = rate_ready(&rate, pages);
			got = rate_pages(&rate, ready);
			/* All of them, or as many as there ever are. */
			assert_true(got >= pages || got == rate_pages(&rate, ready * 2));
			assert_true(got >= 1);
		}
	}
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(no_more_and_no_less),
		cmocka_unit_test(the_control),
		cmocka_unit_test(without_a_limit_there_is_none),
		cmocka_unit_test(a_pause_saves_the_burst_and_no_more),
		cmocka_unit_test(when_it_is_ready_it_is),
	};

	return cmocka_run_group_tests_name("rate", cases, NULL, NULL);
}
