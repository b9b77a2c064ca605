// SPDX-License-Identifier: MIT
/*
 * Histograms of latencies: into which bucket a time goes, what quantiles are
 * made of it, what a sum of two is. Borders that are off by one, and rounding
 * in the wrong direction, must be found out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "latency.h"

/* The first bucket whose bound is above the time, by looking at one after the other. */
static uint32_t by_looking(uint64_t ns)
{
	uint32_t bucket = 0;

	while (bucket < LATENCY_BUCKETS - 1 && ns >= latency_bound(bucket))
		bucket++;
	return bucket;
}

static bool is_right(uint32_t (*bucket_of)(uint64_t ns))
{
	uint32_t shift;
	uint64_t ns;

	for (shift = 0; shift < 64; shift++) {
		for (ns = ((uint64_t)1 << shift) - 1; ns != ((uint64_t)1 << shift) + 2; ns++) {
			if (bucket_of(ns) != by_looking(ns))
				return false;
		}
	}
	return bucket_of(UINT64_MAX) == LATENCY_BUCKETS - 1;
}

static uint32_t one_too_low(uint64_t ns)
{
	return ns ? latency_bucket(ns - 1) : 0;
}

static uint32_t without_an_end(uint64_t ns)
{
	uint32_t bits = 64 - (uint32_t)__builtin_clzll(ns | 1);

	return bits <= LATENCY_FIRST_SHIFT ? 0 : bits - LATENCY_FIRST_SHIFT;
}

static void a_time_is_below_its_bucket_s_bound(void **state)
{
	assert_int_equal(latency_bound(0), 256);
	assert_int_equal(latency_bound(1), 512);
	assert_int_equal(latency_bound(LATENCY_BUCKETS - 2), (uint64_t)1 << 38);
	assert_true(latency_bound(LATENCY_BUCKETS - 1) == UINT64_MAX);
	assert_int_equal(latency_bucket(0), 0);
	assert_int_equal(latency_bucket(255), 0);
	assert_int_equal(latency_bucket(256), 1);
	assert_true(is_right(latency_bucket));
	/* The control. */
	assert_false(is_right(one_too_low));
	assert_false(is_right(without_an_end));
}

static void quantiles_are_upper_bounds(void **state)
{
	struct latency latency = {0};
	struct latency_histogram *get = &latency.op[LATENCY_get];
	uint32_t i;

	assert_int_equal(latency_quantile(get, 500), 0);
	latency_count(&latency, LATENCY_get, 300);
	assert_int_equal(latency_requests(get), 1);
	/* Of one request all of them are its time: no more than the longest. */
	assert_int_equal(latency_quantile(get, 0), 300);
	assert_int_equal(latency_quantile(get, 500), 300);
	assert_int_equal(latency_quantile(get, 1000), 300);

	/* 500 below 512, 490 below 1024, 9 below 65536 and one of 2 s: the 501st is beyond p50. */
	for (i = 1; i < 500; i++)
		latency_count(&latency, LATENCY_get, 511);
	for (i = 0; i < 490; i++)
		latency_count(&latency, LATENCY_get, 1000);
	for (i = 0; i < 9; i++)
		latency_count(&latency, LATENCY_get, 40000);
	latency_count(&latency, LATENCY_get, 2000000000);
	assert_int_equal(latency_requests(get), 1000);
	assert_int_equal(latency_quantile(get, 500), 512);
	assert_int_equal(latency_quantile(get, 501), 1024);
	assert_int_equal(latency_quantile(get, 990), 1024);
	assert_int_equal(latency_quantile(get, 991), 65536);
	assert_int_equal(latency_quantile(get, 999), 65536);
	assert_int_equal(latency_quantile(get, 1000), 2000000000);
	assert_int_equal(get->sum, 300 + 499 * 511 + 490 * 1000 + 9 * 40000 + 2000000000ull);
	/* A request more, and half of them is the 501st. */
	latency_count(&latency, LATENCY_get, 1000);
	assert_int_equal(latency_quantile(get, 500), 1024);
	/* Nothing of it went elsewhere. */
	assert_int_equal(latency_requests(&latency.op[LATENCY_put]), 0);
	assert_int_equal(latency_requests(&latency.op[LATENCY_flush]), 0);
}

static void large_numbers_do_not_wrap(void **state)
{
	struct latency_histogram histogram = {.most = UINT64_MAX};

	histogram.bucket[3] = UINT64_MAX / 4 * 3;
	histogram.bucket[7] = UINT64_MAX / 4;
	assert_int_equal(latency_quantile(&histogram, 700), latency_bound(3));
	assert_int_equal(latency_quantile(&histogram, 800), latency_bound(7));
	histogram.bucket[7] = 0;
	histogram.bucket[LATENCY_BUCKETS - 1] = UINT64_MAX / 4;
	assert_true(latency_quantile(&histogram, 999) == UINT64_MAX);
}

static void a_sum_has_what_both_have(void **state)
{
	struct latency one = {0}, other = {0};

	latency_count(&one, LATENCY_put, 100);
	latency_count(&one, LATENCY_write, 5000);
	latency_count(&other, LATENCY_put, 200);
	latency_count(&other, LATENCY_put, 9000);
	latency_add(&one, &other);
	assert_int_equal(one.op[LATENCY_put].bucket[0], 2);
	assert_int_equal(one.op[LATENCY_put].bucket[latency_bucket(9000)], 1);
	assert_int_equal(one.op[LATENCY_put].sum, 9300);
	assert_int_equal(one.op[LATENCY_put].most, 9000);
	assert_int_equal(latency_requests(&one.op[LATENCY_write]), 1);
	assert_int_equal(one.op[LATENCY_write].most, 5000);
	/* And the other one is as it was. */
	assert_int_equal(latency_requests(&other.op[LATENCY_put]), 2);
	assert_int_equal(latency_requests(&other.op[LATENCY_write]), 0);
}

static void names_are_there(void **state)
{
	assert_string_equal(latency_name(LATENCY_put), "put");
	assert_string_equal(latency_name(LATENCY_write_zeroes), "write_zeroes");
	assert_string_equal(latency_name(LATENCY_other), "other");
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(a_time_is_below_its_bucket_s_bound),
		cmocka_unit_test(quantiles_are_upper_bounds),
		cmocka_unit_test(large_numbers_do_not_wrap),
		cmocka_unit_test(a_sum_has_what_both_have),
		cmocka_unit_test(names_are_there),
	};

	return cmocka_run_group_tests_name("latency", cases, NULL, NULL);
}
