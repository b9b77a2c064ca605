/* SPDX-License-Identifier: MIT */
/* See exercise.h. */
#include <string.h>

#include "exercise.h"
#include "sanitizer.h"

#define LIVE_MAX 512u

struct live {
	unsigned char *at;
	size_t size;
	enum tmem_extent_kind kind;
	unsigned char stamp;
};

static uint64_t draw(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static int is_filled(const unsigned char *at, size_t size, int value)
{
	return at[0] == (unsigned char)value && memcmp(at, at + 1, size - 1) == 0;
}

static const char *judge(const struct live *live, unsigned int count, const struct live *fresh,
			 size_t min, size_t max)
{
	unsigned int i;

	if (fresh->size < min || fresh->size > max || (fresh->size & (fresh->size - 1)) != 0)
		return "an extent's size is not one that was asked for";
	if ((size_t)fresh->at % fresh->size != 0)
		return "an extent is not aligned to its size";
	for (i = 0; i < count; i++)
		if (fresh->at < live[i].at + live[i].size && live[i].at < fresh->at + fresh->size)
			return "two extents overlap";
	return NULL;
}

const char *exercise_run(const struct exercise *exercise)
{
	static __thread struct live live[LIVE_MAX];
	uint64_t seed = exercise->seed, out = 0;
	unsigned int count = 0, round, victim;
	size_t min, max, choices = 0;
	const char *wrong;
	struct live fresh;

	while (exercise->most >> choices > 4096)
		choices++;
	choices++;
	for (round = 0; round < exercise->rounds || count > 0; round++) {
		/* Swells and shrinks in waves, so that blocks split and coalesce. */
		if (round < exercise->rounds && count < LIVE_MAX &&
		    draw(&seed) % 100 < (round / 256 % 2 ? 30 : 70)) {
			min = (size_t)4096 << draw(&seed) % choices;
			max = min;
			while (max < exercise->most && draw(&seed) % 2 != 0)
				max *= 2;
			fresh.kind = (enum tmem_extent_kind)(draw(&seed) % 4);
			fresh.at = exercise->ops->extent_alloc(exercise->host, fresh.kind, min, max,
							       &fresh.size);
			if (fresh.at == NULL)
				continue;
			wrong = judge(live, count, &fresh, min, max);
			if (wrong != NULL)
				return wrong;
			out += fresh.size;
			if (out > exercise->limit)
				return "more is out than the limit allows";
			if (!is_filled(fresh.at, fresh.size, exercise->fill))
				return "an extent has contents of another owner";
			/* Never the fill itself, so that a lost write shows. */
			fresh.stamp = (unsigned char)(exercise->fill + 1 + draw(&seed) % 255);
			memset(fresh.at, fresh.stamp, fresh.size);
			live[count++] = fresh;
		} else if (count > 0) {
			victim = (unsigned int)(draw(&seed) % count);
			fresh = live[victim];
			live[victim] = live[--count];
			if (!is_filled(fresh.at, fresh.size, fresh.stamp))
				return "an extent's contents changed";
			exercise->ops->extent_free(exercise->host, fresh.kind, fresh.at,
						   fresh.size);
			out -= fresh.size;
#if !UNDER_TSAN
			/* It stays readable; a race, where another thread owns it by now. */
			(void)*(volatile unsigned char *)fresh.at;
#endif
		}
	}
	return NULL;
}
