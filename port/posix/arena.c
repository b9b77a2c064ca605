/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Extents from two reserved ranges of addresses, or spans:
 *
 *   span 0, private anonymous memory: META and EPHEMERAL
 *   span 1, one memfd:                PERSISTENT and RECORDS
 *
 * A span is cut into chunks of 2 MiB, the largest extent. A chunk is free,
 * handed out whole, or broken into smaller extents of one kind; 512 bits say
 * which of its 4 KiB units are in use, and a block of 2^n units is any run
 * that starts at a multiple of its length, so neighbours coalesce by being
 * zero bits. Nothing is written into free memory: it belongs to the kernel.
 *
 *      whole chunks, huge pages          never used         broken chunks
 *   |========|========|= free =|......................|== free ==|-- -- |--- -|
 *   0                          ^ low             high ^                   chunks
 *
 * Whole chunks grow from the bottom and broken ones from the top, so that
 * huge pages stay next to each other and the kernel can keep few mappings. A
 * span has several times the addresses that can be in use at once: what lies
 * between scattered small extents is lost as addresses, not as memory.
 *
 * The kernel is called outside the lock, but for advice on a chunk that comes
 * into another use. A freed extent is given back before its bits are cleared,
 * so nobody can own it while it still has contents.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena.h"
#include "tmem_port.h"

#define UNIT_BYTES  4096u
#define UNIT_SHIFT  12
#define CHUNK_SHIFT 21
#define CHUNK_BYTES ((size_t)1 << CHUNK_SHIFT)
#define CHUNK_UNITS (CHUNK_BYTES / UNIT_BYTES)
#define CHUNK_WORDS (CHUNK_UNITS / 64)
#define CHUNK_ORDER (CHUNK_SHIFT - UNIT_SHIFT)
#define NO_CHUNK    UINT32_MAX
#define NO_ORDER    (-1)
#define KINDS	    4
#define SPANS	    2

/* Addresses reserved for each byte that can be handed out; halved where that is refused. */
#define SPAN_FACTOR 4
#define SPAN_SPARE  16 /* chunks more, so that a tiny arena can hold every kind */

/* How far ahead of a write to each unit the next ones are asked for. */
#define KEEP_AHEAD ((size_t)16 * UNIT_BYTES)

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* All fields guarded by the arena's lock. */
struct chunk {
	uint64_t used[CHUNK_WORDS];  /* units that are handed out */
	uint64_t first[CHUNK_WORDS]; /* units that an extent begins at, until it is being freed */
	uint64_t last[CHUNK_WORDS];  /* units that an extent ends at */
	uint32_t next, prev;	     /* in the list that it is on, if it has free units */
	int8_t largest;		     /* order of the largest free block, or NO_ORDER */
	uint8_t kind;		     /* of its extents, unless it is free */
	uint8_t huge;		     /* the kernel was last told to use huge pages */
	uint8_t listed;
};

struct span {
	/* Set at creation, then constant. */
	unsigned char *base;
	struct chunk *chunks;
	uint32_t count;
	int fd; /* the memfd, or -1 */

	/* Guarded by the arena's lock. */
	uint32_t low, high; /* chunks in [low, high) were never used */
	uint32_t spare[2];  /* lists of free chunks: last used broken, last used whole */
	uint32_t partial[2][CHUNK_ORDER]; /* broken chunks by kind of the span and largest order */
};

struct tmem_arena {
	/* Set at creation, then constant. */
	uint32_t flags;
	void *map[SPANS]; /* as mapped, before alignment */
	size_t map_bytes[SPANS];
	size_t table_bytes[SPANS];

	pthread_mutex_t lock;
	/* Guarded by lock. */
	struct span spans[SPANS];
	struct tmem_arena_figures figures;
	uint64_t out; /* sum of figures.extents */
};

static struct span *span_of(struct tmem_arena *arena, enum tmem_extent_kind kind)
{
	return &arena->spans[kind == TMEM_EXTENT_PERSISTENT || kind == TMEM_EXTENT_RECORDS];
}

/* Each span serves two kinds: their lists are told apart by this. */
static unsigned int kind_index(enum tmem_extent_kind kind)
{
	return kind == TMEM_EXTENT_META || kind == TMEM_EXTENT_RECORDS;
}

static uint32_t *list_of(struct span *span, const struct chunk *chunk)
{
	if (chunk->largest == CHUNK_ORDER)
		return &span->spare[chunk->huge];
	return &span->partial[kind_index(chunk->kind)][chunk->largest];
}

static void unlist(struct span *span, uint32_t number)
{
	struct chunk *chunk = &span->chunks[number];

	if (!chunk->listed)
		return;
	if (chunk->prev != NO_CHUNK)
		span->chunks[chunk->prev].next = chunk->next;
	else
		*list_of(span, chunk) = chunk->next;
	if (chunk->next != NO_CHUNK)
		span->chunks[chunk->next].prev = chunk->prev;
	chunk->listed = 0;
}

static void enlist(struct span *span, uint32_t number)
{
	struct chunk *chunk = &span->chunks[number];
	uint32_t *head;

	if (chunk->largest == NO_ORDER)
		return;
	head = list_of(span, chunk);
	chunk->prev = NO_CHUNK;
	chunk->next = *head;
	if (*head != NO_CHUNK)
		span->chunks[*head].prev = number;
	*head = number;
	chunk->listed = 1;
}

/* The units of a block, as bits of one word; blocks above 64 units take whole words. */
static uint64_t block_mask(unsigned int unit, unsigned int order)
{
	if (order >= 6)
		return ~UINT64_C(0);
	return ((UINT64_C(1) << (1u << order)) - 1) << (unit % 64);
}

static unsigned int block_words(unsigned int order)
{
	return order > 6 ? 1u << (order - 6) : 1;
}

static int block_is(const uint64_t *bits, unsigned int unit, unsigned int order, int set)
{
	uint64_t mask = block_mask(unit, order);
	unsigned int i;

	for (i = 0; i < block_words(order); i++)
		if ((bits[unit / 64 + i] & mask) != (set ? mask : 0))
			return 0;
	return 1;
}

static void block_mark(uint64_t *bits, unsigned int unit, unsigned int order, int set)
{
	uint64_t mask = block_mask(unit, order);
	unsigned int i;

	for (i = 0; i < block_words(order); i++) {
		if (set)
			bits[unit / 64 + i] |= mask;
		else
			bits[unit / 64 + i] &= ~mask;
	}
}

static int bit_test(const uint64_t *bits, unsigned int unit)
{
	return bits[unit / 64] >> (unit % 64) & 1;
}

/* The first free block of this order, or CHUNK_UNITS. */
static unsigned int block_find(const struct chunk *chunk, unsigned int order)
{
	unsigned int unit;

	for (unit = 0; unit < CHUNK_UNITS; unit += 1u << order)
		if (block_is(chunk->used, unit, order, 0))
			break;
	return unit;
}

static int largest_free(const struct chunk *chunk)
{
	int order;

	for (order = CHUNK_ORDER; order >= 0; order--)
		if (block_find(chunk, (unsigned int)order) != CHUNK_UNITS)
			return order;
	return NO_ORDER;
}

/* A chunk that is wholly free, not on a list any more; NO_CHUNK where addresses ran out. */
static uint32_t take_chunk(struct span *span, int whole)
{
	uint32_t number = span->spare[whole];

	if (number == NO_CHUNK && span->low < span->high) {
		number = whole ? span->low++ : --span->high;
		span->chunks[number].largest = CHUNK_ORDER;
		return number;
	}
	if (number == NO_CHUNK)
		number = span->spare[!whole];
	if (number != NO_CHUNK)
		unlist(span, number);
	return number;
}

/* A block of 2^@order units, marked used; NULL where there is none. The lock is held. */
static unsigned char *take_block(struct span *span, enum tmem_extent_kind kind, unsigned int order)
{
	uint32_t number = NO_CHUNK;
	struct chunk *chunk;
	unsigned int unit, fit;

	for (fit = order; fit < CHUNK_ORDER && number == NO_CHUNK; fit++)
		number = span->partial[kind_index(kind)][fit];
	if (number != NO_CHUNK)
		unlist(span, number);
	else
		number = take_chunk(span, order == CHUNK_ORDER);
	if (number == NO_CHUNK)
		return NULL;
	chunk = &span->chunks[number];
	chunk->kind = (uint8_t)kind;
	unit = block_find(chunk, order);
	block_mark(chunk->used, unit, order, 1);
	block_mark(chunk->first, unit, 0, 1);
	block_mark(chunk->last, unit + (1u << order) - 1, 0, 1);
	chunk->largest = (int8_t)largest_free(chunk);
	enlist(span, number);
	return span->base + number * CHUNK_BYTES + (size_t)unit * UNIT_BYTES;
}

/* Undoes take_block(). The lock is held, and the memory is the kernel's again. */
static void give_block(struct span *span, unsigned char *block, unsigned int order)
{
	uint32_t number = (uint32_t)((size_t)(block - span->base) >> CHUNK_SHIFT);
	unsigned int unit =
		(unsigned int)((size_t)(block - span->base) >> UNIT_SHIFT) % CHUNK_UNITS;
	struct chunk *chunk = &span->chunks[number];

	unlist(span, number);
	block_mark(chunk->used, unit, order, 0);
	block_mark(chunk->first, unit, 0, 0);
	block_mark(chunk->last, unit + (1u << order) - 1, 0, 0);
	chunk->largest = (int8_t)largest_free(chunk);
	enlist(span, number);
}

/*
 * Exactly one extent of this kind and size is handed out here: its first unit
 * begins one, its last unit ends one, and none between does either. From then
 * on it counts as being freed, so of two frees at once the second fails.
 */
static int begin_free(struct span *span, enum tmem_extent_kind kind, const unsigned char *extent,
		      unsigned int order)
{
	size_t offset = (size_t)extent - (size_t)span->base;
	unsigned int unit = (unsigned int)(offset >> UNIT_SHIFT) % CHUNK_UNITS;
	unsigned int end = unit + (1u << order), i;
	struct chunk *chunk;

	if (offset >= (size_t)span->count << CHUNK_SHIFT ||
	    (offset & (((size_t)UNIT_BYTES << order) - 1)) != 0)
		return 0;
	chunk = &span->chunks[offset >> CHUNK_SHIFT];
	if (chunk->kind != kind || !bit_test(chunk->first, unit) || !bit_test(chunk->last, end - 1))
		return 0;
	for (i = unit; i < end - 1; i++)
		if (bit_test(chunk->last, i))
			return 0;
	block_mark(chunk->first, unit, 0, 0);
	return 1;
}

/* Every byte from @extent on reads as zero afterwards, and belongs to the kernel if it wants. */
static void scrub(const struct span *span, unsigned char *extent, size_t size)
{
	int done;

	if (span->fd >= 0) {
		do {
			done = fallocate(span->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					 extent - span->base, (off_t)size);
		} while (done != 0 && errno == EINTR);
	} else {
		/* A process under mlockall() has no other way than the second. */
		done = madvise(extent, size, MADV_DONTNEED);
		if (done != 0)
			done = madvise(extent, size, MADV_DONTNEED_LOCKED);
	}
	if (done != 0)
		memset(extent, 0, size);
}

/* Writes to each 4 KiB without changing it: for kernels before MADV_POPULATE_WRITE. */
static void touch(unsigned char *extent, size_t size)
{
	size_t i;

	for (i = 0; i < size; i += UNIT_BYTES)
		*(volatile unsigned char *)(extent + i) = 0;
}

/* 0, or -1 where the kernel has no memory. */
static int populate(unsigned char *extent, size_t size)
{
	int done;

	do {
		done = madvise(extent, size, MADV_POPULATE_WRITE);
	} while (done != 0 && (errno == EINTR || errno == EAGAIN));
	if (done != 0 && errno == EINVAL) {
		touch(extent, size);
		done = 0;
	}
	return done;
}

/*
 * A memfd has small pages unless the system was told otherwise, but on request
 * a chunk of it becomes one huge page, filled and mapped, once a page is there.
 * Sooner than its 512 faults, and only a matter of speed. -1: no memory.
 */
static int gather(unsigned char *chunk)
{
	if (populate(chunk, UNIT_BYTES) != 0)
		return -1;
	(void)madvise(chunk, CHUNK_BYTES, MADV_COLLAPSE);
	return 0;
}

/*
 * The advice sticks to a chunk's addresses, so it is given only when it changes.
 * Records are walked at random and hardly ever given back, so a chunk that is
 * broken into pieces for them is one huge page all the same.
 */
static void advise(struct tmem_arena *arena, enum tmem_extent_kind kind, struct span *span,
		   unsigned char *block, size_t size)
{
	struct chunk *chunk = &span->chunks[(size_t)(block - span->base) >> CHUNK_SHIFT];
	int whole = size == CHUNK_BYTES || kind == TMEM_EXTENT_META;
	int huge = whole && (arena->flags & TMEM_ARENA_HUGE) != 0;
	unsigned char *start = span->base + ((size_t)(chunk - span->chunks) << CHUNK_SHIFT);

	if (chunk->huge == huge)
		return;
	chunk->huge = (uint8_t)huge;
	/* Only a matter of speed: a kernel without huge pages refuses. */
	(void)madvise(start, CHUNK_BYTES, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

static unsigned int order_of(size_t size)
{
	return (unsigned int)__builtin_ctzll(size) - UNIT_SHIFT;
}

static int is_size(size_t size)
{
	return size >= UNIT_BYTES && size <= CHUNK_BYTES && (size & (size - 1)) == 0;
}

static void account(struct tmem_arena *arena, enum tmem_extent_kind kind, size_t size, int out)
{
	int locked = (arena->flags & TMEM_ARENA_LOCK) != 0 && span_of(arena, kind)->fd >= 0;
	uint64_t change = out ? (uint64_t)size : -(uint64_t)size;

	arena->out += change;
	arena->figures.extents[kind] += change;
	if (locked)
		arena->figures.locked += change;
}

static void *arena_alloc(void *host, enum tmem_extent_kind kind, size_t min, size_t max,
			 size_t *size)
{
	struct tmem_arena *arena = host;
	struct span *span = span_of(arena, kind);
	int lock_memory = (arena->flags & TMEM_ARENA_LOCK) != 0 && span->fd >= 0;
	int fill = lock_memory || (arena->flags & TMEM_ARENA_POPULATE) != 0;
	unsigned char *block = NULL;
	size_t want = max;
	int bad, huge;

	if ((unsigned int)kind >= KINDS || !is_size(min) || !is_size(max) || min > max)
		tmem_panic(__FILE__, __LINE__, "an extent of no valid kind or size was asked for");
	pthread_mutex_lock(&arena->lock);
	for (; want >= min && block == NULL; want /= 2)
		if (want <= arena->figures.bytes - arena->out)
			block = take_block(span, kind, order_of(want));
	if (block == NULL) {
		arena->figures.refused += min;
		pthread_mutex_unlock(&arena->lock);
		return NULL;
	}
	want *= 2;
	account(arena, kind, want, 1);
	advise(arena, kind, span, block, want);
	pthread_mutex_unlock(&arena->lock);

	huge = want == CHUNK_BYTES && (arena->flags & TMEM_ARENA_HUGE) != 0;
	bad = fill && huge && span->fd >= 0 && gather(block) != 0;
	if (!bad)
		bad = lock_memory && mlock(block, want) != 0;
	if (!bad && (arena->flags & TMEM_ARENA_POPULATE) != 0 && populate(block, want) != 0)
		bad = 1;
	if (!bad) {
		*size = want;
		return block;
	}
	if (lock_memory)
		munlock(block, want);
	scrub(span, block, want);
	pthread_mutex_lock(&arena->lock);
	give_block(span, block, order_of(want));
	account(arena, kind, want, 0);
	arena->figures.refused += min;
	if (lock_memory)
		arena->figures.refused_lock += min;
	pthread_mutex_unlock(&arena->lock);
	return NULL;
}

static void arena_free(void *host, enum tmem_extent_kind kind, void *extent, size_t size)
{
	struct tmem_arena *arena = host;
	struct span *span = span_of(arena, kind);
	int ours;

	if ((unsigned int)kind >= KINDS || !is_size(size))
		tmem_panic(__FILE__, __LINE__, "an extent of no valid kind or size was freed");
	pthread_mutex_lock(&arena->lock);
	ours = begin_free(span, kind, extent, order_of(size));
	pthread_mutex_unlock(&arena->lock);
	if (!ours)
		tmem_panic(__FILE__, __LINE__, "an extent was freed that is not handed out");

	if ((arena->flags & TMEM_ARENA_LOCK) != 0 && span->fd >= 0)
		munlock(extent, size);
	scrub(span, extent, size);
	pthread_mutex_lock(&arena->lock);
	give_block(span, extent, order_of(size));
	account(arena, kind, size, 0);
	pthread_mutex_unlock(&arena->lock);
}

/* The kernel takes what it needs, oldest first, until somebody writes to it. */
static int arena_lend(void *host, enum tmem_extent_kind kind, void *extent, size_t size)
{
	struct tmem_arena *arena = host;

	if (span_of(arena, kind)->fd >= 0)
		return -TMEM_EOPNOTSUPP;
	/* Refused before Linux 4.5, and where all memory of the process is locked. */
	return madvise(extent, size, MADV_FREE) == 0 ? 0 : -TMEM_EOPNOTSUPP;
}

/*
 * A write without a change, atomic: a page that was taken before it stays all
 * zeros. The compiler may not know that nothing changes, or it makes this a
 * read. In a huge page the first write would do; whether it is one, nobody says.
 */
static void arena_keep(void *host, enum tmem_extent_kind kind, void *extent, size_t size)
{
	static const volatile uint32_t nothing;
	const uint32_t zero = nothing;
	unsigned char *at = extent;
	size_t i;

	(void)host;
	(void)kind;
	for (i = 0; i < size; i += UNIT_BYTES) {
		if (i + KEEP_AHEAD < size)
			__builtin_prefetch(at + i + KEEP_AHEAD, 1);
		(void)__atomic_fetch_or((uint32_t *)(void *)(at + i), zero, __ATOMIC_RELAXED);
	}
}

const struct tmem_host_ops tmem_arena_ops = {
	.extent_alloc = arena_alloc,
	.extent_free = arena_free,
	.extent_lend = arena_lend,
	.extent_keep = arena_keep,
};

/* Reserves @chunks chunks of addresses and their table. 0 or -TMEM_ENOMEM, nothing kept. */
static int span_open(struct tmem_arena *arena, int which, size_t chunks)
{
	struct span *span = &arena->spans[which];
	size_t bytes = (chunks + 1) << CHUNK_SHIFT, table = chunks * sizeof(struct chunk);
	unsigned int i, j;
	void *map;

	span->fd = -1;
	/* One chunk more than needed, so that the base can be aligned within. */
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		   -1, 0);
	if (map == MAP_FAILED)
		return -TMEM_ENOMEM;
	span->base = (unsigned char *)(((size_t)map + CHUNK_BYTES - 1) & ~(CHUNK_BYTES - 1));
	if (which == 1) {
		span->fd = memfd_create("tmem-persistent", MFD_CLOEXEC);
		if (span->fd < 0 || ftruncate(span->fd, (off_t)(chunks << CHUNK_SHIFT)) != 0 ||
		    mmap(span->base, chunks << CHUNK_SHIFT, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_NORESERVE | MAP_FIXED, span->fd, 0) == MAP_FAILED)
			goto err_unmap;
	}
	/* Kept by the kernel only where chunks are in use: most of the table is never touched. */
	span->chunks = mmap(NULL, table, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (span->chunks == MAP_FAILED)
		goto err_unmap;
	/* Neither a core dump nor a page of 2 MiB behind an extent of 4 KiB. */
	(void)madvise(map, bytes, MADV_DONTDUMP);
	(void)madvise(map, bytes, MADV_NOHUGEPAGE);
	arena->map[which] = map;
	arena->map_bytes[which] = bytes;
	arena->table_bytes[which] = table;
	span->count = (uint32_t)chunks;
	span->high = span->count;
	span->spare[0] = NO_CHUNK;
	span->spare[1] = NO_CHUNK;
	for (i = 0; i < 2; i++)
		for (j = 0; j < CHUNK_ORDER; j++)
			span->partial[i][j] = NO_CHUNK;
	return 0;

err_unmap:
	if (span->fd >= 0)
		close(span->fd);
	munmap(map, bytes);
	return -TMEM_ENOMEM;
}

static void span_close(struct tmem_arena *arena, int which)
{
	struct span *span = &arena->spans[which];

	munmap(span->chunks, arena->table_bytes[which]);
	munmap(arena->map[which], arena->map_bytes[which]);
	if (span->fd >= 0)
		close(span->fd);
}

/* As many addresses as the system lets us have, but never fewer than bytes. */
static int span_open_any(struct tmem_arena *arena, int which)
{
	uint64_t chunks = (arena->figures.bytes + CHUNK_BYTES - 1) >> CHUNK_SHIFT;
	unsigned int factor;

	for (factor = SPAN_FACTOR; factor > 0; factor /= 2) {
		if (chunks * factor + SPAN_SPARE + 1 > SIZE_MAX >> CHUNK_SHIFT)
			continue;
		if (span_open(arena, which, (size_t)chunks * factor + SPAN_SPARE) == 0)
			return 0;
	}
	return -TMEM_ENOMEM;
}

int tmem_arena_create(const struct tmem_arena_config *config, struct tmem_arena **result)
{
	const uint32_t known = TMEM_ARENA_HUGE | TMEM_ARENA_LOCK | TMEM_ARENA_POPULATE;
	struct tmem_arena *arena;

	if (config->size != sizeof(*config) || (config->flags & ~known) != 0 ||
	    config->bytes < UNIT_BYTES || config->bytes > UINT64_C(1) << 43)
		return -TMEM_EINVAL;
	arena = calloc(1, sizeof(*arena));
	if (arena == NULL)
		return -TMEM_ENOMEM;
	arena->flags = config->flags;
	arena->figures.bytes = config->bytes;
	if (span_open_any(arena, 0) != 0)
		goto err_free;
	if (span_open_any(arena, 1) != 0)
		goto err_close;
	if (pthread_mutex_init(&arena->lock, NULL) != 0)
		goto err_close_both;
	*result = arena;
	return 0;

err_close_both:
	span_close(arena, 1);
err_close:
	span_close(arena, 0);
err_free:
	free(arena);
	return -TMEM_ENOMEM;
}

void tmem_arena_destroy(struct tmem_arena *arena)
{
	pthread_mutex_destroy(&arena->lock);
	span_close(arena, 1);
	span_close(arena, 0);
	free(arena);
}

void tmem_arena_figures(struct tmem_arena *arena, struct tmem_arena_figures *figures)
{
	pthread_mutex_lock(&arena->lock);
	*figures = arena->figures;
	pthread_mutex_unlock(&arena->lock);
}
