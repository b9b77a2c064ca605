/* SPDX-License-Identifier: MIT */
/* What the files of the twin share with each other, and with nobody else. */
#ifndef TESTS_TWIN_PARTS_H
#define TESTS_TWIN_PARTS_H

#include "twin.h"

/* Kinds of pool: twin_client.pool[]. */
#define EPHEMERAL  1
#define PERSISTENT 2

/* 0: no such pool. */
uint8_t twin_kind(const struct twin *twin, unsigned int client, uint32_t pool);

/* One line per operation, before it: what a report of a fault needs. */
void twin_trace(const struct twin *twin, const char *what, unsigned int client,
		const struct tmem_handle *handle, uint64_t arg);
/* After each operation: counts it, and has the rig check itself. */
void twin_done(struct twin *twin);

#endif
