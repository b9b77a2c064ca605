/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * How every operation on pages begins: from the client's handle to its pool,
 * and to the key that finds the page there; and the way back, from a block.
 */
#include "internal.h"

void tmem_key_make(const struct tmem_engine *engine, const struct pool *pool,
		   const struct tmem_handle *handle, struct key *key)
{
	const volatile struct tmem_object_id *id = &handle->object;
	uint32_t i;

	/*
	 * Word by word: the caller has just written them so, and a wider load
	 * would wait until every store of the last page's copy is done.
	 */
	for (i = 0; i < 3; i++)
		key->id.word[i] = id->word[i];
	key->index = handle->index;
	key->pool = tmem_load_acquire(&pool->serial);
	key->hash = tmem_hash(engine->seed, key->pool, &key->id);
}

/* 0 with *@access set, until tmem_end(); or -TMEM_ENODEV, -TMEM_ESHUTDOWN. */
int tmem_begin(struct tmem_client *client, struct tmem_worker *worker,
	       const struct tmem_handle *handle, struct access *access)
{
	int err;

	worker->touched = 0;
	err = tmem_pool_find(client, handle->pool, &access->pool);
	if (tmem_unlikely(err))
		return err;
	access->home = tmem_load(&access->pool->home);
	access->heap = tmem_load(&access->pool->heap);
	if (tmem_unlikely(access->home != access->pool)) {
		err = tmem_share_enter(worker, handle->pool, access);
		if (err)
			return err;
	}
	tmem_key_make(worker->engine, access->home, handle, &access->key);
	if (tmem_unlikely(!tmem_pool_is(access->pool, handle))) {
		tmem_end(worker, access);
		return -TMEM_ENODEV;
	}
	return 0;
}

/*
 * Whose page a block is, by a copy of its header, which may be anything: the
 * index decides. NULL: it is in no pool of the heap's.
 */
struct pool *tmem_owner_of(struct heap *heap, const struct block *block, struct key *key)
{
	struct tmem_engine *engine = heap->client->engine;
	uint32_t kind = heap->kind == TMEM_EXTENT_PERSISTENT ? SLAB_OBJECT_P : SLAB_OBJECT_E, i;
	struct slab *objects = &engine->slab[kind];
	const struct object *object;
	struct tmem_handle handle;
	struct pool *pool;

	if (!block->object || block->object >= tmem_load_acquire(&objects->issued))
		return NULL;
	object = tmem_object_at(objects, block->object);
	pool = tmem_load_acquire(&heap->client->pools[TAG_POOL(block->tag)]);
	if (!pool || tmem_load(&pool->serial) != tmem_load(&object->pool))
		return NULL;
	for (i = 0; i < 3; i++)
		handle.object.word[i] = tmem_load(&object->id.word[i]);
	handle.index = block->index;
	handle.pool = tmem_load(&pool->number);
	tmem_key_make(engine, pool, &handle, key);
	return pool;
}
