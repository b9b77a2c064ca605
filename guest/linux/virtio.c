// SPDX-License-Identifier: GPL-2.0-only
/*
 * The transport over virtio. A device has one queue for news and some for
 * requests, of which each processor uses one.
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
#include <linux/workqueue.h>
#include <uapi/linux/virtio_fs.h>

#include "claim.h"
#include "compat/virtqueues.h"
#include "counters.h"
#include "guest.h"
#include "queue.h"
#include "transport.h"

#define QUEUES_MAX (COMPAT_QUEUES_MAX - 1)

struct virtio_tmem {
	struct tmem_transport transport;
	struct virtio_device *vdev;
	struct tmem_guest *guest;
	struct work_struct reset;
	bool gone; /* set once, read anywhere */
	struct tmem_queue news;
	u32 count;
	struct tmem_queue queue[];
};

/* Swapped pages may wait for it. */
static struct workqueue_struct *resets;

static struct virtio_tmem *device_of(struct tmem_transport *transport)
{
	return container_of(transport, struct virtio_tmem, transport);
}

static void answers_ready(struct virtqueue *vq)
{
	struct virtio_tmem *device = vq->vdev->priv;

	tmem_queue_answers(&device->queue[vq->index - 1]);
}

static void news_ready(struct virtqueue *vq)
{
	struct virtio_tmem *device = vq->vdev->priv;

	tmem_queue_answers(&device->news);
}

static void set_states(struct virtio_tmem *device, enum tmem_queue_state state)
{
	u32 i;

	for (i = 0; i < device->count; i++)
		tmem_queue_set_state(&device->queue[i], state);
	tmem_queue_set_state(&device->news, state);
}

static void reset_device(struct work_struct *work)
{
	struct virtio_tmem *device = container_of(work, struct virtio_tmem, reset);
	u32 i;

	virtio_reset_device(device->vdev);
	for (i = 0; i < device->count; i++)
		tmem_queue_release(&device->queue[i]);
	tmem_queue_release(&device->news);
}

static void give_up(struct tmem_transport *transport, const char *why)
{
	struct virtio_tmem *device = device_of(transport);

	if (cmpxchg(&device->gone, false, true))
		return;
	set_states(device, QUEUE_GONE);
	dev_err(&device->vdev->dev, "given up: %s\n", why);
	queue_work(resets, &device->reset);
}

static struct tmem_exchange *take(struct tmem_transport *transport, enum tmem_purpose purpose)
{
	struct virtio_tmem *device = device_of(transport);

	switch (purpose) {
	case TMEM_FOR_GREETING:
		return tmem_queue_spare(&device->queue[0]);
	case TMEM_FOR_NEWS:
		return tmem_queue_spare(&device->news);
	default:
		return tmem_queue_take(&device->queue[raw_smp_processor_id() % device->count]);
	}
}

static void give(struct tmem_transport *transport, struct tmem_exchange *exchange)
{
	tmem_queue_give(exchange->queue, exchange);
}

static int run(struct tmem_transport *transport, struct tmem_exchange *exchange)
{
	if (exchange->queue == &device_of(transport)->news)
		return tmem_queue_run_patiently(exchange->queue, exchange);
	return tmem_queue_run(exchange->queue, exchange);
}

static void open(struct tmem_transport *transport)
{
	set_states(device_of(transport), QUEUE_OPEN);
}

static const struct tmem_transport_ops ops = {
	.take = take,
	.give = give,
	.run = run,
	.open = open,
	.give_up = give_up,
};

static void free_queues(struct virtio_tmem *device)
{
	u32 i;

	for (i = 0; i < device->count; i++)
		tmem_queue_exit(&device->queue[i]);
	tmem_queue_exit(&device->news);
}

static int init_queues(struct virtio_tmem *device)
{
	int error = tmem_queue_init(&device->news, &device->transport, 0);
	u32 i;

	for (i = 0; i < device->count && !error; i++)
		error = tmem_queue_init(&device->queue[i], &device->transport, QUEUE_EXCHANGES);
	return error;
}

/* Finds the virtqueues: one for news, and then those for requests. */
static int attach(struct virtio_tmem *device)
{
	struct virtqueue *vqs[COMPAT_QUEUES_MAX];
	u32 pages = EXCHANGE_PAGES, i;
	int error;

	error = compat_find_vqs(device->vdev, device->count + 1, vqs, news_ready, answers_ready);
	if (error)
		return error;
	/* Beside its pages an exchange has a request and an answer. */
	for (i = 0; i < device->count + 1; i++)
		pages = min(pages, max(virtqueue_get_vring_size(vqs[i]), 2u) - 2);
	if (!device->transport.pages)
		device->transport.pages = pages;
	if (!pages || pages < device->transport.pages) {
		dev_err(&device->vdev->dev, "its queues are too small\n");
		device->vdev->config->del_vqs(device->vdev);
		return -EINVAL;
	}
	tmem_queue_attach(&device->news, vqs[0]);
	for (i = 0; i < device->count; i++)
		tmem_queue_attach(&device->queue[i], vqs[i + 1]);
	return 0;
}

/* The device has been reset. */
static void detach(struct virtio_tmem *device)
{
	u32 i;

	if (!device->news.vq)
		return;
	tmem_queue_attach(&device->news, NULL);
	for (i = 0; i < device->count; i++)
		tmem_queue_attach(&device->queue[i], NULL);
	device->vdev->config->del_vqs(device->vdev);
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
	struct virtio_tmem *device;
	int error, count;

	if (!tmem_claim_is_ours(vdev))
		return -ENODEV;
	count = count_queues(vdev);
	device = kvzalloc(struct_size(device, queue, count), GFP_KERNEL);
	if (!device)
		return -ENOMEM;
	device->transport.ops = &ops;
	device->transport.name = dev_name(&vdev->dev);
	device->vdev = vdev;
	device->count = (u32)count;
	INIT_WORK(&device->reset, reset_device);
	error = -ENOMEM;
	device->transport.counters = tmem_counters_create();
	if (device->transport.counters)
		error = init_queues(device);
	if (error)
		goto err_free;
	vdev->priv = device;
	error = attach(device);
	if (error)
		goto err_free;
	virtio_device_ready(vdev);
	error = tmem_guest_create(&device->transport, &device->guest);
	if (error)
		goto err_reset;
	return 0;

err_reset:
	give_up(&device->transport, "it cannot be used");
	flush_work(&device->reset);
	detach(device);
err_free:
	free_queues(device);
	tmem_counters_destroy(device->transport.counters);
	kvfree(device);
	return error;
}

static void virtio_tmem_remove(struct virtio_device *vdev)
{
	struct virtio_tmem *device = vdev->priv;

	/* Its disk goes first, so that what it still has to say is said. */
	tmem_guest_destroy(device->guest);
	flush_work(&device->reset);
	/* Again, too: one that was given up while it was probed was made ready after that. */
	reset_device(&device->reset);
	detach(device);
	free_queues(device);
	tmem_counters_destroy(device->transport.counters);
	kvfree(device);
}

#ifdef CONFIG_PM_SLEEP
static int virtio_tmem_freeze(struct virtio_device *vdev)
{
	struct virtio_tmem *device = vdev->priv;
	u32 i;

	set_states(device, QUEUE_PAUSED);
	for (i = 0; i < device->count; i++)
		tmem_queue_drain(&device->queue[i]);
	flush_work(&device->reset);
	reset_device(&device->reset);
	detach(device);
	return 0;
}

/* What has gone wrong here is a host that is gone, and no reason not to wake up. */
static int virtio_tmem_restore(struct virtio_device *vdev)
{
	struct virtio_tmem *device = vdev->priv;

	if (READ_ONCE(device->gone))
		return 0;
	if (attach(device)) {
		give_up(&device->transport, "it has not come back");
		flush_work(&device->reset);
		return 0;
	}
	virtio_device_ready(vdev);
	tmem_guest_resume(device->guest);
	return 0;
}
#endif

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
#ifdef CONFIG_PM_SLEEP
	.freeze = virtio_tmem_freeze,
	.restore = virtio_tmem_restore,
#endif
};

int virtio_tmem_register(void)
{
	int error;
	u32 i;

	for (i = 0; i < device_id_count && i + 2 < ARRAY_SIZE(ids); i++)
		ids[i + 1] = (struct virtio_device_id){device_ids[i], VIRTIO_DEV_ANY_ID};
	resets = alloc_workqueue("tmem-reset", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!resets)
		return -ENOMEM;
	error = register_virtio_driver(&driver);
	if (error)
		goto err_queue;
	error = tmem_claim_begin(&driver);
	if (error)
		goto err_driver;
	return 0;

err_driver:
	unregister_virtio_driver(&driver);
err_queue:
	destroy_workqueue(resets);
	return error;
}

void virtio_tmem_unregister(void)
{
	tmem_claim_end();
	unregister_virtio_driver(&driver);
	destroy_workqueue(resets);
}
