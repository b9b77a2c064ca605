/* SPDX-License-Identifier: MIT */
/*
 * How pages are stored is nothing that a client can see: rules 12 and 13 of
 * the contract, and the pages that codecs find awkward.
 */
#include <string.h>

#include "case.h"
#include "codecs.h"

static void use(struct stage *s, uint8_t codec)
{
	MUST_EQ(s->rig->backend->set_codec(s->rig, s->client, codec), 0);
}

static void switching(struct stage *s)
{
	static const uint8_t codecs[] = {TMEM_CODEC_RAW, TMEM_CODEC_LZ4, TMEM_CODEC_RAW,
					 TMEM_CODEC_LZ4, CODEC_MUTE,	 CODEC_RULER};
	uint32_t i, known = s->rig->backend->can & CAN_CODECS ? 6 : 4;

	for (i = 0; i < 600; i++) {
		if (i % 7 == 0)
			use(s, codecs[i / 7 % known]);
		MUST_EQ(rig_put(s->rig, s->client, rig_handle(s->pool, i % 3, i % 256),
				page_tag(PAGE_ANY, i)),
			0);
		if (i >= 20)
			rig_get(s->rig, s->client,
				rig_handle(s->pool, (i - 20) % 3, (i - 20) % 256),
				page_tag(PAGE_ANY, i - 20));
	}
	MUST_EQ(rig_get(s->rig, s->client, rig_handle(s->pool, 599 % 3, 599 % 256),
			page_tag(PAGE_ANY, 599)),
		1);
}

static void compression_switched_while_running(const struct backend *backend)
{
	case_both(backend, switching);
}

static bool is_known(unsigned int codec)
{
	uint32_t i;

	for (i = 0; i < test_codec_count; i++)
		if (test_codecs[i]->id == codec)
			return true;
	return codec == TMEM_CODEC_RAW;
}

static void unknown_codec_is_refused(const struct backend *backend)
{
	struct stage s = case_stage(backend, TMEM_POOL_PERSISTENT);
	struct tmem_client_config config = {.size = sizeof(config), .codec = 15};
	unsigned int codec;

	MUST_EQ(s.rig->backend->client_create(s.rig, &config), -TMEM_EINVAL);
	for (codec = 0; codec < 256; codec++)
		if (!is_known(codec))
			MUST_EQ(s.rig->backend->set_codec(s.rig, s.client, (uint8_t)codec),
				-TMEM_EINVAL);
	MUST_EQ(rig_put(s.rig, s.client, rig_handle(s.pool, 1, 1), page_tag(PAGE_TEXT, 1)), 0);
	MUST_EQ(rig_get(s.rig, s.client, rig_handle(s.pool, 1, 1), page_tag(PAGE_TEXT, 1)), 1);
	rig_stop(s.rig);
}

static void poor(struct stage *s)
{
	struct tmem_stats stats;
	uint32_t i;

	use(s, TMEM_CODEC_LZ4);
	for (i = 0; i < 100; i++)
		MUST_EQ(rig_put(s->rig, s->client, rig_handle(s->pool, 1, i),
				page_tag(PAGE_RANDOM, i)),
			0);
	stats = rig_stats(s->rig, s->client, (int)s->pool);
	MUST_EQ(stats.pages_poor, 100);
	MUST_EQ(stats.pages_raw, 100);
	MUST_EQ(stats.ephemeral_payload + stats.persistent_payload, 100 * TMEM_PAGE_SIZE);
	for (i = 0; i < 100; i++)
		MUST_EQ(rig_get(s->rig, s->client, rig_handle(s->pool, 1, i),
				page_tag(PAGE_RANDOM, i)),
			1);
}

static void page_that_does_not_compress_is_stored_raw(const struct backend *backend)
{
	case_both(backend, poor);
}

static void mute(struct stage *s)
{
	uint32_t i;

	use(s, CODEC_MUTE);
	for (i = 0; i < 100; i++)
		MUST_EQ(rig_put(s->rig, s->client, rig_handle(s->pool, 1, i),
				page_tag(PAGE_ANY, i)),
			0);
	for (i = 0; i < 100; i++)
		MUST_EQ(rig_get(s->rig, s->client, rig_handle(s->pool, 1, i),
				page_tag(PAGE_ANY, i)),
			1);
}

static void codec_that_fails_is_no_error(const struct backend *backend)
{
	case_both(backend, mute);
}

/* What lz4 says before and between @length bytes that it cannot shorten, about. */
#define LZ4_SAYS 32u

/*
 * Compresses to exactly @length bytes where the codec can be the test's own,
 * else to about as many: then a row of lengths has all lengths in it.
 */
static void fill_ruler(const struct stage *s, uint8_t *page, uint32_t length, uint32_t number)
{
	uint32_t random = length < LZ4_SAYS ? 0 : length - LZ4_SAYS;

	if (s->rig->backend->can & CAN_CODECS) {
		codec_ruler_page(page, length, number);
		return;
	}
	page_fill(page, page_tag(PAGE_RANDOM, (uint64_t)number << 16 | length));
	memset(page + random, (int)(number % 251), TMEM_PAGE_SIZE - random);
}

static void use_ruler(struct stage *s)
{
	use(s, s->rig->backend->can & CAN_CODECS ? CODEC_RULER : TMEM_CODEC_LZ4);
}

static void put_ruler(struct stage *s, uint32_t index, uint32_t length)
{
	struct tmem_handle h = rig_handle(s->pool, 1, index);
	uint8_t page[TMEM_PAGE_SIZE];

	fill_ruler(s, page, length, index);
	MUST_EQ(s->rig->backend->put(s->rig, 0, s->client, &h, page), 0);
}

static void get_ruler(struct stage *s, uint32_t index, uint32_t length)
{
	struct tmem_handle h = rig_handle(s->pool, 1, index);
	uint8_t page[TMEM_PAGE_SIZE], should[TMEM_PAGE_SIZE];

	fill_ruler(s, should, length, index);
	MUST_EQ(s->rig->backend->get(s->rig, 0, s->client, &h, page), 0);
	if (memcmp(page, should, sizeof(page)))
		FAIL("a page that compresses to %u bytes comes back changed", length);
}

/* Sixteen at a time: different lengths lie next to each other. */
static void every_length(struct stage *s)
{
	uint32_t length, i;

	use_ruler(s);
	for (length = 24; length <= TMEM_PAGE_SIZE; length += 16) {
		for (i = 0; i < 16; i++)
			put_ruler(s, i, length + i);
		if (length % 256 == 8 || length > TMEM_PAGE_SIZE - 32)
			rig_check(s->rig);
		for (i = 0; i < 16; i++)
			get_ruler(s, i, length + i);
	}
	MUST(rig_stats(s->rig, s->client, (int)s->pool).pages_coded > 3000);
}

static void pages_of_every_compressed_length(const struct backend *backend)
{
	case_both(backend, every_length);
}

static void just_under(struct stage *s)
{
	/* On both sides of what is still worth coding, and of a page. */
	static const uint32_t lengths[] = {3984, 4016, 4024, 4030, 4031, 4032, 4033,
					   4040, 4064, 4080, 4088, 4095, 4096, 4097};
	uint32_t i, n = sizeof(lengths) / sizeof(lengths[0]);
	struct tmem_stats stats;

	use_ruler(s);
	for (i = 0; i < 200; i++)
		put_ruler(s, i, lengths[i % n]);
	rig_check(s->rig);
	for (i = 0; i < 200; i++)
		get_ruler(s, i, lengths[i % n]);
	/* Over each other too, so that every length takes the place of every other. */
	for (i = 0; i < 2000; i++)
		put_ruler(s, i % 7, lengths[i * 5 % n]);
	rig_check(s->rig);
	for (i = 2000 - 7; i < 2000; i++)
		get_ruler(s, i % 7, lengths[i * 5 % n]);
	/* The border is among them. */
	stats = rig_stats(s->rig, s->client, (int)s->pool);
	MUST_LE(100, stats.pages_coded);
	MUST_LE(100, stats.pages_raw);
}

static void pages_that_compress_to_just_under_a_page(const struct backend *backend)
{
	case_both(backend, just_under);
}

/* An error told, and never wrong bytes; until the page is put again there is no hit. */
static void fails_check(struct stage *s)
{
	struct tmem_handle h = rig_handle(s->pool, 1, 1);

	use(s, CODEC_LIAR);
	MUST_EQ(rig_put(s->rig, s->client, h, page_tag(PAGE_TEXT, 1)), 0);
	MUST_EQ(rig_put(s->rig, s->client, rig_handle(s->pool, 1, 2), page_tag(PAGE_ZERO, 1)), 0);
	MUST_EQ(rig_get(s->rig, s->client, h, page_tag(PAGE_TEXT, 1)), -TMEM_EIO);
	MUST_EQ(rig_stats(s->rig, s->client, (int)s->pool).gets_lost, 1);
	MUST(rig_get(s->rig, s->client, h, page_tag(PAGE_TEXT, 1)) < 0);
	MUST_EQ(rig_get(s->rig, s->client, rig_handle(s->pool, 1, 2), page_tag(PAGE_ZERO, 1)), 1);
	use(s, TMEM_CODEC_LZ4);
	MUST_EQ(rig_put(s->rig, s->client, h, page_tag(PAGE_TEXT, 2)), 0);
	MUST_EQ(rig_get(s->rig, s->client, h, page_tag(PAGE_TEXT, 2)), 1);
}

static void page_that_fails_its_check_is_an_error(const struct backend *backend)
{
	case_both(backend, fails_check);
}

/* Compared with pages that do not compress, of which as many are put beside. */
static void same_cost(struct stage *s)
{
	struct tmem_stats before = rig_stats(s->rig, s->client, (int)s->pool), after;
	uint32_t i;

	for (i = 0; i < 200; i++)
		MUST_EQ(rig_put(s->rig, s->client, rig_handle(s->pool, 1, i),
				page_tag(i & 1 ? PAGE_ZERO : PAGE_SAME, i)),
			0);
	after = rig_stats(s->rig, s->client, (int)s->pool);
	MUST_EQ(after.pages_same - before.pages_same, 200);
	MUST_LE(after.ephemeral_payload + after.persistent_payload, 200 * 8);
	MUST_LE(after.ephemeral_bytes + after.persistent_bytes, 200 * 48);
	for (i = 0; i < 200; i++)
		MUST_EQ(rig_get(s->rig, s->client, rig_handle(s->pool, 1, i),
				page_tag(i & 1 ? PAGE_ZERO : PAGE_SAME, i)),
			1);
}

static void same_filled_pages_cost_a_header(const struct backend *backend)
{
	case_both(backend, same_cost);
}

/* Each word of the page, and each bit of a word, in turn the odd one out. */
static void odd_one_out(struct stage *s)
{
	struct tmem_handle h = rig_handle(s->pool, 1, 1);
	uint64_t word[TMEM_PAGE_SIZE / 8], back[TMEM_PAGE_SIZE / 8];
	unsigned int fill, i, j;

	for (fill = 0; fill < 2; fill++)
		for (i = 0; i < TMEM_PAGE_SIZE / 8 + 64; i++) {
			for (j = 0; j < TMEM_PAGE_SIZE / 8; j++)
				word[j] = fill ? 0x0101010101010101u : 0;
			word[i < TMEM_PAGE_SIZE / 8 ? i : 511] ^= 1ull << (i % 64);
			MUST_EQ(s->rig->backend->put(s->rig, 0, s->client, &h, word), 0);
			memset(back, 0x77, sizeof(back));
			MUST_EQ(s->rig->backend->get(s->rig, 0, s->client, &h, back), 0);
			if (memcmp(word, back, sizeof(word)))
				FAIL("a page that is the same but for word %u comes back changed",
				     i);
		}
}

static void nearly_same_filled_is_not_same_filled(const struct backend *backend)
{
	case_both(backend, odd_one_out);
}

#define NEEDS (CAN_ADMIN | CAN_OBJECTS)

const struct conformance_case cases_codecs[] = {
	{"3.12", "compression-switched-while-running", NEEDS, compression_switched_while_running},
	{"3.12", "unknown-codec-is-refused", NEEDS, unknown_codec_is_refused},
	{"3.12", "page-that-does-not-compress-is-stored-raw", NEEDS | CAN_STATS,
	 page_that_does_not_compress_is_stored_raw},
	{"3.12", "codec-that-fails-is-no-error", NEEDS | CAN_CODECS, codec_that_fails_is_no_error},
	{"9", "pages-of-every-compressed-length", NEEDS | CAN_STATS,
	 pages_of_every_compressed_length},
	{"9", "pages-that-compress-to-just-under-a-page", NEEDS | CAN_STATS,
	 pages_that_compress_to_just_under_a_page},
	{"3.6", "page-that-fails-its-check-is-an-error", NEEDS | CAN_CODECS | CAN_STATS,
	 page_that_fails_its_check_is_an_error},
	{"3.13", "same-filled-pages-cost-a-header", CAN_OBJECTS | CAN_STATS,
	 same_filled_pages_cost_a_header},
	{"3.13", "nearly-same-filled-is-not-same-filled", 0, nearly_same_filled_is_not_same_filled},
	{NULL, NULL, 0, NULL},
};
