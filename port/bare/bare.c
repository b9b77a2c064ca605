/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Extents from one block of memory, first fit: a byte per 4 KiB says whether
 * it is free, begins an extent of some kind and order, or continues one. Time
 * in proportion to the block, once per extent, which is seldom: simplicity is
 * worth more here, since this file is what a new port starts from.
 */
#include "bare.h"

#define UNIT_BYTES ((size_t)TMEM_PAGE_SIZE)
#define MOST_BYTES ((size_t)2 << 20)

/* What a unit is. An extent's first unit also says kind (bits 4, 5) and order (bits 0 to 3). */
#define UNIT_FREE 0x00u
#define UNIT_MORE 0x40u
#define UNIT_HEAD 0x80u

void tmem_panic(const char *file, int line, const char *what)
{
	(void)file;
	(void)line;
	(void)what;
	__builtin_trap();
}

static unsigned char head_of(enum tmem_extent_kind kind, size_t size)
{
	unsigned int order = (unsigned int)__builtin_ctzl((unsigned long)size) - TMEM_PAGE_SHIFT;

	return (unsigned char)(UNIT_HEAD | (unsigned int)kind << 4 | order);
}

static int is_size(size_t size)
{
	return size >= UNIT_BYTES && size <= MOST_BYTES && (size & (size - 1)) == 0;
}

/* The first unit of a free run of @size bytes, aligned to its size; units where there is none. */
static size_t find(const struct tmem_bare *bare, size_t size)
{
	size_t count = size / UNIT_BYTES, first, i;

	/* Alignment is the address's, not the unit's: the block may begin anywhere. */
	first = (size - (size_t)bare->base % size) % size / UNIT_BYTES;
	for (; first < bare->units && count <= bare->units - first; first += count) {
		for (i = 0; i < count && bare->map[first + i] == UNIT_FREE; i++)
			;
		if (i == count)
			return first;
	}
	return bare->units;
}

static void *bare_alloc(void *host, enum tmem_extent_kind kind, size_t min, size_t max,
			size_t *given)
{
	struct tmem_bare *bare = host;
	size_t size = max, first = bare->units;

	if ((unsigned int)kind > TMEM_EXTENT_RECORDS || !is_size(min) || !is_size(max) || min > max)
		tmem_panic(__FILE__, __LINE__, "an extent of no valid kind or size was asked for");
	tmem_lock(&bare->lock);
	for (; size >= min; size /= 2) {
		first = find(bare, size);
		if (first != bare->units)
			break;
	}
	if (first != bare->units) {
		__builtin_memset(bare->map + first, UNIT_MORE, size / UNIT_BYTES);
		bare->map[first] = head_of(kind, size);
		bare->out += size / UNIT_BYTES;
	}
	tmem_unlock(&bare->lock);
	if (first == bare->units)
		return NULL;
	*given = size;
	return bare->base + first * UNIT_BYTES;
}

static void bare_free(void *host, enum tmem_extent_kind kind, void *extent, size_t size)
{
	struct tmem_bare *bare = host;
	size_t offset = (size_t)extent - (size_t)bare->base, first = offset / UNIT_BYTES;

	if (!is_size(size) || offset % UNIT_BYTES != 0 || first >= bare->units)
		tmem_panic(__FILE__, __LINE__, "memory was freed that is no extent");
	tmem_lock(&bare->lock);
	if (bare->map[first] != head_of(kind, size))
		tmem_panic(__FILE__, __LINE__, "an extent was freed that is not handed out so");
	/* Scrubbed before the next owner can get it. */
	__builtin_memset(extent, 0, size);
	__builtin_memset(bare->map + first, UNIT_FREE, size / UNIT_BYTES);
	bare->out -= size / UNIT_BYTES;
	tmem_unlock(&bare->lock);
}

const struct tmem_host_ops tmem_bare_ops = {
	.extent_alloc = bare_alloc,
	.extent_free = bare_free,
};

int tmem_bare_init(struct tmem_bare *bare, void *memory, size_t bytes)
{
	size_t skip = (UNIT_BYTES - (size_t)memory % UNIT_BYTES) % UNIT_BYTES, units, kept;

	if (bytes < skip)
		return -TMEM_EINVAL;
	units = (bytes - skip) / UNIT_BYTES;
	/* The map lies in the last units, and has a byte for each of the others. */
	kept = (units + UNIT_BYTES) / (UNIT_BYTES + 1);
	if (units < kept + 1)
		return -TMEM_EINVAL;
	bare->base = (unsigned char *)memory + skip;
	bare->units = units - kept;
	bare->map = bare->base + bare->units * UNIT_BYTES;
	bare->out = 0;
	__builtin_memset(bare->map, UNIT_FREE, bare->units);
	tmem_lock_init(&bare->lock, 3);
	return 0;
}
