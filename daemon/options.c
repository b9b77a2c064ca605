// SPDX-License-Identifier: MIT
/*
 * The daemon's options as the command line has them, over what the
 * configuration files say: a value comes from the table, from the
 * configuration file, from a drop-in beside it or from the command line, the
 * later ones before the earlier ones.
 */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "options_table.h"

static void print_help(void)
{
	size_t i;

	printf("tmemd: keeps the pages of virtual machines in this host's memory\n\n"
	       "usage: tmemd [OPTION]... [--run COMMAND...]\n\n");
	for (i = 0; i < OPTIONS_ROWS; i++)
		printf("  --%s%s%s\n      %s\n", options_rows[i].name,
		       options_rows[i].unit ? " " : "",
		       options_rows[i].unit ? options_rows[i].unit : "", options_rows[i].help);
	printf("\nBYTES is a number, or one with K, M, G, T or P for powers of 1024.\n"
	       "Options may stand in a file instead: see tmemd.conf(5).\n"
	       "Guests are added with tmem(1). See tmemd(8).\n");
}

static void print_names(void)
{
	size_t i;

	for (i = 0; i < OPTIONS_ROWS; i++)
		printf("--%s\n", options_rows[i].name);
}

static bool parse_one(struct options_place *place, char **argv, int *at,
		      const struct options_row **found, struct options *options)
{
	const char *argument = argv[*at];
	const char *value = NULL;
	const struct options_row *row = NULL;

	if (!strncmp(argument, "--", 2)) {
		value = strchr(argument, '=');
		row = options_find(argument + 2,
				   value ? (size_t)(value - argument - 2) : strlen(argument + 2));
	}
	*found = row;
	if (!row)
		return options_complain(place, "%.80s: no such option; tmemd --help lists them",
					argument);
	if (value && !row->unit)
		return options_complain(place, "--%s takes no value", row->name);
	if (row->kind == KIND_COMMAND)
		return !value ||
		       options_complain(place, "--%s: the command is a word of its own", row->name);
	if (value) {
		value++;
	} else if (row->unit) {
		value = argv[*at + 1];
		if (!value)
			return options_complain(place, "--%s: %s is missing", row->name, row->unit);
		(*at)++;
	}
	return options_set(place, row, options, value);
}

static void print_asked(enum options_kind kind)
{
	if (kind == KIND_HELP)
		print_help();
	else if (kind == KIND_VERSION)
		printf("tmemd %s\n", TMEM_VERSION_TEXT);
	else
		print_names();
}

/* The command line. Prints what is asked for only if @first. */
static enum options_verdict parse_line(struct options *options, bool first, char why[OPTIONS_WHY])
{
	struct options_place place = {0};
	const struct options_row *row;
	int at;

	for (at = 1; at < options->argc; at++) {
		if (!parse_one(&place, options->argv, &at, &row, options))
			goto wrong;
		if (row->kind == KIND_COMMAND) {
			options->run = options->argv + at + 1;
			if (options->run[0])
				break;
			(void)options_complain(&place, "--run: no command after it");
			goto wrong;
		}
		if (row->kind > KIND_COMMAND) {
			if (first)
				print_asked(row->kind);
			return OPTIONS_DONE;
		}
	}
	return OPTIONS_SERVE;

wrong:
	memcpy(why, place.why, OPTIONS_WHY);
	return OPTIONS_WRONG;
}

static void set_defaults(int argc, char **argv, struct options *options)
{
	struct options_place place = {0};
	size_t i;

	memset(options, 0, sizeof(*options));
	options->argc = argc;
	options->argv = argv;
	for (i = 0; i < OPTIONS_ROWS; i++) {
		if (options_rows[i].initial)
			(void)options_set(&place, &options_rows[i], options,
					  options_rows[i].initial);
	}
}

/* All of it. The command line says which files there are, and has the last word over them. */
static enum options_verdict parse(int argc, char **argv, struct options *options, bool first,
				  char why[OPTIONS_WHY])
{
	enum options_verdict verdict;
	struct options files;

	set_defaults(argc, argv, options);
	verdict = parse_line(options, first, why);
	if (verdict != OPTIONS_SERVE || options->no_config)
		return verdict;
	files = *options;
	set_defaults(argc, argv, options);
	options->config = files.config;
	if (!options_read_files(options, why))
		return OPTIONS_WRONG;
	return parse_line(options, false, why);
}

enum options_verdict options_parse(int argc, char **argv, struct options *options)
{
	char why[OPTIONS_WHY];
	enum options_verdict verdict = parse(argc, argv, options, true, why);

	if (verdict == OPTIONS_WRONG)
		log_error("%s", why);
	return verdict;
}

bool options_again(const struct options *options, struct options *fresh, char why[OPTIONS_WHY])
{
	return parse(options->argc, options->argv, fresh, false, why) == OPTIONS_SERVE;
}

const char *options_changed(const struct options *options, const struct options *fresh,
			    size_t *place, bool *live)
{
	while (*place < OPTIONS_ROWS) {
		const struct options_row *row = &options_rows[(*place)++];

		if (row->where == WHERE_LINE || !options_differ(row, options, fresh))
			continue;
		*live = row->where == WHERE_LIVE;
		return row->name;
	}
	return NULL;
}

void options_adopt(const struct options *options, const struct options *fresh)
{
	/* main's, and not constant; only here does it change once the daemon serves. */
	struct options *own = (struct options *)(uintptr_t)options;

	/* What the default is, is found out at start. */
	if (fresh->memory)
		own->memory = fresh->memory;
	own->control_idle = fresh->control_idle;
	own->log_level = fresh->log_level;
	own->codec = fresh->codec;
	own->at_own_risk = fresh->at_own_risk;
	own->polling = fresh->polling;
	own->fallow = fresh->fallow;
	own->reserve = fresh->reserve;
	own->dense_cpu = fresh->dense_cpu;
	log_set_level(own->log_level);
}
