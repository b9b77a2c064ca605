/* SPDX-License-Identifier: MIT */
/*
 * Where histories are made: a rig with the pools of one variety, the rules
 * that hold there, and random plans that suit it.
 */
#ifndef TESTS_LINEAR_SCENE_H
#define TESTS_LINEAR_SCENE_H

#include "crew.h"

struct variety {
	const char *name;
	uint32_t needs; /* enum rig_can */
	struct rules rules;
	uint32_t flags;	   /* of the pool */
	uint32_t clients;  /* that use it; more than one: it is shared */
	uint64_t capacity; /* 0: more than is ever used */
	bool lent;	   /* the host takes extents that are not being filled */
	bool full;	   /* the client's allocation is used up but for a page or two */
	bool thin;	   /* before each history half of much is flushed, so that pages move */
	bool shrunk;	   /* likewise, and the allocation is made smaller */
};

extern const struct variety varieties[]; /* ends with one that has no name */

struct scene {
	const struct variety *variety;
	struct rig *rig;
	int client[CREW_THREADS];
	uint32_t pool[CREW_THREADS];
	uint64_t histories;
	bool wide_ranges; /* flushes of ranges take whole groups too; set by the caller */
};

void scene_start(struct scene *scene, const struct variety *variety, const struct backend *backend,
		 uint64_t seed);
/* Dies where figures do not add up. */
void scene_stop(struct scene *scene);

/* @threads: of each plan; 0: 2 to CREW_THREADS. All that is random comes from @rng. */
void scene_plan(struct scene *scene, struct plan *plan, uint32_t threads, uint64_t *rng);

/* What a history left is gone then. */
void scene_clear(struct scene *scene, const struct plan *plan);

#endif
