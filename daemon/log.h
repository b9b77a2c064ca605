/* SPDX-License-Identifier: MIT */
/*
 * Messages for the administrator, on standard error, one line each. Only the
 * daemon logs; the engine below it never does. What a guest sends is never
 * printed unescaped: callers pass numbers and judged names.
 */
#ifndef TMEMD_LOG_H
#define TMEMD_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Messages above @level are dropped. At start it is LOG_LEVEL_WARNING. */
void log_set_level(enum log_level level);

#define LOG_PRINTF __attribute__((format(printf, 1, 2)))

/* No newline at the end of @fmt. errno is kept. */
void log_error(const char *fmt, ...) LOG_PRINTF;
void log_warning(const char *fmt, ...) LOG_PRINTF;
void log_info(const char *fmt, ...) LOG_PRINTF;
void log_debug(const char *fmt, ...) LOG_PRINTF;

/*
 * Tells the service manager that started tmemd, if one did, how it is: lines
 * of KEY=VALUE as sd_notify(3) has them. One datagram, sent without a library;
 * a manager that does not take it within a second goes without.
 */
void log_service(const char *fmt, ...) LOG_PRINTF;

#endif
