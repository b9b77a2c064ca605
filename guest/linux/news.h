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
	wait_queue_head_t idle; /* the thread, once there is nothing to wait for but its end */
	/* Written by the thread, read anywhere. */
	bool frozen;		   /* puts fail */
	unsigned long quiet_until; /* jiffies: the host wants memory back */
	u64 allocation, cap;	   /* bytes; 0 until the first change */
};

/* 0 or -errno. */
int tmem_news_create(struct tmem_guest *guest);
void tmem_news_destroy(struct tmem_guest *guest);
/* The host was greeted anew: what was true before is told again. */
void tmem_news_forget(struct tmem_guest *guest);

/* Any context. False: what is ephemeral is better not put now. */
bool tmem_news_may_put(const struct tmem_guest *guest);
#endif
