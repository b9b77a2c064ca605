// SPDX-License-Identifier: MIT
/*
 * A timer of the loop, so that a loop that stands still is found out: a
 * process of its own, or a thread, would go on saying that all is well.
 */
#include "watchdog.h"

#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "log.h"
#include "units.h"

static void on_timer(struct watch *watch, uint32_t ready)
{
	uint64_t expirations;

	if (read(watch->fd, &expirations, sizeof(expirations)) > 0)
		log_service("WATCHDOG=1");
}

/* Microseconds within which the service manager wants to hear of this process; 0: it does not. */
static uint64_t asked_us(void)
{
	const char *time = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t number;

	if (pid && (!units_parse_number(pid, &number) || number != (uint64_t)getpid()))
		return 0;
	return time && units_parse_number(time, &number) ? number : 0;
}

void watchdog_open(struct watchdog *watchdog, struct loop *loop)
{
	uint64_t half = asked_us() / 2;
	struct itimerspec when = {
		.it_value = {(time_t)(half / 1000000), (long)(half % 1000000) * 1000},
		.it_interval = {(time_t)(half / 1000000), (long)(half % 1000000) * 1000},
	};

	watchdog->loop = loop;
	watchdog->timer = (struct watch){-1, EPOLLIN, on_timer};
	if (!half)
		return;
	watchdog->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (watchdog->timer.fd >= 0 && !timerfd_settime(watchdog->timer.fd, 0, &when, NULL) &&
	    !loop_add(loop, &watchdog->timer))
		return;
	log_warning("the service manager's watchdog will not hear of tmemd: %m");
	if (watchdog->timer.fd >= 0)
		close(watchdog->timer.fd);
	watchdog->timer.fd = -1;
}

void watchdog_close(struct watchdog *watchdog)
{
	if (watchdog->timer.fd < 0)
		return;
	loop_remove(watchdog->loop, &watchdog->timer);
	close(watchdog->timer.fd);
}
