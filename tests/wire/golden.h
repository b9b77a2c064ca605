/* SPDX-License-Identifier: MIT */
/*
 * What the files in golden/ say, as structures: one exchange for each
 * operation and form. The files are never edited; a program that no longer
 * agrees with them has broken every client that is out there.
 */
#ifndef TESTS_WIRE_GOLDEN_H
#define TESTS_WIRE_GOLDEN_H

#include "judge.h"

struct golden {
	const char *name; /* golden/<name>-request.hex and -reply.hex */
	struct tmem_req req;
	struct tmem_ent ent[3]; /* form LIST */
	uint8_t page_in[3];	/* what each page of a PUT is filled with */
	int verdict;		/* the judge's; the offsets are of accepted requests */
	uint64_t list, data_in, results, answer, data_out;
	struct tmem_rep rep; /* not 0: nothing else is written */
	int32_t result[64];
	uint8_t page_out[3]; /* likewise, of a GET */
	const struct tmem_hello *hello;
	const struct tmem_event *event;
	const struct tmem_stat *stat;
};

extern const struct golden golden[];
extern const unsigned int golden_count;

#endif
