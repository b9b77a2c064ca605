/* SPDX-License-Identifier: MIT */
/*
 * What tmem_copy_in() costs beside other copies of the same page: from warm
 * sources into 1 GiB of populated 2 MiB pages, in random order. Slices of the
 * two alternate; a ratio is the median over pairs of slices. Not a test: it
 * prints, and a person judges.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "tmem_port.h"

#define STORE_BYTES  ((size_t)1 << 30)
#define STORE_PAGES  (STORE_BYTES / TMEM_PAGE_SIZE)
#define SOURCE_PAGES 16
#define SLICE_PAGES  16384
#define PAIRS	     60

typedef int (*copy_fn)(void *dst, const void *src);

static int by_copy_in(void *dst, const void *src)
{
	int same = tmem_copy_in(dst, src);

	tmem_copy_done();
	return same;
}

static int by_memcpy(void *dst, const void *src)
{
	tmem_copy_out(dst, src);
	return 0;
}

#if defined(TMEM_PORT_STREAMS)

/* The floor: streaming stores alone, nothing looked at. */
static int by_stream(void *dst, const void *src)
{
	const unsigned char *from = src;
	unsigned char *to = dst;
	size_t i;

	for (i = 0; i < TMEM_PAGE_SIZE; i += 16)
		tmem_port_stream(to + i, tmem_port_load(from + i));
	__builtin_ia32_sfence();
	return 0;
}

/* Streaming first, the verdict from a second reading: what one pass saves. */
static int by_two_passes(void *dst, const void *src)
{
	by_stream(dst, src);
	return memcmp(src, (const char *)src + 8, TMEM_PAGE_SIZE - 8) == 0;
}

#endif

static unsigned char *store;
static unsigned char *sources;
static uint32_t *order;
static volatile int sink;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static long disturbed(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nivcsw;
}

/* Nanoseconds per page of one slice. */
static double slice(copy_fn copy, size_t offset, size_t *at)
{
	double start = now();
	int same = 0;
	size_t i;

	for (i = 0; i < SLICE_PAGES; i++, *at = (*at + 1) % STORE_PAGES)
		same += copy(store + (size_t)order[*at] * TMEM_PAGE_SIZE + offset,
			     sources + i % SOURCE_PAGES * TMEM_PAGE_SIZE);
	sink += same;
	return (now() - start) / SLICE_PAGES;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const char *name, copy_fn ours, copy_fn peer, size_t offset)
{
	static double ratio[PAIRS], mine[PAIRS], theirs[PAIRS];
	size_t at = 0, n = 0, tries = 0;
	long before;

	slice(ours, offset, &at);
	slice(peer, offset, &at);
	while (n < PAIRS && ++tries < 10 * PAIRS) {
		before = disturbed();
		mine[n] = slice(ours, offset, &at);
		theirs[n] = slice(peer, offset, &at);
		ratio[n] = mine[n] / theirs[n];
		if (disturbed() == before)
			n++;
	}
	if (n == 0) {
		printf("%-34s never undisturbed\n", name);
		return;
	}
	qsort(mine, n, sizeof(*mine), compare);
	qsort(theirs, n, sizeof(*theirs), compare);
	qsort(ratio, n, sizeof(*ratio), compare);
	printf("%-34s %6.0f ns  peer %6.0f ns  ratio %.3f  quartiles %.3f %.3f  pairs %zu\n", name,
	       mine[n / 2], theirs[n / 2], ratio[n / 2], ratio[n / 4], ratio[3 * n / 4], n);
}

int main(void)
{
	size_t bytes = STORE_BYTES + ((size_t)2 << 20), i, j;
	uint32_t keep;
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	order = malloc(STORE_PAGES * sizeof(*order));
	sources = aligned_alloc(TMEM_PAGE_SIZE, (SOURCE_PAGES + 1) * TMEM_PAGE_SIZE);
	if (map == MAP_FAILED || order == NULL || sources == NULL)
		return 1;
	store = (unsigned char *)(((size_t)map + ((size_t)2 << 20) - 1) & ~(((size_t)2 << 20) - 1));
	madvise(store, STORE_BYTES, MADV_HUGEPAGE);
	memset(store, 1, STORE_BYTES);
	srandom(1);
	for (i = 0; i < (SOURCE_PAGES + 1) * TMEM_PAGE_SIZE; i++)
		sources[i] = (unsigned char)random();
	for (i = 0; i < STORE_PAGES; i++)
		order[i] = (uint32_t)i;
	/* The last page stays out, so that an offset within pages never leaves the store. */
	for (i = STORE_PAGES - 1; i > 0; i--) {
		j = (size_t)random() % (i + 1);
		keep = order[i];
		order[i] = order[j];
		order[j] = keep;
	}
	for (i = 0; i < STORE_PAGES; i++)
		if (order[i] == STORE_PAGES - 1)
			order[i] = 0;

	measure("copy_in / memcpy", by_copy_in, by_memcpy, 0);
	measure("copy_in at 16 / memcpy", by_copy_in, by_memcpy, 16);
#if defined(TMEM_PORT_STREAMS)
	measure("copy_in / streaming, no verdict", by_copy_in, by_stream, 0);
	measure("copy_in / streaming, two passes", by_copy_in, by_two_passes, 0);
#endif
	return 0;
}
