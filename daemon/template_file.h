/* SPDX-License-Identifier: MIT */
/*
 * What the next tmemd must know of templates if this one is killed: the
 * control lines that make them again. A file in the run-time directory,
 * replaced whole; it does not outlive the machine.
 */
#ifndef TMEMD_TEMPLATE_FILE_H
#define TMEMD_TEMPLATE_FILE_H

#include <stdbool.h>

struct daemon;

/*
 * Durable when it returns. False: logged; the file is as it was. Before the
 * daemon serves, templates come from the file, and nothing is written.
 */
bool template_file_save(const struct daemon *daemon);

/* Adds the templates of the file; one that cannot come back is no reason to serve nobody. */
void template_file_load(struct daemon *daemon);

/* At a clean stop. */
void template_file_remove(const struct daemon *daemon);

#endif
