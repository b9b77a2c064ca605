/* SPDX-License-Identifier: MIT */
/*
 * Few threads that do, at the same time, what a plan says on few handles,
 * and write down when each call began and ended and what it answered. Where
 * the back-end is the one of batches, some calls are of several steps.
 */
#ifndef TESTS_LINEAR_CREW_H
#define TESTS_LINEAR_CREW_H

#include "judge.h"
#include "rig.h"

#define CREW_THREADS 4
#define CREW_HANDLES 3
#define CREW_STEPS   8 /* of one thread */

enum step_kind {
	STEP_PUT = EVENT_PUT,
	STEP_GET = EVENT_GET,
	STEP_FLUSH = EVENT_FLUSH,
	STEP_FLUSH_OBJECT = EVENT_FLUSH_OBJECT,
	STEP_FLUSH_RANGE = EVENT_FLUSH_RANGE,
	/* What happens beside; it is in no history. */
	STEP_FREEZE, /* or thaw, if frozen */
	STEP_BACKGROUND,
	STEP_RECLAIM,
	STEP_PRESS, /* a page of another object, for the room that it takes */
	STEP_TAKE   /* the host takes of what it was lent */
};

struct step {
	uint8_t kind;
	uint8_t handle;
	uint8_t page_kind;
	bool yield;	/* to another thread, before the call */
	uint16_t pause; /* turns of an empty loop, before the call */
	uint32_t version;
	uint64_t count; /* of a range; of steps in the background */
};

struct plan {
	uint64_t history; /* its number, which is in every page that it puts */
	uint32_t threads; /* 1 to CREW_THREADS; workers 0 to threads - 1 */
	uint32_t handles;
	uint32_t steps;
	int client[CREW_THREADS];		 /* as whom each thread calls */
	uint32_t pool[CREW_THREADS];		 /* that client's number of the pool */
	struct tmem_handle handle[CREW_HANDLES]; /* whatever their pool says */
	struct step step[CREW_THREADS][CREW_STEPS];
};

struct record {
	uint32_t count[CREW_HANDLES];
	struct event event[CREW_HANDLES][EVENTS_MOST]; /* in the order of their beginnings */
};

/*
 * Carries the plan out and then, alone, gets every handle twice: what is left
 * is part of the history. Each thread is held up @interrupts times at most,
 * wherever it is.
 */
void crew_run(struct rig *rig, const struct plan *plan, uint32_t interrupts, struct record *record);

#endif
