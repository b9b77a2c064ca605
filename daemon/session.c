// SPDX-License-Identifier: MIT
/*
 * The life of a connection: bytes become messages, kicks become turns.
 *
 * A turn serves as many pages as its caller says, and the next one goes on
 * where it ended: at most GUEST_TURN_PAGES pages of a queue before the next
 * queue. A request may stay open from turn to turn; one that has to wait for
 * something is put aside, and what comes behind it goes on.
 */
#include "session.h"
#include "log.h"
#include <errno.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Messages of one peer that are handled before others have their turn. */
#define MESSAGES_AT_A_TIME 16

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void forget_message(struct session *session)
{
	struct vhost_user_message *message = &session->message;
	uint32_t i;

	for (i = 0; i < message->fds; i++) {
		if (message->fd[i] >= 0)
			close(message->fd[i]);
	}
	message->fds = 0;
	session->have = 0;
}

static void on_socket(struct watch *watch, uint32_t ready)
{
	struct session *session =
		(struct session *)((char *)watch - offsetof(struct session, socket));
	const struct session_host *host = session->host;
	enum guest_error error;
	bool closed;

	error = session_receive(session, &closed);
	if (error || closed)
		host->ended(host->arg, error);
}

static void mark_pending(struct session *session, struct session_queue *queue)
{
	const struct session_host *host = session->host;

	if (!queue->pending)
		queue->came = now();
	queue->pending = true;
	if (!session->pending)
		host->woken(host->arg);
	session->pending = true;
}

static void on_kick(struct watch *watch, uint32_t ready)
{
	struct session_queue *queue =
		(struct session_queue *)((char *)watch - offsetof(struct session_queue, kick));

	queue->session->host->counters->kicks++;
	mark_pending(queue->session, queue);
}

int session_create(const struct session_host *host, int fd, struct session **out)
{
	/* Each begins where anything may. */
	size_t bytes = (host->service->ops->request_bytes + 15) & ~(size_t)15;
	struct session *session;
	uint16_t i;
	int error = -ENOMEM;

	session = calloc(1, sizeof(*session) + host->queues * sizeof(session->queue[0]));
	if (!session)
		goto err_fd;
	session->requests = calloc(host->queues, bytes);
	if (!session->requests)
		goto err_session;
	session->host = host;
	session->left = GUEST_TURN_PAGES;
	guest_mem_init(&session->mem);
	for (i = 0; i < host->queues; i++) {
		session->queue[i].session = session;
		session->queue[i].kick.fd = -1;
		session->queue[i].request = (void *)((char *)session->requests + i * bytes);
		virtqueue_init(&session->queue[i].ring, &session->mem, &session->inflight, i);
		session->queue[i].ring.notify = loop_notify(host->loop);
	}
	session->socket.fd = fd;
	session->socket.events = EPOLLIN;
	session->socket.fn = on_socket;
	error = loop_add(host->loop, &session->socket);
	if (error)
		goto err_requests;
	host->counters->sessions++;
	*out = session;
	return 0;

err_requests:
	free(session->requests);
err_session:
	free(session);
err_fd:
	close(fd);
	return error;
}

static void drop_kick(struct session *session, struct session_queue *queue)
{
	if (queue->kick.fd < 0)
		return;
	loop_remove(session->host->loop, &queue->kick);
	close(queue->kick.fd);
	queue->kick.fd = -1;
}

void session_destroy(struct session *session)
{
	uint16_t i;

	for (i = 0; i < session->host->queues; i++) {
		drop_kick(session, &session->queue[i]);
		virtqueue_close(&session->queue[i].ring);
	}
	loop_remove(session->host->loop, &session->socket);
	close(session->socket.fd);
	forget_message(session);
	session->host->service->ops->stopped(session->host->service);
	inflight_close(&session->inflight);
	guest_mem_close(&session->mem);
	free(session->requests);
	free(session);
}

bool session_any_started(const struct session *session)
{
	uint16_t i;

	for (i = 0; i < session->host->queues; i++) {
		if (session->queue[i].ring.started)
			return true;
	}
	return false;
}

bool session_has(const struct session *session, enum vhost_user_protocol_feature feature)
{
	return session->protocol_features >> feature & 1;
}

/* Keeps the descriptors that came with the last bytes; they are ours from here on. */
static enum guest_error keep_descriptors(struct session *session, struct msghdr *header)
{
	struct vhost_user_message *message = &session->message;
	enum guest_error error = GUEST_OK;
	struct cmsghdr *control;
	size_t i, count;
	int fd;

	for (control = CMSG_FIRSTHDR(header); control; control = CMSG_NXTHDR(header, control)) {
		if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
			continue;
		count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(fd);
		for (i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(control) + i * sizeof(fd), sizeof(fd));
			if (message->fds < VHOST_USER_FDS_MAX) {
				message->fd[message->fds++] = fd;
			} else {
				close(fd);
				error = GUEST_ERROR_descriptor_count;
			}
		}
	}
	if (header->msg_flags & MSG_CTRUNC)
		error = GUEST_ERROR_descriptor_count;
	return error;
}

/*
 * Reads up to @want bytes behind those we have, which is never across the
 * border of header and payload. *@got: 0 where nothing is there.
 */
static enum guest_error receive_bytes(struct session *session, size_t want, size_t *got,
				      bool *closed)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * VHOST_USER_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct vhost_user_message *message = &session->message;
	size_t head = sizeof(message->header);
	char *to = session->have < head ? (char *)&message->header + session->have
					: (char *)message->payload.bytes + (session->have - head);
	struct iovec vector = {to, want};
	struct msghdr header = {
		.msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t result;

	*got = 0;
	do
		result = recvmsg(session->socket.fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (result < 0 && errno == EINTR);
	if (result < 0) {
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return GUEST_OK;
		/* A peer that was killed leaves a reset behind. */
		if (errno == ECONNRESET && !session->have) {
			*closed = true;
			return GUEST_OK;
		}
		return errno == ECONNRESET ? GUEST_ERROR_message_half : GUEST_ERROR_message_receive;
	}
	if (result == 0) {
		*closed = true;
		return session->have ? GUEST_ERROR_message_half : GUEST_OK;
	}
	*got = (size_t)result;
	return keep_descriptors(session, &header);
}

static enum guest_error send_reply(struct session *session)
{
	struct vhost_user_message *message = &session->message;
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	size_t size = sizeof(message->header) + message->header.size;
	struct iovec vector[2] = {
		{&message->header, sizeof(message->header)},
		{message->payload.bytes, message->header.size},
	};
	struct msghdr header = {.msg_iov = vector, .msg_iovlen = 2};
	ssize_t result;

	message->header.flags = VHOST_USER_VERSION | VHOST_USER_REPLY;
	if (message->reply_fd >= 0) {
		memset(&control, 0, sizeof(control));
		header.msg_control = control.bytes;
		header.msg_controllen = sizeof(control.bytes);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), &message->reply_fd, sizeof(int));
	}
	do
		result = sendmsg(session->socket.fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (result < 0 && errno == EINTR);
	if (message->reply_fd >= 0)
		close(message->reply_fd);
	message->reply_fd = -1;
	/* A peer that has hung up meanwhile is found out by the next read. */
	if (result < 0 && (errno == EPIPE || errno == ECONNRESET))
		return GUEST_OK;
	return result == (ssize_t)size ? GUEST_OK : GUEST_ERROR_reply_blocked;
}

static enum guest_error dispatch(struct session *session)
{
	struct vhost_user_message *message = &session->message;
	bool wanted = (message->header.flags & VHOST_USER_NEED_REPLY) &&
		      session_has(session, VHOST_USER_PROTOCOL_REPLY_ACK);
	enum guest_error error, sent = GUEST_OK;

	message->reply = false;
	message->refused = false;
	message->reply_fd = -1;
	error = vhost_user_handle(session, message);
	if (!error && message->reply) {
		sent = send_reply(session);
	} else if (wanted) {
		message->payload.number = error || message->refused;
		message->header.size = sizeof(message->payload.number);
		sent = send_reply(session);
	}
	forget_message(session);
	return error ? error : sent;
}

enum guest_error session_receive(struct session *session, bool *closed)
{
	struct vhost_user_header *header = &session->message.header;
	uint32_t messages = 0;
	enum guest_error error;
	size_t want, got;

	*closed = false;
	while (messages < MESSAGES_AT_A_TIME) {
		want = sizeof(*header);
		if (session->have >= sizeof(*header))
			want += header->size;
		if (session->have < want) {
			error = receive_bytes(session, want - session->have, &got, closed);
			if (error || *closed || !got)
				return error;
			session->have += got;
			if (session->have == sizeof(*header)) {
				error = vhost_user_judge(session, header);
				if (error)
					return error;
			}
			if (session->have < sizeof(*header) ||
			    session->have < sizeof(*header) + header->size)
				continue;
		}
		error = dispatch(session);
		if (error)
			return error;
		messages++;
	}
	return GUEST_OK;
}

enum guest_error session_start_queue(struct session *session, uint16_t index, int fd)
{
	struct session_queue *queue = &session->queue[index];
	const struct session_host *host = session->host;
	enum guest_error error;

	drop_kick(session, queue);
	queue->kick.fd = fd;
	queue->kick.events = EPOLLIN | EPOLLET;
	queue->kick.fn = on_kick;
	if (loop_add(host->loop, &queue->kick)) {
		close(fd);
		queue->kick.fd = -1;
		return GUEST_ERROR_no_resources;
	}
	mark_pending(session, queue);
	if (queue->ring.started)
		return GUEST_OK;
	error = virtqueue_start(&queue->ring, session->features >> VIRTIO_RING_F_EVENT_IDX & 1);
	if (error)
		return error;
	queue->open = false;
	arrivals_start(&queue->arrivals, &queue->ring, now());
	host->counters->resubmitted += queue->ring.waiting_count;
	if (!session->used)
		host->in_use(host->arg, true);
	session->used = true;
	return GUEST_OK;
}

void session_enable_queue(struct session *session, uint16_t index, bool enabled)
{
	session->queue[index].enabled = enabled;
	mark_pending(session, &session->queue[index]);
	/* What was in it before was nothing for us to see. */
	session->queue[index].came = now();
}

void session_retry(struct session *session)
{
	uint16_t i;

	for (i = 0; i < session->host->queues; i++)
		mark_pending(session, &session->queue[i]);
}

/* The end of all that was answered since the last reading; costs nothing where nothing was served. */
static void read_clock(struct session *session)
{
	struct session_answers *answers = &session->answers;
	uint32_t i;

	if (!answers->pages)
		return;
	answers->now = now();
	answers->pages = 0;
	for (i = 0; i < answers->count; i++)
		latency_count(session->host->latency, answers->answer[i].op,
			      answers->now - answers->answer[i].since);
	answers->count = 0;
}

static void note_answer(struct session *session, const struct session_queue *queue)
{
	struct session_answers *answers = &session->answers;

	if (queue->request->op == LATENCY_NOT_COUNTED)
		return;
	answers->answer[answers->count].op = queue->request->op;
	answers->answer[answers->count++].since = queue->since;
}

static enum guest_error answer(struct session_queue *queue, uint16_t head)
{
	uint64_t written = queue->request->written;

	queue->open = false;
	loop_worked(queue->session->host->loop);
	return virtqueue_answer(&queue->ring, head,
				written < UINT32_MAX ? (uint32_t)written : UINT32_MAX);
}

static enum guest_error call(struct session *session, struct session_queue *queue)
{
	enum guest_error error;
	bool called;

	error = virtqueue_call(&queue->ring, &called);
	if (!error && called)
		session->host->counters->calls++;
	return error;
}

/* Copies and judges the buffers of @head, and what is asked with them. */
static enum guest_error begin(struct session *session, struct session_queue *queue, uint16_t head,
			      bool again)
{
	struct service *service = session->host->service;
	enum guest_error error = virtqueue_load(&queue->ring, head);

	if (error)
		return error;
	queue->request->queue = queue->ring.index;
	queue->request->again = again;
	return service->ops->begin(service, &queue->ring.chain, &session->mem, queue->request);
}

/* The next request, if there is one: those that were put aside come before new ones. */
static enum guest_error open_request(struct session *session, struct session_queue *queue)
{
	const struct service *service = session->host->service;
	enum guest_error error;
	bool again, found;
	uint16_t head;

	again = !service->ops->holds(service, queue->ring.index) &&
		virtqueue_waiting(&queue->ring, &head);
	if (again) {
		queue->since = queue->arrivals.head[head];
	} else {
		error = virtqueue_next(&queue->ring, &head, &found);
		if (error)
			return error;
		arrivals_see(&queue->arrivals, &queue->ring,
			     queue->came ? queue->came : session->answers.now);
		queue->came = 0;
		if (!found)
			return GUEST_OK;
		queue->since = arrivals_last(&queue->arrivals, &queue->ring);
	}
	error = begin(session, queue, head, again);
	queue->open = !error;
	return error;
}

static enum guest_error serve(struct session *session, struct session_queue *queue,
			      uint32_t *budget)
{
	struct session_answers *answers = &session->answers;
	struct service *service = session->host->service;
	uint16_t head = queue->ring.chain.head;
	uint32_t before = *budget;
	enum guest_error error;
	enum service_step step;

	/* So that no answer has to wait for a clock behind much work of another request. */
	if (answers->count && answers->pages + queue->request->pages > SESSION_ONE_MOMENT)
		read_clock(session);
	error = service->ops->step(service, &queue->ring.chain, &session->mem, queue->request,
				   budget, &step);
	if (error)
		return error;
	answers->pages += before - *budget ? before - *budget : 1;
	if (step == SERVICE_DONE) {
		note_answer(session, queue);
		return answer(queue, head);
	}
	if (step == SERVICE_WAIT) {
		queue->arrivals.head[head] = queue->since;
		/* Reading it again costs as much as a page. */
		if (*budget)
			--*budget;
		queue->open = false;
		if (queue->request->again)
			virtqueue_wait_first(&queue->ring, head);
		else
			virtqueue_wait(&queue->ring, head);
	}
	return GUEST_OK;
}

static enum guest_error turn_of(struct session *session, struct session_queue *queue,
				uint32_t *budget)
{
	enum guest_error error;
	bool more;

	while (*budget) {
		if (!queue->open) {
			error = open_request(session, queue);
			if (error)
				return error;
		}
		if (queue->open) {
			error = serve(session, queue, budget);
			if (error)
				return error;
			continue;
		}
		/* Left pending, without asking for a kick: the next round looks again. */
		if (loop_polls(session->host->loop))
			break;
		error = virtqueue_rest(&queue->ring, &more);
		if (error)
			return error;
		if (!more) {
			queue->pending = false;
			break;
		}
	}
	error = call(session, queue);
	read_clock(session);
	return error;
}

/* Before protocol features there was no enabling: a ring that started was enabled. */
static bool is_running(const struct session *session, const struct session_queue *queue)
{
	return queue->ring.started &&
	       (queue->enabled || !(session->features >> VHOST_USER_F_PROTOCOL & 1));
}

/* One queue's part of @budget. */
static enum guest_error turn_next(struct session *session, uint32_t *budget)
{
	struct session_queue *queue = &session->queue[session->first];
	uint32_t given = *budget < session->left ? *budget : session->left, kept = given;
	enum guest_error error = GUEST_OK;

	if (queue->pending && is_running(session, queue))
		error = turn_of(session, queue, &kept);
	*budget -= given - kept;
	session->left -= given - kept;
	/* It goes on in the next turn, if this one ends before its part does. */
	if (!error && queue->pending && !kept && session->left)
		return GUEST_OK;
	session->first = (uint16_t)((session->first + 1) % session->host->queues);
	session->left = GUEST_TURN_PAGES;
	return error;
}

static enum guest_error turn_all(struct session *session, uint32_t *budget)
{
	uint16_t i, count = session->host->queues;
	enum guest_error error = GUEST_OK;

	for (i = 0; i < count && *budget && !error; i++)
		error = turn_next(session, budget);
	session->pending = false;
	for (i = 0; i < count; i++) {
		if (session->queue[i].pending && is_running(session, &session->queue[i]))
			session->pending = true;
	}
	return error;
}

enum guest_error session_turn(struct session *session, uint32_t *budget, bool *more)
{
	enum guest_error error;
	uint64_t begun;

	*more = false;
	if (!session->pending)
		return GUEST_OK;
	begun = now();
	session->answers.now = begun;
	error = turn_all(session, budget);
	if (session->answers.now == begun)
		session->answers.now = now();
	*session->host->busy_ns += session->answers.now - begun;
	*more = !error && session->pending;
	return error;
}

/*
 * With an in-flight region what is not answered is found there by the next
 * start. Without one, the front-end knows only an index: the request being
 * served is handed back by it, and those that were put aside are refused.
 */
static enum guest_error settle(struct session *session, struct session_queue *queue)
{
	struct service *service = session->host->service;
	struct virtqueue *ring = &queue->ring;
	enum guest_error error;
	uint16_t head;

	if (inflight_is_open(&session->inflight))
		return GUEST_OK;
	if (queue->open && !queue->request->again)
		virtqueue_undo(ring, ring->chain.head);
	else if (queue->open)
		virtqueue_wait_first(ring, ring->chain.head);
	queue->open = false;
	while (virtqueue_waiting(ring, &head)) {
		error = begin(session, queue, head, true);
		if (!error)
			error = service->ops->refuse(service, &ring->chain, &session->mem,
						     queue->request);
		if (!error)
			error = answer(queue, head);
		if (error)
			return error;
	}
	return call(session, queue);
}

enum guest_error session_stop_queue(struct session *session, uint16_t index, uint16_t *base)
{
	struct session_queue *queue = &session->queue[index];
	struct service *service = session->host->service;
	enum guest_error error = GUEST_OK;

	if (queue->ring.started)
		error = settle(session, queue);
	queue->open = false;
	queue->pending = false;
	drop_kick(session, queue);
	*base = queue->ring.base;
	if (queue->ring.started) {
		*base = virtqueue_stop(&queue->ring);
		if (!session_any_started(session))
			service->ops->stopped(service);
	}
	return error;
}
