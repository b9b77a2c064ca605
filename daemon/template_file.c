// SPDX-License-Identifier: MIT
/*
 * Writing templates as the requests that an administrator would send, and
 * reading them as such: each line is judged like one from the control socket.
 */
#include "template_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "grants.h"
#include "json.h"
#include "log.h"
#include "operate.h"
#include "report.h"
#include "request.h"
#include "run_dir.h"
#include "template.h"

#define FILE_NAME "templates"
#define FILE_MAX  (1 << 20) /* bytes; a template takes less than 512, and 128 for each grant */

static void print_line(FILE *lines, struct json_object *request)
{
	fprintf(lines, "%s\n", json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN));
	json_object_put(request);
}

/* What a request of @op begins with. */
static struct json_object *begin_line(const char *op, const struct template *template)
{
	struct json_object *request = json_object_new_object();

	json_add_u64(request, "v", REQUEST_VERSION);
	json_add_text(request, "op", op);
	json_add_text(request, "name", template_config(template)->name);
	return request;
}

static void print_grants(FILE *lines, const struct template *template)
{
	struct json_object *uuids = grants_print(template_grants(template));
	size_t i;

	for (i = 0; i < json_object_array_length(uuids); i++) {
		struct json_object *request = begin_line("shared-auth", template);

		json_add_text(request, "action", "grant");
		json_object_object_add(request, "uuid",
				       json_object_get(json_object_array_get_idx(uuids, i)));
		print_line(lines, request);
	}
	json_object_put(uuids);
}

static void print_template(FILE *lines, const struct template *template)
{
	/* Of what list says of it, what add does not take. */
	static const char *const more[] = {"name", "socket", "frozen", "clients"};
	struct json_object *request = begin_line("add", template);
	struct json_object *object = report_template(template);
	size_t i;

	for (i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		json_object_object_del(object, more[i]);
	/* None is not an allocation of 0. */
	if (!template_config(template)->allocation)
		json_object_object_del(object, "allocation");
	json_object_object_foreach(object, key, value)
		json_object_object_add(request, key, json_object_get(value));
	json_object_put(object);
	print_line(lines, request);
	print_grants(lines, template);
	if (template_is_frozen(template))
		print_line(lines, begin_line("freeze", template));
}

static char *print_templates(const struct daemon *daemon, size_t *length)
{
	const struct template *template;
	char *text = NULL;
	FILE *lines = open_memstream(&text, length);

	if (!lines)
		return NULL;
	for (template = daemon->templates; template; template = template_next(template))
		print_template(lines, template);
	if (!fclose(lines))
		return text;
	free(text);
	return NULL;
}

bool template_file_save(const struct daemon *daemon)
{
	size_t length;
	char *lines;
	bool saved;

	if (!daemon->control)
		return true;
	lines = print_templates(daemon, &length);
	saved = lines && length <= FILE_MAX &&
		run_dir_write(daemon->run_dir, FILE_NAME, lines, length);
	free(lines);
	return saved;
}

static bool is_ours(const struct daemon *daemon, const struct request *request)
{
	if (request->op == REQUEST_ADD)
		return request->kind == REQUEST_KIND_TEMPLATE;
	return template_find(daemon, request->name) &&
	       (request->op == REQUEST_FREEZE ||
		(request->op == REQUEST_SHARED_AUTH && request->action == REQUEST_GRANT));
}

/* As if an administrator made it. */
static void load_line(struct daemon *daemon, const char *line, size_t length)
{
	struct json_object *ok = NULL;
	struct refusal refusal;
	struct request request;
	bool good = request_judge(line, length, &request, &refusal);

	if (good && !is_ours(daemon, &request)) {
		refuse(&refusal, "EINVAL", "not a line that makes a template");
		good = false;
	}
	if (good && operate(daemon, &request, &ok, &refusal))
		json_object_put(ok);
	else
		log_error("%s/%s: a template that an earlier tmemd had does not come back: %s",
			  daemon->run_dir->path, FILE_NAME, refusal.text);
}

void template_file_load(struct daemon *daemon)
{
	const char *line;
	size_t length;
	char *lines;

	(void)run_dir_read(daemon->run_dir, FILE_NAME, FILE_MAX, &lines, &length);
	for (line = lines; line && length;) {
		const char *end = memchr(line, '\n', length);
		size_t bare = end ? (size_t)(end - line) : length;

		load_line(daemon, line, bare);
		length -= bare + (end != NULL);
		line += bare + (end != NULL);
	}
	free(lines);
}

void template_file_remove(const struct daemon *daemon)
{
	run_dir_remove(daemon->run_dir, FILE_NAME);
}
