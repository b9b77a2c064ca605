// SPDX-License-Identifier: MIT
/*
 * A cache line that two processors send each other, both looking all the
 * time: the least that it takes to ask another process anything.
 */
#include "bench.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"

#define GIVE_UP 100000000u /* ns; the other side does not run */

static void answer(uint32_t *line)
{
	uint32_t seen = 0;

	for (;;) {
		uint32_t now = __atomic_load_n(line, __ATOMIC_ACQUIRE);

		if (now == seen)
			continue;
		seen = now;
		__atomic_store_n(line + 16, now, __ATOMIC_RELEASE);
	}
}

uint32_t bench_line_trips(double *times, uint32_t count)
{
	uint32_t *line =
		mmap(NULL, BENCH_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t begun, late;
	uint32_t i = 0, looks;
	pid_t pid;

	if (line == MAP_FAILED)
		return 0;
	pid = bench_process_fork();
	if (pid == 0)
		answer(line);
	for (; pid > 0 && i < count; i++) {
		begun = bench_now();
		late = begun + GIVE_UP;
		__atomic_store_n(line, i + 1, __ATOMIC_RELEASE);
		for (looks = 1; __atomic_load_n(line + 16, __ATOMIC_ACQUIRE) != i + 1; looks++)
			if (looks % 65536 == 0 && bench_now() > late)
				goto out;
		times[i] = (double)(bench_now() - begun);
	}
out:
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	munmap(line, BENCH_PAGE);
	return i;
}
