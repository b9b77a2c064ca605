/* SPDX-License-Identifier: MIT */
/*
 * The memory that a client shares with us: its RAM in regions, and single
 * areas (in-flight region, dirty log). guest_mem.c is the only file that
 * turns a client's address into a pointer and the only one that touches what
 * is behind it, always by copying; but for pages that are put, which the
 * engine copies itself, between guest_mem_begin() and guest_mem_end().
 *
 * The client can take the memory away at any moment, seals or not. The
 * access then raises SIGBUS; a handler puts anonymous memory in its place
 * and sets `dead`, and the copy reports GUEST_ERROR_memory_fault.
 */
#ifndef TMEMD_GUEST_MEM_H
#define TMEMD_GUEST_MEM_H

#include "guest.h"
#include <stddef.h>

#define GUEST_MEM_REGIONS 32

/* One mapping of client memory. All zero: none. */
struct guest_map {
	uint8_t *base;	/* of the mapping, as mmap gave it */
	size_t mapped;	/* bytes of the mapping */
	uint8_t *start; /* of the useful part */
	uint64_t size;	/* bytes of the useful part */
};

struct guest_region {
	uint64_t guest; /* address as descriptors name it */
	uint64_t user;	/* address as the front-end names it, for rings */
	struct guest_map map;
};

struct guest_mem {
	volatile int dead; /* set by the signal handler, never cleared */
	bool logging;	   /* VHOST_F_LOG_ALL: writes are marked in the log */
	uint32_t count;
	uint32_t recent; /* where the last address was found */
	struct guest_region region[GUEST_MEM_REGIONS];
	struct guest_map log;
};

/* Installs the handler of SIGBUS unless it is there. 0 or -errno. */
int guest_mem_setup(void);

/* Judges @fd and maps @size bytes at @offset of it. Does not take @fd over. */
enum guest_error guest_map_open(struct guest_map *map, int fd, uint64_t offset, uint64_t size);
void guest_map_close(struct guest_map *map);

/* The two copy functions, for an area. @mem takes the fault; offsets are bytes of the useful part. */
enum guest_error guest_map_read(struct guest_mem *mem, const struct guest_map *map, uint64_t offset,
				void *dst, size_t length);
enum guest_error guest_map_write(struct guest_mem *mem, const struct guest_map *map,
				 uint64_t offset, const void *src, size_t length);

void guest_mem_init(struct guest_mem *mem);
void guest_mem_clear(struct guest_mem *mem); /* unmaps the regions, keeps the log */
void guest_mem_close(struct guest_mem *mem); /* unmaps everything */

enum guest_error guest_mem_add(struct guest_mem *mem, uint64_t guest, uint64_t user, uint64_t size,
			       uint64_t offset, int fd);
enum guest_error guest_mem_remove(struct guest_mem *mem, uint64_t guest, uint64_t user,
				  uint64_t size);

/* Whether all of it lies in regions; it may cross from one into its neighbour. */
bool guest_mem_holds(struct guest_mem *mem, uint64_t guest, uint64_t length);

/* The front-end's address as a guest address; all of it must lie in one region. */
bool guest_mem_from_user(const struct guest_mem *mem, uint64_t user, uint64_t length,
			 uint64_t *guest);

/* Copies by guest address; chain_address where it is not held. A write is marked in the log. */
enum guest_error guest_mem_read(struct guest_mem *mem, uint64_t guest, void *dst, size_t length);
enum guest_error guest_mem_write(struct guest_mem *mem, uint64_t guest, const void *src,
				 size_t length);
/* The same without a mark, for rings, which have a log address of their own. */
enum guest_error guest_mem_write_unlogged(struct guest_mem *mem, uint64_t guest, const void *src,
					  size_t length);

/*
 * Where @length bytes at @guest are; NULL: not in one region. They may be
 * read, by this thread, only after guest_mem_begin() and before
 * guest_mem_end(), with no other call for @mem in between; the client can
 * change them all the while. memory_fault: some went, and what was read is
 * worth nothing.
 */
const uint8_t *guest_mem_piece(struct guest_mem *mem, uint64_t guest, size_t length);
void guest_mem_begin(struct guest_mem *mem);
enum guest_error guest_mem_end(struct guest_mem *mem);

/* Has the processor fetch the line at @guest, wherever that is: nothing is read, nothing faults. */
void guest_mem_ask(struct guest_mem *mem, uint64_t guest);

enum guest_error guest_mem_set_log(struct guest_mem *mem, int fd, uint64_t offset, uint64_t size);
/* Marks the pages of a range in the log, where logging is on. */
enum guest_error guest_mem_mark(struct guest_mem *mem, uint64_t guest, uint64_t length);

#endif
