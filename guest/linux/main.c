// SPDX-License-Identifier: GPL-2.0-only
/* The module comes and goes. */
#include <linux/module.h>

#include "virtio.h"

static int __init tmem_init(void)
{
	return virtio_tmem_register();
}

static void __exit tmem_exit(void)
{
	virtio_tmem_unregister();
}

module_init(tmem_init);
module_exit(tmem_exit);
MODULE_DESCRIPTION("Transcendent memory: this guest's pages in its host's unused memory");
MODULE_LICENSE("GPL");
