/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The words of the contract as numbers: pages, handles, flags, results.
 * No functions. Shared by engine, wire, guests and hosts.
 */
#ifndef TMEM_TYPES_H
#define TMEM_TYPES_H

#include <tmem/base.h>

#define TMEM_PAGE_SHIFT 12
#define TMEM_PAGE_SIZE	4096u

/*
 * Results: 0 or a positive count is success, a negative number is one of
 * these. The values are those of Linux errno, so a result can cross a kernel
 * unchanged; they are never reused for another meaning.
 */
enum tmem_err {
	TMEM_ENOENT = 2,      /* miss: no such page */
	TMEM_EIO = 5,	      /* page lost, or it failed its check */
	TMEM_EAGAIN = 11,     /* frozen; or, between host and engine: repeat after a step */
	TMEM_ENOMEM = 12,     /* the host has no room */
	TMEM_EACCES = 13,     /* not authorised */
	TMEM_EFAULT = 14,     /* bad address */
	TMEM_EEXIST = 17,     /* already joined; name taken */
	TMEM_ENODEV = 19,     /* no such pool */
	TMEM_EINVAL = 22,     /* malformed */
	TMEM_ENOSPC = 28,     /* over the client's allocation or cap */
	TMEM_EPROTO = 71,     /* out of turn */
	TMEM_EOVERFLOW = 75,  /* too many pools, clients or workers */
	TMEM_EOPNOTSUPP = 95, /* version, flag or page size not supported */
	TMEM_ESHUTDOWN = 108  /* the client is being destroyed */
};

/*
 * Pool flags, the same numbers as in Xen's interface. Bits 8 to 23 are
 * refused; a page shift other than 0 (4 KiB) is refused until it works.
 */
#define TMEM_POOL_PERSISTENT	0x00000001u
#define TMEM_POOL_SHARED	0x00000002u
#define TMEM_POOL_PRECOMPRESSED 0x00000004u
#define TMEM_POOL_RESERVED	0x00ffff08u
#define TMEM_POOL_PAGE_SHIFT	4 /* bits 4 to 7: page size is 4 KiB << n */
#define TMEM_POOL_PAGE_MASK	0x000000f0u
#define TMEM_POOL_VERSION_SHIFT 24 /* bits 24 to 31 */
#define TMEM_POOL_VERSION_MASK	0xff000000u
#define TMEM_POOL_VERSION	0u /* the version this engine speaks */

/* Pools that one client may have at a time; their numbers are 0 to 15. */
#define TMEM_POOLS_PER_CLIENT 16u

/*
 * An object: the pages of one file, or of one piece of a swap area. Chosen
 * by the client and opaque; ordered as three integers, the first foremost.
 */
struct tmem_object_id {
	uint64_t word[3] __attribute__((aligned(8)));
};

/* The name of one page within a client. */
struct tmem_handle {
	struct tmem_object_id object;
	uint32_t pool;
	uint32_t index; /* the page's place in its object */
};

#endif
