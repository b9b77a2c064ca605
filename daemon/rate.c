// SPDX-License-Identifier: MIT
/*
 * Time as the account: each page that was moved pays for the time that the
 * limit wants for it, and no more than the burst is ever saved up.
 */
#include "rate.h"

#define PAGE   4096u
#define SECOND 1000000000u

/* Nanoseconds for @pages, rounded down. */
static uint64_t time_of(const struct rate *rate, uint32_t pages)
{
	return (uint64_t)pages * PAGE * SECOND / rate->bytes;
}

/* A page more than the burst: a limit of less than that would let nothing through. */
static uint64_t saved_most(const struct rate *rate)
{
	return RATE_BURST + time_of(rate, 1);
}

uint64_t rate_pages(struct rate *rate, uint64_t now)
{
	uint64_t saved;

	if (!rate->bytes)
		return UINT64_MAX;
	if (now < rate->paid)
		return 0;
	if (now - rate->paid > saved_most(rate)) {
		rate->paid = now - saved_most(rate);
		rate->over = 0;
	}
	saved = now - rate->paid;
	/* In microseconds, so that the product fits: 10 ms of the highest rate do, and a page. */
	return saved / 1000 * rate->bytes / (PAGE * (uint64_t)(SECOND / 1000));
}

void rate_spend(struct rate *rate, uint32_t pages)
{
	uint64_t cost;

	if (!rate->bytes)
		return;
	cost = (uint64_t)pages * PAGE * SECOND + rate->over;
	rate->paid += cost / rate->bytes;
	rate->over = cost % rate->bytes;
}

uint64_t rate_ready(const struct rate *rate, uint32_t pages)
{
	uint64_t time = time_of(rate, pages);

	/* Up to the next microsecond, since parts of one do not count. */
	return rate->paid + (time < saved_most(rate) ? time : saved_most(rate)) + 1000;
}
