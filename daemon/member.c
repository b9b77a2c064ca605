// SPDX-License-Identifier: MIT
/* The life of a member: admitted, greeted, gone, found again or forgotten. */
#include "member.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "daemon.h"
#include "log.h"
#include "timer.h"

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * TIMER_SECOND + (uint64_t)time.tv_nsec;
}

void member_end(struct member *member)
{
	struct members *members = member->members;

	link_out(&member->all);
	turn_leave(&member->turn);
	members->counters.busy_ns += member->busy_ns;
	members->counters.rate_waits += member->turn.rests;
	latency_add(&members->latency, &member->latency);
	if (member->session)
		session_destroy(member->session);
	if (member->device.client)
		tmem_client_destroy(member->device.client, members->daemon->worker);
	free(member);
}

/* The timer goes off at the first deadline of all, or not at all. */
static void arm_timer(struct members *members)
{
	uint64_t deadline = UINT64_MAX, time = now();
	struct link *link;

	for (link = members->all.next; link != &members->all; link = link->next) {
		if (!MEMBER_OF(link, all)->session && MEMBER_OF(link, all)->deadline < deadline)
			deadline = MEMBER_OF(link, all)->deadline;
	}
	if (deadline == UINT64_MAX)
		timer_set(&members->timer, 0, 0);
	else
		timer_set(&members->timer, deadline > time ? deadline - time : 1, 0);
}

static void on_timer(struct watch *watch, uint32_t ready)
{
	struct members *members =
		(struct members *)(void *)((char *)watch - offsetof(struct members, timer));
	uint64_t time = now();
	struct member *member;
	struct link *link;

	if (!timer_expired(watch))
		return;
	for (link = members->all.next; link != &members->all;) {
		member = MEMBER_OF(link, all);
		link = link->next;
		if (member->session || member->deadline > time)
			continue;
		members->figures.expired++;
		member_end(member);
	}
	arm_timer(members);
}

static void on_ended(void *arg, enum guest_error error)
{
	struct member *member = arg;
	struct members *members = member->members;

	/* Not a warning: whoever may connect could fill the log. */
	log_info("template %s: client %" PRIu64 ": disconnected%s%s", members->config->name,
		 member->id, error ? ": " : "", error ? guest_error_text(error) : "");
	if (error) {
		members->counters.errors[error]++;
		members->counters.sessions_ended++;
	}
	session_destroy(member->session);
	member->session = NULL;
	turn_leave(&member->turn);
	if (!member->device.client || !members->config->linger_seconds) {
		member_end(member);
		return;
	}
	member->deadline = now() + members->config->linger_seconds * TIMER_SECOND;
	arm_timer(members);
}

static void on_woken(void *arg)
{
	struct member *member = arg;

	turn_want(&member->turn);
}

static enum turn_end on_turn(struct turn *turn, uint32_t *budget)
{
	struct member *member =
		(struct member *)(void *)((char *)turn - offsetof(struct member, turn));
	enum guest_error error;
	bool more;

	error = session_turn(member->session, budget, &more);
	if (!error)
		return more ? TURN_MORE : TURN_IDLE;
	on_ended(member, error);
	return TURN_GONE;
}

/* A device is never in use as a disk is: HELLO says what is lost. */
static void on_in_use(void *arg, bool in_use)
{
}

/*
 * Who had this nonce before. A former connection that is dead may not have
 * been seen to be: its last words are read first. One that lives keeps its client.
 */
static struct member *find_former(const struct member *member)
{
	struct members *members = member->members;
	struct member *former;
	enum guest_error error;
	struct link *link;
	bool closed;

	for (link = members->all.next; link != &members->all;) {
		former = MEMBER_OF(link, all);
		link = link->next;
		if (former == member || !former->device.client || former->uid != member->uid ||
		    former->nonce != member->nonce)
			continue;
		if (!former->session)
			return former;
		error = session_receive(former->session, &closed);
		if (!error && !closed)
			continue;
		on_ended(former, error);
		if (members->config->linger_seconds)
			return former;
	}
	return NULL;
}

static void count_clients(const struct members *members, uid_t uid, uint32_t *all, uint32_t *same)
{
	const struct link *link;

	*all = 0;
	*same = 0;
	for (link = members->all.next; link != &members->all; link = link->next) {
		const struct member *member = MEMBER_OF(link, all);

		*all += member->device.client != NULL;
		*same += member->device.client && member->uid == uid;
	}
}

static bool end_oldest(struct members *members, uid_t uid)
{
	struct member *oldest = NULL, *member;
	struct link *link;

	for (link = members->all.next; link != &members->all; link = link->next) {
		member = MEMBER_OF(link, all);
		if (!member->session && member->uid == uid &&
		    (!oldest || member->deadline < oldest->deadline))
			oldest = member;
	}
	if (!oldest)
		return false;
	members->figures.expired++;
	member_end(oldest);
	return true;
}

/* Room for one client more. Only the user's own may have to go for it, the longest gone first. */
static bool make_room(struct members *members, uid_t uid)
{
	const struct template_config *config = members->config;
	uint32_t all, same;

	for (;;) {
		count_clients(members, uid, &all, &same);
		if (all < config->connections_max && same < config->per_user_max)
			return true;
		if (!end_oldest(members, uid))
			return false;
	}
}

static int make_client(struct member *member)
{
	struct members *members = member->members;
	const struct template_config *config = members->config;
	const struct tmem_client_config client = {
		.size = sizeof(client),
		.codec = config->codec,
		.allocation = config->allocation,
		.cap = config->cap,
		.weight = config->weight,
		.pages_per_object = config->pages_per_object,
	};
	struct tmem_client *made;
	int error;

	if (!make_room(members, member->uid))
		return -TMEM_EOVERFLOW;
	error = tmem_client_create(members->daemon->engine, members->daemon->worker, &client,
				   &made);
	if (error)
		return error;
	if (members->frozen)
		tmem_client_freeze(made, 1);
	grants_give(&members->grants, made);
	member->device.client = made;
	member->device.allocation = config->allocation;
	return 0;
}

static int on_greet(void *arg, uint64_t nonce)
{
	struct member *member = arg, *former;
	struct members *members = member->members;
	int error = 0;

	member->nonce = nonce;
	if (!member->device.client) {
		former = find_former(member);
		if (former) {
			member->device.client = former->device.client;
			member->device.allocation = former->device.allocation;
			member->id = former->id;
			member->turn.rate = former->turn.rate;
			member->busy_ns += former->busy_ns;
			latency_add(&member->latency, &former->latency);
			member->device.id = former->device.id;
			former->device.client = NULL;
			former->busy_ns = 0;
			memset(&former->latency, 0, sizeof(former->latency));
			member_end(former);
			members->figures.resumed++;
		} else {
			error = make_client(member);
		}
	}
	if (error) {
		members->figures.refused_clients++;
		return error;
	}
	member->device.frozen = members->frozen;
	member->device.cap = members->config->cap;
	return tmem_client_session(member->device.client, members->daemon->worker, nonce);
}

static void count_connections(const struct members *members, uid_t uid, uint32_t *all,
			      uint32_t *same)
{
	const struct link *link;

	*all = 0;
	*same = 0;
	for (link = members->all.next; link != &members->all; link = link->next) {
		const struct member *member = MEMBER_OF(link, all);

		*all += member->session != NULL;
		*same += member->session && member->uid == uid;
	}
}

static void fill_member(struct members *members, struct member *member)
{
	const struct device_host device = {
		.engine = members->daemon->engine,
		.worker = members->daemon->worker,
		.pages = members->pages,
		.counters = &members->counters,
		.epoch = members->daemon->epoch,
		.greet = on_greet,
		.arg = member,
	};
	const struct session_host host = {
		.loop = members->daemon->loop,
		.service = &member->device.service,
		.counters = &members->counters,
		.busy_ns = &member->busy_ns,
		.latency = &member->latency,
		.name = members->config->name,
		.queues = members->config->queues,
		.in_use = on_in_use,
		.woken = on_woken,
		.ended = on_ended,
		.arg = member,
	};

	link_init(&member->all);
	turn_init(&member->turn, &members->daemon->turns, on_turn);
	turn_limit(&member->turn, members->config->rate);
	member->members = members;
	member->id = ++members->last_id;
	member->host = host;
	device_open(&member->device, &device);
	/* Another one after a restart, as the client is then. */
	member->device.id = members->daemon->epoch + member->id;
}

/* Takes @fd over. */
void members_admit(struct members *members, int fd)
{
	struct template_figures *figures = &members->figures;
	struct member *member;
	uint32_t all, same;
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length)) {
		figures->refused_resources++;
		close(fd);
		return;
	}
	count_connections(members, peer.uid, &all, &same);
	if (all >= members->config->connections_max || same >= members->config->per_user_max) {
		if (all >= members->config->connections_max)
			figures->refused_connections++;
		else
			figures->refused_user++;
		close(fd);
		return;
	}
	member = calloc(1, sizeof(*member));
	if (!member) {
		figures->refused_resources++;
		close(fd);
		return;
	}
	fill_member(members, member);
	member->uid = peer.uid;
	member->pid = peer.pid;
	if (session_create(&member->host, fd, &member->session)) {
		member->session = NULL;
		figures->refused_resources++;
		free(member);
		return;
	}
	link_last(&members->all, &member->all);
	figures->accepted++;
	log_info("template %s: client %" PRIu64 ": connected, user %u, process %d",
		 members->config->name, member->id, (unsigned int)peer.uid, (int)peer.pid);
}

int members_open(struct members *members, struct daemon *daemon,
		 const struct template_config *config)
{
	int error;

	memset(members, 0, sizeof(*members));
	members->daemon = daemon;
	members->config = config;
	link_init(&members->all);
	members->pages = device_pages_create();
	if (!members->pages)
		return -ENOMEM;
	error = timer_open(&members->timer, daemon->loop, on_timer);
	if (error)
		device_pages_destroy(members->pages);
	return error;
}

void members_close(struct members *members)
{
	while (members->all.next != &members->all)
		member_end(MEMBER_OF(members->all.next, all));
	timer_close(&members->timer, members->daemon->loop);
	device_pages_destroy(members->pages);
}
