// SPDX-License-Identifier: MIT
/*
 * Pools as JSON: a client's, and the shared ones with their members. The
 * engine knows clients only; whose they are is known here, so the shared pools
 * are put together from what each client is a member of.
 */
#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "guest.h"
#include "json.h"
#include "template.h"
#include "units.h"

static void add_uuid(struct json_object *object, const uint64_t uuid[2])
{
	char text[UNITS_UUID_TEXT];

	json_add_text(object, "uuid", units_format_uuid(uuid, text));
}

static void add_figures(struct json_object *object, const struct tmem_stats *stats)
{
#define ADD(name, unit, sentence) json_add_u64(object, #name, stats->name);
	TMEM_COUNTERS(ADD)
	TMEM_GAUGES(ADD)
#undef ADD
}

struct json_object *report_pools(struct tmem_client *client)
{
	struct json_object *pools = json_object_new_array();
	struct tmem_pool_config config;
	struct tmem_stats stats;
	int number = tmem_pool_next(client, 0, &config);

	for (; number >= 0; number = tmem_pool_next(client, (uint32_t)number + 1, &config)) {
		struct json_object *pool = json_object_new_object();

		(void)tmem_pool_stats(client, (uint32_t)number, &stats);
		json_add_u64(pool, "pool", (uint64_t)number);
		json_add_bool(pool, "persistent", config.flags & TMEM_POOL_PERSISTENT);
		if (config.flags & TMEM_POOL_SHARED)
			add_uuid(pool, config.uuid);
		add_figures(pool, &stats);
		json_object_array_add(pools, pool);
	}
	return pools;
}

/* One client's membership in one shared pool. */
struct membership {
	uint64_t uuid[2];
	const char *name; /* of the guest or template */
	uint64_t id;	  /* of a template's client; 0: a guest */
	struct tmem_client *client;
	uint32_t pool;
};

struct memberships {
	struct membership *all;
	size_t count;
	size_t room;
	const char *name; /* whose clients are looked at now */
};

/* Without memory the report has fewer of them. */
static void add_memberships(struct memberships *found, uint64_t id, struct tmem_client *client)
{
	struct tmem_pool_config config;
	int number = tmem_pool_next(client, 0, &config);

	for (; number >= 0; number = tmem_pool_next(client, (uint32_t)number + 1, &config)) {
		if (!(config.flags & TMEM_POOL_SHARED))
			continue;
		if (found->count == found->room) {
			size_t room = found->room ? found->room * 2 : 16;
			void *more = realloc(found->all, room * sizeof(*found->all));

			if (!more)
				return;
			found->all = more;
			found->room = room;
		}
		found->all[found->count++] = (struct membership){{config.uuid[0], config.uuid[1]},
								 found->name,
								 id,
								 client,
								 (uint32_t)number};
	}
}

static bool add_client(const struct template_client *client, void *arg)
{
	if (client->client)
		add_memberships(arg, client->id, client->client);
	return true;
}

/* Pools in order of their uuids, members in order of their names. */
static int compare(const void *a, const void *b)
{
	const struct membership *one = a;
	const struct membership *other = b;
	int order;

	if (one->uuid[0] != other->uuid[0])
		return one->uuid[0] < other->uuid[0] ? -1 : 1;
	if (one->uuid[1] != other->uuid[1])
		return one->uuid[1] < other->uuid[1] ? -1 : 1;
	order = strcmp(one->name, other->name);
	if (order)
		return order;
	return (one->id > other->id) - (one->id < other->id);
}

static struct json_object *print_member(const struct membership *member)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "name", member->name);
	if (member->id)
		json_add_u64(object, "client", member->id);
	json_add_u64(object, "pool", member->pool);
	return object;
}

/* The pool of the first of @most memberships; *@count: how many are in it. */
static struct json_object *print_shared(const struct membership *first, size_t most, size_t *count)
{
	struct json_object *members = json_object_new_array();
	struct json_object *object = json_object_new_object();
	struct tmem_stats one;
	struct tmem_stats sum;
	size_t i;

	memset(&sum, 0, sizeof(sum));
	for (i = 0;
	     i < most && first[i].uuid[0] == first->uuid[0] && first[i].uuid[1] == first->uuid[1];
	     i++) {
		(void)tmem_pool_stats(first[i].client, first[i].pool, &one);
		/* What each did; what there is, is the same to all. */
#define ADD(name, unit, sentence) sum.name += one.name;
		TMEM_COUNTERS(ADD)
#undef ADD
#define SET(name, unit, sentence) sum.name = one.name;
		TMEM_GAUGES(SET)
#undef SET
		json_object_array_add(members, print_member(&first[i]));
	}
	*count = i;
	add_uuid(object, first->uuid);
	json_object_object_add(object, "members", members);
	add_figures(object, &sum);
	return object;
}

struct json_object *report_shared(const struct daemon *daemon)
{
	struct json_object *shared = json_object_new_array();
	struct memberships found = {0};
	const struct template *template;
	const struct entry *entry;
	size_t count;
	size_t i;

	for (entry = daemon->guests; entry; entry = entry->next) {
		found.name = entry->name;
		add_memberships(&found, 0, guest_client(entry->guest));
	}
	for (template = daemon->templates; template; template = template_next(template)) {
		found.name = template_config(template)->name;
		template_each(template, add_client, &found);
	}
	if (found.count)
		qsort(found.all, found.count, sizeof(*found.all), compare);
	for (i = 0; i < found.count; i += count)
		json_object_array_add(shared, print_shared(&found.all[i], found.count - i, &count));
	free(found.all);
	return shared;
}
