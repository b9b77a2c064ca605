// SPDX-License-Identifier: MIT
/*
 * Log lines. The level is the one value of the daemon that is not reached
 * from struct daemon: messages come from places that have nothing to pass.
 */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

/* Written by main before the loop runs. */
static enum log_level level_now = LOG_LEVEL_WARNING;

void log_set_level(enum log_level level)
{
	level_now = level;
}

/* One write per line, so that lines of several processes do not mix. */
static void print(enum log_level level, const char *fmt, va_list args)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	char line[LINE_MAX_BYTES];
	int saved = errno;
	int used;
	int more;

	if (level > level_now)
		return;
	used = snprintf(line, sizeof(line), "tmemd: %s: ", names[level]);
	more = vsnprintf(line + used, sizeof(line) - (size_t)used - 1, fmt, args);
	if (more < 0)
		more = 0;
	if (more > (int)sizeof(line) - used - 2)
		more = (int)sizeof(line) - used - 2;
	used += more;
	line[used++] = '\n';
	/* Where standard error is gone there is nobody to tell. */
	if (write(STDERR_FILENO, line, (size_t)used) < 0)
		used = 0;
	errno = saved;
}

#define LOG_FUNCTION(name, level)        \
	void name(const char *fmt, ...)  \
	{                                \
		va_list args;            \
                                         \
		va_start(args, fmt);     \
		print(level, fmt, args); \
		va_end(args);            \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)
