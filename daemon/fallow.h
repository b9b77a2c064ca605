/* SPDX-License-Identifier: MIT */
/*
 * Fallow memory: what nobody else on this host is using now. From what the
 * host says of its memory, how much of it ephemeral pages may have, and how
 * much they have to give back at once. Figures in, a verdict out: nothing here
 * reads, waits or remembers.
 *
 * They grow slowly and shrink at once. What is wrongly not lent costs a few
 * hits; what is wrongly kept costs whoever needs it a wait for the kernel.
 */
#ifndef TMEMD_FALLOW_H
#define TMEMD_FALLOW_H

#include <stdbool.h>
#include <stdint.h>

#define FALLOW_NEVER UINT64_MAX /* of a time: it did not happen yet */

/* One thing that memory is taken from: the machine, or a control group with a limit. */
struct fallow_room {
	uint64_t total;	    /* bytes; 0: there is no such limit */
	uint64_t available; /* others may have them and nothing is swapped out for it */
	uint64_t free;	    /* nothing at all is in them */
};

struct fallow_situation {
	struct fallow_room machine;
	struct fallow_room group; /* the tightest that this process is in */
	uint64_t reserve;	  /* bytes that are left available on the machine */
	uint64_t held;		  /* bytes of ephemeral extents */
	uint64_t counted;	  /* of these, those that the kernel counts as available */
	bool pressure;		  /* somebody waited for memory since the last look */
	uint64_t since_given;	  /* nanoseconds since memory was given back */
	uint64_t since_looked;	  /* and since the last look */
	uint64_t before;	  /* bytes that were fallow then; 0: nobody looked */
};

enum fallow_cause {
	FALLOW_NOTHING,
	FALLOW_PRESSURE,  /* somebody waits for memory */
	FALLOW_WATERMARK, /* the machine has less than the reserve left */
	FALLOW_GROUP,	  /* the control group has */
	FALLOW_OPERATOR,  /* it was asked for, by name */
	FALLOW_CAUSES
};

struct fallow_verdict {
	uint64_t fallow;    /* bytes that nobody else uses, those that are held included */
	uint64_t limit;	    /* of ephemeral extents, until the next look */
	uint64_t give_back; /* bytes, at once */
	uint64_t look;	    /* nanoseconds after which to look again */
	enum fallow_cause cause;
};

#define FALLOW_SOON UINT64_C(100000000) /* nanoseconds until the next look, at least */

/*
 * Between two looks that are so near: how often to glance at what is free, in
 * nanoseconds, and the fall of it that asks for a look.
 */
uint64_t fallow_glance(uint64_t reserve);
uint64_t fallow_fall(uint64_t reserve);

void fallow_judge(const struct fallow_situation *situation, struct fallow_verdict *verdict);

/* What is left to others where nobody chose: a sixteenth of the machine. */
uint64_t fallow_reserve(uint64_t total);

const char *fallow_cause_name(enum fallow_cause cause);

#endif
