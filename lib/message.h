/* SPDX-License-Identifier: MIT */
/*
 * vhost-user messages, from the front-end's side: only those that a tmem
 * client needs. Layouts and numbers are the specification's; native byte
 * order.
 */
#ifndef LIBTMEM_MESSAGE_H
#define LIBTMEM_MESSAGE_H

#include <stdint.h>

struct tmem;

enum message_request {
	MESSAGE_GET_FEATURES = 1,
	MESSAGE_SET_FEATURES = 2,
	MESSAGE_SET_OWNER = 3,
	MESSAGE_SET_MEM_TABLE = 5,
	MESSAGE_SET_VRING_NUM = 8,
	MESSAGE_SET_VRING_ADDR = 9,
	MESSAGE_SET_VRING_BASE = 10,
	MESSAGE_SET_VRING_KICK = 12,
	MESSAGE_SET_VRING_CALL = 13,
	MESSAGE_GET_PROTOCOL_FEATURES = 15,
	MESSAGE_SET_PROTOCOL_FEATURES = 16,
	MESSAGE_GET_QUEUE_NUM = 17,
	MESSAGE_SET_VRING_ENABLE = 18
};

/* Sends one, with @fd unless that is negative. 0 or a code. */
int lt_message_send(struct tmem *tmem, uint32_t request, const void *payload, uint32_t size,
		    int fd);

/* Asks for a number. 0 or a code. */
int lt_message_ask(struct tmem *tmem, uint32_t request, uint64_t *number);

#endif
