/* SPDX-License-Identifier: MIT */
/*
 * Who is served next. Clients that want something are served in parts, a few
 * pages each, and all have as many pages in the end. One that has wanted
 * nothing for a while comes before those that always want more, for its first
 * part: who asks for little waits for one part of somebody else at most,
 * however much others ask for, and however many they are.
 *
 * Who has a limit and has used it up rests until it has some again: nothing
 * of it fails, and nobody looks at it meanwhile.
 *
 * It is a round robin of pages, and a list for those that came up since, as
 * the packet scheduler of RFC 8290 has it for flows.
 */
#ifndef TMEMD_TURNS_H
#define TMEMD_TURNS_H

#include <stdint.h>

#include "link.h"
#include "rate.h"
#include "wheel.h"

/* Pages of one part: the wait of whoever comes next, and what a look for others costs in work. */
#define TURNS_PART 16

struct turns {
	struct link fresh;	 /* came up, and had no part yet */
	struct link busy;	 /* have had their part of late */
	struct link end;	 /* while a list is gone through: of those that were in it */
	struct wheel resting;	 /* have more, and have used their rate up */
	uint64_t (*clock)(void); /* nanoseconds; a test may set its own */
};

enum turn_end {
	TURN_IDLE, /* nothing is left, as far as is known */
	TURN_MORE, /* something is left, or has to be looked for in the next round */
	TURN_GONE  /* the turn is no more, and its memory may be gone */
};

/* One client's; embedded in it. */
struct turn {
	struct turns *turns;
	struct link link;
	struct rate rate; /* set by turn_limit */
	uint64_t rests;	  /* times that it was used up, and there was more */
	/* Serves it; *@budget, in pages, becomes what is left of it. */
	enum turn_end (*serve)(struct turn *turn, uint32_t *budget);
};

void turns_init(struct turns *turns);

void turn_init(struct turn *turn, struct turns *turns,
	       enum turn_end (*serve)(struct turn *turn, uint32_t *budget));
/* It wants to be served; may be said again and again. */
void turn_want(struct turn *turn);
/* It does not any more. Before its memory goes, too. */
void turn_leave(struct turn *turn);

/* From now on at most @bytes per second, each page being TMEM_PAGE_SIZE of them; 0: no limit. */
void turn_limit(struct turn *turn, uint64_t bytes);

/*
 * Serves who came up, and of the others one that has something. True: there is
 * more, so call again, after a look at who else came up.
 */
bool turns_round(struct turns *turns);
/* Serves everybody who wants something once: for those who are busy with something long. */
void turns_everybody(struct turns *turns);
/* Milliseconds after which there is more though nobody came up; -1: never. */
int turns_sleep(const struct turns *turns);

#endif
