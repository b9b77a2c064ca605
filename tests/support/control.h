/* SPDX-License-Identifier: MIT */
/* A connection to a daemon's control socket: requests of doc/control.md and their answers. */
#ifndef TESTS_CONTROL_H
#define TESTS_CONTROL_H

#include <json-c/json.h>
#include <pthread.h>
#include <stdint.h>
#include <tmem/stats.h>

struct control {
	pthread_mutex_t lock; /* one question at a time */
	int fd;
	char *line;
	size_t room;
	size_t have;
};

/* Dies where nobody listens. */
void control_open(struct control *control, const char *path);
void control_close(struct control *control);

/*
 * Asks {"v":1,...}, where @format gives the rest: 0, and where @ok is not
 * NULL the answer, the caller's to put; or the refusal's code as -TMEM_E.
 * Dies where no answer comes, or a code that no caller expects.
 */
int control_ask(struct control *control, struct json_object **ok, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* As above with the version said, too. */
int control_ask_as(struct control *control, unsigned int version, struct json_object **ok,
		   const char *format, ...) __attribute__((format(printf, 4, 5)));

/* What has to be there, or the test ends. */
struct json_object *control_member(struct json_object *object, const char *key);
uint64_t control_number(struct json_object *object, const char *key);
/* Figures of an engine; those of a pool have no host's gauges, which are 0 then. */
void control_figures(struct json_object *object, struct tmem_stats *stats);

#endif
