/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The structures of <tmem/wire.h>, in host byte order, to and from the bytes
 * that lie in shared memory, for both sides. Each put_ writes and each get_
 * reads exactly sizeof the structure, at any address. Nothing is judged here:
 * every bit of the bytes is a bit of the structure, and back.
 */
#ifndef TMEM_WIRE_FORMAT_H
#define TMEM_WIRE_FORMAT_H

#include <tmem/wire.h>
#include "bytes.h"

TMEM_BEGIN_C

void tmem_wire_put_req(void *bytes, const struct tmem_req *req);
void tmem_wire_get_req(struct tmem_req *req, const void *bytes);

void tmem_wire_put_ent(void *bytes, const struct tmem_ent *ent);
void tmem_wire_get_ent(struct tmem_ent *ent, const void *bytes);

void tmem_wire_put_rep(void *bytes, const struct tmem_rep *rep);
void tmem_wire_get_rep(struct tmem_rep *rep, const void *bytes);

void tmem_wire_put_hello(void *bytes, const struct tmem_hello *hello);
void tmem_wire_get_hello(struct tmem_hello *hello, const void *bytes);

void tmem_wire_put_event(void *bytes, const struct tmem_event *event);
void tmem_wire_get_event(struct tmem_event *event, const void *bytes);

void tmem_wire_put_stat(void *bytes, const struct tmem_stat *stat);
void tmem_wire_get_stat(struct tmem_stat *stat, const void *bytes);

/*
 * The results of @count pages and their padding: TMEM_WIRE_RESULTS(count)
 * bytes are written. get_ reads count of them.
 */
void tmem_wire_put_results(void *bytes, const int32_t *result, uint32_t count);
void tmem_wire_get_results(int32_t *result, const void *bytes, uint32_t count);

TMEM_END_C

#endif
