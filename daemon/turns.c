// SPDX-License-Identifier: MIT
/* Two lists, and who goes from which to which. */
#include "turns.h"

#include <limits.h>
#include <stddef.h>
#include <time.h>

static uint64_t clock_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static struct turn *turn_of(struct link *link)
{
	return (struct turn *)(void *)((char *)link - offsetof(struct turn, link));
}

void turns_init(struct turns *turns)
{
	link_init(&turns->fresh);
	link_init(&turns->busy);
	link_init(&turns->end);
	wheel_init(&turns->resting);
	turns->clock = clock_now;
}

void turn_init(struct turn *turn, struct turns *turns,
	       enum turn_end (*serve)(struct turn *turn, uint32_t *budget))
{
	turn->turns = turns;
	turn->serve = serve;
	turn->rate = (struct rate){0, 0, 0};
	turn->rests = 0;
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

void turn_limit(struct turn *turn, uint64_t bytes)
{
	turn->rate.bytes = bytes;
	/* Who rests may not have to any more: its next turn says. */
	if (link_is_in(&turn->link))
		link_last(&turn->turns->busy, &turn->link);
}

/* Pages of its next part. 0: it rests now. */
static uint32_t allowed(struct turns *turns, struct turn *turn)
{
	uint64_t now, pages;

	if (!turn->rate.bytes)
		return TURNS_PART;
	now = turns->clock();
	pages = rate_pages(&turn->rate, now);
	if (!pages) {
		wheel_add(&turns->resting, &turn->link, now, rate_ready(&turn->rate, TURNS_PART));
		turn->rests++;
	}
	return pages < TURNS_PART ? (uint32_t)pages : TURNS_PART;
}

/*
 * One part of one client. Who had one is with the busy ones afterwards, even
 * with nothing left, until its next turn finds nothing: it is fresh again only
 * after all of these had their part, or asking for a part again and again would
 * be asking before all others.
 */
static bool serve(struct turns *turns, struct turn *turn, bool fresh)
{
	uint32_t part = allowed(turns, turn), budget = part;
	enum turn_end end;
	bool served;

	if (!part)
		return false;
	link_out(&turn->link);
	end = turn->serve(turn, &budget);
	if (end == TURN_GONE)
		return true;
	served = budget < part;
	rate_spend(&turn->rate, part - budget);
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

static void end_rests(struct turns *turns)
{
	struct link *link;
	uint64_t now;

	if (!turns->resting.next)
		return;
	now = turns->clock();
	while ((link = wheel_take(&turns->resting, now)))
		link_last(&turns->busy, link);
}

bool turns_round(struct turns *turns)
{
	end_rests(turns);
	serve_list(turns, &turns->fresh, true);
	serve_list(turns, &turns->busy, false);
	return link_is_in(&turns->fresh) || link_is_in(&turns->busy);
}

void turns_everybody(struct turns *turns)
{
	serve_list(turns, &turns->busy, true);
	serve_list(turns, &turns->fresh, true);
}

int turns_sleep(const struct turns *turns)
{
	uint64_t now, left;

	if (!turns->resting.next)
		return -1;
	now = turns->clock();
	if (now >= turns->resting.next)
		return 0;
	left = (turns->resting.next - now) / 1000000 + 1;
	return left < INT_MAX ? (int)left : INT_MAX;
}
