// SPDX-License-Identifier: MIT
/*
 * The operations of the control socket, one function each. What changes a
 * guest is in the state file before the answer is given; where the file
 * cannot be written, the change is undone and refused.
 */
#include "operate.h"

#include <string.h>
#include <time.h>

#include <tmem/wire.h>

#include "daemon.h"
#include "guest.h"
#include "json.h"
#include "log.h"
#include "options.h"
#include "registry.h"
#include "report.h"
#include "request.h"
#include "state.h"

/* Given back between two turns of the guests. */
#define FLUSH_PIECE (UINT64_C(32) << 20)

#define HAS(request, key) ((request)->keys & 1u << REQUEST_KEY_##key)

static bool find(struct daemon *daemon, const struct request *request, struct entry **entry,
		 struct refusal *refusal)
{
	*entry = NULL;
	if (!request->name[0])
		return true;
	*entry = registry_find(daemon, request->name);
	if (*entry)
		return true;
	refuse(refusal, "ENOENT", "no guest is named %s", request->name);
	refuse_hint(refusal, "tmem list shows the guests");
	return false;
}

static bool refuse_state(struct refusal *refusal)
{
	refuse(refusal, "EIO", "the state file cannot be written; nothing was changed");
	refuse_hint(refusal, "make room for it in the run-time directory");
	return false;
}

/* What set changes, kept to be put back where the state file cannot be written. */
struct settings {
	uint64_t cap;
	uint32_t weight;
	uint8_t codec;
};

/* False: the engine has no such codec. Nothing was changed then. */
static bool apply(struct entry *entry, const struct settings *settings)
{
	if (tmem_client_set_codec(guest_client(entry->guest), settings->codec))
		return false;
	if (settings->cap != entry->cap)
		guest_set_cap(entry->guest, settings->cap);
	/* 0 is a guest whose weight nobody chose. */
	if (settings->weight && settings->weight != entry->weight)
		(void)guest_set_weight(entry->guest, settings->weight);
	entry->codec = settings->codec;
	entry->cap = settings->cap;
	entry->weight = settings->weight;
	return true;
}

static bool add(struct daemon *daemon, const struct request *request, struct json_object **ok,
		struct refusal *refusal)
{
	struct registry_wish wish = {.name = request->name,
				     .kind = (enum guest_kind)request->kind,
				     .disk = request->disk,
				     .allocation = request->allocation,
				     .cap = request->cap,
				     .weight = (uint32_t)request->weight,
				     .queues = (uint16_t)request->queues,
				     .codec = request->codec};
	struct settings settings;
	struct entry *entry;

	if (!HAS(request, CODEC))
		wish.codec = daemon->options->codec;
	if (!registry_add(daemon, &wish, &entry, refusal))
		return false;
	settings = (struct settings){wish.cap, wish.weight, entry->codec};
	(void)apply(entry, &settings);
	if (!state_save(daemon)) {
		registry_remove(entry);
		return refuse_state(refusal);
	}
	*ok = report_guest(entry);
	log_info("guest %s was added", request->name);
	operate_say_status(daemon);
	return true;
}

static bool take_away(struct daemon *daemon, const struct request *request, struct json_object **ok,
		      struct refusal *refusal)
{
	struct guest_figures figures;
	struct entry *entry;

	if (!find(daemon, request, &entry, refusal))
		return false;
	guest_figures(entry->guest, &figures);
	if (figures.connected && !request->force) {
		refuse(refusal, "EBUSY", "a front-end is connected to %s", entry->name);
		refuse_hint(refusal, "stop the virtual machine first; or force it, and its swap is "
				     "gone under it");
		return false;
	}
	*ok = json_object_new_object();
	json_add_text(*ok, "name", entry->name);
	registry_remove(entry);
	/* A guest too many in the file is harmless: its contents count as unknown. */
	(void)state_save(daemon);
	log_info("guest %s was removed", request->name);
	operate_say_status(daemon);
	return true;
}

static bool list(struct daemon *daemon, struct json_object **ok)
{
	struct json_object *guests = json_object_new_array();
	const struct entry *entry;

	for (entry = daemon->guests; entry; entry = entry->next)
		json_object_array_add(guests, report_guest(entry));
	*ok = json_object_new_object();
	json_object_object_add(*ok, "guests", guests);
	return true;
}

static bool stat_of(struct daemon *daemon, const struct request *request, struct json_object **ok,
		    struct refusal *refusal)
{
	struct report_wish wish = {.describe = request->describe, .pools = request->pools};
	struct entry *entry;

	if (!find(daemon, request, &entry, refusal))
		return false;
	wish.only = entry;
	*ok = report_stats(daemon, &wish);
	return true;
}

static bool refuse_pool(const struct entry *entry, const struct request *request,
			struct refusal *refusal)
{
	refuse(refusal, "ENOENT", "guest %s has no pool %llu", entry->name,
	       (unsigned long long)request->pool);
	refuse_hint(refusal, "the figures with pools show those that there are");
	return false;
}

/* A pool's codec lives with the pool, and no longer: it is in no file. */
static bool set_pool(struct entry *entry, const struct request *request, struct refusal *refusal)
{
	int error = tmem_pool_set_codec(guest_client(entry->guest), (uint32_t)request->pool,
					request->codec);

	if (error == -TMEM_ENODEV)
		return refuse_pool(entry, request, refusal);
	if (error)
		refuse(refusal, "EINVAL", "the engine has no such codec");
	return !error;
}

static bool set_guest(struct daemon *daemon, struct entry *entry, const struct request *request,
		      struct refusal *refusal)
{
	struct settings old = {entry->cap, entry->weight, entry->codec};
	struct settings now = old;

	if (HAS(request, ALLOCATION)) {
		refuse(refusal, "EOPNOTSUPP",
		       "an allocation cannot be changed while its guest lives");
		refuse_hint(refusal, "remove %s, and add it with the allocation that it needs",
			    entry->name);
		return false;
	}
	if (HAS(request, CODEC))
		now.codec = request->codec;
	if (HAS(request, CAP))
		now.cap = request->cap;
	if (HAS(request, WEIGHT))
		now.weight = (uint32_t)request->weight;
	if (!apply(entry, &now)) {
		refuse(refusal, "EINVAL", "the engine has no such codec");
		return false;
	}
	if (state_save(daemon))
		return true;
	if (!old.weight)
		old.weight = REPORT_WEIGHT_DEFAULT;
	(void)apply(entry, &old);
	return refuse_state(refusal);
}

static bool set(struct daemon *daemon, const struct request *request, struct json_object **ok,
		struct refusal *refusal)
{
	struct entry *entry;

	if (!find(daemon, request, &entry, refusal))
		return false;
	if (!(HAS(request, POOL) ? set_pool(entry, request, refusal)
				 : set_guest(daemon, entry, request, refusal)))
		return false;
	*ok = report_guest(entry);
	return true;
}

/* NULL: every guest. */
static void carry_out_freeze(struct daemon *daemon, struct entry *only)
{
	struct entry *entry;

	for (entry = daemon->guests; entry; entry = entry->next) {
		if (!only || entry == only)
			guest_freeze(entry->guest, entry->frozen);
	}
}

static bool freeze(struct daemon *daemon, const struct request *request, bool frozen,
		   struct json_object **ok, struct refusal *refusal)
{
	bool old[DAEMON_GUESTS_MAX];
	struct entry *entry;
	struct entry *only;
	size_t i = 0;

	if (!find(daemon, request, &only, refusal))
		return false;
	for (entry = daemon->guests; entry; entry = entry->next) {
		old[i++] = entry->frozen;
		if (!only || entry == only)
			entry->frozen = frozen;
	}
	if (!state_save(daemon)) {
		for (i = 0, entry = daemon->guests; entry; entry = entry->next)
			entry->frozen = old[i++];
		return refuse_state(refusal);
	}
	carry_out_freeze(daemon, only);
	if (!only)
		return list(daemon, ok);
	*ok = report_guest(only);
	return true;
}

static uint64_t freeable_bytes(struct daemon *daemon, const struct entry *only)
{
	struct tmem_stats stats;

	if (only)
		tmem_client_stats(guest_client(only->guest), &stats);
	else
		tmem_engine_stats(daemon->engine, &stats);
	return stats.freeable;
}

static bool freeable(struct daemon *daemon, const struct request *request, struct json_object **ok,
		     struct refusal *refusal)
{
	struct entry *entry;

	if (!find(daemon, request, &entry, refusal))
		return false;
	*ok = json_object_new_object();
	json_add_u64(*ok, "freeable", freeable_bytes(daemon, entry));
	return true;
}

/* A turn of all guests in the middle of something long. */
static void look_at_guests(struct daemon *daemon)
{
	struct entry *entry;

	for (entry = daemon->guests; entry; entry = entry->next)
		guest_look(entry->guest);
}

/* Whose pages were dropped is not known where they were anybody's. NULL: every guest. */
static void tell_dropped(struct daemon *daemon, const struct entry *only)
{
	struct entry *entry;

	for (entry = daemon->guests; entry; entry = entry->next) {
		if (!only || entry == only)
			guest_tell(entry->guest, TMEM_NEWS_DROPPED, 0);
	}
}

/*
 * In pieces, with a turn of all guests between two of them. No more than was
 * freeable when it began: a guest that puts as fast as its pages are dropped
 * would keep it from ending.
 */
static bool flush(struct daemon *daemon, const struct request *request, struct json_object **ok,
		  struct refusal *refusal)
{
	uint64_t given_back = 0;
	uint64_t wanted;
	struct entry *only;

	if (!find(daemon, request, &only, refusal))
		return false;
	wanted = freeable_bytes(daemon, only);
	if (wanted > request->bytes)
		wanted = request->bytes;
	while (given_back < wanted) {
		uint64_t left = wanted - given_back;
		uint64_t piece = left < FLUSH_PIECE ? left : FLUSH_PIECE;
		uint64_t got =
			only ? tmem_client_reclaim(guest_client(only->guest), daemon->worker, piece)
			     : tmem_engine_reclaim(daemon->engine, daemon->worker, piece);

		if (!got)
			break;
		given_back += got;
		look_at_guests(daemon);
	}
	if (given_back)
		tell_dropped(daemon, only);
	*ok = json_object_new_object();
	json_add_u64(*ok, "asked", request->bytes);
	json_add_u64(*ok, "given_back", given_back);
	return true;
}

/*
 * A swap disk lies over its guest's only pool. Who destroys that takes the
 * guest's memory away, and the disk cannot get another pool: hence force.
 */
static bool destroy(struct daemon *daemon, const struct request *request, struct json_object **ok,
		    struct refusal *refusal)
{
	uint64_t destroyed = 0;
	struct entry *entry;
	uint32_t number;

	if (!find(daemon, request, &entry, refusal))
		return false;
	if (entry->kind == GUEST_DISK && !request->force) {
		refuse(refusal, "EBUSY", "%s is a swap disk, and its pool is what it stored",
		       entry->name);
		refuse_hint(refusal, "remove ends the guest; or force it: what is stored is lost, "
				     "and writes fail until the guest is removed and added again");
		return false;
	}
	if (HAS(request, POOL)) {
		if (tmem_pool_destroy(guest_client(entry->guest), daemon->worker,
				      (uint32_t)request->pool))
			return refuse_pool(entry, request, refusal);
		destroyed = 1;
	} else {
		for (number = 0; number < REPORT_POOL_NUMBERS; number++)
			destroyed += !tmem_pool_destroy(guest_client(entry->guest), daemon->worker,
							number);
	}
	log_info("guest %s: %llu pools were destroyed", entry->name, (unsigned long long)destroyed);
	*ok = json_object_new_object();
	json_add_text(*ok, "name", entry->name);
	json_add_u64(*ok, "destroyed", destroyed);
	return true;
}

static struct json_object *grants_of(const struct entry *entry)
{
	struct json_object *object = json_object_new_object();
	struct json_object *grants = json_object_new_array();
	uint64_t uuid[TMEM_GRANTS][2];
	char text[UNITS_UUID_TEXT];
	uint32_t count = tmem_client_grants(guest_client(entry->guest), uuid, TMEM_GRANTS);
	uint32_t i;

	for (i = 0; i < count && i < TMEM_GRANTS; i++)
		json_object_array_add(grants,
				      json_object_new_string(units_format_uuid(uuid[i], text)));
	json_add_text(object, "name", entry->name);
	json_object_object_add(object, "grants", grants);
	return object;
}

static bool shared_auth(struct daemon *daemon, const struct request *request,
			struct json_object **ok, struct refusal *refusal)
{
	char text[UNITS_UUID_TEXT];
	struct tmem_client *client;
	struct entry *entry;
	int error = 0;

	if (!find(daemon, request, &entry, refusal))
		return false;
	client = guest_client(entry->guest);
	if (request->action == REQUEST_GRANT)
		error = tmem_client_grant(client, request->uuid);
	else if (request->action != REQUEST_GRANTS)
		error = tmem_client_revoke(client, daemon->worker, request->uuid,
					   request->action == REQUEST_REVOKE_NOW);
	units_format_uuid(request->uuid, text);
	switch (error) {
	case 0:
		*ok = grants_of(entry);
		return true;
	case -TMEM_ENOENT:
		refuse(refusal, "ENOENT", "%s was not granted %s", entry->name, text);
		refuse_hint(refusal, "tmem shared-auth %s --list shows its grants", entry->name);
		return false;
	default:
		refuse(refusal, "EOVERFLOW", "%s has %u grants; that is the most", entry->name,
		       TMEM_GRANTS);
		refuse_hint(refusal, "revoke one that it no longer needs");
		return false;
	}
}

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

		daemon->memory -= left < FLUSH_PIECE ? left : FLUSH_PIECE;
		tmem_engine_set_capacity(daemon->engine, daemon->worker, daemon->memory);
		look_at_guests(daemon);
	}
	if (daemon->memory < memory) {
		daemon->memory = memory;
		tmem_engine_set_capacity(daemon->engine, daemon->worker, memory);
	}
}

/* What is different now, and what would be after a start: {"changed","restart"}. */
static struct json_object *differences(const struct daemon *daemon, const struct options *fresh)
{
	struct json_object *object = json_object_new_object();
	struct json_object *changed = json_object_new_array();
	struct json_object *restart = json_object_new_array();
	const char *name;
	size_t place = 0;
	bool live;

	while ((name = options_changed(daemon->options, fresh, &place, &live))) {
		if (!strcmp(name, "memory") && !fresh->memory)
			live = false;
		json_object_array_add(live ? changed : restart, json_object_new_string(name));
		if (live)
			log_info("%s was changed", name);
		else
			log_warning("%s is another now, but for that tmemd must be started anew",
				    name);
	}
	json_object_object_add(object, "changed", changed);
	json_object_object_add(object, "restart", restart);
	return object;
}

static bool reload(struct daemon *daemon, struct json_object **ok, struct refusal *refusal)
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
		*ok = differences(daemon, &fresh);
		options_adopt(daemon->options, &fresh);
		if (fresh.memory)
			resize(daemon, fresh.memory);
	}
	options_free(&fresh);
	log_service("READY=1");
	return good;
}

void operate_say_status(const struct daemon *daemon)
{
	log_service("STATUS=serving %u guests", daemon->guest_count);
}

static bool check(struct daemon *daemon, struct json_object **ok, struct refusal *refusal)
{
	const char *what = NULL;

	/* The loop's thread is the engine's only one, so nobody else is in a call. */
	if (tmem_engine_check(daemon->engine, &what)) {
		log_error("the engine's counts do not agree: %s", what ? what : "unknown");
		refuse(refusal, "EIO", "the engine's counts do not agree: %s",
		       what ? what : "unknown");
		refuse_hint(refusal, "this is a bug of tmemd: please report it");
		return false;
	}
	*ok = json_object_new_object();
	json_add_bool(*ok, "consistent", true);
	return true;
}

static bool version(struct json_object **ok)
{
	*ok = json_object_new_object();
	json_add_text(*ok, "version", TMEM_VERSION_TEXT);
	json_add_u64(*ok, "protocol", REQUEST_VERSION);
	return true;
}

bool operate(struct daemon *daemon, const struct request *request, struct json_object **ok,
	     struct refusal *refusal)
{
	switch (request->op) {
	case REQUEST_ADD:
		return add(daemon, request, ok, refusal);
	case REQUEST_REMOVE:
		return take_away(daemon, request, ok, refusal);
	case REQUEST_LIST:
		return list(daemon, ok);
	case REQUEST_STAT:
	case REQUEST_WATCH:
		return stat_of(daemon, request, ok, refusal);
	case REQUEST_SET:
		return set(daemon, request, ok, refusal);
	case REQUEST_FREEZE:
		return freeze(daemon, request, true, ok, refusal);
	case REQUEST_THAW:
		return freeze(daemon, request, false, ok, refusal);
	case REQUEST_FLUSH:
		return flush(daemon, request, ok, refusal);
	case REQUEST_DESTROY:
		return destroy(daemon, request, ok, refusal);
	case REQUEST_SHARED_AUTH:
		return shared_auth(daemon, request, ok, refusal);
	case REQUEST_FREEABLE:
		return freeable(daemon, request, ok, refusal);
	case REQUEST_RELOAD:
		return reload(daemon, ok, refusal);
	case REQUEST_CHECK:
		return check(daemon, ok, refusal);
	case REQUEST_VERSION_OP:
		return version(ok);
	case REQUEST_OP_COUNT:
		break;
	}
	refuse(refusal, "EOPNOTSUPP", "no such operation");
	return false;
}
