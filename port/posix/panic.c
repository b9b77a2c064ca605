/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The end of a process whose engine found one of its own invariants broken.
 * In a file of its own, so that a program may supply another.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tmem_port.h"

void tmem_panic(const char *file, int line, const char *what)
{
	fprintf(stderr, "tmem: broken invariant at %s:%d: %s\n", file, line, what);
	abort();
}
