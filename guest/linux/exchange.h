/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An exchange: one request to the host and the host's answer, in memory that
 * is there before anything needs it, because pages are put in order to get
 * memory. It belongs to whoever took it from the transport until it is given
 * back, and to the device from the moment it is run until that returns.
 */
#ifndef TMEM_LINUX_EXCHANGE_H
#define TMEM_LINUX_EXCHANGE_H

#include <linux/completion.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/scatterlist.h>

#include <tmem/wire.h>

#define EXCHANGE_PAGES 32u /* of one request; every host grants as many */

/* Where the answer lies in the exchange's page of bytes: behind the longest request. */
#define EXCHANGE_ANSWER 2048u

struct tmem_exchange {
	/* The transport's. */
	struct list_head link;
	struct tmem_queue *queue;
	struct completion answered;
	bool returned; /* without an answer: the device was reset */
	u64 begun;     /* ns; when the device got it */
	struct scatterlist sg[EXCHANGE_PAGES + 2];

	/* Set by whoever took it. */
	u8 *bytes; /* PAGE_SIZE of them: request at 0, answer at EXCHANGE_ANSWER */
	u32 request_bytes;
	u32 answer_bytes; /* of the answer without its pages */
	u32 pages;
	bool to_guest;			   /* the pages are written by the host */
	struct page *page[EXCHANGE_PAGES]; /* whole ones; the taker keeps them alive */

	u32 length; /* bytes that the device says it wrote */
};

static_assert(EXCHANGE_ANSWER >=
	      sizeof(struct tmem_req) + EXCHANGE_PAGES * sizeof(struct tmem_ent));

#endif
