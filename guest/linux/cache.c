// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel does with pages of files, as puts, gets and flushes.
 *
 * A page that is removed from the page cache is put if it is what the disk
 * has, and flushed if not. What changes pages that are not in the page cache
 * flushes them before, and again after: reclaim may put a page in between. A
 * file's number that is used again comes with another generation.
 */
#include "cache.h"

#include <linux/fs.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "bounce.h"
#include "counters.h"
#include "exchange.h"
#include "guest.h"
#include "pools.h"
#include "skip.h" /* TMEM_SKIP */
#include "transport.h"
#include "watch.h"

static bool clean;
module_param(clean, bool, 0444);
MODULE_PARM_DESC(clean, "put clean pages of ext4 files (no)");

static unsigned int bounce_pages;
module_param(bounce_pages, uint, 0444);
MODULE_PARM_DESC(
	bounce_pages,
	"pages of memory for clean pages on their way to the host (0: by the guest's memory)");

/* Before it begins anew: more often many changes were lost than one, and they are to be over. */
#define CALM HZ

/* Who is told has no argument. Set before they are there, cleared after they have gone. */
static struct {
	struct tmem_guest *guest; /* NULL: nobody has it */
	u32 pool;		  /* changes only while it is closed, and never comes again */
	struct tmem_bounce *bounce;
	const char
		*closed; /* why nothing is put, got or flushed; for good, unless it is renewing */
	bool unhookable;
} cache;

static const char renewing[] = "closed for a moment: more changed than could be remembered";

static void note(enum tmem_counter which, u32 by)
{
	tmem_count(cache.guest->transport->counters, which, by);
}

static void close_cache(const char *why)
{
	const char *was = READ_ONCE(cache.closed);

	do {
		if (was && was != renewing)
			return;
	} while (!try_cmpxchg(&cache.closed, &was, why));
	pr_warn("tmem: clean pages are %s; they begin anew when the module is loaded again\n", why);
}

/*
 * Whoever is told asks once, and names by *@pool all that he does there:
 * where that has been left meanwhile he gets nothing, and what he flushes is
 * gone. The next one has nothing from before it was opened.
 */
static bool is_open(u32 *pool)
{
	if (smp_load_acquire(&cache.closed))
		return false;
	*pool = READ_ONCE(cache.pool);
	return true;
}

static bool is_left(u32 pool)
{
	/* In this order: it is another one before it is open again. */
	return smp_load_acquire(&cache.closed) == renewing || READ_ONCE(cache.pool) != pool;
}

static bool wants(const struct inode *inode)
{
	return inode && S_ISREG(inode->i_mode) && !strcmp(inode->i_sb->s_type->name, "ext4") &&
	       !IS_ENCRYPTED(inode) && !IS_VERITY(inode) && !IS_DAX(inode);
}

static struct tmem_place private_place(const struct inode *inode, pgoff_t index, u32 pool)
{
	struct tmem_place place = {
		.pool = pool,
		.index = (u32)index,
		.object = {0, inode->i_ino, inode->i_generation},
	};

	memcpy(&place.object[0], inode->i_sb->s_uuid.b, sizeof(place.object[0]));
	place.object[2] |= (u64)inode->i_sb->s_dev << 32;
	return place;
}

static struct tmem_place place_of(const struct inode *inode, pgoff_t index, u32 pool)
{
	struct tmem_place place;

	return tmem_pools_place(inode, index, &place) ? place : private_place(inode, index, pool);
}

/* ---- a flush is lost, and what the host has is no longer to be trusted: it begins anew ---- */

static void renew(struct work_struct *work);
static DECLARE_DELAYED_WORK(renewal, renew);

/* Any context. */
static void overflow(void)
{
	if (cmpxchg(&cache.closed, NULL, renewing))
		return;
	note(TMEM_CLEAN_OVERFLOWS, 1);
	queue_delayed_work(system_wq, &renewal, CALM);
}

/* Closed for good meanwhile, it stays so: only what is renewing is opened. */
static void renew(struct work_struct *work)
{
	int pool = (int)cache.pool;

	/* Whoever removes a page and saw it open has put it by the old name afterwards. */
	synchronize_rcu();
	tmem_bounce_drop_all(cache.bounce);
	if (!(tmem_skip & SKIP_RENEWAL)) {
		/* Who is not let go stays in a pool that nobody asks for any more. */
		(void)tmem_guest_pool_leave(cache.guest, cache.pool);
		pool = tmem_guest_pool(cache.guest, 0, NULL, 0);
	}
	if (pool == -EAGAIN) {
		queue_delayed_work(system_wq, &renewal, CALM);
		return;
	}
	if (pool < 0) {
		close_cache("closed: the host makes no other pool");
		return;
	}
	WRITE_ONCE(cache.pool, (u32)pool);
	if (cmpxchg(&cache.closed, renewing, NULL) == renewing)
		pr_info_ratelimited("tmem: clean pages begin anew: more changed than could be "
				    "remembered\n");
}

/* ---- a page is removed; interrupts are off, and nobody else can find it ---- */

/*
 * Direct writes invalidate before they write, and afterwards only if there is
 * anything in the page cache: what is read from the disk and removed meanwhile
 * would stay. They hold the inode's lock, or are counted, from before that
 * until they are done.
 */
static bool may_be_written(struct inode *inode)
{
	return !(tmem_skip & SKIP_DIRECT) &&
	       (inode_is_locked(inode) || atomic_read(&inode->i_dio_count));
}

static void put_or_flush(struct inode *inode, pgoff_t index, struct page *page, u32 pool)
{
	struct tmem_place place =
		page ? place_of(inode, index, pool) : private_place(inode, index, pool);

	if (place.pool != pool) {
		note(tmem_bounce_offer(cache.bounce, &place, page) ? TMEM_SHARED_PUTS
								   : TMEM_CLEAN_DROPPED,
		     1);
		return;
	}
	if (page) {
		note(tmem_bounce_put(cache.bounce, &place, page) ? TMEM_CLEAN_PUTS
								 : TMEM_CLEAN_DROPPED,
		     1);
		/*
		 * Asked only now: a writer that is not seen has not invalidated
		 * yet, and finds the put in the ring when he does.
		 */
		smp_mb();
		if (!may_be_written(inode))
			return;
	} else if (tmem_skip & SKIP_REMOVAL) {
		return;
	}
	tmem_bounce_flush(cache.bounce, &place);
	note(TMEM_CLEAN_FLUSHES, 1);
}

void tmem_cache_removed(struct folio *folio)
{
	struct address_space *mapping = folio->mapping;
	bool keep = folio_test_uptodate(folio) && !folio_test_dirty(folio) &&
		    folio_test_mappedtodisk(folio) && !mapping_exiting(mapping) &&
		    tmem_news_may_put(cache.guest);
	u32 pool;
	long i;

	if (!is_open(&pool) || !wants(mapping->host) || folio_next_index(folio) - 1 > U32_MAX)
		return;
	for (i = 0; i < folio_nr_pages(folio); i++)
		put_or_flush(mapping->host, folio->index + (pgoff_t)i,
			     keep ? folio_page(folio, i) : NULL, pool);
}

/* ---- pages change where the page cache does not see it ---- */

void tmem_cache_changed(struct address_space *mapping, pgoff_t first, pgoff_t last)
{
	struct tmem_place place;
	u64 count;
	u32 pool;

	if (!is_open(&pool) || !wants(mapping->host) || first > U32_MAX)
		return;
	count = last > U32_MAX ? TMEM_WIRE_RANGE - first : (u64)last - first + 1;
	/* Of a shared one nothing changes; but what was put before it was shared goes. */
	place = private_place(mapping->host, first, pool);
	tmem_bounce_drop(cache.bounce, &place, count);
	if (tmem_guest_flush_range(cache.guest, &place, count) && !is_left(pool))
		close_cache("closed: the host did not flush what has changed");
	note(TMEM_CLEAN_FLUSHES, 1);
}

/* ---- pages are read: locked, in the page cache, without contents ---- */

static bool can_get(struct page *page)
{
	return !PagePrivate(page) && !PageUptodate(page) && page->index <= U32_MAX;
}

static void got(struct page *page)
{
	SetPageMappedToDisk(page);
	SetPageUptodate(page);
	note(TMEM_CLEAN_HITS, 1);
}

/* @count pages at consecutive indexes; bit i of @hit: page i has its contents. */
static u32 get_pages(struct inode *inode, struct page **page, u32 count, u32 pool)
{
	s32 result[EXCHANGE_PAGES];
	struct tmem_place place;
	u32 hit = 0, ask = 0, i, run;

	for (i = 0; i < count; i++) {
		place = place_of(inode, page[i]->index, pool);
		if (!can_get(page[i]))
			continue;
		switch (tmem_bounce_take(cache.bounce, &place, page[i])) {
		case TMEM_FOUND:
			hit |= 1u << i;
			break;
		case TMEM_FOUND_ASK:
			ask |= 1u << i;
			break;
		case TMEM_FOUND_NOT:
			break;
		}
	}
	for (i = 0; i < count; i += run) {
		bool wanted = ask & 1u << i;
		u32 j;

		for (run = 1; i + run < count && !(ask & 1u << (i + run)) == !wanted; run++)
			;
		if (!wanted)
			continue;
		place = place_of(inode, page[i]->index, pool);
		if (tmem_guest_get(cache.guest, &place, page + i, run, result))
			continue;
		for (j = 0; j < run; j++)
			hit |= result[j] ? 0 : 1u << (i + j);
	}
	note(TMEM_CLEAN_GETS, count);
	place = place_of(inode, page[0]->index, pool);
	if (place.pool != pool) {
		note(TMEM_SHARED_GETS, count);
		note(TMEM_SHARED_HITS, hweight32(hit));
	}
	for (i = 0; i < count; i++)
		if (hit & 1u << i)
			got(page[i]);
	return hit;
}

/* The next pages of @ahead, which stay locked and keep their references. */
static u32 next_pages(struct readahead_control *ahead, struct page **page, u32 most)
{
	u32 count = 0;

	while (count < most && (page[count] = readahead_page(ahead)))
		count++;
	return count;
}

/* A window of read-ahead: what was got is done, the rest is read as it would have been. */
static void read_window(struct inode *inode, struct readahead_control *ahead, struct page **page,
			u32 count, u32 pool, compat_readpages *original)
{
	u32 hit = get_pages(inode, page, count, pool), i, run;

	for (i = 0; i < count; i += run) {
		bool is_hit = hit & 1u << i;
		u32 j;

		for (run = 1; i + run < count && !(hit & 1u << (i + run)) == !is_hit; run++)
			;
		if (is_hit) {
			for (j = i; j < i + run; j++) {
				unlock_page(page[j]);
				put_page(page[j]);
			}
		} else {
			struct readahead_control part = *ahead;

			part._index = page[i]->index;
			part._nr_pages = run;
			part._batch_count = 0;
			original(inode, &part, NULL);
		}
	}
}

int tmem_cache_read(struct inode *inode, struct readahead_control *ahead, compat_unit *unit,
		    compat_readpages *original)
{
	struct page *page[EXCHANGE_PAGES];
	u32 count, pool;

	if (!is_open(&pool) || !wants(inode))
		return original(inode, ahead, unit);
	tmem_bounce_pace(cache.bounce);
	if (ahead) {
		while ((count = next_pages(ahead, page, cache.guest->batch)))
			read_window(inode, ahead, page, count, pool, original);
		return 0;
	}
	page[0] = compat_unit_page(unit);
	if (!get_pages(inode, page, 1, pool))
		return original(inode, NULL, unit);
	unlock_page(page[0]);
	return 0;
}

/*
 * Background reclaim does not wait for the host, and takes as many pages at a
 * time as its high watermark has: by the kernel's own reckoning three times
 * the root of the pages that there are. And half of the ring may be on its way.
 */
static u32 ring_pages(void)
{
	return bounce_pages ? bounce_pages
			    : clamp_t(u32, 5 * int_sqrt(totalram_pages()), 256, 3072);
}

int tmem_cache_create(struct tmem_guest *guest)
{
	int error;

	if (!clean || cache.guest)
		return 0;
	error = tmem_guest_pool(guest, 0, NULL, 0);
	if (error < 0)
		return error;
	cache.pool = (u32)error;
	cache.closed = "not tried yet";
	error = tmem_bounce_create(guest, ring_pages(), overflow, &cache.bounce);
	if (error)
		return error;
	cache.guest = guest;
	error = tmem_watch_begin();
	if (!error) {
		WRITE_ONCE(cache.closed, NULL);
		if (tmem_pools_create(guest))
			pr_warn("tmem: this kernel shares no pools\n");
		return 0;
	}
	/* A kernel that cannot be hooked is no reason to have no swap disk. */
	tmem_bounce_destroy(cache.bounce);
	cache.guest = NULL;
	cache.unhookable = true;
	return 0;
}

void tmem_cache_destroy(struct tmem_guest *guest)
{
	struct tmem_counters __percpu *counters = guest->transport->counters;

	if (cache.guest != guest)
		return;
	/* The hooks go one after the other: nothing is got while only some changes are seen. */
	WRITE_ONCE(cache.closed, "the module or its device goes");
	tmem_watch_end();
	cancel_delayed_work_sync(&renewal);
	tmem_bounce_destroy(cache.bounce);
	tmem_pools_destroy();
	cache.guest = NULL;
	pr_info("tmem: clean pages: %llu put, %llu of %llu got, %llu flushes, %llu dropped\n",
		tmem_counters_sum(counters, TMEM_CLEAN_PUTS),
		tmem_counters_sum(counters, TMEM_CLEAN_HITS),
		tmem_counters_sum(counters, TMEM_CLEAN_GETS),
		tmem_counters_sum(counters, TMEM_CLEAN_FLUSHES),
		tmem_counters_sum(counters, TMEM_CLEAN_DROPPED));
}

const char *tmem_cache_why_not(const struct tmem_guest *guest)
{
	if (cache.guest == guest)
		return READ_ONCE(cache.closed);
	if (!clean)
		return "off: clean=1 was not asked for";
	return cache.unhookable ? "off: this kernel cannot be hooked"
				: "off: another host has them";
}
