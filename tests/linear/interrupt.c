/* SPDX-License-Identifier: MIT */
/* A timer of each thread's own, and a handler that sleeps: see interrupt.h. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "interrupt.h"
#include "must.h"
#include "page.h"

/* The C library's headers do not name it. */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define MOST_APART_US 16 /* in which a thread gets a few calls done */
#define MOST_SLEEP_NS 30000

static __thread struct interrupts *mine;

static void arm(struct interrupts *interrupts)
{
	long apart = 1 + (long)rng_below(&interrupts->rng, MOST_APART_US);
	struct itimerspec once = {.it_value = {.tv_nsec = 1000 * apart}};

	timer_settime(interrupts->timer, 0, &once, NULL);
}

static void hold_up(int signal)
{
	struct interrupts *interrupts = mine;
	const struct timespec others_go_on = {
		.tv_nsec = 5000 + (long)rng_below(&interrupts->rng, MOST_SLEEP_NS)};
	int kept = errno;

	nanosleep(&others_go_on, NULL);
	if (--interrupts->left)
		arm(interrupts);
	errno = kept;
}

static void mask(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	MUST_EQ(pthread_sigmask(how, &set, NULL), 0);
}

void interrupts_prepare(void)
{
	struct sigaction action = {.sa_handler = hold_up, .sa_flags = SA_RESTART};

	mask(SIG_BLOCK);
	MUST_EQ(sigaction(SIGUSR1, &action, NULL), 0);
}

void interrupts_begin(struct interrupts *interrupts, uint32_t most, uint64_t seed)
{
	struct sigevent to = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};

	*interrupts = (struct interrupts){.left = most, .rng = seed};
	if (!most)
		return;
	to.sigev_notify_thread_id = gettid();
	mine = interrupts;
	/* In nanoseconds: the usual slack is longer than a whole history. */
	MUST_EQ(prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0), 0);
	MUST_EQ(timer_create(CLOCK_MONOTONIC, &to, &interrupts->timer), 0);
	interrupts->made = true;
	mask(SIG_UNBLOCK);
}

void interrupts_go(struct interrupts *interrupts)
{
	if (interrupts->made)
		arm(interrupts);
}

void interrupts_end(struct interrupts *interrupts)
{
	mask(SIG_BLOCK);
	if (interrupts->made)
		timer_delete(interrupts->timer);
}
