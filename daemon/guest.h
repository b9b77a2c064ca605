/* SPDX-License-Identifier: MIT */
/*
 * A guest: one swap disk or tmem device behind one listening socket, from
 * `tmem add` to `tmem remove`. The client, its pages and its figures belong to
 * the guest; a connection is only a visitor, of whom there is at most one at a
 * time.
 *
 * All calls are made by the thread that runs the loop.
 */
#ifndef TMEMD_GUEST_H
#define TMEMD_GUEST_H

#include <stdbool.h>
#include <stdint.h>

struct daemon;
struct guest;
struct latency;
struct tmem_client;

/* Pages that one queue may move before the client's other queues have their turn. */
#define GUEST_TURN_PAGES 64

#define GUEST_QUEUES_MAX     16
#define GUEST_QUEUES_DEFAULT 8
#define GUEST_NAME_MAX	     64

/* What a guest finds behind its socket. */
enum guest_kind {
	GUEST_DISK,  /* virtio-blk: a swap disk over one persistent pool */
	GUEST_DEVICE /* the tmem device: pools of the guest's own making */
};

struct guest_config {
	enum guest_kind kind;
	const char *name;	 /* [a-z0-9_.-]{1,64}, judged by the caller */
	const char *socket_path; /* of the socket to listen on; must fit in a sockaddr_un */
	uint64_t id;		 /* of the client, for a device's front-end */
	uint64_t disk_bytes;	 /* whole blocks of 4096; 0: all that the allocation holds */
	uint64_t allocation;	 /* bytes reserved, metadata included */
	uint64_t cap;		 /* bytes of ephemeral pages; 0: no cap */
	uint32_t weight;	 /* of the ephemeral bytes when all want more; 0: 100 */
	uint64_t rate;		 /* bytes per second that it may move; 0: no limit */
	uint8_t codec;		 /* enum tmem_codec_id, for new writes */
	uint16_t queues;	 /* most that a front-end may use; 0: GUEST_QUEUES_DEFAULT */
	/*
	 * The disk was in use when an earlier daemon died: every block is lost
	 * until it is written or discarded, or until a front-end that starts
	 * afresh resets the device.
	 */
	bool contents_unknown;
};

/* What ended a session: name, sentence. Each is logged and counted. */
#define GUEST_ERRORS(X)                                                                     \
	X(message_version, "message with a wrong version or with the reply flag")           \
	X(message_unknown, "message that is not known, or was not negotiated")              \
	X(message_too_long, "message longer than any that is known")                        \
	X(message_size, "message whose size does not fit its kind")                         \
	X(message_half, "connection that ended in the middle of a message")                 \
	X(message_receive, "connection that could not be read")                             \
	X(message_value, "message with a value that is out of bounds")                      \
	X(message_out_of_turn, "message at a moment when it makes no sense")                \
	X(reply_blocked, "front-end that does not take its replies")                        \
	X(descriptor_count, "message with too many or too few descriptors")                 \
	X(descriptor_not_event, "descriptor that is not an eventfd where one is needed")    \
	X(descriptor_not_memory, "descriptor that is not memfd, tmpfs or hugetlbfs memory") \
	X(feature_unknown, "feature that was never offered")                                \
	X(region_count, "more memory regions than there are slots")                         \
	X(region_overlap, "memory region that overlaps another one")                        \
	X(region_wrap, "memory region that wraps or is empty")                              \
	X(region_truncated, "memory region that reaches beyond its file")                   \
	X(region_unknown, "removal of a memory region that was never added")                \
	X(region_map, "memory that cannot be mapped")                                       \
	X(memory_fault, "memory that was taken away while mapped")                          \
	X(queue_index, "queue number that was never offered")                               \
	X(queue_size, "queue size that is zero, too large or no power of two")              \
	X(queue_address, "ring that lies outside the memory regions or is not aligned")     \
	X(queue_runaway, "ring whose available index ran away")                             \
	X(queue_head, "available entry that is no descriptor of the ring")                  \
	X(queue_head_busy, "available entry that is still being served")                    \
	X(chain_loop, "descriptor chain that loops or is longer than its table")            \
	X(chain_next, "descriptor that points outside its table")                           \
	X(chain_direction, "readable descriptor behind a writable one")                     \
	X(chain_address, "buffer that lies outside the memory regions or wraps")            \
	X(chain_indirect, "indirect table that is nested, empty, not whole or too long")    \
	X(request_short, "request without room for its header or its status")               \
	X(log_address, "dirty log that does not cover what is written")                     \
	X(inflight_malformed, "in-flight region that is malformed")                         \
	X(second_connection, "second connection while the first one lives; it was closed")  \
	X(no_resources, "no memory or descriptors left in the daemon for this session")

enum guest_error {
	GUEST_OK,
#define GUEST_ERROR_ID_(name, sentence) GUEST_ERROR_##name,
	GUEST_ERRORS(GUEST_ERROR_ID_)
#undef GUEST_ERROR_ID_
		GUEST_ERROR_COUNT
};

/* "queue_runaway", and the sentence above. */
const char *guest_error_name(enum guest_error error);
const char *guest_error_text(enum guest_error error);

/* What was done for a front-end since `tmem add`. */
#define GUEST_COUNTERS(X)                                                                     \
	X(reads, "requests", "read requests answered")                                        \
	X(writes, "requests", "write requests answered")                                      \
	X(flushes, "requests", "flush requests answered")                                     \
	X(discards, "requests", "discard requests answered")                                  \
	X(write_zeroes, "requests", "write-zeroes requests answered")                         \
	X(get_ids, "requests", "requests for the disk's name answered")                       \
	X(requests, "requests", "requests of a tmem device answered")                         \
	X(refused, "requests", "of these, those that were malformed or not possible")         \
	X(hellos, "requests", "front-ends that greeted a tmem device")                        \
	X(events, "requests", "front-ends that were told news")                               \
	X(unsupported, "requests", "requests of an unknown kind, refused")                    \
	X(failed_unaligned, "requests", "requests failed because they are not whole blocks")  \
	X(failed_beyond, "requests", "requests failed because they end beyond the disk")      \
	X(failed_malformed, "requests", "discards and write-zeroes with a bad segment list")  \
	X(failed_lost, "requests", "reads failed because a block is lost")                    \
	X(failed_no_room, "requests", "writes failed because the store did not take a block") \
	X(failed_stopped, "requests", "frozen writes failed because their ring was stopped")  \
	X(resubmitted, "requests", "requests found in flight when a ring started")            \
	X(frozen_waits, "requests", "writes that waited because the client is frozen")        \
	X(rate_waits, "events", "times that its rate was used up, and it had to wait")        \
	X(pages_in, "pages", "pages that the guest wrote or put")                             \
	X(pages_out, "pages", "pages that the guest read or got")                             \
	X(bytes_in, "bytes", "bytes that the guest wrote")                                    \
	X(bytes_out, "bytes", "bytes that the guest read")                                    \
	X(blocks_discarded, "blocks", "blocks emptied by discard and write-zeroes")           \
	X(busy_ns, "nanoseconds", "time that went into serving the requests")                 \
	X(kicks, "events", "kicks received")                                                  \
	X(calls, "events", "calls sent")                                                      \
	X(sessions, "connections", "connections accepted")                                    \
	X(sessions_ended, "connections", "connections ended because of an error")

struct guest_counters {
#define GUEST_COUNTER_FIELD_(name, unit, sentence) uint64_t name;
	GUEST_COUNTERS(GUEST_COUNTER_FIELD_)
#undef GUEST_COUNTER_FIELD_
	uint64_t errors[GUEST_ERROR_COUNT];
};

struct guest_figures {
	bool connected;
	bool in_use; /* a front-end has started rings since `tmem add`, or the contents are unknown */
	uint64_t disk_bytes;
	uint64_t blocks_empty;
	uint64_t blocks_stored;
	uint64_t blocks_lost;
	struct guest_counters counters;
};

/* 0, -errno or -TMEM_E*; on failure the cause is logged and nothing is left behind. */
int guest_create(struct daemon *daemon, const struct guest_config *config, struct guest **guest);
void guest_destroy(struct guest *guest);

/* In the middle of something long: its next turn looks at every queue, kicked or not. */
void guest_look(struct guest *guest);

void guest_figures(const struct guest *guest, struct guest_figures *figures);
const struct latency *guest_latency(const struct guest *guest);
struct tmem_client *guest_client(const struct guest *guest);

/* What the administrator changes, here so that a device's guest hears of it. */
void guest_freeze(struct guest *guest, bool frozen);
void guest_set_cap(struct guest *guest, uint64_t cap);	    /* bytes; 0: no cap */
int guest_set_weight(struct guest *guest, uint32_t weight); /* 0 or -TMEM_EINVAL */
void guest_set_rate(struct guest *guest, uint64_t rate);    /* bytes per second; 0: no limit */
/* 0, -TMEM_ENOSPC or -TMEM_ENOMEM. Time in proportion to the change. */
int guest_set_allocation(struct guest *guest, uint64_t bytes);

/* Bytes: what its disk needs when nothing compresses, and what it is billed for now. */
uint64_t guest_allocation_least(const struct guest *guest);

/*
 * News of other kinds, TMEM_NEWS_* of <tmem/wire.h>, and the bytes that the
 * host wants back. A disk's guest has no ear for it.
 */
void guest_tell(struct guest *guest, uint64_t news, uint64_t wanted);

/* Called with true when a front-end first starts a ring, with false when a reset frees the disk. */
void guest_set_in_use_hook(struct guest *guest, void (*fn)(struct guest *, bool in_use, void *),
			   void *arg);

#endif
