// SPDX-License-Identifier: MIT
/*
 * A cache line that two processors send each other, both looking all the
 * time: the least that it takes to ask another process anything.
 */
#include "bench.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"

#define TRIPS	20000u
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

static int trips(uint32_t *line, double *times)
{
	uint64_t begun, late;
	uint32_t i, looks;

	for (i = 0; i < TRIPS; i++) {
		begun = bench_now();
		late = begun + GIVE_UP;
		__atomic_store_n(line, i + 1, __ATOMIC_RELEASE);
		for (looks = 1; __atomic_load_n(line + 16, __ATOMIC_ACQUIRE) != i + 1; looks++)
			if (looks % 65536 == 0 && bench_now() > late)
				return -1;
		times[i] = (double)(bench_now() - begun);
	}
	return 0;
}

double bench_line_p50(void)
{
	double *times = malloc(TRIPS * sizeof(*times)), median = 0;
	uint32_t *line =
		mmap(NULL, BENCH_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = -1;

	if (times == NULL || line == MAP_FAILED)
		goto out;
	pid = bench_process_fork();
	if (pid == 0)
		answer(line);
	if (pid < 0)
		goto out;
	if (trips(line, times) == 0)
		median = bench_median(times, TRIPS);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
out:
	if (line != MAP_FAILED)
		munmap(line, BENCH_PAGE);
	free(times);
	return median;
}
