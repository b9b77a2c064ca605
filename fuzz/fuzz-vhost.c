// SPDX-License-Identifier: MIT
/*
 * Fuzzer of vhost-user sessions: the input is a script of what a front-end
 * does. It sends messages with descriptors from a fixed set, writes into the
 * memory that it shares, and lets the session have turns. A session that
 * ends is followed by another one on the same disk.
 *
 * Afterwards the disk's counts must be those of its map, no descriptor may
 * have been left open, and the engine's own check must hold.
 */
#include "arena.h"
#include "disk.h"
#include "session.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define RAM	    0x10000u
#define BLOCKS	    2048u
#define SCRIPT_MOST 512 /* steps of one input */
#define TURNS_MOST  64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum step { STEP_MESSAGE, STEP_BYTES, STEP_WRITE, STEP_TURN, STEP_FREEZE, STEP_AGAIN, STEPS };

static struct {
	struct tmem_arena *arena;
	struct loop *loop;
	struct tmem_engine *engine;
	struct tmem_worker *worker;
	struct tmem_client *client;
	struct disk disk;
	struct guest_counters counters;
	struct latency latency;
	struct session_host host;
	struct session *session;
	int peer; /* the front-end's end of the connection */
	uint8_t *ram;
	int fds[8];
	uint64_t inputs;
} world;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void on_in_use(void *arg, bool in_use)
{
}

static void on_woken(void *arg)
{
}

static void on_ended(void *arg, enum guest_error error)
{
}

static void make_engine(void)
{
	const struct tmem_arena_config arena_config = {.size = sizeof(arena_config),
						       .bytes = 64ull << 20};
	const struct tmem_client_config client = {.size = sizeof(client),
						  .allocation = 16ull << 20};
	struct tmem_config config = {
		.size = sizeof(config),
		.workers = 1,
		.capacity = 64ull << 20,
		.persistent = 32ull << 20,
		.host_ops = &tmem_arena_ops,
	};

	must(!tmem_arena_create(&arena_config, &world.arena));
	config.host = world.arena;
	must(!tmem_engine_create(&config, &world.engine));
	must(!tmem_worker_create(world.engine, &world.worker));
	must(!tmem_client_create(world.engine, world.worker, &client, &world.client));
}

static void set_up(void)
{
	if (world.loop)
		return;
	make_engine();
	must(!guest_mem_setup() && !loop_create(NULL, &world.loop));
	world.fds[0] = memfd_create("ram", 0);
	world.fds[1] = memfd_create("small", 0);
	must(!ftruncate(world.fds[0], RAM) && !ftruncate(world.fds[1], 4096));
	world.ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, world.fds[0], 0);
	world.fds[2] = eventfd(0, EFD_NONBLOCK);
	world.fds[3] = eventfd(0, EFD_NONBLOCK);
	world.fds[4] = eventfd(1, EFD_NONBLOCK | EFD_SEMAPHORE);
	world.fds[5] = open("/dev/null", O_RDWR);
	world.fds[6] = world.fds[0];
	world.fds[7] = memfd_create("inflight", 0);
	must(!ftruncate(world.fds[7], 8192));
	world.host.loop = world.loop;
	world.host.service = &world.disk.service;
	world.host.counters = &world.counters;
	world.host.busy_ns = &world.counters.busy_ns;
	world.host.latency = &world.latency;
	world.host.name = "fuzz";
	world.host.queues = 2;
	world.host.in_use = on_in_use;
	world.host.woken = on_woken;
	world.host.ended = on_ended;
}

static void open_session(void)
{
	int pair[2];

	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair));
	world.peer = pair[1];
	must(!session_create(&world.host, pair[0], &world.session));
}

static void close_session(void)
{
	session_destroy(world.session);
	close(world.peer);
}

static void drain_peer(void)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte[1024];
	struct iovec vector = {byte, sizeof(byte)};
	struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
	struct cmsghdr *cmsg;
	int fd;

	for (;;) {
		header.msg_control = control.bytes;
		header.msg_controllen = sizeof(control.bytes);
		if (recvmsg(world.peer, &header, MSG_DONTWAIT) <= 0)
			return;
		cmsg = CMSG_FIRSTHDR(&header);
		if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
		close(fd);
	}
}

static void receive(void)
{
	bool closed;

	if (session_receive(world.session, &closed) || closed) {
		close_session();
		open_session();
		return;
	}
	drain_peer();
}

static void send_bytes(const void *bytes, size_t size, uint8_t fds, uint8_t count)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 4)];
		struct cmsghdr align;
	} control;
	struct iovec vector = {(void *)(uintptr_t)bytes, size};
	struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
	int list[4], i;

	memset(&control, 0, sizeof(control));
	if (count) {
		for (i = 0; i < count; i++)
			list[i] = world.fds[(fds >> i) & 7];
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(&control.align), list, sizeof(int) * count);
	}
	if (size)
		(void)!sendmsg(world.peer, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void take_turns(void)
{
	uint32_t turns = 0, budget;
	bool more = true;

	while (more && turns++ < TURNS_MOST) {
		budget = GUEST_TURN_PAGES;
		if (session_turn(world.session, &budget, &more)) {
			close_session();
			open_session();
			return;
		}
	}
}

struct script {
	const uint8_t *at;
	size_t left;
};

static uint8_t next_byte(struct script *script)
{
	if (!script->left)
		return 0;
	script->left--;
	return *script->at++;
}

static const uint8_t *next_bytes(struct script *script, size_t *size)
{
	const uint8_t *at = script->at;

	if (*size > script->left)
		*size = script->left;
	script->at += *size;
	script->left -= *size;
	return at;
}

/* Request, flags and descriptors in a byte each; the size is told truly or by the script. */
static void step_message(struct script *script)
{
	struct {
		uint32_t request, flags, size;
		uint8_t payload[255];
	} message;
	uint8_t fds, how;
	const uint8_t *at;
	size_t size;

	message.request = next_byte(script);
	how = next_byte(script);
	message.flags = how & 0x80 ? how & 0xf : 1u | (how & 8);
	fds = next_byte(script);
	size = next_byte(script);
	at = next_bytes(script, &size);
	message.size = how & 0x40 ? (uint32_t)size * 3 : (uint32_t)size;
	memcpy(message.payload, at, size);
	send_bytes(&message, 12 + size, fds, how >> 4 & 3);
	receive();
}

static void step(struct script *script)
{
	uint8_t kind = next_byte(script);
	const uint8_t *at;
	size_t size, offset;

	switch (kind % STEPS) {
	case STEP_MESSAGE:
		step_message(script);
		break;
	case STEP_BYTES:
		size = next_byte(script);
		at = next_bytes(script, &size);
		send_bytes(at, size, kind, kind >> 6);
		receive();
		break;
	case STEP_WRITE:
		offset = next_byte(script);
		offset = offset << 8 | next_byte(script);
		size = next_byte(script);
		at = next_bytes(script, &size);
		if (offset + size <= RAM)
			memcpy(world.ram + offset, at, size);
		break;
	case STEP_TURN:
		session_retry(world.session);
		take_turns();
		break;
	case STEP_FREEZE:
		tmem_client_freeze(world.client, kind & 0x80);
		world.disk.frozen = false;
		break;
	default:
		close_session();
		open_session();
		break;
	}
}

static void check_map(void)
{
	uint64_t count[BLOCK_STATES] = {0}, block;

	for (block = 0; block < BLOCKS; block++)
		count[blockmap_get(&world.disk.map, block)]++;
	must(!memcmp(count, world.disk.map.count, sizeof(count)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script script = {data, size};
	uint32_t steps = 0;
	int first, last;

	set_up();
	memset(world.ram, 0, RAM);
	must(!disk_open(&world.disk, world.client, world.worker, BLOCKS, "fuzz", size & 1,
			&world.counters));
	first = dup(world.fds[5]);
	close(first);
	open_session();
	while (script.left && steps++ < SCRIPT_MOST)
		step(&script);
	close_session();
	/* The lowest free descriptor is the one that it was: none was kept. */
	last = dup(world.fds[5]);
	close(last);
	must(first == last);
	check_map();
	tmem_client_freeze(world.client, 0);
	must(!tmem_pool_destroy(world.client, world.worker, world.disk.pool));
	disk_close(&world.disk);
	while (tmem_engine_step(world.engine, world.worker, 64))
		;
	if (++world.inputs % 64 == 0)
		must(!tmem_engine_check(world.engine, NULL));
	return 0;
}
