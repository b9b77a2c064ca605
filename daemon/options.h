/* SPDX-License-Identifier: MIT */
/*
 * What the administrator chose. One table in options.c holds every option
 * with its unit, bounds, default and help; the parser, --help and the check
 * of the manual page all read it.
 */
#ifndef TMEMD_OPTIONS_H
#define TMEMD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "log.h"

struct options {
	uint64_t memory;       /* bytes; 0: half of what is available */
	uint64_t persistent;   /* bytes; 0: half of memory */
	uint64_t control_idle; /* seconds until a silent control connection is closed */
	const char *control;   /* path of the control socket; NULL: in the run-time directory */
	const char *run_dir;   /* NULL: the default */
	enum log_level log_level;
	uint8_t codec; /* of guests that are added without one */
	bool at_own_risk;
	bool core_dumps;
	char **run; /* an argument vector; NULL: none */
};

enum options_verdict {
	OPTIONS_SERVE,
	OPTIONS_DONE, /* --help and the like: printed, exit 0 */
	OPTIONS_WRONG /* said on standard error, exit 2 */
};

/* Strings and run point into @argv, which outlives *@options. */
enum options_verdict options_parse(int argc, char **argv, struct options *options);

#endif
