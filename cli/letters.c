// SPDX-License-Identifier: MIT
/*
 * What each pair of letters meant, and which figure of ours is that. A client
 * was a number: ours is the guest's place in the list, from 1. Figures that
 * this host does not keep are 0, and the most that there ever was of what has
 * no such figure is what there is now.
 */
#include "letters.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "units.h"
#include "view.h"

#define PAGE_BYTES 4096
#define MIB	   (1 << 20)

static void put(const char *letters, uint64_t value)
{
	printf(",%s:%" PRIu64, letters, value);
}

static void put_both(const char *now, const char *most, uint64_t value)
{
	put(now, value);
	put(most, value);
}

static void put_ephemeral(struct json_object *figures)
{
	put("Ec", view_u64(figures, "ephemeral_pages"));
	put("Em", view_u64(figures, "ephemeral_pages_most"));
}

static uint64_t sum(struct json_object *figures, const char *const *names)
{
	uint64_t total = 0;

	for (; *names; names++)
		total += view_u64(figures, *names);
	return total;
}

static const char *const refused[] = {"puts_no_room", "puts_over_limit", "puts_frozen", NULL};

static uint64_t pages(struct json_object *figures)
{
	return view_u64(figures, "ephemeral_pages") + view_u64(figures, "persistent_pages");
}

static void print_host(struct json_object *engine, bool long_form)
{
	static const char *const operations[] = {"puts",	  "gets",	    "flushes",
						 "range_flushes", "object_flushes", NULL};
	uint64_t used = view_u64(engine, "extent_bytes") + view_u64(engine, "meta_bytes");
	uint64_t capacity = view_u64(engine, "capacity");

	printf("G=Tt:%" PRIu64, sum(engine, operations));
	put("Te", sum(engine, refused) + view_u64(engine, "gets_lost"));
	put("Cf", 0);
	put("Af", view_u64(engine, "puts_no_room"));
	put("Pf", 0);
	put("Ta", capacity > used ? (capacity - used) / PAGE_BYTES : 0);
	put("Lm", 0);
	put("Et", view_u64(engine, "evicted"));
	put("Ea", view_u64(engine, "evicted"));
	put("Rt", view_u64(engine, "pages_dropped"));
	put("Ra", view_u64(engine, "extents_dropped"));
	put("Rx", 0);
	put("Fp", 0);
	if (long_form) {
		put_ephemeral(engine);
		put_both("Oc", "Om", view_u64(engine, "objects"));
		put_both("Nc", "Nm", 0);
		put_both("Pc", "Pm", pages(engine));
		put_both("Fc", "Fm", used / PAGE_BYTES);
		put_both("Sc", "Sm", 0);
		put("Ep", 0);
		put("Gd", view_u64(engine, "pages_same"));
		put("Zt", 0);
		put("Gz", view_u64(engine, "bytes_coded_out"));
	}
	putchar('\n');
}

static void print_client(size_t number, struct json_object *guest, struct json_object *figures,
			 bool long_form)
{
	struct json_object *engine = view_member(figures, "engine");
	size_t count = view_count(figures, "pools");
	uint64_t ephemeral_gets = 0;
	uint64_t persistent_puts = 0;
	uint64_t persistent_gets = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		struct json_object *pool = view_item(figures, "pools", i);

		if (view_bool(pool, "persistent")) {
			persistent_puts += view_u64(pool, "puts_stored");
			persistent_gets += view_u64(pool, "gets_hit");
		} else {
			ephemeral_gets += view_u64(pool, "gets_hit");
		}
	}
	printf("C=CI:%zu", number);
	put("ww", view_u64(guest, "weight"));
	put("ca", view_u64(guest, "cap") / MIB);
	put("co", strcmp(view_text(guest, "codec"), "raw") != 0);
	put("fr", view_bool(guest, "frozen"));
	put("Tc", view_u64(view_member(figures, "disk"), "busy_ns"));
	put("Ge", ephemeral_gets);
	put("Pp", persistent_puts);
	put("Gp", persistent_gets);
	if (long_form) {
		put_ephemeral(engine);
		put("cp", view_u64(engine, "pages_coded"));
		put("cb", view_u64(engine, "bytes_coded_out"));
		put("cn", view_u64(engine, "pages_poor"));
		put("cm", 0);
	}
	putchar('\n');
}

/* Of what kind it is, and whose; 0 is no uuid. */
static void print_kind(struct json_object *pool)
{
	uint64_t uuid[2] = {0, 0};
	bool shared = units_parse_uuid(view_text(pool, "uuid"), uuid);

	printf(",PT:%c%c,U0:%" PRIx64 ",U1:%" PRIx64, view_bool(pool, "persistent") ? 'P' : 'E',
	       shared ? 'S' : 'P', uuid[0], uuid[1]);
}

static void print_pool_figures(struct json_object *pool, bool long_form)
{
	static const struct {
		const char *letters;
		const char *name;
	} counters[] = {
		{"ps", "puts_stored"},
		{"pt", "puts"},
		{"pd", "puts_flushed"},
		{"pr", "puts_replaced"},
		{"px", NULL},
		{"gs", "gets_hit"},
		{"gt", "gets"},
		{"fs", "flushes_found"},
		{"ft", "flushes"},
		{"os", "object_flushes_found"},
		{"ot", "object_flushes"},
	};
	size_t i;

	if (long_form) {
		put_both("Pc", "Pm", pages(pool));
		put_both("Oc", "Om", view_u64(pool, "objects"));
		put_both("Nc", "Nm", 0);
		for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
			put(counters[i].letters, counters[i].name ? view_u64(pool, counters[i].name)
								  : sum(pool, refused));
	}
	putchar('\n');
}

static void print_pool(size_t number, struct json_object *pool, bool long_form)
{
	printf("P=CI:%zu", number);
	put("PI", view_u64(pool, "pool"));
	print_kind(pool);
	print_pool_figures(pool, long_form);
}

/* The place in the list, from 1, of the guest or template of this name; 0: it came later. */
static size_t number_of(struct json_object *list, const char *name)
{
	size_t guests = view_count(list, "guests");
	size_t i;

	for (i = 0; i < guests; i++) {
		if (!strcmp(view_text(view_item(list, "guests", i), "name"), name))
			return i + 1;
	}
	for (i = 0; i < view_count(list, "templates"); i++) {
		if (!strcmp(view_text(view_item(list, "templates", i), "name"), name))
			return guests + i + 1;
	}
	return 0;
}

/* A template's clients are one after the other in the list, and one member here. */
static void print_shared(size_t place, struct json_object *list, struct json_object *pool,
			 bool long_form)
{
	size_t last = 0;
	size_t i;

	printf("S=SI:%zu", place);
	print_kind(pool);
	for (i = 0; i < view_count(pool, "members"); i++) {
		struct json_object *member = view_item(pool, "members", i);
		size_t number = number_of(list, view_text(member, "name"));

		if (number && number != last)
			put("SC", number);
		last = number;
	}
	print_pool_figures(pool, long_form);
}

/* A template's clients are one client here: their pools have the same numbers. */
void letters_print(struct json_object *list, struct json_object *stat, bool long_form)
{
	static const char *const kinds[] = {"guests", "templates"};
	size_t number = 0;
	size_t kind;
	size_t i;
	size_t k;

	print_host(view_member(view_member(stat, "host"), "engine"), long_form);
	for (i = 0; i < view_count(stat, "shared"); i++)
		print_shared(i, list, view_item(stat, "shared", i), long_form);
	for (kind = 0; kind < 2; kind++) {
		for (i = 0; i < view_count(list, kinds[kind]); i++) {
			struct json_object *guest = view_item(list, kinds[kind], i);
			struct json_object *figures =
				view_named(stat, kinds[kind], view_text(guest, "name"));

			print_client(++number, guest, figures, long_form);
			for (k = 0; k < view_count(figures, "pools"); k++)
				print_pool(number, view_item(figures, "pools", k), long_form);
		}
	}
}
