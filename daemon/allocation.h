/* SPDX-License-Identifier: MIT */
/*
 * What a guest may be promised: memory that is kept for it whatever happens,
 * and to all guests together no more than there is for that.
 */
#ifndef TMEMD_ALLOCATION_H
#define TMEMD_ALLOCATION_H

#include <stdbool.h>
#include <stdint.h>

struct daemon;
struct refusal;

/* Memory is locked and tmemd safe from the out-of-memory killer, or that is the user's own risk. */
bool allocation_is_protected(const struct daemon *daemon);

/*
 * Judges a promise of @bytes in the place of @held ones to the same guest, 0
 * for a new one, beside those to others. Waits for the memory of guests that
 * were removed, and serves the others meanwhile. False: *@refusal.
 */
bool allocation_judge(struct daemon *daemon, uint64_t bytes, uint64_t held,
		      struct refusal *refusal);

/* For -ENOSPC and -ENOMEM, with which the engine answers a promise that it cannot keep. */
void allocation_explain(int error, struct refusal *refusal);

#endif
