// SPDX-License-Identifier: MIT
/*
 * Fuzzer of descriptor chains: the input is the memory of a guest, rings
 * first, and the queue is served until it is empty, wrong, or has had its
 * turns. What passes the judge must keep its promises: every buffer lies in
 * memory, readable ones come first, and the sums are right.
 */
#include "arena.h"
#include "disk.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAM	      0x10000u
#define GUEST_BASE    0x1000u
#define USER_BASE     0x100000u
#define BLOCKS	      2048u
#define REQUESTS_MOST 64
#define STEPS_MOST    64
#define HEAD	      4 /* bytes before the memory image */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	struct tmem_arena *arena;
	struct tmem_engine *engine;
	struct tmem_worker *worker;
	struct tmem_client *client;
	struct disk disk;
	struct guest_counters counters;
	struct guest_mem mem;
	struct inflight inflight;
	struct virtqueue queue;
	struct disk_request request;
	uint8_t *ram;
	int ram_fd;
	uint64_t inputs;
} world;

static void must(bool ok)
{
	if (!ok)
		abort();
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
	if (world.engine)
		return;
	make_engine();
	must(!guest_mem_setup());
	world.ram_fd = memfd_create("ram", 0);
	must(world.ram_fd >= 0 && !ftruncate(world.ram_fd, RAM));
	world.ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, world.ram_fd, 0);
	must(world.ram != MAP_FAILED);
}

static void check_chain(void)
{
	const struct chain *chain = &world.queue.chain;
	uint64_t readable = 0, writable = 0;
	uint16_t i;

	must(chain->count <= VIRTQUEUE_SIZE_MAX && chain->first_writable <= chain->count);
	for (i = 0; i < chain->count; i++) {
		const struct chain_segment *segment = &chain->segment[i];

		must(guest_mem_holds(&world.mem, segment->guest, segment->length));
		must(segment->length <= RAM);
		if (i < chain->first_writable)
			readable += segment->length;
		else
			writable += segment->length;
	}
	must(readable == chain->readable && writable == chain->writable);
}

/* False: the session would end. */
static bool serve(uint16_t head)
{
	uint32_t steps, budget;
	enum service_step step;
	struct service *service = &world.disk.service;

	if (virtqueue_load(&world.queue, head))
		return false;
	check_chain();
	if (service->ops->begin(service, &world.queue.chain, &world.mem, &world.request.common))
		return false;
	for (steps = 0; steps < STEPS_MOST; steps++) {
		budget = GUEST_TURN_PAGES;
		if (service->ops->step(service, &world.queue.chain, &world.mem,
				       &world.request.common, &budget, &step))
			return false;
		must(budget < GUEST_TURN_PAGES);
		must(step != SERVICE_WAIT);
		must(world.request.common.written <= world.queue.chain.writable);
		if (step == SERVICE_DONE)
			return !virtqueue_answer(&world.queue, head,
						 (uint32_t)world.request.common.written);
	}
	return false;
}

static void run_queue(bool event_idx)
{
	uint32_t requests;
	uint16_t head;
	bool found, more, called;

	if (virtqueue_start(&world.queue, event_idx))
		return;
	for (requests = 0; requests < REQUESTS_MOST; requests++) {
		found = virtqueue_waiting(&world.queue, &head);
		if (!found && virtqueue_next(&world.queue, &head, &found))
			return;
		must(world.queue.taken <= world.queue.size);
		if (!found) {
			if (virtqueue_rest(&world.queue, &more) || !more)
				return;
			continue;
		}
		must(head < world.queue.size);
		if (!serve(head) || virtqueue_call(&world.queue, &called))
			return;
	}
}

static void check_map(void)
{
	uint64_t count[BLOCK_STATES] = {0}, block;

	for (block = 0; block < BLOCKS; block++)
		count[blockmap_get(&world.disk.map, block)]++;
	must(!memcmp(count, world.disk.map.count, sizeof(count)));
}

/*
 * Byte 0: size of the ring and whether there is an event index; byte 1: in
 * how many regions the memory lies, and whether the end of it is an
 * in-flight region; bytes 2 and 3: the base.
 */
static void run_input(const uint8_t *data, size_t size)
{
	uint16_t entries = (uint16_t)(1u << data[0] % 11);
	uint32_t avail = entries * 16u, used = (avail + 6u + entries * 2u + 3u) & ~3u, part;
	struct virtqueue_address address = {
		.desc = USER_BASE, .avail = USER_BASE + avail, .used = USER_BASE + used};

	memcpy(world.ram, data + HEAD, size - HEAD < RAM ? size - HEAD : RAM);
	part = data[1] & 1 ? RAM / 2 : RAM;
	must(!guest_mem_add(&world.mem, GUEST_BASE, USER_BASE, part, 0, world.ram_fd));
	if (part < RAM)
		must(!guest_mem_add(&world.mem, GUEST_BASE + part, USER_BASE + part, RAM - part,
				    part, world.ram_fd));
	if (data[1] & 2)
		must(!inflight_open(&world.inflight, world.ram_fd, inflight_size(1, entries),
				    RAM - inflight_size(1, entries), 1, entries));
	virtqueue_init(&world.queue, &world.mem, &world.inflight, 0);
	world.queue.size = entries;
	world.queue.base = (uint16_t)(data[2] | data[3] << 8);
	must(!virtqueue_set_address(&world.queue, &address));
	run_queue(data[0] & 0x80);
	inflight_close(&world.inflight);
	guest_mem_close(&world.mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < HEAD)
		return 0;
	set_up();
	memset(world.ram, 0, RAM);
	must(!disk_open(&world.disk, world.client, world.worker, BLOCKS, "fuzz", data[1] & 4,
			&world.counters));
	guest_mem_init(&world.mem);
	run_input(data, size);
	check_map();
	must(!tmem_pool_destroy(world.client, world.worker, world.disk.pool));
	disk_close(&world.disk);
	while (tmem_engine_step(world.engine, world.worker, 64))
		;
	if (++world.inputs % 64 == 0)
		must(!tmem_engine_check(world.engine, NULL));
	return 0;
}
