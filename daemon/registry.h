/* SPDX-License-Identifier: MIT */
/*
 * The guests that were added: found by name, made and unmade with all that
 * belongs to them, and remembered in the state file before anybody is told.
 */
#ifndef TMEMD_REGISTRY_H
#define TMEMD_REGISTRY_H

#include "daemon.h"
#include "guest.h"

struct refusal;
struct request;

/* NULL: no guest of this name. */
struct entry *registry_find(struct daemon *daemon, const char *name);

#define REGISTRY_WEIGHT_MOST 10000

/* What a guest is to be like; 0 and false are the defaults. */
struct registry_wish {
	const char *name;     /* good in form */
	enum guest_kind kind; /* a device has no disk */
	uint64_t id;	      /* of the client; 0: a new one */
	uint64_t disk;	      /* bytes, whole pages */
	uint64_t allocation;  /* bytes; 0: what the disk needs, none for a device */
	uint64_t cap;	      /* bytes of ephemeral pages, of a device; 0: no cap */
	uint32_t weight;      /* of a device; 0: 100 */
	uint64_t rate;	      /* bytes per second; 0: no limit */
	uint16_t queues;
	uint8_t codec;
	struct grants grants;
	bool frozen;
	bool contents_unknown; /* the disk was in use when an earlier daemon died */
};

/* Adds a guest without writing the state file. False: *@refusal says why. */
bool registry_add(struct daemon *daemon, const struct registry_wish *wish, struct entry **entry,
		  struct refusal *refusal);

/* Ends a guest, its connection and its pages, without writing the state file. */
void registry_remove(struct entry *entry);

/* True: a disk that a front-end uses, or used when an earlier daemon died. */
bool registry_any_in_use(const struct daemon *daemon);

/*
 * In the middle of something long: every client is served as much as in one
 * turn of a queue, kicks that were not fetched included where a guest has them.
 */
void registry_look(struct daemon *daemon);

#endif
