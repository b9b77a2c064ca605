/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Shared pools. Behind each stands a client that no administrator made, its
 * share: it has one pool, home to the directory, and a heap for each member.
 * A member's own pool is a view: it leads to the home's index and puts into
 * the member's heap, so that every extent counts against the share and cap of
 * who filled it. When a member leaves, its heap stays with the oldest member;
 * when the last one leaves, the share dies like any other client.
 *
 * A call for a shared pool says which share it is in (worker->seat->sharing) and
 * then looks whether the view is still alive; a share is freed only when no
 * worker is in it. One of the two sees the other.
 */
#include "internal.h"

/* Heaps that may wait for a new member while the pages of the old one are used up. */
#define LEFT_MOST 16u

/* Background steps before a share is made; one that held a page takes nine to twelve to be buried. */
#define SHARE_STEPS 16u

/* 0, or -TMEM_ENODEV: the member left since its view was found. */
int tmem_share_enter(struct tmem_worker *worker, uint32_t number, struct access *access)
{
	__atomic_store_n(&worker->seat->sharing, access->home->client, __ATOMIC_SEQ_CST);
	/* A new session counts numbers from the start: another share's view may have this one. */
	if (__atomic_load_n(&access->pool->state, __ATOMIC_SEQ_CST) == POOL_ALIVE &&
	    tmem_load(&access->pool->number) == number &&
	    tmem_load(&access->pool->home) == access->home) {
		access->heap = tmem_load(&access->pool->heap);
		return 0;
	}
	tmem_store_release(&worker->seat->sharing, (struct tmem_client *)NULL);
	return -TMEM_ENODEV;
}

/* Whether some worker is in a call for the dying @share. */
int tmem_share_used(const struct tmem_engine *engine, const struct tmem_client *share)
{
	uint32_t i;

	for (i = 0; share->is_share && i < engine->worker_limit; i++)
		if (__atomic_load_n(&engine->seat[i].sharing, __ATOMIC_SEQ_CST) == share)
			return 1;
	return 0;
}

/* A heap with extents that count against @client; its share stays while worker->seat->sharing says so. */
static struct heap *enter_heap(struct tmem_client *client, struct tmem_worker *worker)
{
	struct tmem_engine *engine = client->engine;
	struct heap *heap = NULL;
	struct tmem_client *share;

	tmem_lock(&engine->lock);
	for (share = engine->clients; share && !heap; share = share->next) {
		if (!share->is_share)
			continue;
		for (heap = share->heap[0].next; heap; heap = heap->next)
			if (heap->charged == client && tmem_load(&heap->extent_bytes))
				break;
		if (heap)
			__atomic_store_n(&worker->seat->sharing, share, __ATOMIC_SEQ_CST);
	}
	tmem_unlock(&engine->lock);
	return heap;
}

/* Drops an extent of a shared pool that counts against @client. Its bytes; 0: there is none. */
uint32_t tmem_share_drop_one(struct tmem_client *client, struct tmem_worker *worker,
			     enum drop_cause cause)
{
	struct heap *heap = enter_heap(client, worker);
	uint32_t size = heap ? tmem_heap_drop_one(heap, cause) : 0;

	tmem_store_release(&worker->seat->sharing, (struct tmem_client *)NULL);
	return size;
}

/*
 * @heap is empty, and its client at the cap: drops an extent of another heap
 * that counts against it. A worker in a call for a shared pool stays there, and
 * looks into no other. Bytes; 0: there is none.
 */
uint32_t tmem_share_drop_elsewhere(struct heap *heap, struct tmem_worker *worker)
{
	struct tmem_client *client = tmem_load(&heap->charged);
	struct heap *other;
	uint32_t size;

	if (!heap->record)
		return tmem_share_drop_one(client, worker, DROP_CAP);
	/* Where the caller's view has left, that is another client, which may end: as in policy.c. */
	__atomic_store_n(&worker->seat->visiting, &client->heap[0], __ATOMIC_SEQ_CST);
	size = 0;
	if (__atomic_load_n(&heap->charged, __ATOMIC_SEQ_CST) == client)
		size = tmem_heap_drop_one(&client->heap[0], DROP_CAP);
	tmem_policy_leave(worker);
	for (other = tmem_load_acquire(&heap->client->heap[0].next); other && !size;
	     other = tmem_load_acquire(&other->next))
		if (tmem_load(&other->charged) == client)
			size = tmem_heap_drop_one(other, DROP_CAP);
	return size;
}

static struct tmem_client *find_share_locked(struct tmem_engine *engine, const uint64_t uuid[2])
{
	struct tmem_client *share;

	for (share = engine->clients; share; share = share->next)
		if (share->is_share && share->uuid[0] == uuid[0] && share->uuid[1] == uuid[1])
			return share;
	return NULL;
}

static int is_member_locked(const struct tmem_client *client, const struct tmem_client *share)
{
	const struct pool *pool;

	for (pool = share ? share->members : NULL; pool; pool = pool->next_member)
		if (pool->client == client)
			return 1;
	return 0;
}

/* A share that nobody can find yet. 0 or -TMEM_ENOMEM. No lock held. */
static int make_share(struct tmem_engine *engine, struct tmem_worker *worker,
		      struct tmem_client **share)
{
	struct tmem_client_config client_config;
	struct tmem_pool_config pool_config;
	int number;

	memset(&client_config, 0, sizeof(client_config));
	client_config.size = sizeof(client_config);
	if (tmem_client_make(engine, worker, &client_config, 1, share))
		return -TMEM_ENOMEM;
	memset(&pool_config, 0, sizeof(pool_config));
	pool_config.size = sizeof(pool_config);
	number = tmem_pool_create(*share, worker, &pool_config);
	if (number < 0) {
		tmem_client_destroy(*share, worker);
		*share = NULL;
		return -TMEM_ENOMEM;
	}
	return 0;
}

/*
 * The heap of a member that left, for a new one: an empty one, or, where too
 * many are left, the one with the fewest pages, which then count against the
 * newcomer. NULL: there is none.
 */
static struct heap *left_heap_locked(struct tmem_client *share)
{
	struct heap *heap, *best = NULL;
	uint32_t left = 0;

	for (heap = share->heap[0].next; heap; heap = heap->next) {
		if (heap->used_by)
			continue;
		left++;
		if (!best || tmem_load(&heap->live) < tmem_load(&best->live))
			best = heap;
	}
	return best && (left > LEFT_MOST || !tmem_load(&best->live)) ? best : NULL;
}

static void add_heap_locked(struct tmem_client *share, struct heap *heap)
{
	heap->next = share->heap[0].next;
	tmem_store_release(&share->heap[0].next, heap);
}

static void join_locked(struct tmem_client *share, struct pool *pool, struct heap *heap)
{
	struct pool **link;

	tmem_heap_charge(heap, pool->client);
	heap->used_by = pool;
	tmem_store(&pool->heap, heap);
	tmem_store(&pool->home, share->pools[0]);
	pool->next_member = NULL;
	for (link = &share->members; *link; link = &(*link)->next_member)
		;
	*link = pool;
}

/* What a joining client brings, so that nothing fails under the lock. */
struct baggage {
	struct pool *pool;
	uint32_t heap;
	struct tmem_client *share;
};

static void unpack(struct tmem_engine *engine, struct tmem_worker *worker, struct baggage *baggage)
{
	if (baggage->pool)
		tmem_slab_give(&engine->slab[SLAB_POOL], baggage->pool->record, NULL);
	if (baggage->heap)
		tmem_slab_give(&engine->slab[SLAB_HEAP], baggage->heap, NULL);
	if (baggage->share)
		tmem_client_destroy(baggage->share, worker);
}

/*
 * 0: @client may join *@share, which is NULL where it has to be made, with a
 * pool at *@place. 1: it has, by the same cookie; *@place is the pool's number.
 * Or what is wrong. L1 is held.
 */
static int judge_locked(struct tmem_client *client, const struct tmem_pool_config *config,
			struct tmem_client **share, int *place)
{
	int found;

	/* Whether there is such a pool is not even looked at for whom it is none of his business. */
	if (!tmem_granted_locked(client, config->uuid))
		return -TMEM_EACCES;
	*place = tmem_pool_place_locked(client, config, &found);
	*share = find_share_locked(client->engine, config->uuid);
	if (found && *place >= 0)
		return is_member_locked(client, *share) ? 1 : -TMEM_EINVAL;
	if (found)
		return *place;
	if (is_member_locked(client, *share))
		return -TMEM_EEXIST;
	if (*share && (*share)->share_flags != config->flags)
		return -TMEM_EINVAL;
	return *place < 0 ? *place : 0;
}

/*
 * The new pool's number, the old one's of the same cookie, or what is wrong;
 * -TMEM_ENOENT: the last member has left since @baggage was packed, and there
 * is no share in it. L1 is held.
 */
static int admit_locked(struct tmem_client *client, const struct tmem_pool_config *config,
			struct baggage *baggage)
{
	struct tmem_engine *engine = client->engine;
	struct tmem_client *share;
	struct pool *pool;
	struct heap *heap;
	int place, err;

	err = judge_locked(client, config, &share, &place);
	if (err)
		return err < 0 ? err : place;
	if (!share) {
		share = baggage->share;
		if (!share)
			return -TMEM_ENOENT;
		baggage->share = NULL;
		share->uuid[0] = config->uuid[0];
		share->uuid[1] = config->uuid[1];
		share->share_flags = config->flags;
	}
	heap = left_heap_locked(share);
	if (!heap) {
		heap = tmem_slab_at(&engine->slab[SLAB_HEAP], baggage->heap);
		tmem_heap_create(heap, share, TMEM_EXTENT_EPHEMERAL, engine->extent_size);
		heap->record = baggage->heap;
		heap->pinned = 1;
		baggage->heap = 0;
		add_heap_locked(share, heap);
	}
	pool = tmem_pool_take_locked(client, (uint32_t)place, &baggage->pool);
	tmem_pool_init(pool, config);
	join_locked(share, pool, heap);
	tmem_pool_publish_locked(client, pool, (uint32_t)place);
	return (int)pool->number;
}

/* Makes or joins the shared pool of a judged @config: tmem_pool_create(). */
int tmem_share_join(struct tmem_client *client, struct tmem_worker *worker,
		    const struct tmem_pool_config *config)
{
	struct tmem_engine *engine = client->engine;
	struct baggage baggage = {NULL, 0, NULL};
	struct tmem_client *share;
	int place, result;

	/* Who is refused has nothing made for him: he may ask as often as he likes. */
	tmem_lock(&engine->lock);
	result = judge_locked(client, config, &share, &place);
	tmem_unlock(&engine->lock);
	if (result)
		return result < 0 ? result : place;
	baggage.pool = tmem_pool_record(client, worker, config->flags);
	baggage.heap = tmem_slab_take(&engine->slab[SLAB_HEAP], worker, 0);
	result = baggage.pool && baggage.heap ? -TMEM_ENOENT : -TMEM_ENOMEM;
	/* Twice at most: what its last member has left since is made after all. */
	while (result == -TMEM_ENOENT) {
		result = -TMEM_ENOMEM;
		/* Who makes a pool pays for what those before it left. */
		if (!share)
			tmem_engine_step(engine, worker, SHARE_STEPS);
		if (!share && make_share(engine, worker, &baggage.share))
			break;
		tmem_lock(&engine->lock);
		result = admit_locked(client, config, &baggage);
		tmem_unlock(&engine->lock);
		share = NULL;
	}
	unpack(engine, worker, &baggage);
	return result;
}

/*
 * The member that @pool is a view of leaves: no call finds the view from now
 * on, what it filled counts against the oldest member, and a share without
 * members dies. L1 is held.
 */
void tmem_share_leave_locked(struct pool *pool)
{
	struct tmem_client *client = pool->client, *share = pool->home->client, *heir;
	struct pool **link;
	struct heap *heap;

	__atomic_store_n(&pool->state, (uint32_t)POOL_NONE, __ATOMIC_SEQ_CST);
	tmem_store_release(&client->pools[pool->number % TMEM_POOLS_PER_CLIENT],
			   (struct pool *)NULL);
	for (link = &share->members; *link != pool; link = &(*link)->next_member)
		;
	*link = pool->next_member;
	heir = share->members ? share->members->client : share;
	for (heap = share->heap[0].next; heap; heap = heap->next) {
		if (heap->used_by == pool)
			heap->used_by = NULL;
		if (heap->charged == client)
			tmem_heap_charge(heap, heir);
	}
	if (share->members)
		return;
	share->uuid[0] = 0;
	share->uuid[1] = 0;
	tmem_client_kill_locked(share);
}
