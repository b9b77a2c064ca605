/* SPDX-License-Identifier: MIT */
/*
 * A process fills a cache in tmemd, says so, and looks at what is left of it
 * when a line comes from standard input: each page right, or missing.
 *
 *	fill MIB
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmem/tmem.h>

static void make(uint64_t *page, uint64_t number)
{
	uint64_t x = number;
	uint32_t i;

	for (i = 0; i < TMEM_PAGE_SIZE / 8; i++) {
		x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
		page[i] = x;
	}
}

static struct tmem_object_id object_of(uint64_t number)
{
	return (struct tmem_object_id){{number / 64, 0, 0}};
}

int main(int argc, char **argv)
{
	uint64_t count = (argc > 1 ? strtoull(argv[1], NULL, 0) : 1) * 256, i;
	uint64_t page[TMEM_PAGE_SIZE / 8], should[TMEM_PAGE_SIZE / 8];
	uint64_t right = 0, missing = 0, wrong = 0, stored = 0;
	struct tmem_object_id object;
	struct tmem_pool *pool;
	struct tmem *tmem;
	int result;

	if (tmem_connect(NULL, NULL, &tmem) || tmem_pool_open(tmem, NULL, &pool)) {
		fprintf(stderr, "fill: %s\n", tmem_last_error(NULL));
		return 1;
	}
	for (i = 0; i < count; i++) {
		make(page, i);
		object = object_of(i);
		stored += tmem_page_put(pool, &object, (uint32_t)(i % 64), page) == 0;
	}
	printf("ready\n");
	fflush(stdout);
	if (getchar() == EOF)
		return 1;
	for (i = 0; i < count; i++) {
		make(should, i);
		object = object_of(i);
		result = tmem_page_get(pool, &object, (uint32_t)(i % 64), page);
		right += !result && !memcmp(page, should, sizeof(page));
		wrong += !result && memcmp(page, should, sizeof(page));
		missing += result == -TMEM_ENOENT || result == -TMEM_EIO;
	}
	printf("%" PRIu64 " stored, %" PRIu64 " right, %" PRIu64 " missing, %" PRIu64 " wrong\n",
	       stored, right, missing, wrong);
	tmem_disconnect(tmem);
	return stored != count || wrong || right + missing != count || !right || !missing;
}
