/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose a device is that has a file system's id. */
#ifndef TMEM_LINUX_CLAIM_H
#define TMEM_LINUX_CLAIM_H

#include <linux/types.h>

struct virtio_device;
struct virtio_driver;

/* A file system's device is only a carrier if it is called so. */
bool tmem_claim_is_ours(struct virtio_device *vdev);

/*
 * Takes for @driver, which is registered, what is ours and another driver has:
 * all of it before this returns, and what comes later soon after it has come.
 * 0 or -errno.
 */
int tmem_claim_begin(struct virtio_driver *driver);
/* Before @driver is unregistered. */
void tmem_claim_end(void);

#endif
