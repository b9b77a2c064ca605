// SPDX-License-Identifier: MIT
/* Figures of what is fallow, what of it is held, and what was given back. */
#include "report.h"

#include <tmem/engine.h>

#include "daemon.h"
#include "json.h"
#include "regulator.h"

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t given_in_all(const struct regulator_figures *figures)
{
	uint64_t sum = 0;
	int cause;

	for (cause = 0; cause < FALLOW_CAUSES; cause++)
		sum += figures->given[cause];
	return sum;
}

/* Microseconds are what a second is divided into, so that no product is too large. */
static uint64_t rate(uint64_t bytes, uint64_t ns)
{
	uint64_t us = ns / 1000 + 1;

	return bytes < UINT64_MAX / 1000000 ? bytes * 1000000 / us : bytes / us * 1000000;
}

void report_memory(const struct daemon *daemon, const struct tmem_stats *stats,
		   struct json_object *host)
{
	const struct regulator_figures *figures = &daemon->regulator.figures;
	bool on = daemon->regulator.on;

	json_add_bool(host, "fallow_lent", on);
	json_add_u64(host, "fallow", figures->fallow);
	json_add_u64(host, "reserve", on ? figures->reserve : 0);
	json_add_u64(host, "ephemeral_limit", least(figures->limit, daemon->memory));
	json_add_u64(host, "ephemeral_held", tmem_engine_ephemeral(daemon->engine, NULL));
	/* Extents are lent in one size only. */
	json_add_u64(host, "taken", stats->extents_taken * REGULATOR_EXTENT);
	json_add_u64(host, "given_back", given_in_all(figures));
	json_add_u64(host, "given_for_pressure", figures->given[FALLOW_PRESSURE]);
	json_add_u64(host, "given_for_watermark", figures->given[FALLOW_WATERMARK]);
	json_add_u64(host, "given_for_cgroup", figures->given[FALLOW_GROUP]);
	json_add_u64(host, "given_to_operator", figures->given[FALLOW_OPERATOR]);
	json_add_u64(host, "give_back_bytes", figures->last_bytes);
	json_add_u64(host, "give_back_rate", rate(figures->last_bytes, figures->last_ns));
	json_add_text(host, "give_back_cause", fallow_cause_name(figures->last_cause));
}
