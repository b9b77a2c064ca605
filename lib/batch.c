// SPDX-License-Identifier: MIT
/* The list of batches, and waiting for the last of it. */
#include "batch.h"
#include "debt.h"
#include "error.h"
#include "link.h"
#include "request.h"

/* Links that one call may lose before it gives up: a daemon that talks nonsense will go on. */
#define LINKS_LOST_MAX 2

static int judge(const struct tmem *tmem, const struct tmem_io *io)
{
	if (!io->pool || io->pool->tmem != tmem)
		return -TMEM_EINVAL;
	switch (io->code) {
	case TMEM_IO_PUT:
	case TMEM_IO_GET:
		return io->page ? 0 : -TMEM_EINVAL;
	case TMEM_IO_FLUSH:
	case TMEM_IO_FLUSH_RANGE:
	case TMEM_IO_FLUSH_OBJECT:
		return 0;
	default:
		return -TMEM_EINVAL;
	}
}

void lt_batch_add(struct tmem *tmem, struct batch *batch, struct tmem_io *io, uint32_t count)
{
	uint32_t i;

	batch->io = io;
	batch->count = count;
	batch->next = 0;
	batch->left = 0;
	for (i = 0; i < count; i++) {
		io[i].result = judge(tmem, &io[i]);
		if (io[i].result)
			continue;
		io[i].result = -TMEM_EWAITS;
		batch->left++;
	}
	batch->after = NULL;
	batch->before = tmem->last;
	if (tmem->last)
		tmem->last->after = batch;
	else
		tmem->first = batch;
	tmem->last = batch;
	if (!tmem->unsent)
		tmem->unsent = batch;
}

void lt_batch_remove(struct tmem *tmem, struct batch *batch)
{
	if (tmem->unsent == batch)
		tmem->unsent = batch->after;
	if (batch->before)
		batch->before->after = batch->after;
	else
		tmem->first = batch->after;
	if (batch->after)
		batch->after->before = batch->before;
	else
		tmem->last = batch->before;
}

/* A pool that could not be made again answers for itself. */
static bool skip(struct batch *batch, struct tmem_io *io)
{
	if (io->result != -TMEM_EWAITS)
		return true;
	if (!io->pool->refused)
		return false;
	io->result = io->pool->refused;
	batch->left--;
	return true;
}

void lt_batch_send(struct tmem *tmem)
{
	struct batch *batch;

	while (tmem->unsent && tmem->free_slots) {
		batch = tmem->unsent;
		while (batch->next < batch->count && skip(batch, &batch->io[batch->next]))
			batch->next++;
		if (batch->next < batch->count)
			lt_request_send(tmem, batch);
		else
			tmem->unsent = batch->after;
	}
	lt_ring_kick(&tmem->ring[1]);
}

void lt_batch_rewind(struct tmem *tmem)
{
	struct batch *batch;

	for (batch = tmem->first; batch; batch = batch->after)
		batch->next = 0;
	tmem->unsent = tmem->first;
}

void lt_batch_give_up(struct tmem *tmem, int why)
{
	struct batch *batch;
	uint32_t i;

	for (batch = tmem->first; batch; batch = batch->after) {
		for (i = 0; i < batch->count && batch->left; i++) {
			if (batch->io[i].result != -TMEM_EWAITS)
				continue;
			batch->io[i].result = why;
			batch->left--;
			lt_debt_add(tmem, &batch->io[i]);
		}
		batch->next = batch->count;
	}
	tmem->unsent = NULL;
}

bool lt_batch_uses(const struct tmem *tmem, const struct tmem_pool *pool)
{
	const struct batch *batch;
	uint32_t i;

	for (batch = tmem->first; batch; batch = batch->after) {
		for (i = 0; i < batch->count && batch->left; i++) {
			if (batch->io[i].result == -TMEM_EWAITS && batch->io[i].pool == pool)
				return true;
		}
	}
	return false;
}

int lt_batch_recover(struct tmem *tmem, int why)
{
	int error = why;

	if (why) {
		lt_link_down(tmem, why);
		tmem->broken++;
	}
	/* What a daemon that hangs was asked is not asked again. */
	if (!why || (why != -TMEM_ETIMEDOUT && tmem->broken <= LINKS_LOST_MAX))
		error = lt_link_ensure(tmem);
	if (error)
		lt_batch_give_up(tmem, error);
	return error;
}

/* Answers until all that was sent, or half of it where more is to be sent, is done. */
static uint32_t needed(const struct tmem *tmem)
{
	uint32_t sent = LT_IO_SLOTS - tmem->free_slots;

	return tmem->unsent ? (sent + 1) / 2 : sent;
}

int lt_batch_carry_out(struct tmem *tmem, struct tmem_io *io, uint32_t count)
{
	struct batch batch;
	int error = 0, failed = 0;
	uint32_t i;

	lt_batch_add(tmem, &batch, io, count);
	tmem->broken = 0;
	while (batch.left) {
		if (error || tmem->state != LINK_UP) {
			error = lt_batch_recover(tmem, error);
			if (error)
				break;
		}
		lt_batch_send(tmem);
		error = lt_request_collect(tmem);
		if (error > 0)
			error = 0;
		else if (!error && batch.left)
			error = lt_request_wait(tmem, needed(tmem));
	}
	lt_batch_remove(tmem, &batch);
	lt_batch_announce(tmem);
	for (i = 0; i < count; i++) {
		if (io[i].result >= 0)
			continue;
		failed++;
		if (io[i].result != -TMEM_ENOENT)
			lt_note(tmem, io[i].result);
	}
	return failed;
}

int tmem_batch_run(struct tmem *tmem, struct tmem_io *io, uint32_t count)
{
	int result;

	if (!tmem || (count && !io) || count > INT32_MAX)
		return -TMEM_EINVAL;
	result = lt_enter(tmem);
	if (result)
		return result;
	result = lt_batch_carry_out(tmem, io, count);
	pthread_mutex_unlock(&tmem->lock);
	return result;
}
