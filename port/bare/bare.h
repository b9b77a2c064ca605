/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Extents from one block of memory that the world has: an array, a range of
 * physical addresses. The codec that goes with it is codec/small.c.
 */
#ifndef TMEM_BARE_H
#define TMEM_BARE_H

#include <tmem/host.h>
#include "tmem_port.h"

/* The fields are the port's own; the struct is here so that it can be static. */
struct tmem_bare {
	/* Set at init, then constant. */
	unsigned char *base; /* of the first unit of 4 KiB */
	unsigned char *map;  /* one byte per unit: what it is */
	size_t units;

	struct tmem_lock lock;
	/* Guarded by lock. */
	size_t out; /* units handed out */
};

/*
 * Hands @bytes bytes at @memory to @bare for good, one in 4096 of which it
 * keeps for itself. 0, or -TMEM_EINVAL where not even one extent fits.
 */
TMEM_MUST_CHECK int tmem_bare_init(struct tmem_bare *bare, void *memory, size_t bytes);

/* The host pointer that goes with it is the struct tmem_bare. */
extern const struct tmem_host_ops tmem_bare_ops;

#endif
