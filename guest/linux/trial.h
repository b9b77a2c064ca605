/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether the hooks are where this module takes them to be, asked of the kernel
 * that runs before they are believed: its own functions are called on a file
 * that nobody else has, and what arrives at the hooks has to be that. A function
 * of the same name that is never called, or has its arguments in another order,
 * is found out before any page depends on it.
 */
#ifndef TMEM_LINUX_TRIAL_H
#define TMEM_LINUX_TRIAL_H

#include <linux/types.h>

struct address_space;
struct folio;

enum tmem_trial_hook {
	TRIAL_TRUNCATE,	  /* mapping, first byte, last byte */
	TRIAL_INVALIDATE, /* mapping, first page, last page */
	TRIAL_CHANGE,	  /* the same, where both are told as one */
	TRIAL_READPAGES,  /* inode, read-ahead, page */
	TRIAL_REMOVE	  /* page */
};

struct tmem_trial_call {
	enum tmem_trial_hook hook;
	u64 argument[3];
};

/*
 * Tries something with @mapping, an empty file's, and @folio, which is nobody's:
 * NULL, or what is not as it should be.
 */
typedef const char *tmem_trial(struct address_space *mapping, struct folio *folio);

/*
 * 0, or -EINVAL and in the kernel's log what @trial says, or that there was no
 * memory for it. For one task at a time. May sleep.
 */
int tmem_trial_run(tmem_trial *trial);

/* Around one function of the kernel: whether just these calls arrived, in this order. */
void tmem_trial_begin(void);
bool tmem_trial_end(const struct tmem_trial_call *expected, u32 count);

/*
 * First in each hook, with its arguments as they are, none of which may be
 * looked into before. True: this is the trial, and nothing else is to be done.
 */
bool tmem_trial_saw(enum tmem_trial_hook hook, u64 a, u64 b, u64 c);

#endif
