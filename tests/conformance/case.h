/* SPDX-License-Identifier: MIT */
/*
 * The contract as a program: every rule is a set of cases, named after the
 * behaviour that they demand. A case runs in a process of its own, against
 * any back-end that is able to do what the case needs.
 */
#ifndef CONFORMANCE_CASE_H
#define CONFORMANCE_CASE_H

#include "must.h"
#include "page.h"
#include "rig.h"

struct conformance_case {
	const char *rule; /* section and rule of the contract */
	const char *name;
	uint32_t needs; /* enum rig_can */
	void (*run)(const struct backend *backend);
};

/* Each ends with a case that has no name. */
extern const struct conformance_case cases_pages[];
extern const struct conformance_case cases_pools[];
extern const struct conformance_case cases_flush[];
extern const struct conformance_case cases_memory[];
extern const struct conformance_case cases_limits[];
extern const struct conformance_case cases_shared[];
extern const struct conformance_case cases_codecs[];
extern const struct conformance_case cases_threads[];
extern const struct conformance_case cases_wire[];
extern const struct conformance_case cases_disks[];

/* Largest extent of every rig that a case starts; 0: the default. */
extern uint32_t conformance_extent;
extern bool conformance_verify;

/* A rig of at least @capacity bytes, more where the extents are large. 0: the default. */
struct rig *case_start(const struct backend *backend, uint64_t capacity, uint32_t workers);

/* A rig with one client and one pool of it: most cases need no more. */
struct stage {
	struct rig *rig;
	int client;
	uint32_t pool;
};

#define STAGE_ALLOCATION (4u << 20)

/* @flags of the pool; the client's allocation is STAGE_ALLOCATION. */
struct stage case_stage(const struct backend *backend, uint32_t flags);

/* The same behaviour in an ephemeral and in a persistent pool, where there are both. */
void case_both(const struct backend *backend, void (*run)(struct stage *stage));

#endif
