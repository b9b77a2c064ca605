/* SPDX-License-Identifier: MIT */
/*
 * The POSIX port, with a clock that runs while a thread holds a lock: what
 * core is compiled with for tmem-bench-held, and for nothing else. Counted is
 * from the lock being had until it is given up, all that was waited for in
 * between included; of locks inside locks, the outermost.
 */
#ifndef TMEM_BENCH_HELD_PORT_H
#define TMEM_BENCH_HELD_PORT_H

/* Only what looks like a call is renamed: the struct keeps its name. */
#define tmem_lock(lock)	  tmem_posix_lock(lock)
#define tmem_unlock(lock) tmem_posix_unlock(lock)
#include "../../port/posix/tmem_port.h"
#undef tmem_lock
#undef tmem_unlock

struct bench_held {
	uint64_t cycles, since;
	uint32_t depth;
};

extern __thread struct bench_held bench_held;

/* Earlier instructions have completed; their stores may still be on their way. */
static inline uint64_t bench_held_clock(void)
{
#if defined(__x86_64__)
	unsigned int core;

	return __builtin_ia32_rdtscp(&core);
#elif defined(__aarch64__)
	uint64_t ticks;

	__asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(ticks) : : "memory");
	return ticks;
#else
	return 0;
#endif
}

static inline void tmem_lock(struct tmem_lock *lock)
{
	tmem_posix_lock(lock);
	if (bench_held.depth++ == 0)
		bench_held.since = bench_held_clock();
}

static inline void tmem_unlock(struct tmem_lock *lock)
{
	if (--bench_held.depth == 0)
		bench_held.cycles += bench_held_clock() - bench_held.since;
	tmem_posix_unlock(lock);
}

#endif
