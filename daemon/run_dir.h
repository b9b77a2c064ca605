/* SPDX-License-Identifier: MIT */
/*
 * The run-time directory: whoever holds its lock owns every file in it. It
 * has the control socket, one socket per guest, the state file and the lock,
 * and nobody else may enter it.
 */
#ifndef TMEMD_RUN_DIR_H
#define TMEMD_RUN_DIR_H

#include <stdbool.h>
#include <stddef.h>

#define RUN_DIR_PATH_MAX 256

struct options;

struct run_dir {
	char path[RUN_DIR_PATH_MAX]; /* no slash at the end */
	int fd;			     /* of the directory */
	int lock;
	bool made; /* by this process, which removes it again */
};

/* Makes, checks and locks it. False: said on standard error, nothing left behind. */
bool run_dir_open(const struct options *options, struct run_dir *run_dir);

/* Removes the lock, and the directory if this process made it and it is empty. */
void run_dir_close(struct run_dir *run_dir);

/* "DIR/FILE" into @path. False: longer than @size - 1 bytes. */
bool run_dir_path(const struct run_dir *run_dir, const char *file, char *path, size_t size);

#endif
