/* SPDX-License-Identifier: MIT */
/* A time to wait for, as a watch of the loop: after so many nanoseconds, once or again and again. */
#ifndef TMEMD_TIMER_H
#define TMEMD_TIMER_H

#include "loop.h"

#define TIMER_SECOND 1000000000ull

/* 0 or -errno. It is not set. */
int timer_open(struct watch *timer, struct loop *loop,
	       void (*fn)(struct watch *watch, uint32_t ready));
void timer_close(struct watch *timer, struct loop *loop);

/* In place of what it was set to. @first 0: never; @every 0: once. */
void timer_set(struct watch *timer, uint64_t first, uint64_t every);

/* For fn: the time has come, and was not set anew since. */
bool timer_expired(struct watch *timer);

#endif
