/* SPDX-License-Identifier: MIT */
/*
 * What the administrator chose, on the command line and in files. One table
 * in options_table.c holds every option with its unit, bounds, default and
 * help; the parsers, --help and the check of the manual pages all read it.
 */
#ifndef TMEMD_OPTIONS_H
#define TMEMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log.h"

#define OPTIONS_CONFIG "/etc/tmem/tmemd.conf"
#define OPTIONS_FILE   65536 /* bytes of a file, at most */
#define OPTIONS_LINE   1024  /* and of a line in it */
#define OPTIONS_WHY    240   /* of a complaint */

struct options_text;

struct options {
	uint64_t memory;       /* bytes; 0: half of what is available */
	uint64_t persistent;   /* bytes; 0: half of memory */
	uint64_t memory_most;  /* bytes that memory may become while the daemon serves */
	uint64_t reserve;      /* bytes left available to others; 0: a part of all */
	uint64_t control_idle; /* seconds until a silent control connection is closed */
	uint64_t dense_cpu;    /* percent of a processor that recoding may take */
	const char *control;   /* path of the control socket; NULL: in the run-time directory */
	const char *run_dir;   /* NULL: the default */
	enum log_level log_level;
	uint8_t codec; /* of guests that are added without one */
	bool at_own_risk;
	bool core_dumps;
	bool polling;
	bool lend;
	bool verify;
	bool fallow;
	char **run; /* an argument vector; NULL: none */

	const char *config; /* path of the file; NULL: OPTIONS_CONFIG, which may be missing */
	bool no_config;
	int argc; /* the command line, to be read again */
	char **argv;
	struct options_text *texts; /* what came from files */
};

enum options_verdict {
	OPTIONS_SERVE,
	OPTIONS_DONE, /* --help and the like: printed, exit 0 */
	OPTIONS_WRONG /* said on standard error, exit 2 */
};

/* Strings and run point into @argv, which outlives *@options; texts are freed with it. */
enum options_verdict options_parse(int argc, char **argv, struct options *options);
void options_free(struct options *options);

/*
 * Judges a file's @length bytes, which are total: any string is settings of
 * @options or a complaint that names @file and line. False: @why is it.
 */
bool options_read(const char *file, const char *bytes, size_t length, struct options *options,
		  char why[OPTIONS_WHY]);

/*
 * Reads files and command line again, into *@fresh, which is to be freed
 * whatever comes. False: @why says what is wrong with them.
 */
bool options_again(const struct options *options, struct options *fresh, char why[OPTIONS_WHY]);

/* The next option that differs, from *@place = 0 on; NULL: no more. @live: it may change now. */
const char *options_changed(const struct options *options, const struct options *fresh,
			    size_t *place, bool *live);

/* Takes over what may change while the daemon serves. */
void options_adopt(const struct options *options, const struct options *fresh);

#endif
