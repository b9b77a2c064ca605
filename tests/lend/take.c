/* SPDX-License-Identifier: MIT */
/*
 * Takes memory as fast as it can, says what that cost, and ends.
 *
 *	take MIB
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

static double seconds(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	size_t bytes = (argc > 1 ? strtoull(argv[1], NULL, 0) : 1) << 20, i;
	double begin = now();
	struct rusage usage;
	volatile char *memory;

	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		perror("take");
		return 2;
	}
	for (i = 0; i < bytes; i += 4096)
		memory[i] = 1;
	getrusage(RUSAGE_SELF, &usage);
	printf("cpu %.4f wall %.4f faults %ld major %ld\n",
	       seconds(&usage.ru_utime) + seconds(&usage.ru_stime), now() - begin, usage.ru_minflt,
	       usage.ru_majflt);
	return 0;
}
