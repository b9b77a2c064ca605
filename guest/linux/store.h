/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is on a disk, wherever it is: on its way to the host, with the host in
 * a persistent pool, or on a backing device that takes what the host refuses.
 * A block is a page, 1024 of them are an object.
 *
 * Nothing here allocates memory once it is made. A write is over when its page
 * has been copied; one that fails later is an error of the next drain, and its
 * block is lost: an error to whoever reads it.
 */
#ifndef TMEM_LINUX_STORE_H
#define TMEM_LINUX_STORE_H

#include <linux/mm_types.h>
#include <linux/types.h>

struct bio;
struct tmem_backing;
struct tmem_guest;
struct tmem_store;
struct work_struct;

/*
 * Of @count blocks. @backing may be NULL, and is closed with the store; @name
 * is of its worker. 0 or -errno.
 */
int tmem_store_create(struct tmem_guest *guest, u32 count, struct tmem_backing *backing,
		      const char *name, struct tmem_store **store);
/* Nobody calls any more: the guest is going. What is left is an error to whoever reads it. */
void tmem_store_leave(struct tmem_store *store);
void tmem_store_destroy(struct tmem_store *store);

/* Blocks from @first on, any number of them. May sleep. 0 or -EIO. */
int tmem_store_write(struct tmem_store *store, u32 first, struct page **page, u32 count);
/* -EAGAIN: some of them have to come from the backing device. */
int tmem_store_read(struct tmem_store *store, u32 first, struct page **page, u32 count);
int tmem_store_empty(struct tmem_store *store, u32 first, u32 count);
/* What was written before is where it belongs, what is free is flushed. 0 or -EIO. */
int tmem_store_drain(struct tmem_store *store);

/* Any context. Nobody wants @block any more. */
void tmem_store_free(struct tmem_store *store, u32 block);

/* All of them are on the backing device, and @bio, which reads them, may be passed on. */
bool tmem_store_is_backed(const struct tmem_store *store, u32 first, u32 count);
void tmem_store_pass(struct tmem_store *store, struct bio *bio, u32 count);
/* One of those, for who cannot pass on. He may not be submitting a bio himself. 0 or -EIO. */
int tmem_store_read_backed(struct tmem_store *store, u32 block, struct page *page);

/* Of the store's own thread, which works where memory is short. */
void tmem_store_work(struct tmem_store *store, struct work_struct *work);

/* Now. */
void tmem_store_count(const struct tmem_store *store, u32 *stored, u32 *backed, u32 *lost);

#endif
