/* SPDX-License-Identifier: MIT */
/*
 * The in-flight region: memory shared with the front-end in which each queue
 * notes what it has taken and not yet answered, so that a front-end that
 * finds us again (or finds our successor) has nothing lost. The layout is
 * the vhost-user specification's for split rings.
 *
 * The front-end can write it too: whatever is read here is judged here.
 */
#ifndef TMEMD_INFLIGHT_H
#define TMEMD_INFLIGHT_H

#include "guest_mem.h"

struct inflight {
	struct guest_map map; /* all zero: the front-end gave none */
	uint16_t queues;
	uint16_t queue_size;
};

/* Bytes for @queues queues of @queue_size entries. */
uint64_t inflight_size(uint16_t queues, uint16_t queue_size);

/* A new, empty region: its descriptor, or -errno. The caller closes it. */
int inflight_create(uint16_t queues, uint16_t queue_size);

/* Takes the front-end's region in use, in place of an earlier one. Does not take @fd over. */
enum guest_error inflight_open(struct inflight *inflight, int fd, uint64_t size, uint64_t offset,
			       uint16_t queues, uint16_t queue_size);
void inflight_close(struct inflight *inflight);
bool inflight_is_open(const struct inflight *inflight);

/* What a queue finds when it starts. */
struct inflight_resume {
	bool fresh;	  /* never used: go by the front-end's base */
	uint64_t counter; /* for the next entry taken */
	uint16_t count;
	uint16_t *head; /* the caller's array of queue-size entries: in the order they were taken */
};

/* Mends what a kill left half done; @used_idx is the used ring's index, @size the ring's size. */
enum guest_error inflight_begin(struct inflight *inflight, struct guest_mem *mem, uint16_t queue,
				uint16_t size, uint16_t used_idx, struct inflight_resume *resume);

/* The entry was taken from the available ring. */
enum guest_error inflight_take(struct inflight *inflight, struct guest_mem *mem, uint16_t queue,
			       uint16_t head, uint64_t counter);

/* Called before the used index moves over @head, and after it has become @used_idx. */
enum guest_error inflight_answer(struct inflight *inflight, struct guest_mem *mem, uint16_t queue,
				 uint16_t head);
enum guest_error inflight_answered(struct inflight *inflight, struct guest_mem *mem, uint16_t queue,
				   uint16_t head, uint16_t used_idx);

#endif
