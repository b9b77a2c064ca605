/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The port of tests: the same contract as everywhere, kept by code that looks
 * for whoever breaks it. Locks know their holder and check their order;
 * tmem_panic() can be expected by a test (host.h).
 */
#ifndef TMEM_PORT_H
#define TMEM_PORT_H

#include <tmem/types.h>
#include "../portable_copy.h"

/* Ends the test, unless tmem_test_expect_panic() is waiting for it. */
void tmem_panic(const char *file, int line, const char *what) __attribute__((noreturn, cold));

struct tmem_lock {
	uint32_t word; /* 0: free, 1: held */
	uint32_t level;
	uint32_t magic; /* tells a lock from memory that was never made one */
	/* Read by others than the holder only to compare it with themselves. */
	const void *owner;
};

/* Each dies on misuse: a level out of range, wrong order, twice, by another, never made. */
void tmem_lock_init(struct tmem_lock *lock, unsigned int level);
void tmem_lock(struct tmem_lock *lock);
void tmem_unlock(struct tmem_lock *lock);
void tmem_assert_held(const struct tmem_lock *lock);
void tmem_test_copies_begun(void);

static inline void tmem_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

static inline int tmem_copy_in(void *dst, const void *src)
{
	if ((size_t)dst % 16 != 0)
		tmem_panic(__FILE__, __LINE__, "the store's side of a copy is not aligned");
	tmem_test_copies_begun();
	return tmem_portable_copy_in(dst, src);
}

/* Who takes a lock without it dies here: elsewhere the page might be seen before its bytes. */
void tmem_copy_done(void);

static inline void tmem_copy_out(void *dst, const void *src)
{
	__builtin_memcpy(dst, src, TMEM_PAGE_SIZE);
}

#endif
