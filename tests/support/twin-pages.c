/* SPDX-License-Identifier: MIT */
/*
 * Puts, gets and flushes: what each result may be, by what the model has. They
 * are carried out one at a time, or many in one batch; they are judged one by
 * one, in their order.
 */
#include <string.h>

#include "must.h"
#include "page.h"
#include "twin-parts.h"

#define WRONG(what, act, ...)                                                                   \
	FAIL("operation %" PRIu64 ": " what " (client %u pool %u object %" PRIx64 " index %u)", \
	     twin->operation, __VA_ARGS__, client, (act)->handle.pool,                          \
	     (act)->handle.object.word[0], (act)->handle.index)

/*
 * A persistent put is over the allocation only near it: what a page, the one
 * that was there before, and all records of both may be billed for.
 */
#define NEAR (4u * TMEM_PAGE_SIZE)

/* What there was before the operations that are being judged. */
struct before {
	bool capped;
	uint64_t bytes;	 /* of a capped client's ephemeral pools */
	uint64_t billed; /* at most, when the next one was carried out */
	uint32_t ranges;
	uint32_t puts; /* into ephemeral pools */
	int32_t last;  /* the result of the last of them */
};

/* Whether a put may have failed. The model still has what was there before. */
static bool may_refuse(struct twin *twin, unsigned int client, const struct twin_act *act,
		       const struct before *before)
{
	const struct twin_client *c = &twin->client[client];
	enum twin_kind kind = twin_kind(twin, client, act->handle.pool);
	int result = act->result;

	if (kind == NO_POOL)
		return result == -TMEM_ENODEV;
	if (c->frozen)
		return result == -TMEM_EAGAIN;
	if (kind != PERSISTENT && result == -TMEM_ENOSPC)
		return c->cap != 0;
	if (kind != PERSISTENT)
		return result == -TMEM_ENOMEM && twin->may_run_dry;
	if (result == -TMEM_ENOMEM)
		return twin->persistent_may_run_dry &&
		       !model_find(&twin->model, (int)client, &act->handle);
	return result == -TMEM_ENOSPC && before->billed + NEAR > c->allocation;
}

static void count_put(struct twin_counts *counts, int result)
{
	counts->puts++;
	counts->stored += !result;
	counts->frozen += result == -TMEM_EAGAIN;
	counts->no_room += result == -TMEM_ENOMEM;
	counts->over_limit += result == -TMEM_ENOSPC;
}

static void judge_put(struct twin *twin, unsigned int client, const struct twin_act *act,
		      struct before *before)
{
	struct twin_client *c = &twin->client[client];
	enum twin_kind pool = twin_kind(twin, client, act->handle.pool);
	struct tmem_handle place;
	int space = twin_place(twin, client, &act->handle, &place), result = act->result;

	if (pool != NO_POOL)
		count_put(&c->counts, result);
	twin->ledger.over += model_find(&twin->model, space, &place) != NULL;
	if (!result) {
		if (pool == NO_POOL || c->frozen)
			WRONG("put into a pool of kind %d of a client, frozen %d, is stored", act,
			      pool, c->frozen);
		MUST(model_put(&twin->model, space, &place, act->tag, (int)client));
		twin->stored++;
	} else {
		if (!may_refuse(twin, client, act, before))
			WRONG("put into a pool of kind %d, frozen %d, cap %" PRIu64 ", says %d",
			      act, pool, c->frozen, c->cap, result);
		model_drop(&twin->model, space, &place);
		twin->refused++;
	}
	if (pool == PERSISTENT) {
		before->billed += NEAR;
	} else if (pool != NO_POOL) {
		before->puts++;
		before->last = result;
	}
}

static void judge_get(struct twin *twin, unsigned int client, const struct twin_act *act)
{
	struct twin_client *c = &twin->client[client];
	enum twin_kind pool = twin_kind(twin, client, act->handle.pool);
	struct tmem_handle place;
	int space = twin_place(twin, client, &act->handle, &place), result = act->result;
	struct model_page *known = model_find(&twin->model, space, &place);
	const uint8_t *page = act->page;
	uint64_t word;

	if (pool != NO_POOL)
		c->counts.gets++;
	if (!result) {
		memcpy(&word, page, sizeof(word));
		if (!known)
			WRONG("a hit on what is not there, kind of pool %d", act, pool);
		if (!page_holds(page, known->tag))
			WRONG("wrong bytes, first word %" PRIx64 " for %" PRIx64, act, word,
			      known->tag);
		c->counts.hits++;
		twin->hits++;
		twin->shared_hits += pool == MEMBER;
	} else {
		if (result != (pool != NO_POOL ? -TMEM_ENOENT : -TMEM_ENODEV))
			WRONG("get says %d", act, result);
		if (known && pool == PERSISTENT)
			WRONG("a persistent page is lost, its kind was %d", act,
			      page_kind_of(known->tag));
		if (page[0] != 0xc3 || memcmp(page, page + 1, TMEM_PAGE_SIZE - 1))
			WRONG("a miss, %d, touched the buffer", act, result);
		twin->misses++;
		twin->lost += known != NULL;
		twin->ledger.lost += known != NULL;
	}
	/* From a shared pool a hit leaves the page. */
	if (known && (pool == EPHEMERAL || (pool == MEMBER && result)))
		model_drop(&twin->model, space, &place);
}

static void judge_flush(struct twin *twin, unsigned int client, const struct twin_act *act)
{
	struct twin_client *c = &twin->client[client];
	enum twin_kind pool = twin_kind(twin, client, act->handle.pool);
	struct tmem_handle place;
	int space = twin_place(twin, client, &act->handle, &place), result = act->result;
	bool there = model_drop(&twin->model, space, &place);

	if (pool == NO_POOL
		    ? result != -TMEM_ENODEV
		    : result < 0 || result > there || (pool == PERSISTENT && result != there))
		WRONG("flush says %d, the page was there: %d", act, result, there);
	if (pool != NO_POOL) {
		c->counts.flushes++;
		c->counts.found += result == 1;
		twin->ledger.lost += there && !result;
	}
}

static void judge_range(struct twin *twin, unsigned int client, const struct twin_act *act,
			struct before *before)
{
	enum twin_kind pool = twin_kind(twin, client, act->handle.pool);
	struct tmem_handle place;
	int space = twin_place(twin, client, &act->handle, &place);

	if (act->result != (pool != NO_POOL ? 0 : -TMEM_ENODEV))
		WRONG("flush range of %" PRIu64 " says %d", act, act->count, act->result);
	twin->client[client].counts.ranges += pool != NO_POOL;
	model_drop_range(&twin->model, space, &place, act->count);
	/* What is cut out has records of its own until it is swept. */
	before->ranges++;
	before->billed += NEAR;
}

static void judge_object(struct twin *twin, unsigned int client, const struct twin_act *act)
{
	struct twin_client *c = &twin->client[client];
	enum twin_kind pool = twin_kind(twin, client, act->handle.pool);
	struct tmem_handle place;
	int space = twin_place(twin, client, &act->handle, &place), result = act->result;
	uint32_t there = model_drop_object(&twin->model, space, &place);

	if (pool == NO_POOL
		    ? result != -TMEM_ENODEV
		    : result < 0 || result > 1 || (pool == PERSISTENT && result != (there > 0)))
		WRONG("flush object says %d, %u pages were there", act, result, there);
	if (pool != NO_POOL) {
		c->counts.objects++;
		c->counts.objects_found += result == 1;
	}
}

static void judge(struct twin *twin, unsigned int client, const struct twin_act *act,
		  struct before *before)
{
	switch (act->code) {
	case TMEM_OP_PUT:
		judge_put(twin, client, act, before);
		break;
	case TMEM_OP_GET:
		judge_get(twin, client, act);
		break;
	case TMEM_OP_FLUSH:
		judge_flush(twin, client, act);
		break;
	case TMEM_OP_FLUSH_RANGE:
		judge_range(twin, client, act, before);
		break;
	case TMEM_OP_FLUSH_OBJECT:
		judge_object(twin, client, act);
		break;
	default:
		if (act->result != -TMEM_EINVAL)
			WRONG("no such operation, %u, says %d", act, act->code, act->result);
	}
}

/* The page of a put is made, where a get's comes is marked. */
static void prepare(struct twin *twin, unsigned int client, struct twin_act *act)
{
	static const char *const names[] = {"put", "get", "flush", "flush range", "flush object"};
	uint32_t name = act->code - TMEM_OP_PUT;

	act->result = 12345;
	act->tag =
		act->code == TMEM_OP_PUT ? page_tag((enum page_kind)act->kind, ++twin->version) : 0;
	if (act->code == TMEM_OP_PUT)
		page_fill(act->page, act->tag);
	else
		memset(act->page, 0xc3, TMEM_PAGE_SIZE);
	twin_trace(twin, name < sizeof(names) / sizeof(names[0]) ? names[name] : "nothing", client,
		   &act->handle,
		   act->code == TMEM_OP_PUT ? (uint64_t)page_kind_of(act->tag) : act->count);
}

static struct before look_before(struct twin *twin, unsigned int client)
{
	const struct twin_client *c = &twin->client[client];
	struct before before = {.capped = c->cap != 0};

	if (before.capped)
		before.bytes = twin_ephemeral_bytes(twin, client);
	return before;
}

static void look_after(struct twin *twin, unsigned int client, const struct before *before)
{
	if (before->capped && before->puts)
		twin_cap_check(twin, client, before->bytes, before->last, before->ranges);
}

void twin_batch(struct twin *twin, unsigned int client, struct twin_act *acts, uint32_t count)
{
	static uint8_t page[TWIN_BATCH][TMEM_PAGE_SIZE];
	struct twin_client *c = &twin->client[client];
	struct tmem_op ops[TWIN_BATCH];
	struct before before;
	uint32_t i, room = twin->most - twin->model.count;
	bool bills = false;

	if (!c->there)
		return;
	MUST_LE(count, TWIN_BATCH);
	twin_trace(twin, "batch", client, NULL, count);
	for (i = 0; i < count; i++) {
		struct twin_act *act = &acts[i];

		/* Above what the model has room for, what is put is looked for. */
		if (act->code == TMEM_OP_PUT && !room)
			act->code = TMEM_OP_GET;
		room -= act->code == TMEM_OP_PUT;
		bills |= twin_kind(twin, client, act->handle.pool) == PERSISTENT;
		act->page = page[i];
		prepare(twin, client, act);
		ops[i] = (struct tmem_op){act->code, act->result, act->handle, act->count,
					  act->page};
	}
	/* Figures are not asked for in vain: that takes away what the worker has in hand. */
	before = look_before(twin, client);
	if (bills)
		before.billed = rig_stats(twin->rig, c->number, -1).billed;
	twin->rig->backend->batch(twin->rig, 0, c->number, ops, count);
	for (i = 0; i < count; i++) {
		acts[i].result = ops[i].result;
		judge(twin, client, &acts[i], &before);
	}
	look_after(twin, client, &before);
	twin->batches++;
	twin_done(twin, count);
}

/* The one operation, by its own call. */
static int32_t call(struct twin *twin, int client, const struct twin_act *act)
{
	const struct backend *backend = twin->rig->backend;
	const struct tmem_handle *handle = &act->handle;

	switch (act->code) {
	case TMEM_OP_PUT:
		return backend->put(twin->rig, 0, client, handle, act->page);
	case TMEM_OP_GET:
		return backend->get(twin->rig, 0, client, handle, act->page);
	case TMEM_OP_FLUSH:
		return backend->flush(twin->rig, 0, client, handle);
	case TMEM_OP_FLUSH_RANGE:
		return backend->flush_range(twin->rig, 0, client, handle, act->count);
	default:
		return backend->flush_object(twin->rig, 0, client, handle);
	}
}

static int single(struct twin *twin, unsigned int client, struct twin_act act)
{
	struct twin_client *c = &twin->client[client];
	uint8_t page[TMEM_PAGE_SIZE];
	struct before before = {0};

	if (!c->there)
		return 0;
	act.page = page;
	prepare(twin, client, &act);
	if (act.code == TMEM_OP_PUT)
		before = look_before(twin, client);
	act.result = call(twin, c->number, &act);
	if (act.code == TMEM_OP_PUT && act.result == -TMEM_ENOSPC)
		before.billed = rig_stats(twin->rig, c->number, -1).billed;
	judge(twin, client, &act, &before);
	look_after(twin, client, &before);
	twin_done(twin, 1);
	return act.result;
}

int twin_put(struct twin *twin, unsigned int client, struct tmem_handle h, int kind)
{
	struct tmem_handle place;
	int space = twin_place(twin, client, &h, &place);

	if (twin->model.count == twin->most && !model_find(&twin->model, space, &place)) {
		twin->version++;
		return 0;
	}
	return single(twin, client,
		      (struct twin_act){.code = TMEM_OP_PUT, .handle = h, .kind = kind});
}

int twin_get(struct twin *twin, unsigned int client, struct tmem_handle h)
{
	return single(twin, client, (struct twin_act){.code = TMEM_OP_GET, .handle = h});
}

int twin_flush(struct twin *twin, unsigned int client, struct tmem_handle h)
{
	return single(twin, client, (struct twin_act){.code = TMEM_OP_FLUSH, .handle = h});
}

int twin_flush_range(struct twin *twin, unsigned int client, struct tmem_handle h, uint64_t count)
{
	return single(twin, client,
		      (struct twin_act){.code = TMEM_OP_FLUSH_RANGE, .handle = h, .count = count});
}

int twin_flush_object(struct twin *twin, unsigned int client, struct tmem_handle h)
{
	return single(twin, client, (struct twin_act){.code = TMEM_OP_FLUSH_OBJECT, .handle = h});
}
