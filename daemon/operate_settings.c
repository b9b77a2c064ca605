// SPDX-License-Identifier: MIT
/*
 * What an administrator changes of a guest that lives: its limits, its codec,
 * and whether it is frozen.
 */
#include "operate_parts.h"

#include <inttypes.h>

#include <tmem/engine.h>

#include "allocation.h"
#include "daemon.h"
#include "guest.h"
#include "log.h"
#include "report.h"
#include "request.h"
#include "state.h"
#include "template.h"
#include "template_file.h"

bool operate_apply(struct entry *entry, const struct operate_settings *settings)
{
	if (tmem_client_set_codec(guest_client(entry->guest), settings->codec))
		return false;
	if (settings->cap != entry->cap)
		guest_set_cap(entry->guest, settings->cap);
	/* 0 is a guest whose weight nobody chose. */
	if (settings->weight && settings->weight != entry->weight)
		(void)guest_set_weight(entry->guest, settings->weight);
	if (settings->rate != entry->rate)
		guest_set_rate(entry->guest, settings->rate);
	entry->rate = settings->rate;
	entry->codec = settings->codec;
	entry->cap = settings->cap;
	entry->weight = settings->weight;
	return true;
}

/* A pool's codec lives with the pool, and no longer: it is in no file. */
static bool set_pool(struct entry *entry, const struct request *request, struct refusal *refusal)
{
	int error = tmem_pool_set_codec(guest_client(entry->guest), (uint32_t)request->pool,
					request->codec);

	if (error == -TMEM_ENODEV)
		return operate_refuse_pool(entry, request, refusal);
	if (error)
		refuse(refusal, "EINVAL", "the engine has no such codec");
	return !error;
}

/* Before anything is changed. What is less than now must hold what is there. */
static bool judge_allocation(struct entry *entry, uint64_t bytes, struct refusal *refusal)
{
	uint64_t least = guest_allocation_least(entry->guest);

	if (bytes > entry->allocation)
		return allocation_judge(entry->daemon, bytes, entry->allocation, refusal);
	if (bytes >= least)
		return true;
	refuse(refusal, "ENOSPC", "an allocation of %" PRIu64 " bytes does not hold what %s %s",
	       bytes, entry->name,
	       entry->kind == GUEST_DISK ? "may write to its disk" : "stores now");
	refuse_hint(refusal, "the least that is possible is %" PRIu64 " bytes", least);
	return false;
}

/*
 * More is reserved before the state file says so, which can be undone; less is
 * given back when it says so, since nobody could promise to get it again.
 */
static bool change_allocation(struct entry *entry, uint64_t bytes, struct refusal *refusal)
{
	uint64_t old = entry->allocation;
	int error = 0;

	if (bytes > old)
		error = guest_set_allocation(entry->guest, bytes);
	if (error) {
		allocation_explain(error, refusal);
		return false;
	}
	entry->allocation = bytes;
	if (state_save(entry->daemon)) {
		/* It was judged, and nothing was stored since. */
		if (bytes < old)
			(void)!guest_set_allocation(entry->guest, bytes);
		return true;
	}
	entry->allocation = old;
	if (bytes > old)
		(void)!guest_set_allocation(entry->guest, old);
	return operate_refuse_state(refusal);
}

static bool set_guest(struct entry *entry, const struct request *request, struct refusal *refusal)
{
	struct operate_settings old = {entry->cap, entry->weight, entry->rate, entry->codec};
	struct operate_settings now = old;
	uint64_t allocation = entry->allocation;

	if (REQUEST_HAS(request, MODE) || REQUEST_HAS(request, CONNECTIONS) ||
	    REQUEST_HAS(request, PER_USER) || REQUEST_HAS(request, LINGER) ||
	    REQUEST_HAS(request, PAGES_PER_OBJECT)) {
		refuse(refusal, "EINVAL", "%s is a guest, and no template", entry->name);
		refuse_hint(refusal, "a guest has a weight, a rate, a cap, a codec and an "
				     "allocation");
		return false;
	}
	if (REQUEST_HAS(request, ALLOCATION)) {
		allocation = request->allocation;
		if (!judge_allocation(entry, allocation, refusal))
			return false;
	}
	if (REQUEST_HAS(request, CODEC))
		now.codec = request->codec;
	if (REQUEST_HAS(request, CAP))
		now.cap = request->cap;
	if (REQUEST_HAS(request, WEIGHT))
		now.weight = (uint32_t)request->weight;
	if (REQUEST_HAS(request, RATE))
		now.rate = request->rate;
	if (!operate_apply(entry, &now)) {
		refuse(refusal, "EINVAL", "the engine has no such codec");
		return false;
	}
	if (change_allocation(entry, allocation, refusal))
		return true;
	if (!old.weight)
		old.weight = REPORT_WEIGHT_DEFAULT;
	(void)operate_apply(entry, &old);
	return false;
}

bool operate_set(struct daemon *daemon, const struct request *request, struct json_object **ok,
		 struct refusal *refusal)
{
	struct operate_target target;

	if (!operate_find(daemon, request, &target, refusal))
		return false;
	if (target.template && !REQUEST_HAS(request, POOL))
		return operate_set_template(daemon, target.template, request, ok, refusal);
	if (!(REQUEST_HAS(request, POOL)
		      ? operate_find_guest(daemon, request, &target.guest, refusal) &&
				set_pool(target.guest, request, refusal)
		      : set_guest(target.guest, request, refusal)))
		return false;
	*ok = report_guest(target.guest);
	return true;
}

/* Of those who are meant. */
static void carry_out_freeze(struct daemon *daemon, const struct operate_target *target,
			     bool frozen)
{
	bool all = !target->guest && !target->template;
	struct template *template;
	struct entry *entry;

	for (entry = daemon->guests; entry; entry = entry->next) {
		if (all || entry == target->guest)
			guest_freeze(entry->guest, frozen);
	}
	for (template = daemon->templates; template; template = template_next(template)) {
		if (all || template == target->template)
			template_freeze(template, frozen);
	}
}

bool operate_freeze(struct daemon *daemon, const struct request *request, bool frozen,
		    struct json_object **ok, struct refusal *refusal)
{
	bool old[DAEMON_GUESTS_MAX];
	struct operate_target target;
	struct entry *entry;
	size_t i = 0;

	if (!operate_find(daemon, request, &target, refusal))
		return false;
	for (entry = daemon->guests; entry; entry = entry->next) {
		old[i++] = entry->frozen;
		if (!request->name[0] || entry == target.guest)
			entry->frozen = frozen;
	}
	if (!target.template && !state_save(daemon)) {
		for (i = 0, entry = daemon->guests; entry; entry = entry->next)
			entry->frozen = old[i++];
		return operate_refuse_state(refusal);
	}
	carry_out_freeze(daemon, &target, frozen);
	if (!target.guest && !template_file_save(daemon))
		log_error("after a kill of tmemd its templates would not know that they are %s",
			  frozen ? "frozen" : "thawed");
	if (!request->name[0])
		*ok = report_list(daemon);
	else
		*ok = target.guest ? report_guest(target.guest) : report_template(target.template);
	return true;
}
