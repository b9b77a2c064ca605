/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A client's bill: the blocks of its persistent pages and the records that
 * find them, held against its allocation.
 */
#include "internal.h"

/* What a block of @length bytes counts for. */
uint64_t tmem_bill_of(uint32_t length)
{
	return (uint64_t)tmem_units(length) * TMEM_UNIT;
}

/*
 * @fresh bytes take the place of @old ones, at one instant, so that a client
 * that is exactly full can replace its pages from any number of workers.
 * 0 or -TMEM_ENOSPC.
 */
int tmem_bill(struct tmem_client *client, uint64_t fresh, uint64_t old)
{
	uint64_t billed = tmem_load(&client->billed);

	do {
		if (fresh > old && billed + (fresh - old) > tmem_load(&client->allocation))
			return -TMEM_ENOSPC;
	} while (!tmem_cas(&client->billed, &billed, billed + fresh - old));
	return 0;
}
