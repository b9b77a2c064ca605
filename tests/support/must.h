/* SPDX-License-Identifier: MIT */
/*
 * How a test says that something does not hold: one line to stderr with place
 * and values, then the process ends. Cases run in processes of their own, so
 * nothing has to be unwound.
 */
#ifndef TESTS_MUST_H
#define TESTS_MUST_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

/* Printed before every complaint; for the seed and the number of the operation. */
extern char must_context[256];

/* The process aborts instead of ending with 1: a fuzzer sees only that. */
extern bool must_abort;

void must_fail(const char *file, int line, const char *format, ...)
	__attribute__((noreturn, format(printf, 3, 4)));

#define FAIL(...) must_fail(__FILE__, __LINE__, __VA_ARGS__)

#define MUST(fact)                                    \
	do {                                          \
		if (!(fact))                          \
			FAIL("%s", "not so: " #fact); \
	} while (0)

/* Both sides are integers; each is evaluated once. */
#define MUST_EQ(is, should)                                                                   \
	do {                                                                                  \
		int64_t is_ = (int64_t)(is), should_ = (int64_t)(should);                     \
		if (is_ != should_)                                                           \
			FAIL("%s is %" PRId64 ", should be %s = %" PRId64, #is, is_, #should, \
			     should_);                                                        \
	} while (0)

#define MUST_LE(is, most)                                                                    \
	do {                                                                                 \
		uint64_t is_ = (uint64_t)(is), most_ = (uint64_t)(most);                     \
		if (is_ > most_)                                                             \
			FAIL("%s is %" PRIu64 ", should be at most %s = %" PRIu64, #is, is_, \
			     #most, most_);                                                  \
	} while (0)

#endif
