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
	bool (*turn)(void *arg); /* guests; after every round of events */
	bool (*idle)(void *arg); /* background; only when nothing else was ready */
	void *arg;
};

/* 0 or -errno; *@loop is set only on success. @work may be NULL. */
int loop_create(const struct loop_work *work, struct loop **loop);
/* Every watch must have been removed. */
void loop_destroy(struct loop *loop);

/* Serves until loop_stop. 0 or -errno. */
int loop_run(struct loop *loop);
/* loop_run returns after the callback that calls this. */
void loop_stop(struct loop *loop);

/*
 * Rounds are not slept through until the next one has run: for work that
 * became waiting outside loop_work, such as what a flush left to sweep.
 */
void loop_kick(struct loop *loop);

/* Rounds so far, and those that did not sleep: a test of idleness reads them. */
uint64_t loop_rounds(const struct loop *loop);

#endif
