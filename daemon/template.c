// SPDX-License-Identifier: MIT
/* Templates: what their clients are to be like, and the socket to find them at. */
#include "template.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "allocation.h"
#include "daemon.h"
#include "listener.h"
#include "log.h"
#include "member.h"
#include "registry.h"
#include "request.h"

struct template
{
	struct template *next; /* in order of names */
	struct daemon *daemon;
	char name[DAEMON_NAME_MAX + 1];
	char socket_path[DAEMON_SOCKET_MAX];
	struct template_config config; /* with the two above */

	struct listener listener;

	struct members members;
};

static void on_connect(struct watch *watch, uint32_t ready)
{
	struct template *template =
		(struct template *)(void *)((char *)watch - offsetof(struct template, listener));
	bool last;
	int fd = listener_accept(&template->listener, &last);

	if (fd >= 0 && !last) {
		members_admit(&template->members, fd);
	} else if (fd >= 0) {
		listener_refuse(&template->listener, fd);
		template->members.figures.refused_resources++;
	}
}

/* Defaults for what is 0, and bounds. */
static int judge(const struct daemon *daemon, const struct template_config *given,
		 struct template_config *config)
{
	*config = *given;
	if (!config->connections_max)
		config->connections_max = TEMPLATE_CONNECTIONS_DEFAULT;
	if (!config->per_user_max)
		config->per_user_max = config->connections_max;
	if (!config->mode)
		config->mode = TEMPLATE_MODE_DEFAULT;
	if (!config->queues)
		config->queues = TEMPLATE_QUEUES_DEFAULT;
	if (!config->pages_per_object)
		config->pages_per_object = 1;
	if (config->connections_max > TEMPLATE_CONNECTIONS_MAX ||
	    config->linger_seconds > TEMPLATE_LINGER_MAX || config->mode > 0777 ||
	    config->queues < 2 || config->queues > GUEST_QUEUES_MAX ||
	    config->weight > REGISTRY_WEIGHT_MOST || !request_codec_name(config->codec))
		return -EINVAL;
	return config->allocation && !allocation_is_protected(daemon) ? -EPERM : 0;
}

static int start_listening(struct template *template)
{
	const char *path = template->socket_path, *why;
	int error =
		listener_open(&template->listener, template->daemon->loop, path, on_connect, &why);

	if (!error && chmod(path, template->config.mode)) {
		error = -errno;
		why = strerror(-error);
		listener_close(&template->listener);
	}
	if (error)
		log_error("template %s: cannot listen on %s: %s", template->name, path, why);
	return error;
}

static void insert(struct template *template)
{
	struct template **at = &template->daemon->templates;

	while (*at && strcmp((*at)->name, template->name) < 0)
		at = &(*at)->next;
	template->next = *at;
	*at = template;
}

int template_create(struct daemon *daemon, const struct template_config *given,
		    struct template **result)
{
	struct template_config config;
	struct template *template;
	int error;

	error = guest_mem_setup();
	if (!error)
		error = judge(daemon, given, &config);
	if (!error && (strlen(given->name) > DAEMON_NAME_MAX ||
		       strlen(given->socket_path) >= DAEMON_SOCKET_MAX))
		error = -ENAMETOOLONG;
	if (!error && (registry_find(daemon, given->name) || template_find(daemon, given->name)))
		error = -EEXIST;
	if (error) {
		log_error("template %s: refused: %s", given->name, strerror(-error));
		return error;
	}
	template = calloc(1, sizeof(*template));
	if (!template)
		return -ENOMEM;
	template->daemon = daemon;
	strcpy(template->name, given->name);
	strcpy(template->socket_path, given->socket_path);
	template->config = config;
	template->config.name = template->name;
	template->config.socket_path = template->socket_path;
	error = members_open(&template->members, daemon, &template->config);
	if (error)
		goto err_free;
	error = start_listening(template);
	if (error)
		goto err_members;
	insert(template);
	*result = template;
	return 0;

err_members:
	members_close(&template->members);
err_free:
	free(template);
	return error;
}

void template_destroy(struct template *template)
{
	struct template **at = &template->daemon->templates;

	while (*at != template)
		at = &(*at)->next;
	*at = template->next;
	members_close(&template->members);
	listener_close(&template->listener);
	free(template);
}

struct template *template_find(const struct daemon *daemon, const char *name)
{
	struct template *template = daemon->templates;

	while (template && strcmp(template->name, name))
		template = template->next;
	return template;
}

struct template *template_next(const struct template *template)
{
	return template->next;
}

const struct template_config *template_config(const struct template *template)
{
	return &template->config;
}

int template_set(struct template *template, const struct template_config *given)
{
	struct template_config config;
	struct member *member;
	struct link *link;
	int error = judge(template->daemon, given, &config);

	if (!error && config.mode != template->config.mode &&
	    chmod(template->socket_path, config.mode))
		error = -errno;
	if (error)
		return error;
	config.name = template->name;
	config.socket_path = template->socket_path;
	config.queues = template->config.queues;
	template->config = config;
	for (link = template->members.all.next; link != &template->members.all; link = link->next) {
		member = MEMBER_OF(link, all);
		member->device.cap = config.cap;
		turn_limit(&member->turn, config.rate);
		if (!member->device.client)
			continue;
		tmem_client_set_cap(member->device.client, config.cap);
		(void)!tmem_client_set_weight(member->device.client,
					      config.weight ? config.weight : 100);
		(void)!tmem_client_set_codec(member->device.client, config.codec);
	}
	template_tell(template, TMEM_NEWS_LIMITS, 0);
	return 0;
}

void template_freeze(struct template *template, bool frozen)
{
	struct link *link;

	template->members.frozen = frozen;
	for (link = template->members.all.next; link != &template->members.all; link = link->next) {
		struct member *member = MEMBER_OF(link, all);

		member->device.frozen = frozen;
		if (member->device.client)
			tmem_client_freeze(member->device.client, frozen);
	}
	template_tell(template, frozen ? TMEM_NEWS_FROZEN : TMEM_NEWS_THAWED, 0);
}

bool template_is_frozen(const struct template *template)
{
	return template->members.frozen;
}

const struct grants *template_grants(const struct template *template)
{
	return &template->members.grants;
}

void template_set_grants(struct template *template, const struct grants *grants)
{
	template->members.grants = *grants;
}

void template_figures(const struct template *template, struct template_figures *figures)
{
	const struct link *link;

	*figures = template->members.figures;
	figures->counters = template->members.counters;
	for (link = template->members.all.next; link != &template->members.all; link = link->next) {
		const struct member *member = MEMBER_OF(link, all);

		figures->counters.busy_ns += member->busy_ns;
		figures->counters.rate_waits += member->turn.rests;
		figures->connections += member->session != NULL;
		figures->clients += member->device.client != NULL;
		figures->lingering += !member->session;
	}
}

void template_latency(const struct template *template, struct latency *latency)
{
	const struct link *link;

	*latency = template->members.latency;
	for (link = template->members.all.next; link != &template->members.all; link = link->next)
		latency_add(latency, &MEMBER_OF(link, all)->latency);
}

void template_each(const struct template *template,
		   bool (*fn)(const struct template_client *client, void *arg), void *arg)
{
	const struct link *link;

	for (link = template->members.all.next; link != &template->members.all; link = link->next) {
		const struct member *member = MEMBER_OF(link, all);
		const struct template_client client = {
			.id = member->id,
			.uid = member->uid,
			.pid = member->pid,
			.connected = member->session != NULL,
			.busy_ns = member->busy_ns,
			.latency = &member->latency,
			.client = member->device.client,
		};

		if (!fn(&client, arg))
			return;
	}
}

int template_end_client(struct template *template, uint64_t id)
{
	struct link *link;

	for (link = template->members.all.next; link != &template->members.all; link = link->next) {
		if (MEMBER_OF(link, all)->id != id)
			continue;
		member_end(MEMBER_OF(link, all));
		return 0;
	}
	return -TMEM_ENOENT;
}

void template_tell(struct template *template, uint64_t news, uint64_t wanted)
{
	struct link *link;

	for (link = template->members.all.next; link != &template->members.all; link = link->next) {
		struct member *member = MEMBER_OF(link, all);

		device_tell(&member->device, news, wanted);
		if (member->session)
			session_retry(member->session);
	}
}
