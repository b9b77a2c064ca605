// SPDX-License-Identifier: MIT
/* Batches that nobody waits for: submitted, announced by a descriptor, reaped. */
#include "batch.h"
#include "error.h"
#include "link.h"
#include "request.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

static struct batch *take_spare(struct tmem *tmem)
{
	struct batch *batch;
	uint32_t i;

	if (!tmem->spare) {
		tmem->spare = calloc(TMEM_BATCHES, sizeof(*batch));
		for (i = 0; tmem->spare && i < TMEM_BATCHES; i++) {
			tmem->spare[i].after = tmem->spare_free;
			tmem->spare_free = &tmem->spare[i];
		}
	}
	batch = tmem->spare_free;
	if (batch)
		tmem->spare_free = batch->after;
	return batch;
}

int tmem_batch_submit(struct tmem *tmem, struct tmem_io *io, uint32_t count, void *tag)
{
	struct batch *batch;
	int error;

	if (!tmem || !io || !count || count > INT32_MAX)
		return -TMEM_EINVAL;
	error = lt_enter(tmem);
	if (error)
		return error;
	tmem->broken = 0;
	error = lt_link_ensure(tmem);
	if (error)
		return lt_leave(tmem, error);
	batch = take_spare(tmem);
	if (!batch)
		return lt_leave(tmem, tmem->spare ? -TMEM_EBUSY : -TMEM_ENOMEM);
	batch->tag = tag;
	lt_batch_add(tmem, batch, io, count);
	lt_batch_send(tmem);
	/* All of it was refused by its pools or by the judge: there will be no answer. */
	if (!batch->left)
		lt_batch_announce(tmem);
	return lt_leave(tmem, 0);
}

static bool is_waiting(const struct tmem *tmem)
{
	const struct batch *batch = tmem->first;

	while (batch && !batch->left)
		batch = batch->after;
	return batch != NULL;
}

/* Takes what has come; over another link, if this one has gone. */
static void advance(struct tmem *tmem)
{
	int got = tmem->state == LINK_UP ? lt_request_collect(tmem) : 0;
	uint64_t now;

	if (got > 0)
		lt_batch_send(tmem);
	if (got > 0 || !is_waiting(tmem))
		return;
	if (!got && tmem->state == LINK_UP) {
		now = lt_now();
		if (!tmem->answered)
			tmem->answered = now;
		if (lt_link_is_lost(tmem))
			got = lt_request_collect(tmem) > 0 ? 0 : -TMEM_ENOTCONN;
		else if (now - tmem->answered >= tmem->timeout_ns)
			got = lt_fail(tmem, -TMEM_ETIMEDOUT, "tmemd at %s does not answer",
				      tmem->path);
		if (!got)
			return;
	}
	if (!lt_batch_recover(tmem, got))
		lt_batch_send(tmem);
}

static uint32_t take_complete(struct tmem *tmem, void **tags, uint32_t most)
{
	struct batch *batch;
	uint32_t count = 0, i;

	while (count < most && tmem->first && !tmem->first->left) {
		batch = tmem->first;
		for (i = 0; i < batch->count; i++) {
			if (batch->io[i].result < 0 && batch->io[i].result != -TMEM_ENOENT)
				lt_note(tmem, batch->io[i].result);
		}
		lt_batch_remove(tmem, batch);
		tags[count++] = batch->tag;
		batch->after = tmem->spare_free;
		tmem->spare_free = batch;
	}
	return count;
}

/* Nothing more can be reaped: the descriptor rests. True: something came meanwhile. */
static bool rest(struct tmem *tmem)
{
	uint64_t calls;

	if (!tmem->polled)
		return false;
	(void)!read(tmem->call, &calls, sizeof(calls));
	if (tmem->state != LINK_UP || !tmem->first)
		return false;
	lt_ring_ask(&tmem->ring[1], 1);
	return lt_ring_ready(&tmem->ring[1]);
}

void lt_batch_announce(struct tmem *tmem)
{
	const uint64_t one = 1;

	if (!tmem->polled || !tmem->first)
		return;
	if (tmem->first->left && tmem->state == LINK_UP) {
		lt_ring_ask(&tmem->ring[1], 1);
		if (!lt_ring_ready(&tmem->ring[1]))
			return;
	}
	(void)!write(tmem->call, &one, sizeof(one));
}

int tmem_batch_reap(struct tmem *tmem, void **tags, uint32_t most)
{
	uint32_t count = 0;
	int error;

	if (!tmem || (most && !tags) || most > INT32_MAX)
		return -TMEM_EINVAL;
	error = lt_enter(tmem);
	if (error)
		return error;
	tmem->broken = 0;
	do {
		advance(tmem);
		if (most)
			count += take_complete(tmem, tags + count, most - count);
	} while (count < most && rest(tmem));
	pthread_mutex_unlock(&tmem->lock);
	return (int)count;
}

int tmem_batch_wait(struct tmem *tmem, uint32_t timeout_ms)
{
	struct pollfd fd[2] = {{.events = POLLIN}, {.events = POLLIN}};
	uint64_t until, now, calls, left;
	int error;

	if (!tmem)
		return -TMEM_EINVAL;
	error = lt_enter(tmem);
	if (error)
		return error;
	tmem->broken = 0;
	until = lt_now() + timeout_ms * 1000000ull;
	for (;;) {
		advance(tmem);
		if (!tmem->first || !tmem->first->left)
			break;
		if (tmem->state != LINK_UP)
			continue;
		now = lt_now();
		if (now >= until)
			break;
		lt_ring_ask(&tmem->ring[1], 1);
		if (lt_ring_ready(&tmem->ring[1]))
			continue;
		/* A daemon that does not answer is found out in time. */
		left = until - now < tmem->timeout_ns ? until - now : tmem->timeout_ns;
		fd[0].fd = tmem->call;
		fd[1].fd = tmem->socket;
		if (poll(fd, 2, (int)(left / 1000000 + 1)) > 0 && fd[0].revents)
			(void)!read(tmem->call, &calls, sizeof(calls));
	}
	error = tmem->first && !tmem->first->left;
	pthread_mutex_unlock(&tmem->lock);
	return error;
}

int tmem_batch_fd(struct tmem *tmem)
{
	uint64_t calls;
	int error;

	if (!tmem)
		return -TMEM_EINVAL;
	error = lt_enter(tmem);
	if (error)
		return error;
	/* Calls that single operations were woken by say nothing about batches. */
	if (!tmem->polled)
		(void)!read(tmem->call, &calls, sizeof(calls));
	tmem->polled = true;
	lt_batch_announce(tmem);
	error = tmem->waiting;
	pthread_mutex_unlock(&tmem->lock);
	return error;
}
