/* SPDX-License-Identifier: MIT */
/* Requests by number, over the driver of tests/device: see stranger.h. */
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "must.h"
#include "stranger.h"

#define QUEUES 2 /* news, and the requests */

struct stranger {
	struct frontend fe;
};

struct stranger *stranger_connect(const char *socket, uint64_t nonce)
{
	struct stranger *stranger = malloc(sizeof(*stranger));
	struct dv_reply reply;

	MUST(stranger != NULL);
	fe_init(&stranger->fe, socket, NULL, NULL);
	stranger->fe.use_inflight = false;
	MUST_EQ(fe_up(&stranger->fe, QUEUES, true), 0);
	MUST_EQ(dv_hello(&stranger->fe, nonce, &reply), 0);
	if (reply.hello.session)
		FAIL("the nonce of the session that goes on has begun another one");
	return stranger;
}

void stranger_disconnect(struct stranger *stranger)
{
	fe_close(&stranger->fe);
	free(stranger);
}

static int call(struct stranger *stranger, const struct tmem_req *req, const void *page,
		struct dv_reply *reply)
{
	int status = dv_call(&stranger->fe, DV_QUEUE, req, NULL, page, reply);

	if (status == FE_GONE)
		FAIL("the daemon hung up");
	return status;
}

static struct tmem_req request_of(uint32_t code, const struct tmem_handle *handle)
{
	struct tmem_req req = dv_req((uint8_t)code);

	req.pool = handle->pool;
	memcpy(req.object, handle->object.word, sizeof(req.object));
	if (code != TMEM_WIRE_FLUSH_OBJECT)
		req.index = handle->index;
	return req;
}

int stranger_call(struct stranger *stranger, uint32_t code, const struct tmem_handle *handle,
		  uint64_t count, void *page)
{
	struct tmem_req req = request_of(code, handle);
	struct dv_reply reply;
	int status;

	if (code == TMEM_WIRE_FLUSH_RANGE)
		req.arg[0] = count < TMEM_WIRE_RANGE ? count : TMEM_WIRE_RANGE;
	status = call(stranger, &req, page, &reply);
	if (status)
		return status;
	switch (code) {
	case TMEM_WIRE_FLUSH_RANGE:
		return 0;
	case TMEM_WIRE_FLUSH_OBJECT:
		return reply.rep.value != 0;
	case TMEM_WIRE_GET:
		if (!reply.result[0])
			memcpy(page, reply.data, TMEM_PAGE_SIZE);
		return reply.result[0];
	default:
		return reply.result[0];
	}
}

int stranger_destroy_pool(struct stranger *stranger, uint32_t pool)
{
	struct tmem_req req = dv_req(TMEM_WIRE_DESTROY_POOL);
	struct dv_reply reply;

	req.pool = pool;
	return call(stranger, &req, NULL, &reply);
}

void stranger_ask(struct stranger *stranger, enum rig_loss loss, uint32_t code,
		  const struct tmem_handle *handle, const void *page)
{
	struct tmem_req req = request_of(code, handle);

	(void)dv_start(&stranger->fe, DV_QUEUE, &req, NULL, page);
	if (loss != RIG_LOST_ASKING)
		fe_kick(&stranger->fe, DV_QUEUE);
	if (loss == RIG_LOST_ANSWERED)
		MUST(fe_wait(&stranger->fe, DV_QUEUE) >= 0);
}

/* The request, and the rest of its page at the end of all memory, where there is none. */
int stranger_bad_address(struct stranger *stranger, uint32_t code, const struct tmem_handle *handle)
{
	struct tmem_req req = request_of(code, handle);
	struct frontend *fe = &stranger->fe;
	uint8_t page[TMEM_PAGE_SIZE] = {0};
	struct fe_desc *desc;
	struct dv_reply reply;
	uint16_t head;

	/* Readable in two pieces, then writable in two: a put's page ends in the second, a get's in the last. */
	fe->pieces = 2;
	head = dv_start(fe, DV_QUEUE, &req, NULL, page);
	desc = fe_desc(fe, DV_QUEUE, fe_desc(fe, DV_QUEUE, head)->next);
	while (code == TMEM_WIRE_GET && desc->flags & 1)
		desc = fe_desc(fe, DV_QUEUE, desc->next);
	desc->guest = fe_guest(FE_RAM - TMEM_PAGE_SIZE / 4);
	fe_kick(fe, DV_QUEUE);
	return dv_finish(fe, DV_QUEUE, head, &req, &reply) ? -TMEM_EFAULT : reply.rep.status;
}
