/* SPDX-License-Identifier: MIT */
/* Back-ends that are a tmemd of their own, each, and libtmem on the way to it. */
#ifndef TESTS_BACKEND_DAEMON_H
#define TESTS_BACKEND_DAEMON_H

#include "rig.h"

/* By single calls; and by batches that are submitted, and reaped when they are complete. */
extern const struct backend backend_daemon;
extern const struct backend backend_async;

#endif
