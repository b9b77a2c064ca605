// SPDX-License-Identifier: MIT
/*
 * Split rings: bounded, and total over whatever the rings hold.
 *
 * Every number read from a ring or a table passes one comparison before it
 * is used: an index against its table, a length against what is left, the
 * available index against the ring's size. A chain can have no more
 * descriptors than the table that holds it, which is what ends loops.
 */
#include "virtqueue.h"
#include "notify.h"
#include <endian.h>
#include <errno.h>
#include <linux/virtio_ring.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define RING_FLAGS   0
#define RING_INDEX   2
#define RING_ENTRIES 4
#define USED_ENTRY   8

void virtqueue_init(struct virtqueue *queue, struct guest_mem *mem, struct inflight *inflight,
		    uint16_t index)
{
	memset(queue, 0, sizeof(*queue));
	queue->mem = mem;
	queue->inflight = inflight;
	queue->index = index;
	queue->call_fd = -1;
	queue->err_fd = -1;
}

void virtqueue_close(struct virtqueue *queue)
{
	if (queue->call_fd >= 0)
		close(queue->call_fd);
	if (queue->err_fd >= 0)
		close(queue->err_fd);
	queue->call_fd = -1;
	queue->err_fd = -1;
}

static enum guest_error find_rings(const struct virtqueue *queue,
				   const struct virtqueue_address *address, uint64_t *desc,
				   uint64_t *avail, uint64_t *used)
{
	uint64_t size = queue->size;

	if (!guest_mem_from_user(queue->mem, address->desc, size * sizeof(struct vring_desc),
				 desc) ||
	    !guest_mem_from_user(queue->mem, address->avail, RING_ENTRIES + size * 2 + 2, avail) ||
	    !guest_mem_from_user(queue->mem, address->used, RING_ENTRIES + size * USED_ENTRY + 2,
				 used))
		return GUEST_ERROR_queue_address;
	if (*desc % VRING_DESC_ALIGN_SIZE || *avail % VRING_AVAIL_ALIGN_SIZE ||
	    *used % VRING_USED_ALIGN_SIZE)
		return GUEST_ERROR_queue_address;
	return GUEST_OK;
}

enum guest_error virtqueue_set_address(struct virtqueue *queue,
				       const struct virtqueue_address *address)
{
	enum guest_error error = GUEST_OK;

	if (queue->started)
		error = find_rings(queue, address, &queue->desc, &queue->avail, &queue->used);
	if (!error) {
		queue->address = *address;
		queue->addressed = true;
	}
	return error;
}

static enum guest_error read_u16(struct virtqueue *queue, uint64_t guest, uint16_t *value)
{
	enum guest_error error = guest_mem_read(queue->mem, guest, value, sizeof(*value));

	*value = le16toh(*value);
	return error;
}

/* Writes to the used ring have a log address of their own. */
static enum guest_error write_used(struct virtqueue *queue, uint64_t offset, const void *src,
				   size_t length)
{
	enum guest_error error;

	error = guest_mem_write_unlogged(queue->mem, queue->used + offset, src, length);
	if (error || !queue->address.logged)
		return error;
	if (offset > UINT64_MAX - queue->address.log)
		return GUEST_ERROR_log_address;
	return guest_mem_mark(queue->mem, queue->address.log + offset, length);
}

static void set_busy(struct virtqueue *queue, uint16_t head, bool busy)
{
	uint64_t bit = (uint64_t)1 << (head % 64);

	if (busy)
		queue->busy[head / 64] |= bit;
	else
		queue->busy[head / 64] &= ~bit;
}

static bool is_busy(const struct virtqueue *queue, uint16_t head)
{
	return queue->busy[head / 64] >> (head % 64) & 1;
}

enum guest_error virtqueue_start(struct virtqueue *queue, bool event_idx)
{
	struct inflight_resume resume = {.fresh = true, .head = queue->waiting};
	enum guest_error error;
	uint16_t i;

	if (!queue->size || !queue->addressed)
		return GUEST_ERROR_message_out_of_turn;
	error = find_rings(queue, &queue->address, &queue->desc, &queue->avail, &queue->used);
	if (!error)
		error = read_u16(queue, queue->used + RING_INDEX, &queue->next_used);
	if (!error && inflight_is_open(queue->inflight))
		error = inflight_begin(queue->inflight, queue->mem, queue->index, queue->size,
				       queue->next_used, &resume);
	if (error)
		return error;

	memset(queue->busy, 0, sizeof(queue->busy));
	queue->taken = resume.count;
	queue->waiting_first = 0;
	queue->waiting_count = resume.count;
	for (i = 0; i < resume.count; i++)
		set_busy(queue, queue->waiting[i], true);
	queue->counter = resume.counter;
	/*
	 * Whatever was taken is either answered or in flight, so the region
	 * says where the available ring goes on; a front-end whose back-end
	 * died knows no better than the used index.
	 */
	queue->next_avail =
		resume.fresh ? queue->base : (uint16_t)(queue->next_used + resume.count);
	queue->offered = queue->next_avail;
	queue->event_idx = event_idx;
	queue->signalled_any = false;
	queue->signalled_used = queue->next_used;
	queue->started = true;
	return GUEST_OK;
}

uint16_t virtqueue_stop(struct virtqueue *queue)
{
	queue->started = false;
	queue->waiting_count = 0;
	queue->taken = 0;
	queue->base = queue->next_avail;
	return queue->base;
}

/*
 * What the next request will be read from comes from another processor together
 * with the index that announces it; one after the other would take as long each.
 * A driver with one request at a time uses one head.
 */
static void ask_ahead(struct virtqueue *queue)
{
	guest_mem_ask(queue->mem, queue->avail + RING_ENTRIES +
					  (uint64_t)(queue->next_avail & (queue->size - 1)) * 2);
	guest_mem_ask(queue->mem,
		      queue->desc + (uint64_t)queue->chain.head * sizeof(struct vring_desc));
	guest_mem_ask(queue->mem, queue->chain.segment[0].guest);
}

enum guest_error virtqueue_next(struct virtqueue *queue, uint16_t *head, bool *found)
{
	enum guest_error error;
	uint16_t index;

	*found = false;
	ask_ahead(queue);
	error = read_u16(queue, queue->avail + RING_INDEX, &index);
	if (error)
		return error;
	if ((uint16_t)(index - queue->next_avail) > queue->size)
		return GUEST_ERROR_queue_runaway;
	queue->offered = index;
	if (index == queue->next_avail)
		return GUEST_OK;
	/* The entry is read after the index that covers it. */
	atomic_thread_fence(memory_order_acquire);
	error = read_u16(queue,
			 queue->avail + RING_ENTRIES +
				 (uint64_t)(queue->next_avail & (queue->size - 1)) * 2,
			 head);
	if (error)
		return error;
	if (*head >= queue->size)
		return GUEST_ERROR_queue_head;
	if (is_busy(queue, *head))
		return GUEST_ERROR_queue_head_busy;
	if (inflight_is_open(queue->inflight)) {
		error = inflight_take(queue->inflight, queue->mem, queue->index, *head,
				      queue->counter++);
		if (error)
			return error;
	}
	set_busy(queue, *head, true);
	queue->taken++;
	queue->next_avail++;
	*found = true;
	return GUEST_OK;
}

void virtqueue_undo(struct virtqueue *queue, uint16_t head)
{
	set_busy(queue, head, false);
	queue->taken--;
	queue->next_avail--;
}

/* Never more heads than the ring has: each is busy, and busy once. */
bool virtqueue_waiting(struct virtqueue *queue, uint16_t *head)
{
	if (!queue->waiting_count)
		return false;
	*head = queue->waiting[queue->waiting_first];
	queue->waiting_first = (uint16_t)((queue->waiting_first + 1) % VIRTQUEUE_SIZE_MAX);
	queue->waiting_count--;
	return true;
}

void virtqueue_wait(struct virtqueue *queue, uint16_t head)
{
	uint16_t at =
		(uint16_t)((queue->waiting_first + queue->waiting_count) % VIRTQUEUE_SIZE_MAX);

	queue->waiting[at] = head;
	queue->waiting_count++;
}

void virtqueue_wait_first(struct virtqueue *queue, uint16_t head)
{
	queue->waiting_first =
		(uint16_t)((queue->waiting_first + VIRTQUEUE_SIZE_MAX - 1) % VIRTQUEUE_SIZE_MAX);
	queue->waiting[queue->waiting_first] = head;
	queue->waiting_count++;
}

/* The table that descriptors are being read from: the ring's, or one indirect table. */
struct table {
	uint64_t guest;
	uint32_t entries;
	uint32_t walked;
	bool indirect;
};

static enum guest_error read_desc(struct virtqueue *queue, const struct table *table,
				  uint32_t index, struct vring_desc *desc)
{
	enum guest_error error;

	if (index >= table->entries)
		return GUEST_ERROR_chain_next;
	error = guest_mem_read(queue->mem, table->guest + (uint64_t)index * sizeof(*desc), desc,
			       sizeof(*desc));
	desc->addr = le64toh(desc->addr);
	desc->len = le32toh(desc->len);
	desc->flags = le16toh(desc->flags);
	desc->next = le16toh(desc->next);
	return error;
}

static enum guest_error enter_indirect(struct virtqueue *queue, struct table *table,
				       const struct vring_desc *desc)
{
	uint32_t entries = desc->len / sizeof(struct vring_desc);

	/* It may follow direct descriptors, and is always the last of them. */
	if (table->indirect || (desc->flags & VRING_DESC_F_NEXT))
		return GUEST_ERROR_chain_indirect;
	if (!entries || desc->len % sizeof(struct vring_desc) || entries > VIRTQUEUE_SIZE_MAX)
		return GUEST_ERROR_chain_indirect;
	if (!guest_mem_holds(queue->mem, desc->addr, desc->len))
		return GUEST_ERROR_chain_address;
	table->guest = desc->addr;
	table->entries = entries;
	table->walked = 0;
	table->indirect = true;
	return GUEST_OK;
}

static enum guest_error add_segment(struct virtqueue *queue, const struct vring_desc *desc)
{
	struct chain *chain = &queue->chain;

	if (!guest_mem_holds(queue->mem, desc->addr, desc->len))
		return GUEST_ERROR_chain_address;
	if (desc->flags & VRING_DESC_F_WRITE) {
		chain->writable += desc->len;
	} else {
		if (chain->first_writable < chain->count)
			return GUEST_ERROR_chain_direction;
		chain->first_writable++;
		chain->readable += desc->len;
	}
	chain->segment[chain->count].guest = desc->addr;
	chain->segment[chain->count].length = desc->len;
	chain->count++;
	return GUEST_OK;
}

enum guest_error virtqueue_load(struct virtqueue *queue, uint16_t head)
{
	struct table table = {.guest = queue->desc, .entries = queue->size};
	struct chain *chain = &queue->chain;
	struct vring_desc desc;
	enum guest_error error;
	uint32_t index = head;

	chain->head = head;
	chain->count = 0;
	chain->first_writable = 0;
	chain->readable = 0;
	chain->writable = 0;
	for (;;) {
		error = read_desc(queue, &table, index, &desc);
		if (error)
			return error;
		/* One more than the table has: the chain has come back to itself. */
		if (table.walked++ == table.entries || chain->count == VIRTQUEUE_SIZE_MAX)
			return GUEST_ERROR_chain_loop;
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			error = enter_indirect(queue, &table, &desc);
			if (error)
				return error;
			index = 0;
			continue;
		}
		error = add_segment(queue, &desc);
		if (error)
			return error;
		if (!(desc.flags & VRING_DESC_F_NEXT))
			return GUEST_OK;
		index = desc.next;
	}
}

struct chain_place chain_readable(const struct chain *chain)
{
	struct chain_place place = {0, 0};

	return place;
}

struct chain_place chain_writable(const struct chain *chain)
{
	struct chain_place place = {chain->first_writable, 0};

	return place;
}

/* What is left of the current segment, at most @length; 0 behind segment @end. */
static uint32_t part_at(const struct chain *chain, struct chain_place *place, uint16_t end,
			size_t length)
{
	uint32_t left;

	while (place->segment < end) {
		left = chain->segment[place->segment].length - place->offset;
		if (left)
			return left < length ? left : (uint32_t)length;
		place->segment++;
		place->offset = 0;
	}
	return 0;
}

enum guest_error chain_read(const struct chain *chain, struct guest_mem *mem,
			    struct chain_place *place, void *dst, size_t length)
{
	enum guest_error error;
	uint8_t *to = dst;
	uint32_t part;

	while (length) {
		part = part_at(chain, place, chain->first_writable, length);
		if (!part)
			return GUEST_ERROR_chain_address;
		error = guest_mem_read(mem, chain->segment[place->segment].guest + place->offset,
				       to, part);
		if (error)
			return error;
		place->offset += part;
		to += part;
		length -= part;
	}
	return GUEST_OK;
}

enum guest_error chain_write(const struct chain *chain, struct guest_mem *mem,
			     struct chain_place *place, const void *src, size_t length)
{
	const uint8_t *from = src;
	enum guest_error error;
	uint32_t part;

	while (length) {
		part = part_at(chain, place, chain->count, length);
		if (!part)
			return GUEST_ERROR_chain_address;
		error = guest_mem_write(mem, chain->segment[place->segment].guest + place->offset,
					from, part);
		if (error)
			return error;
		place->offset += part;
		from += part;
		length -= part;
	}
	return GUEST_OK;
}

void chain_skip(const struct chain *chain, struct chain_place *place, uint64_t length)
{
	uint32_t part;

	while (length) {
		part = part_at(chain, place, chain->count,
			       length < UINT32_MAX ? (size_t)length : UINT32_MAX);
		if (!part)
			return;
		place->offset += part;
		length -= part;
	}
}

const uint8_t *chain_piece(const struct chain *chain, struct guest_mem *mem,
			   struct chain_place *place, size_t length)
{
	const uint8_t *piece;

	if (part_at(chain, place, chain->first_writable, length) != length)
		return NULL;
	piece = guest_mem_piece(mem, chain->segment[place->segment].guest + place->offset, length);
	if (piece)
		place->offset += (uint32_t)length;
	return piece;
}

enum guest_error chain_write_last(const struct chain *chain, struct guest_mem *mem, uint8_t value)
{
	uint16_t i = chain->count;

	while (i > chain->first_writable) {
		const struct chain_segment *segment = &chain->segment[--i];

		if (segment->length)
			return guest_mem_write(mem, segment->guest + (segment->length - 1), &value,
					       1);
	}
	return GUEST_ERROR_request_short;
}

enum guest_error virtqueue_answer(struct virtqueue *queue, uint16_t head, uint32_t length)
{
	bool tracked = inflight_is_open(queue->inflight);
	struct vring_used_elem element = {htole32(head), htole32(length)};
	uint64_t at = RING_ENTRIES + (uint64_t)(queue->next_used & (queue->size - 1)) * USED_ENTRY;
	enum guest_error error;
	uint16_t index;

	error = write_used(queue, at, &element, sizeof(element));
	if (!error && tracked)
		error = inflight_answer(queue->inflight, queue->mem, queue->index, head);
	if (error)
		return error;
	/* The driver sees the entry, and all that was written for it, before the index. */
	atomic_thread_fence(memory_order_release);
	queue->next_used++;
	index = htole16(queue->next_used);
	error = write_used(queue, RING_INDEX, &index, sizeof(index));
	if (!error && tracked)
		error = inflight_answered(queue->inflight, queue->mem, queue->index, head,
					  queue->next_used);
	set_busy(queue, head, false);
	queue->taken--;
	return error;
}

static enum guest_error wants_call(struct virtqueue *queue, bool *wanted)
{
	uint16_t event, flags;
	enum guest_error error;

	/* The used index is written before the driver's wish is read. */
	atomic_thread_fence(memory_order_seq_cst);
	*wanted = true;
	if (!queue->signalled_any)
		return GUEST_OK;
	if (!queue->event_idx) {
		error = read_u16(queue, queue->avail + RING_FLAGS, &flags);
		*wanted = !(flags & VRING_AVAIL_F_NO_INTERRUPT);
		return error;
	}
	error = read_u16(queue, queue->avail + RING_ENTRIES + (uint64_t)queue->size * 2, &event);
	/* Wanted if the index has stepped over the event since the last call. */
	*wanted = (uint16_t)(queue->next_used - event - 1) <
		  (uint16_t)(queue->next_used - queue->signalled_used);
	return error;
}

enum guest_error virtqueue_call(struct virtqueue *queue, bool *called)
{
	enum guest_error error;

	*called = false;
	if (queue->call_fd < 0 ||
	    (queue->signalled_any && queue->signalled_used == queue->next_used))
		return GUEST_OK;
	error = wants_call(queue, called);
	if (!error && *called && notify_send(queue->notify, queue->call_fd))
		error = GUEST_ERROR_no_resources;
	queue->signalled_any = true;
	queue->signalled_used = queue->next_used;
	return error;
}

enum guest_error virtqueue_rest(struct virtqueue *queue, bool *more)
{
	uint16_t event = htole16(queue->next_avail);
	enum guest_error error;
	uint16_t index;

	if (queue->event_idx) {
		error = write_used(queue, RING_ENTRIES + (uint64_t)queue->size * USED_ENTRY, &event,
				   sizeof(event));
		if (error)
			return error;
	}
	/* Either the driver sees the event, or we see its index. */
	atomic_thread_fence(memory_order_seq_cst);
	error = read_u16(queue, queue->avail + RING_INDEX, &index);
	*more = index != queue->next_avail;
	return error;
}
