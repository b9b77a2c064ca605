/* SPDX-License-Identifier: MIT */
/*
 * A session: one connection of a front-end, with everything that dies with
 * it: its memory, its queues, half a message. What it is served with stays.
 *
 * Nothing in here ends the session by itself: functions return what went
 * wrong, up to the callback in the loop or the caller of session_turn, and
 * the guest destroys the session there.
 */
#ifndef TMEMD_SESSION_H
#define TMEMD_SESSION_H

#include "arrivals.h"
#include "loop.h"
#include "service.h"
#include "vhost_user.h"

struct session;

/* What a session needs of its guest, all of which outlives it. */
struct session_host {
	struct loop *loop;
	struct service *service;
	struct guest_counters *counters;
	uint64_t *busy_ns; /* grows by the time that turns take */
	struct latency *latency;
	const char *name;
	uint16_t queues;
	/* The front-end started a ring, or took a fresh start that freed what was lost. */
	void (*in_use)(void *arg, bool in_use);
	/* Something came up for the next turn. */
	void (*woken)(void *arg);
	/* The session is over, with @error or by its peer's wish; destroy it. */
	void (*ended)(void *arg, enum guest_error error);
	void *arg;
};

struct session_queue {
	struct session *session;
	struct watch
		kick; /* fd -1: none. Edge-triggered and never read: there is no way to wait on it */
	bool enabled;
	bool pending; /* to be looked at in the next turn */
	bool open;    /* request is being served */
	struct virtqueue ring;
	struct service_request *request; /* in session->requests */

	uint64_t came;	/* when it was found to have something, in nanoseconds; 0: in no time yet */
	uint64_t since; /* when the request being served was */
	struct arrivals arrivals;
};

/* Pages' worth of requests, at most, whose ends are taken for one moment. */
#define SESSION_ONE_MOMENT 4

/* Requests that were answered since the clock was read. */
struct session_answers {
	uint64_t now;	/* that reading, in nanoseconds */
	uint32_t pages; /* served since then */
	uint32_t count;
	struct {
		uint64_t since;
		enum latency_op op;
	} answer[SESSION_ONE_MOMENT];
};

struct session {
	const struct session_host *host;
	struct watch socket;
	uint64_t features;
	uint64_t protocol_features;
	bool pending;	/* some queue is */
	bool used;	/* a ring was started */
	uint16_t first; /* queue whose turn it is */
	uint32_t left;	/* pages that it may have before the next one's turn */
	struct guest_mem mem;
	struct inflight inflight;
	struct session_answers answers;

	/* The message being received; have counts its bytes, header included. */
	size_t have;
	struct vhost_user_message message;

	void *requests;		      /* what the service keeps of each queue's */
	struct session_queue queue[]; /* host->queues of them */
};

/* Takes @fd over, also on failure. 0 or -errno. */
int session_create(const struct session_host *host, int fd, struct session **session);
void session_destroy(struct session *session);

/* Reads what has come. *@closed: the peer ended the connection between messages. */
enum guest_error session_receive(struct session *session, bool *closed);

/* Serves *@budget pages at most, and leaves there what it did not need. *@more: something is left. */
enum guest_error session_turn(struct session *session, uint32_t *budget, bool *more);

/* Requests that were put aside are tried again. */
void session_retry(struct session *session);

/* For the message handlers. */
bool session_any_started(const struct session *session);
bool session_has(const struct session *session, enum vhost_user_protocol_feature feature);
/* Takes @fd over: the queue's kick from now on; starts the queue if it is not running. */
enum guest_error session_start_queue(struct session *session, uint16_t index, int fd);
/* *@base: where the available ring goes on. */
enum guest_error session_stop_queue(struct session *session, uint16_t index, uint16_t *base);
void session_enable_queue(struct session *session, uint16_t index, bool enabled);

#endif
