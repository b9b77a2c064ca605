// SPDX-License-Identifier: MIT
/* Building, waiting, judging. */
#include "request.h"
#include "error.h"
#include "format.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define SEGMENTS_MAX (MEMORY_SLOT_PAGES + 2)
#define RESULT_LEAST (-4095)

/* Looks at the ring so often between two looks at the clock. */
#define SPINS 16

/* Credit for looks that paid, and waits of which one is a try while there is none. */
#define SPIN_CREDIT_MAX 8
#define SPIN_TRIES	32

/* A try looks longer: it has to see through the wake-up of a daemon that sleeps. */
#define SPIN_TRY 5

struct chain {
	struct ring_desc segment[SEGMENTS_MAX];
	uint32_t count;
};

static void breathe(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#else
	__asm__ volatile("" ::: "memory");
#endif
}

void lt_request_reset(struct tmem *tmem)
{
	uint32_t i;

	memset(tmem->slot, 0, sizeof(tmem->slot));
	memset(&tmem->control, 0, sizeof(tmem->control));
	for (i = 0; i < LT_IO_SLOTS; i++)
		tmem->free_slot[i] = (uint8_t)(LT_IO_SLOTS - 1 - i);
	tmem->free_slots = LT_IO_SLOTS;
}

/* Neighbours in memory become one descriptor. */
static void add_segment(struct chain *chain, uint64_t guest, uint32_t length, uint16_t flags)
{
	struct ring_desc *last = chain->count ? &chain->segment[chain->count - 1] : NULL;

	if (last && last->flags == flags && last->guest + last->length == guest) {
		last->length += length;
		return;
	}
	last = &chain->segment[chain->count++];
	last->guest = guest;
	last->length = length;
	last->flags = flags;
}

static void offer(struct tmem *tmem, uint32_t slot, struct chain *chain)
{
	struct ring *ring = &tmem->ring[1];
	uint8_t *table = ring->desc;
	uint32_t i, first = slot * MEMORY_SLOT_DESCS, place = first;
	struct ring_desc indirect = {.flags = RING_INDIRECT};

	if (chain->count > MEMORY_SLOT_DESCS) {
		table = memory_slot(&tmem->memory, slot) + MEMORY_TABLE;
		indirect.guest = memory_guest(&tmem->memory, table);
		indirect.length = chain->count * (uint32_t)sizeof(indirect);
		lt_ring_write(ring->desc, first, &indirect);
		place = 0;
	}
	for (i = 0; i < chain->count; i++, place++) {
		if (i + 1 < chain->count) {
			chain->segment[i].flags |= RING_NEXT;
			chain->segment[i].next = (uint16_t)(place + 1);
		} else {
			chain->segment[i].next = 0;
		}
		lt_ring_write(table, place, &chain->segment[i]);
	}
	lt_ring_offer(ring, (uint16_t)first);
}

/* Crosses with one copy. */
static bool is_shared(const struct tmem *tmem, const void *page)
{
	return tmem->indirect && memory_has(&tmem->memory, page);
}

static void add_pages(struct tmem *tmem, struct chain *chain, uint32_t index, uint16_t flags)
{
	const struct slot *slot = &tmem->slot[index];
	uint8_t *bounce = memory_bounce(&tmem->memory, index);
	uint32_t i;

	for (i = 0; i < slot->pages; i++, bounce += MEMORY_PAGE) {
		void *page = slot->batch->io[slot->io[i]].page;

		if (is_shared(tmem, page)) {
			add_segment(chain, memory_guest(&tmem->memory, page), MEMORY_PAGE, flags);
			continue;
		}
		if (!flags)
			memcpy(bounce, page, MEMORY_PAGE);
		add_segment(chain, memory_guest(&tmem->memory, bounce), MEMORY_PAGE, flags);
	}
}

static bool has_pages(uint32_t code)
{
	return code == TMEM_IO_PUT || code == TMEM_IO_GET || code == TMEM_IO_FLUSH;
}

/* Fills slot->io with what can travel together; true: indexes of one object, one after the other. */
static bool gather(const struct tmem *tmem, struct slot *slot, struct batch *batch)
{
	const struct tmem_io *first = &batch->io[batch->next], *io, *before = first;
	uint32_t most = has_pages(first->code) ? tmem->batch_max : 1, i;
	bool run = true;

	slot->pages = 0;
	for (i = batch->next; i < batch->count && slot->pages < most; i++) {
		io = &batch->io[i];
		if (io->result != -TMEM_EWAITS)
			continue;
		if (io->code != first->code || io->pool != first->pool)
			break;
		if (slot->pages && (before->index == UINT32_MAX || io->index != before->index + 1 ||
				    memcmp(&io->object, &first->object, sizeof(io->object))))
			run = false;
		before = io;
		slot->io[slot->pages++] = i;
	}
	batch->next = i;
	return run;
}

static void put_entries(const struct slot *slot, uint8_t *to)
{
	struct tmem_ent ent = {.zero = 0};
	uint32_t i;

	for (i = 0; i < slot->pages; i++, to += sizeof(ent)) {
		const struct tmem_io *io = &slot->batch->io[slot->io[i]];

		memcpy(ent.object, io->object.word, sizeof(ent.object));
		ent.index = io->index;
		tmem_wire_put_ent(to, &ent);
	}
}

void lt_request_send(struct tmem *tmem, struct batch *batch)
{
	uint32_t index = tmem->free_slot[--tmem->free_slots], head = sizeof(struct tmem_req);
	struct slot *slot = &tmem->slot[index];
	uint8_t *at = memory_slot(&tmem->memory, index);
	struct tmem_req req = {.form = TMEM_WIRE_ONE};
	const struct tmem_io *first;
	struct chain chain;
	bool run;

	slot->batch = batch;
	run = gather(tmem, slot, batch);
	first = &batch->io[slot->io[0]];
	slot->op = (uint8_t)first->code;
	slot->written = sizeof(struct tmem_rep);
	if (has_pages(first->code))
		slot->written += TMEM_WIRE_RESULTS(slot->pages);

	req.op = slot->op;
	req.count = (uint16_t)slot->pages;
	req.pool = first->pool->number;
	if (run) {
		req.form = slot->pages > 1 ? TMEM_WIRE_RUN : TMEM_WIRE_ONE;
		memcpy(req.object, first->object.word, sizeof(req.object));
		if (first->code != TMEM_IO_FLUSH_OBJECT)
			req.index = first->index;
		if (first->code == TMEM_IO_FLUSH_RANGE)
			req.arg[0] = first->count < TMEM_WIRE_RANGE - first->index
					     ? first->count
					     : TMEM_WIRE_RANGE - first->index;
	} else {
		req.form = TMEM_WIRE_LIST;
		put_entries(slot, at + head);
		head += slot->pages * (uint32_t)sizeof(struct tmem_ent);
	}
	tmem_wire_put_req(at, &req);

	chain.count = 0;
	add_segment(&chain, memory_guest(&tmem->memory, at), head, 0);
	if (first->code == TMEM_IO_PUT)
		add_pages(tmem, &chain, index, 0);
	add_segment(&chain, memory_guest(&tmem->memory, at + MEMORY_REPLY), slot->written,
		    RING_WRITE);
	if (first->code == TMEM_IO_GET) {
		add_pages(tmem, &chain, index, RING_WRITE);
		slot->written += slot->pages * MEMORY_PAGE;
	}
	offer(tmem, index, &chain);
}

static int nonsense(struct tmem *tmem, const char *what)
{
	return lt_fail(
		tmem, -TMEM_EPROTO,
		"the other side of %s broke the tmem protocol (%s): the connection was given "
		"up; see whether it is a tmem device, and of this version",
		tmem->path, what);
}

/* What @result of one operation means to the program. */
static int32_t outcome(const struct tmem_pool *pool, uint32_t code, int32_t result)
{
#ifndef LIBTMEM_LOSS_IS_A_MISS /* a test's control */
	if (code == TMEM_IO_GET && result == -TMEM_ENOENT && pool->losses != pool->accepted)
		return -TMEM_EIO;
#endif
	return result;
}

static bool is_failure(int32_t result)
{
	return result < 0 && result >= RESULT_LEAST && result != -TMEM_EWAITS;
}

/* All that an answer says is in @copy, which only we can change. */
static int take_results(struct tmem *tmem, struct slot *slot, uint32_t index,
			const struct tmem_rep *reply, const uint8_t *copy)
{
	const uint8_t *bounce = memory_bounce(&tmem->memory, index);
	int32_t result[MEMORY_SLOT_PAGES];
	uint32_t i;

	if (reply->status)
		for (i = 0; i < slot->pages; i++)
			result[i] = reply->status;
	else if (has_pages(slot->op))
		tmem_wire_get_results(result, copy + sizeof(*reply), slot->pages);
	else
		result[0] = slot->op == TMEM_IO_FLUSH_OBJECT ? (int32_t)(reply->value != 0) : 0;

	for (i = 0; i < slot->pages; i++) {
		if (!is_failure(result[i]) && result[i] != 0 &&
		    !(result[i] == 1 &&
		      (slot->op == TMEM_IO_FLUSH || slot->op == TMEM_IO_FLUSH_OBJECT)))
			return nonsense(tmem, "a result that does not exist");
	}
	for (i = 0; i < slot->pages; i++) {
		struct tmem_io *io = &slot->batch->io[slot->io[i]];

		if (slot->op == TMEM_IO_GET && !result[i] && !is_shared(tmem, io->page))
			memcpy(io->page, bounce + i * MEMORY_PAGE, MEMORY_PAGE);
		io->result = outcome(io->pool, slot->op, result[i]);
	}
	slot->batch->left -= slot->pages;
	return 0;
}

/* Copies a reply out of the shared memory, once. */
static void copy_reply(uint8_t *copy, const uint8_t *from, uint32_t length)
{
	memcpy(copy, from, length);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static int take_control(struct tmem *tmem, uint32_t length)
{
	struct control *control = &tmem->control;
	uint8_t copy[sizeof(control->reply) + sizeof(control->answer)];

	copy_reply(copy, memory_slot(&tmem->memory, LT_CONTROL_SLOT) + MEMORY_REPLY,
		   control->written);
	tmem_wire_get_rep(&control->reply, copy);
	if (control->reply.status ? !is_failure(control->reply.status) : length != control->written)
		return nonsense(tmem, "an answer of another length");
	memcpy(control->answer, copy + sizeof(control->reply),
	       control->written - sizeof(control->reply));
	control->open = false;
	return 0;
}

static int take_answer(struct tmem *tmem, uint32_t head, uint32_t length)
{
	uint8_t copy[sizeof(struct tmem_rep) + TMEM_WIRE_RESULTS(MEMORY_SLOT_PAGES)];
	uint32_t index = head / MEMORY_SLOT_DESCS;
	struct tmem_rep reply;
	struct slot *slot;
	int error;

	if (head % MEMORY_SLOT_DESCS || index >= MEMORY_SLOTS ||
	    (index == LT_CONTROL_SLOT ? !tmem->control.open : !tmem->slot[index].batch))
		return nonsense(tmem, "an answer to nothing that was asked");
	if (length < sizeof(reply))
		return nonsense(tmem, "an answer without a status");
	if (index == LT_CONTROL_SLOT)
		return take_control(tmem, length);

	slot = &tmem->slot[index];
	copy_reply(copy, memory_slot(&tmem->memory, index) + MEMORY_REPLY,
		   (uint32_t)sizeof(reply) +
			   (has_pages(slot->op) ? TMEM_WIRE_RESULTS(slot->pages) : 0));
	tmem_wire_get_rep(&reply, copy);
	if (reply.status ? !is_failure(reply.status) : length != slot->written)
		return nonsense(tmem, "an answer of another length");
	error = take_results(tmem, slot, index, &reply, copy);
	if (error)
		return error;
	slot->batch = NULL;
	tmem->free_slot[tmem->free_slots++] = (uint8_t)index;
	return 0;
}

int lt_request_collect(struct tmem *tmem)
{
	uint32_t head, length;
	int taken = 0, found;

	while ((found = lt_ring_take(&tmem->ring[1], &head, &length)) > 0) {
		int error = take_answer(tmem, head, length);

		if (error)
			return error;
		taken++;
	}
	if (found < 0)
		return nonsense(tmem, "more answers than questions");
	if (taken)
		tmem->answered = 0;
	return taken;
}

/* The daemon says nothing on the socket once the link is up, except good-bye. */
static int look_at_socket(struct tmem *tmem)
{
	return lt_fail(tmem, -TMEM_ENOTCONN,
		       "tmemd closed the connection to %s: it has ended, or removed this client; "
		       "the next call looks for it again",
		       tmem->path);
}

/*
 * What the next answer will be read from comes from another processor together
 * with the index that announces it; one after the other would take as long each.
 */
static void ask_ahead(const struct tmem *tmem)
{
	uint32_t slot = lt_ring_expect(&tmem->ring[1]) / MEMORY_SLOT_DESCS % MEMORY_SLOTS;

	__builtin_prefetch(memory_slot(&tmem->memory, slot) + MEMORY_REPLY);
}

/*
 * Looking without sleeping pays where the answer is about to come, and costs a
 * processor where it is not: so it is done as long as it has paid, and tried
 * now and then after that.
 */
static bool spin(struct tmem *tmem)
{
	uint64_t most = tmem->spin_ns, until;
	uint32_t i;

	if (lt_ring_ready(&tmem->ring[1]))
		return true;
	if (!most || (!tmem->spin_credit && ++tmem->spin_skipped % SPIN_TRIES))
		return false;
	if (!tmem->spin_credit)
		most *= SPIN_TRY;
	until = lt_now() + most;
	do {
		for (i = 0; i < SPINS; i++) {
			breathe();
			ask_ahead(tmem);
			if (!lt_ring_ready(&tmem->ring[1]))
				continue;
			if (tmem->spin_credit < SPIN_CREDIT_MAX)
				tmem->spin_credit++;
			return true;
		}
	} while (lt_now() < until);
	tmem->spin_credit -= tmem->spin_credit > 0;
	return false;
}

int lt_request_wait(struct tmem *tmem, uint32_t need)
{
	struct pollfd fd[2] = {{.fd = tmem->call, .events = POLLIN},
			       {.fd = tmem->socket, .events = POLLIN}};
	uint64_t now, calls;
	int result;

	if (spin(tmem))
		return 0;
	lt_ring_ask(&tmem->ring[1], (uint16_t)(need ? need : 1));
	for (;;) {
		if (lt_ring_ready(&tmem->ring[1]))
			return 0;
		now = lt_now();
		if (!tmem->answered)
			tmem->answered = now;
		if (now - tmem->answered >= tmem->timeout_ns)
			return lt_fail(tmem, -TMEM_ETIMEDOUT,
				       "tmemd at %s took a request and has not answered for %u ms: "
				       "is it stopped?",
				       tmem->path, (unsigned int)(tmem->timeout_ns / 1000000));
		result = poll(fd, 2,
			      (int)((tmem->timeout_ns - (now - tmem->answered)) / 1000000 + 1));
		if (result < 0 && errno != EINTR)
			return lt_fail(tmem, -TMEM_ENOTCONN, "poll: %m");
		if (result > 0 && fd[0].revents)
			(void)!read(tmem->call, &calls, sizeof(calls));
		/* What it answered before it went counts. */
		if (result > 0 && fd[1].revents && !lt_ring_ready(&tmem->ring[1]))
			return look_at_socket(tmem);
	}
}

int lt_request_control(struct tmem *tmem, const struct tmem_req *request, struct tmem_rep *reply,
		       void *answer, uint32_t size)
{
	uint8_t *at = memory_slot(&tmem->memory, LT_CONTROL_SLOT);
	struct control *control = &tmem->control;
	struct chain chain = {.count = 0};
	int error = 0;

	control->written = (uint32_t)sizeof(*reply) + size;
	control->open = true;
	tmem_wire_put_req(at, request);
	add_segment(&chain, memory_guest(&tmem->memory, at), sizeof(*request), 0);
	add_segment(&chain, memory_guest(&tmem->memory, at + MEMORY_REPLY), control->written,
		    RING_WRITE);
	offer(tmem, LT_CONTROL_SLOT, &chain);
	lt_ring_kick(&tmem->ring[1]);
	for (;;) {
		error = lt_request_collect(tmem);
		if (error < 0 || !control->open)
			break;
		error = lt_request_wait(tmem, 1);
		if (error)
			break;
	}
	if (error < 0)
		return error;
	*reply = control->reply;
	if (size)
		memcpy(answer, control->answer, size);
	return 0;
}

void lt_request_ask_news(struct tmem *tmem)
{
	uint8_t *at = tmem->memory.base + MEMORY_EVENT_AT;
	const struct tmem_req request = {.op = TMEM_WIRE_EVENT, .count = 1};
	struct ring *ring = &tmem->ring[0];
	struct ring_desc desc = {memory_guest(&tmem->memory, at), sizeof(request), RING_NEXT, 1};

	tmem_wire_put_req(at, &request);
	lt_ring_write(ring->desc, 0, &desc);
	desc.guest = memory_guest(&tmem->memory, at + MEMORY_REPLY);
	desc.length = sizeof(struct tmem_rep) + sizeof(struct tmem_event);
	desc.flags = RING_WRITE;
	desc.next = 0;
	lt_ring_write(ring->desc, 1, &desc);
	lt_ring_ask(ring, 1);
	lt_ring_offer(ring, 0);
	lt_ring_kick(ring);
}

int lt_request_take_news(struct tmem *tmem)
{
	uint8_t copy[sizeof(struct tmem_rep) + sizeof(struct tmem_event)];
	const uint64_t frozen = TMEM_NEWS_FROZEN | TMEM_NEWS_THAWED;
	uint64_t before = tmem->has_news ? tmem->event.news : 0;
	struct tmem_rep reply;
	uint32_t head, length;
	int found = lt_ring_take(&tmem->ring[0], &head, &length);

	if (found < 0 || (found && head))
		return nonsense(tmem, "news that nobody asked for");
	if (!found)
		return 0;
	copy_reply(copy, tmem->memory.base + MEMORY_EVENT_AT + MEMORY_REPLY, sizeof(copy));
	tmem_wire_get_rep(&reply, copy);
	/* A host without events refuses the request: there will be no news. */
	if (length < sizeof(reply) || reply.status)
		return 0;
	if (length != sizeof(copy))
		return nonsense(tmem, "news of another length");
	tmem_wire_get_event(&tmem->event, copy + sizeof(reply));
	if (tmem->event.news & frozen)
		before &= ~frozen;
	tmem->event.news |= before;
	tmem->has_news = true;
	lt_request_ask_news(tmem);
	return 1;
}
