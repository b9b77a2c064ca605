// SPDX-License-Identifier: MIT
/*
 * tmemd that lies to guests: linked in place of a few functions of the daemon,
 * which it calls, and whose answers it spoils. For what tmem.ko must survive.
 *
 * TMEM_LIES is a list of lies, in the order of the greetings: whoever greets
 * gets the next one, and after the last nothing but the truth. A lie is
 * NAME[@N]: it begins with the Nth request for pages of that connection.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "device.h"
#include "format.h"
#include "virtqueue.h"

#define LATE_MS 3000 /* longer than a guest of the tests waits */

enum lie {
#define LIES(X)                                                                               \
	X(honest)                                                                             \
	X(hello_version)   /* a version that nobody asked for */                              \
	X(hello_page)	   /* pages of 8 KiB */                                               \
	X(hello_batch)	   /* batches of no page */                                           \
	X(hello_session)   /* a session that is neither new nor old */                        \
	X(hello_known)	   /* a session that goes on, and never began */                      \
	X(hello_features)  /* features that nobody wanted */                                  \
	X(hello_refused)   /* an error */                                                     \
	X(hello_never)	   /* no answer */                                                    \
	X(hello_short)	   /* half of it */                                                   \
	X(epoch)	   /* another epoch, or another client, than before */                \
	X(pool_number)	   /* a number beyond all numbers */                                  \
	X(pool_third)	   /* no pool but the first two */                                    \
	X(stat_huge)	   /* an allocation of 2^63 bytes */                                  \
	X(news_wild)	   /* news that do not exist, at once */                              \
	X(status_positive) /* from here on: answers to requests for pages */                  \
	X(status_wild)                                                                        \
	X(result_positive)                                                                    \
	X(result_wild)                                                                        \
	X(length_zero)                                                                        \
	X(length_short) /* and none of the data */                                            \
	X(length_long)                                                                        \
	X(length_huge)                                                                        \
	X(head_wild)  /* a descriptor that the ring has not */                                \
	X(head_other) /* a descriptor that begins nothing, or something that was not asked */ \
	X(head_twice)                                                                         \
	X(index_runs) /* the used index moves on by 1000 */                                   \
	X(index_back)                                                                         \
	X(never)                                                                              \
	X(late)	 /* once the guest has given it up */                                         \
	X(stale) /* not now, but to the next who greets, beside his own, */                   \
	X(after) /* who is told nothing else that is not true */
#define ID(name) LIE_##name,
	LIES(ID)
#undef ID
		LIE_COUNT
};

static const char *const names[] = {
#define NAME(name) [LIE_##name] = #name,
	LIES(NAME)};

static enum lie now; /* of the connection */
static unsigned long begin, pages_answered, pools_asked;
static char *rest;			       /* of TMEM_LIES */
static enum { OTHER, HELLO, PAGES } answering; /* since the answer before */
static int withheld = -1;		       /* a head that was not answered */
static struct device *device;		       /* whose request was judged last, */
static uint8_t op;			       /* and what it is */

void __real_tmem_wire_put_hello(void *bytes, const struct tmem_hello *hello);
void __real_tmem_wire_put_stat(void *bytes, const struct tmem_stat *stat);
void __real_tmem_wire_put_rep(void *bytes, const struct tmem_rep *rep);
void __real_tmem_wire_put_results(void *bytes, const int32_t *result, uint32_t count);
int __real_tmem_wire_judge(const void *bytes64, uint64_t readable, uint64_t writable,
			   const struct tmem_wire_state *state, struct tmem_wire_request *request,
			   int *mute);
enum guest_error __real_chain_write(const struct chain *chain, struct guest_mem *mem,
				    struct chain_place *place, const void *src, size_t length);
enum guest_error __real_virtqueue_answer(struct virtqueue *queue, uint16_t head, uint32_t length);

int __wrap_tmem_wire_judge(const void *bytes64, uint64_t readable, uint64_t writable,
			   const struct tmem_wire_state *state, struct tmem_wire_request *request,
			   int *mute);
void __wrap_tmem_wire_put_hello(void *bytes, const struct tmem_hello *hello);
void __wrap_tmem_wire_put_stat(void *bytes, const struct tmem_stat *stat);
void __wrap_tmem_wire_put_rep(void *bytes, const struct tmem_rep *rep);
void __wrap_tmem_wire_put_results(void *bytes, const int32_t *result, uint32_t count);
enum guest_error __wrap_chain_write(const struct chain *chain, struct guest_mem *mem,
				    struct chain_place *place, const void *src, size_t length);
enum guest_error __wrap_virtqueue_answer(struct virtqueue *queue, uint16_t head, uint32_t length);

static void next_lie(void)
{
	static char none[1];
	char name[40];
	int i, used = 0;

	if (!rest)
		rest = getenv("TMEM_LIES") ? getenv("TMEM_LIES") : none;
	now = LIE_honest;
	begin = pages_answered = pools_asked = 0;
	if (sscanf(rest, " %39[a-z_]%n", name, &used) != 1)
		return;
	rest += used;
	if (*rest == '@')
		begin = strtoul(rest + 1, &rest, 10);
	for (i = 0; i < LIE_COUNT && strcmp(names[i], name); i++)
		;
	if (i == LIE_COUNT) {
		fprintf(stderr, "liar: %s is no lie\n", name);
		abort();
	}
	now = (enum lie)i;
	fprintf(stderr, "liar: %s@%lu\n", name, begin);
}

/* This answer to a request for pages is to be spoiled. */
static bool spoils(void)
{
	return answering == PAGES && pages_answered >= begin;
}

int __wrap_tmem_wire_judge(const void *bytes64, uint64_t readable, uint64_t writable,
			   const struct tmem_wire_state *state, struct tmem_wire_request *request,
			   int *mute)
{
	device = (struct device *)(void *)((char *)(uintptr_t)state -
					   offsetof(struct device, state));
	op = *(const uint8_t *)bytes64;
	return __real_tmem_wire_judge(bytes64, readable, writable, state, request, mute);
}

void __wrap_tmem_wire_put_hello(void *bytes, const struct tmem_hello *hello)
{
	struct tmem_hello lie = *hello;

	next_lie();
	answering = HELLO;
	switch (now) {
	case LIE_hello_version:
		lie.version = 9;
		break;
	case LIE_hello_page:
		lie.page_size = 8192;
		break;
	case LIE_hello_batch:
		lie.max_batch = 0;
		break;
	case LIE_hello_session:
		lie.session = 2;
		break;
	case LIE_hello_known:
		lie.session = 0;
		break;
	case LIE_hello_features:
		lie.features = 1;
		break;
	case LIE_epoch:
		lie.epoch++;
		break;
	case LIE_news_wild:
		device->news = 1ull << 40;
		break;
	default:
		break;
	}
	__real_tmem_wire_put_hello(bytes, &lie);
}

void __wrap_tmem_wire_put_stat(void *bytes, const struct tmem_stat *stat)
{
	struct tmem_stat lie = *stat;

	if (now == LIE_stat_huge)
		lie.allocation = 1ull << 63;
	__real_tmem_wire_put_stat(bytes, &lie);
}

void __wrap_tmem_wire_put_results(void *bytes, const int32_t *result, uint32_t count)
{
	int32_t lie[TMEM_WIRE_BATCH];
	uint32_t i;

	answering = PAGES;
	pages_answered++;
	for (i = 0; i < count; i++) {
		lie[i] = result[i];
		if (spoils() && now == LIE_result_positive)
			lie[i] = 7;
		if (spoils() && now == LIE_result_wild)
			lie[i] = INT32_MIN;
	}
	__real_tmem_wire_put_results(bytes, lie, count);
}

void __wrap_tmem_wire_put_rep(void *bytes, const struct tmem_rep *rep)
{
	struct tmem_rep lie = *rep;

	if (answering == HELLO && now == LIE_hello_refused)
		lie.status = -TMEM_EACCES;
	if (now == LIE_pool_number && op == TMEM_WIRE_NEW_POOL)
		lie.value = 1ull << 40;
	/* The swap disk's is asked for first, that of clean pages after it. */
	if (now == LIE_pool_third && op == TMEM_WIRE_NEW_POOL && ++pools_asked > 2)
		lie.status = -TMEM_EOVERFLOW;
	if (spoils() && now == LIE_status_positive)
		lie.status = 3;
	if (spoils() && now == LIE_status_wild)
		lie.status = INT32_MIN;
	__real_tmem_wire_put_rep(bytes, &lie);
}

/* Pages come before their results; so what is left out of an answer is left out of the next ones. */
enum guest_error __wrap_chain_write(const struct chain *chain, struct guest_mem *mem,
				    struct chain_place *place, const void *src, size_t length)
{
	if (now == LIE_length_short && length >= TMEM_PAGE_SIZE && pages_answered >= begin) {
		chain_skip(chain, place, length);
		return GUEST_OK;
	}
	return __real_chain_write(chain, mem, place, src, length);
}

static void wait_until_late(void)
{
	const struct timespec late = {LATE_MS / 1000, LATE_MS % 1000 * 1000000l};

	nanosleep(&late, NULL);
}

static enum guest_error answer_pages(struct virtqueue *queue, uint16_t head, uint32_t length)
{
	enum guest_error error;

	switch (now) {
	case LIE_length_zero:
		length = 0;
		break;
	case LIE_length_short:
		length = sizeof(struct tmem_rep);
		break;
	case LIE_length_long:
		length++;
		break;
	case LIE_length_huge:
		length = UINT32_MAX;
		break;
	case LIE_head_wild:
		return __real_virtqueue_answer(queue, (uint16_t)(queue->size + 5) & 1023, length);
	case LIE_head_other:
		return __real_virtqueue_answer(queue, (uint16_t)((head + 2) % queue->size), length);
	case LIE_head_twice:
		queue->taken++;
		error = __real_virtqueue_answer(queue, head, length);
		return error ? error : __real_virtqueue_answer(queue, head, length);
	case LIE_index_runs:
		queue->next_used = (uint16_t)(queue->next_used + 1000);
		break;
	case LIE_index_back:
		queue->next_used = (uint16_t)(queue->next_used - 2);
		break;
	case LIE_never:
		return GUEST_OK;
	case LIE_stale:
		withheld = head;
		return GUEST_OK;
	case LIE_late:
		wait_until_late();
		break;
	default:
		break;
	}
	return __real_virtqueue_answer(queue, head, length);
}

enum guest_error __wrap_virtqueue_answer(struct virtqueue *queue, uint16_t head, uint32_t length)
{
	bool spoiled = spoils(), hello = answering == HELLO;
	enum guest_error error;

	answering = OTHER;
	if (spoiled)
		return answer_pages(queue, head, length);
	if (!hello)
		return __real_virtqueue_answer(queue, head, length);
	if (now == LIE_hello_never)
		return GUEST_OK;
	if (now == LIE_hello_short)
		length = sizeof(struct tmem_rep) + sizeof(struct tmem_hello) / 2;
	if (now == LIE_hello_refused)
		length = sizeof(struct tmem_rep);
	if (withheld < 0)
		return __real_virtqueue_answer(queue, head, length);
	queue->taken++;
	error = __real_virtqueue_answer(queue, (uint16_t)withheld, length);
	withheld = -1;
	return error ? error : __real_virtqueue_answer(queue, head, length);
}
