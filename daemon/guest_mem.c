// SPDX-License-Identifier: MIT
/*
 * Client memory: mapping, address translation, the copies, the dirty log.
 *
 * How a fault is survived: a copy names its mapping in a thread-local pair
 * before the first byte and clears it after the last; who is handed pieces
 * names the regions. The handler accepts a fault only inside of what was
 * named; anything else is a bug of ours and goes to whoever handled SIGBUS
 * before. Whole mappings are replaced, so one client
 * costs at most one fault per mapping.
 */
#include "guest_mem.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define LOG_PAGE 4096u

/* What this thread is touching, all regions where no map; read by the handler on this thread only. */
static _Thread_local const struct guest_map *volatile touched_map;
static _Thread_local struct guest_mem *volatile touched_mem;

static struct sigaction previous_action;

static bool is_inside(const struct guest_map *map, const uint8_t *address)
{
	return address >= map->base && (size_t)(address - map->base) < map->mapped;
}

static const struct guest_map *find_touched(const struct guest_mem *mem, const uint8_t *address)
{
	uint32_t i;

	if (touched_map)
		return is_inside(touched_map, address) ? touched_map : NULL;
	for (i = 0; mem && i < mem->count; i++) {
		if (is_inside(&mem->region[i].map, address))
			return &mem->region[i].map;
	}
	return NULL;
}

static void handle_fault(int signal, siginfo_t *info, void *context)
{
	struct guest_mem *mem = touched_mem;
	const struct guest_map *map = find_touched(mem, info->si_addr);
	int saved = errno;

	if (map &&
	    mmap(map->base, map->mapped, PROT_READ | PROT_WRITE,
		 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED)
		mem->dead = 1;
	else
		sigaction(signal, &previous_action, NULL);
	errno = saved;
}

int guest_mem_setup(void)
{
	struct sigaction action;

	if (sigaction(SIGBUS, NULL, &action))
		return -errno;
	if ((action.sa_flags & SA_SIGINFO) && action.sa_sigaction == handle_fault)
		return 0;
	memset(&action, 0, sizeof(action));
	action.sa_sigaction = handle_fault;
	action.sa_flags = SA_SIGINFO;
	sigemptyset(&action.sa_mask);
	if (sigaction(SIGBUS, &action, &previous_action))
		return -errno;
	return 0;
}

static void touch_begin(struct guest_mem *mem, const struct guest_map *map)
{
	touched_mem = mem;
	touched_map = map;
	atomic_signal_fence(memory_order_seq_cst);
}

static enum guest_error touch_end(struct guest_mem *mem)
{
	atomic_signal_fence(memory_order_seq_cst);
	touched_map = NULL;
	touched_mem = NULL;
	return mem->dead ? GUEST_ERROR_memory_fault : GUEST_OK;
}

/*
 * Only memory whose faults the kernel serves by itself: a file of a FUSE or
 * network file system, or a device, could make our thread wait for ever.
 */
static enum guest_error judge_memory(int fd, struct stat *stat, uint64_t *granule)
{
	struct statfs fs;

	if (fstat(fd, stat) || fstatfs(fd, &fs) || !S_ISREG(stat->st_mode))
		return GUEST_ERROR_descriptor_not_memory;
	if (fs.f_type != TMPFS_MAGIC && fs.f_type != HUGETLBFS_MAGIC)
		return GUEST_ERROR_descriptor_not_memory;
	*granule = fs.f_bsize > 0 ? (uint64_t)fs.f_bsize : 4096;
	if (*granule < 4096 || (*granule & (*granule - 1)))
		return GUEST_ERROR_descriptor_not_memory;
	return GUEST_OK;
}

enum guest_error guest_map_open(struct guest_map *map, int fd, uint64_t offset, uint64_t size)
{
	uint64_t granule, before, whole;
	enum guest_error error;
	struct stat stat;
	void *base;

	memset(map, 0, sizeof(*map));
	error = judge_memory(fd, &stat, &granule);
	if (error)
		return error;
	if (!size || size > UINT64_MAX - offset)
		return GUEST_ERROR_region_wrap;
	if (stat.st_size < 0 || offset > (uint64_t)stat.st_size ||
	    size > (uint64_t)stat.st_size - offset)
		return GUEST_ERROR_region_truncated;

	/* A mapping of huge pages begins and ends at one. */
	before = offset & (granule - 1);
	whole = before + size;
	if (whole > SIZE_MAX - granule)
		return GUEST_ERROR_region_map;
	whole = (whole + granule - 1) & ~(granule - 1);
	base = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)(offset - before));
	if (base == MAP_FAILED)
		return GUEST_ERROR_region_map;
	/* A core dump of ours holds no client's memory. */
	(void)madvise(base, whole, MADV_DONTDUMP);
	map->base = base;
	map->mapped = whole;
	map->start = map->base + before;
	map->size = size;
	return GUEST_OK;
}

void guest_map_close(struct guest_map *map)
{
	if (map->base)
		munmap(map->base, map->mapped);
	memset(map, 0, sizeof(*map));
}

static bool area_holds(const struct guest_map *map, uint64_t offset, uint64_t length)
{
	return length <= map->size && offset <= map->size - length;
}

/*
 * A number that the other side changes at any moment is read and written in
 * one access, so that an index is never seen half.
 */
static void copy_from(void *dst, const uint8_t *src, size_t length)
{
	uint64_t v64;
	uint32_t v32;
	uint16_t v16;

	if (length == 2 && !((uintptr_t)src & 1)) {
		v16 = __atomic_load_n((const uint16_t *)(const void *)src, __ATOMIC_RELAXED);
		memcpy(dst, &v16, 2);
	} else if (length == 4 && !((uintptr_t)src & 3)) {
		v32 = __atomic_load_n((const uint32_t *)(const void *)src, __ATOMIC_RELAXED);
		memcpy(dst, &v32, 4);
	} else if (length == 8 && !((uintptr_t)src & 7)) {
		v64 = __atomic_load_n((const uint64_t *)(const void *)src, __ATOMIC_RELAXED);
		memcpy(dst, &v64, 8);
	} else {
		memcpy(dst, src, length);
	}
}

static void copy_to(uint8_t *dst, const void *src, size_t length)
{
	uint64_t v64;
	uint32_t v32;
	uint16_t v16;

	if (length == 2 && !((uintptr_t)dst & 1)) {
		memcpy(&v16, src, 2);
		__atomic_store_n((uint16_t *)(void *)dst, v16, __ATOMIC_RELAXED);
	} else if (length == 4 && !((uintptr_t)dst & 3)) {
		memcpy(&v32, src, 4);
		__atomic_store_n((uint32_t *)(void *)dst, v32, __ATOMIC_RELAXED);
	} else if (length == 8 && !((uintptr_t)dst & 7)) {
		memcpy(&v64, src, 8);
		__atomic_store_n((uint64_t *)(void *)dst, v64, __ATOMIC_RELAXED);
	} else {
		memcpy(dst, src, length);
	}
}

enum guest_error guest_map_read(struct guest_mem *mem, const struct guest_map *map, uint64_t offset,
				void *dst, size_t length)
{
	if (!area_holds(map, offset, length))
		return GUEST_ERROR_chain_address;
	touch_begin(mem, map);
	copy_from(dst, map->start + offset, length);
	return touch_end(mem);
}

enum guest_error guest_map_write(struct guest_mem *mem, const struct guest_map *map,
				 uint64_t offset, const void *src, size_t length)
{
	if (!area_holds(map, offset, length))
		return GUEST_ERROR_chain_address;
	touch_begin(mem, map);
	copy_to(map->start + offset, src, length);
	return touch_end(mem);
}

void guest_mem_init(struct guest_mem *mem)
{
	memset(mem, 0, sizeof(*mem));
}

void guest_mem_clear(struct guest_mem *mem)
{
	while (mem->count)
		guest_map_close(&mem->region[--mem->count].map);
	mem->recent = 0;
}

void guest_mem_close(struct guest_mem *mem)
{
	guest_mem_clear(mem);
	guest_map_close(&mem->log);
}

static bool overlap(uint64_t a, uint64_t b, uint64_t a_size, uint64_t b_size)
{
	return a < b ? b - a < a_size : a - b < b_size;
}

enum guest_error guest_mem_add(struct guest_mem *mem, uint64_t guest, uint64_t user, uint64_t size,
			       uint64_t offset, int fd)
{
	struct guest_region *region;
	enum guest_error error;
	uint32_t i;

	if (mem->count == GUEST_MEM_REGIONS)
		return GUEST_ERROR_region_count;
	if (!size || size > UINT64_MAX - guest || size > UINT64_MAX - user)
		return GUEST_ERROR_region_wrap;
	for (i = 0; i < mem->count; i++) {
		region = &mem->region[i];
		if (overlap(guest, region->guest, size, region->map.size) ||
		    overlap(user, region->user, size, region->map.size))
			return GUEST_ERROR_region_overlap;
	}
	region = &mem->region[mem->count];
	error = guest_map_open(&region->map, fd, offset, size);
	if (error)
		return error;
	region->guest = guest;
	region->user = user;
	mem->count++;
	return GUEST_OK;
}

enum guest_error guest_mem_remove(struct guest_mem *mem, uint64_t guest, uint64_t user,
				  uint64_t size)
{
	struct guest_region *region;
	uint32_t i;

	for (i = 0; i < mem->count; i++) {
		region = &mem->region[i];
		if (region->guest != guest || region->user != user || region->map.size != size)
			continue;
		guest_map_close(&region->map);
		*region = mem->region[--mem->count];
		memset(&mem->region[mem->count], 0, sizeof(*region));
		mem->recent = 0;
		return GUEST_OK;
	}
	return GUEST_ERROR_region_unknown;
}

/* The region that holds @guest, NULL where none does; *@room: bytes from there to its end. */
static struct guest_region *find_region(struct guest_mem *mem, uint64_t guest, uint64_t *room)
{
	struct guest_region *region;
	uint32_t i, at;

	for (i = 0; i < mem->count; i++) {
		at = i ? i - (i <= mem->recent) : mem->recent;
		region = &mem->region[at];
		if (guest < region->guest || guest - region->guest >= region->map.size)
			continue;
		mem->recent = at;
		*room = region->map.size - (guest - region->guest);
		return region;
	}
	return NULL;
}

bool guest_mem_holds(struct guest_mem *mem, uint64_t guest, uint64_t length)
{
	uint64_t room;

	if (length > UINT64_MAX - guest)
		return false;
	while (length) {
		if (!find_region(mem, guest, &room))
			return false;
		if (room >= length)
			return true;
		guest += room;
		length -= room;
	}
	return true;
}

bool guest_mem_from_user(const struct guest_mem *mem, uint64_t user, uint64_t length,
			 uint64_t *guest)
{
	const struct guest_region *region;
	uint64_t offset;
	uint32_t i;

	for (i = 0; i < mem->count; i++) {
		region = &mem->region[i];
		if (user < region->user)
			continue;
		offset = user - region->user;
		if (offset >= region->map.size || length > region->map.size - offset)
			continue;
		*guest = region->guest + offset;
		return true;
	}
	return false;
}

const uint8_t *guest_mem_piece(struct guest_mem *mem, uint64_t guest, size_t length)
{
	uint64_t room;
	struct guest_region *region = find_region(mem, guest, &room);

	if (!region || room < length)
		return NULL;
	return region->map.start + (guest - region->guest);
}

void guest_mem_begin(struct guest_mem *mem)
{
	touch_begin(mem, NULL);
}

enum guest_error guest_mem_end(struct guest_mem *mem)
{
	return touch_end(mem);
}

void guest_mem_ask(struct guest_mem *mem, uint64_t guest)
{
	uint64_t room;
	const struct guest_region *region = find_region(mem, guest, &room);

	if (region)
		__builtin_prefetch(region->map.start + (guest - region->guest));
}

enum guest_error guest_mem_read(struct guest_mem *mem, uint64_t guest, void *dst, size_t length)
{
	struct guest_region *region;
	enum guest_error error;
	uint8_t *to = dst;
	uint64_t room;
	size_t part;

	while (length) {
		region = find_region(mem, guest, &room);
		if (!region)
			return GUEST_ERROR_chain_address;
		part = room < length ? (size_t)room : length;
		error = guest_map_read(mem, &region->map, guest - region->guest, to, part);
		if (error)
			return error;
		guest += part;
		to += part;
		length -= part;
	}
	return GUEST_OK;
}

enum guest_error guest_mem_write_unlogged(struct guest_mem *mem, uint64_t guest, const void *src,
					  size_t length)
{
	struct guest_region *region;
	const uint8_t *from = src;
	enum guest_error error;
	uint64_t room;
	size_t part;

	while (length) {
		region = find_region(mem, guest, &room);
		if (!region)
			return GUEST_ERROR_chain_address;
		part = room < length ? (size_t)room : length;
		error = guest_map_write(mem, &region->map, guest - region->guest, from, part);
		if (error)
			return error;
		guest += part;
		from += part;
		length -= part;
	}
	return GUEST_OK;
}

enum guest_error guest_mem_write(struct guest_mem *mem, uint64_t guest, const void *src,
				 size_t length)
{
	enum guest_error error = guest_mem_write_unlogged(mem, guest, src, length);

	return error ? error : guest_mem_mark(mem, guest, length);
}

enum guest_error guest_mem_set_log(struct guest_mem *mem, int fd, uint64_t offset, uint64_t size)
{
	struct guest_map log;
	enum guest_error error = guest_map_open(&log, fd, offset, size);

	if (error)
		return error;
	guest_map_close(&mem->log);
	mem->log = log;
	return GUEST_OK;
}

/* One bit per page; the front-end clears bits at the same time, hence the atomic or. */
enum guest_error guest_mem_mark(struct guest_mem *mem, uint64_t guest, uint64_t length)
{
	uint64_t page, last;

	if (!mem->logging || !length)
		return GUEST_OK;
	page = guest / LOG_PAGE;
	last = (guest + (length - 1)) / LOG_PAGE;
	if (guest > UINT64_MAX - (length - 1) || last / 8 >= mem->log.size)
		return GUEST_ERROR_log_address;
	touch_begin(mem, &mem->log);
	for (; page <= last; page++)
		__atomic_fetch_or(mem->log.start + page / 8, (uint8_t)(1u << page % 8),
				  __ATOMIC_RELAXED);
	return touch_end(mem);
}
