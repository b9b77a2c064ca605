/* SPDX-License-Identifier: MIT */
/* The tool's connection to the daemon: lines of JSON out and in. */
#ifndef TMEM_CLI_LINK_H
#define TMEM_CLI_LINK_H

#include <stdbool.h>

#include <json-c/json.h>

#include "command.h"

struct link {
	int fd;
	char path[256];
	char *buffer; /* what was received and not yet given out */
	size_t have;
	size_t room;
};

/* STATUS_OK, or STATUS_UNREACHABLE and it was said. */
enum status link_open(const struct arguments *arguments, struct link *link);
void link_close(struct link *link);

/* Adds v, id and op to @request, which it takes, and sends it. NULL: an empty one. */
enum status link_send(const struct arguments *arguments, struct link *link, const char *op,
		      struct json_object *request);

/* The next answer's "ok", the caller's to put; what is not an "ok" was said. */
enum status link_receive(const struct arguments *arguments, struct link *link,
			 struct json_object **ok);

/* All of these for one question. */
enum status link_ask(const struct arguments *arguments, const char *op, struct json_object *request,
		     struct json_object **ok);

/* {} or {"name":NAME}. */
struct json_object *link_named(const struct arguments *arguments);

/* Says what went wrong: text and hint on standard error, or JSON on standard output. */
void link_complain(const struct arguments *arguments, const char *code, const char *text,
		   const char *hint);

/* Prints @ok on a line if --json asks for it, and puts it. True: it did. */
bool link_print_json(const struct arguments *arguments, struct json_object *ok);

#endif
