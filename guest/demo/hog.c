// SPDX-License-Identifier: MIT
/*
 * Fills more memory than the guest has with keyed pages, verifies and
 * rewrites them in random order, round after round, and tells apart what can
 * go wrong: a page that cannot be read any more (SIGBUS: LOST) and a page that
 * reads as something else (BAD). It locks itself in memory, so that a swap
 * disk that fails takes its data and never its code: it lives to report.
 * With --scan it looks for such pages on a raw disk instead. With --pace it
 * verifies no more than N pages a second, as a guest that has something else
 * to do: whoever wants it to swap for as long as something lasts, and no more.
 *
 * Exit status: 0 all as expected, 1 a bad page, 2 cannot run, 3 lost pages
 * and no bad one.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "pattern.h"

#define FAULTS_KEPT    65536u /* latencies that are kept for the median */
#define PROGRESS_PAGES 1024u
#define PACE_PAGES     64u /* between two looks at the clock */
#define BAD_SHOWN      8u

struct hog {
	uint64_t *memory;
	uint32_t pages;
	uint16_t seed;
	uint64_t pace; /* ns for PACE_PAGES; 0: as fast as it can */
	uint64_t bad;
	uint64_t lost;
	uint32_t faults; /* of FAULTS_KEPT */
	uint32_t fault_ns[FAULTS_KEPT];
};

static struct hog hog;
static sigjmp_buf lost_page;

static void on_sigbus(int number)
{
	siglongjmp(lost_page, number);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static long major_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_majflt;
}

static void fill_page(uint64_t *page, uint64_t key)
{
	struct pattern p;

	pattern_start(&p, key);
	for (unsigned int w = 0; w < PAGE_WORDS; w++)
		page[w] = pattern_next(&p);
}

/* The first word of @page that is not as @key says, or PAGE_WORDS. */
static unsigned int wrong_word(const volatile uint64_t *page, uint64_t key)
{
	struct pattern p;

	pattern_start(&p, key);
	for (unsigned int w = 0; w < PAGE_WORDS; w++)
		if (page[w] != pattern_next(&p))
			return w;
	return PAGE_WORDS;
}

static void report_bad(uint32_t page, unsigned int word, uint64_t found)
{
	uint64_t name = pattern_unkey(found);

	if (hog.bad++ >= BAD_SHOWN)
		return;
	dprintf(1, "hog: BAD page %u word %u holds %016llx", page, word, (unsigned long long)found);
	if (name >> 48 == hog.seed)
		dprintf(1, " (page %u of round %u)", (uint32_t)name,
			(unsigned int)(name >> 32 & 0xffff));
	dprintf(1, "\n");
}

/* The touch that may go to the swap disk, timed when it did. */
static void touch(const volatile uint64_t *page)
{
	long faults = major_faults();
	uint64_t start = now_ns();
	uint64_t took;

	(void)*page;
	took = now_ns() - start;
	if (major_faults() != faults && hog.faults < FAULTS_KEPT)
		hog.fault_ns[hog.faults++] = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
}

/* Verifies one page as of @round, and makes it one of the next round. */
static void visit(uint32_t number, uint16_t round)
{
	uint64_t *page = hog.memory + (size_t)number * PAGE_WORDS;
	unsigned int word;

	if (sigsetjmp(lost_page, 0) != 0) {
		hog.lost++;
		/* The entry that points to the lost block goes; a fresh page takes its place. */
		if (madvise(page, PAGE_BYTES, MADV_DONTNEED) != 0) {
			perror("hog: madvise");
			exit(2);
		}
	} else {
		touch(page);
		word = wrong_word(page, pattern_key(pattern_name(hog.seed, round, number)));
		if (word < PAGE_WORDS)
			report_bad(number, word, page[word]);
	}
	fill_page(page, pattern_key(pattern_name(hog.seed, round + 1, number)));
}

/* Not before the clock says @due; what is late is not made up for. Returns the next @due. */
static uint64_t keep_pace(uint64_t due)
{
	uint64_t now = now_ns();
	struct timespec t;

	if (due <= now)
		return now + hog.pace;
	t.tv_sec = (time_t)(due / 1000000000u);
	t.tv_nsec = (long)(due % 1000000000u);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
	return due + hog.pace;
}

static void run_round(uint16_t round)
{
	/* Odd, prime and above any number of pages: the walk meets each page once. */
	const uint64_t stride = 2654435761u;
	uint64_t bad = hog.bad;
	uint64_t lost = hog.lost;
	uint64_t due = now_ns() + hog.pace;

	for (uint32_t i = 0; i < hog.pages; i++) {
		visit((uint32_t)((i * stride + round) % hog.pages), round);
		if ((i + 1) % PROGRESS_PAGES == 0)
			dprintf(1, "hog: at %u of %u in round %u\n", i + 1, hog.pages, round);
		if (hog.pace != 0 && (i + 1) % PACE_PAGES == 0)
			due = keep_pace(due);
	}
	dprintf(1, "hog: round %u pages=%u bad=%llu lost=%llu\n", round, hog.pages,
		(unsigned long long)(hog.bad - bad), (unsigned long long)(hog.lost - lost));
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int scan(const char *path, uint16_t seed)
{
	static uint64_t page[PAGE_WORDS];
	uint64_t ours = 0;
	uint64_t other = 0;
	uint64_t pages = 0;
	ssize_t got;
	int fd = open(path, O_RDONLY);

	if (fd < 0) {
		perror(path);
		return 2;
	}
	while ((got = read(fd, page, sizeof(page))) == (ssize_t)sizeof(page)) {
		bool zero = page[0] == 0 && memcmp(page, page + 1, sizeof(page) - 8) == 0;

		pages++;
		if (pattern_unkey(page[0]) >> 48 == seed && wrong_word(page, page[0]) == PAGE_WORDS)
			ours++;
		else if (!zero)
			other++;
	}
	if (got != 0) {
		perror(path);
		return 2;
	}
	dprintf(1, "hog: scan pages=%llu of_seed=%llu other=%llu\n", (unsigned long long)pages,
		(unsigned long long)ours, (unsigned long long)other);
	return 0;
}

static int verify(uint32_t mib, uint16_t rounds)
{
	struct sigaction action = {.sa_handler = on_sigbus, .sa_flags = SA_NODEFER};

	/* Only what exists now: the memory mapped below must be able to leave. */
	if (mlockall(MCL_CURRENT) != 0 || sigaction(SIGBUS, &action, NULL) != 0) {
		perror("hog");
		return 2;
	}
	hog.pages = mib * (1048576 / PAGE_BYTES);
	hog.memory = mmap(NULL, (size_t)hog.pages * PAGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (hog.memory == MAP_FAILED) {
		perror("hog: mmap");
		return 2;
	}
	for (uint32_t i = 0; i < hog.pages; i++)
		fill_page(hog.memory + (size_t)i * PAGE_WORDS,
			  pattern_key(pattern_name(hog.seed, 1, i)));
	dprintf(1, "hog: filled pages=%u\n", hog.pages);
	for (uint16_t r = 1; r <= rounds; r++)
		run_round(r);
	qsort(hog.fault_ns, hog.faults, sizeof(hog.fault_ns[0]), compare);
	dprintf(1, "hog: result bad=%llu lost=%llu faults=%u fault_p50_ns=%u fault_p99_ns=%u\n",
		(unsigned long long)hog.bad, (unsigned long long)hog.lost, hog.faults,
		hog.fault_ns[hog.faults / 2], hog.fault_ns[(uint64_t)hog.faults * 99 / 100]);
	return hog.bad != 0 ? 1 : hog.lost != 0 ? 3 : 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: hog [--seed N] [--rounds N] [--pace N] [--power-off] MIB\n"
			"       hog [--seed N] --scan DEVICE\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"seed", required_argument, NULL, 's'}, {"rounds", required_argument, NULL, 'r'},
		{"pace", required_argument, NULL, 'n'}, {"scan", required_argument, NULL, 'd'},
		{"power-off", no_argument, NULL, 'p'},	{NULL, 0, NULL, 0}};
	unsigned long rounds = 1;
	unsigned long pace = 0;
	unsigned long mib = 0;
	const char *device = NULL;
	bool power_off = false;
	int status;
	int option;

	hog.seed = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			hog.seed = (uint16_t)strtoul(optarg, NULL, 10);
		else if (option == 'r')
			rounds = strtoul(optarg, NULL, 10);
		else if (option == 'n')
			pace = strtoul(optarg, NULL, 10);
		else if (option == 'd')
			device = optarg;
		else if (option == 'p')
			power_off = true;
		else
			return usage();
	}
	if (device != NULL)
		return scan(device, hog.seed);
	if (optind + 1 == argc)
		mib = strtoul(argv[optind], NULL, 10);
	if (pace != 0)
		hog.pace = PACE_PAGES * 1000000000ull / pace;
	if (mib == 0 || mib > 8192 || rounds == 0 || rounds > 1000 || hog.seed == 0)
		return usage();
	status = verify((uint32_t)mib, (uint16_t)rounds);
	dprintf(1, "hog: exit=%d\n", status);
	if (power_off) {
		tcdrain(1);
		reboot(RB_POWER_OFF);
	}
	return status;
}
