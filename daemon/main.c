// SPDX-License-Identifier: MIT
/*
 * tmemd, in five phases: parse what was asked for, check that it makes sense,
 * get ready (directory, memory, engine, sockets, guests of a daemon that was
 * killed), isolate, serve. Everything that can fail has failed, and said so,
 * before the last two.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "control.h"
#include "daemon.h"
#include "lock_memory.h"
#include "log.h"
#include "loop.h"
#include "operate.h"
#include "options.h"
#include "paths.h"
#include "json.h"
#include "registry.h"
#include "request.h"
#include "run.h"
#include "run_dir.h"
#include "serve.h"
#include "state.h"
#include "store.h"

/* Bytes of the file that remembers templates; one takes less than 512. */
#define TEMPLATES_MAX (1 << 20)

/* Exit statuses, besides that of the command of --run. */
enum { STATUS_FAILED = 1, STATUS_USAGE = 2 };

static bool control_path(const struct options *options, const struct run_dir *run_dir, char *path,
			 size_t size)
{
	bool fits;

	if (options->control) {
		fits = strlen(options->control) < size;
		if (fits)
			strcpy(path, options->control);
	} else {
		fits = run_dir_path(run_dir, PATHS_CONTROL_NAME, path, size);
	}
	if (!fits)
		log_error("the control socket's path is longer than %zu bytes; give a shorter %s",
			  size - 1, options->control ? "--control" : "--run-dir");
	return fits;
}

/* One queue of one guest takes some descriptors, and a daemon has many of both. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* What this user may not do is a line each, and what follows from it is another. */
static void say_protection(const struct options *options, const struct lock_memory *protection)
{
	char hint[240];

	if (!protection->locked)
		log_warning("persistent memory is not locked and may be swapped out");
	if (!protection->oom_lowered)
		log_warning("the out-of-memory killer may choose tmemd");
	if ((protection->locked && protection->oom_lowered) || options->at_own_risk)
		return;
	lock_memory_hint(protection, hint, sizeof(hint));
	log_warning("no guest with an allocation can be added. To change that, %s", hint);
}

/*
 * What the daemon waits for besides guests and connections: SIGHUP, which
 * means to read the configuration again, and the time to tell the service
 * manager that it lives.
 */
struct service_watches {
	struct watch reload; /* an eventfd */
	struct watch alive;  /* a timer; fd -1: nobody asked for it */
	struct daemon *daemon;
};

/* A handler has no argument: the eventfd that it writes to. */
static int hangups = -1;

static void on_hangup(int number)
{
	uint64_t one = 1;
	int saved = errno;

	(void)number;
	if (write(hangups, &one, sizeof(one)) < 0)
		errno = saved;
	errno = saved;
}

static void reload_ready(struct watch *watch, uint32_t ready)
{
	struct service_watches *watches = (struct service_watches *)(void *)watch;
	const struct request request = {.op = REQUEST_RELOAD};
	struct json_object *ok = NULL;
	struct refusal refusal;
	uint64_t count;

	(void)ready;
	if (read(watch->fd, &count, sizeof(count)) < 0)
		return;
	if (operate(watches->daemon, &request, &ok, &refusal))
		json_object_put(ok);
	else
		log_error("the configuration stays as it was: %s", refusal.text);
}

static void alive_ready(struct watch *watch, uint32_t ready)
{
	uint64_t expirations;

	(void)ready;
	if (read(watch->fd, &expirations, sizeof(expirations)) > 0)
		log_service("WATCHDOG=1");
}

/* Microseconds within which the service manager wants to hear of this process; 0: it does not. */
static uint64_t watchdog_us(void)
{
	const char *time = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t number;

	if (pid && (!units_parse_number(pid, &number) || number != (uint64_t)getpid()))
		return 0;
	return time && units_parse_number(time, &number) ? number : 0;
}

static void watch_alive(struct service_watches *watches)
{
	uint64_t half = watchdog_us() / 2;
	struct itimerspec when = {
		.it_value = {(time_t)(half / 1000000), (long)(half % 1000000) * 1000},
		.it_interval = {(time_t)(half / 1000000), (long)(half % 1000000) * 1000},
	};

	watches->alive = (struct watch){-1, EPOLLIN, alive_ready};
	if (!half)
		return;
	watches->alive.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (watches->alive.fd >= 0 && !timerfd_settime(watches->alive.fd, 0, &when, NULL) &&
	    !loop_add(watches->daemon->loop, &watches->alive))
		return;
	log_warning("the service manager's watchdog will not hear of tmemd: %m");
	if (watches->alive.fd >= 0)
		close(watches->alive.fd);
	watches->alive.fd = -1;
}

static bool watches_open(struct service_watches *watches, struct daemon *daemon)
{
	struct sigaction action = {.sa_handler = on_hangup, .sa_flags = SA_RESTART};
	sigset_t set;

	watches->daemon = daemon;
	watches->reload =
		(struct watch){eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), EPOLLIN, reload_ready};
	if (watches->reload.fd < 0 || loop_add(daemon->loop, &watches->reload)) {
		log_error("cannot wait for SIGHUP: %m");
		if (watches->reload.fd >= 0)
			close(watches->reload.fd);
		return false;
	}
	hangups = watches->reload.fd;
	sigaction(SIGHUP, &action, NULL);
	/* Taken out of the signals that end the daemon, which are blocked and read. */
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	watch_alive(watches);
	return true;
}

static void watches_close(struct service_watches *watches)
{
	signal(SIGHUP, SIG_IGN);
	hangups = -1;
	loop_remove(watches->daemon->loop, &watches->reload);
	close(watches->reload.fd);
	if (watches->alive.fd < 0)
		return;
	loop_remove(watches->daemon->loop, &watches->alive);
	close(watches->alive.fd);
}

static void isolate(const struct options *options)
{
	if (!options->core_dumps && prctl(PR_SET_DUMPABLE, 0))
		log_warning("core dumps cannot be turned off: %m");
	/* Nothing that this process could start from now on gains rights. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		log_warning("privileges can still be gained: %m");
}

/* As if an administrator made them; one that cannot come back is no reason to serve nobody. */
static void restore_template(struct daemon *daemon, const char *line, size_t length)
{
	struct json_object *ok = NULL;
	struct refusal refusal;
	struct request request;
	bool good = request_judge(line, length, &request, &refusal);

	if (good && request.op != REQUEST_FREEZE &&
	    (request.op != REQUEST_ADD || request.kind != REQUEST_KIND_TEMPLATE)) {
		refuse(&refusal, "EINVAL", "not a line that makes a template");
		good = false;
	}
	if (good && operate(daemon, &request, &ok, &refusal))
		json_object_put(ok);
	else
		log_error("%s/%s: a template that an earlier tmemd had does not come back: %s",
			  daemon->run_dir->path, OPERATE_TEMPLATES, refusal.text);
}

static void restore_templates(struct daemon *daemon)
{
	size_t length;
	char *lines = run_dir_read(daemon->run_dir, OPERATE_TEMPLATES, TEMPLATES_MAX, &length);
	const char *line = lines;

	while (line && length) {
		const char *end = memchr(line, '\n', length);
		size_t bare = end ? (size_t)(end - line) : length;

		restore_template(daemon, line, bare);
		length -= bare + (end != NULL);
		line += bare + (end != NULL);
	}
	free(lines);
}

/* The daemon is complete but for its guests. */
static int come_up_and_serve(struct daemon *daemon, const char *control, struct run *run)
{
	struct service_watches watches;
	int status = STATUS_FAILED;

	/* Guests first: who finds the control socket finds them. */
	if (!state_load(daemon))
		goto out_guests;
	restore_templates(daemon);
	if (!control_open(daemon, control, &daemon->control))
		goto out_guests;
	if (!watches_open(&watches, daemon)) {
		control_close(daemon->control);
		goto out_guests;
	}
	isolate(daemon->options);
	log_info("serving; control socket %s", control);
	log_service("READY=1");
	operate_say_status(daemon);
	status = serve(daemon, run);
	log_service("STOPPING=1");
	watches_close(&watches);
	control_close(daemon->control);
	state_close(daemon);
	run_dir_remove(daemon->run_dir, OPERATE_TEMPLATES);

out_guests:
	while (daemon->guests)
		registry_remove(daemon->guests);
	return status;
}

static int get_ready(struct daemon *daemon, const char *control, struct run *run)
{
	const struct loop_work work = {serve_turn, serve_idle, daemon};
	struct lock_memory protection;
	struct tmem_arena *arena;
	int status = STATUS_FAILED;
	int error;

	raise_descriptors();
	lock_memory_prepare(daemon->persistent, &protection);
	say_protection(daemon->options, &protection);
	daemon->protection = &protection;
	serve_block_signals();
	if (!store_open(daemon, &arena))
		return status;
	error = loop_create(&work, &daemon->loop);
	if (error) {
		log_error("cannot make the event loop: %s%s", strerror(-error),
			  error == -EAGAIN ? "; raise fs.aio-max-nr, which others have used up"
					   : "");
	} else {
		loop_set_polling(daemon->loop, daemon->options->polling);
		status = come_up_and_serve(daemon, control, run);
		loop_destroy(daemon->loop);
	}
	store_close(daemon, arena);
	return status;
}

int main(int argc, char **argv)
{
	char control[DAEMON_SOCKET_MAX];
	struct daemon daemon = {0};
	struct run run = {0};
	struct run_dir run_dir;
	struct options options;
	int status = STATUS_FAILED;

	switch (options_parse(argc, argv, &options)) {
	case OPTIONS_DONE:
		options_free(&options);
		return 0;
	case OPTIONS_WRONG:
		options_free(&options);
		return STATUS_USAGE;
	case OPTIONS_SERVE:
		break;
	}
	log_set_level(options.log_level);
	daemon.options = &options;
	daemon.run_dir = &run_dir;
	if (!store_sizes(&options, &daemon.memory, &daemon.persistent)) {
		status = STATUS_USAGE;
		goto out_options;
	}
	options.memory_most = daemon.memory;
	if (!run_dir_open(&options, &run_dir))
		goto out_options;
	if (control_path(&options, &run_dir, control, sizeof(control)) &&
	    (!options.run || run_prepare(options.run, control, run_dir.path, &run))) {
		status = get_ready(&daemon, control, &run);
		if (run.pid)
			run_cancel(&run);
	}
	run_dir_close(&run_dir);

out_options:
	options_free(&options);
	return status;
}
