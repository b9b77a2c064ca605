/* SPDX-License-Identifier: MIT */
/*
 * The host under an engine that a test drives, by the few things that tests
 * ask of it. One glue-<port>.c is linked per program, and so decides on which
 * port the same tests run.
 */
#ifndef TESTS_GLUE_H
#define TESTS_GLUE_H

#include <stdbool.h>
#include <stdint.h>
#include <tmem/host.h>

extern const char *const glue_name;
extern const bool glue_can_starve;

/* A host that gives out at most @limit bytes; NULL if there is none to be had. */
void *glue_create(uint64_t limit);
const struct tmem_host_ops *glue_ops(void);

/* Bytes given out and not given back. */
uint64_t glue_bytes(void *host);
/* As starve() and refused() of rig.h. */
void glue_starve(void *host, uint64_t nth, bool for_good);
uint64_t glue_refused(void *host);

/* Pages of memory that is lent go, about as many; from any thread. */
void glue_take(void *host, unsigned int pages);

/* NULL, or what the engine did wrong: memory not given back, locks out of order. */
const char *glue_destroy(void *host);

#endif
