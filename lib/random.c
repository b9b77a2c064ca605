// SPDX-License-Identifier: MIT
/* The kernel's random numbers; a session named by a guess could be resumed by another. */
#include "random.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

uint64_t lt_random(void)
{
	uint64_t number = 0;
	ssize_t got;

	do {
		got = getrandom(&number, sizeof(number), 0);
		/* It cannot fail otherwise for eight bytes, and a weak name is worse than none. */
		if (got < 0 && errno != EINTR)
			abort();
	} while (got != (ssize_t)sizeof(number) || !number);
	return number;
}
