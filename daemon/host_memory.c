// SPDX-License-Identifier: MIT
/* Reading /proc/meminfo, the files of control groups, and pressure. */
#include "host_memory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define TEXT 8192 /* bytes of a file that are looked at */

/*
 * Of each 500 ms 20 may be waited away, by anybody. Others than root must have
 * windows that are multiples of 2 s, and have none before Linux 6.5.
 */
static const char *const triggers[] = {"some 20000 500000", "some 80000 2000000"};

static bool read_file(const char *path, char text[TEXT])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t got = 0;

	if (fd < 0)
		return false;
	while (used < TEXT - 1 && (got = read(fd, text + used, TEXT - 1 - used)) > 0)
		used += (size_t)got;
	close(fd);
	text[used] = '\0';
	return got >= 0 && used;
}

/* The number after @name at the start of a line of @text; *@number stays where there is none. */
static bool find_number(const char *text, const char *name, uint64_t *number)
{
	size_t length = strlen(name);
	const char *line;

	for (line = text; line; line = strchr(line, '\n')) {
		line += line != text;
		if (!strncmp(line, name, length) && sscanf(line + length, "%" SCNu64, number) == 1)
			return true;
	}
	return false;
}

/* ---- where the groups are ---- */

/* Whether @list, with commas, has @word. */
static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);
	const char *at;

	for (at = list; (at = strstr(at, word)); at += length) {
		if ((at == list || at[-1] == ',') && (!at[length] || at[length] == ','))
			return true;
	}
	return false;
}

/* This process's path in the hierarchy of memory of that version. */
static bool find_path(const char *text, unsigned int version, char path[HOST_MEMORY_PATH])
{
	char controllers[128];
	const char *line;

	for (line = text; line; line = strchr(line, '\n')) {
		line += line != text;
		controllers[0] = '\0';
		if (version == 2
			    ? sscanf(line, "0::%511[^\n]", path) == 1
			    : sscanf(line, "%*u:%127[^:\n]:%511[^\n]", controllers, path) == 2 &&
				      has_word(controllers, "memory"))
			return true;
	}
	return false;
}

/* Where that hierarchy is mounted, and which of its groups is seen there. */
static bool find_mount(const char *text, unsigned int version, char root[HOST_MEMORY_PATH],
		       char mount[HOST_MEMORY_PATH])
{
	const char *line, *rest;
	char type[16], options[256];

	for (line = text; line; line = strchr(line, '\n')) {
		line += line != text;
		rest = strstr(line, " - ");
		if (!rest || sscanf(rest, " - %15s %*s %255s", type, options) != 2 ||
		    sscanf(line, "%*u %*u %*s %511s %511s", root, mount) != 2)
			continue;
		if (version == 2 ? !strcmp(type, "cgroup2")
				 : !strcmp(type, "cgroup") && has_word(options, "memory"))
			return true;
	}
	return false;
}

static void add_group(struct host_memory *memory, unsigned int version, const char *cgroup,
		      const char *mountinfo)
{
	struct host_group *group = &memory->groups[memory->group_count];
	char path[HOST_MEMORY_PATH], root[HOST_MEMORY_PATH], mount[HOST_MEMORY_PATH];
	const char *below = path;
	int length;

	if (!find_path(cgroup, version, path) || !find_mount(mountinfo, version, root, mount))
		return;
	/* A group outside of what is mounted here: only the mount itself can be read. */
	if (strcmp(root, "/")) {
		length = (int)strlen(root);
		below = !strncmp(path, root, (size_t)length) &&
					(path[length] == '/' || !path[length])
				? path + length
				: "";
	}
	if (strstr(below, "/..") || !strcmp(below, "/"))
		below = "";
	length = snprintf(group->path, sizeof(group->path), "%s%s", memory->root, mount);
	if (length < 0 || (size_t)length >= sizeof(group->path))
		return;
	group->top = (unsigned int)length;
	length = snprintf(group->path + group->top, sizeof(group->path) - group->top, "%s", below);
	if (length < 0 || (size_t)length >= sizeof(group->path) - group->top)
		return;
	group->version = version;
	memory->group_count++;
}

void host_memory_open(struct host_memory *memory, const char *root)
{
	char path[HOST_MEMORY_PATH], cgroup[TEXT];
	char *mountinfo = NULL;
	size_t size = 0;
	unsigned int version;
	FILE *file;

	memset(memory, 0, sizeof(*memory));
	memory->root = root;
	snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
	if (!read_file(path, cgroup))
		return;
	snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
	file = fopen(path, "re");
	/* A host may have any number of mounts. */
	if (file && getdelim(&mountinfo, &size, '\0', file) > 0) {
		for (version = 1; version <= 2; version++)
			add_group(memory, version, cgroup, mountinfo);
	}
	free(mountinfo);
	if (file)
		fclose(file);
}

/* ---- figures ---- */

static bool read_number(const char *directory, const char *name, uint64_t *number)
{
	char path[HOST_MEMORY_PATH + 32], text[TEXT];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	/* "max" is no number, and no limit. */
	return read_file(path, text) && sscanf(text, "%" SCNu64, number) == 1;
}

/* The lower one of what ends a group's growth and what slows it down. */
static uint64_t limit_of(const char *path, unsigned int version)
{
	uint64_t limit = UINT64_MAX, high;

	if (version == 1) {
		(void)read_number(path, "memory.limit_in_bytes", &limit);
		return limit;
	}
	(void)read_number(path, "memory.max", &limit);
	if (read_number(path, "memory.high", &high) && high < limit)
		limit = high;
	return limit;
}

static void look_at(const char *path, unsigned int version, uint64_t machine,
		    struct fallow_room *tightest)
{
	const char *prefix = version == 1 ? "total_" : "";
	uint64_t limit = limit_of(path, version), used, cache = 0, number, left;
	char file[HOST_MEMORY_PATH + 32], text[TEXT];
	static const char *const reclaimable[] = {"active_file ", "inactive_file ",
						  "slab_reclaimable "};
	char name[32];
	size_t i;

	/* Version 1 says how large addresses can be where there is no limit. */
	if (limit >= machine ||
	    !read_number(path, version == 1 ? "memory.usage_in_bytes" : "memory.current", &used))
		return;
	snprintf(file, sizeof(file), "%s/memory.stat", path);
	if (read_file(file, text)) {
		for (i = 0; i < sizeof(reclaimable) / sizeof(reclaimable[0]); i++) {
			snprintf(name, sizeof(name), "%s%s", prefix, reclaimable[i]);
			if (find_number(text, name, &number))
				cache += number;
		}
	}
	left = limit > used ? limit - used : 0;
	if (cache > limit - left)
		cache = limit - left;
	if (!tightest->total || left + cache < tightest->available)
		*tightest = (struct fallow_room){limit, left + cache, left};
}

bool host_memory_read(const struct host_memory *memory, struct fallow_room *machine,
		      struct fallow_room *group)
{
	char path[HOST_MEMORY_PATH], text[TEXT];
	uint64_t total = 0, available, kib = 0;
	unsigned int i;

	*group = (struct fallow_room){0};
	snprintf(path, sizeof(path), "%s/proc/meminfo", memory->root);
	if (!read_file(path, text) || !find_number(text, "MemTotal:", &total) || !total ||
	    !find_number(text, "MemFree:", &kib))
		return false;
	/* Before Linux 3.14, and where nobody says: what is free. */
	available = kib;
	(void)find_number(text, "MemAvailable:", &available);
	*machine = (struct fallow_room){total << 10, available << 10, kib << 10};
	for (i = 0; i < memory->group_count; i++) {
		const struct host_group *from = &memory->groups[i];
		char *end;

		memcpy(path, from->path, sizeof(path));
		do {
			look_at(path, from->version, machine->total, group);
			end = strrchr(path, '/');
			if (end)
				*end = '\0';
		} while (end && strlen(path) >= from->top);
	}
	return true;
}

uint64_t host_memory_free(void)
{
	struct sysinfo info;

	return sysinfo(&info) ? 0 : (uint64_t)info.freeram * info.mem_unit;
}

int host_memory_pressure(const struct host_memory *memory, bool group)
{
	char path[HOST_MEMORY_PATH + 32];
	unsigned int i;
	int fd;

	snprintf(path, sizeof(path), "%s/proc/pressure/memory", memory->root);
	for (i = 0; group && i < memory->group_count; i++) {
		if (memory->groups[i].version == 2)
			break;
	}
	if (group && i == memory->group_count)
		return -1;
	if (group)
		snprintf(path, sizeof(path), "%s/memory.pressure", memory->groups[i].path);
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	for (i = 0; fd >= 0 && i < sizeof(triggers) / sizeof(triggers[0]); i++) {
		/* With its closing zero, as the kernel wants it. */
		if (write(fd, triggers[i], strlen(triggers[i]) + 1) > 0)
			return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}
