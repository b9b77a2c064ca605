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

/* An empty pool does not tell, and counts as ephemeral unless a disk lies over it. */
static bool is_persistent(struct json_object *guest, struct json_object *pool)
{
	return !strcmp(view_text(guest, "kind"), "disk") || view_u64(pool, "persistent_pages");
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

		if (is_persistent(guest, pool)) {
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

static void print_pool(size_t number, struct json_object *guest, struct json_object *pool,
		       bool long_form)
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

	printf("P=CI:%zu", number);
	put("PI", view_u64(pool, "pool"));
	printf(",PT:%cP,U0:0,U1:0", is_persistent(guest, pool) ? 'P' : 'E');
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

/* A template's clients are one client here: their pools have the same numbers. */
void letters_print(struct json_object *list, struct json_object *stat, bool long_form)
{
	static const char *const kinds[] = {"guests", "templates"};
	size_t number = 0;
	size_t kind;
	size_t i;
	size_t k;

	print_host(view_member(view_member(stat, "host"), "engine"), long_form);
	for (kind = 0; kind < 2; kind++) {
		for (i = 0; i < view_count(list, kinds[kind]); i++) {
			struct json_object *guest = view_item(list, kinds[kind], i);
			struct json_object *figures =
				view_named(stat, kinds[kind], view_text(guest, "name"));

			print_client(++number, guest, figures, long_form);
			for (k = 0; k < view_count(figures, "pools"); k++)
				print_pool(number, guest, view_item(figures, "pools", k),
					   long_form);
		}
	}
}
