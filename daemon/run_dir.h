/* SPDX-License-Identifier: MIT */
/*
 * The run-time directory: whoever holds its lock owns every file in it. It
 * has the control socket, one socket per guest and template, the state files and
 * the lock, and nobody else may enter it.
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

/* Replaces a file in it, whole and durably. False: logged, and the file is as it was. */
bool run_dir_write(const struct run_dir *run_dir, const char *file, const char *bytes,
		   size_t length);

/*
 * A file in it, for free(); *@bytes is NULL where there is none. False: it
 * cannot be read, or is longer than @most, which is logged.
 */
bool run_dir_read(const struct run_dir *run_dir, const char *file, size_t most, char **bytes,
		  size_t *length);

void run_dir_remove(const struct run_dir *run_dir, const char *file);

#endif
