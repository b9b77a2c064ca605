// SPDX-License-Identifier: GPL-2.0-only
/* What is known of a device, as text: counters, states, and the host's own figures. */
#include "report.h"

#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "cache.h"
#include "counters.h"
#include "disk.h"
#include "guest.h"
#include "pools.h"
#include "transport.h"

static struct dentry *root;

#define HOST_FIGURES(X)     \
	X(ephemeral_pages)  \
	X(ephemeral_bytes)  \
	X(persistent_pages) \
	X(persistent_bytes) \
	X(allocation)       \
	X(billed)           \
	X(cap)              \
	X(puts)             \
	X(puts_stored)      \
	X(gets)             \
	X(gets_hit)         \
	X(flushes)          \
	X(flushes_found)    \
	X(evicted)          \
	X(lost)

static void disk_of(const struct tmem_guest *guest, struct tmem_disk_figures *disk)
{
	memset(disk, 0, sizeof(*disk));
	if (guest->disk)
		tmem_disk_figures(guest->disk, disk);
}

static int stat_show(struct seq_file *file, void *nothing)
{
	struct tmem_guest *guest = file->private;
	struct tmem_disk_figures disk;
	struct tmem_stat host;
	int error, i;

	for (i = 0; i < TMEM_COUNTERS_ALL; i++)
		seq_printf(file, "%s %llu\n", tmem_counter_names[i],
			   tmem_counters_sum(guest->transport->counters, i));
	disk_of(guest, &disk);
	seq_printf(file,
		   "clean_on %d\nswap_blocks %u\nswap_stored %u\nswap_backed %u\nswap_lost %u\n",
		   !tmem_cache_why_not(guest), disk.blocks, disk.stored, disk.backed, disk.lost);
	error = tmem_guest_stat(guest, &host);
	seq_printf(file, "host_error %d\n", -error);
	if (error)
		return 0;
#define SHOW(name) seq_printf(file, "host_" #name " %llu\n", host.name);
	HOST_FIGURES(SHOW)
#undef SHOW
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stat);

static void show_clean(struct seq_file *file, struct tmem_guest *guest)
{
	struct tmem_counters __percpu *counters = guest->transport->counters;
	const char *why_not = tmem_cache_why_not(guest);

	seq_printf(file, "clean pages: %s\n", why_not ? why_not : "on");
	seq_printf(file, "  %llu of %llu pages got from the host\n",
		   tmem_counters_sum(counters, TMEM_CLEAN_HITS),
		   tmem_counters_sum(counters, TMEM_CLEAN_GETS));
	seq_printf(file, "  %llu put, %llu of them stored; %llu dropped because too many came\n",
		   tmem_counters_sum(counters, TMEM_CLEAN_PUTS),
		   tmem_counters_sum(counters, TMEM_CLEAN_STORED),
		   tmem_counters_sum(counters, TMEM_CLEAN_DROPPED));
	seq_printf(file, "  %llu flushes; %llu times one was lost, and all was forgotten\n",
		   tmem_counters_sum(counters, TMEM_CLEAN_FLUSHES),
		   tmem_counters_sum(counters, TMEM_CLEAN_OVERFLOWS));
	seq_printf(file, "shared pools: %llu of %llu pages got, %llu put\n",
		   tmem_counters_sum(counters, TMEM_SHARED_HITS),
		   tmem_counters_sum(counters, TMEM_SHARED_GETS),
		   tmem_counters_sum(counters, TMEM_SHARED_PUTS));
	tmem_pools_show(file);
}

static void show_swap(struct seq_file *file, struct tmem_guest *guest)
{
	struct tmem_counters __percpu *counters = guest->transport->counters;
	struct tmem_disk_figures disk;

	if (!guest->disk) {
		seq_puts(file, "swap disk: none, for the host gave no allocation\n");
		return;
	}
	disk_of(guest, &disk);
	seq_printf(file, "swap disk: %s, %u of %u blocks stored, %u lost\n", disk.name, disk.stored,
		   disk.blocks, disk.lost);
	seq_printf(file, "  %llu pages written, %llu refused; %llu read, %llu not there any more\n",
		   tmem_counters_sum(counters, TMEM_SWAP_WRITES),
		   tmem_counters_sum(counters, TMEM_SWAP_WRITES_REFUSED),
		   tmem_counters_sum(counters, TMEM_SWAP_READS),
		   tmem_counters_sum(counters, TMEM_SWAP_READS_LOST));
	seq_printf(file, "  %llu flushed because they were free\n",
		   tmem_counters_sum(counters, TMEM_SWAP_FREED));
	seq_printf(file, "  %u on the backing device; %llu written there, %llu read\n", disk.backed,
		   tmem_counters_sum(counters, TMEM_SWAP_BACKING_WRITES),
		   tmem_counters_sum(counters, TMEM_SWAP_BACKING_READS));
}

static void show_host(struct seq_file *file, struct tmem_guest *guest)
{
	struct tmem_stat host;
	int error = tmem_guest_stat(guest, &host);

	if (error) {
		seq_printf(file, "host: does not say (%d)\n", error);
		return;
	}
	seq_printf(file, "host: client %llu, %u pages per request\n", guest->hello.client,
		   guest->batch);
	seq_printf(file, "  %llu ephemeral pages in %llu KiB, cap ", host.ephemeral_pages,
		   host.ephemeral_bytes >> 10);
	if (host.cap)
		seq_printf(file, "%llu KiB", host.cap >> 10);
	else
		seq_puts(file, "none");
	seq_printf(file, "; %llu evicted\n", host.evicted);
	seq_printf(
		file,
		"  %llu persistent pages; %llu of %llu KiB of the allocation in use; %llu lost\n",
		host.persistent_pages, host.billed >> 10, host.allocation >> 10, host.lost);
}

static int summary_show(struct seq_file *file, void *nothing)
{
	struct tmem_guest *guest = file->private;
	struct tmem_counters __percpu *counters = guest->transport->counters;

	show_clean(file, guest);
	show_swap(file, guest);
	show_host(file, guest);
	seq_printf(file, "requests: %llu, %llu of them refused\n",
		   tmem_counters_sum(counters, TMEM_EXCHANGES),
		   tmem_counters_sum(counters, TMEM_REFUSED));
	seq_printf(file, "  %llu kicks; %llu answers found by looking, %llu by sleeping\n",
		   tmem_counters_sum(counters, TMEM_KICKS),
		   tmem_counters_sum(counters, TMEM_SPINS_PAID),
		   tmem_counters_sum(counters, TMEM_SLEEPS));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(summary);

void tmem_report_add(struct tmem_guest *guest)
{
	guest->report = debugfs_create_dir(guest->transport->name, root);
	debugfs_create_file("summary", 0400, guest->report, guest, &summary_fops);
	debugfs_create_file("stat", 0400, guest->report, guest, &stat_fops);
}

void tmem_report_remove(struct tmem_guest *guest)
{
	debugfs_remove(guest->report);
}

void tmem_report_begin(void)
{
	root = debugfs_create_dir("tmem", NULL);
}

void tmem_report_end(void)
{
	debugfs_remove(root);
}
