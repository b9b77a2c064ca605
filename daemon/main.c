// SPDX-License-Identifier: MIT
/*
 * tmemd, in five phases: parse what was asked for, check that it makes sense,
 * get ready (directory, memory, engine, sockets, guests of a daemon that was
 * killed), isolate, serve. Everything that can fail has failed, and said so,
 * before the last two.
 */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "control.h"
#include "daemon.h"
#include "lock_memory.h"
#include "log.h"
#include "loop.h"
#include "operate.h"
#include "options.h"
#include "paths.h"
#include "recoder.h"
#include "registry.h"
#include "run.h"
#include "run_dir.h"
#include "serve.h"
#include "state.h"
#include "store.h"
#include "template_file.h"
#include "watchdog.h"

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

static void isolate(const struct options *options)
{
	if (!options->core_dumps && prctl(PR_SET_DUMPABLE, 0))
		log_warning("core dumps cannot be turned off: %m");
	/* Nothing that this process could start from now on gains rights. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		log_warning("privileges can still be gained: %m");
}

/* The daemon is complete but for its guests. */
static int come_up_and_serve(struct daemon *daemon, const char *control, struct run *run)
{
	struct watchdog watchdog;
	int status = STATUS_FAILED;

	/* Guests first: who finds the control socket finds them. */
	if (!state_load(daemon))
		goto out_guests;
	template_file_load(daemon);
	if (!control_open(daemon, control, &daemon->control))
		goto out_guests;
	watchdog_open(&watchdog, daemon->loop);
	isolate(daemon->options);
	log_info("serving; control socket %s", control);
	log_service("READY=1");
	operate_say_status(daemon);
	status = serve(daemon, run);
	log_service("STOPPING=1");
	watchdog_close(&watchdog);
	control_close(daemon->control);
	state_close(daemon);
	template_file_remove(daemon);

out_guests:
	while (daemon->guests)
		registry_remove(daemon->guests);
	return status;
}

static int with_recoder(struct daemon *daemon, const char *control, struct run *run)
{
	int error = recoder_open(daemon, &daemon->recoder);
	int status;

	if (error) {
		log_error("cannot make what recodes cold pages: %s", strerror(-error));
		return STATUS_FAILED;
	}
	recoder_set(daemon->recoder, (uint32_t)daemon->options->dense_cpu);
	status = come_up_and_serve(daemon, control, run);
	recoder_close(daemon->recoder);
	return status;
}

static int get_ready(struct daemon *daemon, const char *control, struct run *run)
{
	const struct loop_work work = {.turn = serve_turn,
				       .idle = serve_idle,
				       .spare = serve_spare,
				       .sleep = serve_sleep,
				       .arg = daemon};
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
		regulator_open(&daemon->regulator, daemon, "");
		regulator_set(&daemon->regulator, daemon->options->fallow,
			      daemon->options->reserve);
		status = with_recoder(daemon, control, run);
		regulator_close(&daemon->regulator);
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
	turns_init(&daemon.turns);
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
