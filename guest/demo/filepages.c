// SPDX-License-Identifier: MIT
/*
 * Writes, changes and checks keyed pages of a file, in each way in which a
 * page of a file can change.
 *
 *	filepages write|direct|map FILE FIRST COUNT ROUND	pages of that round
 *	filepages check|random     FILE FIRST COUNT ROUND	round 0: zeros
 *	filepages survey           FILE FIRST COUNT ROUND	read directly, and counted by kind
 *	filepages punch|zero|collapse FILE FIRST COUNT		ranges, by fallocate
 *	filepages sequence FILE FIRST COUNT			reads them, 32 at once
 *	filepages shuffle  FILE PAGES COUNT SEED		reads COUNT of PAGES, one by one
 *	filepages race FILE COUNT				direct writes beside readers
 *	filepages size FILE COUNT
 *	filepages swapped FILE COUNT	swaps pages of memory out, and reads them once FILE is there
 *
 * Exit status: 0 all as expected, 1 a page that is not, 2 it cannot be done.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pattern.h"

#define RACE_PAGES 64u

static void give_up(const char *what)
{
	printf("filepages: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void fill(uint64_t *page, uint16_t round, uint32_t number)
{
	struct pattern pattern;
	unsigned int i;

	memset(page, 0, PAGE_BYTES);
	if (!round)
		return;
	pattern_start(&pattern, pattern_key(pattern_name(1, round, number)));
	for (i = 0; i < PAGE_WORDS; i++)
		page[i] = pattern_next(&pattern);
}

static void write_pages(int fd, uint64_t *page, uint32_t first, uint32_t count, uint16_t round)
{
	uint32_t i;

	for (i = first; i < first + count; i++) {
		fill(page, round, i);
		if (pwrite(fd, page, PAGE_BYTES, (off_t)i * PAGE_BYTES) != (ssize_t)PAGE_BYTES)
			give_up("write");
	}
}

static void map_pages(int fd, uint64_t *page, uint32_t first, uint32_t count, uint16_t round)
{
	size_t bytes = (size_t)count * PAGE_BYTES;
	char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			(off_t)first * PAGE_BYTES);
	uint32_t i;

	if (at == MAP_FAILED)
		give_up("mmap");
	for (i = 0; i < count; i++) {
		fill(page, round, first + i);
		memcpy(at + (size_t)i * PAGE_BYTES, page, PAGE_BYTES);
	}
	if (msync(at, bytes, MS_SYNC) || munmap(at, bytes))
		give_up("msync");
}

static int check_pages(int fd, uint64_t *page, uint32_t first, uint32_t count, uint16_t round)
{
	static uint64_t got[PAGE_WORDS];
	uint32_t i, bad = 0;

	for (i = first; i < first + count; i++) {
		fill(page, round, i);
		if (pread(fd, got, PAGE_BYTES, (off_t)i * PAGE_BYTES) != (ssize_t)PAGE_BYTES)
			give_up("read");
		if (memcmp(got, page, PAGE_BYTES)) {
			uint64_t name = pattern_unkey(got[0]);

			if (!bad++)
				printf("filepages: page %u is not of round %u but %s %u\n", i,
				       round, name >> 48 == 1 ? "of round" : "first word",
				       (unsigned int)(name >> 48 == 1 ? name >> 32 & 0xffff
								      : got[0]));
		}
	}
	return bad != 0;
}

/* What is there, whatever it is: an error is a kind too. */
static void survey(int fd, uint64_t *got, uint32_t first, uint32_t count, uint16_t round)
{
	static uint64_t page[PAGE_WORDS], zeros[PAGE_WORDS];
	uint32_t right = 0, wrong = 0, zero = 0, error = 0, i;

	for (i = first; i < first + count; i++) {
		fill(page, round, i);
		memset(got, 0xee, PAGE_BYTES);
		if (pread(fd, got, PAGE_BYTES, (off_t)i * PAGE_BYTES) != (ssize_t)PAGE_BYTES)
			error++;
		else if (!memcmp(got, page, PAGE_BYTES))
			right++;
		else if (!memcmp(got, zeros, PAGE_BYTES))
			zero++;
		else
			wrong++;
	}
	printf("right=%u wrong=%u zero=%u error=%u\n", right, wrong, zero, error);
}

/* Both look at one word of each page: cheap beside the reading, which is what is measured. */
static int sequence(int fd, uint32_t first, uint32_t count)
{
	static uint64_t window[32 * PAGE_WORDS];
	uint32_t end = first + count, i;

	for (; first < end; first += 32) {
		uint32_t pages = end - first < 32 ? end - first : 32;
		size_t bytes = (size_t)pages * PAGE_BYTES;

		if (pread(fd, window, bytes, (off_t)first * PAGE_BYTES) != (ssize_t)bytes)
			give_up("read");
		for (i = 0; i < pages; i++)
			if (window[i * PAGE_WORDS + 1] != first + i)
				return 1;
	}
	return 0;
}

static int shuffle(int fd, uint32_t pages, uint32_t count, uint64_t seed)
{
	static uint64_t page[PAGE_WORDS];
	uint64_t random = pattern_key(seed + 1);

	while (count--) {
		uint32_t number;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		number = (uint32_t)(random >> 16) % pages;
		if (pread(fd, page, PAGE_BYTES, (off_t)number * PAGE_BYTES) != (ssize_t)PAGE_BYTES)
			give_up("read");
		if (page[1] != number)
			return 1;
	}
	return 0;
}

static int swapped(const char *signal, uint32_t count)
{
	uint64_t *page, *pages = mmap(NULL, (size_t)count * PAGE_BYTES, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t i, bad = 0;

	if (pages == MAP_FAILED || posix_memalign((void **)&page, PAGE_BYTES, PAGE_BYTES))
		give_up("memory");
	for (i = 0; i < count; i++)
		fill(pages + (size_t)i * PAGE_WORDS, 1, i);
	if (madvise(pages, (size_t)count * PAGE_BYTES, MADV_PAGEOUT))
		give_up("pageout");
	puts("filepages: swapped");
	fflush(stdout);
	while (access(signal, F_OK))
		usleep(10000);
	for (i = 0; i < count; i++) {
		fill(page, 1, i);
		bad += memcmp(pages + (size_t)i * PAGE_WORDS, page, PAGE_BYTES) != 0;
	}
	printf("filepages: %u of %u swapped pages are not what they were\n", bad, count);
	return bad != 0;
}

/* Through the page cache, but not from it. */
static void read_page(int fd, uint64_t *page, uint32_t number)
{
	off_t at = (off_t)number * PAGE_BYTES;

	(void)posix_fadvise(fd, at, PAGE_BYTES, POSIX_FADV_DONTNEED);
	if (pread(fd, page, PAGE_BYTES, at) != (ssize_t)PAGE_BYTES)
		give_up("read");
	(void)posix_fadvise(fd, at, PAGE_BYTES, POSIX_FADV_DONTNEED);
}

/*
 * The file's first pages are written directly and at once, @count times at most, while
 * another process reads the last of them and throws it out of the page cache
 * again. Once a write has returned, no older page may be read.
 */
static int race(int direct, const char *name, uint32_t count)
{
	static uint64_t got[PAGE_WORDS];
	uint32_t last = RACE_PAGES - 1, i, j, old = 0;
	int fd = open(name, O_RDONLY);
	uint64_t *pages;
	pid_t reader;

	if (fd < 0 || posix_memalign((void **)&pages, PAGE_BYTES, RACE_PAGES * PAGE_BYTES))
		give_up(name);
	reader = fork();
	if (reader == 0)
		for (;;)
			read_page(fd, got, last);
	for (i = 1; i <= count && !old; i++) {
		for (j = 0; j < RACE_PAGES; j++)
			fill(pages + j * PAGE_WORDS, (uint16_t)(i % 60000 + 1), j);
		if (pwrite(direct, pages, RACE_PAGES * PAGE_BYTES, 0) != RACE_PAGES * PAGE_BYTES)
			give_up("write");
		read_page(fd, got, last);
		old = memcmp(got, pages + last * PAGE_WORDS, PAGE_BYTES) != 0;
	}
	kill(reader, SIGKILL);
	waitpid(reader, NULL, 0);
	if (old)
		printf("filepages: write %u was not seen\n", i - 1);
	return old != 0;
}

static int range(int fd, int mode, uint32_t first, uint32_t count)
{
	if (fallocate(fd, mode, (off_t)first * PAGE_BYTES, (off_t)count * PAGE_BYTES))
		give_up("fallocate");
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 3 ? argv[1] : "";
	uint32_t first = argc > 3 ? (uint32_t)atoi(argv[3]) : 0;
	uint32_t count = argc > 4 ? (uint32_t)atoi(argv[4]) : 0;
	uint16_t round = (uint16_t)(argc > 5 ? atoi(argv[5]) : 0);
	bool look = !strcmp(what, "survey");
	bool direct = !strcmp(what, "direct") || !strcmp(what, "race") || look;
	uint64_t *page = NULL;
	int fd, create;

	if (argc < 4 || posix_memalign((void **)&page, PAGE_BYTES, PAGE_BYTES))
		return 2;
	/* Reading alone works on what is mounted read-only. */
	if (!strcmp(what, "sequence") || !strcmp(what, "shuffle")) {
		bool is_random = !strcmp(what, "shuffle");

		fd = open(argv[2], O_RDONLY);
		if (fd < 0)
			give_up(argv[2]);
		if (!is_random)
			return sequence(fd, first, count);
		if (posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM))
			give_up("advice");
		return shuffle(fd, first, count, (uint64_t)(argc > 5 ? atoi(argv[5]) : 0));
	}
	if (!strcmp(what, "swapped"))
		return swapped(argv[2], first);
	/* A device that has gone is not to become a file of its name. */
	create = strncmp(argv[2], "/dev/", 5) ? O_CREAT : 0;
	fd = open(argv[2], O_RDWR | create | (direct ? O_DIRECT : 0), 0644);
	if (fd < 0)
		give_up(argv[2]);
	if (!strcmp(what, "random") && posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM))
		give_up("advice");
	if (!strcmp(what, "check") || !strcmp(what, "random"))
		return check_pages(fd, page, first, count, round);
	if (!strcmp(what, "punch"))
		return range(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, first, count);
	if (!strcmp(what, "zero"))
		return range(fd, FALLOC_FL_ZERO_RANGE, first, count);
	if (!strcmp(what, "collapse"))
		return range(fd, FALLOC_FL_COLLAPSE_RANGE, first, count);
	if (!strcmp(what, "race"))
		return race(fd, argv[2], first);
	if (!strcmp(what, "size")) {
		if (ftruncate(fd, (off_t)first * PAGE_BYTES))
			give_up("truncate");
		return 0;
	}
	if (look)
		survey(fd, page, first, count, round);
	else if (!strcmp(what, "map"))
		map_pages(fd, page, first, count, round);
	else if (direct || !strcmp(what, "write"))
		write_pages(fd, page, first, count, round);
	else
		return 2;
	return 0;
}
