// SPDX-License-Identifier: MIT
/*
 * Linked in front of an example (--wrap), it has what a program does wrong
 * that does not look at results: whatever was not there counts as got.
 */
#include <tmem/tmem.h>

int __real_tmem_batch_run(struct tmem *tmem, struct tmem_io *io, uint32_t count);
int __wrap_tmem_batch_run(struct tmem *tmem, struct tmem_io *io, uint32_t count);

int __wrap_tmem_batch_run(struct tmem *tmem, struct tmem_io *io, uint32_t count)
{
	(void)__real_tmem_batch_run(tmem, io, count);
	return 0;
}
