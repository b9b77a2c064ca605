/* SPDX-License-Identifier: MIT */
/*
 * Was what several threads saw of one handle possible at all? A history is
 * linearizable if its operations can be put into one order such that each
 * takes effect at some instant between its call and its return, and the
 * results are those of the contract's rules 2 to 5 carried out in that order.
 *
 * Handles are independent of each other, so each is judged by itself; that
 * is what keeps the search small.
 *
 * The search is that of J. Wing and C. Gong, "Testing and verifying concurrent
 * objects" (1993), with G. Lowe's addition, "Testing for linearizability"
 * (2017): a configuration, that is the set of operations placed so far and
 * the state they lead to, is looked at once only.
 */
#ifndef TESTS_LINEAR_JUDGE_H
#define TESTS_LINEAR_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#define EVENTS_MOST 64 /* of one handle: a set of them is one word */

enum event_kind {
	EVENT_PUT,
	EVENT_GET,
	EVENT_FLUSH,
	EVENT_FLUSH_OBJECT,
	EVENT_FLUSH_RANGE /* whose result says nothing about a page */
};

/* Versions number the pages that were put in one history, from 1. */
#define VERSION_NONE	0u
#define VERSION_STRANGE 0xffffffffu /* a get returned what nobody put in this history */

/* One operation as far as it concerns one handle. */
struct event {
	uint64_t began, ended; /* of one clock for all threads, each value given out once */
	uint32_t version;      /* put: of this page; get that hit: of what came back */
	int32_t result;	       /* as in <tmem/engine.h> */
	uint8_t kind;
	uint8_t worker;
	bool alone; /* no other event of the handle was under way; see judge_mark() */
};

/* In what the kinds of pools, and of hosts, differ. */
struct rules {
	bool get_leaves; /* persistent and shared pools; else a get takes the page out */
	bool may_evict;	 /* the page may go at any instant */
	/*
	 * Pages are of one size and what is replaced has room for its successor: a
	 * duplicate put is not refused. One that was new when it looked for room,
	 * and has become a duplicate meanwhile, may be.
	 */
	bool room_is_kept;
};

struct verdict {
	bool holds;
	uint32_t placed;	    /* length of the longest order found */
	uint8_t order[EVENTS_MOST]; /* that order, as places in the history */
	uint64_t configurations;    /* looked at */
};

/*
 * The state of a handle is the version that it holds, or VERSION_NONE. True
 * if @event can have had its result there; *state is then what follows.
 */
bool judge_apply(const struct rules *rules, const struct event *event, uint32_t *state);

/* Fills in which events were alone. */
void judge_mark(struct event *event, uint32_t count);

struct judge;

struct judge *judge_create(void);
void judge_destroy(struct judge *judge);

/* @count is at most EVENTS_MOST; the handle is empty at the beginning. */
void judge_history(struct judge *judge, const struct rules *rules, const struct event *event,
		   uint32_t count, struct verdict *verdict);

#endif
