// SPDX-License-Identifier: MIT
/* Values of an answer, without a check at each use. */
#include "view.h"

#include <string.h>

#include "units.h"

struct json_object *view_member(struct json_object *object, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) ? value : NULL;
}

uint64_t view_u64(struct json_object *object, const char *key)
{
	struct json_object *value = view_member(object, key);
	uint64_t number;

	if (json_object_is_type(value, json_type_string))
		return units_parse_number(json_object_get_string(value), &number) ? number : 0;
	return json_object_get_uint64(value);
}

bool view_bool(struct json_object *object, const char *key)
{
	return json_object_get_boolean(view_member(object, key));
}

const char *view_text(struct json_object *object, const char *key)
{
	const char *text = json_object_get_string(view_member(object, key));

	return text ? text : "";
}

size_t view_count(struct json_object *object, const char *key)
{
	struct json_object *value = view_member(object, key);

	return json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;
}

struct json_object *view_item(struct json_object *object, const char *key, size_t index)
{
	return json_object_array_get_idx(view_member(object, key), index);
}

struct json_object *view_named(struct json_object *object, const char *key, const char *name)
{
	size_t count = view_count(object, key);
	size_t i;

	for (i = 0; i < count; i++) {
		struct json_object *item = view_item(object, key, i);

		if (!strcmp(view_text(item, "name"), name))
			return item;
	}
	return NULL;
}
