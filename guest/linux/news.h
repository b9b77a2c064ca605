/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the host tells without being asked: a thread waits for it, and here is
 * what is known. News is advice; without any, nothing goes wrong, only slower.
 */
#ifndef TMEM_LINUX_NEWS_H
#define TMEM_LINUX_NEWS_H

#include <linux/types.h>
#include <linux/wait.h>

struct task_struct;
struct tmem_guest;

struct tmem_news {
	struct task_struct *thread;
	wait_queue_head_t changed;
	/* Written by the thread, read anywhere. */
	u32 answers;
	bool frozen;		   /* puts fail */
	unsigned long quiet_until; /* jiffies: the host wants memory back */
	u64 allocation, cap;	   /* bytes; 0 until the first change */
	/* Written by the owner. */
	bool ending;
};

/* 0 or -errno. */
int tmem_news_create(struct tmem_guest *guest);
/* Nobody waits for a thaw any more, or will. */
void tmem_news_destroy(struct tmem_guest *guest);
/* The host was greeted anew: what was true before is told again. */
void tmem_news_forget(struct tmem_guest *guest);

/* Any context. False: what is ephemeral is better not put now. */
bool tmem_news_may_put(const struct tmem_guest *guest);
/*
 * After a put that was refused because of a freeze: until there is news, or a
 * moment. False: it is not to be tried again. Sleeps.
 */
bool tmem_news_await_thaw(struct tmem_guest *guest);

#endif
