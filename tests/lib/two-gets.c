/* SPDX-License-Identifier: MIT */
/* A page put, one got, and one that is not there: half of two gets are hits. */
#include <stddef.h>
#include <tmem/tmem.h>

int main(void)
{
	const struct tmem_object_id object = {{1, 2, 3}};
	static char page[TMEM_PAGE_SIZE] = "here";
	struct tmem_pool *pool;
	struct tmem *tmem;

	return tmem_connect(NULL, NULL, &tmem) || tmem_pool_open(tmem, NULL, &pool) ||
	       tmem_page_put(pool, &object, 0, page) || tmem_page_get(pool, &object, 0, page) ||
	       tmem_page_get(pool, &object, 1, page) != -TMEM_ENOENT;
}
