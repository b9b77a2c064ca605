/* SPDX-License-Identifier: MIT */
/*
 * Which shared pools a guest, or each client of a template, may make and
 * join. This is what was granted and what the files of the run-time directory
 * remember; the engine is told of each change.
 */
#ifndef TMEMD_GRANTS_H
#define TMEMD_GRANTS_H

#include <stdbool.h>

#include <tmem/engine.h>

struct json_object;

/* All zero: none. */
struct grants {
	uint32_t count;
	uint64_t uuid[TMEM_GRANTS][2];
};

/* 0, there before or not; -TMEM_EOVERFLOW. @uuid is not zero. */
int grants_add(struct grants *grants, const uint64_t uuid[2]);
/* 0 or -TMEM_ENOENT. */
int grants_remove(struct grants *grants, const uint64_t uuid[2]);

/* Grants all of them to a new client. */
void grants_give(const struct grants *grants, struct tmem_client *client);

/* An array of uuids, and the judge of one. False: not that, or more than there may be. */
struct json_object *grants_print(const struct grants *grants);
bool grants_read(struct json_object *array, struct grants *grants);

#endif
