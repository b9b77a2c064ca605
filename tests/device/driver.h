/* SPDX-License-Identifier: MIT */
/*
 * A small tmem driver over the vhost-user front-end of tests/vhost: requests
 * of any shape, cut into any pieces, and their replies as they lie in memory.
 */
#ifndef TEST_DEVICE_DRIVER_H
#define TEST_DEVICE_DRIVER_H

#include "frontend.h"
#include "judge.h"

#define DV_EVENTS 0 /* queues */
#define DV_QUEUE  1
#define DV_AREA	  0x50000u /* bytes of each part of a request, at most */

struct dv_reply {
	uint32_t used; /* as the used ring said */
	struct tmem_rep rep;
	int32_t result[TMEM_WIRE_BATCH];
	struct tmem_hello hello;
	struct tmem_event event;
	struct tmem_stat stat;
	const uint8_t *data; /* of a GET; in shared memory */
};

/* A request with count 1 and the rest zero. */
struct tmem_req dv_req(uint8_t op);
/* A page of pseudo-random bytes that only @seed gives. */
void dv_fill(void *page, uint64_t seed);
bool dv_is(const void *page, uint64_t seed);

/*
 * Offers a chain of @readable and @writable bytes, cut into fe->pieces each
 * and indirect if fe->indirect; the writable part is filled with 0x5a first.
 * Its head; nothing is kicked.
 */
uint16_t dv_offer(struct frontend *fe, uint32_t queue, const void *bytes, uint32_t readable,
		  uint32_t writable);
/* Where that head's writable part is, and its length in the used ring. */
uint8_t *dv_written(struct frontend *fe, uint32_t queue, uint16_t head);

/* The bytes of a request into @bytes (DV_AREA of them); the length of the readable part. */
uint32_t dv_encode(const struct tmem_req *req, const struct tmem_ent *list, const void *pages,
		   uint8_t *bytes, uint32_t *writable);
uint16_t dv_start(struct frontend *fe, uint32_t queue, const struct tmem_req *req,
		  const struct tmem_ent *list, const void *pages);
/* Waits for @head. 0, or -1 if the host hung up or is silent. */
int dv_finish(struct frontend *fe, uint32_t queue, uint16_t head, const struct tmem_req *req,
	      struct dv_reply *reply);

/* From beginning to end: the reply's status, or FE_GONE. */
#define FE_GONE (-10000)
int dv_call(struct frontend *fe, uint32_t queue, const struct tmem_req *req,
	    const struct tmem_ent *list, const void *pages, struct dv_reply *reply);
/* Any bytes at all. *@used: the length in the used ring. */
int dv_raw(struct frontend *fe, uint32_t queue, const void *bytes, uint32_t readable,
	   uint32_t writable, uint32_t *used);

int dv_hello(struct frontend *fe, uint64_t nonce, struct dv_reply *reply);
/* The pool's number or a negative code. */
int dv_pool(struct frontend *fe, uint32_t flags, uint64_t cookie);
/* The result of one page: status, if that is not 0. A get's page is @seed's, or the test ends. */
int dv_put(struct frontend *fe, uint32_t pool, uint64_t object, uint32_t index, uint64_t seed);
int dv_get(struct frontend *fe, uint32_t pool, uint64_t object, uint32_t index, uint64_t seed);
int dv_flush(struct frontend *fe, uint32_t pool, uint64_t object, uint32_t index);

#endif
