// SPDX-License-Identifier: MIT
/*
 * Compressed pages in one process, beside the codec alone: a put beside
 * compressing a cold page into a warm buffer, a get beside decompressing from
 * a cold address that is known. Only pages of the corpus that the codec makes
 * smaller take part: a page that is stored raw or as one word has no codec to
 * be compared with.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "codec.h"

#define SOURCES	 (1u << 16) /* pages each side reads from: eight times the largest cache here */
#define WARM	 64u	    /* and those that stay in the second-level cache */
#define BATCH	 64u
#define KEPT_MAX (BENCH_PAGE * 3 / 4) /* of a compressed page, so that every engine keeps it so */
#define PLACES	 8u

/* A codec, how much of it is measured, and what beside. */
struct tier {
	const struct tmem_codec *coder;
	uint32_t sources; /* SOURCES, or WARM */
	uint32_t rows;	  /* of names[] */
	const char *page, *block;
};

struct codec {
	struct bench *bench;
	struct tier tier;
	struct bench_engine engine;
	unsigned char *work;
	unsigned char *source[2]; /* ours, the peer's: the same pages, so neither warms the other */
	unsigned char *warm;	  /* buffers */
	uint32_t count;		  /* pages stored */
	uint32_t *put_order, *get_order;
	uint64_t failed;
	uint32_t salt; /* which source a key has: moved by the overwriting series */
	/* The peer's store: for each place of get_order, where its block is. */
	struct {
		uint64_t offset;
		uint32_t length;
	} * at;
	struct tmem_op ops[BATCH];
};

static unsigned char *source_of(struct codec *codec, int side, uint32_t key)
{
	return codec->source[side] +
	       (size_t)((key + codec->salt) % codec->tier.sources) * BENCH_PAGE;
}

static unsigned char *buffer(struct codec *codec, uint32_t i)
{
	return codec->warm + (i % PLACES) * 2 * BENCH_PAGE;
}

static void put_ours(void *context, uint32_t first, uint32_t count)
{
	struct codec *codec = context;
	struct tmem_handle handle;
	uint32_t i;

	for (i = first; i < first + count; i++) {
		uint32_t key = codec->put_order[i];

		bench_handle(&handle, codec->engine.pool, key, 6);
		codec->failed += tmem_put(codec->engine.client, codec->engine.worker, &handle,
					  source_of(codec, 0, key)) != 0;
	}
	bench_engine_settle(&codec->engine);
}

static void put_peer(void *context, uint32_t first, uint32_t count)
{
	struct codec *codec = context;
	uint32_t i;

	for (i = first; i < first + count; i++)
		codec->failed +=
			codec->tier.coder->compress(codec->tier.coder, codec->work,
						    source_of(codec, 1, codec->put_order[i]),
						    buffer(codec, i), BENCH_PAGE - 1) == 0;
}

static void get_ours(void *context, uint32_t first, uint32_t count)
{
	struct codec *codec = context;
	struct tmem_handle handle;
	uint32_t i;

	for (i = first; i < first + count; i++) {
		bench_handle(&handle, codec->engine.pool, codec->get_order[i], 6);
		codec->failed += tmem_get(codec->engine.client, codec->engine.worker, &handle,
					  buffer(codec, i)) != 0;
	}
	bench_engine_settle(&codec->engine);
}

static void get_batch(void *context, uint32_t first, uint32_t count)
{
	struct codec *codec = context;
	uint32_t i, j, n;

	for (i = first; i < first + count; i += n) {
		n = first + count - i < BATCH ? first + count - i : BATCH;
		for (j = 0; j < n; j++) {
			codec->ops[j].code = TMEM_OP_GET;
			bench_handle(&codec->ops[j].handle, codec->engine.pool,
				     codec->get_order[i + j], 6);
			codec->ops[j].page = buffer(codec, i + j);
		}
		tmem_batch(codec->engine.client, codec->engine.worker, codec->ops, n);
		for (j = 0; j < n; j++)
			codec->failed += codec->ops[j].result != 0;
	}
	bench_engine_settle(&codec->engine);
}

static void get_peer(void *context, uint32_t first, uint32_t count)
{
	struct codec *codec = context;
	uint32_t i;

	for (i = first; i < first + count; i++)
		codec->failed +=
			codec->tier.coder->decompress(codec->tier.coder, codec->work,
						      codec->bench->ref + codec->at[i].offset,
						      codec->at[i].length, buffer(codec, i)) != 0;
}

/*
 * The same pages for both sides, and the peer's blocks next to each other in
 * the order in which ours were put. The number of distinct pages; 0: none.
 */
static uint32_t prepare(struct codec *codec)
{
	const struct bench_corpus *corpus = &codec->bench->corpus;
	uint32_t *chosen = malloc(corpus->count * sizeof(*chosen)), *place;
	uint32_t distinct = 0, i, length;
	uint64_t offset = 0, limit = (uint64_t)codec->bench->pages * BENCH_PAGE;
	unsigned char out[2 * BENCH_PAGE];

	for (i = 0; i < corpus->count; i++) {
		const unsigned char *page = corpus->pages + (size_t)i * BENCH_PAGE;

		if (memcmp(page, page + 8, BENCH_PAGE - 8) == 0)
			continue;
		length = codec->tier.coder->compress(codec->tier.coder, codec->work, page, out,
						     BENCH_PAGE - 1);
		if (length > 0 && length <= KEPT_MAX)
			chosen[distinct++] = i;
	}
	for (i = 0; distinct > 0 && i < SOURCES; i++) {
		const unsigned char *page =
			corpus->pages + (size_t)chosen[i % distinct] * BENCH_PAGE;

		memcpy(codec->source[0] + (size_t)i * BENCH_PAGE, page, BENCH_PAGE);
		memcpy(codec->source[1] + (size_t)i * BENCH_PAGE, page, BENCH_PAGE);
	}
	free(chosen);
	place = malloc(codec->count * sizeof(*place));
	for (i = 0; i < codec->count; i++)
		place[codec->get_order[i]] = i;
	for (i = 0; distinct > 0 && i < codec->count; i++) {
		uint32_t key = codec->put_order[i];

		length = codec->tier.coder->compress(codec->tier.coder, codec->work,
						     source_of(codec, 1, key), out, BENCH_PAGE - 1);
		if (length > limit - offset)
			break;
		memcpy(codec->bench->ref + offset, out, length);
		codec->at[place[key]].offset = offset;
		codec->at[place[key]].length = length;
		offset += (length + 15u) & ~15u;
	}
	free(place);
	return i == codec->count ? distinct : 0;
}

static void report(struct codec *codec, struct bench_pairs *pairs, const char *name,
		   const char *peer)
{
	struct bench_row row = {.unit = "ns/page", .peer = peer};
	char why[sizeof(row.why)] = "";

	snprintf(row.name, sizeof(row.name), "%s", name);
	bench_pairs_summary(pairs, &row);
	if (codec->failed != 0)
		snprintf(why, sizeof(why), "%llu calls failed", (unsigned long long)codec->failed);
	else if (pairs->count < BENCH_PAIRS_MIN)
		snprintf(why, sizeof(why),
			 "only %u of %u pairs ran undisturbed: the machine is busy", pairs->count,
			 pairs->turns);
	codec->failed = 0;
	if (why[0] != '\0') {
		bench_results_skip(&codec->bench->results, name, row.unit, why);
		return;
	}
	bench_progress("%s: %.0f ns, %.3f x the codec alone [%.3f %.3f], %u pairs, %u thrown away",
		       name, row.value, row.value / row.peer_value, row.ratio_q1, row.ratio_q3,
		       row.n, row.thrown);
	(void)bench_results_add(&codec->bench->results, &row);
}

/* Rows, by the codec's name. */
static const char *const names[] = {"inproc.put.%s", "inproc.get.%s", "inproc.put.%s.overwrite",
				    "inproc.get64.%s"};

/* Puts everything, gets everything, compares everything. Pages that were wrong. */
static uint32_t verified_cycle(struct codec *codec)
{
	struct tmem_handle handle;
	uint32_t i, wrong = 0;

	put_ours(codec, 0, codec->count);
	for (i = 0; i < codec->count; i++) {
		uint32_t key = codec->get_order[i];
		unsigned char *got = buffer(codec, 0);

		bench_handle(&handle, codec->engine.pool, key, 6);
		wrong += tmem_get(codec->engine.client, codec->engine.worker, &handle, got) != 0 ||
			 memcmp(got, source_of(codec, 1, key), BENCH_PAGE) != 0;
	}
	bench_engine_settle(&codec->engine);
	return wrong;
}

/* One series over all keys, until it has its pairs or patience ends; @before each round: the rest. */
static void series(struct codec *codec, int name, const struct bench_side *ours,
		   const struct bench_side *peer, bench_slice *before, const char *against)
{
	struct bench_pairs *pairs = calloc(1, sizeof(*pairs));
	uint64_t begun = bench_now();
	char row[48];

	do {
		if (before != NULL)
			before(codec, 0, codec->count);
		bench_pairs_run(pairs, ours, peer, NULL, 0, codec->count);
	} while (pairs->count < BENCH_PAIRS_MIN && bench_now() - begun < codec->bench->patience);
	snprintf(row, sizeof(row), names[name], codec->tier.coder->name);
	report(codec, pairs, row, against);
	free(pairs);
}

static void measure(struct codec *codec)
{
	struct bench_side put = {put_ours, codec}, compress = {put_peer, codec};
	struct bench_side get = {get_ours, codec}, batch = {get_batch, codec};
	struct bench_side decompress = {get_peer, codec};
	const struct tier *tier = &codec->tier;

	series(codec, 0, &put, &compress, NULL, tier->page);
	/* Same-sized blocks as the peer has, and all of them there. */
	series(codec, 1, &get, &decompress, put_ours, tier->block);
	if (tier->rows == 2)
		return;
	put_ours(codec, 0, codec->count);
	codec->salt = 4099;
	series(codec, 2, &put, &compress, NULL, tier->page);
	codec->salt = 0;
	series(codec, 3, &batch, &decompress, put_ours, tier->block);
}

static void skip_all(struct codec *codec, const char *why)
{
	char name[48];
	size_t i;

	for (i = 0; i < codec->tier.rows; i++) {
		snprintf(name, sizeof(name), names[i], codec->tier.coder->name);
		bench_results_skip(&codec->bench->results, name, "ns/page", why);
	}
}

static void with_store(struct codec *codec, struct bench_store *store)
{
	struct bench_setup setup = {.bytes = (uint64_t)codec->count * 2600 + (64u << 20),
				    .codec = codec->tier.coder->id};
	struct tmem_stats stats;
	uint32_t wrong;
	char why[96];

	if (bench_engine_open(&codec->engine, store, &setup) != 0) {
		skip_all(codec, codec->engine.fault);
		return;
	}
	bench_progress("%s: filling %u pages", codec->tier.coder->name, codec->count);
	wrong = verified_cycle(codec);
	tmem_engine_stats(codec->engine.engine, &stats);
	if (wrong != 0 || stats.pages_coded != codec->count) {
		snprintf(why, sizeof(why), "%u pages came back wrong, %llu of %u were compressed",
			 wrong, (unsigned long long)stats.pages_coded, codec->count);
		skip_all(codec, why);
	} else {
		measure(codec);
	}
	bench_engine_close(&codec->engine);
}

static void one_tier(struct bench *bench, const struct tier *tier)
{
	struct codec codec = {.bench = bench, .tier = *tier, .count = bench->pages};
	struct bench_store store;
	int i;

	codec.work = bench_memory_map(64u << 10);
	codec.warm = bench_memory_map((size_t)PLACES * 2 * BENCH_PAGE);
	for (i = 0; i < 2; i++)
		codec.source[i] = bench_memory_map((size_t)SOURCES * BENCH_PAGE);
	codec.put_order = bench_shuffled(codec.count, 21);
	codec.get_order = bench_shuffled(codec.count, 22);
	codec.at = calloc(codec.count, sizeof(*codec.at));
	if (codec.at == NULL || prepare(&codec) == 0) {
		skip_all(&codec, "the corpus has no page that the codec makes smaller");
	} else if (bench_store_open(&store, (uint64_t)codec.count * 2700 + (256u << 20), 1) != 0) {
		skip_all(&codec, "tmem_arena_create() fails");
	} else {
		with_store(&codec, &store);
		bench_store_release(&store);
		bench_store_close(&store);
	}
	free(codec.at);
	free(codec.put_order);
	free(codec.get_order);
	for (i = 0; i < 2; i++)
		bench_memory_unmap(codec.source[i], (size_t)SOURCES * BENCH_PAGE);
	bench_memory_unmap(codec.warm, (size_t)PLACES * 2 * BENCH_PAGE);
	bench_memory_unmap(codec.work, 64u << 10);
}

void bench_codec(struct bench *bench)
{
	const struct tier lz4 = {&tmem_lz4, SOURCES, 4, "lz4 alone, cold page",
				 "lz4 alone, known cold address"};
	const struct tier vector = {tmem_vector_here(), WARM, 2, "vector alone, page in cache",
				    "vector alone, known cold address"};

	one_tier(bench, &lz4);
	one_tier(bench, &vector);
}
