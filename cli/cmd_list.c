// SPDX-License-Identifier: MIT
/* Commands that look at the daemon as a whole: list, check, version. */
#include <inttypes.h>
#include <stdio.h>

#include "command.h"
#include "link.h"
#include "units.h"
#include "view.h"

static const char *state_of(struct json_object *guest)
{
	if (view_bool(guest, "connected"))
		return view_bool(guest, "frozen") ? "connected,frozen" : "connected";
	if (view_bool(guest, "in_use"))
		return view_bool(guest, "frozen") ? "away,frozen" : "away";
	return view_bool(guest, "frozen") ? "free,frozen" : "free";
}

static void print_long(struct json_object *guest)
{
	printf("%12" PRIu64 " %6" PRIu64 " %-5s %s\n", view_u64(guest, "allocation"),
	       view_u64(guest, "queues"), view_text(guest, "codec"), view_text(guest, "socket"));
}

enum status cmd_list(const struct arguments *arguments)
{
	struct json_object *ok;
	enum status status = link_ask(arguments, "list", NULL, &ok);
	char disk[UNITS_SIZE_TEXT];
	size_t count;
	size_t i;

	if (status != STATUS_OK || link_print_json(arguments, ok))
		return status;
	count = view_count(ok, "guests");
	if (count)
		printf("%-20s %10s %s\n", "NAME", "DISK",
		       arguments->long_form ? "STATE              ALLOCATION QUEUES CODEC SOCKET"
					    : "STATE");
	for (i = 0; i < count; i++) {
		struct json_object *guest = view_item(ok, "guests", i);

		printf("%-20s %10s ", view_text(guest, "name"),
		       units_format_size(view_u64(guest, "disk"), disk));
		if (arguments->long_form) {
			printf("%-16s ", state_of(guest));
			print_long(guest);
		} else {
			printf("%s\n", state_of(guest));
		}
	}
	json_object_put(ok);
	return STATUS_OK;
}

enum status cmd_check(const struct arguments *arguments)
{
	struct json_object *ok;
	enum status status = link_ask(arguments, "check", NULL, &ok);

	if (status != STATUS_OK || link_print_json(arguments, ok))
		return status;
	puts("every count agrees with what is stored");
	json_object_put(ok);
	return STATUS_OK;
}

enum status cmd_version(const struct arguments *arguments)
{
	struct json_object *ok;
	enum status status;

	if (!arguments->json)
		printf("tmem %s\n", TMEM_VERSION_TEXT);
	fflush(stdout);
	status = link_ask(arguments, "version", NULL, &ok);
	if (status != STATUS_OK)
		return status;
	json_object_object_add(ok, "tmem", json_object_new_string(TMEM_VERSION_TEXT));
	if (link_print_json(arguments, ok))
		return STATUS_OK;
	printf("tmemd %s, control protocol %" PRIu64 "\n", view_text(ok, "version"),
	       view_u64(ok, "protocol"));
	json_object_put(ok);
	return STATUS_OK;
}
