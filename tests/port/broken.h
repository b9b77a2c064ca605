/* SPDX-License-Identifier: MIT */
/*
 * The negative control of the exercise: a host that works, but for one thing,
 * on another host.
 */
#ifndef TEST_PORT_BROKEN_H
#define TEST_PORT_BROKEN_H

#include <tmem/host.h>

enum broken_way {
	BROKEN_NOT, /* works; so what fails with the others is what they break */
	BROKEN_OVERLAP,
	BROKEN_ALIGNMENT,
	BROKEN_SIZE,
	BROKEN_LIMIT, /* of the host below, which must be larger than claimed */
	BROKEN_CONTENTS,
	BROKEN_SCRIBBLE, /* writes into an extent that is out */
	BROKEN_WAYS
};

struct broken {
	const struct tmem_host_ops *ops;
	void *host;
	enum broken_way way;
	unsigned char *last; /* handed out last */
	unsigned int calls;
};

extern const struct tmem_host_ops broken_ops;

/* What exercise_run() must say. */
const char *broken_complaint(enum broken_way way);

#endif
