/* SPDX-License-Identifier: MIT */
/*
 * A block that is read while its page goes. Room that lies scattered is made
 * whole around it: the extent that was emptied is no spare before the reader is
 * done, and a put that needs one waits for that, and is not refused. Two
 * readers of one block, which the last of them frees. And which extents are
 * moved at all: those that fit.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <tmem/engine.h>

#include "glue.h"
#include "internal.h"
#include "must.h"

#define MIB	   (1u << 20)
#define CODEC_HEAD 9 /* the codec's id */
#define SMALL	   1000u
#define LARGE	   3000u
#define HOLES	   3u	  /* one page in so many stays: those between are not one large hole */
#define MOST	   40000u /* pages that are put, at most */
#define STANDSTILL 20	  /* ms without a put: the one that is under way waits */
#define READERS	   2u

static void *host;
static struct tmem_engine *engine;
static struct tmem_worker *worker, *others[READERS];
static struct tmem_client *client;
static uint32_t pool;
static uint32_t returned; /* puts, about */
static uint32_t reading;  /* slow readers that came to their block */
static uint32_t let_go;	  /* so many of them may go on */
static __thread bool slow;

/* A page's first word says how many of its bytes are stored; the others are 0. */
static uint32_t compress(const struct tmem_codec *codec, void *work, const void *page, void *dst,
			 uint32_t room)
{
	uint32_t length;

	(void)codec, (void)work;
	memcpy(&length, page, sizeof(length));
	if (length > room)
		return 0;
	memcpy(dst, page, length);
	return length;
}

static void pause_ms(long ms)
{
	const struct timespec time = {0, ms * 1000000};

	nanosleep(&time, NULL);
}

static int decompress(const struct tmem_codec *codec, void *work, const void *src, uint32_t length,
		      void *page)
{
	uint32_t turn;

	(void)codec, (void)work;
	if (slow)
		for (turn = tmem_add(&reading, 1u); tmem_load_acquire(&let_go) < turn;)
			pause_ms(1);
	memset(page, 0, TMEM_PAGE_SIZE);
	memcpy(page, src, length);
	return 0;
}

static const struct tmem_codec head = {
	.id = CODEC_HEAD, .name = "head", .compress = compress, .decompress = decompress};

static void start_with(uint32_t extent_size, uint32_t allocation)
{
	static const struct tmem_codec *const codecs[] = {&head};
	struct tmem_config config = {.size = sizeof(config),
				     .workers = 1 + READERS,
				     .extent_size = extent_size,
				     .capacity = 160u * MIB,
				     .codec_count = 1,
				     .codecs = codecs,
				     .host_ops = glue_ops()};
	struct tmem_client_config settings = {.size = sizeof(settings),
					      .codec = CODEC_HEAD,
					      .allocation = allocation,
					      .pages_per_object = MOST};
	struct tmem_pool_config shape = {.size = sizeof(shape), .flags = TMEM_POOL_PERSISTENT};
	uint32_t i;
	int number;

	reading = 0;
	let_go = 0;
	host = glue_create(192u * MIB);
	config.host = host;
	MUST_EQ(tmem_engine_create(&config, &engine), 0);
	MUST_EQ(tmem_worker_create(engine, &worker), 0);
	for (i = 0; i < READERS; i++)
		MUST_EQ(tmem_worker_create(engine, &others[i]), 0);
	MUST_EQ(tmem_client_create(engine, worker, &settings, &client), 0);
	number = tmem_pool_create(client, worker, &shape);
	MUST(number >= 0);
	pool = (uint32_t)number;
}

static void start(void)
{
	start_with(65536, MIB);
}

static void stop(void)
{
	const char *what = NULL;
	uint32_t i;

	if (tmem_engine_check(engine, &what))
		FAIL("check: %s", what);
	tmem_client_destroy(client, worker);
	for (i = 0; i < READERS; i++)
		tmem_worker_destroy(others[i]);
	tmem_worker_destroy(worker);
	tmem_engine_destroy(engine);
	MUST(glue_destroy(host) == NULL);
}

static struct tmem_handle handle(uint32_t i)
{
	struct tmem_handle handle = {.pool = pool, .index = i};

	return handle;
}

static void fill_page(uint32_t *page, uint32_t i, uint32_t length)
{
	memset(page, 0, TMEM_PAGE_SIZE);
	memset(page, (int)i, length);
	page[0] = length;
	page[1] = i;
}

static int put(uint32_t i, uint32_t length)
{
	static uint32_t page[TMEM_PAGE_SIZE / 4];
	struct tmem_handle h = handle(i);

	fill_page(page, i, length);
	return tmem_put(client, worker, &h, page);
}

static void look(struct tmem_worker *by, uint32_t i, uint32_t length)
{
	uint32_t page[TMEM_PAGE_SIZE / 4], expected[TMEM_PAGE_SIZE / 4];
	struct tmem_handle h = handle(i);

	fill_page(expected, i, length);
	MUST_EQ(tmem_get(client, by, &h, page), 0);
	MUST(!memcmp(page, expected, TMEM_PAGE_SIZE));
}

/* What a slow reader reads, and by which worker. */
struct errand {
	pthread_t thread;
	struct tmem_worker *by;
	uint32_t index;
};

static void *read_slowly(void *context)
{
	const struct errand *errand = context;

	slow = true;
	look(errand->by, errand->index, SMALL);
	return NULL;
}

/* Comes back when the reader is at its block. */
static void send(struct errand *errand, uint32_t number, uint32_t index)
{
	errand->by = others[number];
	errand->index = index;
	MUST_EQ(pthread_create(&errand->thread, NULL, read_slowly, errand), 0);
	while (tmem_load_acquire(&reading) <= number)
		pause_ms(1);
}

/* Lets the reader go when no put has returned for a while. */
static void *usher(void *unused)
{
	uint32_t seen, still = 0;

	while (still < STANDSTILL) {
		seen = tmem_load(&returned);
		pause_ms(1);
		still = seen == tmem_load(&returned) ? still + 1 : 0;
	}
	tmem_store_release(&let_go, 1u);
	return unused;
}

static bool stays(uint32_t i)
{
	return i % HOLES == 0;
}

/* Pages until the allocation is full, most of which leave again: how many there were. */
static uint32_t fill_with_holes(void)
{
	uint32_t count = 0, i;

	while (!put(count, SMALL))
		MUST(++count < MOST);
	for (i = 0; i < count; i++) {
		struct tmem_handle h = handle(i);

		if (!stays(i))
			MUST_EQ(tmem_flush(client, worker, &h), 1);
	}
	return count;
}

/* A page in the extent that is emptied first. */
static uint32_t page_to_move(void)
{
	const struct heap *heap = &client->heap[1];
	const struct extent *extent;
	uint32_t class = TMEM_HEAP_CLASSES - 1, unit = 0;
	const struct block *block;

	while (!heap->packed[class])
		class --;
	MUST(class);
	extent = tmem_extent(engine, heap->packed[class]);
	while (!((block = tmem_block(extent, unit))->tag & TAG_USED))
		unit += block->tag & TAG_UNITS;
	MUST(stays(block->index));
	return block->index;
}

static void put_waits_for_a_reader(void)
{
	uint32_t count, put_again = 0, i;
	struct errand errand;
	pthread_t thread;

	start();
	count = fill_with_holes();
	send(&errand, 0, page_to_move());
	MUST_EQ(pthread_create(&thread, NULL, usher, NULL), 0);
	/* Larger ones, nearly as many bytes as those that went. */
	for (i = 0; put_again + LARGE < (count - count / HOLES) * SMALL; i++)
		if (!stays(i)) {
			MUST_EQ(put(i, LARGE), 0);
			tmem_store(&returned, i);
			put_again += LARGE;
		}
	/* It was let go because a put waited, before all were done. */
	MUST_EQ(tmem_load_acquire(&let_go), 1);
	MUST_EQ(pthread_join(thread, NULL), 0);
	MUST_EQ(pthread_join(errand.thread, NULL), 0);
	while (i--)
		look(worker, i, stays(i) ? SMALL : LARGE);
	stop();
}

/* Pages from @first on, until there is no room. The first that was refused. */
static uint32_t fill_from(uint32_t first)
{
	while (!put(first, SMALL))
		MUST(++first < MOST);
	return first;
}

/* Whoever came in between them has every other block, and none of theirs. */
static void last_reader_frees(void)
{
	struct tmem_handle first = handle(0);
	struct errand errands[READERS];
	uint32_t count, i;

	start();
	MUST_EQ(put(0, SMALL), 0);
	for (i = 0; i < READERS; i++)
		send(&errands[i], i, 0);
	MUST_EQ(tmem_flush(client, worker, &first), 1);
	count = fill_from(1);
	for (i = 0; i < READERS; i++) {
		tmem_store_release(&let_go, i + 1);
		MUST_EQ(pthread_join(errands[i].thread, NULL), 0);
		/* Each page anew, into what is free now. */
		while (count-- > 1) {
			struct tmem_handle h = handle(count);

			MUST_EQ(tmem_flush(client, worker, &h), 1);
		}
		count = fill_from(1);
	}
	stop();
}

static void flush(uint32_t i)
{
	struct tmem_handle h = handle(i);

	MUST_EQ(tmem_flush(client, worker, &h), 1);
}

static uint64_t compacted(void)
{
	struct tmem_stats stats;

	tmem_engine_stats(engine, &stats);
	return stats.extents_compacted;
}

/*
 * A page extent whose living pages would not fit into the spare, packed: only
 * the largest extents have one. It was worth filling, then filled again but for
 * one slot, and another one came before it.
 */
static void one_free_slot_is_nothing_to_gain(void)
{
	enum { SLOTS = 2 * MIB / TMEM_PAGE_SIZE, FULL = 31 * SLOTS, CODED = 2000 };
	/* Of what the three extents hold that are empty still, all but a little. */
	const uint32_t first = FULL + 100, most = first + 3 * (2 * MIB / (CODED + 32)) - 100;
	uint32_t i, raw = FULL;
	const char *what = NULL;

	start_with(2 * MIB, 64u * MIB);
	for (i = 0; i < FULL; i++)
		MUST_EQ(put(i, TMEM_PAGE_SIZE), 0);
	/* Room on the bill, in slots that nothing coded goes to. */
	for (i = 0; i < 3 * SLOTS; i++)
		if (i % SLOTS < SLOTS - 32)
			flush(i);
	for (i = first; i < most; i++)
		MUST_EQ(put(i, CODED), 0);
	for (i = 0; i < 4; i++)
		flush(10 * SLOTS + i);
	for (i = 0; i < 3; i++)
		MUST_EQ(put(raw++, TMEM_PAGE_SIZE), 0);
	for (i = 0; i < 4; i++)
		flush(11 * SLOTS + i);
	MUST_EQ(put(raw++, TMEM_PAGE_SIZE), 0);
	MUST_EQ(compacted(), 0);
	for (i = most; !compacted(); i++)
		MUST_EQ(put(i, CODED), 0);
	if (tmem_engine_check(engine, &what))
		FAIL("check: %s", what);
	for (i--; i >= first; i--)
		look(worker, i, CODED);
	for (i = FULL; i < raw; i++)
		look(worker, i, TMEM_PAGE_SIZE);
	for (i = 3 * SLOTS; i < FULL; i++)
		if (i / SLOTS < 10 || i / SLOTS > 11 || i % SLOTS >= 4)
			look(worker, i, TMEM_PAGE_SIZE);
	stop();
}

int main(void)
{
	one_free_slot_is_nothing_to_gain();
	put_waits_for_a_reader();
	last_reader_frees();
	puts("ok");
	return 0;
}
