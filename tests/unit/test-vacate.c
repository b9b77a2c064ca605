/* SPDX-License-Identifier: MIT */
/*
 * After a fall in demand extents are emptied into the room of others and
 * given back: how much comes back, in which steps, and that nothing else can
 * tell. With --planted what is to be shown is not so, and each case fails:
 * the background steps, which do it, are left out.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <tmem/engine.h>
#include <unistd.h>

#include "must.h"
#include "page.h"
#include "rig.h"

#define PAGES 6000u
#define MIB   (1u << 20)

static const struct rig_setup setup = {.capacity = 64u << 20, .seed = 1};

static bool planted; /* no step is taken */

static struct tmem_handle handle(uint32_t pool, uint32_t i)
{
	return rig_handle(pool, i / 50, i % 50);
}

static struct tmem_stats all(struct rig *rig)
{
	return rig_stats(rig, -1, -1);
}

static void settle(struct rig *rig)
{
	if (!planted)
		rig_settle(rig);
	rig_check(rig);
}

static void fill(struct rig *rig, int client, uint32_t pool, enum page_kind kind, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		MUST_EQ(rig_put(rig, client, handle(pool, i), page_tag(kind, i)), 0);
}

/* Of 100 pages @share leave, at random. Which is known from the number of the page. */
static bool leaves(uint32_t i, uint32_t share)
{
	uint64_t state = i * 77u + 1;

	return rng_below(&state, 100) < share;
}

static void thin_out(struct rig *rig, int client, uint32_t pool, uint32_t count, uint32_t share)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (leaves(i, share))
			MUST_EQ(rig_flush(rig, client, handle(pool, i)), 1);
}

static void must_have_the_rest(struct rig *rig, int client, uint32_t pool, enum page_kind kind,
			       uint32_t count, uint32_t share)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		MUST_EQ(rig_get(rig, client, handle(pool, i), page_tag(kind, i)) == 1,
			!leaves(i, share));
}

static void comes_back(enum page_kind kind, uint8_t codec, uint32_t least)
{
	struct rig *rig = rig_start(&backend_engine, &setup);
	int client = rig_client(rig, 0);
	uint32_t pool = rig_pool(rig, client, 0);
	struct tmem_stats full, half;
	uint64_t before, freed;

	MUST_EQ(rig->backend->set_codec(rig, client, codec), 0);
	fill(rig, client, pool, kind, PAGES);
	settle(rig);
	full = all(rig);
	before = rig->backend->host_bytes(rig);
	thin_out(rig, client, pool, PAGES, 50);
	freed = full.ephemeral_bytes - all(rig).ephemeral_bytes;
	settle(rig);
	half = all(rig);
	printf("      %u of 100 bytes that became free were given back, for %u pages moved of %u\n",
	       (unsigned int)((before - rig->backend->host_bytes(rig)) * 100 / freed),
	       (unsigned int)half.pages_moved, (unsigned int)half.ephemeral_pages);
	MUST((before - rig->backend->host_bytes(rig)) * 100 >= freed * least);
	MUST_EQ(half.pages_dropped, 0);
	MUST_EQ(half.evicted, 0);
	/* Each page that left has let at most one other move. */
	MUST_LE(half.pages_moved, PAGES - half.ephemeral_pages);
	must_have_the_rest(rig, client, pool, kind, PAGES, 50);
	rig_stop(rig);
}

static void raw_pages_come_together(void)
{
	comes_back(PAGE_RANDOM, TMEM_CODEC_RAW, 90);
}

static void coded_pages_come_together(void)
{
	comes_back(PAGE_TEXT, TMEM_CODEC_LZ4, 90);
}

static void mixed_pages_come_together(void)
{
	comes_back(PAGE_ANY, TMEM_CODEC_LZ4, 80);
}

/* Pages were leaving until now: that is seen first, and nothing moves for it. */
static void must_be_over(struct rig *rig)
{
	uint64_t moved = all(rig).pages_moved;

	while (!planted && rig->backend->step(rig, 0, 64))
		;
	MUST_EQ(all(rig).pages_moved, moved);
}

static void every_step_is_small(void)
{
	struct rig *rig = rig_start(&backend_engine, &setup);
	int client = rig_client(rig, 0);
	uint32_t pool = rig_pool(rig, client, 0), steps = 0;
	uint64_t moved, bytes;

	fill(rig, client, pool, PAGE_RANDOM, PAGES);
	settle(rig);
	thin_out(rig, client, pool, PAGES, 50);
	must_be_over(rig);
	do {
		moved = all(rig).pages_moved;
		bytes = all(rig).extent_bytes;
		if (planted || !rig->backend->step(rig, 0, 1))
			break;
		MUST_LE(all(rig).pages_moved - moved, 16);
		MUST_LE(bytes - all(rig).extent_bytes, 16u * 65536u);
		if (++steps % 64 == 0)
			rig_check(rig);
	} while (steps < 100000);
	MUST(steps > PAGES / 4 / 16);
	MUST(all(rig).pages_moved > PAGES / 6);
	must_have_the_rest(rig, client, pool, PAGE_RANDOM, PAGES, 50);
	rig_stop(rig);
}

/* What is less than a quarter is left for the next puts, and no page moves for it. */
static void a_small_fall_moves_nothing(void)
{
	struct rig *rig = rig_start(&backend_engine, &setup);
	int client = rig_client(rig, 0);
	uint32_t pool = rig_pool(rig, client, 0);

	fill(rig, client, pool, PAGE_RANDOM, PAGES);
	settle(rig);
	thin_out(rig, client, pool, PAGES, 12);
	settle(rig);
	MUST_EQ(all(rig).pages_moved, 0);
	rig_stop(rig);
}

static void little_by_little_is_a_fall_too(void)
{
	struct rig *rig = rig_start(&backend_engine, &setup);
	int client = rig_client(rig, 0);
	uint32_t pool = rig_pool(rig, client, 0), i;

	fill(rig, client, pool, PAGE_RANDOM, PAGES);
	settle(rig);
	for (i = 0; i < PAGES / 2; i++) {
		MUST_EQ(rig_flush(rig, client, handle(pool, i * 2)), 1);
		if (i % 10 == 0 && !planted)
			rig->backend->step(rig, 0, 4);
	}
	settle(rig);
	MUST(all(rig).pages_moved > PAGES / 8);
	MUST_LE(all(rig).pages_moved, PAGES / 2);
	MUST_LE(all(rig).extent_bytes, (uint64_t)PAGES * 4096 * 3 / 4);
	rig_stop(rig);
}

/* While many leave from one look to the next, where the rest will lie is not known. */
static void nothing_moves_before_the_fall_is_over(void)
{
	struct rig *rig = rig_start(&backend_engine, &setup);
	int client = rig_client(rig, 0);
	uint32_t pool = rig_pool(rig, client, 0), i;

	fill(rig, client, pool, PAGE_RANDOM, PAGES);
	settle(rig);
	for (i = 0; i < PAGES * 3 / 4; i++) {
		MUST_EQ(rig_flush(rig, client, handle(pool, i * 7 % PAGES)), 1);
		if (i % 100 == 99)
			must_be_over(rig);
	}
	MUST_EQ(all(rig).pages_moved, 0);
	settle(rig);
	MUST(all(rig).pages_moved > PAGES / 8);
	rig_stop(rig);
}

/* Nor when the room is being filled again. */
static void nothing_moves_while_a_heap_fills_up(void)
{
	struct rig *rig = rig_start(&backend_engine, &setup);
	int client = rig_client(rig, 0);
	uint32_t pool = rig_pool(rig, client, 0), i;

	fill(rig, client, pool, PAGE_RANDOM, PAGES);
	settle(rig);
	thin_out(rig, client, pool, PAGES, 80);
	for (i = PAGES; i < PAGES + PAGES * 3 / 4; i++) {
		MUST_EQ(rig_put(rig, client, handle(pool, i), page_tag(PAGE_RANDOM, i)), 0);
		if (i % 100 == 99)
			must_be_over(rig);
	}
	MUST_EQ(all(rig).pages_moved, 0);
	rig_stop(rig);
}

/* As many come as leave, and none of them need the room: it was there before, and still is. */
static void trickle(struct rig *rig, int client, uint32_t pool)
{
	uint64_t before, moved = all(rig).pages_moved;
	uint32_t i;

	fill(rig, client, pool, PAGE_RANDOM, PAGES);
	settle(rig);
	thin_out(rig, client, pool, PAGES, 50);
	before = rig->backend->host_bytes(rig);
	for (i = PAGES; i < 3 * PAGES; i++) {
		MUST_EQ(rig_put(rig, client, handle(pool, i), page_tag(PAGE_RANDOM, i)), 0);
		if (i < PAGES + 50)
			continue;
		MUST_EQ(rig_flush(rig, client, handle(pool, i - 50)), 1);
		if (i % 20 == 0 && !planted)
			rig->backend->step(rig, 0, 4);
		if (i == PAGES + PAGES / 4)
			MUST_EQ(all(rig).pages_moved, moved);
	}
	MUST_LE(rig->backend->host_bytes(rig) + (uint64_t)PAGES / 2 * 4096 * 8 / 10, before);
	MUST_LE(all(rig).pages_moved, moved + PAGES);
	must_have_the_rest(rig, client, pool, PAGE_RANDOM, PAGES, 50);
	for (i -= 50; i < 3 * PAGES; i++)
		MUST_EQ(rig_flush(rig, client, handle(pool, i)), 1);
}

static void a_trickle_without_end_holds_nothing_up(void)
{
	struct rig *rig = rig_start(&backend_engine, &setup);
	int client = rig_client(rig, 0);
	uint32_t pool = rig_pool(rig, client, 0);

	trickle(rig, client, pool);
	trickle(rig, client, pool);
	rig_stop(rig);
}

/* Moved or not, the page that was put first goes first. */
static void put_order_outlives_moving(void)
{
	struct rig_setup small = setup;
	struct rig *rig;
	uint32_t pool, i, lost = 0, late = 0, left = 0;
	int client;

	small.capacity = 28 * MIB;
	rig = rig_start(&backend_engine, &small);
	client = rig_client(rig, 0);
	pool = rig_pool(rig, client, 0);
	fill(rig, client, pool, PAGE_RANDOM, PAGES);
	thin_out(rig, client, pool, PAGES, 50);
	settle(rig);
	MUST(all(rig).pages_moved > PAGES / 6);
	for (i = 0; all(rig).evicted + all(rig).pages_dropped < 500; i++)
		MUST_EQ(rig_put(rig, client, rig_handle(pool, 999999, i), page_tag(PAGE_RANDOM, i)),
			0);
	rig_check(rig);
	for (i = 0; i < PAGES; i++) {
		if (leaves(i, 50))
			continue;
		left++;
		if (rig_get(rig, client, handle(pool, i), page_tag(PAGE_RANDOM, i)) == 1)
			continue;
		lost++;
		late += i > 3 * PAGES / 4;
	}
	MUST(lost >= 500 && lost < left);
	/* Whole extents go too, so it is not exact; backwards it would be most of them. */
	MUST_LE(late, lost / 10);
	rig_stop(rig);
}

/* Steps until pages are on their way out of many extents. */
static void begin_moving(struct rig *rig)
{
	uint32_t looks = 0;

	/* Of two clients each is seen to rest by itself. */
	while (!planted && all(rig).pages_moved < 100)
		if (!rig->backend->step(rig, 0, 1))
			MUST(++looks <= 2);
	MUST(all(rig).pages_moved >= 100);
}

/* Demand that comes back has all the room that was there, whatever is being emptied. */
static void puts_have_the_room_back(void)
{
	struct rig *rig = rig_start(&backend_engine, &setup);
	int client = rig_client(rig, 0);
	uint32_t pool = rig_pool(rig, client, 0), i;
	uint64_t bytes, room;

	fill(rig, client, pool, PAGE_RANDOM, PAGES);
	settle(rig);
	thin_out(rig, client, pool, PAGES, 50);
	begin_moving(rig);
	bytes = all(rig).extent_bytes;
	room = bytes - all(rig).ephemeral_bytes;
	MUST(room > (uint64_t)PAGES * 4096 / 4);
	for (i = 0; i < room / 4112 * 9 / 10; i++)
		MUST_EQ(rig_put(rig, client, rig_handle(pool, 5000 + i / 50, i % 50),
				page_tag(PAGE_RANDOM, i)),
			0);
	MUST_LE(all(rig).extent_bytes, bytes);
	rig_check(rig);
	settle(rig);
	must_have_the_rest(rig, client, pool, PAGE_RANDOM, PAGES, 50);
	rig_stop(rig);
}

/* In the middle of it: memory is asked back, the client changes its mind, or ends. */
static void what_is_being_emptied_may_go(void)
{
	struct rig *rig = rig_start(&backend_engine, &setup);
	int client = rig_client(rig, 0), other = rig_client(rig, 0);
	uint32_t pool = rig_pool(rig, client, 0), theirs = rig_pool(rig, other, 0), i;

	fill(rig, client, pool, PAGE_RANDOM, PAGES);
	fill(rig, other, theirs, PAGE_RANDOM, PAGES);
	settle(rig);
	thin_out(rig, client, pool, PAGES, 50);
	thin_out(rig, other, theirs, PAGES, 60);
	begin_moving(rig);
	for (i = 0; i < 300; i++) {
		MUST(rig->backend->reclaim(rig, 0, 65536) > 0);
		if (i % 8 == 0) {
			rig_check(rig);
			rig->backend->step(rig, 0, 1);
		}
	}
	MUST_EQ(rig->backend->pool_destroy(rig, 0, client, pool), 0);
	rig->backend->step(rig, 0, 3);
	rig_check(rig);
	rig->backend->client_destroy(rig, 0, other);
	rig->backend->step(rig, 0, 3);
	rig_check(rig);
	settle(rig);
	MUST_EQ(all(rig).ephemeral_pages, 0);
	rig_stop(rig);
}

static void shared_pools_too(void)
{
	struct rig *rig = rig_start(&backend_engine, &setup);
	const uint64_t uuid[2] = {1, 2};
	const struct tmem_pool_config config = {
		.size = sizeof(config), .flags = TMEM_POOL_SHARED, .uuid = {1, 2}};
	int client = rig_client(rig, 0), pool;
	uint64_t before;

	MUST_EQ(rig->backend->set_codec(rig, client, TMEM_CODEC_LZ4), 0);
	MUST_EQ(rig->backend->grant(rig, client, uuid), 0);
	pool = rig->backend->pool_create(rig, 0, client, &config);
	MUST(pool >= 0);
	fill(rig, client, (uint32_t)pool, PAGE_TEXT, PAGES);
	settle(rig);
	before = all(rig).extent_bytes;
	thin_out(rig, client, (uint32_t)pool, PAGES, 50);
	settle(rig);
	MUST_LE(all(rig).extent_bytes, before * 6 / 10);
	must_have_the_rest(rig, client, (uint32_t)pool, PAGE_TEXT, PAGES, 50);
	must_have_the_rest(rig, client, (uint32_t)pool, PAGE_TEXT, PAGES, 50);
	rig_stop(rig);
}

/* They are lent when nobody puts, had back, and lent again when they are full. */
static void lent_extents_are_had_back(void)
{
	struct rig_setup lending = setup;
	struct rig *rig;
	struct tmem_stats full, half;
	uint32_t pool;
	int client;

	lending.lend = true;
	rig = rig_start(&backend_engine, &lending);
	client = rig_client(rig, 0);
	pool = rig_pool(rig, client, 0);
	fill(rig, client, pool, PAGE_RANDOM, PAGES);
	settle(rig);
	full = all(rig);
	MUST(planted || full.lent_bytes > full.extent_bytes * 9 / 10);
	thin_out(rig, client, pool, PAGES, 50);
	settle(rig);
	half = all(rig);
	MUST(half.extents_kept > full.extents_lent / 2);
	MUST_LE(half.extent_bytes, full.extent_bytes * 56 / 100);
	MUST(half.lent_bytes > half.extent_bytes * 9 / 10);
	must_have_the_rest(rig, client, pool, PAGE_RANDOM, PAGES, 50);
	rig_stop(rig);
}

static const struct {
	const char *name;
	void (*run)(void);
	bool negative; /* it shows what does not happen: nothing to be planted */
} cases[] = {
	{"raw pages come together", raw_pages_come_together, false},
	{"coded pages come together", coded_pages_come_together, false},
	{"mixed pages come together", mixed_pages_come_together, false},
	{"every step is small", every_step_is_small, false},
	{"a small fall moves nothing", a_small_fall_moves_nothing, true},
	{"little by little is a fall too", little_by_little_is_a_fall_too, false},
	{"nothing moves before the fall is over", nothing_moves_before_the_fall_is_over, false},
	{"nothing moves while a heap fills up", nothing_moves_while_a_heap_fills_up, true},
	{"a trickle without end holds nothing up", a_trickle_without_end_holds_nothing_up, false},
	{"put order outlives moving", put_order_outlives_moving, false},
	{"puts have the room back", puts_have_the_room_back, false},
	{"what is being emptied may go", what_is_being_emptied_may_go, false},
	{"shared pools too", shared_pools_too, false},
	{"lent extents are had back", lent_extents_are_had_back, false},
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

/* Whether the case fails in a process of its own where no step is taken. */
static bool fails_without_steps(uint32_t i)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		if (!freopen("/dev/null", "w", stderr) || !freopen("/dev/null", "w", stdout))
			_exit(2);
		planted = true;
		cases[i].run();
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		FAIL("no process for a control");
	return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

int main(void)
{
	uint32_t i;

	for (i = 0; i < CASES; i++) {
		snprintf(must_context, sizeof(must_context), "%s", cases[i].name);
		cases[i].run();
		printf("ok    %s\n", cases[i].name);
		fflush(stdout);
	}
	for (i = 0; i < CASES; i++) {
		if (cases[i].negative)
			continue;
		if (!fails_without_steps(i))
			FAIL("without steps, too: %s", cases[i].name);
		printf("ok    not without steps: %s\n", cases[i].name);
	}
	return 0;
}
