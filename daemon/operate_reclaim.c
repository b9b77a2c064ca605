// SPDX-License-Identifier: MIT
/*
 * Memory that guests give back because an administrator wants it: how much
 * there is, some of it now, or pools with all that they hold.
 */
#include "operate_parts.h"

#include <tmem/engine.h>
#include <tmem/wire.h>

#include "daemon.h"
#include "guest.h"
#include "json.h"
#include "log.h"
#include "registry.h"
#include "request.h"
#include "template.h"

/* What is done to each client of a template in turn. */
struct visit {
	struct daemon *daemon;
	uint64_t left; /* bytes that are still wanted back */
	uint64_t sum;
};

static bool add_freeable(const struct template_client *client, void *arg)
{
	struct visit *visit = arg;
	struct tmem_stats stats;

	if (client->client) {
		tmem_client_stats(client->client, &stats);
		visit->sum += stats.freeable;
	}
	return true;
}

static bool reclaim_some(const struct template_client *client, void *arg)
{
	struct visit *visit = arg;

	if (client->client)
		visit->sum += tmem_client_reclaim(client->client, visit->daemon->worker,
						  visit->left - visit->sum);
	return visit->sum < visit->left;
}

static uint64_t destroy_pools(struct daemon *daemon, struct tmem_client *client)
{
	struct tmem_pool_config config;
	uint64_t destroyed = 0;
	int number = tmem_pool_next(client, 0, &config);

	for (; number >= 0; number = tmem_pool_next(client, (uint32_t)number + 1, &config))
		destroyed += !tmem_pool_destroy(client, daemon->worker, (uint32_t)number);
	return destroyed;
}

static bool destroy_some(const struct template_client *client, void *arg)
{
	struct visit *visit = arg;

	if (client->client)
		visit->sum += destroy_pools(visit->daemon, client->client);
	return true;
}

/* At least @bytes, where there are so many. */
static uint64_t reclaim(struct daemon *daemon, const struct operate_target *target, uint64_t bytes)
{
	struct visit visit = {daemon, bytes, 0};

	if (target->guest)
		return tmem_client_reclaim(guest_client(target->guest->guest), daemon->worker,
					   bytes);
	if (!target->template)
		return tmem_engine_reclaim(daemon->engine, daemon->worker, bytes);
	template_each(target->template, reclaim_some, &visit);
	return visit.sum;
}

static uint64_t freeable_bytes(struct daemon *daemon, const struct operate_target *target)
{
	struct visit visit = {daemon, 0, 0};
	struct tmem_stats stats;

	if (target->template) {
		template_each(target->template, add_freeable, &visit);
		return visit.sum;
	}
	if (target->guest)
		tmem_client_stats(guest_client(target->guest->guest), &stats);
	else
		tmem_engine_stats(daemon->engine, &stats);
	return stats.freeable;
}

bool operate_freeable(struct daemon *daemon, const struct request *request, struct json_object **ok,
		      struct refusal *refusal)
{
	struct operate_target target;

	if (!operate_find(daemon, request, &target, refusal))
		return false;
	*ok = json_object_new_object();
	json_add_u64(*ok, "freeable", freeable_bytes(daemon, &target));
	return true;
}

/* Whose pages were dropped is not known where they were anybody's. */
static void tell_dropped(struct daemon *daemon, const struct operate_target *target)
{
	bool all = !target->guest && !target->template;
	struct template *template;
	struct entry *entry;

	for (entry = daemon->guests; entry; entry = entry->next) {
		if (all || entry == target->guest)
			guest_tell(entry->guest, TMEM_NEWS_DROPPED, 0);
	}
	for (template = daemon->templates; template; template = template_next(template)) {
		if (all || template == target->template)
			template_tell(template, TMEM_NEWS_DROPPED, 0);
	}
}

/*
 * In pieces, with a turn of all guests between two of them. No more than was
 * freeable when it began: a guest that puts as fast as its pages are dropped
 * would keep it from ending.
 */
bool operate_flush(struct daemon *daemon, const struct request *request, struct json_object **ok,
		   struct refusal *refusal)
{
	uint64_t given_back = 0, begun = regulator_clock();
	uint64_t wanted;
	struct operate_target target;

	if (!operate_find(daemon, request, &target, refusal))
		return false;
	wanted = freeable_bytes(daemon, &target);
	if (wanted > request->bytes)
		wanted = request->bytes;
	while (given_back < wanted) {
		uint64_t left = wanted - given_back;
		uint64_t got =
			reclaim(daemon, &target, left < OPERATE_PIECE ? left : OPERATE_PIECE);

		if (!got)
			break;
		given_back += got;
		registry_look(daemon);
	}
	regulator_note(&daemon->regulator, FALLOW_OPERATOR, given_back, regulator_clock() - begun);
	if (given_back)
		tell_dropped(daemon, &target);
	*ok = json_object_new_object();
	json_add_u64(*ok, "asked", request->bytes);
	json_add_u64(*ok, "given_back", given_back);
	return true;
}

/*
 * A swap disk lies over its guest's only pool. Who destroys that takes the
 * guest's memory away, and the disk cannot get another pool: hence force.
 */
bool operate_destroy(struct daemon *daemon, const struct request *request, struct json_object **ok,
		     struct refusal *refusal)
{
	struct visit visit = {daemon, 0, 0};
	uint64_t destroyed = 1;
	struct operate_target target;
	struct entry *entry;

	if (!operate_find(daemon, request, &target, refusal))
		return false;
	if (target.template && !REQUEST_HAS(request, POOL)) {
		template_each(target.template, destroy_some, &visit);
		*ok = json_object_new_object();
		json_add_text(*ok, "name", request->name);
		json_add_u64(*ok, "destroyed", visit.sum);
		return true;
	}
	if (!operate_find_guest(daemon, request, &entry, refusal))
		return false;
	if (entry->kind == GUEST_DISK && !request->force) {
		refuse(refusal, "EBUSY", "%s is a swap disk, and its pool is what it stored",
		       entry->name);
		refuse_hint(refusal, "remove ends the guest; or force it: what is stored is lost, "
				     "and writes fail until the guest is removed and added again");
		return false;
	}
	if (REQUEST_HAS(request, POOL)) {
		if (tmem_pool_destroy(guest_client(entry->guest), daemon->worker,
				      (uint32_t)request->pool))
			return operate_refuse_pool(entry, request, refusal);
	} else {
		destroyed = destroy_pools(daemon, guest_client(entry->guest));
	}
	log_info("guest %s: %llu pools were destroyed", entry->name, (unsigned long long)destroyed);
	*ok = json_object_new_object();
	json_add_text(*ok, "name", entry->name);
	json_add_u64(*ok, "destroyed", destroyed);
	return true;
}
