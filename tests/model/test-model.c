/* SPDX-License-Identifier: MIT */
/*
 * Random operations against the naive model, with so little memory that
 * something is being evicted all the time.
 *
 *   test-model [--operations N] [--seed S] [--extent BYTES] [--pages N] [--alone] [--lend]
 *              [--verify] [--trace]
 *   test-model [--operations N] [--seed S] [--alone] --record FILE
 *   test-model --planted [--loud]
 *
 * The seed is printed; the same seed and options repeat the run exactly.
 * --alone: nothing is shared and no limit changes. --lend: extents are lent to
 * the host, which takes pages of them at random. --record writes an input of
 * fuzz-ops that does the same, in a memory of the size that the fuzzer chooses.
 * --planted is the negative control: every fault that the model has to notice
 * is planted in turn, and a run that ends well is the failure; --loud shows
 * what each is noticed by.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "glue.h"
#include "must.h"
#include "page.h"
#include "planted.h"
#include "twin.h"

struct options {
	uint64_t operations, seed, capacity;
	uint32_t extent, pages;
	bool trace, alone, loud, lend, verify;
	const char *record; /* NULL: nowhere */
};

static struct tmem_stats last; /* of the host, when all was done */

/* The same with the fuzzer's setup, and every choice written to a file as its input. */
static void record(const struct options *o, struct twin *twin)
{
	const uint8_t first = (uint8_t)(o->alone ? o->seed % TWIN_SHARING
						 : TWIN_SHARING + o->seed % (256 - TWIN_SHARING));
	struct choices choices = {.state = o->seed, .record = fopen(o->record, "wb")};

	if (!choices.record) {
		perror(o->record);
		exit(2);
	}
	fputc(first, choices.record);
	twin_start_chosen(twin, first, &choices);
	twin->trace = o->trace;
	while (twin->operation < o->operations)
		twin_random(twin, &choices);
	if (fclose(choices.record)) {
		perror(o->record);
		exit(2);
	}
	twin->rig->backend->starve(twin->rig, 0, false);
	twin_stop(twin);
}

/* A run in which pages never changed their codec, or place, would prove nothing about that. */
static void must_have_turned(struct rig *rig)
{
	const struct tmem_stats stats = rig_stats(rig, -1, -1);

	printf("%" PRIu64 " pages recoded, %" PRIu64 " of them back again, %" PRIu64
	       " tried in vain; %" PRIu64 " moved, which emptied %" PRIu64 " extents\n",
	       stats.recoded, stats.recoded_back, stats.recoded_poor, stats.pages_moved,
	       stats.extents_vacated);
	MUST(stats.recoded && stats.recoded_back && stats.recoded_poor);
	MUST(stats.pages_moved && stats.extents_vacated);
}

static void run(const struct backend *backend, const struct options *o, struct twin *twin)
{
	struct rig_setup setup = {
		.capacity = o->capacity,
		.persistent = o->capacity / 6,
		.extent_size = o->extent,
		.seed = o->seed,
		.lend = o->lend,
		.verify = o->verify,
		.recode = true,
	};
	struct choices choices = {.state = o->seed}, takes = {.state = ~o->seed};

	snprintf(must_context, sizeof(must_context),
		 "--seed %" PRIu64 " --extent %u --pages %u --capacity %" PRIu64, o->seed,
		 o->extent, o->pages, o->capacity);
	twin_start(twin, backend, &setup, o->pages);
	twin->trace = o->trace;
	twin->sharing = !o->alone;
	twin->batching = true;
	while (twin->operation < o->operations) {
		twin_random(twin, &choices);
		if (o->lend && choose(&takes, 40) == 0)
			twin->rig->backend->take(twin->rig, (unsigned int)choose(&takes, 4));
	}
	last = rig_stats(twin->rig, -1, -1);
	if (o->operations >= 200000)
		must_have_turned(twin->rig);
	twin_stop(twin);
}

/* What a run with planted_now ends with, in a process of its own; quiet where it has to fail. */
static int planted_status(const struct options *o)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		static struct twin twin;

		if (planted_now && !o->loud && !freopen("/dev/null", "w", stderr))
			_exit(2);
		run(&backend_planted, o, &twin);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child) {
		perror("fork");
		exit(2);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Some seeds do not come to what a fault is about: three in a row do. */
static bool is_noticed(const struct options *o)
{
	struct options another = *o;
	uint32_t try;

	for (try = 0; try < 3; try++, another.seed++)
		if (planted_status(&another) == 1)
			return true;
	return false;
}

static int run_planted(const struct options *o)
{
	unsigned int caught = 0, missed = 0;

	planted_now = NULL;
	if (planted_status(o)) {
		printf("FAIL  nothing is planted, and something is noticed\n");
		missed++;
	}
	for (planted_now = planted_faults; planted_now->name; planted_now++) {
		if (!planted_now->model)
			continue;
		if (is_noticed(o)) {
			printf("ok    noticed: %s\n", planted_now->name);
			caught++;
		} else {
			printf("FAIL  not noticed: %s\n", planted_now->name);
			missed++;
		}
	}
	printf("model on %s, planted faults: %u passed, %u failed\n", glue_name, caught, missed);
	return missed || !caught;
}

int main(int argc, char **argv)
{
	struct options o = {.operations = 1000000, .seed = (uint64_t)time(NULL), .extent = 65536};
	static struct twin twin;
	bool planted = false;
	int i;

	for (i = 1; i < argc; i++) {
		uint64_t value = i + 1 < argc ? strtoull(argv[i + 1], NULL, 0) : 0;

		if (!strcmp(argv[i], "--planted"))
			planted = true;
		else if (!strcmp(argv[i], "--trace"))
			o.trace = true;
		else if (!strcmp(argv[i], "--loud"))
			o.loud = true;
		else if (!strcmp(argv[i], "--alone"))
			o.alone = true;
		else if (!strcmp(argv[i], "--lend"))
			o.lend = true;
		else if (!strcmp(argv[i], "--verify"))
			o.verify = true;
		else if (!strcmp(argv[i], "--record") && i + 1 < argc)
			o.record = argv[++i];
		else if (!strcmp(argv[i], "--operations") && value)
			o.operations = value, i++;
		else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
			o.seed = value, i++;
		else if (!strcmp(argv[i], "--extent") && value)
			o.extent = (uint32_t)value, i++;
		else if (!strcmp(argv[i], "--pages") && value)
			o.pages = (uint32_t)value, i++;
		else if (!strcmp(argv[i], "--capacity") && value)
			o.capacity = value, i++;
		else {
			fprintf(stderr,
				"usage: %s [--operations N] [--seed S] [--extent BYTES] "
				"[--pages N] [--capacity BYTES] [--alone] [--lend] [--verify] "
				"[--trace] "
				"[--record "
				"FILE] [--planted] "
				"[--loud]\n",
				argv[0]);
			return 2;
		}
	}
	if (!o.pages)
		o.pages = 3000;
	if (!o.capacity)
		o.capacity = 6u << 20;
	if (planted) {
		o.operations = 50000;
		return run_planted(&o);
	}
	printf("seed %" PRIu64 ", extent %u, capacity %" PRIu64 ", at most %u pages\n", o.seed,
	       o.extent, o.capacity, o.pages);
	fflush(stdout);
	if (o.record)
		record(&o, &twin);
	else
		run(&backend_engine, &o, &twin);
	printf("model on %s: %" PRIu64 " operations, %" PRIu64 " stored, %" PRIu64
	       " refused, %" PRIu64 " hits, %" PRIu64 " misses, %" PRIu64 " of them evicted\n",
	       glue_name, twin.operation, twin.stored, twin.refused, twin.hits, twin.misses,
	       twin.lost);
	printf("%" PRIu64 " joins, %" PRIu64 " leaves, %" PRIu64 " hits in shared pools, %" PRIu64
	       " refused over a cap, %" PRIu64 " audits, %" PRIu64 " batches\n",
	       twin.joins, twin.leaves, twin.shared_hits, twin.over_cap, twin.audits, twin.batches);
	if (o.lend)
		printf("%" PRIu64 " extents lent, %" PRIu64 " had back, %" PRIu64
		       " dropped because they were taken, %" PRIu64 " gets found it\n",
		       last.extents_lent, last.extents_kept, last.extents_taken, last.gets_taken);
	if (o.lend && o.operations >= 100000 &&
	    (!last.extents_kept || !last.extents_taken || !last.gets_taken)) {
		fprintf(stderr, "nothing was had back, taken, or missed for that\n");
		return 1;
	}
	/* A run without pressure proves little. */
	if (o.operations >= 100000 && (!twin.lost || !twin.hits || !twin.refused)) {
		fprintf(stderr, "nothing was evicted, hit or refused: the memory is too large\n");
		return 1;
	}
	if (o.operations >= 100000 && !o.alone &&
	    (!twin.joins || !twin.leaves || !twin.shared_hits || !twin.over_cap)) {
		fprintf(stderr, "nothing was shared, or no cap was felt\n");
		return 1;
	}
	return 0;
}
