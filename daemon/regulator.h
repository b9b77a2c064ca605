/* SPDX-License-Identifier: MIT */
/*
 * Keeps what ephemeral pages hold within what is fallow: looks at the host's
 * memory from time to time and when somebody waited for some, and gives back,
 * a piece in each round of the loop, so that guests are served in between.
 */
#ifndef TMEMD_REGULATOR_H
#define TMEMD_REGULATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "fallow.h"
#include "host_memory.h"
#include "loop.h"

struct daemon;

#define REGULATOR_PIECE (UINT64_C(32) << 20) /* bytes given back between two turns of guests */

/* What is lent is lent in extents of this size alone: the engine's largest. */
#define REGULATOR_EXTENT (UINT64_C(2) << 20)

/* Where pressure is told of: the machine, the innermost group. */
#define REGULATOR_PRESSURES 2

struct regulator_figures {
	uint64_t reserve;	       /* bytes that are left to others */
	uint64_t fallow;	       /* bytes as last looked at; 0: nobody looks */
	uint64_t limit;		       /* of ephemeral extents; UINT64_MAX: none but the capacity */
	uint64_t given[FALLOW_CAUSES]; /* bytes in all */
	uint64_t last_bytes;	       /* the last time that something was given back */
	uint64_t last_ns;	       /* and how long that took */
	enum fallow_cause last_cause;
};

/* One descriptor that tells of pressure. */
struct regulator_pressure {
	struct watch watch; /* the first */
	struct regulator *regulator;
	bool open;
};

struct regulator {
	struct watch timer; /* the first */
	bool timed;	    /* it could be made */
	struct daemon *daemon;
	struct host_memory memory;
	struct regulator_figures figures;
	struct regulator_pressure pressure[REGULATOR_PRESSURES];
	bool on;
	bool near;	 /* little is left above the reserve */
	bool waited;	 /* for memory, somebody, since the last look */
	uint64_t left;	 /* bytes still to be given back for */
	uint64_t begun;	 /* and since when: what came before is in figures.last_bytes */
	uint64_t due;	 /* the next look, on the clock */
	uint64_t free;	 /* bytes that the machine had free at the last one */
	uint64_t looked; /* nanoseconds of the clock; 0: never */
	uint64_t given;	 /* likewise, when something was given back by its own will */
};

/* @root stands before each path that is read: "" but in tests. Not on yet. */
void regulator_open(struct regulator *regulator, struct daemon *daemon, const char *root);
void regulator_close(struct regulator *regulator);

/* As the options say now. */
void regulator_set(struct regulator *regulator, bool on, uint64_t reserve);

/* A piece, if there is something to give back. True: there is more. */
bool regulator_turn(struct regulator *regulator);

/* Nanoseconds of the clock that never goes back. */
uint64_t regulator_clock(void);

/* Somebody else had @bytes given back in @ns. */
void regulator_note(struct regulator *regulator, enum fallow_cause cause, uint64_t bytes,
		    uint64_t ns);

#endif
