// SPDX-License-Identifier: GPL-2.0-only
/*
 * A file of one page and no bytes, in a file system that is nothing but zeros, and
 * the kernel's functions on it. They can do no harm if they are not led elsewhere.
 */
#include "trial.h"

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "hooks.h"

/* Of file systems' inodes, around the one that is in the middle: all of it zeros. */
#define AROUND 8192u

static struct {
	struct task_struct *task; /* NULL: there is no trial */
	u32 count;		  /* hooks that were reached */
	enum tmem_trial_hook hook;
	u64 argument[3];
} trial;

typedef int read_one(struct file *file, struct folio *folio);
typedef void read_ahead(struct readahead_control *ahead);
typedef void remove_one(struct folio *folio);

bool tmem_trial_saw(enum tmem_trial_hook hook, u64 a, u64 b, u64 c)
{
	if (READ_ONCE(trial.task) != current)
		return false;
	trial.count++;
	trial.hook = hook;
	trial.argument[0] = a;
	trial.argument[1] = b;
	trial.argument[2] = c;
	return true;
}

static void begin(void)
{
	trial.count = 0;
	WRITE_ONCE(trial.task, current);
	tmem_hooks_lead(current);
}

/* Whether just this arrived. */
static bool end(enum tmem_trial_hook hook, u64 a, u64 b, u64 c)
{
	tmem_hooks_lead(NULL);
	WRITE_ONCE(trial.task, NULL);
	return trial.count == 1 && trial.hook == hook && trial.argument[0] == a &&
	       trial.argument[1] == b && trial.argument[2] == c;
}

static struct inode *make_inode(u8 *memory)
{
	struct inode *inode = (struct inode *)(memory + AROUND);

	inode_init_once(inode);
	spin_lock_init(&inode->i_lock);
	atomic_set(&inode->i_count, 1);
	inode->i_mode = S_IFREG;
	inode->i_blkbits = PAGE_SHIFT;
	inode->i_sb = (struct super_block *)(memory + AROUND + sizeof(*inode) + AROUND);
	inode->i_mapping = &inode->i_data;
	inode->i_data.host = inode;
	inode->i_data.a_ops = &empty_aops;
	mapping_set_gfp_mask(&inode->i_data, GFP_KERNEL);
	return inode;
}

static const char *try_ranges(struct address_space *mapping)
{
	begin();
	truncate_inode_pages(mapping, 3 * PAGE_SIZE);
	if (!end(TRIAL_TRUNCATE, (unsigned long)mapping, 3 * PAGE_SIZE, -1ull))
		return "truncate_inode_pages_range";
	begin();
	(void)invalidate_inode_pages2(mapping);
	if (!end(TRIAL_INVALIDATE, (unsigned long)mapping, 0, -1ull))
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
	if (!end(TRIAL_READPAGES, (unsigned long)mapping->host, 0, (unsigned long)folio))
		return "ext4_mpage_readpages for a page";
	begin();
	many(&ahead);
	if (!end(TRIAL_READPAGES, (unsigned long)mapping->host, (unsigned long)&ahead, 0))
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
	good = end(TRIAL_REMOVE, (unsigned long)folio, 0, 0);
	folio_unlock(folio);
	return good ? NULL : "__filemap_remove_folio";
}

const char *tmem_trial_run(void)
{
	u8 *memory = kvzalloc(2 * AROUND + sizeof(struct inode) + sizeof(struct super_block),
			      GFP_KERNEL);
	struct folio *folio = folio_alloc(GFP_KERNEL, 0);
	const char *wrong = "memory", *removal;
	struct address_space *mapping;

	if (!memory || !folio)
		goto out;
	mapping = make_inode(memory)->i_mapping;
	wrong = try_ranges(mapping);
	if (wrong)
		goto out;
	wrong = "filemap_add_folio";
	/* Comes back locked, and with a reference of the page cache's. */
	if (filemap_add_folio(mapping, folio, 0, GFP_KERNEL))
		goto out;
	wrong = try_reading(mapping, folio);
	removal = try_removal(folio);
	if (!wrong)
		wrong = removal;
	/* What cannot be taken out again is left where it is. */
	if (folio->mapping)
		return wrong;
out:
	if (folio)
		folio_put(folio);
	kvfree(memory);
	return wrong;
}
