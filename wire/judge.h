/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The one judge of the tmem device's requests, with a verdict on every byte
 * string there is. It sees bytes that the caller has copied out of the peer's
 * memory, once, and lengths; it never sees an address. doc/protocol.md says
 * what each verdict means to a client.
 */
#ifndef TMEM_WIRE_JUDGE_H
#define TMEM_WIRE_JUDGE_H

#include <tmem/types.h>
#include <tmem/wire.h>
#include "format.h"

TMEM_BEGIN_C

/* What a request asks for, judged; host byte order. Fields that its operation does not use are 0. */
struct tmem_wire_request {
	uint8_t op, form;
	uint16_t count;
	uint32_t pool;
	uint64_t object[3];
	uint32_t index;
	uint32_t flags;
	uint64_t cookie;
	uint64_t arg[2];
	uint64_t list;	   /* offset of the entries in the readable part; 0: none */
	uint64_t data_in;  /* offset of the pages in the readable part; 0: none */
	uint64_t results;  /* offset of the int32 results in the writable part; 0: none */
	uint64_t answer;   /* offset of hello/event/stat structure in the writable part; 0: none */
	uint64_t data_out; /* offset of the pages in the writable part; 0: none */
	uint64_t written;  /* bytes of the writable part that a full answer covers: all of it */
	uint64_t read;	   /* bytes of the readable part: all of it */
};

/* Of a connection: after HELLO, greeted is 1 and batch what was granted. */
struct tmem_wire_state {
	int greeted;
	uint32_t batch;
};

/*
 * 0, or the status for struct tmem_rep; @request is then not to be used:
 *   -TMEM_EPROTO      HELLO is still to come, or came before
 *   -TMEM_EOPNOTSUPP  unknown operation, version, page size
 *   -TMEM_EINVAL      anything else
 * @readable and @writable are the lengths of the two parts; the first 64 bytes
 * of the readable one are at @bytes64, which is not looked at if there are
 * fewer. *@mute is 1 if the writable part has no room for struct tmem_rep:
 * there is nowhere to answer and the session ends; else 0.
 */
TMEM_MUST_CHECK int tmem_wire_judge(const void *bytes64, uint64_t readable, uint64_t writable,
				    const struct tmem_wire_state *state,
				    struct tmem_wire_request *request, int *mute);

/*
 * One list entry. 0 or -TMEM_EINVAL, which refuses the whole request: all of
 * its entries are judged before the first page is touched.
 */
TMEM_MUST_CHECK int tmem_wire_judge_entry(const void *bytes32, uint64_t object[3], uint32_t *index);

/*
 * What follows from op, form and count of @request, all of them good: the
 * offsets and the lengths of the two parts. For a client that builds one.
 */
void tmem_wire_layout(struct tmem_wire_request *request);

TMEM_END_C

#endif
