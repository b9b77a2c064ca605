/* SPDX-License-Identifier: MIT */
/*
 * What random operations meet too seldom: memory that is taken while a codec
 * reads it, worlds that cannot lend, room that comes back without another
 * extent, and what all of that counts as.
 */
#include <stdio.h>
#include <string.h>

#include <tmem/engine.h>

#include "../../port/test/host.h"

#include "must.h"
#include "page.h"

#define EXTENT (64u << 10)
#define PAGES  256u

static struct tmem_test_host *host;
static unsigned int takes; /* pages that the host takes in the middle of the next decoding */

/* The first part of a page, of which the rest is a repetition. */
static uint32_t compress(const struct tmem_codec *codec, void *work, const void *page, void *dst,
			 uint32_t room)
{
	memcpy(dst, page, 1024);
	return 1024;
}

static int decompress(const struct tmem_codec *codec, void *work, const void *src, uint32_t length,
		      void *page)
{
	uint32_t i;

	tmem_test_host_take(host, takes);
	for (i = 0; i < 4; i++)
		memcpy((char *)page + i * 1024, src, 1024);
	return length == 1024 ? 0 : -TMEM_EIO;
}

/* Half of that, for pages that are cold. */
static uint32_t recode(const struct tmem_codec *codec, void *work, uint32_t family,
		       const void *page, void *dst, uint32_t room)
{
	memcpy(dst, page, 512);
	return 512;
}

static uint32_t compress_more(const struct tmem_codec *codec, void *work, const void *page,
			      void *dst, uint32_t room)
{
	return recode(codec, work, 0, page, dst, room);
}

static int decompress_more(const struct tmem_codec *codec, void *work, const void *src,
			   uint32_t length, void *page)
{
	uint32_t i;

	for (i = 0; i < 8; i++)
		memcpy((char *)page + i * 512, src, 512);
	return length == 512 ? 0 : -TMEM_EIO;
}

static const struct tmem_codec quarter = {
	.id = TMEM_CODEC_LZ4, .name = "quarter", .compress = compress, .decompress = decompress};
static const struct tmem_codec eighth = {.id = TMEM_CODEC_ZSTD,
					 .name = "eighth",
					 .compress = compress_more,
					 .decompress = decompress_more,
					 .recode = recode};
static const struct tmem_codec *const codecs[] = {&quarter, &eighth};

struct scene {
	struct tmem_engine *engine;
	struct tmem_worker *worker;
	struct tmem_client *client;
	uint32_t pool;
};

static uint32_t verify; /* of the engine's config: all cases run without and with it */

static void start(struct scene *s, uint8_t codec, uint32_t lend)
{
	struct tmem_config config = {.size = sizeof(config),
				     .extent_size = EXTENT,
				     .capacity = 32u << 20,
				     .codec_count = 2,
				     .codecs = codecs,
				     .host_ops = &tmem_test_host_ops,
				     .lend = lend,
				     .verify = verify};
	struct tmem_client_config client = {.size = sizeof(client), .codec = codec};
	struct tmem_pool_config pool = {.size = sizeof(pool)};
	int number;

	host = tmem_test_host_create(64u << 20);
	config.host = host;
	MUST_EQ(tmem_engine_create(&config, &s->engine), 0);
	MUST_EQ(tmem_worker_create(s->engine, &s->worker), 0);
	MUST_EQ(tmem_client_create(s->engine, s->worker, &client, &s->client), 0);
	number = tmem_pool_create(s->client, s->worker, &pool);
	MUST(number >= 0);
	s->pool = (uint32_t)number;
	takes = 0;
}

static void stop(struct scene *s)
{
	const char *what = NULL;

	if (tmem_engine_check(s->engine, &what))
		FAIL("check: %s", what);
	tmem_engine_destroy(s->engine);
	tmem_test_host_destroy(host);
}

static void settle(struct scene *s)
{
	unsigned int i;

	/* What has stopped being filled is seen at the second look. */
	for (i = 0; i < 3; i++)
		while (tmem_engine_step(s->engine, s->worker, 100))
			;
}

static void make(uint8_t *page, uint32_t number)
{
	uint32_t i;

	page_fill(page, page_tag(PAGE_RANDOM, number));
	for (i = 1; i < 8; i++)
		memcpy(page + i * 512, page, 512);
}

static void put(struct scene *s, uint32_t number)
{
	struct tmem_handle handle = {
		.object = {{number / 64, 0, 0}}, .index = number % 64, .pool = s->pool};
	uint8_t page[TMEM_PAGE_SIZE];

	make(page, number);
	MUST_EQ(tmem_put(s->client, s->worker, &handle, page), 0);
}

/* The result of the get; a hit is the page that was put, a miss leaves the buffer. */
static int get(struct scene *s, uint32_t number)
{
	struct tmem_handle handle = {
		.object = {{number / 64, 0, 0}}, .index = number % 64, .pool = s->pool};
	uint8_t page[TMEM_PAGE_SIZE], before[TMEM_PAGE_SIZE], should[TMEM_PAGE_SIZE];
	int result;

	memset(page, 0x3c, sizeof(page));
	memcpy(before, page, sizeof(page));
	make(should, number);
	result = tmem_get(s->client, s->worker, &handle, page);
	if (!result && memcmp(page, should, sizeof(page)))
		FAIL("page %u came back as another", number);
	if (result == -TMEM_ENOENT && memcmp(page, before, sizeof(page)))
		FAIL("the miss of page %u wrote to the caller's", number);
	return result;
}

static struct tmem_stats stats(struct scene *s)
{
	struct tmem_stats figures;

	tmem_engine_stats(s->engine, &figures);
	return figures;
}

static void fill(struct scene *s, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		put(s, i);
	settle(s);
}

/* Each get decodes what is taken from under it, or what is left: never a wrong page. */
static void taken_while_it_is_decoded(void)
{
	uint32_t i, hits = 0, misses = 0;
	struct scene s;
	int result;

	start(&s, TMEM_CODEC_LZ4, 1);
	fill(&s, PAGES * 4);
	MUST(stats(&s).lent_bytes >= EXTENT);
	takes = 3;
	for (i = 0; i < PAGES * 4; i++) {
		result = get(&s, i);
		MUST(result == 0 || result == -TMEM_ENOENT);
		hits += result == 0;
		misses += result != 0;
		if (!stats(&s).lent_bytes)
			fill(&s, i);
	}
	MUST(hits && misses);
	MUST(stats(&s).gets_taken > 0 && stats(&s).gets_lost == 0);
	MUST_EQ(stats(&s).gets_hit, hits);
	stop(&s);
}

/* Raw pages: all of them taken, then none of them found, and everything counted. */
static void what_was_taken_is_missed_and_counted(void)
{
	struct tmem_stats before, after;
	uint32_t i, misses = 0;
	struct scene s;

	start(&s, TMEM_CODEC_RAW, 1);
	fill(&s, PAGES);
	before = stats(&s);
	MUST_EQ(before.lent_bytes, host->lent * EXTENT);
	MUST(before.lent_bytes >= PAGES * TMEM_PAGE_SIZE / 2);
	tmem_test_host_take(host, 4000);
	for (i = 0; i < PAGES; i++)
		misses += get(&s, i) != 0;
	settle(&s);
	after = stats(&s);
	MUST(misses >= before.lent_bytes / TMEM_PAGE_SIZE / 2);
	MUST_LE(after.gets_taken, misses);
	MUST(after.extents_taken > 0);
	MUST_EQ(after.extents_taken, after.extents_dropped);
	MUST_EQ(after.dropped_when_taken, after.pages_dropped);
	MUST_EQ(after.gets_lost, 0);
	stop(&s);
}

/* Nobody reads, and yet the figures follow. */
static void taken_extents_are_found_in_the_background(void)
{
	struct scene s;
	uint32_t i;

	start(&s, TMEM_CODEC_LZ4, 1);
	fill(&s, PAGES);
	MUST(stats(&s).lent_bytes > 0);
	for (i = 0; i < 100; i++)
		tmem_test_host_take(host, 100);
	for (i = 0; i < 10000 && stats(&s).lent_bytes; i++)
		tmem_engine_step(s.engine, s.worker, 10);
	MUST_EQ(stats(&s).lent_bytes, 0);
	MUST_EQ(stats(&s).gets_taken, 0);
	MUST(stats(&s).extents_taken > 0);
	stop(&s);
}

/* Half of the pages leave: what they leave is filled again before there is another extent. */
static void room_comes_back_from_lent_extents(uint8_t codec)
{
	uint64_t extents;
	struct scene s;
	uint32_t i;

	start(&s, codec, 1);
	fill(&s, PAGES * 4);
	MUST(stats(&s).lent_bytes > 0);
	extents = stats(&s).extent_bytes;
	for (i = 0; i < PAGES * 4; i += 2)
		MUST_EQ(get(&s, i), 0);
	for (i = 0; i < PAGES * 4; i += 2)
		put(&s, i);
	MUST(stats(&s).extents_kept > 0);
	MUST_LE(stats(&s).extent_bytes, extents + extents / 16 + EXTENT);
	for (i = 0; i < PAGES * 4; i++)
		MUST_EQ(get(&s, i), 0);
	MUST_EQ(stats(&s).ephemeral_pages, 0);
	stop(&s);
}

/* A host that takes lent memory counts it as its own until it is given back, lent or not. */
static void what_was_lent_is_known_until_it_is_back(void)
{
	uint64_t held, was_lent;
	struct scene s;
	uint32_t i;

	start(&s, TMEM_CODEC_RAW, 1);
	for (i = 0; i < PAGES * 4; i++)
		put(&s, i);
	settle(&s);
	held = tmem_engine_ephemeral(s.engine, &was_lent);
	MUST(was_lent > 0 && was_lent <= held);
	MUST_LE(stats(&s).lent_bytes, was_lent);
	/* Had back for the room in it, and put into. */
	for (i = 0; i < PAGES * 4; i += 2)
		MUST_EQ(get(&s, i), 0);
	for (i = 0; i < PAGES * 4; i += 2)
		put(&s, i);
	MUST(stats(&s).extents_kept > 0);
	(void)tmem_engine_ephemeral(s.engine, &was_lent);
	MUST_LE(stats(&s).lent_bytes + EXTENT, was_lent);
	for (i = 0; i < PAGES * 4; i++)
		MUST_EQ(get(&s, i), 0);
	settle(&s);
	(void)tmem_engine_ephemeral(s.engine, &was_lent);
	/* An empty one is kept by who emptied it. */
	MUST_LE(was_lent, EXTENT);
	stop(&s);
}

static void recode_all(struct scene *s)
{
	while (tmem_engine_recode(s->engine, s->worker, 1))
		;
}

/*
 * What is cold is lent first. It is stored anew elsewhere, nothing is written
 * where it was, which is a fault here, and the extents that it leaves go back.
 */
static void lent_pages_are_recoded(uint8_t codec)
{
	struct tmem_stats before, after;
	struct scene s;
	uint32_t i;

	start(&s, codec, 1);
	fill(&s, PAGES * 4);
	before = stats(&s);
	MUST(before.lent_bytes > before.extent_bytes / 2);
	/* Raw pages are recoded where their client has a codec by now. */
	MUST_EQ(tmem_client_set_codec(s.client, TMEM_CODEC_LZ4), 0);
	recode_all(&s);
	after = stats(&s);
	/* The newest eighth is not; slots in hand count as pages there. */
	MUST_LE(PAGES * 4 * 7 / 8, after.dense_pages);
	MUST_LE(after.dense_pages, PAGES * 4 * 7 / 8 + 32);
	MUST_EQ(after.ephemeral_pages, PAGES * 4);
	settle(&s);
	MUST(stats(&s).extent_bytes < before.extent_bytes * 3 / 4);
	for (i = 0; i < PAGES * 4; i++)
		MUST_EQ(get(&s, i), 0);
	MUST_EQ(stats(&s).gets_taken, 0);
	stop(&s);
}

/* What the host takes before it is copied is not recoded; what it takes afterwards, is. */
static void what_is_taken_is_not_recoded(uint8_t codec)
{
	uint32_t i, hits = 0, misses = 0;
	struct scene s;
	int result;

	start(&s, codec, 1);
	fill(&s, PAGES * 4);
	MUST_EQ(tmem_client_set_codec(s.client, TMEM_CODEC_LZ4), 0);
	tmem_test_host_take(host, 40);
	takes = 1;
	recode_all(&s);
	takes = 0;
	MUST(stats(&s).dense_pages > PAGES / 2);
	MUST(stats(&s).dense_pages < PAGES * 4 * 7 / 8);
	for (i = 0; i < PAGES * 4; i++) {
		result = get(&s, i);
		MUST(result == 0 || result == -TMEM_ENOENT);
		hits += result == 0;
		misses += result != 0;
	}
	MUST(hits && misses);
	MUST_EQ(stats(&s).gets_lost, 0);
	stop(&s);
}

static void a_world_that_cannot_lends_nothing(void)
{
	struct scene s;
	uint32_t i;

	start(&s, TMEM_CODEC_RAW, 1);
	host->no_lending = 1;
	fill(&s, PAGES);
	MUST_EQ(stats(&s).lent_bytes, 0);
	MUST_EQ(stats(&s).extents_lent, 0);
	for (i = 0; i < PAGES; i++)
		MUST_EQ(get(&s, i), 0);
	stop(&s);
	start(&s, TMEM_CODEC_RAW, 0);
	fill(&s, PAGES);
	MUST_EQ(host->lends, 0);
	stop(&s);
}

int main(void)
{
	for (verify = 0; verify < 2; verify++) {
		taken_while_it_is_decoded();
		what_was_taken_is_missed_and_counted();
		taken_extents_are_found_in_the_background();
		room_comes_back_from_lent_extents(TMEM_CODEC_RAW);
		room_comes_back_from_lent_extents(TMEM_CODEC_LZ4);
		what_was_lent_is_known_until_it_is_back();
		lent_pages_are_recoded(TMEM_CODEC_RAW);
		lent_pages_are_recoded(TMEM_CODEC_LZ4);
		what_is_taken_is_not_recoded(TMEM_CODEC_RAW);
		what_is_taken_is_not_recoded(TMEM_CODEC_LZ4);
		a_world_that_cannot_lends_nothing();
	}
	printf("22 passed, 0 failed\n");
	return 0;
}
