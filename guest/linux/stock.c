// SPDX-License-Identifier: GPL-2.0-only
/* A kernel that has no place for a watch: functions of it are hooked. */
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/pagemap.h>

#include "hooks.h"
#include "pools.h"
#include "skip.h" /* TMEM_SKIP */
#include "trial.h"
#include "watch.h"

static int on_remove(struct kprobe *probe, struct pt_regs *regs)
{
	struct folio *folio = (struct folio *)regs_get_kernel_argument(regs, 0);

	if (tmem_trial_saw(TRIAL_REMOVE, (unsigned long)folio, 0, 0))
		return 0;
	if (folio->mapping)
		tmem_cache_removed(folio);
	return 0;
}

static int on_reconfigure(struct kprobe *probe, struct pt_regs *regs)
{
	const struct fs_context *context = (void *)regs_get_kernel_argument(regs, 0);

#ifdef TMEM_STUBBORN /* a test's control */
	return 0;
#endif
	if (context->sb_flags_mask & SB_RDONLY && !(context->sb_flags & SB_RDONLY))
		tmem_pools_leave(context->root->d_sb);
	return 0;
}

static int on_shutdown(struct kprobe *probe, struct pt_regs *regs)
{
	tmem_pools_leave((struct super_block *)regs_get_kernel_argument(regs, 0));
	return 0;
}

typedef void truncate_range(struct address_space *mapping, loff_t start, loff_t end);
typedef int invalidate_range(struct address_space *mapping, pgoff_t start, pgoff_t end);

static void truncate_instead(struct address_space *mapping, loff_t start, loff_t end);
static int invalidate_instead(struct address_space *mapping, pgoff_t start, pgoff_t end);
static int readpages_instead(struct inode *inode, struct readahead_control *ahead,
			     compat_unit *unit);

enum { TRUNCATE, INVALIDATE, READPAGES };
static struct tmem_detour detour[] = {
#ifdef TMEM_ELSEWHERE /* a test's control: a kernel whose function is another one */
	[TRUNCATE] = {.name = "truncate_inode_pages_final",
#else
	[TRUNCATE] = {.name = "truncate_inode_pages_range",
#endif
		      .instead = truncate_instead},
	[INVALIDATE] = {.name = "invalidate_inode_pages2_range", .instead = invalidate_instead},
	[READPAGES] = {.name = "ext4_mpage_readpages", .instead = readpages_instead},
};
static struct tmem_probe probe[] = {
	{.kprobe = {.symbol_name = "__filemap_remove_folio", .pre_handler = on_remove}},
	{.kprobe = {.symbol_name = "reconfigure_super", .pre_handler = on_reconfigure}},
	{.kprobe = {.symbol_name = "generic_shutdown_super", .pre_handler = on_shutdown}},
};

static void changed(struct address_space *mapping, pgoff_t first, pgoff_t last, u32 how)
{
	if (!(tmem_skip & how))
		tmem_cache_changed(mapping, first, last);
}

static void truncate_instead(struct address_space *mapping, loff_t start, loff_t end)
{
	pgoff_t first = (pgoff_t)(start >> PAGE_SHIFT);
	pgoff_t last = end == -1 ? ULONG_MAX : (pgoff_t)(end >> PAGE_SHIFT);

	tmem_hook_enter();
	if (tmem_trial_saw(TRIAL_TRUNCATE, (unsigned long)mapping, (u64)start, (u64)end))
		goto out;
	changed(mapping, first, last, SKIP_TRUNCATION);
	((truncate_range *)detour[TRUNCATE].original)(mapping, start, end);
	changed(mapping, first, last, SKIP_TRUNCATION);
out:
	tmem_hook_leave();
}

static int invalidate_instead(struct address_space *mapping, pgoff_t start, pgoff_t end)
{
	int result = 0;

	tmem_hook_enter();
	if (tmem_trial_saw(TRIAL_INVALIDATE, (unsigned long)mapping, start, end))
		goto out;
	changed(mapping, start, end, SKIP_INVALIDATION);
	result = ((invalidate_range *)detour[INVALIDATE].original)(mapping, start, end);
	changed(mapping, start, end, SKIP_INVALIDATION);
out:
	tmem_hook_leave();
	return result;
}

static int readpages_instead(struct inode *inode, struct readahead_control *ahead,
			     compat_unit *unit)
{
	int result = 0;

	tmem_hook_enter();
	if (!tmem_trial_saw(TRIAL_READPAGES, (unsigned long)inode, (unsigned long)ahead,
			    (unsigned long)unit))
		result = tmem_cache_read(inode, ahead, unit,
					 (compat_readpages *)detour[READPAGES].original);
	tmem_hook_leave();
	return result;
}

/* ---- whether this kernel is the one that the hooks were made for ---- */

typedef int read_one(struct file *file, struct folio *folio);
typedef void read_ahead(struct readahead_control *ahead);
typedef void remove_one(struct folio *folio);

static void begin(void)
{
	tmem_trial_begin();
	tmem_hooks_lead(current);
}

static bool arrived(enum tmem_trial_hook hook, u64 a, u64 b, u64 c)
{
	const struct tmem_trial_call call = {hook, {a, b, c}};

	tmem_hooks_lead(NULL);
	return tmem_trial_end(&call, 1);
}

static const char *try_ranges(struct address_space *mapping)
{
	begin();
	truncate_inode_pages(mapping, 3 * PAGE_SIZE);
	if (!arrived(TRIAL_TRUNCATE, (unsigned long)mapping, 3 * PAGE_SIZE, -1ull))
		return "truncate_inode_pages_range";
	begin();
	(void)invalidate_inode_pages2(mapping);
	if (!arrived(TRIAL_INVALIDATE, (unsigned long)mapping, 0, -1ull))
		return "invalidate_inode_pages2_range";
	return NULL;
}

/* @folio is locked, and in the page cache of @mapping. */
static const char *try_reading(struct address_space *mapping, struct folio *folio)
{
	read_one *one = (read_one *)tmem_hooks_address("ext4_read_folio");
	read_ahead *many = (read_ahead *)tmem_hooks_address("ext4_readahead");
	DEFINE_READAHEAD(ahead, NULL, NULL, mapping, 0);

	if (!one || !many)
		return "ext4_read_folio or ext4_readahead";
	begin();
	(void)one(NULL, folio);
	if (!arrived(TRIAL_READPAGES, (unsigned long)mapping->host, 0, (unsigned long)folio))
		return "ext4_mpage_readpages for a page";
	begin();
	many(&ahead);
	if (!arrived(TRIAL_READPAGES, (unsigned long)mapping->host, (unsigned long)&ahead, 0))
		return "ext4_mpage_readpages for read-ahead";
	return NULL;
}

/* Takes the lock and the place in the page cache away. */
static const char *try_removal(struct folio *folio)
{
	remove_one *remove = (remove_one *)tmem_hooks_address("filemap_remove_folio");
	bool good;

	if (!remove)
		return "filemap_remove_folio";
	/* Reading that was not led elsewhere unlocks it. */
	if (!folio_test_locked(folio))
		folio_lock(folio);
	begin();
	remove(folio);
	good = arrived(TRIAL_REMOVE, (unsigned long)folio, 0, 0);
	folio_unlock(folio);
	return good ? NULL : "__filemap_remove_folio";
}

static const char *try_all(struct address_space *mapping, struct folio *folio)
{
	const char *wrong, *removal;

	wrong = try_ranges(mapping);
	if (wrong)
		return wrong;
	/* Comes back locked, and with a reference of the page cache's. */
	if (filemap_add_folio(mapping, folio, 0, GFP_KERNEL))
		return "filemap_add_folio";
	wrong = try_reading(mapping, folio);
	removal = try_removal(folio);
	return wrong ? wrong : removal;
}

int tmem_watch_begin(void)
{
	int error;

	if (test_taint(TAINT_LIVEPATCH)) {
		pr_warn("tmem: clean pages are left alone: the kernel is live patched, and may "
			"not do what the hooks rely on\n");
		return -EBUSY;
	}
	error = tmem_hooks_install(detour, ARRAY_SIZE(detour), probe, ARRAY_SIZE(probe));
	if (error)
		return error;
	error = tmem_trial_run(try_all);
	if (error)
		tmem_watch_end();
	return error;
}

void tmem_watch_end(void)
{
	tmem_hooks_remove(detour, ARRAY_SIZE(detour), probe, ARRAY_SIZE(probe));
}
