// SPDX-License-Identifier: MIT
/*
 * The reference copies, and the self-test that shows what the harness says of
 * a ratio that is known beforehand.
 */
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void bench_copy(void *dst, const void *src)
{
	size_t length = BENCH_PAGE;

	/* Hidden from the compiler, which would expand a known length in place. */
	__asm__("" : "+r"(length));
	memcpy(dst, src, length);
}

void bench_copy_stream(void *dst, const void *src)
{
#if defined(__x86_64__)
	typedef long long vec __attribute__((vector_size(16), may_alias));
	const vec *from = src;
	vec *to = dst;
	size_t i;

	for (i = 0; i < BENCH_PAGE / sizeof(vec); i += 4) {
		vec a = from[i], b = from[i + 1], c = from[i + 2], d = from[i + 3];

#if defined(__clang__)
		__builtin_nontemporal_store(a, &to[i]);
		__builtin_nontemporal_store(b, &to[i + 1]);
		__builtin_nontemporal_store(c, &to[i + 2]);
		__builtin_nontemporal_store(d, &to[i + 3]);
#else
		__builtin_ia32_movntdq(&to[i], a);
		__builtin_ia32_movntdq(&to[i + 1], b);
		__builtin_ia32_movntdq(&to[i + 2], c);
		__builtin_ia32_movntdq(&to[i + 3], d);
#endif
	}
#else
	bench_copy(dst, src);
#endif
}

struct copies {
	unsigned char *cold;
	unsigned char *warm;
	const uint32_t *order;
};

#define KNOWN_PAGES (1u << 16)
#define KNOWN_PAIRS 80u

static void copy_out(void *context, uint32_t first, uint32_t count)
{
	struct copies *copies = context;
	uint32_t i;

	for (i = first; i < first + count; i++)
		bench_copy(copies->warm + (i & 7) * BENCH_PAGE,
			   copies->cold + (size_t)copies->order[i] * BENCH_PAGE);
}

/* The same, and then as many pages again from the other half of the order. */
static void copy_out_twice(void *context, uint32_t first, uint32_t count)
{
	struct copies other = *(struct copies *)context;

	copy_out(context, first, count);
	/* The order is there twice, so that no range has to be split. */
	other.order += KNOWN_PAGES / 2;
	copy_out(&other, first, count);
}

static void copy_in(void *context, uint32_t first, uint32_t count)
{
	struct copies *copies = context;
	uint32_t i;

	for (i = first; i < first + count; i++)
		bench_copy(copies->cold + (size_t)copies->order[i] * BENCH_PAGE,
			   copies->warm + (i & 7) * BENCH_PAGE);
}

static void stream_in(void *context, uint32_t first, uint32_t count)
{
	struct copies *copies = context;
	uint32_t i;

	for (i = first; i < first + count; i++)
		bench_copy_stream(copies->cold + (size_t)copies->order[i] * BENCH_PAGE,
				  copies->warm + (i & 7) * BENCH_PAGE);
}

void bench_copy_floors(struct bench *bench)
{
	uint32_t count = bench->pages < 1u << 18 ? bench->pages : 1u << 18;
	struct bench_pairs *pairs = calloc(2, sizeof(*pairs));
	struct copies copies = {bench->ref, bench_memory_map(8 * BENCH_PAGE),
				bench_shuffled(bench->pages, 1)};
	struct bench_side put = {copy_in, &copies}, get = {copy_out, &copies};
	struct bench_side stream = {stream_in, &copies};
	struct bench_row in = {.n = 0}, out = {.n = 0};
	size_t used = strlen(bench->results.machine);
	int i;

	for (i = 0; i < 20 && (pairs[0].count < 10 || pairs[1].count < 10); i++) {
		bench_pairs_run(&pairs[0], &stream, &put, NULL, 0, count);
		bench_pairs_run(&pairs[1], &get, &put, NULL, 0, count);
	}
	bench_pairs_summary(&pairs[0], &in);
	bench_pairs_summary(&pairs[1], &out);
	snprintf(bench->results.machine + used, sizeof(bench->results.machine) - used,
		 ", \"copy_put_ns\": %.1f, \"copy_get_ns\": %.1f, \"copy_put_stream_ns\": %.1f"
		 ", \"reference_in_huge_pages\": %.3f",
		 in.peer_value, out.value, in.value,
		 bench_memory_huge_share(bench->ref, (size_t)bench->pages * BENCH_PAGE));
	bench_progress("memcpy of a page: warm to cold %.0f ns, by streaming stores %.0f, "
		       "cold to warm %.0f",
		       in.peer_value, in.value, out.value);
	bench_memory_unmap(copies.warm, 8 * BENCH_PAGE);
	free((void *)copies.order);
	free(pairs);
}

/*
 * One side copies each page once, the other once or twice. Against itself the
 * sides have memory each, as real rows do, and each arrangement is measured:
 * where a hypervisor maps memory in pieces, one region can be slower than
 * another, which is the memory's truth and not the harness's. For the factor
 * of two they share it: the first milliseconds of a slice find the page tables
 * of the layer below cold, which must not count once against twice the copies.
 */
static double known_ratio(bench_slice *ours, int shared, uint32_t *count)
{
	struct bench_pairs *pairs = calloc(2, sizeof(*pairs));
	const size_t bytes = (size_t)KNOWN_PAGES * BENCH_PAGE, warm = 8 * BENCH_PAGE;
	unsigned char *region[2] = {bench_memory_map(bytes), bench_memory_map(bytes)};
	unsigned char *buffers = bench_memory_map(warm);
	uint32_t *once = bench_shuffled(KNOWN_PAGES, 7), i;
	uint32_t order[2 * KNOWN_PAGES];
	struct copies a = {NULL, buffers, order}, b = {NULL, buffers, order};
	struct bench_side sides[2] = {{ours, &a}, {copy_out, &b}};
	double ratio[2];

	memcpy(order, once, sizeof(order) / 2);
	memcpy(order + KNOWN_PAGES, once, sizeof(order) / 2);
	for (i = 0; i < 8 * KNOWN_PAIRS; i++) {
		if (pairs[i & 1].count >= KNOWN_PAIRS)
			continue;
		a.cold = region[i & 1];
		b.cold = region[shared ? i & 1 : ~i & 1];
		/* So that the first slice follows one of the other side, as all later ones do. */
		copy_out(&b, KNOWN_PAGES / 2, KNOWN_PAGES / 4);
		bench_pairs_run(&pairs[i & 1], &sides[0], &sides[1], NULL, 0, KNOWN_PAGES);
	}
	for (i = 0; i < 2; i++)
		ratio[i] = bench_median(pairs[i].ratio, pairs[i].count);
	*count = pairs[0].count < pairs[1].count ? pairs[0].count : pairs[1].count;
	bench_memory_unmap(region[0], bytes);
	bench_memory_unmap(region[1], bytes);
	bench_memory_unmap(buffers, warm);
	free(once);
	free(pairs);
	return sqrt(ratio[0] * ratio[1]);
}

static int judge(const char *what, int good)
{
	printf("%-72s %s\n", what, good ? "ok" : "FAILED");
	return good ? 0 : 1;
}

int bench_self_test(void)
{
	static struct bench_results results;
	struct bench_row row = {.n = BENCH_PAIRS_MIN};
	char text[96];
	uint32_t n;
	double ratio;
	int bad = 0;

	ratio = known_ratio(copy_out, 0, &n);
	snprintf(text, sizeof(text), "memcpy against itself: %.3f, 1.00 +- 0.05; %u pairs", ratio,
		 n);
	bad += judge(text, n >= BENCH_PAIRS_MIN && fabs(ratio - 1) <= 0.05);
	ratio = known_ratio(copy_out_twice, 1, &n);
	snprintf(text, sizeof(text), "two memcpys against one: %.3f, 2.0 +- 0.1; %u pairs", ratio,
		 n);
	bad += judge(text, n >= BENCH_PAIRS_MIN && fabs(ratio - 2) <= 0.1);

	snprintf(row.name, sizeof(row.name), "sample");
	row.unit = "ns/page";
	row.peer = "";
	bad += judge("a row that names no peer is refused", bench_results_add(&results, &row) != 0);
	row.peer = "memcpy";
	row.peer_value = 0;
	bad += judge("a row whose peer was not measured is refused",
		     bench_results_add(&results, &row) != 0);
	row.peer_value = 1;
	row.value = NAN;
	bad += judge("a row whose value is no number is refused",
		     bench_results_add(&results, &row) != 0);
	row.value = 1;
	bad += judge("the same row with peer and value is taken",
		     bench_results_add(&results, &row) == 0);
	bad += judge("and a second of its name is refused", bench_results_add(&results, &row) != 0);
	printf("self-test: %s\n", bad ? "FAILED" : "passed");
	return bad;
}
