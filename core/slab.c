/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Fixed-size records for the engine's own bookkeeping, carved from chunks
 * and named by 32-bit numbers. A number's memory never changes its type, so
 * that a stale number may be followed and judged afterwards. Chunks stay
 * until the engine goes.
 */
#include "internal.h"

#define FIRST_ARRAY 4096u /* bytes; each further array is twice the last */

static uint32_t array_room(uint32_t array)
{
	return (FIRST_ARRAY << array) / (uint32_t)sizeof(unsigned char *);
}

int tmem_slab_create(struct tmem_engine *engine, struct slab *slab, enum tmem_extent_kind kind,
		     uint32_t record_size)
{
	memset(slab, 0, sizeof(*slab));
	tmem_lock_init(&slab->lock, 3);
	slab->engine = engine;
	slab->kind = kind;
	slab->record_size = (record_size + 7) & ~7u;
	if (slab->record_size > engine->chunk_size)
		return -TMEM_EINVAL;
	slab->sheet_size = slab->record_size <= TMEM_SHEET ? TMEM_SHEET : engine->chunk_size;
	slab->sheet_shift = tmem_log2(slab->sheet_size / slab->record_size);
	slab->issued = 1;
	return 0;
}

void tmem_slab_destroy(struct slab *slab)
{
	struct tmem_engine *engine = slab->engine;
	uint32_t i;

	for (i = 0; i < slab->sheet_count; i += engine->chunk_size / slab->sheet_size)
		tmem_room_give(engine, slab->kind, slab->sheets[i], engine->chunk_size);
	for (i = 0; i < slab->array_count; i++)
		tmem_room_give(engine, TMEM_EXTENT_META, slab->array[i], FIRST_ARRAY << i);
	slab->sheet_count = 0;
	slab->array_count = 0;
}

/* Room for one more chunk's sheets. @array is spare memory or NULL; 1: it was used. */
static int add_entries_locked(struct slab *slab, unsigned char **array)
{
	uint32_t count = slab->sheet_count;

	/* The sheets of a chunk and the room of an array are powers of two: all fit, or none. */
	if (slab->array_count && count < array_room(slab->array_count - 1))
		return 0;
	if (count)
		memcpy(array, slab->sheets, count * sizeof(*array));
	slab->array[slab->array_count++] = array;
	tmem_store_release(&slab->sheets, array);
	return 1;
}

static void add_chunk_locked(struct slab *slab, unsigned char *chunk)
{
	uint32_t offset;

	for (offset = 0; offset < slab->engine->chunk_size; offset += slab->sheet_size)
		slab->sheets[slab->sheet_count++] = chunk + offset;
}

/* One more chunk. 0 or -TMEM_ENOMEM; another worker may have added one meanwhile. */
static int grow_slab(struct slab *slab, struct tmem_worker *worker)
{
	struct tmem_engine *engine = slab->engine;
	unsigned char *chunk;
	unsigned char **array = NULL;
	uint32_t arrays, full, size = 0;

	tmem_lock(&slab->lock);
	arrays = slab->array_count;
	full = !arrays || slab->sheet_count == array_room(arrays - 1);
	tmem_unlock(&slab->lock);
	if (arrays == TMEM_SLAB_ARRAYS && full)
		return -TMEM_ENOMEM;
	chunk = tmem_room_take(engine, worker, slab->kind, engine->chunk_size);
	if (!chunk)
		return -TMEM_ENOMEM;
	if (full) {
		size = FIRST_ARRAY << arrays;
		array = tmem_room_take(engine, worker, TMEM_EXTENT_META, size);
		if (!array) {
			tmem_room_give(engine, slab->kind, chunk, engine->chunk_size);
			return -TMEM_ENOMEM;
		}
	}
	tmem_lock(&slab->lock);
	full = !slab->array_count || slab->sheet_count == array_room(slab->array_count - 1);
	if (full && (!array || slab->array_count != arrays)) {
		/* Others were faster, and filled all that they made room for: leave it to them. */
		tmem_unlock(&slab->lock);
		tmem_room_give(engine, slab->kind, chunk, engine->chunk_size);
		if (array)
			tmem_room_give(engine, TMEM_EXTENT_META, array, size);
		return 0;
	}
	if (add_entries_locked(slab, array))
		array = NULL;
	add_chunk_locked(slab, chunk);
	tmem_unlock(&slab->lock);
	if (array)
		tmem_room_give(engine, TMEM_EXTENT_META, array, size);
	return 0;
}

static uint32_t available_locked(const struct slab *slab)
{
	return slab->free_count + (slab->sheet_count << slab->sheet_shift) -
	       (slab->sheet_count ? slab->issued : 0);
}

static uint32_t take_locked(struct slab *slab)
{
	uint32_t number = slab->free;

	slab->used++;
	if (!number) {
		number = slab->issued;
		/* Whoever finds a number below it finds its sheet. */
		tmem_store_release(&slab->issued, number + 1);
		return number;
	}
	slab->free = tmem_load((uint32_t *)tmem_slab_at(slab, number));
	slab->free_count--;
	/* The next one to be taken: what it links to would be waited for under the lock. */
	if (slab->free)
		tmem_prefetch_write(tmem_slab_at(slab, slab->free));
	return number;
}

/*
 * A record with undefined contents; 0: no memory. @promised: the caller acts
 * for a client with a promise, and may take what was kept for it.
 */
uint32_t tmem_slab_take(struct slab *slab, struct tmem_worker *worker, int promised)
{
	uint32_t number = 0;

	do {
		tmem_lock(&slab->lock);
		if (available_locked(slab) > (promised ? 0 : slab->promised))
			number = take_locked(slab);
		tmem_unlock(&slab->lock);
	} while (!number && !grow_slab(slab, worker));
	return number;
}

/* @promise: the promise that the record was charged to, or NULL. */
void tmem_slab_give(struct slab *slab, uint32_t number, struct promise *promise)
{
	uint32_t *record = tmem_slab_at(slab, number);

	tmem_lock(&slab->lock);
	tmem_store(record, slab->free);
	slab->free = number;
	slab->free_count++;
	slab->used--;
	if (promise && promise->left < promise->most) {
		promise->left++;
		slab->promised++;
	}
	tmem_unlock(&slab->lock);
}

/* Keeps @count records, used ones included, for the owner of @promise. 0 or -TMEM_ENOMEM. */
int tmem_slab_promise(struct slab *slab, struct tmem_worker *worker, struct promise *promise,
		      uint32_t count)
{
	uint32_t more;
	int done = 0;

	do {
		tmem_lock(&slab->lock);
		more = count > promise->most ? count - promise->most : 0;
		if (available_locked(slab) >= (uint64_t)slab->promised + more) {
			slab->promised += more;
			promise->left += more;
			promise->most += more;
			done = 1;
		}
		tmem_unlock(&slab->lock);
	} while (!done && !grow_slab(slab, worker));
	return done ? 0 : -TMEM_ENOMEM;
}

/* The owner of @promise may count on no more than @count: what is beyond and not used is anybody's. */
void tmem_slab_withdraw(struct slab *slab, struct promise *promise, uint32_t count)
{
	uint32_t less;

	tmem_lock(&slab->lock);
	less = promise->most > count ? promise->most - count : 0;
	promise->most -= less;
	if (less > promise->left)
		less = promise->left;
	promise->left -= less;
	slab->promised -= less;
	tmem_unlock(&slab->lock);
}

/* A record that was taken before is now used by the owner of @promise. */
void tmem_slab_charge(struct slab *slab, struct promise *promise)
{
	tmem_lock(&slab->lock);
	if (promise->left) {
		promise->left--;
		slab->promised--;
	}
	tmem_unlock(&slab->lock);
}
