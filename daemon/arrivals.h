/* SPDX-License-Identifier: MIT */
/*
 * When requests of one ring were first seen, in nanoseconds: of those that are
 * still in it by their place, of those that were put aside by their head.
 */
#ifndef TMEMD_ARRIVALS_H
#define TMEMD_ARRIVALS_H

#include "virtqueue.h"

struct arrivals {
	uint16_t known; /* index up to which places have a time */
	uint64_t place[VIRTQUEUE_SIZE_MAX];
	uint64_t head[VIRTQUEUE_SIZE_MAX];
};

/* The ring has been started: those in flight have waited since then, as far as is known. */
static inline void arrivals_start(struct arrivals *arrivals, const struct virtqueue *ring,
				  uint64_t now)
{
	uint16_t i;

	arrivals->known = ring->next_avail;
	for (i = 0; i < ring->waiting_count; i++)
		arrivals->head[ring->waiting[i]] = now;
}

/* What the last look at the ring found; a driver that takes requests back changes nothing. */
static inline void arrivals_see(struct arrivals *arrivals, const struct virtqueue *ring,
				uint64_t now)
{
	if ((uint16_t)(ring->offered - arrivals->known) > ring->size)
		return;
	while (arrivals->known != ring->offered)
		arrivals->place[arrivals->known++ & (ring->size - 1)] = now;
}

/* Of the request that virtqueue_next found last. */
static inline uint64_t arrivals_last(const struct arrivals *arrivals, const struct virtqueue *ring)
{
	return arrivals->place[(ring->next_avail - 1) & (ring->size - 1)];
}

#endif
