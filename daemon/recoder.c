// SPDX-License-Identifier: MIT
/*
 * When pages are recoded, and who trains. One page takes about as long as
 * waking a thread that sleeps, so who comes up while the loop recodes waits no
 * longer than if it had slept.
 */
#include "recoder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tmem/engine.h>

#include "budget.h"
#include "daemon.h"
#include "dense.h"
#include "log.h"
#include "loop.h"
#include "timer.h"
#include "trainer.h"

/* Where more threads want to run than there are processors, time is so many times as dear. */
#define BUSY_COST 8u

struct recoder {
	struct watch timer; /* first: found by its callback */
	struct daemon *daemon;
	struct trainer *trainer;
	struct budget budget;
	uint64_t time;	 /* nanoseconds taken by the loop's thread */
	uint64_t paid;	 /* of the trainer's time: it counts in the budget already */
	uint64_t rested; /* nothing was cold: not asked again before */
	uint64_t retry;	 /* there was no thread: not tried again before */
	bool trains;	 /* a dictionary, as was last seen */
	bool waits;	 /* the timer is set */
};

/* What a thread that still trains works on when the daemon ends; it ends with the process. */
static struct tmem_dense *volatile in_use;

static uint64_t clock_now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void train(void *arg)
{
	(void)tmem_dense_train(arg);
}

/* The round that follows asks again. */
static void on_timer(struct watch *watch, uint32_t ready)
{
	struct recoder *recoder = (struct recoder *)(void *)watch;

	(void)ready;
	if (timer_expired(watch))
		recoder->waits = false;
}

int recoder_open(struct daemon *daemon, struct recoder **result)
{
	struct recoder *recoder = calloc(1, sizeof(*recoder));
	int error;

	if (!recoder)
		return -ENOMEM;
	recoder->daemon = daemon;
	error = trainer_open(train, daemon->dense, &recoder->trainer);
	if (error)
		goto err_free;
	error = timer_open(&recoder->timer, daemon->loop, on_timer);
	if (error)
		goto err_trainer;
	*result = recoder;
	return 0;

err_trainer:
	trainer_close(recoder->trainer);
err_free:
	free(recoder);
	return error;
}

void recoder_close(struct recoder *recoder)
{
	timer_close(&recoder->timer, recoder->daemon->loop);
	if (!trainer_close(recoder->trainer)) {
		in_use = recoder->daemon->dense;
		recoder->daemon->dense = NULL;
	}
	free(recoder);
}

void recoder_set(struct recoder *recoder, uint32_t percent)
{
	if (percent == recoder->budget.percent)
		return;
	budget_set(&recoder->budget, percent);
	recoder->rested = 0;
	/* A round with nothing to do comes at once, and sets it to what is right. */
	recoder->waits = percent > 0;
	timer_set(&recoder->timer, percent > 0, 0);
}

static void wait_for(struct recoder *recoder, uint64_t time)
{
	if (recoder->waits)
		return;
	recoder->waits = true;
	timer_set(&recoder->timer, time, 0);
}

static void spend(struct recoder *recoder, uint64_t time)
{
	bool busy = !loop_has_spare(recoder->daemon->loop);

	budget_spend(&recoder->budget, busy ? time * BUSY_COST : time);
}

/* A dictionary's time counts when it is there; it runs where nobody else wants to. */
static void look_after_training(struct recoder *recoder, uint64_t now)
{
	uint64_t time;
	int error;

	if (trainer_works(recoder->trainer))
		return;
	time = trainer_time(recoder->trainer);
	if (recoder->trains) {
		budget_spend(&recoder->budget, time - recoder->paid);
		recoder->paid = time;
		tmem_dense_adopt(recoder->daemon->dense);
	}
	recoder->trains = false;
	if (now < recoder->retry || !tmem_dense_wants_training(recoder->daemon->dense))
		return;
	error = trainer_start(recoder->trainer);
	recoder->trains = !error;
	if (!error)
		return;
	if (!recoder->retry)
		log_warning("no thread to train a dictionary in: %s; pages are recoded without, "
			    "and it is tried again",
			    strerror(-error));
	recoder->retry = now + TIMER_SECOND;
}

bool recoder_spare(struct recoder *recoder)
{
	struct daemon *daemon = recoder->daemon;
	uint64_t now, begun, time, left;
	uint32_t done;

	if (!recoder->budget.percent)
		return false;
	now = clock_now(CLOCK_MONOTONIC);
	look_after_training(recoder, now);
	left = now < recoder->rested ? recoder->rested - now : budget_wait(&recoder->budget, now);
	if (left) {
		wait_for(recoder, left);
		return false;
	}
	begun = clock_now(CLOCK_THREAD_CPUTIME_ID);
	done = tmem_engine_recode(daemon->engine, daemon->worker, 1);
	time = clock_now(CLOCK_THREAD_CPUTIME_ID) - begun;
	recoder->time += time;
	spend(recoder, time);
	if (!done)
		recoder->rested = now + BUDGET_PERIOD;
	/* Without events nothing becomes cold, but a dictionary ends without one. */
	if (!done && recoder->trains)
		wait_for(recoder, BUDGET_PERIOD);
	return done > 0;
}

void recoder_figures(const struct recoder *recoder, struct recoder_figures *figures)
{
	figures->percent = recoder->budget.percent;
	figures->training = trainer_time(recoder->trainer);
	figures->time = recoder->time + figures->training;
	figures->trains = trainer_works(recoder->trainer);
}
