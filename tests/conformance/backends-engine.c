/* SPDX-License-Identifier: MIT */
/* The engine in this process. */
#include <stddef.h>

#include "backends.h"

const struct backend *const conformance_backends[] = {&backend_engine, &backend_batch, NULL};

const char **const conformance_tmemd = NULL;
