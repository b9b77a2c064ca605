// SPDX-License-Identifier: MIT
/*
 * inproc.get.dense: pages that were recoded, got from a private ephemeral
 * pool, beside decompressing such pages from cold addresses that are known.
 * The peer's blocks are made by a second instance of the codec with a
 * dictionary of its own, trained on the same pages. Only pages that are worth
 * recoding take part, and as many more are put as the engine leaves alone.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "dense.h"
#include "engine.h"

#define VERIFIED    8192u
#define KEPT_MAX    (BENCH_PAGE * 3 / 4) /* of what lz4 makes of a page */
#define PLACES	    8u
#define FAMILY	    0u
#define DENSE_LEAST 0.999 /* of the pages, or the row is about something else */

struct dense {
	struct bench *bench;
	struct bench_engine engine;
	struct tmem_dense *ours, *alone;
	const struct tmem_codec *coder; /* the peer's */
	uint32_t *chosen;		/* pages of the corpus */
	uint32_t distinct;
	uint32_t count; /* pages that are got; recoding them is what takes its time */
	uint32_t *order;
	struct {
		uint64_t offset;
		uint32_t length;
	} * at; /* for each place of order */
	unsigned char *warm;
	uint64_t failed;
	double dense; /* share of the pages that were, at least */
};

static const unsigned char *page_of(const struct dense *dense, uint32_t key)
{
	return dense->bench->corpus.pages +
	       (size_t)dense->chosen[key % dense->distinct] * BENCH_PAGE;
}

static unsigned char *buffer(struct dense *dense, uint32_t i)
{
	return dense->warm + (i % PLACES) * 2 * BENCH_PAGE;
}

static void get_ours(void *context, uint32_t first, uint32_t count)
{
	struct dense *dense = context;
	struct tmem_handle handle;
	uint32_t i;

	for (i = first; i < first + count; i++) {
		bench_handle(&handle, dense->engine.pool, dense->order[i], 6);
		dense->failed += tmem_get(dense->engine.client, dense->engine.worker, &handle,
					  buffer(dense, i)) != 0;
	}
	bench_engine_settle(&dense->engine);
}

static void get_peer(void *context, uint32_t first, uint32_t count)
{
	struct dense *dense = context;
	uint32_t i;

	for (i = first; i < first + count; i++)
		dense->failed +=
			dense->coder->decompress(dense->coder, NULL,
						 dense->bench->ref + dense->at[i].offset,
						 dense->at[i].length, buffer(dense, i)) != 0;
}

/* The peer's codec has seen every page, and has its dictionaries. */
static void train_alone(struct dense *dense)
{
	const struct bench_corpus *corpus = &dense->bench->corpus;
	unsigned char out[2 * BENCH_PAGE];
	uint32_t i;

	for (i = 0; i < corpus->count; i++) {
		(void)dense->coder->recode(dense->coder, NULL, FAMILY,
					   corpus->pages + (size_t)i * BENCH_PAGE, out, BENCH_PAGE);
		if (tmem_dense_wants_training(dense->alone))
			(void)tmem_dense_train(dense->alone);
	}
}

/* Pages that lz4 makes smaller, and the dense codec smaller by a fifth again. */
static void choose(struct dense *dense)
{
	const struct bench_corpus *corpus = &dense->bench->corpus;
	unsigned char out[2 * BENCH_PAGE], work[64 << 10];
	const unsigned char *page;
	uint32_t i, fast, length;

	for (i = 0; i < corpus->count; i++) {
		page = corpus->pages + (size_t)i * BENCH_PAGE;
		if (memcmp(page, page + 8, BENCH_PAGE - 8) == 0)
			continue;
		fast = tmem_lz4.compress(&tmem_lz4, work, page, out, BENCH_PAGE - 1);
		length = dense->coder->compress(dense->coder, NULL, page, out, BENCH_PAGE - 1);
		if (fast > 0 && fast <= KEPT_MAX && length > 0 && length <= fast - fast / 5)
			dense->chosen[dense->distinct++] = i;
	}
}

/* The peer's blocks, next to each other in the order in which ours are put. */
static int prepare_peer(struct dense *dense)
{
	uint32_t *place = malloc(dense->count * sizeof(*place)), key, from, length = 1;
	unsigned char *ref = dense->bench->ref;
	uint64_t offset = 0;

	for (key = 0; key < dense->count; key++)
		place[dense->order[key]] = key;
	/* There is room: a block is at most a page, and there are fewer than the reference has. */
	for (key = 0; key < dense->count && length != 0; key++) {
		from = place[key % dense->distinct];
		if (key < dense->distinct)
			length = dense->coder->recode(dense->coder, NULL, FAMILY,
						      page_of(dense, key), ref + offset,
						      BENCH_PAGE - 1);
		else
			length = dense->at[from].length;
		if (key >= dense->distinct)
			memcpy(ref + offset, ref + dense->at[from].offset, length);
		dense->at[place[key]].offset = offset;
		dense->at[place[key]].length = length;
		offset += (length + 15u) & ~15u;
	}
	free(place);
	return length != 0;
}

/* Puts what is to be got, and what stays as it is because it is newer; recodes. */
static void fill(struct dense *dense, uint32_t count)
{
	struct bench_engine *engine = &dense->engine;
	struct tmem_stats stats;
	struct tmem_handle handle;
	uint32_t key;

	for (key = 0; key < count + count / 6 + 1; key++) {
		bench_handle(&handle, engine->pool, key, 6);
		dense->failed +=
			tmem_put(engine->client, engine->worker, &handle, page_of(dense, key)) != 0;
		if ((key & 255) == 255)
			bench_engine_settle(engine);
	}
	while (tmem_engine_recode(engine->engine, engine->worker, 64) != 0)
		if (tmem_dense_wants_training(dense->ours))
			(void)tmem_dense_train(dense->ours);
	bench_engine_settle(engine);
	tmem_engine_stats(engine->engine, &stats);
	if ((double)stats.dense_pages / count < dense->dense)
		dense->dense = (double)stats.dense_pages / count;
}

/* Gets some and compares them. Pages that were wrong. */
static uint32_t verify(struct dense *dense)
{
	struct tmem_handle handle;
	uint32_t key, wrong = 0;

	fill(dense, VERIFIED);
	for (key = 0; key < VERIFIED; key++) {
		bench_handle(&handle, dense->engine.pool, key, 6);
		wrong += tmem_get(dense->engine.client, dense->engine.worker, &handle,
				  buffer(dense, 0)) != 0 ||
			 memcmp(buffer(dense, 0), page_of(dense, key), BENCH_PAGE) != 0;
	}
	return wrong;
}

static void measure(struct dense *dense, struct bench_row *row)
{
	struct bench_side get = {get_ours, dense}, peer = {get_peer, dense};
	struct bench_pairs *pairs = calloc(1, sizeof(*pairs));
	uint64_t begun = bench_now();
	uint32_t wrong;

	dense->dense = 1;
	wrong = verify(dense);
	do {
		fill(dense, dense->count);
		bench_pairs_run(pairs, &get, &peer, NULL, 0, dense->count);
	} while (pairs->count < BENCH_PAIRS_MIN && bench_now() - begun < dense->bench->patience);
	bench_pairs_summary(pairs, row);
	if (wrong != 0 || dense->failed != 0)
		snprintf(row->why, sizeof(row->why), "%u pages came back wrong, %llu calls failed",
			 wrong, (unsigned long long)dense->failed);
	else if (dense->dense < DENSE_LEAST)
		snprintf(row->why, sizeof(row->why), "only %.1f %% of the pages were dense",
			 100 * dense->dense);
	else if (pairs->count < BENCH_PAIRS_MIN)
		snprintf(row->why, sizeof(row->why),
			 "only %u of %u pairs ran undisturbed: the machine is busy", pairs->count,
			 pairs->turns);
	free(pairs);
}

static void with_store(struct dense *dense, struct bench_row *row)
{
	struct bench_setup setup = {.codec = TMEM_CODEC_LZ4,
				    .bytes = (uint64_t)dense->count * 5 / 4 * BENCH_PAGE +
					     (64u << 20),
				    .dense = tmem_dense_codec(dense->ours)};
	struct bench_store store;

	train_alone(dense);
	choose(dense);
	if (dense->distinct == 0 || !prepare_peer(dense)) {
		snprintf(row->why, sizeof(row->why), "the corpus has no page worth recoding");
		return;
	}
	if (bench_store_open(&store, setup.bytes, 1) != 0) {
		snprintf(row->why, sizeof(row->why), "tmem_arena_create() fails");
		return;
	}
	if (bench_engine_open(&dense->engine, &store, &setup) != 0) {
		snprintf(row->why, sizeof(row->why), "%s", dense->engine.fault);
	} else {
		bench_progress("dense: recoding %u pages", dense->count);
		measure(dense, row);
		bench_engine_close(&dense->engine);
	}
	bench_store_release(&store);
	bench_store_close(&store);
}

void bench_dense(struct bench *bench)
{
	struct bench_row row = {.name = "inproc.get.dense",
				.unit = "ns/page",
				.peer = "zstd with a dictionary alone, known cold address"};
	struct dense dense = {.bench = bench, .count = bench->quick ? 1u << 16 : 1u << 17};

	dense.chosen = malloc(bench->corpus.count * sizeof(*dense.chosen));
	dense.at = calloc(dense.count, sizeof(*dense.at));
	dense.order = bench_shuffled(dense.count, 31);
	dense.warm = bench_memory_map((size_t)PLACES * 2 * BENCH_PAGE);
	if (tmem_dense_create(1, &dense.ours) != 0 || tmem_dense_create(1, &dense.alone) != 0) {
		snprintf(row.why, sizeof(row.why), "no memory for zstd's contexts");
	} else {
		dense.coder = tmem_dense_codec(dense.alone);
		with_store(&dense, &row);
	}
	if (row.why[0] != '\0') {
		bench_results_skip(&bench->results, row.name, row.unit, row.why);
	} else {
		bench_progress("%s: %.0f ns, %.3f x the codec alone [%.3f %.3f], %u pairs, %u "
			       "thrown away",
			       row.name, row.value, row.value / row.peer_value, row.ratio_q1,
			       row.ratio_q3, row.n, row.thrown);
		(void)bench_results_add(&bench->results, &row);
	}
	if (dense.ours != NULL)
		tmem_dense_destroy(dense.ours);
	if (dense.alone != NULL)
		tmem_dense_destroy(dense.alone);
	bench_memory_unmap(dense.warm, (size_t)PLACES * 2 * BENCH_PAGE);
	free(dense.order);
	free(dense.at);
	free(dense.chosen);
}
