// SPDX-License-Identifier: MIT
/*
 * From a request to the engine and back. What is refused, is refused with one
 * status for the whole of it, before any page was touched; what is carried
 * out has a result for each page.
 */
#include "device.h"
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

/* Steps of background work that a pool's number waits for, for each page's worth of a turn. */
#define SWEEP_STEPS 4

#define ANSWER_MAX (sizeof(struct tmem_rep) + TMEM_WIRE_RESULTS(TMEM_WIRE_BATCH))

struct device_request {
	struct service_request common;
	struct tmem_wire_request wire; /* if status is 0 */
	int32_t status;
	uint32_t next; /* page, of those that have some */
	uint32_t done;
	uint64_t value;
	struct chain_place data; /* of the next page */
	struct tmem_op op[TMEM_WIRE_BATCH];
	union {
		struct tmem_hello hello;
		struct tmem_event event;
		struct tmem_stat stat;
	} answer;
};

static const struct service_ops device_ops;

struct device_pages *device_pages_create(void)
{
	return aligned_alloc(_Alignof(struct device_pages), sizeof(struct device_pages));
}

void device_pages_destroy(struct device_pages *pages)
{
	explicit_bzero(pages, sizeof(*pages));
	free(pages);
}

void device_open(struct device *device, const struct device_host *host)
{
	memset(device, 0, sizeof(*device));
	device->service.ops = &device_ops;
	device->host = *host;
}

void device_tell(struct device *device, uint64_t news, uint64_t wanted)
{
	/* Of these two, what holds now. */
	if (news & (TMEM_NEWS_FROZEN | TMEM_NEWS_THAWED))
		device->news &= ~(uint64_t)(TMEM_NEWS_FROZEN | TMEM_NEWS_THAWED);
	device->news |= news;
	if (news & TMEM_NEWS_GIVE)
		device->wanted = wanted;
}

static struct device *device_of(struct service *service)
{
	return (struct device *)(void *)service;
}

static struct device_request *request_of(struct service_request *request)
{
	return (struct device_request *)(void *)request;
}

static uint64_t features(const struct service *service)
{
	return 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_INDIRECT_DESC |
	       1ull << VIRTIO_RING_F_EVENT_IDX;
}

static bool reset(struct service *service)
{
	return false;
}

static bool resume(struct service *service)
{
	return false;
}

/* Whoever drives the rings next must greet, or would take another's pools for its own. */
static void stopped(struct service *service)
{
	struct device *device = device_of(service);

	memset(&device->state, 0, sizeof(device->state));
	device->event_waits = false;
}

static bool holds(const struct service *service, uint16_t queue)
{
	const struct device *device = (const struct device *)(const void *)service;

	return device->event_waits && queue == device->event_queue && !device->news;
}

static uint32_t engine_code(uint8_t op)
{
	switch (op) {
	case TMEM_WIRE_PUT:
		return TMEM_OP_PUT;
	case TMEM_WIRE_GET:
		return TMEM_OP_GET;
	case TMEM_WIRE_FLUSH:
		return TMEM_OP_FLUSH;
	default:
		return 0; /* no pages */
	}
}

static enum latency_op latency_of(uint8_t op)
{
	switch (op) {
	case TMEM_WIRE_PUT:
		return LATENCY_put;
	case TMEM_WIRE_GET:
		return LATENCY_get;
	case TMEM_WIRE_FLUSH:
		return LATENCY_flush;
	case TMEM_WIRE_FLUSH_RANGE:
		return LATENCY_flush_range;
	case TMEM_WIRE_FLUSH_OBJECT:
		return LATENCY_flush_object;
	case TMEM_WIRE_EVENT:
		return LATENCY_NOT_COUNTED;
	default:
		return LATENCY_other;
	}
}

/* The handles of a request with pages; @place is behind the request, and then at its data. */
static enum guest_error name_pages(const struct chain *chain, struct guest_mem *mem,
				   struct device_request *request, struct chain_place *place)
{
	const struct tmem_wire_request *wire = &request->wire;
	uint8_t bytes[sizeof(struct tmem_ent)];
	enum guest_error error;
	uint32_t i;

	for (i = 0; i < wire->count; i++) {
		struct tmem_op *op = &request->op[i];

		op->code = engine_code(wire->op);
		op->count = 0;
		op->handle.pool = wire->pool;
		if (wire->form != TMEM_WIRE_LIST) {
			memcpy(op->handle.object.word, wire->object, sizeof(wire->object));
			op->handle.index = wire->index + i;
			continue;
		}
		error = chain_read(chain, mem, place, bytes, sizeof(bytes));
		if (error)
			return error;
		request->status =
			tmem_wire_judge_entry(bytes, op->handle.object.word, &op->handle.index);
		if (request->status)
			return GUEST_OK;
	}
	return GUEST_OK;
}

/*
 * What is out of turn because of its queue, or of the EVENT that waits. One
 * that was in flight when the ring started is of a connection before this one.
 */
static bool is_in_turn(const struct device *device, const struct service_request *common,
		       uint8_t op)
{
	if (op != TMEM_WIRE_EVENT)
		return common->queue != DEVICE_EVENT_QUEUE;
	if (common->again)
		return device->event_waits && common->queue == device->event_queue;
	return !device->event_waits;
}

static enum guest_error begin(struct service *service, const struct chain *chain,
			      struct guest_mem *mem, struct service_request *common)
{
	struct device_request *request = request_of(common);
	struct device *device = device_of(service);
	uint8_t bytes[sizeof(struct tmem_req)];
	struct chain_place place = chain_readable(chain);
	enum guest_error error;
	int mute;

	common->written = 0;
	common->op = LATENCY_other;
	common->pages = 1;
	request->next = 0;
	request->done = 0;
	request->value = 0;
	memset(bytes, 0, sizeof(bytes));
	if (chain->readable >= sizeof(bytes)) {
		error = chain_read(chain, mem, &place, bytes, sizeof(bytes));
		if (error)
			return error;
	}
	request->status = tmem_wire_judge(bytes, chain->readable, chain->writable, &device->state,
					  &request->wire, &mute);
	if (mute)
		return GUEST_ERROR_request_short;
	if (chain->readable >= sizeof(bytes) && !is_in_turn(device, common, bytes[0]))
		request->status = -TMEM_EPROTO;
	if (request->status)
		return GUEST_OK;
	common->op = latency_of(request->wire.op);
	if (!engine_code(request->wire.op))
		return GUEST_OK;
	common->pages = request->wire.count;
	error = name_pages(chain, mem, request, &place);
	if (request->wire.op == TMEM_WIRE_GET) {
		place = chain_writable(chain);
		chain_skip(chain, &place, request->wire.data_out);
	}
	request->data = place;
	return error;
}

/* Pages that were found, from the buffer to where the guest wants them; others stay untouched. */
static enum guest_error give_pages(struct device *device, const struct chain *chain,
				   struct guest_mem *mem, struct device_request *request,
				   uint32_t count)
{
	uint8_t(*page)[TMEM_PAGE_SIZE] = device->host.pages->page;
	const struct tmem_op *op = &request->op[request->next];
	enum guest_error error = GUEST_OK;
	uint32_t i, run;

	for (i = 0; i < count && !error; i += run) {
		run = 1;
		if (op[i].result) {
			chain_skip(chain, &request->data, TMEM_PAGE_SIZE);
			continue;
		}
		while (i + run < count && !op[i + run].result)
			run++;
		error = chain_write(chain, mem, &request->data, page[i],
				    (size_t)run * TMEM_PAGE_SIZE);
		device->host.counters->pages_out += run;
		device->host.counters->bytes_out += (uint64_t)run * TMEM_PAGE_SIZE;
	}
	return error;
}

static void count_pages(struct device *device, struct device_request *request, uint32_t count)
{
	bool flush = request->wire.op == TMEM_WIRE_FLUSH;
	struct tmem_op *op = &request->op[request->next];
	uint32_t i;

	for (i = 0; i < count; i++)
		request->done += op[i].result == flush;
	if (request->wire.op == TMEM_WIRE_PUT) {
		device->host.counters->pages_in += count;
		device->host.counters->bytes_in += (uint64_t)count * TMEM_PAGE_SIZE;
	}
}

/*
 * Where the engine takes the next @count pages from: the guest's own memory,
 * of which it believes nothing that it has not copied. Only a page that does
 * not lie in one piece goes through the buffer.
 */
static enum guest_error find_pages(struct device *device, const struct chain *chain,
				   struct guest_mem *mem, struct device_request *request,
				   uint32_t count)
{
	uint8_t(*page)[TMEM_PAGE_SIZE] = device->host.pages->page;
	struct tmem_op *op = &request->op[request->next];
	enum guest_error error = GUEST_OK;
	uint32_t i;

	for (i = 0; i < count && !error; i++) {
		op[i].page =
			(void *)(uintptr_t)chain_piece(chain, mem, &request->data, TMEM_PAGE_SIZE);
		if (op[i].page)
			continue;
		op[i].page = page[i];
		error = chain_read(chain, mem, &request->data, page[i], TMEM_PAGE_SIZE);
	}
	return error;
}

/* What was put from memory that went meanwhile is no page: nothing is there then. */
static void take_back(struct device *device, struct tmem_op *op, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		op[i].code = TMEM_OP_FLUSH;
	tmem_batch(device->client, device->host.worker, op, count);
}

static enum guest_error put_pages(struct device *device, const struct chain *chain,
				  struct guest_mem *mem, struct device_request *request,
				  uint32_t count)
{
	struct tmem_op *op = &request->op[request->next];
	enum guest_error error = find_pages(device, chain, mem, request, count);

	if (error)
		return error;
	guest_mem_begin(mem);
	tmem_batch(device->client, device->host.worker, op, count);
	error = guest_mem_end(mem);
	if (error)
		take_back(device, op, count);
	return error;
}

/* Gets, whose pages go through the buffer, and flushes, which have none. */
static enum guest_error get_pages(struct device *device, const struct chain *chain,
				  struct guest_mem *mem, struct device_request *request,
				  uint32_t count)
{
	uint8_t(*page)[TMEM_PAGE_SIZE] = device->host.pages->page;
	struct tmem_op *op = &request->op[request->next];
	uint32_t i;

	for (i = 0; i < count; i++)
		op[i].page = page[i];
	tmem_batch(device->client, device->host.worker, op, count);
	if (request->wire.op != TMEM_WIRE_GET)
		return GUEST_OK;
	return give_pages(device, chain, mem, request, count);
}

/* As many pages as the budget allows. */
static enum guest_error step_pages(struct device *device, const struct chain *chain,
				   struct guest_mem *mem, struct device_request *request,
				   uint32_t *budget)
{
	enum guest_error error = GUEST_OK;
	uint32_t count;

	while (request->next < request->wire.count && *budget && !error) {
		count = request->wire.count - request->next;
		if (count > *budget)
			count = *budget;
		if (count > DEVICE_CHUNK)
			count = DEVICE_CHUNK;
		if (request->wire.op == TMEM_WIRE_PUT)
			error = put_pages(device, chain, mem, request, count);
		else
			error = get_pages(device, chain, mem, request, count);
		count_pages(device, request, count);
		request->next += count;
		*budget -= count;
	}
	return error;
}

static struct tmem_handle handle_of(const struct tmem_wire_request *wire)
{
	struct tmem_handle handle = {.pool = wire->pool, .index = wire->index};

	memcpy(handle.object.word, wire->object, sizeof(wire->object));
	return handle;
}

static int32_t greet(struct device *device, struct device_request *request)
{
	struct tmem_hello *hello = &request->answer.hello;
	int fresh = device->host.greet(device->host.arg, request->wire.arg[0]);

	if (fresh < 0)
		return fresh;
	device->state.greeted = 1;
	device->state.batch = TMEM_WIRE_BATCH;
	device->news = device->frozen ? TMEM_NEWS_FROZEN : 0;
	device->host.counters->hellos++;
	memset(hello, 0, sizeof(*hello));
	hello->version = TMEM_WIRE_VERSION;
	hello->page_size = TMEM_PAGE_SIZE;
	hello->max_batch = TMEM_WIRE_BATCH;
	hello->max_pools = TMEM_POOLS_PER_CLIENT;
	hello->client = device->id;
	hello->epoch = device->host.epoch;
	hello->session = (uint64_t)fresh;
	return 0;
}

/*
 * All sixteen places may be taken by pools that are being swept; the number is
 * given when one is free. False: later, in another turn.
 */
static bool make_pool(struct device *device, struct device_request *request, uint32_t *budget)
{
	const struct tmem_wire_request *wire = &request->wire;
	const struct tmem_pool_config config = {
		.size = sizeof(config),
		.flags = wire->flags,
		.uuid = {wire->arg[0], wire->arg[1]},
		.cookie = wire->cookie,
	};
	int number;

	for (;;) {
		number = tmem_pool_create(device->client, device->host.worker, &config);
		if (number != -TMEM_EAGAIN)
			break;
		if (!tmem_engine_step(device->host.engine, device->host.worker, SWEEP_STEPS))
			break;
		if (!*budget)
			return false;
		--*budget;
	}
	request->status = number < 0 ? number : 0;
	request->value = number < 0 ? 0 : (uint64_t)number;
	return true;
}

static int32_t tell_figures(struct device *device, struct device_request *request)
{
	struct tmem_stat *stat = &request->answer.stat;
	struct tmem_stats all, stats;
	int error = 0;

	tmem_client_stats(device->client, &all);
	stats = all;
	if (request->wire.pool != TMEM_WIRE_ALL_POOLS)
		error = tmem_pool_stats(device->client, request->wire.pool, &stats);
	if (error)
		return error;
	memset(stat, 0, sizeof(*stat));
	stat->ephemeral_pages = stats.ephemeral_pages;
	stat->ephemeral_bytes = stats.ephemeral_bytes;
	stat->persistent_pages = stats.persistent_pages;
	stat->persistent_bytes = stats.persistent_bytes;
	stat->allocation = device->allocation;
	stat->billed = all.billed;
	stat->cap = device->cap;
	stat->puts = stats.puts;
	stat->puts_stored = stats.puts_stored;
	stat->gets = stats.gets;
	stat->gets_hit = stats.gets_hit;
	stat->flushes = stats.flushes;
	stat->flushes_found = stats.flushes_found;
	stat->evicted = stats.evicted;
	stat->lost = stats.gets_lost;
	return 0;
}

static void tell_news(struct device *device, struct device_request *request)
{
	struct tmem_event *event = &request->answer.event;

	memset(event, 0, sizeof(*event));
	event->news = device->news;
	event->allocation = device->allocation;
	event->cap = device->cap;
	event->wanted = device->wanted;
	device->event_waits = false;
	device->news = 0;
	device->wanted = 0;
	device->host.counters->events++;
}

/* A request without pages. False: it goes on in another turn. */
static bool step_other(struct device *device, struct device_request *request, uint32_t *budget)
{
	const struct tmem_wire_request *wire = &request->wire;
	struct tmem_worker *worker = device->host.worker;
	struct tmem_handle handle = handle_of(wire);
	int result;

	switch (wire->op) {
	case TMEM_WIRE_HELLO:
		request->status = greet(device, request);
		break;
	case TMEM_WIRE_NEW_POOL:
		return make_pool(device, request, budget);
	case TMEM_WIRE_DESTROY_POOL:
		request->status = tmem_pool_destroy(device->client, worker, wire->pool);
		break;
	case TMEM_WIRE_FLUSH_RANGE:
		request->status = tmem_flush_range(device->client, worker, &handle, wire->arg[0]);
		break;
	case TMEM_WIRE_FLUSH_OBJECT:
		result = tmem_flush_object(device->client, worker, &handle);
		request->status = result < 0 ? result : 0;
		request->value = result > 0;
		break;
	case TMEM_WIRE_STAT:
		request->status = tell_figures(device, request);
		break;
	default:
		break;
	}
	return true;
}

static size_t put_answer(struct device_request *request, uint8_t *bytes)
{
	int32_t result[TMEM_WIRE_BATCH];
	uint32_t i;

	switch (request->wire.op) {
	case TMEM_WIRE_HELLO:
		tmem_wire_put_hello(bytes, &request->answer.hello);
		return sizeof(struct tmem_hello);
	case TMEM_WIRE_EVENT:
		tmem_wire_put_event(bytes, &request->answer.event);
		return sizeof(struct tmem_event);
	case TMEM_WIRE_STAT:
		tmem_wire_put_stat(bytes, &request->answer.stat);
		return sizeof(struct tmem_stat);
	default:
		break;
	}
	if (!request->wire.results)
		return 0;
	for (i = 0; i < request->wire.count; i++)
		result[i] = request->op[i].result;
	tmem_wire_put_results(bytes, result, request->wire.count);
	return TMEM_WIRE_RESULTS(request->wire.count);
}

static enum guest_error finish(struct device *device, const struct chain *chain,
			       struct guest_mem *mem, struct device_request *request)
{
	struct tmem_rep rep = {.status = request->status};
	struct chain_place place = chain_writable(chain);
	uint8_t bytes[ANSWER_MAX];
	size_t length = sizeof(rep);

	device->host.counters->requests++;
	request->common.written = sizeof(rep);
	if (!request->status) {
		rep.done = request->done;
		rep.value = request->value;
		request->common.written = request->wire.written;
		length += put_answer(request, bytes + sizeof(rep));
	} else {
		device->host.counters->refused++;
	}
	tmem_wire_put_rep(bytes, &rep);
	return chain_write(chain, mem, &place, bytes, length);
}

static enum guest_error step_on(struct service *service, const struct chain *chain,
				struct guest_mem *mem, struct service_request *common,
				uint32_t *budget, enum service_step *step)
{
	struct device_request *request = request_of(common);
	struct device *device = device_of(service);
	enum guest_error error = GUEST_OK;

	*step = SERVICE_MORE;
	if (!*budget)
		return GUEST_OK;
	if (request->status) {
		--*budget;
	} else if (request->wire.op == TMEM_WIRE_EVENT) {
		if (!device->news) {
			device->event_waits = true;
			device->event_queue = common->queue;
			*step = SERVICE_WAIT;
			return GUEST_OK;
		}
		--*budget;
		tell_news(device, request);
	} else if (engine_code(request->wire.op)) {
		error = step_pages(device, chain, mem, request, budget);
		if (error || request->next < request->wire.count)
			return error;
	} else {
		--*budget;
		if (!step_other(device, request, budget))
			return GUEST_OK;
	}
	*step = SERVICE_DONE;
	return finish(device, chain, mem, request);
}

/* An EVENT is answered without news; no other request is ever put aside. */
static enum guest_error refuse(struct service *service, const struct chain *chain,
			       struct guest_mem *mem, struct service_request *common)
{
	struct device_request *request = request_of(common);
	struct device *device = device_of(service);

	if (!request->status && request->wire.op == TMEM_WIRE_EVENT)
		tell_news(device, request);
	else if (!request->status)
		request->status = -TMEM_ESHUTDOWN;
	return finish(device, chain, mem, request);
}

static const struct service_ops device_ops = {
	.request_bytes = sizeof(struct device_request),
	.features = features,
	/* All negotiation is in HELLO: there is no configuration space. */
	.reset = reset,
	.resume = resume,
	.stopped = stopped,
	.holds = holds,
	.begin = begin,
	.step = step_on,
	.refuse = refuse,
};
