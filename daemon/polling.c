// SPDX-License-Identifier: MIT
/*
 * When to poll: as long as it has paid, and now and then to see whether it
 * would. How far apart requests come says little, since that has our own
 * sleep and wake-up in it. A wait in vain ends when a sleep and a wake-up would
 * have been over, so whatever comes costs at most twice what it had to cost.
 * A try waits longer: it has to see through the wake-up of a front-end that
 * sleeps, which tries now and then as well.
 */
#include "polling.h"

#include <fcntl.h>
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
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	*polling = (struct polling){.on = POLLING_DEFAULT, .cpus = cpus > 1 ? (uint32_t)cpus : 1};
	polling->runnable = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
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

static bool is_spare(struct polling *polling, uint64_t time)
{
	unsigned int running;
	char text[64];
	ssize_t length;

	if (time - polling->checked < POLLING_SPARE)
		return polling->spare;
	polling->checked = time;
	polling->spare = false;
	if (polling->runnable < 0)
		return false;
	length = pread(polling->runnable, text, sizeof(text) - 1, 0);
	if (length <= 0)
		return false;
	text[length] = 0;
	polling->spare = sscanf(text, "%*s %*s %*s %u/", &running) == 1 && running <= polling->cpus;
	return polling->spare;
}

bool polling_is_spare(struct polling *polling)
{
	return is_spare(polling, now());
}

/* What is done after the next piece of work. */
static void decide(struct polling *polling, uint64_t time)
{
	bool try = !polling->credit && ++polling->skipped % POLLING_TRIES == 0;

	polling->promising =
		(polling->credit || try) && polling->cpus > 1 && is_spare(polling, time);
	polling->most = try ? POLLING_TRY : POLLING_MOST;
}

void polling_round(struct polling *polling)
{
	uint64_t time;

	if (!polling->on || (!polling->worked && !polling->active))
		return;
	time = now();
	if (polling->worked) {
		if (polling->active && polling->credit < POLLING_CREDIT)
			polling->credit++;
		polling->worked = false;
		polling->active = polling->promising;
		polling->until = time + polling->most;
		decide(polling, time);
	} else if (time > polling->until) {
		polling->active = false;
		polling->credit -= polling->credit > 0;
	}
}
