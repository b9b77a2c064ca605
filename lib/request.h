/* SPDX-License-Identifier: MIT */
/*
 * Requests in the ring: built from a batch's operations, and their answers
 * judged. The daemon may be broken or hostile: an answer that the protocol
 * does not allow ends the link, and nothing else.
 */
#ifndef LIBTMEM_REQUEST_H
#define LIBTMEM_REQUEST_H

#include "connection.h"

/* No request is under way any more; the daemon has let go of the memory. */
void lt_request_reset(struct tmem *tmem);

/*
 * Sends what @batch has next, as much as one request takes; a slot must be
 * free and something unsent and unanswered. Moves batch->next on.
 */
void lt_request_send(struct tmem *tmem, struct batch *batch);

/* Takes all answers that have come: how many, or -TMEM_EPROTO with a sentence. */
int lt_request_collect(struct tmem *tmem);

/*
 * Waits until an answer can be taken. @need: answers until the caller can go
 * on. 0; -TMEM_ENOTCONN: the daemon has gone; -TMEM_ETIMEDOUT.
 */
int lt_request_wait(struct tmem *tmem, uint32_t need);

/*
 * A request of the library's own, from beginning to end; the link must be up.
 * 0 and *@reply, whose status is the daemon's, @size bytes of answer behind
 * it; or why the link is to be taken down.
 */
int lt_request_control(struct tmem *tmem, const struct tmem_req *request, struct tmem_rep *reply,
		       void *answer, uint32_t size);

/* Asks to be told of news; takes news that has come. -TMEM_EPROTO: see above. */
void lt_request_ask_news(struct tmem *tmem);
int lt_request_take_news(struct tmem *tmem);

#endif
