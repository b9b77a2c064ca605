/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Many operations in one call, in the order in which they stand. While some
 * are carried out, what leads to the next ones' pages is on its way from
 * memory: a page is behind a bucket, an object, a slot and a header, each of
 * which says where the next one is. A single call waits for all four.
 *
 * Operations are brought near in groups. A processor waits for an address that
 * it cannot translate yet as long as for a line or two, and keeps little else
 * going meanwhile but other such waits: those of one group go side by side.
 *
 *	group   g+4       g+3       g+2       g+1        g
 *	        bucket -> object -> slot ->   header  -> its pages -> now
 */
#include "internal.h"

#define GROUP  4u
#define STAGES 4u /* before a group's turn */
#define PAGES  2u /* before an operation's turn, when its whole page is asked for */

TMEM_STATIC_ASSERT(TMEM_AHEAD % GROUP == 0 && TMEM_AHEAD >= (STAGES + 1) * GROUP);
TMEM_STATIC_ASSERT(TMEM_RUN <= 2 * GROUP && PAGES <= GROUP);

struct batch {
	struct tmem_client *client;
	struct tmem_worker *worker;
	struct tmem_op *ops;
	uint32_t count;
	/* The group that is looked at: operations from first on to before end. */
	uint32_t first;
	uint32_t end;
	uint32_t next; /* of all: the first that was not carried out */
};

static inline struct ahead *ahead_of(const struct batch *batch, uint32_t i)
{
	return &batch->worker->ahead[i % TMEM_AHEAD];
}

static void to_bucket(const struct batch *batch, const struct tmem_op *op, struct ahead *ahead)
{
	struct access *access = &ahead->access;

	ahead->data = NULL;
	ahead->is_known = 0;
	if (op->code != TMEM_OP_PUT && op->code != TMEM_OP_GET && op->code != TMEM_OP_FLUSH)
		return;
	/* Shared pools have their directory elsewhere, and may lose it meanwhile. */
	if (tmem_pool_find(batch->client, op->handle.pool, &access->pool) ||
	    tmem_load(&access->pool->home) != access->pool)
		return;
	access->home = access->pool;
	access->heap = tmem_load(&access->pool->heap);
	tmem_key_make(batch->worker->engine, access->pool, &op->handle, &access->key);
	if (!tmem_pool_is(access->pool, &op->handle))
		return;
	ahead->is_known = 1;
	tmem_directory_prefetch(access->pool, access->key.hash);
}

static void to_object(const struct ahead *ahead)
{
	const struct pool *pool = ahead->access.pool;
	uint32_t root;

	if (!ahead->is_known)
		return;
	root = tmem_load(tmem_directory_bucket(pool, ahead->access.key.hash));
	if (root && root < tmem_load_acquire(&pool->objects->issued))
		tmem_prefetch(tmem_object_at(pool->objects, root));
}

static void to_slot(struct tmem_worker *worker, struct ahead *ahead)
{
	if (!ahead->is_known)
		return;
	tmem_slot_seek(worker, ahead->access.home, &ahead->access.key, &ahead->sought);
	if (ahead->sought.slot)
		tmem_prefetch_write(ahead->sought.slot);
}

/* And to the page's first line, so that its address is translated. */
static void to_header(const struct tmem_engine *engine, const struct tmem_op *op,
		      struct ahead *ahead)
{
	const struct extent *extent;
	const unsigned char *data;
	struct block *headers;
	uint64_t slot;
	uint32_t unit;

	if (!ahead->is_known || !ahead->sought.slot)
		return;
	slot = tmem_load(ahead->sought.slot);
	extent = tmem_extent_near(engine, slot);
	if (!extent)
		return;
	unit = tmem_place_unit(SLOT_PLACE(slot));
	headers = tmem_load(&extent->headers);
	data = tmem_load(&extent->base) + (size_t)unit * TMEM_UNIT;
	if (headers)
		tmem_prefetch_write(&headers[unit / TMEM_PAGE_UNITS]);
	if (op->code == TMEM_OP_GET) {
		ahead->data = data;
		ahead->length = SLOT_LENGTH(slot) + (headers ? 0 : TMEM_UNIT);
		tmem_prefetch(data);
	} else if (!headers) {
		tmem_prefetch_write(data);
	}
}

static void to_page(const struct ahead *ahead)
{
	if (ahead->data)
		tmem_prefetch_block(ahead->data, ahead->length);
}

/* Whether the way is known, and the pool has not ended since: its pages go by and by. */
static inline int is_still(const struct ahead *ahead)
{
	const struct pool *pool = ahead->access.pool;

	return ahead->is_known && tmem_load_acquire(&pool->state) == POOL_ALIVE &&
	       tmem_load(&pool->serial) == ahead->access.key.pool;
}

static int32_t now(struct tmem_client *client, struct tmem_worker *worker, const struct tmem_op *op,
		   struct ahead *ahead)
{
	switch (op->code) {
	case TMEM_OP_PUT:
		return tmem_put(client, worker, &op->handle, op->page);
	case TMEM_OP_GET:
		if (tmem_likely(ahead && is_still(ahead)))
			return tmem_get_found(worker, ahead, op->page);
		return tmem_get(client, worker, &op->handle, op->page);
	case TMEM_OP_FLUSH:
		return tmem_flush(client, worker, &op->handle);
	case TMEM_OP_FLUSH_RANGE:
		return tmem_flush_range(client, worker, &op->handle, op->count);
	case TMEM_OP_FLUSH_OBJECT:
		return tmem_flush_object(client, worker, &op->handle);
	default:
		return -TMEM_EINVAL;
	}
}

/* To the group that is @stage groups before @turn; 0: it is not in the batch. */
static inline int look_at(struct batch *batch, uint32_t turn, uint32_t stage)
{
	batch->first = turn - stage * GROUP;
	batch->end = tmem_min32(batch->first + GROUP, batch->count);
	/* What would be before the first group is no less than the count either. */
	return batch->first < batch->count;
}

/* How many puts into one pool stand next to each other from @i on: what leads there is near. */
static uint32_t puts_at(const struct batch *batch, uint32_t i)
{
	const struct tmem_op *ops = batch->ops;
	uint32_t near = tmem_min32(batch->first + 2 * GROUP, batch->count), end = i;

	/* A row is handed on as it lies: not past the end of what is known. */
	near = tmem_min32(near, i + tmem_min32(TMEM_RUN, TMEM_AHEAD - i % TMEM_AHEAD));
	while (end < near && ops[end].code == TMEM_OP_PUT &&
	       ops[end].handle.pool == ops[i].handle.pool && is_still(ahead_of(batch, end)))
		end++;
	return end - i;
}

/* The group, and puts of the next one that stand next to its last ones. */
static void carry_out(struct batch *batch)
{
	struct tmem_op *op;
	uint32_t i = batch->next, done, puts;

	while (i < batch->end) {
		op = &batch->ops[i];
		puts = puts_at(batch, i);
		done = 0;
		if (puts > 1)
			done = tmem_put_run(batch->client, batch->worker, op, ahead_of(batch, i),
					    puts);
		if (!done) {
			if (i + PAGES < batch->count)
				to_page(ahead_of(batch, i + PAGES));
			op->result = now(batch->client, batch->worker, op, ahead_of(batch, i));
			done = 1;
		}
		i += done;
	}
	batch->next = i;
}

void tmem_batch(struct tmem_client *client, struct tmem_worker *worker, struct tmem_op *ops,
		uint32_t count)
{
	struct batch batch = {client, worker, ops, count, 0, 0, 0};
	uint32_t turn, i;

	if (count == 1) {
		ops->result = now(client, worker, ops, NULL);
		return;
	}
	for (turn = 0; turn < count + STAGES * GROUP; turn += GROUP) {
		if (look_at(&batch, turn, 0))
			for (i = batch.first; i < batch.end; i++)
				to_bucket(&batch, &ops[i], ahead_of(&batch, i));
		if (look_at(&batch, turn, 1))
			for (i = batch.first; i < batch.end; i++)
				to_object(ahead_of(&batch, i));
		if (look_at(&batch, turn, 2))
			for (i = batch.first; i < batch.end; i++)
				to_slot(worker, ahead_of(&batch, i));
		if (look_at(&batch, turn, 3))
			for (i = batch.first; i < batch.end; i++)
				to_header(worker->engine, &ops[i], ahead_of(&batch, i));
		if (look_at(&batch, turn, STAGES))
			carry_out(&batch);
	}
}
