// SPDX-License-Identifier: MIT
/* Limits on locked memory, and the out-of-memory killer's score. */
#include "lock_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* Last but not immune: a host that must kill everything may still kill tmemd. */
#define OOM_SCORE "-900"

/*
 * What must be lockable for @bytes of allocations: extents are whole, each
 * guest has one or two more than it is promised, and records of pages are
 * locked with them. Measured: 3 % for large guests, 10 MiB for small ones.
 */
static uint64_t with_slack(uint64_t bytes)
{
	return bytes + bytes / 16 + (UINT64_C(16) << 20);
}

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

static void raise_limit(struct lock_memory *result)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	if (!setrlimit(RLIMIT_MEMLOCK, &limit)) {
		result->limit_kib = UINT64_MAX;
		return;
	}
	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_MEMLOCK, &limit);
	result->limit_kib = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur >> 10;
}

/*
 * The kernel counts a locked mapping against the limit before any page of
 * it exists, so the whole of what will be needed can be tried at no cost.
 */
static bool try_lock(uint64_t bytes)
{
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	bool locked;

	if (map == MAP_FAILED)
		return false;
	locked = !mlock2(map, bytes, MLOCK_ONFAULT);
	munmap(map, bytes);
	return locked;
}

static bool lower_oom_score(void)
{
	char text[16] = "";
	bool lowered;
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return false;
	lowered = write(fd, OOM_SCORE, sizeof(OOM_SCORE) - 1) > 0;
	/* A service manager may have lowered it where this process may not. */
	if (!lowered && pread(fd, text, sizeof(text) - 1, 0) > 0)
		lowered = atoi(text) < 0;
	close(fd);
	return lowered;
}

void lock_memory_prepare(uint64_t bytes, struct lock_memory *result)
{
	result->bytes = bytes;
	result->limit_kib = 0;
	raise_limit(result);
	result->locked = try_lock(with_slack(bytes));
	result->oom_lowered = lower_oom_score();
}

void lock_memory_missing(const struct lock_memory *result, char *text, size_t size)
{
	snprintf(text, size, "%s%s%s",
		 result->locked ? "" : "persistent memory is not locked and may be swapped out",
		 result->locked || result->oom_lowered ? "" : "; ",
		 result->oom_lowered ? "" : "the out-of-memory killer may choose tmemd");
}

void lock_memory_hint(const struct lock_memory *result, char *text, size_t size)
{
	char lock[120] = "";

	if (!result->locked)
		snprintf(lock, sizeof(lock),
			 "a locked-memory limit of %" PRIu64 " KiB (ulimit -l, LimitMEMLOCK=)%s",
			 with_slack(result->bytes) >> 10, result->oom_lowered ? "" : " and ");
	snprintf(text, size, "start tmemd %swith %s%s; or accept the risk: --at-own-risk",
		 geteuid() ? "as root, or " : "", lock,
		 result->oom_lowered ? "" : "a negative oom_score_adj (OOMScoreAdjust=)");
}
