// SPDX-License-Identifier: MIT
/*
 * Figures: stat prints those that say something, watch a few of them again and again. Names,
 * units and sentences come from the daemon, so that a tool and a daemon of
 * different age agree.
 */
#include <inttypes.h>
#include <stdio.h>

#include "command.h"
#include "figures.h"
#include "link.h"
#include "units.h"
#include "view.h"

#define PAGE_BYTES 4096

enum status cmd_stat(const struct arguments *arguments)
{
	struct json_object *request = link_named(arguments);
	struct json_object *ok;
	enum status status;

	if (!arguments->json || arguments->sentences)
		json_object_object_add(request, "describe", json_object_new_boolean(true));
	if (arguments->clients)
		json_object_object_add(request, "clients", json_object_new_boolean(true));
	status = link_ask(arguments, "stat", request, &ok);
	if (status != STATUS_OK || link_print_json(arguments, ok))
		return status;
	figures_print(ok, (arguments->sentences ? FIGURES_SENTENCES : 0u) |
				  (arguments->all ? FIGURES_ZEROS : 0u));
	json_object_put(ok);
	return STATUS_OK;
}

struct moment {
	uint64_t puts;
	uint64_t gets;
	uint64_t hits;
};

/* Less than before: a guest was removed, and its figures with it. */
static uint64_t since(uint64_t before, uint64_t now)
{
	return now > before ? now - before : 0;
}

/* Of the gets between two moments, those that found their page; a dash where there were none. */
static void format_hits(const struct moment *last, const struct moment *now, char *text,
			size_t size)
{
	uint64_t gets = since(last->gets, now->gets), hits = since(last->hits, now->hits);

	snprintf(text, size, "-");
	if (gets)
		snprintf(text, size, "%.1f", (double)hits * 100 / (double)gets);
}

static void print_moment(const struct arguments *arguments, struct json_object *ok,
			 struct moment *last)
{
	struct json_object *one = view_count(ok, "guests") ? view_item(ok, "guests", 0)
							   : view_item(ok, "templates", 0);
	struct json_object *engine =
		view_member(arguments->name ? one : view_member(ok, "host"), "engine");
	uint64_t pages = view_u64(engine, "ephemeral_pages") + view_u64(engine, "persistent_pages");
	uint64_t bytes = view_u64(engine, "ephemeral_bytes") + view_u64(engine, "persistent_bytes");
	uint64_t interval = arguments->interval ? arguments->interval : 1;
	bool first = !view_u64(ok, "sequence");
	struct moment now = {view_u64(engine, "puts"), view_u64(engine, "gets"),
			     view_u64(engine, "gets_hit")};
	char stored[UNITS_SIZE_TEXT];
	char memory[UNITS_SIZE_TEXT];
	char ratio[16] = "-";
	char hits[16];

	if (first)
		printf("%12s %10s %6s %10s %10s %10s %6s %10s\n", "PAGES", "STORED", "RATIO",
		       "MEMORY", "PUTS/s", "GETS/s", "HIT%", "LOST");
	format_hits(first ? &now : last, &now, hits, sizeof(hits));
	if (bytes)
		snprintf(ratio, sizeof(ratio), "%.2f", (double)pages * PAGE_BYTES / (double)bytes);
	printf("%12" PRIu64 " %10s %6s %10s %10" PRIu64 " %10" PRIu64 " %6s %10" PRIu64 "\n", pages,
	       units_format_rough(bytes, stored), ratio,
	       units_format_rough(view_u64(engine, "extent_bytes") + view_u64(engine, "meta_bytes"),
				  memory),
	       first ? 0 : since(last->puts, now.puts) / interval,
	       first ? 0 : since(last->gets, now.gets) / interval, hits,
	       view_u64(engine, "gets_lost"));
	fflush(stdout);
	*last = now;
}

enum status cmd_watch(const struct arguments *arguments)
{
	struct json_object *request = link_named(arguments);
	struct moment last = {0, 0, 0};
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
