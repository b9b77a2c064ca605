// SPDX-License-Identifier: MIT
/* Messages over the socket, with a bound on every wait and every length. */
#include "message.h"
#include "connection.h"
#include "error.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define VERSION	    1u
#define REPLY	    4u
#define PAYLOAD_MAX 64u

struct message {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* bytes of payload */
	uint8_t payload[PAYLOAD_MAX];
} __attribute__((packed));

#define HEADER 12u

static int hung_up(struct tmem *tmem)
{
	return lt_fail(tmem, -TMEM_ENOTCONN,
		       "tmemd closed the connection to %s while it was being set up: is another "
		       "program connected to this socket, or has this user too many connections?",
		       tmem->path);
}

/* 0, or a code after the connection's timeout. */
static int wait_for(struct tmem *tmem, short events, uint64_t until)
{
	struct pollfd fd = {.fd = tmem->socket, .events = events};
	uint64_t now = lt_now();
	int result;

	do
		result = now >= until ? 0 : poll(&fd, 1, (int)((until - now) / 1000000 + 1));
	while (result < 0 && errno == EINTR);
	if (result <= 0)
		return lt_fail(
			tmem, -TMEM_ETIMEDOUT,
			"%s accepts connections and does not answer: is tmemd stopped, or is it "
			"another socket than a tmem device's?",
			tmem->path);
	return 0;
}

int lt_message_send(struct tmem *tmem, uint32_t request, const void *payload, uint32_t size, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct message message = {.request = request, .flags = VERSION, .size = size};
	struct iovec vector = {&message, HEADER + size};
	struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
	uint64_t until = lt_now() + tmem->timeout_ns;
	ssize_t result;
	int error;

	if (size)
		memcpy(message.payload, payload, size);
	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		header.msg_control = control.bytes;
		header.msg_controllen = sizeof(control.bytes);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(int));
	}
	for (;;) {
		result = sendmsg(tmem->socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (result == (ssize_t)vector.iov_len)
			return 0;
		if (result < 0 && errno == EINTR)
			continue;
		if (result >= 0 || errno != EAGAIN)
			return hung_up(tmem);
		error = wait_for(tmem, POLLOUT, until);
		if (error)
			return error;
	}
}

int lt_message_ask(struct tmem *tmem, uint32_t request, uint64_t *number)
{
	const uint32_t whole = HEADER + sizeof(*number);
	uint64_t until = lt_now() + tmem->timeout_ns;
	struct message message;
	uint32_t have = 0;
	ssize_t result;
	int error;

	error = lt_message_send(tmem, request, NULL, 0, -1);
	while (!error && have < whole) {
		error = wait_for(tmem, POLLIN, until);
		if (error)
			return error;
		result = recv(tmem->socket, (uint8_t *)&message + have, whole - have, MSG_DONTWAIT);
		if (result < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (result <= 0)
			return hung_up(tmem);
		have += (uint32_t)result;
	}
	if (error)
		return error;
	if (message.request != request || message.flags != (VERSION | REPLY) ||
	    message.size != sizeof(*number))
		return lt_fail(
			tmem, -TMEM_EPROTO,
			"%s does not speak vhost-user as tmemd does: is it the right socket?",
			tmem->path);
	memcpy(number, message.payload, sizeof(*number));
	return 0;
}
