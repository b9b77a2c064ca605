/* SPDX-License-Identifier: MIT */
/*
 * Of planted.c: which pools are shared, and operations of the wrapper's own
 * by which it breaks their rules. No figure shows these: what has to notice
 * them is what they do. One thread.
 */
#ifndef TESTS_PLANTED_SHARE_H
#define TESTS_PLANTED_SHARE_H

#include "rig.h"

/* The wrapper's own operations, to be taken out of the figures. */
struct planted_hidden {
	uint64_t flushes, found, objects, objects_found;
};

struct planted_share {
	struct rig *inner;
	uint32_t pool[RIG_CLIENTS][TMEM_POOLS_PER_CLIENT]; /* by place: number + 1; 0: not shared */
	struct planted_hidden hidden[RIG_CLIENTS], all;
	int keeper; /* a client of the wrapper's own; -1: none yet */
};

void planted_share_start(struct planted_share *share, struct rig *inner);
/* A new client has this number. */
void planted_share_forget(struct planted_share *share, int client);
void planted_share_joined(struct planted_share *share, int client, int pool);
bool planted_share_is(const struct planted_share *share, int client, uint32_t pool);
/* The number of a shared pool that @client is or was a member of. */
int planted_share_some(const struct planted_share *share, int client);

/* A member that nobody knows of joins too, and stays. */
void planted_share_keep(struct planted_share *share, const uint64_t uuid[2]);
void planted_share_flush(struct planted_share *share, uint32_t worker, int client,
			 const struct tmem_handle *handle);
/* Flushes the usual objects, where @pool is shared. */
void planted_share_empty(struct planted_share *share, uint32_t worker, int client, uint32_t pool);

void planted_share_hide(const struct planted_share *share, int client, struct tmem_stats *stats);

#endif
