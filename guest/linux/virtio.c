// SPDX-License-Identifier: GPL-2.0-only
/*
 * The transport over virtio. A device has one queue for news and some for
 * requests, of which each processor uses one. Whoever runs an exchange looks
 * for its answer himself for a moment, and then sleeps until the device's
 * interrupt; what he finds while he looks may be anybody's.
 *
 * A device that takes longer than timeout_ms, or says something that makes no
 * sense, is reset. Only when that is done does an exchange that it had come
 * back to its taker: before, the device might still write to its pages.
 */
#include "virtio.h"

#include <linux/module.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <uapi/linux/virtio_fs.h>

#include "compat/virtqueues.h"
#include "guest.h"
#include "transport.h"

#define QUEUE_EXCHANGES 16u
#define QUEUES_MAX	(COMPAT_QUEUES_MAX - 1)

/* Of a carrier that has room for a name, what that must begin with. */
#define TAG "tmem"

static unsigned int spin_us = 50;
module_param(spin_us, uint, 0644);
MODULE_PARM_DESC(spin_us, "microseconds to look for an answer before sleeping (50)");

static unsigned int timeout_ms = 30000;
module_param(timeout_ms, uint, 0644);
MODULE_PARM_DESC(timeout_ms,
		 "milliseconds after which a device that does not answer is given up (30000)");

struct tmem_queue {
	struct virtio_tmem *device;
	struct virtqueue *vq;
	spinlock_t lock; /* vq, free, sleepers, had of the exchanges; taken with interrupts off */
	struct list_head free;
	wait_queue_head_t room; /* for an exchange, or for descriptors */
	u32 sleepers;		/* who wait for the interrupt */
	struct tmem_exchange exchange[QUEUE_EXCHANGES];
	bool had[QUEUE_EXCHANGES]; /* the device has it */
};

struct virtio_tmem {
	struct tmem_transport transport;
	struct virtio_device *vdev;
	struct tmem_guest *guest;
	struct work_struct reset;
	bool gone; /* set once, read anywhere */
	u32 count;
	struct tmem_queue queue[];
};

static struct virtio_tmem *device_of(struct tmem_transport *transport)
{
	return container_of(transport, struct virtio_tmem, transport);
}

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

/* The interrupt. It stays on only as long as somebody sleeps. */
static void answers_ready(struct virtqueue *vq)
{
	struct virtio_tmem *device = vq->vdev->priv;
	struct tmem_queue *queue = &device->queue[vq->index - 1];
	unsigned long flags;

	spin_lock_irqsave(&queue->lock, flags);
	virtqueue_disable_cb(vq);
	do
		collect_locked(queue);
	while (queue->sleepers && !virtqueue_enable_cb(vq));
	spin_unlock_irqrestore(&queue->lock, flags);
}

static void news_ready(struct virtqueue *vq)
{
}

static void reset_device(struct work_struct *work)
{
	struct virtio_tmem *device = container_of(work, struct virtio_tmem, reset);
	u32 i, j;

	virtio_reset_device(device->vdev);
	for (i = 0; i < device->count; i++) {
		struct tmem_queue *queue = &device->queue[i];
		unsigned long flags;

		spin_lock_irqsave(&queue->lock, flags);
		for (j = 0; j < QUEUE_EXCHANGES; j++) {
			if (!queue->had[j])
				continue;
			queue->had[j] = false;
			queue->exchange[j].length = 0;
			complete(&queue->exchange[j].answered);
		}
		spin_unlock_irqrestore(&queue->lock, flags);
		wake_up_all(&queue->room);
	}
}

static void give_up(struct tmem_transport *transport, const char *why)
{
	struct virtio_tmem *device = device_of(transport);

	if (cmpxchg(&device->gone, false, true))
		return;
	dev_err(&device->vdev->dev, "given up: %s\n", why);
	queue_work(system_long_wq, &device->reset);
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

static struct tmem_exchange *take(struct tmem_transport *transport)
{
	struct virtio_tmem *device = device_of(transport);
	struct tmem_queue *queue = &device->queue[raw_smp_processor_id() % device->count];
	struct tmem_exchange *exchange;

	wait_event(queue->room, (exchange = take_free(queue)));
	exchange->pages = 0;
	exchange->to_guest = false;
	return exchange;
}

static void give(struct tmem_transport *transport, struct tmem_exchange *exchange)
{
	struct tmem_queue *queue = exchange->queue;
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

	if (READ_ONCE(queue->device->gone))
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
		give_up(&queue->device->transport, "it does not answer");
		wait_for_completion(&exchange->answered);
	}

	spin_lock_irqsave(&queue->lock, flags);
	if (!--queue->sleepers)
		virtqueue_disable_cb(queue->vq);
	spin_unlock_irqrestore(&queue->lock, flags);
}

static int run(struct tmem_transport *transport, struct tmem_exchange *exchange)
{
	struct tmem_queue *queue = exchange->queue;
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

static const struct tmem_transport_ops ops = {
	.take = take,
	.give = give,
	.run = run,
	.give_up = give_up,
};

static void free_queues(struct virtio_tmem *device)
{
	u32 i, j;

	for (i = 0; i < device->count; i++)
		for (j = 0; j < QUEUE_EXCHANGES; j++)
			free_page((unsigned long)device->queue[i].exchange[j].bytes);
}

static int init_queues(struct virtio_tmem *device, struct virtqueue **vqs)
{
	u32 i, j;

	for (i = 0; i < device->count; i++) {
		struct tmem_queue *queue = &device->queue[i];

		queue->device = device;
		queue->vq = vqs[i];
		spin_lock_init(&queue->lock);
		INIT_LIST_HEAD(&queue->free);
		init_waitqueue_head(&queue->room);
		for (j = 0; j < QUEUE_EXCHANGES; j++) {
			struct tmem_exchange *exchange = &queue->exchange[j];

			exchange->queue = queue;
			init_completion(&exchange->answered);
			exchange->bytes = (u8 *)get_zeroed_page(GFP_KERNEL);
			if (!exchange->bytes)
				return -ENOMEM;
			list_add(&exchange->link, &queue->free);
		}
		virtqueue_disable_cb(queue->vq);
	}
	return 0;
}

/* A file system's device is only a carrier if it is called so. */
static bool is_ours(struct virtio_device *vdev)
{
	char tag[sizeof_field(struct virtio_fs_config, tag)];

	if (vdev->id.device != VIRTIO_ID_FS)
		return true;
	virtio_cread_bytes(vdev, offsetof(struct virtio_fs_config, tag), tag, sizeof(tag));
	return !strncmp(tag, TAG, strlen(TAG));
}

/* For requests. */
static int count_queues(struct virtio_device *vdev)
{
	u32 count = 1;

	if (vdev->id.device == VIRTIO_ID_FS)
		virtio_cread_le(vdev, struct virtio_fs_config, num_request_queues, &count);
	return clamp_t(u32, min(count, nr_cpu_ids), 1, QUEUES_MAX);
}

/*
 * Indirect tables are allocated for each request. A ring without them holds
 * fewer requests, and needs no memory while pages are put to get some.
 */
static int virtio_tmem_validate(struct virtio_device *vdev)
{
	__virtio_clear_bit(vdev, VIRTIO_RING_F_INDIRECT_DESC);
	return 0;
}

static int virtio_tmem_probe(struct virtio_device *vdev)
{
	struct virtqueue *vqs[COMPAT_QUEUES_MAX];
	int error, count = count_queues(vdev);
	struct virtio_tmem *device;

	if (!is_ours(vdev))
		return -ENODEV;
	device = kvzalloc(struct_size(device, queue, count), GFP_KERNEL);
	if (!device)
		return -ENOMEM;
	device->transport.ops = &ops;
	device->transport.name = dev_name(&vdev->dev);
	device->vdev = vdev;
	device->count = (u32)count;
	INIT_WORK(&device->reset, reset_device);
	vdev->priv = device;
	error = compat_find_vqs(vdev, (u32)count + 1, vqs, news_ready, answers_ready);
	if (error)
		goto err_free;
	error = init_queues(device, vqs + 1);
	if (error)
		goto err_queues;
	virtio_device_ready(vdev);
	error = tmem_guest_create(&device->transport, &device->guest);
	if (error)
		goto err_reset;
	return 0;

err_reset:
	give_up(&device->transport, "it cannot be used");
	flush_work(&device->reset);
err_queues:
	vdev->config->del_vqs(vdev);
	free_queues(device);
err_free:
	kvfree(device);
	return error;
}

static void virtio_tmem_remove(struct virtio_device *vdev)
{
	struct virtio_tmem *device = vdev->priv;

	/* Its disk goes first, so that what it still has to say is said. */
	tmem_guest_destroy(device->guest);
	if (!cmpxchg(&device->gone, false, true))
		reset_device(&device->reset);
	else
		flush_work(&device->reset);
	vdev->config->del_vqs(vdev);
	free_queues(device);
	kvfree(device);
}

/* The last one is none. */
static struct virtio_device_id ids[9] = {{VIRTIO_ID_FS, VIRTIO_DEV_ANY_ID}};
static unsigned int device_ids[8];
static unsigned int device_id_count;
module_param_array_named(ids, device_ids, uint, &device_id_count, 0444);
MODULE_PARM_DESC(ids,
		 "virtio device ids of other carriers than 26, with one queue for requests each");

static struct virtio_driver driver = {
	.driver.name = "tmem",
	.driver.owner = THIS_MODULE,
	.id_table = ids,
	.validate = virtio_tmem_validate,
	.probe = virtio_tmem_probe,
	.remove = virtio_tmem_remove,
};

/* virtiofs may be there first, with a device of ours that it can do nothing with. */
static int take_over(struct device *dev, void *arg)
{
	struct virtio_device *vdev = dev_to_virtio(dev);

	if (vdev->id.device != VIRTIO_ID_FS || !dev->driver || dev->driver == &driver.driver ||
	    !is_ours(vdev))
		return 0;
	device_release_driver(dev);
	if (device_driver_attach(&driver.driver, dev))
		dev_warn(dev, "taken from another driver, and of no use\n");
	return 0;
}

int virtio_tmem_register(void)
{
	int error;
	u32 i;

	for (i = 0; i < device_id_count && i + 2 < ARRAY_SIZE(ids); i++)
		ids[i + 1] = (struct virtio_device_id){device_ids[i], VIRTIO_DEV_ANY_ID};
	error = register_virtio_driver(&driver);
	if (!error)
		bus_for_each_dev(driver.driver.bus, NULL, NULL, take_over);
	return error;
}

void virtio_tmem_unregister(void)
{
	unregister_virtio_driver(&driver);
}
