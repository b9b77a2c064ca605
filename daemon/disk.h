/* SPDX-License-Identifier: MIT */
/*
 * The swap disk: 4096-byte blocks over a persistent pool, and the
 * virtio-blk requests on them.
 *
 * A block is empty (reads zeros), stored (in the pool), or lost (its write
 * failed, or the store does not have it: reads are errors until it is
 * written or discarded). What the daemon does not have is never answered
 * with zeros unless it is known that it was never written.
 *
 * Handles: one object per piece of DISK_PIECE blocks (4 MiB), so that a
 * discard of a piece is one flush and no object grows large.
 */
#ifndef TMEMD_DISK_H
#define TMEMD_DISK_H

#include "blockmap.h"
#include "service.h"
#include <tmem/engine.h>

#define DISK_BLOCK	  4096u
#define DISK_PIECE	  1024u
#define DISK_RANGES	  32u /* segments of one discard or write-zeroes request */
#define DISK_SECTOR_SHIFT 9
#define DISK_BLOCK_SHIFT  12

struct disk {
	struct service service;

	/* Set when the disk is made, then constant. */
	struct tmem_client *client; /* owned by the disk's owner */
	struct tmem_worker *worker;
	uint32_t pool;
	uint64_t blocks;
	struct guest_counters *counters;
	char id[20]; /* what GET_ID answers, not always terminated */

	struct blockmap map;
	/*
	 * What BLOCK_UNTOUCHED means. One word for the whole disk, so that a
	 * disk of any size is lost, and freed by a reset, in one step.
	 */
	bool untouched_lost;
	bool begun; /* a front-end has said whether it begins afresh */

	/*
	 * The engine refused a put because the client is frozen. Until the
	 * owner clears this, no write is tried: a refused put empties its
	 * block, and one is enough to find out.
	 */
	bool frozen;

	uint8_t page[DISK_BLOCK] __attribute__((aligned(64))); /* between guest and engine */
};

/*
 * Opens a pool of @client for @blocks blocks. 0, -errno or -TMEM_E*. With
 * @contents_unknown every block is lost until written, discarded or freed.
 */
int disk_open(struct disk *disk, struct tmem_client *client, struct tmem_worker *worker,
	      uint64_t blocks, const char *name, bool contents_unknown,
	      struct guest_counters *counters);
/* The client's pools go with the client. */
void disk_close(struct disk *disk);

uint64_t disk_blocks_empty(const struct disk *disk);
uint64_t disk_blocks_stored(const struct disk *disk);
uint64_t disk_blocks_lost(const struct disk *disk);

struct disk_range {
	uint64_t block;
	uint64_t count;
};

struct disk_request {
	struct service_request common;
	uint32_t type;
	bool failed; /* judged and refused: only the answer is left */
	uint8_t status;
	uint64_t block; /* the next one, of a read or write */
	uint64_t left;	/* blocks */
	struct chain_place place;
	uint32_t range; /* the next one, of a discard or write-zeroes */
	uint32_t ranges;
	struct disk_range todo[DISK_RANGES];
};

#endif
