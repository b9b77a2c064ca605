// SPDX-License-Identifier: MIT
/* Handshake, HELLO, and the way back after a daemon has gone. */
#include "link.h"
#include "batch.h"
#include "debt.h"
#include "error.h"
#include "format.h"
#include "message.h"
#include "pool.h"
#include "request.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define F_INDIRECT  (1ull << 28)
#define F_EVENT	    (1ull << 29)
#define F_PROTOCOL  (1ull << 30)
#define F_VERSION   (1ull << 32)
#define PROTOCOL_MQ 1ull

#define MS	 1000000ull
#define LOOK_MS	 10  /* between two looks for a daemon that is away */
#define AGAIN_MS 100 /* until the next look after one in vain */

#define PAGE_MIN_BATCH 32u /* what every host grants */

struct table {
	uint32_t count;
	uint32_t padding;
	uint64_t guest, size, user, offset;
};

struct state {
	uint32_t index;
	uint32_t number;
};

struct address {
	uint32_t index;
	uint32_t flags;
	uint64_t desc, used, avail, log;
};

static int open_socket(struct tmem *tmem)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP};
	int error;

	strcpy(address.sun_path, tmem->path);
	tmem->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (tmem->socket < 0)
		return lt_fail(tmem, -TMEM_ENOMEM, "no descriptor for a socket: %m");
	if (!connect(tmem->socket, (const struct sockaddr *)&address, sizeof(address)) &&
	    !epoll_ctl(tmem->waiting, EPOLL_CTL_ADD, tmem->socket, &event))
		return 0;
	error = errno;
	close(tmem->socket);
	tmem->socket = -1;
	errno = error;
	if (error == EACCES || error == EPERM)
		return lt_fail(tmem, -TMEM_EACCES,
			       "%s: %m: ask the administrator for access to this socket",
			       tmem->path);
	if (error == EAGAIN)
		return lt_fail(tmem, -TMEM_ENOTCONN,
			       "%s has too many connections waiting: is tmemd stopped?",
			       tmem->path);
	if (error == ENOENT || error == ECONNREFUSED)
		return lt_fail(tmem, -TMEM_ENOTCONN,
			       "nobody serves %s: start tmemd, make the socket with `tmem add`, or "
			       "say in TMEM_SOCKET where it is",
			       tmem->path);
	return lt_fail(tmem, -TMEM_ENOTCONN, "%s: %m", tmem->path);
}

static int send_memory(struct tmem *tmem)
{
	const struct table table = {1, 0, MEMORY_GUEST_BASE, tmem->memory.size, MEMORY_GUEST_BASE,
				    0};

	return lt_message_send(tmem, MESSAGE_SET_MEM_TABLE, &table, sizeof(table), tmem->memory.fd);
}

static int send_state(struct tmem *tmem, uint32_t request, uint32_t index, uint32_t number)
{
	const struct state state = {index, number};

	return lt_message_send(tmem, request, &state, sizeof(state), -1);
}

static int start_ring(struct tmem *tmem, uint32_t index)
{
	const struct ring *ring = &tmem->ring[index];
	const uint64_t number = index;
	struct address address = {.index = index};
	int error;

	address.desc = memory_guest(&tmem->memory, ring->desc);
	address.avail = memory_guest(&tmem->memory, ring->avail);
	address.used = memory_guest(&tmem->memory, ring->used);
	error = send_state(tmem, MESSAGE_SET_VRING_NUM, index, ring->size);
	if (!error)
		error = send_state(tmem, MESSAGE_SET_VRING_BASE, index, 0);
	if (!error)
		error = lt_message_send(tmem, MESSAGE_SET_VRING_ADDR, &address, sizeof(address),
					-1);
	if (!error)
		error = lt_message_send(tmem, MESSAGE_SET_VRING_CALL, &number, sizeof(number),
					tmem->call);
	if (!error)
		error = lt_message_send(tmem, MESSAGE_SET_VRING_KICK, &number, sizeof(number),
					ring->kick);
	if (!error)
		error = send_state(tmem, MESSAGE_SET_VRING_ENABLE, index, 1);
	return error;
}

static int negotiate(struct tmem *tmem, uint64_t *features)
{
	uint64_t protocol, queues;
	int error = lt_message_send(tmem, MESSAGE_SET_OWNER, NULL, 0, -1);

	if (!error)
		error = lt_message_ask(tmem, MESSAGE_GET_FEATURES, features);
	if (error)
		return error;
	if (!(*features & F_VERSION) || !(*features & F_PROTOCOL))
		return lt_fail(tmem, -TMEM_EPROTO, "%s is served by no tmem device", tmem->path);
	*features &= F_INDIRECT | F_EVENT | F_PROTOCOL | F_VERSION;
	error = lt_message_ask(tmem, MESSAGE_GET_PROTOCOL_FEATURES, &protocol);
	if (error)
		return error;
	protocol &= PROTOCOL_MQ;
	error = lt_message_send(tmem, MESSAGE_SET_PROTOCOL_FEATURES, &protocol, sizeof(protocol),
				-1);
	if (!error)
		error = lt_message_ask(tmem, MESSAGE_GET_QUEUE_NUM, &queues);
	if (!error && queues < MEMORY_QUEUES)
		return lt_fail(tmem, -TMEM_EPROTO,
			       "%s serves one queue, a tmem device has two: is it a disk's socket?",
			       tmem->path);
	return error ? error
		     : lt_message_send(tmem, MESSAGE_SET_FEATURES, features, sizeof(*features), -1);
}

static int handshake(struct tmem *tmem)
{
	uint64_t features, barrier;
	uint32_t i;
	int error = negotiate(tmem, &features);

	if (error)
		return error;
	tmem->indirect = features & F_INDIRECT;
	for (i = 0; i < MEMORY_QUEUES; i++)
		lt_ring_reset(&tmem->ring[i], features & F_EVENT);
	lt_request_reset(tmem);
	error = send_memory(tmem);
	for (i = 0; i < MEMORY_QUEUES && !error; i++)
		error = start_ring(tmem, i);
	/* Answered after all before it was judged. */
	return error ? error : lt_message_ask(tmem, MESSAGE_GET_FEATURES, &barrier);
}

static int refused(struct tmem *tmem, int32_t status)
{
	if (status == -TMEM_EOPNOTSUPP)
		return lt_fail(tmem, status,
			       "tmemd at %s speaks another version of the protocol: upgrade the "
			       "older of the two",
			       tmem->path);
	if (status == -TMEM_ENOSPC || status == -TMEM_ENOMEM || status == -TMEM_EOVERFLOW)
		return lt_fail(tmem, status,
			       "tmemd at %s has no room for another client (%s): ask the "
			       "administrator",
			       tmem->path, tmem_strerror(status));
	return lt_fail(tmem, status, "tmemd at %s refuses this client: %s", tmem->path,
		       tmem_strerror(status));
}

static int greet(struct tmem *tmem, struct tmem_hello *hello)
{
	const struct tmem_req request = {
		.op = TMEM_WIRE_HELLO,
		.count = 1,
		.pool = TMEM_WIRE_VERSIONS(TMEM_WIRE_VERSION, TMEM_WIRE_VERSION),
		.object = {TMEM_WIRE_MAGIC, 0, 0},
		.index = TMEM_PAGE_SIZE,
		.arg = {tmem->nonce, 0},
	};
	uint8_t answer[sizeof(*hello)];
	struct tmem_rep reply;
	int error = lt_request_control(tmem, &request, &reply, answer, sizeof(answer));

	if (error)
		return error;
	if (reply.status)
		return refused(tmem, reply.status);
	tmem_wire_get_hello(hello, answer);
	if (hello->version != TMEM_WIRE_VERSION || hello->page_size != TMEM_PAGE_SIZE ||
	    hello->max_batch < PAGE_MIN_BATCH || hello->session > 1)
		return lt_fail(tmem, -TMEM_EPROTO, "%s: tmemd's HELLO makes no sense", tmem->path);
	tmem->batch_max =
		hello->max_batch < MEMORY_SLOT_PAGES ? hello->max_batch : MEMORY_SLOT_PAGES;
	return 0;
}

static int link_up(struct tmem *tmem)
{
	struct tmem_hello hello;
	bool lost, resumed;
	int error = open_socket(tmem);

	if (error)
		return error;
	error = handshake(tmem);
	if (!error)
		error = greet(tmem, &hello);
	if (error)
		return error;
	lost = tmem->greeted && (hello.session || hello.epoch != tmem->epoch);
	resumed = !hello.session;
	if (!tmem->greeted)
		tmem->fresh = hello.session;
	/* What was lost stays lost, should this link end before the pools are there again. */
	if (lost)
		lt_pool_lost(tmem);
	tmem->greeted = true;
	tmem->epoch = hello.epoch;
	lt_request_ask_news(tmem);
	error = lt_pool_remake(tmem, resumed);
	if (!error)
		error = lt_debt_pay(tmem, resumed);
	if (error)
		return error;
	tmem->state = LINK_UP;
	return 0;
}

static void drop_socket(struct tmem *tmem)
{
	if (tmem->socket >= 0)
		close(tmem->socket);
	tmem->socket = -1;
	tmem->state = LINK_DOWN;
}

void lt_link_down(struct tmem *tmem, int why)
{
	tmem->answered = 0;
	lt_batch_rewind(tmem);
	if (why == -TMEM_ETIMEDOUT && tmem->socket >= 0) {
		shutdown(tmem->socket, SHUT_WR);
		tmem->state = LINK_DRAINING;
	} else {
		drop_socket(tmem);
	}
	/* Who waits by a descriptor is to come and look for the next one. */
	lt_batch_announce(tmem);
}

/* 1: the daemon has hung up or said something out of turn; 0: neither. */
static bool has_ended(struct tmem *tmem)
{
	char byte;
	ssize_t got = recv(tmem->socket, &byte, 1, MSG_DONTWAIT);

	return got >= 0 || (errno != EAGAIN && errno != EINTR);
}

bool lt_link_is_lost(struct tmem *tmem)
{
	if (!has_ended(tmem))
		return false;
	(void)lt_fail(tmem, -TMEM_ENOTCONN,
		      "tmemd closed the connection to %s: it has ended, or removed this client",
		      tmem->path);
	return true;
}

/* Waits until the daemon lets go of the memory; then the link is down. */
static bool drain(struct tmem *tmem, uint64_t until)
{
	struct pollfd fd = {.fd = tmem->socket, .events = POLLIN};
	uint64_t now;

	while (!has_ended(tmem)) {
		now = lt_now();
		if (now >= until)
			return false;
		(void)poll(&fd, 1, (int)((until - now) / MS + 1));
	}
	drop_socket(tmem);
	return true;
}

/* Another daemon behind the same path may know better. */
static bool may_change(int error)
{
	return error == -TMEM_ENOTCONN || error == -TMEM_ETIMEDOUT;
}

int lt_link_ensure(struct tmem *tmem)
{
	uint64_t now, until;
	int error;

	if (tmem->state == LINK_UP)
		return 0;
	now = lt_now();
	if (now < tmem->retry_at)
		return lt_fail(tmem, -TMEM_ENOTCONN, "%s", tmem->away);
	/* One call has waited in vain already: the others only look. */
	until = tmem->retry_at ? now : now + tmem->away_ns;
	for (;;) {
		if (tmem->state == LINK_DRAINING && !drain(tmem, until))
			error = lt_fail(
				tmem, -TMEM_ENOTCONN,
				"tmemd at %s did not answer and still holds the connection: "
				"is it stopped?",
				tmem->path);
		else
			error = link_up(tmem);
		if (!error)
			break;
		if (tmem->state != LINK_DRAINING)
			lt_link_down(tmem, error);
		now = lt_now();
		if (!may_change(error) || now >= until)
			break;
		(void)poll(NULL, 0, LOOK_MS);
	}
	tmem->retry_at = error ? now + AGAIN_MS * MS : 0;
	if (error)
		memcpy(tmem->away, tmem->sentence, sizeof(tmem->away));
	return error;
}
