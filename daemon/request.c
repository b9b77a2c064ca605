// SPDX-License-Identifier: MIT
/*
 * The judge of control lines. Two tables say everything: what each key may
 * hold, and which keys each operation needs and takes.
 */
#include "request.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <tmem/host.h>

#include "guest.h"
#include "json.h"
#include "rate.h"
#include "template.h"

#define BIT(key) (1u << REQUEST_KEY_##key)

enum value_kind {
	VALUE_NUMBER,
	VALUE_FLAG,
	VALUE_NAME,
	VALUE_OP,
	VALUE_CODEC,
	VALUE_KIND,
	VALUE_ACTION,
	VALUE_UUID,
	VALUE_MODE
};

/* Each stands at the place of its number. */
static const char *const kinds[] = {"disk", "device", "template", NULL};
static const char *const actions[] = {"grant", "revoke", "revoke-now", "list", NULL};

static const struct {
	const char *name;
	enum value_kind kind;
	size_t at; /* of a number or flag in struct request */
	uint64_t low;
	uint64_t high;
	uint64_t step; /* a number is a multiple of this */
} keys[REQUEST_KEY_COUNT] = {
	[REQUEST_KEY_V] = {"v", VALUE_NUMBER, 0, REQUEST_VERSION, REQUEST_VERSION, 1},
	[REQUEST_KEY_ID] = {"id", VALUE_NUMBER, offsetof(struct request, id), 0, JSON_INT_EXACT - 1,
			    1},
	[REQUEST_KEY_OP] = {"op", VALUE_OP, 0, 0, 0, 0},
	[REQUEST_KEY_NAME] = {"name", VALUE_NAME, 0, 0, 0, 0},
	[REQUEST_KEY_DISK] = {"disk", VALUE_NUMBER, offsetof(struct request, disk), TMEM_PAGE_SIZE,
			      REQUEST_DISK_MAX, TMEM_PAGE_SIZE},
	[REQUEST_KEY_ALLOCATION] = {"allocation", VALUE_NUMBER,
				    offsetof(struct request, allocation), TMEM_PAGE_SIZE,
				    UINT64_C(1) << 46, 1},
	[REQUEST_KEY_QUEUES] = {"queues", VALUE_NUMBER, offsetof(struct request, queues), 1,
				REQUEST_QUEUES_MAX, 1},
	[REQUEST_KEY_CODEC] = {"codec", VALUE_CODEC, 0, 0, 0, 0},
	[REQUEST_KEY_FORCE] = {"force", VALUE_FLAG, offsetof(struct request, force), 0, 0, 0},
	[REQUEST_KEY_DESCRIBE] = {"describe", VALUE_FLAG, offsetof(struct request, describe), 0, 0,
				  0},
	[REQUEST_KEY_INTERVAL] = {"interval_ms", VALUE_NUMBER,
				  offsetof(struct request, interval_ms), REQUEST_INTERVAL_LOW,
				  REQUEST_INTERVAL_MAX, 1},
	[REQUEST_KEY_KIND] = {"kind", VALUE_KIND, offsetof(struct request, kind), 0, 0, 0},
	[REQUEST_KEY_CAP] = {"cap", VALUE_NUMBER, offsetof(struct request, cap), 0,
			     REQUEST_BYTES_MAX, 1},
	[REQUEST_KEY_WEIGHT] = {"weight", VALUE_NUMBER, offsetof(struct request, weight), 1,
				REQUEST_WEIGHT_MAX, 1},
	[REQUEST_KEY_RATE] = {"rate", VALUE_NUMBER, offsetof(struct request, rate), 0,
			      REQUEST_BYTES_MAX, 1},
	[REQUEST_KEY_POOL] = {"pool", VALUE_NUMBER, offsetof(struct request, pool), 0, UINT32_MAX,
			      1},
	[REQUEST_KEY_POOLS] = {"pools", VALUE_FLAG, offsetof(struct request, pools), 0, 0, 0},
	[REQUEST_KEY_ALL] = {"all", VALUE_FLAG, offsetof(struct request, all), 0, 0, 0},
	[REQUEST_KEY_BYTES] = {"bytes", VALUE_NUMBER, offsetof(struct request, bytes), 1,
			       REQUEST_BYTES_MAX, 1},
	[REQUEST_KEY_ACTION] = {"action", VALUE_ACTION, offsetof(struct request, action), 0, 0, 0},
	[REQUEST_KEY_UUID] = {"uuid", VALUE_UUID, 0, 0, 0, 0},
	[REQUEST_KEY_MODE] = {"mode", VALUE_MODE, offsetof(struct request, mode), 0, 0, 0},
	[REQUEST_KEY_CONNECTIONS] = {"connections", VALUE_NUMBER,
				     offsetof(struct request, connections), 1,
				     TEMPLATE_CONNECTIONS_MAX, 1},
	[REQUEST_KEY_PER_USER] = {"per_user", VALUE_NUMBER, offsetof(struct request, per_user), 1,
				  TEMPLATE_CONNECTIONS_MAX, 1},
	[REQUEST_KEY_LINGER] = {"linger_s", VALUE_NUMBER, offsetof(struct request, linger_s), 0,
				TEMPLATE_LINGER_MAX, 1},
	[REQUEST_KEY_PAGES_PER_OBJECT] = {"pages_per_object", VALUE_NUMBER,
					  offsetof(struct request, pages_per_object), 1, UINT32_MAX,
					  1},
	[REQUEST_KEY_CLIENTS] = {"clients", VALUE_FLAG, offsetof(struct request, clients), 0, 0, 0},
};

TMEM_STATIC_ASSERT(GUEST_DISK == 0 && GUEST_DEVICE == 1);
TMEM_STATIC_ASSERT(REQUEST_KEY_COUNT <= 32);
TMEM_STATIC_ASSERT(REQUEST_BYTES_MAX == RATE_MOST);

/* What a template has and a guest has not. */
#define TEMPLATE_KEYS \
	(BIT(MODE) | BIT(CONNECTIONS) | BIT(PER_USER) | BIT(LINGER) | BIT(PAGES_PER_OBJECT))

/* What can be set of a guest or template; with a pool, only the codec. */
#define SETTINGS (BIT(CODEC) | BIT(WEIGHT) | BIT(RATE) | BIT(CAP) | BIT(ALLOCATION) | TEMPLATE_KEYS)

/* v, id and op go with each. */
#define ALWAYS (BIT(V) | BIT(ID) | BIT(OP))

static const struct {
	const char *name;
	uint32_t needed;
	uint32_t taken; /* besides those needed */
} ops[REQUEST_OP_COUNT] = {
	[REQUEST_ADD] = {"add", BIT(NAME),
			 BIT(KIND) | BIT(DISK) | BIT(ALLOCATION) | BIT(CAP) | BIT(WEIGHT) |
				 BIT(RATE) | BIT(QUEUES) | BIT(CODEC) | TEMPLATE_KEYS},
	[REQUEST_REMOVE] = {"remove", BIT(NAME), BIT(FORCE)},
	[REQUEST_LIST] = {"list", 0, 0},
	[REQUEST_STAT] = {"stat", 0, BIT(NAME) | BIT(DESCRIBE) | BIT(POOLS) | BIT(CLIENTS)},
	[REQUEST_SET] = {"set", BIT(NAME), BIT(POOL) | SETTINGS},
	[REQUEST_FREEZE] = {"freeze", 0, BIT(NAME) | BIT(ALL)},
	[REQUEST_THAW] = {"thaw", 0, BIT(NAME) | BIT(ALL)},
	[REQUEST_FLUSH] = {"flush", BIT(BYTES), BIT(NAME)},
	[REQUEST_DESTROY] = {"destroy", BIT(NAME), BIT(POOL) | BIT(FORCE)},
	[REQUEST_SHARED_AUTH] = {"shared-auth", BIT(NAME) | BIT(ACTION), BIT(UUID)},
	[REQUEST_FREEABLE] = {"freeable", 0, BIT(NAME)},
	[REQUEST_RELOAD] = {"reload", 0, 0},
	[REQUEST_CHECK] = {"check", 0, 0},
	[REQUEST_WATCH] = {"watch", 0, BIT(NAME) | BIT(INTERVAL)},
	[REQUEST_VERSION_OP] = {"version", 0, 0},
};

static const struct {
	const char *name;
	uint8_t codec;
} codecs[] = {
	{"lz4", TMEM_CODEC_LZ4},
	{"raw", TMEM_CODEC_RAW},
	{"vector", TMEM_CODEC_VECTOR},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

bool request_codec_id(const char *name, uint8_t *codec)
{
	size_t i;

	for (i = 0; i < COUNT(codecs); i++) {
		if (!strcmp(codecs[i].name, name)) {
			*codec = codecs[i].codec;
			return true;
		}
	}
	return false;
}

const char *request_codec_name(uint8_t codec)
{
	size_t i;

	for (i = 0; i < COUNT(codecs); i++) {
		if (codecs[i].codec == codec)
			return codecs[i].name;
	}
	return NULL;
}

const char *request_kind_name(uint8_t kind)
{
	return kinds[kind];
}

const char *request_op_name(enum request_op op)
{
	return ops[op].name;
}

void refuse(struct refusal *refusal, const char *code, const char *fmt, ...)
{
	va_list args;

	refusal->code = code;
	refusal->hint[0] = 0;
	va_start(args, fmt);
	vsnprintf(refusal->text, sizeof(refusal->text), fmt, args);
	va_end(args);
}

void refuse_hint(struct refusal *refusal, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(refusal->hint, sizeof(refusal->hint), fmt, args);
	va_end(args);
}

static bool judge_number(size_t key, struct json_object *value, struct request *request,
			 struct refusal *refusal)
{
	uint64_t number;

	if (!json_get_u64(value, keys[key].high, &number) || number < keys[key].low) {
		refuse(refusal, "EINVAL", "\"%s\" is not an integer from %" PRIu64 " to %" PRIu64,
		       keys[key].name, keys[key].low, keys[key].high);
		return false;
	}
	if (number & (keys[key].step - 1)) {
		refuse(refusal, "EINVAL", "\"%s\" is not a multiple of %" PRIu64, keys[key].name,
		       keys[key].step);
		return false;
	}
	if (keys[key].at)
		memcpy((char *)request + keys[key].at, &number, sizeof(number));
	return true;
}

static bool judge_op(struct json_object *value, struct request *request, struct refusal *refusal)
{
	size_t length;
	const char *text = json_get_text(value, &length);
	size_t i;

	for (i = 0; text && i < COUNT(ops); i++) {
		if (!strcmp(ops[i].name, text)) {
			request->op = (enum request_op)i;
			return true;
		}
	}
	refuse(refusal, "EOPNOTSUPP", "\"op\" is no operation of this daemon");
	refuse_hint(refusal, "operations: add remove list stat set freeze thaw flush destroy "
			     "shared-auth freeable reload check watch version");
	return false;
}

/* As chmod(1) takes it, in digits: "0660". Not 0. */
static bool parse_mode(const char *text, uint64_t *mode)
{
	*mode = 0;
	if (strlen(text) < 3 || strlen(text) > 4 || (text[3] && text[0] != '0'))
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '7')
			return false;
		*mode = *mode << 3 | (uint64_t)(*text - '0');
	}
	return *mode != 0;
}

/* One of @words, whose place goes into the request. */
static bool judge_word(size_t key, const char *text, const char *const *words,
		       struct request *request, struct refusal *refusal)
{
	char all[80] = "";
	size_t used = 0;
	uint8_t i;

	for (i = 0; words[i]; i++) {
		if (text && !strcmp(words[i], text)) {
			memcpy((char *)request + keys[key].at, &i, sizeof(i));
			return true;
		}
		used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i ? ", " : "",
					 words[i]);
	}
	refuse(refusal, "EINVAL", "\"%s\" is none of %s", keys[key].name, all);
	return false;
}

static bool judge_text(size_t key, struct json_object *value, struct request *request,
		       struct refusal *refusal)
{
	size_t length;
	const char *text = json_get_text(value, &length);

	if (keys[key].kind == VALUE_KIND)
		return judge_word(key, text, kinds, request, refusal);
	if (keys[key].kind == VALUE_ACTION)
		return judge_word(key, text, actions, request, refusal);
	if (keys[key].kind == VALUE_MODE) {
		if (text && parse_mode(text, &request->mode))
			return true;
		refuse(refusal, "EINVAL", "\"mode\" is not permission bits in octal digits");
		return false;
	}
	if (keys[key].kind == VALUE_UUID) {
		if (text && units_parse_uuid(text, request->uuid))
			return true;
		refuse(refusal, "EINVAL", "\"uuid\" is not 32 hexadecimal digits, or is zero");
		return false;
	}
	if (keys[key].kind == VALUE_CODEC) {
		if (text && request_codec_id(text, &request->codec))
			return true;
		refuse(refusal, "EINVAL", "\"codec\" is none of \"lz4\", \"raw\", \"vector\"");
		return false;
	}
	if (text && units_name_ok(text, length)) {
		memcpy(request->name, text, length + 1);
		return true;
	}
	refuse(refusal, "EINVAL", "\"name\" is not 1 to %d of a-z 0-9 _ . -", UNITS_NAME_MAX);
	return false;
}

static bool judge_value(size_t key, struct json_object *value, struct request *request,
			struct refusal *refusal)
{
	bool flag;

	switch (keys[key].kind) {
	case VALUE_NUMBER:
		return judge_number(key, value, request, refusal);
	case VALUE_FLAG:
		if (!json_object_is_type(value, json_type_boolean)) {
			refuse(refusal, "EINVAL", "\"%s\" is neither true nor false",
			       keys[key].name);
			return false;
		}
		flag = json_object_get_boolean(value);
		memcpy((char *)request + keys[key].at, &flag, sizeof(flag));
		return true;
	case VALUE_OP:
		return judge_op(value, request, refusal);
	case VALUE_NAME:
	case VALUE_CODEC:
	case VALUE_KIND:
	case VALUE_ACTION:
	case VALUE_UUID:
	case VALUE_MODE:
		return judge_text(key, value, request, refusal);
	}
	return false;
}

static bool judge_keys(struct request *request, struct refusal *refusal)
{
	uint32_t needed = ops[request->op].needed | BIT(V) | BIT(OP);
	uint32_t known = needed | ops[request->op].taken | ALWAYS;
	size_t key;

	for (key = 0; key < REQUEST_KEY_COUNT; key++) {
		uint32_t bit = 1u << key;

		if ((needed & bit) && !(request->keys & bit)) {
			refuse(refusal, "EINVAL", "\"%s\" needs \"%s\"", ops[request->op].name,
			       keys[key].name);
			return false;
		}
		if ((request->keys & bit) && !(known & bit)) {
			refuse(refusal, "EINVAL", "\"%s\" does not take \"%s\"",
			       ops[request->op].name, keys[key].name);
			return false;
		}
	}
	return true;
}

/* Keys that must be there together, or must not. */
static bool judge_together(const struct request *request, struct refusal *refusal)
{
	bool disk = request->keys & BIT(DISK);

	switch (request->op) {
	case REQUEST_ADD:
		if (request->keys & TEMPLATE_KEYS && request->kind != REQUEST_KIND_TEMPLATE) {
			refuse(refusal, "EINVAL",
			       "\"mode\", \"connections\", \"per_user\", \"linger_s\" and "
			       "\"pages_per_object\" go with \"kind\" \"template\"");
			return false;
		}
		if (disk == (request->kind == GUEST_DISK))
			break;
		refuse(refusal, "EINVAL",
		       disk ? "\"disk\" goes with \"kind\" \"disk\" alone"
			    : "\"add\" needs \"disk\", or another \"kind\"");
		return false;
	case REQUEST_SET:
		if (!(request->keys & SETTINGS)) {
			refuse(refusal, "EINVAL",
			       "\"set\" needs \"codec\", \"weight\", \"rate\", \"cap\" or "
			       "\"allocation\"");
			return false;
		}
		if (!(request->keys & BIT(POOL)) || !(request->keys & SETTINGS & ~BIT(CODEC)))
			break;
		refuse(refusal, "EINVAL", "\"pool\" goes with \"codec\" alone");
		return false;
	case REQUEST_FREEZE:
	case REQUEST_THAW:
		if (request->all != !!(request->keys & BIT(NAME)))
			break;
		refuse(refusal, "EINVAL", "\"%s\" needs \"name\", or \"all\" that is true",
		       ops[request->op].name);
		return false;
	case REQUEST_SHARED_AUTH:
		if ((request->action == REQUEST_GRANTS) != !!(request->keys & BIT(UUID)))
			break;
		refuse(refusal, "EINVAL",
		       "\"uuid\" goes with grant, revoke and revoke-now, and not with list");
		return false;
	default:
		break;
	}
	return true;
}

static bool judge_object(struct json_object *root, struct request *request, struct refusal *refusal)
{
	struct json_object *value;
	size_t key;
	size_t known = 0;

	/* The id first: a refusal of anything else carries it. */
	if (json_object_object_get_ex(root, "id", &value)) {
		if (!judge_number(REQUEST_KEY_ID, value, request, refusal))
			return false;
		request->keys |= BIT(ID);
	}
	for (key = 0; key < REQUEST_KEY_COUNT; key++) {
		if (!json_object_object_get_ex(root, keys[key].name, &value))
			continue;
		if (!judge_value(key, value, request, refusal))
			return false;
		request->keys |= 1u << key;
		known++;
	}
	if (known != (size_t)json_object_object_length(root)) {
		refuse(refusal, "EINVAL", "a key that version %d does not know", REQUEST_VERSION);
		return false;
	}
	if (!(request->keys & BIT(V)) || !(request->keys & BIT(OP))) {
		refuse(refusal, "EINVAL", "\"v\" or \"op\" is missing");
		refuse_hint(refusal, "a request is {\"v\":1,\"id\":N,\"op\":...} on one line");
		return false;
	}
	return judge_keys(request, refusal) && judge_together(request, refusal);
}

bool request_judge(const char *line, size_t length, struct request *request,
		   struct refusal *refusal)
{
	struct json_object *root;
	const char *why;
	bool good;

	memset(request, 0, sizeof(*request));
	memset(refusal, 0, sizeof(*refusal));
	if (length >= REQUEST_LINE_MAX) {
		refuse(refusal, "E2BIG", "a line of more than %d bytes", REQUEST_LINE_MAX);
		return false;
	}
	root = json_parse(line, length, &why);
	if (!root) {
		refuse(refusal, "EINVAL", "not one JSON object of depth %d on a line: %s",
		       JSON_DEPTH, why);
		return false;
	}
	good = judge_object(root, request, refusal);
	json_object_put(root);
	return good;
}
