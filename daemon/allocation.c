// SPDX-License-Identifier: MIT
/* Judging a promise before the engine is asked for it, so that its refusal has reasons. */
#include "allocation.h"

#include <errno.h>

#include "daemon.h"
#include "guest.h"
#include "lock_memory.h"
#include "options.h"
#include "registry.h"
#include "request.h"
#include "template.h"

/* Of at most 64 pages each, between two turns of the guests. */
#define REMOVAL_STEPS 16

bool allocation_is_protected(const struct daemon *daemon)
{
	return !daemon->protection || !daemon->options || daemon->options->at_own_risk ||
	       (daemon->protection->locked && daemon->protection->oom_lowered);
}

/* Swap that may itself be swapped out, or dies with the first shortage, is worse than none. */
static bool check_protected(const struct daemon *daemon, struct refusal *refusal)
{
	char text[sizeof(refusal->text)];

	if (allocation_is_protected(daemon))
		return true;
	lock_memory_missing(daemon->protection, text, sizeof(text));
	refuse(refusal, "EPERM", "%s", text);
	lock_memory_hint(daemon->protection, refusal->hint, sizeof(refusal->hint));
	return false;
}

/*
 * The pages of guests that were removed are swept in steps, and their promise
 * ends with the last one. Who adds a guest has been told that those are gone,
 * so this goes on until they are; between two pieces the other guests have a
 * turn, whether or not their kicks were fetched.
 */
static void finish_removals(struct daemon *daemon)
{
	struct tmem_stats stats;
	struct entry *entry;
	uint64_t promised = 0;

	for (entry = daemon->guests; entry; entry = entry->next)
		promised += entry->allocation;
	for (;;) {
		tmem_engine_stats(daemon->engine, &stats);
		if (stats.allocation <= promised ||
		    !tmem_engine_step(daemon->engine, daemon->worker, REMOVAL_STEPS))
			return;
		registry_look(daemon);
	}
}

static bool check_room(const struct daemon *daemon, uint64_t bytes, uint64_t held,
		       struct refusal *refusal)
{
	struct tmem_stats stats;
	char wanted[UNITS_SIZE_TEXT];
	char promised[UNITS_SIZE_TEXT];
	char all[UNITS_SIZE_TEXT];
	uint64_t others;

	tmem_engine_stats(daemon->engine, &stats);
	others = stats.allocation - held;
	if (others <= daemon->persistent && bytes <= daemon->persistent - others)
		return true;
	refuse(refusal, "ENOSPC",
	       "an allocation of %s does not fit: %s of %s are promised to others",
	       units_format_rough(bytes, wanted), units_format_rough(others, promised),
	       units_format_rough(daemon->persistent, all));
	refuse_hint(refusal, "ask for less, remove a guest, or start tmemd with a larger "
			     "--persistent");
	return false;
}

bool allocation_judge(struct daemon *daemon, uint64_t bytes, uint64_t held, struct refusal *refusal)
{
	/* Ephemeral pages may be swapped out: they are worth nothing else. */
	if (bytes && !check_protected(daemon, refusal))
		return false;
	finish_removals(daemon);
	return check_room(daemon, bytes, held, refusal);
}

void allocation_explain(int error, struct refusal *refusal)
{
	if (error == -ENOSPC) {
		refuse(refusal, "ENOSPC", "the allocation does not fit beside the others");
		refuse_hint(refusal, "ask for less, remove a guest, or start tmemd with "
				     "a larger --persistent");
		return;
	}
	refuse(refusal, "ENOMEM", "the host has no room for the allocation");
	refuse_hint(refusal,
		    "free memory on the host, or start tmemd with more --memory, or with a "
		    "higher limit on locked memory (ulimit -l)");
}
