/* SPDX-License-Identifier: MIT */
/*
 * One random exercise for every host of extents: takes and frees them as an
 * engine might, and holds what it gets against the contract in tmem/host.h.
 */
#ifndef TEST_PORT_EXERCISE_H
#define TEST_PORT_EXERCISE_H

#include <tmem/host.h>

struct exercise {
	const struct tmem_host_ops *ops;
	void *host;
	uint64_t limit; /* bytes that may be out at one time */
	int fill;	/* what a fresh extent's bytes must be */
	uint64_t seed;
	unsigned int rounds;
	size_t most; /* largest size asked for */
};

/* What the host did wrong, or NULL. Frees all that it took, unless the host did wrong. */
const char *exercise_run(const struct exercise *exercise);

#endif
