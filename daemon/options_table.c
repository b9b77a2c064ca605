// SPDX-License-Identifier: MIT
/* Every option in one table, and what a value for it may be. */
#include "options_table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <tmem/host.h>

#include "request.h"
#include "units.h"

#define AT(field) offsetof(struct options, field)
#define MIB	  (UINT64_C(1) << 20)
#define TIB	  (UINT64_C(1) << 40)

const struct options_row options_rows[] = {
	{"memory", "BYTES", KIND_SIZE, AT(memory), NULL, 4 * MIB, 8 * TIB, WHERE_LIVE,
	 "memory for stored pages, all kinds together; default: half of what is available, with "
	 "--fallow yes all of the host's"},
	{"persistent", "BYTES", KIND_SIZE, AT(persistent), NULL, 1 * MIB, 8 * TIB, WHERE_FILE,
	 "part of it that guests' allocations may sum up to; default: half of --memory"},
	{"codec", "lz4|raw|vector", KIND_CODEC, AT(codec), "lz4", 0, 0, WHERE_LIVE,
	 "how pages of guests added without a codec are stored; default: lz4"},
	{"run-dir", "DIR", KIND_TEXT, AT(run_dir), NULL, 0, 0, WHERE_FILE,
	 "directory of sockets and state; default: /run/tmem as root, else "
	 "$XDG_RUNTIME_DIR/tmem, else $TMPDIR/tmem-UID; with --run a private one"},
	{"control", "PATH", KIND_TEXT, AT(control), NULL, 0, 0, WHERE_FILE,
	 "control socket; default: control.sock in the run-time directory"},
	{"control-idle", "SECONDS", KIND_SECONDS, AT(control_idle), "60", 1, 86400, WHERE_LIVE,
	 "close a control connection that asked nothing for so long; default: 60"},
	{"log-level", "LEVEL", KIND_LEVEL, AT(log_level), "warning", 0, 0, WHERE_LIVE,
	 "error, warning, info or debug; default: warning"},
	{"at-own-risk", NULL, KIND_FLAG, AT(at_own_risk), NULL, 0, 0, WHERE_LIVE,
	 "keep swap disks although memory is not locked or the out-of-memory killer "
	 "may choose tmemd"},
	{"polling", "yes|no", KIND_FLAG, AT(polling), "yes", 0, 0, WHERE_LIVE,
	 "look at rings again for a moment after work in place of sleeping, while requests keep "
	 "coming and a processor is to spare; default: yes"},
	{"lend", "yes|no", KIND_FLAG, AT(lend), "no", 0, 0, WHERE_FILE,
	 "let the kernel take ephemeral pages that are not being filled whenever it needs memory; "
	 "default: no, but with --fallow yes always"},
	{"verify", "yes|no", KIND_FLAG, AT(verify), "no", 0, 0, WHERE_FILE,
	 "check each stored page before it is given out: what memory changed is an error, and no "
	 "wrong bytes; default: no"},
	{"fallow", "yes|no", KIND_FLAG, AT(fallow), "no", 0, 0, WHERE_LIVE,
	 "let ephemeral pages have what nobody else on this host is using, up to --memory, and "
	 "give it back when somebody does; default: no"},
	{"reserve", "BYTES", KIND_SIZE, AT(reserve), NULL, 1 * MIB, 8 * TIB, WHERE_LIVE,
	 "what --fallow leaves available to others; default: a sixteenth of the host's memory"},
	{"dense-cpu", "PERCENT", KIND_PERCENT, AT(dense_cpu), "10", 0, 100, WHERE_LIVE,
	 "part of one processor's time in which cold pages are compressed again, more densely; "
	 "0: never; default: 10"},
	{"core-dumps", NULL, KIND_FLAG, AT(core_dumps), NULL, 0, 0, WHERE_FILE,
	 "allow core dumps of tmemd, for debugging; stored pages stay out of them"},
	{"run", "COMMAND...", KIND_COMMAND, AT(run), NULL, 0, 0, WHERE_LINE,
	 "serve while COMMAND runs, with TMEM_CONTROL and TMEM_RUN_DIR in its environment, "
	 "and exit with its status; the last option"},
	{"config", "FILE", KIND_TEXT, AT(config), NULL, 0, 0, WHERE_LINE,
	 "configuration file, with drop-ins FILE.d/*.conf; default: " OPTIONS_CONFIG
	 ", if it is there"},
	{"no-config", NULL, KIND_FLAG, AT(no_config), NULL, 0, 0, WHERE_LINE,
	 "read no configuration file"},
	{"help", NULL, KIND_HELP, 0, NULL, 0, 0, WHERE_LINE, "print this and exit"},
	{"version", NULL, KIND_VERSION, 0, NULL, 0, 0, WHERE_LINE, "print the version and exit"},
	{"long-options", NULL, KIND_LIST, 0, NULL, 0, 0, WHERE_LINE,
	 "print every option's name, one per line, and exit"},
};

const struct options_row *options_find(const char *name, size_t length)
{
	size_t i;

	for (i = 0; i < OPTIONS_ROWS; i++) {
		if (strlen(options_rows[i].name) == length &&
		    !memcmp(options_rows[i].name, name, length))
			return &options_rows[i];
	}
	return NULL;
}

/* False, for the caller to return. */
bool options_complain(struct options_place *place, const char *fmt, ...)
{
	size_t used = 0;
	va_list args;

	if (place->file)
		used = (size_t)snprintf(place->why, sizeof(place->why), "%.120s:%u: ", place->file,
					place->line);
	va_start(args, fmt);
	vsnprintf(place->why + used, sizeof(place->why) - used, fmt, args);
	va_end(args);
	return false;
}

/* As it would be written where it stands, cut off where it is long. */
static const char *as_written(const struct options_place *place, const struct options_row *row,
			      const char *value, char text[80])
{
	snprintf(text, 80, place->file ? "%s = %.50s" : "--%s %.50s", row->name, value);
	return text;
}

static bool complain_range(struct options_place *place, const struct options_row *row,
			   const char *value)
{
	const char *units = row->kind == KIND_SIZE ? "512M, 2G" : NULL;
	char written[80];
	char high[UNITS_SIZE_TEXT];
	char low[UNITS_SIZE_TEXT];

	as_written(place, row, value, written);
	if (place->file && row->kind != KIND_PERCENT)
		units = row->kind == KIND_SIZE ? "4096 bytes, 512 MiB, 2G" : "90 s, 5 min";
	if (row->kind == KIND_SIZE)
		return options_complain(place, "%s: not a number of bytes from %s to %s (%s, ...)",
					written, units_format_size(row->low, low),
					units_format_size(row->high, high), units);
	if (units)
		return options_complain(place,
					"%s: not a time from %" PRIu64 " to %" PRIu64
					" s (%s, ...)",
					written, row->low, row->high, units);
	return options_complain(place, "%s: not a number from %" PRIu64 " to %" PRIu64, written,
				row->low, row->high);
}

static bool set_level(struct options_place *place, const struct options_row *row,
		      enum log_level *level, const char *value)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	char written[80];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(names[i], value)) {
			*level = (enum log_level)i;
			return true;
		}
	}
	return options_complain(place, "%s: not one of error, warning, info, debug",
				as_written(place, row, value, written));
}

static bool parse_amount(const struct options_place *place, const struct options_row *row,
			 const char *value, uint64_t *number)
{
	if (row->kind == KIND_PERCENT)
		return units_parse_number(value, number);
	if (row->kind == KIND_SIZE)
		return place->file ? units_parse_spelled_size(value, number)
				   : units_parse_size(value, number);
	return place->file ? units_parse_spelled_seconds(value, number)
			   : units_parse_number(value, number);
}

/* Yes or no; on the command line most flags are only there. */
static bool set_flag(struct options_place *place, const struct options_row *row, bool *flag,
		     const char *value)
{
	char written[80];

	*flag = (!place->file && !row->unit) || !strcmp(value, "yes");
	if (*flag || !strcmp(value, "no"))
		return true;
	return options_complain(place, "%s: neither yes nor no",
				as_written(place, row, value, written));
}

/* @value is never NULL for a row with a unit, and lives as long as @options. */
bool options_set(struct options_place *place, const struct options_row *row,
		 struct options *options, const char *value)
{
	char *at = (char *)options + row->at;
	char written[80];
	uint64_t number;

	switch (row->kind) {
	case KIND_SIZE:
	case KIND_SECONDS:
	case KIND_PERCENT:
		if (!parse_amount(place, row, value, &number) || number < row->low ||
		    number > row->high)
			return complain_range(place, row, value);
		*(uint64_t *)(void *)at = number;
		return true;
	case KIND_TEXT:
		if (!value[0])
			return options_complain(place, place->file ? "%s: empty" : "--%s: empty",
						row->name);
		*(const char **)(void *)at = value;
		return true;
	case KIND_FLAG:
		return set_flag(place, row, (bool *)at, value);
	case KIND_LEVEL:
		return set_level(place, row, (enum log_level *)(void *)at, value);
	case KIND_CODEC:
		if (request_codec_id(value, (uint8_t *)at))
			return true;
		return options_complain(place, "%s: none of lz4, raw, vector",
					as_written(place, row, value, written));
	case KIND_COMMAND:
	case KIND_HELP:
	case KIND_VERSION:
	case KIND_LIST:
		break;
	}
	return true;
}

bool options_differ(const struct options_row *row, const struct options *one,
		    const struct options *other)
{
	const char *a = (const char *)one + row->at;
	const char *b = (const char *)other + row->at;
	const char *text;
	const char *with;

	switch (row->kind) {
	case KIND_SIZE:
	case KIND_SECONDS:
	case KIND_PERCENT:
		return memcmp(a, b, sizeof(uint64_t));
	case KIND_TEXT:
		text = *(const char *const *)(const void *)a;
		with = *(const char *const *)(const void *)b;
		return text && with ? strcmp(text, with) : text != with;
	case KIND_FLAG:
		return memcmp(a, b, sizeof(bool));
	case KIND_LEVEL:
		return memcmp(a, b, sizeof(enum log_level));
	case KIND_CODEC:
		return *a != *b;
	default:
		return false;
	}
}
