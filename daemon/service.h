/* SPDX-License-Identifier: MIT */
/*
 * What serves a guest's queues: a disk, or a device. The session knows
 * connections, rings and turns, a service knows what requests mean; this
 * table is all that they know of each other.
 */
#ifndef TMEMD_SERVICE_H
#define TMEMD_SERVICE_H

#include "latency.h"
#include "virtqueue.h"

struct service;

enum service_step {
	SERVICE_DONE, /* answer with request->written bytes */
	SERVICE_MORE, /* the budget is spent */
	SERVICE_WAIT  /* put it aside; begin it again when the service no longer holds */
};

/* One request, which may stay open over turns. What a service keeps of it begins with this. */
struct service_request {
	uint64_t written; /* bytes, from the beginning of the writable part */

	/* Set by each begin. */
	enum latency_op op;
	uint32_t pages; /* that it will take of a budget, about; at least 1 */

	/* Set by the session before each begin. */
	uint16_t queue;
	bool again; /* it was put aside, or was in flight when the ring started */
};

struct service_ops {
	size_t request_bytes; /* of what it keeps of a request; the session's memory, zero at first */

	/* Feature bits of virtio, and the configuration space, which is @bytes zeros before; NULL: none. */
	uint64_t (*features)(const struct service *service);
	void (*config)(const struct service *service, uint16_t queues, uint8_t *space,
		       size_t bytes);

	/*
	 * A front-end begins afresh, or goes on with what it had. True: the
	 * former freed what an earlier daemon lost, the latter lost it.
	 */
	bool (*reset)(struct service *service);
	bool (*resume)(struct service *service);
	/* No ring is running any more: whoever drives the next one knows nothing of this one. */
	void (*stopped)(struct service *service);

	/* Those that were put aside must stay there. */
	bool (*holds)(const struct service *service, uint16_t queue);

	/* Judges the request in @chain. An error ends the session; a bad request only fails. */
	enum guest_error (*begin)(struct service *service, const struct chain *chain,
				  struct guest_mem *mem, struct service_request *request);
	/* Goes on with it; each page, or what takes as long, takes one of @budget. */
	enum guest_error (*step)(struct service *service, const struct chain *chain,
				 struct guest_mem *mem, struct service_request *request,
				 uint32_t *budget, enum service_step *step);
	/* Answers one that was put aside, and can no longer be carried out. */
	enum guest_error (*refuse)(struct service *service, const struct chain *chain,
				   struct guest_mem *mem, struct service_request *request);
};

/* The first member of a service. */
struct service {
	const struct service_ops *ops;
};

#endif
