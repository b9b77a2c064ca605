// SPDX-License-Identifier: MIT
/*
 * Who is served when, counted in pages: clients that always want more have
 * equal shares, whoever comes up waits for nobody's but the part that is being
 * served, and cannot make anything of coming up again and again. Two other
 * orders, each good for some of that, must be found out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "turns.h"

#define FLOODS 10
#define ROUNDS 1000

static uint64_t served; /* pages of all */

struct client {
	struct turn turn;
	uint32_t wants; /* pages */
	uint64_t pages; /* that it was served */
	uint32_t looks;
	bool polled;	      /* it wants to be looked at, whether or not there is something */
	bool ends;	      /* with its first turn */
	struct client *wakes; /* comes up while this one is being served */
	uint64_t woken_at;    /* pages of all, when it came up */
	uint64_t waited;      /* pages of others since then, when it was served */
};

static enum turn_end on_turn(struct turn *turn, uint32_t *budget)
{
	struct client *client = (struct client *)(void *)turn;
	uint32_t pages = client->wants < *budget ? client->wants : *budget;

	client->looks++;
	client->waited = served - client->woken_at;
	client->pages += pages;
	client->wants -= pages;
	served += pages;
	*budget -= pages;
	if (client->wakes) {
		client->wakes->wants = 1;
		client->wakes->woken_at = served;
		turn_want(&client->wakes->turn);
		client->wakes = NULL;
	}
	if (client->ends) {
		turn_leave(&client->turn);
		free(client);
		return TURN_GONE;
	}
	return client->wants || client->polled ? TURN_MORE : TURN_IDLE;
}

static struct client *client_create(struct turns *turns, uint32_t wants)
{
	struct client *client = calloc(1, sizeof(*client));

	turn_init(&client->turn, turns, on_turn);
	client->wants = wants;
	client->woken_at = served;
	if (wants)
		turn_want(&client->turn);
	return client;
}

static void floods_create(struct turns *turns, struct client *floods[FLOODS])
{
	int i;

	turns_init(turns);
	for (i = 0; i < FLOODS; i++)
		floods[i] = client_create(turns, UINT32_MAX);
}

static void floods_free(struct client *floods[FLOODS])
{
	int i;

	for (i = 0; i < FLOODS; i++) {
		turn_leave(&floods[i]->turn);
		free(floods[i]);
	}
}

typedef bool round_of(struct turns *turns);

/* Each in its place, with all that a queue may have. */
static bool in_order(struct turns *turns)
{
	struct link *link, *next;

	for (link = turns->fresh.next; link != &turns->fresh; link = next) {
		struct turn *turn =
			(struct turn *)(void *)((char *)link - offsetof(struct turn, link));
		uint32_t budget = 64;

		next = link->next;
		if (turn->serve(turn, &budget) == TURN_IDLE)
			link_out(link);
	}
	return true;
}

/* Who comes up comes first, whatever it had before. */
static bool newest_first(struct turns *turns)
{
	struct link *link;

	for (;;) {
		bool fresh = link_is_in(&turns->fresh);
		uint32_t budget = TURNS_PART;
		struct turn *turn;

		link = fresh ? turns->fresh.next : turns->busy.next;
		turn = (struct turn *)(void *)((char *)link - offsetof(struct turn, link));
		link_out(link);
		if (turn->serve(turn, &budget) == TURN_MORE)
			link_last(&turns->busy, link);
		if (!fresh)
			return true;
	}
}

/* Whether floods have as many pages each, give or take a part of @part pages. */
static bool shares_are_equal(round_of *round, uint32_t part)
{
	struct client *floods[FLOODS];
	uint64_t least = UINT64_MAX, most = 0;
	struct turns turns;
	int i;

	floods_create(&turns, floods);
	for (i = 0; i < ROUNDS; i++)
		assert_true(round(&turns));
	for (i = 0; i < FLOODS; i++) {
		least = floods[i]->pages < least ? floods[i]->pages : least;
		most = floods[i]->pages > most ? floods[i]->pages : most;
	}
	floods_free(floods);
	return least && most - least <= part;
}

/* Whether one that comes up while a flood is being served is the next one. */
static bool light_is_next(round_of *round)
{
	struct client *floods[FLOODS], *light;
	struct turns turns;
	uint64_t most = 0;
	int i, j;

	floods_create(&turns, floods);
	light = client_create(&turns, 0);
	for (i = 0; i < FLOODS; i++) {
		/* It was away long enough for all of them to have had their part. */
		for (j = 0; j < FLOODS + 2; j++)
			round(&turns);
		light->looks = 0;
		floods[i]->wakes = light;
		while (!light->looks)
			round(&turns);
		most = light->waited > most ? light->waited : most;
	}
	turn_leave(&light->turn);
	free(light);
	floods_free(floods);
	return most == 0;
}

/* Whether asking for a part at a time, again and again, brings no more than others have. */
static bool asking_again_is_no_use(round_of *round)
{
	struct client *floods[FLOODS], *asking;
	struct turns turns;
	uint64_t its, theirs;
	int i;

	floods_create(&turns, floods);
	asking = client_create(&turns, 0);
	for (i = 0; i < ROUNDS; i++) {
		asking->wants = TURNS_PART;
		turn_want(&asking->turn);
		round(&turns);
	}
	its = asking->pages;
	theirs = floods[0]->pages;
	turn_leave(&asking->turn);
	free(asking);
	floods_free(floods);
	return its <= theirs + 2 * TURNS_PART && its + 2 * TURNS_PART >= theirs;
}

static void floods_have_equal_shares(void **state)
{
	assert_true(shares_are_equal(turns_round, TURNS_PART));
	assert_true(shares_are_equal(in_order, 64));
}

static void who_comes_up_is_next(void **state)
{
	assert_true(light_is_next(turns_round));
	assert_true(light_is_next(newest_first));
	/* The control. */
	assert_false(light_is_next(in_order));
}

static void coming_up_again_is_no_use(void **state)
{
	assert_true(asking_again_is_no_use(turns_round));
	/* The control. */
	assert_false(asking_again_is_no_use(newest_first));
}

/* Two who want little are both served in the round in which they came up, each one part. */
static void all_who_came_up_are_served(void **state)
{
	struct client *floods[FLOODS], *one, *other;
	struct turns turns;

	floods_create(&turns, floods);
	turns_round(&turns);
	one = client_create(&turns, 3);
	other = client_create(&turns, TURNS_PART + 1);
	turns_round(&turns);
	assert_int_equal(one->pages, 3);
	assert_int_equal(other->pages, TURNS_PART);
	/* What is left of it comes with the others' next parts. */
	for (int i = 0; i < FLOODS + 2; i++)
		turns_round(&turns);
	assert_int_equal(other->pages, TURNS_PART + 1);
	turn_leave(&one->turn);
	turn_leave(&other->turn);
	free(one);
	free(other);
	floods_free(floods);
}

/* A ring that is polled is looked at in each round, and takes nobody's turn. */
static void looking_is_not_serving(void **state)
{
	struct client *floods[FLOODS], *polled;
	struct turns turns;
	uint32_t looks;
	uint64_t before;
	int i;

	floods_create(&turns, floods);
	polled = client_create(&turns, 1);
	polled->polled = true;
	for (i = 0; i < FLOODS + 2; i++)
		turns_round(&turns);
	looks = polled->looks;
	before = served;
	for (i = 0; i < FLOODS; i++)
		turns_round(&turns);
	assert_true(polled->looks > looks);
	assert_int_equal(served - before, FLOODS * TURNS_PART);
	turn_leave(&polled->turn);
	free(polled);
	floods_free(floods);
}

static void nobody_left_is_nothing_to_do(void **state)
{
	struct turns turns;
	struct client *one;

	turns_init(&turns);
	assert_false(turns_round(&turns));
	one = client_create(&turns, 2 * TURNS_PART + 1);
	while (turns_round(&turns))
		;
	assert_int_equal(one->pages, 2 * TURNS_PART + 1);
	assert_false(turns_round(&turns));
	free(one);
}

/* Ends in its own turn, and in another's; a sanitizer sees whoever is touched after that. */
static void ends_in_the_middle(void **state)
{
	struct client *floods[FLOODS], *one;
	struct turns turns;
	int i;

	floods_create(&turns, floods);
	for (i = 0; i < 20; i++) {
		client_create(&turns, 5)->ends = true;
		turns_round(&turns);
	}
	one = client_create(&turns, 5);
	turn_leave(&one->turn);
	free(one);
	turns_round(&turns);
	floods_free(floods);
	assert_false(turns_round(&turns));
}

static void everybody_has_one_part(void **state)
{
	struct client *floods[FLOODS];
	struct turns turns;
	int i;

	floods_create(&turns, floods);
	turns_everybody(&turns);
	for (i = 0; i < FLOODS; i++)
		assert_int_equal(floods[i]->pages, TURNS_PART);
	turns_everybody(&turns);
	for (i = 0; i < FLOODS; i++)
		assert_int_equal(floods[i]->pages, 2 * TURNS_PART);
	floods_free(floods);
}

static uint64_t fake_time;

static uint64_t fake_clock(void)
{
	return fake_time;
}

/*
 * Floods with a limit of ten pages a millisecond, and two without: in @ms
 * milliseconds, each of up to 100 rounds as long as there is something.
 */
static void limited_for(struct turns *turns, struct client *floods[FLOODS], uint32_t ms)
{
	uint32_t i, rounds;

	fake_time = 1000000000;
	floods_create(turns, floods);
	turns->clock = fake_clock;
	for (i = 0; i < FLOODS - 2; i++)
		turn_limit(&floods[i]->turn, 4096 * 10000);
	for (i = 0; i < ms; i++) {
		for (rounds = 0; rounds < 100 && turns_round(turns); rounds++)
			;
		fake_time += 1000000;
	}
}

static void a_limit_is_kept_and_is_no_one_else_s(void **state)
{
	struct client *floods[FLOODS];
	struct turns turns;
	uint32_t i;

	limited_for(&turns, floods, 100);
	/* 10 a millisecond, and 101 that were saved; waiting for a part and to the next millisecond. */
	for (i = 0; i < FLOODS - 2; i++)
		assert_in_range(floods[i]->pages, 10 * 97, 10 * 100 + 101);
	/* The control: who has no limit has what is left of the rounds. */
	for (i = FLOODS - 2; i < FLOODS; i++)
		assert_true(floods[i]->pages > 40 * TURNS_PART * 100);
	floods_free(floods);
}

static void who_rests_is_slept_for(void **state)
{
	struct turns turns;
	struct client *one;
	uint32_t looks, ms;
	int sleep;

	fake_time = 1000000000;
	turns_init(&turns);
	turns.clock = fake_clock;
	assert_int_equal(turns_sleep(&turns), -1);
	one = client_create(&turns, UINT32_MAX);
	turn_limit(&one->turn, 4096 * 1000);
	while (turns_round(&turns))
		;
	looks = one->looks;
	/* Nobody looks at it: not in rounds that others need, and not because it is asked for. */
	sleep = turns_sleep(&turns);
	assert_in_range(sleep, 1, 20);
	turn_want(&one->turn);
	assert_false(turns_round(&turns));
	assert_int_equal(one->looks, looks);
	for (ms = 0; one->looks == looks; ms++) {
		assert_true(ms <= 20);
		fake_time += 1000000;
		(void)turns_round(&turns);
	}
	assert_true(ms >= 10);
	/* A limit that is lifted ends the rest. */
	while (turns_round(&turns))
		;
	turn_limit(&one->turn, 0);
	assert_true(turns_round(&turns));
	assert_true(turns_round(&turns));
	turn_leave(&one->turn);
	while (turns_round(&turns))
		;
	fake_time += 1000000000;
	assert_false(turns_round(&turns));
	assert_int_equal(turns_sleep(&turns), -1);
	free(one);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(floods_have_equal_shares),
		cmocka_unit_test(who_comes_up_is_next),
		cmocka_unit_test(coming_up_again_is_no_use),
		cmocka_unit_test(all_who_came_up_are_served),
		cmocka_unit_test(looking_is_not_serving),
		cmocka_unit_test(nobody_left_is_nothing_to_do),
		cmocka_unit_test(ends_in_the_middle),
		cmocka_unit_test(everybody_has_one_part),
		cmocka_unit_test(a_limit_is_kept_and_is_no_one_else_s),
		cmocka_unit_test(who_rests_is_slept_for),
	};

	return cmocka_run_group_tests_name("turns", cases, NULL, NULL);
}
