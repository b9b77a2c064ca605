// SPDX-License-Identifier: MIT
/* Finding, asking and hearing the daemon. */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "paths.h"

/* An answer of this size is a daemon gone wrong. */
#define ANSWER_MAX (64u << 20)

#define TEXT_PLAIN (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

void link_complain(const struct arguments *arguments, const char *code, const char *text,
		   const char *hint)
{
	struct json_object *root;
	struct json_object *error;

	if (!arguments->json) {
		fprintf(stderr, "tmem: %s\n", text);
		if (hint && hint[0])
			fprintf(stderr, "hint: %s\n", hint);
		return;
	}
	root = json_object_new_object();
	error = json_object_new_object();
	json_object_object_add(error, "code", json_object_new_string(code));
	json_object_object_add(error, "text", json_object_new_string(text));
	if (hint && hint[0])
		json_object_object_add(error, "hint", json_object_new_string(hint));
	json_object_object_add(root, "error", error);
	puts(json_object_to_json_string_ext(root, TEXT_PLAIN));
	json_object_put(root);
}

bool link_print_json(const struct arguments *arguments, struct json_object *ok)
{
	if (!arguments->json)
		return false;
	puts(json_object_to_json_string_ext(ok, TEXT_PLAIN));
	fflush(stdout);
	json_object_put(ok);
	return true;
}

static enum status unreachable(const struct arguments *arguments, const struct link *link,
			       const char *why)
{
	char text[512];

	snprintf(text, sizeof(text), "cannot reach tmemd at %s: %s", link->path, why);
	link_complain(arguments, "ECONNREFUSED", text,
		      "start it: tmemd & (as root, or with --at-own-risk); or name the socket "
		      "of one that runs with --control or in TMEM_CONTROL");
	return STATUS_UNREACHABLE;
}

enum status link_open(const struct arguments *arguments, struct link *link)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = arguments->control ? arguments->control : getenv("TMEM_CONTROL");

	memset(link, 0, sizeof(*link));
	link->fd = -1;
	if (!path || !path[0]) {
		if (!paths_control(link->path, sizeof(link->path)))
			return unreachable(arguments, link, "the default path is too long");
	} else {
		snprintf(link->path, sizeof(link->path), "%s", path);
	}
	if (strlen(link->path) >= sizeof(address.sun_path) || (path && strlen(path) > 255))
		return unreachable(arguments, link, "the path is too long for a socket");
	strcpy(address.sun_path, link->path);
	link->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (link->fd < 0 || connect(link->fd, (struct sockaddr *)&address, sizeof(address))) {
		int error = errno;

		link_close(link);
		return unreachable(arguments, link, strerror(error));
	}
	return STATUS_OK;
}

void link_close(struct link *link)
{
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
	free(link->buffer);
	link->buffer = NULL;
}

struct json_object *link_named(const struct arguments *arguments)
{
	struct json_object *request = json_object_new_object();

	if (arguments->name)
		json_object_object_add(request, "name", json_object_new_string(arguments->name));
	return request;
}

enum status link_send(const struct arguments *arguments, struct link *link, const char *op,
		      struct json_object *request)
{
	enum status status = STATUS_OK;
	const char *text;
	size_t length;
	char *line;

	if (!request)
		request = json_object_new_object();
	json_object_object_add(request, "v", json_object_new_int(1));
	json_object_object_add(request, "id", json_object_new_int(1));
	json_object_object_add(request, "op", json_object_new_string(op));
	text = json_object_to_json_string_length(request, TEXT_PLAIN, &length);
	line = malloc(length + 1);
	if (line) {
		size_t sent = 0;

		memcpy(line, text, length);
		line[length++] = '\n';
		while (sent < length && status == STATUS_OK) {
			ssize_t done = send(link->fd, line + sent, length - sent, MSG_NOSIGNAL);

			/* One that was turned away has an answer to read all the same. */
			if (done < 0 && (errno == EPIPE || errno == ECONNRESET))
				break;
			if (done < 0 && errno != EINTR)
				status = unreachable(arguments, link, strerror(errno));
			sent += done > 0 ? (size_t)done : 0;
		}
	} else {
		status = unreachable(arguments, link, "no memory");
	}
	free(line);
	json_object_put(request);
	return status;
}

/* A line into *@line, its length without the newline into *@length; NULL: none will come. */
static const char *receive_line(struct link *link, size_t *length)
{
	size_t looked = 0;

	for (;;) {
		char *end = link->have > looked
				    ? memchr(link->buffer + looked, '\n', link->have - looked)
				    : NULL;
		ssize_t got;

		if (end) {
			*length = (size_t)(end - link->buffer);
			return link->buffer;
		}
		looked = link->have;
		if (link->have == link->room) {
			size_t room = link->room ? link->room * 2 : 4096;
			char *buffer = room <= ANSWER_MAX ? realloc(link->buffer, room) : NULL;

			if (!buffer)
				return NULL;
			link->buffer = buffer;
			link->room = room;
		}
		got = recv(link->fd, link->buffer + link->have, link->room - link->have, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return NULL;
		link->have += (size_t)got;
	}
}

static const char *text_of(struct json_object *object, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) ? json_object_get_string(value) : "";
}

enum status link_receive(const struct arguments *arguments, struct link *link,
			 struct json_object **ok)
{
	struct json_tokener *tokener;
	struct json_object *root = NULL;
	struct json_object *value;
	size_t length;
	const char *line = receive_line(link, &length);
	enum status status = STATUS_OK;

	if (!line)
		return unreachable(arguments, link, "it closed the connection without an answer");
	tokener = json_tokener_new();
	if (tokener)
		root = json_tokener_parse_ex(tokener, line, (int)length + 1);
	json_tokener_free(tokener);
	link->have -= length + 1;
	memmove(link->buffer, link->buffer + length + 1, link->have);

	if (json_object_object_get_ex(root, "ok", &value)) {
		*ok = json_object_get(value);
	} else if (json_object_object_get_ex(root, "error", &value)) {
		link_complain(arguments, text_of(value, "code"), text_of(value, "text"),
			      text_of(value, "hint"));
		status = STATUS_REFUSED;
	} else {
		status = unreachable(arguments, link, "its answer is not understood");
	}
	json_object_put(root);
	return status;
}

enum status link_ask(const struct arguments *arguments, const char *op, struct json_object *request,
		     struct json_object **ok)
{
	struct link link;
	enum status status = link_open(arguments, &link);

	if (status != STATUS_OK) {
		json_object_put(request);
		return status;
	}
	status = link_send(arguments, &link, op, request);
	if (status == STATUS_OK)
		status = link_receive(arguments, &link, ok);
	link_close(&link);
	return status;
}
