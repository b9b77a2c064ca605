/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Structures to bytes and back. Written field by field, because a structure's
 * own layout is only right on a little-endian machine; that it is right there
 * is what the assertions and tests/wire say.
 */
#include "format.h"

TMEM_STATIC_ASSERT(sizeof(struct tmem_req) == 64);
TMEM_STATIC_ASSERT(sizeof(struct tmem_ent) == 32);
TMEM_STATIC_ASSERT(sizeof(struct tmem_rep) == 16);
TMEM_STATIC_ASSERT(sizeof(struct tmem_hello) == 64);
TMEM_STATIC_ASSERT(sizeof(struct tmem_event) == 64);
TMEM_STATIC_ASSERT(sizeof(struct tmem_stat) == 128);

/* A run of 64-bit words; what follows it. */
static uint8_t *put_words(uint8_t *b, const uint64_t *word, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++, b += 8)
		tmem_put_le64(b, word[i]);
	return b;
}

static const uint8_t *get_words(uint64_t *word, const uint8_t *b, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++, b += 8)
		word[i] = tmem_get_le64(b);
	return b;
}

void tmem_wire_put_req(void *bytes, const struct tmem_req *req)
{
	uint8_t *b = (uint8_t *)bytes;

	b[0] = req->op;
	b[1] = req->form;
	tmem_put_le16(b + 2, req->count);
	tmem_put_le32(b + 4, req->pool);
	b = put_words(b + 8, req->object, 3);
	tmem_put_le32(b, req->index);
	tmem_put_le32(b + 4, req->flags);
	tmem_put_le64(b + 8, req->cookie);
	put_words(b + 16, req->arg, 2);
}

void tmem_wire_get_req(struct tmem_req *req, const void *bytes)
{
	const uint8_t *b = (const uint8_t *)bytes;

	req->op = b[0];
	req->form = b[1];
	req->count = tmem_get_le16(b + 2);
	req->pool = tmem_get_le32(b + 4);
	b = get_words(req->object, b + 8, 3);
	req->index = tmem_get_le32(b);
	req->flags = tmem_get_le32(b + 4);
	req->cookie = tmem_get_le64(b + 8);
	get_words(req->arg, b + 16, 2);
}

void tmem_wire_put_ent(void *bytes, const struct tmem_ent *ent)
{
	uint8_t *b = put_words((uint8_t *)bytes, ent->object, 3);

	tmem_put_le32(b, ent->index);
	tmem_put_le32(b + 4, ent->zero);
}

void tmem_wire_get_ent(struct tmem_ent *ent, const void *bytes)
{
	const uint8_t *b = get_words(ent->object, (const uint8_t *)bytes, 3);

	ent->index = tmem_get_le32(b);
	ent->zero = tmem_get_le32(b + 4);
}

void tmem_wire_put_rep(void *bytes, const struct tmem_rep *rep)
{
	uint8_t *b = (uint8_t *)bytes;

	tmem_put_le32(b, (uint32_t)rep->status);
	tmem_put_le32(b + 4, rep->done);
	tmem_put_le64(b + 8, rep->value);
}

void tmem_wire_get_rep(struct tmem_rep *rep, const void *bytes)
{
	const uint8_t *b = (const uint8_t *)bytes;

	rep->status = (int32_t)tmem_get_le32(b);
	rep->done = tmem_get_le32(b + 4);
	rep->value = tmem_get_le64(b + 8);
}

void tmem_wire_put_hello(void *bytes, const struct tmem_hello *hello)
{
	uint8_t *b = (uint8_t *)bytes;

	tmem_put_le32(b, hello->version);
	tmem_put_le32(b + 4, hello->page_size);
	tmem_put_le32(b + 8, hello->max_batch);
	tmem_put_le32(b + 12, hello->max_pools);
	tmem_put_le64(b + 16, hello->features);
	tmem_put_le64(b + 24, hello->client);
	tmem_put_le64(b + 32, hello->epoch);
	tmem_put_le64(b + 40, hello->session);
	put_words(b + 48, hello->zero, 2);
}

void tmem_wire_get_hello(struct tmem_hello *hello, const void *bytes)
{
	const uint8_t *b = (const uint8_t *)bytes;

	hello->version = tmem_get_le32(b);
	hello->page_size = tmem_get_le32(b + 4);
	hello->max_batch = tmem_get_le32(b + 8);
	hello->max_pools = tmem_get_le32(b + 12);
	hello->features = tmem_get_le64(b + 16);
	hello->client = tmem_get_le64(b + 24);
	hello->epoch = tmem_get_le64(b + 32);
	hello->session = tmem_get_le64(b + 40);
	get_words(hello->zero, b + 48, 2);
}

void tmem_wire_put_event(void *bytes, const struct tmem_event *event)
{
	uint8_t *b = (uint8_t *)bytes;

	tmem_put_le64(b, event->news);
	tmem_put_le64(b + 8, event->allocation);
	tmem_put_le64(b + 16, event->cap);
	tmem_put_le64(b + 24, event->wanted);
	put_words(b + 32, event->zero, 4);
}

void tmem_wire_get_event(struct tmem_event *event, const void *bytes)
{
	const uint8_t *b = (const uint8_t *)bytes;

	event->news = tmem_get_le64(b);
	event->allocation = tmem_get_le64(b + 8);
	event->cap = tmem_get_le64(b + 16);
	event->wanted = tmem_get_le64(b + 24);
	get_words(event->zero, b + 32, 4);
}

void tmem_wire_put_stat(void *bytes, const struct tmem_stat *stat)
{
	uint8_t *b = (uint8_t *)bytes;

	tmem_put_le64(b, stat->ephemeral_pages);
	tmem_put_le64(b + 8, stat->ephemeral_bytes);
	tmem_put_le64(b + 16, stat->persistent_pages);
	tmem_put_le64(b + 24, stat->persistent_bytes);
	tmem_put_le64(b + 32, stat->allocation);
	tmem_put_le64(b + 40, stat->billed);
	tmem_put_le64(b + 48, stat->cap);
	tmem_put_le64(b + 56, stat->puts);
	tmem_put_le64(b + 64, stat->puts_stored);
	tmem_put_le64(b + 72, stat->gets);
	tmem_put_le64(b + 80, stat->gets_hit);
	tmem_put_le64(b + 88, stat->flushes);
	tmem_put_le64(b + 96, stat->flushes_found);
	tmem_put_le64(b + 104, stat->evicted);
	tmem_put_le64(b + 112, stat->lost);
	tmem_put_le64(b + 120, stat->zero);
}

void tmem_wire_get_stat(struct tmem_stat *stat, const void *bytes)
{
	const uint8_t *b = (const uint8_t *)bytes;

	stat->ephemeral_pages = tmem_get_le64(b);
	stat->ephemeral_bytes = tmem_get_le64(b + 8);
	stat->persistent_pages = tmem_get_le64(b + 16);
	stat->persistent_bytes = tmem_get_le64(b + 24);
	stat->allocation = tmem_get_le64(b + 32);
	stat->billed = tmem_get_le64(b + 40);
	stat->cap = tmem_get_le64(b + 48);
	stat->puts = tmem_get_le64(b + 56);
	stat->puts_stored = tmem_get_le64(b + 64);
	stat->gets = tmem_get_le64(b + 72);
	stat->gets_hit = tmem_get_le64(b + 80);
	stat->flushes = tmem_get_le64(b + 88);
	stat->flushes_found = tmem_get_le64(b + 96);
	stat->evicted = tmem_get_le64(b + 104);
	stat->lost = tmem_get_le64(b + 112);
	stat->zero = tmem_get_le64(b + 120);
}

void tmem_wire_put_results(void *bytes, const int32_t *result, uint32_t count)
{
	uint8_t *b = (uint8_t *)bytes;
	uint32_t i;

	for (i = 0; i < count; i++, b += 4)
		tmem_put_le32(b, (uint32_t)result[i]);
	if (count & 1)
		tmem_put_le32(b, 0);
}

void tmem_wire_get_results(int32_t *result, const void *bytes, uint32_t count)
{
	const uint8_t *b = (const uint8_t *)bytes;
	uint32_t i;

	for (i = 0; i < count; i++, b += 4)
		result[i] = (int32_t)tmem_get_le32(b);
}
