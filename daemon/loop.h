/* SPDX-License-Identifier: MIT */
/*
 * The daemon's only place of waiting: one epoll set, called back per
 * descriptor, with what is left of the time given to guests and to the
 * engine's background work. One thread; nothing here may be called from
 * another, nor from a signal handler.
 */
#ifndef TMEMD_LOOP_H
#define TMEMD_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;
struct notify;

/*
 * One descriptor that is waited for; embedded in its owner, who keeps it
 * where it is from loop_add to loop_remove and closes fd only after the
 * latter. fn is called from loop_run only, and may remove and free any
 * watch, its own included.
 */
struct watch {
	int fd;
	uint32_t events; /* EPOLLIN | EPOLLOUT | EPOLLET */
	void (*fn)(struct watch *watch, uint32_t ready);
};

/* 0 or -errno. */
int loop_add(struct loop *loop, struct watch *watch);
/* After a change of watch->events. 0 or -errno. */
int loop_change(struct loop *loop, struct watch *watch);
/* Also drops events that were already fetched for it in this round. */
void loop_remove(struct loop *loop, struct watch *watch);

/*
 * Work that waits for no descriptor. Called once per round; true: more is
 * waiting, so the next round does not sleep. Each call does a bounded piece.
 */
struct loop_work {
	bool (*turn)(void *arg);  /* guests; after every round of events */
	bool (*idle)(void *arg);  /* background; when nothing else was ready, or too long ago */
	bool (*spare)(void *arg); /* what can wait for ever: when idle had nothing to do either */
	int (*sleep)(
		void *arg); /* milliseconds after which turn is called anyhow; -1, NULL: never */
	void *arg;
};

/*
 * 0 or -errno; -EAGAIN: the host's fs.aio-max-nr is used up. *@loop is set
 * only on success. @work may be NULL.
 */
int loop_create(const struct loop_work *work, struct loop **loop);
/* Every watch must have been removed. */
void loop_destroy(struct loop *loop);

/* Serves until loop_stop. 0 or -errno. */
int loop_run(struct loop *loop);
/* loop_run returns after the callback that calls this. */
void loop_stop(struct loop *loop);

/* For signalling others' eventfds without waiting; lives as long as the loop. */
struct notify *loop_notify(struct loop *loop);

/*
 * Polling: who serves rings says that there was work, and asks whether to look
 * again in the next round in place of asking for a kick.
 */
void loop_set_polling(struct loop *loop, bool on);
void loop_worked(struct loop *loop);
bool loop_polls(const struct loop *loop);
/* Whether a processor is to spare: no more threads want to run than there are. */
bool loop_has_spare(struct loop *loop);

/* What the loop did: a daemon with nothing to do adds to neither. */
struct loop_figures {
	uint64_t rounds; /* calls of epoll_wait that returned */
	uint64_t idle;	 /* calls of loop_work.idle */
	uint64_t work;	 /* of these, those that found something to do */
};
void loop_figures(const struct loop *loop, struct loop_figures *figures);

#endif
