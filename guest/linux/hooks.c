// SPDX-License-Identifier: GPL-2.0-only
/* Finding functions, and sending those who call them elsewhere. */
#include "hooks.h"

#include <linux/atomic.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/wait.h>

#include "compat/hooks.h"

static atomic_t inside = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(left);
static struct task_struct *led;

void tmem_hook_enter(void)
{
	atomic_inc(&inside);
}

void tmem_hook_leave(void)
{
	if (atomic_dec_and_test(&inside))
		wake_up(&left);
}

void tmem_hooks_lead(struct task_struct *task)
{
	WRITE_ONCE(led, task);
}

/* A call from this module is the detour's own, of the original; or a trial's. */
static void notrace redirect(unsigned long ip, unsigned long caller, struct ftrace_ops *ops,
			     struct ftrace_regs *regs)
{
	struct tmem_detour *detour = container_of(ops, struct tmem_detour, ops);

	if (!within_module(caller, THIS_MODULE) || READ_ONCE(led) == current)
		compat_set_instruction_pointer(regs, (unsigned long)detour->instead);
}

/* The kernel keeps its table of symbols to itself, but a probe knows where it is. */
void *tmem_hooks_address(const char *name)
{
	struct kprobe probe = {.symbol_name = name};
	void *address;

	if (register_kprobe(&probe) < 0)
		return NULL;
	address = probe.addr;
	unregister_kprobe(&probe);
	return address;
}

static int install_detour(struct tmem_detour *detour)
{
	int error;

	detour->original = tmem_hooks_address(detour->name);
	if (!detour->original)
		return -ENOENT;
	detour->ops.func = redirect;
	detour->ops.flags =
		FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_RECURSION | FTRACE_OPS_FL_IPMODIFY;
	error = ftrace_set_filter_ip(&detour->ops, (unsigned long)detour->original, 0, 0);
	if (error)
		return error;
	error = register_ftrace_function(&detour->ops);
	detour->there = !error;
	return error;
}

static int install_probe(struct tmem_probe *probe)
{
	int error;

	/* One that was there before still has what it found then, which it may not bring. */
	probe->kprobe.addr = NULL;
	probe->kprobe.flags = 0;
	error = register_kprobe(&probe->kprobe);
	probe->there = !error;
	return error;
}

int tmem_hooks_install(struct tmem_detour *detour, u32 detours, struct tmem_probe *probe,
		       u32 probes)
{
	const char *name = NULL;
	int error = 0;
	u32 i;

	for (i = 0; i < detours && !error; i++) {
		name = detour[i].name;
		error = install_detour(&detour[i]);
	}
	for (i = 0; i < probes && !error; i++) {
		name = probe[i].kprobe.symbol_name;
		error = install_probe(&probe[i]);
	}
	if (!error)
		return 0;
	pr_warn("tmem: clean pages are left alone: %s cannot be hooked: %d\n", name, error);
	tmem_hooks_remove(detour, detours, probe, probes);
	return error;
}

void tmem_hooks_remove(struct tmem_detour *detour, u32 detours, struct tmem_probe *probe,
		       u32 probes)
{
	u32 i;

	for (i = 0; i < probes; i++) {
		if (probe[i].there)
			unregister_kprobe(&probe[i].kprobe);
		probe[i].there = false;
	}
	for (i = 0; i < detours; i++) {
		if (detour[i].there) {
			unregister_ftrace_function(&detour[i].ops);
			ftrace_set_filter_ip(&detour[i].ops, (unsigned long)detour[i].original, 1,
					     0);
		}
		detour[i].there = false;
	}
	/*
	 * Whoever was sent here and has not entered yet is running, or was
	 * preempted: it comes as far as that before it sleeps of its own will.
	 * The same holds for whoever has left and is still on the way out.
	 */
	synchronize_rcu_tasks();
	wait_event(left, !atomic_read(&inside));
	synchronize_rcu_tasks();
}
