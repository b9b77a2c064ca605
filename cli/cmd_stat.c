// SPDX-License-Identifier: MIT
/*
 * Figures: stat prints them all, watch a few of them again and again. Names,
 * units and sentences come from the daemon, so that a tool and a daemon of
 * different age agree.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "link.h"
#include "units.h"
#include "view.h"

#define PAGE_BYTES 4096

static void print_value(struct json_object *value)
{
	if (json_object_is_type(value, json_type_boolean))
		printf("%20s", json_object_get_boolean(value) ? "yes" : "no");
	else
		printf("%20s", json_object_get_string(value));
}

/* The figures of @holder that belong to @group, in the daemon's order. */
static void print_group(const struct arguments *arguments, struct json_object *ok,
			struct json_object *holder, const char *group)
{
	size_t count = view_count(ok, "fields");
	size_t i;

	for (i = 0; i < count; i++) {
		struct json_object *field = view_item(ok, "fields", i);
		const char *name = view_text(field, "name");
		struct json_object *value = view_member(holder, name);

		if (!value || strcmp(view_text(field, "group"), group))
			continue;
		printf("  %-22s %-11s", name, view_text(field, "unit"));
		print_value(value);
		if (arguments->sentences)
			printf("  %s", view_text(field, "text"));
		putchar('\n');
	}
}

enum status cmd_stat(const struct arguments *arguments)
{
	struct json_object *request = link_named(arguments);
	struct json_object *host;
	struct json_object *ok;
	enum status status;
	size_t i;

	if (!arguments->json || arguments->sentences)
		json_object_object_add(request, "describe", json_object_new_boolean(true));
	status = link_ask(arguments, "stat", request, &ok);
	if (status != STATUS_OK || link_print_json(arguments, ok))
		return status;
	host = view_member(ok, "host");
	if (host) {
		puts("host");
		print_group(arguments, ok, host, "host");
		print_group(arguments, ok, view_member(host, "engine"), "engine");
	}
	for (i = 0; i < view_count(ok, "guests"); i++) {
		struct json_object *guest = view_item(ok, "guests", i);

		printf("guest %s\n", view_text(guest, "name"));
		print_group(arguments, ok, view_member(guest, "disk"), "disk");
		print_group(arguments, ok, view_member(guest, "errors"), "errors");
		print_group(arguments, ok, view_member(guest, "engine"), "engine");
	}
	json_object_put(ok);
	return STATUS_OK;
}

struct moment {
	uint64_t puts;
	uint64_t gets;
};

static void print_moment(const struct arguments *arguments, struct json_object *ok,
			 struct moment *last)
{
	struct json_object *engine = view_member(
		arguments->name ? view_item(ok, "guests", 0) : view_member(ok, "host"), "engine");
	uint64_t pages = view_u64(engine, "ephemeral_pages") + view_u64(engine, "persistent_pages");
	uint64_t bytes = view_u64(engine, "ephemeral_bytes") + view_u64(engine, "persistent_bytes");
	uint64_t interval = arguments->interval ? arguments->interval : 1;
	bool first = !view_u64(ok, "sequence");
	struct moment now = {view_u64(engine, "puts"), view_u64(engine, "gets")};
	char stored[UNITS_SIZE_TEXT];
	char memory[UNITS_SIZE_TEXT];
	char ratio[16] = "-";

	if (first)
		printf("%12s %10s %6s %10s %10s %10s %10s\n", "PAGES", "STORED", "RATIO", "MEMORY",
		       "PUTS/s", "GETS/s", "LOST");
	if (bytes)
		snprintf(ratio, sizeof(ratio), "%.2f", (double)pages * PAGE_BYTES / (double)bytes);
	printf("%12" PRIu64 " %10s %6s %10s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n", pages,
	       units_format_rough(bytes, stored), ratio,
	       units_format_rough(view_u64(engine, "extent_bytes") + view_u64(engine, "meta_bytes"),
				  memory),
	       first ? 0 : (now.puts - last->puts) / interval,
	       first ? 0 : (now.gets - last->gets) / interval, view_u64(engine, "gets_lost"));
	fflush(stdout);
	*last = now;
}

enum status cmd_watch(const struct arguments *arguments)
{
	struct json_object *request = link_named(arguments);
	struct moment last = {0, 0};
	struct json_object *ok;
	enum status status;
	struct link link;
	uint64_t shown;

	if (arguments->interval)
		json_object_object_add(request, "interval_ms",
				       json_object_new_int64((int64_t)arguments->interval * 1000));
	status = link_open(arguments, &link);
	if (status != STATUS_OK) {
		json_object_put(request);
		return status;
	}
	status = link_send(arguments, &link, "watch", request);
	for (shown = 0; status == STATUS_OK && (!arguments->count || shown < arguments->count);
	     shown++) {
		status = link_receive(arguments, &link, &ok);
		if (status != STATUS_OK || link_print_json(arguments, ok))
			continue;
		print_moment(arguments, ok, &last);
		json_object_put(ok);
	}
	link_close(&link);
	return status;
}
