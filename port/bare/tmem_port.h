/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The port of a world without a C library: firmware, a unikernel, the start
 * of a port to anything else. With TMEM_BARE_SINGLE defined, one thread is
 * all there is and locks cost nothing; without it they spin.
 */
#ifndef TMEM_PORT_H
#define TMEM_PORT_H

#include <tmem/types.h>
#include "../portable_copy.h"

/* Traps: there is nobody to tell. */
void tmem_panic(const char *file, int line, const char *what) __attribute__((noreturn, cold));

/* 0: free, 1: held. */
struct tmem_lock {
	uint32_t word;
};

static inline void tmem_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* This world cannot tell who holds which lock, so @level is not kept. */
static inline void tmem_lock_init(struct tmem_lock *lock, unsigned int level)
{
	(void)level;
	lock->word = 0;
}

static inline void tmem_lock(struct tmem_lock *lock)
{
#if defined(TMEM_BARE_SINGLE)
	/* Held already, by the only thread: it would wait for itself for ever. */
	if (lock->word != 0)
		tmem_panic("tmem_lock", 0, "a lock was taken twice");
	lock->word = 1;
#else
	while (__atomic_exchange_n(&lock->word, 1, __ATOMIC_ACQUIRE) != 0)
		while (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) != 0)
			tmem_cpu_relax();
#endif
}

static inline void tmem_unlock(struct tmem_lock *lock)
{
#if defined(TMEM_BARE_SINGLE)
	lock->word = 0;
#else
	__atomic_store_n(&lock->word, 0, __ATOMIC_RELEASE);
#endif
}

/* A lock that nobody holds is certainly not held by the caller; more is not known here. */
static inline void tmem_assert_held(const struct tmem_lock *lock)
{
	if (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) == 0)
		tmem_panic("tmem_lock", 0, "a lock that should be held is free");
}

static inline int tmem_copy_in(void *dst, const void *src)
{
	return tmem_portable_copy_in(dst, src);
}

/* Its stores are ordered like any other. */
static inline void tmem_copy_done(void)
{
}

static inline void tmem_copy_out(void *dst, const void *src)
{
	__builtin_memcpy(dst, src, TMEM_PAGE_SIZE);
}

#endif
