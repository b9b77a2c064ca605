/* SPDX-License-Identifier: GPL-2.0-only */
/* Finding virtqueues: their names and callbacks became one structure in 6.11. */
#ifndef TMEM_LINUX_COMPAT_VIRTQUEUES_H
#define TMEM_LINUX_COMPAT_VIRTQUEUES_H

#include <linux/version.h>
#include <linux/virtio_config.h>

#define COMPAT_QUEUES_MAX 65u

/* @first is called for queue 0, @other for the rest. */
static inline int compat_find_vqs(struct virtio_device *vdev, unsigned int count,
				  struct virtqueue **vqs, vq_callback_t *first,
				  vq_callback_t *other)
{
	unsigned int i;
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
	vq_callback_t *callbacks[COMPAT_QUEUES_MAX];
	const char *names[COMPAT_QUEUES_MAX];

	for (i = 0; i < count; i++) {
		callbacks[i] = i ? other : first;
		names[i] = i ? "requests" : "news";
	}
	return virtio_find_vqs(vdev, count, vqs, callbacks, names, NULL);
#else
	struct virtqueue_info info[COMPAT_QUEUES_MAX] = {};

	for (i = 0; i < count; i++) {
		info[i].callback = i ? other : first;
		info[i].name = i ? "requests" : "news";
	}
	return virtio_find_vqs(vdev, count, vqs, info, NULL);
#endif
}

#endif
