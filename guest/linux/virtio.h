/* SPDX-License-Identifier: GPL-2.0-only */
/* Devices that carry tmem over virtio; each that is found becomes a guest's host. */
#ifndef TMEM_LINUX_VIRTIO_H
#define TMEM_LINUX_VIRTIO_H

int virtio_tmem_register(void);
void virtio_tmem_unregister(void);

#endif
