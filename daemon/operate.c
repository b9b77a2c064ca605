// SPDX-License-Identifier: MIT
/*
 * The operations of the control socket, one function each. What changes a
 * guest is in the state file before the answer is given; where the file
 * cannot be written, the change is undone and refused.
 */
#include "operate.h"

#include "daemon.h"
#include "guest.h"
#include "json.h"
#include "log.h"
#include "options.h"
#include "registry.h"
#include "report.h"
#include "request.h"
#include "state.h"

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

static bool add(struct daemon *daemon, const struct request *request, struct json_object **ok,
		struct refusal *refusal)
{
	struct registry_wish wish = {.name = request->name,
				     .disk = request->disk,
				     .allocation = request->allocation,
				     .queues = (uint16_t)request->queues,
				     .codec = request->codec};
	struct entry *entry;

	if (!(request->keys & (1u << REQUEST_KEY_CODEC)))
		wish.codec = daemon->options->codec;
	if (!registry_add(daemon, &wish, &entry, refusal))
		return false;
	if (!state_save(daemon)) {
		registry_remove(entry);
		return refuse_state(refusal);
	}
	*ok = report_guest(entry);
	log_info("guest %s was added", request->name);
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
	struct entry *entry;

	if (!find(daemon, request, &entry, refusal))
		return false;
	*ok = report_stats(daemon, entry, request->describe);
	return true;
}

static bool set_codec(struct daemon *daemon, const struct request *request, struct json_object **ok,
		      struct refusal *refusal)
{
	struct entry *entry;
	uint8_t old;

	if (!find(daemon, request, &entry, refusal))
		return false;
	old = entry->codec;
	if (tmem_client_set_codec(guest_client(entry->guest), request->codec)) {
		refuse(refusal, "EINVAL", "the engine has no such codec");
		return false;
	}
	entry->codec = request->codec;
	if (!state_save(daemon)) {
		entry->codec = old;
		(void)!tmem_client_set_codec(guest_client(entry->guest), old);
		return refuse_state(refusal);
	}
	*ok = report_guest(entry);
	return true;
}

static bool freeze(struct daemon *daemon, const struct request *request, bool frozen,
		   struct json_object **ok, struct refusal *refusal)
{
	struct entry *entry;
	bool old;

	if (!find(daemon, request, &entry, refusal))
		return false;
	old = entry->frozen;
	entry->frozen = frozen;
	if (!state_save(daemon)) {
		entry->frozen = old;
		return refuse_state(refusal);
	}
	tmem_client_freeze(guest_client(entry->guest), frozen);
	*ok = report_guest(entry);
	return true;
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
		return set_codec(daemon, request, ok, refusal);
	case REQUEST_FREEZE:
		return freeze(daemon, request, true, ok, refusal);
	case REQUEST_THAW:
		return freeze(daemon, request, false, ok, refusal);
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
