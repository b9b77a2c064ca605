/* SPDX-License-Identifier: MIT */
/*
 * doc/protocol.md's rules a second time, written to be compared with the
 * judge: straight from the text, by byte offsets, operation by operation.
 */
#ifndef TESTS_WIRE_ORACLE_H
#define TESTS_WIRE_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

struct oracle_case {
	const uint8_t *bytes; /* 64, or none if readable is less */
	uint64_t readable, writable;
	bool greeted;
	uint32_t batch;
};

struct oracle_verdict {
	int code;
	bool mute;
	uint64_t readable, writable; /* what the lengths have to be; 0: never looked at */
};

struct oracle_verdict oracle_judge(const struct oracle_case *c);

#endif
