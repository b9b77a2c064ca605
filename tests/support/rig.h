/* SPDX-License-Identifier: MIT */
/*
 * A rig is one started host, whatever it is made of; a back-end is how to
 * start one and how to reach its operations. The cases of the contract, the
 * model and the failure sweeps are written against this table, so that they
 * can be pointed at the engine in this process, at a disk, at a daemon, or at
 * a wrapper that breaks a rule on purpose.
 *
 * Clients are small numbers given out by the rig. Results are those of
 * <tmem/engine.h>. @worker is 0 to setup.workers - 1, one thread each.
 */
#ifndef TESTS_RIG_H
#define TESTS_RIG_H

#include <stdbool.h>
#include <stdint.h>
#include <tmem/engine.h>

#define RIG_CLIENTS 64
#define RIG_WORKERS 8

/* What a back-end is able to do; a case that needs more does not apply to it. */
enum rig_can {
	CAN_EPHEMERAL = 1 << 0,
	CAN_OBJECTS = 1 << 1, /* several pools and objects, chosen by the client */
	CAN_ADMIN = 1 << 2,   /* clients, sessions, freeze, codec, capacity */
	CAN_STATS = 1 << 3,
	CAN_STARVE = 1 << 4, /* refuse the host's memory on demand, and count it */
	CAN_THREADS = 1 << 5,
	CAN_CODECS = 1 << 6,	 /* codecs of the test's own */
	CAN_NO_SESSION = 1 << 7, /* pools before there is a session */
	CAN_HERE = (1 << 8) - 1, /* all of these: what an engine in this process can */
	CAN_WIRE = 1 << 8	 /* answers that are lost, hosts that are killed, disks */
};

/* When an answer is lost: before anybody was told to look, then, or when it was there. */
enum rig_loss { RIG_LOST_ASKING, RIG_LOST_UNDER_WAY, RIG_LOST_ANSWERED, RIG_LOSSES };

struct rig_setup {
	uint64_t capacity;    /* bytes; 0: 16 MiB */
	uint64_t persistent;  /* bytes; 0: half of it */
	uint32_t extent_size; /* 0: 64 KiB */
	uint32_t workers;     /* 0: 1 */
	uint64_t seed;
	bool lend;   /* ephemeral extents are lent to the host, for take() */
	bool recode; /* steps recode cold pages too */
	bool verify; /* gets are verified */
};

struct backend;

struct rig {
	const struct backend *backend;
	struct rig_setup setup; /* with the defaults filled in */
};

struct backend {
	const char *name;
	uint32_t can;	      /* enum rig_can */
	uint32_t extent_size; /* of its largest extents, whatever is asked for; 0: as asked for */
	/* A capacity below what allocations may sum up to is refused. */
	bool keeps_reserve;
	uint64_t bytes_most; /* a larger number of bytes cannot be said */
	/* Bytes that the host takes by itself, at any time, to have them ready. */
	uint64_t kept_ready;
	struct rig *(*start)(const struct backend *backend, const struct rig_setup *setup);
	/* NULL, or what was wrong at the end: a leak, a broken order of locks. */
	const char *(*stop)(struct rig *rig);

	/* The new client's number or -TMEM_E. */
	int (*client_create)(struct rig *rig, const struct tmem_client_config *config);
	void (*client_destroy)(struct rig *rig, uint32_t worker, int client);
	int (*session)(struct rig *rig, int client, uint64_t nonce);
	void (*freeze)(struct rig *rig, int client, bool frozen);
	int (*set_codec)(struct rig *rig, int client, uint8_t codec);
	int (*set_weight)(struct rig *rig, int client, uint32_t weight);
	int (*set_allocation)(struct rig *rig, int client, uint64_t bytes);
	void (*set_cap)(struct rig *rig, int client, uint64_t cap);
	int (*set_pool_codec)(struct rig *rig, int client, uint32_t pool, uint8_t codec);
	uint64_t (*client_reclaim)(struct rig *rig, uint32_t worker, int client, uint64_t bytes);
	int (*grant)(struct rig *rig, int client, const uint64_t uuid[2]);
	int (*revoke)(struct rig *rig, uint32_t worker, int client, const uint64_t uuid[2],
		      bool now);
	int (*pool_create)(struct rig *rig, uint32_t worker, int client,
			   const struct tmem_pool_config *config);
	int (*pool_destroy)(struct rig *rig, uint32_t worker, int client, uint32_t pool);

	int (*put)(struct rig *rig, uint32_t worker, int client, const struct tmem_handle *handle,
		   const void *page);
	int (*get)(struct rig *rig, uint32_t worker, int client, const struct tmem_handle *handle,
		   void *page);
	int (*flush)(struct rig *rig, uint32_t worker, int client,
		     const struct tmem_handle *handle);
	int (*flush_range)(struct rig *rig, uint32_t worker, int client,
			   const struct tmem_handle *handle, uint64_t count);
	int (*flush_object)(struct rig *rig, uint32_t worker, int client,
			    const struct tmem_handle *handle);
	void (*batch)(struct rig *rig, uint32_t worker, int client, struct tmem_op *ops,
		      uint32_t count);

	uint32_t (*step)(struct rig *rig, uint32_t worker, uint32_t budget);
	uint64_t (*reclaim)(struct rig *rig, uint32_t worker, uint64_t bytes);
	void (*set_capacity)(struct rig *rig, uint64_t bytes);
	/* @client -1: the host; @pool -1: all of the client's. */
	int (*stats)(struct rig *rig, int client, int pool, struct tmem_stats *stats);
	int (*check)(struct rig *rig, const char **what);
	uint32_t (*touched)(struct rig *rig, uint32_t worker); /* NULL: nobody counts */

	/*
	 * A page whose bytes the host itself reads and writes, where there is
	 * such memory between the two; it ends with the rig. NULL: any is.
	 */
	void *(*page_alloc)(struct rig *rig, int client);

	/* With CAN_WIRE. @code: enum tmem_op_code, of an operation on one page. */
	void (*lose_reply)(struct rig *rig, int client, enum rig_loss loss, uint32_t code,
			   const struct tmem_handle *handle, void *page);
	/* With a page outside of all memory that is shared: -TMEM_EFAULT, or what was answered. */
	int (*bad_address)(struct rig *rig, int client, uint32_t code,
			   const struct tmem_handle *handle);
	/* By the administrator, while the client goes on to call. */
	void (*client_remove)(struct rig *rig, int client);
	/* The host ends without a word, and comes back under the same name without contents. */
	void (*kill)(struct rig *rig);
	/* How often these bytes are in the host's memory, whoever's it is there. */
	uint64_t (*find)(struct rig *rig, const void *bytes, size_t length);
	/* A client whose pool is a disk; *@socket is for a front-end, as long as it lives. */
	int (*disk_create)(struct rig *rig, uint64_t bytes, const char **socket);

	/* Bytes that the host has handed out and not got back. */
	uint64_t (*host_bytes)(struct rig *rig);
	/*
	 * The host's memory runs out: the @nth request from now on (from 1) is
	 * refused, and with @for_good all that follow. 0: none is.
	 */
	void (*starve)(struct rig *rig, uint64_t nth, bool for_good);
	uint64_t (*refused)(struct rig *rig); /* requests refused since starve() */
	/* The host takes about so many pages of what it was lent. NULL: it is lent nothing. */
	void (*take)(struct rig *rig, unsigned int pages);
};

/* The engine in this process, by single calls, and by batches of one. */
extern const struct backend backend_engine;
extern const struct backend backend_batch;

/* Starts with defaults filled in; dies if it cannot. @setup may be NULL. */
struct rig *rig_start(const struct backend *backend, const struct rig_setup *setup);

/* Steps until there is nothing to do. */
void rig_settle(struct rig *rig);

/* Dies if the back-end finds its own figures wrong. */
void rig_check(struct rig *rig);

/* Settles, checks, stops; dies if anything is left behind. */
void rig_stop(struct rig *rig);

/* Shorthand for worker 0. Those that make something die if it cannot be made. */
int rig_client(struct rig *rig, uint64_t allocation); /* where need be, what died is swept first */
/* As pool_create(); where the place of a dying pool is needed, it is swept first. */
int rig_pool_create(struct rig *rig, int client, const struct tmem_pool_config *config);
uint32_t rig_pool(struct rig *rig, int client, uint32_t flags);
struct tmem_handle rig_handle(uint32_t pool, uint64_t object, uint32_t index);
/* Puts the page of this tag. */
int rig_put(struct rig *rig, int client, struct tmem_handle handle, uint64_t tag);
/* 1: the page of this tag came back; else what get said. Dies on any other page. */
int rig_get(struct rig *rig, int client, struct tmem_handle handle, uint64_t tag);

/* Puts that travel together, where it is only their number that matters. */
#define RIG_ROW 32
struct rig_row {
	struct rig *rig;
	int client;
	uint32_t stored;
	uint32_t refused;
	int why; /* of the last one that was refused */
	uint32_t count;
	struct tmem_op op[RIG_ROW];
	uint8_t page[RIG_ROW][TMEM_PAGE_SIZE];
};
/* The caller frees it, after the last rig_row_send(). */
struct rig_row *rig_row_begin(struct rig *rig, int client);
void rig_row_put(struct rig_row *row, struct tmem_handle handle, uint64_t tag);
void rig_row_send(struct rig_row *row);

int rig_flush(struct rig *rig, int client, struct tmem_handle handle);
int rig_flush_range(struct rig *rig, int client, struct tmem_handle handle, uint64_t count);
int rig_flush_object(struct rig *rig, int client, struct tmem_handle handle);
struct tmem_stats rig_stats(struct rig *rig, int client, int pool);
/* A page as page_alloc() gives it, of the test's own memory where there is none such. */
void *rig_page_alloc(struct rig *rig, int client);
void rig_page_free(struct rig *rig, void *page);

#endif
