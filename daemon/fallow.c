// SPDX-License-Identifier: MIT
/*
 * What ephemeral pages may have.
 *
 * The kernel counts memory that it may take from us as available already, so
 * nothing here may rest on how much of ours that is: what others use decides,
 * and fallow is what they leave. Of what is held, only the rest was taken from
 * what is available: fallow = available + held - counted, whether the kernel
 * has taken something of it meanwhile or not.
 */
#include "fallow.h"

#define MIB    (UINT64_C(1) << 20)
#define SECOND UINT64_C(1000000000)

#define GROW_PART  32		/* of the machine, a second */
#define GROW_LEAST (4 * MIB)	/* at a time: two extents */
#define GROW_QUIET (5 * SECOND) /* after something was given back */

#define RESERVE_PART  16
#define MARGIN_PART   8	 /* of the reserve: given back beyond it, and not taken again for less */
#define PRESSURE_PART 16 /* of what is held, each time that somebody waited */

/* How often to look: whoever takes memory takes all of it within TAKEN_IN, at the fastest. */
#define TAKEN_IN   (2 * SECOND)
#define LOOK_LEAST FALLOW_SOON
#define LOOK_MOST  SECOND

#define GLANCE_LEAST (SECOND / 200)

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t above(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

uint64_t fallow_reserve(uint64_t total)
{
	return total / RESERVE_PART;
}

/*
 * A program takes 8 bytes in a nanosecond, if the kernel has huge pages for it;
 * it is to be seen before it has half of the reserve. Where that is large, the
 * looks themselves are often enough.
 */
uint64_t fallow_glance(uint64_t reserve)
{
	return least(most(reserve / 16, GLANCE_LEAST), LOOK_LEAST);
}

uint64_t fallow_fall(uint64_t reserve)
{
	return reserve / MARGIN_PART;
}

const char *fallow_cause_name(enum fallow_cause cause)
{
	static const char *const names[FALLOW_CAUSES] = {
		[FALLOW_NOTHING] = "none",	  [FALLOW_PRESSURE] = "pressure",
		[FALLOW_WATERMARK] = "watermark", [FALLOW_GROUP] = "cgroup",
		[FALLOW_OPERATOR] = "operator",
	};

	return names[cause];
}

/* A room, and what follows from it. */
struct view {
	uint64_t reserve;
	uint64_t spare;	 /* what ephemeral extents may have in all */
	uint64_t unlent; /* available, and not because it is ours */
	bool drained;	 /* the kernel has to take memory away for whoever wants some */
};

static void look_at(const struct fallow_room *room, const struct fallow_situation *s,
		    uint64_t reserve, struct view *view)
{
	uint64_t counted = least(s->counted, s->held);

	view->reserve = least(reserve, room->total / 2);
	view->unlent = above(room->available, counted);
	view->spare = above(room->available + (s->held - counted), view->reserve);
	view->drained = room->free < 2 * view->reserve;
}

/* Nanoseconds until somebody may have taken what is above the reserve. */
static uint64_t look_after(const struct fallow_room *room, const struct view *view)
{
	uint64_t slack = above(view->unlent, view->reserve) / MIB;

	return least(most(slack * (TAKEN_IN / (room->total / MIB + 1)), LOOK_LEAST), LOOK_MOST);
}

static uint64_t growth(const struct fallow_situation *s)
{
	uint64_t milliseconds = least(s->since_looked, SECOND) / 1000000;
	uint64_t second = s->machine.total / GROW_PART;

	return most(second / 1000 * milliseconds + second % 1000 * milliseconds / 1000, GROW_LEAST);
}

static void give(struct fallow_verdict *verdict, uint64_t held, uint64_t bytes,
		 enum fallow_cause cause)
{
	verdict->give_back = least(bytes, held);
	verdict->limit = held - verdict->give_back;
	verdict->cause = cause;
}

void fallow_judge(const struct fallow_situation *s, struct fallow_verdict *verdict)
{
	struct view machine, group = {0}, *tight = &machine;
	uint64_t margin, risen = 0;

	*verdict = (struct fallow_verdict){.cause = FALLOW_NOTHING, .look = LOOK_MOST};
	look_at(&s->machine, s, s->reserve, &machine);
	if (s->group.total) {
		look_at(&s->group, s, least(s->reserve, fallow_reserve(s->group.total)), &group);
		if (group.spare < machine.spare)
			tight = &group;
	}
	margin = tight->reserve / MARGIN_PART;
	verdict->fallow = tight->spare + tight->reserve;
	verdict->look = look_after(&s->machine, &machine);
	if (s->group.total)
		verdict->look = least(verdict->look, look_after(&s->group, &group));
	if (!s->held)
		verdict->look = LOOK_MOST;

	/*
	 * Whoever took much just now is thought to take as much again before the
	 * next look; but it may have all that it wanted, so half of the rest stays.
	 */
	if (s->since_looked <= SECOND && above(s->before, verdict->fallow) > margin)
		risen = least(s->before - verdict->fallow, tight->spare / 2);
	if (s->held > above(tight->spare, risen)) {
		give(verdict, s->held, s->held - above(tight->spare, risen) + margin,
		     tight == &group ? FALLOW_GROUP : FALLOW_WATERMARK);
		return;
	}
	/* Whoever waits in a group that is full, on a machine that is not, gains nothing by ours. */
	if (s->held && s->pressure && (machine.drained || (s->group.total && group.drained))) {
		give(verdict, s->held, most(s->held / PRESSURE_PART, margin), FALLOW_PRESSURE);
		return;
	}
	verdict->limit = s->held;
	if (s->since_given >= GROW_QUIET && s->since_looked >= LOOK_LEAST &&
	    tight->spare - s->held > margin)
		verdict->limit = least(tight->spare, s->held + growth(s));
}
