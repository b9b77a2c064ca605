/* SPDX-License-Identifier: MIT */
/* The search for an order: see judge.h. */
#include <stdlib.h>
#include <string.h>
#include <tmem/types.h>

#include "judge.h"
#include "must.h"

/* An entry is in use if its turn is the judge's: a new history empties the table at no cost. */
struct config {
	uint64_t placed;
	uint32_t state;
	uint32_t turn;
};

struct judge {
	struct config *seen; /* open addressing */
	uint32_t room;	     /* a power of two */
	uint32_t used;
	uint32_t turn;
};

struct search {
	struct judge *judge;
	const struct rules *rules;
	const struct event *event;
	uint32_t count;
	uint8_t order[EVENTS_MOST];
	struct verdict *verdict;
};

struct judge *judge_create(void)
{
	struct judge *judge = calloc(1, sizeof(*judge));

	MUST(judge != NULL);
	judge->room = 1024;
	judge->seen = calloc(judge->room, sizeof(*judge->seen));
	MUST(judge->seen != NULL);
	return judge;
}

void judge_destroy(struct judge *judge)
{
	free(judge->seen);
	free(judge);
}

/* The result says that there was no page at the event's instant. */
static bool saw_nothing(const struct event *event)
{
	switch (event->kind) {
	case EVENT_GET:
		return event->result != 0;
	case EVENT_FLUSH:
	case EVENT_FLUSH_OBJECT:
		return event->result == 0;
	default:
		return false;
	}
}

bool judge_apply(const struct rules *rules, const struct event *event, uint32_t *state)
{
	const bool there = *state != VERSION_NONE;

	if (event->kind == EVENT_PUT) {
		if (event->result == -TMEM_ENOSPC && there && rules->room_is_kept && event->alone)
			return false;
		*state = event->result ? VERSION_NONE : event->version;
		return true;
	}
	if (event->kind == EVENT_GET && event->result == 0) {
		if (*state != event->version)
			return false;
		if (!rules->get_leaves)
			*state = VERSION_NONE;
		return true;
	}
	if (saw_nothing(event) && there && !rules->may_evict)
		return false;
	/* That an object's flush found something may be true of another of its pages. */
	if (event->kind == EVENT_FLUSH && event->result == 1 && !there)
		return false;
	*state = VERSION_NONE;
	return true;
}

void judge_mark(struct event *event, uint32_t count)
{
	uint32_t i, j;

	for (i = 0; i < count; i++) {
		event[i].alone = true;
		for (j = 0; j < count; j++)
			if (j != i && event[j].began < event[i].ended &&
			    event[i].began < event[j].ended)
				event[i].alone = false;
	}
}

static uint32_t place_of(const struct judge *judge, uint64_t placed, uint32_t state)
{
	uint64_t mixed = (placed ^ (uint64_t)state << 32) * 0x9e3779b97f4a7c15u;

	return (uint32_t)(mixed >> 32) & (judge->room - 1);
}

/* Where the configuration is, or would be. */
static struct config *find(const struct judge *judge, uint64_t placed, uint32_t state)
{
	uint32_t at = place_of(judge, placed, state);

	while (judge->seen[at].turn == judge->turn &&
	       (judge->seen[at].placed != placed || judge->seen[at].state != state))
		at = (at + 1) & (judge->room - 1);
	return &judge->seen[at];
}

static void grow(struct judge *judge)
{
	struct config *old = judge->seen;
	uint32_t i, room = judge->room;

	judge->room *= 2;
	judge->seen = calloc(judge->room, sizeof(*judge->seen));
	MUST(judge->seen != NULL);
	for (i = 0; i < room; i++)
		if (old[i].turn == judge->turn)
			*find(judge, old[i].placed, old[i].state) = old[i];
	free(old);
}

/* True if this configuration was looked at before; from now on it was. */
static bool known(struct judge *judge, uint64_t placed, uint32_t state)
{
	struct config *config = find(judge, placed, state);

	if (config->turn == judge->turn)
		return true;
	*config = (struct config){placed, state, judge->turn};
	if (++judge->used > judge->room / 2)
		grow(judge);
	return false;
}

/* Tries every operation that no other one had to come before. */
static bool extend(struct search *s, uint64_t placed, uint32_t state, uint32_t depth)
{
	uint64_t first_end = UINT64_MAX;
	uint32_t i;

	if (depth > s->verdict->placed) {
		s->verdict->placed = depth;
		memcpy(s->verdict->order, s->order, depth);
	}
	if (depth == s->count)
		return true;
	if (known(s->judge, placed, state))
		return false;
	s->verdict->configurations++;
	for (i = 0; i < s->count; i++)
		if (!(placed >> i & 1) && s->event[i].ended < first_end)
			first_end = s->event[i].ended;
	for (i = 0; i < s->count; i++) {
		uint32_t next = state;

		if (placed >> i & 1 || s->event[i].began > first_end)
			continue;
		if (!judge_apply(s->rules, &s->event[i], &next))
			continue;
		s->order[depth] = (uint8_t)i;
		if (extend(s, placed | 1ull << i, next, depth + 1))
			return true;
	}
	return false;
}

void judge_history(struct judge *judge, const struct rules *rules, const struct event *event,
		   uint32_t count, struct verdict *verdict)
{
	struct search search = {judge, rules, event, count, {0}, verdict};

	MUST_LE(count, EVENTS_MOST);
	memset(verdict, 0, sizeof(*verdict));
	judge->used = 0;
	if (++judge->turn == 0) {
		memset(judge->seen, 0, judge->room * sizeof(*judge->seen));
		judge->turn = 1;
	}
	verdict->holds = extend(&search, 0, VERSION_NONE, 0);
}
