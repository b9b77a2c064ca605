/* SPDX-License-Identifier: MIT */
/*
 * A connection: everything that hangs from one tmem_connect(). All of it is
 * guarded by its lock, except what is constant after tmem_connect().
 *
 * The link is what dies with a daemon: socket, rings, requests under way. The
 * connection survives it, and makes another one when it is used again.
 */
#ifndef LIBTMEM_CONNECTION_H
#define LIBTMEM_CONNECTION_H

#include <pthread.h>
#include <tmem/tmem.h>
#include <tmem/wire.h>

#include "memory.h"
#include "ring.h"

#define LT_PATH_MAX	108 /* of a socket, zero included */
#define LT_SENTENCE_MAX 320

/* One slot is kept for requests of the library's own. */
#define LT_IO_SLOTS	(MEMORY_SLOTS - 1)
#define LT_CONTROL_SLOT LT_IO_SLOTS

enum link_state {
	LINK_DOWN,     /* no socket */
	LINK_DRAINING, /* given up, but the daemon has not let go of the memory */
	LINK_UP
};

/* Operations that were handed in together. The list of a connection is in that order. */
struct batch {
	struct tmem_io *io;
	uint32_t count;
	uint32_t next; /* first one that was not sent */
	uint32_t left; /* not answered */
	void *tag;
	struct batch *before, *after;
};

/* What a request under way is about. */
struct slot {
	struct batch *batch; /* NULL: not in use */
	uint32_t pages;
	uint32_t written; /* bytes of a whole answer */
	uint8_t op;
	uint32_t io[MEMORY_SLOT_PAGES]; /* which of the batch's operations */
};

/* A request of the library's own, in LT_CONTROL_SLOT. */
struct control {
	bool open; /* sent and not answered */
	uint32_t written;
	struct tmem_rep reply;
	uint8_t answer[128];
};

/*
 * A put or flush that was not carried out, or may not have been, because the
 * daemon was away: if the same session goes on, its handle is emptied before
 * anything else is asked.
 */
struct debt {
	struct tmem_pool *pool; /* NULL: closed meanwhile, and to be destroyed */
	uint32_t number;	/* of that one */
	uint8_t op;		/* TMEM_WIRE_FLUSH, _RANGE, _OBJECT, or DESTROY_POOL */
	struct tmem_object_id object;
	uint32_t index;
	uint64_t count;
};

struct tmem_pool {
	/* Set at creation, then constant. */
	struct tmem *tmem;
	uint32_t flags;
	uint64_t uuid[2];
	uint64_t cookie;

	bool made;	 /* the daemon has it, or had it when the last link ended */
	uint32_t number; /* the daemon's */
	int refused;	 /* 0, or why it could not be made again */
	bool stale;	 /* what the daemon holds may be older than what we said */
	uint64_t losses;
	uint64_t accepted; /* losses that the program has taken note of */
	struct tmem_pool *next;
};

struct tmem {
	/* Set by tmem_connect(), then constant. */
	pthread_mutex_t lock;
	volatile uint32_t *here; /* a page of ours that the kernel wipes in a child */
	char path[LT_PATH_MAX];
	uint64_t timeout_ns;
	uint64_t away_ns;
	uint64_t spin_ns;
	uint64_t nonce;
	struct memory memory;
	int call; /* eventfd of both rings */
	int kick[MEMORY_QUEUES];
	int waiting; /* epoll: the call and the socket */

	/* Guarded by the lock from here on. */
	enum link_state state;
	int socket;	   /* -1 where the link is down */
	uint64_t retry_at; /* not before: look for a daemon that was away; 0: none was */
	uint32_t broken;   /* links lost since the last call that ended well */
	bool polled;	   /* the program waits by tmem_batch_fd() */
	uint64_t answered; /* when an answer last came, or a wait began */

	/* What HELLO said. */
	bool greeted; /* ever */
	bool fresh;   /* the first HELLO began a session */
	uint32_t batch_max;
	uint64_t epoch;

	uint32_t spin_credit; /* above 0: looking without sleeping has paid */
	uint32_t spin_skipped;

	struct ring ring[MEMORY_QUEUES];
	bool indirect;
	struct slot slot[LT_IO_SLOTS];
	uint8_t free_slot[LT_IO_SLOTS];
	uint32_t free_slots;
	struct control control;

	struct batch *first, *last;
	struct batch *unsent; /* first batch that has something to send */
	struct batch *spare;  /* TMEM_BATCHES of them, once one was submitted */
	struct batch *spare_free;

	struct tmem_pool *pools;
	struct debt *debts;
	uint32_t debt_count;
	uint32_t debt_room;

	uint32_t *buffer_run; /* per page: 0 free, n: first of n, BUFFER_INSIDE */
	uint32_t buffer_pages;
	uint32_t buffer_hint;

	struct tmem_event event;
	bool has_news;

	int last_code;
	bool said; /* in this call: the sentence is about the code that it ends with */
	char sentence[LT_SENTENCE_MAX];
	char away[LT_SENTENCE_MAX]; /* why there is no link, for calls that do not look */
};

/*
 * Begins a call: 0 with the lock held, or -TMEM_ECHILD. Ends it: notes a
 * failure for tmem_last_error() and hands @result on.
 */
int lt_enter(struct tmem *tmem);
int lt_leave(struct tmem *tmem, int result);

/* In a child of the process that connected. */
static inline bool lt_is_forked(const struct tmem *tmem)
{
	return !*tmem->here;
}

uint64_t lt_now(void); /* nanoseconds of the monotonic clock */

#endif
