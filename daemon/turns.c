// SPDX-License-Identifier: MIT
/* Two lists, and who goes from which to which. */
#include "turns.h"

#include <stddef.h>

static struct turn *turn_of(struct link *link)
{
	return (struct turn *)(void *)((char *)link - offsetof(struct turn, link));
}

void turns_init(struct turns *turns)
{
	link_init(&turns->fresh);
	link_init(&turns->busy);
	link_init(&turns->end);
}

void turn_init(struct turn *turn, struct turns *turns,
	       enum turn_end (*serve)(struct turn *turn, uint32_t *budget))
{
	turn->turns = turns;
	turn->serve = serve;
	link_init(&turn->link);
}

void turn_want(struct turn *turn)
{
	if (!link_is_in(&turn->link))
		link_last(&turn->turns->fresh, &turn->link);
}

void turn_leave(struct turn *turn)
{
	link_out(&turn->link);
}

/*
 * One part of one client. Who had one is with the busy ones afterwards, even
 * with nothing left, until its next turn finds nothing: it is fresh again only
 * after all of these had their part, or asking for a part again and again would
 * be asking before all others.
 */
static bool serve(struct turns *turns, struct turn *turn, bool fresh)
{
	uint32_t budget = TURNS_PART;
	enum turn_end end;
	bool served;

	link_out(&turn->link);
	end = turn->serve(turn, &budget);
	if (end == TURN_GONE)
		return true;
	served = budget < TURNS_PART;
	if (end == TURN_MORE && fresh && !served)
		link_last(&turns->fresh, &turn->link);
	else if (end == TURN_MORE || (served && link_is_in(&turns->busy)))
		link_last(&turns->busy, &turn->link);
	return served;
}

/* Of those that are in @list now: all of them, or up to the first one that had something. */
static void serve_list(struct turns *turns, struct link *list, bool all)
{
	bool served = false;

	link_last(list, &turns->end);
	while (list->next != &turns->end && (all || !served))
		served |= serve(turns, turn_of(list->next), list == &turns->fresh);
	link_out(&turns->end);
}

bool turns_round(struct turns *turns)
{
	serve_list(turns, &turns->fresh, true);
	serve_list(turns, &turns->busy, false);
	return link_is_in(&turns->fresh) || link_is_in(&turns->busy);
}

void turns_everybody(struct turns *turns)
{
	serve_list(turns, &turns->busy, true);
	serve_list(turns, &turns->fresh, true);
}
