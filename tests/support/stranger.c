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

int stranger_call(struct stranger *stranger, uint32_t code, const struct tmem_handle *handle,
		  uint64_t count, void *page)
{
	struct tmem_req req = dv_req((uint8_t)code);
	struct dv_reply reply;
	int status;

	req.pool = handle->pool;
	memcpy(req.object, handle->object.word, sizeof(req.object));
	if (code != TMEM_WIRE_FLUSH_OBJECT)
		req.index = handle->index;
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
