/* SPDX-License-Identifier: MIT */
/*
 * The contract in its most naive form: a table of which page was put last
 * under which name. Every question walks or probes the table; nothing here is
 * meant to be fast, and nothing is shared with the engine.
 */
#ifndef TESTS_MODEL_H
#define TESTS_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <tmem/types.h>

struct model_page {
	int client; /* or what else has pages of its own: a shared pool; -1: the entry is free */
	struct tmem_handle handle;
	uint64_t tag;
	int owner; /* who put it; -1: has left since */
};

struct model {
	struct model_page *page;
	uint32_t count, room;
	uint32_t *bucket; /* first entry of a chain + 1 */
	uint32_t *next;
	uint32_t buckets; /* a power of two */
	uint32_t free;	  /* chain of free entries + 1, through next */
};

/* For at most @room pages. */
void model_create(struct model *model, uint32_t room);
void model_destroy(struct model *model);

/* NULL: it is not there. */
struct model_page *model_find(const struct model *model, int client,
			      const struct tmem_handle *handle);
/* False: there is no room for one more. */
bool model_put(struct model *model, int client, const struct tmem_handle *handle, uint64_t tag,
	       int owner);
/* True if it was there. */
bool model_drop(struct model *model, int client, const struct tmem_handle *handle);

/* Each returns how many pages went. */
uint32_t model_drop_range(struct model *model, int client, const struct tmem_handle *handle,
			  uint64_t count);
uint32_t model_drop_object(struct model *model, int client, const struct tmem_handle *handle);
uint32_t model_drop_pool(struct model *model, int client, uint32_t pool);
uint32_t model_drop_client(struct model *model, int client);

/* The pages that @owner put, of @client, are nobody's. */
void model_disown(struct model *model, int client, int owner);

/* All that @owner put, of @client. */
uint32_t model_count_owned(const struct model *model, int client, int owner);
uint32_t model_count_pool(const struct model *model, int client, uint32_t pool);
uint32_t model_count_objects(const struct model *model, int client, uint32_t pool);

#endif
