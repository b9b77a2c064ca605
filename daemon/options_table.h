/* SPDX-License-Identifier: MIT */
/*
 * The table of options, for its readers: the command line's, in options.c, and
 * the configuration file's, in options_file.c.
 */
#ifndef TMEMD_OPTIONS_TABLE_H
#define TMEMD_OPTIONS_TABLE_H

#include "options.h"

enum options_kind {
	KIND_SIZE,    /* uint64_t bytes */
	KIND_SECONDS, /* uint64_t */
	KIND_PERCENT, /* uint64_t */
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
enum options_where {
	WHERE_LINE, /* on the command line alone */
	WHERE_FILE, /* in a file as well; at start */
	WHERE_LIVE  /* and at each reload */
};

struct options_row {
	const char *name;
	const char *unit; /* what stands for the value in --help; NULL: takes none */
	enum options_kind kind;
	size_t at;	     /* in struct options */
	const char *initial; /* written as a user would; NULL: zero */
	uint64_t low;
	uint64_t high;
	enum options_where where;
	const char *help; /* with the default, in words */
};

#define OPTIONS_ROWS 21

extern const struct options_row options_rows[OPTIONS_ROWS];

/* NULL: no option has these @length bytes for its name. */
const struct options_row *options_find(const char *name, size_t length);

/* Where a value stands, so that a complaint can say so. */
struct options_place {
	const char *file; /* NULL: the command line */
	unsigned int line;
	char why[OPTIONS_WHY]; /* the complaint */
};

/* False, for the caller to return. */
bool options_complain(struct options_place *place, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Judges a value and sets it. @value is never NULL for a row with a unit, and
 * lives as long as @options. False: the complaint is in @place.
 */
bool options_set(struct options_place *place, const struct options_row *row,
		 struct options *options, const char *value);

bool options_differ(const struct options_row *row, const struct options *one,
		    const struct options *other);

/*
 * The file and its drop-ins, in options_file.c. Their texts are kept with
 * @options. False: @why says which, where and why not.
 */
bool options_read_files(struct options *options, char why[OPTIONS_WHY]);

#endif
