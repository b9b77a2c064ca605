/* SPDX-License-Identifier: MIT */
/*
 * A socket that is listened on, and how connections are taken from it. With
 * no descriptor left one can be neither taken nor refused, and would be heard
 * of for ever: so there is a spare one, to be given up for a moment.
 */
#ifndef TMEMD_LISTENER_H
#define TMEMD_LISTENER_H

#include "loop.h"
#include "socket_path.h"

struct listener {
	struct watch watch;
	struct loop *loop;
	struct socket_path socket;
	int spare;
};

/*
 * @fn is called with listener->watch, and calls listener_accept(). 0 or -errno
 * as socket_path_open(); *@why is a sentence then.
 */
int listener_open(struct listener *listener, struct loop *loop, const char *path,
		  void (*fn)(struct watch *watch, uint32_t ready), const char **why);
void listener_close(struct listener *listener);

/* The next connection; -1: none. *@last: it has the spare descriptor, and must be refused. */
int listener_accept(struct listener *listener, bool *last);
/* Closes it, and has a spare one again. */
void listener_refuse(struct listener *listener, int fd);

#endif
