// SPDX-License-Identifier: MIT
/* Figures as the daemon describes them, so that a tool and a daemon of different age agree. */
#include "figures.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "latency.h"
#include "view.h"

static void print_value(struct json_object *value)
{
	if (json_object_is_type(value, json_type_boolean))
		printf("%20s", json_object_get_boolean(value) ? "yes" : "no");
	else
		printf("%20s", json_object_get_string(value));
}

void figures_print_line(const char *name, const char *unit, struct json_object *value,
			const char *sentence)
{
	printf("  %-22s %-11s", name, unit);
	print_value(value);
	if (sentence)
		printf("  %s", sentence);
	putchar('\n');
}

static bool is_zero(struct json_object *value)
{
	return json_object_is_type(value, json_type_int) && !json_object_get_int64(value);
}

/* The figures of @holder that belong to @group, in the daemon's order. */
static void print_group(struct json_object *ok, struct json_object *holder, const char *group,
			unsigned int show)
{
	size_t count = view_count(ok, "fields");
	size_t i;

	for (i = 0; i < count; i++) {
		struct json_object *field = view_item(ok, "fields", i);
		const char *name = view_text(field, "name");
		struct json_object *value = view_member(holder, name);

		if (!value || strcmp(view_text(field, "group"), group))
			continue;
		if (!(show & FIGURES_ZEROS) && is_zero(value))
			continue;
		figures_print_line(name, view_text(field, "unit"), value,
				   show & FIGURES_SENTENCES ? view_text(field, "text") : NULL);
	}
}

static void print_latency(struct json_object *ok, struct json_object *holder, unsigned int show)
{
	struct json_object *latency = view_member(holder, "latency");
	size_t count = view_count(ok, "fields");
	size_t printed = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		struct json_object *field = view_item(ok, "fields", i);
		const char *name = view_text(field, "name");
		struct json_object *one = view_member(latency, name);

		if (!one || strcmp(view_text(field, "group"), "latency"))
			continue;
		if (!printed++)
			latency_print_head();
		latency_print_line(name, one,
				   show & FIGURES_SENTENCES ? view_text(field, "text") : NULL);
	}
}

void figures_print_guest(struct json_object *ok, struct json_object *guest, unsigned int show)
{
	print_group(ok, view_member(guest, "template"), "template", show);
	print_group(ok, view_member(guest, "disk"), "disk", show);
	print_group(ok, view_member(guest, "errors"), "errors", show);
	print_group(ok, view_member(guest, "engine"), "engine", show);
	print_latency(ok, guest, show);
}

void figures_print_pool(struct json_object *ok, struct json_object *pool, unsigned int show)
{
	print_group(ok, pool, "engine", show);
}

void figures_print_host(struct json_object *ok, unsigned int show)
{
	struct json_object *host = view_member(ok, "host");

	if (!host)
		return;
	puts("host");
	print_group(ok, host, "host", show);
	print_group(ok, view_member(host, "engine"), "engine", show);
}

static void print_clients(struct json_object *ok, struct json_object *template, unsigned int show)
{
	size_t count = view_count(template, "clients");
	size_t i;

	for (i = 0; i < count; i++) {
		struct json_object *client = view_item(template, "clients", i);

		printf("client %" PRIu64 " of %s, user %" PRIu64 ", process %" PRIu64 "%s\n",
		       view_u64(client, "client"), view_text(template, "name"),
		       view_u64(client, "user"), view_u64(client, "process"),
		       view_bool(client, "connected") ? "" : ", gone");
		figures_print_line("busy_ns", "nanoseconds", view_member(client, "busy_ns"),
				   show & FIGURES_SENTENCES ? "time that went into serving it"
							    : NULL);
		print_group(ok, view_member(client, "engine"), "engine", show);
		print_latency(ok, client, show);
	}
}

void figures_print(struct json_object *ok, unsigned int show)
{
	size_t count = view_count(ok, "guests");
	size_t i;

	figures_print_host(ok, show);
	for (i = 0; i < count; i++) {
		struct json_object *guest = view_item(ok, "guests", i);

		printf("guest %s\n", view_text(guest, "name"));
		figures_print_guest(ok, guest, show);
	}
	for (i = 0; i < view_count(ok, "templates"); i++) {
		struct json_object *template = view_item(ok, "templates", i);

		printf("template %s\n", view_text(template, "name"));
		figures_print_guest(ok, template, show);
		print_clients(ok, template, show);
	}
}
