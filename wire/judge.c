/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The verdict follows one table: which fields an operation uses, and what its
 * two parts consist of. What is not used must be zero, so that it can mean
 * something one day; the lengths must be what the table says, to the byte, so
 * that a driver's mistake is seen at its first request.
 */
#include "judge.h"

enum {
	POOL = 1,
	OBJECT = 2,
	INDEX = 4,
	FLAGS = 8,
	COOKIE = 16,
	ARG0 = 32,
	ARG1 = 64,
	PAGES = 128, /* count pages in any form, each with a result */
	DATA_IN = 256,
	DATA_OUT = 512
};

static const struct shape {
	uint16_t has;
	uint16_t answer; /* bytes of its structure */
} shapes[TMEM_WIRE_OPS] = {
	[TMEM_WIRE_NOP] = {0, 0},
	[TMEM_WIRE_HELLO] = {POOL | OBJECT | INDEX | ARG0, sizeof(struct tmem_hello)},
	[TMEM_WIRE_NEW_POOL] = {FLAGS | COOKIE | ARG0 | ARG1, 0},
	[TMEM_WIRE_DESTROY_POOL] = {POOL, 0},
	[TMEM_WIRE_PUT] = {POOL | OBJECT | INDEX | PAGES | DATA_IN, 0},
	[TMEM_WIRE_GET] = {POOL | OBJECT | INDEX | PAGES | DATA_OUT, 0},
	[TMEM_WIRE_FLUSH] = {POOL | OBJECT | INDEX | PAGES, 0},
	[TMEM_WIRE_FLUSH_RANGE] = {POOL | OBJECT | INDEX | ARG0, 0},
	[TMEM_WIRE_FLUSH_OBJECT] = {POOL | OBJECT, 0},
	[TMEM_WIRE_STAT] = {POOL, sizeof(struct tmem_stat)},
	[TMEM_WIRE_EVENT] = {0, sizeof(struct tmem_event)},
};

static int has_object(const struct tmem_req *req)
{
	return req->object[0] || req->object[1] || req->object[2];
}

/* Whether a field is set that an operation with @has does not use. */
static int sets_unused(const struct tmem_req *req, uint32_t has)
{
	return (!(has & POOL) && req->pool) || (!(has & OBJECT) && has_object(req)) ||
	       (!(has & INDEX) && req->index) || (!(has & FLAGS) && req->flags) ||
	       (!(has & COOKIE) && req->cookie) || (!(has & ARG0) && req->arg[0]) ||
	       (!(has & ARG1) && req->arg[1]);
}

/*
 * Magic and versions first: a HELLO that is good in a later version only is
 * told so, whatever its other fields mean there.
 */
static int judge_hello(const struct tmem_req *req)
{
	uint32_t low = req->pool & 0xffff, high = req->pool >> 16;

	if (req->object[0] != TMEM_WIRE_MAGIC || low > high)
		return -TMEM_EINVAL;
	/* Below low, the left side wraps to more than any version. */
	if (TMEM_WIRE_VERSION - low > high - low)
		return -TMEM_EOPNOTSUPP;
	if (req->index != TMEM_PAGE_SIZE)
		return -TMEM_EOPNOTSUPP;
	return req->object[2] ? -TMEM_EINVAL : 0;
}

/* What the flags alone tell; whether there may be such a pool is the engine's to say. */
static int judge_new_pool(const struct tmem_req *req)
{
	if ((req->flags & TMEM_POOL_VERSION_MASK) >> TMEM_POOL_VERSION_SHIFT != TMEM_POOL_VERSION)
		return -TMEM_EOPNOTSUPP;
	if (req->flags & TMEM_POOL_PAGE_MASK)
		return -TMEM_EOPNOTSUPP;
	if (req->flags & TMEM_POOL_RESERVED)
		return -TMEM_EINVAL;
	if (!(req->flags & TMEM_POOL_SHARED) && (req->arg[0] || req->arg[1]))
		return -TMEM_EINVAL;
	return 0;
}

static int judge_pages(const struct tmem_req *req, uint32_t batch)
{
	switch (req->form) {
	case TMEM_WIRE_ONE:
		return req->count == 1 ? 0 : -TMEM_EINVAL;
	case TMEM_WIRE_RUN:
		if (!req->count || req->count > batch)
			return -TMEM_EINVAL;
		return req->count - 1u <= 0xffffffffu - req->index ? 0 : -TMEM_EINVAL;
	case TMEM_WIRE_LIST:
		if (!req->count || req->count > batch)
			return -TMEM_EINVAL;
		return has_object(req) || req->index ? -TMEM_EINVAL : 0;
	default:
		return -TMEM_EINVAL;
	}
}

/* @req's operation is a known one. */
static int judge_fields(const struct tmem_req *req, uint32_t batch)
{
	uint32_t has = shapes[req->op].has;
	int err = 0;

	if (req->op == TMEM_WIRE_HELLO)
		err = judge_hello(req);
	else if (req->op == TMEM_WIRE_NEW_POOL)
		err = judge_new_pool(req);
	if (err)
		return err;
	if (sets_unused(req, has))
		return -TMEM_EINVAL;
	if (has & PAGES)
		return judge_pages(req, batch);
	if (req->form != TMEM_WIRE_ONE || req->count != 1)
		return -TMEM_EINVAL;
	/* What passes the last index is cut there: no page that was named stays. */
	if (req->op == TMEM_WIRE_FLUSH_RANGE && req->arg[0] > TMEM_WIRE_RANGE)
		return -TMEM_EINVAL;
	return 0;
}

static void take_fields(struct tmem_wire_request *request, const struct tmem_req *req)
{
	request->op = req->op;
	request->form = req->form;
	request->count = req->count;
	request->pool = req->pool;
	request->object[0] = req->object[0];
	request->object[1] = req->object[1];
	request->object[2] = req->object[2];
	request->index = req->index;
	request->flags = req->flags;
	request->cookie = req->cookie;
	request->arg[0] = req->arg[0];
	request->arg[1] = req->arg[1];
}

void tmem_wire_layout(struct tmem_wire_request *request)
{
	struct shape shape = shapes[request->op];
	uint64_t pages = (uint64_t)request->count * TMEM_PAGE_SIZE;

	request->list = request->data_in = 0;
	request->results = request->answer = request->data_out = 0;
	request->read = sizeof(struct tmem_req);
	request->written = sizeof(struct tmem_rep);
	if (request->form == TMEM_WIRE_LIST) {
		request->list = request->read;
		request->read += request->count * (uint64_t)sizeof(struct tmem_ent);
	}
	if (shape.has & DATA_IN) {
		request->data_in = request->read;
		request->read += pages;
	}
	if (shape.has & PAGES) {
		request->results = request->written;
		request->written += TMEM_WIRE_RESULTS(request->count);
	}
	if (shape.answer) {
		request->answer = request->written;
		request->written += shape.answer;
	}
	if (shape.has & DATA_OUT) {
		request->data_out = request->written;
		request->written += pages;
	}
}

int tmem_wire_judge(const void *bytes64, uint64_t readable, uint64_t writable,
		    const struct tmem_wire_state *state, struct tmem_wire_request *request,
		    int *mute)
{
	struct tmem_req req;
	int err;

	*mute = writable < sizeof(struct tmem_rep);
	if (*mute || readable < sizeof(struct tmem_req))
		return -TMEM_EINVAL;
	tmem_wire_get_req(&req, bytes64);
	if (!state->greeted != (req.op == TMEM_WIRE_HELLO))
		return -TMEM_EPROTO;
	if (req.op >= TMEM_WIRE_OPS)
		return -TMEM_EOPNOTSUPP;
	err = judge_fields(&req, state->batch);
	if (err)
		return err;
	take_fields(request, &req);
	tmem_wire_layout(request);
	return readable == request->read && writable == request->written ? 0 : -TMEM_EINVAL;
}

int tmem_wire_judge_entry(const void *bytes32, uint64_t object[3], uint32_t *index)
{
	struct tmem_ent ent;

	tmem_wire_get_ent(&ent, bytes32);
	if (ent.zero)
		return -TMEM_EINVAL;
	object[0] = ent.object[0];
	object[1] = ent.object[1];
	object[2] = ent.object[2];
	*index = ent.index;
	return 0;
}
