/* SPDX-License-Identifier: MIT */
/*
 * A Unix socket that listens at a path. Who may connect is decided by the
 * file's mode alone, so it is its owner's from the first moment that the name
 * exists; and a name is made and removed only where it is nobody else's.
 */
#ifndef TMEMD_SOCKET_PATH_H
#define TMEMD_SOCKET_PATH_H

#include <sys/types.h>
#include <sys/un.h>

struct socket_path {
	struct sockaddr_un address;
	dev_t device; /* of the name, so that only our own is removed */
	ino_t inode;
	int fd; /* non-blocking */
};

/*
 * A socket that a killed daemon left there is replaced; anything else that is
 * there is not. 0 or -errno: -EADDRINUSE where somebody listens, -EEXIST where
 * it is no socket. *@why is a sentence then.
 */
int socket_path_open(struct socket_path *socket_path, const char *path, int backlog,
		     const char **why);
void socket_path_close(struct socket_path *socket_path);

#endif
