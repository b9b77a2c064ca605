// SPDX-License-Identifier: MIT
/*
 * Blocks and requests. A request is judged whole before it has any effect;
 * then it is carried out block by block, each through the disk's one page:
 * guest memory is copied there before the engine sees it, so a guest that
 * changes or unmaps a page during a write cannot tear a block, and a fault
 * in guest memory leaves the block as it was.
 */
#include "disk.h"
#include "log.h"
#include <endian.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdio.h>

#define SECTORS_PER_BLOCK (1u << (DISK_BLOCK_SHIFT - DISK_SECTOR_SHIFT))
#define SEGMENTS_MAX	  126 /* fits, with header and status, in the smallest usual ring, 128 */
#define SECTORS_MAX	  (UINT32_MAX - (SECTORS_PER_BLOCK - 1))

/* Of the virtio-blk configuration, the part that is filled. */
#define CONFIG_BYTES offsetof(struct virtio_blk_config, max_secure_erase_sectors)

static const struct service_ops disk_ops;

int disk_open(struct disk *disk, struct tmem_client *client, struct tmem_worker *worker,
	      uint64_t blocks, const char *name, bool contents_unknown,
	      struct guest_counters *counters)
{
	struct tmem_pool_config pool = {
		.size = sizeof(pool),
		.flags = TMEM_POOL_PERSISTENT,
		.cookie = 1,
	};
	char id[sizeof(disk->id) + 1];
	int number, error;

	memset(disk, 0, sizeof(*disk));
	disk->service.ops = &disk_ops;
	error = blockmap_open(&disk->map, blocks);
	if (error)
		return error;
	number = tmem_pool_create(client, worker, &pool);
	if (number < 0) {
		blockmap_close(&disk->map);
		return number;
	}
	disk->client = client;
	disk->worker = worker;
	disk->pool = (uint32_t)number;
	disk->blocks = blocks;
	disk->untouched_lost = contents_unknown;
	disk->begun = contents_unknown;
	disk->counters = counters;
	memset(id, 0, sizeof(id));
	snprintf(id, sizeof(id), "tmem-%.15s", name);
	memcpy(disk->id, id, sizeof(disk->id));
	return 0;
}

void disk_close(struct disk *disk)
{
	blockmap_close(&disk->map);
}

/*
 * No CONFIG_WCE: a completed write is where it will stay, so there is no
 * cache mode to choose.
 */
static uint64_t features(const struct service *service)
{
	return 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_INDIRECT_DESC |
	       1ull << VIRTIO_RING_F_EVENT_IDX | 1ull << VIRTIO_BLK_F_SEG_MAX |
	       1ull << VIRTIO_BLK_F_BLK_SIZE | 1ull << VIRTIO_BLK_F_TOPOLOGY |
	       1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_MQ | 1ull << VIRTIO_BLK_F_DISCARD |
	       1ull << VIRTIO_BLK_F_WRITE_ZEROES;
}

static const struct disk *const_disk_of(const struct service *service)
{
	return (const struct disk *)(const void *)service;
}

static struct disk *disk_of(struct service *service)
{
	return (struct disk *)(void *)service;
}

static struct disk_request *request_of(struct service_request *request)
{
	return (struct disk_request *)(void *)request;
}

static void fill_config(const struct service *service, uint16_t queues, uint8_t *space,
			size_t bytes)
{
	const struct disk *disk = const_disk_of(service);
	struct virtio_blk_config config;

	memset(&config, 0, sizeof(config));
	config.capacity = htole64(disk->blocks * SECTORS_PER_BLOCK);
	config.seg_max = htole32(SEGMENTS_MAX);
	config.blk_size = htole32(DISK_BLOCK);
	config.min_io_size = htole16(1);
	config.opt_io_size = htole32(1);
	config.wce = 1;
	config.num_queues = htole16(queues);
	config.max_discard_sectors = htole32(SECTORS_MAX);
	config.max_discard_seg = htole32(DISK_RANGES);
	config.discard_sector_alignment = htole32(SECTORS_PER_BLOCK);
	config.max_write_zeroes_sectors = htole32(SECTORS_MAX);
	config.max_write_zeroes_seg = htole32(DISK_RANGES);
	config.write_zeroes_may_unmap = 1;
	memcpy(space, &config, bytes < CONFIG_BYTES ? bytes : CONFIG_BYTES);
}

/* What an earlier daemon lost is nobody's any more. */
static bool reset(struct service *service)
{
	struct disk *disk = disk_of(service);
	bool freed = disk->untouched_lost;

	disk->untouched_lost = false;
	disk->begun = true;
	return freed;
}

/* If it never began with us, its disk's contents are elsewhere, and lost. */
static bool resume(struct service *service)
{
	struct disk *disk = disk_of(service);
	bool lost = !disk->begun;

	if (lost)
		disk->untouched_lost = true;
	disk->begun = true;
	return lost;
}

static void stopped(struct service *service)
{
}

/* A refused put empties its block, and one is enough to find out that it still is frozen. */
static bool holds(const struct service *service, uint16_t queue)
{
	return const_disk_of(service)->frozen;
}

uint64_t disk_blocks_stored(const struct disk *disk)
{
	return disk->map.count[BLOCK_STORED];
}

uint64_t disk_blocks_lost(const struct disk *disk)
{
	return disk->map.count[BLOCK_LOST] +
	       (disk->untouched_lost ? disk->map.count[BLOCK_UNTOUCHED] : 0);
}

uint64_t disk_blocks_empty(const struct disk *disk)
{
	return disk->blocks - disk_blocks_stored(disk) - disk_blocks_lost(disk);
}

static struct tmem_handle handle_of(const struct disk *disk, uint64_t block)
{
	struct tmem_handle handle = {
		.object = {{block / DISK_PIECE, 0, 0}},
		.pool = disk->pool,
		.index = (uint32_t)(block % DISK_PIECE),
	};

	return handle;
}

/* Into disk->page. False: the block is lost. */
static bool read_block(struct disk *disk, uint64_t block)
{
	struct tmem_handle handle;

	switch (blockmap_get(&disk->map, block)) {
	case BLOCK_UNTOUCHED:
		if (disk->untouched_lost)
			return false;
		memset(disk->page, 0, DISK_BLOCK);
		return true;
	case BLOCK_EMPTY:
		memset(disk->page, 0, DISK_BLOCK);
		return true;
	case BLOCK_STORED:
		handle = handle_of(disk, block);
		if (!tmem_get(disk->client, disk->worker, &handle, disk->page))
			return true;
		blockmap_set(&disk->map, block, 1, BLOCK_LOST);
		return false;
	default:
		return false;
	}
}

/* From disk->page. 0, or what tmem_put said; the block is lost then. */
static int write_block(struct disk *disk, uint64_t block)
{
	struct tmem_handle handle = handle_of(disk, block);
	int error = tmem_put(disk->client, disk->worker, &handle, disk->page);

	blockmap_set(&disk->map, block, 1, error ? BLOCK_LOST : BLOCK_STORED);
	return error;
}

/* As much of the range as one step may take: at most to the end of a piece. */
static void empty_blocks(struct disk *disk, struct disk_range *range)
{
	struct tmem_handle handle = handle_of(disk, range->block);
	uint64_t part = DISK_PIECE - handle.index;

	if (part > range->count)
		part = range->count;
	if (part == DISK_PIECE)
		(void)tmem_flush_object(disk->client, disk->worker, &handle);
	else
		(void)tmem_flush_range(disk->client, disk->worker, &handle, part);
	blockmap_set(&disk->map, range->block, part, BLOCK_EMPTY);
	disk->counters->blocks_discarded += part;
	range->block += part;
	range->count -= part;
}

static void fail(struct disk_request *request, uint8_t status)
{
	request->failed = true;
	request->status = status;
}

static enum latency_op latency_of(uint32_t type)
{
	switch (type) {
	case VIRTIO_BLK_T_IN:
		return LATENCY_read;
	case VIRTIO_BLK_T_OUT:
		return LATENCY_write;
	case VIRTIO_BLK_T_FLUSH:
		return LATENCY_flush;
	case VIRTIO_BLK_T_DISCARD:
		return LATENCY_discard;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return LATENCY_write_zeroes;
	default:
		return LATENCY_other;
	}
}

/* Whole blocks, and on the disk. */
static bool judge_blocks(struct disk *disk, struct disk_request *request, uint64_t sector,
			 uint64_t sectors, uint64_t *block, uint64_t *count)
{
	if (sector % SECTORS_PER_BLOCK || sectors % SECTORS_PER_BLOCK || !sectors) {
		disk->counters->failed_unaligned++;
		fail(request, VIRTIO_BLK_S_IOERR);
		return false;
	}
	*block = sector / SECTORS_PER_BLOCK;
	*count = sectors / SECTORS_PER_BLOCK;
	if (*block > disk->blocks || *count > disk->blocks - *block) {
		disk->counters->failed_beyond++;
		fail(request, VIRTIO_BLK_S_IOERR);
		return false;
	}
	return true;
}

static void judge_data(struct disk *disk, struct disk_request *request, uint64_t sector,
		       uint64_t bytes)
{
	if (bytes % DISK_BLOCK) {
		disk->counters->failed_unaligned++;
		fail(request, VIRTIO_BLK_S_IOERR);
		return;
	}
	if (judge_blocks(disk, request, sector, bytes >> DISK_SECTOR_SHIFT, &request->block,
			 &request->left))
		request->common.pages =
			request->left < UINT32_MAX ? (uint32_t)request->left : UINT32_MAX;
}

static enum guest_error judge_ranges(struct disk *disk, const struct chain *chain,
				     struct guest_mem *mem, struct disk_request *request,
				     uint64_t bytes)
{
	struct virtio_blk_discard_write_zeroes segment;
	bool zeroes = request->type == VIRTIO_BLK_T_WRITE_ZEROES;
	uint32_t allowed = zeroes ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;
	enum guest_error error;
	uint32_t i, count;

	if (!bytes || bytes % sizeof(segment) || bytes / sizeof(segment) > DISK_RANGES) {
		disk->counters->failed_malformed++;
		fail(request, VIRTIO_BLK_S_IOERR);
		return GUEST_OK;
	}
	count = (uint32_t)(bytes / sizeof(segment));
	for (i = 0; i < count; i++) {
		error = chain_read(chain, mem, &request->place, &segment, sizeof(segment));
		if (error)
			return error;
		if (le32toh(segment.flags) & ~allowed) {
			disk->counters->failed_malformed++;
			fail(request, VIRTIO_BLK_S_UNSUPP);
			return GUEST_OK;
		}
		if (!judge_blocks(disk, request, le64toh(segment.sector),
				  le32toh(segment.num_sectors), &request->todo[i].block,
				  &request->todo[i].count))
			return GUEST_OK;
	}
	request->ranges = count;
	request->common.pages = count;
	return GUEST_OK;
}

static enum guest_error begin(struct service *service, const struct chain *chain,
			      struct guest_mem *mem, struct service_request *common)
{
	struct disk_request *request = request_of(common);
	struct disk *disk = disk_of(service);
	struct virtio_blk_outhdr header;
	struct chain_place place = chain_readable(chain);
	enum guest_error error;
	uint64_t sector;

	request->failed = false;
	request->status = VIRTIO_BLK_S_OK;
	request->left = 0;
	request->common.written = 0;
	request->common.op = LATENCY_other;
	request->common.pages = 1;
	request->range = 0;
	request->ranges = 0;
	if (chain->readable < sizeof(header) || !chain->writable)
		return GUEST_ERROR_request_short;
	error = chain_read(chain, mem, &place, &header, sizeof(header));
	if (error)
		return error;
	request->type = le32toh(header.type);
	request->common.op = latency_of(request->type);
	sector = le64toh(header.sector);
	switch (request->type) {
	case VIRTIO_BLK_T_IN:
		request->place = chain_writable(chain);
		judge_data(disk, request, sector, chain->writable - 1);
		return GUEST_OK;
	case VIRTIO_BLK_T_OUT:
		request->place = place;
		judge_data(disk, request, sector, chain->readable - sizeof(header));
		return GUEST_OK;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		request->place = place;
		return judge_ranges(disk, chain, mem, request, chain->readable - sizeof(header));
	case VIRTIO_BLK_T_GET_ID:
		request->place = chain_writable(chain);
		return GUEST_OK;
	case VIRTIO_BLK_T_FLUSH:
		return GUEST_OK;
	default:
		fail(request, VIRTIO_BLK_S_UNSUPP);
		return GUEST_OK;
	}
}

static enum guest_error step_read(struct disk *disk, const struct chain *chain,
				  struct guest_mem *mem, struct disk_request *request,
				  uint32_t *budget)
{
	enum guest_error error;

	while (request->left && *budget) {
		--*budget;
		if (!read_block(disk, request->block)) {
			disk->counters->failed_lost++;
#ifdef DISK_ANSWERS_ZEROS_FOR_LOST
			/* Negative control of the tests: what must never be built otherwise. */
			memset(disk->page, 0, DISK_BLOCK);
#else
			fail(request, VIRTIO_BLK_S_IOERR);
			return GUEST_OK;
#endif
		}
		error = chain_write(chain, mem, &request->place, disk->page, DISK_BLOCK);
		if (error)
			return error;
		request->block++;
		request->left--;
		request->common.written += DISK_BLOCK;
		disk->counters->pages_out++;
		disk->counters->bytes_out += DISK_BLOCK;
	}
	return GUEST_OK;
}

static enum guest_error step_write(struct disk *disk, const struct chain *chain,
				   struct guest_mem *mem, struct disk_request *request,
				   uint32_t *budget)
{
	enum guest_error error;
	int refused;

	while (request->left && *budget && !disk->frozen) {
		--*budget;
		error = chain_read(chain, mem, &request->place, disk->page, DISK_BLOCK);
		if (error)
			return error;
		refused = write_block(disk, request->block);
		if (refused == -TMEM_EAGAIN) {
			disk->frozen = true;
			return GUEST_OK;
		}
		if (refused) {
			disk->counters->failed_no_room++;
			fail(request, VIRTIO_BLK_S_IOERR);
			return GUEST_OK;
		}
		request->block++;
		request->left--;
		disk->counters->pages_in++;
		disk->counters->bytes_in += DISK_BLOCK;
	}
	return GUEST_OK;
}

static bool step_ranges(struct disk *disk, struct disk_request *request, uint32_t *budget)
{
	while (request->range < request->ranges) {
		if (!*budget)
			return false;
		--*budget;
		empty_blocks(disk, &request->todo[request->range]);
		if (!request->todo[request->range].count)
			request->range++;
	}
	return true;
}

static enum guest_error answer_id(struct disk *disk, const struct chain *chain,
				  struct guest_mem *mem, struct disk_request *request)
{
	uint64_t room = chain->writable - 1;

	request->common.written = room < sizeof(disk->id) ? room : sizeof(disk->id);
	return chain_write(chain, mem, &request->place, disk->id, (size_t)request->common.written);
}

static void count_answer(struct disk *disk, const struct disk_request *request)
{
	switch (request->type) {
	case VIRTIO_BLK_T_IN:
		disk->counters->reads++;
		break;
	case VIRTIO_BLK_T_OUT:
		disk->counters->writes++;
		break;
	case VIRTIO_BLK_T_FLUSH:
		disk->counters->flushes++;
		break;
	case VIRTIO_BLK_T_GET_ID:
		disk->counters->get_ids++;
		break;
	case VIRTIO_BLK_T_DISCARD:
		disk->counters->discards++;
		break;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		disk->counters->write_zeroes++;
		break;
	default:
		disk->counters->unsupported++;
		break;
	}
}

/* The status byte comes last; a length counts it only if all before it was written. */
static enum guest_error finish(struct disk *disk, const struct chain *chain, struct guest_mem *mem,
			       struct disk_request *request)
{
	if (request->common.written == chain->writable - 1)
		request->common.written++;
	count_answer(disk, request);
	return chain_write_last(chain, mem, request->status);
}

static enum guest_error step_on(struct service *service, const struct chain *chain,
				struct guest_mem *mem, struct service_request *common,
				uint32_t *budget, enum service_step *step)
{
	struct disk_request *request = request_of(common);
	struct disk *disk = disk_of(service);
	enum guest_error error = GUEST_OK;
	bool done = true;

	*step = SERVICE_MORE;
	if (!*budget)
		return GUEST_OK;
	if (request->failed) {
		--*budget;
	} else {
		switch (request->type) {
		case VIRTIO_BLK_T_IN:
			error = step_read(disk, chain, mem, request, budget);
			done = !request->left;
			break;
		case VIRTIO_BLK_T_OUT:
			error = step_write(disk, chain, mem, request, budget);
			done = !request->left;
			break;
		case VIRTIO_BLK_T_DISCARD:
		case VIRTIO_BLK_T_WRITE_ZEROES:
			done = step_ranges(disk, request, budget);
			break;
		case VIRTIO_BLK_T_GET_ID:
			--*budget;
			error = answer_id(disk, chain, mem, request);
			break;
		default:
			--*budget;
			break;
		}
	}
	if (error)
		return error;
	if (!done && !request->failed) {
		if (request->type == VIRTIO_BLK_T_OUT && disk->frozen) {
			*step = SERVICE_WAIT;
			disk->counters->frozen_waits += !common->again;
		}
		return GUEST_OK;
	}
	*step = SERVICE_DONE;
	return finish(disk, chain, mem, request);
}

static enum guest_error refuse(struct service *service, const struct chain *chain,
			       struct guest_mem *mem, struct service_request *common)
{
	struct disk_request *request = request_of(common);
	struct disk *disk = disk_of(service);

	disk->counters->failed_stopped++;
	request->common.written = 0;
	fail(request, VIRTIO_BLK_S_IOERR);
	return finish(disk, chain, mem, request);
}

static const struct service_ops disk_ops = {
	.request_bytes = sizeof(struct disk_request),
	.features = features,
	.config = fill_config,
	.reset = reset,
	.resume = resume,
	.stopped = stopped,
	.holds = holds,
	.begin = begin,
	.step = step_on,
	.refuse = refuse,
};
