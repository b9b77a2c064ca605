/* SPDX-License-Identifier: MIT */
/* The naive model: see model.h. */
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "must.h"
#include "page.h"

static uint32_t chain_of(const struct model *model, int client, const struct tmem_handle *handle)
{
	uint64_t state = (uint64_t)(uint32_t)client << 32 | handle->pool;

	state = rng_next(&state) ^ handle->object.word[0];
	state = rng_next(&state) ^ handle->object.word[1];
	state = rng_next(&state) ^ handle->object.word[2];
	state = rng_next(&state) ^ handle->index;
	return (uint32_t)rng_next(&state) & (model->buckets - 1);
}

static bool same_object(const struct tmem_handle *a, const struct tmem_handle *b)
{
	return a->pool == b->pool && !memcmp(&a->object, &b->object, sizeof(a->object));
}

void model_create(struct model *model, uint32_t room)
{
	uint32_t i;

	model->buckets = 1024;
	while (model->buckets < room)
		model->buckets *= 2;
	model->page = calloc(room, sizeof(*model->page));
	model->next = calloc(room, sizeof(*model->next));
	model->bucket = calloc(model->buckets, sizeof(*model->bucket));
	MUST(model->page && model->next && model->bucket);
	model->room = room;
	model->count = 0;
	model->free = room ? 1 : 0;
	for (i = 0; i < room; i++) {
		model->page[i].client = -1;
		model->next[i] = i + 1 < room ? i + 2 : 0;
	}
}

void model_destroy(struct model *model)
{
	free(model->page);
	free(model->next);
	free(model->bucket);
}

/* Where the number of this page's entry stands; the place is 0 if there is none. */
static uint32_t *link_of(const struct model *model, int client, const struct tmem_handle *handle)
{
	uint32_t *link = &model->bucket[chain_of(model, client, handle)];

	while (*link) {
		const struct model_page *page = &model->page[*link - 1];

		if (page->client == client && page->handle.index == handle->index &&
		    same_object(&page->handle, handle))
			break;
		link = &model->next[*link - 1];
	}
	return link;
}

struct model_page *model_find(const struct model *model, int client,
			      const struct tmem_handle *handle)
{
	uint32_t entry = *link_of(model, client, handle);

	return entry ? &model->page[entry - 1] : NULL;
}

bool model_put(struct model *model, int client, const struct tmem_handle *handle, uint64_t tag,
	       int owner)
{
	uint32_t *link = link_of(model, client, handle);
	uint32_t entry = *link;

	if (!entry) {
		entry = model->free;
		if (!entry)
			return false;
		model->free = model->next[entry - 1];
		model->next[entry - 1] = 0;
		*link = entry;
		model->count++;
	}
	model->page[entry - 1] = (struct model_page){client, *handle, tag, owner};
	return true;
}

static void drop_at(struct model *model, uint32_t *link)
{
	uint32_t entry = *link;

	*link = model->next[entry - 1];
	model->next[entry - 1] = model->free;
	model->free = entry;
	model->page[entry - 1].client = -1;
	model->count--;
}

bool model_drop(struct model *model, int client, const struct tmem_handle *handle)
{
	uint32_t *link = link_of(model, client, handle);

	if (!*link)
		return false;
	drop_at(model, link);
	return true;
}

/* Of all pages of @client: those that @handle and @count choose, by level. */
enum choose { BY_RANGE, BY_OBJECT, BY_POOL, BY_CLIENT };

static uint32_t drop_all(struct model *model, enum choose by, int client,
			 const struct tmem_handle *handle, uint64_t count)
{
	uint32_t i, dropped = 0;

	for (i = 0; i < model->room; i++) {
		const struct model_page *page = &model->page[i];
		struct tmem_handle h = page->handle;

		if (page->client < 0 || page->client != client)
			continue;
		if (by == BY_POOL && h.pool != handle->pool)
			continue;
		if (by <= BY_OBJECT && !same_object(&h, handle))
			continue;
		if (by == BY_RANGE && (h.index < handle->index || h.index - handle->index >= count))
			continue;
		drop_at(model, link_of(model, client, &h));
		dropped++;
	}
	return dropped;
}

uint32_t model_drop_range(struct model *model, int client, const struct tmem_handle *handle,
			  uint64_t count)
{
	return drop_all(model, BY_RANGE, client, handle, count);
}

uint32_t model_drop_object(struct model *model, int client, const struct tmem_handle *handle)
{
	return drop_all(model, BY_OBJECT, client, handle, 0);
}

uint32_t model_drop_pool(struct model *model, int client, uint32_t pool)
{
	struct tmem_handle handle = {.pool = pool};

	return drop_all(model, BY_POOL, client, &handle, 0);
}

uint32_t model_drop_client(struct model *model, int client)
{
	return drop_all(model, BY_CLIENT, client, NULL, 0);
}

void model_disown(struct model *model, int client, int owner)
{
	uint32_t i;

	for (i = 0; i < model->room; i++)
		if (model->page[i].client == client && model->page[i].owner == owner)
			model->page[i].owner = -1;
}

uint32_t model_count_owned(const struct model *model, int client, int owner)
{
	uint32_t i, count = 0;

	for (i = 0; i < model->room; i++)
		if (model->page[i].client == client && model->page[i].owner == owner)
			count++;
	return count;
}

uint32_t model_count_pool(const struct model *model, int client, uint32_t pool)
{
	uint32_t i, count = 0;

	for (i = 0; i < model->room; i++)
		if (model->page[i].client == client && model->page[i].handle.pool == pool)
			count++;
	return count;
}

/* Counts the first page of each object, in the order of the table. */
uint32_t model_count_objects(const struct model *model, int client, uint32_t pool)
{
	uint32_t i, j, count = 0;

	for (i = 0; i < model->room; i++) {
		const struct model_page *page = &model->page[i];

		if (page->client != client || page->handle.pool != pool)
			continue;
		for (j = 0; j < i; j++)
			if (model->page[j].client == client &&
			    same_object(&model->page[j].handle, &page->handle))
				break;
		if (j == i)
			count++;
	}
	return count;
}
