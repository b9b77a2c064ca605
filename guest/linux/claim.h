/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose a device is that has a file system's id. */
#ifndef TMEM_LINUX_CLAIM_H
#define TMEM_LINUX_CLAIM_H

#include <linux/types.h>

struct virtio_device;
struct virtio_driver;

/* A file system's device is only a carrier if it is called so. */
bool tmem_claim_is_ours(struct virtio_device *vdev);

/* Takes what is ours from other drivers, for @driver, which is registered. */
void tmem_claim_all(struct virtio_driver *driver);

#endif
