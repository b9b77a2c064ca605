/* SPDX-License-Identifier: MIT */
/*
 * The dense tier: cold pages are stored anew in rounds of the loop that have
 * nothing else to do, a page at a time and within a budget of processor time,
 * and dictionaries are trained beside the loop on what went by.
 */
#ifndef TMEMD_RECODER_H
#define TMEMD_RECODER_H

#include <stdbool.h>
#include <stdint.h>

struct daemon;
struct recoder;

/* The daemon has its loop, its engine and the engine's dense codec. 0 or -errno. */
int recoder_open(struct daemon *daemon, struct recoder **recoder);
/* If a dictionary is being trained, the codec stays as long as the process: daemon->dense is NULL. */
void recoder_close(struct recoder *recoder);

/* Another budget, in percent of a processor; 0: nothing is recoded, what is dense stays so. */
void recoder_set(struct recoder *recoder, uint32_t percent);

/* Nothing else is to be done: a page, if it is time. True: there may be another one. */
bool recoder_spare(struct recoder *recoder);

struct recoder_figures {
	uint32_t percent;  /* the budget */
	uint64_t time;	   /* nanoseconds of processor time that were taken */
	uint64_t training; /* of these, for dictionaries */
	bool trains;	   /* now */
};
void recoder_figures(const struct recoder *recoder, struct recoder_figures *figures);

#endif
