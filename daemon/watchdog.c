// SPDX-License-Identifier: MIT
/*
 * A timer of the loop, so that a loop that stands still is found out: a
 * process of its own, or a thread, would go on saying that all is well.
 */
#include "watchdog.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "timer.h"
#include "units.h"

static void on_timer(struct watch *watch, uint32_t ready)
{
	if (timer_expired(watch))
		log_service("WATCHDOG=1");
}

/* Nanoseconds within which the service manager wants to hear of this process; 0: it does not. */
static uint64_t asked(void)
{
	const char *time = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t number;

	if (pid && (!units_parse_number(pid, &number) || number != (uint64_t)getpid()))
		return 0;
	if (!time || !units_parse_number(time, &number) || number > UINT64_MAX / 1000)
		return 0;
	return number * 1000;
}

void watchdog_open(struct watchdog *watchdog, struct loop *loop)
{
	uint64_t half = asked() / 2;
	int error;

	watchdog->loop = NULL;
	if (!half)
		return;
	error = timer_open(&watchdog->timer, loop, on_timer);
	if (error) {
		log_warning("the service manager's watchdog will not hear of tmemd: %s",
			    strerror(-error));
		return;
	}
	watchdog->loop = loop;
	timer_set(&watchdog->timer, half, half);
}

void watchdog_close(struct watchdog *watchdog)
{
	if (watchdog->loop)
		timer_close(&watchdog->timer, watchdog->loop);
}
