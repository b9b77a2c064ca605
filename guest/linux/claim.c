// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtiofs binds each device that has its id, those of ours too, with which it
 * can do nothing. A bus asks its drivers in the order in which they came, so
 * virtiofs gets each device that is plugged in later, too, wherever it was
 * there before this module: always, where it is built into the kernel.
 */
#include "claim.h"

#include <linux/device.h>
#include <linux/notifier.h>
#include <linux/string.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/workqueue.h>
#include <uapi/linux/virtio_fs.h>

/* Of a carrier that has room for a name, what that must begin with. */
#define TAG "tmem"

static struct device_driver *ours; /* constant from begin to end */

bool tmem_claim_is_ours(struct virtio_device *vdev)
{
	char tag[sizeof_field(struct virtio_fs_config, tag)];

	if (vdev->id.device != VIRTIO_ID_FS)
		return true;
	virtio_cread_bytes(vdev, offsetof(struct virtio_fs_config, tag), tag, sizeof(tag));
	return !strncmp(tag, TAG, strlen(TAG));
}

static bool is_with_another(struct device *dev)
{
	struct virtio_device *vdev = dev_to_virtio(dev);
	struct device_driver *driver = READ_ONCE(dev->driver);

	return vdev->id.device == VIRTIO_ID_FS && driver && driver != ours &&
	       tmem_claim_is_ours(vdev);
}

static int take_over(struct device *dev, void *arg)
{
	if (!is_with_another(dev))
		return 0;
	device_release_driver(dev);
	if (device_driver_attach(ours, dev))
		dev_warn(dev, "taken from another driver, and of no use\n");
	return 0;
}

static void take_all(struct work_struct *work)
{
	bus_for_each_dev(ours->bus, NULL, NULL, take_over);
}

/* One after the other, and none while the system is on its way to sleep. */
static DECLARE_WORK(taking, take_all);

/* Its lock is held, so that it cannot be taken here. */
static int is_bound(struct notifier_block *block, unsigned long event, void *dev)
{
#ifdef TMEM_BLIND /* a test's control */
	return NOTIFY_DONE;
#endif
	if (event == BUS_NOTIFY_BOUND_DRIVER && is_with_another(dev))
		queue_work(system_freezable_wq, &taking);
	return NOTIFY_DONE;
}

static struct notifier_block watch = {.notifier_call = is_bound};

int tmem_claim_begin(struct virtio_driver *driver)
{
	int error;

	ours = &driver->driver;
	error = bus_register_notifier(ours->bus, &watch);
	if (error)
		return error;
	queue_work(system_freezable_wq, &taking);
	flush_work(&taking);
	return 0;
}

void tmem_claim_end(void)
{
	bus_unregister_notifier(ours->bus, &watch);
	cancel_work_sync(&taking);
}
