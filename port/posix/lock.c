/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The slow half of a lock: waiting for it. Locks are held for tens of
 * nanoseconds, so a short spin nearly always suffices; a holder that lost its
 * processor is helped by giving it ours.
 */
#include <sched.h>

#include "tmem_port.h"

#define SPINS_BEFORE_YIELD 100

static uint64_t meetings;

uint64_t tmem_lock_meetings(void)
{
	return __atomic_load_n(&meetings, __ATOMIC_RELAXED);
}

void tmem_lock_contended(struct tmem_lock *lock)
{
	unsigned int spins = 0;

	__atomic_fetch_add(&meetings, 1, __ATOMIC_RELAXED);
	do {
		while (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) != 0) {
			if (++spins < SPINS_BEFORE_YIELD) {
				tmem_cpu_relax();
			} else {
				sched_yield();
				spins = 0;
			}
		}
	} while (__atomic_exchange_n(&lock->word, 1, __ATOMIC_ACQUIRE) != 0);
}
