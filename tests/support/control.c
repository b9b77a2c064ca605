/* SPDX-License-Identifier: MIT */
/* Lines out, lines in: see control.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <tmem/types.h>
#include <unistd.h>

#include "control.h"
#include "must.h"

#define QUESTION_MOST 1024

static const struct {
	const char *name;
	int code;
} codes[] = {
	{"EINVAL", -TMEM_EINVAL},	  {"ENOENT", -TMEM_ENOENT},	  {"ENOSPC", -TMEM_ENOSPC},
	{"ENOMEM", -TMEM_ENOMEM},	  {"EOVERFLOW", -TMEM_EOVERFLOW}, {"EEXIST", -TMEM_EEXIST},
	{"EOPNOTSUPP", -TMEM_EOPNOTSUPP},
};

void control_open(struct control *control, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memset(control, 0, sizeof(*control));
	MUST_EQ(pthread_mutex_init(&control->lock, NULL), 0);
	MUST(strlen(path) < sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (control->fd < 0 || connect(control->fd, (struct sockaddr *)&address, sizeof(address)))
		FAIL("%s: %s", path, strerror(errno));
}

void control_close(struct control *control)
{
	close(control->fd);
	free(control->line);
	pthread_mutex_destroy(&control->lock);
}

static void send_line(const struct control *control, const char *line, size_t length)
{
	while (length) {
		ssize_t sent = send(control->fd, line, length, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			FAIL("the control socket: %s", strerror(errno));
		line += sent;
		length -= (size_t)sent;
	}
}

/* There is one answer to each question, so nothing comes behind its newline. */
static void receive_line(struct control *control)
{
	control->have = 0;
	do {
		ssize_t got;

		if (control->have == control->room) {
			control->room = control->room ? control->room * 2 : 16384;
			control->line = realloc(control->line, control->room);
			MUST(control->line != NULL);
		}
		got = recv(control->fd, control->line + control->have,
			   control->room - control->have, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			FAIL("the daemon closed its control socket");
		control->have += (size_t)got;
	} while (control->line[control->have - 1] != '\n');
	control->line[control->have - 1] = '\0';
}

static int code_of(const char *question, struct json_object *error)
{
	const char *name = json_object_get_string(control_member(error, "code"));
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (!strcmp(codes[i].name, name))
			return codes[i].code;
	FAIL("%s is refused: %s: %s", question, name,
	     json_object_get_string(control_member(error, "text")));
}

static int ask(struct control *control, unsigned int version, struct json_object **ok,
	       const char *format, va_list rest)
{
	struct json_object *answer, *value;
	char question[QUESTION_MOST];
	int length, result = 0;

	length = snprintf(question, sizeof(question), "{\"v\":%u,", version);
	length += vsnprintf(question + length, sizeof(question) - (size_t)length, format, rest);
	MUST(length + 3 <= (int)sizeof(question));
	strcpy(question + length, "}\n");
	pthread_mutex_lock(&control->lock);
	send_line(control, question, (size_t)length + 2);
	receive_line(control);
	answer = json_tokener_parse(control->line);
	pthread_mutex_unlock(&control->lock);
	if (!answer)
		FAIL("the answer to %s is no JSON", question);
	if (json_object_object_get_ex(answer, "error", &value))
		result = code_of(question, value);
	else if (ok)
		*ok = json_object_get(control_member(answer, "ok"));
	json_object_put(answer);
	return result;
}

int control_ask(struct control *control, struct json_object **ok, const char *format, ...)
{
	va_list rest;
	int result;

	va_start(rest, format);
	result = ask(control, 1, ok, format, rest);
	va_end(rest);
	return result;
}

int control_ask_as(struct control *control, unsigned int version, struct json_object **ok,
		   const char *format, ...)
{
	va_list rest;
	int result;

	va_start(rest, format);
	result = ask(control, version, ok, format, rest);
	va_end(rest);
	return result;
}

struct json_object *control_member(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value))
		FAIL("an answer without %s", key);
	return value;
}

/* Above 2^53 a number is a string of digits; json-c reads both. */
uint64_t control_number(struct json_object *object, const char *key)
{
	struct json_object *value = control_member(object, key);

	return json_object_is_type(value, json_type_string)
		       ? strtoull(json_object_get_string(value), NULL, 10)
		       : (uint64_t)json_object_get_int64(value);
}

void control_figures(struct json_object *object, struct tmem_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
#define READ(name, unit, sentence) stats->name = control_number(object, #name);
	TMEM_COUNTERS(READ)
	TMEM_GAUGES(READ)
	if (json_object_object_get_ex(object, "capacity", NULL)) {
		TMEM_HOST_GAUGES(READ)
	}
#undef READ
}
