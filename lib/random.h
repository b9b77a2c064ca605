/* SPDX-License-Identifier: MIT */
/* Names that no other process guesses: nonces and cookies. */
#ifndef LIBTMEM_RANDOM_H
#define LIBTMEM_RANDOM_H

#include <stdint.h>

/* Never 0. */
uint64_t lt_random(void);

#endif
