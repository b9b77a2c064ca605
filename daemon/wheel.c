// SPDX-License-Identifier: MIT
/* The ring of lists: see wheel.h. */
#include "wheel.h"

#include <stddef.h>

void wheel_init(struct wheel *wheel)
{
	uint32_t i;

	for (i = 0; i < WHEEL_TICKS; i++)
		link_init(&wheel->slot[i]);
	wheel->tick = 0;
	wheel->next = 0;
}

void wheel_add(struct wheel *wheel, struct link *link, uint64_t now, uint64_t until)
{
	uint64_t tick = until / WHEEL_TICK + 1;

	/* Nobody waits: where the ring begins is anybody's choice. */
	if (!wheel->next)
		wheel->tick = now / WHEEL_TICK;
	if (tick <= wheel->tick)
		tick = wheel->tick + 1;
	if (tick > wheel->tick + WHEEL_TICKS - 1)
		tick = wheel->tick + WHEEL_TICKS - 1;
	link_last(&wheel->slot[tick % WHEEL_TICKS], link);
	if (!wheel->next || tick * WHEEL_TICK < wheel->next)
		wheel->next = tick * WHEEL_TICK;
}

static void find_next(struct wheel *wheel)
{
	uint32_t i;

	wheel->next = 0;
	for (i = 1; i < WHEEL_TICKS && !wheel->next; i++) {
		if (link_is_in(&wheel->slot[(wheel->tick + i) % WHEEL_TICKS]))
			wheel->next = (wheel->tick + i) * WHEEL_TICK;
	}
}

struct link *wheel_take(struct wheel *wheel, uint64_t now)
{
	uint64_t end = now / WHEEL_TICK;
	struct link *first;
	uint32_t i;

	if (!wheel->next || now < wheel->next)
		return NULL;
	/* Once around has seen all of them. */
	for (i = 0; i < WHEEL_TICKS && wheel->tick + i < end; i++) {
		first = wheel->slot[(wheel->tick + 1 + i) % WHEEL_TICKS].next;
		if (first == &wheel->slot[(wheel->tick + 1 + i) % WHEEL_TICKS])
			continue;
		link_out(first);
		return first;
	}
	wheel->tick = end;
	find_next(wheel);
	return NULL;
}
