/* SPDX-License-Identifier: MIT */
/*
 * The daemon as one value: what every part of it hangs from. It lives in
 * main's frame; there are no globals. The guests are those that the
 * administrator added, connected or not.
 */
#ifndef TMEMD_DAEMON_H
#define TMEMD_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include <tmem/engine.h>

#include "grants.h"
#include "regulator.h"
#include "turns.h"

struct control;
struct guest;
struct lock_memory;
struct loop;
struct options;
struct recoder;
struct run_dir;
struct template;
struct tmem_dense;

#define DAEMON_NAME_MAX	  64  /* [a-z0-9_.-]{1,64} */
#define DAEMON_SOCKET_MAX 108 /* sun_path, its closing zero included */
#define DAEMON_GUESTS_MAX 256

/* One guest as it was asked for; the entry owns the guest. */
struct entry {
	struct entry *next; /* in order of names */
	struct daemon *daemon;
	struct guest *guest;
	char name[DAEMON_NAME_MAX + 1];
	char socket_path[DAEMON_SOCKET_MAX];
	uint64_t id;	     /* of the client, random, the same over restarts */
	uint64_t disk_bytes; /* 0: a device */
	uint64_t allocation; /* bytes */
	uint64_t cap;	     /* bytes of ephemeral pages; 0: no cap */
	uint32_t weight;     /* 0: nobody chose one */
	uint64_t rate;	     /* bytes per second; 0: no limit */
	uint16_t queues;
	uint8_t codec; /* enum tmem_codec_id, for new puts */
	uint8_t kind;  /* enum guest_kind */
	struct grants grants;
	bool frozen;
	bool in_use; /* as the guest's hook last said */
};

struct daemon {
	/* Set before the loop runs, then constant. */
	struct loop *loop;
	struct tmem_engine *engine;
	struct tmem_worker *worker; /* of the loop's thread */
	struct tmem_dense *dense;   /* the codec that cold pages are recoded with */
	struct recoder *recoder;
	const struct options *options;
	struct run_dir *run_dir;
	struct control *control;
	uint64_t epoch;	     /* random: another one, and persistent contents were lost */
	uint64_t memory;     /* bytes: the engine's capacity */
	uint64_t persistent; /* bytes that allocations may sum up to */
	const struct lock_memory *protection;
	bool verify; /* the engine checks what it gives out; its pages take more */

	struct regulator regulator; /* of what ephemeral pages may hold */
	struct turns turns;	    /* of all guests and of all templates' clients */

	/* Changed by control operations. */
	struct entry *guests;
	uint32_t guest_count;
	struct template *templates; /* in order of names */
};

#endif
