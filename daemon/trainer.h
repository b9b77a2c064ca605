/* SPDX-License-Identifier: MIT */
/*
 * A thread for work that takes a tenth of a second and is nobody's hurry: the
 * training of a dictionary. It runs when processors have nothing else to do
 * (SCHED_IDLE), one piece of work at a time, and nobody ever waits for it, not
 * even the daemon's end: on a busy machine that could take for ever.
 */
#ifndef TMEMD_TRAINER_H
#define TMEMD_TRAINER_H

#include <stdbool.h>
#include <stdint.h>

struct trainer;

/* 0 or -errno. @work is called in another thread, with signals as they are blocked here. */
int trainer_open(void (*work)(void *arg), void *arg, struct trainer **trainer);
/* False: it still works, so @arg has to stay as long as the process does. */
bool trainer_close(struct trainer *trainer);

/* Work begins. 0, -EBUSY (it has not ended), or -errno: there is no thread for it now. */
int trainer_start(struct trainer *trainer);
bool trainer_works(const struct trainer *trainer);
/* Nanoseconds of processor time that ended work took, all together. */
uint64_t trainer_time(const struct trainer *trainer);

#endif
