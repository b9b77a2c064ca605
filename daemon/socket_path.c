// SPDX-License-Identifier: MIT
/* Binding by path: judged, cleared, bound under a mask, and removed by identity. */
#include "socket_path.h"
#include "log.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_socket(const char **why)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = errno;

	if (fd >= 0)
		return fd;
	*why = "no descriptor for a socket";
	return -error;
}

/* 0: nothing is at the path any more. */
static int clear_stale(const struct sockaddr_un *address, const char **why)
{
	struct stat st;
	int error, fd;

	if (lstat(address->sun_path, &st)) {
		error = -errno;
		*why = strerror(-error);
		return error == -ENOENT ? 0 : error;
	}
	if (!S_ISSOCK(st.st_mode)) {
		*why = "something that is not a socket has this name";
		return -EEXIST;
	}
	fd = make_socket(why);
	if (fd < 0)
		return fd;
	error = connect(fd, (const struct sockaddr *)address, sizeof(*address)) ? errno : 0;
	close(fd);
	/* Refused means that nobody listens; a queue that is full is somebody's. */
	if (error != ECONNREFUSED) {
		*why = "another process serves this socket";
		return -EADDRINUSE;
	}
	if (unlink(address->sun_path)) {
		error = -errno;
		*why = "a socket that was left there cannot be removed";
		return error;
	}
	log_info("removed %s, which nobody listened on", address->sun_path);
	return 0;
}

static int judge(struct sockaddr_un *address, const char *path, const char **why)
{
	size_t length = strlen(path);

	if (!length || length >= sizeof(address->sun_path)) {
		*why = "the path is empty, or longer than the 107 bytes that a socket's may have";
		return -ENAMETOOLONG;
	}
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, length);
	return 0;
}

static int bind_privately(int fd, const struct sockaddr_un *address)
{
	mode_t mask = umask(077);
	int error = bind(fd, (const struct sockaddr *)address, sizeof(*address)) ? -errno : 0;

	umask(mask);
	return error;
}

int socket_path_open(struct socket_path *socket_path, const char *path, int backlog,
		     const char **why)
{
	struct stat st;
	int error;

	error = judge(&socket_path->address, path, why);
	if (!error)
		error = clear_stale(&socket_path->address, why);
	if (error)
		return error;
	socket_path->fd = make_socket(why);
	if (socket_path->fd < 0)
		return socket_path->fd;
	error = bind_privately(socket_path->fd, &socket_path->address);
	if (error)
		goto err_close;
	if (lstat(path, &st) || listen(socket_path->fd, backlog)) {
		error = -errno;
		unlink(path);
		goto err_close;
	}
	socket_path->device = st.st_dev;
	socket_path->inode = st.st_ino;
	return 0;

err_close:
	*why = strerror(-error);
	close(socket_path->fd);
	return error;
}

void socket_path_close(struct socket_path *socket_path)
{
	const char *path = socket_path->address.sun_path;
	struct stat st;

	close(socket_path->fd);
	if (!lstat(path, &st) && st.st_dev == socket_path->device &&
	    st.st_ino == socket_path->inode)
		unlink(path);
}
