// SPDX-License-Identifier: MIT
/* See daemon.h. */
#include "daemon.h"
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void must(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

void daemon_prepare(struct daemon_process *daemon, const char *tmemd, const char *tmem)
{
	memset(daemon, 0, sizeof(*daemon));
	daemon->tmemd = tmemd;
	daemon->tmem = tmem;
	strcpy(daemon->dir, "/tmp/tmem-lib-XXXXXX");
	must(mkdtemp(daemon->dir) != NULL, "directory");
	snprintf(daemon->socket, sizeof(daemon->socket), "%s/app.sock", daemon->dir);
}

static pid_t spawn(const char *const *argv, int quiet)
{
	pid_t parent = getpid(), pid = fork();
	int null;

	must(pid >= 0, "fork");
	if (pid)
		return pid;
	/* Dies with the thread that started it, however that ends. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	null = open("/dev/null", O_RDWR);
	if (quiet) {
		dup2(null, 1);
		dup2(null, 2);
	}
	execv(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

static int is_served(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), served;

	strcpy(address.sun_path, path);
	served = !connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return served;
}

void daemon_start(struct daemon_process *daemon)
{
	char control[96];
	const char *const serve[] = {daemon->tmemd, "--memory",	     "64M",	    "--persistent",
				     "32M",	    "--at-own-risk", "--log-level", "error",
				     "--run-dir",   daemon->dir,     NULL};
	const char *const add[] = {daemon->tmem, "add",		 "app", "--kind",
				   "device",	 "--allocation", "8M",	NULL};
	pid_t pid;
	int i;

	snprintf(control, sizeof(control), "%s/control.sock", daemon->dir);
	setenv("TMEM_CONTROL", control, 1);
	daemon->pid = spawn(serve, 0);
	/* A daemon that was killed finds its clients again; the first one has to be told. */
	for (i = 0; i < 1000 && !is_served(daemon->socket); i++) {
		pid = spawn(add, 1);
		must(waitpid(pid, NULL, 0) == pid, "tmem add");
		must(waitpid(daemon->pid, NULL, WNOHANG) == 0, "tmemd ended");
		usleep(5000);
	}
	must(i < 1000, "the client's socket was never served");
}

void daemon_kill(struct daemon_process *daemon)
{
	if (!daemon->pid)
		return;
	kill(daemon->pid, SIGKILL);
	waitpid(daemon->pid, NULL, 0);
	daemon->pid = 0;
}

void daemon_clean(struct daemon_process *daemon)
{
	static const char *const names[] = {"app.sock", "control.sock", "lock", "state.json"};
	char path[160];
	size_t i;

	daemon_kill(daemon);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", daemon->dir, names[i]);
		unlink(path);
	}
	rmdir(daemon->dir);
}
