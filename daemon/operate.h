/* SPDX-License-Identifier: MIT */
/* Carrying out what a control line asked for. */
#ifndef TMEMD_OPERATE_H
#define TMEMD_OPERATE_H

#include <stdbool.h>

struct daemon;
struct json_object;
struct refusal;
struct request;

/*
 * True: *@ok is the answer, the caller's to put. False: *@refusal. For watch
 * the answer is one report; whoever streams asks again.
 */
bool operate(struct daemon *daemon, const struct request *request, struct json_object **ok,
	     struct refusal *refusal);

/* Tells the service manager how many guests there are. */
void operate_say_status(const struct daemon *daemon);

#endif
