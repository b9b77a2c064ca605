// SPDX-License-Identifier: MIT
/* The driver's half of a split virtqueue; little-endian, as virtio 1 has it. */
#include "ring.h"
#include "memory.h"
#include <endian.h>
#include <string.h>
#include <unistd.h>

#define FLAGS	   0
#define INDEX	   2
#define ENTRIES	   4
#define USED_ENTRY 8
#define NO_CALLS   1u
#define NO_KICKS   1u

static uint16_t load16(const uint8_t *at)
{
	return le16toh(__atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_RELAXED));
}

static void store16(uint8_t *at, uint16_t value)
{
	__atomic_store_n((uint16_t *)(void *)at, htole16(value), __ATOMIC_RELAXED);
}

static uint32_t load32(const uint8_t *at)
{
	return le32toh(__atomic_load_n((const uint32_t *)(const void *)at, __ATOMIC_RELAXED));
}

void lt_ring_init(struct ring *ring, uint8_t *base, uint16_t size, int kick)
{
	ring->desc = base;
	ring->avail = base + MEMORY_RING_AVAIL;
	ring->used = base + MEMORY_RING_USED;
	ring->size = size;
	ring->kick = kick;
}

void lt_ring_reset(struct ring *ring, bool event_idx)
{
	memset(ring->desc, 0, MEMORY_RING_BYTES);
	ring->event_idx = event_idx;
	ring->offered = 0;
	ring->kicked = 0;
	ring->seen = 0;
	/* An event that is never reached: no call before one is asked for. */
	if (event_idx)
		store16(ring->avail + ENTRIES + ring->size * 2, 0x7fff);
	else
		store16(ring->avail + FLAGS, NO_CALLS);
}

void lt_ring_write(uint8_t *table, uint32_t place, const struct ring_desc *desc)
{
	const struct ring_desc little = {htole64(desc->guest), htole32(desc->length),
					 htole16(desc->flags), htole16(desc->next)};

	memcpy(table + place * sizeof(little), &little, sizeof(little));
}

void lt_ring_offer(struct ring *ring, uint16_t head)
{
	store16(ring->avail + ENTRIES + (ring->offered & (ring->size - 1)) * 2, head);
	ring->offered++;
	/* The device sees chain and entry before the index. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	store16(ring->avail + INDEX, ring->offered);
}

void lt_ring_kick(struct ring *ring)
{
	const uint64_t one = 1;
	uint16_t event;
	bool wanted;

	if (ring->kicked == ring->offered)
		return;
	/* The index is written before the device's wish is read. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (ring->event_idx) {
		event = load16(ring->used + ENTRIES + ring->size * USED_ENTRY);
		wanted = (uint16_t)(ring->offered - event - 1) <
			 (uint16_t)(ring->offered - ring->kicked);
	} else {
		wanted = !(load16(ring->used + FLAGS) & NO_KICKS);
	}
	ring->kicked = ring->offered;
	/* A count that is full says all there is to say. */
	if (wanted)
		(void)!write(ring->kick, &one, sizeof(one));
}

bool lt_ring_ready(const struct ring *ring)
{
	return load16(ring->used + INDEX) != ring->seen;
}

uint16_t lt_ring_expect(const struct ring *ring)
{
	uint32_t at = ring->seen & (ring->size - 1u);

	__builtin_prefetch(ring->used + ENTRIES + at * USED_ENTRY);
	return load16(ring->avail + ENTRIES + at * 2);
}

int lt_ring_take(struct ring *ring, uint32_t *head, uint32_t *length)
{
	const uint8_t *entry;
	uint16_t index = load16(ring->used + INDEX);

	if (index == ring->seen)
		return 0;
	if ((uint16_t)(index - ring->seen) > (uint16_t)(ring->offered - ring->seen))
		return -1;
	/* Entry and reply are read after the index that covers them. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	entry = ring->used + ENTRIES + (ring->seen & (ring->size - 1)) * USED_ENTRY;
	*head = load32(entry);
	*length = load32(entry + 4);
	ring->seen++;
	return 1;
}

void lt_ring_ask(struct ring *ring, uint16_t count)
{
	if (ring->event_idx)
		store16(ring->avail + ENTRIES + ring->size * 2, (uint16_t)(ring->seen + count - 1));
	else
		store16(ring->avail + FLAGS, 0);
	/* Either the device sees the wish, or the caller sees its index. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}
