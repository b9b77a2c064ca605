/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a traced function goes on: the call was given another name in 6.2. */
#ifndef TMEM_LINUX_COMPAT_HOOKS_H
#define TMEM_LINUX_COMPAT_HOOKS_H

#include <linux/ftrace.h>
#include <linux/version.h>

static __always_inline void compat_set_instruction_pointer(struct ftrace_regs *regs,
							   unsigned long address)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
	ftrace_instruction_pointer_set(regs, address);
#else
	ftrace_regs_set_instruction_pointer(regs, address);
#endif
}

#endif
