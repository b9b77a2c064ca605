/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What happened since a device was found, counted by each processor for
 * itself. A counter only grows; what is there now is asked of who has it.
 */
#ifndef TMEM_LINUX_COUNTERS_H
#define TMEM_LINUX_COUNTERS_H

#include <linux/percpu.h>
#include <linux/types.h>

/* Under these names they are in debugfs: tmem-guest(7) has a sentence for each. */
#define TMEM_COUNTERS(X)                              \
	X(EXCHANGES, "exchanges")                     \
	X(KICKS, "kicks")                             \
	X(SPINS_PAID, "spins_paid")                   \
	X(SLEEPS, "sleeps")                           \
	X(RING_FULL, "ring_full")                     \
	X(REFUSED, "refused")                         \
	X(CLEAN_PUTS, "clean_puts")                   \
	X(CLEAN_STORED, "clean_stored")               \
	X(CLEAN_DROPPED, "clean_dropped")             \
	X(CLEAN_GETS, "clean_gets")                   \
	X(CLEAN_HITS, "clean_hits")                   \
	X(CLEAN_FLUSHES, "clean_flushes")             \
	X(CLEAN_OVERFLOWS, "clean_overflows")         \
	X(SHARED_PUTS, "shared_puts")                 \
	X(SHARED_GETS, "shared_gets")                 \
	X(SHARED_HITS, "shared_hits")                 \
	X(SWAP_WRITES, "swap_writes")                 \
	X(SWAP_WRITES_REFUSED, "swap_writes_refused") \
	X(SWAP_READS, "swap_reads")                   \
	X(SWAP_READS_LOST, "swap_reads_lost")         \
	X(SWAP_FREED, "swap_freed")                   \
	X(SWAP_WRITE_REQUESTS, "swap_write_requests") \
	X(SWAP_BACKING_WRITES, "swap_backing_writes") \
	X(SWAP_BACKING_READS, "swap_backing_reads")

enum tmem_counter {
#define TMEM_COUNTER(name, text) TMEM_##name,
	TMEM_COUNTERS(TMEM_COUNTER)
#undef TMEM_COUNTER
		TMEM_COUNTERS_ALL
};

struct tmem_counters {
	u64 value[TMEM_COUNTERS_ALL];
};

extern const char *const tmem_counter_names[TMEM_COUNTERS_ALL];

/* NULL: no memory. */
struct tmem_counters __percpu *tmem_counters_create(void);
void tmem_counters_destroy(struct tmem_counters __percpu *counters);

/* Any context. */
static inline void tmem_count(struct tmem_counters __percpu *counters, enum tmem_counter which,
			      u32 by)
{
	this_cpu_add(counters->value[which], by);
}

/* Over all processors, each at its own moment. */
u64 tmem_counters_sum(const struct tmem_counters __percpu *counters, enum tmem_counter which);

#endif
