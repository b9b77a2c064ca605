// SPDX-License-Identifier: GPL-2.0-only
/* A thread that asks for news, and asks again when it got some. */
#include "news.h"

#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>

#include "guest.h"

/* How long nothing ephemeral is put after the host has asked for memory. */
#define QUIET HZ

static void take_in(struct tmem_news *news, const struct tmem_event *event)
{
	if (event->news & (TMEM_NEWS_FROZEN | TMEM_NEWS_THAWED))
		WRITE_ONCE(news->frozen, event->news & TMEM_NEWS_FROZEN);
	if (event->news & TMEM_NEWS_GIVE)
		WRITE_ONCE(news->quiet_until, jiffies + QUIET);
	if (event->news & TMEM_NEWS_LIMITS) {
		WRITE_ONCE(news->allocation, event->allocation);
		WRITE_ONCE(news->cap, event->cap);
	}
}

static int listen(void *arg)
{
	struct tmem_guest *guest = arg;
	struct tmem_event event;
	int error;

	while (!kthread_should_stop()) {
		error = tmem_guest_event(guest, &event);
		if (error == 1)
			continue;
		/* A host without news ends the asking, as one that is gone does. */
		if (error || !event.news)
			break;
		take_in(&guest->news, &event);
	}
	wait_event_idle(guest->news.idle, kthread_should_stop());
	return 0;
}

int tmem_news_create(struct tmem_guest *guest)
{
	struct tmem_news *news = &guest->news;

	news->thread = kthread_run(listen, guest, "tmem-news");
	if (!IS_ERR(news->thread))
		return 0;
	return PTR_ERR(news->thread);
}

void tmem_news_destroy(struct tmem_guest *guest)
{
	struct tmem_news *news = &guest->news;

	if (!IS_ERR_OR_NULL(news->thread))
		kthread_stop(news->thread);
}

void tmem_news_forget(struct tmem_guest *guest)
{
	WRITE_ONCE(guest->news.frozen, false);
	WRITE_ONCE(guest->news.quiet_until, jiffies);
}

bool tmem_news_may_put(const struct tmem_guest *guest)
{
	const struct tmem_news *news = &guest->news;

	return !READ_ONCE(news->frozen) && !time_before(jiffies, READ_ONCE(news->quiet_until));
}
