/* SPDX-License-Identifier: MIT */
/*
 * vhost-user: the messages of the socket, as the specification lays them
 * out, and the one place where they are judged and carried out. Numbers are
 * in native byte order.
 */
#ifndef TMEMD_VHOST_USER_H
#define TMEMD_VHOST_USER_H

#include "guest.h"

#define VHOST_USER_VERSION    0x1u
#define VHOST_USER_VERSION_OF 0x3u /* the bits that hold the version */
#define VHOST_USER_REPLY      0x4u
#define VHOST_USER_NEED_REPLY 0x8u

#define VHOST_USER_NO_FD       0x100u /* in the payload of KICK, CALL, ERR */
#define VHOST_USER_INDEX_OF    0xffu
#define VHOST_USER_LOG_VRING   0x1u /* in the flags of SET_VRING_ADDR */
#define VHOST_USER_CONFIG_MAX  256u
#define VHOST_USER_TABLE_MAX   8u /* regions of one SET_MEM_TABLE */
#define VHOST_USER_FDS_MAX     8u /* descriptors of one message */
#define VHOST_USER_PAYLOAD_MAX 512u
#define VHOST_USER_F_LOG_ALL   26 /* bits of SET_FEATURES */
#define VHOST_USER_F_PROTOCOL  30

enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_RESET_OWNER = 4,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_LOG_BASE = 6,
	VHOST_USER_SET_LOG_FD = 7,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_SET_CONFIG = 25,
	VHOST_USER_GET_INFLIGHT_FD = 31,
	VHOST_USER_SET_INFLIGHT_FD = 32,
	VHOST_USER_RESET_DEVICE = 34,
	VHOST_USER_GET_MAX_MEM_SLOTS = 36,
	VHOST_USER_ADD_MEM_REG = 37,
	VHOST_USER_REM_MEM_REG = 38,
	VHOST_USER_REQUESTS
};

/* Bits of SET_PROTOCOL_FEATURES. */
enum vhost_user_protocol_feature {
	VHOST_USER_PROTOCOL_MQ = 0,
	VHOST_USER_PROTOCOL_LOG_SHMFD = 1,
	VHOST_USER_PROTOCOL_REPLY_ACK = 3,
	VHOST_USER_PROTOCOL_CONFIG = 9,
	VHOST_USER_PROTOCOL_INFLIGHT_SHMFD = 12,
	VHOST_USER_PROTOCOL_RESET_DEVICE = 13,
	VHOST_USER_PROTOCOL_CONFIGURE_MEM_SLOTS = 15
};

struct vhost_user_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* bytes of payload */
};

struct vhost_user_state {
	uint32_t index;
	uint32_t number;
};

struct vhost_user_address {
	uint32_t index;
	uint32_t flags;
	uint64_t desc;
	uint64_t used;
	uint64_t avail;
	uint64_t log;
};

struct vhost_user_region {
	uint64_t guest;
	uint64_t size;
	uint64_t user;
	uint64_t offset; /* in the descriptor */
};

struct vhost_user_table {
	uint32_t count;
	uint32_t padding;
	struct vhost_user_region region[VHOST_USER_TABLE_MAX];
};

struct vhost_user_one_region {
	uint64_t padding;
	struct vhost_user_region region;
};

struct vhost_user_log {
	uint64_t size;
	uint64_t offset;
};

struct vhost_user_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t data[VHOST_USER_CONFIG_MAX];
};

struct vhost_user_inflight {
	uint64_t size;
	uint64_t offset;
	uint16_t queues;
	uint16_t queue_size;
	uint32_t padding; /* some front-ends leave it out */
};

/* One message, whole; after the handler, its reply. */
struct vhost_user_message {
	struct vhost_user_header header;
	union {
		uint8_t bytes[VHOST_USER_PAYLOAD_MAX];
		uint64_t number;
		struct vhost_user_state state;
		struct vhost_user_address address;
		struct vhost_user_table table;
		struct vhost_user_one_region one_region;
		struct vhost_user_log log;
		struct vhost_user_config config;
		struct vhost_user_inflight inflight;
	} payload;
	int fd[VHOST_USER_FDS_MAX]; /* -1 where a handler took it over */
	uint32_t fds;
	bool reply;   /* the payload has become the reply */
	bool refused; /* not done, but no reason to end the session */
	int reply_fd; /* sent with the reply and closed; -1: none */
};

struct session;

/* The name of a request for messages, never NULL. */
const char *vhost_user_name(uint32_t request);

/* Judges a header before its payload is waited for. */
enum guest_error vhost_user_judge(const struct session *session,
				  const struct vhost_user_header *header);

/* Judges and carries out a whole message whose header has passed. */
enum guest_error vhost_user_handle(struct session *session, struct vhost_user_message *message);

#endif
