// SPDX-License-Identifier: MIT
/* What the daemon says about the client: figures when asked, news by itself. */
#include "batch.h"
#include "error.h"
#include "format.h"
#include "link.h"
#include "request.h"
#include <string.h>

TMEM_STATIC_ASSERT(TMEM_TOLD_FROZEN == TMEM_NEWS_FROZEN && TMEM_TOLD_THAWED == TMEM_NEWS_THAWED &&
		   TMEM_TOLD_GIVE == TMEM_NEWS_GIVE && TMEM_TOLD_LIMITS == TMEM_NEWS_LIMITS &&
		   TMEM_TOLD_DROPPED == TMEM_NEWS_DROPPED);

static int ask(struct tmem *tmem, uint32_t pool, struct tmem_stat *stat)
{
	const struct tmem_req request = {.op = TMEM_WIRE_STAT, .count = 1, .pool = pool};
	uint8_t answer[sizeof(*stat)];
	struct tmem_rep reply;
	int error = lt_request_control(tmem, &request, &reply, answer, sizeof(answer));

	if (error)
		return error;
	tmem_wire_get_stat(stat, answer);
	return reply.status;
}

static int read_locked(struct tmem *tmem, const struct tmem_pool *pool,
		       struct tmem_figures *figures)
{
	struct tmem_stat stat;
	int error = lt_link_ensure(tmem);

	if (!error && pool && pool->refused)
		error = pool->refused;
	if (error)
		return error;
	error = ask(tmem, pool ? pool->number : TMEM_WIRE_ALL_POOLS, &stat);
	if (error == -TMEM_ENOTCONN || error == -TMEM_ETIMEDOUT || error == -TMEM_EPROTO)
		lt_link_down(tmem, error);
	if (error)
		return error;
	figures->zero = 0;
	figures->ephemeral_pages = stat.ephemeral_pages;
	figures->ephemeral_bytes = stat.ephemeral_bytes;
	figures->persistent_pages = stat.persistent_pages;
	figures->persistent_bytes = stat.persistent_bytes;
	figures->allocation = stat.allocation;
	figures->billed = stat.billed;
	figures->cap = stat.cap;
	figures->puts = stat.puts;
	figures->puts_stored = stat.puts_stored;
	figures->gets = stat.gets;
	figures->gets_hit = stat.gets_hit;
	figures->flushes = stat.flushes;
	figures->flushes_found = stat.flushes_found;
	figures->evicted = stat.evicted;
	figures->lost = stat.lost;
	return 0;
}

static int read_figures(struct tmem *tmem, const struct tmem_pool *pool,
			struct tmem_figures *figures)
{
	int error;

	if (!tmem || !figures || figures->size != sizeof(*figures))
		return -TMEM_EINVAL;
	error = lt_enter(tmem);
	if (error)
		return error;
	error = read_locked(tmem, pool, figures);
	lt_batch_announce(tmem);
	return lt_leave(tmem, error);
}

int tmem_pool_figures(struct tmem_pool *pool, struct tmem_figures *figures)
{
	return pool ? read_figures(pool->tmem, pool, figures) : -TMEM_EINVAL;
}

int tmem_figures_read(struct tmem *tmem, struct tmem_figures *figures)
{
	return read_figures(tmem, NULL, figures);
}

int tmem_news_read(struct tmem *tmem, struct tmem_news *news)
{
	int error;

	if (!tmem || !news || news->size != sizeof(*news))
		return -TMEM_EINVAL;
	error = lt_enter(tmem);
	if (error)
		return error;
	error = tmem->state == LINK_UP ? lt_request_take_news(tmem) : 0;
	if (error < 0) {
		lt_link_down(tmem, error);
		return lt_leave(tmem, error);
	}
	news->told = 0;
	if (tmem->has_news) {
		news->told = (uint32_t)tmem->event.news;
		news->allocation = tmem->event.allocation;
		news->cap = tmem->event.cap;
		news->wanted = tmem->event.wanted;
	}
	error = tmem->has_news;
	tmem->has_news = false;
	return lt_leave(tmem, error);
}
