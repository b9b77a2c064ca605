/* SPDX-License-Identifier: MIT */
/* Starting, holding and releasing the daemon: see captive.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "captive.h"
#include "must.h"

/* A daemon that hangs ends by this, after every test that could wait for it. */
#define SECONDS_MOST 900

const char *captive_tmemd;

void captive_set_memory(struct captive *captive, uint64_t memory)
{
	char line[64];
	int length = snprintf(line, sizeof(line), "memory = %" PRIu64 " bytes\n", memory);

	MUST_EQ(ftruncate(captive->config, 0), 0);
	MUST_EQ(pwrite(captive->config, line, (size_t)length, 0), length);
}

/* Of its sockets. */
static void find_directory(const struct captive *captive, char *directory, size_t room)
{
	snprintf(directory, room, "%s", captive->control);
	*strrchr(directory, '/') = '\0';
}

/* Does not return. The command that the daemon serves says where, and lives by the leash. */
static void become_daemon(const struct captive *captive, const int leash[2], const int said[2])
{
	char file[32], bytes[32], directory[sizeof(captive->control)];
	const char *argv[24] = {captive_tmemd,	 "--config",	file,	 "--persistent",   bytes,
				"--at-own-risk", "--log-level", "error", "--control-idle", "3600",
				"--core-dumps"};
	static const char *const rest[] = {"--run", "sh", "-c",
					   "echo \"$TMEM_CONTROL\" && exec cat"};
	unsigned int i, count = 11;

	alarm(SECONDS_MOST);
	if (dup2(leash[0], STDIN_FILENO) < 0 || dup2(said[1], STDOUT_FILENO) < 0 ||
	    fcntl(captive->config, F_SETFD, 0))
		_exit(126);
	snprintf(file, sizeof(file), "/proc/self/fd/%d", captive->config);
	snprintf(bytes, sizeof(bytes), "%" PRIu64, captive->persistent);
	if (captive->verify) {
		argv[count++] = "--verify";
		argv[count++] = "yes";
	}
	if (captive->again) {
		find_directory(captive, directory, sizeof(directory));
		argv[count++] = "--run-dir";
		argv[count++] = directory;
	}
	for (i = 0; i < sizeof(rest) / sizeof(rest[0]); i++)
		argv[count++] = rest[i];
	execv(captive_tmemd, (char *const *)(uintptr_t)argv);
	dprintf(STDERR_FILENO, "%s: %s\n", captive_tmemd, strerror(errno));
	_exit(127);
}

static void read_line(int fd, char *line, size_t room)
{
	size_t have = 0;

	for (;;) {
		ssize_t got = read(fd, line + have, room - have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			FAIL("%s does not come up", captive_tmemd);
		have += (size_t)got;
		if (line[have - 1] == '\n')
			break;
		if (have == room)
			FAIL("the control socket's path is too long");
	}
	line[have - 1] = '\0';
}

static void spawn(struct captive *captive)
{
	int leash[2], said[2];

	MUST_EQ(pipe2(leash, O_CLOEXEC), 0);
	MUST_EQ(pipe2(said, O_CLOEXEC), 0);
	captive->pid = fork();
	MUST(captive->pid >= 0);
	if (!captive->pid)
		become_daemon(captive, leash, said);
	close(leash[0]);
	close(said[1]);
	captive->leash = leash[1];
	read_line(said[0], captive->control, sizeof(captive->control));
	close(said[0]);
}

void captive_start(struct captive *captive, uint64_t memory, uint64_t persistent, bool verify)
{
	if (!captive_tmemd)
		FAIL("which tmemd? --tmemd PROGRAM");
	captive->persistent = persistent;
	captive->verify = verify;
	captive->again = false;
	captive->config = memfd_create("tmemd.conf", MFD_CLOEXEC);
	MUST(captive->config >= 0);
	/* Who could write it could say what is stored where: the daemon looks. */
	MUST_EQ(fchmod(captive->config, 0600), 0);
	captive_set_memory(captive, memory);
	spawn(captive);
}

#define PIECE (1u << 20)

/* No store of a test is as large; a sanitizer's shadow is, and holds no page. */
#define MAPPING_MOST (UINT64_C(1) << 30)

/* In [@begin, @end) of the file; what cannot be read is not there. */
static uint64_t find_between(int memory, uint64_t begin, uint64_t end, const void *bytes,
			     size_t length)
{
	static uint8_t piece[PIECE];
	uint64_t found = 0;

	while (begin < end) {
		size_t want = end - begin < PIECE ? (size_t)(end - begin) : PIECE;
		ssize_t got = pread(memory, piece, want, (off_t)begin);
		const uint8_t *at = piece;

		if (got < (ssize_t)length)
			break;
		while ((at = memmem(at, (size_t)(piece + got - at), bytes, length))) {
			found++;
			at++;
		}
		/* What lies across the border is seen with the next piece. */
		if ((size_t)got < want || begin + (uint64_t)got == end)
			break;
		begin += (uint64_t)got - length + 1;
	}
	return found;
}

uint64_t captive_find(const struct captive *captive, const void *bytes, size_t length)
{
	char path[48], line[512], rights[5];
	uint64_t begin, end, found = 0;
	FILE *maps;
	int memory;

	snprintf(path, sizeof(path), "/proc/%d/mem", captive->pid);
	memory = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/maps", captive->pid);
	maps = fopen(path, "re");
	if (memory < 0 || !maps)
		FAIL("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &begin, &end, rights) == 3 &&
		    rights[1] == 'w' && end - begin <= MAPPING_MOST)
			found += find_between(memory, begin, end, bytes, length);
	fclose(maps);
	close(memory);
	return found;
}

static int wait_for_end(const struct captive *captive)
{
	int status;

	while (waitpid(captive->pid, &status, 0) < 0)
		MUST_EQ(errno, EINTR);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void captive_kill(struct captive *captive)
{
	MUST_EQ(kill(captive->pid, SIGKILL), 0);
	MUST_EQ(wait_for_end(captive), 128 + SIGKILL);
	close(captive->leash);
	captive->again = true;
	spawn(captive);
}

int captive_stop(struct captive *captive)
{
	char directory[sizeof(captive->control)];
	int status;

	close(captive->leash);
	close(captive->config);
	status = wait_for_end(captive);
	find_directory(captive, directory, sizeof(directory));
	if (captive->again && rmdir(directory))
		FAIL("%s: %s", directory, strerror(errno));
	return status;
}
