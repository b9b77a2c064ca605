/* SPDX-License-Identifier: MIT */
/*
 * Keeping what guests entrusted: persistent pages must not be swapped out
 * while a guest swaps into them, and the out-of-memory killer must not
 * choose the one process that holds every guest's pages.
 */
#ifndef TMEMD_LOCK_MEMORY_H
#define TMEMD_LOCK_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lock_memory {
	bool locked;	    /* @bytes can be locked at once */
	bool oom_lowered;   /* oom_score_adj is below 0 */
	uint64_t bytes;	    /* asked for */
	uint64_t limit_kib; /* RLIMIT_MEMLOCK as it is; UINT64_MAX: none */
};

/* Does what this process may do for @bytes of pages, and says what it may not. */
void lock_memory_prepare(uint64_t bytes, struct lock_memory *result);

/* A sentence on what is missing, and what to do about it; "" where nothing is. */
void lock_memory_missing(const struct lock_memory *result, char *text, size_t size);
void lock_memory_hint(const struct lock_memory *result, char *text, size_t size);

#endif
