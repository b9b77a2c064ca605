// SPDX-License-Identifier: GPL-2.0-only
/* Exchanges on their way to the device and back. */
#include "queue.h"

#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/virtio.h>

#include "transport.h"

static unsigned int spin_us = 50;
module_param(spin_us, uint, 0644);
MODULE_PARM_DESC(spin_us, "microseconds to look for an answer before sleeping (50)");

static unsigned int timeout_ms = 30000;
module_param(timeout_ms, uint, 0644);
MODULE_PARM_DESC(timeout_ms,
		 "milliseconds after which a device that does not answer is given up (30000)");

static void give_up(struct tmem_queue *queue, const char *why)
{
	queue->transport->ops->give_up(queue->transport, why);
}

static void note(struct tmem_queue *queue, enum tmem_counter which)
{
	tmem_count(queue->transport->counters, which, 1);
}

static const char nonsense[] = "its ring makes no sense";

static bool is_answered(struct tmem_exchange *exchange)
{
	return completion_done(&exchange->answered);
}

/* Hands every answer that is there to whoever waits for it. False: the ring makes no sense. */
static bool collect_locked(struct tmem_queue *queue)
{
	struct tmem_exchange *exchange;
	bool any = false;
	u32 length;

	if (!queue->vq)
		return true;
	while ((exchange = virtqueue_get_buf(queue->vq, &length))) {
		exchange->length = length;
		exchange->returned = false;
		complete(&exchange->answered);
		any = true;
	}
	if (any)
		wake_up_all(&queue->room);
	return !virtqueue_is_broken(queue->vq);
}

/* From here on there is an interrupt with the next answer. */
static bool listen_locked(struct tmem_queue *queue)
{
	bool good = true;

	while (good && queue->vq && !virtqueue_enable_cb(queue->vq))
		good = collect_locked(queue);
	return good && !(queue->vq && virtqueue_is_broken(queue->vq));
}

/* The interrupt stays on only as long as somebody sleeps. */
void tmem_queue_answers(struct tmem_queue *queue)
{
	unsigned long flags;
	bool good;

	spin_lock_irqsave(&queue->lock, flags);
	if (queue->vq)
		virtqueue_disable_cb(queue->vq);
	good = collect_locked(queue);
	if (good && queue->sleepers)
		good = listen_locked(queue);
	spin_unlock_irqrestore(&queue->lock, flags);
	if (!good)
		give_up(queue, nonsense);
}

void tmem_queue_release(struct tmem_queue *queue)
{
	struct tmem_exchange *exchange;
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	while (queue->vq && (exchange = virtqueue_detach_unused_buf(queue->vq))) {
		exchange->returned = true;
		complete(&exchange->answered);
	}
	spin_unlock_irqrestore(&queue->lock, flags);
	wake_up_all(&queue->room);
}

void tmem_queue_attach(struct tmem_queue *queue, struct virtqueue *vq)
{
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	queue->vq = vq;
	if (vq)
		virtqueue_disable_cb(vq);
	spin_unlock_irqrestore(&queue->lock, flags);
}

void tmem_queue_set_state(struct tmem_queue *queue, enum tmem_queue_state state)
{
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	if (queue->state != QUEUE_GONE)
		queue->state = state;
	spin_unlock_irqrestore(&queue->lock, flags);
	wake_up_all(&queue->room);
}

void tmem_queue_drain(struct tmem_queue *queue)
{
	wait_event(queue->room, !atomic_read(&queue->running));
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

struct tmem_exchange *tmem_queue_spare(struct tmem_queue *queue)
{
	struct tmem_exchange *exchange = &queue->exchange[queue->count];

	exchange->pages = 0;
	exchange->to_guest = false;
	return exchange;
}

static bool is_spare(const struct tmem_queue *queue, const struct tmem_exchange *exchange)
{
	return exchange == &queue->exchange[queue->count];
}

void tmem_queue_give(struct tmem_queue *queue, struct tmem_exchange *exchange)
{
	unsigned long flags;

	if (is_spare(queue, exchange))
		return;
	spin_lock_irqsave(&queue->lock, flags);
	list_add(&exchange->link, &queue->free);
	spin_unlock_irqrestore(&queue->lock, flags);
	wake_up(&queue->room);
}

/* 0, -ENOSPC where the ring is full, or -EIO. */
static int add_locked(struct tmem_queue *queue, struct tmem_exchange *exchange)
{
	struct scatterlist *sg = exchange->sg, *sgs[3];
	u32 i, parts = 1, readable = 1;

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

/* 0; -EAGAIN: there will be room; or -EIO. */
static int begin_locked(struct tmem_queue *queue, struct tmem_exchange *exchange, bool paused_too)
{
	int error;

	if (queue->state == QUEUE_GONE)
		return -EIO;
	if (!queue->vq || (queue->state == QUEUE_PAUSED && !paused_too))
		return -EAGAIN;
	error = add_locked(queue, exchange);
	if (error == -ENOSPC && collect_locked(queue))
		error = add_locked(queue, exchange);
	if (error == -ENOSPC)
		note(queue, TMEM_RING_FULL);
	if (error)
		return error == -ENOSPC ? -EAGAIN : -EIO;
	/* Nobody can complete it before the lock is free. */
	reinit_completion(&exchange->answered);
	return 0;
}

static int begin(struct tmem_queue *queue, struct tmem_exchange *exchange, bool *kick)
{
	unsigned long flags;
	int error;

	spin_lock_irqsave(&queue->lock, flags);
	error = begin_locked(queue, exchange, is_spare(queue, exchange));
	if (!error) {
		atomic_inc(&queue->running);
		*kick = virtqueue_kick_prepare(queue->vq);
	}
	spin_unlock_irqrestore(&queue->lock, flags);
	return error;
}

static bool look(struct tmem_queue *queue, struct tmem_exchange *exchange)
{
	u64 until = ktime_get_ns() + READ_ONCE(spin_us) * 1000ull;
	bool good = true;
	unsigned long flags;

	do {
		if (spin_trylock_irqsave(&queue->lock, flags)) {
			good = collect_locked(queue);
			spin_unlock_irqrestore(&queue->lock, flags);
		}
		if (is_answered(exchange))
			return true;
		cpu_relax();
	} while (good && ktime_get_ns() < until);
	return false;
}

static void sleep(struct tmem_queue *queue, struct tmem_exchange *exchange)
{
	unsigned long flags;
	bool good;

	spin_lock_irqsave(&queue->lock, flags);
	queue->sleepers++;
	good = listen_locked(queue);
	spin_unlock_irqrestore(&queue->lock, flags);

	if (!good)
		give_up(queue, nonsense);
	else if (!wait_for_completion_io_timeout(&exchange->answered,
						 msecs_to_jiffies(READ_ONCE(timeout_ms))))
		give_up(queue, "it does not answer");
	else
		goto out;
	/* Once the device is reset. */
	wait_for_completion(&exchange->answered);
out:
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
	wait_event(queue->room, (error = begin(queue, exchange, &kick)) != -EAGAIN);
	if (error) {
		give_up(queue, nonsense);
		return -EIO;
	}
	note(queue, TMEM_EXCHANGES);
	if (kick) {
		note(queue, TMEM_KICKS);
		virtqueue_notify(queue->vq);
	}
	if (look(queue, exchange)) {
		note(queue, TMEM_SPINS_PAID);
	} else {
		note(queue, TMEM_SLEEPS);
		sleep(queue, exchange);
	}
	if (atomic_dec_and_test(&queue->running))
		wake_up_all(&queue->room);
	return exchange->returned ? -EIO : 0;
}

static int begin_patiently(struct tmem_queue *queue, struct tmem_exchange *exchange)
{
	unsigned long flags;
	bool good = true;
	int error;

	spin_lock_irqsave(&queue->lock, flags);
	error = begin_locked(queue, exchange, false);
	if (!error) {
		queue->sleepers = 1;
		virtqueue_kick(queue->vq);
		good = listen_locked(queue);
	}
	spin_unlock_irqrestore(&queue->lock, flags);
	if (!good || error == -EIO)
		give_up(queue, nonsense);
	return error;
}

int tmem_queue_run_patiently(struct tmem_queue *queue, struct tmem_exchange *exchange)
{
	int error = -EINTR;

	wait_event_idle(queue->room, kthread_should_stop() ||
					     (error = begin_patiently(queue, exchange)) != -EAGAIN);
	if (error)
		return error == -EIO ? -EIO : -EINTR;
	wait_event_idle(queue->room, kthread_should_stop() || is_answered(exchange));
	if (!is_answered(exchange))
		return -EINTR;
	if (!exchange->returned)
		return 0;
	return READ_ONCE(queue->state) == QUEUE_GONE ? -EIO : 1;
}

int tmem_queue_init(struct tmem_queue *queue, struct tmem_transport *transport, u32 count)
{
	u32 i;

	queue->transport = transport;
	queue->state = QUEUE_PAUSED;
	spin_lock_init(&queue->lock);
	INIT_LIST_HEAD(&queue->free);
	init_waitqueue_head(&queue->room);
	queue->count = count;
	queue->exchange = kvcalloc(count + 1, sizeof(*queue->exchange), GFP_KERNEL);
	if (!queue->exchange)
		return -ENOMEM;
	for (i = 0; i <= count; i++) {
		struct tmem_exchange *exchange = &queue->exchange[i];

		exchange->queue = queue;
		init_completion(&exchange->answered);
		exchange->bytes = (u8 *)get_zeroed_page(GFP_KERNEL);
		if (!exchange->bytes)
			return -ENOMEM;
		if (i < count)
			list_add(&exchange->link, &queue->free);
	}
	return 0;
}

void tmem_queue_exit(struct tmem_queue *queue)
{
	u32 i;

	for (i = 0; queue->exchange && i <= queue->count; i++)
		free_page((unsigned long)queue->exchange[i].bytes);
	kvfree(queue->exchange);
}
