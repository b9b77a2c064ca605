/* SPDX-License-Identifier: MIT */
/*
 * The tmem device: requests of <tmem/wire.h> on a guest's queues, carried out
 * by the engine for one client at a time. doc/protocol.md says what must be
 * true of it. Queue 0 carries EVENT and nothing else.
 *
 * A request is judged whole before it has any effect. Pages that are put the
 * engine copies out of the guest's memory itself. What a get finds goes through
 * a buffer of ours, a few pages at a time: copied straight to where another
 * processor has just looked it took no less.
 */
#ifndef TMEMD_DEVICE_H
#define TMEMD_DEVICE_H

#include <tmem/engine.h>

#include "judge.h"
#include "service.h"

#define DEVICE_EVENT_QUEUE 0
#define DEVICE_CHUNK	   16 /* pages between guest and engine at a time */

/* May be shared by any number of devices of one thread. */
struct device_pages {
	uint8_t page[DEVICE_CHUNK][TMEM_PAGE_SIZE] __attribute__((aligned(64)));
};

/* NULL: no memory. */
struct device_pages *device_pages_create(void);
/* Nothing that a client stored stays in memory that others are given next. */
void device_pages_destroy(struct device_pages *pages);

/* Set by the owner when the device is made, then constant. */
struct device_host {
	struct tmem_engine *engine;
	struct tmem_worker *worker;
	struct device_pages *pages;
	struct guest_counters *counters;
	uint64_t epoch; /* as HELLO is told it */
	/*
	 * A front-end greets with this nonce: finds its client, and sets
	 * device->client and device->id. 1: a new session; 0: the one before goes
	 * on; or -TMEM_E*.
	 */
	int (*greet)(void *arg, uint64_t nonce);
	void *arg;
};

struct device {
	struct service service;
	struct device_host host;

	/* The owner's, who changes them between two turns. */
	struct tmem_client *client; /* NULL: not before the first HELLO */
	uint64_t id;		    /* the client's, the same over restarts */
	uint64_t allocation;	    /* bytes */
	uint64_t cap;
	bool frozen;

	struct tmem_wire_state state; /* of the front-end that drives the rings */
	bool event_waits;	      /* an EVENT was put aside; at most one is */
	uint16_t event_queue;	      /* by which it came */
	uint64_t news;		      /* TMEM_NEWS_* that no EVENT was answered with */
	uint64_t wanted;	      /* bytes that the host wants back */
};

void device_open(struct device *device, const struct device_host *host);

/*
 * TMEM_NEWS_* for the front-end. The owner sees to it that the session tries
 * those again that wait.
 */
void device_tell(struct device *device, uint64_t news, uint64_t wanted);

#endif
