// SPDX-License-Identifier: MIT
/* See liar.h. One thread, which is also the only one that touches the engine. */
#include "liar.h"
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <tmem/engine.h>
#include <unistd.h>

#include "arena.h"
#include "judge.h"

#define BASE 0x100000000ull

struct queue {
	uint16_t size, seen, answered;
	uint64_t desc, avail, used;
	int kick, call;
};

struct liar {
	pthread_t thread;
	int listener, socket, wake;
	_Atomic int lie, forget, hang_up, stop;
	uint8_t *memory;
	uint64_t bytes;
	struct queue queue[2];
	bool event_idx;
	struct tmem_wire_state state;
	uint64_t epoch, nonce;
	uint32_t answers;
	struct tmem_arena *arena;
	struct tmem_engine *engine;
	struct tmem_worker *worker;
	struct tmem_client *client;
};

static const char *const names[] = {
#define LIE_NAME_(name, text) [LIE_##name] = #name ": " text,
	LIES(LIE_NAME_)};

const char *liar_name(enum lie lie)
{
	return names[lie];
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

static void make_client(struct liar *liar)
{
	struct tmem_client_config config = {.size = sizeof(config), .allocation = 4u << 20};

	must(!tmem_client_create(liar->engine, liar->worker, &config, &liar->client), "client");
}

static void make_engine(struct liar *liar)
{
	struct tmem_arena_config arena = {.size = sizeof(arena), .bytes = 64u << 20};
	struct tmem_config config = {.size = sizeof(config), .capacity = 64u << 20};

	must(!tmem_arena_create(&arena, &liar->arena), "arena");
	config.host_ops = &tmem_arena_ops;
	config.host = liar->arena;
	must(!tmem_engine_create(&config, &liar->engine), "engine");
	must(!tmem_worker_create(liar->engine, &liar->worker), "worker");
	make_client(liar);
}

static void drop_link(struct liar *liar)
{
	uint32_t i;

	if (liar->memory)
		munmap(liar->memory, liar->bytes);
	liar->memory = NULL;
	for (i = 0; i < 2; i++) {
		if (liar->queue[i].kick >= 0)
			close(liar->queue[i].kick);
		if (liar->queue[i].call >= 0)
			close(liar->queue[i].call);
		memset(&liar->queue[i], 0, sizeof(liar->queue[i]));
		liar->queue[i].kick = liar->queue[i].call = -1;
	}
	if (liar->socket >= 0)
		close(liar->socket);
	liar->socket = -1;
	memset(&liar->state, 0, sizeof(liar->state));
}

static void reply(struct liar *liar, uint32_t request, uint64_t number)
{
	uint8_t message[20];
	const uint32_t header[3] = {request, 5, 8};

	memcpy(message, header, 12);
	memcpy(message + 12, &number, 8);
	if (liar->lie == LIE_garbage_socket)
		memset(message, 0xa5, sizeof(message));
	if (liar->lie == LIE_half_message) {
		(void)!send(liar->socket, message, 5, MSG_NOSIGNAL);
		drop_link(liar);
		return;
	}
	(void)!send(liar->socket, message, sizeof(message), MSG_NOSIGNAL);
}

static void take_memory(struct liar *liar, int fd)
{
	struct stat st;

	must(fd >= 0 && !fstat(fd, &st), "memory");
	liar->bytes = (uint64_t)st.st_size;
	liar->memory = mmap(NULL, liar->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(liar->memory != MAP_FAILED, "mapping");
	/* What a hostile daemon would try first: seals are to forbid it. */
	must(ftruncate(fd, 0) && errno == EPERM, "shared memory that can be cut off");
	close(fd);
}

static void on_message(struct liar *liar)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 8)];
		struct cmsghdr align;
	} control;
	uint32_t header[3];
	uint8_t payload[512];
	struct iovec vector = {header, sizeof(header)};
	struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
	uint64_t features = 1ull << 28 | 1ull << 29 | 1ull << 30 | 1ull << 32, words[8];
	uint32_t pair[2];
	int fd = -1;

	message.msg_control = control.bytes;
	message.msg_controllen = sizeof(control.bytes);
	if (recvmsg(liar->socket, &message, MSG_WAITALL) != sizeof(header) ||
	    header[2] > sizeof(payload) ||
	    (header[2] &&
	     recv(liar->socket, payload, header[2], MSG_WAITALL) != (ssize_t)header[2])) {
		drop_link(liar);
		return;
	}
	if (CMSG_FIRSTHDR(&message))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	if (liar->lie == LIE_silent_socket)
		return;
	memcpy(pair, payload, 8);
	memcpy(words, payload, 64);
	switch (header[0]) {
	case 1: /* GET_FEATURES */
		if (liar->lie == LIE_no_event_idx)
			features &= ~(1ull << 29);
		if (liar->lie == LIE_no_indirect)
			features &= ~(1ull << 28);
		reply(liar, 1, liar->lie == LIE_no_features ? 0 : features);
		break;
	case 2: /* SET_FEATURES */
		liar->event_idx = words[0] >> 29 & 1;
		break;
	case 5: /* SET_MEM_TABLE */
		take_memory(liar, fd);
		break;
	case 8: /* SET_VRING_NUM */
		liar->queue[pair[0] & 1].size = (uint16_t)pair[1];
		break;
	case 9: /* SET_VRING_ADDR */
		liar->queue[pair[0] & 1].desc = words[1] - BASE;
		liar->queue[pair[0] & 1].used = words[2] - BASE;
		liar->queue[pair[0] & 1].avail = words[3] - BASE;
		break;
	case 12: /* KICK */
		liar->queue[words[0] & 1].kick = fd;
		break;
	case 13: /* CALL */
		liar->queue[words[0] & 1].call = fd;
		break;
	case 15: /* GET_PROTOCOL_FEATURES */
		reply(liar, 15, 1);
		break;
	case 17: /* GET_QUEUE_NUM */
		reply(liar, 17, liar->lie == LIE_one_queue ? 1 : 2);
		break;
	default:
		break;
	}
}

struct piece {
	uint8_t *at;
	uint32_t length;
};

/* One request: pieces of its chain, and how many of them are readable. */
struct request {
	struct piece piece[1024];
	uint32_t count, readable;
};

struct desc {
	uint64_t guest;
	uint32_t length;
	uint16_t flags, next;
};

static void walk(struct liar *liar, const uint8_t *table, uint32_t index, struct request *request)
{
	struct desc desc;

	for (;;) {
		memcpy(&desc, table + index * sizeof(desc), sizeof(desc));
		must(desc.guest - BASE < liar->bytes &&
			     desc.length <= liar->bytes - (desc.guest - BASE),
		     "a descriptor outside the memory");
		if (desc.flags & 4) {
			must(liar->lie != LIE_no_indirect, "indirect, and not negotiated");
			table = liar->memory + (desc.guest - BASE);
			index = 0;
			continue;
		}
		must(request->count < 1024, "an endless chain");
		request->piece[request->count].at = liar->memory + (desc.guest - BASE);
		request->piece[request->count++].length = desc.length;
		if (!(desc.flags & 2)) {
			request->readable++;
			must(request->readable == request->count, "readable behind writable");
		}
		if (!(desc.flags & 1))
			return;
		index = desc.next;
	}
}

/* All of one part, one way or the other. */
static uint64_t copy(const struct request *request, uint32_t from, uint32_t to, uint8_t *flat,
		     bool out)
{
	uint64_t at = 0;
	uint32_t i;

	for (i = from; i < to; i++) {
		if (flat && out)
			memcpy(request->piece[i].at, flat + at, request->piece[i].length);
		else if (flat)
			memcpy(flat + at, request->piece[i].at, request->piece[i].length);
		at += request->piece[i].length;
	}
	return at;
}

static uint8_t in[300 * 1024], out[300 * 1024];

static void do_pages(struct liar *liar, const struct tmem_wire_request *wire, struct tmem_rep *rep)
{
	int32_t result[TMEM_WIRE_BATCH];
	struct tmem_op op = {.code = wire->op};
	struct tmem_ent ent;
	uint32_t i;

	for (i = 0; i < wire->count; i++) {
		memcpy(ent.object, wire->object, sizeof(ent.object));
		ent.index = wire->index + i;
		if (wire->list)
			tmem_wire_get_ent(&ent, in + wire->list + i * sizeof(ent));
		memcpy(op.handle.object.word, ent.object, sizeof(ent.object));
		op.handle.index = ent.index;
		op.handle.pool = wire->pool;
		op.page = wire->op == TMEM_WIRE_PUT ? in + wire->data_in + i * 4096
						    : out + wire->data_out + i * 4096;
		tmem_batch(liar->client, liar->worker, &op, 1);
		result[i] = op.result;
		rep->done += op.result >= 0;
		if (liar->lie == LIE_no_room && wire->op == TMEM_WIRE_PUT)
			result[i] = -TMEM_ENOMEM;
		if (liar->lie == LIE_result_positive)
			result[i] = 7;
		if (liar->lie == LIE_result_wild)
			result[i] = INT32_MIN;
		if (liar->lie == LIE_result_waits)
			result[i] = -114;
	}
	tmem_wire_put_results(out + wire->results, result, wire->count);
}

static int hello(struct liar *liar, const struct tmem_wire_request *wire)
{
	struct tmem_hello answer = {
		.version = TMEM_WIRE_VERSION, .page_size = 4096, .max_batch = 64, .max_pools = 16};

	if (liar->lie == LIE_hello_refused)
		return -TMEM_EACCES;
	answer.session = wire->arg[0] != liar->nonce;
	liar->nonce = wire->arg[0];
	(void)tmem_client_session(liar->client, liar->worker, liar->nonce);
	answer.epoch = liar->epoch;
	if (liar->lie == LIE_hello_version)
		answer.version = 9;
	if (liar->lie == LIE_hello_batch)
		answer.max_batch = 0;
	if (liar->lie == LIE_hello_session)
		answer.session = 2;
	tmem_wire_put_hello(out + wire->answer, &answer);
	liar->state.greeted = 1;
	liar->state.batch = 64;
	return 0;
}

static int carry_out(struct liar *liar, const struct tmem_wire_request *wire, struct tmem_rep *rep)
{
	struct tmem_pool_config config = {
		.size = sizeof(config), .flags = wire->flags, .cookie = wire->cookie};
	struct tmem_handle handle = {.pool = wire->pool, .index = wire->index};
	const struct tmem_stat stat = {.puts = 1};
	int result = 0;

	memcpy(handle.object.word, wire->object, sizeof(wire->object));
	switch (wire->op) {
	case TMEM_WIRE_HELLO:
		return hello(liar, wire);
	case TMEM_WIRE_NEW_POOL:
		if (liar->lie == LIE_pool_refused && wire->cookie == 77)
			return -TMEM_EACCES;
		result = tmem_pool_create(liar->client, liar->worker, &config);
		rep->value = result < 0 ? 0 : (uint64_t)result;
		if (liar->lie == LIE_pool_number)
			rep->value = 1ull << 40;
		return result < 0 ? result : 0;
	case TMEM_WIRE_DESTROY_POOL:
		return tmem_pool_destroy(liar->client, liar->worker, wire->pool);
	case TMEM_WIRE_PUT:
	case TMEM_WIRE_GET:
	case TMEM_WIRE_FLUSH:
		do_pages(liar, wire, rep);
		return 0;
	case TMEM_WIRE_FLUSH_RANGE:
		return tmem_flush_range(liar->client, liar->worker, &handle, wire->arg[0]);
	case TMEM_WIRE_FLUSH_OBJECT:
		result = tmem_flush_object(liar->client, liar->worker, &handle);
		rep->value = result > 0;
		return result < 0 ? result : 0;
	case TMEM_WIRE_STAT:
		tmem_wire_put_stat(out + wire->answer, &stat);
		return 0;
	default:
		return 0;
	}
}

static uint16_t load16(const struct liar *liar, uint64_t at)
{
	return le16toh(__atomic_load_n((uint16_t *)(void *)(liar->memory + at), __ATOMIC_ACQUIRE));
}

static void store16(struct liar *liar, uint64_t at, uint16_t value)
{
	__atomic_store_n((uint16_t *)(void *)(liar->memory + at), htole16(value), __ATOMIC_SEQ_CST);
}

static void push(struct liar *liar, struct queue *queue, uint32_t head, uint32_t length)
{
	const uint32_t entry[2] = {htole32(head), htole32(length)};
	const uint64_t one = 1;

	memcpy(liar->memory + queue->used + 4 + queue->answered % queue->size * 8, entry, 8);
	queue->answered++;
	store16(liar, queue->used + 2, queue->answered);
	(void)!write(queue->call, &one, 8);
}

static void answer(struct liar *liar, struct queue *queue, uint32_t head, uint32_t length)
{
	switch (atomic_load(&liar->lie)) {
	case LIE_length_zero:
		length = 0;
		break;
	case LIE_length_short:
		length = 16;
		break;
	case LIE_length_long:
		length += 1;
		break;
	case LIE_length_huge:
		length = UINT32_MAX;
		break;
	case LIE_head_wild:
		head = UINT32_MAX;
		break;
	case LIE_head_between:
		head += 3;
		break;
	case LIE_head_idle:
		head = (head + 8) % queue->size;
		break;
	case LIE_head_twice:
		push(liar, queue, head, length);
		break;
	case LIE_index_runs:
		queue->answered += 1000;
		break;
	case LIE_index_back:
		queue->answered -= 2;
		break;
	default:
		break;
	}
	push(liar, queue, head, length);
	if (liar->lie == LIE_scribbles)
		memset(liar->memory, 0x5a, liar->bytes);
}

static void news(struct liar *liar, struct queue *queue, uint16_t head)
{
	if (liar->lie == LIE_news_wild)
		push(liar, queue, liar->answers & 1 ? 0 : 77, liar->answers % 100);
}

/* The other side has, or what it says means nothing since the rings were scribbled over. */
static bool has_gone(struct liar *liar)
{
	char byte;

	return liar->lie == LIE_scribbles ||
	       recv(liar->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void serve(struct liar *liar, struct queue *queue, uint16_t head)
{
	struct request request = {.count = 0};
	struct tmem_wire_request wire;
	struct tmem_rep rep = {0};
	uint64_t readable, writable;
	int status, mute;

	walk(liar, liar->memory + queue->desc, head, &request);
	readable = copy(&request, 0, request.readable, NULL, false);
	writable = copy(&request, request.readable, request.count, NULL, true);
	must(readable <= sizeof(in) && writable <= sizeof(out), "a request too long");
	(void)copy(&request, 0, request.readable, in, false);
	/* Bytes that are not answered stay as they are. */
	(void)copy(&request, request.readable, request.count, out, false);
	status = tmem_wire_judge(in, readable, writable, &liar->state, &wire, &mute);
	/* A pool's flags are the program's; all else is the library's. */
	if (status && in[0] == TMEM_WIRE_NEW_POOL) {
		rep.status = status;
		tmem_wire_put_rep(out, &rep);
		(void)copy(&request, request.readable, request.count, out, true);
		push(liar, queue, head, 16);
		return;
	}
	/* Whoever waited too long has gone, and may use the memory for other things. */
	if (status && has_gone(liar)) {
		drop_link(liar);
		return;
	}
	must(!status, "a request that the judge refuses");
	if (wire.op == TMEM_WIRE_EVENT) {
		news(liar, queue, head);
		return;
	}
	liar->answers++;
	if ((liar->lie == LIE_ends_in_batch || liar->lie == LIE_ends_once) && wire.results &&
	    liar->answers % 3 == 0) {
		if (liar->lie == LIE_ends_once)
			liar->lie = LIE_none;
		drop_link(liar);
		return;
	}
	if (liar->lie == LIE_never && wire.op != TMEM_WIRE_HELLO)
		return;
	rep.status = carry_out(liar, &wire, &rep);
	if (rep.status && wire.op == TMEM_WIRE_FLUSH_RANGE && rep.status > 0)
		rep.status = 0;
	if (liar->lie == LIE_status_positive && wire.results)
		rep.status = 3;
	if (liar->lie == LIE_status_wild && wire.results)
		rep.status = INT32_MIN;
	tmem_wire_put_rep(out, &rep);
	(void)copy(&request, request.readable, request.count, out, true);
	if (liar->lie == LIE_talks)
		(void)!send(liar->socket, "psst", 4, MSG_NOSIGNAL);
	if (wire.op == TMEM_WIRE_HELLO || wire.op == TMEM_WIRE_NEW_POOL)
		push(liar, queue, head, rep.status ? 16 : (uint32_t)writable);
	else
		answer(liar, queue, head, rep.status ? 16 : (uint32_t)writable);
}

static void turn(struct liar *liar)
{
	uint32_t i;

	for (i = 0; i < 2; i++) {
		struct queue *queue = &liar->queue[i];
		uint64_t kicks;

		if (liar->socket < 0 || queue->kick < 0 || !liar->memory)
			continue;
		(void)!read(queue->kick, &kicks, 8);
		while (liar->socket >= 0 && queue->seen != load16(liar, queue->avail + 2)) {
			uint16_t head =
				load16(liar, queue->avail + 4 + queue->seen % queue->size * 2u);

			queue->seen++;
			/* After a scribble nothing in the rings means anything. */
			if (head >= queue->size) {
				drop_link(liar);
				return;
			}
			serve(liar, queue, head);
		}
		/* Ask for a kick with the next one. */
		if (liar->socket >= 0 && liar->event_idx)
			store16(liar, queue->used + 4 + queue->size * 8u, queue->seen);
		if (liar->socket >= 0 && queue->seen != load16(liar, queue->avail + 2))
			i--;
	}
}

static void forget(struct liar *liar)
{
	tmem_client_destroy(liar->client, liar->worker);
	make_client(liar);
	liar->epoch++;
	liar->nonce = 0;
}

static void *run(void *arg)
{
	struct liar *liar = arg;

	while (!liar->stop) {
		struct pollfd fd[5] = {{liar->wake, POLLIN, 0},
				       {liar->socket < 0 ? liar->listener : -1, POLLIN, 0},
				       {liar->socket, POLLIN, 0},
				       {liar->queue[0].kick, POLLIN, 0},
				       {liar->queue[1].kick, POLLIN, 0}};
		uint64_t wakes;

		(void)poll(fd, 5, -1);
		if (fd[0].revents) {
			(void)!read(liar->wake, &wakes, 8);
			if (liar->hang_up)
				drop_link(liar);
			if (liar->forget)
				forget(liar);
			liar->hang_up = liar->forget = 0;
			continue;
		}
		if (fd[1].revents) {
			liar->socket = accept4(liar->listener, NULL, NULL, SOCK_CLOEXEC);
			if (liar->lie == LIE_hangs_up)
				drop_link(liar);
			continue;
		}
		if (fd[2].revents)
			on_message(liar);
		if (liar->socket >= 0)
			turn(liar);
	}
	return NULL;
}

struct liar *liar_start(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct liar *liar = calloc(1, sizeof(*liar));

	must(liar != NULL, "memory");
	make_engine(liar);
	liar->socket = -1;
	drop_link(liar);
	strcpy(address.sun_path, path);
	(void)unlink(path);
	liar->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	must(!bind(liar->listener, (struct sockaddr *)&address, sizeof(address)) &&
		     !listen(liar->listener, 4),
	     "socket");
	liar->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	must(!pthread_create(&liar->thread, NULL, run, liar), "thread");
	return liar;
}

static void wake(struct liar *liar)
{
	const uint64_t one = 1;

	(void)!write(liar->wake, &one, 8);
}

void liar_stop(struct liar *liar)
{
	liar->stop = 1;
	wake(liar);
	pthread_join(liar->thread, NULL);
	drop_link(liar);
	close(liar->listener);
	close(liar->wake);
	tmem_client_destroy(liar->client, liar->worker);
	tmem_worker_destroy(liar->worker);
	tmem_engine_destroy(liar->engine);
	tmem_arena_destroy(liar->arena);
	free(liar);
}

void liar_tell(struct liar *liar, enum lie lie)
{
	liar->lie = (int)lie;
}

void liar_forget(struct liar *liar)
{
	liar->forget = 1;
	wake(liar);
	while (liar->forget)
		usleep(100);
}

void liar_hang_up(struct liar *liar)
{
	liar->hang_up = 1;
	wake(liar);
	while (liar->hang_up)
		usleep(100);
}
