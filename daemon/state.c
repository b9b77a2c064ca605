// SPDX-License-Identifier: MIT
/* Saying in the state file which guests there are, and reading it as if it were hostile. */
#include "state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "disk.h"
#include "json.h"
#include "log.h"
#include "options.h"
#include "registry.h"
#include "request.h"
#include "run_dir.h"

#define STATE_NAME    "state.json"
#define STATE_VERSION 1
#define STATE_MAX     (1 << 20) /* bytes; 256 guests with all grants take less */

static const char *const kinds[] = {[GUEST_DISK] = "disk", [GUEST_DEVICE] = "device"};

/* Sixteen digits: a number of JSON is exact to 2^53 only. */
static void add_id(struct json_object *guest, uint64_t id)
{
	char text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, id);
	json_add_text(guest, "client", text);
}

static struct json_object *describe(const struct daemon *daemon)
{
	struct json_object *root = json_object_new_object();
	struct json_object *guests = json_object_new_array();
	const struct entry *entry;

	json_add_u64(root, "version", STATE_VERSION);
	for (entry = daemon->guests; entry; entry = entry->next) {
		struct json_object *guest = json_object_new_object();

		json_add_text(guest, "name", entry->name);
		json_add_text(guest, "kind", kinds[entry->kind]);
		add_id(guest, entry->id);
		json_add_u64(guest, "disk", entry->disk_bytes);
		json_add_u64(guest, "allocation", entry->allocation);
		json_add_u64(guest, "cap", entry->cap);
		json_add_u64(guest, "weight", entry->weight);
		json_add_u64(guest, "rate", entry->rate);
		json_add_u64(guest, "queues", entry->queues);
		json_add_text(guest, "codec", request_codec_name(entry->codec));
		json_object_object_add(guest, "grants", grants_print(&entry->grants));
		json_add_bool(guest, "frozen", entry->frozen);
		json_add_bool(guest, "in_use", entry->in_use);
		json_object_array_add(guests, guest);
	}
	json_object_object_add(root, "guests", guests);
	return root;
}

bool state_save(const struct daemon *daemon)
{
	struct json_object *root = describe(daemon);
	size_t length;
	const char *text =
		json_object_to_json_string_length(root, JSON_C_TO_STRING_PRETTY, &length);
	bool saved = text && run_dir_write(daemon->run_dir, STATE_NAME, text, length);

	json_object_put(root);
	return saved;
}

static bool get_flag(struct json_object *guest, const char *key, bool *flag)
{
	struct json_object *value;

	if (!json_object_object_get_ex(guest, key, &value) ||
	    !json_object_is_type(value, json_type_boolean))
		return false;
	*flag = json_object_get_boolean(value);
	return true;
}

static bool get_u64(struct json_object *guest, const char *key, uint64_t high, uint64_t *number)
{
	struct json_object *value;

	return json_object_object_get_ex(guest, key, &value) && json_get_u64(value, high, number);
}

static const char *get_text(struct json_object *guest, const char *key)
{
	struct json_object *value;
	size_t length;

	if (!json_object_object_get_ex(guest, key, &value))
		return NULL;
	return json_get_text(value, &length);
}

/* Files of an earlier tmemd have none of the next six, which are a disk's then. */
static bool has(struct json_object *guest, const char *key)
{
	return json_object_object_get_ex(guest, key, NULL);
}

static bool get_id(struct json_object *guest, uint64_t *id)
{
	static const char digits[] = "0123456789abcdef";
	const char *text = get_text(guest, "client");
	const char *digit;
	size_t i;

	if (!has(guest, "client"))
		return true;
	if (!text || strlen(text) != 16)
		return false;
	*id = 0;
	for (i = 0; i < 16; i++) {
		digit = strchr(digits, text[i]);
		if (!digit)
			return false;
		*id = *id << 4 | (uint64_t)(digit - digits);
	}
	return true;
}

static bool get_kind(struct json_object *guest, enum guest_kind *kind)
{
	const char *text = get_text(guest, "kind");
	size_t i;

	if (!has(guest, "kind"))
		return true;
	for (i = 0; text && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(text, kinds[i]))
			continue;
		*kind = (enum guest_kind)i;
		return true;
	}
	return false;
}

static bool get_grants(struct json_object *guest, struct grants *grants)
{
	struct json_object *array;

	return !json_object_object_get_ex(guest, "grants", &array) || grants_read(array, grants);
}

static bool judge_limits(struct json_object *guest, struct registry_wish *wish)
{
	uint64_t weight = 0; /* that nobody chose */

	if (has(guest, "weight") && !get_u64(guest, "weight", REGISTRY_WEIGHT_MOST, &weight))
		return false;
	wish->weight = (uint32_t)weight;
	if (!get_u64(guest, "disk", REQUEST_DISK_MAX, &wish->disk) || wish->disk % TMEM_PAGE_SIZE ||
	    !wish->disk != (wish->kind == GUEST_DEVICE))
		return false;
	if (has(guest, "cap") && !get_u64(guest, "cap", JSON_INT_EXACT, &wish->cap))
		return false;
	if (has(guest, "rate") && !get_u64(guest, "rate", REQUEST_BYTES_MAX, &wish->rate))
		return false;
	return get_u64(guest, "allocation", JSON_INT_EXACT, &wish->allocation);
}

static bool judge_guest(struct json_object *guest, struct registry_wish *wish)
{
	const char *codec;
	uint64_t queues;

	if (!json_object_is_type(guest, json_type_object) || !get_kind(guest, &wish->kind) ||
	    !get_id(guest, &wish->id) || !get_grants(guest, &wish->grants) ||
	    !judge_limits(guest, wish))
		return false;
	wish->name = get_text(guest, "name");
	codec = get_text(guest, "codec");
	if (!get_u64(guest, "queues", REQUEST_QUEUES_MAX, &queues) || !queues)
		return false;
	wish->queues = (uint16_t)queues;
	return wish->name && units_name_ok(wish->name, strlen(wish->name)) && codec &&
	       request_codec_id(codec, &wish->codec) && get_flag(guest, "frozen", &wish->frozen) &&
	       get_flag(guest, "in_use", &wish->contents_unknown);
}

static bool complain(const struct daemon *daemon, const char *why)
{
	log_error("%s/%s: %s; it names the disks that were in use when tmemd died. Once none of "
		  "their guests runs any more, remove it",
		  daemon->run_dir->path, STATE_NAME, why);
	return false;
}

/* The same disk needs more of a tmemd that verifies than of an earlier one that did not. */
static void raise_allocation(const struct daemon *daemon, struct registry_wish *wish)
{
	uint64_t needed =
		tmem_pages_allocation(wish->disk / TMEM_PAGE_SIZE, DISK_PIECE, daemon->verify);

	if (wish->allocation < needed)
		wish->allocation = needed;
}

static bool restore(struct daemon *daemon, struct json_object *root)
{
	struct json_object *guests;
	uint64_t version;
	size_t i;

	if (!get_u64(root, "version", STATE_VERSION, &version) || version != STATE_VERSION)
		return complain(daemon, "a version that this tmemd does not know");
	if (!json_object_object_get_ex(root, "guests", &guests) ||
	    !json_object_is_type(guests, json_type_array))
		return complain(daemon, "no list of guests");
	for (i = 0; i < json_object_array_length(guests); i++) {
		struct registry_wish wish = {0};
		struct refusal refusal;
		struct entry *entry;

		if (!judge_guest(json_object_array_get_idx(guests, i), &wish))
			return complain(daemon, "a guest that is not well formed");
		raise_allocation(daemon, &wish);
		if (!registry_add(daemon, &wish, &entry, &refusal)) {
			log_error("guest %s, which an earlier tmemd had, cannot come back: %s; %s",
				  wish.name, refusal.text, refusal.hint);
			return false;
		}
		if (wish.contents_unknown)
			log_warning("guest %s is back, and what its disk held is lost: reads are "
				    "errors until its machine writes or is started anew. If it is "
				    "off for good, 'tmem remove %s'",
				    wish.name, wish.name);
		else
			log_info("guest %s is back", wish.name);
	}
	return true;
}

bool state_load(struct daemon *daemon)
{
	struct json_object *root;
	const char *why;
	size_t length;
	char *text;
	bool good;

	if (!run_dir_read(daemon->run_dir, STATE_NAME, STATE_MAX, &text, &length))
		return complain(daemon, "was not read");
	if (!text)
		return true;
	root = json_parse(text, length, &why);
	free(text);
	if (!root)
		return complain(daemon, why);
	good = restore(daemon, root);
	json_object_put(root);
	/* Written by the former tmemd: what did not come back must not be forgotten. */
	return good;
}

/* A machine that powers itself off says no more to its disk than one that is paused. */
static void say_in_use(const struct daemon *daemon)
{
	const struct entry *entry;

	for (entry = daemon->guests; entry; entry = entry->next) {
		if (entry->in_use)
			log_warning("guest %s: its disk was used and never reset, and what it "
				    "stored ends with this tmemd",
				    entry->name);
	}
	log_warning("%s/%s stays: with it the next tmemd has these guests again, and answers "
		    "reads of what is gone with errors. If their machines are off for good, "
		    "'tmem remove NAME' there ends that, or remove the file to start afresh",
		    daemon->run_dir->path, STATE_NAME);
}

void state_close(const struct daemon *daemon)
{
	/* A private directory is found by nobody again. */
	bool private = daemon->options->run && !daemon->options->run_dir;

	if (!private && registry_any_in_use(daemon)) {
		say_in_use(daemon);
		return;
	}
	run_dir_remove(daemon->run_dir, STATE_NAME);
}
