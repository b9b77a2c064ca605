// SPDX-License-Identifier: MIT
/* Timers of the monotonic clock, one descriptor each. */
#include "timer.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

int timer_open(struct watch *timer, struct loop *loop,
	       void (*fn)(struct watch *watch, uint32_t ready))
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int error;

	if (fd < 0)
		return -errno;
	*timer = (struct watch){fd, EPOLLIN, fn};
	error = loop_add(loop, timer);
	if (error)
		close(fd);
	return error;
}

void timer_close(struct watch *timer, struct loop *loop)
{
	loop_remove(loop, timer);
	close(timer->fd);
}

static struct timespec split(uint64_t time)
{
	return (struct timespec){(time_t)(time / TIMER_SECOND), (long)(time % TIMER_SECOND)};
}

void timer_set(struct watch *timer, uint64_t first, uint64_t every)
{
	const struct itimerspec when = {.it_value = split(first), .it_interval = split(every)};

	/* It fails for times that are out of bounds, which none is. */
	(void)timerfd_settime(timer->fd, 0, &when, NULL);
}

bool timer_expired(struct watch *timer)
{
	uint64_t expirations;

	return read(timer->fd, &expirations, sizeof(expirations)) == (ssize_t)sizeof(expirations);
}
