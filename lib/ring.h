/* SPDX-License-Identifier: MIT */
/*
 * A split virtqueue, seen from the driver. What the device writes is the used
 * ring and the event in it; everything else the driver remembers by itself
 * and never reads back.
 */
#ifndef LIBTMEM_RING_H
#define LIBTMEM_RING_H

#include <stdbool.h>
#include <stdint.h>

#define RING_NEXT     1u /* flags of a descriptor */
#define RING_WRITE    2u
#define RING_INDIRECT 4u

struct ring_desc {
	uint64_t guest;
	uint32_t length;
	uint16_t flags;
	uint16_t next;
};

struct ring {
	/* Set at creation, then constant. */
	uint8_t *desc;
	uint8_t *avail;
	uint8_t *used;
	uint16_t size;
	int kick; /* eventfd */

	bool event_idx;	  /* negotiated */
	uint16_t offered; /* available index */
	uint16_t kicked;  /* what it was when the device was last told */
	uint16_t seen;	  /* used index up to which answers were taken */
};

/* @base holds descriptors, available and used ring at the offsets of memory.h. */
void lt_ring_init(struct ring *ring, uint8_t *base, uint16_t size, int kick);

/* As if nothing had ever been offered. The device must not be looking. */
void lt_ring_reset(struct ring *ring, bool event_idx);

/* Writes a descriptor at @place of @table, the ring's own or an indirect one. */
void lt_ring_write(uint8_t *table, uint32_t place, const struct ring_desc *desc);

/* Makes the chain that begins at @head available. */
void lt_ring_offer(struct ring *ring, uint16_t head);

/* Tells the device, if it wants to be told. */
void lt_ring_kick(struct ring *ring);

/* True: an answer is there that was not taken. */
bool lt_ring_ready(const struct ring *ring);

/*
 * Has the processor fetch the entry of the next answer. The head that this will
 * be of, if the device answers in order; any number, if it writes where it must not.
 */
uint16_t lt_ring_expect(const struct ring *ring);

/* Takes an answer: 1, 0 where there is none, -1 if the device's index ran away. */
int lt_ring_take(struct ring *ring, uint32_t *head, uint32_t *length);

/* Asks to be called when @count more answers are there, at least 1. */
void lt_ring_ask(struct ring *ring, uint16_t count);

#endif
