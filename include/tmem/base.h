/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Fixed-width integers and attributes: the only place where an environment
 * is asked about. Everything else in include/tmem builds on these names.
 */
#ifndef TMEM_BASE_H
#define TMEM_BASE_H

#if defined(__KERNEL__)
#include <linux/stddef.h>
#include <linux/types.h>
#elif defined(__XEN__)
#include <xen/types.h>
#else
#include <stddef.h>
#include <stdint.h>
#endif

#ifdef __cplusplus
#define TMEM_BEGIN_C extern "C" {
#define TMEM_END_C   }
#else
#define TMEM_BEGIN_C
#define TMEM_END_C
#endif

/* A result that must be looked at. */
#define TMEM_MUST_CHECK __attribute__((warn_unused_result))

/* Visible outside a shared object that is built with hidden visibility. */
#define TMEM_API __attribute__((visibility("default")))

/* A function that is called through a table; Xen needs a landing pad there. */
#ifndef TMEM_INDIRECT
#define TMEM_INDIRECT
#endif

/* A compile-time fact, in C99, C11 and C++. */
#define TMEM_JOIN_(a, b) a##b
#define TMEM_JOIN(a, b)	 TMEM_JOIN_(a, b)
#define TMEM_STATIC_ASSERT(fact) \
	typedef char TMEM_JOIN(tmem_fact_, __LINE__)[(fact) ? 1 : -1] __attribute__((unused))

#endif
