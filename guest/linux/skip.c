// SPDX-License-Identifier: GPL-2.0-only
/* A test says what is left out (TMEM_SKIP). */
#include "skip.h"

#include <linux/module.h>

unsigned int tmem_skip;
module_param_named(skip, tmem_skip, uint, 0444);
