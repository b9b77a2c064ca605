/* SPDX-License-Identifier: MIT */
/*
 * The daemon's data side in one process and one thread: a real engine, a
 * real loop, real guests, driven step by step so that a test decides what
 * happens between two messages.
 */
#ifndef TEST_VHOST_HARNESS_H
#define TEST_VHOST_HARNESS_H

#include "daemon.h"
#include "guest.h"

#define HARNESS_ALLOCATION (64ull << 20)

struct harness;

/* Dies on failure, as everything here: a test that cannot begin has failed. */
struct harness *harness_create(void);
/* With so many bytes of memory, and of allocations. */
struct harness *harness_create_sized(uint64_t capacity, uint64_t persistent);
/* Runs tmem_engine_check, and destroys what is left. */
void harness_destroy(struct harness *harness);

struct daemon *harness_daemon(struct harness *harness);
/* A path in the harness's own directory; valid until the next call. */
const char *harness_path(struct harness *harness, const char *name);

/* A guest with HARNESS_ALLOCATION bytes; @blocks 0: as many as fit. */
struct guest *harness_guest(struct harness *harness, const char *name, uint64_t blocks,
			    bool contents_unknown);
/* A guest as @config says; NULL if it is refused. */
struct guest *harness_adopt(struct harness *harness, const struct guest_config *config);
/* Other than guest_destroy: the harness forgets it too. */
void harness_remove(struct harness *harness, struct guest *guest);

/* One round of the loop and of all turns; false: nothing was left to do. */
void harness_pump(struct harness *harness);
/* Pumps until @ms milliseconds have passed. */
void harness_pump_for(struct harness *harness, int ms);
/* Serves until killed; for a daemon in a process of its own. */
void harness_serve(struct harness *harness);

/* Rounds of all turns since the last call. */
uint64_t harness_turns(struct harness *harness);

/* Does all background work: pages that were flushed are no longer counted. */
void harness_settle(struct harness *harness);
/* Pages that the engine stores for a guest, and its whole check. */
uint64_t harness_stored(struct guest *guest);
void harness_check(struct harness *harness);

uint64_t harness_errors(const struct guest *guest, enum guest_error error);

#endif
