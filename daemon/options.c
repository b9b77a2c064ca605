// SPDX-License-Identifier: MIT
/*
 * The daemon's options: one table, and the readers that go by it. A value
 * comes from the table, from the configuration file, from a drop-in beside it
 * or from the command line, the later ones before the earlier ones.
 */
#include "options.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tmem/host.h>

#include "request.h"
#include "units.h"

enum kind {
	KIND_SIZE,    /* uint64_t bytes */
	KIND_SECONDS, /* uint64_t */
	KIND_TEXT,    /* const char *, not empty */
	KIND_FLAG,    /* bool */
	KIND_LEVEL,   /* enum log_level */
	KIND_CODEC,   /* uint8_t */
	KIND_COMMAND, /* char **: the rest of the line */
	KIND_HELP,
	KIND_VERSION,
	KIND_LIST
};

/* Where an option may stand, and when it takes effect. */
enum where {
	WHERE_LINE, /* on the command line alone */
	WHERE_FILE, /* in a file as well; at start */
	WHERE_LIVE  /* and at each reload */
};

struct row {
	const char *name;
	const char *unit; /* what stands for the value in --help; NULL: takes none */
	enum kind kind;
	size_t at;	     /* in struct options */
	const char *initial; /* written as a user would; NULL: zero */
	uint64_t low;
	uint64_t high;
	enum where where;
	const char *help; /* with the default, in words */
};

#define AT(field) offsetof(struct options, field)
#define MIB	  (UINT64_C(1) << 20)
#define TIB	  (UINT64_C(1) << 40)

static const struct row rows[] = {
	{"memory", "BYTES", KIND_SIZE, AT(memory), NULL, 4 * MIB, 8 * TIB, WHERE_LIVE,
	 "memory for stored pages, all kinds together; default: half of what is available"},
	{"persistent", "BYTES", KIND_SIZE, AT(persistent), NULL, 1 * MIB, 8 * TIB, WHERE_FILE,
	 "part of it that guests' allocations may sum up to; default: half of --memory"},
	{"codec", "lz4|raw", KIND_CODEC, AT(codec), "lz4", 0, 0, WHERE_LIVE,
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
	{"polling", NULL, KIND_FLAG, AT(polling), NULL, 0, 0, WHERE_LIVE,
	 "look at rings again and again for a moment after work, while a processor is to spare: "
	 "quicker answers, for more processor time"},
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

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* Where a value stands, so that a complaint can say so. */
struct place {
	const char *file; /* NULL: the command line */
	unsigned int line;
	char why[OPTIONS_WHY]; /* the complaint */
};

static bool complain(struct place *place, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* False, for the caller to return. */
static bool complain(struct place *place, const char *fmt, ...)
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
static const char *as_written(const struct place *place, const struct row *row, const char *value,
			      char text[80])
{
	snprintf(text, 80, place->file ? "%s = %.50s" : "--%s %.50s", row->name, value);
	return text;
}

static bool complain_range(struct place *place, const struct row *row, const char *value)
{
	const char *units = row->kind == KIND_SIZE ? "512M, 2G" : NULL;
	char written[80];
	char high[UNITS_SIZE_TEXT];
	char low[UNITS_SIZE_TEXT];

	as_written(place, row, value, written);
	if (place->file)
		units = row->kind == KIND_SIZE ? "4096 bytes, 512 MiB, 2G" : "90 s, 5 min";
	if (row->kind == KIND_SIZE)
		return complain(place, "%s: not a number of bytes from %s to %s (%s, ...)", written,
				units_format_size(row->low, low),
				units_format_size(row->high, high), units);
	if (units)
		return complain(place, "%s: not a time from %" PRIu64 " to %" PRIu64 " s (%s, ...)",
				written, row->low, row->high, units);
	return complain(place, "%s: not a number from %" PRIu64 " to %" PRIu64, written, row->low,
			row->high);
}

static bool set_level(struct place *place, const struct row *row, enum log_level *level,
		      const char *value)
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
	return complain(place, "%s: not one of error, warning, info, debug",
			as_written(place, row, value, written));
}

static bool parse_amount(const struct place *place, const struct row *row, const char *value,
			 uint64_t *number)
{
	if (row->kind == KIND_SIZE)
		return place->file ? units_parse_spelled_size(value, number)
				   : units_parse_size(value, number);
	return place->file ? units_parse_spelled_seconds(value, number)
			   : units_parse_number(value, number);
}

/* In a file a flag is yes or no; on the command line it is there. */
static bool set_flag(struct place *place, const struct row *row, bool *flag, const char *value)
{
	char written[80];

	*flag = !place->file || !strcmp(value, "yes");
	if (*flag || !strcmp(value, "no"))
		return true;
	return complain(place, "%s: neither yes nor no", as_written(place, row, value, written));
}

/* @value is never NULL for a row with a unit, and lives as long as @options. */
static bool set(struct place *place, const struct row *row, struct options *options,
		const char *value)
{
	char *at = (char *)options + row->at;
	char written[80];
	uint64_t number;

	switch (row->kind) {
	case KIND_SIZE:
	case KIND_SECONDS:
		if (!parse_amount(place, row, value, &number) || number < row->low ||
		    number > row->high)
			return complain_range(place, row, value);
		*(uint64_t *)(void *)at = number;
		return true;
	case KIND_TEXT:
		if (!value[0])
			return complain(place, place->file ? "%s: empty" : "--%s: empty",
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
		return complain(place, "%s: neither lz4 nor raw",
				as_written(place, row, value, written));
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
	       "Options may stand in a file instead: see tmemd.conf(5).\n"
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

/* Text of a file that options point into. */
struct options_text {
	struct options_text *next;
	char bytes[];
};

static const char *keep(struct options *options, const char *text)
{
	size_t size = strlen(text) + 1;
	struct options_text *kept = malloc(sizeof(*kept) + size);

	if (!kept)
		return NULL;
	memcpy(kept->bytes, text, size);
	kept->next = options->texts;
	options->texts = kept;
	return kept->bytes;
}

void options_free(struct options *options)
{
	while (options->texts) {
		struct options_text *text = options->texts;

		options->texts = text->next;
		free(text);
	}
}

static char *trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = 0;
	while (*text == ' ' || *text == '\t')
		text++;
	return text;
}

/* "key = value", in a line without blanks at its ends. @seen has a bit per row of this file. */
static bool read_pair(struct place *place, char *line, struct options *options, uint32_t *seen)
{
	char *equals = strchr(line, '=');
	const struct row *row;
	const char *value;
	char *key;

	if (!equals)
		return complain(place, "not a line of the form KEY = VALUE");
	*equals = 0;
	key = trim(line);
	row = find(key, strlen(key));
	if (!row)
		return complain(place, "%.50s: no such key; tmemd --help lists them, without --",
				key);
	if (row->where == WHERE_LINE)
		return complain(place, "%s: belongs on the command line, not in a file", row->name);
	if (*seen & 1u << (row - rows))
		return complain(place, "%s: is there twice", row->name);
	*seen |= 1u << (row - rows);
	value = keep(options, trim(equals + 1));
	if (!value)
		return complain(place, "no memory");
	return set(place, row, options, value);
}

bool options_read(const char *file, const char *bytes, size_t length, struct options *options,
		  char why[OPTIONS_WHY])
{
	struct place place = {.file = file};
	char line[OPTIONS_LINE + 1];
	uint32_t seen = 0;
	bool good = true;

	while (good && length) {
		const char *end = memchr(bytes, '\n', length);
		size_t bare = end ? (size_t)(end - bytes) : length;
		size_t i;

		place.line++;
		if (bare > OPTIONS_LINE) {
			good = complain(&place, "a line of more than %d bytes", OPTIONS_LINE);
			break;
		}
		for (i = 0; i < bare && good; i++) {
			unsigned char c = (unsigned char)bytes[i];

			if ((c < 0x20 && c != '\t') || c == 0x7f)
				good = complain(&place, "a control character");
			line[i] = bytes[i];
		}
		line[bare] = 0;
		if (good && trim(line)[0] && trim(line)[0] != '#')
			good = read_pair(&place, trim(line), options, &seen);
		length -= bare + (end != NULL);
		bytes += bare + (end != NULL);
	}
	if (!good)
		memcpy(why, place.why, OPTIONS_WHY);
	return good;
}

/* Who may write the file may choose where everything is stored. */
static const char *judge_file(int fd, struct stat *status)
{
	if (fstat(fd, status))
		return strerror(errno);
	if (!S_ISREG(status->st_mode))
		return "not a file";
	if (status->st_uid && status->st_uid != geteuid())
		return "belongs to neither root nor this user";
	if (status->st_mode & (S_IWGRP | S_IWOTH))
		return "others may write it; chmod go-w";
	if (status->st_size > OPTIONS_FILE)
		return "longer than 64 KiB";
	return NULL;
}

/* @needed: one that is not there is an error. */
static bool read_file(const char *path, bool needed, struct options *options, char why[OPTIONS_WHY])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *wrong = fd < 0 ? strerror(errno) : NULL;
	bool good = fd < 0 && errno == ENOENT && !needed;
	struct stat status;
	char *bytes = NULL;
	ssize_t length;

	if (fd >= 0)
		wrong = judge_file(fd, &status);
	if (!wrong) {
		bytes = malloc(OPTIONS_FILE);
		length = bytes ? read(fd, bytes, OPTIONS_FILE) : -1;
		if (length < 0)
			wrong = bytes ? strerror(errno) : "no memory";
		else
			good = options_read(path, bytes, (size_t)length, options, why);
	}
	if (wrong && !good)
		snprintf(why, OPTIONS_WHY, "%.180s: %.50s", path, wrong);
	free(bytes);
	if (fd >= 0)
		close(fd);
	return good;
}

static int is_drop_in(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return length > 5 && entry->d_name[0] != '.' &&
	       !strcmp(entry->d_name + length - 5, ".conf");
}

static int by_bytes(const struct dirent **one, const struct dirent **other)
{
	return strcmp((*one)->d_name, (*other)->d_name);
}

static bool read_files(struct options *options, char why[OPTIONS_WHY])
{
	const char *file = options->config ? options->config : OPTIONS_CONFIG;
	struct dirent **entries = NULL;
	char path[512];
	bool good;
	int count;
	int i;

	if (strlen(file) > 200) {
		snprintf(why, OPTIONS_WHY, "--config: a path of more than 200 bytes");
		return false;
	}
	good = read_file(file, options->config != NULL, options, why);
	snprintf(path, sizeof(path), "%s.d", file);
	count = scandir(path, &entries, is_drop_in, by_bytes);
	if (count < 0 && errno != ENOENT && good) {
		snprintf(why, OPTIONS_WHY, "%.180s: %.50s", path, strerror(errno));
		good = false;
	}
	for (i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s.d/%s", file, entries[i]->d_name);
		good = good && read_file(path, true, options, why);
		free(entries[i]);
	}
	free(entries);
	return good;
}

static bool parse_one(struct place *place, char **argv, int *at, const struct row **found,
		      struct options *options)
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
	if (!row)
		return complain(place, "%.80s: no such option; tmemd --help lists them", argument);
	if (value && !row->unit)
		return complain(place, "--%s takes no value", row->name);
	if (row->kind == KIND_COMMAND)
		return !value ||
		       complain(place, "--%s: the command is a word of its own", row->name);
	if (value) {
		value++;
	} else if (row->unit) {
		value = argv[*at + 1];
		if (!value)
			return complain(place, "--%s: %s is missing", row->name, row->unit);
		(*at)++;
	}
	return set(place, row, options, value);
}

static void print_asked(enum kind kind)
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
	struct place place = {0};
	const struct row *row;
	int at;

	for (at = 1; at < options->argc; at++) {
		if (!parse_one(&place, options->argv, &at, &row, options))
			goto wrong;
		if (row->kind == KIND_COMMAND) {
			options->run = options->argv + at + 1;
			if (options->run[0])
				break;
			(void)complain(&place, "--run: no command after it");
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
	struct place place = {0};
	size_t i;

	memset(options, 0, sizeof(*options));
	options->argc = argc;
	options->argv = argv;
	for (i = 0; i < ROWS; i++) {
		if (rows[i].initial)
			(void)set(&place, &rows[i], options, rows[i].initial);
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
	if (!read_files(options, why))
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

static bool differs(const struct row *row, const struct options *one, const struct options *other)
{
	const char *a = (const char *)one + row->at;
	const char *b = (const char *)other + row->at;
	const char *text;
	const char *with;

	switch (row->kind) {
	case KIND_SIZE:
	case KIND_SECONDS:
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

bool options_again(const struct options *options, struct options *fresh, char why[OPTIONS_WHY])
{
	return parse(options->argc, options->argv, fresh, false, why) == OPTIONS_SERVE;
}

const char *options_changed(const struct options *options, const struct options *fresh,
			    size_t *place, bool *live)
{
	while (*place < ROWS) {
		const struct row *row = &rows[(*place)++];

		if (row->where == WHERE_LINE || !differs(row, options, fresh))
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
	log_set_level(own->log_level);
}
