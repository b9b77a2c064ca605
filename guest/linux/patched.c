// SPDX-License-Identifier: GPL-2.0-only
/* A kernel that has a place for a watch, by guest/linux/patch: it tells by itself. */
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/pagemap.h>
#include <linux/tmem.h>

#include "pools.h"
#include "skip.h" /* TMEM_SKIP */
#include "trial.h"
#include "watch.h"

static void removed(struct folio *folio)
{
	if (!tmem_trial_saw(TRIAL_REMOVE, (unsigned long)folio, 0, 0))
		tmem_cache_removed(folio);
}

#ifdef TMEM_ELSEWHERE /* a test's control: a kernel that has it in another order */
static void changed(struct address_space *mapping, pgoff_t last, pgoff_t first)
#else
static void changed(struct address_space *mapping, pgoff_t first, pgoff_t last)
#endif
{
	if (!tmem_trial_saw(TRIAL_CHANGE, (unsigned long)mapping, first, last) &&
	    !(tmem_skip & (SKIP_TRUNCATION | SKIP_INVALIDATION)))
		tmem_cache_changed(mapping, first, last);
}

static int read(struct inode *inode, struct readahead_control *ahead, compat_unit *unit,
		compat_readpages *original)
{
	if (tmem_trial_saw(TRIAL_READPAGES, (unsigned long)inode, (unsigned long)ahead,
			   (unsigned long)unit))
		return 0;
	return tmem_cache_read(inode, ahead, unit, original);
}

static void leaves(struct super_block *sb)
{
#ifdef TMEM_STUBBORN /* a test's control */
	if (atomic_read(&sb->s_active))
		return;
#endif
	tmem_pools_leave(sb);
}

static const struct tmem_ops ops = {
	.removed = removed,
	.changed = changed,
	.read = read,
	.leaves = leaves,
};

/* ---- whether it tells what it should ---- */

static struct tmem_trial_call change(struct address_space *mapping, pgoff_t first)
{
	return (struct tmem_trial_call){TRIAL_CHANGE, {(unsigned long)mapping, first, ULONG_MAX}};
}

static int read_nothing(struct inode *inode, struct readahead_control *ahead, struct page *page)
{
	return -EIO;
}

/*
 * No module may call what ext4 reads by, and who reads what is not told gets
 * nothing that is wrong: that it arrives here, once it is told, is enough.
 */
static bool try_reading(struct address_space *mapping, struct folio *folio)
{
	DEFINE_READAHEAD(ahead, NULL, NULL, mapping, 0);
	const struct tmem_trial_call call = {TRIAL_READPAGES,
					     {(unsigned long)mapping->host, (unsigned long)&ahead,
					      (unsigned long)folio}};

	tmem_trial_begin();
	return !tmem_read(mapping->host, &ahead, folio_page(folio, 0), read_nothing) &&
	       tmem_trial_end(&call, 1);
}

static const char *try_all(struct address_space *mapping, struct folio *folio)
{
	const struct tmem_trial_call truncation[] = {change(mapping, 3), change(mapping, 3)};
	const struct tmem_trial_call invalidation[] = {
		change(mapping, 0), {TRIAL_REMOVE, {(unsigned long)folio}}, change(mapping, 0)};

	if (!try_reading(mapping, folio))
		return "tmem_read";
	tmem_trial_begin();
	truncate_inode_pages(mapping, 3 * PAGE_SIZE);
	if (!tmem_trial_end(truncation, ARRAY_SIZE(truncation)))
		return "truncate_inode_pages_range";
	if (filemap_add_folio(mapping, folio, 0, GFP_KERNEL))
		return "filemap_add_folio";
	folio_unlock(folio);
	tmem_trial_begin();
	(void)invalidate_inode_pages2(mapping);
	if (!tmem_trial_end(invalidation, ARRAY_SIZE(invalidation)))
		return "invalidate_inode_pages2_range";
	return NULL;
}

int tmem_watch_begin(void)
{
	int error = tmem_register_ops(&ops);

	if (error) {
		pr_warn("tmem: clean pages are left alone: another module has this kernel's\n");
		return error;
	}
	error = tmem_trial_run(try_all);
	if (error)
		tmem_watch_end();
	return error;
}

void tmem_watch_end(void)
{
	tmem_unregister_ops();
}
