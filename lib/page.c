// SPDX-License-Identifier: MIT
/* One operation at a time: batches of one. */
#include "batch.h"

static int run(struct tmem_pool *pool, uint32_t code, const struct tmem_object_id *object,
	       uint32_t index, uint64_t count, void *page)
{
	struct tmem_io io = {.code = code, .pool = pool, .index = index, .count = count};
	int error;

	if (!pool || !object)
		return -TMEM_EINVAL;
	io.object = *object;
	io.page = page;
	error = lt_enter(pool->tmem);
	if (error)
		return error;
	(void)lt_batch_carry_out(pool->tmem, &io, 1);
	pthread_mutex_unlock(&pool->tmem->lock);
	return io.result;
}

int tmem_page_put(struct tmem_pool *pool, const struct tmem_object_id *object, uint32_t index,
		  const void *page)
{
	return run(pool, TMEM_IO_PUT, object, index, 0, (void *)(uintptr_t)page);
}

int tmem_page_get(struct tmem_pool *pool, const struct tmem_object_id *object, uint32_t index,
		  void *page)
{
	return run(pool, TMEM_IO_GET, object, index, 0, page);
}

int tmem_page_flush(struct tmem_pool *pool, const struct tmem_object_id *object, uint32_t index)
{
	return run(pool, TMEM_IO_FLUSH, object, index, 0, NULL);
}

int tmem_range_flush(struct tmem_pool *pool, const struct tmem_object_id *object, uint32_t index,
		     uint64_t count)
{
	return run(pool, TMEM_IO_FLUSH_RANGE, object, index, count, NULL);
}

int tmem_object_flush(struct tmem_pool *pool, const struct tmem_object_id *object)
{
	return run(pool, TMEM_IO_FLUSH_OBJECT, object, 0, 0, NULL);
}
