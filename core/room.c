/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The host's memory as one budget: every extent comes through here, is
 * counted against the engine's capacity, and where there is none left an
 * ephemeral extent is dropped for it.
 */
#include "internal.h"

#define DROPS_MAX 64u /* extents dropped for one that is asked for */

#define PREPARED 2u /* extents that background work has ready */

/* How often the host may say no although enough was given back to it. */
#define REFUSALS_MAX 2u

/* How often there may be nothing to drop, and how long to wait then: some 10 us in all. */
#define MISSES_MAX 16u
#define MISS_SPINS 32u

/* What is dropped for others' sake is theirs: an ephemeral extent leaves @claims alone. */
static int fits_locked(const struct tmem_engine *engine, enum tmem_extent_kind kind, uint32_t size)
{
	uint64_t taken = engine->bytes;

	if (kind == TMEM_EXTENT_EPHEMERAL) {
		taken += engine->claims;
		if (engine->ephemeral_bytes > engine->ephemeral_most ||
		    size > engine->ephemeral_most - engine->ephemeral_bytes)
			return 0;
	}
	return taken <= engine->capacity && size <= engine->capacity - taken;
}

/* What persistent extents and records wait for while room is made. */
static void claim(struct tmem_engine *engine, enum tmem_extent_kind kind, uint64_t bytes)
{
	if (kind == TMEM_EXTENT_EPHEMERAL)
		return;
	tmem_lock(&engine->room_lock);
	engine->claims += bytes;
	tmem_unlock(&engine->room_lock);
}

static void tally_bytes_locked(struct tmem_engine *engine, enum tmem_extent_kind kind,
			       uint64_t change)
{
	engine->bytes += change;
	if (kind == TMEM_EXTENT_META || kind == TMEM_EXTENT_RECORDS)
		engine->meta_bytes += change;
	else if (kind == TMEM_EXTENT_EPHEMERAL)
		engine->ephemeral_bytes += change;
}

/* The limits say yes: the bytes are counted. */
static int count_in(struct tmem_engine *engine, enum tmem_extent_kind kind, uint32_t size)
{
	int fits;

	tmem_lock(&engine->room_lock);
	fits = fits_locked(engine, kind, size);
	if (fits)
		tally_bytes_locked(engine, kind, size);
	tmem_unlock(&engine->room_lock);
	return fits;
}

static void count_out(struct tmem_engine *engine, enum tmem_extent_kind kind, uint32_t size)
{
	tmem_lock(&engine->room_lock);
	tally_bytes_locked(engine, kind, -(uint64_t)size);
	tmem_unlock(&engine->room_lock);
}

static void *take_ready(struct tmem_engine *engine)
{
	void *memory = NULL;

	tmem_lock(&engine->room_lock);
	if (engine->ready_count)
		memory = engine->ready[--engine->ready_count];
	tmem_unlock(&engine->room_lock);
	return memory;
}

/* Gives ready memory back to the host: it is wanted for something else. Bytes; 0: there is none. */
uint32_t tmem_room_drop_ready(struct tmem_engine *engine)
{
	void *memory = take_ready(engine);

	if (!memory)
		return 0;
	tmem_room_give(engine, TMEM_EXTENT_EPHEMERAL, memory, engine->extent_size);
	return engine->extent_size;
}

/*
 * The largest size of ephemeral extent, emptied by its client: some are kept,
 * since touching fresh memory costs more than anything else that a put does.
 */
void tmem_room_keep(struct tmem_engine *engine, void *memory)
{
	int kept;

	tmem_lock(&engine->room_lock);
	kept = engine->ready_count < engine->ready_most;
	if (kept)
		engine->ready[engine->ready_count++] = memory;
	tmem_unlock(&engine->room_lock);
	if (!kept)
		tmem_room_give(engine, TMEM_EXTENT_EPHEMERAL, memory, engine->extent_size);
}

/* Drops one ephemeral extent of whichever client regrets it least. 0: there is none. */
static int drop_one(struct tmem_engine *engine, struct tmem_worker *worker)
{
	struct heap *heap;
	uint32_t dropped;

	if (tmem_room_drop_ready(engine))
		return 1;
	if (!worker)
		return 0;
	heap = tmem_policy_victim(engine, worker);
	dropped = heap ? tmem_heap_drop_one(heap, DROP_ROOM) : 0;
	worker->touched++;
	tmem_policy_leave(worker);
	return dropped != 0;
}

/*
 * Memory of @size bytes, aligned to it; NULL: none to be had. The caller
 * holds no lock. @worker may be NULL while there is nothing to drop.
 */
void *tmem_room_take(struct tmem_engine *engine, struct tmem_worker *worker,
		     enum tmem_extent_kind kind, uint32_t size)
{
	void *memory = NULL;
	size_t got;
	uint32_t drops, refusals = 0, misses = 0, i;

	if (kind == TMEM_EXTENT_EPHEMERAL && size == engine->extent_size) {
		memory = take_ready(engine);
		if (memory)
			return memory;
	}
	claim(engine, kind, size);
	for (drops = 0; drops < DROPS_MAX && !memory; drops++) {
		if (count_in(engine, kind, size)) {
			got = size;
			memory = engine->ops->extent_alloc(engine->host, kind, size, size, &got);
			if (memory)
				break;
			count_out(engine, kind, size);
			if (++refusals > REFUSALS_MAX)
				break;
		}
		/* What there is may be held, or on its way to another: look again, not for long. */
		if (!drop_one(engine, worker) && (!worker || ++misses > MISSES_MAX))
			break;
		for (i = 0; misses && i < MISS_SPINS; i++)
			tmem_cpu_relax();
	}
	claim(engine, kind, -(uint64_t)size);
	return memory;
}

void tmem_room_give(struct tmem_engine *engine, enum tmem_extent_kind kind, void *memory,
		    uint32_t size)
{
	engine->ops->extent_free(engine->host, kind, memory, size);
	count_out(engine, kind, size);
}

/* Whether an ephemeral extent of @size bytes can be had without dropping another. */
int tmem_room_left(struct tmem_engine *engine, uint32_t size)
{
	int left;

	tmem_lock(&engine->room_lock);
	left = fits_locked(engine, TMEM_EXTENT_EPHEMERAL, size);
	left |= engine->ready_count && size == engine->extent_size;
	tmem_unlock(&engine->room_lock);
	return left;
}

/* Background: has an extent populated before a put needs it. Steps done. */
uint32_t tmem_room_prepare(struct tmem_engine *engine)
{
	void *memory;
	size_t got = engine->extent_size;
	uint32_t wanted;

	tmem_lock(&engine->room_lock);
	wanted = engine->ready_count < PREPARED && tmem_load(&engine->ephemeral_taken);
	tmem_unlock(&engine->room_lock);
	if (!wanted || !count_in(engine, TMEM_EXTENT_EPHEMERAL, engine->extent_size))
		return 0;
	memory = engine->ops->extent_alloc(engine->host, TMEM_EXTENT_EPHEMERAL, engine->extent_size,
					   engine->extent_size, &got);
	if (!memory) {
		count_out(engine, TMEM_EXTENT_EPHEMERAL, engine->extent_size);
		return 0;
	}
	tmem_store(&engine->ephemeral_taken, 0u);
	tmem_room_keep(engine, memory);
	return 1;
}
