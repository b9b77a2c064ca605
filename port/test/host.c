/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The host of tests. Each size of extent has a range of addresses of its own,
 * as long as the whole limit, and never needs another: an extent's size and
 * record follow from its address, whatever the caller claims. Freed extents
 * wait in a queue, poisoned, so that a late writer is found when their turn
 * comes again, or at the end.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "host.h"
#include "tmem_port.h"

#define LEAST_SHIFT 12
#define MOST_SHIFT  21
#define ORDERS	    (MOST_SHIFT - LEAST_SHIFT + 1)
#define MOST_BYTES  ((size_t)1 << MOST_SHIFT)
#define KINDS	    4
#define NONE	    UINT32_MAX

struct slot {
	uint32_t next; /* in the queue of free slots */
	uint8_t live;
	uint8_t kind;
	uint32_t lent; /* its place among those that are lent, plus 1; 0: it is not */
};

struct lent {
	unsigned int order;
	uint32_t number;
};

/* All slots of one size. */
struct range {
	unsigned char *base;
	struct slot *slots;
	uint32_t count;	     /* slots that fit */
	uint32_t used;	     /* slots below this were handed out at least once */
	uint32_t head, tail; /* free slots, the one that was freed first at the head */
};

/* All guarded by lock, and so is the rest of struct tmem_test_host during calls. */
struct tmem_test_slots {
	pthread_mutex_t lock;
	void *map;
	size_t map_bytes;
	struct range ranges[ORDERS];
	struct lent *lent;
	size_t lent_room;
};

/* Panics may be caught by a jump, so the lock is given up before. */
static void die(struct tmem_test_host *host, const char *what)
{
	pthread_mutex_unlock(&host->slots->lock);
	tmem_panic(__FILE__, __LINE__, what);
}

static int is_size(size_t size)
{
	return size >= (size_t)1 << LEAST_SHIFT && size <= MOST_BYTES && (size & (size - 1)) == 0;
}

static unsigned int order_of(size_t size)
{
	return (unsigned int)__builtin_ctzll(size) - LEAST_SHIFT;
}

static size_t size_of(unsigned int order)
{
	return (size_t)1 << (order + LEAST_SHIFT);
}

static int is_filled(const unsigned char *bytes, size_t size, unsigned char value)
{
	return bytes[0] == value && memcmp(bytes, bytes + 1, size - 1) == 0;
}

static uint64_t draw(uint64_t *seed)
{
	uint64_t x = *seed += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 31)) * UINT64_C(0xd6e8feb86659fd93);
	x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	return x ^ (x >> 32);
}

static uint64_t bytes_out(const struct tmem_test_host *host)
{
	uint64_t sum = 0;
	unsigned int kind;

	for (kind = 0; kind < KINDS; kind++)
		sum += host->bytes[kind];
	return sum;
}

/* The size that the mode gives between @min and @max, cut to what the limit leaves; 0: none. */
static size_t choose_size(struct tmem_test_host *host, size_t min, size_t max)
{
	uint64_t out = bytes_out(host), left = host->limit > out ? host->limit - out : 0;
	unsigned int span = order_of(max) - order_of(min) + 1;
	size_t size = max;

	if (host->sizes == TMEM_TEST_SMALLEST)
		size = min;
	else if (host->sizes == TMEM_TEST_RANDOM)
		size = min << draw(&host->seed) % span;
	while (size > min && size > left)
		size /= 2;
	return size <= left ? size : 0;
}

/* Whether this call is one that the test wants to fail. */
static int fails_now(struct tmem_test_host *host)
{
	if (host->fail_at == 0)
		return 0;
	if (host->fail_at > 1) {
		host->fail_at--;
		return 0;
	}
	if (!host->fail_on)
		host->fail_at = 0;
	return 1;
}

static void *test_alloc(void *context, enum tmem_extent_kind kind, size_t min, size_t max,
			size_t *given)
{
	struct tmem_test_host *host = context;
	struct range *range;
	unsigned char *extent;
	uint32_t number;
	size_t size;

	pthread_mutex_lock(&host->slots->lock);
	if ((unsigned int)kind >= KINDS || !is_size(min) || !is_size(max) || min > max)
		die(host, "an extent of no valid kind or size was asked for");
	host->tried++;
	if (fails_now(host)) {
		host->failed++;
		pthread_mutex_unlock(&host->slots->lock);
		return NULL;
	}
	size = choose_size(host, min, max);
	if (size == 0) {
		host->refused++;
		pthread_mutex_unlock(&host->slots->lock);
		return NULL;
	}
	range = &host->slots->ranges[order_of(size)];
	number = range->head;
	if (number != NONE) {
		range->head = range->slots[number].next;
		if (range->head == NONE)
			range->tail = NONE;
		extent = range->base + number * size;
		if (!is_filled(extent, size, TMEM_TEST_FREED))
			die(host, "an extent was written after it was freed");
	} else {
		number = range->used++;
		extent = range->base + number * size;
	}
	range->slots[number].live = 1;
	range->slots[number].kind = (uint8_t)kind;
	host->live[kind]++;
	host->bytes[kind] += size;
	if (bytes_out(host) > host->peak)
		host->peak = bytes_out(host);
	memset(extent, TMEM_TEST_FRESH, size);
	pthread_mutex_unlock(&host->slots->lock);
	*given = size;
	return extent;
}

/* The range that an address lies in, or NULL. */
static struct range *range_of(struct tmem_test_host *host, const void *extent, unsigned int *order)
{
	struct range *range;
	size_t offset;

	for (*order = 0; *order < ORDERS; ++*order) {
		range = &host->slots->ranges[*order];
		offset = (size_t)extent - (size_t)range->base;
		if (offset < range->count * size_of(*order))
			return range;
	}
	return NULL;
}

static void *address_of(struct tmem_test_host *host, const struct lent *lent)
{
	return host->slots->ranges[lent->order].base + lent->number * size_of(lent->order);
}

/* The lock is held; the extent is one that is lent. */
static void end_lending(struct tmem_test_host *host, struct slot *slot)
{
	struct tmem_test_slots *slots = host->slots;
	struct lent *lent = &slots->lent[slot->lent - 1], *last = &slots->lent[--host->lent];

	if (mprotect(address_of(host, lent), size_of(lent->order), PROT_READ | PROT_WRITE))
		die(host, "no memory for mprotect()");
	*lent = *last;
	slots->ranges[lent->order].slots[lent->number].lent = slot->lent;
	slot->lent = 0;
}

/* One page, or all of them: as the kernel does it, at one instant for each page. */
static void take_one(struct tmem_test_host *host)
{
	struct lent *lent = &host->slots->lent[draw(&host->take_seed) % host->lent];
	size_t size = size_of(lent->order), page = (size_t)1 << LEAST_SHIFT;
	unsigned char *extent = address_of(host, lent);
	size_t pages = draw(&host->take_seed) % 16 ? 1 : size / page;

	if (pages == 1)
		extent += draw(&host->take_seed) % (size / page) * page;
	if (madvise(extent, pages * page, MADV_DONTNEED))
		die(host, "madvise() failed");
	host->taken += pages;
}

void tmem_test_host_take(struct tmem_test_host *host, unsigned int pages)
{
	pthread_mutex_lock(&host->slots->lock);
	while (host->lent && pages--)
		take_one(host);
	pthread_mutex_unlock(&host->slots->lock);
}

/* The extent's slot; dies with @what where there is none. The lock is held. */
static struct slot *slot_of(struct tmem_test_host *host, const void *extent, struct lent *place,
			    const char *what)
{
	struct range *range = range_of(host, extent, &place->order);
	size_t offset;

	if (range == NULL)
		die(host, what);
	offset = (size_t)extent - (size_t)range->base;
	if (offset % size_of(place->order) != 0)
		die(host, what);
	place->number = (uint32_t)(offset / size_of(place->order));
	return &range->slots[place->number];
}

static int test_lend(void *context, enum tmem_extent_kind kind, void *extent, size_t size)
{
	struct tmem_test_host *host = context;
	struct tmem_test_slots *slots = host->slots;
	struct slot *slot;
	struct lent place;

	pthread_mutex_lock(&slots->lock);
	slot = slot_of(host, extent, &place, "memory was lent that is no extent");
	if (!slot->live || size != size_of(place.order) || (unsigned int)kind != slot->kind)
		die(host, "an extent was lent that is not handed out so");
	if (kind != TMEM_EXTENT_EPHEMERAL || slot->lent)
		die(host, "an extent was lent that is no ephemeral one, or lent twice");
	if (host->no_lending) {
		pthread_mutex_unlock(&slots->lock);
		return -TMEM_EOPNOTSUPP;
	}
	if (host->lent == slots->lent_room) {
		slots->lent_room = slots->lent_room ? slots->lent_room * 2 : 64;
		slots->lent = realloc(slots->lent, slots->lent_room * sizeof(*slots->lent));
		if (slots->lent == NULL)
			abort();
	}
	/* Who writes to it is found at once. */
	if (mprotect(extent, size, PROT_READ))
		die(host, "no memory for mprotect()");
	slots->lent[host->lent++] = place;
	slot->lent = (uint32_t)host->lent;
	host->lends++;
	if (draw(&host->take_seed) % 100 < host->take_at_once)
		take_one(host);
	pthread_mutex_unlock(&slots->lock);
	return 0;
}

static void test_keep(void *context, enum tmem_extent_kind kind, void *extent, size_t size)
{
	struct tmem_test_host *host = context;
	struct slot *slot;
	struct lent place;

	pthread_mutex_lock(&host->slots->lock);
	slot = slot_of(host, extent, &place, "memory is to be kept that is no extent");
	if (!slot->lent || size != size_of(place.order) || (unsigned int)kind != slot->kind)
		die(host, "an extent is to be kept that is not lent so");
	end_lending(host, slot);
	pthread_mutex_unlock(&host->slots->lock);
}

static void test_free(void *context, enum tmem_extent_kind kind, void *extent, size_t size)
{
	struct tmem_test_host *host = context;
	struct range *range;
	struct slot *slot;
	unsigned int order;
	struct lent place;
	uint32_t number;

	pthread_mutex_lock(&host->slots->lock);
	slot = slot_of(host, extent, &place, "memory was freed that is no extent");
	order = place.order;
	number = place.number;
	range = &host->slots->ranges[order];
	if (!slot->live)
		die(host, "an extent was freed that is not handed out");
	if (size != size_of(order))
		die(host, "an extent was freed with another size");
	if ((unsigned int)kind != slot->kind)
		die(host, "an extent was freed with another kind");
	if (slot->lent)
		end_lending(host, slot);
	slot->live = 0;
	slot->next = NONE;
	if (range->tail != NONE)
		range->slots[range->tail].next = number;
	else
		range->head = number;
	range->tail = number;
	host->live[kind]--;
	host->bytes[kind] -= size;
	memset(extent, TMEM_TEST_FREED, size);
	pthread_mutex_unlock(&host->slots->lock);
}

const struct tmem_host_ops tmem_test_host_ops = {
	.extent_alloc = test_alloc,
	.extent_free = test_free,
	.extent_lend = test_lend,
	.extent_keep = test_keep,
};

static void *must(void *memory)
{
	if (memory == NULL || memory == MAP_FAILED) {
		fprintf(stderr, "the test host has no memory\n");
		abort();
	}
	return memory;
}

struct tmem_test_host *tmem_test_host_create(uint64_t bytes)
{
	size_t each = ((size_t)bytes + MOST_BYTES - 1) & ~(MOST_BYTES - 1);
	struct tmem_test_host *host = must(calloc(1, sizeof(*host)));
	struct tmem_test_slots *slots = must(calloc(1, sizeof(*slots)));
	unsigned char *base;
	unsigned int order;

	host->slots = slots;
	host->limit = bytes;
	pthread_mutex_init(&slots->lock, NULL);
	slots->map_bytes = each * ORDERS + MOST_BYTES;
	slots->map = must(mmap(NULL, slots->map_bytes, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
	base = (unsigned char *)(((size_t)slots->map + MOST_BYTES - 1) & ~(MOST_BYTES - 1));
	for (order = 0; order < ORDERS; order++) {
		struct range *range = &slots->ranges[order];

		range->base = base + order * each;
		range->count = (uint32_t)(each / size_of(order));
		range->slots = must(calloc(range->count + 1, sizeof(*range->slots)));
		range->head = NONE;
		range->tail = NONE;
	}
	return host;
}

/* Whether every free extent still holds its poison. */
static int is_clean(const struct tmem_test_host *host)
{
	const struct range *range;
	unsigned int order;
	uint32_t number;

	for (order = 0; order < ORDERS; order++) {
		range = &host->slots->ranges[order];
		for (number = range->head; number != NONE; number = range->slots[number].next)
			if (!is_filled(range->base + number * size_of(order), size_of(order),
				       TMEM_TEST_FREED))
				return 0;
	}
	return 1;
}

void tmem_test_host_verify(struct tmem_test_host *host)
{
	int clean;

	pthread_mutex_lock(&host->slots->lock);
	clean = is_clean(host);
	pthread_mutex_unlock(&host->slots->lock);
	if (!clean)
		tmem_panic(__FILE__, __LINE__, "an extent was written after it was freed");
}

void tmem_test_host_destroy(struct tmem_test_host *host)
{
	int clean = is_clean(host), leaked = bytes_out(host) != 0;
	unsigned int order, kind;

	for (kind = 0; kind < KINDS && leaked; kind++)
		fprintf(stderr, "test host: %llu extents of kind %u were not freed\n",
			(unsigned long long)host->live[kind], kind);
	for (order = 0; order < ORDERS; order++)
		free(host->slots->ranges[order].slots);
	munmap(host->slots->map, host->slots->map_bytes);
	pthread_mutex_destroy(&host->slots->lock);
	free(host->slots->lent);
	free(host->slots);
	free(host);
	if (leaked)
		tmem_panic(__FILE__, __LINE__, "extents were not freed");
	if (!clean)
		tmem_panic(__FILE__, __LINE__, "an extent was written after it was freed");
}
