/* SPDX-License-Identifier: MIT */
/*
 * A split virtqueue, seen from the device: requests come out of the
 * available ring as chains of buffers, answers go into the used ring.
 *
 * Rings and tables are the client's memory. Each descriptor is copied once
 * and judged as copied; what passes is kept in struct chain, and nothing
 * looks at the table again.
 */
#ifndef TMEMD_VIRTQUEUE_H
#define TMEMD_VIRTQUEUE_H

#include "inflight.h"

#define VIRTQUEUE_SIZE_MAX 1024

struct chain_segment {
	uint64_t guest;
	uint32_t length;
};

/* One request's buffers, judged: readable ones first, none of them wraps. */
struct chain {
	uint16_t head;
	uint16_t count;
	uint16_t first_writable;
	uint64_t readable; /* bytes */
	uint64_t writable; /* bytes */
	struct chain_segment segment[VIRTQUEUE_SIZE_MAX];
};

/* A place in a chain, for copies that go on where the last one ended. */
struct chain_place {
	uint16_t segment;
	uint32_t offset;
};

struct chain_place chain_readable(const struct chain *chain);
struct chain_place chain_writable(const struct chain *chain);
/* Copy exactly @length bytes and move on; chain_address where the chain ends before. */
enum guest_error chain_read(const struct chain *chain, struct guest_mem *mem,
			    struct chain_place *place, void *dst, size_t length);
enum guest_error chain_write(const struct chain *chain, struct guest_mem *mem,
			     struct chain_place *place, const void *src, size_t length);
/* Moves on over @length bytes, at most to the end of the chain. */
void chain_skip(const struct chain *chain, struct chain_place *place, uint64_t length);
/*
 * Moves on over @length readable bytes that lie in one segment and one region;
 * where they are, as of guest_mem_piece(), or NULL.
 */
const uint8_t *chain_piece(const struct chain *chain, struct guest_mem *mem,
			   struct chain_place *place, size_t length);
/* The last writable byte, where a block device's status goes. */
enum guest_error chain_write_last(const struct chain *chain, struct guest_mem *mem, uint8_t value);

/* Rings as the front-end named them. */
struct virtqueue_address {
	uint64_t desc, avail, used; /* the front-end's addresses */
	uint64_t log; /* guest address under which writes to the used ring are logged */
	bool logged;
};

struct virtqueue {
	/* Set when the queue is made, then constant. */
	struct guest_mem *mem;
	struct inflight *inflight; /* may be closed */
	uint16_t index;
	struct notify *notify; /* the owner's; needed once there is a call_fd */

	/* What the front-end set. */
	uint16_t size;
	uint16_t base;
	bool addressed;
	struct virtqueue_address address;
	int call_fd; /* -1: none */
	int err_fd;  /* -1: none; held, never written */

	/* While started. */
	bool started;
	bool event_idx;
	bool signalled_any;	    /* signalled_used means something */
	uint64_t desc, avail, used; /* guest addresses */
	uint16_t next_avail;
	uint16_t offered; /* the driver's index, as it was last read */
	uint16_t next_used;
	uint16_t signalled_used;
	uint64_t counter;			/* of the in-flight region */
	uint64_t busy[VIRTQUEUE_SIZE_MAX / 64]; /* heads taken and not answered */
	uint16_t taken;				/* how many of them */

	/* Heads that wait to be served again: in flight at the start, or frozen. */
	uint16_t waiting[VIRTQUEUE_SIZE_MAX];
	uint16_t waiting_first;
	uint16_t waiting_count;

	struct chain chain; /* of the request being served */
};

void virtqueue_init(struct virtqueue *queue, struct guest_mem *mem, struct inflight *inflight,
		    uint16_t index);
void virtqueue_close(struct virtqueue *queue);

/* Rings may be given anew while the queue runs; they are looked up at once then. */
enum guest_error virtqueue_set_address(struct virtqueue *queue,
				       const struct virtqueue_address *address);

/* Looks the rings up, reads the used index, and finds what was in flight. */
enum guest_error virtqueue_start(struct virtqueue *queue, bool event_idx);
/* The base for the next start. Heads that wait are forgotten here, not in the in-flight region. */
uint16_t virtqueue_stop(struct virtqueue *queue);

/* The next head of the available ring; *@found is false where there is none. */
enum guest_error virtqueue_next(struct virtqueue *queue, uint16_t *head, bool *found);
/* Undoes the last virtqueue_next, whose head was @head and is not answered. */
void virtqueue_undo(struct virtqueue *queue, uint16_t head);

/* The oldest head that waits, and a head put at the end or back to the front of those. */
bool virtqueue_waiting(struct virtqueue *queue, uint16_t *head);
void virtqueue_wait(struct virtqueue *queue, uint16_t head);
void virtqueue_wait_first(struct virtqueue *queue, uint16_t head);

/* Copies and judges the buffers of @head into queue->chain. */
enum guest_error virtqueue_load(struct virtqueue *queue, uint16_t head);

/* Answers: @length bytes were written from the beginning of the writable part. */
enum guest_error virtqueue_answer(struct virtqueue *queue, uint16_t head, uint32_t length);

/* Calls the driver if it wants to be. *@called says whether. */
enum guest_error virtqueue_call(struct virtqueue *queue, bool *called);

/* Asks for a kick with the next request; *@more if one came in meanwhile. */
enum guest_error virtqueue_rest(struct virtqueue *queue, bool *more);

#endif
