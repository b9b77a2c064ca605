/* SPDX-License-Identifier: MIT */
/*
 * The link to a daemon: made by a vhost-user handshake and a HELLO, lost with
 * the daemon, made again when the connection is used. Operations that were
 * handed in and not answered are sent again over the next link: each may be
 * repeated, or, taken out by a get whose answer was lost, is a miss.
 */
#ifndef LIBTMEM_LINK_H
#define LIBTMEM_LINK_H

#include "connection.h"

/*
 * The link is up when this returns 0. Waits for a daemon that is away, at most
 * away_ms and not at all soon after it has waited in vain. Else -TMEM_ENOTCONN
 * or what the handshake ended with.
 */
int lt_link_ensure(struct tmem *tmem);

/*
 * The link is of no use any more. After -TMEM_ETIMEDOUT the daemon may yet
 * read and write the memory: there is no other link until it has hung up.
 */
void lt_link_down(struct tmem *tmem, int why);

/* Found by looking: the daemon has hung up. */
bool lt_link_is_lost(struct tmem *tmem);

#endif
