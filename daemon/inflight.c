// SPDX-License-Identifier: MIT
/*
 * The in-flight region of split rings, version 1.
 *
 * A batch is one entry here: the entry is linked in as last_batch_head, the
 * used index moves, the entry is cleared, used_idx follows. A kill between
 * any two of these steps leaves used_idx one behind the ring's index, and
 * then exactly the entry at last_batch_head was answered.
 */
#include "inflight.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define VERSION	   1
#define ALIGNMENT  64u
#define MOST_HEADS 1024

/* Native byte order, as everything in vhost-user. */
struct queue_region {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	uint16_t last_batch_head;
	uint16_t used_idx;
};

struct entry_state {
	uint8_t inflight;
	uint8_t padding[5];
	uint16_t next;
	uint64_t counter;
};

_Static_assert(sizeof(struct queue_region) == 16, "the specification's layout");
_Static_assert(sizeof(struct entry_state) == 16, "the specification's layout");

static uint64_t stride(uint16_t queue_size)
{
	uint64_t bytes =
		sizeof(struct queue_region) + (uint64_t)queue_size * sizeof(struct entry_state);

	return (bytes + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
}

static uint64_t region_at(const struct inflight *inflight, uint16_t queue)
{
	return queue * stride(inflight->queue_size);
}

static uint64_t entry_at(const struct inflight *inflight, uint16_t queue, uint16_t head)
{
	return region_at(inflight, queue) + sizeof(struct queue_region) +
	       (uint64_t)head * sizeof(struct entry_state);
}

uint64_t inflight_size(uint16_t queues, uint16_t queue_size)
{
	return queues * stride(queue_size);
}

int inflight_create(uint16_t queues, uint16_t queue_size)
{
	int fd = memfd_create("tmem-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int error;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)inflight_size(queues, queue_size)) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

enum guest_error inflight_open(struct inflight *inflight, int fd, uint64_t size, uint64_t offset,
			       uint16_t queues, uint16_t queue_size)
{
	struct guest_map map;
	enum guest_error error;

	if (!queues || !queue_size || queue_size > MOST_HEADS ||
	    size < inflight_size(queues, queue_size))
		return GUEST_ERROR_inflight_malformed;
	error = guest_map_open(&map, fd, offset, size);
	if (error == GUEST_ERROR_region_wrap || error == GUEST_ERROR_region_truncated)
		return GUEST_ERROR_inflight_malformed;
	if (error)
		return error;
	inflight_close(inflight);
	inflight->map = map;
	inflight->queues = queues;
	inflight->queue_size = queue_size;
	return GUEST_OK;
}

void inflight_close(struct inflight *inflight)
{
	guest_map_close(&inflight->map);
	inflight->queues = 0;
	inflight->queue_size = 0;
}

bool inflight_is_open(const struct inflight *inflight)
{
	return inflight->map.base != NULL;
}

static enum guest_error read_entry(struct inflight *inflight, struct guest_mem *mem, uint16_t queue,
				   uint16_t head, struct entry_state *entry)
{
	return guest_map_read(mem, &inflight->map, entry_at(inflight, queue, head), entry,
			      sizeof(*entry));
}

static enum guest_error set_inflight(struct inflight *inflight, struct guest_mem *mem,
				     uint16_t queue, uint16_t head, uint8_t value)
{
	return guest_map_write(mem, &inflight->map,
			       entry_at(inflight, queue, head) +
				       offsetof(struct entry_state, inflight),
			       &value, sizeof(value));
}

static enum guest_error set_used_idx(struct inflight *inflight, struct guest_mem *mem,
				     uint16_t queue, uint16_t used_idx)
{
	return guest_map_write(mem, &inflight->map,
			       region_at(inflight, queue) + offsetof(struct queue_region, used_idx),
			       &used_idx, sizeof(used_idx));
}

/* Entries that were answered, but not yet cleared, when the last life ended. */
static enum guest_error clear_last_batch(struct inflight *inflight, struct guest_mem *mem,
					 uint16_t queue, uint16_t size,
					 const struct queue_region *region, uint16_t used_idx)
{
	uint16_t left = (uint16_t)(used_idx - region->used_idx);
	uint16_t head = region->last_batch_head;
	struct entry_state entry;
	enum guest_error error;

	if (left > size)
		return GUEST_ERROR_inflight_malformed;
	for (; left; left--) {
		if (head >= size)
			return GUEST_ERROR_inflight_malformed;
		error = read_entry(inflight, mem, queue, head, &entry);
		if (!error)
			error = set_inflight(inflight, mem, queue, head, 0);
		if (error)
			return error;
		head = entry.next;
	}
	return set_used_idx(inflight, mem, queue, used_idx);
}

struct waiting {
	uint64_t counter;
	uint16_t head;
};

static int by_counter(const void *a, const void *b)
{
	const struct waiting *x = a, *y = b;

	if (x->counter != y->counter)
		return x->counter < y->counter ? -1 : 1;
	return (int)x->head - (int)y->head;
}

static enum guest_error collect(struct inflight *inflight, struct guest_mem *mem, uint16_t queue,
				uint16_t size, struct inflight_resume *resume)
{
	struct waiting waiting[MOST_HEADS];
	struct entry_state entry;
	enum guest_error error;
	uint16_t head, count = 0;

	for (head = 0; head < size; head++) {
		error = read_entry(inflight, mem, queue, head, &entry);
		if (error)
			return error;
		if (!entry.inflight)
			continue;
		if (entry.inflight != 1)
			return GUEST_ERROR_inflight_malformed;
		waiting[count].counter = entry.counter;
		waiting[count++].head = head;
	}
	qsort(waiting, count, sizeof(waiting[0]), by_counter);
	for (head = 0; head < count; head++)
		resume->head[head] = waiting[head].head;
	resume->count = count;
	resume->counter = count ? waiting[count - 1].counter + 1 : 0;
	return GUEST_OK;
}

enum guest_error inflight_begin(struct inflight *inflight, struct guest_mem *mem, uint16_t queue,
				uint16_t size, uint16_t used_idx, struct inflight_resume *resume)
{
	struct queue_region region;
	enum guest_error error;

	resume->fresh = true;
	resume->counter = 0;
	resume->count = 0;
	if (queue >= inflight->queues || size > inflight->queue_size)
		return GUEST_ERROR_inflight_malformed;
	error = guest_map_read(mem, &inflight->map, region_at(inflight, queue), &region,
			       sizeof(region));
	if (error)
		return error;
	if (region.version == 0) {
		region.features = 0;
		region.version = VERSION;
		region.desc_num = inflight->queue_size;
		region.last_batch_head = 0;
		region.used_idx = used_idx;
		return guest_map_write(mem, &inflight->map, region_at(inflight, queue), &region,
				       sizeof(region));
	}
	if (region.version != VERSION || region.features || region.desc_num != inflight->queue_size)
		return GUEST_ERROR_inflight_malformed;
	if (region.used_idx != used_idx) {
		error = clear_last_batch(inflight, mem, queue, size, &region, used_idx);
		if (error)
			return error;
	}
	resume->fresh = false;
	return collect(inflight, mem, queue, size, resume);
}

enum guest_error inflight_take(struct inflight *inflight, struct guest_mem *mem, uint16_t queue,
			       uint16_t head, uint64_t counter)
{
	enum guest_error error;

	error = guest_map_write(mem, &inflight->map,
				entry_at(inflight, queue, head) +
					offsetof(struct entry_state, counter),
				&counter, sizeof(counter));
	return error ? error : set_inflight(inflight, mem, queue, head, 1);
}

enum guest_error inflight_answer(struct inflight *inflight, struct guest_mem *mem, uint16_t queue,
				 uint16_t head)
{
	uint64_t at = region_at(inflight, queue) + offsetof(struct queue_region, last_batch_head);
	enum guest_error error;
	uint16_t last;

	error = guest_map_read(mem, &inflight->map, at, &last, sizeof(last));
	if (!error)
		error = guest_map_write(mem, &inflight->map,
					entry_at(inflight, queue, head) +
						offsetof(struct entry_state, next),
					&last, sizeof(last));
	return error ? error : guest_map_write(mem, &inflight->map, at, &head, sizeof(head));
}

enum guest_error inflight_answered(struct inflight *inflight, struct guest_mem *mem, uint16_t queue,
				   uint16_t head, uint16_t used_idx)
{
	enum guest_error error = set_inflight(inflight, mem, queue, head, 0);

	return error ? error : set_used_idx(inflight, mem, queue, used_idx);
}
