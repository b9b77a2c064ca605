/* SPDX-License-Identifier: MIT */
/*
 * A vhost-user front-end of our own, with a small virtio-blk driver: enough
 * to do everything right, and open enough to do everything wrong. Its
 * structs are its own, so that a mistake in the daemon's is not repeated.
 */
#ifndef TEST_VHOST_FRONTEND_H
#define TEST_VHOST_FRONTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FE_RAM	      (32u << 20)
#define FE_GUEST_BASE 0x40000000ull /* where the guest sees its RAM */
#define FE_USER_BASE  0x7f1200000000ull
#define FE_QUEUES     4
#define FE_RING	      64 /* entries of each queue */
#define FE_BUFFER     (64u << 10)
#define FE_BIG	      (8u << 20) /* bytes of the buffer for one large request */

/* Offsets in RAM. */
#define FE_RING_AT(queue)	  ((queue)*0x10000u)
#define FE_AVAIL		  0x4000u
#define FE_USED			  0x6000u
#define FE_HEADER_AT(queue, head) (0x80000u + ((queue)*FE_RING + (head)) * 64u)
#define FE_TABLE_AT(queue, head)  (0xc0000u + ((queue)*FE_RING + (head)) * 1024u)
#define FE_BUFFER_AT(queue, head) (0x100000u + ((queue)*FE_RING + (head)) * FE_BUFFER)
#define FE_BIG_AT		  (24u << 20)

enum { FE_IN = 0, FE_OUT = 1, FE_FLUSH = 4, FE_GET_ID = 8, FE_DISCARD = 11, FE_ZEROES = 13 };
enum { FE_OK = 0, FE_IOERR = 1, FE_UNSUPP = 2, FE_DEAD = -1 };

struct fe_desc {
	uint64_t guest;
	uint32_t length;
	uint16_t flags; /* 1 next, 2 write, 4 indirect */
	uint16_t next;
};

struct fe_range {
	uint64_t sector;
	uint32_t sectors;
	uint32_t flags;
};

struct fe_queue {
	int kick;
	int call;
	uint16_t free[FE_RING]; /* heads that are not in use */
	uint16_t free_count;
	uint16_t seen; /* used entries looked at */
	uint16_t avail;
	uint16_t links[FE_RING]; /* descriptors of a head beside itself */
	uint16_t link[FE_RING][8];
};

struct frontend {
	char path[128];
	int fd; /* -1: not connected */
	int memory;
	uint8_t *ram;
	bool event_idx;
	bool indirect;	 /* use indirect tables */
	uint32_t pieces; /* that data is cut into; 1 to 6 */
	bool use_inflight;
	int inflight;
	uint64_t inflight_size;
	uint64_t protocol;	  /* features, as they were offered */
	uint64_t config_capacity; /* sectors, as the config space said */
	struct fe_queue queue[FE_QUEUES];
	void (*pump)(void *arg); /* lets a daemon in this thread work; NULL: it is elsewhere */
	void *pump_arg;
};

struct fe_message {
	uint32_t request, flags, size;
	uint8_t payload[512];
};

void fe_init(struct frontend *fe, const char *path, void (*pump)(void *), void *arg);
void fe_close(struct frontend *fe);	 /* the connection and everything else */
void fe_disconnect(struct frontend *fe); /* the connection only: RAM and rings stay */

/* 0 or -errno. */
int fe_connect(struct frontend *fe);
/* Bytes as they are, with descriptors. 0 or -errno. */
int fe_send_raw(struct frontend *fe, const void *bytes, size_t size, const int *fds,
		uint32_t count);
int fe_send(struct frontend *fe, uint32_t request, const void *payload, uint32_t size,
	    const int *fds, uint32_t count);
int fe_send_number(struct frontend *fe, uint32_t request, uint64_t number);
int fe_send_state(struct frontend *fe, uint32_t request, uint32_t index, uint32_t number);
/* 0, or -1 if no whole reply came; *@fd (may be NULL) its descriptor or -1. */
int fe_receive(struct frontend *fe, struct fe_message *message, int *fd);
/* A request with a number as reply. */
int fe_ask(struct frontend *fe, uint32_t request, uint64_t *number);
/* Sends with NEED_REPLY: the number that came back, -1 if none did. */
int64_t fe_acked(struct frontend *fe, uint32_t request, const void *payload, uint32_t size,
		 const int *fds, uint32_t count);
/* True once the daemon has hung up. */
bool fe_is_dead(struct frontend *fe);

/* The steps of a handshake, and all of them. @fresh: ask for a new in-flight region. */
int fe_features(struct frontend *fe);
int fe_memory(struct frontend *fe);
int fe_inflight(struct frontend *fe, bool fresh);
int fe_rings(struct frontend *fe, uint32_t queue); /* number, base, address */
int fe_start(struct frontend *fe, uint32_t queue); /* rings, call, kick, enable */
int fe_stop(struct frontend *fe, uint32_t queue, uint32_t *base);
/* Connects and starts @queues queues. @fresh: a guest that boots; else one that goes on. */
int fe_up(struct frontend *fe, uint32_t queues, bool fresh);

/* Rings as if the driver had just begun. */
void fe_reset_ring(struct frontend *fe, uint32_t queue);

uint64_t fe_guest(uint32_t offset);
struct fe_desc *fe_desc(struct frontend *fe, uint32_t queue, uint16_t index);
void fe_offer(struct frontend *fe, uint32_t queue, uint16_t head); /* into the available ring */
void fe_kick(struct frontend *fe, uint32_t queue);
uint16_t fe_used_index(struct frontend *fe, uint32_t queue);
void fe_used(struct frontend *fe, uint32_t queue, uint16_t at, uint32_t *head, uint32_t *length);

/* Makes a request available without a kick: its head. @data is copied in for FE_OUT and ranges. */
uint16_t fe_submit(struct frontend *fe, uint32_t queue, uint32_t type, uint64_t sector,
		   const void *data, uint32_t length);
/* Waits for any answer: its head, -1 if the daemon hung up or 5 s have passed. */
int fe_wait(struct frontend *fe, uint32_t queue);
uint8_t fe_status(struct frontend *fe, uint32_t queue, uint16_t head);
void fe_release(struct frontend *fe, uint32_t queue, uint16_t head);

/* A request from beginning to end: its status, or FE_DEAD. */
int fe_io(struct frontend *fe, uint32_t queue, uint32_t type, uint64_t sector, void *data,
	  uint32_t length);
int fe_write(struct frontend *fe, uint32_t queue, uint64_t block, uint64_t seed);
/* Reads a block: FE_OK and whether it is what fe_write wrote with @seed (0: zeros). */
int fe_read(struct frontend *fe, uint32_t queue, uint64_t block, uint64_t seed, bool *same);
void fe_fill(void *page, uint64_t block, uint64_t seed);
int fe_range(struct frontend *fe, uint32_t queue, uint32_t type, uint64_t sector, uint32_t sectors,
	     uint32_t flags);

#endif
