/* SPDX-License-Identifier: MIT */
/*
 * Rings of links, each embedded in what it links. A link that is in no ring
 * points at itself, so it can always be taken out.
 */
#ifndef TMEMD_LINK_H
#define TMEMD_LINK_H

#include <stdbool.h>

struct link {
	struct link *next;
	struct link *previous;
};

static inline void link_init(struct link *link)
{
	link->next = link;
	link->previous = link;
}

/* Whether it is in a ring; of a ring's head, whether anything is in it. */
static inline bool link_is_in(const struct link *link)
{
	return link->next != link;
}

static inline void link_out(struct link *link)
{
	link->next->previous = link->previous;
	link->previous->next = link->next;
	link_init(link);
}

/* Out of where it is, and to the end of @ring. */
static inline void link_last(struct link *ring, struct link *link)
{
	link_out(link);
	link->next = ring;
	link->previous = ring->previous;
	ring->previous->next = link;
	ring->previous = link;
}

#endif
