/* SPDX-License-Identifier: MIT */
/*
 * How long requests took, per operation: histograms with a bucket for each
 * power of two of nanoseconds. A request's time begins when the daemon found
 * that its queue has something, and ends with its answer and the call that
 * goes with it: waiting behind others, and between turns, is in it.
 */
#ifndef TMEMD_LATENCY_H
#define TMEMD_LATENCY_H

#include <stdint.h>

/* What requests are told apart by: name, sentence. A disk has some, a device others. */
#define LATENCY_OPS(X)                                                                          \
	X(put, "time of puts: all pages of one request together, as in each of these")          \
	X(get, "time of gets")                                                                  \
	X(flush, "time of page flushes; of a disk: of requests to make earlier writes durable") \
	X(flush_range, "time of range flushes")                                                 \
	X(flush_object, "time of object flushes")                                               \
	X(read, "time of a disk's reads")                                                       \
	X(write, "time of a disk's writes; while frozen they wait")                             \
	X(discard, "time of a disk's discards")                                                 \
	X(write_zeroes, "time of a disk's write-zeroes")                                        \
	X(other, "time of all other requests, refused ones included")

enum latency_op {
#define LATENCY_ID_(name, sentence) LATENCY_##name,
	LATENCY_OPS(LATENCY_ID_)
#undef LATENCY_ID_
		LATENCY_OP_COUNT,
	LATENCY_NOT_COUNTED = LATENCY_OP_COUNT /* a request that waits for news */
};

#define LATENCY_FIRST_SHIFT 8 /* the first bucket is for less than 256 ns */
#define LATENCY_BUCKETS	    32

struct latency_histogram {
	uint64_t bucket[LATENCY_BUCKETS]; /* requests */
	uint64_t sum;			  /* nanoseconds */
	uint64_t most;			  /* nanoseconds */
};

struct latency {
	struct latency_histogram op[LATENCY_OP_COUNT];
};

static inline uint32_t latency_bucket(uint64_t ns)
{
	uint32_t bits = 64 - (uint32_t)__builtin_clzll(ns | 1);

	if (bits <= LATENCY_FIRST_SHIFT)
		return 0;
	bits -= LATENCY_FIRST_SHIFT;
	return bits < LATENCY_BUCKETS ? bits : LATENCY_BUCKETS - 1;
}

static inline void latency_count(struct latency *latency, enum latency_op op, uint64_t ns)
{
	struct latency_histogram *histogram = &latency->op[op];

	histogram->bucket[latency_bucket(ns)]++;
	histogram->sum += ns;
	if (ns > histogram->most)
		histogram->most = ns;
}

/* Each request in the bucket took less than this, in nanoseconds; UINT64_MAX: there is no bound. */
uint64_t latency_bound(uint32_t bucket);

/* All of @more is counted in @latency, too. */
void latency_add(struct latency *latency, const struct latency *more);

uint64_t latency_requests(const struct latency_histogram *histogram);

/*
 * @permille of 1000 requests took no longer than this, in nanoseconds: the
 * bound of the bucket that the last of them is in, or the longest time of all
 * where that is less. 0: there was no request.
 */
uint64_t latency_quantile(const struct latency_histogram *histogram, uint32_t permille);

const char *latency_name(enum latency_op op);

#endif
