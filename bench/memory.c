// SPDX-License-Identifier: MIT
/*
 * Memory of the reference: pages of 2 MiB, all present before anything is
 * timed, as the store's are. And the kernel's word on how much memory this
 * process really has.
 */
#include "bench.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE ((size_t)2 << 20)

void *bench_memory_map(size_t bytes)
{
	size_t size = (bytes + HUGE - 1) & ~(HUGE - 1);
	unsigned char *map = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	unsigned char *base;

	if (map == MAP_FAILED) {
		perror("bench: memory");
		exit(1);
	}
	base = (unsigned char *)(((uintptr_t)map + HUGE - 1) & ~(uintptr_t)(HUGE - 1));
	if (base != map)
		munmap(map, (size_t)(base - map));
	if (base + size != map + size + HUGE)
		munmap(base + size, (size_t)(map + HUGE - base));
	(void)madvise(base, size, MADV_HUGEPAGE);
	memset(base, 0, size);
	return base;
}

void bench_memory_unmap(void *memory, size_t bytes)
{
	munmap(memory, (bytes + HUGE - 1) & ~(HUGE - 1));
}

/* The number behind @key in a file of "Key: number kB" lines, in bytes; 0 where it is missing. */
static uint64_t kib_of(const char *path, const char *key)
{
	FILE *in = fopen(path, "r");
	char line[256];
	uint64_t kib = 0;

	if (in == NULL)
		return 0;
	while (fgets(line, sizeof(line), in) != NULL)
		if (strncmp(line, key, strlen(key)) == 0) {
			kib = strtoull(line + strlen(key), NULL, 10);
			break;
		}
	fclose(in);
	return kib << 10;
}

uint64_t bench_memory_resident(void)
{
	/* Not VmRSS of status: the kernel keeps that one approximately. */
	return kib_of("/proc/self/smaps_rollup", "Rss:") + kib_of("/proc/self/status", "VmPTE:");
}

uint64_t bench_memory_available(void)
{
	return kib_of("/proc/meminfo", "MemAvailable:");
}

double bench_memory_huge_share(const void *memory, size_t bytes)
{
	uintptr_t low = (uintptr_t)memory, high = low + bytes;
	FILE *in = fopen("/proc/self/smaps", "r");
	uint64_t huge = 0, kib;
	int inside = 0;
	char line[512];

	if (in == NULL)
		return 0;
	while (fgets(line, sizeof(line), in) != NULL) {
		uintptr_t from, to;

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2)
			inside = from < high && to > low;
		else if (inside && sscanf(line, "AnonHugePages: %" SCNu64, &kib) == 1)
			huge += kib << 10;
	}
	fclose(in);
	return huge >= bytes ? 1.0 : (double)huge / (double)bytes;
}
