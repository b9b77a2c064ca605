/* SPDX-License-Identifier: MIT */
/* The arguments that attach a guest's disk to QEMU. */
#ifndef TMEM_CLI_QEMU_H
#define TMEM_CLI_QEMU_H

#include <stdint.h>

#include <json-c/json.h>

/* An array of strings, the caller's to put; @ram is whole MiB, 0 the word $RAM. NULL: no memory. */
struct json_object *qemu_arguments(const char *name, const char *socket, uint64_t queues,
				   uint64_t ram);

/* As lines of shell, to be pasted behind a QEMU command. */
void qemu_print(struct json_object *arguments);

#endif
