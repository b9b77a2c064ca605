/* SPDX-License-Identifier: MIT */
/*
 * The control socket: the administrator's connections, at most 16 at a time,
 * one JSON line each way. Only root and the daemon's own user are let in.
 */
#ifndef TMEMD_CONTROL_H
#define TMEMD_CONTROL_H

#include <stdbool.h>

struct control;
struct daemon;

/* Listens at @path. False: said on standard error. The loop must exist. */
bool control_open(struct daemon *daemon, const char *path, struct control **control);

/* Drops all connections and removes the socket. */
void control_close(struct control *control);

#endif
