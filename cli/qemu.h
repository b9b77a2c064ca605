/* SPDX-License-Identifier: MIT */
/* The arguments that attach a guest's disk, or its tmem device, to QEMU. */
#ifndef TMEM_CLI_QEMU_H
#define TMEM_CLI_QEMU_H

#include <stdint.h>

#include <json-c/json.h>

/*
 * An array of strings for @guest of the daemon's, the caller's to put; @ram is
 * whole MiB, 0 the word $RAM. NULL: no memory.
 */
struct json_object *qemu_arguments(struct json_object *guest, uint64_t ram);

/* As lines of shell, to be pasted behind a QEMU command. */
void qemu_print(struct json_object *arguments);

#endif
