// SPDX-License-Identifier: MIT
/* The machine: its clock, which core to use, and what to say about it. */
#include "bench.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define CORES_MAX 256

uint64_t bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t bench_random(uint64_t *s)
{
	uint64_t z = *s += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint32_t *bench_shuffled(uint32_t count, uint64_t seed)
{
	uint32_t *order = malloc((size_t)count * sizeof(*order));
	uint32_t i;

	if (order == NULL) {
		perror("bench: memory");
		exit(1);
	}
	for (i = 0; i < count; i++)
		order[i] = i;
	for (i = count - 1; i > 0; i--) {
		uint32_t j = (uint32_t)(bench_random(&seed) % (i + 1)), t = order[i];

		order[i] = order[j];
		order[j] = t;
	}
	return order;
}

/* Ticks that each core was busy since boot; stolen time counts. */
static void busy_ticks(uint64_t busy[CORES_MAX])
{
	FILE *in = fopen("/proc/stat", "r");
	unsigned long long v[8];
	unsigned int core;
	char line[512];

	if (in == NULL)
		return;
	while (fgets(line, sizeof(line), in) != NULL)
		if (sscanf(line, "cpu%u %llu %llu %llu %llu %llu %llu %llu %llu", &core, &v[0],
			   &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) == 9 &&
		    core < CORES_MAX)
			busy[core] = v[0] + v[1] + v[2] + v[5] + v[6] + v[7];
	fclose(in);
}

int bench_machine_pin(int core)
{
	uint64_t before[CORES_MAX] = {0}, after[CORES_MAX] = {0};
	struct timespec pause = {0, 300000000};
	cpu_set_t set;
	int i;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return -1;
	if (core < 0) {
		busy_ticks(before);
		nanosleep(&pause, NULL);
		busy_ticks(after);
		/* Interrupts tend to go to the first core: of equals the last is taken. */
		for (i = 0; i < CORES_MAX; i++)
			if (CPU_ISSET(i, &set) &&
			    (core < 0 || after[i] - before[i] <= after[core] - before[core]))
				core = i;
	}
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	return sched_setaffinity(0, sizeof(set), &set) == 0 ? core : -1;
}

int bench_machine_priority(void)
{
	(void)setpriority(PRIO_PROCESS, 0, -20);
	return getpriority(PRIO_PROCESS, 0);
}

uint64_t bench_involuntary_switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return (uint64_t)usage.ru_nivcsw;
}

static void first_line(const char *path, char *text, size_t size)
{
	FILE *in = fopen(path, "r");
	char *end;

	snprintf(text, size, "unknown");
	if (in == NULL)
		return;
	if (fgets(text, (int)size, in) != NULL) {
		end = strpbrk(text, "\n\"\\");
		if (end != NULL)
			*end = '\0';
	}
	fclose(in);
}

static void cpu_name(char *text, size_t size)
{
	FILE *in = fopen("/proc/cpuinfo", "r");
	char line[256], *colon;

	snprintf(text, size, "unknown");
	if (in == NULL)
		return;
	while (fgets(line, sizeof(line), in) != NULL) {
		colon = strchr(line, ':');
		if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
			line[strcspn(line, "\n\"\\")] = '\0';
			snprintf(text, size, "%s", colon + 2);
			break;
		}
	}
	fclose(in);
}

void bench_machine_describe(char *text, size_t size, int core)
{
	char cpu[128], huge[64], defrag[64], shmem[64], load[64];
	struct utsname name;

	uname(&name);
	cpu_name(cpu, sizeof(cpu));
	first_line("/sys/kernel/mm/transparent_hugepage/enabled", huge, sizeof(huge));
	first_line("/sys/kernel/mm/transparent_hugepage/defrag", defrag, sizeof(defrag));
	first_line("/sys/kernel/mm/transparent_hugepage/shmem_enabled", shmem, sizeof(shmem));
	first_line("/proc/loadavg", load, sizeof(load));
	snprintf(text, size,
		 "\"cpu\": \"%s\", \"cores\": %ld, \"core\": %d, \"kernel\": \"%s %s\", "
		 "\"huge_pages\": \"%s\", \"huge_defrag\": \"%s\", \"huge_shmem\": \"%s\", "
		 "\"load\": \"%s\", \"nice\": %d",
		 cpu, sysconf(_SC_NPROCESSORS_ONLN), core, name.sysname, name.release, huge, defrag,
		 shmem, load, getpriority(PRIO_PROCESS, 0));
}
