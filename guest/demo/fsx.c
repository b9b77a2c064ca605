// SPDX-License-Identifier: MIT
/*
 * Does whatever can be done to a file, in random order, and compares what is
 * read with a copy in memory. What it did last is printed when they differ.
 *
 *	fsx FILE OPERATIONS SEED MIB		a file of MIB at most
 *
 * Exit status: 0 all as expected, 1 a byte that is not, 2 it cannot be done.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK	  4096u
#define MOST	  (64u * 1024) /* bytes of one operation */
#define HISTORY	  24u
#define LINE_SIZE 96u

static struct {
	const char *name;
	char other[256]; /* its name every other time */
	bool renamed;
	int fd, direct;
	uint8_t *copy;	 /* what the file has to be */
	uint8_t *buffer; /* MOST bytes, aligned for direct I/O */
	uint32_t size, most;
	uint64_t random;
	uint32_t number; /* of this operation */
	char history[HISTORY][LINE_SIZE];
	uint32_t done[32];
} file;

static uint32_t below(uint32_t bound)
{
	file.random ^= file.random << 13;
	file.random ^= file.random >> 7;
	file.random ^= file.random << 17;
	return bound ? (uint32_t)(file.random >> 24) % bound : 0;
}

static void note(const char *format, ...)
{
	va_list arguments;
	char *line = file.history[file.number % HISTORY];
	int length = snprintf(line, LINE_SIZE, "%u: ", file.number);

	va_start(arguments, format);
	vsnprintf(line + length, LINE_SIZE - (size_t)length, format, arguments);
	va_end(arguments);
}

static void print_history(void)
{
	uint32_t i;

	for (i = file.number < HISTORY ? 0 : file.number - HISTORY + 1; i <= file.number; i++)
		printf("fsx: %s\n", file.history[i % HISTORY]);
	fflush(stdout);
}

static void give_up(const char *what)
{
	printf("fsx: %s: %s: %s\n", file.name, what, strerror(errno));
	print_history();
	exit(2);
}

static const char *path(void)
{
	return file.renamed ? file.other : file.name;
}

static void open_file(int flags)
{
	file.fd = open(path(), O_RDWR | flags, 0644);
	file.direct = open(path(), O_RDWR | O_DIRECT);
	if (file.fd < 0 || file.direct < 0)
		give_up("open");
}

static void close_file(void)
{
	close(file.fd);
	close(file.direct);
}

static void compare(const uint8_t *got, uint32_t at, uint32_t bytes, const char *how)
{
	uint32_t first, last;

	if (!memcmp(got, file.copy + at, bytes))
		return;
	for (first = 0; got[first] == file.copy[at + first]; first++)
		;
	for (last = bytes - 1; got[last] == file.copy[at + last]; last--)
		;
	printf("fsx: BAD %s, operation %u, %s: bytes %u to %u of %u differ: %02x, not %02x\n",
	       file.name, file.number, how, at + first, at + last, file.size, got[first],
	       file.copy[at + first]);
	print_history();
	exit(1);
}

static void fill(uint32_t bytes)
{
	uint32_t i;

	for (i = 0; i < bytes; i += 4) {
		uint32_t word = below(~0u);

		memcpy(file.buffer + i, &word, bytes - i < 4 ? bytes - i : 4);
	}
}

/* A piece of what there is, of @bytes at most. 0: the file is empty. */
static uint32_t piece(uint32_t *at, uint32_t unit)
{
	uint32_t units = file.size / unit, count;

	if (!units)
		return 0;
	*at = below(units) * unit;
	count = (file.size - *at) / unit;
	if (count > MOST / unit)
		count = MOST / unit;
	return (below(count) + 1) * unit;
}

/* The same of what there may be. */
static uint32_t room(uint32_t *at, uint32_t unit)
{
	uint32_t count;

	/* Mostly inside, so that it does not only grow. */
	*at = below((below(8) || file.size < unit ? file.most : file.size) / unit) * unit;
	count = (file.most - *at) / unit;
	if (count > MOST / unit)
		count = MOST / unit;
	return (below(count) + 1) * unit;
}

static void grow(uint32_t end)
{
	if (end <= file.size)
		return;
	file.size = end;
}

static void shrink(uint32_t size)
{
	memset(file.copy + size, 0, file.most - size);
	file.size = size;
}

static void read_by(int fd, uint32_t unit, const char *how)
{
	uint32_t at = 0, bytes = piece(&at, unit);

	note("%s %u bytes at %u", how, bytes, at);
	if (!bytes)
		return;
	memset(file.buffer, 0xa5, bytes);
	if (pread(fd, file.buffer, bytes, at) != (ssize_t)bytes)
		give_up(how);
	compare(file.buffer, at, bytes, how);
}

static void write_by(int fd, uint32_t unit, const char *how)
{
	uint32_t at = 0, bytes = room(&at, unit);

	note("%s %u bytes at %u", how, bytes, at);
	fill(bytes);
	if (pwrite(fd, file.buffer, bytes, at) != (ssize_t)bytes)
		give_up(how);
	memcpy(file.copy + at, file.buffer, bytes);
	grow(at + bytes);
}

static void map(bool is_write)
{
	uint32_t at = 0, bytes = piece(&at, 1), skip = at % BLOCK;
	uint8_t *map;

	note("%s %u bytes at %u", is_write ? "map-write" : "map-read", bytes, at);
	if (!bytes)
		return;
	map = mmap(NULL, bytes + skip, PROT_READ | (is_write ? PROT_WRITE : 0), MAP_SHARED, file.fd,
		   at - skip);
	if (map == MAP_FAILED)
		give_up("mmap");
	if (is_write) {
		fill(bytes);
		memcpy(map + skip, file.buffer, bytes);
		memcpy(file.copy + at, file.buffer, bytes);
		if (below(2) && msync(map, bytes + skip, MS_SYNC))
			give_up("msync");
	} else {
		compare(map + skip, at, bytes, "map-read");
	}
	munmap(map, bytes + skip);
}

static void set_size(void)
{
	uint32_t size = below(4) ? below(file.most + 1) : below(file.size + 1);

	note("size %u, was %u", size, file.size);
	if (ftruncate(file.fd, size))
		give_up("truncate");
	if (size < file.size)
		shrink(size);
	file.size = size;
}

static void zero(int mode, const char *how)
{
	uint32_t at = 0, bytes = piece(&at, below(2) ? BLOCK : 1);

	note("%s %u bytes at %u", how, bytes, at);
	if (!bytes)
		return;
	if (fallocate(file.fd, mode, at, bytes))
		give_up(how);
	memset(file.copy + at, 0, bytes);
}

static void collapse(void)
{
	uint32_t at = 0, bytes = piece(&at, BLOCK);

	/* Up to the end is what truncation is for. */
	if (bytes && at + bytes >= file.size)
		bytes = at + BLOCK < file.size ? BLOCK : 0;
	note("collapse %u bytes at %u", bytes, at);
	if (!bytes)
		return;
	if (fallocate(file.fd, FALLOC_FL_COLLAPSE_RANGE, at, bytes))
		give_up("collapse");
	memmove(file.copy + at, file.copy + at + bytes, file.size - at - bytes);
	shrink(file.size - bytes);
}

static void insert(void)
{
	uint32_t at = 0, bytes = piece(&at, BLOCK);

	if (file.size + bytes > file.most)
		bytes = 0;
	note("insert %u bytes at %u", bytes, at);
	if (!bytes)
		return;
	if (fallocate(file.fd, FALLOC_FL_INSERT_RANGE, at, bytes))
		give_up("insert");
	memmove(file.copy + at + bytes, file.copy + at, file.size - at);
	memset(file.copy + at, 0, bytes);
	file.size += bytes;
}

static void allocate(void)
{
	uint32_t at = 0, bytes = room(&at, 1);

	note("allocate %u bytes at %u", bytes, at);
	if (fallocate(file.fd, 0, at, bytes))
		give_up("allocate");
	grow(at + bytes);
}

/* What was written is on the disk, and out of the page cache. */
static void evict(void)
{
	note("evict");
	if (fsync(file.fd) || posix_fadvise(file.fd, 0, 0, POSIX_FADV_DONTNEED))
		give_up("evict");
}

static void change_name(void)
{
	note("rename");
	if (rename(path(), file.renamed ? file.name : file.other))
		give_up("rename");
	file.renamed = !file.renamed;
	close_file();
	open_file(0);
}

/* The next file of this name may well have this one's number. */
static void replace(void)
{
	note("replace");
	close_file();
	if (unlink(path()))
		give_up("unlink");
	open_file(O_CREAT | O_EXCL);
	shrink(0);
}

static void check_all(const char *how)
{
	struct stat status;
	uint32_t at;

	if (fstat(file.fd, &status) || status.st_size != file.size) {
		printf("fsx: BAD %s: %lld bytes, not %u\n", file.name, (long long)status.st_size,
		       file.size);
		print_history();
		exit(1);
	}
	for (at = 0; at < file.size; at += MOST) {
		uint32_t bytes = file.size - at < MOST ? file.size - at : MOST;

		if (pread(file.fd, file.buffer, bytes, at) != (ssize_t)bytes)
			give_up("read");
		compare(file.buffer, at, bytes, how);
	}
}

static void reopen(void)
{
	note("reopen");
	close_file();
	open_file(0);
}

/* How often, of 128. */
static const struct {
	const char *name;
	uint32_t weight;
} operations[] = {
	{"read", 24},	  {"write", 20},     {"direct-read", 8}, {"direct-write", 8},
	{"map-read", 10}, {"map-write", 10}, {"size", 3},	 {"punch", 5},
	{"zero", 4},	  {"collapse", 3},   {"insert", 3},	 {"allocate", 3},
	{"fsync", 2},	  {"evict", 18},     {"reopen", 3},	 {"rename", 2},
	{"replace", 1},	  {"all", 1},
};

static uint32_t choose(void)
{
	uint32_t left = below(128), i;

	for (i = 0; left >= operations[i].weight; i++)
		left -= operations[i].weight;
	return i;
}

static void operate(uint32_t which)
{
	switch (which) {
	case 0:
		return read_by(file.fd, 1, "read");
	case 1:
		return write_by(file.fd, 1, "write");
	case 2:
		return read_by(file.direct, BLOCK, "direct-read");
	case 3:
		return write_by(file.direct, BLOCK, "direct-write");
	case 4:
	case 5:
		return map(which == 5);
	case 6:
		return set_size();
	case 7:
		return zero(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, "punch");
	case 8:
		return zero(FALLOC_FL_ZERO_RANGE, "zero");
	case 9:
		return collapse();
	case 10:
		return insert();
	case 11:
		return allocate();
	case 12:
		note("fsync");
		if (fsync(file.fd))
			give_up("fsync");
		return;
	case 13:
		return evict();
	case 14:
		return reopen();
	case 15:
		return change_name();
	case 16:
		return below(8) ? evict() : replace();
	default:
		note("all");
		return check_all("all");
	}
}

int main(int argc, char **argv)
{
	uint32_t count, i;
	unsigned long seed;

	if (argc != 5)
		return 2;
	file.name = argv[1];
	count = (uint32_t)atoi(argv[2]);
	seed = strtoul(argv[3], NULL, 0);
	file.most = (uint32_t)atoi(argv[4]) << 20;
	file.random = (seed + 1) * 0x9e3779b97f4a7c15ull;
	snprintf(file.other, sizeof(file.other), "%s.other", file.name);
	file.copy = calloc(1, file.most + MOST);
	if (!file.copy || !file.most || posix_memalign((void **)&file.buffer, BLOCK, MOST))
		return 2;
	unlink(file.name);
	open_file(O_CREAT | O_TRUNC);
	for (file.number = 0; file.number < count; file.number++) {
		i = choose();
		file.done[i]++;
		operate(i);
	}
	file.number = count ? count - 1 : 0;
	evict();
	check_all("end");
	printf("fsx: ok %s seed=%lu operations=%u:", file.name, seed, count);
	for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		printf(" %s=%u", operations[i].name, file.done[i]);
	printf("\n");
	return 0;
}
