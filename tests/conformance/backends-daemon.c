/* SPDX-License-Identifier: MIT */
/* A daemon, and libtmem on the way to it. */
#include <stddef.h>

#include "backend-daemon.h"
#include "backends.h"
#include "captive.h"

const struct backend *const conformance_backends[] = {&backend_daemon, &backend_async, NULL};

const char **const conformance_tmemd = &captive_tmemd;
