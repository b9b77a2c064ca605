/* SPDX-License-Identifier: MIT */
/*
 * Negative controls: a back-end behind a wrapper that is wrong only in when
 * things take effect. Some of the faults can be seen by one thread, others by
 * several at once only; each has to be refuted.
 */
#ifndef TESTS_LINEAR_FAULTS_H
#define TESTS_LINEAR_FAULTS_H

#include "rig.h"

struct linear_fault {
	const char *name;
	int kind; /* faults.c's own */
};

extern const struct linear_fault linear_faults[]; /* ends with one that has no name */

/* Set before the back-end is started; NULL: the wrapper does nothing. */
extern const struct linear_fault *linear_fault_now;

extern const struct backend backend_faulty;

#endif
