// SPDX-License-Identifier: MIT
/*
 * First fit, from where the last allocation ended. What is in use is known
 * here only, not in the memory that the daemon can write.
 */
#include "buffer.h"
#include "error.h"
#include <errno.h>
#include <stdlib.h>

#define INSIDE 0xffffffffu /* a page behind the first of its run */

int lt_buffer_open(struct tmem *tmem)
{
	tmem->buffer_pages = (uint32_t)(tmem->memory.buffer_bytes / MEMORY_PAGE);
	tmem->buffer_run = calloc(tmem->buffer_pages, sizeof(*tmem->buffer_run));
	return tmem->buffer_run ? 0 : -ENOMEM;
}

void lt_buffer_close(struct tmem *tmem)
{
	free(tmem->buffer_run);
}

/* The first page of a run of @pages free ones within [@from, @to); @to where there is none. */
static uint32_t find(const struct tmem *tmem, uint32_t from, uint32_t to, uint32_t pages)
{
	uint32_t run = 0, at;

	for (at = from; at < to; at++) {
		run = tmem->buffer_run[at] ? 0 : run + 1;
		if (run == pages)
			return at + 1 - pages;
	}
	return to;
}

static void *alloc_locked(struct tmem *tmem, uint32_t pages)
{
	uint32_t at, i, end = tmem->buffer_pages;

	at = find(tmem, tmem->buffer_hint, end, pages);
	if (at == end)
		at = find(tmem, 0, end, pages);
	if (at == end) {
		(void)lt_fail(
			tmem, -TMEM_ENOMEM,
			"no %u consecutive pages are left of the %u shared ones: free some, or "
			"ask for more with buffer_bytes",
			(unsigned int)pages, (unsigned int)end);
		return NULL;
	}
	tmem->buffer_run[at] = pages;
	for (i = 1; i < pages; i++)
		tmem->buffer_run[at + i] = INSIDE;
	tmem->buffer_hint = at + pages;
	return tmem->memory.base + MEMORY_BUFFERS_AT + (size_t)at * MEMORY_PAGE;
}

void *tmem_buffer_alloc(struct tmem *tmem, uint32_t pages)
{
	void *buffer;

	if (!tmem || !pages || lt_enter(tmem))
		return NULL;
	buffer = alloc_locked(tmem, pages);
	pthread_mutex_unlock(&tmem->lock);
	return buffer;
}

void tmem_buffer_free(struct tmem *tmem, void *buffer)
{
	uint32_t at, pages, i;
	size_t offset;

	if (!tmem || !buffer || lt_enter(tmem))
		return;
	offset = (size_t)((uint8_t *)buffer - tmem->memory.base);
	if (memory_has(&tmem->memory, buffer) && offset % MEMORY_PAGE == 0) {
		at = (uint32_t)((offset - MEMORY_BUFFERS_AT) / MEMORY_PAGE);
		pages = tmem->buffer_run[at];
		/* What is no buffer, or was freed before, is left alone. */
		for (i = 0; pages != INSIDE && i < pages; i++)
			tmem->buffer_run[at + i] = 0;
		if (pages && pages != INSIDE && at < tmem->buffer_hint)
			tmem->buffer_hint = at;
	}
	pthread_mutex_unlock(&tmem->lock);
}
