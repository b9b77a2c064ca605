// SPDX-License-Identifier: MIT
/* See process.h. */
#include "process.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int bench_process_dir(struct bench_process *process)
{
	memset(process, 0, sizeof(*process));
	strcpy(process->dir, "/tmp/tmem-bench-XXXXXX");
	if (mkdtemp(process->dir) != NULL)
		return 0;
	perror("bench: no directory for sockets");
	process->dir[0] = '\0';
	return -1;
}

/* Every core but the one that this thread is pinned to; all, where it is the only one. */
static void other_cores(void)
{
	cpu_set_t mine, all;
	int i, others = 0;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	sched_getaffinity(0, sizeof(mine), &mine);
	CPU_ZERO(&all);
	for (i = 0; i < cores && i < CPU_SETSIZE; i++)
		if (!CPU_ISSET(i, &mine)) {
			CPU_SET(i, &all);
			others++;
		}
	if (others > 0)
		sched_setaffinity(0, sizeof(all), &all);
}

pid_t bench_process_fork(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	other_cores();
	return 0;
}

static pid_t spawn(const char *const *argv)
{
	pid_t pid = bench_process_fork();
	int null;

	if (pid != 0)
		return pid;
	null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

int bench_process_start(struct bench_process *process, const char *const *argv)
{
	process->pid = spawn(argv);
	return process->pid > 0 ? 0 : -1;
}

int bench_process_run(const char *const *argv)
{
	pid_t pid = spawn(argv);
	int status;

	if (pid <= 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

int bench_process_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, tries;

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	for (tries = 0; tries < 200; tries++) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
			return fd;
		if (fd >= 0)
			close(fd);
		usleep(10000);
	}
	return -1;
}

static uint64_t read_clock(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t bench_process_cpu(const struct bench_process *process)
{
	clockid_t clock;

	return clock_getcpuclockid(process->pid, &clock) == 0 ? read_clock(clock) : 0;
}

uint64_t bench_thread_cpu(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

void bench_process_end(struct bench_process *process)
{
	char path[320];
	struct dirent *entry;
	DIR *dir;

	if (process->pid > 0) {
		kill(process->pid, SIGTERM);
		waitpid(process->pid, NULL, 0);
	}
	process->pid = 0;
	dir = process->dir[0] != '\0' ? opendir(process->dir) : NULL;
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", process->dir, entry->d_name);
		unlink(path);
	}
	if (dir != NULL)
		closedir(dir);
	if (process->dir[0] != '\0')
		rmdir(process->dir);
	process->dir[0] = '\0';
}
