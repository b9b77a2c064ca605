/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Puts and flushes of clean pages on their way to the host. A page leaves the
 * page cache with interrupts off, where nobody can wait: it is copied here, and
 * a worker sends what has gathered: when it fills a request, or after a moment,
 * since waking somebody costs more than sending a page. Until then a page is
 * found here, and what must not come back is dropped here; nothing is ever sent
 * out of order.
 *
 * All memory is there from the beginning. Where pages run out, a flush goes in
 * place of the put; where entries run out, all that the host has is forgotten.
 */
#ifndef TMEM_LINUX_BOUNCE_H
#define TMEM_LINUX_BOUNCE_H

#include "guest.h"

struct tmem_bounce;

enum tmem_found {
	TMEM_FOUND,	/* it was here, and is in the caller's page now */
	TMEM_FOUND_NOT, /* the host has not got it either */
	TMEM_FOUND_ASK	/* nothing of it is here: ask the host */
};

/*
 * @pages of memory for copies. @overflow is called, in any context, when a
 * flush was lost. 0 or -ENOMEM.
 */
int tmem_bounce_create(struct tmem_guest *guest, u32 pages, void (*overflow)(void),
		       struct tmem_bounce **bounce);
void tmem_bounce_destroy(struct tmem_bounce *bounce);

/* Any context. Afterwards the host has this page, or none. False: none, for want of room. */
bool tmem_bounce_put(struct tmem_bounce *bounce, const struct tmem_place *place, struct page *page);
/* The same of a page that never changes: where there is no room, what the host has stays. */
bool tmem_bounce_offer(struct tmem_bounce *bounce, const struct tmem_place *place,
		       struct page *page);
void tmem_bounce_flush(struct tmem_bounce *bounce, const struct tmem_place *place);

/*
 * May sleep, for a second at most. Those who read make room for it by having
 * pages removed, by themselves or by others, who cannot wait: so readers do,
 * until the host has taken half of what was there.
 */
void tmem_bounce_pace(struct tmem_bounce *bounce);

/* May sleep. Takes it out. */
enum tmem_found tmem_bounce_take(struct tmem_bounce *bounce, const struct tmem_place *place,
				 struct page *page);
/* May sleep. Nothing of @count indexes from @place on is here or on its way afterwards. */
void tmem_bounce_drop(struct tmem_bounce *bounce, const struct tmem_place *place, u64 count);
/* The same for everything. */
void tmem_bounce_drop_all(struct tmem_bounce *bounce);

#endif
