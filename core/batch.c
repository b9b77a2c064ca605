/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Many operations in one call, in the order in which they stand. While some
 * are carried out, what leads to the next ones' pages is on its way from
 * memory: a page is behind a bucket, an object or two, a slot and a header,
 * each of which says where the next one is. A single call waits for all.
 *
 *	operation  i+16      i+14      i+12     i+10    i+4 .. i+7   i+3
 *	           bucket -> object -> child -> slot -> header    -> page -> now
 *
 * Headers go in groups, with each page's first line: a processor waits for an
 * address that it cannot translate yet as long as for a line or two, and keeps
 * little else going meanwhile but other such waits. All other lines of a page
 * are asked for a few at a time, between one look ahead and the next: it has
 * only so many on their way, and whoever asks for more does nothing else until
 * some have come.
 */
#include "internal.h"

/* How many operations before its turn each look ahead is taken. */
#define TO_BUCKET 16u
#define TO_OBJECT 14u
#define TO_CHILD  12u
#define TO_SLOT	  10u
#define TO_PAGE	  3u

#define GROUP 4u  /* operations whose headers are asked for side by side */
#define LINES 16u /* of a page, asked for at a time */

/* A slot is known before its group looks for the header, and that before its page is asked for. */
TMEM_STATIC_ASSERT(TO_SLOT >= 2 * GROUP && TO_PAGE <= GROUP);
/* A row begins when its puts' pool is known, and is known until the turn of its last one. */
TMEM_STATIC_ASSERT(TMEM_RUN <= TO_BUCKET && TMEM_AHEAD >= TO_BUCKET + TMEM_RUN);

struct batch {
	struct tmem_client *client;
	struct tmem_worker *worker;
	struct tmem_op *ops;
	uint32_t count;
	/* Lines still to be asked for, from one to before the other, of the page got TO_PAGE later. */
	const unsigned char *line;
	const unsigned char *end;
	struct row row; /* of puts, that is being copied */
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

static void to_object(struct ahead *ahead)
{
	const struct pool *pool = ahead->access.pool;
	uint32_t root;

	if (!ahead->is_known)
		return;
	root = tmem_load(tmem_directory_bucket(pool, ahead->access.key.hash));
	if (root >= tmem_load_acquire(&pool->objects->issued))
		root = 0;
	ahead->sought.object = root;
	if (root)
		tmem_prefetch(tmem_object_at(pool->objects, root));
}

/* To the next object in the bucket's tree, where the first one is another. */
static void to_child(const struct ahead *ahead)
{
	const struct slab *objects;
	uint32_t child;

	if (!ahead->is_known || !ahead->sought.object)
		return;
	objects = ahead->access.pool->objects;
	child = tmem_tree_towards(objects, ahead->sought.object, &ahead->access.key.id);
	if (child && child < tmem_load_acquire(&objects->issued))
		tmem_prefetch(tmem_object_at(objects, child));
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

static void to_page(struct batch *batch, const struct ahead *ahead)
{
	batch->line = batch->end = NULL;
	if (!ahead->data)
		return;
	batch->line = tmem_line_of(ahead->data) + TMEM_LINE;
	batch->end = ahead->data + ahead->length;
}

static inline void ask_for_lines(struct batch *batch)
{
	const unsigned char *line = batch->line;
	uint32_t i;

	for (i = 0; i < LINES && line < batch->end; i++, line += TMEM_LINE)
		tmem_prefetch(line);
	batch->line = line;
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

/* How many puts into one pool stand next to each other from @i on. */
static uint32_t puts_at(const struct batch *batch, uint32_t i)
{
	const struct tmem_op *ops = batch->ops;
	uint32_t near = tmem_min32(i + TMEM_RUN, batch->count), end = i;

	while (end < near && ops[end].code == TMEM_OP_PUT &&
	       ops[end].handle.pool == ops[i].handle.pool && is_still(ahead_of(batch, end)))
		end++;
	return end - i;
}

static void carry_out_alone(struct batch *batch, uint32_t i)
{
	struct tmem_op *op = &batch->ops[i];

	op->result = now(batch->client, batch->worker, op, ahead_of(batch, i));
}

/* The row's puts that were copied are carried out: what is left of them one by one. */
static void end_row(struct batch *batch)
{
	struct row *row = &batch->row;
	uint32_t end = row->first + row->copied, i;

	i = row->first + tmem_row_publish(batch->client, batch->worker, batch->ops, row);
	for (; i < end; i++)
		carry_out_alone(batch, i);
}

static void carry_out(struct batch *batch, uint32_t i)
{
	struct tmem_op *op = &batch->ops[i];
	struct row *row = &batch->row;
	uint32_t puts;

	if (!row->taken && op->code == TMEM_OP_PUT) {
		puts = puts_at(batch, i);
		if (puts > 1)
			tmem_row_begin(batch->client, batch->worker, ahead_of(batch, i), i, puts,
				       row);
	}
	if (!row->taken) {
		carry_out_alone(batch, i);
	} else if (!tmem_row_copy(row, op->page)) {
		end_row(batch);
		carry_out_alone(batch, i);
	} else if (row->copied == row->taken) {
		end_row(batch);
	}
}

void tmem_batch(struct tmem_client *client, struct tmem_worker *worker, struct tmem_op *ops,
		uint32_t count)
{
	struct batch batch = {.client = client, .worker = worker, .ops = ops, .count = count};
	uint32_t turn, i, j; /* wraps around: what is before the first is no less than the count */

	if (count == 1) {
		ops->result = now(client, worker, ops, NULL);
		return;
	}
	for (turn = 0; turn < count + TO_BUCKET; turn++) {
		i = turn - TO_BUCKET;
		/* First of all: carry_out() has a lock to take, which waits for translations. */
		if (i % GROUP == 0)
			for (j = i + GROUP; j != i + 2 * GROUP; j++)
				if (j < count)
					to_header(worker->engine, &ops[j], ahead_of(&batch, j));
		if (i + TO_PAGE < count)
			to_page(&batch, ahead_of(&batch, i + TO_PAGE));
		ask_for_lines(&batch);
		if (i + TO_SLOT < count)
			to_slot(worker, ahead_of(&batch, i + TO_SLOT));
		ask_for_lines(&batch);
		if (i + TO_OBJECT < count)
			to_object(ahead_of(&batch, i + TO_OBJECT));
		if (i + TO_CHILD < count)
			to_child(ahead_of(&batch, i + TO_CHILD));
		ask_for_lines(&batch);
		if (turn < count)
			to_bucket(&batch, &ops[turn], ahead_of(&batch, turn));
		ask_for_lines(&batch);
		if (i < count)
			carry_out(&batch, i);
	}
}
