// SPDX-License-Identifier: GPL-2.0-only
/* Exchanges on their way to the device and back. */
#include "queue.h"

#include <linux/module.h>
#include <linux/mm.h>
#include <linux/virtio.h>

#include "transport.h"

static unsigned int spin_us = 50;
module_param(spin_us, uint, 0644);
MODULE_PARM_DESC(spin_us, "microseconds to look for an answer before sleeping (50)");

static unsigned int timeout_ms = 30000;
module_param(timeout_ms, uint, 0644);
MODULE_PARM_DESC(timeout_ms,
		 "milliseconds after which a device that does not answer is given up (30000)");

static bool is_answered(struct tmem_exchange *exchange)
{
	return completion_done(&exchange->answered);
}

/* Hands every answer that is there to whoever waits for it. */
static void collect_locked(struct tmem_queue *queue)
{
	struct tmem_exchange *exchange;
	bool any = false;
	u32 length;

	while ((exchange = virtqueue_get_buf(queue->vq, &length))) {
		exchange->length = length;
		queue->had[exchange - queue->exchange] = false;
		complete(&exchange->answered);
		any = true;
	}
	if (any)
		wake_up_all(&queue->room);
}

/* It stays on only as long as somebody sleeps. */
void tmem_queue_answers(struct tmem_queue *queue)
{
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	virtqueue_disable_cb(queue->vq);
	do
		collect_locked(queue);
	while (queue->sleepers && !virtqueue_enable_cb(queue->vq));
	spin_unlock_irqrestore(&queue->lock, flags);
}

void tmem_queue_release(struct tmem_queue *queue)
{
	unsigned long flags;
	u32 i;

	spin_lock_irqsave(&queue->lock, flags);
	for (i = 0; i < QUEUE_EXCHANGES; i++) {
		if (!queue->had[i])
			continue;
		queue->had[i] = false;
		queue->exchange[i].length = 0;
		complete(&queue->exchange[i].answered);
	}
	spin_unlock_irqrestore(&queue->lock, flags);
	wake_up_all(&queue->room);
}

static struct tmem_exchange *take_free(struct tmem_queue *queue)
{
	struct tmem_exchange *exchange;
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	exchange = list_first_entry_or_null(&queue->free, struct tmem_exchange, link);
	if (exchange)
		list_del(&exchange->link);
	spin_unlock_irqrestore(&queue->lock, flags);
	return exchange;
}

struct tmem_exchange *tmem_queue_take(struct tmem_queue *queue)
{
	struct tmem_exchange *exchange;

	wait_event(queue->room, (exchange = take_free(queue)));
	exchange->pages = 0;
	exchange->to_guest = false;
	return exchange;
}

void tmem_queue_give(struct tmem_queue *queue, struct tmem_exchange *exchange)
{
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	list_add(&exchange->link, &queue->free);
	spin_unlock_irqrestore(&queue->lock, flags);
	wake_up(&queue->room);
}

/* 0, -ENOSPC where the ring is full, or -EIO. */
static int begin_locked(struct tmem_queue *queue, struct tmem_exchange *exchange)
{
	struct scatterlist *sg = exchange->sg, *sgs[3];
	u32 i, parts = 1, readable = 1;

	if (READ_ONCE(*queue->gone))
		return -EIO;
	sg_init_table(sg, exchange->pages + 2);
	sg_set_buf(sg, exchange->bytes, exchange->request_bytes);
	sg_mark_end(sg);
	sgs[0] = sg++;
	if (exchange->pages && !exchange->to_guest)
		sgs[readable++, parts++] = sg;
	if (exchange->to_guest) {
		sgs[parts++] = sg;
		sg_set_buf(sg, exchange->bytes + EXCHANGE_ANSWER, exchange->answer_bytes);
		sg++;
	}
	for (i = 0; i < exchange->pages; i++)
		sg_set_page(sg++, exchange->page[i], PAGE_SIZE, 0);
	if (exchange->pages)
		sg_mark_end(sg - 1);
	if (!exchange->to_guest) {
		sgs[parts++] = sg;
		sg_set_buf(sg, exchange->bytes + EXCHANGE_ANSWER, exchange->answer_bytes);
		sg_mark_end(sg);
	}
	return virtqueue_add_sgs(queue->vq, sgs, readable, parts - readable, exchange, GFP_ATOMIC);
}

static int begin(struct tmem_queue *queue, struct tmem_exchange *exchange, bool *kick)
{
	unsigned long flags;
	int error;

	spin_lock_irqsave(&queue->lock, flags);
	error = begin_locked(queue, exchange);
	if (error == -ENOSPC) {
		collect_locked(queue);
		error = begin_locked(queue, exchange);
	}
	if (!error) {
		reinit_completion(&exchange->answered);
		queue->had[exchange - queue->exchange] = true;
		*kick = virtqueue_kick_prepare(queue->vq);
	}
	spin_unlock_irqrestore(&queue->lock, flags);
	return error;
}

static bool look(struct tmem_queue *queue, struct tmem_exchange *exchange)
{
	u64 until = ktime_get_ns() + READ_ONCE(spin_us) * 1000ull;
	unsigned long flags;

	do {
		if (spin_trylock_irqsave(&queue->lock, flags)) {
			collect_locked(queue);
			spin_unlock_irqrestore(&queue->lock, flags);
		}
		if (is_answered(exchange))
			return true;
		cpu_relax();
	} while (ktime_get_ns() < until);
	return false;
}

static void sleep(struct tmem_queue *queue, struct tmem_exchange *exchange)
{
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	queue->sleepers++;
	while (!virtqueue_enable_cb(queue->vq))
		collect_locked(queue);
	spin_unlock_irqrestore(&queue->lock, flags);

	if (!wait_for_completion_io_timeout(&exchange->answered,
					    msecs_to_jiffies(READ_ONCE(timeout_ms)))) {
		queue->transport->ops->give_up(queue->transport, "it does not answer");
		wait_for_completion(&exchange->answered);
	}

	spin_lock_irqsave(&queue->lock, flags);
	if (!--queue->sleepers)
		virtqueue_disable_cb(queue->vq);
	spin_unlock_irqrestore(&queue->lock, flags);
}

int tmem_queue_run(struct tmem_queue *queue, struct tmem_exchange *exchange)
{
	bool kick = false;
	int error;

	/* Others' answers make room, and they do come: or the device is given up. */
	while ((error = begin(queue, exchange, &kick)) == -ENOSPC)
		wait_event_timeout(queue->room, false, 1);
	if (error)
		return -EIO;
	if (kick)
		virtqueue_notify(queue->vq);
	if (!look(queue, exchange))
		sleep(queue, exchange);
	return exchange->length ? 0 : -EIO;
}

int tmem_queue_init(struct tmem_queue *queue, struct tmem_transport *transport, const bool *gone,
		    struct virtqueue *vq)
{
	u32 i;

	queue->transport = transport;
	queue->gone = gone;
	queue->vq = vq;
	spin_lock_init(&queue->lock);
	INIT_LIST_HEAD(&queue->free);
	init_waitqueue_head(&queue->room);
	for (i = 0; i < QUEUE_EXCHANGES; i++) {
		struct tmem_exchange *exchange = &queue->exchange[i];

		exchange->queue = queue;
		init_completion(&exchange->answered);
		exchange->bytes = (u8 *)get_zeroed_page(GFP_KERNEL);
		if (!exchange->bytes)
			return -ENOMEM;
		list_add(&exchange->link, &queue->free);
	}
	virtqueue_disable_cb(queue->vq);
	return 0;
}

void tmem_queue_exit(struct tmem_queue *queue)
{
	u32 i;

	for (i = 0; i < QUEUE_EXCHANGES; i++)
		free_page((unsigned long)queue->exchange[i].bytes);
}
