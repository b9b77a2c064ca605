/* SPDX-License-Identifier: MIT */
/* See broken.h. */
#include "broken.h"

/* Works for a while first, so that something is there to be broken. */
#define HEALTHY_CALLS 8

static void *broken_alloc(void *host, enum tmem_extent_kind kind, size_t min, size_t max,
			  size_t *size)
{
	struct broken *broken = host;
	unsigned char *at = broken->ops->extent_alloc(broken->host, kind, min, max, size);

	if (at == NULL)
		return NULL;
	if (++broken->calls > HEALTHY_CALLS) {
		switch (broken->way) {
		case BROKEN_OVERLAP:
			*size = min;
			return (unsigned char *)((size_t)broken->last & ~(min - 1));
		case BROKEN_ALIGNMENT:
			return at + 16;
		case BROKEN_SIZE:
			*size = max * 2;
			break;
		case BROKEN_CONTENTS:
			at[*size - 1] ^= 1;
			break;
		case BROKEN_SCRIBBLE:
			broken->last[0] ^= 1;
			break;
		default:
			break;
		}
	}
	broken->last = at;
	return at;
}

static void broken_free(void *host, enum tmem_extent_kind kind, void *extent, size_t size)
{
	struct broken *broken = host;

	broken->ops->extent_free(broken->host, kind, extent, size);
	/* Not to be scribbled into: it is nobody's now. */
	if (broken->last == extent)
		broken->calls = 0;
}

const struct tmem_host_ops broken_ops = {
	.extent_alloc = broken_alloc,
	.extent_free = broken_free,
};

const char *broken_complaint(enum broken_way way)
{
	static const char *const complaint[BROKEN_WAYS] = {
		[BROKEN_NOT] = "",
		[BROKEN_OVERLAP] = "two extents overlap",
		[BROKEN_ALIGNMENT] = "an extent is not aligned to its size",
		[BROKEN_SIZE] = "an extent's size is not one that was asked for",
		[BROKEN_LIMIT] = "more is out than the limit allows",
		[BROKEN_CONTENTS] = "an extent has contents of another owner",
		[BROKEN_SCRIBBLE] = "an extent's contents changed",
	};

	return complaint[way];
}
