// SPDX-License-Identifier: MIT
/* Strict JSON over json-c: bounded depth, no control bytes, no key twice, no zero in a string. */
#include "json.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "units.h"

/*
 * What json-c lets pass: a zero byte ends its input, an escaped one cuts a
 * key, control bytes and single quotes go through its strict mode. None of
 * them has a meaning here. *@colons is the number of members as written.
 */
static const char *refuse_bytes(const char *bytes, size_t length, size_t *colons)
{
	bool quoted = false;
	size_t i;

	*colons = 0;
	for (i = 0; i < length; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c < 0x20 && c != '\t' && c != '\r' && c != '\n')
			return "a control character";
		if (quoted && c == '\\') {
			if (length - i >= 6 && !memcmp(bytes + i, "\\u0000", 6))
				return "an escaped zero";
			i++;
		} else if (c == '"') {
			quoted = !quoted;
		} else if (!quoted && c == '\'') {
			return "a single quote where a double one belongs";
		} else if (!quoted && c == ':') {
			(*colons)++;
		}
	}
	return NULL;
}

/* Of all objects in @value; as deep as the tokener let it become, JSON_DEPTH. */
static size_t members(struct json_object *value)
{
	size_t sum = 0;
	size_t i;

	if (json_object_is_type(value, json_type_object)) {
		json_object_object_foreach(value, key, member)
		{
			(void)key;
			sum += 1 + members(member);
		}
	} else if (json_object_is_type(value, json_type_array)) {
		for (i = 0; i < json_object_array_length(value); i++)
			sum += members(json_object_array_get_idx(value, i));
	}
	return sum;
}

struct json_object *json_parse(const char *bytes, size_t length, const char **why)
{
	struct json_tokener *tokener;
	struct json_object *root;
	size_t colons;

	*why = refuse_bytes(bytes, length, &colons);
	if (*why)
		return NULL;
	if (length > INT_MAX) {
		*why = "too long";
		return NULL;
	}
	tokener = json_tokener_new_ex(JSON_DEPTH);
	if (!tokener) {
		*why = "no memory";
		return NULL;
	}
	/* Strict: no comments, no single quotes, nothing after the value but white space. */
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	root = json_tokener_parse_ex(tokener, bytes, (int)length);
	switch (json_tokener_get_error(tokener)) {
	case json_tokener_success:
		if (!json_object_is_type(root, json_type_object))
			*why = "not an object";
		else if (members(root) != colons)
			*why = "a key that is there twice";
		break;
	case json_tokener_continue:
		*why = "the object does not end";
		break;
	default:
		*why = json_tokener_error_desc(json_tokener_get_error(tokener));
		break;
	}
	json_tokener_free(tokener);
	if (*why) {
		json_object_put(root);
		return NULL;
	}
	return root;
}

bool json_get_u64(struct json_object *value, uint64_t high, uint64_t *number)
{
	uint64_t n;

	if (json_object_is_type(value, json_type_int)) {
		/* The library cuts what does not fit to the ends of its range: beyond ours. */
		int64_t i = json_object_get_int64(value);

		if (i < 0 || (uint64_t)i > JSON_INT_EXACT)
			return false;
		n = (uint64_t)i;
	} else {
		size_t length;
		const char *text = json_get_text(value, &length);

		if (!text || !units_parse_number(text, &n))
			return false;
	}
	if (n > high)
		return false;
	*number = n;
	return true;
}

const char *json_get_text(struct json_object *value, size_t *length)
{
	const char *text;

	if (!json_object_is_type(value, json_type_string))
		return NULL;
	text = json_object_get_string(value);
	*length = (size_t)json_object_get_string_len(value);
	return text && strlen(text) == *length ? text : NULL;
}

void json_add_u64(struct json_object *object, const char *key, uint64_t number)
{
	char text[24];

	if (number <= JSON_INT_EXACT) {
		json_object_object_add(object, key, json_object_new_int64((int64_t)number));
		return;
	}
	snprintf(text, sizeof(text), "%" PRIu64, number);
	json_add_text(object, key, text);
}

void json_add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, json_object_new_string(text));
}

void json_add_bool(struct json_object *object, const char *key, bool value)
{
	json_object_object_add(object, key, json_object_new_boolean(value));
}
