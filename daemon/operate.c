// SPDX-License-Identifier: MIT
/*
 * The operations of the control socket, one function each. What changes a
 * guest is in the state file before the answer is given; where the file
 * cannot be written, the change is undone and refused.
 */
#include "operate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <tmem/wire.h>

#include "daemon.h"
#include "guest.h"
#include "json.h"
#include "log.h"
#include "loop.h"
#include "options.h"
#include "registry.h"
#include "report.h"
#include "request.h"
#include "run_dir.h"
#include "state.h"
#include "template.h"

/* Given back between two turns of the guests. */
#define FLUSH_PIECE (UINT64_C(32) << 20)

#define HAS(request, key) ((request)->keys & 1u << REQUEST_KEY_##key)

/* Whom a request means: a guest, a template, or with neither all of them. */
struct target {
	struct entry *guest;
	struct template *template;
};

static bool find_any(struct daemon *daemon, const struct request *request, struct target *target,
		     struct refusal *refusal)
{
	*target = (struct target){NULL, NULL};
	if (!request->name[0])
		return true;
	target->guest = registry_find(daemon, request->name);
	if (!target->guest)
		target->template = template_find(daemon, request->name);
	if (target->guest || target->template)
		return true;
	refuse(refusal, "ENOENT", "no guest is named %s", request->name);
	refuse_hint(refusal, "tmem list shows the guests");
	return false;
}

/* A guest, where a template will not do. */
static bool find_guest(struct daemon *daemon, const struct request *request, struct entry **entry,
		       struct refusal *refusal)
{
	struct target target;

	if (!find_any(daemon, request, &target, refusal))
		return false;
	*entry = target.guest;
	if (*entry)
		return true;
	refuse(refusal, "EOPNOTSUPP", "%s is a template, whose clients come and go", request->name);
	refuse_hint(refusal, "this is for a guest of one's own: tmem add --kind device");
	return false;
}

static bool refuse_state(struct refusal *refusal)
{
	refuse(refusal, "EIO", "the state file cannot be written; nothing was changed");
	refuse_hint(refusal, "make room for it in the run-time directory");
	return false;
}

/* What set changes, kept to be put back where the state file cannot be written. */
struct settings {
	uint64_t cap;
	uint32_t weight;
	uint8_t codec;
};

/* False: the engine has no such codec. Nothing was changed then. */
static bool apply(struct entry *entry, const struct settings *settings)
{
	if (tmem_client_set_codec(guest_client(entry->guest), settings->codec))
		return false;
	if (settings->cap != entry->cap)
		guest_set_cap(entry->guest, settings->cap);
	/* 0 is a guest whose weight nobody chose. */
	if (settings->weight && settings->weight != entry->weight)
		(void)guest_set_weight(entry->guest, settings->weight);
	entry->codec = settings->codec;
	entry->cap = settings->cap;
	entry->weight = settings->weight;
	return true;
}

/* Before the daemon serves, templates come from that file. */
static bool save_templates(const struct daemon *daemon)
{
	size_t length;
	char *lines;
	bool saved;

	if (!daemon->control)
		return true;
	lines = report_template_lines(daemon, &length);
	saved = lines && run_dir_write(daemon->run_dir, OPERATE_TEMPLATES, lines, length);
	free(lines);
	return saved;
}

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
	if (HAS(request, MODE))
		config->mode = (uint32_t)request->mode;
	if (HAS(request, CONNECTIONS))
		config->connections_max = (uint32_t)request->connections;
	if (HAS(request, PER_USER))
		config->per_user_max = (uint32_t)request->per_user;
	if (HAS(request, LINGER))
		config->linger_seconds = (uint32_t)request->linger_s;
	if (HAS(request, PAGES_PER_OBJECT))
		config->pages_per_object = (uint32_t)request->pages_per_object;
	if (HAS(request, ALLOCATION))
		config->allocation = request->allocation;
	if (HAS(request, CAP))
		config->cap = request->cap;
	if (HAS(request, WEIGHT))
		config->weight = (uint32_t)request->weight;
	if (HAS(request, CODEC))
		config->codec = request->codec;
}

static bool add_template(struct daemon *daemon, const struct request *request,
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
	if (!save_templates(daemon)) {
		template_destroy(template);
		return refuse_state(refusal);
	}
	*ok = report_template(template);
	log_info("template %s was added", request->name);
	return true;
}

static bool remove_template(struct daemon *daemon, struct template *template,
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
	(void)save_templates(daemon);
	*ok = json_object_new_object();
	json_add_text(*ok, "name", request->name);
	log_info("template %s was removed", request->name);
	return true;
}

static bool set_template(struct daemon *daemon, struct template *template,
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
	if (!save_templates(daemon)) {
		(void)!template_set(template, &old);
		return refuse_state(refusal);
	}
	*ok = report_template(template);
	return true;
}

static bool add(struct daemon *daemon, const struct request *request, struct json_object **ok,
		struct refusal *refusal)
{
	struct registry_wish wish = {.name = request->name,
				     .kind = (enum guest_kind)request->kind,
				     .disk = request->disk,
				     .allocation = request->allocation,
				     .cap = request->cap,
				     .weight = (uint32_t)request->weight,
				     .queues = (uint16_t)request->queues,
				     .codec = request->codec};
	struct settings settings;
	struct entry *entry;

	if (request->kind == REQUEST_KIND_TEMPLATE)
		return add_template(daemon, request, ok, refusal);
	if (!HAS(request, CODEC))
		wish.codec = daemon->options->codec;
	if (!registry_add(daemon, &wish, &entry, refusal))
		return false;
	settings = (struct settings){wish.cap, wish.weight, entry->codec};
	(void)apply(entry, &settings);
	if (!state_save(daemon)) {
		registry_remove(entry);
		return refuse_state(refusal);
	}
	*ok = report_guest(entry);
	log_info("guest %s was added", request->name);
	operate_say_status(daemon);
	return true;
}

static bool take_away(struct daemon *daemon, const struct request *request, struct json_object **ok,
		      struct refusal *refusal)
{
	struct guest_figures figures;
	struct target target;
	struct entry *entry;

	if (!find_any(daemon, request, &target, refusal))
		return false;
	if (target.template)
		return remove_template(daemon, target.template, request, ok, refusal);
	entry = target.guest;
	guest_figures(entry->guest, &figures);
	if (figures.connected && !request->force) {
		refuse(refusal, "EBUSY", "a front-end is connected to %s", entry->name);
		refuse_hint(refusal, "stop the virtual machine first; or force it, and its swap is "
				     "gone under it");
		return false;
	}
	*ok = json_object_new_object();
	json_add_text(*ok, "name", entry->name);
	registry_remove(entry);
	/* A guest too many in the file is harmless: its contents count as unknown. */
	(void)state_save(daemon);
	log_info("guest %s was removed", request->name);
	operate_say_status(daemon);
	return true;
}

static bool stat_of(struct daemon *daemon, const struct request *request, struct json_object **ok,
		    struct refusal *refusal)
{
	struct report_wish wish = {.describe = request->describe,
				   .pools = request->pools,
				   .clients = request->clients};
	struct target target;

	if (!find_any(daemon, request, &target, refusal))
		return false;
	wish.guest = target.guest;
	wish.template = target.template;
	*ok = report_stats(daemon, &wish);
	return true;
}

static bool refuse_pool(const struct entry *entry, const struct request *request,
			struct refusal *refusal)
{
	refuse(refusal, "ENOENT", "guest %s has no pool %llu", entry->name,
	       (unsigned long long)request->pool);
	refuse_hint(refusal, "the figures with pools show those that there are");
	return false;
}

/* A pool's codec lives with the pool, and no longer: it is in no file. */
static bool set_pool(struct entry *entry, const struct request *request, struct refusal *refusal)
{
	int error = tmem_pool_set_codec(guest_client(entry->guest), (uint32_t)request->pool,
					request->codec);

	if (error == -TMEM_ENODEV)
		return refuse_pool(entry, request, refusal);
	if (error)
		refuse(refusal, "EINVAL", "the engine has no such codec");
	return !error;
}

static bool set_guest(struct daemon *daemon, struct entry *entry, const struct request *request,
		      struct refusal *refusal)
{
	struct settings old = {entry->cap, entry->weight, entry->codec};
	struct settings now = old;

	if (HAS(request, MODE) || HAS(request, CONNECTIONS) || HAS(request, PER_USER) ||
	    HAS(request, LINGER) || HAS(request, PAGES_PER_OBJECT)) {
		refuse(refusal, "EINVAL", "%s is a guest, and no template", entry->name);
		refuse_hint(refusal, "a guest has a weight, a cap and a codec");
		return false;
	}
	if (HAS(request, ALLOCATION)) {
		refuse(refusal, "EOPNOTSUPP",
		       "an allocation cannot be changed while its guest lives");
		refuse_hint(refusal, "remove %s, and add it with the allocation that it needs",
			    entry->name);
		return false;
	}
	if (HAS(request, CODEC))
		now.codec = request->codec;
	if (HAS(request, CAP))
		now.cap = request->cap;
	if (HAS(request, WEIGHT))
		now.weight = (uint32_t)request->weight;
	if (!apply(entry, &now)) {
		refuse(refusal, "EINVAL", "the engine has no such codec");
		return false;
	}
	if (state_save(daemon))
		return true;
	if (!old.weight)
		old.weight = REPORT_WEIGHT_DEFAULT;
	(void)apply(entry, &old);
	return refuse_state(refusal);
}

static bool set(struct daemon *daemon, const struct request *request, struct json_object **ok,
		struct refusal *refusal)
{
	struct target target;

	if (!find_any(daemon, request, &target, refusal))
		return false;
	if (target.template && !HAS(request, POOL))
		return set_template(daemon, target.template, request, ok, refusal);
	if (!(HAS(request, POOL) ? find_guest(daemon, request, &target.guest, refusal) &&
					   set_pool(target.guest, request, refusal)
				 : set_guest(daemon, target.guest, request, refusal)))
		return false;
	*ok = report_guest(target.guest);
	return true;
}

/* Of those who are meant. */
static void carry_out_freeze(struct daemon *daemon, const struct target *target, bool frozen)
{
	bool all = !target->guest && !target->template;
	struct template *template;
	struct entry *entry;

	for (entry = daemon->guests; entry; entry = entry->next) {
		if (all || entry == target->guest)
			guest_freeze(entry->guest, frozen);
	}
	for (template = daemon->templates; template; template = template_next(template)) {
		if (all || template == target->template)
			template_freeze(template, frozen);
	}
}

static bool freeze(struct daemon *daemon, const struct request *request, bool frozen,
		   struct json_object **ok, struct refusal *refusal)
{
	bool old[DAEMON_GUESTS_MAX];
	struct target target;
	struct entry *entry;
	size_t i = 0;

	if (!find_any(daemon, request, &target, refusal))
		return false;
	for (entry = daemon->guests; entry; entry = entry->next) {
		old[i++] = entry->frozen;
		if (!request->name[0] || entry == target.guest)
			entry->frozen = frozen;
	}
	if (!target.template && !state_save(daemon)) {
		for (i = 0, entry = daemon->guests; entry; entry = entry->next)
			entry->frozen = old[i++];
		return refuse_state(refusal);
	}
	carry_out_freeze(daemon, &target, frozen);
	if (!target.guest && !save_templates(daemon))
		log_error("after a kill of tmemd its templates would not know that they are %s",
			  frozen ? "frozen" : "thawed");
	if (!request->name[0])
		*ok = report_list(daemon);
	else
		*ok = target.guest ? report_guest(target.guest) : report_template(target.template);
	return true;
}

/* What is done to each client of a template in turn. */
struct visit {
	struct daemon *daemon;
	uint64_t left; /* bytes that are still wanted back */
	uint64_t sum;
};

static bool add_freeable(const struct template_client *client, void *arg)
{
	struct visit *visit = arg;
	struct tmem_stats stats;

	if (client->client) {
		tmem_client_stats(client->client, &stats);
		visit->sum += stats.freeable;
	}
	return true;
}

static bool reclaim_some(const struct template_client *client, void *arg)
{
	struct visit *visit = arg;

	if (client->client)
		visit->sum += tmem_client_reclaim(client->client, visit->daemon->worker,
						  visit->left - visit->sum);
	return visit->sum < visit->left;
}

static uint64_t destroy_pools(struct daemon *daemon, struct tmem_client *client)
{
	uint64_t destroyed = 0;
	uint32_t number;

	for (number = 0; number < REPORT_POOL_NUMBERS; number++)
		destroyed += !tmem_pool_destroy(client, daemon->worker, number);
	return destroyed;
}

static bool destroy_some(const struct template_client *client, void *arg)
{
	struct visit *visit = arg;

	if (client->client)
		visit->sum += destroy_pools(visit->daemon, client->client);
	return true;
}

/* At least @bytes, where there are so many. */
static uint64_t reclaim(struct daemon *daemon, const struct target *target, uint64_t bytes)
{
	struct visit visit = {daemon, bytes, 0};

	if (target->guest)
		return tmem_client_reclaim(guest_client(target->guest->guest), daemon->worker,
					   bytes);
	if (!target->template)
		return tmem_engine_reclaim(daemon->engine, daemon->worker, bytes);
	template_each(target->template, reclaim_some, &visit);
	return visit.sum;
}

static uint64_t freeable_bytes(struct daemon *daemon, const struct target *target)
{
	struct visit visit = {daemon, 0, 0};
	struct tmem_stats stats;

	if (target->template) {
		template_each(target->template, add_freeable, &visit);
		return visit.sum;
	}
	if (target->guest)
		tmem_client_stats(guest_client(target->guest->guest), &stats);
	else
		tmem_engine_stats(daemon->engine, &stats);
	return stats.freeable;
}

static bool freeable(struct daemon *daemon, const struct request *request, struct json_object **ok,
		     struct refusal *refusal)
{
	struct target target;

	if (!find_any(daemon, request, &target, refusal))
		return false;
	*ok = json_object_new_object();
	json_add_u64(*ok, "freeable", freeable_bytes(daemon, &target));
	return true;
}

/* A turn of all guests in the middle of something long. */
static void look_at_guests(struct daemon *daemon)
{
	struct entry *entry;

	for (entry = daemon->guests; entry; entry = entry->next)
		guest_look(entry->guest);
	(void)template_turn(daemon);
}

/* Whose pages were dropped is not known where they were anybody's. */
static void tell_dropped(struct daemon *daemon, const struct target *target)
{
	bool all = !target->guest && !target->template;
	struct template *template;
	struct entry *entry;

	for (entry = daemon->guests; entry; entry = entry->next) {
		if (all || entry == target->guest)
			guest_tell(entry->guest, TMEM_NEWS_DROPPED, 0);
	}
	for (template = daemon->templates; template; template = template_next(template)) {
		if (all || template == target->template)
			template_tell(template, TMEM_NEWS_DROPPED, 0);
	}
}

/*
 * In pieces, with a turn of all guests between two of them. No more than was
 * freeable when it began: a guest that puts as fast as its pages are dropped
 * would keep it from ending.
 */
static bool flush(struct daemon *daemon, const struct request *request, struct json_object **ok,
		  struct refusal *refusal)
{
	uint64_t given_back = 0;
	uint64_t wanted;
	struct target target;

	if (!find_any(daemon, request, &target, refusal))
		return false;
	wanted = freeable_bytes(daemon, &target);
	if (wanted > request->bytes)
		wanted = request->bytes;
	while (given_back < wanted) {
		uint64_t left = wanted - given_back;
		uint64_t got = reclaim(daemon, &target, left < FLUSH_PIECE ? left : FLUSH_PIECE);

		if (!got)
			break;
		given_back += got;
		look_at_guests(daemon);
	}
	if (given_back)
		tell_dropped(daemon, &target);
	*ok = json_object_new_object();
	json_add_u64(*ok, "asked", request->bytes);
	json_add_u64(*ok, "given_back", given_back);
	return true;
}

/*
 * A swap disk lies over its guest's only pool. Who destroys that takes the
 * guest's memory away, and the disk cannot get another pool: hence force.
 */
static bool destroy(struct daemon *daemon, const struct request *request, struct json_object **ok,
		    struct refusal *refusal)
{
	struct visit visit = {daemon, 0, 0};
	uint64_t destroyed = 1;
	struct target target;
	struct entry *entry;

	if (!find_any(daemon, request, &target, refusal))
		return false;
	if (target.template && !HAS(request, POOL)) {
		template_each(target.template, destroy_some, &visit);
		*ok = json_object_new_object();
		json_add_text(*ok, "name", request->name);
		json_add_u64(*ok, "destroyed", visit.sum);
		return true;
	}
	if (!find_guest(daemon, request, &entry, refusal))
		return false;
	if (entry->kind == GUEST_DISK && !request->force) {
		refuse(refusal, "EBUSY", "%s is a swap disk, and its pool is what it stored",
		       entry->name);
		refuse_hint(refusal, "remove ends the guest; or force it: what is stored is lost, "
				     "and writes fail until the guest is removed and added again");
		return false;
	}
	if (HAS(request, POOL)) {
		if (tmem_pool_destroy(guest_client(entry->guest), daemon->worker,
				      (uint32_t)request->pool))
			return refuse_pool(entry, request, refusal);
	} else {
		destroyed = destroy_pools(daemon, guest_client(entry->guest));
	}
	log_info("guest %s: %llu pools were destroyed", entry->name, (unsigned long long)destroyed);
	*ok = json_object_new_object();
	json_add_text(*ok, "name", entry->name);
	json_add_u64(*ok, "destroyed", destroyed);
	return true;
}

static bool shared_auth(struct daemon *daemon, const struct request *request,
			struct json_object **ok, struct refusal *refusal)
{
	char text[UNITS_UUID_TEXT];
	struct tmem_client *client;
	struct entry *entry;
	int error = 0;

	if (!find_guest(daemon, request, &entry, refusal))
		return false;
	client = guest_client(entry->guest);
	if (request->action == REQUEST_GRANT)
		error = tmem_client_grant(client, request->uuid);
	else if (request->action != REQUEST_GRANTS)
		error = tmem_client_revoke(client, daemon->worker, request->uuid,
					   request->action == REQUEST_REVOKE_NOW);
	units_format_uuid(request->uuid, text);
	switch (error) {
	case 0:
		*ok = report_grants(entry);
		return true;
	case -TMEM_ENOENT:
		refuse(refusal, "ENOENT", "%s was not granted %s", entry->name, text);
		refuse_hint(refusal, "tmem shared-auth %s --list shows its grants", entry->name);
		return false;
	default:
		refuse(refusal, "EOVERFLOW", "%s has %u grants; that is the most", entry->name,
		       TMEM_GRANTS);
		refuse_hint(refusal, "revoke one that it no longer needs");
		return false;
	}
}

static bool judge_memory(const struct daemon *daemon, const struct options *fresh,
			 struct refusal *refusal)
{
	char wanted[UNITS_SIZE_TEXT];
	char least[UNITS_SIZE_TEXT];
	char most[UNITS_SIZE_TEXT];

	if (!fresh->memory ||
	    (fresh->memory >= daemon->persistent && fresh->memory <= daemon->options->memory_most))
		return true;
	refuse(refusal, "EINVAL", "memory cannot become %s while tmemd serves: from %s to %s",
	       units_format_size(fresh->memory, wanted),
	       units_format_size(daemon->persistent, least),
	       units_format_size(daemon->options->memory_most, most));
	refuse_hint(refusal, "start tmemd anew for that, once no guest needs it");
	return false;
}

/* Less of it in pieces, since pages are dropped for it. */
static void resize(struct daemon *daemon, uint64_t memory)
{
	while (daemon->memory > memory) {
		uint64_t left = daemon->memory - memory;

		daemon->memory -= left < FLUSH_PIECE ? left : FLUSH_PIECE;
		tmem_engine_set_capacity(daemon->engine, daemon->worker, daemon->memory);
		look_at_guests(daemon);
	}
	if (daemon->memory < memory) {
		daemon->memory = memory;
		tmem_engine_set_capacity(daemon->engine, daemon->worker, memory);
	}
}

static bool reload(struct daemon *daemon, struct json_object **ok, struct refusal *refusal)
{
	struct options fresh;
	char why[OPTIONS_WHY];
	struct timespec now;
	bool good;

	clock_gettime(CLOCK_MONOTONIC, &now);
	log_service("RELOADING=1\nMONOTONIC_USEC=%lld",
		    (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	good = options_again(daemon->options, &fresh, why);
	if (!good) {
		refuse(refusal, "EINVAL", "%s", why);
		refuse_hint(refusal, "nothing was changed; mend it and reload again");
	}
	good = good && judge_memory(daemon, &fresh, refusal);
	if (good) {
		*ok = report_changes(daemon->options, &fresh);
		options_adopt(daemon->options, &fresh);
		loop_set_polling(daemon->loop, fresh.polling);
		if (fresh.memory)
			resize(daemon, fresh.memory);
	}
	options_free(&fresh);
	log_service("READY=1");
	return good;
}

void operate_say_status(const struct daemon *daemon)
{
	log_service("STATUS=serving %u guests", daemon->guest_count);
}

static bool check(struct daemon *daemon, struct json_object **ok, struct refusal *refusal)
{
	const char *what = NULL;

	/* The loop's thread is the engine's only one, so nobody else is in a call. */
	if (tmem_engine_check(daemon->engine, &what)) {
		log_error("the engine's counts do not agree: %s", what ? what : "unknown");
		refuse(refusal, "EIO", "the engine's counts do not agree: %s",
		       what ? what : "unknown");
		refuse_hint(refusal, "this is a bug of tmemd: please report it");
		return false;
	}
	*ok = json_object_new_object();
	json_add_bool(*ok, "consistent", true);
	return true;
}

static bool version(struct json_object **ok)
{
	*ok = json_object_new_object();
	json_add_text(*ok, "version", TMEM_VERSION_TEXT);
	json_add_u64(*ok, "protocol", REQUEST_VERSION);
	return true;
}

bool operate(struct daemon *daemon, const struct request *request, struct json_object **ok,
	     struct refusal *refusal)
{
	switch (request->op) {
	case REQUEST_ADD:
		return add(daemon, request, ok, refusal);
	case REQUEST_REMOVE:
		return take_away(daemon, request, ok, refusal);
	case REQUEST_LIST:
		*ok = report_list(daemon);
		return true;
	case REQUEST_STAT:
	case REQUEST_WATCH:
		return stat_of(daemon, request, ok, refusal);
	case REQUEST_SET:
		return set(daemon, request, ok, refusal);
	case REQUEST_FREEZE:
		return freeze(daemon, request, true, ok, refusal);
	case REQUEST_THAW:
		return freeze(daemon, request, false, ok, refusal);
	case REQUEST_FLUSH:
		return flush(daemon, request, ok, refusal);
	case REQUEST_DESTROY:
		return destroy(daemon, request, ok, refusal);
	case REQUEST_SHARED_AUTH:
		return shared_auth(daemon, request, ok, refusal);
	case REQUEST_FREEABLE:
		return freeable(daemon, request, ok, refusal);
	case REQUEST_RELOAD:
		return reload(daemon, ok, refusal);
	case REQUEST_CHECK:
		return check(daemon, ok, refusal);
	case REQUEST_VERSION_OP:
		return version(ok);
	case REQUEST_OP_COUNT:
		break;
	}
	refuse(refusal, "EOPNOTSUPP", "no such operation");
	return false;
}
