// SPDX-License-Identifier: MIT
/*
 * A process as a client, told what to do by lines on standard input, so that
 * a script can change the daemon between two of them.
 *
 *	process SOCKET [UUID | persistent]	pages go to a pool of its own, to that
 *						shared one, or stay there
 *
 *	put FIRST COUNT		stored N, then each refusal's code and how often
 *	get FIRST COUNT		hits N, wrong N, then as put
 *	open			0, or why the pool cannot be made
 *
 * Pages are noise, so that no codec makes them smaller; those from page 2^20 on
 * are what a program of few words says, and some codecs do better than others.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tmem/tmem.h>

#include "units.h"

#define CODES 160
#define WORDY (1u << 20)

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Eight letters of sixteen, the same for all pages. */
static uint64_t word(uint64_t number)
{
	uint64_t state = number + 1;
	uint64_t letters = 0;
	int i;

	for (i = 0; i < 8; i++)
		letters = letters << 8 | ('a' + (next(&state) >> 20) % 16);
	return letters;
}

/* Noise; words of two bytes from page 4096 on. */
static void fill(uint64_t *page, uint32_t index)
{
	uint64_t state = index + UINT64_C(0x9e3779b97f4a7c15);
	size_t i;

	for (i = 0; i < TMEM_PAGE_SIZE / sizeof(*page); i++) {
		(void)next(&state);
		if (index >= WORDY)
			page[i] = word((state >> 20) % 256);
		else
			page[i] = index < 4096 ? state : state & 0xffff;
	}
}

static void transfer(struct tmem_pool *pool, bool put, uint32_t first, uint32_t count)
{
	const struct tmem_object_id object = {{7, 0, 0}};
	uint64_t wanted[TMEM_PAGE_SIZE / 8];
	uint64_t page[TMEM_PAGE_SIZE / 8];
	uint32_t codes[CODES] = {0};
	uint32_t wrong = 0;
	uint32_t i;
	int result;

	for (i = first; i < first + count; i++) {
		fill(wanted, i);
		result = put ? tmem_page_put(pool, &object, i, wanted)
			     : tmem_page_get(pool, &object, i, page);
		codes[result > -CODES && result <= 0 ? -result : CODES - 1]++;
		wrong += !put && !result && memcmp(page, wanted, sizeof(page));
	}
	printf(put ? "stored %" PRIu32 : "hits %" PRIu32, codes[0]);
	if (!put)
		printf(" wrong %" PRIu32, wrong);
	for (i = 1; i < CODES; i++) {
		if (codes[i])
			printf(" %" PRIu32 ":%" PRIu32, i, codes[i]);
	}
	printf("\n");
}

static int open_pool(struct tmem *tmem, const char *uuid, struct tmem_pool **pool)
{
	struct tmem_pool_options options = {.size = sizeof(options)};

	if (uuid && !strcmp(uuid, "persistent")) {
		options.flags = TMEM_POOL_PERSISTENT;
	} else if (uuid) {
		options.flags = TMEM_POOL_SHARED;
		if (!units_parse_uuid(uuid, options.uuid))
			return -TMEM_EINVAL;
	}
	return tmem_pool_open(tmem, &options, pool);
}

int main(int argc, char **argv)
{
	struct tmem_pool *pool = NULL;
	uint32_t first;
	uint32_t count;
	struct tmem *tmem;
	char line[80];
	int error;

	error = argc > 1 ? tmem_connect(argv[1], NULL, &tmem) : -TMEM_EINVAL;
	if (error) {
		fprintf(stderr, "cannot connect: %d\n", error);
		return 1;
	}
	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "open\n"))
			printf("%d\n", open_pool(tmem, argv[2], &pool));
		else if (pool && sscanf(line, "put %" SCNu32 " %" SCNu32, &first, &count) == 2)
			transfer(pool, true, first, count);
		else if (pool && sscanf(line, "get %" SCNu32 " %" SCNu32, &first, &count) == 2)
			transfer(pool, false, first, count);
		else
			printf("what?\n");
		fflush(stdout);
	}
	tmem_disconnect(tmem);
	return 0;
}
