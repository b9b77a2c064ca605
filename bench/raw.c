// SPDX-License-Identifier: MIT
/*
 * Raw pages in one process: put and get beside memcpy of the same kind, as
 * single calls back to back, as single calls alone, and in batches of 64;
 * with 64 pages per object and with one. The metadata rows are read off the
 * first filling, when nothing is kept from before.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

#define WARM_PAGES 8u /* sources and buffers that stay in the first-level cache */
#define BATCH	   64u

enum mode { LOOP, ALONE, BATCHED, MODES };

struct raw {
	struct bench *bench;
	struct bench_engine engine;
	unsigned char *warm; /* WARM_PAGES sources, then as many buffers */
	uint32_t *put_order, *get_order;
	uint32_t count;
	uint32_t shift;	 /* log2 of the pages per object */
	int verify;	 /* each page has a sum, and each get looks at it */
	uint64_t failed; /* calls whose result was not 0 */
	struct tmem_op ops[BATCH];
};

static unsigned char *source(struct raw *raw, uint32_t i)
{
	return raw->warm + (i % WARM_PAGES) * BENCH_PAGE;
}

static unsigned char *buffer(struct raw *raw, uint32_t i)
{
	return raw->warm + (WARM_PAGES + i % WARM_PAGES) * BENCH_PAGE;
}

static unsigned char *cold(struct raw *raw, uint32_t key)
{
	return raw->bench->ref + (size_t)key * BENCH_PAGE;
}

static inline __attribute__((always_inline)) void singles(struct raw *raw, uint32_t first,
							  uint32_t count, int put, int alone)
{
	const uint32_t *order = put ? raw->put_order : raw->get_order;
	struct bench_engine *engine = &raw->engine;
	struct tmem_handle handle;
	uint64_t failed = 0;
	uint32_t i;

	for (i = first; i < first + count; i++) {
		bench_handle(&handle, engine->pool, order[i], raw->shift);
		if (alone)
			bench_fence();
		if (put)
			failed += tmem_put(engine->client, engine->worker, &handle,
					   source(raw, i)) != 0;
		else
			failed += tmem_get(engine->client, engine->worker, &handle,
					   buffer(raw, i)) != 0;
	}
	raw->failed += failed;
	bench_engine_settle(engine);
}

static void put_loop(void *context, uint32_t first, uint32_t count)
{
	singles(context, first, count, 1, 0);
}

static void put_alone(void *context, uint32_t first, uint32_t count)
{
	singles(context, first, count, 1, 1);
}

static void get_loop(void *context, uint32_t first, uint32_t count)
{
	singles(context, first, count, 0, 0);
}

static void get_alone(void *context, uint32_t first, uint32_t count)
{
	singles(context, first, count, 0, 1);
}

static void batches(struct raw *raw, uint32_t first, uint32_t count, int put)
{
	const uint32_t *order = put ? raw->put_order : raw->get_order;
	uint32_t i, j, n;

	for (i = first; i < first + count; i += n) {
		n = first + count - i < BATCH ? first + count - i : BATCH;
		for (j = 0; j < n; j++) {
			struct tmem_op *op = &raw->ops[j];

			op->code = put ? TMEM_OP_PUT : TMEM_OP_GET;
			bench_handle(&op->handle, raw->engine.pool, order[i + j], raw->shift);
			op->page = put ? source(raw, i + j) : buffer(raw, i + j);
		}
		tmem_batch(raw->engine.client, raw->engine.worker, raw->ops, n);
		for (j = 0; j < n; j++)
			raw->failed += raw->ops[j].result != 0;
	}
	bench_engine_settle(&raw->engine);
}

static void put_batch(void *context, uint32_t first, uint32_t count)
{
	batches(context, first, count, 1);
}

static void get_batch(void *context, uint32_t first, uint32_t count)
{
	batches(context, first, count, 0);
}

static inline __attribute__((always_inline)) void copies(struct raw *raw, uint32_t first,
							 uint32_t count, int put, int alone)
{
	const uint32_t *order = put ? raw->put_order : raw->get_order;
	uint32_t i;

	for (i = first; i < first + count; i++) {
		if (alone)
			bench_fence();
		if (put)
			bench_copy(cold(raw, order[i]), source(raw, i));
		else
			bench_copy(buffer(raw, i), cold(raw, order[i]));
	}
}

static void copy_in(void *context, uint32_t first, uint32_t count)
{
	copies(context, first, count, 1, 0);
}

static void copy_in_alone(void *context, uint32_t first, uint32_t count)
{
	copies(context, first, count, 1, 1);
}

static void copy_out(void *context, uint32_t first, uint32_t count)
{
	copies(context, first, count, 0, 0);
}

static void copy_out_alone(void *context, uint32_t first, uint32_t count)
{
	copies(context, first, count, 0, 1);
}

/* Pages that memcpy did not touch a moment ago: those half the order away. */
static void stream_in(void *context, uint32_t first, uint32_t count)
{
	struct raw *raw = context;
	uint32_t half = raw->count / 2, i;

	for (i = first; i < first + count; i++)
		bench_copy_stream(cold(raw, raw->put_order[i < half ? i + half : i - half]),
				  source(raw, i));
}

static bench_slice *const ours_put[MODES] = {put_loop, put_alone, put_batch};
static bench_slice *const ours_get[MODES] = {get_loop, get_alone, get_batch};
static bench_slice *const peer_put[MODES] = {copy_in, copy_in_alone, copy_in};
static bench_slice *const peer_get[MODES] = {copy_out, copy_out_alone, copy_out};

/* A page that only this key has, in every 512 bytes of it. */
static void sign(unsigned char *page, uint32_t key)
{
	uint32_t i;

	for (i = 0; i < BENCH_PAGE; i += 512)
		memcpy(page + i, &key, sizeof(key));
}

static void row_name(char *name, size_t size, const char *op, enum mode mode, const struct raw *raw)
{
	snprintf(name, size, "inproc.%s%s%s%s%s", op, mode == BATCHED ? "64" : "",
		 raw->shift == 0 ? ".obj1" : "", mode == ALONE ? ".alone" : "",
		 raw->verify ? ".verified" : "");
}

/* The row of a finished series, or the reason why there is none. */
static void report(struct raw *raw, struct bench_pairs *pairs, const char *name)
{
	struct bench_row row = {.unit = "ns/page", .peer = "memcpy"};
	char why[sizeof(row.why)] = "";

	snprintf(row.name, sizeof(row.name), "%s", name);
	bench_pairs_summary(pairs, &row);
	if (raw->failed != 0)
		snprintf(why, sizeof(why), "%llu calls failed", (unsigned long long)raw->failed);
	else if (pairs->count < BENCH_PAIRS_MIN)
		snprintf(why, sizeof(why),
			 "only %u of %u pairs ran undisturbed: the machine is busy", pairs->count,
			 pairs->turns);
	if (why[0] != '\0') {
		bench_results_skip(&raw->bench->results, name, row.unit, why);
		return;
	}
	bench_progress("%s: %.0f ns, %.3f x memcpy [%.3f %.3f], %u pairs, %u thrown away", name,
		       row.value, row.value / row.peer_value, row.ratio_q1, row.ratio_q3, row.n,
		       row.thrown);
	(void)bench_results_add(&raw->bench->results, &row);
}

/* Fills and empties the store until both rows have their pairs. */
static void series(struct raw *raw, enum mode mode)
{
	struct bench_pairs *pairs = calloc(2, sizeof(*pairs));
	struct bench_side put = {ours_put[mode], raw}, get = {ours_get[mode], raw};
	struct bench_side in = {peer_put[mode], raw}, out = {peer_get[mode], raw};
	struct bench_side stream = {stream_in, raw};
	uint64_t begun = bench_now();
	char name[48];

	raw->failed = 0;
	while ((pairs[0].count < BENCH_PAIRS_MIN || pairs[1].count < BENCH_PAIRS_MIN) &&
	       bench_now() - begun < raw->bench->patience) {
		bench_pairs_run(&pairs[0], &put, &in, mode == ALONE ? NULL : &stream, 0,
				raw->count);
		bench_pairs_run(&pairs[1], &get, &out, NULL, 0, raw->count);
	}
	row_name(name, sizeof(name), "put", mode, raw);
	report(raw, &pairs[0], name);
	row_name(name, sizeof(name), "get", mode, raw);
	report(raw, &pairs[1], name);
	free(pairs);
}

/*
 * Bytes per page that find, order and describe pages: by the engine's figures,
 * and by the kernel's. What this process grew by, less the extents for pages,
 * leaves records, page tables and the host's own tables; all but the first few
 * of these raw pages have their headers in records. Room in extents that is
 * still free is for pages to come: it is in the note, and density counts it.
 */
static void metadata(struct raw *raw, const char *name, uint64_t grown)
{
	/* The first tmem, in ephemeral pools of the same two shapes. */
	struct bench_row row = {.unit = "bytes/page", .n = 1, .peer = "Xen 4.12, as measured once"};
	struct tmem_arena_figures figures;
	struct tmem_stats stats;
	double count = raw->count, headers, engine, extents, records, resident;

	tmem_engine_stats(raw->engine.engine, &stats);
	tmem_arena_figures(raw->engine.store->arena, &figures);
	headers = (double)(stats.ephemeral_bytes - stats.ephemeral_payload);
	engine = ((double)stats.index_bytes + (double)stats.order_bytes + headers) / count;
	extents = (double)figures.extents[TMEM_EXTENT_EPHEMERAL];
	records = (double)grown - extents;
	resident = records / count;
	snprintf(row.name, sizeof(row.name), "%s", name);
	row.value = engine > resident ? engine : resident;
	row.min = row.max = row.q1 = row.q3 = row.value;
	row.peer_value = raw->shift == 0 ? 241 : 108;
	snprintf(row.note, sizeof(row.note),
		 "engine: index %.1f + order %.1f + headers %.1f = %.1f; resident but for extents: "
		 "%.1f (records %.1f); room left in extents %.1f",
		 (double)stats.index_bytes / count, (double)stats.order_bytes / count,
		 headers / count, engine, resident, (double)stats.meta_bytes / count,
		 (extents - (double)stats.ephemeral_payload) / count);
	if (stats.ephemeral_pages != raw->count) {
		snprintf(row.why, sizeof(row.why), "%llu of %u pages are stored",
			 (unsigned long long)stats.ephemeral_pages, raw->count);
		bench_results_skip(&raw->bench->results, name, row.unit, row.why);
		return;
	}
	bench_progress("%s: %.1f bytes per page (%s)", name, row.value, row.note);
	(void)bench_results_add(&raw->bench->results, &row);
}

/* Every page put is the page got; nothing is timed here. 0, or pages that were wrong. */
static uint32_t checked_cycle(struct raw *raw, const char *metadata_name, uint64_t before)
{
	struct bench_engine *engine = &raw->engine;
	unsigned char *page = source(raw, 0), *got = buffer(raw, 0);
	struct tmem_handle handle;
	uint32_t i, wrong = 0;

	for (i = 0; i < raw->count; i++) {
		bench_handle(&handle, engine->pool, raw->put_order[i], raw->shift);
		sign(page, raw->put_order[i]);
		wrong += tmem_put(engine->client, engine->worker, &handle, page) != 0;
	}
	if (metadata_name != NULL)
		metadata(raw, metadata_name, bench_memory_resident() - before);
	for (i = 0; i < raw->count; i++) {
		bench_handle(&handle, engine->pool, raw->get_order[i], raw->shift);
		sign(page, raw->get_order[i]);
		wrong += tmem_get(engine->client, engine->worker, &handle, got) != 0 ||
			 memcmp(page, got, BENCH_PAGE) != 0;
	}
	bench_engine_settle(engine);
	return wrong;
}

static void skip_all(struct raw *raw, const char *why)
{
	char name[48];
	int mode;

	for (mode = 0; mode < (raw->verify ? ALONE : MODES); mode++) {
		row_name(name, sizeof(name), "put", (enum mode)mode, raw);
		bench_results_skip(&raw->bench->results, name, "ns/page", why);
		row_name(name, sizeof(name), "get", (enum mode)mode, raw);
		bench_results_skip(&raw->bench->results, name, "ns/page", why);
	}
}

static void raw_open(struct raw *raw, struct bench *bench)
{
	uint64_t seed = 5, i;

	memset(raw, 0, sizeof(*raw));
	raw->bench = bench;
	raw->count = bench->pages;
	raw->warm = bench_memory_map(2 * WARM_PAGES * BENCH_PAGE);
	for (i = 0; i < WARM_PAGES * BENCH_PAGE / 8; i++)
		((uint64_t *)raw->warm)[i] = bench_random(&seed);
	raw->put_order = bench_shuffled(raw->count, 11);
	raw->get_order = bench_shuffled(raw->count, 12);
}

static void raw_close(struct raw *raw)
{
	free(raw->put_order);
	free(raw->get_order);
	bench_memory_unmap(raw->warm, 2 * WARM_PAGES * BENCH_PAGE);
}

/* Of verified pages single calls only, back to back. */
static void layout(struct raw *raw, struct bench_store *store, uint32_t shift, int verify)
{
	struct bench_setup setup = {
		.bytes = (uint64_t)raw->count * (BENCH_PAGE + 512) + (64u << 20), .verify = verify};
	const char *metadata_name = shift == 0 ? "metadata.obj1" : "metadata.obj64";
	uint64_t before = bench_memory_resident();
	uint32_t wrong;
	char why[96];
	int mode;

	raw->shift = shift;
	raw->verify = verify;
	if (bench_engine_open(&raw->engine, store, &setup) != 0) {
		if (!verify)
			bench_results_skip(&raw->bench->results, metadata_name, "bytes/page",
					   raw->engine.fault);
		skip_all(raw, raw->engine.fault);
		return;
	}
	bench_progress("%u pages per object%s: filling %u pages", 1u << shift,
		       verify ? ", verified" : "", raw->count);
	wrong = checked_cycle(raw, verify ? NULL : metadata_name, before);
	if (wrong != 0) {
		snprintf(why, sizeof(why), "%u of %u pages did not come back as they were put",
			 wrong, raw->count);
		skip_all(raw, why);
	} else {
		for (mode = 0; mode < (verify ? ALONE : MODES); mode++)
			series(raw, (enum mode)mode);
	}
	bench_engine_close(&raw->engine);
	bench_store_release(store);
}

void bench_raw(struct bench *bench)
{
	struct bench_store store;
	struct raw raw;

	raw_open(&raw, bench);
	if (bench_store_open(&store, (uint64_t)bench->pages * 5120 + (256u << 20), 1) != 0) {
		skip_all(&raw, "tmem_arena_create() fails");
	} else {
		layout(&raw, &store, 6, 0);
		layout(&raw, &store, 0, 0);
		layout(&raw, &store, 6, 1);
		bench_store_close(&store);
	}
	raw_close(&raw);
}

/* A get that leaves its page, from a persistent pool. */
void bench_persistent(struct bench *bench)
{
	const char *const name = "inproc.get.persistent";
	struct bench_setup setup = {.pool_flags = TMEM_POOL_PERSISTENT};
	struct bench_pairs *pairs = calloc(1, sizeof(*pairs));
	struct bench_side get = {get_loop, NULL}, out = {copy_out, NULL};
	struct bench_store store;
	struct raw raw;
	uint64_t begun;

	raw_open(&raw, bench);
	raw.shift = 6;
	get.context = &raw;
	out.context = &raw;
	setup.allocation = tmem_pages_allocation(bench->pages, 64, 0);
	setup.bytes = setup.allocation + (256u << 20);
	if (bench_store_open(&store, setup.bytes + (64u << 20), 0) != 0) {
		bench_results_skip(&bench->results, name, "ns/page", "tmem_arena_create() fails");
		goto close;
	}
	bench_progress("%s: populating and filling %u pages", name, raw.count);
	if (bench_engine_open(&raw.engine, &store, &setup) != 0) {
		bench_results_skip(&bench->results, name, "ns/page", raw.engine.fault);
	} else {
		put_loop(&raw, 0, raw.count);
		begun = bench_now();
		while (pairs->count < BENCH_PAIRS_MIN && bench_now() - begun < bench->patience)
			bench_pairs_run(pairs, &get, &out, NULL, 0, raw.count);
		report(&raw, pairs, name);
		bench_engine_close(&raw.engine);
	}
	bench_store_close(&store);
close:
	raw_close(&raw);
	free(pairs);
}
