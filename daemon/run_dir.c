// SPDX-License-Identifier: MIT
/* Making, locking and leaving the run-time directory. */
#include "run_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "options.h"
#include "paths.h"

#define LOCK_NAME "lock"

static bool make_private(struct run_dir *run_dir)
{
	const char *base = getenv("TMPDIR");
	int length = snprintf(run_dir->path, sizeof(run_dir->path), "%s/tmemd-XXXXXX",
			      base && base[0] == '/' ? base : "/tmp");

	if (length < 0 || (size_t)length >= sizeof(run_dir->path)) {
		log_error("TMPDIR is too long for a run-time directory");
		return false;
	}
	if (!mkdtemp(run_dir->path)) {
		log_error("cannot make a private directory %s: %m", run_dir->path);
		return false;
	}
	run_dir->made = true;
	return true;
}

static bool make_named(const struct options *options, struct run_dir *run_dir)
{
	if (options->run_dir) {
		/* Absolute, because the paths of its sockets are given to other programs. */
		char here[PATH_MAX] = "";
		int length;

		if (options->run_dir[0] != '/' && !getcwd(here, sizeof(here))) {
			log_error("the working directory has no path: %m");
			return false;
		}
		length = snprintf(run_dir->path, sizeof(run_dir->path), "%s%s%s", here,
				  here[0] ? "/" : "", options->run_dir);
		if (length < 0 || (size_t)length >= sizeof(run_dir->path)) {
			log_error("--run-dir is longer than %d bytes", RUN_DIR_PATH_MAX - 1);
			return false;
		}
		while (length > 1 && run_dir->path[length - 1] == '/')
			run_dir->path[--length] = 0;
	} else if (!paths_run_dir(run_dir->path, sizeof(run_dir->path))) {
		log_error("the default run-time directory's path is too long; give --run-dir");
		return false;
	}
	if (!mkdir(run_dir->path, 0700)) {
		run_dir->made = true;
	} else if (errno != EEXIST) {
		log_error("cannot make the run-time directory %s: %m; give another one "
			  "with --run-dir",
			  run_dir->path);
		return false;
	}
	return true;
}

static bool check(struct run_dir *run_dir)
{
	struct stat st;

	run_dir->fd = open(run_dir->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (run_dir->fd < 0 || fstat(run_dir->fd, &st)) {
		log_error("cannot use %s as run-time directory: %m", run_dir->path);
		return false;
	}
	if (st.st_uid != geteuid()) {
		log_error("the run-time directory %s belongs to another user", run_dir->path);
		return false;
	}
	if (st.st_mode & 077) {
		log_error("others may enter the run-time directory %s: chmod 700 it, or give "
			  "another one with --run-dir",
			  run_dir->path);
		return false;
	}
	return true;
}

/* True: the file that is locked is still the one that has the name. */
static bool lock_is_named(const struct run_dir *run_dir)
{
	struct stat held;
	struct stat named;

	return !fstat(run_dir->lock, &held) && !fstatat(run_dir->fd, LOCK_NAME, &named, 0) &&
	       held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

static void complain_locked(const struct run_dir *run_dir)
{
	char pid[16] = "";
	ssize_t got = pread(run_dir->lock, pid, sizeof(pid) - 1, 0);

	pid[got > 0 ? strspn(pid, "0123456789") : 0] = 0;
	log_error("another tmemd%s%s serves %s; stop it, or give another --run-dir",
		  pid[0] ? ", process " : "", pid, run_dir->path);
}

static bool take_lock(struct run_dir *run_dir)
{
	char pid[16];
	int length;

	for (;;) {
		run_dir->lock = openat(run_dir->fd, LOCK_NAME,
				       O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (run_dir->lock < 0) {
			log_error("cannot open %s/%s: %m", run_dir->path, LOCK_NAME);
			return false;
		}
		if (flock(run_dir->lock, LOCK_EX | LOCK_NB)) {
			if (errno == EWOULDBLOCK)
				complain_locked(run_dir);
			else
				log_error("cannot lock %s/%s: %m", run_dir->path, LOCK_NAME);
			close(run_dir->lock);
			return false;
		}
		/* Its last owner may have removed it between our open and our lock. */
		if (lock_is_named(run_dir))
			break;
		close(run_dir->lock);
	}
	length = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(run_dir->lock, 0) || pwrite(run_dir->lock, pid, (size_t)length, 0) != length)
		log_warning("cannot write %s/%s: %m", run_dir->path, LOCK_NAME);
	return true;
}

bool run_dir_open(const struct options *options, struct run_dir *run_dir)
{
	memset(run_dir, 0, sizeof(*run_dir));
	run_dir->fd = -1;
	run_dir->lock = -1;
	if (options->run && !options->run_dir) {
		if (!make_private(run_dir))
			return false;
	} else if (!make_named(options, run_dir)) {
		return false;
	}
	if (check(run_dir) && take_lock(run_dir))
		return true;
	if (run_dir->fd >= 0)
		close(run_dir->fd);
	if (run_dir->made)
		rmdir(run_dir->path);
	return false;
}

void run_dir_close(struct run_dir *run_dir)
{
	unlinkat(run_dir->fd, LOCK_NAME, 0);
	close(run_dir->lock);
	close(run_dir->fd);
	if (run_dir->made)
		rmdir(run_dir->path);
}

bool run_dir_path(const struct run_dir *run_dir, const char *file, char *path, size_t size)
{
	int length = snprintf(path, size, "%s/%s", run_dir->path, file);

	return length > 0 && (size_t)length < size;
}

static bool write_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t done = write(fd, bytes, length);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		bytes += done;
		length -= (size_t)done;
	}
	return true;
}

bool run_dir_write(const struct run_dir *run_dir, const char *file, const char *bytes,
		   size_t length)
{
	const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
	bool written = false;
	char fresh[64];
	int fd;

	snprintf(fresh, sizeof(fresh), "%s.new", file);
	fd = openat(run_dir->fd, fresh, flags, 0600);
	/* The name moves only when the bytes are there, and is durable itself. */
	if (fd >= 0)
		written = write_all(fd, bytes, length) && !fsync(fd) &&
			  !renameat(run_dir->fd, fresh, run_dir->fd, file) && !fsync(run_dir->fd);
	if (!written)
		log_error("cannot write %s/%s: %m", run_dir->path, file);
	if (fd >= 0)
		close(fd);
	return written;
}

bool run_dir_read(const struct run_dir *run_dir, const char *file, size_t most, char **bytes,
		  size_t *length)
{
	int fd = openat(run_dir->fd, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t got = -1;

	*bytes = NULL;
	if (fd < 0 && errno == ENOENT)
		return true;
	if (fd >= 0) {
		*bytes = malloc(most + 1);
		got = *bytes ? read(fd, *bytes, most + 1) : -1;
		close(fd);
	}
	*length = (size_t)got;
	if (got >= 0 && *length <= most)
		return true;
	log_error("%s/%s cannot be read, or is longer than %zu bytes", run_dir->path, file, most);
	free(*bytes);
	*bytes = NULL;
	return false;
}

void run_dir_remove(const struct run_dir *run_dir, const char *file)
{
	char fresh[64];

	snprintf(fresh, sizeof(fresh), "%s.new", file);
	unlinkat(run_dir->fd, file, 0);
	unlinkat(run_dir->fd, fresh, 0);
}
