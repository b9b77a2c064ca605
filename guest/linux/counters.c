// SPDX-License-Identifier: GPL-2.0-only
/* Counters and their names. */
#include "counters.h"

#include <linux/cpumask.h>

const char *const tmem_counter_names[TMEM_COUNTERS_ALL] = {
#define TMEM_COUNTER(name, text) [TMEM_##name] = (text),
	TMEM_COUNTERS(TMEM_COUNTER)
#undef TMEM_COUNTER
};

struct tmem_counters __percpu *tmem_counters_create(void)
{
	return alloc_percpu(struct tmem_counters);
}

void tmem_counters_destroy(struct tmem_counters __percpu *counters)
{
	free_percpu(counters);
}

u64 tmem_counters_sum(const struct tmem_counters __percpu *counters, enum tmem_counter which)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu) sum += READ_ONCE(per_cpu_ptr(counters, cpu)->value[which]);
	return sum;
}
