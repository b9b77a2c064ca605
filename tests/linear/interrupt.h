/* SPDX-License-Identifier: MIT */
/*
 * Stops a thread a few times, wherever it happens to be, for some ten
 * microseconds: mostly in the middle of a call, perhaps with a lock in hand.
 * Threads then meet inside their calls however few processors there are.
 */
#ifndef TESTS_LINEAR_INTERRUPT_H
#define TESTS_LINEAR_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct interrupts {
	uint32_t left;
	bool made;
	timer_t timer;
	uint64_t rng;
};

/* Once for a process, before it has threads. */
void interrupts_prepare(void);

/* By the thread that is to be stopped, @most times at most; from go to end. */
void interrupts_begin(struct interrupts *interrupts, uint32_t most, uint64_t seed);
void interrupts_go(struct interrupts *interrupts);
void interrupts_end(struct interrupts *interrupts);

#endif
