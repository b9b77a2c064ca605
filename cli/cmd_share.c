// SPDX-License-Identifier: MIT
/* Who may join which shared pools. */
#include <stdio.h>

#include "command.h"
#include "link.h"
#include "units.h"
#include "view.h"

static void print_grants(struct json_object *ok)
{
	size_t count = view_count(ok, "grants");
	size_t i;

	for (i = 0; i < count; i++)
		puts(json_object_get_string(view_item(ok, "grants", i)));
}

enum status cmd_shared_auth(const struct arguments *arguments)
{
	const char *const uuids[] = {arguments->grant, arguments->revoke, arguments->revoke_now};
	static const char *const actions[] = {"grant", "revoke", "revoke-now", "list"};
	struct json_object *request;
	struct json_object *ok;
	unsigned int action = 3;
	unsigned int asked = arguments->list;
	enum status status;
	uint64_t uuid[2];
	unsigned int i;

	for (i = 0; i < 3; i++) {
		if (!uuids[i])
			continue;
		asked++;
		action = i;
		if (!units_parse_uuid(uuids[i], uuid)) {
			fprintf(stderr,
				"tmem: --%s %s: not 32 hexadecimal digits, with or without "
				"hyphens, "
				"or zero\n",
				actions[i], uuids[i]);
			return STATUS_USAGE;
		}
	}
	if (asked > 1) {
		fprintf(stderr, "tmem: shared-auth does one of --grant, --revoke, --revoke-now and "
				"--list at a time\n");
		return STATUS_USAGE;
	}
	request = link_named(arguments);
	json_object_object_add(request, "action", json_object_new_string(actions[action]));
	if (action < 3)
		json_object_object_add(request, "uuid", json_object_new_string(uuids[action]));
	status = link_ask(arguments, "shared-auth", request, &ok);
	if (status != STATUS_OK || link_print_json(arguments, ok))
		return status;
	if (action == 3)
		print_grants(ok);
	else
		printf("%s: %s\n", arguments->name, action ? "revoked" : "granted");
	json_object_put(ok);
	return STATUS_OK;
}
