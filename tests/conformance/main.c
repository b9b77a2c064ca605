/* SPDX-License-Identifier: MIT */
/*
 * Runs the cases of the contract: one line each, and a closing summary.
 *
 *   conformance [--backend NAME] [--tmemd PROGRAM] [--extent BYTES] [--verify] [--list]
 *               [--planted [--brief]] [--here] [--threads] [CASE...]
 *
 * --list prints rule and case, and for a case that the back-end cannot run,
 * why. --here runs in this process, for a debugger. --planted runs the
 * negative controls: for each way of breaking the contract that planted.c
 * knows, the cases that have to notice it; with --brief, one of them.
 * --threads runs those of the cases that have several. --verify: gets are verified.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends.h"
#include "case.h"
#include "glue.h"
#include "planted.h"

#define CASE_SECONDS 120

uint32_t conformance_extent;
bool conformance_verify;

static const struct conformance_case *const groups[] = {cases_pages,  cases_pools,   cases_flush,
							cases_memory, cases_limits,  cases_shared,
							cases_codecs, cases_threads, cases_wire,
							cases_disks};
#define GROUPS (sizeof(groups) / sizeof(groups[0]))

struct rig *case_start(const struct backend *backend, uint64_t capacity, uint32_t workers)
{
	struct rig_setup setup = {
		.capacity = capacity ? capacity : 16u << 20,
		.extent_size = conformance_extent,
		.workers = workers,
		.seed = 1,
		.verify = conformance_verify,
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

/* What a back-end may be unable to do, in the words of its cases. */
static const struct {
	uint32_t need;
	const char *why;
} lacks[] = {
	{CAN_EPHEMERAL, "pages that may vanish"},
	{CAN_OBJECTS, "objects that the client chooses"},
	{CAN_ADMIN, "what an administrator does"},
	{CAN_STATS, "figures"},
	{CAN_THREADS, "several threads"},
	{CAN_STARVE, "memory of the host that runs out when the test says so"},
	{CAN_CODECS, "codecs of the test's own"},
	{CAN_WIRE, "a host at the other end of a wire: for callers of functions there is none"},
	{CAN_NO_SESSION, "pools before there is a session: every connection begins with one"},
};
#define LACKS (sizeof(lacks) / sizeof(lacks[0]))

/* NULL, or what @c needs and @backend has not. */
static const char *lack(const struct conformance_case *c, const struct backend *backend)
{
	uint32_t missing = c->needs & ~backend->can;
	unsigned int i;

	if (!glue_can_starve)
		missing |= c->needs & CAN_STARVE;
	for (i = 0; i < LACKS; i++)
		if (missing & lacks[i].need)
			return lacks[i].why;
	return NULL;
}

static void list(const struct backend *backend)
{
	const struct conformance_case *c;
	unsigned int g;

	for (g = 0; g < GROUPS; g++)
		for (c = groups[g]; c->name; c++) {
			const char *why = lack(c, backend);

			printf("%-6s %s%s%s\n", c->rule, c->name, why ? " n/a: " : "",
			       why ? why : "");
		}
}

/* Whether the case holds on @fault (NULL: on none), as it has to. */
static bool notices(const struct conformance_case *c, const struct planted_fault *fault)
{
	planted_now = fault;
	/* What it says of a planted fault is of no interest. */
	if (holds(c, &backend_planted, fault != NULL) == !fault)
		return true;
	if (fault)
		printf("%s does not notice: %s\n", c->name, fault->name);
	else
		printf("%s fails although nothing is planted\n", c->name);
	return false;
}

/* Cases that have to notice @fault and can be run: how many, and whether all of them do. */
static unsigned int try_fault(const struct backend *backend, const struct planted_fault *fault,
			      unsigned int most, bool *all)
{
	unsigned int i, tried = 0;

	*all = true;
	for (i = 0; i < PLANTED_CASES && fault->noticed_by[i] && tried < most; i++) {
		const struct conformance_case *c = find_case(fault->noticed_by[i]);

		if (lack(c, backend))
			continue;
		tried++;
		*all = notices(c, NULL) && notices(c, fault) && *all;
	}
	return tried;
}

static int run_planted(const struct backend *backend, bool brief)
{
	unsigned int caught = 0, missed = 0, beside = 0;
	const struct planted_fault *fault;

	planted_over(backend);
	for (fault = planted_faults; fault->name; fault++) {
		bool all;
		unsigned int tried = try_fault(backend, fault, brief ? 1 : PLANTED_CASES, &all);

		printf("%-5s planted: %s\n", !tried ? "n/a" : all ? "ok" : "FAIL", fault->name);
		beside += !tried;
		caught += tried && all;
		missed += tried && !all;
	}
	printf("conformance on %s, %s, planted faults: %u passed, %u failed, %u not applicable\n",
	       glue_name, backend->name, caught, missed, beside);
	return missed || !caught;
}

static void usage(const char *program)
{
	unsigned int i;

	fprintf(stderr, "usage: %s [--backend ", program);
	for (i = 0; conformance_backends[i]; i++)
		fprintf(stderr, "%s%s", i ? "|" : "", conformance_backends[i]->name);
	fprintf(stderr,
		"]%s [--extent BYTES] [--verify] [--list] [--planted [--brief]] [--here] "
		"[--threads] "
		"[CASE...]\n",
		conformance_tmemd ? " [--tmemd PROGRAM]" : "");
	exit(2);
}

static const struct backend *find_backend(const char *program, const char *name)
{
	unsigned int i;

	for (i = 0; conformance_backends[i]; i++)
		if (!strcmp(conformance_backends[i]->name, name))
			return conformance_backends[i];
	usage(program);
	return NULL;
}

/* @needs: of the cases that are run. */
static int run_cases(const struct backend *backend, uint32_t needs, int count, char **names)
{
	unsigned int passed = 0, failed = 0, beside = 0, g;
	const struct conformance_case *c;

	for (g = 0; g < GROUPS; g++)
		for (c = groups[g]; c->name; c++) {
			bool named = !count;
			int n;

			for (n = 0; n < count; n++)
				named |= !strcmp(names[n], c->name);
			if (!named || needs & ~c->needs)
				continue;
			if (lack(c, backend)) {
				printf("n/a   %-6s %s: %s\n", c->rule, c->name, lack(c, backend));
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

int main(int argc, char **argv)
{
	const struct backend *backend = conformance_backends[0];
	bool here = false, only_list = false, planted = false, brief = false;
	uint32_t needs = 0;
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--list"))
			only_list = true;
		else if (!strcmp(argv[i], "--planted"))
			planted = true;
		else if (!strcmp(argv[i], "--brief"))
			brief = true;
		else if (!strcmp(argv[i], "--threads"))
			needs = CAN_THREADS;
		else if (!strcmp(argv[i], "--here"))
			here = true;
		else if (!strcmp(argv[i], "--verify"))
			conformance_verify = true;
		else if (!strcmp(argv[i], "--extent") && i + 1 < argc)
			conformance_extent = (uint32_t)strtoul(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--tmemd") && conformance_tmemd && i + 1 < argc)
			*conformance_tmemd = argv[++i];
		else if (!strcmp(argv[i], "--backend") && i + 1 < argc)
			backend = find_backend(argv[0], argv[++i]);
		else
			usage(argv[0]);
	}
	if (backend->extent_size)
		conformance_extent = backend->extent_size;
	if (only_list)
		list(backend);
	else if (planted)
		return run_planted(backend, brief);
	else if (here)
		for (; i < argc; i++)
			find_case(argv[i])->run(backend);
	else
		return run_cases(backend, needs, argc - i, argv + i);
	return 0;
}
