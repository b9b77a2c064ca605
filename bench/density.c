// SPDX-License-Identifier: MIT
/*
 * density.*: pages stored per GiB of memory, beside zram with the same pages;
 * lz4 beside its lz4, and what recoding makes of them beside its lzo-rle, which
 * is what it has if nobody chooses. Memory is counted whole: ours as what this process grew
 * by, page tables included; zram's as mem_used_total and 24 bytes per page for
 * its table and handles, which it does not count.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dense.h"
#include "engine.h"

#define ZRAM_SYS      "/sys/block/zram0/"
#define ZRAM_DEV      "/dev/zram0"
#define ZRAM_PER_PAGE 24.0
#define CHUNK_PAGES   256u

static int zram_fd = -1;
static volatile sig_atomic_t zram_is_ours;

/* 0, or errno. Async-signal-safe. */
static int sys_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), bad = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		bad = errno;
	close(fd);
	return bad;
}

/* 1 where the attribute reads as @text, or has [@text] chosen; else 0. */
static int sys_is(const char *path, const char *text)
{
	FILE *in = fopen(path, "r");
	char line[256] = "", *word, *rest = line;
	int found = 0;

	if (in == NULL)
		return 0;
	if (fgets(line, sizeof(line), in) != NULL)
		while ((word = strtok_r(rest, " []\n", &rest)) != NULL)
			if (strcmp(word, text) == 0)
				found = 1;
	fclose(in);
	return found;
}

/* The device is left as it was found: without contents. Async-signal-safe but for the waiting. */
static int zram_close(void)
{
	const struct timespec pause = {0, 50000000};
	int tries, bad = 0;

	if (zram_fd >= 0)
		close(zram_fd);
	zram_fd = -1;
	/* Somebody may still look at it: programs that watch block devices do for a moment. */
	for (tries = 0; zram_is_ours && tries < 100; tries++) {
		bad = sys_write(ZRAM_SYS "reset", "1");
		if (bad == 0)
			zram_is_ours = 0;
		else
			nanosleep(&pause, NULL);
	}
	return bad;
}

static void on_signal(int number)
{
	(void)zram_close();
	signal(number, SIG_DFL);
	raise(number);
}

/* 0, or -1 with @why. */
static int zram_open(uint64_t bytes, const char *algorithm, char *why, size_t size)
{
	char text[32];
	int bad;

	if (access(ZRAM_DEV, F_OK) != 0 || access(ZRAM_SYS "disksize", F_OK) != 0) {
		snprintf(why, size, "no " ZRAM_DEV ": the zram module is not loaded");
		return -1;
	}
	if (access(ZRAM_DEV, R_OK | W_OK) != 0 || access(ZRAM_SYS "reset", W_OK) != 0) {
		snprintf(why, size, ZRAM_DEV " may not be used by this user; root may");
		return -1;
	}
	if (!sys_is(ZRAM_SYS "disksize", "0")) {
		snprintf(why, size, ZRAM_DEV " is in use; it is not touched");
		return -1;
	}
	if (!sys_is(ZRAM_SYS "comp_algorithm", algorithm)) {
		snprintf(why, size, "this kernel's zram has no %s", algorithm);
		return -1;
	}
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGHUP, on_signal);
	zram_is_ours = 1;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	bad = sys_write(ZRAM_SYS "comp_algorithm", algorithm);
	if (bad == 0)
		bad = sys_write(ZRAM_SYS "disksize", text);
	if (bad == 0) {
		zram_fd = open(ZRAM_DEV, O_RDWR | O_DIRECT | O_CLOEXEC | O_EXCL);
		if (zram_fd < 0)
			bad = errno;
	}
	if (bad != 0)
		snprintf(why, size, "zram could not be set up: %s", strerror(bad));
	return bad != 0 ? -1 : 0;
}

/* Bytes that zram holds for @count pages; 0 with @why. */
static double zram_bytes(struct bench *bench, uint32_t count, const char *algorithm,
			 double *payload, char *why, size_t size)
{
	const struct bench_corpus *corpus = &bench->corpus;
	unsigned char *chunk = bench_memory_map(CHUNK_PAGES * BENCH_PAGE);
	unsigned long long original = 0, compressed = 0, used = 0;
	double bytes = 0;
	uint32_t i, j;
	FILE *in;

	if (zram_open((uint64_t)count * BENCH_PAGE, algorithm, why, size) != 0)
		goto close;
	for (i = 0; i < count; i += CHUNK_PAGES) {
		for (j = 0; j < CHUNK_PAGES; j++)
			memcpy(chunk + (size_t)j * BENCH_PAGE,
			       corpus->pages + (size_t)((i + j) % corpus->count) * BENCH_PAGE,
			       BENCH_PAGE);
		if (pwrite(zram_fd, chunk, CHUNK_PAGES * BENCH_PAGE, (off_t)i * BENCH_PAGE) !=
		    (ssize_t)(CHUNK_PAGES * BENCH_PAGE)) {
			snprintf(why, size, "writing to zram: %s", strerror(errno));
			goto close;
		}
	}
	in = fopen(ZRAM_SYS "mm_stat", "r");
	if (in == NULL || fscanf(in, "%llu %llu %llu", &original, &compressed, &used) != 3 ||
	    used == 0)
		snprintf(why, size, "zram's mm_stat cannot be read");
	else
		bytes = (double)used + ZRAM_PER_PAGE * count;
	*payload = (double)compressed;
	if (in != NULL)
		fclose(in);
close:
	if (zram_close() != 0)
		fprintf(stderr,
			"bench: " ZRAM_DEV " could not be reset: echo 1 > " ZRAM_SYS "reset\n");
	bench_memory_unmap(chunk, CHUNK_PAGES * BENCH_PAGE);
	return bytes;
}

/* Recodes all that is cold, and gives back the extents that were emptied by it. */
static void recode_all(struct bench_engine *engine, struct tmem_dense *dense)
{
	struct tmem_stats stats;

	while (tmem_engine_recode(engine->engine, engine->worker, 64) != 0)
		if (tmem_dense_wants_training(dense))
			(void)tmem_dense_train(dense);
	bench_engine_settle(engine);
	tmem_engine_stats(engine->engine, &stats);
	(void)tmem_engine_reclaim(engine->engine, engine->worker,
				  stats.freeable - stats.extent_bytes);
}

/* Bytes that this process grew by for @count pages; 0 with @why. @dense: recoded; NULL: as put. */
static double our_bytes(struct bench *bench, uint32_t count, struct tmem_dense *dense,
			struct tmem_stats *stats, char *why, size_t size)
{
	struct bench_setup setup = {.codec = TMEM_CODEC_LZ4,
				    .bytes = (uint64_t)count * BENCH_PAGE + (64u << 20),
				    .dense = dense ? tmem_dense_codec(dense) : NULL};
	uint64_t before = bench_memory_resident(), after, failed = 0;
	struct bench_store store;
	struct bench_engine engine;
	struct tmem_handle handle;
	uint32_t i;

	if (bench_store_open(&store, setup.bytes, 0) != 0) {
		snprintf(why, size, "tmem_arena_create() fails");
		return 0;
	}
	if (bench_engine_open(&engine, &store, &setup) != 0) {
		snprintf(why, size, "%s", engine.fault);
		bench_store_close(&store);
		return 0;
	}
	for (i = 0; i < count; i++) {
		bench_handle(&handle, engine.pool, i, 6);
		failed += tmem_put(engine.client, engine.worker, &handle,
				   bench->corpus.pages +
					   (size_t)(i % bench->corpus.count) * BENCH_PAGE) != 0;
		if ((i & 255) == 255)
			bench_engine_settle(&engine);
	}
	if (dense != NULL)
		recode_all(&engine, dense);
	after = bench_memory_resident();
	tmem_engine_stats(engine.engine, stats);
	if (failed != 0 || stats->ephemeral_pages != count)
		snprintf(why, size, "%llu puts failed, %llu of %u pages are stored",
			 (unsigned long long)failed, (unsigned long long)stats->ephemeral_pages,
			 count);
	bench_engine_close(&engine);
	bench_store_close(&store);
	return why[0] == '\0' && after > before ? (double)(after - before) : 0;
}

static void density(struct bench *bench, const char *name, struct tmem_dense *dense,
		    const char *algorithm)
{
	uint32_t count = (bench->quick ? 1u << 17 : 1u << 19) & ~(CHUNK_PAGES - 1);
	struct bench_row row = {.unit = "pages/GiB",
				.higher_is_better = 1,
				.n = 1,
				.peer = dense ? "zram lzo-rle" : "zram lz4"};
	struct tmem_stats stats;
	double ours, zram = 0, payload = 0;

	snprintf(row.name, sizeof(row.name), "%s", name);
	ours = our_bytes(bench, count, dense, &stats, row.why, sizeof(row.why));
	if (ours > 0)
		zram = zram_bytes(bench, count, algorithm, &payload, row.why, sizeof(row.why));
	if (row.why[0] != '\0' || ours <= 0 || zram <= 0) {
		bench_results_skip(&bench->results, name, row.unit,
				   row.why[0] ? row.why : "resident memory did not grow");
		return;
	}
	row.value = count * (double)(1u << 30) / ours;
	row.min = row.max = row.q1 = row.q3 = row.value;
	row.peer_value = count * (double)(1u << 30) / zram;
	snprintf(row.note, sizeof(row.note),
		 "bytes per page: ours %.1f (payload %.1f, blocks %.1f, extents %.1f, records "
		 "%.1f), zram %.1f (payload %.1f); %.0f %% dense",
		 ours / count, (double)stats.ephemeral_payload / count,
		 (double)stats.ephemeral_bytes / count, (double)stats.extent_bytes / count,
		 (double)stats.meta_bytes / count, zram / count, payload / count,
		 100.0 * (double)stats.dense_pages / count);
	bench_progress("%s: %.3f of zram (%s)", name, row.value / row.peer_value, row.note);
	(void)bench_results_add(&bench->results, &row);
}

void bench_density(struct bench *bench)
{
	struct tmem_dense *dense = NULL;

	density(bench, "density.lz4", NULL, "lz4");
	if (tmem_dense_create(1, &dense) != 0) {
		bench_results_skip(&bench->results, "density.dense", "pages/GiB",
				   "no memory for zstd's contexts");
		return;
	}
	density(bench, "density.dense", dense, "lzo-rle");
	tmem_dense_destroy(dense);
}
