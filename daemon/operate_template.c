// SPDX-License-Identifier: MIT
/*
 * Operations on a template. What makes the templates again is in their file
 * before the answer is given.
 */
#include "operate_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon.h"
#include "json.h"
#include "log.h"
#include "options.h"
#include "report.h"
#include "request.h"
#include "run_dir.h"
#include "template.h"
#include "template_file.h"

static bool refuse_template(int error, const char *name, struct refusal *refusal)
{
	switch (-error) {
	case EPERM:
		refuse(refusal, "EPERM", "an allocation, and memory that is not protected");
		refuse_hint(refusal, "leave it out, or see PROTECTION in tmemd(8)");
		break;
	case EINVAL:
		refuse(refusal, "EINVAL", "a template's queues are 2 to %d, one of them for news",
		       GUEST_QUEUES_MAX);
		break;
	case EEXIST:
	case EADDRINUSE:
		refuse(refusal, "EEXIST", "the name %s is taken, or the place of its socket", name);
		refuse_hint(refusal, "take another name; tmem list shows those that there are");
		break;
	default:
		refuse(refusal, error == -ENOMEM ? "ENOMEM" : "EIO",
		       "template %s cannot be as it is asked for: %s", name, strerror(-error));
		break;
	}
	return false;
}

/* What a request says of a template, over what @config has. */
static void change_template(const struct request *request, struct template_config *config)
{
	if (REQUEST_HAS(request, MODE))
		config->mode = (uint32_t)request->mode;
	if (REQUEST_HAS(request, CONNECTIONS))
		config->connections_max = (uint32_t)request->connections;
	if (REQUEST_HAS(request, PER_USER))
		config->per_user_max = (uint32_t)request->per_user;
	if (REQUEST_HAS(request, LINGER))
		config->linger_seconds = (uint32_t)request->linger_s;
	if (REQUEST_HAS(request, PAGES_PER_OBJECT))
		config->pages_per_object = (uint32_t)request->pages_per_object;
	if (REQUEST_HAS(request, ALLOCATION))
		config->allocation = request->allocation;
	if (REQUEST_HAS(request, CAP))
		config->cap = request->cap;
	if (REQUEST_HAS(request, WEIGHT))
		config->weight = (uint32_t)request->weight;
	if (REQUEST_HAS(request, RATE))
		config->rate = request->rate;
	if (REQUEST_HAS(request, CODEC))
		config->codec = request->codec;
}

bool operate_add_template(struct daemon *daemon, const struct request *request,
			  struct json_object **ok, struct refusal *refusal)
{
	struct template_config config = {.name = request->name,
					 .linger_seconds = TEMPLATE_LINGER_DEFAULT,
					 .queues = (uint16_t)request->queues,
					 .codec = daemon->options->codec};
	char file[DAEMON_NAME_MAX + sizeof(".sock")];
	char path[DAEMON_SOCKET_MAX];
	struct template *template;
	int error;

	snprintf(file, sizeof(file), "%s.sock", request->name);
	if (!run_dir_path(daemon->run_dir, file, path, sizeof(path))) {
		refuse(refusal, "ENAMETOOLONG", "%s is too long for a socket in %s", file,
		       daemon->run_dir->path);
		return false;
	}
	config.socket_path = path;
	change_template(request, &config);
	error = template_create(daemon, &config, &template);
	if (error)
		return refuse_template(error, request->name, refusal);
	if (!template_file_save(daemon)) {
		template_destroy(template);
		return operate_refuse_state(refusal);
	}
	*ok = report_template(template);
	log_info("template %s was added", request->name);
	return true;
}

bool operate_remove_template(struct daemon *daemon, struct template *template,
			     const struct request *request, struct json_object **ok,
			     struct refusal *refusal)
{
	struct template_figures figures;

	template_figures(template, &figures);
	if (figures.connections && !request->force) {
		refuse(refusal, "EBUSY", "%llu processes are connected to %s",
		       (unsigned long long)figures.connections, request->name);
		refuse_hint(refusal, "end them first; or force it, and their pages are gone");
		return false;
	}
	template_destroy(template);
	/* One too many in the file is an empty one too many after a kill. */
	(void)template_file_save(daemon);
	*ok = json_object_new_object();
	json_add_text(*ok, "name", request->name);
	log_info("template %s was removed", request->name);
	return true;
}

bool operate_set_template(struct daemon *daemon, struct template *template,
			  const struct request *request, struct json_object **ok,
			  struct refusal *refusal)
{
	struct template_config config = *template_config(template);
	struct template_config old = config;
	int error;

	change_template(request, &config);
	error = template_set(template, &config);
	if (error)
		return refuse_template(error, request->name, refusal);
	if (!template_file_save(daemon)) {
		(void)!template_set(template, &old);
		return operate_refuse_state(refusal);
	}
	*ok = report_template(template);
	return true;
}
