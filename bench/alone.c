// SPDX-License-Identifier: MIT
/*
 * Codecs by themselves, beside lz4 on the same pages: what they make of
 * anonymous pages and of file pages, and what a cold page takes each way.
 * Same-filled pages have no part in it; a page that a codec refuses counts
 * whole, as the engine stores it.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#include "codec.h"

#define ROOM (BENCH_PAGE - 64) /* a block has to save as much, or the page is stored raw */

struct alone {
	const struct tmem_codec *codec;
	unsigned char *work;
	const unsigned char **page;
	uint32_t count;	       /* pages */
	unsigned char *blocks; /* next to each other */
	uint64_t *at;
	uint32_t *length; /* 0: refused */
	uint64_t bytes;	  /* with refused pages whole */
	uint32_t wrong;
};

static unsigned char out[BENCH_PAGE];

static void compress(void *context, uint32_t first, uint32_t count)
{
	struct alone *alone = context;
	uint32_t i;

	for (i = first; i < first + count; i++)
		(void)alone->codec->compress(alone->codec, alone->work, alone->page[i], out, ROOM);
}

static void decompress(void *context, uint32_t first, uint32_t count)
{
	struct alone *alone = context;
	uint32_t i;

	for (i = first; i < first + count; i++)
		if (alone->length[i])
			alone->wrong += alone->codec->decompress(alone->codec, alone->work,
								 alone->blocks + alone->at[i],
								 alone->length[i], out) != 0;
		else
			memcpy(out, alone->page[i], BENCH_PAGE);
}

/* All pages into blocks, and back once. */
static void fill(struct alone *alone, const struct tmem_codec *codec, const unsigned char **page,
		 uint32_t count)
{
	uint64_t used = 0;
	uint32_t i;

	memset(alone, 0, sizeof(*alone));
	alone->codec = codec;
	alone->page = page;
	alone->count = count;
	alone->work = bench_memory_map(64u << 10);
	alone->blocks = bench_memory_map((size_t)count * BENCH_PAGE);
	alone->at = calloc(count, sizeof(*alone->at));
	alone->length = calloc(count, sizeof(*alone->length));
	for (i = 0; i < count; i++) {
		alone->at[i] = used;
		alone->length[i] =
			codec->compress(codec, alone->work, page[i], alone->blocks + used, ROOM);
		alone->bytes += alone->length[i] ? alone->length[i] : BENCH_PAGE;
		if (alone->length[i] && (codec->decompress(codec, alone->work, alone->blocks + used,
							   alone->length[i], out) != 0 ||
					 memcmp(out, page[i], BENCH_PAGE) != 0))
			alone->wrong++;
		used += (alone->length[i] + 15u) & ~15u;
	}
}

static void drop(struct alone *alone)
{
	bench_memory_unmap(alone->work, 64u << 10);
	bench_memory_unmap(alone->blocks, (size_t)alone->count * BENCH_PAGE);
	free(alone->at);
	free(alone->length);
}

static void ratio(struct bench *bench, const struct alone *ours, const struct alone *peer,
		  const char *name)
{
	struct bench_row row = {.unit = "x", .higher_is_better = 1, .peer = "lz4"};

	snprintf(row.name, sizeof(row.name), "%s", name);
	row.value = (double)ours->count * BENCH_PAGE / (double)ours->bytes;
	row.peer_value = (double)ours->count * BENCH_PAGE / (double)peer->bytes;
	row.min = row.max = row.q1 = row.q3 = row.value;
	row.n = ours->count;
	bench_progress("%s: %.2f, lz4 %.2f", name, row.value, row.peer_value);
	(void)bench_results_add(&bench->results, &row);
}

static void times(struct bench *bench, struct alone *ours, struct alone *peer, bench_slice *run,
		  const char *name)
{
	struct bench_row row = {.unit = "ns/page", .peer = "lz4"};
	struct bench_pairs *pairs = calloc(1, sizeof(*pairs));
	struct bench_side a = {run, ours}, b = {run, peer};
	uint64_t begun = bench_now();

	do
		bench_pairs_run(pairs, &a, &b, NULL, 0, ours->count);
	while (pairs->count < BENCH_PAIRS_MIN && bench_now() - begun < bench->patience);
	if (pairs->count < BENCH_PAIRS_MIN) {
		bench_results_skip(&bench->results, name, row.unit, "the machine is busy");
	} else {
		snprintf(row.name, sizeof(row.name), "%s", name);
		bench_pairs_summary(pairs, &row);
		bench_progress("%s: %.0f ns, lz4 %.0f", name, row.value, row.peer_value);
		(void)bench_results_add(&bench->results, &row);
	}
	free(pairs);
}

static void beside_lz4(struct bench *bench, const struct tmem_codec *codec, const char *kind,
		       const unsigned char **page, uint32_t count)
{
	struct alone ours, peer;
	char name[3][48];
	uint32_t i;

	snprintf(name[0], sizeof(name[0]), "codec.%s.ratio.%s", codec->name, kind);
	snprintf(name[1], sizeof(name[1]), "codec.%s.compress.%s", codec->name, kind);
	snprintf(name[2], sizeof(name[2]), "codec.%s.decompress.%s", codec->name, kind);
	if (count == 0) {
		for (i = 0; i < 3; i++)
			bench_results_skip(&bench->results, name[i], i ? "ns/page" : "x",
					   "the corpus has no such pages");
		return;
	}
	fill(&ours, codec, page, count);
	fill(&peer, &tmem_lz4, page, count);
	if (ours.wrong || peer.wrong) {
		for (i = 0; i < 3; i++)
			bench_results_skip(&bench->results, name[i], i ? "ns/page" : "x",
					   "pages came back wrong");
	} else {
		ratio(bench, &ours, &peer, name[0]);
		times(bench, &ours, &peer, compress, name[1]);
		times(bench, &ours, &peer, decompress, name[2]);
	}
	drop(&ours);
	drop(&peer);
}

void bench_alone(struct bench *bench)
{
	const struct tmem_codec *codecs[] = {&tmem_small, tmem_vector_here()};
	const struct bench_corpus *corpus = &bench->corpus;
	uint32_t kind, i, count, of;

	for (kind = 0; kind < 2; kind++) {
		const unsigned char *pages = kind ? corpus->file_pages : corpus->pages;
		const unsigned char **page;

		of = kind ? corpus->file_count : corpus->count;
		page = calloc(of + 1, sizeof(*page));
		for (i = count = 0; i < of; i++, pages += BENCH_PAGE)
			if (memcmp(pages, pages + 8, BENCH_PAGE - 8) != 0)
				page[count++] = pages;
		for (i = 0; i < 2; i++)
			beside_lz4(bench, codecs[i], kind ? "file" : "anon", page, count);
		free(page);
	}
}
