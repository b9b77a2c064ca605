/* SPDX-License-Identifier: MIT */
/*
 * A batch knows the way to its pages some operations before their turn. What
 * ends meanwhile, by another worker, is ended for all operations that follow:
 * here a codec destroys the pool while the batch gets its first page.
 */
#include <stdio.h>
#include <string.h>
#include <tmem/engine.h>

#include "glue.h"
#include "internal.h"
#include "must.h"
#include "page.h"

#define MIB	   (1u << 20)
#define CODEC_LAST 9  /* the codec's id */
#define STORED	   16 /* bytes of a page that it stores */
#define PAGES	   256u
#define BATCH	   40u

static void *host;
static struct tmem_engine *engine;
static struct tmem_worker *worker, *other;
static struct tmem_client *client;
static uint32_t pool;
static int armed; /* the next page that is decoded is the pool's last */

static uint32_t compress(const struct tmem_codec *codec, void *work, const void *page, void *dst,
			 uint32_t room)
{
	(void)codec, (void)work, (void)room;
	memcpy(dst, page, STORED);
	return STORED;
}

static int decompress(const struct tmem_codec *codec, void *work, const void *src, uint32_t length,
		      void *page)
{
	(void)codec, (void)work;
	memcpy(page, src, length);
	if (armed)
		MUST_EQ(tmem_pool_destroy(client, other, pool), 0);
	armed = 0;
	return 0;
}

static const struct tmem_codec last = {
	.id = CODEC_LAST, .name = "last", .compress = compress, .decompress = decompress};

static void start(void)
{
	static const struct tmem_codec *const codecs[] = {&last};
	struct tmem_config config = {.size = sizeof(config),
				     .workers = 2,
				     .extent_size = 65536,
				     .capacity = 32u * MIB,
				     .codec_count = 1,
				     .codecs = codecs,
				     .host_ops = glue_ops()};
	struct tmem_client_config settings = {.size = sizeof(settings)};
	struct tmem_pool_config shape = {.size = sizeof(shape)};
	int number;

	host = glue_create(64u * MIB);
	config.host = host;
	MUST_EQ(tmem_engine_create(&config, &engine), 0);
	MUST_EQ(tmem_worker_create(engine, &worker), 0);
	MUST_EQ(tmem_worker_create(engine, &other), 0);
	MUST_EQ(tmem_client_create(engine, worker, &settings, &client), 0);
	number = tmem_pool_create(client, worker, &shape);
	MUST(number >= 0);
	pool = (uint32_t)number;
}

static void stop(void)
{
	const char *what = NULL;

	if (tmem_engine_check(engine, &what))
		FAIL("check: %s", what);
	tmem_client_destroy(client, worker);
	tmem_worker_destroy(other);
	tmem_worker_destroy(worker);
	tmem_engine_destroy(engine);
	MUST(glue_destroy(host) == NULL);
}

static struct tmem_handle handle(uint32_t i)
{
	struct tmem_handle handle = {.object = {{1, 2, i / 4}}, .pool = pool, .index = i % 4};

	return handle;
}

/* Raw pages at all handles, and slots in hand; then page 0 by the codec. */
static void fill(void)
{
	static unsigned char page[TMEM_PAGE_SIZE];
	struct tmem_handle h;
	uint32_t i;

	for (i = 1; i < PAGES; i++) {
		page_fill(page, page_tag(PAGE_RANDOM, i));
		h = handle(i);
		MUST_EQ(tmem_put(client, worker, &h, page), 0);
	}
	MUST(tmem_load(&worker->seat->stock.slots) != 0);
	MUST_EQ(tmem_client_set_codec(client, CODEC_LAST), 0);
	h = handle(0);
	MUST_EQ(tmem_put(client, worker, &h, page), 0);
	MUST_EQ(tmem_client_set_codec(client, TMEM_CODEC_RAW), 0);
}

/* A get of page 0, then operations of @code on the pages after it. */
static void run(struct tmem_op *ops, enum tmem_op_code code)
{
	static unsigned char page[BATCH][TMEM_PAGE_SIZE];
	uint32_t i;

	for (i = 0; i < BATCH; i++) {
		page_fill(page[i], page_tag(PAGE_RANDOM, 1000 + i));
		ops[i] = (struct tmem_op){
			.code = i ? code : TMEM_OP_GET, .handle = handle(i), .page = page[i]};
	}
	tmem_batch(client, worker, ops, BATCH);
}

static void an_ended_pool_has_nothing(enum tmem_op_code code)
{
	struct tmem_op ops[BATCH];
	uint32_t i;

	start();
	fill();
	armed = 1;
	run(ops, code);
	MUST(!armed);
	MUST_EQ(ops[0].result, 0);
	for (i = 1; i < BATCH; i++)
		MUST_EQ(ops[i].result, -TMEM_ENODEV);
	stop();
}

/* The control: the same batch of a pool that stays. */
static void a_pool_that_stays_has_all(enum tmem_op_code code)
{
	struct tmem_op ops[BATCH];
	uint32_t i;

	start();
	fill();
	run(ops, code);
	for (i = 0; i < BATCH; i++)
		MUST_EQ(ops[i].result, i && code == TMEM_OP_FLUSH ? 1 : 0);
	stop();
}

/*
 * The first operation takes the place of a narrow leaf, between the look for
 * the slots of the last ones and the look at what these hold. These come after
 * @before others.
 */
static void a_leaf_that_was_given_back_leads_nowhere(uint32_t before)
{
	static unsigned char page[BATCH][TMEM_PAGE_SIZE];
	uint32_t count = before + TMEM_LEAF_SMALL, i;
	struct tmem_op ops[BATCH];
	struct tmem_handle h;

	start();
	for (i = 0; i < TMEM_LEAF_SMALL; i++) {
		page_fill(page[0], page_tag(PAGE_RANDOM, i));
		h = handle(0);
		h.index = TMEM_GROUP_PAGES + i;
		MUST_EQ(tmem_put(client, worker, &h, page[0]), 0);
	}
	for (i = 0; i < count; i++) {
		ops[i] = (struct tmem_op){.code = i ? TMEM_OP_GET : TMEM_OP_PUT,
					  .handle = handle(0),
					  .page = page[i]};
		ops[i].handle.index = TMEM_GROUP_PAGES + (i ? i - before : 60);
	}
	tmem_batch(client, worker, ops, count);
	MUST_EQ(ops[0].result, 0);
	for (i = 1; i < count; i++)
		MUST_EQ(ops[i].result, i < before ? -TMEM_ENOENT : 0);
	for (i = 0; i < TMEM_LEAF_SMALL; i++)
		MUST(page_holds(page[before + i], page_tag(PAGE_RANDOM, i)));
	stop();
}

/*
 * The cap allows for the records of a few of a row's puts, each of which is an
 * object of its own: those after them go by themselves, and drop what is over.
 */
static void a_row_that_reaches_the_cap_is_carried_out(uint32_t few)
{
	static unsigned char page[TMEM_RUN][TMEM_PAGE_SIZE];
	struct tmem_op ops[TMEM_RUN];
	struct tmem_handle h;
	struct tmem_stats stats;
	uint32_t i;

	start();
	fill();
	tmem_client_set_cap(client, tmem_client_bytes(client) + few * TMEM_OBJECT_BYTES);
	for (i = 0; i < TMEM_RUN; i++) {
		page_fill(page[i], page_tag(PAGE_RANDOM, 2000 + i));
		ops[i] = (struct tmem_op){.code = TMEM_OP_PUT, .page = page[i], .result = 1};
		ops[i].handle = handle(4 * (1000 + i));
	}
	tmem_client_stats(client, &stats);
	MUST_EQ(stats.dropped_over_cap, 0);
	tmem_batch(client, worker, ops, TMEM_RUN);
	tmem_client_stats(client, &stats);
	MUST(stats.dropped_over_cap > 0);
	for (i = 0; i < TMEM_RUN; i++)
		MUST_EQ(ops[i].result, 0);
	h = ops[TMEM_RUN - 1].handle;
	MUST_EQ(tmem_get(client, worker, &h, page[0]), 0);
	MUST(page_holds(page[0], page_tag(PAGE_RANDOM, 2000 + TMEM_RUN - 1)));
	stop();
}

int main(void)
{
	static const enum tmem_op_code codes[] = {TMEM_OP_GET, TMEM_OP_PUT, TMEM_OP_FLUSH};
	uint32_t i;

	for (i = 0; i < 3; i++) {
		a_pool_that_stays_has_all(codes[i]);
		an_ended_pool_has_nothing(codes[i]);
	}
	for (i = 1; i <= BATCH - TMEM_LEAF_SMALL; i++)
		a_leaf_that_was_given_back_leads_nowhere(i);
	for (i = 1; i < TMEM_RUN - 1; i++)
		a_row_that_reaches_the_cap_is_carried_out(i);
	printf("batch: 8 passed, 0 failed\n");
	return 0;
}
