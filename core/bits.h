/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Small arithmetic, and the one place where core uses __atomic builtins.
 * Words that are read without their lock are loaded and stored through
 * these; everything else is plain and guarded.
 */
#ifndef TMEM_CORE_BITS_H
#define TMEM_CORE_BITS_H

#include <tmem/base.h>

/* What any compiler may call by itself; every world has them. */
void *memcpy(void *dst, const void *src, size_t size);
void *memset(void *dst, int byte, size_t size);

/* Relaxed: the value is validated by what follows, or only counted. */
#define tmem_load(p)	 __atomic_load_n((p), __ATOMIC_RELAXED)
#define tmem_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)

/* Adds to a word that has one writer at a time, and readers at any time. */
#define tmem_bump(p, v) tmem_store((p), *(p) + (v))

#define tmem_load_acquire(p)	  __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define tmem_store_release(p, v)  __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define tmem_add(p, v)		  __atomic_add_fetch((p), (v), __ATOMIC_RELAXED)
#define tmem_sub(p, v)		  __atomic_sub_fetch((p), (v), __ATOMIC_RELAXED)
#define tmem_fetch_add_full(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define tmem_fetch_sub_full(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_SEQ_CST)
#define tmem_fetch_and_full(p, v) __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)
#define tmem_fetch_or_full(p, v)  __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define tmem_exchange_full(p, v)  __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define tmem_fence_acquire()	  __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define tmem_fence_release()	  __atomic_thread_fence(__ATOMIC_RELEASE)

/*
 * A word of memory that may be in use as something else by now: whoever reads
 * it judges it afterwards, and ThreadSanitizer need not.
 */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TMEM_RACY __attribute__((no_sanitize("thread"), noinline, unused))
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define TMEM_RACY __attribute__((no_sanitize_thread, noinline, unused))
#endif
#ifndef TMEM_RACY
#define TMEM_RACY inline
#endif

static TMEM_RACY uint32_t tmem_peek(const uint32_t *word)
{
	return *(const volatile uint32_t *)word;
}

/* One compare and exchange; *@expected becomes what was seen. */
#define tmem_cas(p, expected, v) \
	__atomic_compare_exchange_n((p), (expected), (v), 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)

#define tmem_prefetch(p)       __builtin_prefetch((p), 0, 3)
#define tmem_prefetch_write(p) __builtin_prefetch((p), 1, 3)

#define tmem_likely(x)	 __builtin_expect(!!(x), 1)
#define tmem_unlikely(x) __builtin_expect(!!(x), 0)

#define TMEM_ASSERT(fact)                                      \
	do {                                                   \
		if (tmem_unlikely(!(fact)))                    \
			tmem_panic(__FILE__, __LINE__, #fact); \
	} while (0)

static inline uint64_t tmem_min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint32_t tmem_min32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/*
 * Bits and quotients of 64-bit numbers in 32-bit pieces where that is what a
 * machine has, since a compiler would call helpers that no world provides.
 */

/* Place of the highest set bit; @x is not 0. */
static inline uint32_t tmem_log2(uint64_t x)
{
	if (sizeof(long) == 8)
		return 63u - (uint32_t)__builtin_clzl((unsigned long)x);
	return x >> 32 ? 63u - (uint32_t)__builtin_clz((uint32_t)(x >> 32))
		       : 31u - (uint32_t)__builtin_clz((uint32_t)x);
}

/* Place of the lowest set bit; @x is not 0. */
static inline uint32_t tmem_lowest(uint64_t x)
{
	if (sizeof(long) == 8)
		return (uint32_t)__builtin_ctzl((unsigned long)x);
	return (uint32_t)x ? (uint32_t)__builtin_ctz((uint32_t)x)
			   : 32u + (uint32_t)__builtin_ctz((uint32_t)(x >> 32));
}

/* @a / @b, bit by bit: for set-up, not for hot paths. @b is not 0. */
static inline uint64_t tmem_divide(uint64_t a, uint64_t b)
{
	uint64_t quotient = 0, rest = 0;
	uint32_t bit, carry;

	for (bit = 64; bit--;) {
		carry = (uint32_t)(rest >> 63);
		rest = rest << 1 | (a >> bit & 1);
		if (carry || rest >= b) {
			rest -= b;
			quotient |= 1ull << bit;
		}
	}
	return quotient;
}

/* The smallest power of two that is at least @x; 1 for 0. @x is at most 2^63. */
static inline uint64_t tmem_power2(uint64_t x)
{
	return x <= 1 ? 1 : 2ull << tmem_log2(x - 1);
}

#endif
