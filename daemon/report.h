/* SPDX-License-Identifier: MIT */
/*
 * The daemon's figures as JSON, from the lists of <tmem/stats.h> and
 * guest.h: a figure that is added there shows up here by itself.
 */
#ifndef TMEMD_REPORT_H
#define TMEMD_REPORT_H

#include <stdbool.h>
#include <stddef.h>

struct daemon;
struct entry;
struct grants;
struct latency;
struct template;
struct json_object;
struct options;
struct tmem_client;

/* What the engine makes of a weight that nobody chose. */
#define REPORT_WEIGHT_DEFAULT 100u

/* One guest as it was added, and whether it is connected. */
struct json_object *report_guest(const struct entry *entry);

/* {"guests":[...],"templates":[...]} */
struct json_object *report_list(const struct daemon *daemon);

/* One template, and how many clients it has. */
struct json_object *report_template(const struct template *template);

/* {"name","grants"}: the shared pools that a guest or a template's clients may join. */
struct json_object *report_grants(const char *name, const struct grants *grants);

/* {"changed","restart"}: what is different now, and what would be after a start; logs it, too. */
struct json_object *report_changes(const struct options *options, const struct options *fresh);

/* {"put":{"requests",...,"below_ns","counts"},...}: operations that there were. */
struct json_object *report_latency(const struct latency *latency);

/* A client's pools: {"pool","persistent",...} each, and "uuid" of a shared one. */
struct json_object *report_pools(struct tmem_client *client);

/* The shared pools that there are: {"uuid","members":[{"name","client","pool"},...],...} each. */
struct json_object *report_shared(const struct daemon *daemon);

/* What report_memory() adds to the host's figures. */
#define REPORT_MEMORY(X)                                                                    \
	X(fallow_lent, "yes/no", "ephemeral pages have what is fallow, and no more")        \
	X(fallow, "bytes", "what nobody else on this host uses, held bytes included")       \
	X(reserve, "bytes", "part of it that is left to others")                            \
	X(ephemeral_limit, "bytes", "what extents of ephemeral pages may have now")         \
	X(ephemeral_held, "bytes", "what they have")                                        \
	X(taken, "bytes", "of what was lent: extents that the kernel took from")            \
	X(given_back, "bytes", "given back because somebody else needs memory")             \
	X(given_for_pressure, "bytes", "of these: somebody waited for memory")              \
	X(given_for_watermark, "bytes", "of these: less than the reserve was available")    \
	X(given_for_cgroup, "bytes", "of these: the control group had come near its limit") \
	X(given_to_operator, "bytes", "of these: asked for by tmem flush")                  \
	X(give_back_bytes, "bytes", "given back the last time")                             \
	X(give_back_rate, "bytes/s", "how fast that was, from the decision to the end")     \
	X(give_back_cause, "cause", "and why: none, pressure, watermark, cgroup or operator")
struct tmem_stats;
void report_memory(const struct daemon *daemon, const struct tmem_stats *stats,
		   struct json_object *host);

/* What a report is to hold besides the figures of guests. */
struct report_wish {
	const struct entry *guest;	 /* this guest alone, and no host */
	const struct template *template; /* or this template; both NULL: all */
	bool describe; /* "fields": group, name, unit and sentence of each figure */
	bool pools;    /* "pools" in each guest; of all, "shared" beside them */
	bool clients;  /* "clients" in each template */
};

/* {"host":{...},"guests":[...],"templates":[...]} */
struct json_object *report_stats(struct daemon *daemon, const struct report_wish *wish);

#endif
