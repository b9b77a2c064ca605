// SPDX-License-Identifier: MIT
/*
 * When to poll. What decides is how far apart pieces of work have been: where
 * the next one is likely to come before a sleep and a wake-up would be over,
 * it is waited for awake, for twice the usual gap.
 */
#include "polling.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

void polling_open(struct polling *polling)
{
	cpu_set_t set;

	*polling = (struct polling){.on = POLLING_DEFAULT, .cpus = 1, .gap = POLLING_MOST};
	polling->runnable = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	if (!sched_getaffinity(0, sizeof(set), &set))
		polling->cpus = (uint32_t)CPU_COUNT(&set);
}

void polling_close(struct polling *polling)
{
	if (polling->runnable >= 0)
		close(polling->runnable);
	polling->runnable = -1;
}

void polling_set(struct polling *polling, bool on)
{
	polling->on = on;
	polling->active = false;
	polling->promising = false;
}

bool polling_wanted(const struct polling *polling)
{
	return polling->worked ? polling->promising : polling->active;
}

/* No more are runnable, this thread included, than there are processors for. */
static bool is_spare(struct polling *polling, uint64_t time)
{
	unsigned int running;
	char text[64];
	ssize_t length;

	if (time - polling->checked < POLLING_SPARE)
		return polling->spare;
	polling->checked = time;
	polling->spare = false;
	if (polling->cpus < 2 || polling->runnable < 0)
		return false;
	length = pread(polling->runnable, text, sizeof(text) - 1, 0);
	if (length <= 0)
		return false;
	text[length] = 0;
	polling->spare = sscanf(text, "%*s %*s %*s %u/", &running) == 1 && running <= polling->cpus;
	return polling->spare;
}

void polling_round(struct polling *polling)
{
	uint64_t time, gap;

	if (!polling->on || (!polling->worked && !polling->active))
		return;
	time = now();
	gap = time - polling->since;
	if (polling->worked) {
		/* One long pause is forgotten after a few short ones. */
		if (gap > 2 * POLLING_MOST)
			gap = 2 * POLLING_MOST;
		polling->gap = (3 * polling->gap + gap) / 4;
		polling->since = time;
		polling->worked = false;
		polling->promising = polling->gap < POLLING_MOST && is_spare(polling, time);
		polling->active = polling->promising;
	} else if (gap > 2 * polling->gap || gap > POLLING_MOST) {
		polling->active = false;
	}
}
