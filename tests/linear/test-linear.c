/* SPDX-License-Identifier: MIT */
/*
 * Linearizability of put, get and flush: many short random histories on few
 * handles under several threads, each judged (judge.h). One that no order
 * explains is printed whole.
 *
 *   test-linear [--histories N] [--seed S] [--variety NAME] [--threads N]
 *               [--interrupts N] [--wide-ranges] [--backend NAME]
 *   test-linear --planted [...]
 *
 * The seed repeats what the threads do, not how they meet. --wide-ranges: some
 * flushes of ranges take more than two groups of 64 pages at once. --planted is the
 * negative control: every fault of faults.c in turn, each of which has to be
 * refuted; and the wrapper without a fault, which must not be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "faults.h"
#include "glue.h"
#include "must.h"
#include "page.h"
#include "scene.h"

#define REFUTED 3 /* as the status of a process */

struct options {
	const struct backend *backend;
	const char *variety; /* NULL: all */
	uint64_t histories, seed;
	uint32_t threads, interrupts;
	bool wide_ranges;
};

/* What the histories were made of: a run in which nothing met proves little. */
struct tally {
	uint64_t histories, events, met, hits, misses, stored, refused, found, configurations;
};

static const char *name_of(const struct event *e)
{
	static const char *const names[] = {"put", "get", "flush", "flush object", "flush range"};

	return names[e->kind];
}

static const char *answer_of(const struct event *e, char *text, size_t room)
{
	if (e->kind == EVENT_PUT && !e->result)
		return "stored";
	if (e->kind == EVENT_GET && !e->result)
		return "hit";
	if (e->result == -TMEM_ENOENT)
		return "miss";
	if (e->result == -TMEM_EAGAIN)
		return "frozen";
	if (e->result == -TMEM_ENOSPC)
		return "no allocation";
	if (e->result == -TMEM_ENOMEM)
		return "no room";
	snprintf(text, room, "%d", e->result);
	return text;
}

static void print_history(const struct event *event, uint32_t count, const struct verdict *verdict)
{
	uint32_t i, at;

	fprintf(stderr, "%7s %5s %5s  %-6s  %-13s %6s  %s\n", "worker", "began", "ended", "placed",
		"operation", "page", "answer");
	for (i = 0; i < count; i++) {
		const struct event *e = &event[i];
		char placed[16] = "-", page[16] = "", answer[16];

		for (at = 0; at < verdict->placed; at++)
			if (verdict->order[at] == i)
				snprintf(placed, sizeof(placed), "%u", at + 1);
		if (e->version == VERSION_STRANGE)
			snprintf(page, sizeof(page), "alien");
		else if (e->kind == EVENT_PUT || (e->kind == EVENT_GET && !e->result))
			snprintf(page, sizeof(page), "%u", e->version);
		fprintf(stderr, "%7u %5" PRIu64 " %5" PRIu64 "  %-6s  %-13s %6s  %s\n", e->worker,
			e->began, e->ended, placed, name_of(e), page,
			answer_of(e, answer, sizeof(answer)));
	}
}

/* Results that no rule allows, whatever the order. */
static bool is_answer(const struct event *e)
{
	switch (e->kind) {
	case EVENT_PUT:
		return e->result == 0 || e->result == -TMEM_EAGAIN || e->result == -TMEM_ENOSPC ||
		       e->result == -TMEM_ENOMEM;
	case EVENT_GET:
		/* -TMEM_EIO: the host took the page in the middle of the copy. */
		return e->result == 0 || e->result == -TMEM_ENOENT || e->result == -TMEM_EIO;
	case EVENT_FLUSH_RANGE:
		return e->result == 0;
	default:
		return e->result == 0 || e->result == 1;
	}
}

static void count_events(struct tally *tally, const struct event *event, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		const struct event *e = &event[i];

		tally->events++;
		tally->met += !e->alone;
		tally->hits += e->kind == EVENT_GET && !e->result;
		tally->misses += e->kind == EVENT_GET && e->result;
		tally->stored += e->kind == EVENT_PUT && !e->result;
		tally->refused += e->kind == EVENT_PUT && e->result;
		tally->found += e->kind == EVENT_FLUSH && e->result == 1;
	}
}

/* Ends the process with REFUTED if the history of a handle is refuted. */
static void judge_record(struct judge *judge, const struct scene *scene, const struct plan *plan,
			 const struct record *record, struct tally *tally)
{
	uint32_t h, i;

	for (h = 0; h < plan->handles; h++) {
		const struct event *event = record->event[h];
		const uint32_t count = record->count[h];
		struct verdict verdict;

		judge_history(judge, &scene->variety->rules, event, count, &verdict);
		for (i = 0; i < count; i++)
			verdict.holds = verdict.holds && is_answer(&event[i]);
		count_events(tally, event, count);
		tally->configurations += verdict.configurations;
		if (verdict.holds)
			continue;
		fprintf(stderr,
			"%s: refuted: %s, history %" PRIu64 " of %u threads, handle %u of %u "
			"(object %" PRIx64 " index %u); at most %u of %u operations can be put "
			"into an order\n",
			must_context, scene->variety->name, plan->history, plan->threads, h,
			plan->handles, plan->handle[h].object.word[0], plan->handle[h].index,
			verdict.placed, count);
		print_history(event, count, &verdict);
		exit(REFUTED);
	}
	tally->histories++;
}

static void run_variety(const struct variety *variety, const struct options *o, struct tally *tally)
{
	static struct plan plan;
	static struct record record;
	struct judge *judge = judge_create();
	uint64_t rng = o->seed;
	struct scene scene;

	scene_start(&scene, variety, o->backend, o->seed);
	scene.wide_ranges = o->wide_ranges;
	while (scene.histories < o->histories) {
		scene_plan(&scene, &plan, o->threads, &rng);
		crew_run(scene.rig, &plan, o->interrupts, &record);
		judge_record(judge, &scene, &plan, &record, tally);
		scene_clear(&scene, &plan);
	}
	scene_stop(&scene);
	judge_destroy(judge);
}

static bool fits(const struct variety *variety, const struct options *o)
{
	return !(variety->needs & ~o->backend->can) &&
	       (!o->variety || !strcmp(o->variety, variety->name));
}

/* @histories is the sum over all varieties, each of which has as many; how many it came to. */
static uint64_t run(const struct options *given)
{
	struct options o = *given;
	const struct variety *variety;
	uint32_t count = 0;

	for (variety = varieties; variety->name; variety++)
		count += fits(variety, &o);
	if (!count)
		FAIL("no variety that the back-end can do");
	o.histories = (o.histories + count - 1) / count;
	for (variety = varieties; variety->name; variety++) {
		struct tally t = {0};

		if (!fits(variety, &o))
			continue;
		run_variety(variety, &o, &t);
		printf("%-18s %" PRIu64 " histories, %" PRIu64 " operations, %" PRIu64
		       " %% beside another; %" PRIu64 " hits, %" PRIu64 " misses, %" PRIu64
		       " stored, %" PRIu64 " refused, %" PRIu64 " flushed; %" PRIu64
		       " configurations\n",
		       variety->name, t.histories, t.events, t.met * 100 / t.events, t.hits,
		       t.misses, t.stored, t.refused, t.found, t.configurations);
		fflush(stdout);
		/* Where operations never met, or always answered the same, nothing was shown. */
		MUST_LE(t.events / 100, t.met);
		MUST_LE(t.events / 50, t.hits);
		MUST_LE(t.events / 50, t.misses);
		MUST_LE(t.events / 200, t.refused);
	}
	return o.histories * count;
}

/* True if a run over the wrapper is refuted. */
static bool is_refuted(const struct options *o, const struct linear_fault *fault)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		linear_fault_now = fault;
		if (!freopen("/dev/null", "w", stdout) ||
		    (fault && !freopen("/dev/null", "w", stderr)))
			_exit(2);
		run(o);
		exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		FAIL("no process for a planted fault");
	if (!WIFEXITED(status) || (WEXITSTATUS(status) && WEXITSTATUS(status) != REFUTED))
		FAIL("a run over the wrapper ended with status %#x", (unsigned int)status);
	return WEXITSTATUS(status) != 0;
}

static int run_planted(const struct options *given)
{
	struct options o = *given;
	const struct linear_fault *fault;
	unsigned int passed = 0, failed = 0;
	bool refuted;

	o.backend = &backend_faulty;
	refuted = is_refuted(&o, NULL);
	printf("%-5s not refuted: nothing planted\n", refuted ? "FAIL" : "ok");
	passed += !refuted;
	failed += refuted;
	for (fault = linear_faults; fault->name; fault++) {
		refuted = is_refuted(&o, fault);
		printf("%-5s refuted: %s\n", refuted ? "ok" : "FAIL", fault->name);
		passed += refuted;
		failed += !refuted;
	}
	printf("linear on %s, planted faults: %u passed, %u failed\n", glue_name, passed, failed);
	return failed != 0;
}

static const struct backend *backend_called(const char *name)
{
	static const struct backend *const backends[] = {&backend_engine, &backend_batch};
	unsigned int i;

	for (i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
		if (!strcmp(backends[i]->name, name))
			return backends[i];
	return NULL;
}

int main(int argc, char **argv)
{
	struct options o = {.backend = &backend_engine,
			    .histories = 10000,
			    .seed = (uint64_t)time(NULL),
			    .interrupts = 4};
	bool planted = false;
	uint64_t histories;
	int i;

	for (i = 1; i < argc; i++) {
		uint64_t value = i + 1 < argc ? strtoull(argv[i + 1], NULL, 0) : 0;

		if (!strcmp(argv[i], "--planted"))
			planted = true;
		else if (!strcmp(argv[i], "--wide-ranges"))
			o.wide_ranges = true;
		else if (!strcmp(argv[i], "--histories") && value)
			o.histories = value, i++;
		else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
			o.seed = value, i++;
		else if (!strcmp(argv[i], "--variety") && i + 1 < argc)
			o.variety = argv[++i];
		else if (!strcmp(argv[i], "--threads") && value >= 1 && value <= CREW_THREADS)
			o.threads = (uint32_t)value, i++;
		else if (!strcmp(argv[i], "--interrupts") && i + 1 < argc && value < 1000)
			o.interrupts = (uint32_t)value, i++;
		else if (!strcmp(argv[i], "--backend") && i + 1 < argc)
			o.backend = backend_called(argv[++i]);
		else
			o.backend = NULL;
		if (!o.backend) {
			fprintf(stderr,
				"usage: %s [--histories N] [--seed S] [--variety NAME] "
				"[--threads 1-%u] [--interrupts N] [--wide-ranges] "
				"[--backend engine|batch] [--planted]\n",
				argv[0], CREW_THREADS);
			return 2;
		}
	}
	if (planted)
		return run_planted(&o);
	snprintf(must_context, sizeof(must_context), "--seed %" PRIu64, o.seed);
	printf("seed %" PRIu64 "\n", o.seed);
	fflush(stdout);
	histories = run(&o);
	printf("linear on %s, %s: %" PRIu64 " histories, none refuted\n", glue_name,
	       o.backend->name, histories);
	return 0;
}
