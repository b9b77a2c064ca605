/* SPDX-License-Identifier: MIT */
/*
 * The command of --run. It is forked before tmemd takes any right or limit
 * for itself, waits until the daemon serves, and then starts with the
 * daemon's sockets in its environment.
 */
#ifndef TMEMD_RUN_H
#define TMEMD_RUN_H

#include <stdbool.h>
#include <sys/types.h>

struct run {
	pid_t pid; /* 0: none, or it ended */
	int go;	   /* the pipe that it waits on; -1: it was let go */
};

/*
 * Forks the command; the signals of @argv's process must not be blocked yet.
 * False: said on standard error.
 */
bool run_prepare(char **argv, const char *control, const char *run_dir, struct run *run);

/* Lets it start. */
void run_start(struct run *run);

/* It ends, without having started if it was not let go, and is waited for. */
void run_cancel(struct run *run);

/* True: it ended, *@status is what a shell would report. Does not wait. */
bool run_reap(struct run *run, int *status);

#endif
