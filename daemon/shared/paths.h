/* SPDX-License-Identifier: MIT */
/* Where the daemon puts its run-time directory and the tool looks for it. */
#ifndef TMEM_PATHS_H
#define TMEM_PATHS_H

#include <stdbool.h>
#include <stddef.h>

#define PATHS_CONTROL_NAME "control.sock"

/*
 * /run/tmem as root; else $XDG_RUNTIME_DIR/tmem; else $TMPDIR/tmem-UID or
 * /tmp/tmem-UID. False: it does not fit into @size bytes.
 */
bool paths_run_dir(char *path, size_t size);

/* The control socket in there. False: it does not fit. */
bool paths_control(char *path, size_t size);

#endif
