/* SPDX-License-Identifier: MIT */
/*
 * The judge of histories is judged itself: histories whose verdict a person
 * can see, and random small ones against the trial of every order there is.
 */
#include <stdio.h>
#include <string.h>
#include <tmem/types.h>

#include "judge.h"
#include "must.h"
#include "page.h"

#define MISS	(-TMEM_ENOENT)
#define REFUSED (-TMEM_EAGAIN)
#define FULL	(-TMEM_ENOSPC)

static const struct rules persistent = {.get_leaves = true};
static const struct rules ephemeral = {.get_leaves = false};
static const struct rules evicting = {.may_evict = true};
static const struct rules exact = {.get_leaves = true, .room_is_kept = true};

struct known {
	const char *name;
	const struct rules *rules;
	bool holds;
	struct event event[6]; /* until one that ended at 0 */
};

#define PUT(began, ended, version, result)                         \
	{                                                          \
		began, ended, version, result, EVENT_PUT, 0, false \
	}
#define GET(began, ended, version, result)                         \
	{                                                          \
		began, ended, version, result, EVENT_GET, 0, false \
	}
#define FLUSH(kind, began, ended, result)               \
	{                                               \
		began, ended, 0, result, kind, 0, false \
	}

static const struct known known[] = {
	{"nothing happened", &persistent, true, {{0}}},
	{"put, then get", &persistent, true, {PUT(1, 2, 1, 0), GET(3, 4, 1, 0)}},
	{"a hit before the put began", &persistent, false, {GET(1, 2, 1, 0), PUT(3, 4, 1, 0)}},
	{"a hit beside the put", &persistent, true, {PUT(1, 4, 1, 0), GET(2, 3, 1, 0)}},
	{"a miss beside the put, then a hit",
	 &persistent,
	 true,
	 {PUT(1, 6, 1, 0), GET(2, 3, 0, MISS), GET(4, 5, 1, 0)}},
	{"a hit beside the put, then a miss",
	 &persistent,
	 false,
	 {PUT(1, 6, 1, 0), GET(2, 3, 1, 0), GET(4, 5, 0, MISS)}},
	{"a miss after the put returned",
	 &persistent,
	 false,
	 {PUT(1, 2, 1, 0), GET(3, 4, 0, MISS)}},
	{"the same where pages may be evicted",
	 &evicting,
	 true,
	 {PUT(1, 2, 1, 0), GET(3, 4, 0, MISS)}},
	{"a hit after a miss, evicting",
	 &evicting,
	 false,
	 {PUT(1, 2, 1, 0), GET(3, 4, 0, MISS), GET(5, 6, 1, 0)}},
	{"old data after the second put returned",
	 &evicting,
	 false,
	 {PUT(1, 2, 1, 0), PUT(3, 4, 2, 0), GET(5, 6, 1, 0)}},
	{"old data beside the second put",
	 &persistent,
	 true,
	 {PUT(1, 2, 1, 0), PUT(3, 6, 2, 0), GET(4, 5, 1, 0)}},
	{"new, then old, beside the second put",
	 &persistent,
	 false,
	 {PUT(1, 2, 1, 0), PUT(3, 8, 2, 0), GET(4, 5, 2, 0), GET(6, 7, 1, 0)}},
	{"two gets beside each other take one page",
	 &ephemeral,
	 false,
	 {PUT(1, 2, 1, 0), GET(3, 5, 1, 0), GET(4, 6, 1, 0)}},
	{"two gets where they leave it",
	 &persistent,
	 true,
	 {PUT(1, 2, 1, 0), GET(3, 5, 1, 0), GET(4, 6, 1, 0)}},
	{"one of two takes it",
	 &ephemeral,
	 true,
	 {PUT(1, 2, 1, 0), GET(3, 5, 1, 0), GET(4, 6, 0, MISS)}},
	{"a refused put leaves the old page",
	 &persistent,
	 false,
	 {PUT(1, 2, 1, 0), PUT(3, 4, 2, REFUSED), GET(5, 6, 1, 0)}},
	{"a refused put stores", &persistent, false, {PUT(1, 2, 1, REFUSED), GET(3, 4, 1, 0)}},
	{"a refused put undoes the one beside it",
	 &persistent,
	 true,
	 {PUT(1, 4, 1, 0), PUT(2, 3, 2, REFUSED), GET(5, 6, 0, MISS)}},
	{"a refused put undoes one that began later",
	 &persistent,
	 false,
	 {PUT(1, 2, 2, REFUSED), PUT(3, 4, 1, 0), GET(5, 6, 0, MISS)}},
	{"a replacement has no room", &exact, false, {PUT(1, 2, 1, 0), PUT(3, 4, 2, FULL)}},
	{"a page has no room that was new when another came in",
	 &exact,
	 true,
	 {PUT(1, 4, 1, FULL), PUT(2, 3, 2, 0), GET(5, 6, 0, MISS)}},
	{"a new page has no room", &exact, true, {PUT(1, 2, 2, FULL), GET(3, 4, 0, MISS)}},
	{"a flush is undone",
	 &evicting,
	 false,
	 {PUT(1, 2, 1, 0), FLUSH(EVENT_FLUSH, 3, 4, 1), GET(5, 6, 1, 0)}},
	{"an object's flush is undone",
	 &persistent,
	 false,
	 {PUT(1, 2, 1, 0), FLUSH(EVENT_FLUSH_OBJECT, 3, 4, 1), GET(5, 6, 1, 0)}},
	{"a range's flush is undone",
	 &persistent,
	 false,
	 {PUT(1, 2, 1, 0), FLUSH(EVENT_FLUSH_RANGE, 3, 4, 0), GET(5, 6, 1, 0)}},
	{"a flush finds what was never put", &persistent, false, {FLUSH(EVENT_FLUSH, 1, 2, 1)}},
	{"an object's flush finds another page",
	 &persistent,
	 true,
	 {FLUSH(EVENT_FLUSH_OBJECT, 1, 2, 1)}},
	{"a flush finds nothing though it is there",
	 &persistent,
	 false,
	 {PUT(1, 2, 1, 0), FLUSH(EVENT_FLUSH, 3, 4, 0)}},
	{"an object's flush finds nothing though it is there",
	 &persistent,
	 false,
	 {PUT(1, 2, 1, 0), FLUSH(EVENT_FLUSH_OBJECT, 3, 4, 0)}},
	{"a flush beside a put comes before it",
	 &persistent,
	 true,
	 {PUT(1, 4, 1, 0), FLUSH(EVENT_FLUSH, 2, 3, 0), GET(5, 6, 1, 0)}},
	{"a page of another history",
	 &evicting,
	 false,
	 {PUT(1, 2, 1, 0), GET(3, 4, VERSION_STRANGE, 0)}},
};

static unsigned int run_known(struct judge *judge)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const struct known *k = &known[i];
		struct event event[6];
		struct verdict verdict;
		uint32_t count = 0;

		memcpy(event, k->event, sizeof(event));
		while (count < 6 && event[count].ended)
			count++;
		judge_mark(event, count);
		judge_history(judge, k->rules, event, count, &verdict);
		if (verdict.holds != k->holds) {
			printf("FAIL  %s: %s\n", k->name, verdict.holds ? "accepted" : "refuted");
			wrong++;
		} else {
			printf("ok    %s\n", k->name);
		}
	}
	return wrong;
}

/* Every order of the events that are not in @used, after one that led to @state. */
static bool some_order(const struct rules *rules, const struct event *event, uint32_t count,
		       uint32_t used, uint32_t state)
{
	uint32_t i, j;

	if (used == (1u << count) - 1)
		return true;
	for (i = 0; i < count; i++) {
		uint32_t next = state;
		bool too_early = used >> i & 1;

		for (j = 0; j < count && !too_early; j++)
			too_early = !(used >> j & 1) && event[j].ended < event[i].began;
		if (!too_early && judge_apply(rules, &event[i], &next) &&
		    some_order(rules, event, count, used | 1u << i, next))
			return true;
	}
	return false;
}

/* Threads in turn begin and end operations with results out of a hat. */
static uint32_t random_history(struct event *event, uint64_t *rng)
{
	const uint32_t threads = 2 + (uint32_t)rng_below(rng, 2);
	uint32_t count = 0, puts = 0, open[3], t;
	bool in_call[3] = {false, false, false};
	uint64_t now = 0;

	while (count < 7 || in_call[0] || in_call[1] || in_call[2]) {
		t = (uint32_t)rng_below(rng, threads);
		if (in_call[t]) {
			event[open[t]].ended = ++now;
			in_call[t] = false;
		} else if (count < 7) {
			struct event *e = &event[count];

			*e = (struct event){.began = ++now, .worker = (uint8_t)t};
			e->kind = (uint8_t)rng_below(rng, 5);
			if (e->kind == EVENT_PUT) {
				e->version = ++puts;
				e->result = rng_below(rng, 4) ? 0 : REFUSED;
			} else if (e->kind == EVENT_GET && rng_below(rng, 2)) {
				e->version = 1 + (uint32_t)rng_below(rng, puts + 1);
			} else if (e->kind == EVENT_GET) {
				e->result = MISS;
			} else {
				e->result = (int32_t)rng_below(rng, 2);
			}
			open[t] = count++;
			in_call[t] = true;
		}
	}
	return count;
}

static unsigned int run_random(struct judge *judge)
{
	static const struct rules *const all[] = {&persistent, &ephemeral, &evicting};
	uint64_t rng = 1;
	uint32_t i, holding = 0, wrong = 0;
	const uint32_t rounds = 30000;

	for (i = 0; i < rounds; i++) {
		const struct rules *rules = all[i % 3];
		struct event event[7];
		uint32_t count = random_history(event, &rng);
		bool holds = some_order(rules, event, count, 0, VERSION_NONE);
		struct verdict verdict;

		judge_history(judge, rules, event, count, &verdict);
		holding += holds;
		wrong += verdict.holds != holds;
		if (verdict.holds != (verdict.placed == count))
			wrong++;
	}
	printf("%u of %u random histories hold\n", holding, rounds);
	/* Too few of one kind, and the comparison says little about it. */
	if (holding < rounds / 20 || holding > rounds - rounds / 20 || wrong) {
		printf("FAIL  random histories: %u verdicts differ from the trial of all orders\n",
		       wrong);
		return 1;
	}
	printf("ok    random histories against the trial of all orders\n");
	return 0;
}

/* Forty operations side by side: only what is looked at once only ends. */
static unsigned int run_wide(struct judge *judge)
{
	struct event event[40];
	struct verdict verdict;
	uint32_t i;

	for (i = 0; i < 40; i++) {
		event[i] = (struct event){.began = 1 + i % 4 + i / 4 * 8, .kind = EVENT_FLUSH};
		event[i].ended = event[i].began + 4;
		if (i % 4 == 0) {
			event[i].kind = EVENT_PUT;
			event[i].version = i + 1;
		} else if (i % 4 == 1) {
			event[i].result = 1;
		}
	}
	judge_history(judge, &persistent, event, 40, &verdict);
	MUST(verdict.holds);
	/* And with one page too few for what was found. */
	event[36].result = REFUSED;
	judge_history(judge, &persistent, event, 40, &verdict);
	MUST(!verdict.holds);
	MUST_LE(verdict.configurations, 10000);
	printf("ok    forty operations, %" PRIu64 " configurations\n", verdict.configurations);
	return 0;
}

int main(void)
{
	struct judge *judge = judge_create();
	unsigned int wrong = run_known(judge);

	wrong += run_random(judge);
	wrong += run_wide(judge);
	judge_destroy(judge);
	return wrong != 0;
}
