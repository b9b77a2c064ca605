// SPDX-License-Identifier: MIT
/*
 * Connections of the control socket. Each has one line being read and one
 * answer being sent, and is not read from while an answer waits: a peer that
 * does not take its answers holds up nobody but itself, and costs one answer.
 *
 *   line --judge--> request --operate--> answer --> sent --> next line
 *
 * A silent connection, one that sends half a line for ever, and one that
 * does not take its answer all end by the same timer. A connection that
 * watches uses its timer for the next report instead.
 */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon.h"
#include "json.h"
#include "listener.h"
#include "log.h"
#include "loop.h"
#include "operate.h"
#include "options.h"
#include "request.h"
#include "timer.h"

#define CONNECTIONS 16

#define HOLDER(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

struct connection {
	struct control *control; /* NULL: this place is free */
	struct watch io;
	struct watch timer;

	char *line; /* REQUEST_LINE_MAX bytes */
	size_t have;
	char *answer; /* being sent; NULL: none */
	size_t length;
	size_t sent;

	bool ended;	    /* nothing more will come */
	bool last;	    /* close when the answer is sent */
	bool watching;	    /* watched says what is reported */
	uint64_t sequence;  /* of the next report */
	uint64_t missed_ms; /* of reports that the peer was too slow for, in a row */
	struct request watched;
};

struct control {
	struct daemon *daemon;
	struct listener listener;
	struct connection connections[CONNECTIONS];
};

static void arm_idle(struct connection *connection)
{
	timer_set(&connection->timer,
		  connection->control->daemon->options->control_idle * TIMER_SECOND, 0);
}

static void drop(struct connection *connection)
{
	struct loop *loop = connection->control->daemon->loop;

	loop_remove(loop, &connection->io);
	timer_close(&connection->timer, loop);
	close(connection->io.fd);
	free(connection->line);
	free(connection->answer);
	memset(connection, 0, sizeof(*connection));
}

/* What the connection waits for follows from what it has in hand. */
static bool wait_for(struct connection *connection)
{
	uint32_t events = connection->answer ? EPOLLOUT : connection->ended ? 0 : EPOLLIN;

	if (connection->io.events == events)
		return true;
	connection->io.events = events;
	return !loop_change(connection->control->daemon->loop, &connection->io);
}

/* Takes @root. */
static char *to_line(struct json_object *root, size_t *length)
{
	size_t bytes;
	const char *text = json_object_to_json_string_length(
		root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &bytes);
	char *line = text ? malloc(bytes + 1) : NULL;

	if (line) {
		memcpy(line, text, bytes);
		line[bytes] = '\n';
		*length = bytes + 1;
	}
	json_object_put(root);
	return line;
}

/* The answer to @request; exactly one of @ok (taken) and @refusal is there. */
static char *compose(const struct request *request, struct json_object *ok,
		     const struct refusal *refusal, size_t *length)
{
	struct json_object *root = json_object_new_object();

	if (request && request->keys & (1u << REQUEST_KEY_ID))
		json_add_u64(root, "id", request->id);
	else
		json_object_object_add(root, "id", NULL);
	if (refusal) {
		struct json_object *error = json_object_new_object();

		json_add_text(error, "code", refusal->code);
		json_add_text(error, "text", refusal->text);
		if (refusal->hint[0])
			json_add_text(error, "hint", refusal->hint);
		json_object_object_add(root, "error", error);
	} else {
		json_object_object_add(root, "ok", ok);
	}
	return to_line(root, length);
}

/* False: no memory for an answer. */
static bool answer(struct connection *connection, const struct request *request,
		   struct json_object *ok, const struct refusal *refusal)
{
	connection->sent = 0;
	connection->answer = compose(request, ok, refusal, &connection->length);
	return connection->answer;
}

static bool answer_line(struct connection *connection, const char *line, size_t length)
{
	struct daemon *daemon = connection->control->daemon;
	struct json_object *ok = NULL;
	struct refusal refusal;
	struct request request;
	bool good;

	/* A line ends a watch, so that a connection has one thing to say at a time. */
	connection->watching = false;
	good = request_judge(line, length, &request, &refusal) &&
	       operate(daemon, &request, &ok, &refusal);
	/* Only now: what the daemon took for the operation is not the peer's silence. */
	arm_idle(connection);
	if (!good)
		return answer(connection, &request, NULL, &refusal);
	if (request.op == REQUEST_WATCH) {
		if (!request.interval_ms)
			request.interval_ms = 1000;
		connection->watched = request;
		connection->watching = true;
		connection->missed_ms = 0;
		connection->sequence = 1;
		json_add_u64(ok, "sequence", 0);
		timer_set(&connection->timer, request.interval_ms * 1000000,
			  request.interval_ms * 1000000);
	}
	return answer(connection, &request, ok, NULL);
}

/* The first line in hand, if it is whole. False: drop the connection. */
static bool take_line(struct connection *connection)
{
	char *end = memchr(connection->line, '\n', connection->have);
	struct refusal refusal;
	size_t used;
	bool good;

	if (end) {
		used = (size_t)(end - connection->line) + 1;
		good = answer_line(connection, connection->line, used - 1);
		connection->have -= used;
		memmove(connection->line, end + 1, connection->have);
		return good;
	}
	if (connection->have == REQUEST_LINE_MAX) {
		refuse(&refusal, "E2BIG", "a line of more than %d bytes", REQUEST_LINE_MAX);
	} else if (connection->ended && connection->have) {
		refuse(&refusal, "EINVAL", "the connection ended in the middle of a line");
	} else {
		return true;
	}
	connection->last = true;
	return answer(connection, NULL, NULL, &refusal);
}

/* False: drop the connection. */
static bool send_answer(struct connection *connection)
{
	while (connection->sent < connection->length) {
		ssize_t done = send(connection->io.fd, connection->answer + connection->sent,
				    connection->length - connection->sent, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return errno == EAGAIN;
		connection->sent += (size_t)done;
	}
	free(connection->answer);
	connection->answer = NULL;
	return !connection->last;
}

/* False: drop the connection. */
static bool receive(struct connection *connection)
{
	ssize_t got = recv(connection->io.fd, connection->line + connection->have,
			   REQUEST_LINE_MAX - connection->have, 0);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	if (!got)
		connection->ended = true;
	connection->have += (size_t)got;
	return true;
}

/* Sends and judges until one of them must wait. False: drop the connection. */
static bool proceed(struct connection *connection)
{
	for (;;) {
		if (connection->answer && !send_answer(connection))
			return false;
		if (connection->answer)
			break;
		if (!take_line(connection))
			return false;
		if (!connection->answer)
			break;
	}
	/* One that sent all it wanted may stay to watch; it goes when it does not take a report. */
	if (connection->ended && !connection->answer && !connection->watching)
		return false;
	return wait_for(connection);
}

static void connection_ready(struct watch *watch, uint32_t ready)
{
	struct connection *connection = HOLDER(watch, struct connection, io);
	bool good = true;

	/* A peer that is gone reads as an end, after what it had still sent. */
	if (ready & (EPOLLIN | EPOLLHUP | EPOLLERR) && !connection->answer)
		good = !connection->ended && receive(connection);
	if (!good || !proceed(connection))
		drop(connection);
}

/* False: drop the connection. */
static bool report(struct connection *connection)
{
	const struct options *options = connection->control->daemon->options;
	struct json_object *ok;
	struct refusal refusal;

	if (connection->answer) {
		connection->missed_ms += connection->watched.interval_ms;
		return connection->missed_ms <= options->control_idle * 1000;
	}
	connection->missed_ms = 0;
	if (!operate(connection->control->daemon, &connection->watched, &ok, &refusal)) {
		/* The guest that was watched is gone. */
		connection->watching = false;
		arm_idle(connection);
		return answer(connection, &connection->watched, NULL, &refusal) &&
		       proceed(connection);
	}
	json_add_u64(ok, "sequence", connection->sequence++);
	return answer(connection, &connection->watched, ok, NULL) && proceed(connection);
}

static void connection_timer(struct watch *watch, uint32_t ready)
{
	struct connection *connection = HOLDER(watch, struct connection, timer);
	struct refusal refusal;

	if (!timer_expired(watch))
		return;
	if (connection->watching) {
		if (!report(connection))
			drop(connection);
		return;
	}
	if (!connection->answer) {
		refuse(&refusal, "ETIMEDOUT", "no request within %llu s",
		       (unsigned long long)connection->control->daemon->options->control_idle);
		connection->last = true;
		if (answer(connection, NULL, NULL, &refusal))
			(void)send_answer(connection);
	}
	drop(connection);
}

/* One line of farewell, if it fits into the socket as it is. */
static void dismiss(int fd, const char *code, const char *text)
{
	struct refusal refusal;
	size_t length;
	char *line;

	refuse(&refusal, code, "%s", text);
	line = compose(NULL, NULL, &refusal, &length);
	if (line && send(fd, line, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("control: a refused peer did not listen: %m");
	free(line);
}

static void turn_away(int fd, const char *code, const char *text)
{
	dismiss(fd, code, text);
	close(fd);
}

static bool peer_allowed(int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length))
		return false;
	return peer.uid == 0 || peer.uid == geteuid();
}

static bool open_connection(struct control *control, struct connection *connection, int fd)
{
	struct loop *loop = control->daemon->loop;

	connection->control = control;
	connection->io = (struct watch){fd, EPOLLIN, connection_ready};
	connection->line = malloc(REQUEST_LINE_MAX);
	if (!connection->line || loop_add(loop, &connection->io))
		goto err_line;
	if (timer_open(&connection->timer, loop, connection_timer))
		goto err_io;
	arm_idle(connection);
	return true;

err_io:
	loop_remove(loop, &connection->io);
err_line:
	free(connection->line);
	memset(connection, 0, sizeof(*connection));
	return false;
}

static void admit(struct control *control, int fd)
{
	size_t place = 0;

	if (!peer_allowed(fd)) {
		log_warning("control: a peer of another user was turned away");
		turn_away(fd, "EACCES", "only root and the user that runs tmemd may control it");
		return;
	}
	while (place < CONNECTIONS && control->connections[place].control)
		place++;
	if (place == CONNECTIONS)
		turn_away(fd, "EBUSY", "16 control connections are open; that is the most");
	else if (!open_connection(control, &control->connections[place], fd))
		turn_away(fd, "ENOMEM", "no memory or descriptors for another connection");
}

static void listener_ready(struct watch *watch, uint32_t ready)
{
	struct control *control = HOLDER(watch, struct control, listener);
	bool last;
	int fd = listener_accept(&control->listener, &last);

	if (fd >= 0 && !last) {
		admit(control, fd);
	} else if (fd >= 0) {
		dismiss(fd, "EMFILE", "tmemd has no descriptor left");
		listener_refuse(&control->listener, fd);
	}
}

bool control_open(struct daemon *daemon, const char *path, struct control **opened)
{
	struct control *control = calloc(1, sizeof(*control));
	const char *why;

	if (!control) {
		log_error("no memory for the control socket");
		return false;
	}
	control->daemon = daemon;
	if (listener_open(&control->listener, daemon->loop, path, listener_ready, &why)) {
		log_error("cannot make the control socket %s: %s; give another path with --control",
			  path, why);
		free(control);
		return false;
	}
	*opened = control;
	return true;
}

void control_close(struct control *control)
{
	size_t i;

	for (i = 0; i < CONNECTIONS; i++) {
		if (control->connections[i].control)
			drop(&control->connections[i]);
	}
	listener_close(&control->listener);
	free(control);
}
