// SPDX-License-Identifier: MIT
/*
 * What the configuration file says now, taken over while guests are served.
 */
#include "operate_parts.h"

#include <time.h>

#include <tmem/engine.h>

#include "daemon.h"
#include "log.h"
#include "loop.h"
#include "options.h"
#include "recoder.h"
#include "registry.h"
#include "report.h"
#include "request.h"

static bool judge_memory(const struct daemon *daemon, const struct options *fresh,
			 struct refusal *refusal)
{
	char wanted[UNITS_SIZE_TEXT];
	char least[UNITS_SIZE_TEXT];
	char most[UNITS_SIZE_TEXT];

	if (!fresh->memory ||
	    (fresh->memory >= daemon->persistent && fresh->memory <= daemon->options->memory_most))
		return true;
	refuse(refusal, "EINVAL", "memory cannot become %s while tmemd serves: from %s to %s",
	       units_format_size(fresh->memory, wanted),
	       units_format_size(daemon->persistent, least),
	       units_format_size(daemon->options->memory_most, most));
	refuse_hint(refusal, "start tmemd anew for that, once no guest needs it");
	return false;
}

/* Less of it in pieces, since pages are dropped for it. */
static void resize(struct daemon *daemon, uint64_t memory)
{
	while (daemon->memory > memory) {
		uint64_t left = daemon->memory - memory;

		daemon->memory -= left < OPERATE_PIECE ? left : OPERATE_PIECE;
		tmem_engine_set_capacity(daemon->engine, daemon->worker, daemon->memory);
		registry_look(daemon);
	}
	if (daemon->memory < memory) {
		daemon->memory = memory;
		tmem_engine_set_capacity(daemon->engine, daemon->worker, memory);
	}
}

bool operate_reload(struct daemon *daemon, struct json_object **ok, struct refusal *refusal)
{
	struct options fresh;
	char why[OPTIONS_WHY];
	struct timespec now;
	bool good;

	clock_gettime(CLOCK_MONOTONIC, &now);
	log_service("RELOADING=1\nMONOTONIC_USEC=%lld",
		    (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	good = options_again(daemon->options, &fresh, why);
	if (!good) {
		refuse(refusal, "EINVAL", "%s", why);
		refuse_hint(refusal, "nothing was changed; mend it and reload again");
	}
	good = good && judge_memory(daemon, &fresh, refusal);
	if (good) {
		*ok = report_changes(daemon->options, &fresh);
		options_adopt(daemon->options, &fresh);
		loop_set_polling(daemon->loop, fresh.polling);
		regulator_set(&daemon->regulator, fresh.fallow, fresh.reserve);
		recoder_set(daemon->recoder, (uint32_t)fresh.dense_cpu);
		if (fresh.memory)
			resize(daemon, fresh.memory);
	}
	options_free(&fresh);
	log_service("READY=1");
	return good;
}
