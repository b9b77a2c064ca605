// SPDX-License-Identifier: MIT
/* Bounds, sums and quantiles of the histograms. */
#include "latency.h"

static const char *const names[LATENCY_OP_COUNT] = {
#define NAME(name, sentence) [LATENCY_##name] = #name,
	LATENCY_OPS(NAME)
#undef NAME
};

const char *latency_name(enum latency_op op)
{
	return names[op];
}

uint64_t latency_bound(uint32_t bucket)
{
	if (bucket >= LATENCY_BUCKETS - 1)
		return UINT64_MAX;
	return (uint64_t)1 << (LATENCY_FIRST_SHIFT + bucket);
}

void latency_add(struct latency *latency, const struct latency *more)
{
	uint32_t op, bucket;

	for (op = 0; op < LATENCY_OP_COUNT; op++) {
		struct latency_histogram *to = &latency->op[op];
		const struct latency_histogram *from = &more->op[op];

		for (bucket = 0; bucket < LATENCY_BUCKETS; bucket++)
			to->bucket[bucket] += from->bucket[bucket];
		to->sum += from->sum;
		if (from->most > to->most)
			to->most = from->most;
	}
}

uint64_t latency_requests(const struct latency_histogram *histogram)
{
	uint64_t requests = 0;
	uint32_t bucket;

	for (bucket = 0; bucket < LATENCY_BUCKETS; bucket++)
		requests += histogram->bucket[bucket];
	return requests;
}

uint64_t latency_quantile(const struct latency_histogram *histogram, uint32_t permille)
{
	uint64_t requests = latency_requests(histogram);
	uint64_t wanted, seen = 0, bound;
	uint32_t bucket;

	if (!requests)
		return 0;
	/* Rounded up, without a product that could be too large; at least one. */
	wanted = requests / 1000 * permille + (requests % 1000 * permille + 999) / 1000;
	if (!wanted)
		wanted = 1;
	for (bucket = 0; bucket < LATENCY_BUCKETS - 1; bucket++) {
		seen += histogram->bucket[bucket];
		if (seen >= wanted)
			break;
	}
	bound = latency_bound(bucket);
	return bound < histogram->most ? bound : histogram->most;
}
