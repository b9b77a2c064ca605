// SPDX-License-Identifier: MIT
/* Figures of host and guests, walked from their lists. */
#include "report.h"

#include <stdio.h>
#include <string.h>

#include "daemon.h"
#include "dense.h"
#include "guest.h"
#include "json.h"
#include "latency.h"
#include "lock_memory.h"
#include "log.h"
#include "loop.h"
#include "options.h"
#include "recoder.h"
#include "request.h"
#include "template.h"

/* Not counted by the engine or a guest's session. */
#define HOST_FIGURES(X)                                                                     \
	X(memory, "bytes", "memory for stored pages, all kinds together")                   \
	X(persistent, "bytes", "part of it that allocations may sum up to")                 \
	X(verify, "yes/no", "each stored page is checked before it is given out")           \
	X(memory_locked, "yes/no", "persistent memory cannot be swapped out")               \
	X(oom_lowered, "yes/no", "the out-of-memory killer prefers other processes")        \
	X(guests, "guests", "guests that were added")                                       \
	X(memory_used, "bytes", "memory in use: extents, records and dense_bytes")          \
	X(loop_rounds, "rounds", "rounds of the event loop")                                \
	X(loop_idle, "rounds", "rounds that were given to background work")                 \
	X(loop_work, "rounds", "of these, rounds in which there was some to do")            \
	X(dense_cpu, "percent", "of a processor, what recoding and training may take")      \
	X(dense_busy_ns, "nanoseconds", "of a processor, what they took")                   \
	X(dense_training_ns, "nanoseconds", "of these, for training dictionaries")          \
	X(dense_training, "yes/no", "a dictionary is being trained")                        \
	X(dense_dictionaries, "dictionaries", "dictionaries that stored pages may need")    \
	X(dense_rejected, "dictionaries", "that could not be trained, or saved too little") \
	X(dense_bytes, "bytes",                                                             \
	  "memory of the dense codec: contexts, dictionaries, samples for training")

#define DISK_GAUGES(X)                                                                     \
	X(connected, "yes/no", "a front-end is connected")                                 \
	X(in_use, "yes/no", "a front-end has started rings, or the contents are unknown")  \
	X(disk_bytes, "bytes", "size of the disk")                                         \
	X(blocks_empty, "blocks", "blocks that read as zeros: never written or discarded") \
	X(blocks_stored, "blocks", "blocks whose data is stored")                          \
	X(blocks_lost, "blocks", "blocks that read as errors until they are written")

struct json_object *report_guest(const struct entry *entry)
{
	struct json_object *guest = json_object_new_object();
	struct guest_figures figures;

	guest_figures(entry->guest, &figures);
	json_add_text(guest, "name", entry->name);
	json_add_text(guest, "kind", request_kind_name(entry->kind));
	json_add_text(guest, "socket", entry->socket_path);
	json_add_u64(guest, "disk", figures.disk_bytes);
	json_add_u64(guest, "allocation", entry->allocation);
	json_add_u64(guest, "cap", entry->cap);
	json_add_u64(guest, "weight", entry->weight ? entry->weight : REPORT_WEIGHT_DEFAULT);
	json_add_u64(guest, "rate", entry->rate);
	json_add_u64(guest, "queues", entry->queues);
	json_add_text(guest, "codec", request_codec_name(entry->codec));
	json_add_bool(guest, "frozen", entry->frozen);
	json_add_bool(guest, "connected", figures.connected);
	json_add_bool(guest, "in_use", figures.in_use);
	return guest;
}

struct json_object *report_template(const struct template *template)
{
	const struct template_config *config = template_config(template);
	struct json_object *object = json_object_new_object();
	struct template_figures figures;
	char mode[8];

	template_figures(template, &figures);
	snprintf(mode, sizeof(mode), "%04o", config->mode & 0777);
	json_add_text(object, "name", config->name);
	json_add_text(object, "kind", request_kind_name(REQUEST_KIND_TEMPLATE));
	json_add_text(object, "socket", config->socket_path);
	json_add_text(object, "mode", mode);
	json_add_u64(object, "connections", config->connections_max);
	json_add_u64(object, "per_user", config->per_user_max);
	json_add_u64(object, "linger_s", config->linger_seconds);
	json_add_u64(object, "allocation", config->allocation);
	json_add_u64(object, "cap", config->cap);
	json_add_u64(object, "weight", config->weight ? config->weight : REPORT_WEIGHT_DEFAULT);
	json_add_u64(object, "rate", config->rate);
	json_add_u64(object, "pages_per_object", config->pages_per_object);
	json_add_u64(object, "queues", config->queues);
	json_add_text(object, "codec", request_codec_name(config->codec));
	json_add_bool(object, "frozen", template_is_frozen(template));
	json_add_u64(object, "clients", figures.clients);
	return object;
}

struct json_object *report_list(const struct daemon *daemon)
{
	struct json_object *templates = json_object_new_array();
	struct json_object *guests = json_object_new_array();
	struct json_object *root = json_object_new_object();
	const struct template *template;
	const struct entry *entry;

	for (entry = daemon->guests; entry; entry = entry->next)
		json_object_array_add(guests, report_guest(entry));
	for (template = daemon->templates; template; template = template_next(template))
		json_object_array_add(templates, report_template(template));
	json_object_object_add(root, "guests", guests);
	json_object_object_add(root, "templates", templates);
	return root;
}

struct json_object *report_grants(const char *name, const struct grants *grants)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "name", name);
	json_object_object_add(object, "grants", grants_print(grants));
	return object;
}

struct json_object *report_changes(const struct options *options, const struct options *fresh)
{
	struct json_object *object = json_object_new_object();
	struct json_object *changed = json_object_new_array();
	struct json_object *restart = json_object_new_array();
	const char *name;
	size_t place = 0;
	bool live;

	while ((name = options_changed(options, fresh, &place, &live))) {
		if (!strcmp(name, "memory") && !fresh->memory)
			live = false;
		json_object_array_add(live ? changed : restart, json_object_new_string(name));
		if (live)
			log_info("%s was changed", name);
		else
			log_warning("%s is another now, but for that tmemd must be started anew",
				    name);
	}
	json_object_object_add(object, "changed", changed);
	json_object_object_add(object, "restart", restart);
	return object;
}

static struct json_object *engine_figures(const struct tmem_stats *stats)
{
	struct json_object *object = json_object_new_object();

#define ADD(name, unit, sentence) json_add_u64(object, #name, stats->name);
	TMEM_COUNTERS(ADD)
	TMEM_GAUGES(ADD)
	TMEM_HOST_GAUGES(ADD)
#undef ADD
	return object;
}

static void add_counters(struct json_object *object, const struct guest_counters *counters)
{
#define ADD(name, unit, sentence) json_add_u64(object, #name, counters->name);
	GUEST_COUNTERS(ADD)
#undef ADD
}

static struct json_object *disk_figures(const struct guest_figures *figures)
{
	struct json_object *object = json_object_new_object();

	json_add_bool(object, "connected", figures->connected);
	json_add_bool(object, "in_use", figures->in_use);
	json_add_u64(object, "disk_bytes", figures->disk_bytes);
	json_add_u64(object, "blocks_empty", figures->blocks_empty);
	json_add_u64(object, "blocks_stored", figures->blocks_stored);
	json_add_u64(object, "blocks_lost", figures->blocks_lost);
	add_counters(object, &figures->counters);
	return object;
}

/* Only those that happened: there are many kinds, and most never do. */
static struct json_object *error_figures(const struct guest_counters *counters)
{
	struct json_object *object = json_object_new_object();
	int error;

	for (error = GUEST_OK + 1; error < GUEST_ERROR_COUNT; error++) {
		if (counters->errors[error])
			json_add_u64(object, guest_error_name((enum guest_error)error),
				     counters->errors[error]);
	}
	return object;
}

static struct json_object *host_figures(const struct daemon *daemon)
{
	struct json_object *host = json_object_new_object();
	struct tmem_dense_figures codec;
	struct recoder_figures dense;
	struct loop_figures rounds;
	struct tmem_stats stats;

	recoder_figures(daemon->recoder, &dense);
	tmem_dense_figures(daemon->dense, &codec);
	loop_figures(daemon->loop, &rounds);
	tmem_engine_stats(daemon->engine, &stats);
	json_add_u64(host, "memory", daemon->memory);
	json_add_u64(host, "persistent", daemon->persistent);
	json_add_bool(host, "verify", daemon->verify);
	json_add_bool(host, "memory_locked", daemon->protection->locked);
	json_add_bool(host, "oom_lowered", daemon->protection->oom_lowered);
	report_memory(daemon, &stats, host);
	json_add_u64(host, "guests", daemon->guest_count);
	json_add_u64(host, "memory_used", stats.extent_bytes + stats.meta_bytes + codec.bytes);
	json_add_u64(host, "loop_rounds", rounds.rounds);
	json_add_u64(host, "loop_idle", rounds.idle);
	json_add_u64(host, "loop_work", rounds.work);
	json_add_u64(host, "dense_cpu", dense.percent);
	json_add_u64(host, "dense_busy_ns", dense.time);
	json_add_u64(host, "dense_training_ns", dense.training);
	json_add_bool(host, "dense_training", dense.trains);
	json_add_u64(host, "dense_dictionaries", codec.dictionaries);
	json_add_u64(host, "dense_rejected", codec.rejected);
	json_add_u64(host, "dense_bytes", codec.bytes);
	json_object_object_add(host, "engine", engine_figures(&stats));
	return host;
}

static struct json_object *guest_stats(const struct entry *entry, bool pools)
{
	struct json_object *guest = json_object_new_object();
	struct guest_figures figures;
	struct tmem_stats stats;

	guest_figures(entry->guest, &figures);
	tmem_client_stats(guest_client(entry->guest), &stats);
	json_add_text(guest, "name", entry->name);
	json_object_object_add(guest, "disk", disk_figures(&figures));
	json_object_object_add(guest, "engine", engine_figures(&stats));
	json_object_object_add(guest, "latency", report_latency(guest_latency(entry->guest)));
	json_object_object_add(guest, "errors", error_figures(&figures.counters));
	if (pools)
		json_object_object_add(guest, "pools", report_pools(guest_client(entry->guest)));
	return guest;
}

/* A template's clients, one after the other: their sum, and each by itself where asked for. */
struct members_report {
	struct tmem_stats sum;
	struct json_object *clients; /* NULL: not asked for */
};

static bool add_member(const struct template_client *client, void *arg)
{
	struct members_report *report = arg;
	struct json_object *object;
	struct tmem_stats stats;

	if (client->client) {
		tmem_client_stats(client->client, &stats);
#define ADD(name, unit, sentence) report->sum.name += stats.name;
		TMEM_COUNTERS(ADD)
		TMEM_GAUGES(ADD)
		TMEM_HOST_GAUGES(ADD)
#undef ADD
	}
	if (!report->clients)
		return true;
	object = json_object_new_object();
	json_add_u64(object, "client", client->id);
	json_add_u64(object, "user", client->uid);
	json_add_u64(object, "process", (uint64_t)client->pid);
	json_add_bool(object, "connected", client->connected);
	json_add_u64(object, "busy_ns", client->busy_ns);
	json_object_object_add(object, "latency", report_latency(client->latency));
	if (client->client)
		json_object_object_add(object, "engine", engine_figures(&stats));
	json_object_array_add(report->clients, object);
	return true;
}

static struct json_object *template_stats(const struct template *template, bool clients)
{
	struct json_object *object = json_object_new_object();
	struct json_object *own = json_object_new_object();
	struct json_object *front = json_object_new_object();
	struct members_report report = {.clients = clients ? json_object_new_array() : NULL};
	struct template_figures figures;
	struct latency latency;

	template_figures(template, &figures);
	template_latency(template, &latency);
	template_each(template, add_member, &report);
#define ADD(name, unit, sentence) json_add_u64(own, #name, figures.name);
	TEMPLATE_FIGURES(ADD)
#undef ADD
	add_counters(front, &figures.counters);
	json_add_text(object, "name", template_config(template)->name);
	json_object_object_add(object, "template", own);
	json_object_object_add(object, "disk", front);
	json_object_object_add(object, "engine", engine_figures(&report.sum));
	json_object_object_add(object, "latency", report_latency(&latency));
	json_object_object_add(object, "errors", error_figures(&figures.counters));
	if (clients)
		json_object_object_add(object, "clients", report.clients);
	return object;
}

static void add_field(struct json_object *fields, const char *group, const char *name,
		      const char *unit, const char *sentence)
{
	struct json_object *field = json_object_new_object();

	json_add_text(field, "group", group);
	json_add_text(field, "name", name);
	json_add_text(field, "unit", unit);
	json_add_text(field, "text", sentence);
	json_object_array_add(fields, field);
}

static struct json_object *fields(void)
{
	struct json_object *list = json_object_new_array();

#define ADD(name, unit, sentence) add_field(list, group, #name, unit, sentence);
	const char *group = "host";

	HOST_FIGURES(ADD)
	REPORT_MEMORY(ADD)
	group = "disk";
	DISK_GAUGES(ADD)
	GUEST_COUNTERS(ADD)
	group = "template";
	TEMPLATE_FIGURES(ADD)
	group = "engine";
	TMEM_COUNTERS(ADD)
	TMEM_GAUGES(ADD)
	TMEM_HOST_GAUGES(ADD)
#undef ADD
	group = "latency";
#define ADD(name, sentence) add_field(list, group, #name, "nanoseconds", sentence);
	LATENCY_OPS(ADD)
#undef ADD
	group = "errors";
#define ADD(name, sentence) add_field(list, group, #name, "sessions", sentence);
	GUEST_ERRORS(ADD)
#undef ADD
	return list;
}

struct json_object *report_stats(struct daemon *daemon, const struct report_wish *wish)
{
	struct json_object *root = json_object_new_object();
	struct json_object *templates = json_object_new_array();
	struct json_object *guests = json_object_new_array();
	bool all = !wish->guest && !wish->template;
	const struct template *template;
	const struct entry *entry;

	if (all)
		json_object_object_add(root, "host", host_figures(daemon));
	for (entry = daemon->guests; entry; entry = entry->next) {
		if (all || entry == wish->guest)
			json_object_array_add(guests, guest_stats(entry, wish->pools));
	}
	for (template = daemon->templates; template; template = template_next(template)) {
		if (all || template == wish->template)
			json_object_array_add(templates, template_stats(template, wish->clients));
	}
	json_object_object_add(root, "guests", guests);
	json_object_object_add(root, "templates", templates);
	if (all && wish->pools)
		json_object_object_add(root, "shared", report_shared(daemon));
	if (wish->describe)
		json_object_object_add(root, "fields", fields());
	return root;
}
