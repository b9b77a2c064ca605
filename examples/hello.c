/* SPDX-License-Identifier: MIT */
/* A page put into tmemd's memory and got back. The socket: see tmem_connect(3). */
#include <stdio.h>
#include <tmem/tmem.h>

int main(void)
{
	const struct tmem_object_id object = {{1, 2, 3}}; /* a name of your choice: a file, say */
	static char page[TMEM_PAGE_SIZE] = "hello", back[TMEM_PAGE_SIZE];
	struct tmem_pool *pool;
	struct tmem *tmem;
	int result;

	if (tmem_connect(NULL, NULL, &tmem)) {
		fprintf(stderr, "hello: %s\n", tmem_last_error(NULL));
		return 1;
	}
	result = tmem_pool_open(tmem, NULL, &pool); /* NULL: a cache, whose pages may vanish */
	if (!result)
		result = tmem_page_put(pool, &object, 0, page);
	if (!result)
		result = tmem_page_get(pool, &object, 0, back);
	if (result == -TMEM_ENOENT)
		printf("the page has gone already: a cache may do that\n");
	else if (result)
		fprintf(stderr, "hello: %s\n", tmem_last_error(tmem));
	else
		printf("%s, world\n", back);
	tmem_disconnect(tmem);
	return result && result != -TMEM_ENOENT;
}
