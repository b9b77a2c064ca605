/* SPDX-License-Identifier: MIT */
/* The end of a test that did not hold: see must.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "must.h"

char must_context[256];
bool must_abort;

void must_fail(const char *file, int line, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fflush(stdout);
	dprintf(STDERR_FILENO, "%s%s%s:%d: %s\n", must_context, must_context[0] ? ": " : "", file,
		line, text);
	if (must_abort)
		abort();
	_exit(1);
}
