// SPDX-License-Identifier: MIT
/* Forking, holding back and reaping the command of --run. */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"

/* Does not return. */
static void child(char **argv, const char *control, const char *run_dir, int go)
{
	char byte;

	/* An end without a byte: the daemon could not come up, and has said why. */
	if (read(go, &byte, 1) != 1)
		_exit(1);
	close(go);
	if (setenv("TMEM_CONTROL", control, 1) || setenv("TMEM_RUN_DIR", run_dir, 1)) {
		log_error("no memory for the environment of %s", argv[0]);
		_exit(126);
	}
	execvp(argv[0], argv);
	log_error("cannot run %s: %m", argv[0]);
	_exit(errno == ENOENT ? 127 : 126);
}

bool run_prepare(char **argv, const char *control, const char *run_dir, struct run *run)
{
	int ends[2];

	run->pid = 0;
	if (pipe2(ends, O_CLOEXEC)) {
		log_error("cannot make a pipe for %s: %m", argv[0]);
		return false;
	}
	run->pid = fork();
	if (run->pid < 0) {
		log_error("cannot fork for %s: %m", argv[0]);
		close(ends[0]);
		close(ends[1]);
		run->pid = 0;
		return false;
	}
	if (!run->pid) {
		close(ends[1]);
		child(argv, control, run_dir, ends[0]);
	}
	close(ends[0]);
	run->go = ends[1];
	return true;
}

void run_start(struct run *run)
{
	if (write(run->go, "", 1) != 1)
		log_error("the command of --run is gone before it started");
	close(run->go);
	run->go = -1;
}

void run_cancel(struct run *run)
{
	if (run->go >= 0)
		close(run->go);
	else
		kill(run->pid, SIGKILL);
	while (waitpid(run->pid, NULL, 0) < 0 && errno == EINTR)
		;
	run->pid = 0;
}

bool run_reap(struct run *run, int *status)
{
	int how;

	if (!run->pid || waitpid(run->pid, &how, WNOHANG) != run->pid)
		return false;
	run->pid = 0;
	*status = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
	return true;
}
