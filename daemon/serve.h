/* SPDX-License-Identifier: MIT */
/* The last phase: serving until a signal, or the end of the command of --run. */
#ifndef TMEMD_SERVE_H
#define TMEMD_SERVE_H

#include <stdbool.h>

struct daemon;
struct run;

/* Signals that end or concern the daemon are kept back for serve from here on. */
void serve_block_signals(void);

/* True: the loop has more to do at once. For struct loop_work; @arg is the daemon. */
bool serve_turn(void *arg);
bool serve_idle(void *arg);
bool serve_spare(void *arg);
int serve_sleep(void *arg);

/* Returns the exit status of the process. */
int serve(struct daemon *daemon, struct run *run);

#endif
