// SPDX-License-Identifier: MIT
/* The list of guests, in order of their names. */
#include "registry.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "allocation.h"
#include "disk.h"
#include "guest.h"
#include "log.h"
#include "request.h"
#include "run_dir.h"
#include "state.h"
#include "template.h"

TMEM_STATIC_ASSERT(REQUEST_QUEUES_MAX == GUEST_QUEUES_MAX);
TMEM_STATIC_ASSERT(UNITS_NAME_MAX == DAEMON_NAME_MAX && UNITS_NAME_MAX == GUEST_NAME_MAX);

struct entry *registry_find(struct daemon *daemon, const char *name)
{
	struct entry *entry = daemon->guests;

	while (entry && strcmp(entry->name, name))
		entry = entry->next;
	return entry;
}

/* Called by the guest before the front-end hears that its disk is ready, or free. */
static void in_use(struct guest *guest, bool now, void *arg)
{
	struct entry *entry = arg;

	if (entry->in_use == now)
		return;
	entry->in_use = now;
	if (!state_save(entry->daemon))
		log_error("%s: if tmemd dies now, the next one will not know that the disk is %s",
			  entry->name, now ? "in use" : "free");
}

static bool check_wish(struct daemon *daemon, const struct registry_wish *wish, struct entry *entry,
		       struct refusal *refusal)
{
	uint64_t pages = wish->disk / TMEM_PAGE_SIZE;
	uint64_t needed = tmem_pages_allocation(pages, DISK_PIECE, daemon->verify);
	char file[DAEMON_NAME_MAX + sizeof(".sock")];

	if (registry_find(daemon, wish->name)) {
		refuse(refusal, "EEXIST", "a guest named %s was added already", wish->name);
		return false;
	}
	if (template_find(daemon, wish->name)) {
		refuse(refusal, "EEXIST", "%s is the name of a template", wish->name);
		return false;
	}
	if (daemon->guest_count == DAEMON_GUESTS_MAX) {
		refuse(refusal, "EOVERFLOW", "%d guests are the most", DAEMON_GUESTS_MAX);
		return false;
	}
	entry->allocation = wish->allocation ? wish->allocation : needed;
	if (tmem_allocation_pages(entry->allocation, DISK_PIECE, daemon->verify) < pages) {
		refuse(refusal, "ENOSPC",
		       "an allocation of %" PRIu64 " bytes does not hold a disk of %" PRIu64,
		       entry->allocation, wish->disk);
		refuse_hint(refusal, "this disk needs an allocation of %" PRIu64 " bytes", needed);
		return false;
	}
	if (!allocation_judge(daemon, entry->allocation, 0, refusal))
		return false;
	snprintf(file, sizeof(file), "%s.sock", wish->name);
	if (!run_dir_path(daemon->run_dir, file, entry->socket_path, sizeof(entry->socket_path))) {
		refuse(refusal, "ENAMETOOLONG",
		       "%s/%s is longer than the %d bytes of a socket's path",
		       daemon->run_dir->path, file, DAEMON_SOCKET_MAX - 1);
		refuse_hint(refusal,
			    "take a shorter name, or start tmemd with a shorter --run-dir");
		return false;
	}
	return true;
}

static void explain(int error, const struct entry *entry, struct refusal *refusal)
{
	switch (-error) {
	case EEXIST:
	case EADDRINUSE:
		refuse(refusal, "EEXIST", "something else has the name %s", entry->socket_path);
		refuse_hint(refusal, "move it away, or take another name");
		break;
	case ENOSPC:
	case ENOMEM:
		allocation_explain(error, refusal);
		break;
	default:
		refuse(refusal, error == -EINVAL ? "EINVAL" : "EIO", "guest %s cannot be made: %s",
		       entry->name, strerror(-error));
		break;
	}
}

bool registry_add(struct daemon *daemon, const struct registry_wish *wish, struct entry **made,
		  struct refusal *refusal)
{
	struct entry *entry = calloc(1, sizeof(*entry));
	struct guest_config config = {.kind = wish->kind,
				      .codec = wish->codec,
				      .cap = wish->cap,
				      .weight = wish->weight,
				      .rate = wish->rate,
				      .queues = wish->queues,
				      .disk_bytes = wish->disk,
				      .contents_unknown = wish->contents_unknown};
	struct entry **at;
	int error;

	if (!entry) {
		refuse(refusal, "ENOMEM", "no memory for another guest");
		return false;
	}
	if (!check_wish(daemon, wish, entry, refusal)) {
		free(entry);
		return false;
	}
	strcpy(entry->name, wish->name);
	entry->daemon = daemon;
	entry->kind = wish->kind;
	entry->id = wish->id;
	entry->disk_bytes = wish->disk;
	entry->cap = wish->cap;
	entry->weight = wish->weight;
	entry->rate = wish->rate;
	entry->queues = wish->queues ? wish->queues : GUEST_QUEUES_DEFAULT;
	entry->codec = wish->codec;
	entry->in_use = wish->contents_unknown;

	if (!entry->id && getrandom(&entry->id, sizeof(entry->id), 0) != sizeof(entry->id)) {
		refuse(refusal, "EIO", "no random numbers");
		free(entry);
		return false;
	}
	config.id = entry->id;
	config.name = entry->name;
	config.socket_path = entry->socket_path;
	config.allocation = entry->allocation;
	error = guest_create(daemon, &config, &entry->guest);
	if (error) {
		explain(error, entry, refusal);
		free(entry);
		return false;
	}
	guest_set_in_use_hook(entry->guest, in_use, entry);
	entry->grants = wish->grants;
	grants_give(&entry->grants, guest_client(entry->guest));
	if (wish->frozen) {
		entry->frozen = true;
		guest_freeze(entry->guest, true);
	}
	for (at = &daemon->guests; *at && strcmp((*at)->name, entry->name) < 0;)
		at = &(*at)->next;
	entry->next = *at;
	*at = entry;
	daemon->guest_count++;
	*made = entry;
	return true;
}

void registry_remove(struct entry *entry)
{
	struct daemon *daemon = entry->daemon;
	struct entry **at = &daemon->guests;

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	daemon->guest_count--;
	/* A reset that its end implies is no news: the entry is gone. */
	guest_set_in_use_hook(entry->guest, NULL, NULL);
	guest_destroy(entry->guest);
	free(entry);
}

bool registry_any_in_use(const struct daemon *daemon)
{
	const struct entry *entry;

	for (entry = daemon->guests; entry; entry = entry->next) {
		if (entry->in_use)
			return true;
	}
	return false;
}

void registry_look(struct daemon *daemon)
{
	struct entry *entry;
	uint32_t pages;

	for (entry = daemon->guests; entry; entry = entry->next)
		guest_look(entry->guest);
	for (pages = 0; pages < GUEST_TURN_PAGES; pages += TURNS_PART)
		turns_everybody(&daemon->turns);
}
