/* SPDX-License-Identifier: MIT */
/*
 * What a smaller allocation does not need goes back to the host, wherever the
 * pages lie that stay: how much, in which steps, and that no put within the
 * allocation is refused for it. With --planted what is to be shown is not so,
 * and each case fails: the background steps, which do it, are left out.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <tmem/engine.h>
#include <unistd.h>

#include "must.h"
#include "page.h"
#include "rig.h"

#define MIB	   (1u << 20)
#define ALLOCATION (24u * MIB)
#define OBJECT	   256u	  /* four groups */
#define MOST	   12000u /* pages that are put, at most */

static const struct rig_setup setup = {.capacity = 96u * MIB, .seed = 1};

static bool planted; /* no step is taken */

/* A client with a persistent pool, and what was put into it. */
struct scene {
	struct rig *rig;
	int client;
	uint32_t pool;
	uint32_t count;
	uint64_t tag[MOST]; /* 0: flushed */
	bool small[MOST];
};

static struct scene scene; /* too large for a stack */

static struct tmem_handle handle(uint32_t i)
{
	return rig_handle(scene.pool, i / OBJECT, i % OBJECT);
}

static struct tmem_stats figures(void)
{
	return rig_stats(scene.rig, scene.client, -1);
}

static uint32_t step(uint32_t budget)
{
	return planted ? 0 : scene.rig->backend->step(scene.rig, 0, budget);
}

static void settle(void)
{
	while (step(1024))
		;
	rig_check(scene.rig);
}

static int put(uint32_t i, enum page_kind kind, uint32_t version)
{
	uint64_t tag = page_tag(kind, (uint64_t)version * MOST + i + 1);
	int result = rig_put(scene.rig, scene.client, handle(i), tag);

	scene.tag[i] = result ? 0 : tag;
	return result;
}

static int set_allocation(uint64_t bytes)
{
	return scene.rig->backend->set_allocation(scene.rig, scene.client, bytes);
}

/* What a client has that never had another allocation. */
static uint64_t extents_of(uint64_t allocation)
{
	int other = rig_client(scene.rig, allocation);
	uint64_t bytes = rig_stats(scene.rig, other, -1).extent_bytes;

	scene.rig->backend->client_destroy(scene.rig, 0, other);
	while (scene.rig->backend->step(scene.rig, 0, 1) &&
	       rig_stats(scene.rig, -1, -1).allocation != figures().allocation)
		;
	return bytes;
}

static enum page_kind kind_of(enum page_kind kind, uint32_t i)
{
	return kind != PAGE_ANY ? kind : i % 2 ? PAGE_RANDOM : PAGE_TEXT;
}

/* Pages of @kind (PAGE_ANY: two kinds in turn) until the allocation is full. */
static void begin_in(enum page_kind kind, uint32_t extent_size)
{
	struct rig_setup sized = setup;

	sized.extent_size = extent_size;
	memset(&scene, 0, sizeof(scene));
	scene.rig = rig_start(&backend_engine, &sized);
	scene.client = rig_client(scene.rig, ALLOCATION);
	scene.pool = rig_pool(scene.rig, scene.client, TMEM_POOL_PERSISTENT);
	MUST_EQ(scene.rig->backend->set_codec(scene.rig, scene.client, TMEM_CODEC_LZ4), 0);
	while (!put(scene.count, kind_of(kind, scene.count), 0))
		MUST(++scene.count < MOST);
}

static void begin(enum page_kind kind)
{
	begin_in(kind, 0);
}

/* Of 100 pages @share leave, at random. */
static void thin_out(uint32_t share)
{
	uint64_t state = 5;
	uint32_t i;

	for (i = 0; i < scene.count; i++)
		if (rng_below(&state, 100) < share && scene.tag[i]) {
			MUST_EQ(rig_flush(scene.rig, scene.client, handle(i)), 1);
			scene.tag[i] = 0;
		}
}

static void must_have_all(void)
{
	uint32_t i;

	for (i = 0; i < scene.count; i++)
		MUST_EQ(rig_get(scene.rig, scene.client, handle(i), scene.tag[i]),
			scene.tag[i] ? 1 : -TMEM_ENOENT);
}

/* To the last byte, and then each page again: none of it is refused for want of room. */
static void must_hold_what_it_promises(void)
{
	uint32_t i;

	for (i = 0; i < scene.count; i++)
		if (!scene.tag[i] && put(i, PAGE_RANDOM, 1))
			break;
	MUST_EQ(figures().puts_no_room, 0);
	MUST_LE(figures().allocation - figures().billed, 4112 + 4096);
	for (i = 0; i < scene.count; i++)
		if (page_kind_of(scene.tag[i]) == PAGE_RANDOM)
			MUST_EQ(put(i, PAGE_RANDOM, 2), 0);
	MUST_EQ(figures().puts_no_room, 0);
	must_have_all();
}

static void end(void)
{
	rig_stop(scene.rig);
}

/* Half of the pages leave, and half of the allocation is given up. */
static void comes_back(enum page_kind kind)
{
	uint64_t before, held, needed;

	begin(kind);
	thin_out(52);
	settle();
	needed = extents_of(ALLOCATION / 2);
	before = figures().extent_bytes;
	held = scene.rig->backend->host_bytes(scene.rig);
	MUST_EQ(figures().pages_moved, 0);
	MUST_EQ(set_allocation(ALLOCATION / 2), 0);
	settle();
	printf("      %u of 100 bytes that were to come back did, for %u pages moved of %u\n",
	       (unsigned int)((before - figures().extent_bytes) * 100 / (before - needed)),
	       (unsigned int)figures().pages_moved, (unsigned int)figures().persistent_pages);
	MUST_LE((before - needed) * 95, (before - figures().extent_bytes) * 100);
	MUST_EQ(held - scene.rig->backend->host_bytes(scene.rig), before - figures().extent_bytes);
	/* The emptiest half of them. */
	MUST_LE(figures().pages_moved, figures().persistent_pages * 6 / 10);
	must_have_all();
	must_hold_what_it_promises();
	MUST_LE(figures().extent_bytes, needed);
	end();
}

static void raw_pages_leave_extents(void)
{
	comes_back(PAGE_RANDOM);
}

static void coded_pages_leave_extents(void)
{
	comes_back(PAGE_TEXT);
}

static void both_forms_leave_extents(void)
{
	comes_back(PAGE_ANY);
}

/* Large extents have little beside their pages: where all is full there are hardly holes for more. */
static void little_less_than_full(void)
{
	uint64_t least, needed;

	begin_in(PAGE_ANY, MIB);
	thin_out(15);
	/* Less would not hold what is there. */
	least = figures().billed;
	needed = extents_of(least);
	MUST_EQ(set_allocation(least - 1), -TMEM_ENOSPC);
	MUST_EQ(set_allocation(least), 0);
	settle();
	MUST_LE(figures().extent_bytes, needed);
	must_have_all();
	must_hold_what_it_promises();
	end();
}

/* What is free lies between pages that are larger: none of them finds a hole without a compaction. */
static void holes_are_too_small(void)
{
	const uint64_t allocation = 4u * MIB;
	uint64_t before, length;
	uint32_t i;

	begin_in(PAGE_TEXT, MIB / 4);
	thin_out(100);
	settle();
	MUST_EQ(set_allocation(allocation), 0);
	settle();
	for (i = 0;; i++) {
		before = figures().persistent_payload;
		if (put(i, PAGE_TEXT, 3))
			break;
		length = figures().persistent_payload - before;
		/* Of two neighbours one stays, so that no two holes become one. */
		scene.small[i] = length < 2600 && (!i || !scene.small[i - 1]);
	}
	for (i = 0; i < scene.count; i++)
		if (scene.tag[i] && scene.small[i]) {
			MUST_EQ(rig_flush(scene.rig, scene.client, handle(i)), 1);
			scene.tag[i] = 0;
		}
	before = figures().extent_bytes;
	MUST_EQ(set_allocation(figures().billed + 8192), 0);
	settle();
	MUST(figures().extents_compacted > 0);
	MUST(before > figures().extent_bytes + MIB / 2);
	must_have_all();
	must_hold_what_it_promises();
	end();
}

/* An extent that its own pages leave goes in the place of another one, whose pages then stay. */
static void what_empties_by_itself_goes_first(void)
{
	uint32_t i, spared = 0;
	uint64_t bytes;

	begin_in(PAGE_RANDOM, MIB / 4);
	thin_out(30);
	MUST_EQ(set_allocation(ALLOCATION * 8 / 10), 0);
	while (figures().pages_moved == 0 && step(1))
		;
	MUST(figures().pages_moved > 0);
	for (i = 0; i < scene.count / 2; i++) {
		if (!scene.tag[i])
			continue;
		bytes = figures().extent_bytes;
		MUST_EQ(rig_flush(scene.rig, scene.client, handle(i)), 1);
		scene.tag[i] = 0;
		spared += figures().extent_bytes < bytes;
		if (figures().extent_bytes < bytes)
			rig_check(scene.rig);
	}
	MUST(spared > 0);
	settle();
	MUST_LE(figures().extent_bytes, extents_of(ALLOCATION * 8 / 10));
	must_have_all();
	must_hold_what_it_promises();
	end();
}

static void each_step_is_small(void)
{
	uint64_t moved, bytes, compacted;
	uint32_t steps = 0;

	begin(PAGE_ANY);
	thin_out(52);
	MUST_EQ(set_allocation(ALLOCATION / 2), 0);
	do {
		moved = figures().pages_moved;
		bytes = figures().extent_bytes;
		compacted = figures().extents_compacted;
		if (!step(1))
			break;
		MUST_LE(figures().pages_moved - moved, 16);
		/* What they were the last pages of. */
		MUST_LE(bytes - figures().extent_bytes, 16u * 65536u);
		MUST_LE(figures().extents_compacted - compacted, 1);
		if (++steps % 16 == 0)
			rig_check(scene.rig);
	} while (steps < 100000);
	MUST(figures().pages_moved > 500);
	MUST(steps > figures().pages_moved / 16);
	must_have_all();
	end();
}

/* In the middle of it the client has all that it is to have: new pages, others again, fewer. */
static void puts_go_on_meanwhile(void)
{
	uint64_t state = 9;
	uint32_t i, n;

	begin(PAGE_ANY);
	thin_out(60);
	MUST_EQ(set_allocation(ALLOCATION / 2), 0);
	for (n = 0; n < 20000; n++) {
		i = (uint32_t)rng_below(&state, scene.count);
		if (scene.tag[i] && rng_below(&state, 3) == 0) {
			MUST_EQ(rig_flush(scene.rig, scene.client, handle(i)), 1);
			scene.tag[i] = 0;
		} else if (put(i, kind_of(PAGE_ANY, (uint32_t)rng_below(&state, 2)), n)) {
			MUST_LE(figures().allocation - figures().billed, 4112 + 4096);
		}
		if (n % 16 == 0)
			step(1);
		if (n % 256 == 0)
			rig_check(scene.rig);
	}
	MUST_EQ(figures().puts_no_room, 0);
	MUST(figures().pages_moved > 200);
	settle();
	must_have_all();
	must_hold_what_it_promises();
	MUST_LE(figures().extent_bytes, extents_of(ALLOCATION / 2));
	end();
}

/* Then what is being emptied is filled again, before the host is asked for more. */
static void allocation_grows_again(void)
{
	uint64_t bytes;
	uint32_t i;

	begin(PAGE_ANY);
	thin_out(52);
	bytes = figures().extent_bytes;
	for (i = 0; i < 6; i++) {
		MUST_EQ(set_allocation(ALLOCATION / 2), 0);
		step(20 + 40 * i);
		rig_check(scene.rig);
		MUST_EQ(set_allocation(ALLOCATION), 0);
		rig_check(scene.rig);
		MUST_LE(figures().extent_bytes, bytes);
		must_have_all();
	}
	MUST(figures().pages_moved > 500);
	must_hold_what_it_promises();
	settle();
	end();
}

/* Flushed ranges lie there until they are swept: their pages are found, and moved, by nobody. */
static void what_is_dying_goes_its_own_way(void)
{
	uint64_t moved;
	uint32_t i, j, met = 0;

	begin(PAGE_ANY);
	thin_out(45);
	MUST_EQ(set_allocation(ALLOCATION * 5 / 8), 0);
	for (i = 0; i + OBJECT <= scene.count; i += OBJECT) {
		moved = figures().pages_moved;
		MUST(rig_flush_range(scene.rig, scene.client, handle(i + 64), 128) >= 0);
		for (j = 64; j < 192; j++)
			scene.tag[i + j] = 0;
		met += figures().dying_objects > 0;
		step(2);
		MUST_LE(figures().pages_moved - moved, 32);
		if (i % (4 * OBJECT) == 0)
			rig_check(scene.rig);
	}
	MUST(met > 5);
	settle();
	must_have_all();
	MUST_LE(figures().extent_bytes, extents_of(ALLOCATION * 5 / 8));
	end();
}

/* The client, its pool or all of its allocation ends in the middle of it. */
static void what_is_being_emptied_may_end(void)
{
	uint32_t way;

	for (way = 0; way < 3; way++) {
		begin(PAGE_ANY);
		thin_out(52);
		MUST_EQ(set_allocation(ALLOCATION / 2), 0);
		step(220);
		rig_check(scene.rig);
		MUST(figures().pages_moved > 100);
		if (way == 0) {
			scene.rig->backend->client_destroy(scene.rig, 0, scene.client);
			step(3);
			rig_check(scene.rig);
		} else if (way == 1) {
			MUST_EQ(scene.rig->backend->pool_destroy(scene.rig, 0, scene.client,
								 scene.pool),
				0);
			step(3);
			rig_check(scene.rig);
			settle();
			MUST_EQ(figures().persistent_pages, 0);
			MUST_EQ(set_allocation(0), 0);
			MUST_EQ(figures().extent_bytes, 0);
		} else {
			thin_out(100);
			MUST_EQ(set_allocation(0), 0);
			settle();
			MUST_EQ(figures().extent_bytes, 0);
			MUST_EQ(put(0, PAGE_RANDOM, 1), -TMEM_ENOSPC);
			MUST_EQ(set_allocation(ALLOCATION), 0);
			must_hold_what_it_promises();
		}
		end();
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"raw pages leave extents", raw_pages_leave_extents},
	{"coded pages leave extents", coded_pages_leave_extents},
	{"both forms leave extents", both_forms_leave_extents},
	{"little less than full", little_less_than_full},
	{"holes are too small", holes_are_too_small},
	{"what empties by itself goes first", what_empties_by_itself_goes_first},
	{"each step is small", each_step_is_small},
	{"puts go on meanwhile", puts_go_on_meanwhile},
	{"the allocation grows again", allocation_grows_again},
	{"what is dying goes its own way", what_is_dying_goes_its_own_way},
	{"what is being emptied may end", what_is_being_emptied_may_end},
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
		if (!fails_without_steps(i))
			FAIL("without steps, too: %s", cases[i].name);
		printf("ok    not without steps: %s\n", cases[i].name);
	}
	return 0;
}
