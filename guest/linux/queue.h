/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtqueue with the exchanges that go over it. Whoever runs one looks for
 * its answer himself for a moment, and then sleeps until the device's
 * interrupt; what he finds while he looks may be anybody's.
 */
#ifndef TMEM_LINUX_QUEUE_H
#define TMEM_LINUX_QUEUE_H

#include <linux/spinlock.h>
#include <linux/wait.h>

#include "exchange.h"

#define QUEUE_EXCHANGES 16u

struct tmem_transport;
struct virtqueue;

struct tmem_queue {
	struct tmem_transport *transport;
	const bool *gone; /* the device; set once, read anywhere */
	struct virtqueue *vq;
	spinlock_t lock; /* vq, free, sleepers, had of the exchanges; taken with interrupts off */
	struct list_head free;
	wait_queue_head_t room; /* for an exchange, or for descriptors */
	u32 sleepers;		/* who wait for the interrupt */
	struct tmem_exchange exchange[QUEUE_EXCHANGES];
	bool had[QUEUE_EXCHANGES]; /* the device has it */
};

/* 0 or -ENOMEM; to be ended in both cases. */
int tmem_queue_init(struct tmem_queue *queue, struct tmem_transport *transport, const bool *gone,
		    struct virtqueue *vq);
void tmem_queue_exit(struct tmem_queue *queue);

struct tmem_exchange *tmem_queue_take(struct tmem_queue *queue);
void tmem_queue_give(struct tmem_queue *queue, struct tmem_exchange *exchange);
int tmem_queue_run(struct tmem_queue *queue, struct tmem_exchange *exchange);

/* The interrupt. */
void tmem_queue_answers(struct tmem_queue *queue);
/* The device was reset: what it had is its takers' again. */
void tmem_queue_release(struct tmem_queue *queue);

#endif
