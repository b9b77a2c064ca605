/* SPDX-License-Identifier: MIT */
/* What a conformance program runs against: one file of back-ends is linked with it. */
#ifndef CONFORMANCE_BACKENDS_H
#define CONFORMANCE_BACKENDS_H

#include "rig.h"

/* Ends with NULL; the first one is what runs where none is named. */
extern const struct backend *const conformance_backends[];

/* Where --tmemd goes; NULL: no back-end starts a daemon. */
extern const char **const conformance_tmemd;

#endif
