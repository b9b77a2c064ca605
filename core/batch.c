/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Many operations in one call, in the order in which they stand.
 */
#include "internal.h"

void tmem_batch(struct tmem_client *client, struct tmem_worker *worker, struct tmem_op *ops,
		uint32_t count)
{
	struct tmem_op *op;

	for (op = ops; op < ops + count; op++) {
		switch (op->code) {
		case TMEM_OP_PUT:
			op->result = tmem_put(client, worker, &op->handle, op->page);
			break;
		case TMEM_OP_GET:
			op->result = tmem_get(client, worker, &op->handle, op->page);
			break;
		case TMEM_OP_FLUSH:
			op->result = tmem_flush(client, worker, &op->handle);
			break;
		case TMEM_OP_FLUSH_RANGE:
			op->result = tmem_flush_range(client, worker, &op->handle, op->count);
			break;
		case TMEM_OP_FLUSH_OBJECT:
			op->result = tmem_flush_object(client, worker, &op->handle);
			break;
		default:
			op->result = -TMEM_EINVAL;
		}
	}
}
