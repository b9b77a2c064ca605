// SPDX-License-Identifier: MIT
/*
 * Fuzzer of the tmem device: the input is a script of requests, good ones bent
 * a little, on chains that are cut in odd places, with news, freezes and
 * stopped rings between them.
 *
 * Each request must come to an end in bounded turns, its answer must fit its
 * chain and carry a code of the protocol, and the engine's own check must hold.
 */
#include "arena.h"
#include "device.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAM	      (1u << 20)
#define WRITABLE_AT   (RAM / 2)
#define REQUESTS_MOST 64
#define STEPS_MOST    64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What goes before each request of the script. */
enum {
	CTL_EVENTS = 1,	  /* it comes by the queue of events */
	CTL_NEWS = 2,	  /* there is news */
	CTL_CUT = 4,	  /* its chain is in many pieces */
	CTL_AGAIN = 8,	  /* it had been put aside */
	CTL_LENGTHS = 16, /* the lengths are the script's, not those that fit */
	CTL_FREEZE = 32,
	CTL_STOP = 64, /* the rings stopped; a good HELLO follows */
	CTL_REFUSE = 128
};

static struct {
	struct tmem_arena *arena;
	struct tmem_engine *engine;
	struct tmem_worker *worker;
	struct tmem_client *client;
	struct device device;
	struct guest_counters counters;
	struct guest_mem mem;
	struct chain chain;
	struct service_request *request;
	uint8_t *ram;
	uint64_t inputs;
} world;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static int greet(void *arg, uint64_t nonce)
{
	return tmem_client_session(world.client, world.worker, nonce);
}

static void make_engine(void)
{
	const struct tmem_arena_config arena = {.size = sizeof(arena), .bytes = 64ull << 20};
	const struct tmem_client_config client = {
		.size = sizeof(client), .allocation = 4ull << 20, .cap = 4ull << 20};
	struct tmem_config config = {
		.size = sizeof(config),
		.workers = 1,
		.capacity = 64ull << 20,
		.persistent = 32ull << 20,
		.host_ops = &tmem_arena_ops,
	};

	must(!tmem_arena_create(&arena, &world.arena));
	config.host = world.arena;
	must(!tmem_engine_create(&config, &world.engine));
	must(!tmem_worker_create(world.engine, &world.worker));
	must(!tmem_client_create(world.engine, world.worker, &client, &world.client));
}

static void set_up(void)
{
	int fd;

	if (world.engine)
		return;
	make_engine();
	must(!guest_mem_setup());
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	must(fd >= 0 && !ftruncate(fd, RAM));
	world.ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(world.ram != MAP_FAILED);
	guest_mem_init(&world.mem);
	must(!guest_mem_add(&world.mem, 0, 0, RAM, 0, fd));
	close(fd);
}

static void open_device(void)
{
	struct device_host host = {
		.engine = world.engine,
		.worker = world.worker,
		.pages = world.device.host.pages,
		.counters = &world.counters,
		.epoch = 1,
		.greet = greet,
	};

	if (!host.pages)
		host.pages = device_pages_create();
	must(host.pages != NULL);
	device_open(&world.device, &host);
	world.device.client = world.client;
	if (!world.request)
		world.request = calloc(1, world.device.service.ops->request_bytes);
	must(world.request != NULL);
}

static void add_segments(uint32_t at, uint32_t length, bool cut)
{
	uint32_t part;

	while (length) {
		part = cut && world.chain.count < 200 && length > 1000 ? length / 3 - 1 : length;
		world.chain.segment[world.chain.count].guest = at;
		world.chain.segment[world.chain.count].length = part;
		world.chain.count++;
		at += part;
		length -= part;
	}
}

static void make_chain(uint32_t readable, uint32_t writable, bool cut)
{
	memset(&world.chain, 0, offsetof(struct chain, segment));
	world.chain.readable = readable;
	world.chain.writable = writable;
	add_segments(0, readable, cut);
	world.chain.first_writable = world.chain.count;
	add_segments(WRITABLE_AT, writable, cut);
}

static bool is_code(int32_t status)
{
	switch (-status) {
	case 0:
	case TMEM_EAGAIN:
	case TMEM_ENOMEM:
	case TMEM_EACCES:
	case TMEM_EEXIST:
	case TMEM_ENODEV:
	case TMEM_EINVAL:
	case TMEM_ENOSPC:
	case TMEM_EPROTO:
	case TMEM_EOVERFLOW:
	case TMEM_EOPNOTSUPP:
	case TMEM_ESHUTDOWN:
		return true;
	default:
		return false;
	}
}

static void check_answer(void)
{
	struct tmem_rep rep;

	must(world.request->written >= sizeof(rep));
	must(world.request->written <= world.chain.writable);
	tmem_wire_get_rep(&rep, world.ram + WRITABLE_AT);
	must(is_code(rep.status));
	must(!rep.status || (world.request->written == sizeof(rep) && !rep.done && !rep.value));
	must(rep.status || world.request->written == world.chain.writable);
}

static void serve(uint8_t ctl)
{
	struct service *service = &world.device.service;
	uint32_t steps, budget, given;
	enum service_step step;
	uint64_t moved;

	world.request->queue = ctl & CTL_EVENTS ? DEVICE_EVENT_QUEUE : 1;
	world.request->again = ctl & CTL_AGAIN;
	if (service->ops->begin(service, &world.chain, &world.mem, world.request)) {
		must(world.chain.writable < sizeof(struct tmem_rep));
		return;
	}
	if (ctl & CTL_REFUSE) {
		must(!service->ops->refuse(service, &world.chain, &world.mem, world.request));
		check_answer();
		return;
	}
	for (steps = 0; steps < STEPS_MOST; steps++) {
		given = budget = 1 + steps * 7 % GUEST_TURN_PAGES;
		moved = world.counters.pages_in + world.counters.pages_out;
		must(!service->ops->step(service, &world.chain, &world.mem, world.request, &budget,
					 &step));
		must(world.counters.pages_in + world.counters.pages_out - moved <= given);
		if (step == SERVICE_WAIT) {
			must(service->ops->holds(service, world.request->queue));
			return;
		}
		if (step == SERVICE_DONE) {
			check_answer();
			return;
		}
		must(!budget);
	}
	abort();
}

static void hello(void)
{
	const struct tmem_req req = {
		.op = TMEM_WIRE_HELLO,
		.count = 1,
		.pool = TMEM_WIRE_VERSIONS(TMEM_WIRE_VERSION, TMEM_WIRE_VERSION),
		.object = {TMEM_WIRE_MAGIC},
		.index = TMEM_PAGE_SIZE,
		.arg = {7},
	};

	tmem_wire_put_req(world.ram, &req);
	make_chain(sizeof(req), sizeof(struct tmem_rep) + sizeof(struct tmem_hello), false);
	serve(0);
	must(world.device.state.greeted);
}

static uint32_t bounded(uint64_t length)
{
	return length < WRITABLE_AT ? (uint32_t)length : WRITABLE_AT;
}

/* One step of the script; the bytes used. */
static size_t play(const uint8_t *data, size_t size)
{
	uint8_t bytes[4 + sizeof(struct tmem_req)] = {0};
	size_t used = size < sizeof(bytes) ? size : sizeof(bytes), rest;
	uint32_t readable, writable;
	uint8_t ctl;

	memcpy(bytes, data, used);
	ctl = bytes[0];
	if (ctl & CTL_NEWS)
		device_tell(&world.device, 1ull << bytes[1] % 5, bytes[2]);
	tmem_client_freeze(world.client, ctl & CTL_FREEZE);
	if (ctl & CTL_STOP) {
		world.device.service.ops->stopped(&world.device.service);
		hello();
	}
	memcpy(world.ram, bytes + 4, sizeof(struct tmem_req));
	rest = size - used < 2048 ? size - used : 2048;
	memset(world.ram + sizeof(struct tmem_req), 0, 2048);
	memcpy(world.ram + sizeof(struct tmem_req), data + used, rest);
	if (ctl & CTL_LENGTHS) {
		readable = bytes[1] * 33u;
		writable = bytes[2] * 3u;
	} else {
		struct tmem_wire_request wire = {.op = bytes[4] % TMEM_WIRE_OPS,
						 .form = bytes[5] % 3,
						 .count = (uint16_t)(bytes[6] | bytes[7] << 8)};

		tmem_wire_layout(&wire);
		readable = bounded(wire.read);
		writable = bounded(wire.written);
	}
	make_chain(readable, writable, ctl & CTL_CUT);
	serve(ctl);
	return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t requests = 0;
	size_t used;

	set_up();
	open_device();
	(void)tmem_client_session(world.client, world.worker, world.inputs);
	while (size && requests++ < REQUESTS_MOST) {
		used = play(data, size);
		data += used;
		size -= used;
	}
	tmem_client_freeze(world.client, 0);
	(void)tmem_client_session(world.client, world.worker, ~world.inputs);
	while (tmem_engine_step(world.engine, world.worker, 64))
		;
	if (++world.inputs % 64 == 0)
		must(!tmem_engine_check(world.engine, NULL));
	return 0;
}
