/* SPDX-License-Identifier: MIT */
/*
 * Gets that are verified: whatever changes in a stored block, the get of its
 * page is an error and writes nothing, and a block that only moved is no
 * error. Its memory is found as core finds it. The same changes without the
 * flag are the control: there they are given out.
 */
#include <stdio.h>
#include <string.h>
#include <tmem/engine.h>

#include "codecs.h"
#include "glue.h"
#include "internal.h"
#include "must.h"
#include "page.h"

#define MIB	  (1u << 20)
#define UNTOUCHED 0x5c

enum sort { PERSISTENT, EPHEMERAL, SHARED, SORTS };

static const char *const sorts[] = {"persistent", "ephemeral", "shared"};

struct scene {
	void *host;
	struct tmem_engine *engine;
	struct tmem_worker *worker;
	struct tmem_client *client;
	uint32_t pool;
	uint64_t lost;
};

/* How a page is stored, by which codec, and which one its slot names then. */
struct form {
	const char *name;
	uint8_t wanted;
	enum page_kind kind;
	uint8_t stored;
};

static const struct form forms[] = {
	{"raw", TMEM_CODEC_RAW, PAGE_RANDOM, TMEM_CODEC_RAW},
	{"raw in vain", TMEM_CODEC_LZ4, PAGE_RANDOM, TMEM_CODEC_RAW},
	{"zeros", TMEM_CODEC_RAW, PAGE_ZERO, TMEM_CODEC_SAME},
	{"same", TMEM_CODEC_LZ4, PAGE_SAME, TMEM_CODEC_SAME},
	{"lz4", TMEM_CODEC_LZ4, PAGE_TEXT, TMEM_CODEC_LZ4},
	{"small", TMEM_CODEC_SMALL, PAGE_TEXT, TMEM_CODEC_SMALL},
	{"vector", TMEM_CODEC_VECTOR, PAGE_NEARLY, TMEM_CODEC_VECTOR},
};
#define FORMS (sizeof(forms) / sizeof(forms[0]))

static void start(struct scene *s, enum sort sort, uint8_t codec, uint32_t verify)
{
	struct tmem_config config = {.size = sizeof(config),
				     .extent_size = 65536,
				     .capacity = 32u * MIB,
				     .persistent = 8u * MIB,
				     .codec_count = test_codec_count,
				     .codecs = test_codecs,
				     .host_ops = glue_ops(),
				     .verify = verify};
	struct tmem_client_config client = {
		.size = sizeof(client), .codec = codec, .allocation = 4u * MIB};
	struct tmem_pool_config pool = {.size = sizeof(pool)};
	static const uint64_t uuid[2] = {3, 4};
	int number;

	memset(s, 0, sizeof(*s));
	s->host = glue_create(64u * MIB);
	config.host = s->host;
	MUST_EQ(tmem_engine_create(&config, &s->engine), 0);
	MUST_EQ(tmem_worker_create(s->engine, &s->worker), 0);
	MUST_EQ(tmem_client_create(s->engine, s->worker, &client, &s->client), 0);
	if (sort == SHARED) {
		MUST_EQ(tmem_client_grant(s->client, uuid), 0);
		memcpy(pool.uuid, uuid, sizeof(uuid));
		pool.flags = TMEM_POOL_SHARED;
	} else if (sort == PERSISTENT) {
		pool.flags = TMEM_POOL_PERSISTENT;
	}
	number = tmem_pool_create(s->client, s->worker, &pool);
	MUST(number >= 0);
	s->pool = (uint32_t)number;
}

static struct tmem_stats stats(struct scene *s)
{
	struct tmem_stats stats;

	tmem_engine_stats(s->engine, &stats);
	return stats;
}

static void check(struct scene *s)
{
	const char *what = NULL;

	if (tmem_engine_check(s->engine, &what))
		FAIL("check: %s", what);
}

static void stop(struct scene *s)
{
	check(s);
	MUST_EQ(stats(s).gets_lost, s->lost);
	tmem_client_destroy(s->client, s->worker);
	tmem_worker_destroy(s->worker);
	tmem_engine_destroy(s->engine);
	MUST(glue_destroy(s->host) == NULL);
}

static struct tmem_handle handle(const struct scene *s, uint32_t i)
{
	struct tmem_handle handle = {
		.object = {{1, 2, i / 100}}, .pool = s->pool, .index = i % 100};

	return handle;
}

static int put(struct scene *s, uint32_t i, uint64_t tag)
{
	struct tmem_handle h = handle(s, i);
	unsigned char page[TMEM_PAGE_SIZE];

	page_fill(page, tag);
	return tmem_put(s->client, s->worker, &h, page);
}

/* What is stored for page @i, where it lies: *@slot is what leads there. NULL: nothing is. */
static unsigned char *stored(struct scene *s, uint32_t i, uint64_t *slot)
{
	struct pool *pool = s->client->pools[s->pool % TMEM_POOLS_PER_CLIENT];
	struct tmem_handle h = handle(s, i);
	struct sought sought;
	struct key key;

	pool = pool->home;
	tmem_key_make(s->engine, pool, &h, &key);
	tmem_slot_seek(s->worker, pool, &key, &sought);
	*slot = sought.slot ? *sought.slot : 0;
	if (!*slot)
		return NULL;
	return tmem_payload(tmem_extent(s->engine, tmem_place_extent(SLOT_PLACE(*slot))),
			    tmem_place_unit(SLOT_PLACE(*slot)));
}

/* A bit of byte @at of what is stored for page @i, another one for each byte. */
static void hurt(struct scene *s, uint32_t i, uint32_t at)
{
	uint64_t slot;
	unsigned char *data = stored(s, i, &slot);

	MUST(data != NULL);
	data[at % SLOT_LENGTH(slot)] ^= 1u << (at * 5 + i) % 8;
}

/* By a call of its own, or in a batch beside a page that is not there. */
static int call_get(struct scene *s, uint32_t i, void *page)
{
	unsigned char other[TMEM_PAGE_SIZE];
	struct tmem_op ops[2] = {{TMEM_OP_GET, 0, handle(s, 999999), 0, other},
				 {TMEM_OP_GET, 0, handle(s, i), 0, page}};

	if (i % 2)
		return tmem_get(s->client, s->worker, &ops[1].handle, page);
	tmem_batch(s->client, s->worker, ops, 2);
	MUST_EQ(ops[0].result, -TMEM_ENOENT);
	return ops[1].result;
}

static bool is_untouched(const unsigned char *page)
{
	uint32_t i;

	for (i = 0; i < TMEM_PAGE_SIZE && page[i] == UNTOUCHED; i++)
		;
	return i == TMEM_PAGE_SIZE;
}

/* The result of a get; 1: it gave out something else. An error leaves the page as it was. */
static int get(struct scene *s, uint32_t i, uint64_t tag)
{
	unsigned char page[TMEM_PAGE_SIZE];
	int result;

	memset(page, UNTOUCHED, sizeof(page));
	result = call_get(s, i, page);
	if (result)
		MUST(is_untouched(page));
	else if (!page_holds(page, tag))
		return 1;
	return result;
}

static void must_be_lost(struct scene *s, uint32_t i, uint64_t tag)
{
	MUST_EQ(get(s, i, tag), -TMEM_EIO);
	s->lost++;
	/* It is gone, and everything else as it was. */
	MUST_EQ(get(s, i, tag), -TMEM_ENOENT);
}

/* Each byte of what is stored, the sum's own too, in turn. */
static void each_byte_of(struct scene *s, const struct form *form)
{
	uint64_t tag = page_tag(form->kind, 7), slot;
	uint32_t at, length = 1;

	for (at = 0; at < length; at++) {
		MUST_EQ(put(s, at % 50, tag), 0);
		MUST(stored(s, at % 50, &slot) != NULL);
		MUST_EQ(SLOT_CODEC(slot), form->stored);
		length = SLOT_LENGTH(slot);
		hurt(s, at % 50, at);
		must_be_lost(s, at % 50, tag);
		if (at % 100 == 0)
			check(s);
	}
	/* The same page as it was put. */
	MUST_EQ(put(s, 1, tag), 0);
	MUST_EQ(get(s, 1, tag), 0);
}

static void a_changed_byte_is_an_error_whatever_stored_it(void)
{
	struct scene s;
	uint32_t sort, i;

	for (sort = 0; sort < SORTS; sort++)
		for (i = 0; i < FORMS; i++) {
			snprintf(must_context, sizeof(must_context), "%s, %s", forms[i].name,
				 sorts[sort]);
			start(&s, (enum sort)sort, forms[i].wanted, 1);
			each_byte_of(&s, &forms[i]);
			stop(&s);
		}
}

/* The control: without sums a raw page is given out as it is now, and so are most others. */
static void without_sums_wrong_bytes_are_given_out(void)
{
	uint32_t sort, i, at, wrong, length;
	struct scene s;
	uint64_t tag, slot;
	int result;

	for (sort = 0; sort < SORTS; sort++)
		for (i = 0; i < FORMS; i++) {
			snprintf(must_context, sizeof(must_context), "%s, %s", forms[i].name,
				 sorts[sort]);
			start(&s, (enum sort)sort, forms[i].wanted, 0);
			tag = page_tag(forms[i].kind, 7);
			MUST_EQ(put(&s, 1, tag), 0);
			stored(&s, 1, &slot);
			length = SLOT_LENGTH(slot);
			for (at = 0, wrong = 0; at < length; at++) {
				MUST_EQ(put(&s, 1, tag), 0);
				hurt(&s, 1, at);
				result = get(&s, 1, tag);
				wrong += result == 1;
				s.lost += result == -TMEM_EIO;
			}
			if (forms[i].stored == TMEM_CODEC_RAW || forms[i].stored == TMEM_CODEC_SAME)
				MUST_EQ(wrong, length);
			else
				MUST(wrong > 0);
			stop(&s);
		}
}

/* Blocks of one length and codec change places, each with its sum. */
static void a_page_at_anothers_place_is_an_error(void)
{
	unsigned char one[TMEM_PAGE_SIZE + 64], *a, *b;
	uint64_t tag[3], slot, other;
	uint32_t sort, i, verify;
	struct scene s;

	for (verify = 0; verify < 2; verify++)
		for (sort = 0; sort < SORTS; sort++) {
			start(&s, (enum sort)sort, TMEM_CODEC_RAW, verify);
			for (i = 0; i < 3; i++) {
				tag[i] = page_tag(PAGE_RANDOM, i);
				MUST_EQ(put(&s, i ? 98 + i : 0, tag[i]), 0);
			}
			/* Of one object, then of two. */
			for (i = 1; i < 3; i++) {
				a = stored(&s, 0, &slot);
				b = stored(&s, 98 + i, &other);
				MUST_EQ(SLOT_LENGTH(slot), SLOT_LENGTH(other));
				memcpy(one, a, SLOT_LENGTH(slot));
				memcpy(a, b, SLOT_LENGTH(slot));
				memcpy(b, one, SLOT_LENGTH(slot));
				if (verify) {
					must_be_lost(&s, 0, tag[0]);
					must_be_lost(&s, 98 + i, tag[i]);
				} else {
					MUST_EQ(get(&s, 0, tag[0]), 1);
					MUST_EQ(get(&s, 98 + i, tag[i]), 1);
				}
				MUST_EQ(put(&s, 0, tag[0]), 0);
			}
			stop(&s);
		}
}

static void settle(struct scene *s)
{
	while (tmem_engine_step(s->engine, s->worker, 64) +
	       tmem_engine_recode(s->engine, s->worker, 64))
		;
}

#define PAGES 1200u

static uint64_t tag_of(uint32_t i)
{
	return page_tag(i % 3 ? PAGE_TEXT : PAGE_RANDOM, i);
}

/* One page of seven is hurt. What happens to blocks then neither mends nor breaks any. */
static bool is_hurt(uint32_t i)
{
	return i % 7 == 3;
}

/* Of half of them only the sum. */
static void hurt_some(struct scene *s, uint32_t count, uint32_t every)
{
	uint64_t slot;
	uint32_t i;

	for (i = 0; i < count; i += every) {
		if (!is_hurt(i))
			continue;
		stored(s, i, &slot);
		hurt(s, i, i % 2 ? i * 11 : SLOT_LENGTH(slot) - 1 - i % 8);
	}
}

static void get_all(struct scene *s, uint32_t count, uint32_t every)
{
	uint32_t i;

	check(s);
	for (i = 0; i < count; i += every)
		if (is_hurt(i))
			must_be_lost(s, i, tag_of(i));
		else
			MUST_EQ(get(s, i, tag_of(i)), 0);
}

static void fill(struct scene *s, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		MUST_EQ(put(s, i, tag_of(i)), 0);
}

/* Hurt before it is recoded: that is seen, and it does not get a sum that is right. */
static void what_is_recoded_is_verified(void)
{
	struct scene s;
	uint32_t sort;

	for (sort = 0; sort < SORTS; sort++) {
		snprintf(must_context, sizeof(must_context), "%s", sorts[sort]);
		start(&s, (enum sort)sort, TMEM_CODEC_LZ4, 1);
		fill(&s, PAGES);
		hurt_some(&s, PAGES, 1);
		settle(&s);
		MUST(stats(&s).recoded > PAGES / 3);
		MUST(stats(&s).dense_payload / stats(&s).dense_pages < 720);
		get_all(&s, PAGES, 1);
		stop(&s);
	}
}

/* Hurt when it is dense; and those that come back from there. */
static void dense_pages_are_verified(void)
{
	uint32_t sort, i, dense = 0;
	struct scene s;
	uint64_t slot;

	for (sort = 0; sort < SORTS; sort++) {
		snprintf(must_context, sizeof(must_context), "%s", sorts[sort]);
		start(&s, (enum sort)sort, TMEM_CODEC_LZ4, 1);
		fill(&s, PAGES);
		settle(&s);
		for (i = 0; i < PAGES; i++) {
			stored(&s, i, &slot);
			dense += is_hurt(i) && SLOT_CODEC(slot) == CODEC_DENSE;
		}
		hurt_some(&s, PAGES, 1);
		get_all(&s, PAGES, 1);
		if (sort == PERSISTENT) {
			settle(&s);
			MUST(stats(&s).recoded_back > 0);
			for (i = 0; i < PAGES; i++)
				MUST_EQ(get(&s, i, tag_of(i)), is_hurt(i) ? -TMEM_ENOENT : 0);
		}
		stop(&s);
	}
	MUST(dense > PAGES / 7);
}

/* An allocation is filled, thinned out, and filled with larger pages: extents are compacted. */
static void what_is_compacted_is_verified(void)
{
	uint32_t count = 0, i, more;
	struct scene s;

	start(&s, PERSISTENT, TMEM_CODEC_LZ4, 1);
	while (!put(&s, count, tag_of(count)))
		count++;
	for (i = 1; i < count; i += 2) {
		struct tmem_handle h = handle(&s, i);

		MUST_EQ(tmem_flush(s.client, s.worker, &h), 1);
	}
	hurt_some(&s, count, 2);
	for (more = 0; !put(&s, 100000 + more, page_tag(PAGE_RANDOM, more)); more++)
		;
	MUST(stats(&s).extents_compacted > 0);
	for (i = 0; i < more; i++)
		MUST_EQ(get(&s, 100000 + i, page_tag(PAGE_RANDOM, i)), 0);
	get_all(&s, count, 2);
	stop(&s);
}

/* Most of a pool is flushed, and the rest moves together. */
static void what_is_vacated_is_verified(void)
{
	struct scene s;
	uint32_t i;

	start(&s, EPHEMERAL, TMEM_CODEC_RAW, 1);
	fill(&s, PAGES);
	for (i = 0; i < PAGES; i++) {
		struct tmem_handle h = handle(&s, i);

		if (i % 5)
			MUST_EQ(tmem_flush(s.client, s.worker, &h), 1);
	}
	hurt_some(&s, PAGES, 5);
	settle(&s);
	MUST(stats(&s).pages_moved > 0);
	get_all(&s, PAGES, 5);
	stop(&s);
}

/* Puts and gets that a batch carries out together. */
static void what_a_batch_puts_is_verified(void)
{
	unsigned char page[16][TMEM_PAGE_SIZE];
	struct tmem_op ops[16];
	uint32_t first, i;
	struct scene s;

	start(&s, EPHEMERAL, TMEM_CODEC_RAW, 1);
	for (first = 0; first < PAGES; first += 16) {
		for (i = 0; i < 16; i++) {
			page_fill(page[i], tag_of(first + i));
			ops[i] =
				(struct tmem_op){TMEM_OP_PUT, 1, handle(&s, first + i), 0, page[i]};
		}
		tmem_batch(s.client, s.worker, ops, 16);
		for (i = 0; i < 16; i++)
			MUST_EQ(ops[i].result, 0);
	}
	hurt_some(&s, PAGES, 1);
	for (first = 0; first < PAGES; first += 16) {
		memset(page, UNTOUCHED, sizeof(page));
		for (i = 0; i < 16; i++)
			ops[i] =
				(struct tmem_op){TMEM_OP_GET, 1, handle(&s, first + i), 0, page[i]};
		tmem_batch(s.client, s.worker, ops, 16);
		for (i = 0; i < 16; i++)
			if (is_hurt(first + i)) {
				MUST_EQ(ops[i].result, -TMEM_EIO);
				MUST(is_untouched(page[i]));
				s.lost++;
			} else {
				MUST_EQ(ops[i].result, 0);
				MUST(page_holds(page[i], tag_of(first + i)));
			}
	}
	stop(&s);
}

/* Extents are dropped whole: what is left is verified, and what is gone is missed. */
static void what_reclaim_leaves_is_verified(void)
{
	uint32_t i, missed = 0, hits = 0;
	struct scene s;
	int result;

	start(&s, EPHEMERAL, TMEM_CODEC_RAW, 1);
	fill(&s, PAGES);
	hurt_some(&s, PAGES, 1);
	MUST(tmem_engine_reclaim(s.engine, s.worker, 2u * MIB) > 0);
	check(&s);
	for (i = 0; i < PAGES; i++) {
		result = get(&s, i, tag_of(i));
		if (result == -TMEM_ENOENT) {
			missed++;
			continue;
		}
		MUST_EQ(result, is_hurt(i) ? -TMEM_EIO : 0);
		hits += !result;
		s.lost += result != 0;
	}
	MUST(missed > 0 && hits > 0 && s.lost > 0);
	stop(&s);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} cases[] = {
		{"a changed byte is an error, whatever stored it",
		 a_changed_byte_is_an_error_whatever_stored_it},
		{"without sums wrong bytes are given out", without_sums_wrong_bytes_are_given_out},
		{"a page at another's place is an error", a_page_at_anothers_place_is_an_error},
		{"what is recoded is verified", what_is_recoded_is_verified},
		{"dense pages are verified", dense_pages_are_verified},
		{"what is compacted is verified", what_is_compacted_is_verified},
		{"what is vacated is verified", what_is_vacated_is_verified},
		{"what a batch puts is verified", what_a_batch_puts_is_verified},
		{"what reclaim leaves is verified", what_reclaim_leaves_is_verified},
	};
	uint32_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(must_context, sizeof(must_context), "%s", cases[i].name);
		cases[i].run();
		printf("ok    %s\n", cases[i].name);
		fflush(stdout);
	}
	return 0;
}
