/* SPDX-License-Identifier: MIT */
/*
 * Blocks of a heap, without the index above it: random reservations and
 * frees with payloads that are verified, counts that must be exact, and the
 * share of the extents' bytes that good fit puts to use.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "glue.h"
#include "must.h"
#include "page.h"

#define BLOCKS 3000u

struct kept {
	struct reserve reserve;
	uint32_t length;
	uint64_t seed;
};

static struct kept kept[BLOCKS];
static uint64_t bytes_kept;

static void fill_payload(unsigned char *at, uint32_t length, uint64_t seed)
{
	uint32_t i;

	for (i = 0; i < length; i++) {
		if (i % 8 == 0)
			rng_next(&seed);
		at[i] = (unsigned char)(seed >> i % 8 * 8);
	}
}

static uint32_t codec_of(uint32_t length)
{
	return length == TMEM_PAGE_SIZE ? TMEM_CODEC_RAW : TMEM_CODEC_LZ4;
}

static void keep(struct heap *heap, struct tmem_worker *worker, struct kept *k, uint32_t length,
		 uint64_t seed)
{
	int result = tmem_heap_reserve(heap, worker, length, codec_of(length), 0, &k->reserve);

	MUST_EQ(result, 0);
	tmem_store_release(&worker->seat->held, 0u);
	MUST((uintptr_t)k->reserve.payload % 16 == 0);
	k->length = length;
	k->seed = seed;
	fill_payload(k->reserve.payload, length, seed);
	bytes_kept += length;
}

static void let_go(struct heap *heap, struct kept *k)
{
	static unsigned char should[TMEM_PAGE_SIZE];

	fill_payload(should, k->length, k->seed);
	if (memcmp(should, k->reserve.payload, k->length))
		FAIL("a block of %u bytes was written by somebody else", k->length);
	tmem_heap_free(heap, SLOT_OF(k->reserve.place, k->length, codec_of(k->length)), 0,
		       k->reserve.extent->generation);
	bytes_kept -= k->length;
	k->length = 0;
}

static uint32_t some_length(uint64_t *state, int kind)
{
	switch (kind) {
	case 0: /* every length */
		return 1 + (uint32_t)rng_below(state, TMEM_PAGE_SIZE);
	case 1: /* as compressed pages are: a third to a half, seldom more */
		return (uint32_t)(600 + rng_below(state, 1500) + rng_below(state, 1500));
	case 2: /* at the borders of units and of a page */
		return 16 * (1 + (uint32_t)rng_below(state, 255)) + (uint32_t)rng_below(state, 3) -
		       1;
	default: /* whole pages among the others */
		return rng_below(state, 2) ? TMEM_PAGE_SIZE : 1 + (uint32_t)rng_below(state, 4000);
	}
}

static void run(struct heap *heap, struct tmem_worker *worker, int kind)
{
	uint64_t state = (uint64_t)kind + 9, units = 0;
	double use;
	uint32_t i;

	for (i = 0; i < BLOCKS; i++)
		keep(heap, worker, &kept[i], some_length(&state, kind), i);
	for (i = 0; i < 20 * BLOCKS; i++) {
		struct kept *k = &kept[rng_below(&state, BLOCKS)];

		/* New first, as a put does it; now and then many at once. */
		if (k->length && i % 1000 < 900) {
			struct kept fresh;

			keep(heap, worker, &fresh, some_length(&state, kind), BLOCKS + i);
			let_go(heap, k);
			*k = fresh;
		} else if (k->length) {
			let_go(heap, k);
		} else {
			keep(heap, worker, k, some_length(&state, kind), BLOCKS + i);
		}
	}
	for (i = 0; i < BLOCKS; i++)
		if (!kept[i].length)
			keep(heap, worker, &kept[i], some_length(&state, kind), i);
	for (i = 0; i < BLOCKS; i++)
		units += kept[i].length == TMEM_PAGE_SIZE && kept[i].reserve.extent->headers
				 ? TMEM_PAGE_UNITS
				 : tmem_units(kept[i].length);
	MUST_EQ(heap->live, BLOCKS);
	MUST_EQ(heap->total[0].payload + heap->total[0].slots * TMEM_PAGE_SIZE, bytes_kept);
	MUST_LE(units * TMEM_UNIT, heap->extent_bytes);
	use = (double)bytes_kept / (double)heap->extent_bytes;
	if (use < 0.90)
		FAIL("kind %d: %.3f of the extents' bytes are payload", kind, use);
	for (i = 0; i < BLOCKS; i++)
		let_go(heap, &kept[i]);
	MUST_EQ(heap->live, 0);
	MUST_EQ(heap->total[0].units + heap->total[0].slots, 0);
	MUST_EQ(heap->total[0].payload, 0);
	printf("ok    kind %d: %.3f of the extents' bytes are payload\n", kind, use);
}

static uint64_t hand(const struct tmem_worker *worker)
{
	return worker->seat->stock.slots;
}

/* What a worker has in hand stays there while it takes of it, and no longer. */
static void keeps_what_is_used(struct tmem_engine *engine, struct heap *heap,
			       struct tmem_worker *worker)
{
	uint64_t had;
	uint32_t count = 0, i;

	while (!hand(worker) && count < BLOCKS)
		keep(heap, worker, &kept[count++], TMEM_PAGE_SIZE, 1);
	for (i = 0; i < 10; i++) {
		had = hand(worker);
		MUST(had != 0);
		MUST(tmem_engine_step(engine, worker, 1) <= 1);
		MUST_EQ(hand(worker), had);
		keep(heap, worker, &kept[count++], TMEM_PAGE_SIZE, i);
	}
	MUST(tmem_engine_step(engine, worker, 1) <= 1);
	MUST(hand(worker) != 0);
	MUST(tmem_engine_step(engine, worker, 1) <= 1);
	MUST_EQ(hand(worker), 0);
	MUST_EQ(heap->live, count);
	while (count)
		let_go(heap, &kept[--count]);
	printf("ok    a step leaves what is used in hand, and takes what is not\n");
}

int main(void)
{
	void *host = glue_create(64u << 20);
	struct tmem_config config = {.size = sizeof(config),
				     .capacity = 64u << 20,
				     .extent_size = 1u << 18,
				     .host_ops = glue_ops(),
				     .host = host};
	struct tmem_client_config client_config = {.size = sizeof(client_config)};
	struct tmem_engine *engine;
	struct tmem_worker *worker;
	struct tmem_client *client;
	int kind;

	MUST_EQ(tmem_engine_create(&config, &engine), 0);
	MUST_EQ(tmem_worker_create(engine, &worker), 0);
	for (kind = 0; kind < 4; kind++) {
		MUST_EQ(tmem_client_create(engine, worker, &client_config, &client), 0);
		run(&client->heap[0], worker, kind);
		tmem_client_destroy(client, worker);
		while (tmem_engine_step(engine, worker, 64))
			;
		MUST_EQ(tmem_engine_check(engine, NULL), 0);
	}
	MUST_EQ(tmem_client_create(engine, worker, &client_config, &client), 0);
	keeps_what_is_used(engine, &client->heap[0], worker);
	tmem_client_destroy(client, worker);
	tmem_worker_destroy(worker);
	tmem_engine_destroy(engine);
	MUST(glue_destroy(host) == NULL);
	printf("heap: 5 passed, 0 failed\n");
	return 0;
}
