/* SPDX-License-Identifier: MIT */
/*
 * The daemon's figures as JSON, from the lists of <tmem/stats.h> and
 * guest.h: a figure that is added there shows up here by itself.
 */
#ifndef TMEMD_REPORT_H
#define TMEMD_REPORT_H

#include <stdbool.h>

struct daemon;
struct entry;
struct json_object;

/* One guest as it was added, and whether it is connected. */
struct json_object *report_guest(const struct entry *entry);

/*
 * {"host":{...},"guests":[...]}; with @only, that guest alone and no host.
 * @describe adds "fields": group, name, unit and sentence of each figure.
 */
struct json_object *report_stats(struct daemon *daemon, const struct entry *only, bool describe);

#endif
