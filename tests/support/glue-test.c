/* SPDX-License-Identifier: MIT */
/* Tests on the test port: memory that fails on demand, locks that are watched. See glue.h. */
#include "../../port/test/host.h"

#include "glue.h"

const char *const glue_name = "port/test";
const bool glue_can_starve = true;

void *glue_create(uint64_t limit)
{
	return tmem_test_host_create(limit);
}

const struct tmem_host_ops *glue_ops(void)
{
	return &tmem_test_host_ops;
}

uint64_t glue_bytes(void *host)
{
	const struct tmem_test_host *h = host;

	return h->bytes[0] + h->bytes[1] + h->bytes[2] + h->bytes[3];
}

void glue_starve(void *host, uint64_t nth, bool for_good)
{
	struct tmem_test_host *h = host;

	h->fail_at = nth;
	h->fail_on = for_good;
	h->failed = 0;
}

uint64_t glue_refused(void *host)
{
	const struct tmem_test_host *h = host;

	return h->failed;
}

void glue_take(void *host, unsigned int pages)
{
	tmem_test_host_take(host, pages);
}

/* The host itself panics where memory is still out or was written after it was freed. */
const char *glue_destroy(void *host)
{
	if (tmem_test_locks_held())
		return "a lock is still held";
	tmem_test_host_verify(host);
	tmem_test_host_destroy(host);
	return NULL;
}
