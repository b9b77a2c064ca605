// SPDX-License-Identifier: GPL-2.0-only
/* virtiofs binds each device that has its id, those of ours too, with which it can do nothing. */
#include "claim.h"

#include <linux/device.h>
#include <linux/string.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <uapi/linux/virtio_fs.h>

/* Of a carrier that has room for a name, what that must begin with. */
#define TAG "tmem"

bool tmem_claim_is_ours(struct virtio_device *vdev)
{
	char tag[sizeof_field(struct virtio_fs_config, tag)];

	if (vdev->id.device != VIRTIO_ID_FS)
		return true;
	virtio_cread_bytes(vdev, offsetof(struct virtio_fs_config, tag), tag, sizeof(tag));
	return !strncmp(tag, TAG, strlen(TAG));
}

static int take_over(struct device *dev, void *arg)
{
	struct virtio_device *vdev = dev_to_virtio(dev);
	struct device_driver *driver = arg;

	if (vdev->id.device != VIRTIO_ID_FS || !dev->driver || dev->driver == driver ||
	    !tmem_claim_is_ours(vdev))
		return 0;
	device_release_driver(dev);
	if (device_driver_attach(driver, dev))
		dev_warn(dev, "taken from another driver, and of no use\n");
	return 0;
}

void tmem_claim_all(struct virtio_driver *driver)
{
	bus_for_each_dev(driver->driver.bus, NULL, &driver->driver, take_over);
}
