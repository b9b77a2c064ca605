/* SPDX-License-Identifier: MIT */
/*
 * Runs the cases of the contract: one line each, and a closing summary.
 *
 *   conformance [--backend NAME] [--extent BYTES] [--list] [--here] [CASE...]
 *   conformance --planted
 *
 * --list prints rule and case. --here runs in this process, for a debugger.
 * --planted runs the negative controls: for each way of breaking the contract
 * that planted.c knows, the cases that have to notice it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "case.h"
#include "glue.h"
#include "planted.h"

#define CASE_SECONDS 120

uint32_t conformance_extent;

static const struct conformance_case *const groups[] = {cases_pages,  cases_pools,  cases_flush,
							cases_memory, cases_limits, cases_shared,
							cases_codecs, cases_threads};
#define GROUPS (sizeof(groups) / sizeof(groups[0]))

struct rig *case_start(const struct backend *backend, uint64_t capacity, uint32_t workers)
{
	struct rig_setup setup = {
		.capacity = capacity ? capacity : 16u << 20,
		.extent_size = conformance_extent,
		.workers = workers,
		.seed = 1,
	};

	if (setup.capacity < 24ull * setup.extent_size)
		setup.capacity = 24ull * setup.extent_size;
	return rig_start(backend, &setup);
}

struct stage case_stage(const struct backend *backend, uint32_t flags)
{
	struct stage stage;

	stage.rig = case_start(backend, 0, 1);
	stage.client = rig_client(stage.rig, STAGE_ALLOCATION);
	stage.pool = rig_pool(stage.rig, stage.client, flags);
	return stage;
}

void case_both(const struct backend *backend, void (*run)(struct stage *stage))
{
	static const uint32_t flags[] = {TMEM_POOL_PERSISTENT, 0};
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct stage stage;

		if (!flags[i] && !(backend->can & CAN_EPHEMERAL))
			continue;
		snprintf(must_context, sizeof(must_context), "%s pool",
			 flags[i] ? "persistent" : "ephemeral");
		stage = case_stage(backend, flags[i]);
		run(&stage);
		rig_stop(stage.rig);
	}
}

static const struct conformance_case *find_case(const char *name)
{
	const struct conformance_case *c;
	unsigned int g;

	for (g = 0; g < GROUPS; g++)
		for (c = groups[g]; c->name; c++)
			if (!strcmp(c->name, name))
				return c;
	fprintf(stderr, "no case is called %s\n", name);
	exit(2);
}

/* True if the case holds; what it complains about goes to stderr, or nowhere. */
static bool holds(const struct conformance_case *c, const struct backend *backend, bool quiet)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child < 0) {
		perror("fork");
		exit(2);
	}
	if (child == 0) {
		if (quiet && !freopen("/dev/null", "w", stderr))
			_exit(2);
		alarm(CASE_SECONDS);
		c->run(backend);
		exit(0);
	}
	if (waitpid(child, &status, 0) != child) {
		perror("waitpid");
		exit(2);
	}
	if (WIFSIGNALED(status) && !quiet)
		fprintf(stderr, "%s: ended by signal %d%s\n", c->name, WTERMSIG(status),
			WTERMSIG(status) == SIGALRM ? ": took too long" : "");
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void list(void)
{
	const struct conformance_case *c;
	unsigned int g;

	for (g = 0; g < GROUPS; g++)
		for (c = groups[g]; c->name; c++)
			printf("%-6s %s\n", c->rule, c->name);
}

/* The number of planted faults that some case which must notice them does not. */
static int run_planted(void)
{
	unsigned int caught = 0, missed = 0;
	const struct planted_fault *fault;
	unsigned int i;

	for (fault = planted_faults; fault->name; fault++) {
		bool all = true;

		for (i = 0; i < PLANTED_CASES && fault->noticed_by[i]; i++) {
			const struct conformance_case *c = find_case(fault->noticed_by[i]);

			planted_now = NULL;
			if (!holds(c, &backend_planted, true)) {
				printf("%s fails although nothing is planted\n", c->name);
				all = false;
			}
			planted_now = fault;
			if (holds(c, &backend_planted, true)) {
				printf("%s does not notice: %s\n", c->name, fault->name);
				all = false;
			}
		}
		printf("%-5s planted: %s\n", all ? "ok" : "FAIL", fault->name);
		if (all)
			caught++;
		else
			missed++;
	}
	printf("conformance on %s, planted faults: %u passed, %u failed\n", glue_name, caught,
	       missed);
	return missed ? 1 : 0;
}

int main(int argc, char **argv)
{
	static const struct backend *const backends[] = {&backend_engine, &backend_batch};
	const struct backend *backend = &backend_engine;
	unsigned int passed = 0, failed = 0, beside = 0;
	const uint32_t cannot = glue_can_starve ? 0 : CAN_STARVE;
	const struct conformance_case *c;
	bool here = false;
	unsigned int g;
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--list")) {
			list();
			return 0;
		} else if (!strcmp(argv[i], "--planted")) {
			return run_planted();
		} else if (!strcmp(argv[i], "--here")) {
			here = true;
		} else if (!strcmp(argv[i], "--extent") && i + 1 < argc) {
			conformance_extent = (uint32_t)strtoul(argv[++i], NULL, 0);
		} else if (!strcmp(argv[i], "--backend") && i + 1 < argc) {
			backend = NULL;
			i++;
			for (g = 0; g < sizeof(backends) / sizeof(backends[0]); g++)
				if (!strcmp(backends[g]->name, argv[i]))
					backend = backends[g];
		} else {
			backend = NULL;
		}
		if (!backend) {
			fprintf(stderr,
				"usage: %s [--backend engine|batch] [--extent BYTES] "
				"[--list] [--planted] [--here] [CASE...]\n",
				argv[0]);
			return 2;
		}
	}
	if (here) {
		for (; i < argc; i++)
			find_case(argv[i])->run(backend);
		return 0;
	}
	for (g = 0; g < GROUPS; g++)
		for (c = groups[g]; c->name; c++) {
			int named = i == argc, n;

			for (n = i; n < argc; n++)
				if (!strcmp(argv[n], c->name))
					named = 1;
			if (!named)
				continue;
			if (c->needs & (~backend->can | cannot)) {
				printf("n/a   %-6s %s\n", c->rule, c->name);
				beside++;
			} else if (holds(c, backend, false)) {
				printf("ok    %-6s %s\n", c->rule, c->name);
				passed++;
			} else {
				printf("FAIL  %-6s %s\n", c->rule, c->name);
				failed++;
			}
		}
	printf("conformance on %s, %s: %u passed, %u failed, %u not applicable\n", glue_name,
	       backend->name, passed, failed, beside);
	return failed || !passed;
}
