/* SPDX-License-Identifier: MIT */
/*
 * Negative controls: a back-end behind a wrapper that breaks one rule of the
 * contract on purpose. A suite that does not notice is worth nothing, so each
 * fault names who has to.
 */
#ifndef TESTS_PLANTED_H
#define TESTS_PLANTED_H

#include "rig.h"

#define PLANTED_CASES 3

struct planted_fault {
	const char *name;
	int kind;   /* planted.c's own */
	bool model; /* the random operations against the model have to notice too */
	const char *noticed_by[PLANTED_CASES]; /* cases of the conformance suite */
};

extern const struct planted_fault planted_faults[]; /* ends with one that has no name */

/* Set before the back-end is started; NULL: the wrapper breaks nothing. */
extern const struct planted_fault *planted_now;

extern struct backend backend_planted;

/* Says what is behind the wrapper, and so what it is able to do. Once for a process. */
void planted_over(const struct backend *backend);

#endif
