/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hooks into functions of a kernel that has no place for them: before one is
 * carried out, or instead of it. They come all together or not at all, and
 * when they are gone nobody is left inside of them.
 */
#ifndef TMEM_LINUX_HOOKS_H
#define TMEM_LINUX_HOOKS_H

#include <linux/ftrace.h>
#include <linux/kprobes.h>

/* Called with the arguments of the function, before it; interrupts may be off. */
struct tmem_probe {
	struct kprobe kprobe; /* symbol_name and pre_handler are set by its owner */
	bool there;
};

/* Called in place of the function, which it may call by @original. */
struct tmem_detour {
	const char *name;
	void *instead;
	void *original;
	struct ftrace_ops ops;
	bool there;
};

/* 0, or -errno and what is missing in the kernel's log; none is there then. */
int tmem_hooks_install(struct tmem_detour *detour, u32 detours, struct tmem_probe *probe,
		       u32 probes);
/* Waits for everybody between tmem_hook_enter() and tmem_hook_leave(). */
void tmem_hooks_remove(struct tmem_detour *detour, u32 detours, struct tmem_probe *probe,
		       u32 probes);

/* NULL: the kernel has no such function. */
void *tmem_hooks_address(const char *name);
/* Until the next call also @task is led to what is called instead when this module calls. */
void tmem_hooks_lead(struct task_struct *task);

/* First and last in whatever is called instead. */
void tmem_hook_enter(void);
void tmem_hook_leave(void);

#endif
