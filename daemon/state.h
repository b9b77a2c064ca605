/* SPDX-License-Identifier: MIT */
/*
 * What the next tmemd must know if this one is killed: which guests there
 * are, and whether their disks are in use. Such a disk comes back with its
 * contents unknown, so that its guest reads errors and never zeros. A file
 * in the run-time directory, replaced whole; it does not outlive the machine.
 */
#ifndef TMEMD_STATE_H
#define TMEMD_STATE_H

#include <stdbool.h>

struct daemon;

/* Durable when it returns. False: logged; the file is as it was. */
bool state_save(const struct daemon *daemon);

/* Adds the guests of the file, if there is one. False: said on standard error. */
bool state_load(struct daemon *daemon);

/* At a clean stop. Stays if a disk is in use: its guest may come back and read. */
void state_close(const struct daemon *daemon);

#endif
