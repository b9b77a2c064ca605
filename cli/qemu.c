// SPDX-License-Identifier: MIT
/*
 * QEMU's side of a swap disk, or of a tmem device, which QEMU carries as
 * vhost-user-fs: its high-priority queue is the device's queue of events, and
 * its tag says what it is. The guest's memory must be a shared memfd, so
 * that the daemon can copy pages from it and to it, and the front-end tries
 * once per second to come back to a daemon that was restarted.
 */
#include "qemu.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "units.h"
#include "view.h"

/* QEMU ends an option's value at a comma, unless there are two. */
static bool double_commas(const char *text, char *out, size_t size)
{
	size_t used = 0;

	for (; *text; text++) {
		if (size - used < 3)
			return false;
		out[used++] = *text;
		if (*text == ',')
			out[used++] = ',';
	}
	out[used] = 0;
	return true;
}

static void push(struct json_object *array, const char *text)
{
	json_object_array_add(array, json_object_new_string(text));
}

struct json_object *qemu_arguments(struct json_object *guest, uint64_t ram)
{
	/* vhost-user-fs must find its daemon at once, and cannot come back to another one. */
	bool device = !strcmp(view_text(guest, "kind"), "device");
	const char *name = view_text(guest, "name");
	const char *socket = view_text(guest, "socket");
	uint64_t queues = view_u64(guest, "queues");
	struct json_object *array = json_object_new_array();
	char size[UNITS_SIZE_TEXT] = "$RAM";
	char path[256];
	char text[512];

	if (!array || !double_commas(socket, path, sizeof(path))) {
		json_object_put(array);
		return NULL;
	}
	if (ram)
		units_format_size(ram, size);
	push(array, "-m");
	push(array, size);
	push(array, "-object");
	snprintf(text, sizeof(text), "memory-backend-memfd,id=tmem-ram,size=%s,share=on", size);
	push(array, text);
	push(array, "-machine");
	push(array, "memory-backend=tmem-ram");
	push(array, "-chardev");
	snprintf(text, sizeof(text), "socket,id=tmem-%s,path=%s%s", name, path,
		 device ? "" : ",reconnect=1");
	push(array, text);
	push(array, "-device");
	if (device)
		snprintf(text, sizeof(text),
			 "vhost-user-fs-pci,chardev=tmem-%s,tag=tmem,num-request-queues=%" PRIu64,
			 name, queues > 1 ? queues - 1 : 1);
	else
		snprintf(text, sizeof(text),
			 "vhost-user-blk-pci,chardev=tmem-%s,num-queues=%" PRIu64
			 ",disable-legacy=on",
			 name, queues);
	push(array, text);
	return array;
}

/* Only what a shell would take apart is quoted; $RAM is meant for it. */
static void print_word(const char *word)
{
	if (!strcmp(word, "$RAM")) {
		printf("\"$RAM\"");
		return;
	}
	for (; *word; word++) {
		if (!strncmp(word, "$RAM", 4)) {
			printf("\"$RAM\"");
			word += 3;
		} else {
			if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_-.,/=:+",
				    *word))
				putchar('\\');
			putchar(*word);
		}
	}
}

void qemu_print(struct json_object *arguments)
{
	size_t count = json_object_array_length(arguments);
	size_t i;

	for (i = 0; i < count; i++) {
		bool option = i % 2 == 0;

		printf(option ? "  " : " ");
		print_word(json_object_get_string(json_object_array_get_idx(arguments, i)));
		if (!option)
			printf(i + 1 < count ? " \\\n" : "\n");
	}
}
