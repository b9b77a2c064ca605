/* SPDX-License-Identifier: MIT */
/* Disks over a pool, through a front-end of our own: section 4 of the contract, and rule 11. */
#include <stdlib.h>
#include <string.h>

#include "case.h"
#include "frontend.h"

#define BLOCKS	1024u
#define SECTORS 8u /* of a block */

struct disk {
	struct rig *rig;
	int client;
	struct frontend fe;
};

static struct disk *disk_start(const struct backend *backend, uint32_t queues)
{
	struct disk *disk = calloc(1, sizeof(*disk));
	const char *socket;

	MUST(disk != NULL);
	disk->rig = case_start(backend, 0, 1);
	disk->client = backend->disk_create(disk->rig, (uint64_t)BLOCKS * TMEM_PAGE_SIZE, &socket);
	fe_init(&disk->fe, socket, NULL, NULL);
	MUST_EQ(fe_up(&disk->fe, queues, true), 0);
	return disk;
}

static void disk_stop(struct disk *disk)
{
	rig_check(disk->rig);
	fe_close(&disk->fe);
	rig_stop(disk->rig);
	free(disk);
}

static void must_write(struct disk *disk, uint64_t block, uint64_t seed)
{
	MUST_EQ(fe_write(&disk->fe, 0, block, seed), FE_OK);
}

/* @seed 0: zeros. */
static void must_hold(struct disk *disk, uint64_t block, uint64_t seed)
{
	bool same = false;

	MUST_EQ(fe_read(&disk->fe, 0, block, seed, &same), FE_OK);
	if (!same)
		FAIL("block %" PRIu64 " is not what was written to it", block);
}

static void must_be_lost(struct disk *disk, uint64_t block)
{
	bool same;

	MUST_EQ(fe_read(&disk->fe, 0, block, 0, &same), FE_IOERR);
}

static void must_range(struct disk *disk, uint32_t type, uint32_t block, uint32_t blocks)
{
	MUST_EQ(fe_range(&disk->fe, 0, type, block * SECTORS, blocks * SECTORS, 0), FE_OK);
}

static void disk_s_requests_are_whole_blocks(const struct backend *backend)
{
	static const struct {
		uint64_t sector;
		uint32_t bytes;
	} wrong[] = {
		{1, 4096},
		{7, 4096},
		{0, 512},
		{0, 4096 + 512},
		{BLOCKS * SECTORS, 4096},
		{BLOCKS * SECTORS - SECTORS, 8192},
		{UINT64_MAX / 512, 4096},
		{UINT64_MAX, 4096},
	};
	struct disk *disk = disk_start(backend, 1);
	static uint8_t data[8192];
	unsigned int i;

	MUST_EQ(disk->fe.config_capacity, BLOCKS * SECTORS);
	must_write(disk, 0, 3);
	must_write(disk, BLOCKS - 1, 4);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		MUST_EQ(fe_io(&disk->fe, 0, FE_OUT, wrong[i].sector, data, wrong[i].bytes),
			FE_IOERR);
		MUST_EQ(fe_io(&disk->fe, 0, FE_IN, wrong[i].sector, data, wrong[i].bytes),
			FE_IOERR);
	}
	must_hold(disk, 0, 3);
	must_hold(disk, 1, 0);
	must_hold(disk, BLOCKS - 1, 4);
	disk_stop(disk);
}

/* Two queues write one block at once: what is read then is one of the two, whole. */
static void block_is_written_whole(const struct backend *backend)
{
	struct disk *disk = disk_start(backend, 2);
	uint8_t page[2][TMEM_PAGE_SIZE];
	uint64_t round;
	uint32_t queue;

	for (round = 1; round <= 300; round++) {
		uint64_t block = round % 5;
		uint16_t head[2];
		bool same[2];

		for (queue = 0; queue < 2; queue++) {
			fe_fill(page[queue], block, round * 2 + queue);
			head[queue] = fe_submit(&disk->fe, queue, FE_OUT, block * SECTORS,
						page[queue], TMEM_PAGE_SIZE);
		}
		for (queue = 0; queue < 2; queue++)
			fe_kick(&disk->fe, queue);
		for (queue = 0; queue < 2; queue++) {
			MUST_EQ(fe_wait(&disk->fe, queue), head[queue]);
			MUST_EQ(fe_status(&disk->fe, queue, head[queue]), FE_OK);
			fe_release(&disk->fe, queue, head[queue]);
		}
		for (queue = 0; queue < 2; queue++)
			MUST_EQ(fe_read(&disk->fe, 0, block, round * 2 + queue, &same[queue]),
				FE_OK);
		MUST(same[0] != same[1]);
	}
	disk_stop(disk);
}

static void block_is_empty_or_stored(const struct backend *backend)
{
	struct disk *disk = disk_start(backend, 1);
	uint32_t i;

	for (i = 0; i < BLOCKS; i += 31)
		must_hold(disk, i, 0);
	for (i = 0; i < 300; i++)
		must_write(disk, i * 7 % BLOCKS, 1000 + i);
	for (i = 0; i < 300; i++)
		must_hold(disk, i * 7 % BLOCKS, 1000 + i);
	for (i = 0; i < 300; i += 3)
		must_range(disk, FE_DISCARD, i * 7 % BLOCKS, 1);
	for (i = 0; i < 300; i++)
		must_hold(disk, i * 7 % BLOCKS, i % 3 ? 1000 + i : 0);
	MUST_EQ(rig_stats(disk->rig, disk->client, -1).persistent_pages, 200);
	disk_stop(disk);
}

static void blocks_of_a_host_that_came_back_empty_are_errors(const struct backend *backend)
{
	struct disk *disk = disk_start(backend, 1);

	must_write(disk, 5, 5);
	disk->rig->backend->kill(disk->rig);
	fe_disconnect(&disk->fe);
	/* The guest goes on. It was told nothing, and no block may be taken for one that is known. */
	MUST_EQ(fe_up(&disk->fe, 1, false), 0);
	must_be_lost(disk, 5);
	must_be_lost(disk, 6);
	must_be_lost(disk, BLOCKS - 1);
	must_write(disk, 5, 6);
	must_hold(disk, 5, 6);
	must_range(disk, FE_DISCARD, 6, 1);
	must_hold(disk, 6, 0);
	must_range(disk, FE_ZEROES, 7, 1);
	must_hold(disk, 7, 0);
	must_be_lost(disk, 8);
	/* Going on once more changes nothing; a guest that boots has a new disk, but for what it wrote. */
	fe_disconnect(&disk->fe);
	MUST_EQ(fe_up(&disk->fe, 1, false), 0);
	must_be_lost(disk, 8);
	must_hold(disk, 5, 6);
	fe_disconnect(&disk->fe);
	MUST_EQ(fe_up(&disk->fe, 1, true), 0);
	must_hold(disk, 8, 0);
	must_hold(disk, 5, 6);
	disk_stop(disk);
}

static void zeroes_and_discards_take_exactly_their_blocks(const struct backend *backend)
{
	static const uint32_t types[] = {FE_ZEROES, FE_DISCARD};
	struct disk *disk = disk_start(backend, 1);
	uint32_t t, i;

	for (t = 0; t < 2; t++) {
		for (i = 0; i < 200; i++)
			must_write(disk, i, 2000 + i);
		must_range(disk, types[t], 50, 100);
		MUST_EQ(fe_io(&disk->fe, 0, FE_FLUSH, 0, NULL, 0), FE_OK);
		for (i = 0; i < 200; i++)
			must_hold(disk, i, i >= 50 && i < 150 ? 0 : 2000 + i);
		MUST_EQ(fe_range(&disk->fe, 0, types[t], 1, SECTORS, 0), FE_IOERR);
		MUST_EQ(fe_range(&disk->fe, 0, types[t], 0, BLOCKS * SECTORS + SECTORS, 0),
			FE_IOERR);
		must_hold(disk, 0, 2000);
	}
	disk_stop(disk);
}

static void contents_outlive_reset_and_reconnection(const struct backend *backend)
{
	struct disk *disk = disk_start(backend, 1);
	uint32_t i, again;

	for (i = 0; i < BLOCKS; i++)
		must_write(disk, i, 10 + i);
	for (again = 0; again < 2; again++) {
		fe_disconnect(&disk->fe);
		MUST_EQ(fe_up(&disk->fe, 1, again), 0);
		for (i = 0; i < BLOCKS; i++)
			must_hold(disk, i, 10 + i);
	}
	/* A discard of everything empties it, and its memory comes back in steps. */
	must_range(disk, FE_DISCARD, 0, BLOCKS);
	for (i = 0; i < BLOCKS; i++)
		must_hold(disk, i, 0);
	rig_settle(disk->rig);
	MUST_EQ(rig_stats(disk->rig, disk->client, -1).persistent_pages, 0);
	for (i = 0; i < BLOCKS; i++)
		must_write(disk, i, 20 + i);
	disk_stop(disk);
}

static void full_disk_takes_every_rewrite(const struct backend *backend)
{
	struct disk *disk = disk_start(backend, 1);
	uint32_t round, i;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < BLOCKS; i++)
			must_write(disk, i, (uint64_t)round * BLOCKS + i + 1);
		rig_check(disk->rig);
	}
	for (i = 0; i < BLOCKS; i++)
		must_hold(disk, i, 2 * BLOCKS + i + 1);
	disk_stop(disk);
}

static void frozen_writes_wait_and_reads_go_on(const struct backend *backend)
{
	struct disk *disk = disk_start(backend, 2);
	uint8_t page[TMEM_PAGE_SIZE];
	uint16_t head, answered;
	bool same;

	must_write(disk, 1, 1);
	must_write(disk, 2, 2);
	disk->rig->backend->freeze(disk->rig, disk->client, true);
	answered = fe_used_index(&disk->fe, 0);
	fe_fill(page, 1, 11);
	head = fe_submit(&disk->fe, 0, FE_OUT, SECTORS, page, TMEM_PAGE_SIZE);
	fe_kick(&disk->fe, 0);
	/* Another queue's reads and discards go on; when they are answered the write was looked at. */
	MUST_EQ(fe_read(&disk->fe, 1, 2, 2, &same), FE_OK);
	MUST(same);
	MUST_EQ(fe_range(&disk->fe, 1, FE_DISCARD, 2 * SECTORS, SECTORS, 0), FE_OK);
	MUST_EQ(fe_read(&disk->fe, 1, 2, 0, &same), FE_OK);
	MUST(same);
	MUST_EQ(fe_used_index(&disk->fe, 0), answered);
	disk->rig->backend->freeze(disk->rig, disk->client, false);
	MUST_EQ(fe_wait(&disk->fe, 0), head);
	MUST_EQ(fe_status(&disk->fe, 0, head), FE_OK);
	fe_release(&disk->fe, 0, head);
	must_hold(disk, 1, 11);
	disk_stop(disk);
}

static void blocks_of_a_disk_that_is_gone_are_nowhere(const struct backend *backend)
{
	static const char secret[] = "what a guest had in its swap";
	struct disk *disk = disk_start(backend, 1);
	struct rig *rig = disk->rig;
	uint8_t block[TMEM_PAGE_SIZE];
	int other = rig_client(rig, 1u << 20);
	uint32_t i, pool = rig_pool(rig, other, TMEM_POOL_PERSISTENT);
	size_t at;

	MUST_EQ(rig->backend->set_codec(rig, other, TMEM_CODEC_LZ4), 0);
	for (i = 0; i < 200; i++) {
		fe_fill(block, i, 30 + i);
		for (at = 0; at + sizeof(secret) <= sizeof(block); at += 128)
			memcpy(block + at, secret, sizeof(secret));
		MUST_EQ(fe_io(&disk->fe, 0, FE_OUT, i * SECTORS, block, sizeof(block)), FE_OK);
	}
	MUST_LE(200, rig->backend->find(rig, secret, sizeof(secret)));
	fe_close(&disk->fe);
	rig->backend->client_destroy(rig, 0, disk->client);
	rig_settle(rig);
	/* Whoever copies or codes a page has the last one at hand; another's takes its place. */
	for (i = 0; i < 200; i++)
		MUST_EQ(rig_put(rig, other, rig_handle(pool, 1, i), page_tag(PAGE_TEXT, i)), 0);
	MUST_EQ(rig->backend->find(rig, secret, sizeof(secret)), 0);
	rig_stop(rig);
	free(disk);
}

#define NEEDS (CAN_WIRE | CAN_STATS)

const struct conformance_case cases_disks[] = {
	{"4a", "disk-s-requests-are-whole-blocks", NEEDS, disk_s_requests_are_whole_blocks},
	{"4b", "block-is-written-whole", NEEDS, block_is_written_whole},
	{"4c", "block-is-empty-or-stored", NEEDS, block_is_empty_or_stored},
	{"4d", "blocks-of-a-host-that-came-back-empty-are-errors", NEEDS,
	 blocks_of_a_host_that_came_back_empty_are_errors},
	{"4e", "zeroes-and-discards-take-exactly-their-blocks", NEEDS,
	 zeroes_and_discards_take_exactly_their_blocks},
	{"4f", "contents-outlive-reset-and-reconnection", NEEDS,
	 contents_outlive_reset_and_reconnection},
	{"4g", "full-disk-takes-every-rewrite", NEEDS, full_disk_takes_every_rewrite},
	{"3.11", "frozen-writes-wait-and-reads-go-on", NEEDS, frozen_writes_wait_and_reads_go_on},
	{"3.16", "blocks-of-a-disk-that-is-gone-are-nowhere", NEEDS,
	 blocks_of_a_disk_that_is_gone_are_nowhere},
	{NULL, NULL, 0, NULL},
};
