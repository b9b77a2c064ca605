/* SPDX-License-Identifier: MIT */
/* Pages of the shared memory for the program. */
#ifndef LIBTMEM_BUFFER_H
#define LIBTMEM_BUFFER_H

#include "connection.h"

/* 0 or -errno, for tmem->memory. */
int lt_buffer_open(struct tmem *tmem);
void lt_buffer_close(struct tmem *tmem);

#endif
