/* SPDX-License-Identifier: MIT */
/*
 * Whether rings are looked at again and again for a moment after work, in
 * place of asking for a kick and going to sleep. That saves a front-end its
 * kick and the next request a wake-up, and costs a processor: so only while
 * one is to spare, only for as long as requests have been coming, and never
 * for longer than a sleep and a wake-up would cost.
 */
#ifndef TMEMD_POLLING_H
#define TMEMD_POLLING_H

#include <stdbool.h>
#include <stdint.h>

/* Nanoseconds. */
#define POLLING_MOST  50000u	/* after work, where it has paid: what a sleep and a wake-up cost */
#define POLLING_TRY   250000u	/* where that is to be found out */
#define POLLING_SPARE 10000000u /* for which an answer about processors is good */

#define POLLING_TRIES	32 /* pieces of work of which one is followed by a try */
#define POLLING_CREDIT	8  /* failures in a row that end it, at most */
#define POLLING_DEFAULT true

struct polling {
	bool on;	  /* the switch */
	bool active;	  /* rings are polled now */
	bool promising;	  /* they will be after work */
	bool worked;	  /* in this round */
	bool spare;	  /* a processor was, when that was looked at */
	int runnable;	  /* descriptor of the kernel's count of them; -1: none */
	uint32_t cpus;	  /* of the machine, as the count is */
	uint32_t credit;  /* what came while it was waited for, less the waits in vain */
	uint32_t skipped; /* pieces of work without credit */
	uint64_t most;	  /* how long, after the next work; nanoseconds */
	uint64_t until;	  /* when this wait ends, and when processors were looked at: likewise */
	uint64_t checked;
};

void polling_open(struct polling *polling);
void polling_close(struct polling *polling);
void polling_set(struct polling *polling, bool on);

/* Whether a ring that is empty is left as it is, to be looked at in the next round. */
bool polling_wanted(const struct polling *polling);

/* Whether no more threads are runnable, this one included, than there are processors. */
bool polling_is_spare(struct polling *polling);

/* After each round of the loop. */
void polling_round(struct polling *polling);

#endif
