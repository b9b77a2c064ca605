/* SPDX-License-Identifier: MIT */
/*
 * A client's driver that says any number: libtmem has handles of pools, and
 * so no way to ask for a pool that it was never given. It greets with the
 * nonce of the session that goes on, and only one driver of a client may be
 * connected at a time.
 */
#ifndef TESTS_STRANGER_H
#define TESTS_STRANGER_H

#include <stdint.h>
#include <tmem/types.h>

#include "rig.h"

struct stranger;

/* Dies where the socket is not served, or where the session would be another one. */
struct stranger *stranger_connect(const char *socket, uint64_t nonce);
void stranger_disconnect(struct stranger *stranger);

/* @code: enum tmem_op_code. As the engine's call would say. */
int stranger_call(struct stranger *stranger, uint32_t code, const struct tmem_handle *handle,
		  uint64_t count, void *page);
/* Asks and does not read the answer; not more than @loss says is done. Then disconnect. */
void stranger_ask(struct stranger *stranger, enum rig_loss loss, uint32_t code,
		  const struct tmem_handle *handle, const void *page);
/* With a page that is nowhere: -TMEM_EFAULT if the daemon hung up, or its answer. Likewise. */
int stranger_bad_address(struct stranger *stranger, uint32_t code,
			 const struct tmem_handle *handle);
int stranger_destroy_pool(struct stranger *stranger, uint32_t pool);

#endif
