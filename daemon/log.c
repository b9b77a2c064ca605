// SPDX-License-Identifier: MIT
/*
 * Log lines. The level is the one value of the daemon that is not reached
 * from struct daemon: messages come from places that have nothing to pass.
 */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
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

void log_service(const char *fmt, ...)
{
	const char *place = getenv("NOTIFY_SOCKET");
	struct sockaddr_un manager = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = 1};
	char text[LINE_MAX_BYTES];
	socklen_t size;
	va_list args;
	int length;
	int fd;

	/* A path, or a name in the kernel's own space, which '@' stands for. */
	if (!place || (place[0] != '/' && place[0] != '@') || !place[1] ||
	    strlen(place) >= sizeof(manager.sun_path))
		return;
	memcpy(manager.sun_path, place, strlen(place));
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(place));
	if (place[0] == '@')
		manager.sun_path[0] = 0;
	va_start(args, fmt);
	length = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || length < 0 || length >= (int)sizeof(text) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
	    sendto(fd, text, (size_t)length, MSG_NOSIGNAL, (struct sockaddr *)&manager, size) < 0)
		log_warning("the service manager at %s was not told: %m", place);
	if (fd >= 0)
		close(fd);
}
