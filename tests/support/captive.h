/* SPDX-License-Identifier: MIT */
/*
 * A tmemd of a test's own, in a directory of its own. It serves as long as
 * the test holds the other end of a pipe, so it never outlives the test,
 * however that ends; and but for one that was killed, it removes its directory.
 */
#ifndef TESTS_CAPTIVE_H
#define TESTS_CAPTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The program; to be set before the first captive is started. */
extern const char *captive_tmemd;

struct captive {
	pid_t pid;
	int leash;	   /* closed: the daemon ends */
	int config;	   /* what a reload reads, in no directory */
	char control[128]; /* the path of its control socket */
	uint64_t persistent;
	bool verify; /* what it gives out */
	bool again;  /* was killed and started again: its directory is ours to remove */
};

/* Returns when the control socket is served; dies if that does not come about. */
void captive_start(struct captive *captive, uint64_t memory, uint64_t persistent, bool verify);

/* Writes down another --memory, for a reload to find. */
void captive_set_memory(struct captive *captive, uint64_t memory);

/* Ends it without a word and starts it again in its directory. */
void captive_kill(struct captive *captive);

/* How often these bytes are in memory that the daemon can write: pages, copies, left-overs. */
uint64_t captive_find(const struct captive *captive, const void *bytes, size_t length);

/* The daemon's exit status, 128 and more for a signal. */
int captive_stop(struct captive *captive);

#endif
