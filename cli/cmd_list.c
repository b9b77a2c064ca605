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
	{"kind", "word"},	 {"socket", "path"}, {"disk", "bytes"},
	{"allocation", "bytes"}, {"cap", "bytes"},   {"weight", "1-10000"},
	{"queues", "queues"},	 {"codec", "word"},  {"frozen", "yes/no"},
};

static struct json_object *find_guest(struct json_object *stat, const char *name)
{
	size_t count = view_count(stat, "guests");
	size_t i;

	for (i = 0; i < count; i++) {
		struct json_object *guest = view_item(stat, "guests", i);

		if (!strcmp(view_text(guest, "name"), name))
			return guest;
	}
	return NULL;
}

static void print_long(struct json_object *list, struct json_object *stat)
{
	size_t count = view_count(list, "guests");
	size_t i;
	size_t k;

	figures_print_host(stat, false);
	for (i = 0; i < count; i++) {
		struct json_object *guest = view_item(list, "guests", i);
		const char *name = view_text(guest, "name");

		printf("guest %s\n", name);
		for (k = 0; k < sizeof(settings) / sizeof(settings[0]); k++)
			figures_print_line(settings[k].name, settings[k].unit,
					   view_member(guest, settings[k].name), NULL);
		/* One that was added between the two answers has figures the next time. */
		figures_print_guest(stat, find_guest(stat, name), false);
	}
}

static void print_short(struct json_object *list)
{
	size_t count = view_count(list, "guests");
	char disk[UNITS_SIZE_TEXT];
	size_t i;

	if (count)
		printf("%-20s %10s %s\n", "NAME", "DISK", "STATE");
	for (i = 0; i < count; i++) {
		struct json_object *guest = view_item(list, "guests", i);
		uint64_t bytes = view_u64(guest, "disk");

		printf("%-20s %10s %s\n", view_text(guest, "name"),
		       bytes ? units_format_size(bytes, disk) : "-", state_of(guest));
	}
}

/* The figures that go with a list. */
static enum status ask_figures(const struct arguments *arguments, struct json_object **stat)
{
	struct json_object *request = json_object_new_object();

	json_object_object_add(request, arguments->xm ? "pools" : "describe",
			       json_object_new_boolean(true));
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
