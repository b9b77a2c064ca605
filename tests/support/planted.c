/* SPDX-License-Identifier: MIT */
/* The wrapper that breaks one rule at a time: see planted.h. */
#include <stdlib.h>
#include <string.h>

#include "must.h"
#include "planted-share.h"
#include "planted.h"

enum kind {
	NOTHING,
	LOSE_A_PAGE,
	KEEP_THE_FIRST,
	PUT_BACK,
	FLIP_A_BIT,
	KEEP_THE_POINTER,
	TOUCH_ON_MISS,
	RESTORE_WHEN_REFUSED,
	SHORT_INDEX,
	SHORT_OBJECT,
	NEVER_FREEZE,
	FROZEN_FLUSH_FAILS,
	MASK_FLAGS,
	MASK_POOL,
	SHORT_COUNT,
	ONE_MORE,
	KEEP_THE_SESSION,
	FORGET_COOKIES,
	BACKWARDS,
	ONE_RESULT,
	LATE_RESULTS,
	FIRST_OF_TWO,
	LOOK_AHEAD,
	TWICE_FREEABLE,
	NO_BILL,
	REFUSE_SOME,
	MISCOUNT,
	FLUSH_NOTHING,
	SWALLOW_EIO,
	MISS_SOME,
	WRONG_WEIGHTS,
	NO_CAP,
	JOIN_PRIVATELY,
	REVOKE_LATER,
	REVOKE_NEVER,
	TAKE_SHARED,
	LEAVE_NOTHING,
	JOIN_AGAIN,
	KEEP_THE_SHARE,
	SHRINK_ANYWAY,
	SHRINK_ONLY_IN_NAME,
	RECLAIM_FROM_ALL,
	LOSE_WITH_REPLY,
	TAKE_BEFORE_JUDGING,
	KEEP_WHO_IS_REMOVED,
	HALF_A_DISK,
	LIVE_FOR_EVER,
	FORGET_TO_SCRUB,
};

const struct planted_fault planted_faults[] = {
	{"a persistent page is lost",
	 LOSE_A_PAGE,
	 true,
	 {"persistent-page-survives-a-refused-neighbour",
	  "duplicate-put-when-exactly-full-never-fails"}},
	{"old data after a second put",
	 KEEP_THE_FIRST,
	 true,
	 {"put-put-get-returns-the-second", "duplicate-put-replaces",
	  "old-data-is-never-returned-to-a-reader-beside"}},
	{"a second hit after an exclusive get",
	 PUT_BACK,
	 true,
	 {"ephemeral-get-takes-the-page-out", "concurrent-exclusive-gets-hit-exactly-once",
	  "batch-of-gets-of-one-page-hits-once"}},
	{"one wrong bit",
	 FLIP_A_BIT,
	 true,
	 {"put-copies-the-page", "pages-of-every-compressed-length",
	  "nearly-same-filled-is-not-same-filled"}},
	{"the client's page is kept instead of copied",
	 KEEP_THE_POINTER,
	 true,
	 {"put-copies-the-page"}},
	{"a miss touches the buffer", TOUCH_ON_MISS, false, {"miss-leaves-the-buffer"}},
	{"a refused duplicate put leaves the old page",
	 RESTORE_WHEN_REFUSED,
	 true,
	 {"duplicate-put-frozen-empties", "duplicate-put-over-allocation-empties"}},
	{"the index is cut to 24 bits", SHORT_INDEX, false, {"index-up-to-the-last"}},
	{"the object's id is cut to 128 bits",
	 SHORT_OBJECT,
	 false,
	 {"objects-that-differ-in-one-bit"}},
	{"freeze does nothing",
	 NEVER_FREEZE,
	 true,
	 {"frozen-refuses-puts-only", "frozen-writes-wait-and-reads-go-on"}},
	{"a frozen client's flush is reported as a failure",
	 FROZEN_FLUSH_FAILS,
	 true,
	 {"frozen-refuses-puts-only"}},
	{"unknown flags are ignored",
	 MASK_FLAGS,
	 false,
	 {"each-reserved-flag-is-refused", "each-page-shift-is-refused",
	  "each-unknown-version-is-refused"}},
	{"pool numbers wrap", MASK_POOL, false, {"pool-numbers-out-of-range"}},
	{"a range's count is cut to 32 bits",
	 SHORT_COUNT,
	 false,
	 {"flush-range-that-wraps-stops-at-the-end"}},
	{"a range takes one page too many",
	 ONE_MORE,
	 true,
	 {"flush-range-takes-exactly-its-pages", "flush-range-of-nothing-takes-nothing"}},
	{"a reboot leaves the former life's pools",
	 KEEP_THE_SESSION,
	 false,
	 {"another-nonce-ends-the-former-life"}},
	{"cookies are forgotten", FORGET_COOKIES, false, {"same-cookie-gives-the-same-pool"}},
	{"batches run backwards", BACKWARDS, true, {"batch-takes-effect-in-order"}},
	{"one result for the whole batch", ONE_RESULT, true, {"batch-results-are-each-its-own"}},
	{"each result of a batch is the one before",
	 LATE_RESULTS,
	 true,
	 {"batch-takes-effect-in-order"}},
	{"of two puts of a page in a batch the first one stays",
	 FIRST_OF_TWO,
	 true,
	 {"batch-takes-effect-in-order", "batch-of-gets-of-one-page-hits-once"}},
	{"a get has what is put later in its batch",
	 LOOK_AHEAD,
	 true,
	 {"batch-takes-effect-in-order"}},
	{"freeable is reported twice", TWICE_FREEABLE, false, {"freeable-can-be-freed"}},
	{"persistent pages are not billed",
	 NO_BILL,
	 false,
	 {"persistent-bill-covers-metadata-and-comes-back",
	  "flushed-pages-stay-billed-until-swept"}},
	{"some duplicate puts are refused",
	 REFUSE_SOME,
	 false,
	 {"duplicate-put-when-exactly-full-never-fails",
	  "full-client-is-never-refused-what-it-was-promised",
	  "flushes-and-puts-faster-than-the-sweeper"}},
	{"a put is counted twice", MISCOUNT, true, {"counts-are-exact"}},
	{"a flush is not carried out",
	 FLUSH_NOTHING,
	 true,
	 {"flush-of-what-was-never-there", "no-hit-after-a-miss-without-a-put"}},
	{"a page that failed its check is returned",
	 SWALLOW_EIO,
	 false,
	 {"page-that-fails-its-check-is-an-error"}},
	{"a persistent page is missed now and then",
	 MISS_SOME,
	 true,
	 {"persistent-get-leaves-the-page", "persistent-survives-ephemeral-pressure"}},
	{"weights are the wrong way round", WRONG_WEIGHTS, false, {"weights-say-who-gives"}},
	{"who is not authorised gets a private pool",
	 JOIN_PRIVATELY,
	 true,
	 {"joining-needs-a-grant"}},
	{"revoking never ends a membership", REVOKE_LATER, true, {"revoke-now-ends-membership"}},
	{"caps are stored and ignored",
	 NO_CAP,
	 true,
	 {"cap-is-enforced", "cap-changed-under-load"}},
	{"who lost the grant still joins", REVOKE_NEVER, true, {"revoking-stops-new-joins"}},
	{"a get from a shared pool takes the page out",
	 TAKE_SHARED,
	 true,
	 {"shared-pages-are-seen-by-all-members"}},
	{"a member's leaving empties the pool",
	 LEAVE_NOTHING,
	 true,
	 {"the-others-keep-what-a-leaver-put"}},
	{"joining twice gives the pool again", JOIN_AGAIN, true, {"the-same-uuid-joined-twice"}},
	{"a shared pool outlives its last member",
	 KEEP_THE_SHARE,
	 true,
	 {"the-last-one-s-leaving-ends-it"}},
	{"an allocation shrinks below what is billed",
	 SHRINK_ANYWAY,
	 true,
	 {"allocation-grows-and-shrinks"}},
	{"a smaller allocation keeps its memory",
	 SHRINK_ONLY_IN_NAME,
	 true,
	 {"smaller-allocation-gives-memory-back"}},
	{"what one client is asked for is taken from all",
	 RECLAIM_FROM_ALL,
	 true,
	 {"reclaim-from-one-client-only"}},
	{"what was asked is lost with its reply",
	 LOSE_WITH_REPLY,
	 false,
	 {"operation-whose-reply-was-lost-is-repeated"}},
	{"a page is taken before the address is judged",
	 TAKE_BEFORE_JUDGING,
	 false,
	 {"page-at-a-bad-address"}},
	{"who is removed goes on",
	 KEEP_WHO_IS_REMOVED,
	 false,
	 {"client-that-is-removed-is-told-so"}},
	{"a disk is smaller than was asked for",
	 HALF_A_DISK,
	 false,
	 {"disk-s-requests-are-whole-blocks", "full-disk-takes-every-rewrite"}},
	{"a host that was killed has its contents",
	 LIVE_FOR_EVER,
	 false,
	 {"blocks-of-a-host-that-came-back-empty-are-errors",
	  "pages-that-went-with-their-host-are-errors"}},
	{"memory is given back as it is",
	 FORGET_TO_SCRUB,
	 false,
	 {"pages-of-who-is-gone-are-nowhere"}},
	{NULL, NOTHING, false, {NULL}},
};

const struct planted_fault *planted_now;

/* What is behind the wrapper. */
static const struct backend *below = &backend_engine;

#define REMEMBERED 4096

struct planted_rig {
	struct rig rig;
	struct rig *inner;
	uint64_t puts, gets; /* atomic */
	bool frozen;
	/* Of KEEP_THE_POINTER: by a hash of the index. */
	struct {
		struct tmem_handle handle;
		const void *page;
	} last[REMEMBERED];
	struct planted_share share;
};

static struct planted_rig *of(struct rig *rig)
{
	return (struct planted_rig *)rig;
}

static struct rig *inner(struct rig *rig)
{
	return of(rig)->inner;
}

static const struct backend *under(struct rig *rig)
{
	return inner(rig)->backend;
}

static bool is(enum kind kind)
{
	return planted_now && planted_now->kind == (int)kind;
}

static uint64_t count_up(uint64_t *count)
{
	return __atomic_add_fetch(count, 1, __ATOMIC_RELAXED);
}

static struct tmem_handle bent(const struct tmem_handle *handle)
{
	struct tmem_handle h = *handle;

	if (is(SHORT_INDEX))
		h.index &= 0xffffff;
	if (is(SHORT_OBJECT))
		h.object.word[2] = 0;
	if (is(MASK_POOL))
		h.pool &= 15;
	return h;
}

static struct rig *start(const struct backend *backend, const struct rig_setup *setup)
{
	struct planted_rig *rig = calloc(1, sizeof(*rig));

	if (!rig)
		return NULL;
	rig->inner = rig_start(below, setup);
	planted_share_start(&rig->share, rig->inner);
	return &rig->rig;
}

static const char *stop(struct rig *rig)
{
	const char *complaint = under(rig)->stop(inner(rig));

	free(rig);
	return complaint;
}

static int client_create(struct rig *rig, const struct tmem_client_config *config)
{
	int client = under(rig)->client_create(inner(rig), config);

	planted_share_forget(&of(rig)->share, client);
	return client;
}

static void client_destroy(struct rig *rig, uint32_t worker, int client)
{
	under(rig)->client_destroy(inner(rig), worker, client);
}

static int session(struct rig *rig, int client, uint64_t nonce)
{
	if (is(KEEP_THE_SESSION))
		return 1;
	return under(rig)->session(inner(rig), client, nonce);
}

static void freeze(struct rig *rig, int client, bool frozen)
{
	of(rig)->frozen = frozen;
	if (!is(NEVER_FREEZE))
		under(rig)->freeze(inner(rig), client, frozen);
}

static int set_codec(struct rig *rig, int client, uint8_t codec)
{
	return under(rig)->set_codec(inner(rig), client, codec);
}

static int set_weight(struct rig *rig, int client, uint32_t weight)
{
	if (is(WRONG_WEIGHTS) && weight && weight <= 100)
		weight = weight < 100 ? 100 - weight : 1;
	return under(rig)->set_weight(inner(rig), client, weight);
}

static int set_allocation(struct rig *rig, int client, uint64_t bytes)
{
	struct tmem_stats now;
	int result;

	if (is(SHRINK_ONLY_IN_NAME) && !under(rig)->stats(inner(rig), client, -1, &now) &&
	    bytes < now.allocation)
		return 0;
	result = under(rig)->set_allocation(inner(rig), client, bytes);
	return is(SHRINK_ANYWAY) && result == -TMEM_ENOSPC ? 0 : result;
}

static void set_cap(struct rig *rig, int client, uint64_t cap)
{
	under(rig)->set_cap(inner(rig), client, is(NO_CAP) ? 0 : cap);
}

static int set_pool_codec(struct rig *rig, int client, uint32_t pool, uint8_t codec)
{
	return under(rig)->set_pool_codec(inner(rig), client, pool, codec);
}

static uint64_t client_reclaim(struct rig *rig, uint32_t worker, int client, uint64_t bytes)
{
	if (is(RECLAIM_FROM_ALL))
		return under(rig)->reclaim(inner(rig), worker, bytes);
	return under(rig)->client_reclaim(inner(rig), worker, client, bytes);
}

static int grant(struct rig *rig, int client, const uint64_t uuid[2])
{
	return under(rig)->grant(inner(rig), client, uuid);
}

static int revoke(struct rig *rig, uint32_t worker, int client, const uint64_t uuid[2], bool now)
{
	if (is(REVOKE_NEVER))
		return 0;
	return under(rig)->revoke(inner(rig), worker, client, uuid, now && !is(REVOKE_LATER));
}

static int pool_create(struct rig *rig, uint32_t worker, int client,
		       const struct tmem_pool_config *config)
{
	struct tmem_pool_config c = *config;
	int result;

	if (is(MASK_FLAGS))
		c.flags &= TMEM_POOL_PERSISTENT;
	if (is(FORGET_COOKIES))
		c.cookie = 0;
	result = under(rig)->pool_create(inner(rig), worker, client, &c);
	if (is(JOIN_PRIVATELY) && result == -TMEM_EACCES) {
		c.flags &= ~TMEM_POOL_SHARED;
		c.uuid[0] = c.uuid[1] = 0;
		result = under(rig)->pool_create(inner(rig), worker, client, &c);
	}
	if (c.flags & TMEM_POOL_SHARED && result >= 0) {
		planted_share_joined(&of(rig)->share, client, result);
		if (is(KEEP_THE_SHARE))
			planted_share_keep(&of(rig)->share, c.uuid);
	}
	if (is(JOIN_AGAIN) && result == -TMEM_EEXIST)
		result = planted_share_some(&of(rig)->share, client);
	return result;
}

static int pool_destroy(struct rig *rig, uint32_t worker, int client, uint32_t pool)
{
	if (is(LEAVE_NOTHING))
		planted_share_empty(&of(rig)->share, worker, client, pool);
	return under(rig)->pool_destroy(inner(rig), worker, client,
					is(MASK_POOL) ? pool & 15 : pool);
}

/* The old page, if a get leaves it where it is; it is put back where it does not. */
static bool peek(struct rig *rig, uint32_t worker, int client, const struct tmem_handle *handle,
		 void *page)
{
	if (under(rig)->get(inner(rig), worker, client, handle, page))
		return false;
	return under(rig)->put(inner(rig), worker, client, handle, page) == 0;
}

static int put(struct rig *rig, uint32_t worker, int client, const struct tmem_handle *handle,
	       const void *page)
{
	uint64_t nth = count_up(&of(rig)->puts);
	struct tmem_handle h = bent(handle);
	uint8_t old[TMEM_PAGE_SIZE];
	bool there = false;
	int result;

	if (is(KEEP_THE_FIRST) && peek(rig, worker, client, &h, old))
		return 0;
	if (is(RESTORE_WHEN_REFUSED)) {
		under(rig)->freeze(inner(rig), client, false);
		there = peek(rig, worker, client, &h, old);
		under(rig)->freeze(inner(rig), client, of(rig)->frozen);
	}
	result = under(rig)->put(inner(rig), worker, client, &h, page);
	if (there && result) {
		under(rig)->freeze(inner(rig), client, false);
		if (under(rig)->put(inner(rig), worker, client, &h, old))
			FAIL("nothing planted: the old page does not fit any more");
		under(rig)->freeze(inner(rig), client, of(rig)->frozen);
	}
	if (!result && is(LOSE_A_PAGE) && nth % 100 == 50)
		under(rig)->flush(inner(rig), worker, client, &h);
	if (!result && is(REFUSE_SOME) && nth % 1000 == 999) {
		under(rig)->flush(inner(rig), worker, client, &h);
		return -TMEM_ENOSPC;
	}
	if (is(KEEP_THE_POINTER)) {
		of(rig)->last[h.index % REMEMBERED].handle = h;
		of(rig)->last[h.index % REMEMBERED].page = page;
	}
	return result;
}

/* The kept pointer's page is out of scope: that is the fault, and not for a sanitizer to find. */
__attribute__((no_sanitize("address"))) static void copy_dangling(void *to, const void *from)
{
	const volatile uint8_t *source = from;
	volatile uint8_t *page = to;
	uint32_t i;

	for (i = 0; i < TMEM_PAGE_SIZE; i++)
		page[i] = source[i];
}

static int get(struct rig *rig, uint32_t worker, int client, const struct tmem_handle *handle,
	       void *page)
{
	uint64_t nth = count_up(&of(rig)->gets);
	struct tmem_handle h = bent(handle);
	const void *kept = of(rig)->last[h.index % REMEMBERED].page;
	int result = under(rig)->get(inner(rig), worker, client, &h, page);

	if (!result && is(PUT_BACK) && under(rig)->put(inner(rig), worker, client, &h, page))
		return result;
	if (!result && is(FLIP_A_BIT) && nth % 5 == 0)
		((uint8_t *)page)[nth % TMEM_PAGE_SIZE] ^= 1;
	if (!result && is(KEEP_THE_POINTER) && kept && kept != page &&
	    !memcmp(&of(rig)->last[h.index % REMEMBERED].handle, &h, sizeof(h)))
		copy_dangling(page, kept);
	if (result == -TMEM_ENOENT && is(TOUCH_ON_MISS))
		memset(page, 0, TMEM_PAGE_SIZE);
	if (result == -TMEM_EIO && is(SWALLOW_EIO))
		return 0;
	if (!result && is(TAKE_SHARED) && planted_share_is(&of(rig)->share, client, h.pool))
		planted_share_flush(&of(rig)->share, worker, client, &h);
	if (!result && is(MISS_SOME) && nth % 50 == 49)
		return -TMEM_ENOENT;
	return result;
}

static int flush(struct rig *rig, uint32_t worker, int client, const struct tmem_handle *handle)
{
	struct tmem_handle h = bent(handle);
	int result;

	if (is(FLUSH_NOTHING))
		return 1;
	result = under(rig)->flush(inner(rig), worker, client, &h);
	return is(FROZEN_FLUSH_FAILS) && of(rig)->frozen && result == 1 ? -TMEM_EAGAIN : result;
}

static int flush_range(struct rig *rig, uint32_t worker, int client,
		       const struct tmem_handle *handle, uint64_t count)
{
	struct tmem_handle h = bent(handle);

	if (is(SHORT_COUNT))
		count = (uint32_t)count;
	if (is(ONE_MORE))
		count++;
	return under(rig)->flush_range(inner(rig), worker, client, &h, count);
}

static int flush_object(struct rig *rig, uint32_t worker, int client,
			const struct tmem_handle *handle)
{
	struct tmem_handle h = bent(handle);

	return under(rig)->flush_object(inner(rig), worker, client, &h);
}

static void one(struct rig *rig, uint32_t worker, int client, struct tmem_op *op)
{
	switch (op->code) {
	case TMEM_OP_PUT:
		op->result = put(rig, worker, client, &op->handle, op->page);
		break;
	case TMEM_OP_GET:
		op->result = get(rig, worker, client, &op->handle, op->page);
		break;
	case TMEM_OP_FLUSH:
		op->result = flush(rig, worker, client, &op->handle);
		break;
	case TMEM_OP_FLUSH_RANGE:
		op->result = flush_range(rig, worker, client, &op->handle, op->count);
		break;
	case TMEM_OP_FLUSH_OBJECT:
		op->result = flush_object(rig, worker, client, &op->handle);
		break;
	default:
		op->result = -TMEM_EINVAL;
	}
}

static bool is_put_of(const struct tmem_op *op, const struct tmem_op *as)
{
	return op->code == TMEM_OP_PUT && op->handle.pool == as->handle.pool &&
	       op->handle.index == as->handle.index &&
	       !memcmp(&op->handle.object, &as->handle.object, sizeof(op->handle.object));
}

/* Operation @i of a batch as a fault has it that takes it for another one. */
static void one_of(struct rig *rig, uint32_t worker, int client, struct tmem_op *ops,
		   uint32_t count, uint32_t i)
{
	struct tmem_op *op = &ops[i];
	uint32_t j;

	for (j = i + 1; is(LOOK_AHEAD) && op->code == TMEM_OP_GET && j < count; j++)
		if (is_put_of(&ops[j], op)) {
			memcpy(op->page, ops[j].page, TMEM_PAGE_SIZE);
			op->result = 0;
			return;
		}
	for (j = i; is(FIRST_OF_TWO) && op->code == TMEM_OP_PUT && j--;)
		if (is_put_of(&ops[j], op)) {
			op->result = ops[j].result;
			return;
		}
	one(rig, worker, client, op);
}

static void batch(struct rig *rig, uint32_t worker, int client, struct tmem_op *ops, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		one_of(rig, worker, client, ops, count, is(BACKWARDS) ? count - 1 - i : i);
	for (i = 0; i < count && is(ONE_RESULT); i++)
		ops[i].result = ops[count - 1].result;
	for (i = count; is(LATE_RESULTS) && i-- > 1;)
		ops[i].result = ops[i - 1].result;
}

static uint32_t step(struct rig *rig, uint32_t worker, uint32_t budget)
{
	return under(rig)->step(inner(rig), worker, budget);
}

static void take(struct rig *rig, unsigned int pages)
{
	if (under(rig)->take)
		under(rig)->take(inner(rig), pages);
}

static uint64_t reclaim(struct rig *rig, uint32_t worker, uint64_t bytes)
{
	return under(rig)->reclaim(inner(rig), worker, bytes);
}

static void set_capacity(struct rig *rig, uint64_t bytes)
{
	under(rig)->set_capacity(inner(rig), bytes);
}

static int stats(struct rig *rig, int client, int pool, struct tmem_stats *out)
{
	int result = under(rig)->stats(inner(rig), client, pool, out);

	planted_share_hide(&of(rig)->share, client, out);
	if (is(TWICE_FREEABLE))
		out->freeable *= 2;
	if (is(NO_BILL))
		out->billed = 0;
	if (is(MISCOUNT))
		out->puts_stored++;
	return result;
}

static int check(struct rig *rig, const char **what)
{
	return under(rig)->check(inner(rig), what);
}

static uint32_t touched(struct rig *rig, uint32_t worker)
{
	return under(rig)->touched(inner(rig), worker);
}

static uint64_t host_bytes(struct rig *rig)
{
	return under(rig)->host_bytes(inner(rig));
}

static void starve(struct rig *rig, uint64_t nth, bool for_good)
{
	under(rig)->starve(inner(rig), nth, for_good);
}

static uint64_t refused(struct rig *rig)
{
	return under(rig)->refused(inner(rig));
}

static void *page_alloc(struct rig *rig, int client)
{
	return under(rig)->page_alloc(inner(rig), client);
}

static void lose_reply(struct rig *rig, int client, enum rig_loss loss, uint32_t code,
		       const struct tmem_handle *handle, void *page)
{
	under(rig)->lose_reply(inner(rig), client, loss, code, handle, page);
	if (is(LOSE_WITH_REPLY))
		under(rig)->flush(inner(rig), 0, client, handle);
}

static int bad_address(struct rig *rig, int client, uint32_t code, const struct tmem_handle *handle)
{
	int result = under(rig)->bad_address(inner(rig), client, code, handle);

	if (is(TAKE_BEFORE_JUDGING))
		under(rig)->flush(inner(rig), 0, client, handle);
	return result;
}

static void client_remove(struct rig *rig, int client)
{
	if (!is(KEEP_WHO_IS_REMOVED))
		under(rig)->client_remove(inner(rig), client);
}

static void kill_host(struct rig *rig)
{
	if (!is(LIVE_FOR_EVER))
		under(rig)->kill(inner(rig));
}

static int disk_create(struct rig *rig, uint64_t bytes, const char **socket)
{
	return under(rig)->disk_create(inner(rig), is(HALF_A_DISK) ? bytes / 2 : bytes, socket);
}

static uint64_t find(struct rig *rig, const void *bytes, size_t length)
{
	return under(rig)->find(inner(rig), bytes, length) + is(FORGET_TO_SCRUB);
}

struct backend backend_planted = {
	.name = "planted",
	.can = CAN_HERE,
	.bytes_most = UINT64_MAX,
	.start = start,
	.stop = stop,
	.client_create = client_create,
	.client_destroy = client_destroy,
	.session = session,
	.freeze = freeze,
	.set_codec = set_codec,
	.set_weight = set_weight,
	.set_allocation = set_allocation,
	.set_cap = set_cap,
	.set_pool_codec = set_pool_codec,
	.client_reclaim = client_reclaim,
	.grant = grant,
	.revoke = revoke,
	.pool_create = pool_create,
	.pool_destroy = pool_destroy,
	.put = put,
	.get = get,
	.flush = flush,
	.flush_range = flush_range,
	.flush_object = flush_object,
	.batch = batch,
	.step = step,
	.reclaim = reclaim,
	.take = take,
	.set_capacity = set_capacity,
	.stats = stats,
	.check = check,
	.touched = touched,
	.host_bytes = host_bytes,
	.starve = starve,
	.refused = refused,
	.lose_reply = lose_reply,
	.bad_address = bad_address,
	.client_remove = client_remove,
	.kill = kill_host,
	.disk_create = disk_create,
	.find = find,
};

void planted_over(const struct backend *backend)
{
	below = backend;
	backend_planted.can = backend->can;
	backend_planted.extent_size = backend->extent_size;
	backend_planted.keeps_reserve = backend->keeps_reserve;
	backend_planted.bytes_most = backend->bytes_most;
	backend_planted.kept_ready = backend->kept_ready;
	backend_planted.page_alloc = backend->page_alloc ? page_alloc : NULL;
}
