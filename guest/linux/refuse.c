// SPDX-License-Identifier: GPL-2.0-only
/* The count of what was allocated, and of what was not. */
#include <linux/atomic.h>
#include <linux/module.h>

static int refuse;
module_param(refuse, int, 0444);
static int forget;
module_param(forget, int, 0444);

static atomic_t asked = ATOMIC_INIT(0), live = ATOMIC_INIT(0), freed = ATOMIC_INIT(0);

bool tmem_refuse(void)
{
	return atomic_inc_return(&asked) == refuse;
}

void tmem_refuse_got(bool there)
{
	if (there)
		atomic_inc(&live);
}

bool tmem_refuse_free(bool there)
{
	if (there && atomic_inc_return(&freed) == forget)
		return false;
	if (there)
		atomic_dec(&live);
	return true;
}

void tmem_refuse_say(void)
{
	pr_info("tmem: refuse: %d asked, %d live\n", atomic_read(&asked), atomic_read(&live));
}
