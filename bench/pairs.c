// SPDX-License-Identifier: MIT
/*
 * Pairs of slices. A shared machine changes its speed from second to second,
 * so a ratio of two long runs says little: here ours and the reference each
 * work for about 10 ms in turn, each pair gives one ratio, and the median of
 * many is what is reported.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#define SLICE_NS 10000000.0
#define PROBE	 2000u

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void bench_sort(double *values, uint32_t count)
{
	qsort(values, count, sizeof(*values), compare);
}

double bench_quantile(const double *sorted, uint32_t count, double q)
{
	double place = q * (count - 1);
	uint32_t low = (uint32_t)place;

	if (count == 0)
		return 0;
	if (low + 1 >= count)
		return sorted[count - 1];
	return sorted[low] + (sorted[low + 1] - sorted[low]) * (place - low);
}

double bench_median(double *values, uint32_t count)
{
	bench_sort(values, count);
	return bench_quantile(values, count, 0.5);
}

static double timed(const struct bench_side *side, uint32_t first, uint32_t count)
{
	uint64_t start = bench_now();

	side->run(side->context, first, count);
	return (double)(bench_now() - start) / count;
}

/* The slower of the two sides fills the slice; @a and @b are ns per operation. */
static void fit(struct bench_pairs *pairs, double a, double b)
{
	double most = a > b ? a : b;

	pairs->slice = (uint32_t)(SLICE_NS / (most > 1 ? most : 1));
	if (pairs->slice < 64)
		pairs->slice = 64;
	pairs->slice &= ~63u; /* whole batches */
}

static void one_pair(struct bench_pairs *pairs, const struct bench_side *ours,
		     const struct bench_side *peer, const struct bench_side *floor, uint32_t first,
		     uint32_t count)
{
	uint64_t switches = bench_involuntary_switches();
	double a, b, c;

	/*
	 * Strictly in turn: each slice follows one of the other side, so both
	 * find caches and page tables equally cold. Beginning now with one,
	 * now with the other would let every second slice follow its like.
	 */
	a = timed(ours, first, count);
	b = timed(peer, first, count);
	pairs->turns++;
	/* The probe may have met work that waited since before; so each pair sizes the next. */
	fit(pairs, a, b);
	if (bench_involuntary_switches() != switches) {
		pairs->thrown++;
	} else if (pairs->count < BENCH_PAIRS_MAX) {
		pairs->ours[pairs->count] = a;
		pairs->peer[pairs->count] = b;
		pairs->ratio[pairs->count++] = a / b;
	}
	if (floor == NULL)
		return;
	switches = bench_involuntary_switches();
	c = timed(floor, first, count);
	if (bench_involuntary_switches() == switches && pairs->floors < BENCH_PAIRS_MAX)
		pairs->floor[pairs->floors++] = c;
}

void bench_pairs_run(struct bench_pairs *pairs, const struct bench_side *ours,
		     const struct bench_side *peer, const struct bench_side *floor, uint32_t first,
		     uint32_t total)
{
	uint32_t done = 0;
	double a;

	if (pairs->slice == 0) {
		done = total < PROBE ? total : PROBE;
		a = timed(ours, first, done);
		fit(pairs, a, timed(peer, first, done));
	}
	while (done < total) {
		/* A fast machine may do all there is in less than a slice. */
		uint32_t slice = pairs->slice < total ? pairs->slice : total;
		uint32_t count = total - done < slice ? total - done : slice;

		if (count * 2 < slice) {
			/* What is left is too short to be measured, but has to be done. */
			ours->run(ours->context, first + done, count);
			peer->run(peer->context, first + done, count);
		} else {
			one_pair(pairs, ours, peer, floor, first + done, count);
		}
		done += count;
	}
}

void bench_pairs_summary(struct bench_pairs *pairs, struct bench_row *row)
{
	uint32_t n = pairs->count;
	double ratio;

	row->n = n;
	row->thrown = pairs->thrown;
	if (n == 0)
		return;
	bench_sort(pairs->ours, n);
	bench_sort(pairs->ratio, n);
	ratio = bench_quantile(pairs->ratio, n, 0.5);
	row->value = bench_quantile(pairs->ours, n, 0.5);
	row->min = pairs->ours[0];
	row->max = pairs->ours[n - 1];
	row->q1 = bench_quantile(pairs->ours, n, 0.25);
	row->q3 = bench_quantile(pairs->ours, n, 0.75);
	row->ratio_q1 = bench_quantile(pairs->ratio, n, 0.25);
	row->ratio_q3 = bench_quantile(pairs->ratio, n, 0.75);
	/* So that value / peer_value is the median over the pairs, exactly. */
	row->peer_value = row->value / ratio;
	if (pairs->floors > 0)
		row->floor = bench_median(pairs->floor, pairs->floors);
}
