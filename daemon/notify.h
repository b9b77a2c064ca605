/* SPDX-License-Identifier: MIT */
/*
 * Signals eventfds that a peer shares, without ever waiting for it.
 *
 * A write to an eventfd sleeps while the count is full, unless O_NONBLOCK is
 * set; but count and flag belong to the open file, which the peer has too,
 * and can change between any look at them and the write. So nothing here
 * writes: the kernel is asked to signal the eventfd when a read of nothing
 * has completed, as it does for its own devices, and that never sleeps.
 *
 * Used by the thread that runs the loop.
 */
#ifndef TMEMD_NOTIFY_H
#define TMEMD_NOTIFY_H

#include <linux/aio_abi.h>
#include <stdbool.h>
#include <stdint.h>

struct notify {
	aio_context_t context;
	int zero;	   /* /dev/zero, for reading nothing */
	int mute;	   /* the same for writing only, so that reading it fails */
	uint32_t unreaped; /* completions that the context still holds */
};

/* 0 or -errno; -EAGAIN: the host's fs.aio-max-nr is used up. */
int notify_open(struct notify *notify);
void notify_close(struct notify *notify);

/* True: an eventfd and nothing else. Its count stays as it is. */
bool notify_takes(const struct notify *notify, int fd);

/*
 * Adds 1 to the count of an eventfd; a count that is full stays full. 0 or
 * -errno: the kernel has no memory for it.
 */
int notify_send(struct notify *notify, int fd);

#endif
