/* SPDX-License-Identifier: MIT */
/* Telling the service manager in time, again and again, that tmemd lives. */
#ifndef TMEMD_WATCHDOG_H
#define TMEMD_WATCHDOG_H

#include "loop.h"

struct watchdog {
	struct watch timer;
	struct loop *loop; /* NULL: nobody asked for it */
};

/* As often as the environment asks for. Without a timer it is said, and tmemd serves all the same. */
void watchdog_open(struct watchdog *watchdog, struct loop *loop);
void watchdog_close(struct watchdog *watchdog);

#endif
