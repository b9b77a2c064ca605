// SPDX-License-Identifier: MIT
/* The daemon's options: one table, and the parser that reads it. */
#include "options.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <tmem/host.h>

#include "request.h"
#include "units.h"

enum kind {
	KIND_SIZE,    /* uint64_t bytes */
	KIND_NUMBER,  /* uint64_t */
	KIND_TEXT,    /* const char *, not empty */
	KIND_FLAG,    /* bool */
	KIND_LEVEL,   /* enum log_level */
	KIND_CODEC,   /* uint8_t */
	KIND_COMMAND, /* char **: the rest of the line */
	KIND_HELP,
	KIND_VERSION,
	KIND_LIST
};

struct row {
	const char *name;
	const char *unit; /* what stands for the value in --help; NULL: takes none */
	enum kind kind;
	size_t at;	     /* in struct options */
	const char *initial; /* written as a user would; NULL: zero */
	uint64_t low;
	uint64_t high;
	const char *help; /* with the default, in words */
};

#define AT(field) offsetof(struct options, field)
#define MIB	  (UINT64_C(1) << 20)
#define TIB	  (UINT64_C(1) << 40)

static const struct row rows[] = {
	{"memory", "BYTES", KIND_SIZE, AT(memory), NULL, 4 * MIB, 8 * TIB,
	 "memory for stored pages, all kinds together; default: half of what is available"},
	{"persistent", "BYTES", KIND_SIZE, AT(persistent), NULL, 1 * MIB, 8 * TIB,
	 "part of it that guests' allocations may sum up to; default: half of --memory"},
	{"codec", "lz4|raw", KIND_CODEC, AT(codec), "lz4", 0, 0,
	 "how pages of guests added without a codec are stored; default: lz4"},
	{"run-dir", "DIR", KIND_TEXT, AT(run_dir), NULL, 0, 0,
	 "directory of sockets and state; default: /run/tmem as root, else "
	 "$XDG_RUNTIME_DIR/tmem, else $TMPDIR/tmem-UID; with --run a private one"},
	{"control", "PATH", KIND_TEXT, AT(control), NULL, 0, 0,
	 "control socket; default: control.sock in the run-time directory"},
	{"control-idle", "SECONDS", KIND_NUMBER, AT(control_idle), "60", 1, 86400,
	 "close a control connection that asked nothing for so long; default: 60"},
	{"log-level", "LEVEL", KIND_LEVEL, AT(log_level), "warning", 0, 0,
	 "error, warning, info or debug; default: warning"},
	{"at-own-risk", NULL, KIND_FLAG, AT(at_own_risk), NULL, 0, 0,
	 "keep swap disks although memory is not locked or the out-of-memory killer "
	 "may choose tmemd"},
	{"core-dumps", NULL, KIND_FLAG, AT(core_dumps), NULL, 0, 0,
	 "allow core dumps of tmemd, for debugging; stored pages stay out of them"},
	{"run", "COMMAND...", KIND_COMMAND, AT(run), NULL, 0, 0,
	 "serve while COMMAND runs, with TMEM_CONTROL and TMEM_RUN_DIR in its environment, "
	 "and exit with its status; the last option"},
	{"help", NULL, KIND_HELP, 0, NULL, 0, 0, "print this and exit"},
	{"version", NULL, KIND_VERSION, 0, NULL, 0, 0, "print the version and exit"},
	{"long-options", NULL, KIND_LIST, 0, NULL, 0, 0,
	 "print every option's name, one per line, and exit"},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static bool complain_range(const struct row *row, const char *value)
{
	char low[UNITS_SIZE_TEXT];
	char high[UNITS_SIZE_TEXT];

	if (row->kind == KIND_SIZE)
		log_error("--%s %s: not a number of bytes from %s to %s (512M, 2G, ...)", row->name,
			  value, units_format_size(row->low, low),
			  units_format_size(row->high, high));
	else
		log_error("--%s %s: not a number from %" PRIu64 " to %" PRIu64, row->name, value,
			  row->low, row->high);
	return false;
}

static bool set_level(const struct row *row, enum log_level *level, const char *value)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(names[i], value)) {
			*level = (enum log_level)i;
			return true;
		}
	}
	log_error("--%s %s: not one of error, warning, info, debug", row->name, value);
	return false;
}

/* @value is never NULL for a row with a unit. */
static bool set(const struct row *row, struct options *options, const char *value)
{
	char *at = (char *)options + row->at;
	uint64_t number;

	switch (row->kind) {
	case KIND_SIZE:
	case KIND_NUMBER:
		if (!(row->kind == KIND_SIZE ? units_parse_size : units_parse_number)(value,
										      &number) ||
		    number < row->low || number > row->high)
			return complain_range(row, value);
		*(uint64_t *)(void *)at = number;
		return true;
	case KIND_TEXT:
		if (!value[0]) {
			log_error("--%s: empty", row->name);
			return false;
		}
		*(const char **)(void *)at = value;
		return true;
	case KIND_FLAG:
		*(bool *)(void *)at = true;
		return true;
	case KIND_LEVEL:
		return set_level(row, (enum log_level *)(void *)at, value);
	case KIND_CODEC:
		if (request_codec_id(value, (uint8_t *)at))
			return true;
		log_error("--%s %s: neither lz4 nor raw", row->name, value);
		return false;
	case KIND_COMMAND:
	case KIND_HELP:
	case KIND_VERSION:
	case KIND_LIST:
		break;
	}
	return true;
}

static void print_help(void)
{
	size_t i;

	printf("tmemd: keeps the pages of virtual machines in this host's memory\n\n"
	       "usage: tmemd [OPTION]... [--run COMMAND...]\n\n");
	for (i = 0; i < ROWS; i++)
		printf("  --%s%s%s\n      %s\n", rows[i].name, rows[i].unit ? " " : "",
		       rows[i].unit ? rows[i].unit : "", rows[i].help);
	printf("\nBYTES is a number, or one with K, M, G, T or P for powers of 1024.\n"
	       "Guests are added with tmem(1). See tmemd(8).\n");
}

static void print_names(void)
{
	size_t i;

	for (i = 0; i < ROWS; i++)
		printf("--%s\n", rows[i].name);
}

static const struct row *find(const char *name, size_t length)
{
	size_t i;

	for (i = 0; i < ROWS; i++) {
		if (strlen(rows[i].name) == length && !memcmp(rows[i].name, name, length))
			return &rows[i];
	}
	return NULL;
}

static enum options_verdict parse_command(char **rest, struct options *options)
{
	if (!rest[0]) {
		log_error("--run: no command after it");
		return OPTIONS_WRONG;
	}
	options->run = rest;
	return OPTIONS_SERVE;
}

static bool parse_one(char **argv, int *at, const struct row **found, struct options *options)
{
	const char *argument = argv[*at];
	const char *value = NULL;
	const struct row *row = NULL;

	if (!strncmp(argument, "--", 2)) {
		value = strchr(argument, '=');
		row = find(argument + 2,
			   value ? (size_t)(value - argument - 2) : strlen(argument + 2));
	}
	*found = row;
	if (!row) {
		log_error("%s: no such option; tmemd --help lists them", argument);
		return false;
	}
	if (value && !row->unit) {
		log_error("--%s takes no value", row->name);
		return false;
	}
	if (row->kind == KIND_COMMAND) {
		if (value)
			log_error("--%s: the command is a word of its own", row->name);
		return !value;
	}
	if (value) {
		value++;
	} else if (row->unit) {
		value = argv[*at + 1];
		if (!value) {
			log_error("--%s: %s is missing", row->name, row->unit);
			return false;
		}
		(*at)++;
	}
	return set(row, options, value);
}

enum options_verdict options_parse(int argc, char **argv, struct options *options)
{
	const struct row *row;
	size_t i;
	int at;

	memset(options, 0, sizeof(*options));
	for (i = 0; i < ROWS; i++) {
		if (rows[i].initial && !set(&rows[i], options, rows[i].initial))
			return OPTIONS_WRONG;
	}
	for (at = 1; at < argc; at++) {
		if (!parse_one(argv, &at, &row, options))
			return OPTIONS_WRONG;
		switch (row->kind) {
		case KIND_COMMAND:
			return parse_command(argv + at + 1, options);
		case KIND_HELP:
			print_help();
			return OPTIONS_DONE;
		case KIND_VERSION:
			printf("tmemd %s\n", TMEM_VERSION_TEXT);
			return OPTIONS_DONE;
		case KIND_LIST:
			print_names();
			return OPTIONS_DONE;
		default:
			break;
		}
	}
	return OPTIONS_SERVE;
}
