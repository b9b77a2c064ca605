// SPDX-License-Identifier: MIT
/*
 * Fuzzer of the tmem device's judge: the input is a connection's state, two
 * lengths and a request. The verdict must be the one of the rules written a
 * second time; what is accepted must lie inside its parts, name no page that
 * there is not, and be the same bytes again when it is encoded.
 */
#include "judge.h"
#include "oracle.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define HEAD 18 /* state, batch, two lengths of 8 bytes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* In memory of exactly its size: a sanitizer sees a byte too many. */
static uint8_t *copy_of(const uint8_t *data, size_t size, size_t want)
{
	uint8_t *copy = malloc(want ? want : 1);

	must(copy);
	memset(copy, 0, want);
	memcpy(copy, data, size < want ? size : want);
	return copy;
}

/* Pieces of a part follow each other without gap or overlap. */
static void piece(uint64_t offset, uint64_t length, uint64_t *end, uint64_t part)
{
	if (!offset)
		return;
	must(offset == *end && length && length <= part - offset);
	*end += length;
}

static void check_offsets(const struct tmem_wire_request *r, uint64_t readable, uint64_t writable)
{
	static const uint64_t answers[TMEM_WIRE_OPS] = {
		[TMEM_WIRE_HELLO] = 64, [TMEM_WIRE_STAT] = 128, [TMEM_WIRE_EVENT] = 64};
	uint64_t pages = r->count * 4096ull, in = 64, out = 16;

	piece(r->list, r->count * 32ull, &in, readable);
	piece(r->data_in, pages, &in, readable);
	piece(r->results, (r->count * 4ull + 7) & ~7ull, &out, writable);
	piece(r->answer, answers[r->op], &out, writable);
	piece(r->data_out, pages, &out, writable);
	must(in == readable && r->read == readable);
	must(out == writable && r->written == writable);
	must(!!r->answer == !!answers[r->op]);
	must(!!r->list == (r->form == TMEM_WIRE_LIST));
	must(!!r->data_in == (r->op == TMEM_WIRE_PUT));
	must(!!r->data_out == (r->op == TMEM_WIRE_GET));
}

static void check_accepted(const struct tmem_wire_request *r, const uint8_t *bytes)
{
	struct tmem_req req = {
		.op = r->op,
		.form = r->form,
		.count = r->count,
		.pool = r->pool,
		.index = r->index,
		.flags = r->flags,
		.cookie = r->cookie,
	};
	struct tmem_wire_request again = {.op = r->op, .form = r->form, .count = r->count};
	uint8_t encoded[64];

	memcpy(req.object, r->object, sizeof(req.object));
	memcpy(req.arg, r->arg, sizeof(req.arg));
	tmem_wire_put_req(encoded, &req);
	must(!memcmp(encoded, bytes, 64));
	tmem_wire_layout(&again);
	must(again.list == r->list && again.data_in == r->data_in && again.results == r->results &&
	     again.answer == r->answer && again.data_out == r->data_out && again.read == r->read &&
	     again.written == r->written);
	if (r->form == TMEM_WIRE_RUN)
		must((uint64_t)r->index + r->count <= 1ull << 32);
}

static void judge(const uint8_t *bytes, uint64_t readable, uint64_t writable,
		  const struct tmem_wire_state *state)
{
	const struct oracle_case c = {bytes, readable, writable, state->greeted, state->batch};
	struct oracle_verdict oracle = oracle_judge(&c);
	struct tmem_wire_request request;
	int mute = -1, code = tmem_wire_judge(bytes, readable, writable, state, &request, &mute);

	must(code == oracle.code && mute == oracle.mute);
	if (code)
		return;
	must(request.count && request.count <= state->batch);
	check_offsets(&request, readable, writable);
	check_accepted(&request, bytes);
	/* What is right to the byte is wrong with one byte more or less. */
	must(tmem_wire_judge(bytes, readable + 1, writable, state, &request, &mute) < 0 && !mute);
	must(tmem_wire_judge(bytes, readable, writable + 1, state, &request, &mute) < 0 && !mute);
	must(tmem_wire_judge(bytes, readable, writable - 1, state, &request, &mute) < 0);
}

static void judge_entries(const uint8_t *data, size_t size)
{
	struct tmem_ent ent = {{0, 0, 0}, 0, 0};
	uint8_t encoded[32], *copy;
	int code;

	for (; size >= 32; data += 32, size -= 32) {
		copy = copy_of(data, 32, 32);
		code = tmem_wire_judge_entry(copy, ent.object, &ent.index);
		must(code == (data[28] || data[29] || data[30] || data[31] ? -TMEM_EINVAL : 0));
		tmem_wire_put_ent(encoded, &ent);
		must(code || !memcmp(encoded, data, 32));
		free(copy);
	}
}

/* A host's answers as a client reads them: every bit has a place, and goes back to it. */
static void read_answers(const uint8_t *data, size_t size)
{
	uint8_t *copy = copy_of(data, size, 128), encoded[128];
	struct tmem_hello hello;
	struct tmem_event event;
	struct tmem_stat stat;
	struct tmem_rep rep;
	int32_t result[5];

	tmem_wire_get_rep(&rep, copy);
	tmem_wire_put_rep(encoded, &rep);
	must(!memcmp(encoded, copy, 16));
	tmem_wire_get_hello(&hello, copy);
	tmem_wire_put_hello(encoded, &hello);
	must(!memcmp(encoded, copy, 64));
	tmem_wire_get_event(&event, copy);
	tmem_wire_put_event(encoded, &event);
	must(!memcmp(encoded, copy, 64));
	tmem_wire_get_stat(&stat, copy);
	tmem_wire_put_stat(encoded, &stat);
	must(!memcmp(encoded, copy, 128));
	tmem_wire_get_results(result, copy, 5);
	memset(encoded, 0xff, 32);
	tmem_wire_put_results(encoded, result, 5);
	must(!memcmp(encoded, copy, 20) && !tmem_get_le32(encoded + 20) && encoded[24] == 0xff);
	free(copy);
}

/* Lengths as the first bytes of the request would have them, so that many pass. */
static void judge_healed(const uint8_t *bytes, const struct tmem_wire_state *state)
{
	struct tmem_wire_request r = {
		.op = bytes[0], .form = bytes[1], .count = tmem_get_le16(bytes + 2)};

	if (r.op >= TMEM_WIRE_OPS || r.form > TMEM_WIRE_LIST)
		return;
	tmem_wire_layout(&r);
	judge(bytes, r.read, r.written, state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tmem_wire_state state;
	uint64_t readable, writable;
	uint8_t *bytes;

	if (size < HEAD)
		return 0;
	state.greeted = data[0] & 1;
	state.batch = 32 + data[1] % 33;
	readable = tmem_get_le64(data + 2);
	writable = tmem_get_le64(data + 10);
	data += HEAD;
	size -= HEAD;
	bytes = copy_of(data, size, readable < 64 ? (size_t)readable : 64);
	judge(bytes, readable, writable, &state);
	if (readable >= 64)
		judge_healed(bytes, &state);
	free(bytes);
	if (size > 64)
		judge_entries(data + 64, size - 64);
	read_answers(data, size);
	return 0;
}
