/* SPDX-License-Identifier: GPL-2.0-only */
/* What ext4 reads pages by: of one page in 6.1, of a folio later. */
#ifndef TMEM_LINUX_COMPAT_READPAGES_H
#define TMEM_LINUX_COMPAT_READPAGES_H

#include <linux/pagemap.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
typedef struct page compat_unit;
#define compat_unit_page(unit) (unit)
#else
typedef struct folio compat_unit;
#define compat_unit_page(unit) folio_page(unit, 0)
#endif

typedef int compat_readpages(struct inode *inode, struct readahead_control *ahead,
			     compat_unit *unit);

#endif
