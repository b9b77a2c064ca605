/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * libtmem: a process as a client of tmemd, over memory that both share.
 *
 * Copies. The page of tmem_page_put(), tmem_page_get() or a batch may lie
 * anywhere. If it lies in memory from tmem_buffer_alloc(), it crosses with one
 * copy, made by the daemon; anything else costs two. While both sides are
 * awake no system call is made.
 *
 * Threads. Any thread may call. Calls on one connection are carried out one at
 * a time, behind a lock of its own, which is held while a call waits for the
 * daemon; threads that want to run beside each other open a connection each.
 * Only tmem_disconnect() needs every other call on the connection to be over.
 *
 * Fork. A connection belongs to the process that made it. In a child every
 * call returns -TMEM_ECHILD and buffers are not mapped; tmem_disconnect() is
 * the one call that does its work there: it frees the child's copy and leaves
 * the parent's alone.
 *
 * The daemon goes away. A call waits for it no longer than away_ms, then
 * returns -TMEM_ENOTCONN, and calls after it return that at once until the
 * daemon is back; tmem_last_error() says what to do. There is nothing to
 * reopen: the next call that finds the daemon connects, makes the pools again
 * and repeats what was not answered. Pages of ephemeral pools are misses then.
 * Pages of persistent pools that a daemon no longer has are *lost*: a get that
 * does not find its page returns -TMEM_EIO, never -TMEM_ENOENT, until
 * tmem_pool_accept_loss(). A put or flush that returned -TMEM_ENOTCONN or
 * -TMEM_ETIMEDOUT leaves its handle empty or lost, never with older data.
 *
 * No signal is raised and no handler installed. Results are 0 or a positive
 * count, or one of -TMEM_E...
 *
 * Names. The engine of <tmem/engine.h> has a tmem_put() and others with
 * another meaning, and one program may use both: so functions here are named
 * noun and verb, tmem_page_put(), and none of them is the engine's.
 */
#ifndef TMEM_TMEM_H
#define TMEM_TMEM_H

#include <tmem/types.h>

TMEM_BEGIN_C

struct tmem;	  /* a connection */
struct tmem_pool; /* a pool of one connection, valid until it is closed */

/* Results that only this library gives; the others are enum tmem_err. */
enum tmem_lib_err {
	TMEM_ECHILD = 10,     /* the connection belongs to the parent process */
	TMEM_EBUSY = 16,      /* something is still under way */
	TMEM_ENOTCONN = 107,  /* the daemon is away, or refuses this connection */
	TMEM_ETIMEDOUT = 110, /* the daemon is there and does not answer */
	TMEM_EWAITS = 114     /* of an operation in a batch: not answered yet */
};

/* For away_ms and spin_us: not at all. */
#define TMEM_NEVER 0xffffffffu

/* Set size to sizeof(struct tmem_options) and the rest to zero; zero is the default. */
struct tmem_options {
	uint32_t size;
	uint32_t timeout_ms;   /* most time without any answer; 0: 5000 */
	uint32_t away_ms;      /* most time that a call waits for a daemon to come back; 0: 1000 */
	uint32_t spin_us;      /* look so long before sleeping; 0: 50, or not on one processor */
	uint64_t buffer_bytes; /* memory for tmem_buffer_alloc(), at most 1 GiB; 0: 4 MiB */
	/*
	 * Names the session. A process that comes back with the nonce of an
	 * earlier one finds its pools again, by their cookies. 0: random.
	 */
	uint64_t nonce;
};

/*
 * Connects to the socket at @path. NULL: $TMEM_SOCKET; where that is not set,
 * tmem.sock in $TMEM_RUN_DIR, else in the daemon's default run-time directory
 * (/run/tmem for root, else $XDG_RUNTIME_DIR/tmem, else $TMPDIR/tmem-UID).
 * @options may be NULL. 0 and *@tmem; -TMEM_ENOTCONN (nobody listens, or the
 * socket is taken), -TMEM_EPROTO (something else than a tmem device),
 * -TMEM_EACCES, -TMEM_ETIMEDOUT, -TMEM_EOPNOTSUPP, -TMEM_EINVAL, -TMEM_ENOMEM.
 */
TMEM_API TMEM_MUST_CHECK int tmem_connect(const char *path, const struct tmem_options *options,
					  struct tmem **tmem);

/*
 * Ends the connection, its pools' handles and its buffers. NULL is nothing.
 * Batches that were not reaped are given up: their results say
 * -TMEM_ENOTCONN. What a daemon keeps of a client whose process is gone is its
 * administrator's choice.
 */
TMEM_API void tmem_disconnect(struct tmem *tmem);

/*
 * Whether tmem_connect() began a session: 1, so that no pool of an earlier
 * process is there; 0: the nonce's session goes on.
 */
TMEM_API int tmem_session_is_new(struct tmem *tmem);

/* Set size to sizeof(struct tmem_pool_options) and the rest to zero. */
struct tmem_pool_options {
	uint32_t size;
	uint32_t flags;	  /* TMEM_POOL_PERSISTENT, TMEM_POOL_SHARED */
	uint64_t uuid[2]; /* of a shared pool; zero for a private one */
	uint64_t cookie;  /* the same cookie in one session finds the same pool; 0: random */
};

/*
 * Makes a pool, joins a shared one, or finds the one with this cookie again.
 * @options may be NULL: private and ephemeral. 0 and *@pool;
 * -TMEM_EOPNOTSUPP, -TMEM_EINVAL, -TMEM_EOVERFLOW (too many pools),
 * -TMEM_EACCES (not authorised), -TMEM_EEXIST (joined already), -TMEM_ENOMEM.
 */
TMEM_API TMEM_MUST_CHECK int tmem_pool_open(struct tmem *tmem,
					    const struct tmem_pool_options *options,
					    struct tmem_pool **pool);

/*
 * Ends the pool: its pages are gone, those of a shared pool with its last
 * member. @pool is freed, whatever is returned, except with -TMEM_EBUSY: an
 * unfinished batch uses it. NULL is nothing.
 */
TMEM_API int tmem_pool_close(struct tmem_pool *pool);

/* How many times all pages of this pool were lost; of persistent pools only, else 0. */
TMEM_API uint64_t tmem_pool_losses(struct tmem_pool *pool);

/*
 * The program has taken note of every loss so far: pages that are not found
 * are misses again, -TMEM_ENOENT.
 */
TMEM_API void tmem_pool_accept_loss(struct tmem_pool *pool);

/*
 * Copies TMEM_PAGE_SIZE bytes in. 0: stored. -TMEM_ENOMEM (the host has no
 * room), -TMEM_ENOSPC (over the client's allocation or cap), -TMEM_EAGAIN
 * (frozen), -TMEM_ENODEV: not stored, and no older page either.
 */
TMEM_API TMEM_MUST_CHECK int tmem_page_put(struct tmem_pool *pool,
					   const struct tmem_object_id *object, uint32_t index,
					   const void *page);

/*
 * Copies a page out. 0: a hit; of a private ephemeral pool the page is taken
 * out of the pool. -TMEM_ENOENT: a miss, @page untouched. -TMEM_EIO: lost,
 * @page undefined. After -TMEM_ETIMEDOUT a @page from tmem_buffer_alloc() may
 * still be written to until a later call on the connection succeeds.
 */
TMEM_API TMEM_MUST_CHECK int tmem_page_get(struct tmem_pool *pool,
					   const struct tmem_object_id *object, uint32_t index,
					   void *page);

/* 1: gone now; 0: was not there; -TMEM_ENODEV. */
TMEM_API int tmem_page_flush(struct tmem_pool *pool, const struct tmem_object_id *object,
			     uint32_t index);

/* @count indexes from @index on, which may be none; cut off at 2^32. 0; -TMEM_ENODEV. */
TMEM_API int tmem_range_flush(struct tmem_pool *pool, const struct tmem_object_id *object,
			      uint32_t index, uint64_t count);

/* 1: gone now; 0: was not there; -TMEM_ENODEV. */
TMEM_API int tmem_object_flush(struct tmem_pool *pool, const struct tmem_object_id *object);

enum tmem_io_code {
	TMEM_IO_PUT = 4,
	TMEM_IO_GET = 5,
	TMEM_IO_FLUSH = 6,
	TMEM_IO_FLUSH_RANGE = 7,
	TMEM_IO_FLUSH_OBJECT = 8
};

/* One operation of a batch, and what became of it. */
struct tmem_io {
	uint32_t code;	/* enum tmem_io_code */
	int32_t result; /* what the single call would have returned */
	struct tmem_pool *pool;
	struct tmem_object_id object;
	uint32_t index;
	uint32_t zero;
	uint64_t count; /* FLUSH_RANGE: indexes from index on; else 0 */
	void *page;	/* PUT: read only; GET: written to; else NULL */
};

/*
 * Carries out @count operations, each on its own, as if one after the other in
 * array order; neighbours of one kind and pool travel together. The number of
 * those whose result is negative (a miss is), or a code if none was begun:
 * -TMEM_EINVAL, -TMEM_ECHILD.
 */
TMEM_API int tmem_batch_run(struct tmem *tmem, struct tmem_io *io, uint32_t count);

/*
 * The same without waiting for answers. @io and its pages belong to the
 * library until tmem_batch_reap() returns @tag, which is not looked at. 0;
 * -TMEM_EBUSY: TMEM_BATCHES are under way, reap first; -TMEM_EINVAL;
 * -TMEM_ENOTCONN and its like: nothing was begun.
 */
#define TMEM_BATCHES 1024u
TMEM_API TMEM_MUST_CHECK int tmem_batch_submit(struct tmem *tmem, struct tmem_io *io,
					       uint32_t count, void *tag);

/*
 * The tags of at most @most batches that are complete, in the order in which
 * they were submitted, and how many. Waits only if the daemon is away, no
 * longer than away_ms; what cannot be repeated then is complete with
 * -TMEM_ENOTCONN. Also sends what did not fit into the ring before.
 */
TMEM_API int tmem_batch_reap(struct tmem *tmem, void **tags, uint32_t most);

/* Waits at most @timeout_ms until something can be reaped: 1, or 0 when the time is over. */
TMEM_API int tmem_batch_wait(struct tmem *tmem, uint32_t timeout_ms);

/*
 * Readable when there may be something to reap, or news. For poll() and its
 * like only; the library's, closed by tmem_disconnect(). After it was
 * readable: tmem_batch_reap() until that returns less than asked for.
 */
TMEM_API int tmem_batch_fd(struct tmem *tmem);

/*
 * @pages consecutive pages of the memory shared with the daemon, contents
 * undefined; NULL: none left, see buffer_bytes. The daemon could read and
 * write them at any time: keep nothing in them that it must not see.
 */
TMEM_API void *tmem_buffer_alloc(struct tmem *tmem, uint32_t pages);

/* What tmem_buffer_alloc() gave; NULL is nothing. */
TMEM_API void tmem_buffer_free(struct tmem *tmem, void *buffer);

/* What the client has and did, in bytes, pages and operations. Set size first. */
struct tmem_figures {
	uint32_t size;
	uint32_t zero;
	uint64_t ephemeral_pages;
	uint64_t ephemeral_bytes;
	uint64_t persistent_pages;
	uint64_t persistent_bytes;
	uint64_t allocation; /* bytes, of the client; so are billed and cap */
	uint64_t billed;
	uint64_t cap;
	uint64_t puts;
	uint64_t puts_stored;
	uint64_t gets;
	uint64_t gets_hit;
	uint64_t flushes;
	uint64_t flushes_found;
	uint64_t evicted;
	uint64_t lost;
};

/* Of one pool; of the whole client. 0, or a code. */
TMEM_API TMEM_MUST_CHECK int tmem_pool_figures(struct tmem_pool *pool,
					       struct tmem_figures *figures);
TMEM_API TMEM_MUST_CHECK int tmem_figures_read(struct tmem *tmem, struct tmem_figures *figures);

/* Bits of what the host told. */
#define TMEM_TOLD_FROZEN  1u
#define TMEM_TOLD_THAWED  2u
#define TMEM_TOLD_GIVE	  4u  /* the host needs memory: put less */
#define TMEM_TOLD_LIMITS  8u  /* allocation or cap have changed */
#define TMEM_TOLD_DROPPED 16u /* ephemeral pages were given back */

/* Set size first. */
struct tmem_news {
	uint32_t size;
	uint32_t told;	     /* TMEM_TOLD_* since the last call */
	uint64_t allocation; /* bytes, as they are now */
	uint64_t cap;
	uint64_t wanted; /* bytes that the host wants back */
};

/* 1: there is news; 0: none; or a code. Never waits. */
TMEM_API int tmem_news_read(struct tmem *tmem, struct tmem_news *news);

/* A few words for a result, negative or not; never NULL. */
TMEM_API const char *tmem_strerror(int result);

/*
 * The last failure on this connection as a sentence that says what to do, for
 * people; valid until the next call on it. NULL: the calling thread's last
 * failed tmem_connect(). "" where nothing has failed. A miss is no failure.
 */
TMEM_API const char *tmem_last_error(const struct tmem *tmem);

TMEM_END_C

#endif
