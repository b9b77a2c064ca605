/* SPDX-License-Identifier: MIT */
/*
 * Batches: the one way in which operations reach the ring. A single call is a
 * batch of one. All batches of a connection are in one list, sent in its
 * order; waiting for one also takes the answers of those before it.
 */
#ifndef LIBTMEM_BATCH_H
#define LIBTMEM_BATCH_H

#include "connection.h"

/* Judges the operations and puts the batch at the end of the list. */
void lt_batch_add(struct tmem *tmem, struct batch *batch, struct tmem_io *io, uint32_t count);
void lt_batch_remove(struct tmem *tmem, struct batch *batch);

/* Sends what fits into the ring. */
void lt_batch_send(struct tmem *tmem);

/* Carries out @count operations: how many failed. */
int lt_batch_carry_out(struct tmem *tmem, struct tmem_io *io, uint32_t count);

/* Everything that was not answered is given up with @why. */
void lt_batch_give_up(struct tmem *tmem, int why);

/* The link is gone: what was not answered is to be sent again. */
void lt_batch_rewind(struct tmem *tmem);

/* Whether an unfinished batch names @pool. */
bool lt_batch_uses(const struct tmem *tmem, const struct tmem_pool *pool);

/*
 * Submitted batches and a descriptor to announce them by: says what is
 * complete, or sees to it that the next answer is said. After anything that
 * may have taken answers or calls on the way.
 */
void lt_batch_announce(struct tmem *tmem);

/*
 * @why ended the link, 0: there was none. 0: what is under way can be sent
 * over another one. Else it was given up.
 */
int lt_batch_recover(struct tmem *tmem, int why);

#endif
