/* SPDX-License-Identifier: MIT */
/*
 * The memory that is shared with the daemon, and what lies where in it: the
 * two rings, a slot for each request under way, the slots' bounce pages, and
 * the program's buffers.
 *
 * It is sealed against shrinking, so that no daemon can make us fault. All
 * else in it may change under our eyes: what is read from here is copied
 * once, and the copy is judged.
 */
#ifndef LIBTMEM_MEMORY_H
#define LIBTMEM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMORY_PAGE 4096u

#define MEMORY_QUEUES	  2 /* 0: events; 1: requests */
#define MEMORY_SLOTS	  32u
#define MEMORY_SLOT_PAGES 64u /* most pages in one request */

/* Descriptors that each slot owns in the ring of requests; a slot's head is the first. */
#define MEMORY_SLOT_DESCS 8u
#define MEMORY_RING_SIZE  (MEMORY_SLOTS * MEMORY_SLOT_DESCS)
#define MEMORY_EVENT_SIZE 4u

/* The same for both rings. */
#define MEMORY_RING_BYTES 0x3000u
#define MEMORY_RING_AVAIL 0x1000u
#define MEMORY_RING_USED  0x2000u

#define MEMORY_EVENT_AT (MEMORY_QUEUES * MEMORY_RING_BYTES)
#define MEMORY_SLOTS_AT (MEMORY_EVENT_AT + MEMORY_PAGE)
/* Within a slot's page; within the page of the event request, too. */
#define MEMORY_REPLY 0x880u /* behind a request and MEMORY_SLOT_PAGES entries */
#define MEMORY_TABLE 0xa00u /* indirect descriptors */

#define MEMORY_BOUNCE_AT  (MEMORY_SLOTS_AT + MEMORY_SLOTS * MEMORY_PAGE)
#define MEMORY_BUFFERS_AT (MEMORY_BOUNCE_AT + MEMORY_SLOTS * MEMORY_SLOT_PAGES * MEMORY_PAGE)

/* Offset 0 as the daemon is told: not 0, and not an address of ours. */
#define MEMORY_GUEST_BASE 0x100000000ull

struct memory {
	int fd;
	uint8_t *base;
	size_t size;
	size_t buffer_bytes;
};

/* 0 or -errno. */
int lt_memory_open(struct memory *memory, size_t buffer_bytes);
/* @forked: in a child, where nothing is mapped. */
void lt_memory_close(struct memory *memory, bool forked);

static inline uint8_t *memory_slot(const struct memory *memory, uint32_t slot)
{
	return memory->base + MEMORY_SLOTS_AT + slot * MEMORY_PAGE;
}

static inline uint8_t *memory_bounce(const struct memory *memory, uint32_t slot)
{
	return memory->base + MEMORY_BOUNCE_AT + (size_t)slot * (MEMORY_SLOT_PAGES * MEMORY_PAGE);
}

/* The whole page lies in the buffers. */
static inline bool memory_has(const struct memory *memory, const void *page)
{
	uintptr_t first = (uintptr_t)(memory->base + MEMORY_BUFFERS_AT);
	uintptr_t at = (uintptr_t)page;

	return at >= first && memory->buffer_bytes >= MEMORY_PAGE &&
	       at - first <= memory->buffer_bytes - MEMORY_PAGE;
}

static inline uint64_t memory_guest(const struct memory *memory, const void *at)
{
	return MEMORY_GUEST_BASE + (uint64_t)((const uint8_t *)at - memory->base);
}

#endif
