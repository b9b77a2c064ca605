// SPDX-License-Identifier: MIT
/* See driver.h. */
#include "driver.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AREAS	   (FE_BIG / (2 * DV_AREA))
#define PIECES_MAX 60

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "driver: %s\n", what);
	abort();
}

struct tmem_req dv_req(uint8_t op)
{
	struct tmem_req req = {.op = op, .count = 1};

	return req;
}

void dv_fill(void *page, uint64_t seed)
{
	uint64_t word[TMEM_PAGE_SIZE / 8], state = seed * 0x9e3779b97f4a7c15ull + 1;
	uint32_t i;

	for (i = 0; i < TMEM_PAGE_SIZE / 8; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		word[i] = state;
	}
	memcpy(page, word, sizeof(word));
}

bool dv_is(const void *page, uint64_t seed)
{
	uint8_t expected[TMEM_PAGE_SIZE];

	dv_fill(expected, seed);
	return !memcmp(page, expected, sizeof(expected));
}

static uint32_t area_of(uint32_t queue, uint16_t head)
{
	return FE_BIG_AT + (queue * 7 + head) % AREAS * 2 * DV_AREA;
}

static uint32_t cut(struct fe_desc *list, uint32_t pieces, uint32_t at, uint32_t length,
		    uint16_t flags)
{
	uint32_t i, part;

	for (i = 0; i < pieces && length; i++) {
		part = i + 1 == pieces ? length : length / (pieces - i);
		/* Odd places, so that nothing falls on a border by chance. */
		if (part > 7 && i + 1 < pieces)
			part -= 3;
		list[i] = (struct fe_desc){fe_guest(at), part, flags, 0};
		at += part;
		length -= part;
	}
	return i;
}

uint16_t dv_offer(struct frontend *fe, uint32_t queue, const void *bytes, uint32_t readable,
		  uint32_t writable)
{
	struct fe_queue *q = &fe->queue[queue];
	struct fe_desc list[2 * PIECES_MAX];
	uint32_t area, i, n;
	uint16_t head, place;

	must(fe->pieces <= (fe->indirect ? 32u : 8u) && q->free_count > 2 * fe->pieces,
	     "ring full");
	must(readable <= DV_AREA && writable <= DV_AREA, "too long");
	head = q->free[--q->free_count];
	area = area_of(queue, head);
	memcpy(fe->ram + area, bytes, readable);
	memset(fe->ram + area + DV_AREA, 0x5a, writable);
	n = cut(list, fe->pieces, area, readable, 0);
	n += cut(list + n, fe->pieces, area + DV_AREA, writable, 2);
	must(n > 0, "an empty chain");
	q->links[head] = 0;
	if (fe->indirect) {
		for (i = 0; i < n; i++) {
			list[i].flags |= i + 1 < n;
			list[i].next = (uint16_t)(i + 1);
		}
		memcpy(fe->ram + FE_TABLE_AT(queue, head), list, n * sizeof(list[0]));
		*fe_desc(fe, queue, head) = (struct fe_desc){fe_guest(FE_TABLE_AT(queue, head)),
							     (uint32_t)(n * sizeof(list[0])), 4, 0};
	} else {
		place = head;
		for (i = 0; i < n; i++) {
			if (i + 1 < n) {
				must(q->links[head] < 8, "too many pieces");
				list[i].next = q->free[--q->free_count];
				list[i].flags |= 1;
				q->link[head][q->links[head]++] = list[i].next;
			}
			*fe_desc(fe, queue, place) = list[i];
			place = list[i].next;
		}
	}
	fe_offer(fe, queue, head);
	return head;
}

uint8_t *dv_written(struct frontend *fe, uint32_t queue, uint16_t head)
{
	return fe->ram + area_of(queue, head) + DV_AREA;
}

static struct tmem_wire_request layout(const struct tmem_req *req)
{
	struct tmem_wire_request wire = {.op = req->op, .form = req->form, .count = req->count};

	tmem_wire_layout(&wire);
	return wire;
}

uint32_t dv_encode(const struct tmem_req *req, const struct tmem_ent *list, const void *pages,
		   uint8_t *bytes, uint32_t *writable)
{
	const struct tmem_wire_request wire = layout(req);
	uint32_t i;

	must(wire.read <= DV_AREA && wire.written <= DV_AREA, "too long");
	tmem_wire_put_req(bytes, req);
	for (i = 0; wire.list && i < req->count; i++)
		tmem_wire_put_ent(bytes + wire.list + i * sizeof(*list), &list[i]);
	if (wire.data_in)
		memcpy(bytes + wire.data_in, pages, req->count * (size_t)TMEM_PAGE_SIZE);
	*writable = (uint32_t)wire.written;
	return (uint32_t)wire.read;
}

uint16_t dv_start(struct frontend *fe, uint32_t queue, const struct tmem_req *req,
		  const struct tmem_ent *list, const void *pages)
{
	uint8_t *bytes = malloc(DV_AREA);
	uint32_t readable, writable;
	uint16_t head;

	must(bytes != NULL, "no memory");
	readable = dv_encode(req, list, pages, bytes, &writable);
	head = dv_offer(fe, queue, bytes, readable, writable);
	free(bytes);
	return head;
}

static uint32_t used_length(struct frontend *fe, uint32_t queue)
{
	uint32_t head, length;

	fe_used(fe, queue, (uint16_t)(fe->queue[queue].seen - 1), &head, &length);
	return length;
}

int dv_finish(struct frontend *fe, uint32_t queue, uint16_t head, const struct tmem_req *req,
	      struct dv_reply *reply)
{
	const struct tmem_wire_request wire = layout(req);
	const uint8_t *bytes = dv_written(fe, queue, head);
	int got = fe_wait(fe, queue);

	memset(reply, 0, sizeof(*reply));
	if (got < 0)
		return -1;
	must(got == head, "another request was answered");
	reply->used = used_length(fe, queue);
	tmem_wire_get_rep(&reply->rep, bytes);
	fe_release(fe, queue, head);
	if (reply->rep.status) {
		must(reply->used == sizeof(reply->rep), "a refusal is a reply and nothing else");
		must(!reply->rep.done && !reply->rep.value, "a refusal did something");
		return 0;
	}
	must(reply->used == wire.written, "an answer is all of the writable part");
	if (wire.results)
		tmem_wire_get_results(reply->result, bytes + wire.results, req->count);
	if (req->op == TMEM_WIRE_HELLO)
		tmem_wire_get_hello(&reply->hello, bytes + wire.answer);
	if (req->op == TMEM_WIRE_EVENT)
		tmem_wire_get_event(&reply->event, bytes + wire.answer);
	if (req->op == TMEM_WIRE_STAT)
		tmem_wire_get_stat(&reply->stat, bytes + wire.answer);
	reply->data = bytes + wire.data_out;
	return 0;
}

int dv_call(struct frontend *fe, uint32_t queue, const struct tmem_req *req,
	    const struct tmem_ent *list, const void *pages, struct dv_reply *reply)
{
	uint16_t head = dv_start(fe, queue, req, list, pages);

	fe_kick(fe, queue);
	if (dv_finish(fe, queue, head, req, reply))
		return FE_GONE;
	return reply->rep.status;
}

int dv_raw(struct frontend *fe, uint32_t queue, const void *bytes, uint32_t readable,
	   uint32_t writable, uint32_t *used)
{
	uint16_t head = dv_offer(fe, queue, bytes, readable, writable);
	struct tmem_rep rep;

	fe_kick(fe, queue);
	if (fe_wait(fe, queue) != head)
		return FE_GONE;
	*used = used_length(fe, queue);
	tmem_wire_get_rep(&rep, dv_written(fe, queue, head));
	fe_release(fe, queue, head);
	return rep.status;
}

int dv_hello(struct frontend *fe, uint64_t nonce, struct dv_reply *reply)
{
	struct tmem_req req = dv_req(TMEM_WIRE_HELLO);

	req.pool = TMEM_WIRE_VERSIONS(0, 3);
	req.object[0] = TMEM_WIRE_MAGIC;
	req.index = TMEM_PAGE_SIZE;
	req.arg[0] = nonce;
	return dv_call(fe, DV_QUEUE, &req, NULL, NULL, reply);
}

int dv_pool(struct frontend *fe, uint32_t flags, uint64_t cookie)
{
	struct tmem_req req = dv_req(TMEM_WIRE_NEW_POOL);
	struct dv_reply reply;
	int status;

	req.flags = flags;
	req.cookie = cookie;
	status = dv_call(fe, DV_QUEUE, &req, NULL, NULL, &reply);
	return status ? status : (int)reply.rep.value;
}

static struct tmem_req page_req(uint8_t op, uint32_t pool, uint64_t object, uint32_t index)
{
	struct tmem_req req = dv_req(op);

	req.pool = pool;
	req.object[0] = object;
	req.index = index;
	return req;
}

int dv_put(struct frontend *fe, uint32_t pool, uint64_t object, uint32_t index, uint64_t seed)
{
	struct tmem_req req = page_req(TMEM_WIRE_PUT, pool, object, index);
	uint8_t page[TMEM_PAGE_SIZE];
	struct dv_reply reply;
	int status;

	dv_fill(page, seed);
	status = dv_call(fe, DV_QUEUE, &req, NULL, page, &reply);
	return status ? status : reply.result[0];
}

int dv_get(struct frontend *fe, uint32_t pool, uint64_t object, uint32_t index, uint64_t seed)
{
	struct tmem_req req = page_req(TMEM_WIRE_GET, pool, object, index);
	struct dv_reply reply;
	int status = dv_call(fe, DV_QUEUE, &req, NULL, NULL, &reply);

	if (!status && !reply.result[0])
		must(dv_is(reply.data, seed), "a page came back with other data");
	return status ? status : reply.result[0];
}

int dv_flush(struct frontend *fe, uint32_t pool, uint64_t object, uint32_t index)
{
	struct tmem_req req = page_req(TMEM_WIRE_FLUSH, pool, object, index);
	struct dv_reply reply;
	int status = dv_call(fe, DV_QUEUE, &req, NULL, NULL, &reply);

	return status ? status : reply.result[0];
}
