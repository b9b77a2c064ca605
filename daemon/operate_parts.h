/* SPDX-License-Identifier: MIT */
/*
 * The operations of the control socket, one function each, and what several
 * of them need. For daemon/operate*.c alone.
 *
 * True: *@ok is the answer. False: *@refusal, and nothing was changed.
 */
#ifndef TMEMD_OPERATE_PARTS_H
#define TMEMD_OPERATE_PARTS_H

#include <stdbool.h>
#include <stdint.h>

struct daemon;
struct entry;
struct json_object;
struct refusal;
struct request;
struct template;

/* Given back between two turns of the guests. */
#define OPERATE_PIECE (UINT64_C(32) << 20)

/* Whom a request means: a guest, a template, or with neither all of them. */
struct operate_target {
	struct entry *guest;
	struct template *template;
};

bool operate_find(struct daemon *daemon, const struct request *request,
		  struct operate_target *target, struct refusal *refusal);
/* A guest, where a template will not do. */
bool operate_find_guest(struct daemon *daemon, const struct request *request, struct entry **entry,
			struct refusal *refusal);

/* Both false. */
bool operate_refuse_state(struct refusal *refusal);
bool operate_refuse_pool(const struct entry *entry, const struct request *request,
			 struct refusal *refusal);

/* What set changes at once, kept to be put back where the state file cannot be written. */
struct operate_settings {
	uint64_t cap;
	uint32_t weight;
	uint64_t rate;
	uint8_t codec;
};

/* False: the engine has no such codec. Nothing was changed then. */
bool operate_apply(struct entry *entry, const struct operate_settings *settings);

bool operate_add_template(struct daemon *daemon, const struct request *request,
			  struct json_object **ok, struct refusal *refusal);
bool operate_remove_template(struct daemon *daemon, struct template *template,
			     const struct request *request, struct json_object **ok,
			     struct refusal *refusal);
bool operate_set_template(struct daemon *daemon, struct template *template,
			  const struct request *request, struct json_object **ok,
			  struct refusal *refusal);

bool operate_set(struct daemon *daemon, const struct request *request, struct json_object **ok,
		 struct refusal *refusal);
bool operate_freeze(struct daemon *daemon, const struct request *request, bool frozen,
		    struct json_object **ok, struct refusal *refusal);
bool operate_freeable(struct daemon *daemon, const struct request *request, struct json_object **ok,
		      struct refusal *refusal);
bool operate_flush(struct daemon *daemon, const struct request *request, struct json_object **ok,
		   struct refusal *refusal);
bool operate_destroy(struct daemon *daemon, const struct request *request, struct json_object **ok,
		     struct refusal *refusal);
bool operate_shared_auth(struct daemon *daemon, const struct request *request,
			 struct json_object **ok, struct refusal *refusal);
bool operate_reload(struct daemon *daemon, struct json_object **ok, struct refusal *refusal);

#endif
