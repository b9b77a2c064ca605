// SPDX-License-Identifier: GPL-2.0-only
/* The module comes and goes. */
#include <linux/module.h>

#include "faulty.h"
#include "report.h"
#include "virtio.h"

static int __init tmem_init(void)
{
	int error;

#ifdef TMEM_FAULTY
	tmem_faulty();
#endif
	tmem_report_begin();
	error = virtio_tmem_register();
	if (error)
		tmem_report_end();
#ifdef TMEM_REFUSE
	if (error)
		tmem_refuse_say();
#endif
	return error;
}

static void __exit tmem_exit(void)
{
	virtio_tmem_unregister();
	tmem_report_end();
#ifdef TMEM_REFUSE
	tmem_refuse_say();
#endif
}

module_init(tmem_init);
module_exit(tmem_exit);
MODULE_DESCRIPTION("Transcendent memory: this guest's pages in its host's unused memory");
MODULE_LICENSE("GPL");
