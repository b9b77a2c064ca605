// SPDX-License-Identifier: GPL-2.0-only
/*
 * For a test, and in no other build (TMEM_FAULTY): one fault of each kind that
 * a kernel made by scripts/guest-kernel watches for. Each is harmless.
 */
#include "faulty.h"

#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

static unsigned int fault;
module_param(fault, uint, 0444);

static DEFINE_SPINLOCK(one);
static DEFINE_SPINLOCK(two);

static void sleep_under_lock(void)
{
	spin_lock(&one);
	might_sleep();
	spin_unlock(&one);
}

static void lock_in_order(spinlock_t *first, spinlock_t *second)
{
	spin_lock(first);
	spin_lock(second);
	spin_unlock(second);
	spin_unlock(first);
}

static void lock_in_both_orders(void)
{
	lock_in_order(&one, &two);
	lock_in_order(&two, &one);
}

static void read_after_free(void)
{
	u64 *memory = kzalloc(64, GFP_KERNEL), *same = memory;

	OPTIMIZER_HIDE_VAR(same);
	kfree(memory);
	if (same)
		pr_info("tmem: read after it was freed: %llx\n", READ_ONCE(*same));
}

static void nothing(struct work_struct *work)
{
}

static void free_while_it_waits(void)
{
	struct delayed_work *work = kzalloc(sizeof(*work), GFP_KERNEL);

	if (!work)
		return;
	INIT_DELAYED_WORK(work, nothing);
	schedule_delayed_work(work, 1000 * HZ);
	kfree(work);
}

static void delete_twice(void)
{
	struct list_head entry;
	LIST_HEAD(list);

	list_add(&entry, &list);
	list_del(&entry);
	list_del(&entry);
}

void tmem_faulty(void)
{
	static void (*const faults[])(void) = {
		sleep_under_lock,    lock_in_both_orders, read_after_free,
		free_while_it_waits, delete_twice,
	};

	if (fault && fault <= ARRAY_SIZE(faults))
		faults[fault - 1]();
}
