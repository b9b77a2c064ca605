/* SPDX-License-Identifier: MIT */
/*
 * A client that always has more to put than there is room for: a MiB at a
 * time, at a rate, and now and then it gets one that it put before, which is
 * right or missing. Ends on SIGTERM and says what it found.
 *
 *	feed MIB-PER-SECOND
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tmem/tmem.h>

#define BATCH 256u
#define WORDS (TMEM_PAGE_SIZE / 8)

static volatile sig_atomic_t over;

static void on_term(int number)
{
	over = number;
}

/* What page @number holds at @word: its number first, then what no codec could shorten. */
static uint64_t pattern[WORDS];

static void make(uint64_t *page, uint64_t number)
{
	memcpy(page, pattern, TMEM_PAGE_SIZE);
	page[0] = number + 1;
}

static struct tmem_object_id object_of(uint64_t number)
{
	return (struct tmem_object_id){{number / 64, 0, 0}};
}

int main(int argc, char **argv)
{
	uint64_t mib = argc > 1 ? strtoull(argv[1], NULL, 0) : 64, next = 0, x = 1, i;
	uint64_t stored = 0, right = 0, missing = 0, wrong = 0;
	static uint64_t pages[BATCH][WORDS], got[WORDS], should[WORDS];
	struct timespec pause = {0, (long)(999999999 / (mib ? mib : 1))};
	static struct tmem_io io[BATCH];
	struct tmem_object_id object;
	struct tmem_pool *pool;
	struct tmem *tmem;
	int result;

	signal(SIGTERM, on_term);
	for (i = 0; i < WORDS; i++) {
		x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
		pattern[i] = x;
	}
	if (tmem_connect(NULL, NULL, &tmem) || tmem_pool_open(tmem, NULL, &pool)) {
		fprintf(stderr, "feed: %s\n", tmem_last_error(NULL));
		return 1;
	}
	for (i = 0; i < BATCH; i++)
		make(pages[i], 0);
	while (!over) {
		for (i = 0; i < BATCH; i++, next++) {
			pages[i][0] = next + 1;
			io[i] = (struct tmem_io){.code = TMEM_IO_PUT,
						 .pool = pool,
						 .object = object_of(next),
						 .index = (uint32_t)(next % 64),
						 .page = pages[i]};
		}
		if (tmem_batch_run(tmem, io, BATCH) < 0)
			break;
		for (i = 0; i < BATCH; i++)
			stored += io[i].result == 0;
		x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
		i = (x >> 33) % next;
		object = object_of(i);
		result = tmem_page_get(pool, &object, (uint32_t)(i % 64), got);
		make(should, i);
		right += !result && !memcmp(got, should, sizeof(got));
		wrong += !result && memcmp(got, should, sizeof(got));
		missing += result != 0;
		/* A batch is a MiB. */
		nanosleep(&pause, NULL);
	}
	printf("feed: %" PRIu64 " put, %" PRIu64 " stored; got %" PRIu64 " right, %" PRIu64
	       " missing, %" PRIu64 " wrong\n",
	       next, stored, right, missing, wrong);
	tmem_disconnect(tmem);
	return wrong || !right || !over;
}
