/* SPDX-License-Identifier: MIT */
/*
 * Printing an answer of stat that describes its figures: each on a line, with
 * its name, its unit and, where @sentences asks for it, its sentence.
 */
#ifndef TMEM_CLI_FIGURES_H
#define TMEM_CLI_FIGURES_H

#include <json-c/json.h>

/* What is shown, or'ed. */
enum {
	FIGURES_SENTENCES = 1 << 0,
	FIGURES_ZEROS = 1 << 1, /* numbers that are 0 */
};

/* Host and guests, each under a line that names it. */
void figures_print(struct json_object *ok, unsigned int show);

/* The lines alone. @guest is one of @ok's; nothing where there is no host. */
void figures_print_host(struct json_object *ok, unsigned int show);
void figures_print_pool(struct json_object *ok, struct json_object *pool, unsigned int show);
void figures_print_guest(struct json_object *ok, struct json_object *guest, unsigned int show);

/* One of these lines; @sentence may be NULL. */
void figures_print_line(const char *name, const char *unit, struct json_object *value,
			const char *sentence);

#endif
