// SPDX-License-Identifier: MIT
/* Commands that change guests: add, remove, set, freeze, thaw. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "link.h"
#include "qemu.h"
#include "units.h"
#include "view.h"

static void add_u64(struct json_object *request, const char *key, uint64_t number)
{
	if (number)
		json_object_object_add(request, key, json_object_new_int64((int64_t)number));
}

static void add_text(struct json_object *request, const char *key, const char *text)
{
	if (text)
		json_object_object_add(request, key, json_object_new_string(text));
}

/* Where 0 is a value like others. */
static void add_given(const struct arguments *arguments, struct json_object *request,
		      const char *key, uint64_t number)
{
	if (arguments_given(arguments, key))
		json_object_object_add(request, key, json_object_new_int64((int64_t)number));
}

static void add_template_keys(const struct arguments *arguments, struct json_object *request)
{
	add_text(request, "mode", arguments->mode);
	add_u64(request, "connections", arguments->connections);
	add_u64(request, "per_user", arguments->per_user);
	if (arguments_given(arguments, "linger"))
		json_object_object_add(request, "linger_s",
				       json_object_new_int64((int64_t)arguments->linger));
	add_u64(request, "pages_per_object", arguments->pages_per_object);
}

static bool codec_ok(const char *codec)
{
	if (!codec || !strcmp(codec, "lz4") || !strcmp(codec, "raw") || !strcmp(codec, "vector"))
		return true;
	fprintf(stderr, "tmem: --codec %s: none of lz4, raw, vector\n", codec);
	return false;
}

static void print_guest(struct json_object *guest, bool ram)
{
	char disk[UNITS_SIZE_TEXT];

	printf("# guest %s: %s%s%s, %" PRIu64 " bytes of host memory reserved, %s\n",
	       view_text(guest, "name"), view_text(guest, "kind"),
	       view_u64(guest, "disk") ? " " : "",
	       view_u64(guest, "disk") ? units_format_size(view_u64(guest, "disk"), disk) : "",
	       view_u64(guest, "allocation"), view_text(guest, "codec"));
	printf("# append to the QEMU command%s:\n",
	       ram ? "" : ", with RAM set to the machine's memory (RAM=1G, say)");
}

enum status cmd_add(const struct arguments *arguments)
{
	struct json_object *request;
	struct json_object *guest;
	struct json_object *qemu;
	enum status status;

	if (!codec_ok(arguments->codec))
		return STATUS_USAGE;
	if (arguments->kind && strcmp(arguments->kind, "disk") &&
	    strcmp(arguments->kind, "device") && strcmp(arguments->kind, "template")) {
		fprintf(stderr, "tmem: --kind %s: none of disk, device and template\n",
			arguments->kind);
		return STATUS_USAGE;
	}
	if (!arguments->disk && (!arguments->kind || !strcmp(arguments->kind, "disk"))) {
		fprintf(stderr, "tmem: add needs --disk BYTES; tmem add --help says more\n");
		return STATUS_USAGE;
	}
	if (arguments->disk % 4096) {
		fprintf(stderr, "tmem: --disk %" PRIu64 ": not a multiple of 4096\n",
			arguments->disk);
		return STATUS_USAGE;
	}
	/* QEMU rounds -m, and then finds that the memory behind it has another size. */
	if (arguments->ram % (1 << 20)) {
		fprintf(stderr, "tmem: --ram %" PRIu64 ": not a multiple of 1M\n", arguments->ram);
		return STATUS_USAGE;
	}
	request = link_named(arguments);
	add_text(request, "kind", arguments->kind);
	add_u64(request, "disk", arguments->disk);
	add_u64(request, "allocation", arguments->allocation);
	add_u64(request, "cap", arguments->cap);
	add_u64(request, "weight", arguments->weight);
	add_u64(request, "rate", arguments->rate);
	add_u64(request, "queues", arguments->queues);
	add_text(request, "codec", arguments->codec);
	add_template_keys(arguments, request);
	status = link_ask(arguments, "add", request, &guest);
	if (status != STATUS_OK)
		return status;
	if (arguments->kind && !strcmp(arguments->kind, "template")) {
		if (link_print_json(arguments, guest))
			return STATUS_OK;
		printf("# template %s: a process that connects to %s becomes a client\n",
		       view_text(guest, "name"), view_text(guest, "socket"));
		json_object_put(guest);
		return STATUS_OK;
	}
	qemu = qemu_arguments(guest, arguments->ram);
	json_object_object_add(guest, "qemu", qemu);
	if (link_print_json(arguments, guest))
		return STATUS_OK;
	print_guest(guest, arguments->ram);
	if (qemu)
		qemu_print(qemu);
	json_object_put(guest);
	return STATUS_OK;
}

/* Asks, and prints one line where --json does not. */
static enum status change(const struct arguments *arguments, const char *op,
			  struct json_object *request, const char *done)
{
	struct json_object *ok;
	enum status status = link_ask(arguments, op, request, &ok);

	if (status != STATUS_OK || link_print_json(arguments, ok))
		return status;
	if (arguments->name)
		printf("%s: %s\n", arguments->name, done);
	else
		printf("%zu guests: %s\n", view_count(ok, "guests") + view_count(ok, "templates"),
		       done);
	json_object_put(ok);
	return STATUS_OK;
}

enum status cmd_remove(const struct arguments *arguments)
{
	struct json_object *request = link_named(arguments);

	if (arguments->force)
		json_object_object_add(request, "force", json_object_new_boolean(true));
	return change(arguments, "remove", request, "removed");
}

/* One more of the things that were changed, which all fit. */
static void say(char done[160], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(char done[160], const char *fmt, ...)
{
	size_t used = strlen(done);
	va_list args;

	if (used)
		used += (size_t)snprintf(done + used, 160 - used, ", ");
	va_start(args, fmt);
	vsnprintf(done + used, 160 - used, fmt, args);
	va_end(args);
}

enum status cmd_set(const struct arguments *arguments)
{
	bool template = arguments->mode || arguments->connections || arguments->per_user ||
			arguments->pages_per_object || arguments_given(arguments, "linger");
	bool guest = arguments->allocation || arguments->weight ||
		     arguments_given(arguments, "cap") || arguments_given(arguments, "rate") ||
		     template;
	struct json_object *request;
	char size[UNITS_SIZE_TEXT];
	char done[160] = "";

	if (!guest && !arguments->codec) {
		fprintf(stderr, "tmem: set needs --allocation, --cap, --codec, --rate or --weight; "
				"tmem set --help says more\n");
		return STATUS_USAGE;
	}
	if (guest && arguments_given(arguments, "pool")) {
		fprintf(stderr, "tmem: --pool goes with --codec alone\n");
		return STATUS_USAGE;
	}
	if (!codec_ok(arguments->codec))
		return STATUS_USAGE;
	request = link_named(arguments);
	add_text(request, "codec", arguments->codec);
	add_template_keys(arguments, request);
	add_u64(request, "allocation", arguments->allocation);
	add_u64(request, "weight", arguments->weight);
	add_given(arguments, request, "cap", arguments->cap);
	add_given(arguments, request, "rate", arguments->rate);
	add_given(arguments, request, "pool", arguments->pool);
	if (arguments->weight)
		say(done, "weight %" PRIu64, arguments->weight);
	if (arguments_given(arguments, "cap"))
		say(done, "cap %s",
		    arguments->cap ? units_format_size(arguments->cap, size) : "none");
	if (arguments_given(arguments, "rate") && arguments->rate)
		say(done, "rate %s per second", units_format_size(arguments->rate, size));
	else if (arguments_given(arguments, "rate"))
		say(done, "rate without a limit");
	if (arguments->allocation)
		say(done, "allocation %s", units_format_size(arguments->allocation, size));
	if (arguments->codec)
		say(done, "new pages are stored with %s", arguments->codec);
	return change(arguments, "set", request, template ? "changed" : done);
}

static enum status freeze(const struct arguments *arguments, const char *op, const char *done)
{
	struct json_object *request;

	if (arguments->all == !!arguments->name) {
		fprintf(stderr,
			"tmem: %s needs a guest's name or --all; tmem %s --help says more\n", op,
			op);
		return STATUS_USAGE;
	}
	request = link_named(arguments);
	if (arguments->all)
		json_object_object_add(request, "all", json_object_new_boolean(true));
	return change(arguments, op, request, done);
}

enum status cmd_freeze(const struct arguments *arguments)
{
	return freeze(arguments, "freeze", "frozen");
}

enum status cmd_thaw(const struct arguments *arguments)
{
	return freeze(arguments, "thaw", "thawed");
}
