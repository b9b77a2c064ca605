/* SPDX-License-Identifier: MIT */
/* Latencies as a table: how many requests of each operation, and how long they took. */
#ifndef TMEM_CLI_LATENCY_H
#define TMEM_CLI_LATENCY_H

struct json_object;

void latency_print_head(void);

/* @one as `stat` gives it for the operation @name; @sentence may be NULL. */
void latency_print_line(const char *name, struct json_object *one, const char *sentence);

#endif
