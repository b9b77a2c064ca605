/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The directory tmem/ of debugfs, with one of its own for each device:
 * `summary` for people and `stat` for programs, a name and a value on each
 * line. Nothing depends on it: where it cannot be made there is none.
 */
#ifndef TMEM_LINUX_REPORT_H
#define TMEM_LINUX_REPORT_H

struct tmem_guest;

void tmem_report_begin(void);
void tmem_report_end(void);

void tmem_report_add(struct tmem_guest *guest);
/* Nobody reads it any more afterwards. */
void tmem_report_remove(struct tmem_guest *guest);

#endif
