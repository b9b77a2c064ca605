/* SPDX-License-Identifier: MIT */
/*
 * A cache of thumbnails that costs nothing when memory is short: the pictures
 * lie in memory that the host does not use, and go when somebody needs it.
 * A picture that has gone is made again; nothing in here can fail because a
 * page has gone, because the host is full or because tmemd was restarted.
 *
 *	thumbnails [PICTURES [ROUNDS]]
 *
 * Each picture is 128 x 128 pixels of 4 bytes: 16 pages under one object.
 * Looks at pictures at random, the first ones more often, and says after each
 * round how many were there, how many had to be made, and what the host holds.
 * ROUNDS 0: until it is told to end (SIGTERM). Its status is 1 if a picture
 * was ever another one, or made of pieces of several.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tmem/tmem.h>

#define SIDE  128u
#define PAGES (SIDE * SIDE * 4u / TMEM_PAGE_SIZE)

struct cache {
	struct tmem *tmem;
	struct tmem_pool *pool;
	uint8_t *picture; /* PAGES pages that tmemd copies to and from */
	uint64_t found, made, wrong;
};

static volatile sig_atomic_t told_to_end;

static void end(int signal)
{
	(void)signal;
	told_to_end = 1;
}

/* Each page says whose it is: whoever puts pieces together can see that they belong together. */
static uint32_t mark_of(uint32_t number, uint32_t page)
{
	return number * PAGES + page;
}

/* What takes time in a real program: scaling a photograph down. Here, a plasma. */
static void make_picture(uint32_t number, uint8_t *picture)
{
	uint32_t x, y;

	for (y = 0; y < SIDE; y++) {
		for (x = 0; x < SIDE; x++) {
			uint8_t *pixel = picture + (y * SIDE + x) * 4;

			pixel[0] = (uint8_t)(x * number / 7);
			pixel[1] = (uint8_t)(y + number);
			pixel[2] = (uint8_t)((x ^ y) * (number % 5 + 1));
			pixel[3] = 255;
		}
	}
	for (x = 0; x < PAGES; x++) {
		uint32_t mark = mark_of(number, x);

		memcpy(picture + x * TMEM_PAGE_SIZE, &mark, sizeof(mark));
	}
}

static int is_picture(uint32_t number, const uint8_t *picture)
{
	uint32_t mark, i;

	for (i = 0; i < PAGES; i++) {
		memcpy(&mark, picture + i * TMEM_PAGE_SIZE, sizeof(mark));
		if (mark != mark_of(number, i))
			return 0;
	}
	return 1;
}

static void name(struct cache *cache, struct tmem_io *io, uint32_t code, uint32_t number)
{
	uint32_t i;

	memset(io, 0, PAGES * sizeof(*io));
	for (i = 0; i < PAGES; i++) {
		io[i].code = code;
		io[i].pool = cache->pool;
		io[i].object.word[0] = number;
		io[i].index = i;
		io[i].page = cache->picture + i * TMEM_PAGE_SIZE;
	}
}

/* The picture in cache->picture, from the cache or made; then the cache has it again. */
static void look(struct cache *cache, uint32_t number)
{
	struct tmem_io io[PAGES];

	/* One request for all 16 pages. A get takes them out: they are put back below. */
	name(cache, io, TMEM_IO_GET, number);
	if (tmem_batch_run(cache->tmem, io, PAGES) == 0) {
		cache->found++;
	} else {
		/* Some pages or all have gone, or tmemd is away: all the same to us. */
		make_picture(number, cache->picture);
		cache->made++;
	}
	cache->wrong += !is_picture(number, cache->picture);

	/* Refused puts are none of our business either: the picture is made again next time. */
	name(cache, io, TMEM_IO_PUT, number);
	(void)tmem_batch_run(cache->tmem, io, PAGES);
}

static uint32_t choose(uint64_t *seed, uint32_t pictures)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	/* The product of two: small numbers come more often. */
	return (uint32_t)(((*seed >> 33) % pictures) * ((*seed >> 17) % pictures) / pictures);
}

static void report(struct cache *cache, uint32_t round)
{
	struct tmem_figures figures = {.size = sizeof(figures)};

	printf("round %u: %lu found, %lu made", (unsigned int)round, (unsigned long)cache->found,
	       (unsigned long)cache->made);
	if (tmem_figures_read(cache->tmem, &figures))
		printf(" (%s)\n", tmem_last_error(cache->tmem));
	else
		printf("; the host holds %lu KiB of ours\n",
		       (unsigned long)(figures.ephemeral_bytes >> 10));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	uint32_t pictures = argc > 1 ? (uint32_t)atoi(argv[1]) : 500;
	uint32_t rounds = argc > 2 ? (uint32_t)atoi(argv[2]) : 4, round, i;
	struct cache cache = {.found = 0};
	uint64_t seed = 1;

	if (!pictures || tmem_connect(NULL, NULL, &cache.tmem)) {
		fprintf(stderr, "thumbnails: %s\n", tmem_last_error(NULL));
		return 1;
	}
	cache.picture = tmem_buffer_alloc(cache.tmem, PAGES);
	if (!cache.picture || tmem_pool_open(cache.tmem, NULL, &cache.pool)) {
		fprintf(stderr, "thumbnails: %s\n", tmem_last_error(cache.tmem));
		tmem_disconnect(cache.tmem);
		return 1;
	}
	signal(SIGTERM, end);
	for (round = 1; (!rounds || round <= rounds) && !told_to_end; round++) {
		cache.found = cache.made = 0;
		for (i = 0; i < pictures; i++)
			look(&cache, choose(&seed, pictures));
		report(&cache, round);
	}
	tmem_disconnect(cache.tmem);
	if (cache.wrong)
		fprintf(stderr, "thumbnails: %lu pictures were wrong\n",
			(unsigned long)cache.wrong);
	return cache.wrong != 0;
}
