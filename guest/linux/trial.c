// SPDX-License-Identifier: GPL-2.0-only
/*
 * A file of one page and no bytes, in a file system that is nothing but zeros: the
 * kernel's functions can do no harm to it if they are not led elsewhere.
 */
#include "trial.h"

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

/* Of file systems' inodes, around the one that is in the middle: all of it zeros. */
#define AROUND 8192u

/* More calls than any function of the kernel makes of hooks. */
#define CALLS_MOST 4u

static struct {
	struct task_struct *task; /* NULL: there is no trial */
	u32 count;		  /* of calls, those for which there is no room included */
	struct tmem_trial_call call[CALLS_MOST];
} trial;

bool tmem_trial_saw(enum tmem_trial_hook hook, u64 a, u64 b, u64 c)
{
	if (READ_ONCE(trial.task) != current)
		return false;
	if (trial.count < CALLS_MOST)
		trial.call[trial.count] = (struct tmem_trial_call){hook, {a, b, c}};
	trial.count++;
	return true;
}

void tmem_trial_begin(void)
{
	trial.count = 0;
	WRITE_ONCE(trial.task, current);
}

bool tmem_trial_end(const struct tmem_trial_call *expected, u32 count)
{
	u32 i;

	WRITE_ONCE(trial.task, NULL);
	if (trial.count != count || count > CALLS_MOST)
		return false;
	for (i = 0; i < count; i++)
		if (trial.call[i].hook != expected[i].hook ||
		    memcmp(trial.call[i].argument, expected[i].argument,
			   sizeof(expected[i].argument)))
			return false;
	return true;
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

int tmem_trial_run(tmem_trial *try)
{
	u8 *memory = kvzalloc(2 * AROUND + sizeof(struct inode) + sizeof(struct super_block),
			      GFP_KERNEL);
	struct folio *folio = folio_alloc(GFP_KERNEL, 0);
	const char *wrong = "memory";

	if (memory && folio)
		wrong = try(make_inode(memory)->i_mapping, folio);
	/* What cannot be taken out again is left where it is. */
	if (!folio || !folio->mapping) {
		if (folio)
			folio_put(folio);
		kvfree(memory);
	}
	if (!wrong)
		return 0;
	pr_warn("tmem: clean pages are left alone: %s is not as expected in this kernel\n", wrong);
	return -EINVAL;
}
