// SPDX-License-Identifier: GPL-2.0-only
/*
 * A table from file systems to pools. It is read where nobody can wait and
 * without a lock, for every page; a place in it is used again only after
 * everybody who might look at it has looked.
 *
 * A file system leaves it before it is made writable or is unmounted, both of
 * which the kernel does while nobody else may look for it (s_umount), and
 * never comes back by itself: what was writable in between is another image.
 */
#include "pools.h"

#include <linux/buffer_head.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/kdev_t.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/namei.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/uuid.h>
#include <linux/workqueue.h>

#include "guest.h"

#define POOLS_MOST 16u

/* Where the super block of ext4 is in its device, and in it what another version changes. */
#define SUPER_PLACE	    1024u
#define SUPER_MOUNTED	    0x2c /* when it was mounted last and written last: 4 bytes each */
#define SUPER_MADE	    0x108
#define SUPER_BYTES_WRITTEN 0x178

struct shared {
	struct super_block *sb; /* NULL: it shares nothing, or no longer */
	/* Constant while sb is set; the lock's, with the rest. */
	u32 pool;
	u64 image[2]; /* its name on the host: of these bytes, wherever they are */
	dev_t dev;
	u64 uuid[2];
	bool is_used;
};

static struct shared table[POOLS_MOST];
static u32 used;	   /* places, for those who need not look */
static DEFINE_MUTEX(lock); /* for changes of the table */
static struct tmem_guest *guest;
static struct kobject *directory;

static u64 read_le64(const u8 *bytes)
{
	__le64 value;

	memcpy(&value, bytes, sizeof(value));
	return le64_to_cpu(value);
}

static u64 read_be64(const u8 *bytes)
{
	__be64 value;

	memcpy(&value, bytes, sizeof(value));
	return be64_to_cpu(value);
}

static void write_be64(u8 *bytes, u64 number)
{
	__be64 value = cpu_to_be64(number);

	memcpy(bytes, &value, sizeof(value));
}

bool tmem_pools_place(const struct inode *inode, pgoff_t index, struct tmem_place *place)
{
	bool is_shared = false;
	u32 i;

	if (!READ_ONCE(used))
		return false;
	rcu_read_lock();
	for (i = 0; i < POOLS_MOST && !is_shared; i++) {
		is_shared = smp_load_acquire(&table[i].sb) == inode->i_sb;
		if (!is_shared)
			continue;
		place->pool = table[i].pool;
		place->index = (u32)index;
		place->object[0] = table[i].image[0];
		place->object[1] = table[i].image[1];
		place->object[2] = (u32)inode->i_ino | (u64)inode->i_generation << 32;
	}
	rcu_read_unlock();
	/* Its last mount may have ended while it looked for its pages, never before. */
	return is_shared && sb_rdonly(inode->i_sb);
}

/* ---- leaving ---- */

static bool is_pool_used(u32 pool)
{
	u32 i;

	for (i = 0; i < POOLS_MOST; i++)
		if (table[i].is_used && table[i].sb && table[i].pool == pool)
			return true;
	return false;
}

/* Places of file systems that left, and the pools that only they had. */
static void sweep_locked(void)
{
	u32 i;

	synchronize_rcu();
	for (i = 0; i < POOLS_MOST; i++) {
		if (!table[i].is_used || READ_ONCE(table[i].sb))
			continue;
		table[i].is_used = false;
		WRITE_ONCE(used, used - 1);
		pr_info("tmem: %u:%u shares no pages any more\n", MAJOR(table[i].dev),
			MINOR(table[i].dev));
		if (!is_pool_used(table[i].pool))
			(void)tmem_guest_pool_leave(guest, table[i].pool);
	}
}

static void sweep(struct work_struct *work)
{
	mutex_lock(&lock);
	sweep_locked();
	mutex_unlock(&lock);
}

static DECLARE_WORK(sweeping, sweep);

void tmem_pools_leave(const struct super_block *sb)
{
	u32 i;

	for (i = 0; i < POOLS_MOST; i++) {
		if (READ_ONCE(table[i].sb) != sb)
			continue;
		WRITE_ONCE(table[i].sb, NULL);
		schedule_work(&sweeping);
	}
}

/* ---- joining ---- */

struct joining {
	dev_t dev;
	struct shared shared;
	int error;
};

static int refuse(dev_t dev, const char *why, int error)
{
	pr_warn("tmem: %u:%u shares no pages: %s\n", MAJOR(dev), MINOR(dev), why);
	return error;
}

/*
 * The image, whoever has it: the uuid of its file system, and of the second
 * half of that and the times of its last changes a hash. So an image that was
 * changed, in a pool for the one that it was, finds nothing of it.
 */
static int name_image(struct super_block *sb, u64 image[2])
{
	struct buffer_head *block = sb_bread(sb, SUPER_PLACE / sb->s_blocksize);
	const u8 *super;

	if (!block)
		return -EIO;
	super = (u8 *)block->b_data + SUPER_PLACE % sb->s_blocksize;
	image[0] = read_le64(sb->s_uuid.b);
	image[1] = read_le64(sb->s_uuid.b + 8);
	image[1] = hash_64(image[1] ^ read_le64(super + SUPER_MOUNTED), 64);
	image[1] = hash_64(image[1] ^ read_le64(super + SUPER_MADE), 64);
	image[1] = hash_64(image[1] ^ read_le64(super + SUPER_BYTES_WRITTEN), 64);
	brelse(block);
	return 0;
}

/* The file system is neither unmounted nor made writable meanwhile. */
static void join(struct super_block *sb, void *arg)
{
	struct joining *joining = arg;
	struct shared *free = NULL;
	u32 i;

	if (sb->s_dev != joining->dev)
		return;
	if (!sb_rdonly(sb)) {
		joining->error = refuse(joining->dev, "it is mounted read-write", -EBUSY);
		return;
	}
	for (i = 0; i < POOLS_MOST; i++) {
		if (table[i].is_used && table[i].sb == sb) {
			joining->error = refuse(joining->dev, "it does so already", -EEXIST);
			return;
		}
		if (!table[i].is_used)
			free = &table[i];
	}
	if (!free) {
		joining->error = refuse(joining->dev, "too many do", -ENOSPC);
		return;
	}
	joining->error = name_image(sb, joining->shared.image);
	if (joining->error)
		return;
	*free = joining->shared;
	free->is_used = true;
	WRITE_ONCE(used, used + 1);
	smp_store_release(&free->sb, sb);
}

static int join_pool(dev_t dev, const u64 uuid[2], u32 *pool)
{
	int number;
	u32 i;

	for (i = 0; i < POOLS_MOST; i++) {
		if (table[i].is_used && table[i].uuid[0] == uuid[0] &&
		    table[i].uuid[1] == uuid[1]) {
			*pool = table[i].pool;
			return 0;
		}
	}
	number = tmem_guest_pool(guest, TMEM_POOL_SHARED, uuid, 0);
	if (number == -EACCES)
		return refuse(dev, "the host has not granted this pool (tmem shared-auth)", number);
	if (number < 0)
		return refuse(dev, "the host makes no pool of it", number);
	*pool = (u32)number;
	return 0;
}

static int share(dev_t dev, const uuid_t *uuid)
{
	struct file_system_type *type = get_fs_type("ext4");
	struct joining joining = {
		.dev = dev,
		.shared = {.dev = dev, .uuid = {read_be64(uuid->b), read_be64(uuid->b + 8)}},
		.error = -ENODEV,
	};
	int error;

	if (!type)
		return -ENODEV;
	mutex_lock(&lock);
	sweep_locked();
	error = join_pool(dev, joining.shared.uuid, &joining.shared.pool);
	if (!error) {
		iterate_supers_type(type, join, &joining);
		error = joining.error;
		if (error == -ENODEV)
			refuse(dev, "no ext4 is mounted from it", error);
		if (error && !is_pool_used(joining.shared.pool))
			(void)tmem_guest_pool_leave(guest, joining.shared.pool);
	}
	mutex_unlock(&lock);
	module_put(type->owner); /* put_filesystem() is not for modules */
	if (!error)
		pr_info("tmem: %u:%u shares its pages in pool %pUb\n", MAJOR(dev), MINOR(dev),
			uuid);
	return error;
}

static int unshare(dev_t dev)
{
	int error = -ENOENT;
	u32 i;

	mutex_lock(&lock);
	for (i = 0; i < POOLS_MOST; i++) {
		if (table[i].is_used && table[i].sb && table[i].dev == dev) {
			WRITE_ONCE(table[i].sb, NULL);
			error = 0;
		}
	}
	sweep_locked();
	mutex_unlock(&lock);
	return error;
}

/* ---- /sys/kernel/tmem/shared ---- */

/* MAJOR:MINOR, or a path of a file in the file system. */
static int device_of(const char *word, dev_t *dev)
{
	unsigned int major, minor;
	struct path path;
	char end;
	int error;

	if (sscanf(word, "%u:%u%c", &major, &minor, &end) == 2) {
		*dev = MKDEV(major, minor);
		return 0;
	}
	error = kern_path(word, LOOKUP_FOLLOW, &path);
	if (error)
		return error;
	*dev = path.dentry->d_sb->s_dev;
	path_put(&path);
	return 0;
}

static ssize_t shared_store(struct kobject *kobject, struct kobj_attribute *attribute,
			    const char *text, size_t size)
{
	char *copy = kstrndup(text, size, GFP_KERNEL), *line, *last;
	uuid_t uuid;
	dev_t dev;
	int error;

	if (!copy)
		return -ENOMEM;
	line = strim(copy);
	last = strrchr(line, ' ');
	error = -EINVAL;
	if (!last)
		goto out;
	*last++ = '\0';
	if (strcmp(last, "none") && (uuid_parse(last, &uuid) || uuid_is_null(&uuid))) {
		pr_warn("tmem: %s is neither a uuid nor none\n", last);
		goto out;
	}
	error = device_of(strim(line), &dev);
	if (!error)
		error = strcmp(last, "none") ? share(dev, &uuid) : unshare(dev);
out:
	kfree(copy);
	return error ? error : (ssize_t)size;
}

static void uuid_of(const struct shared *shared, uuid_t *uuid)
{
	write_be64(uuid->b, shared->uuid[0]);
	write_be64(uuid->b + 8, shared->uuid[1]);
}

static ssize_t shared_show(struct kobject *kobject, struct kobj_attribute *attribute, char *text)
{
	ssize_t size = 0;
	uuid_t uuid;
	u32 i;

	mutex_lock(&lock);
	for (i = 0; i < POOLS_MOST; i++) {
		if (!table[i].is_used || !table[i].sb)
			continue;
		uuid_of(&table[i], &uuid);
		size += sysfs_emit_at(text, (int)size, "%u:%u %pUb\n", MAJOR(table[i].dev),
				      MINOR(table[i].dev), &uuid);
	}
	mutex_unlock(&lock);
	return size;
}

void tmem_pools_show(struct seq_file *file)
{
	uuid_t uuid;
	u32 i;

	mutex_lock(&lock);
	for (i = 0; i < POOLS_MOST; i++) {
		if (!table[i].is_used || !table[i].sb)
			continue;
		uuid_of(&table[i], &uuid);
		seq_printf(file, "  %u:%u in pool %u, %pUb\n", MAJOR(table[i].dev),
			   MINOR(table[i].dev), table[i].pool, &uuid);
	}
	mutex_unlock(&lock);
}

static struct kobj_attribute attribute = __ATTR(shared, 0600, shared_show, shared_store);

int tmem_pools_create(struct tmem_guest *client)
{
	int error;

	guest = client;
	directory = kobject_create_and_add("tmem", kernel_kobj);
	error = directory ? sysfs_create_file(directory, &attribute.attr) : -ENOMEM;
	if (!error)
		return 0;
	kobject_put(directory);
	directory = NULL;
	return error;
}

void tmem_pools_destroy(void)
{
	u32 i;

	if (!directory)
		return;
	/* Waits for those who are writing to it. */
	kobject_put(directory);
	directory = NULL;
	for (i = 0; i < POOLS_MOST; i++)
		WRITE_ONCE(table[i].sb, NULL);
	cancel_work_sync(&sweeping);
	sweep(&sweeping);
}
