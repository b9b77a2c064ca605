// SPDX-License-Identifier: MIT
/* A set of uuids, small enough to be looked through. */
#include "grants.h"

#include "json.h"
#include "units.h"

static uint32_t find(const struct grants *grants, const uint64_t uuid[2])
{
	uint32_t i = 0;

	while (i < grants->count &&
	       (grants->uuid[i][0] != uuid[0] || grants->uuid[i][1] != uuid[1]))
		i++;
	return i;
}

int grants_add(struct grants *grants, const uint64_t uuid[2])
{
	uint32_t i = find(grants, uuid);

	if (i == TMEM_GRANTS)
		return -TMEM_EOVERFLOW;
	if (i == grants->count) {
		grants->uuid[i][0] = uuid[0];
		grants->uuid[i][1] = uuid[1];
		grants->count++;
	}
	return 0;
}

int grants_remove(struct grants *grants, const uint64_t uuid[2])
{
	uint32_t i = find(grants, uuid);

	if (i == grants->count)
		return -TMEM_ENOENT;
	for (grants->count--; i < grants->count; i++) {
		grants->uuid[i][0] = grants->uuid[i + 1][0];
		grants->uuid[i][1] = grants->uuid[i + 1][1];
	}
	return 0;
}

void grants_give(const struct grants *grants, struct tmem_client *client)
{
	uint32_t i;

	for (i = 0; i < grants->count; i++)
		(void)!tmem_client_grant(client, grants->uuid[i]);
}

struct json_object *grants_print(const struct grants *grants)
{
	struct json_object *array = json_object_new_array();
	char text[UNITS_UUID_TEXT];
	uint32_t i;

	for (i = 0; i < grants->count; i++)
		json_object_array_add(
			array, json_object_new_string(units_format_uuid(grants->uuid[i], text)));
	return array;
}

bool grants_read(struct json_object *array, struct grants *grants)
{
	uint64_t uuid[2];
	const char *text;
	size_t length;
	size_t i;

	grants->count = 0;
	if (!json_object_is_type(array, json_type_array))
		return false;
	for (i = 0; i < json_object_array_length(array); i++) {
		text = json_get_text(json_object_array_get_idx(array, i), &length);
		if (!text || !units_parse_uuid(text, uuid) || grants_add(grants, uuid))
			return false;
	}
	return true;
}
