/* SPDX-License-Identifier: MIT */
/*
 * Who waits until when, to the millisecond: a ring of lists, one for each of
 * the next milliseconds. Adding, leaving and finding out who is due take the
 * same time for one as for ten thousand. Who has to wait for longer than the
 * ring is, is due early, and waits again.
 */
#ifndef TMEMD_WHEEL_H
#define TMEMD_WHEEL_H

#include <stdint.h>

#include "link.h"

#define WHEEL_TICK  1000000u /* nanoseconds */
#define WHEEL_TICKS 64u

struct wheel {
	struct link slot[WHEEL_TICKS];
	uint64_t tick; /* all slots up to this one are empty */
	uint64_t next; /* nanoseconds: nobody is due before; 0: nobody waits */
};

void wheel_init(struct wheel *wheel);

/* @link, which may be in another ring, is due at @until; link_out() takes it out of here, too. */
void wheel_add(struct wheel *wheel, struct link *link, uint64_t now, uint64_t until);

/* The next one that is due, taken out. NULL: nobody is any more. */
struct link *wheel_take(struct wheel *wheel, uint64_t now);

#endif
