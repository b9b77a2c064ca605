// SPDX-License-Identifier: MIT
/* Commands that look at the daemon as a whole: list, reload, check, version. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "figures.h"
#include "letters.h"
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

/* Settings, as the answer to list names them; figures have units of the daemon's. */
static const struct {
	const char *name;
	const char *unit;
} settings[] = {
	{"kind", "word"},	 {"socket", "path"},	     {"disk", "bytes"},
	{"mode", "octal"},	 {"connections", "clients"}, {"per_user", "clients"},
	{"linger_s", "seconds"}, {"allocation", "bytes"},    {"cap", "bytes"},
	{"weight", "1-10000"},	 {"rate", "bytes/s"},	     {"pages_per_object", "pages"},
	{"queues", "queues"},	 {"codec", "word"},	     {"frozen", "yes/no"},
};

static void print_settings(struct json_object *guest)
{
	size_t i;

	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		struct json_object *value = view_member(guest, settings[i].name);

		if (value)
			figures_print_line(settings[i].name, settings[i].unit, value, NULL);
	}
}

/* Members in one line for each guest, and for each template with all its clients. */
static void print_members(struct json_object *pool)
{
	size_t count = view_count(pool, "members");
	char clients[UNITS_NAME_MAX + 24];
	const char *name;
	size_t i = 0;
	size_t first;

	while (i < count) {
		bool guest = !view_member(view_item(pool, "members", i), "client");

		name = view_text(view_item(pool, "members", i), "name");
		for (first = i++; i < count; i++) {
			if (strcmp(view_text(view_item(pool, "members", i), "name"), name))
				break;
		}
		snprintf(clients, sizeof(clients), "%zu of %s", i - first, name);
		printf("  %-22s %-11s%20s\n", "member", guest ? "guest" : "clients",
		       guest ? name : clients);
	}
}

static void print_shared(struct json_object *stat, struct json_object *pool)
{
	printf("shared %s\n", view_text(pool, "uuid"));
	print_members(pool);
	figures_print_pool(stat, pool, FIGURES_ZEROS);
}

static void print_long(struct json_object *list, struct json_object *stat)
{
	static const char *const kinds[] = {"guests", "templates"};
	size_t kind;
	size_t i;

	figures_print_host(stat, FIGURES_ZEROS);
	for (i = 0; i < view_count(stat, "shared"); i++)
		print_shared(stat, view_item(stat, "shared", i));
	for (kind = 0; kind < 2; kind++) {
		for (i = 0; i < view_count(list, kinds[kind]); i++) {
			struct json_object *guest = view_item(list, kinds[kind], i);
			const char *name = view_text(guest, "name");

			printf("%s %s\n", kind ? "template" : "guest", name);
			print_settings(guest);
			/* One that was added between the two answers has figures the next time. */
			figures_print_guest(stat, view_named(stat, kinds[kind], name),
					    FIGURES_ZEROS);
		}
	}
}

static void print_short(struct json_object *list)
{
	size_t templates = view_count(list, "templates");
	size_t count = view_count(list, "guests");
	char disk[UNITS_SIZE_TEXT];
	size_t i;

	if (count + templates)
		printf("%-20s %10s %s\n", "NAME", "DISK", "STATE");
	for (i = 0; i < count; i++) {
		struct json_object *guest = view_item(list, "guests", i);
		uint64_t bytes = view_u64(guest, "disk");

		printf("%-20s %10s %s\n", view_text(guest, "name"),
		       bytes ? units_format_size(bytes, disk) : "-", state_of(guest));
	}
	for (i = 0; i < templates; i++) {
		struct json_object *template = view_item(list, "templates", i);

		printf("%-20s %10s %" PRIu64 " clients%s\n", view_text(template, "name"), "-",
		       view_u64(template, "clients"),
		       view_bool(template, "frozen") ? ",frozen" : "");
	}
}

/* The figures that go with a list. */
static enum status ask_figures(const struct arguments *arguments, struct json_object **stat)
{
	struct json_object *request = json_object_new_object();

	json_object_object_add(request, "pools", json_object_new_boolean(true));
	if (!arguments->xm)
		json_object_object_add(request, "describe", json_object_new_boolean(true));
	return link_ask(arguments, "stat", request, stat);
}

enum status cmd_list(const struct arguments *arguments)
{
	struct json_object *stat = NULL;
	struct json_object *list;
	enum status status = link_ask(arguments, "list", NULL, &list);

	if (status != STATUS_OK)
		return status;
	if (arguments->long_form || arguments->xm) {
		status = ask_figures(arguments, &stat);
		if (status != STATUS_OK) {
			json_object_put(list);
			return status;
		}
	}
	if (arguments->json) {
		if (stat)
			json_object_object_add(list, "stat", stat);
		(void)link_print_json(arguments, list);
		return STATUS_OK;
	}
	if (arguments->xm)
		letters_print(list, stat, arguments->long_form);
	else if (arguments->long_form)
		print_long(list, stat);
	else
		print_short(list);
	json_object_put(list);
	json_object_put(stat);
	return STATUS_OK;
}

static void print_names(const char *what, struct json_object *ok, const char *key)
{
	size_t count = view_count(ok, key);
	size_t i;

	if (!count)
		return;
	printf("%s:", what);
	for (i = 0; i < count; i++)
		printf(" %s", json_object_get_string(view_item(ok, key, i)));
	putchar('\n');
}

enum status cmd_reload(const struct arguments *arguments)
{
	struct json_object *ok;
	enum status status = link_ask(arguments, "reload", NULL, &ok);

	if (status != STATUS_OK || link_print_json(arguments, ok))
		return status;
	if (!view_count(ok, "changed") && !view_count(ok, "restart"))
		puts("nothing is different");
	print_names("changed", ok, "changed");
	print_names("changes when tmemd is started anew", ok, "restart");
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
