/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * One stored page, stored anew by another codec. It is copied under its
 * group's lock, coded without any, and published as a put would: into a block
 * that nobody knows, to which the slot is turned only if it still says what
 * was copied. Whoever put, took out or flushed the page meanwhile has won.
 *
 * What is stored stays stored whatever fails here: no room, a codec that
 * gains nothing, one that cannot read its own block.
 */
#include "internal.h"

/* A dense block saves at least this part of the old one, or it is not worth its slower gets. */
#define GAIN_PART 8u

/* A page goes back to a faster codec only while this part of the allocation is free. */
#define SLACK_PART 8u

/* Beside all lengths: the page stays where it is. */
#define NO_LENGTH (~0u)

/* What was copied, and whose it is. */
struct source {
	struct heap *heap;
	struct pool *pool;
	struct key key;
	struct block block; /* a copy of its header */
	uint64_t place;
	uint64_t slot;
	uint32_t generation;
};

/* What the header at @place says now. 0: there is no block. */
static int read_header(struct source *source)
{
	struct heap *heap = source->heap;
	const struct block *block;
	int used = 0;

	tmem_lock(&heap->lock);
	block = tmem_order_block_locked(heap, source->place);
	if (block) {
		source->block.object = tmem_peek(&block->object);
		source->block.index = tmem_peek(&block->index);
		source->block.tag = tmem_peek(&block->tag);
		used = (source->block.tag & TAG_USED) != 0;
	}
	tmem_unlock(&heap->lock);
	return used;
}

static void ask_for(const unsigned char *data)
{
	uint32_t i;

	for (i = 0; i < TMEM_PAGE_SIZE / 2; i += TMEM_LINE)
		tmem_prefetch(data + i);
}

/* The slot that names the source's place; NULL: it is not that page's any more. Shard locked. */
static tmem_word *slot_of(struct tmem_worker *worker, const struct source *source)
{
	struct tmem_engine *engine = worker->engine;
	tmem_word *slot = tmem_slot_in(engine, &source->key, source->block.object,
				       source->pool->objects, &worker->touched);

	return slot && (*slot & SLOT_PRESENT) && SLOT_PLACE(*slot) == source->place ? slot : NULL;
}

/* The payload to @to, a page and a sum at most. 0: the page is not there any more. */
static int copy_payload(struct tmem_worker *worker, struct source *source, unsigned char *to)
{
	struct tmem_engine *engine = worker->engine;
	struct tmem_lock *lock = tmem_shard(engine, &source->key);
	struct extent *extent = tmem_extent(engine, tmem_place_extent(source->place));
	uint32_t unit = tmem_place_unit(source->place);
	const tmem_word *slot;
	int copied = 0;

	ask_for(tmem_load(&extent->base) + (size_t)unit * TMEM_UNIT);
	tmem_lock(lock);
	slot = slot_of(worker, source);
	/* Nobody but a drop frees it while its shard is held, and a drop sees who holds. */
	if (slot && tmem_hold(&worker->seat->held, extent)) {
		source->slot = *slot;
		source->generation = tmem_load(&extent->generation);
		source->block.time = tmem_load(&tmem_block(extent, unit)->time);
		memcpy(to, tmem_payload(extent, unit), SLOT_LENGTH(*slot));
		/* Of an extent that is lent the host may have taken what was copied. */
		copied = !tmem_lend_asked(extent) ||
			 tmem_lend_is_left(extent, unit, SLOT_LENGTH(*slot));
		tmem_store_release(&worker->seat->held, 0u);
	}
	tmem_unlock(lock);
	return copied;
}

/* The page of the source into worker->page. 0, -TMEM_ENOENT, or -TMEM_EIO: it cannot be read. */
static int read_page(struct tmem_worker *worker, struct source *source)
{
	int raw = TAG_CODEC(source->block.tag) == TMEM_CODEC_RAW;

	if (!copy_payload(worker, source, raw ? worker->page : worker->coded) ||
	    SLOT_CODEC(source->slot) != TAG_CODEC(source->block.tag))
		return -TMEM_ENOENT;
	if (raw && !worker->engine->sum_size)
		return 0;
	return tmem_decode(worker, &source->key, SLOT_CODEC(source->slot),
			   raw ? worker->page : worker->coded, SLOT_LENGTH(source->slot));
}

/* A block that is not worth another try, until its page is put again. */
static void mark_tried(struct tmem_worker *worker, const struct source *source)
{
	struct tmem_engine *engine = worker->engine;
	struct tmem_lock *lock = tmem_shard(engine, &source->key);
	struct extent *extent = tmem_extent(engine, tmem_place_extent(source->place));

	tmem_lock(lock);
	if (slot_of(worker, source) && tmem_hold(&worker->seat->from, extent)) {
		tmem_fetch_or_full(&tmem_block(extent, tmem_place_unit(source->place))->tag,
				   TAG_TRIED);
		tmem_store_release(&worker->seat->from, 0u);
	}
	tmem_unlock(lock);
}

/* The bill of a page that changes its size. A larger one takes nothing that puts may soon want. */
static int bill(struct tmem_client *client, uint64_t fresh, uint64_t old)
{
	uint64_t allocation = tmem_load(&client->allocation);

	if (fresh > old &&
	    tmem_load(&client->billed) + (fresh - old) > allocation - allocation / SLACK_PART)
		return -TMEM_ENOSPC;
	return tmem_bill(client, fresh, old);
}

/* Turns the slot to the filled block, if it says what was copied. 0: it does not. */
static int turn_slot(struct tmem_worker *worker, const struct source *source,
		     const struct reserve *reserve, uint64_t fresh, enum recode into)
{
	struct tmem_engine *engine = worker->engine;
	struct tmem_lock *lock = tmem_shard(engine, &source->key);
	struct extent *extent = tmem_extent(engine, tmem_place_extent(source->place));
	struct heap *heap = source->heap;
	struct block *block = reserve->block;
	uint32_t generation = 0;
	tmem_word *slot;
	int turned = 0;

	tmem_lock(lock);
	slot = slot_of(worker, source);
	/*
	 * Another page may have been put into the same place: at another time.
	 * A drop sees who holds, before its headers go.
	 */
	if (!slot || *slot != source->slot || !tmem_hold(&worker->seat->from, extent))
		goto out;
	if (!tmem_slot_stored(engine, *slot, &generation) || generation != source->generation ||
	    tmem_load(&tmem_block(extent, tmem_place_unit(source->place))->time) !=
		    source->block.time)
		goto out;
	if (heap->kind == TMEM_EXTENT_PERSISTENT) {
		if (bill(heap->client, tmem_bill_of(SLOT_LENGTH(fresh)),
			 tmem_bill_of(SLOT_LENGTH(source->slot))))
			goto out;
		turned = 1;
	}
	if (into == RECODE_DENSE)
		tmem_store(&block->time, source->block.time);
	tmem_store(&block->index, source->key.index);
	tmem_store(&block->object, source->block.object);
	if (heap->kind != TMEM_EXTENT_PERSISTENT) {
		tmem_lock(&heap->lock);
		turned = tmem_order_replace_locked(heap, WALK_RECODE, source->place, reserve->place,
						   source->block.time);
		tmem_unlock(&heap->lock);
	}
	if (turned)
		tmem_store(slot, fresh);
out:
	tmem_store_release(&worker->seat->from, 0u);
	tmem_unlock(lock);
	return turned;
}

/* worker->page as @into has it: its length, *@codec and *@data. 0: it does not pay. */
static uint32_t code(struct tmem_worker *worker, const struct source *source, enum recode into,
		     uint32_t *codec, const unsigned char **data)
{
	const struct tmem_codec *dense = worker->engine->dense;
	/* Without the sums, which both have. */
	uint32_t old = SLOT_LENGTH(source->slot) - worker->engine->sum_size;
	uint32_t most = old - old / GAIN_PART, length;
	uint32_t family =
		2 * source->pool->client->record + (source->heap->kind == TMEM_EXTENT_PERSISTENT);

	if (into == RECODE_FAST) {
		length = tmem_code_page(worker, tmem_codec_of(source->pool), codec, data);
		return tmem_seal(worker, &source->key, *codec, *data, length);
	}
	*codec = dense->id;
	*data = worker->coded;
	length = dense->recode(dense, worker->work, family, worker->page, worker->coded, most);
	if (!length || length > most)
		return 0;
	length = tmem_seal(worker, &source->key, *codec, *data, length);
	return tmem_units(length) < tmem_units(SLOT_LENGTH(source->slot)) ? length : 0;
}

/* Whether the block is to be recoded at all. */
static int is_wanted(const struct tmem_engine *engine, const struct source *source,
		     enum recode into)
{
	uint32_t codec = TAG_CODEC(source->block.tag), fresh = tmem_codec_of(source->pool);

	if (into == RECODE_FAST)
		return tmem_is_dense(engine, codec) && !tmem_is_dense(engine, fresh);
	if (tmem_is_dense(engine, codec) || (source->block.tag & TAG_TRIED))
		return 0;
	/* A raw page may be one that its client does not want compressed. */
	return codec != TMEM_CODEC_RAW || fresh != TMEM_CODEC_RAW;
}

/*
 * A page on which nothing is gained. In an ephemeral heap it moves as it is,
 * since one that stayed would keep its extent from being emptied.
 */
static uint32_t leave_as_is(struct tmem_worker *worker, struct source *source, uint32_t *codec,
			    const unsigned char **data)
{
	if (source->heap->kind == TMEM_EXTENT_PERSISTENT) {
		mark_tried(worker, source);
		return NO_LENGTH;
	}
	if (!copy_payload(worker, source, worker->coded))
		return NO_LENGTH;
	*codec = SLOT_CODEC(source->slot);
	*data = worker->coded;
	return SLOT_LENGTH(source->slot);
}

/* What the page at source is to become: its length, or NO_LENGTH. */
static uint32_t prepare(struct tmem_worker *worker, struct source *source, enum recode into,
			uint32_t *codec, const unsigned char **data)
{
	uint32_t length = 0;
	int err = 0;

	if (TAG_CODEC(source->block.tag) != TMEM_CODEC_SAME) {
		err = read_page(worker, source);
		if (err == -TMEM_ENOENT)
			return NO_LENGTH;
		if (!err)
			length = code(worker, source, into, codec, data);
		if (length)
			return length;
		tmem_count(tmem_counters(source->pool, worker), recoded_poor, 1);
	}
	return leave_as_is(worker, source, codec, data);
}

/* Frees the block that the page has left: what that empties was emptied into the room of others. */
static void leave_source(const struct source *source)
{
	struct heap *heap = source->heap;
	struct extent *closed;

	tmem_lock(&heap->lock);
	closed = tmem_heap_free_locked(heap, source->slot, TAG_POOL(source->block.tag),
				       source->generation);
	/* Others are counted where their last block is freed. */
	if (closed && closed->class != TMEM_VACATING)
		heap->vacated++;
	tmem_unlock(&heap->lock);
	if (closed)
		tmem_extent_close(heap->client->engine, closed);
}

/* The page at @place of @heap, if there is one that it pays on. No lock held. */
void tmem_recode(struct tmem_worker *worker, struct heap *heap, uint64_t place, enum recode into)
{
	struct tmem_engine *engine = worker->engine;
	struct counters *counters;
	struct source source;
	struct reserve reserve;
	const unsigned char *data;
	uint32_t length, codec;
	uint64_t fresh;
	int turned, as_is;

	source.heap = heap;
	source.place = place;
	if (!read_header(&source))
		return;
	source.pool = tmem_owner_of(heap, &source.block, &source.key);
	if (!source.pool || !is_wanted(engine, &source, into))
		return;
	length = prepare(worker, &source, into, &codec, &data);
	if (length == NO_LENGTH)
		return;
	as_is = codec == SLOT_CODEC(source.slot);
	if (tmem_heap_reserve_aside(heap, worker, length, codec, TAG_POOL(source.block.tag), as_is,
				    &reserve))
		return;
	memcpy(reserve.payload, data, length);
	if (as_is)
		tmem_fetch_or_full(&reserve.block->tag, TAG_TRIED);
	fresh = SLOT_OF(reserve.place, length, codec);
	turned = turn_slot(worker, &source, &reserve, fresh, into);
	if (turned)
		leave_source(&source);
	else
		tmem_heap_free(heap, fresh, TAG_POOL(source.block.tag), reserve.extent->generation);
	tmem_store_release(&worker->seat->held, 0u);
	counters = tmem_counters(source.pool, worker);
	if (into == RECODE_FAST)
		tmem_count(counters, recoded_back, turned);
	else if (!as_is)
		tmem_count(counters, recoded, turned);
}
