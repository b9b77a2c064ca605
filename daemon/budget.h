/* SPDX-License-Identifier: MIT */
/*
 * Processor time that something may take: so many percent of one processor,
 * in slices of what BUDGET_PERIOD brings. What takes more than it had is
 * waited for, and nothing is saved up beyond one period.
 */
#ifndef TMEMD_BUDGET_H
#define TMEMD_BUDGET_H

#include <stdint.h>

#define BUDGET_PERIOD 10000000u /* nanoseconds */
#define BUDGET_NEVER  UINT64_MAX

struct budget {
	uint32_t percent; /* 0: nothing may be taken */
	uint64_t paid;	  /* up to when what was taken has been waited for, in nanoseconds */
	uint64_t next;	  /* before this no slice begins */
};

/* What was taken before counts no more. */
void budget_set(struct budget *budget, uint32_t percent);
/* 0: some may be taken now; else nanoseconds until then, or BUDGET_NEVER. @now does not go back. */
uint64_t budget_wait(struct budget *budget, uint64_t now);
/* Nanoseconds of processor time were taken, at most 2^56 of them. */
void budget_spend(struct budget *budget, uint64_t time);

#endif
