// SPDX-License-Identifier: MIT
/* Signals as events, and what the loop does between events. */
#include "serve.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "daemon.h"
#include "json.h"
#include "log.h"
#include "loop.h"
#include "operate.h"
#include "recoder.h"
#include "registry.h"
#include "request.h"
#include "run.h"
#include "template.h"

/* Steps of background work between two looks at the sockets; each at most 64 pages. */
#define IDLE_STEPS 4

struct server {
	struct watch signals;
	struct daemon *daemon;
	struct run *run;
	bool asked; /* to stop, once already */
	bool over;  /* what comes after that changes the status no more */
	int status;
};

static void our_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGCHLD);
}

void serve_block_signals(void)
{
	sigset_t set;

	our_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* A log whose reader went away is no reason to lose guests' pages. */
	signal(SIGPIPE, SIG_IGN);
}

bool serve_turn(void *arg)
{
	struct daemon *daemon = arg;

	bool more = turns_round(&daemon->turns);

	return regulator_turn(&daemon->regulator) || more;
}

int serve_sleep(void *arg)
{
	const struct daemon *daemon = arg;

	return turns_sleep(&daemon->turns);
}

bool serve_idle(void *arg)
{
	struct daemon *daemon = arg;

	return tmem_engine_step(daemon->engine, daemon->worker, IDLE_STEPS) > 0;
}

bool serve_spare(void *arg)
{
	struct daemon *daemon = arg;

	return recoder_spare(daemon->recoder);
}

static void end(struct server *server)
{
	server->over = true;
	loop_stop(server->daemon->loop);
}

/*
 * The command may need the daemon to end in good order, so the first signal
 * is passed on to it; the second one means both.
 */
static void stop(struct server *server, int signal)
{
	log_info("%s", strsignal(signal));
	if (server->run->pid) {
		kill(server->run->pid, server->asked ? SIGKILL : SIGTERM);
		if (!server->asked) {
			server->asked = true;
			return;
		}
		server->status = 128 + signal;
	}
	end(server);
}

/* As if an administrator asked for it, but nobody waits for the answer. */
static void reload(struct daemon *daemon)
{
	const struct request request = {.op = REQUEST_RELOAD};
	struct json_object *ok = NULL;
	struct refusal refusal;

	if (operate(daemon, &request, &ok, &refusal))
		json_object_put(ok);
	else
		log_error("the configuration stays as it was: %s", refusal.text);
}

static void signals_ready(struct watch *watch, uint32_t ready)
{
	struct server *server = (struct server *)(void *)watch;
	struct signalfd_siginfo info;

	(void)ready;
	while (!server->over && read(watch->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload(server->daemon);
		else if (info.ssi_signo != SIGCHLD)
			stop(server, (int)info.ssi_signo);
		else if (run_reap(server->run, &server->status))
			end(server);
	}
}

int serve(struct daemon *daemon, struct run *run)
{
	struct server server = {.daemon = daemon, .run = run};
	sigset_t set;
	int error;

	our_signals(&set);
	server.signals = (struct watch){signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), EPOLLIN,
					signals_ready};
	if (server.signals.fd < 0 || loop_add(daemon->loop, &server.signals)) {
		log_error("cannot wait for signals: %m");
		if (server.signals.fd >= 0)
			close(server.signals.fd);
		return 1;
	}
	if (run->pid)
		run_start(run);
	error = loop_run(daemon->loop);
	if (error) {
		log_error("cannot wait for events: %s", strerror(-error));
		server.status = 1;
	}
	/* Their processes find out by themselves. */
	while (daemon->templates)
		template_destroy(daemon->templates);
	loop_remove(daemon->loop, &server.signals);
	close(server.signals.fd);
	return server.status;
}
