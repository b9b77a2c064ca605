/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtqueue with the exchanges that go over it. Whoever runs one looks for
 * its answer himself for a moment, and then sleeps until the device's
 * interrupt; what he finds while he looks may be anybody's.
 *
 * The ring is memory that the device writes to. An entry of it that makes no
 * sense ends the device, and an exchange that it still had then comes back
 * only when it has been reset.
 */
#ifndef TMEM_LINUX_QUEUE_H
#define TMEM_LINUX_QUEUE_H

#include <linux/atomic.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "exchange.h"

#define QUEUE_EXCHANGES 16u

struct tmem_transport;
struct virtqueue;

enum tmem_queue_state {
	QUEUE_OPEN,
	QUEUE_PAUSED, /* who wants to begin waits, but for the spare exchange's owner */
	QUEUE_GONE    /* for ever */
};

struct tmem_queue {
	struct tmem_transport *transport;
	wait_queue_head_t room; /* for an exchange, or for descriptors; and every change of state */
	atomic_t running;	/* exchanges whose runner may still look at vq; not patient ones */

	spinlock_t lock; /* all below; taken with interrupts off */
	enum tmem_queue_state state;
	struct virtqueue *vq; /* NULL: while the system is suspended */
	struct list_head free;
	u32 sleepers; /* who wait for the interrupt */

	u32 count;
	struct tmem_exchange *exchange; /* count of them, and behind those the spare one */
};

/* With @count exchanges to take. Begins PAUSED, without a vq. 0 or -ENOMEM; to be ended in both cases. */
int tmem_queue_init(struct tmem_queue *queue, struct tmem_transport *transport, u32 count);
void tmem_queue_exit(struct tmem_queue *queue);

/* @vq NULL: it is about to be deleted; the device has been reset, and nobody runs anything. */
void tmem_queue_attach(struct tmem_queue *queue, struct virtqueue *vq);
/* Unless it is gone already. */
void tmem_queue_set_state(struct tmem_queue *queue, enum tmem_queue_state state);
/* Until nothing runs; it is PAUSED or GONE. */
void tmem_queue_drain(struct tmem_queue *queue);

struct tmem_exchange *tmem_queue_take(struct tmem_queue *queue);
/* The spare one, which has one owner, and goes through a PAUSED queue. */
struct tmem_exchange *tmem_queue_spare(struct tmem_queue *queue);
void tmem_queue_give(struct tmem_queue *queue, struct tmem_exchange *exchange);
int tmem_queue_run(struct tmem_queue *queue, struct tmem_exchange *exchange);
/*
 * For a kernel thread, with the spare exchange of a queue that has no other:
 * without a limit of time, and not through a PAUSED queue. 1: it came back
 * without an answer, for the system was suspended. The thread's end ends the
 * wait too, with -EINTR, and leaves the exchange to the device.
 */
int tmem_queue_run_patiently(struct tmem_queue *queue, struct tmem_exchange *exchange);

/* The interrupt. */
void tmem_queue_answers(struct tmem_queue *queue);
/* The device was reset: what it had is its takers' again. */
void tmem_queue_release(struct tmem_queue *queue);

#endif
