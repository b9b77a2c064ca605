/* SPDX-License-Identifier: MIT */
/* Which socket is meant. */
#ifndef LIBTMEM_PATH_H
#define LIBTMEM_PATH_H

#include <stdbool.h>
#include <stddef.h>

#define PATH_SOCKET_NAME "tmem.sock"

/* @given, or where a program looks that was told nothing. False: it does not fit. */
bool lt_path_find(const char *given, char *path, size_t size);

#endif
