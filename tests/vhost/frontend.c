// SPDX-License-Identifier: MIT
/* See frontend.h. */
#include "frontend.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define FEATURES_WANTED 0x140000000ull /* version 1, protocol features */

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "front-end: %s\n", what);
	abort();
}

void fe_init(struct frontend *fe, const char *path, void (*pump)(void *), void *arg)
{
	uint32_t i;

	memset(fe, 0, sizeof(*fe));
	snprintf(fe->path, sizeof(fe->path), "%s", path);
	fe->pump = pump;
	fe->pump_arg = arg;
	fe->fd = -1;
	fe->inflight = -1;
	fe->pieces = 1;
	fe->use_inflight = true;
	fe->memory = memfd_create("guest", MFD_CLOEXEC);
	must(fe->memory >= 0 && !ftruncate(fe->memory, FE_RAM), "no memory");
	fe->ram = mmap(NULL, FE_RAM, PROT_READ | PROT_WRITE, MAP_SHARED, fe->memory, 0);
	must(fe->ram != MAP_FAILED, "no mapping");
	for (i = 0; i < FE_QUEUES; i++) {
		fe->queue[i].kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		fe->queue[i].call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		fe_reset_ring(fe, i);
	}
}

void fe_disconnect(struct frontend *fe)
{
	if (fe->fd >= 0)
		close(fe->fd);
	fe->fd = -1;
	if (fe->pump)
		fe->pump(fe->pump_arg);
}

void fe_close(struct frontend *fe)
{
	uint32_t i;

	fe_disconnect(fe);
	if (fe->inflight >= 0)
		close(fe->inflight);
	for (i = 0; i < FE_QUEUES; i++) {
		close(fe->queue[i].kick);
		close(fe->queue[i].call);
	}
	munmap(fe->ram, FE_RAM);
	close(fe->memory);
}

int fe_connect(struct frontend *fe)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(address.sun_path, fe->path);
	fe->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fe->fd, (struct sockaddr *)&address, sizeof(address))) {
		int error = -errno;

		close(fe->fd);
		fe->fd = -1;
		return error;
	}
	return 0;
}

int fe_send_raw(struct frontend *fe, const void *bytes, size_t size, const int *fds, uint32_t count)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 64)];
		struct cmsghdr align;
	} control;
	struct iovec vector = {(void *)(uintptr_t)bytes, size};
	struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};

	memset(&control, 0, sizeof(control));
	if (count) {
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * count);
	}
	return sendmsg(fe->fd, &header, MSG_NOSIGNAL) == (ssize_t)size ? 0 : -errno;
}

static int send_with(struct frontend *fe, uint32_t request, uint32_t flags, const void *payload,
		     uint32_t size, const int *fds, uint32_t count)
{
	struct fe_message message = {.request = request, .flags = flags, .size = size};

	must(size <= sizeof(message.payload), "payload too long");
	if (size)
		memcpy(message.payload, payload, size);
	return fe_send_raw(fe, &message, 12 + size, fds, count);
}

int fe_send(struct frontend *fe, uint32_t request, const void *payload, uint32_t size,
	    const int *fds, uint32_t count)
{
	return send_with(fe, request, 1, payload, size, fds, count);
}

int fe_send_number(struct frontend *fe, uint32_t request, uint64_t number)
{
	return fe_send(fe, request, &number, sizeof(number), NULL, 0);
}

int fe_send_state(struct frontend *fe, uint32_t request, uint32_t index, uint32_t number)
{
	const uint32_t state[2] = {index, number};

	return fe_send(fe, request, state, sizeof(state), NULL, 0);
}

static void pump(struct frontend *fe)
{
	if (fe->pump)
		fe->pump(fe->pump_arg);
}

static bool receive_exactly(struct frontend *fe, void *to, size_t size, int *fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct pollfd poll_fd = {.fd = fe->fd, .events = POLLIN};
	size_t have = 0;

	while (have < size) {
		struct iovec vector = {(char *)to + have, size - have};
		struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
		struct cmsghdr *cmsg;
		ssize_t got;

		header.msg_control = control.bytes;
		header.msg_controllen = sizeof(control.bytes);
		if (poll(&poll_fd, 1, 3000) != 1)
			return false;
		got = recvmsg(fe->fd, &header, 0);
		if (got <= 0)
			return false;
		cmsg = CMSG_FIRSTHDR(&header);
		if (cmsg && cmsg->cmsg_type == SCM_RIGHTS && fd)
			memcpy(fd, CMSG_DATA(cmsg), sizeof(int));
		have += (size_t)got;
	}
	return true;
}

int fe_receive(struct frontend *fe, struct fe_message *message, int *fd)
{
	pump(fe);
	if (fd)
		*fd = -1;
	if (!receive_exactly(fe, message, 12, fd) || message->size > sizeof(message->payload) ||
	    !receive_exactly(fe, message->payload, message->size, fd))
		return -1;
	return message->flags == 5 ? 0 : -1;
}

int fe_ask(struct frontend *fe, uint32_t request, uint64_t *number)
{
	struct fe_message reply;

	if (fe_send(fe, request, NULL, 0, NULL, 0) || fe_receive(fe, &reply, NULL) ||
	    reply.request != request || reply.size != 8)
		return -1;
	memcpy(number, reply.payload, 8);
	return 0;
}

int64_t fe_acked(struct frontend *fe, uint32_t request, const void *payload, uint32_t size,
		 const int *fds, uint32_t count)
{
	struct fe_message reply;
	int64_t number;

	if (send_with(fe, request, 9, payload, size, fds, count) || fe_receive(fe, &reply, NULL) ||
	    reply.request != request || reply.size != 8)
		return -1;
	memcpy(&number, reply.payload, 8);
	return number;
}

bool fe_is_dead(struct frontend *fe)
{
	struct pollfd poll_fd = {.fd = fe->fd, .events = POLLIN};
	char byte[600];
	ssize_t got;

	pump(fe);
	for (;;) {
		if (poll(&poll_fd, 1, fe->pump ? 0 : 2000) != 1)
			return false;
		got = recv(fe->fd, byte, sizeof(byte), MSG_DONTWAIT);
		if (got <= 0)
			return got == 0 || errno == ECONNRESET;
	}
}

/* The configuration space, where there is one. */
static int ask_config(struct frontend *fe)
{
	uint32_t config[3] = {0, 60, 0};
	uint8_t payload[12 + 60] = {0};
	struct fe_message reply;

	memcpy(payload, config, sizeof(config));
	if (fe_send(fe, 24, payload, sizeof(payload), NULL, 0) || fe_receive(fe, &reply, NULL) ||
	    reply.size != sizeof(payload))
		return -1;
	memcpy(&fe->config_capacity, reply.payload + 12, 8);
	return 0;
}

int fe_features(struct frontend *fe)
{
	uint64_t features, queues, slots;

	if (fe_ask(fe, 1, &features) || !(features >> 30 & 1) || fe_ask(fe, 15, &fe->protocol) ||
	    fe_send_number(fe, 16, fe->protocol) || fe_ask(fe, 17, &queues) || queues < FE_QUEUES ||
	    fe_ask(fe, 36, &slots) || slots != 32 || fe_send(fe, 3, NULL, 0, NULL, 0))
		return -1;
	if ((fe->protocol >> 9 & 1) && ask_config(fe))
		return -1;
	features &= FEATURES_WANTED | 1ull << 28 | 1ull << 9 | 1ull << 13 | 1ull << 14 |
		    (fe->event_idx ? 1ull << 29 : 0);
	return fe_send_number(fe, 2, features);
}

int fe_memory(struct frontend *fe)
{
	const uint64_t region[5] = {0, FE_GUEST_BASE, FE_RAM, FE_USER_BASE, 0};

	return fe_acked(fe, 37, region, sizeof(region), &fe->memory, 1) ? -1 : 0;
}

int fe_inflight(struct frontend *fe, bool fresh)
{
	struct {
		uint64_t size, offset;
		uint16_t queues, queue_size;
		uint32_t padding;
	} area = {0, 0, FE_QUEUES, FE_RING, 0};
	struct fe_message reply;

	if (fresh) {
		if (fe->inflight >= 0)
			close(fe->inflight);
		if (fe_send(fe, 31, &area, sizeof(area), NULL, 0) ||
		    fe_receive(fe, &reply, &fe->inflight) || fe->inflight < 0)
			return -1;
		memcpy(&area, reply.payload, sizeof(area));
		fe->inflight_size = area.size;
	}
	area.size = fe->inflight_size;
	area.queues = FE_QUEUES;
	area.queue_size = FE_RING;
	return fe_send(fe, 32, &area, sizeof(area), &fe->inflight, 1);
}

int fe_rings(struct frontend *fe, uint32_t queue)
{
	const uint64_t at = FE_USER_BASE + FE_RING_AT(queue);
	const uint64_t address[5] = {queue, at, at + FE_USED, at + FE_AVAIL,
				     fe_guest(FE_RING_AT(queue) + FE_USED)};

	if (fe_send_state(fe, 8, queue, FE_RING) ||
	    fe_send_state(fe, 10, queue, fe_used_index(fe, queue)))
		return -1;
	return fe_send(fe, 9, address, sizeof(address), NULL, 0);
}

int fe_start(struct frontend *fe, uint32_t queue)
{
	const uint64_t number = queue;

	if (fe_rings(fe, queue) || fe_send(fe, 13, &number, 8, &fe->queue[queue].call, 1) ||
	    fe_send(fe, 12, &number, 8, &fe->queue[queue].kick, 1))
		return -1;
	return fe_send_state(fe, 18, queue, 1);
}

int fe_stop(struct frontend *fe, uint32_t queue, uint32_t *base)
{
	struct fe_message reply;

	if (fe_send_state(fe, 11, queue, 0) || fe_receive(fe, &reply, NULL) || reply.size != 8)
		return -1;
	memcpy(base, reply.payload + 4, 4);
	return 0;
}

int fe_up(struct frontend *fe, uint32_t queues, bool fresh)
{
	uint32_t i;

	if (fe_connect(fe) || fe_features(fe))
		return -1;
	if (fe->use_inflight && fe_inflight(fe, fresh))
		return -1;
	if (fe_memory(fe))
		return -1;
	for (i = 0; i < queues; i++) {
		if (fresh)
			fe_reset_ring(fe, i);
		if (fe_start(fe, i))
			return -1;
	}
	pump(fe);
	return fe->pump && fe_is_dead(fe) ? -1 : 0;
}

static volatile uint16_t *avail_ring(struct frontend *fe, uint32_t queue)
{
	return (volatile uint16_t *)(void *)(fe->ram + FE_RING_AT(queue) + FE_AVAIL);
}

static volatile uint16_t *used_ring(struct frontend *fe, uint32_t queue)
{
	return (volatile uint16_t *)(void *)(fe->ram + FE_RING_AT(queue) + FE_USED);
}

void fe_reset_ring(struct frontend *fe, uint32_t queue)
{
	struct fe_queue *q = &fe->queue[queue];
	uint16_t i;

	memset(fe->ram + FE_RING_AT(queue), 0, 0x10000);
	q->seen = 0;
	q->avail = 0;
	q->free_count = 0;
	for (i = 0; i < FE_RING; i++)
		q->free[q->free_count++] = (uint16_t)(FE_RING - 1 - i);
	memset(q->links, 0, sizeof(q->links));
}

uint64_t fe_guest(uint32_t offset)
{
	return FE_GUEST_BASE + offset;
}

struct fe_desc *fe_desc(struct frontend *fe, uint32_t queue, uint16_t index)
{
	return (struct fe_desc *)(void *)(fe->ram + FE_RING_AT(queue)) + index;
}

void fe_offer(struct frontend *fe, uint32_t queue, uint16_t head)
{
	struct fe_queue *q = &fe->queue[queue];
	volatile uint16_t *avail = avail_ring(fe, queue);

	avail[2 + q->avail % FE_RING] = head;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	q->avail++;
	avail[1] = q->avail;
}

void fe_kick(struct frontend *fe, uint32_t queue)
{
	const uint64_t one = 1;

	must(write(fe->queue[queue].kick, &one, 8) == 8, "kick");
}

uint16_t fe_used_index(struct frontend *fe, uint32_t queue)
{
	return used_ring(fe, queue)[1];
}

void fe_used(struct frontend *fe, uint32_t queue, uint16_t at, uint32_t *head, uint32_t *length)
{
	uint32_t element[2];

	memcpy(element, fe->ram + FE_RING_AT(queue) + FE_USED + 4 + at % FE_RING * 8, 8);
	*head = element[0];
	*length = element[1];
}

uint16_t fe_submit(struct frontend *fe, uint32_t queue, uint32_t type, uint64_t sector,
		   const void *data, uint32_t length)
{
	struct fe_queue *q = &fe->queue[queue];
	uint32_t at, part, pieces = length < 4096 ? length > 0 : fe->pieces, i, n = 0;
	struct fe_desc list[10];
	uint16_t head, place;
	uint8_t *header;

	must(q->free_count > 8, "ring full");
	head = q->free[--q->free_count];
	header = fe->ram + FE_HEADER_AT(queue, head);
	at = length > FE_BUFFER ? FE_BIG_AT : FE_BUFFER_AT(queue, head);
	must(length <= FE_BIG, "too large");
	memset(header, 0, 64);
	memcpy(header, &type, 4);
	memcpy(header + 8, &sector, 8);
	header[32] = 0xff;
	if (type != FE_IN && type != FE_GET_ID && length)
		memcpy(fe->ram + at, data, length);
	if (fe->pieces == 1) {
		list[n++] = (struct fe_desc){fe_guest(FE_HEADER_AT(queue, head)), 16, 0, 0};
	} else {
		/* A header may be cut as well. */
		list[n++] = (struct fe_desc){fe_guest(FE_HEADER_AT(queue, head)), 5, 0, 0};
		list[n++] = (struct fe_desc){fe_guest(FE_HEADER_AT(queue, head)) + 5, 11, 0, 0};
	}
	for (i = 0; i < pieces; i++) {
		part = i + 1 == pieces ? length : length / (pieces - i) - 7;
		list[n++] = (struct fe_desc){fe_guest(at), part,
					     type == FE_IN || type == FE_GET_ID ? 2 : 0, 0};
		at += part;
		length -= part;
	}
	list[n++] = (struct fe_desc){fe_guest(FE_HEADER_AT(queue, head)) + 32, 1, 2, 0};
	q->links[head] = 0;
	if (fe->indirect) {
		for (i = 0; i < n; i++) {
			list[i].flags |= i + 1 < n;
			list[i].next = (uint16_t)(i + 1);
		}
		memcpy(fe->ram + FE_TABLE_AT(queue, head), list, n * sizeof(list[0]));
		*fe_desc(fe, queue, head) = (struct fe_desc){fe_guest(FE_TABLE_AT(queue, head)),
							     (uint32_t)(n * sizeof(list[0])), 4, 0};
	} else {
		place = head;
		for (i = 0; i < n; i++) {
			if (i + 1 < n) {
				list[i].next = q->free[--q->free_count];
				list[i].flags |= 1;
				q->link[head][q->links[head]++] = list[i].next;
			}
			*fe_desc(fe, queue, place) = list[i];
			place = list[i].next;
		}
	}
	fe_offer(fe, queue, head);
	return head;
}

void fe_release(struct frontend *fe, uint32_t queue, uint16_t head)
{
	struct fe_queue *q = &fe->queue[queue];

	while (q->links[head])
		q->free[q->free_count++] = q->link[head][--q->links[head]];
	q->free[q->free_count++] = head;
}

int fe_wait(struct frontend *fe, uint32_t queue)
{
	struct fe_queue *q = &fe->queue[queue];
	volatile uint16_t *avail = avail_ring(fe, queue);
	struct timespec start, now;
	uint32_t head, length;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (fe_used_index(fe, queue) == q->seen) {
		struct pollfd poll_fd[2] = {{.fd = q->call, .events = POLLIN},
					    {.fd = fe->fd, .events = POLLIN}};
		uint64_t calls;

		pump(fe);
		if (fe_used_index(fe, queue) != q->seen)
			break;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec > 5)
			return -1;
		(void)poll(poll_fd, 2, fe->pump ? 1 : 100);
		if (poll_fd[0].revents)
			(void)!read(q->call, &calls, 8);
		if (poll_fd[1].revents)
			return -1;
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	fe_used(fe, queue, q->seen, &head, &length);
	q->seen++;
	avail[2 + FE_RING] = q->seen; /* the event: call again for the next one */
	return (int)head;
}

uint8_t fe_status(struct frontend *fe, uint32_t queue, uint16_t head)
{
	return fe->ram[FE_HEADER_AT(queue, head) + 32];
}

int fe_io(struct frontend *fe, uint32_t queue, uint32_t type, uint64_t sector, void *data,
	  uint32_t length)
{
	uint16_t head = fe_submit(fe, queue, type, sector, data, length);
	int got, status;

	fe_kick(fe, queue);
	got = fe_wait(fe, queue);
	if (got < 0)
		return FE_DEAD;
	must(got == head, "another request was answered");
	status = fe_status(fe, queue, head);
	if ((type == FE_IN || type == FE_GET_ID) && length)
		memcpy(data, fe->ram + (length > FE_BUFFER ? FE_BIG_AT : FE_BUFFER_AT(queue, head)),
		       length);
	fe_release(fe, queue, head);
	return status;
}

void fe_fill(void *page, uint64_t block, uint64_t seed)
{
	uint64_t word[512], i;

	for (i = 0; i < 512; i++)
		word[i] = seed ? (block << 32 ^ seed) * 0x9e3779b97f4a7c15ull + i : 0;
	memcpy(page, word, 4096);
}

int fe_write(struct frontend *fe, uint32_t queue, uint64_t block, uint64_t seed)
{
	uint8_t page[4096];

	fe_fill(page, block, seed);
	return fe_io(fe, queue, FE_OUT, block * 8, page, 4096);
}

int fe_read(struct frontend *fe, uint32_t queue, uint64_t block, uint64_t seed, bool *same)
{
	uint8_t page[4096], expected[4096];
	int status;

	memset(page, 0x5a, sizeof(page));
	status = fe_io(fe, queue, FE_IN, block * 8, page, 4096);
	fe_fill(expected, block, seed);
	*same = !memcmp(page, expected, 4096);
	return status;
}

int fe_range(struct frontend *fe, uint32_t queue, uint32_t type, uint64_t sector, uint32_t sectors,
	     uint32_t flags)
{
	struct fe_range range = {sector, sectors, flags};

	return fe_io(fe, queue, type, 0, &range, sizeof(range));
}
