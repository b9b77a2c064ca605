// SPDX-License-Identifier: GPL-2.0-only
/*
 * Questions to the host, and the one judge of its answers. An answer lies in
 * memory that the host can change at any time: it is copied once, and what
 * was copied is judged.
 */
#include "guest.h"

#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "cache.h"
#include "counters.h"
#include "disk.h"
#include "format.h"
#include "report.h"
#include "transport.h"

#define PAGE_MIN_BATCH 32u /* what every host grants */

#define NEWS_ALL                                                                   \
	(TMEM_NEWS_FROZEN | TMEM_NEWS_THAWED | TMEM_NEWS_GIVE | TMEM_NEWS_LIMITS | \
	 TMEM_NEWS_DROPPED)

static int nonsense(struct tmem_guest *guest, const char *what)
{
	guest->transport->ops->give_up(guest->transport, what);
	return -EIO;
}

static bool is_code(s32 status)
{
	return status < 0 && status >= -4095;
}

/* Carries @req out. 0: the exchange has the whole answer, and *@rep its head. */
static int ask(struct tmem_guest *guest, struct tmem_exchange *exchange, const struct tmem_req *req,
	       struct tmem_rep *rep)
{
	u32 pages = exchange->to_guest ? exchange->pages * TMEM_PAGE_SIZE : 0;
	u8 head[sizeof(*rep)];
	int error;

	tmem_wire_put_req(exchange->bytes, req);
	error = guest->transport->ops->run(guest->transport, exchange);
	if (error)
		return error;
	memcpy(head, exchange->bytes + EXCHANGE_ANSWER, sizeof(head));
	barrier();
	tmem_wire_get_rep(rep, head);
#ifdef TMEM_BELIEVE /* a test's control */
	if (!rep->status)
		return 0;
#endif
	if (!rep->status && exchange->length == exchange->answer_bytes + pages)
		return 0;
	if (is_code(rep->status) && exchange->length == sizeof(*rep)) {
		tmem_count(guest->transport->counters, TMEM_REFUSED, 1);
		return rep->status;
	}
	return nonsense(guest, "an answer that cannot be");
}

static struct tmem_exchange *take(struct tmem_guest *guest, enum tmem_purpose purpose, u32 entries,
				  u32 answer)
{
	struct tmem_exchange *exchange = guest->transport->ops->take(guest->transport, purpose);

	exchange->request_bytes =
		(u32)(sizeof(struct tmem_req) + entries * sizeof(struct tmem_ent));
	exchange->answer_bytes = (u32)sizeof(struct tmem_rep) + answer;
	return exchange;
}

static void give(struct tmem_guest *guest, struct tmem_exchange *exchange)
{
	guest->transport->ops->give(guest->transport, exchange);
}

/* A request without pages, whose answer is @size bytes. */
static int ask_for(struct tmem_guest *guest, enum tmem_purpose purpose, const struct tmem_req *req,
		   struct tmem_rep *rep, void *answer, u32 size)
{
	struct tmem_exchange *exchange = take(guest, purpose, 0, size);
	int error = ask(guest, exchange, req, rep);

	if (!error && size)
		memcpy(answer, exchange->bytes + EXCHANGE_ANSWER + sizeof(*rep), size);
	give(guest, exchange);
	return error;
}

static int ask_simple(struct tmem_guest *guest, const struct tmem_req *req, struct tmem_rep *rep,
		      void *answer, u32 size)
{
	return ask_for(guest, TMEM_FOR_PAGES, req, rep, answer, size);
}

static void name(struct tmem_req *req, const struct tmem_place *place)
{
	req->pool = place->pool;
	req->index = place->index;
	memcpy(req->object, place->object, sizeof(req->object));
}

/* What became of each of @count pages: 0 to @most, or a code. */
static int take_results(struct tmem_guest *guest, struct tmem_exchange *exchange, u32 count,
			s32 most, s32 *result)
{
	u8 copy[TMEM_WIRE_RESULTS(EXCHANGE_PAGES)];
	u32 i;

	memcpy(copy, exchange->bytes + EXCHANGE_ANSWER + sizeof(struct tmem_rep),
	       TMEM_WIRE_RESULTS(count));
	barrier();
	tmem_wire_get_results(result, copy, count);
	for (i = 0; i < count; i++)
		if (!is_code(result[i]) && (result[i] < 0 || result[i] > most))
			return nonsense(guest, "a result that does not exist");
	return 0;
}

static int move_pages(struct tmem_guest *guest, u8 op, const struct tmem_place *place,
		      struct page **page, u32 count, s32 *result)
{
	struct tmem_exchange *exchange = take(guest, TMEM_FOR_PAGES, 0, TMEM_WIRE_RESULTS(count));
	struct tmem_req req = {.op = op, .count = (u16)count};
	struct tmem_rep rep;
	int error;

	req.form = count > 1 ? TMEM_WIRE_RUN : TMEM_WIRE_ONE;
	name(&req, place);
	memcpy(exchange->page, page, count * sizeof(*page));
	exchange->pages = count;
	exchange->to_guest = op == TMEM_WIRE_GET;
	error = ask(guest, exchange, &req, &rep);
	if (!error)
		error = take_results(guest, exchange, count, 0, result);
	give(guest, exchange);
	return error;
}

int tmem_guest_put(struct tmem_guest *guest, const struct tmem_place *place, struct page **page,
		   u32 count, s32 *result)
{
	return move_pages(guest, TMEM_WIRE_PUT, place, page, count, result);
}

int tmem_guest_get(struct tmem_guest *guest, const struct tmem_place *place, struct page **page,
		   u32 count, s32 *result)
{
	return move_pages(guest, TMEM_WIRE_GET, place, page, count, result);
}

/* @page NULL: a flush. */
static int ask_list(struct tmem_guest *guest, const struct tmem_place *place, struct page **page,
		    u32 count, s32 *result)
{
	struct tmem_exchange *exchange =
		take(guest, TMEM_FOR_PAGES, count, TMEM_WIRE_RESULTS(count));
	struct tmem_req req = {
		.op = page ? TMEM_WIRE_PUT : TMEM_WIRE_FLUSH,
		.form = TMEM_WIRE_LIST,
		.count = (u16)count,
		.pool = place->pool,
	};
	struct tmem_rep rep;
	int error;
	u32 i;

	if (page) {
		memcpy(exchange->page, page, count * sizeof(*page));
		exchange->pages = count;
	}
	for (i = 0; i < count; i++) {
		struct tmem_ent ent = {.index = place[i].index};

		memcpy(ent.object, place[i].object, sizeof(ent.object));
		tmem_wire_put_ent(exchange->bytes + sizeof(req) + i * sizeof(ent), &ent);
	}
	error = ask(guest, exchange, &req, &rep);
	if (!error)
		error = take_results(guest, exchange, count, page ? 0 : 1, result);
	give(guest, exchange);
	return error;
}

int tmem_guest_put_each(struct tmem_guest *guest, const struct tmem_place *place,
			struct page **page, u32 count, s32 *result)
{
	return ask_list(guest, place, page, count, result);
}

int tmem_guest_put_list(struct tmem_guest *guest, const struct tmem_place *place,
			struct page **page, u32 count)
{
	s32 result[EXCHANGE_PAGES];
	int error = ask_list(guest, place, page, count, result);
	u32 stored = 0, i;

	for (i = 0; i < count && !error; i++)
		stored += !result[i];
	tmem_count(guest->transport->counters, TMEM_CLEAN_STORED, stored);
	return error;
}

int tmem_guest_flush(struct tmem_guest *guest, const struct tmem_place *place, u32 count)
{
	s32 result[EXCHANGE_PAGES];
	int error = ask_list(guest, place, NULL, count, result);
	u32 i;

	for (i = 0; i < count && !error; i++)
		error = result[i] < 0 ? result[i] : 0;
	return error;
}

int tmem_guest_flush_range(struct tmem_guest *guest, const struct tmem_place *place, u64 count)
{
	struct tmem_req req = {.op = TMEM_WIRE_FLUSH_RANGE, .count = 1, .arg = {count, 0}};
	struct tmem_rep rep;

	name(&req, place);
	return ask_simple(guest, &req, &rep, NULL, 0);
}

int tmem_guest_pool(struct tmem_guest *guest, u32 flags, const u64 uuid[2], u64 cookie)
{
	struct tmem_req req = {
		.op = TMEM_WIRE_NEW_POOL,
		.count = 1,
		.flags = flags,
		.cookie = cookie,
		.arg = {uuid ? uuid[0] : 0, uuid ? uuid[1] : 0},
	};
	struct tmem_rep rep;
	int error = ask_simple(guest, &req, &rep, NULL, 0);

	if (error)
		return error;
	return rep.value <= INT_MAX ? (int)rep.value : nonsense(guest, "a pool's number");
}

int tmem_guest_pool_leave(struct tmem_guest *guest, u32 pool)
{
	struct tmem_req req = {.op = TMEM_WIRE_DESTROY_POOL, .count = 1, .pool = pool};
	struct tmem_rep rep;

	return ask_simple(guest, &req, &rep, NULL, 0);
}

int tmem_guest_stat(struct tmem_guest *guest, struct tmem_stat *stat)
{
	struct tmem_req req = {.op = TMEM_WIRE_STAT, .count = 1, .pool = TMEM_WIRE_ALL_POOLS};
	u8 bytes[sizeof(*stat)];
	struct tmem_rep rep;
	int error = ask_simple(guest, &req, &rep, bytes, sizeof(bytes));

	if (!error)
		tmem_wire_get_stat(stat, bytes);
	return error;
}

int tmem_guest_event(struct tmem_guest *guest, struct tmem_event *event)
{
	const u64 both = TMEM_NEWS_FROZEN | TMEM_NEWS_THAWED;
	struct tmem_req req = {.op = TMEM_WIRE_EVENT, .count = 1};
	u8 bytes[sizeof(*event)];
	struct tmem_rep rep;
	int error = ask_for(guest, TMEM_FOR_NEWS, &req, &rep, bytes, sizeof(bytes));

	if (error)
		return error;
	tmem_wire_get_event(event, bytes);
	if (event->news & ~(u64)NEWS_ALL || (event->news & both) == both)
		return nonsense(guest, "news that cannot be");
	return 0;
}

static int greet(struct tmem_guest *guest, struct tmem_hello *hello)
{
	struct tmem_req req = {
		.op = TMEM_WIRE_HELLO,
		.count = 1,
		.pool = TMEM_WIRE_VERSIONS(TMEM_WIRE_VERSION, TMEM_WIRE_VERSION),
		.object = {TMEM_WIRE_MAGIC, 0, 0},
		.index = TMEM_PAGE_SIZE,
		.arg = {guest->nonce, 0},
	};
	u8 bytes[sizeof(*hello)];
	struct tmem_rep rep;
	int error = ask_for(guest, TMEM_FOR_GREETING, &req, &rep, bytes, sizeof(bytes));

	if (error)
		return error;
	tmem_wire_get_hello(hello, bytes);
	if (hello->version != TMEM_WIRE_VERSION || hello->page_size != TMEM_PAGE_SIZE ||
	    hello->max_batch < PAGE_MIN_BATCH || hello->features || hello->session > 1)
		return nonsense(guest, "a greeting that cannot be");
	return 0;
}

/* 0 or -errno, and the transport then is open. */
static int meet(struct tmem_guest *guest)
{
	int error;

	guest->nonce = get_random_u64();
	error = greet(guest, &guest->hello);
	if (error)
		return error;
	if (!guest->hello.session)
		return nonsense(guest, "it knows a system that it has never seen");
	guest->batch = min3(guest->hello.max_batch, EXCHANGE_PAGES, guest->transport->pages);
	guest->transport->ops->open(guest->transport);
	return 0;
}

static int make_disk(struct tmem_guest *guest)
{
	struct tmem_stat stat;
	int error = tmem_guest_stat(guest, &stat);

	if (error || !stat.allocation)
		return error;
	return tmem_disk_create(guest, stat.allocation, &guest->disk);
}

int tmem_guest_create(struct tmem_transport *transport, struct tmem_guest **out)
{
	struct tmem_guest *guest = kzalloc(sizeof(*guest), GFP_KERNEL);
	int error;

	BUILD_BUG_ON(PAGE_SIZE != TMEM_PAGE_SIZE);
	if (!guest)
		return -ENOMEM;
	guest->transport = transport;
	init_waitqueue_head(&guest->news.idle);
	tmem_news_forget(guest);
	error = meet(guest);
	if (error)
		goto err_free;
	error = tmem_news_create(guest);
	if (error)
		goto err_free;
	error = make_disk(guest);
	if (error)
		goto err_news;
	error = tmem_cache_create(guest);
	if (error)
		goto err_disk;
	pr_info("tmem: %s: client %llu of a host, %u pages per request\n", transport->name,
		guest->hello.client, guest->batch);
	tmem_report_add(guest);
	*out = guest;
	return 0;

err_disk:
	if (guest->disk)
		tmem_disk_destroy(guest->disk);
err_news:
	tmem_news_destroy(guest);
err_free:
	pr_err("tmem: %s: of no use: %d\n", transport->name, error);
	kfree(guest);
	return error;
}

void tmem_guest_destroy(struct tmem_guest *guest)
{
	/* Reading it asks the host. */
	tmem_report_remove(guest);
	tmem_news_destroy(guest);
	tmem_cache_destroy(guest);
	if (guest->disk)
		tmem_disk_destroy(guest->disk);
	kfree(guest);
}

/* Not the host that it was, or not the same to this client. */
static bool is_another(const struct tmem_guest *guest, const struct tmem_hello *hello)
{
#ifdef TMEM_BLIND /* a test's control */
	return false;
#endif
	return hello->client != guest->hello.client || hello->epoch != guest->hello.epoch ||
	       hello->session || hello->max_batch < guest->batch;
}

void tmem_guest_resume(struct tmem_guest *guest)
{
	struct tmem_hello hello;

	if (greet(guest, &hello))
		guest->transport->ops->give_up(guest->transport, "it does not know this system");
	else if (is_another(guest, &hello))
		guest->transport->ops->give_up(guest->transport, "what was stored is lost");
	tmem_news_forget(guest);
	/* One that is gone stays so. */
	guest->transport->ops->open(guest->transport);
}
