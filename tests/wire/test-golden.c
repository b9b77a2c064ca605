/* SPDX-License-Identifier: MIT */
/*
 * The golden bytes: what we encode is exactly them, what we judge and decode
 * of them is what they mean, and every single bit of them matters.
 *
 *	test-golden <folder of the .hex files>
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "hex.h"

#define MOST (64u + 3u * 32u + 3u * 4096u + 512u)

struct bytes {
	size_t length;
	uint8_t byte[MOST];
};

static unsigned int passed, failed;

static void note(bool good, const char *name, const char *what)
{
	if (good) {
		passed++;
		return;
	}
	failed++;
	printf("FAIL %s: %s\n", name, what);
}

static uint8_t *add(struct bytes *to, size_t length)
{
	to->length += length;
	return to->byte + to->length - length;
}

static bool has_results(const struct golden *g)
{
	return g->req.op >= TMEM_WIRE_PUT && g->req.op <= TMEM_WIRE_FLUSH;
}

static void encode_request(const struct golden *g, struct bytes *to)
{
	unsigned int i;

	to->length = 0;
	tmem_wire_put_req(add(to, 64), &g->req);
	for (i = 0; g->req.form == TMEM_WIRE_LIST && i < g->req.count; i++)
		tmem_wire_put_ent(add(to, 32), &g->ent[i]);
	for (i = 0; g->req.op == TMEM_WIRE_PUT && i < g->req.count; i++)
		memset(add(to, 4096), g->page_in[i], 4096);
}

static void encode_reply(const struct golden *g, struct bytes *to)
{
	unsigned int i;

	to->length = 0;
	tmem_wire_put_rep(add(to, 16), &g->rep);
	if (g->rep.status)
		return;
	if (has_results(g))
		tmem_wire_put_results(add(to, TMEM_WIRE_RESULTS(g->req.count)), g->result,
				      g->req.count);
	if (g->hello)
		tmem_wire_put_hello(add(to, 64), g->hello);
	if (g->event)
		tmem_wire_put_event(add(to, 64), g->event);
	if (g->stat)
		tmem_wire_put_stat(add(to, 128), g->stat);
	for (i = 0; g->req.op == TMEM_WIRE_GET && i < g->req.count; i++)
		memset(add(to, 4096), g->page_out[i], 4096);
}

static bool same(const struct bytes *a, const struct bytes *b)
{
	return a->length == b->length && !memcmp(a->byte, b->byte, a->length);
}

static bool filled(const uint8_t *page, uint8_t with)
{
	unsigned int i;

	for (i = 0; i < 4096; i++)
		if (page[i] != with)
			return false;
	return true;
}

static bool fields_are(const struct tmem_wire_request *got, const struct tmem_req *req)
{
	return got->op == req->op && got->form == req->form && got->count == req->count &&
	       got->pool == req->pool && !memcmp(got->object, req->object, 24) &&
	       got->index == req->index && got->flags == req->flags && got->cookie == req->cookie &&
	       !memcmp(got->arg, req->arg, 16);
}

static bool offsets_are(const struct tmem_wire_request *got, const struct golden *g)
{
	return got->list == g->list && got->data_in == g->data_in && got->results == g->results &&
	       got->answer == g->answer && got->data_out == g->data_out;
}

/* Whether the judge reads @request as what it means. */
static bool judged(const struct golden *g, const struct bytes *request, uint64_t writable)
{
	struct tmem_wire_state state = {g->req.op != TMEM_WIRE_HELLO, 64};
	struct tmem_wire_request got;
	uint64_t object[3];
	uint32_t index;
	unsigned int i;
	int mute;

	if (tmem_wire_judge(request->byte, request->length, writable, &state, &got, &mute) !=
		    g->verdict ||
	    mute)
		return false;
	if (g->verdict)
		return true;
	if (!fields_are(&got, &g->req) || !offsets_are(&got, g) || got.written != writable ||
	    got.read != request->length)
		return false;
	for (i = 0; got.list && i < got.count; i++)
		if (tmem_wire_judge_entry(request->byte + got.list + i * 32, object, &index) ||
		    memcmp(object, g->ent[i].object, 24) || index != g->ent[i].index)
			return false;
	for (i = 0; got.data_in && i < got.count; i++)
		if (!filled(request->byte + got.data_in + i * 4096, g->page_in[i]))
			return false;
	return true;
}

static bool answer_is(const struct golden *g, const uint8_t *bytes)
{
	struct tmem_hello hello;
	struct tmem_event event;
	struct tmem_stat stat;

	if (g->hello) {
		tmem_wire_get_hello(&hello, bytes);
		return !memcmp(&hello, g->hello, sizeof(hello));
	}
	if (g->event) {
		tmem_wire_get_event(&event, bytes);
		return !memcmp(&event, g->event, sizeof(event));
	}
	tmem_wire_get_stat(&stat, bytes);
	return !memcmp(&stat, g->stat, sizeof(stat));
}

/* Whether a client reads @reply as what it means. Padding is nobody's business. */
static bool decoded(const struct golden *g, const struct bytes *reply)
{
	struct tmem_rep rep;
	int32_t result[64];
	unsigned int i;

	tmem_wire_get_rep(&rep, reply->byte);
	if (memcmp(&rep, &g->rep, sizeof(rep)))
		return false;
	if (rep.status)
		return reply->length == 16;
	if (g->answer && !answer_is(g, reply->byte + g->answer))
		return false;
	if (g->results) {
		tmem_wire_get_results(result, reply->byte + g->results, g->req.count);
		if (memcmp(result, g->result, g->req.count * 4u))
			return false;
	}
	for (i = 0; g->data_out && i < g->req.count; i++)
		if (!filled(reply->byte + g->data_out + i * 4096, g->page_out[i]))
			return false;
	return true;
}

/* How long the writable part was: of a refused request not all of it is written. */
static uint64_t writable_of(const struct golden *g, const struct bytes *reply)
{
	return g->rep.status && has_results(g) ? 16 + TMEM_WIRE_RESULTS(g->req.count)
					       : reply->length;
}

/* Bit after bit is turned round; in pages one of each 4099, which hits every page. */
static bool every_request_bit_matters(const struct golden *g, struct bytes *request,
				      const struct bytes *encoded, uint64_t writable)
{
	size_t bit, head = 64 + (g->req.form == TMEM_WIRE_LIST ? g->req.count * 32u : 0);

	for (bit = 0; bit < request->length * 8; bit += bit < head * 8 ? 1 : 4099) {
		request->byte[bit / 8] ^= (uint8_t)(1 << bit % 8);
		/* A refused request with another fault may be refused all the same. */
		if (same(encoded, request) || (!g->verdict && judged(g, request, writable))) {
			printf("bit %zu of the request\n", bit);
			return false;
		}
		request->byte[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	return true;
}

static bool every_reply_bit_matters(const struct golden *g, struct bytes *reply,
				    const struct bytes *encoded)
{
	size_t padding = g->results && g->req.count % 2 ? 16 + g->req.count * 4u : SIZE_MAX - 4;
	size_t bit;

	for (bit = 0; bit < reply->length * 8; bit += bit < 512 * 8 ? 1 : 4099) {
		bool padded = bit / 8 >= padding && bit / 8 < padding + 4;

		reply->byte[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (same(encoded, reply) || (!padded && decoded(g, reply))) {
			printf("bit %zu of the reply\n", bit);
			return false;
		}
		reply->byte[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	return true;
}

static void load(const char *folder, const char *name, const char *part, struct bytes *to)
{
	char path[512];

	if (snprintf(path, sizeof(path), "%s/%s-%s.hex", folder, name, part) >= (int)sizeof(path))
		exit(2);
	to->length = hex_read(path, to->byte, MOST);
}

static void try_golden(const char *folder, const struct golden *g)
{
	static struct bytes request, reply, encoded;
	uint64_t writable;

	load(folder, g->name, "request", &request);
	load(folder, g->name, "reply", &reply);
	writable = writable_of(g, &reply);
	encode_request(g, &encoded);
	note(same(&encoded, &request), g->name, "the request is encoded otherwise");
	note(judged(g, &request, writable), g->name, "the request is judged otherwise");
	note(every_request_bit_matters(g, &request, &encoded, writable), g->name,
	     "a bit does not matter");
	encode_reply(g, &encoded);
	note(same(&encoded, &reply), g->name, "the reply is encoded otherwise");
	note(decoded(g, &reply), g->name, "the reply is decoded otherwise");
	note(every_reply_bit_matters(g, &reply, &encoded), g->name, "a bit does not matter");
}

/* A little-endian machine may overlay the structures: they lie as the bytes do. */
static void try_overlay(const struct golden *g)
{
	static struct bytes request, reply;
	const uint16_t one = 1;
	bool little = *(const uint8_t *)&one == 1;

	encode_request(g, &request);
	encode_reply(g, &reply);
	note(!little || (!memcmp(request.byte, &g->req, 64) && !memcmp(reply.byte, &g->rep, 16)),
	     g->name, "a structure lies otherwise than its bytes");
	if (g->req.form == TMEM_WIRE_LIST)
		note(!little || !memcmp(request.byte + 64, g->ent, 32u * g->req.count), g->name,
		     "an entry lies otherwise than its bytes");
	if (g->answer)
		note(!little || !memcmp(reply.byte + 16,
					g->hello   ? (const void *)g->hello
					: g->event ? (const void *)g->event
						   : (const void *)g->stat,
					reply.length - 16),
		     g->name, "an answer lies otherwise than its bytes");
}

int main(int argc, char **argv)
{
	unsigned int i;

	if (argc != 2)
		return 2;
	for (i = 0; i < golden_count; i++) {
		try_golden(argv[1], &golden[i]);
		try_overlay(&golden[i]);
	}
	printf("golden: %u passed, %u failed\n", passed, failed);
	return failed != 0;
}
