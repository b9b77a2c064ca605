/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Memory for what is made of clients' pages: wiped before it is given back,
 * so that nothing which a client stored is anywhere once the client is gone.
 */
#include "dense_internal.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* In front of what is handed out, so that it is known how much to wipe. */
union head {
	size_t size;
	max_align_t align;
};

void *dense_alloc(size_t size)
{
	union head *head = NULL;

	if (size <= SIZE_MAX - sizeof(*head))
		head = malloc(sizeof(*head) + size);
	if (!head)
		return NULL;
	head->size = size;
	return head + 1;
}

void dense_free(void *memory)
{
	union head *head = memory;

	if (!memory)
		return;
	head--;
	explicit_bzero(memory, head->size);
	free(head);
}

static void *alloc_for_zstd(void *opaque, size_t size)
{
	(void)opaque;
	return dense_alloc(size);
}

static void free_for_zstd(void *opaque, void *memory)
{
	(void)opaque;
	dense_free(memory);
}

ZSTD_customMem dense_memory(void)
{
	const ZSTD_customMem memory = {alloc_for_zstd, free_for_zstd, NULL};

	return memory;
}
