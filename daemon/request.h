/* SPDX-License-Identifier: MIT */
/*
 * A control line and the verdict on it. The judge is total: every byte
 * string gives a request that is good in form, or one error. Whether it can
 * be carried out is for daemon/operate.c to find.
 */
#ifndef TMEMD_REQUEST_H
#define TMEMD_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "units.h"

#define REQUEST_VERSION	     1
#define REQUEST_LINE_MAX     65536		 /* bytes, the newline included */
#define REQUEST_DISK_MAX     (UINT64_C(1) << 44) /* bytes: 32-bit page indexes */
#define REQUEST_QUEUES_MAX   16
#define REQUEST_INTERVAL_LOW 100 /* ms */
#define REQUEST_INTERVAL_MAX 3600000
#define REQUEST_BYTES_MAX    (UINT64_C(1) << 46)
#define REQUEST_WEIGHT_MAX   10000

enum request_op {
	REQUEST_ADD,
	REQUEST_REMOVE,
	REQUEST_LIST,
	REQUEST_STAT,
	REQUEST_SET,
	REQUEST_FREEZE,
	REQUEST_THAW,
	REQUEST_FLUSH,
	REQUEST_DESTROY,
	REQUEST_SHARED_AUTH,
	REQUEST_FREEABLE,
	REQUEST_RELOAD,
	REQUEST_CHECK,
	REQUEST_WATCH,
	REQUEST_VERSION_OP,
	REQUEST_OP_COUNT
};

/* Which keys were there: bit 1 << enum request_key. */
enum request_key {
	REQUEST_KEY_V,
	REQUEST_KEY_ID,
	REQUEST_KEY_OP,
	REQUEST_KEY_NAME,
	REQUEST_KEY_DISK,
	REQUEST_KEY_ALLOCATION,
	REQUEST_KEY_QUEUES,
	REQUEST_KEY_CODEC,
	REQUEST_KEY_FORCE,
	REQUEST_KEY_DESCRIBE,
	REQUEST_KEY_INTERVAL,
	REQUEST_KEY_KIND,
	REQUEST_KEY_CAP,
	REQUEST_KEY_WEIGHT,
	REQUEST_KEY_RATE,
	REQUEST_KEY_POOL,
	REQUEST_KEY_POOLS,
	REQUEST_KEY_ALL,
	REQUEST_KEY_BYTES,
	REQUEST_KEY_ACTION,
	REQUEST_KEY_UUID,
	REQUEST_KEY_MODE,
	REQUEST_KEY_CONNECTIONS,
	REQUEST_KEY_PER_USER,
	REQUEST_KEY_LINGER,
	REQUEST_KEY_PAGES_PER_OBJECT,
	REQUEST_KEY_CLIENTS,
	REQUEST_KEY_COUNT
};

#define REQUEST_HAS(request, key) ((request)->keys & 1u << REQUEST_KEY_##key)

/* What shared-auth does; in the order of the words in request.c. */
enum request_action { REQUEST_GRANT, REQUEST_REVOKE, REQUEST_REVOKE_NOW, REQUEST_GRANTS };

/* Beside enum guest_kind, in the same words: no guest, but what makes clients. */
#define REQUEST_KIND_TEMPLATE 2

struct request {
	enum request_op op;
	uint32_t keys;
	uint64_t id; /* below 2^53; 0 where there is none */
	char name[UNITS_NAME_MAX + 1];
	uint64_t disk;	     /* bytes, whole pages */
	uint64_t allocation; /* bytes; 0: what the disk needs */
	uint64_t queues;
	uint8_t codec; /* enum tmem_codec_id */
	bool force;
	bool describe;
	uint64_t interval_ms;
	uint8_t kind; /* enum guest_kind, or REQUEST_KIND_TEMPLATE */
	uint64_t cap; /* bytes; 0: no cap */
	uint64_t weight;
	uint64_t rate; /* bytes per second; 0: no limit */
	uint64_t pool;
	bool pools;
	bool all;
	uint64_t bytes;
	uint8_t action; /* enum request_action */
	uint64_t uuid[2];
	uint64_t mode; /* permission bits, not 0 */
	uint64_t connections;
	uint64_t per_user;
	uint64_t linger_s;
	uint64_t pages_per_object;
	bool clients;
};

/* Why a request is not carried out; the texts end without a full stop. */
struct refusal {
	const char *code; /* the name of an errno value */
	char text[240];
	char hint[240]; /* what to do; may be empty */
};

void refuse(struct refusal *refusal, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void refuse_hint(struct refusal *refusal, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Judges @length bytes, without the newline. True: *request is good in form.
 * False: *refusal says why; request->keys has REQUEST_KEY_ID if an id could
 * be read.
 */
bool request_judge(const char *line, size_t length, struct request *request,
		   struct refusal *refusal);

/* The codecs by the names that users write. False: no such codec. NULL: no such id. */
bool request_codec_id(const char *name, uint8_t *codec);
const char *request_codec_name(uint8_t codec);

/* Of a guest or a template, by the word that users write. */
const char *request_kind_name(uint8_t kind);

const char *request_op_name(enum request_op op);

#endif
