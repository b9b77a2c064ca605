// SPDX-License-Identifier: MIT
/*
 * A thread for each piece of work, detached: there are few, and one that
 * waited for the next could not be ended either while processors are busy.
 */
#include "trainer.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define STACK (256u << 10) /* bytes; measured: libzstd's training takes less than 16 KiB */

struct trainer {
	/* Constant while it works. */
	void (*work)(void *arg);
	void *arg;
	/* Atomic. */
	uint32_t works; /* the thread is done with all of this once it has written 0 */
	uint64_t time;
};

/* What a thread still works with when the process ends: nobody frees it, and it is no leak. */
static struct trainer *volatile in_use;

static uint64_t own_time(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void *run(void *arg)
{
	const struct sched_param none = {0};
	struct trainer *trainer = arg;

	/* Of this thread alone: 0 is who calls. Where neither is permitted the budget still holds. */
	if (sched_setscheduler(0, SCHED_IDLE, &none))
		(void)setpriority(PRIO_PROCESS, 0, 19);
	trainer->work(trainer->arg);
	__atomic_add_fetch(&trainer->time, own_time(), __ATOMIC_RELAXED);
	__atomic_store_n(&trainer->works, 0u, __ATOMIC_RELEASE);
	return NULL;
}

int trainer_open(void (*work)(void *arg), void *arg, struct trainer **result)
{
	struct trainer *trainer = calloc(1, sizeof(*trainer));

	if (!trainer)
		return -ENOMEM;
	trainer->work = work;
	trainer->arg = arg;
	*result = trainer;
	return 0;
}

bool trainer_close(struct trainer *trainer)
{
	if (trainer_works(trainer)) {
		in_use = trainer;
		return false;
	}
	free(trainer);
	return true;
}

int trainer_start(struct trainer *trainer)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int error;

	if (trainer_works(trainer))
		return -EBUSY;
	error = pthread_attr_init(&attributes);
	if (error)
		return -error;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK);
	__atomic_store_n(&trainer->works, 1u, __ATOMIC_RELAXED);
	error = pthread_create(&thread, &attributes, run, trainer);
	if (error)
		__atomic_store_n(&trainer->works, 0u, __ATOMIC_RELAXED);
	pthread_attr_destroy(&attributes);
	return -error;
}

bool trainer_works(const struct trainer *trainer)
{
	return __atomic_load_n(&trainer->works, __ATOMIC_ACQUIRE);
}

uint64_t trainer_time(const struct trainer *trainer)
{
	return __atomic_load_n(&trainer->time, __ATOMIC_RELAXED);
}
