// SPDX-License-Identifier: MIT
/*
 * The epoll loop. A round is: fetch events, call their watches, one turn for
 * the guests; a round that found nothing gives its time to background work,
 * and only when that has nothing to do either does the next round sleep. So
 * an idle daemon takes no time at all, and a busy one never waits for its
 * housekeeping.
 */
#include "loop.h"
#include "notify.h"
#include "polling.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Events fetched at a time; more wait in the kernel, in its fair order. */
#define FETCH 32

/* Looks at the rings between two looks at everything else, while they are polled. */
#define LOOKS 16

/* A loop that is never idle still does background work once in this many rounds. */
#define IDLE_EVERY 64

/* So long after the last event background work is looked for once more. */
#define AGAIN_MS 20

struct loop {
	int epoll;
	struct notify notify;
	struct polling polling;
	bool stopped;
	struct loop_work work;
	struct loop_figures figures;

	/* The round in progress: fetched[next .. count) are still to be called. */
	struct epoll_event fetched[FETCH];
	int next;
	int count;
};

int loop_create(const struct loop_work *work, struct loop **loop)
{
	struct loop *l = calloc(1, sizeof(*l));
	int error;

	if (!l)
		return -ENOMEM;
	error = notify_open(&l->notify);
	if (error)
		goto err_free;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0) {
		error = -errno;
		goto err_notify;
	}
	polling_open(&l->polling);
	if (work)
		l->work = *work;
	*loop = l;
	return 0;

err_notify:
	notify_close(&l->notify);
err_free:
	free(l);
	return error;
}

void loop_destroy(struct loop *loop)
{
	close(loop->epoll);
	polling_close(&loop->polling);
	notify_close(&loop->notify);
	free(loop);
}

static int control(struct loop *loop, int what, struct watch *watch)
{
	struct epoll_event event = {.events = watch->events, .data.ptr = watch};

	return epoll_ctl(loop->epoll, what, watch->fd, &event) ? -errno : 0;
}

int loop_add(struct loop *loop, struct watch *watch)
{
	return control(loop, EPOLL_CTL_ADD, watch);
}

int loop_change(struct loop *loop, struct watch *watch)
{
	return control(loop, EPOLL_CTL_MOD, watch);
}

void loop_remove(struct loop *loop, struct watch *watch)
{
	int i;

	(void)control(loop, EPOLL_CTL_DEL, watch);
	/* Its owner may free it next: an event in hand must not find it. */
	for (i = loop->next; i < loop->count; i++) {
		if (loop->fetched[i].data.ptr == watch)
			loop->fetched[i].data.ptr = NULL;
	}
}

static void dispatch(struct loop *loop)
{
	while (loop->next < loop->count && !loop->stopped) {
		struct epoll_event *event = &loop->fetched[loop->next++];
		struct watch *watch = event->data.ptr;

		if (watch)
			watch->fn(watch, event->events);
	}
	loop->next = 0;
	loop->count = 0;
}

/* Milliseconds that may be slept; @again: a look at background work comes after, events or not. */
static int sleep_time(const struct loop *loop, bool again)
{
	int time = loop->work.sleep ? loop->work.sleep(loop->work.arg) : -1;

	return again && (time < 0 || time > AGAIN_MS) ? AGAIN_MS : time;
}

/* True: there is more to do for the guests. A round that served somebody is over. */
static bool turn(struct loop *loop)
{
	bool more = false;
	int i;

	for (i = 0; i < LOOKS; i++) {
		more = loop->work.turn && loop->work.turn(loop->work.arg);
		if (!more || !loop->polling.active || loop->polling.worked)
			break;
	}
	return more;
}

int loop_run(struct loop *loop)
{
	unsigned int since_idle = 0;
	bool more = true, unsure = false;

	loop->stopped = false;
	while (!loop->stopped) {
		bool again = unsure && !more;
		int count = epoll_wait(loop->epoll, loop->fetched, FETCH,
				       more ? 0 : sleep_time(loop, again));

		if (count < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		loop->figures.rounds++;
		loop->next = 0;
		loop->count = count;
		dispatch(loop);
		if (loop->stopped)
			break;

		/* What an event started may have left background work behind. */
		more = count > 0;
		if (turn(loop))
			more = true;
		/* Some of which begins when the guests are seen to rest. */
		unsure = more || (unsure && !again);
		polling_round(&loop->polling);
		if (!loop->work.idle || (more && ++since_idle < IDLE_EVERY))
			continue;
		since_idle = 0;
		loop->figures.idle++;
		if (loop->work.idle(loop->work.arg)) {
			loop->figures.work++;
			more = true;
		}
		if (!more && loop->work.spare && loop->work.spare(loop->work.arg))
			more = true;
	}
	return 0;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

void loop_set_polling(struct loop *loop, bool on)
{
	polling_set(&loop->polling, on);
}

void loop_worked(struct loop *loop)
{
	loop->polling.worked = true;
}

bool loop_polls(const struct loop *loop)
{
	return polling_wanted(&loop->polling);
}

bool loop_has_spare(struct loop *loop)
{
	return polling_is_spare(&loop->polling);
}

struct notify *loop_notify(struct loop *loop)
{
	return &loop->notify;
}

void loop_figures(const struct loop *loop, struct loop_figures *figures)
{
	*figures = loop->figures;
}
