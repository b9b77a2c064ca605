/* SPDX-License-Identifier: MIT */
/* A tmemd of the test's own, in a directory of its own, to be killed and started again. */
#ifndef TEST_LIB_DAEMON_H
#define TEST_LIB_DAEMON_H

#include <sys/types.h>

struct daemon_process {
	const char *tmemd, *tmem; /* programs */
	char dir[64];
	char socket[96]; /* of the client "app", an allocation of 8 MiB */
	pid_t pid;	 /* 0: none runs */
};

/* Makes the directory; aborts where it cannot. */
void daemon_prepare(struct daemon_process *daemon, const char *tmemd, const char *tmem);
/*
 * Returns when the client's socket is served; aborts after 20 s. The daemon
 * lives no longer than the thread that calls this.
 */
void daemon_start(struct daemon_process *daemon);
void daemon_kill(struct daemon_process *daemon);
void daemon_clean(struct daemon_process *daemon);

#endif
