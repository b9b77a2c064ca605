/* SPDX-License-Identifier: MIT */
/*
 * A limit on what a client may move: so many bytes per second, and after a
 * pause what RATE_BURST brings, and a page, at once. All in whole pages.
 */
#ifndef TMEMD_RATE_H
#define TMEMD_RATE_H

#include <stdint.h>

#define RATE_BURST 10000000u	       /* nanoseconds */
#define RATE_MOST  (UINT64_C(1) << 46) /* bytes per second */

struct rate {
	uint64_t bytes; /* per second; 0: there is no limit */
	uint64_t paid;	/* up to when what was moved has been waited for, in nanoseconds */
	uint64_t over;	/* what that left of a division, in bytes per second times nanoseconds */
};

/* Pages that may be moved now; time does not go backwards. */
uint64_t rate_pages(struct rate *rate, uint64_t now);
/* @pages were moved, at most those; at most 2^16 of them. */
void rate_spend(struct rate *rate, uint32_t pages);
/* When @pages may be moved, if none are until then, or as many as ever may be at once. */
uint64_t rate_ready(const struct rate *rate, uint32_t pages);

#endif
