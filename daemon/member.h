/* SPDX-License-Identifier: MIT */
/*
 * A template's members: each is a connection, a client, or both. It begins as
 * a connection; with the greeting it has a client; when the connection is
 * gone it lingers; and it ends when nobody came back for the client in time.
 * Who does come back gets a member of its own, into which the client moves.
 */
#ifndef TMEMD_MEMBER_H
#define TMEMD_MEMBER_H

#include "device.h"
#include "grants.h"
#include "link.h"
#include "session.h"
#include "template.h"
#include "turns.h"

struct members;

struct member {
	struct link all; /* members->all */
	struct turn turn;
	struct members *members;
	uint64_t id;
	uid_t uid;
	pid_t pid;
	uint64_t nonce;	   /* once there is a client */
	uint64_t deadline; /* without a connection: when it ends, in nanoseconds */
	uint64_t busy_ns;  /* time that went into serving it */
	struct latency latency;
	struct session *session; /* NULL: it lingers */
	struct session_host host;
	struct device device; /* its client is the member's */
};

struct members {
	/* The template's. */
	struct daemon *daemon;
	const struct template_config *config; /* its limits may change */
	bool frozen;
	struct grants grants; /* of each client */

	struct watch timer;	    /* for the first deadline */
	struct device_pages *pages; /* all devices' */
	struct link all;
	uint64_t last_id;
	struct guest_counters counters;
	struct latency latency;		 /* of members that ended */
	struct template_figures figures; /* those that count events */
};

#define MEMBER_OF(link, field) \
	((struct member *)(void *)((char *)(link)-offsetof(struct member, field)))

/* 0 or -errno. */
int members_open(struct members *members, struct daemon *daemon,
		 const struct template_config *config);
/* Ends all of them. */
void members_close(struct members *members);

/* Takes a connection over, or refuses and closes it. */
void members_admit(struct members *members, int fd);

/* Ends a member, its connection and its client. */
void member_end(struct member *member);

#endif
