/* SPDX-License-Identifier: MIT */
/* Choices, and the random operations that they make: see twin.h. */
#include "codecs.h"
#include "must.h"
#include "page.h"
#include "twin-parts.h"

bool choices_left(const struct choices *choices)
{
	return !choices->data || choices->left > 0;
}

uint64_t choose(struct choices *choices, uint64_t limit)
{
	uint64_t value = 0;
	uint64_t most = limit - 1;

	if (!choices->data) {
		unsigned int bytes = 0;

		value = rng_below(&choices->state, limit);
		for (; choices->record && most; most >>= 8)
			bytes++;
		while (bytes--)
			fputc((int)(value >> (8 * bytes) & 0xff), choices->record);
		return value;
	}
	for (; most; most >>= 8) {
		value <<= 8;
		if (choices->left) {
			value |= *choices->data++;
			choices->left--;
		}
	}
	return value % limit;
}

/* A few objects and indexes often, all others seldom; now and then a far one. */
static struct tmem_handle random_handle(struct twin *twin, unsigned int client,
					struct choices *choices)
{
	const struct twin_client *c = &twin->client[client];
	static const uint32_t far[] = {63, 64, 4096, 0x40000000, 0x80000000, 0xffffffff};
	struct tmem_handle h;
	uint32_t pool = (uint32_t)choose(choices, 64), i;

	/* Mostly a pool that is there: they were counted when they were made. */
	if (pool < 62 && c->pools)
		for (i = 0, pool %= c->pools; twin_kind(twin, client, i) == NO_POOL || pool--; i++)
			;
	else
		i = pool;
	pool = i;
	h = rig_handle(pool, choose(choices, 8) ? choose(choices, 3) : choose(choices, 64),
		       (uint32_t)(choose(choices, 8) ? choose(choices, 20) : choose(choices, 256)));
	if (choose(choices, 32) == 0)
		h.index = far[choose(choices, 6)];
	if (choose(choices, 16) == 0)
		h.object.word[choose(choices, 3)] ^= 1ull << choose(choices, 64);
	return h;
}

static const uint8_t codecs[] = {TMEM_CODEC_RAW,    TMEM_CODEC_LZ4, TMEM_CODEC_SMALL,
				 TMEM_CODEC_VECTOR, CODEC_MUTE,	    TMEM_CODEC_LZ4};
#define CODECS (sizeof(codecs) / sizeof(codecs[0]))

/* Puts of a batch are more than single ones only where pages stay as they are. */
static uint8_t random_codec(const struct twin *twin, struct choices *choices)
{
	if (twin->batching && choose(choices, 2))
		return TMEM_CODEC_RAW;
	return codecs[choose(choices, CODECS)];
}

/* Two of each kind, and most of the shared ones. */
static void usual_pools(struct twin *twin, unsigned int client, struct choices *choices)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		twin_pool_create(twin, client, i & 1 ? 0 : TMEM_POOL_PERSISTENT);
	for (i = 0; i < TWIN_SHARED && twin->sharing; i++) {
		uint64_t how = choose(choices, 8);

		if (how)
			twin_grant(twin, client, i);
		if (how > 1)
			twin_join(twin, client, i);
	}
}

/* Often none; else all sizes, and mostly one that bites. */
static uint64_t random_cap(struct choices *choices)
{
	switch (choose(choices, 8)) {
	case 0:
		return 1;
	case 1:
		return ~0ull - choose(choices, 2);
	case 2:
		return 1 + choose(choices, 1u << 17);
	case 3:
		return 1 + choose(choices, 1u << 22);
	default:
		return 0;
	}
}

static void random_life(struct twin *twin, unsigned int client, struct choices *choices)
{
	/* The third client is a small one, the fourth a smaller one. */
	uint64_t allocation = twin->rig->setup.persistent / (client < 2 ? 3 : client == 2 ? 8 : 16);

	twin_client_destroy(twin, client);
	twin_client_create(twin, client, allocation, random_codec(twin, choices));
	if (twin->sharing) {
		twin_weight(twin, client, 1 + (uint32_t)choose(choices, 1000));
		twin_cap(twin, client, random_cap(choices));
	}
	usual_pools(twin, client, choices);
}

static uint64_t random_allocation(struct twin *twin, unsigned int client, struct choices *choices)
{
	uint64_t now = twin->client[client].allocation, most = twin->rig->setup.persistent;

	switch (choose(choices, 4)) {
	case 0:
		return choose(choices, most / 2);
	case 1:
		return now + choose(choices, most / 16);
	case 2:
		/* Around what it is billed for. */
		return rig_stats(twin->rig, twin->client[client].number, -1).billed +
		       choose(choices, 3) - 1;
	default:
		return choose(choices, 16) ? now - choose(choices, now + 1) : ~0ull;
	}
}

/* What seldom happens to who shares, or by an administrator; @what is below 840. */
static void random_change(struct twin *twin, unsigned int client, uint32_t pool, uint32_t what,
			  struct choices *choices)
{
	unsigned int which = (unsigned int)choose(choices, TWIN_SHARED);

	if (what < 80)
		twin_grant(twin, client, which);
	else if (what < 140)
		twin_revoke(twin, client, which, choose(choices, 2) == 0);
	else if (what < 340)
		twin_join(twin, client, which);
	else if (what < 360)
		twin_join_wrongly(twin, client, which, (unsigned int)choose(choices, 8));
	else if (what < 420)
		twin_pool_destroy(twin, client, (uint32_t)twin->client[client].member[which]);
	else if (what < 480)
		twin_weight(twin, client, (uint32_t)choose(choices, 10003));
	else if (what < 560)
		twin_cap(twin, client, random_cap(choices));
	else if (what < 640)
		twin_allocation(twin, client, random_allocation(twin, client, choices));
	else if (what < 680)
		twin_pool_codec(twin, client, pool, random_codec(twin, choices));
	else if (what < 700)
		twin_client_reclaim(twin, client, choose(choices, 1u << 20));
	else if (what < 720)
		twin_reclaim(twin, choose(choices, 1u << 20));
	else
		twin->rig->backend->step(twin->rig, 0, (uint32_t)choose(choices, 8));
}

/* What seldom happens; @what is below 1600. */
static void random_event(struct twin *twin, unsigned int client, uint32_t pool, uint32_t what,
			 struct choices *choices)
{
	struct rig *rig = twin->rig;

	if (what < 4) {
		random_life(twin, client, choices);
	} else if (what < 8) {
		if (twin_session(twin, client, choose(choices, 2)))
			usual_pools(twin, client, choices);
	} else if (what < 20) {
		twin_pool_destroy(twin, client, pool);
		twin_pool_create(twin, client, (uint32_t)choose(choices, 2));
	} else if (what < 30) {
		twin_pool_create(twin, client, (uint32_t)choose(choices, 2));
	} else if (what < 50) {
		twin_freeze(twin, client, true);
	} else if (what < 600) {
		twin_freeze(twin, client, false);
	} else if (what < 700) {
		twin_codec(twin, client, random_codec(twin, choices));
	} else if (what < 720) {
		rig->backend->reclaim(rig, 0, choose(choices, 1u << 20));
	} else if (what < 740) {
		rig->backend->set_capacity(rig, rig->setup.capacity -
							choose(choices, rig->setup.capacity / 8));
	} else if (what < 760) {
		twin_settle(twin);
	} else if (twin->sharing) {
		random_change(twin, client, pool, what - 760, choices);
	} else {
		rig->backend->step(rig, 0, (uint32_t)choose(choices, 8));
	}
}

/* What one operation of a batch does, where it is not what the one before it did. */
static uint32_t random_code(struct choices *choices)
{
	static const uint32_t codes[] = {
		TMEM_OP_PUT, TMEM_OP_PUT,   TMEM_OP_PUT,	 TMEM_OP_PUT,
		TMEM_OP_PUT, TMEM_OP_GET,   TMEM_OP_GET,	 TMEM_OP_GET,
		TMEM_OP_GET, TMEM_OP_FLUSH, TMEM_OP_FLUSH_RANGE, TMEM_OP_FLUSH_OBJECT,
		TMEM_OP_PUT, TMEM_OP_GET,   TMEM_OP_FLUSH,	 TMEM_OP_FLUSH_OBJECT + 1};

	return codes[choose(choices, sizeof(codes) / sizeof(codes[0]))];
}

/*
 * Rows of one operation on pages next to each other, or of an object each, or
 * on one page, broken by any other, and by what was in the batch before.
 */
static void random_batch(struct twin *twin, unsigned int client, struct choices *choices)
{
	uint32_t count = 1 + (uint32_t)choose(choices, TWIN_BATCH), how = 0, i;
	uint32_t often = 2u << choose(choices, 5); /* a row is broken once in so many */
	struct twin_act acts[TWIN_BATCH], *act;

	for (i = 0; i < count; i++) {
		act = &acts[i];
		*act = i ? acts[i - 1] : (struct twin_act){0};
		if (!i || choose(choices, often) == 0) {
			act->handle = random_handle(twin, client, choices);
			act->code = random_code(choices);
			how = (uint32_t)choose(choices, 8);
			/* Many pages that were not there before: only where many are, are slots in hand. */
			if (choose(choices, 2)) {
				act->code = TMEM_OP_PUT;
				act->handle.index = (uint32_t)choose(choices, 32) * TWIN_BATCH;
			}
		} else if (how < 4) {
			act->handle.index++;
		} else if (how < 6) {
			act->handle.object.word[0]++;
		}
		if (i && choose(choices, 16) == 0)
			act->handle = acts[choose(choices, i)].handle;
		act->kind = choose(choices, 8) ? PAGE_RANDOM : (int)choose(choices, PAGE_KINDS);
		act->count = choose(choices, 16) ? choose(choices, 40) : ~0ull;
	}
	twin_batch(twin, client, acts, count);
	if (choose(choices, 16))
		return;
	/* What the worker has in hand after that is of no use to who is frozen. */
	twin_freeze(twin, client, true);
	twin_batch(twin, client, acts, count);
	twin_freeze(twin, client, false);
}

void twin_random(struct twin *twin, struct choices *choices)
{
	unsigned int client = (unsigned int)choose(choices, twin->sharing ? 4 : 3);
	uint32_t what = (uint32_t)choose(choices, 65536);
	struct tmem_handle h;

	if (!twin->client[client].there) {
		random_life(twin, client, choices);
		return;
	}
	if (twin->batching && choose(choices, 64) == 0) {
		random_batch(twin, client, choices);
		return;
	}
	h = random_handle(twin, client, choices);
	if (what < 1600)
		random_event(twin, client, h.pool, what, choices);
	else if (what < 32000)
		twin_put(twin, client, h, (int)choose(choices, PAGE_KINDS));
	else if (what < 58000)
		twin_get(twin, client, h);
	else if (what < 64000)
		twin_flush(twin, client, h);
	else if (what < 65100)
		twin_flush_range(twin, client, h,
				 choose(choices, 16) ? choose(choices, 40)
						     : ~0ull - choose(choices, 2));
	else
		twin_flush_object(twin, client, h);
}

void twin_start_chosen(struct twin *twin, uint8_t first, struct choices *choices)
{
	struct rig_setup setup = {
		.capacity = (2 + first % 7ull) << 20,
		.extent_size = 16384u << choose(choices, 8),
		.seed = 1,
		.recode = true,
	};
	uint64_t nth;

	twin_start(twin, &backend_engine, &setup, 4000);
	/* The memory can be less than the clients ask for. */
	twin->may_run_dry = true;
	twin->persistent_may_run_dry = true;
	twin->sharing = first >= TWIN_SHARING;
	twin->batching = first >= TWIN_BATCHES;
	/* A fuzzer finds more by more inputs: a walk over everything costs more than 16 operations. */
	twin->check_every = 16;
	nth = choose(choices, 256);
	if (nth >= 128)
		twin->rig->backend->starve(twin->rig, nth - 127, nth & 1);
}
