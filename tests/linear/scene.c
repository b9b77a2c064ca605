/* SPDX-License-Identifier: MIT */
/* Rigs and plans of each variety: see scene.h. */
#include <string.h>

#include "must.h"
#include "page.h"
#include "scene.h"

#define FILLERS 1u  /* the object of pages that only take room */
#define OBJECTS 16u /* the first of those that histories are about */

#define THIN_PAGES 300u /* of which half is flushed before each history */
#define MOVED	   20u	/* pages that move for each history, at least */
#define FEW_MOVED  5u	/* those that are in the way of a smaller allocation */

/* An allocation that has room for all of these, and one for a third of them. */
#define ALL_ALLOCATION	 (1500u << 10)
#define THIRD_ALLOCATION (480u << 10)

const struct variety varieties[] = {
	{.name = "persistent",
	 .rules = {.get_leaves = true},
	 .flags = TMEM_POOL_PERSISTENT,
	 .clients = 1},
	{.name = "persistent-full",
	 .needs = CAN_OBJECTS,
	 .rules = {.get_leaves = true, .room_is_kept = true},
	 .flags = TMEM_POOL_PERSISTENT,
	 .clients = 1,
	 .full = true},
	{.name = "persistent-shrunk",
	 .needs = CAN_ADMIN | CAN_STATS,
	 .rules = {.get_leaves = true},
	 .flags = TMEM_POOL_PERSISTENT,
	 .clients = 1,
	 .shrunk = true},
	{.name = "ephemeral", .needs = CAN_EPHEMERAL, .clients = 1},
	{.name = "ephemeral-evicted",
	 .needs = CAN_EPHEMERAL,
	 .rules = {.may_evict = true},
	 .clients = 1,
	 .capacity = 3u << 20},
	{.name = "shared",
	 .needs = CAN_EPHEMERAL | CAN_ADMIN,
	 .rules = {.get_leaves = true},
	 .flags = TMEM_POOL_SHARED,
	 .clients = 3},
	{.name = "shared-evicted",
	 .needs = CAN_EPHEMERAL | CAN_ADMIN,
	 .rules = {.get_leaves = true, .may_evict = true},
	 .flags = TMEM_POOL_SHARED,
	 .clients = 3,
	 .capacity = 3u << 20},
	{.name = "ephemeral-lent",
	 .needs = CAN_EPHEMERAL | CAN_ADMIN,
	 .rules = {.may_evict = true},
	 .clients = 1,
	 .capacity = 3u << 20,
	 .lent = true},
	{.name = "shared-lent",
	 .needs = CAN_EPHEMERAL | CAN_ADMIN,
	 .rules = {.get_leaves = true, .may_evict = true},
	 .flags = TMEM_POOL_SHARED,
	 .clients = 3,
	 .capacity = 3u << 20,
	 .lent = true},
	{.name = "ephemeral-thin",
	 .needs = CAN_EPHEMERAL | CAN_ADMIN | CAN_STATS,
	 .clients = 1,
	 .thin = true},
	{.name = "shared-thin",
	 .needs = CAN_EPHEMERAL | CAN_ADMIN | CAN_STATS,
	 .rules = {.get_leaves = true},
	 .flags = TMEM_POOL_SHARED,
	 .clients = 3,
	 .thin = true},
	{.name = NULL},
};

/* Uses the allocation up, and gives two pages of it back. */
static void fill(struct scene *scene)
{
	uint32_t pages = 0, i;

	while (!rig_put(scene->rig, scene->client[0], rig_handle(scene->pool[0], FILLERS, pages),
			page_tag(PAGE_RANDOM, pages)))
		pages++;
	for (i = 0; i < 2; i++)
		MUST_EQ(rig_flush(scene->rig, scene->client[0],
				  rig_handle(scene->pool[0], FILLERS, i)),
			1);
	rig_settle(scene->rig);
}

/* The pool as this client has it: its own, or everybody's. */
static uint32_t make_pool(const struct scene *scene, int client)
{
	struct tmem_pool_config config = {.size = sizeof(config), .flags = scene->variety->flags};
	int pool;

	if (config.flags & TMEM_POOL_SHARED) {
		config.uuid[0] = 1;
		MUST_EQ(scene->rig->backend->grant(scene->rig, client, config.uuid), 0);
	}
	pool = rig_pool_create(scene->rig, client, &config);
	if (pool < 0)
		FAIL("no pool: %d", pool);
	return (uint32_t)pool;
}

void scene_start(struct scene *scene, const struct variety *variety, const struct backend *backend,
		 uint64_t seed)
{
	struct rig_setup setup = {
		.capacity = variety->capacity ? variety->capacity : 32u << 20,
		.workers = CREW_THREADS,
		.seed = seed,
		.lend = variety->lent,
		.recode = true,
	};
	uint64_t allocation = 0;
	uint32_t i;

	if (variety->flags & TMEM_POOL_PERSISTENT)
		allocation = variety->full ? 1u << 20 : variety->shrunk ? ALL_ALLOCATION : 4u << 20;
	memset(scene, 0, sizeof(*scene));
	scene->variety = variety;
	scene->rig = rig_start(backend, &setup);
	for (i = 0; i < variety->clients; i++) {
		scene->client[i] = rig_client(scene->rig, allocation);
		scene->pool[i] = make_pool(scene, scene->client[i]);
	}
	if (variety->full)
		fill(scene);
}

/* All but one in @part leave, wherever they are: what is put next lies between the rest. */
static void thin_out(const struct scene *scene, uint32_t part, uint64_t *rng)
{
	uint32_t i;

	for (i = 0; i < THIN_PAGES; i++)
		MUST_EQ(rig_put(scene->rig, scene->client[0],
				rig_handle(scene->pool[0], FILLERS, i), page_tag(PAGE_RANDOM, i)),
			0);
	for (i = 0; i < THIN_PAGES; i++)
		if (rng_below(rng, part))
			MUST_EQ(rig_flush(scene->rig, scene->client[0],
					  rig_handle(scene->pool[0], FILLERS, i)),
				1);
}

/* What the allocation is smaller by is to go back while the history runs. */
static void shrink(const struct scene *scene, uint64_t *rng)
{
	const struct backend *be = scene->rig->backend;

	MUST_EQ(be->set_allocation(scene->rig, scene->client[0], ALL_ALLOCATION), 0);
	thin_out(scene, 4, rng);
	MUST_EQ(be->set_allocation(scene->rig, scene->client[0], THIRD_ALLOCATION), 0);
}

void scene_stop(struct scene *scene)
{
	uint64_t least = scene->variety->thin ? MOVED : scene->variety->shrunk ? FEW_MOVED : 0;

	MUST(!least || rig_stats(scene->rig, -1, -1).pages_moved > scene->histories * least);
	rig_stop(scene->rig);
}

/* Neighbours, far ones of one object, or objects of their own. */
static void choose_handles(const struct scene *scene, struct plan *plan, uint64_t *rng)
{
	const uint64_t object = OBJECTS + CREW_HANDLES * plan->history;
	const uint32_t layout = (uint32_t)rng_below(rng, 3);
	static const uint32_t far[CREW_HANDLES] = {3, 64, 1u << 20};
	uint32_t i;

	for (i = 0; i < plan->handles; i++)
		plan->handle[i] = rig_handle(scene->pool[0], layout == 2 ? object + i : object,
					     layout == 1 ? far[i] : i);
}

static uint8_t choose_step(const struct variety *variety, const struct backend *be, uint64_t *rng)
{
	uint32_t dice = (uint32_t)rng_below(rng, 100);

	/* An extent is lent once it is full, so others' pages have to come after a history's. */
	if (variety->lent && rng_below(rng, 3) == 0)
		return dice < 50 ? STEP_PRESS : dice < 75 ? STEP_BACKGROUND : STEP_TAKE;
	if ((variety->thin || variety->shrunk) && rng_below(rng, 3) == 0)
		return STEP_BACKGROUND;
	if (dice < 42)
		return STEP_PUT;
	if (dice < 74)
		return STEP_GET;
	if (dice < 86)
		return STEP_FLUSH;
	if (dice < 89 && be->can & CAN_OBJECTS)
		return STEP_FLUSH_OBJECT;
	if (dice < 92)
		return STEP_FLUSH_RANGE;
	if (dice < 94 && be->can & CAN_ADMIN)
		return STEP_FREEZE;
	if (variety->rules.may_evict)
		return dice < 98 || !(be->can & CAN_ADMIN) ? STEP_PRESS : STEP_RECLAIM;
	return STEP_BACKGROUND;
}

static void choose_codec(const struct scene *scene, uint64_t *rng)
{
	const struct backend *be = scene->rig->backend;
	uint8_t codec = rng_below(rng, 2) ? TMEM_CODEC_LZ4 : TMEM_CODEC_RAW;
	uint32_t i;

	if (!(be->can & CAN_ADMIN) || !(be->can & CAN_CODECS))
		return;
	for (i = 0; i < scene->variety->clients; i++)
		MUST_EQ(be->set_codec(scene->rig, scene->client[i], codec), 0);
}

void scene_plan(struct scene *scene, struct plan *plan, uint32_t threads, uint64_t *rng)
{
	static const uint8_t kinds[] = {PAGE_SAME, PAGE_TEXT, PAGE_NEARLY, PAGE_RANDOM};
	static const uint64_t ranges[] = {1, 64, 1000, 1ull << 32};
	const struct variety *variety = scene->variety;
	uint32_t t, i, version = 0;

	memset(plan, 0, sizeof(*plan));
	plan->history = ++scene->histories;
	plan->threads = threads ? threads : 2 + (uint32_t)rng_below(rng, CREW_THREADS - 1);
	plan->handles = 2 + (uint32_t)rng_below(rng, CREW_HANDLES - 1);
	plan->steps = 4 + (uint32_t)rng_below(rng, CREW_STEPS - 3);
	choose_handles(scene, plan, rng);
	if (!variety->full)
		choose_codec(scene, rng);
	if (variety->thin) {
		thin_out(scene, 2, rng);
		/* Steps of the history find that no more leave. */
		while (scene->rig->backend->step(scene->rig, 0, 64))
			;
	}
	if (variety->shrunk)
		shrink(scene, rng);
	for (t = 0; t < plan->threads; t++) {
		plan->client[t] = scene->client[t % variety->clients];
		plan->pool[t] = scene->pool[t % variety->clients];
		for (i = 0; i < plan->steps; i++) {
			struct step *step = &plan->step[t][i];

			step->kind = choose_step(variety, scene->rig->backend, rng);
			/* Most meet at the first handle. */
			step->handle =
				(uint8_t)(rng_below(rng, 3) ? 0 : rng_below(rng, plan->handles));
			step->page_kind = variety->full ? PAGE_RANDOM : kinds[rng_below(rng, 4)];
			step->yield = rng_below(rng, 4) == 0;
			step->pause = rng_below(rng, 2) ? 0 : (uint16_t)rng_below(rng, 500);
			step->version = ++version;
			step->count = ranges[rng_below(rng, scene->wide_ranges ? 4 : 2)];
			if (step->kind == STEP_BACKGROUND)
				step->count = variety->thin || variety->shrunk
						      ? 1 + rng_below(rng, 40)
						      : 2;
		}
	}
}

void scene_clear(struct scene *scene, const struct plan *plan)
{
	const struct backend *be = scene->rig->backend;
	uint32_t i;

	for (i = 0; i < plan->handles; i++)
		be->flush(scene->rig, 0, plan->client[0], &plan->handle[i]);
	if (scene->variety->full || plan->history % 16 == 0)
		rig_settle(scene->rig);
}
