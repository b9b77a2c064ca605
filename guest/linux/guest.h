/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * This system as a client of one host: greeted over a transport, with pools,
 * a swap disk in one of them, and what the host was asked. Each function may
 * sleep, unless it says otherwise, and allocates nothing.
 *
 * Fails closed: a host that is gone, or that answered nonsense once, is never
 * asked again; everything is -EIO from then on.
 */
#ifndef TMEM_LINUX_GUEST_H
#define TMEM_LINUX_GUEST_H

#include <linux/types.h>
#include <tmem/types.h>
#include <tmem/wire.h>

#include "news.h"

struct dentry;
struct page;
struct tmem_disk;
struct tmem_exchange;
struct tmem_transport;

struct tmem_guest {
	struct tmem_transport *transport;
	u64 nonce; /* of this life of the system */
	/* Set by the host's greeting, then constant. */
	struct tmem_hello hello;
	u32 batch; /* pages of one request, at most */

	struct tmem_disk *disk; /* NULL: the client has no allocation */
	struct tmem_news news;
	struct dentry *report;
};

/* The name of a page: pool, object, index. */
struct tmem_place {
	u32 pool;
	u32 index;
	u64 object[3];
};

/* Greets, makes what the client's limits allow. 0 or -errno; the transport stays the caller's. */
int tmem_guest_create(struct tmem_transport *transport, struct tmem_guest **guest);
void tmem_guest_destroy(struct tmem_guest *guest);
/*
 * Greets again, after the transport was away: goes on if nothing was lost, and
 * gives the host up if it was.
 */
void tmem_guest_resume(struct tmem_guest *guest);

/* The pool's number or -errno. @uuid may be NULL: a private one. */
int tmem_guest_pool(struct tmem_guest *guest, u32 flags, const u64 uuid[2], u64 cookie);
/* A shared one's pages stay with its other members. 0 or -errno. */
int tmem_guest_pool_leave(struct tmem_guest *guest, u32 pool);
int tmem_guest_stat(struct tmem_guest *guest, struct tmem_stat *stat);
/* The next news. 0, 1: ask again, or -errno. For one thread of the kernel, whose end ends it. */
int tmem_guest_event(struct tmem_guest *guest, struct tmem_event *event);

/*
 * @count pages at consecutive indexes from @place on, at most guest->batch.
 * @result of each: 0, or -errno; of a get that is not 0 its page is as it was,
 * unless it is -EIO. 0, or what all of them failed with.
 */
int tmem_guest_put(struct tmem_guest *guest, const struct tmem_place *place, struct page **page,
		   u32 count, s32 *result);
int tmem_guest_get(struct tmem_guest *guest, const struct tmem_place *place, struct page **page,
		   u32 count, s32 *result);

/* The same for pages of one pool that @place[i] names each. */
int tmem_guest_put_each(struct tmem_guest *guest, const struct tmem_place *place,
			struct page **page, u32 count, s32 *result);

/* The same for clean pages; what failed is not there then. 0 or -errno. */
int tmem_guest_put_list(struct tmem_guest *guest, const struct tmem_place *place,
			struct page **page, u32 count);

/* Makes @count pages gone, each named by @place[i], of one pool. 0 or -errno. */
int tmem_guest_flush(struct tmem_guest *guest, const struct tmem_place *place, u32 count);
/* Makes @count indexes from @place on gone. */
int tmem_guest_flush_range(struct tmem_guest *guest, const struct tmem_place *place, u64 count);

#endif
