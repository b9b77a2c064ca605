/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The port of a POSIX process: what core embeds or runs inline. No header of
 * the C library is included, so that core cannot lean on one by accident.
 */
#ifndef TMEM_PORT_H
#define TMEM_PORT_H

#include <tmem/types.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TMEM_PORT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define TMEM_PORT_SANITIZED 1
#endif
#endif

#if defined(__x86_64__) && !defined(TMEM_PORT_SANITIZED)
#define TMEM_PORT_STREAMS 1
#else
#include "../portable_copy.h"
#endif

/* To stderr, then abort(). */
void tmem_panic(const char *file, int line, const char *what) __attribute__((noreturn, cold));

/* 0: free, 1: held. */
struct tmem_lock {
	uint32_t word;
};

/* Returns with the lock held; spins, and yields the processor after a while. */
void tmem_lock_contended(struct tmem_lock *lock) __attribute__((cold));
/* How often anybody found any lock taken since the process began. */
uint64_t tmem_lock_meetings(void);

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
	__atomic_store_n(&lock->word, 0, __ATOMIC_RELAXED);
}

static inline void tmem_lock(struct tmem_lock *lock)
{
	if (__builtin_expect(__atomic_exchange_n(&lock->word, 1, __ATOMIC_ACQUIRE) != 0, 0))
		tmem_lock_contended(lock);
}

static inline void tmem_unlock(struct tmem_lock *lock)
{
	__atomic_store_n(&lock->word, 0, __ATOMIC_RELEASE);
}

/* A lock that nobody holds is certainly not held by the caller; more is not known here. */
static inline void tmem_assert_held(const struct tmem_lock *lock)
{
	if (__builtin_expect(__atomic_load_n(&lock->word, __ATOMIC_RELAXED) == 0, 0))
		tmem_panic("tmem_lock", 0, "a lock that should be held is free");
}

#if defined(TMEM_PORT_STREAMS)

typedef long long tmem_port_vec __attribute__((vector_size(16), may_alias));
typedef long long tmem_port_vec_any __attribute__((vector_size(16), may_alias, aligned(1)));

/*
 * The value of 16 bytes of @src, loaded exactly once: the empty asm makes it
 * opaque, so it lives in its register until it has been stored and judged.
 */
static inline tmem_port_vec tmem_port_load(const unsigned char *src)
{
	tmem_port_vec value = *(const tmem_port_vec_any *)src;

	__asm__("" : "+x"(value));
	return value;
}

static inline void tmem_port_stream(unsigned char *dst, tmem_port_vec value)
{
#if defined(__clang__)
	__builtin_nontemporal_store(value, (tmem_port_vec *)dst);
#else
	__builtin_ia32_movntdq((tmem_port_vec *)dst, value);
#endif
}

/* Streams past the cache: nobody reads a page soon after it was put. */
static inline int tmem_copy_in(void *dst, const void *src)
{
	const unsigned char *from = src;
	unsigned char *to = dst;
	tmem_port_vec a, b, c, d, first, differs = {0, 0};
	size_t i = 0;

	first = tmem_port_load(from);
	a = first;
	first = (tmem_port_vec){a[0], a[0]};
	/* As long as all words were the same; for nearly every page, one round. */
	for (;;) {
		b = tmem_port_load(from + i + 16);
		c = tmem_port_load(from + i + 32);
		d = tmem_port_load(from + i + 48);
		tmem_port_stream(to + i, a);
		tmem_port_stream(to + i + 16, b);
		tmem_port_stream(to + i + 32, c);
		tmem_port_stream(to + i + 48, d);
		differs = (a ^ first) | (b ^ first) | (c ^ first) | (d ^ first);
		i += 64;
		if (i == TMEM_PAGE_SIZE || (differs[0] | differs[1]))
			break;
		a = tmem_port_load(from + i);
	}
	for (; i < TMEM_PAGE_SIZE; i += 64) {
		a = tmem_port_load(from + i);
		b = tmem_port_load(from + i + 16);
		c = tmem_port_load(from + i + 32);
		d = tmem_port_load(from + i + 48);
		tmem_port_stream(to + i, a);
		tmem_port_stream(to + i + 16, b);
		tmem_port_stream(to + i + 32, c);
		tmem_port_stream(to + i + 48, d);
	}
	return (differs[0] | differs[1]) == 0;
}

/*
 * Orders streamed stores before whatever publishes their pages; a plain store
 * that frees a lock would not. Beside the lock that core takes next, which
 * waits for them anyway, it costs nothing that could be measured.
 */
static inline void tmem_copy_done(void)
{
	__builtin_ia32_sfence();
}

#else

static inline int tmem_copy_in(void *dst, const void *src)
{
	return tmem_portable_copy_in(dst, src);
}

static inline void tmem_copy_done(void)
{
}

#endif

/*
 * One instruction, where there is one: it leaves a processor the room to look
 * ahead to the next call while it copies, as no loop of loads and stores does.
 * By words it is fast on all of them, by bytes only on younger ones. Elsewhere
 * it is the C library's memcpy.
 */
static inline void tmem_copy_out(void *dst, const void *src)
{
#if defined(TMEM_PORT_STREAMS)
	size_t words = TMEM_PAGE_SIZE / 8;

	__asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(words) : : "memory");
#else
	__builtin_memcpy(dst, src, TMEM_PAGE_SIZE);
#endif
}

#endif
