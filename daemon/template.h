/* SPDX-License-Identifier: MIT */
/*
 * A template: one listening socket on which each connection is a client of
 * its own, made as the template says. For processes, which come and go
 * without an administrator.
 *
 * A connection is not a client: who comes back with the nonce of the former
 * connection, as the same user and within linger_seconds, has the former
 * client's pools again.
 *
 * All calls are made by the thread that runs the loop.
 */
#ifndef TMEMD_TEMPLATE_H
#define TMEMD_TEMPLATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "guest.h"

#define TEMPLATE_CONNECTIONS_DEFAULT 1024
#define TEMPLATE_CONNECTIONS_MAX     16384
#define TEMPLATE_LINGER_DEFAULT	     10 /* seconds */
#define TEMPLATE_LINGER_MAX	     86400
#define TEMPLATE_QUEUES_DEFAULT	     2 /* one for events, one for requests */
#define TEMPLATE_MODE_DEFAULT	     0600

struct latency;
struct grants;
struct template;

struct template_config {
	const char *name;	   /* [a-z0-9_.-]{1,64}, judged by the caller, of no guest */
	const char *socket_path;   /* of the socket to listen on; must fit in a sockaddr_un */
	uint32_t mode;		   /* permission bits of that; 0: TEMPLATE_MODE_DEFAULT */
	uint32_t connections_max;  /* clients at a time; 0: TEMPLATE_CONNECTIONS_DEFAULT */
	uint32_t per_user_max;	   /* of them, of one user; 0: as many as there may be */
	uint32_t linger_seconds;   /* that a client outlives its connection; 0: it does not */
	uint64_t allocation;	   /* bytes reserved for each client, metadata included */
	uint64_t cap;		   /* ephemeral bytes of each client; 0: no cap */
	uint32_t weight;	   /* 1 to 10000; 0: 100 */
	uint64_t rate;		   /* bytes per second of each client; 0: no limit */
	uint32_t pages_per_object; /* as in struct tmem_client_config */
	uint16_t queues;	   /* most of a connection; 0: TEMPLATE_QUEUES_DEFAULT */
	uint8_t codec;		   /* enum tmem_codec_id, for new puts */
};

/*
 * 0, -errno or -TMEM_E*; on failure the cause is logged and nothing is left
 * behind. -EPERM: an allocation, and memory that is not protected. The new
 * template is in daemon->templates, in order of names.
 */
int template_create(struct daemon *daemon, const struct template_config *config,
		    struct template **result);

/* Ends all connections and clients. */
void template_destroy(struct template *template);

/* NULL: no template of this name. */
struct template *template_find(const struct daemon *daemon, const char *name);
/* The first one after @template, NULL where there is none. */
struct template *template_next(const struct template *template);
/* As it is now, defaults filled in. Valid until the template ends. */
const struct template_config *template_config(const struct template *template);

/*
 * Changes all but name, socket and queues. Caps, weights, rates and codecs are those
 * of living clients at once; limits on connections and the allocation are
 * looked at when the next one comes. 0 or -errno; nothing was changed then.
 */
int template_set(struct template *template, const struct template_config *config);

/* Freezes or thaws all its clients, those to come included. */
void template_freeze(struct template *template, bool frozen);
bool template_is_frozen(const struct template *template);

/* Which shared pools its clients may join. Who sets it sees to those that there are. */
const struct grants *template_grants(const struct template *template);
void template_set_grants(struct template *template, const struct grants *grants);

/* What was done on its socket; the clients' figures are theirs. */
#define TEMPLATE_FIGURES(X)                                                                  \
	X(connections, "connections", "connections that are there now")                      \
	X(clients, "clients", "clients that are there now, lingering ones included")         \
	X(lingering, "clients", "clients whose connection is gone")                          \
	X(accepted, "connections", "connections accepted")                                   \
	X(refused_connections, "connections", "connections closed: as many as there may be") \
	X(refused_user, "connections", "connections closed: as many as one user may have")   \
	X(refused_resources, "connections", "connections closed: no descriptors or memory")  \
	X(refused_clients, "greetings", "greetings refused: no room for another client")     \
	X(resumed, "clients", "clients that were found again by their nonce")                \
	X(expired, "clients", "clients that ended because nobody came back")

struct template_figures {
#define TEMPLATE_FIGURE_FIELD_(name, unit, sentence) uint64_t name;
	TEMPLATE_FIGURES(TEMPLATE_FIGURE_FIELD_)
#undef TEMPLATE_FIGURE_FIELD_
	struct guest_counters counters; /* of all connections, ended ones included */
};

void template_figures(const struct template *template, struct template_figures *figures);
/* Summed over all clients, ended ones included. */
void template_latency(const struct template *template, struct latency *latency);

/* One client, or one connection that has not greeted yet. */
struct template_client {
	uint64_t id; /* never 0, never used twice by one daemon */
	uid_t uid;   /* of the process that connected */
	pid_t pid;
	bool connected;
	uint64_t busy_ns; /* time that went into serving it */
	const struct latency *latency;
	struct tmem_client *client; /* NULL: has not greeted */
};

/* Calls @fn for each, in no order, until it returns false. @fn changes nothing. */
void template_each(const struct template *template,
		   bool (*fn)(const struct template_client *client, void *arg), void *arg);

/* Ends one client and its connection. 0 or -TMEM_ENOENT. */
int template_end_client(struct template *template, uint64_t id);

/* Ephemeral pages were given back, or something else is news (TMEM_NEWS_*): all are told. */
void template_tell(struct template *template, uint64_t news, uint64_t wanted);

#endif
