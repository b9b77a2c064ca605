/* SPDX-License-Identifier: MIT */
/*
 * Whether rings are looked at again and again for a moment after work, in
 * place of asking for a kick and going to sleep. That saves a front-end its
 * kick and the next request a wake-up, and costs a processor: so only while
 * one is to spare, only for as long as requests have been coming, and only
 * if it is switched on.
 */
#ifndef TMEMD_POLLING_H
#define TMEMD_POLLING_H

#include <stdbool.h>
#include <stdint.h>

#define POLLING_MOST	100000u	  /* nanoseconds after the last work, at most */
#define POLLING_SPARE	10000000u /* nanoseconds for which an answer about processors is good */
#define POLLING_DEFAULT false

struct polling {
	bool on;	  /* the switch */
	bool active;	  /* rings are polled now */
	bool promising;	  /* they will be after work */
	bool worked;	  /* in this round */
	bool spare;	  /* a processor was, when that was looked at */
	int runnable;	  /* descriptor of the kernel's count of them; -1: none */
	uint32_t cpus;	  /* that this process may use */
	uint64_t since;	  /* when there was work; this and the next in nanoseconds */
	uint64_t checked; /* when it was looked at whether a processor is to spare */
	uint64_t gap;	  /* between two pieces of work, as they have been of late */
};

void polling_open(struct polling *polling);
void polling_close(struct polling *polling);
void polling_set(struct polling *polling, bool on);

/* Whether a ring that is empty is left as it is, to be looked at in the next round. */
bool polling_wanted(const struct polling *polling);

/* After each round of the loop. */
void polling_round(struct polling *polling);

#endif
