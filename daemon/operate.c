// SPDX-License-Identifier: MIT
/*
 * The operations of the control socket, by name. Adding, removing and
 * showing guests is done here; the rest has files of its own. What changes a
 * guest is in the state file before the answer is given; where the file
 * cannot be written, the change is undone and refused.
 */
#include "operate.h"

#include "daemon.h"
#include "guest.h"
#include "json.h"
#include "log.h"
#include "operate_parts.h"
#include "options.h"
#include "registry.h"
#include "report.h"
#include "request.h"
#include "state.h"

static bool add(struct daemon *daemon, const struct request *request, struct json_object **ok,
		struct refusal *refusal)
{
	struct registry_wish wish = {.name = request->name,
				     .kind = (enum guest_kind)request->kind,
				     .disk = request->disk,
				     .allocation = request->allocation,
				     .cap = request->cap,
				     .weight = (uint32_t)request->weight,
				     .rate = request->rate,
				     .queues = (uint16_t)request->queues,
				     .codec = request->codec};
	struct operate_settings settings;
	struct entry *entry;

	if (request->kind == REQUEST_KIND_TEMPLATE)
		return operate_add_template(daemon, request, ok, refusal);
	if (!REQUEST_HAS(request, CODEC))
		wish.codec = daemon->options->codec;
	if (!registry_add(daemon, &wish, &entry, refusal))
		return false;
	settings = (struct operate_settings){wish.cap, wish.weight, wish.rate, entry->codec};
	(void)operate_apply(entry, &settings);
	if (!state_save(daemon)) {
		registry_remove(entry);
		return operate_refuse_state(refusal);
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
	struct operate_target target;
	struct entry *entry;

	if (!operate_find(daemon, request, &target, refusal))
		return false;
	if (target.template)
		return operate_remove_template(daemon, target.template, request, ok, refusal);
	entry = target.guest;
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

static bool stat_of(struct daemon *daemon, const struct request *request, struct json_object **ok,
		    struct refusal *refusal)
{
	struct report_wish wish = {.describe = request->describe,
				   .pools = request->pools,
				   .clients = request->clients};
	struct operate_target target;

	if (!operate_find(daemon, request, &target, refusal))
		return false;
	wish.guest = target.guest;
	wish.template = target.template;
	*ok = report_stats(daemon, &wish);
	return true;
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
		*ok = report_list(daemon);
		return true;
	case REQUEST_STAT:
	case REQUEST_WATCH:
		return stat_of(daemon, request, ok, refusal);
	case REQUEST_SET:
		return operate_set(daemon, request, ok, refusal);
	case REQUEST_FREEZE:
		return operate_freeze(daemon, request, true, ok, refusal);
	case REQUEST_THAW:
		return operate_freeze(daemon, request, false, ok, refusal);
	case REQUEST_FLUSH:
		return operate_flush(daemon, request, ok, refusal);
	case REQUEST_DESTROY:
		return operate_destroy(daemon, request, ok, refusal);
	case REQUEST_SHARED_AUTH:
		return operate_shared_auth(daemon, request, ok, refusal);
	case REQUEST_FREEABLE:
		return operate_freeable(daemon, request, ok, refusal);
	case REQUEST_RELOAD:
		return operate_reload(daemon, ok, refusal);
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
