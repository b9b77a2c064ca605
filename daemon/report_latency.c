// SPDX-License-Identifier: MIT
/* Histograms of latencies as JSON: of operations that there were, and of their buckets those in use. */
#include "report.h"

#include "json.h"
#include "latency.h"

static struct json_object *histogram(const struct latency_histogram *histogram)
{
	struct json_object *object = json_object_new_object();
	struct json_object *bounds = json_object_new_array();
	struct json_object *counts = json_object_new_array();
	uint32_t bucket;

	json_add_u64(object, "requests", latency_requests(histogram));
	json_add_u64(object, "sum_ns", histogram->sum);
	json_add_u64(object, "p50_ns", latency_quantile(histogram, 500));
	json_add_u64(object, "p99_ns", latency_quantile(histogram, 990));
	json_add_u64(object, "p999_ns", latency_quantile(histogram, 999));
	json_add_u64(object, "most_ns", histogram->most);
	for (bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
		uint64_t bound = latency_bound(bucket);

		if (!histogram->bucket[bucket])
			continue;
		json_object_array_add(
			bounds, bound == UINT64_MAX ? NULL : json_object_new_int64((int64_t)bound));
		json_object_array_add(counts,
				      json_object_new_int64((int64_t)histogram->bucket[bucket]));
	}
	json_object_object_add(object, "below_ns", bounds);
	json_object_object_add(object, "counts", counts);
	return object;
}

struct json_object *report_latency(const struct latency *latency)
{
	struct json_object *object = json_object_new_object();
	uint32_t op;

	for (op = 0; op < LATENCY_OP_COUNT; op++) {
		if (latency_requests(&latency->op[op]))
			json_object_object_add(object, latency_name((enum latency_op)op),
					       histogram(&latency->op[op]));
	}
	return object;
}
