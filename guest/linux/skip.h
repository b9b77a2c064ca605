/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For tests, and in no other build (TMEM_SKIP): what is left out of telling
 * what happens to pages of files, and of what is done then.
 */
#ifndef TMEM_LINUX_SKIP_H
#define TMEM_LINUX_SKIP_H

#ifdef TMEM_SKIP
extern unsigned int tmem_skip;
#else
#define tmem_skip 0u
#endif

#define SKIP_TRUNCATION	  1u
#define SKIP_INVALIDATION 2u
#define SKIP_REMOVAL	  4u
#define SKIP_DIRECT	  8u
#define SKIP_RENEWAL	  16u

#endif
