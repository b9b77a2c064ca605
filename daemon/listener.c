// SPDX-License-Identifier: MIT
/* Accepting, and what is done where there is nothing to accept with. */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128

static int open_spare(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int listener_open(struct listener *listener, struct loop *loop, const char *path,
		  void (*fn)(struct watch *watch, uint32_t ready), const char **why)
{
	int error;

	listener->loop = loop;
	listener->spare = open_spare();
	if (listener->spare < 0) {
		error = -errno;
		*why = strerror(-error);
		return error;
	}
	error = socket_path_open(&listener->socket, path, BACKLOG, why);
	if (error)
		goto err_spare;
	listener->watch = (struct watch){listener->socket.fd, EPOLLIN, fn};
	error = loop_add(loop, &listener->watch);
	if (error) {
		*why = strerror(-error);
		goto err_socket;
	}
	return 0;

err_socket:
	socket_path_close(&listener->socket);
err_spare:
	close(listener->spare);
	return error;
}

void listener_close(struct listener *listener)
{
	loop_remove(listener->loop, &listener->watch);
	socket_path_close(&listener->socket);
	if (listener->spare >= 0)
		close(listener->spare);
}

static int take(const struct listener *listener)
{
	return accept4(listener->watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

int listener_accept(struct listener *listener, bool *last)
{
	int fd = take(listener);

	*last = fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED &&
		listener->spare >= 0;
	if (!*last)
		return fd;
	close(listener->spare);
	listener->spare = -1;
	fd = take(listener);
	/* Whoever it was went away meanwhile. */
	if (fd < 0)
		listener->spare = open_spare();
	return fd;
}

void listener_refuse(struct listener *listener, int fd)
{
	close(fd);
	listener->spare = open_spare();
}
