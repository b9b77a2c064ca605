/* SPDX-License-Identifier: MIT */
/* The engine with the memory and the codecs that this host gives it. */
#ifndef TMEMD_STORE_H
#define TMEMD_STORE_H

#include <stdbool.h>
#include <stdint.h>

struct daemon;
struct options;
struct tmem_arena;

/*
 * Bytes for all pages and for allocations, from the options or from what
 * the machine has to spare. False: said on standard error.
 */
bool store_sizes(const struct options *options, uint64_t *memory, uint64_t *persistent);

/*
 * Makes daemon->engine, worker, dense and epoch from daemon->memory, persistent
 * and protection. False: said on standard error, nothing left behind.
 */
bool store_open(struct daemon *daemon, struct tmem_arena **arena);

/* Every client must have been destroyed. */
void store_close(struct daemon *daemon, struct tmem_arena *arena);

#endif
