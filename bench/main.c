// SPDX-License-Identifier: MIT
/*
 * The benchmark: every number beside its peer, taken in the same run. What is
 * measured and how is in doc/benchmark.md; scripts/bench builds and runs it.
 */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static uint64_t started;

void bench_progress(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "[%5.1f s] ", (double)(bench_now() - started) / 1e9);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static const struct group {
	const char *name;
	void (*run)(struct bench *bench);
	int needs_ref;
} groups[] = {
	/* Those that need the reference's memory come first: it is given back after them. */
	{"raw", bench_raw, 1},	       {"persistent", bench_persistent, 1},
	{"codec", bench_codec, 1},     {"dense", bench_dense, 1},
	{"scale", bench_scale, 1},     {"alone", bench_alone, 0},
	{"util", bench_store_util, 0}, {"reclaim", bench_reclaim, 0},
	{"compact", bench_compact, 0}, {"density", bench_density, 0},
	{"daemon", bench_daemon, 0},   {"flood", bench_flood, 0},
};

#define GROUPS (sizeof(groups) / sizeof(groups[0]))

static const char usage[] =
	"usage: tmem-bench [option...] CORPUS\n"
	"  --quick          256 k pages instead of 1 M, at most 90 s\n"
	"  --only GROUP     raw, persistent, codec, dense, scale, alone, util, reclaim, compact,\n"
	"                   density, daemon or flood; repeatable\n"
	"  --out FILE       where results go (results.json)\n"
	"  --tmemd FILE     the daemon, and\n"
	"  --tmem FILE      its command, for the rows of another process\n"
	"  --core N         run on this core (the one that is least busy)\n"
	"  --self-test      only show that the harness tells the truth; no corpus needed\n"
	"Status: 0 all targets met, 1 something could not be run, 3 targets missed.\n";

static int enough_memory(const struct bench *bench)
{
	/* The store and the reference, each all pages; records, sources and the corpus. */
	uint64_t need = (uint64_t)bench->pages * (2 * BENCH_PAGE + 600) + (768u << 20);
	uint64_t have = bench_memory_available();

	if (have >= need)
		return 1;
	fprintf(stderr, "bench: needs %.1f GiB of free memory, %.1f are free.%s\n",
		(double)need / (1u << 30), (double)have / (1u << 30),
		bench->quick ? "" : " BENCH=quick needs less.");
	return 0;
}

static int run(struct bench *bench, const int *chosen, const char *corpus, const char *out,
	       int core)
{
	int needs_ref = 0, nice;
	size_t i, used;

	if (!enough_memory(bench) || bench_corpus_open(&bench->corpus, corpus) != 0)
		return 1;
	nice = bench_machine_priority();
	core = bench_machine_pin(core);
	bench_machine_describe(bench->results.machine, sizeof(bench->results.machine), core);
	used = strlen(bench->results.machine);
	snprintf(bench->results.machine + used, sizeof(bench->results.machine) - used,
		 ", \"corpus\": \"%s\"", bench->corpus.digest);
	bench_progress("pinned to core %d, nice %d; %u pages; corpus %u pages, %.16s", core, nice,
		       bench->pages, bench->corpus.count, bench->corpus.digest);
	for (i = 0; i < GROUPS; i++)
		needs_ref |= chosen[i] && groups[i].needs_ref;
	if (needs_ref) {
		bench->ref = bench_memory_map((size_t)bench->pages * BENCH_PAGE);
		bench_copy_floors(bench);
	}
	for (i = 0; i < GROUPS; i++) {
		if (bench->ref != NULL && !groups[i].needs_ref) {
			bench_memory_unmap(bench->ref, (size_t)bench->pages * BENCH_PAGE);
			bench->ref = NULL;
		}
		if (!chosen[i])
			continue;
		groups[i].run(bench);
		/* After each group: a run that is cut short leaves what it has. */
		if (bench_results_write(&bench->results, out) != 0) {
			fprintf(stderr, "bench: %s: %s\n", out, strerror(errno));
			return 1;
		}
	}
	bench_results_table(&bench->results, stdout);
	bench_progress("results are in %s", out);
	return bench->results.missed ? 3 : 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"quick", no_argument, NULL, 'q'},
		{"only", required_argument, NULL, 'g'},
		{"out", required_argument, NULL, 'o'},
		{"core", required_argument, NULL, 'c'},
		{"tmemd", required_argument, NULL, 'd'},
		{"tmem", required_argument, NULL, 't'},
		{"self-test", no_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	static struct bench bench;
	const char *out = "results.json";
	int chosen[GROUPS] = {0}, any = 0, core = -1, self_test = 0, option;
	size_t i;

	started = bench_now();
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'q':
			bench.quick = 1;
			break;
		case 'g':
			for (i = 0; i < GROUPS && strcmp(groups[i].name, optarg) != 0; i++)
				;
			if (i == GROUPS) {
				fprintf(stderr, "bench: no group named %s\n%s", optarg, usage);
				return 2;
			}
			chosen[i] = any = 1;
			break;
		case 'o':
			out = optarg;
			break;
		case 'c':
			core = atoi(optarg);
			break;
		case 'd':
			bench.tmemd = optarg;
			break;
		case 't':
			bench.tmem = optarg;
			break;
		case 's':
			self_test = 1;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (self_test) {
		(void)bench_machine_priority();
		(void)bench_machine_pin(core);
		return bench_self_test() == 0 ? 0 : 1;
	}
	if (optind != argc - 1) {
		fputs(usage, stderr);
		return 2;
	}
	for (i = 0; i < GROUPS; i++)
		chosen[i] |= !any;
	bench.results.quick = bench.quick;
	bench.pages = bench.quick ? 1u << 18 : 1u << 20;
	bench.patience = bench.quick ? 5000000000u : 30000000000u;
	return run(&bench, chosen, argv[optind], out, core);
}
