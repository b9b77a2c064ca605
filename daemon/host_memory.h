/* SPDX-License-Identifier: MIT */
/*
 * What the host says of its memory: the machine's, and that of the control
 * groups, of version 1 or 2, that this process is in. What a kernel does not
 * say is no limit.
 */
#ifndef TMEMD_HOST_MEMORY_H
#define TMEMD_HOST_MEMORY_H

#include <stdbool.h>

#include "fallow.h"

#define HOST_MEMORY_PATH   512
#define HOST_MEMORY_GROUPS 2 /* one of each version */

/* A control group; its path is cut shorter on the way up to the mount. */
struct host_group {
	char path[HOST_MEMORY_PATH];
	unsigned int top; /* length of the mount's path */
	unsigned int version;
};

struct host_memory {
	const char *root; /* what stands before each path: "" but in tests */
	struct host_group groups[HOST_MEMORY_GROUPS];
	unsigned int group_count;
};

/* Finds the groups. @root lives as long as *@memory. */
void host_memory_open(struct host_memory *memory, const char *root);

/* False: the machine's figures cannot be read. @group->total is 0 where no group has a limit. */
bool host_memory_read(const struct host_memory *memory, struct fallow_room *machine,
		      struct fallow_room *group);

/* What the machine has free, by a call that costs next to nothing. */
uint64_t host_memory_free(void);

/*
 * A descriptor that polls with EPOLLPRI when somebody has waited for memory:
 * on the machine, or, with @group, in the innermost group. -1: this kernel or
 * this user has none.
 */
int host_memory_pressure(const struct host_memory *memory, bool group);

#endif
