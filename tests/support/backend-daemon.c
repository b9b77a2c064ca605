/* SPDX-License-Identifier: MIT */
/*
 * The back-end that is a daemon: pages go by libtmem, a connection for each
 * client; what an administrator does goes by the control socket. Nothing of
 * the engine is called in this process, and workers have no meaning.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend-daemon.h"
#include "captive.h"
#include "control.h"
#include "must.h"
#include "road.h"

#define EXTENT	   (2u << 20) /* the daemon's */
#define KEPT_READY (2 * EXTENT)
#define BYTES_MOST (UINT64_C(1) << 46) /* doc/control.md */

/* Looks at a daemon that does not come to rest; it takes as many rounds. */
#define LOOKS_MOST 1000000u

struct client {
	bool there;
	bool removed; /* by the administrator; the test has not been told */
	char name[16];
	char socket[128];
	struct road *road;
};

struct daemon_rig {
	struct rig rig;
	bool async;
	struct captive captive;
	struct control control;
	pthread_mutex_t lock; /* for client[].there */
	struct client client[RIG_CLIENTS];
};

static struct daemon_rig *of(struct rig *rig)
{
	return (struct daemon_rig *)rig;
}

static struct control *control_of(struct rig *rig)
{
	return &of(rig)->control;
}

static struct client *client_of(struct rig *rig, int client)
{
	if (client < 0 || client >= RIG_CLIENTS || !of(rig)->client[client].there)
		FAIL("the test names a client that is not there: %d", client);
	return &of(rig)->client[client];
}

static struct road *road_of(struct rig *rig, int client)
{
	return client_of(rig, client)->road;
}

static const char *name_of(struct rig *rig, int client)
{
	return client_of(rig, client)->name;
}

static uint64_t at_most(uint64_t bytes)
{
	return bytes < BYTES_MOST ? bytes : BYTES_MOST;
}

/* What the daemon knows by name, and what it cannot know. */
static const char *codec_name(uint8_t codec, char text[8])
{
	if (codec == TMEM_CODEC_RAW || codec == TMEM_CODEC_LZ4)
		return codec == TMEM_CODEC_RAW ? "raw" : "lz4";
	snprintf(text, 8, "%u", codec);
	return text;
}

static struct json_object *ask_figures(struct rig *rig)
{
	struct json_object *answer;

	MUST_EQ(control_ask(control_of(rig), &answer, "\"op\":\"stat\""), 0);
	return answer;
}

static struct rig *start(const struct backend *backend, const struct rig_setup *setup)
{
	struct daemon_rig *rig = calloc(1, sizeof(*rig));
	struct json_object *answer, *verify;

	if (!rig)
		return NULL;
	rig->async = backend == &backend_async;
	MUST_EQ(pthread_mutex_init(&rig->lock, NULL), 0);
	captive_start(&rig->captive, setup->capacity, setup->persistent, setup->verify);
	control_open(&rig->control, rig->captive.control);
	answer = ask_figures(&rig->rig);
	verify = json_object_object_get(control_member(answer, "host"), "verify");
	MUST_EQ(json_object_get_boolean(verify), setup->verify);
	json_object_put(answer);
	return &rig->rig;
}

/* 0: between two answers the daemon looked for background work, and found none. */
static uint32_t step(struct rig *rig, uint32_t worker, uint32_t budget)
{
	uint64_t idle = 0, work = 0;
	uint32_t looks;

	for (looks = 0; looks < LOOKS_MOST; looks++) {
		struct json_object *answer = ask_figures(rig), *host;
		uint64_t idle_before = idle, work_before = work;

		host = control_member(answer, "host");
		idle = control_number(host, "loop_idle");
		work = control_number(host, "loop_work");
		json_object_put(answer);
		if (!budget || (looks && work != work_before))
			return budget;
		if (looks && idle != idle_before)
			return 0;
	}
	FAIL("the daemon does no background work");
}

static void client_remove(struct rig *rig, int client)
{
	MUST_EQ(control_ask(control_of(rig), NULL,
			    "\"op\":\"remove\",\"name\":\"%s\",\"force\":true",
			    name_of(rig, client)),
		0);
	client_of(rig, client)->removed = true;
}

static void client_destroy(struct rig *rig, uint32_t worker, int client)
{
	struct client *c = client_of(rig, client);

	if (!c->removed)
		client_remove(rig, client);
	road_destroy(c->road);
	pthread_mutex_lock(&of(rig)->lock);
	c->there = false;
	pthread_mutex_unlock(&of(rig)->lock);
}

static struct client *new_client(struct rig *rig, int *number)
{
	struct daemon_rig *r = of(rig);
	struct client *client;
	int i;

	pthread_mutex_lock(&r->lock);
	for (i = 0; i < RIG_CLIENTS && r->client[i].there; i++)
		;
	if (i == RIG_CLIENTS)
		FAIL("more clients than a rig has room for");
	client = &r->client[i];
	*client = (struct client){.there = true};
	snprintf(client->name, sizeof(client->name), "client-%d", i);
	pthread_mutex_unlock(&r->lock);
	*number = i;
	return client;
}

/* What add answered, or its refusal. */
static int admit(struct rig *rig, struct client *client, int number, int result,
		 struct json_object *answer)
{
	struct daemon_rig *r = of(rig);

	if (result) {
		pthread_mutex_lock(&r->lock);
		client->there = false;
		pthread_mutex_unlock(&r->lock);
		return result;
	}
	snprintf(client->socket, sizeof(client->socket), "%s",
		 json_object_get_string(control_member(answer, "socket")));
	json_object_put(answer);
	client->road = road_create(control_of(rig), client->name, client->socket, r->async);
	return number;
}

static int client_create(struct rig *rig, const struct tmem_client_config *config)
{
	struct json_object *answer = NULL;
	char more[128] = "", text[8];
	int number, result, used = 0;
	struct client *client = new_client(rig, &number);

	/* What nobody chose is not said. A field that must be zero is a key that must not be there. */
	if (config->allocation)
		used += sprintf(more + used, ",\"allocation\":\"%" PRIu64 "\"", config->allocation);
	if (config->weight)
		used += sprintf(more + used, ",\"weight\":%u", config->weight);
	if (config->reserved[0] || config->reserved[1] || config->reserved[2])
		sprintf(more + used, ",\"reserved\":1");
	result = control_ask_as(control_of(rig), config->size == sizeof(*config) ? 1 : config->size,
				&answer,
				"\"op\":\"add\",\"kind\":\"device\",\"name\":\"%s\","
				"\"codec\":\"%s\",\"cap\":\"%" PRIu64 "\"%s",
				client->name, codec_name(config->codec, text), at_most(config->cap),
				more);
	return admit(rig, client, number, result, answer);
}

static int disk_create(struct rig *rig, uint64_t bytes, const char **socket)
{
	struct json_object *answer = NULL;
	struct client *client;
	int number, result;

	client = new_client(rig, &number);
	result = control_ask(control_of(rig), &answer,
			     "\"op\":\"add\",\"name\":\"%s\",\"disk\":%" PRIu64, client->name,
			     bytes);
	*socket = client->socket;
	return admit(rig, client, number, result, answer);
}

static void kill_daemon(struct rig *rig)
{
	struct daemon_rig *r = of(rig);

	control_close(&r->control);
	captive_kill(&r->captive);
	control_open(&r->control, r->captive.control);
}

static int session(struct rig *rig, int client, uint64_t nonce)
{
	return road_session(road_of(rig, client), nonce);
}

static void freeze(struct rig *rig, int client, bool frozen)
{
	MUST_EQ(control_ask(control_of(rig), NULL, "\"op\":\"%s\",\"name\":\"%s\"",
			    frozen ? "freeze" : "thaw", name_of(rig, client)),
		0);
}

static int set_codec(struct rig *rig, int client, uint8_t codec)
{
	char text[8];

	return control_ask(control_of(rig), NULL, "\"op\":\"set\",\"name\":\"%s\",\"codec\":\"%s\"",
			   name_of(rig, client), codec_name(codec, text));
}

static int set_number(struct rig *rig, int client, const char *key, uint64_t number)
{
	return control_ask(control_of(rig), NULL,
			   "\"op\":\"set\",\"name\":\"%s\",\"%s\":\"%" PRIu64 "\"",
			   name_of(rig, client), key, number);
}

static int set_weight(struct rig *rig, int client, uint32_t weight)
{
	return set_number(rig, client, "weight", weight);
}

static int set_allocation(struct rig *rig, int client, uint64_t bytes)
{
	return set_number(rig, client, "allocation", bytes);
}

static void set_cap(struct rig *rig, int client, uint64_t cap)
{
	MUST_EQ(set_number(rig, client, "cap", at_most(cap)), 0);
}

static int set_pool_codec(struct rig *rig, int client, uint32_t pool, uint8_t codec)
{
	char text[8];
	int result = control_ask(control_of(rig), NULL,
				 "\"op\":\"set\",\"name\":\"%s\",\"pool\":%u,\"codec\":\"%s\"",
				 name_of(rig, client), pool, codec_name(codec, text));

	return result == -TMEM_ENOENT ? -TMEM_ENODEV : result;
}

/* @whom: a key and its value, or nothing. Of 0 bytes nobody asks. */
static uint64_t flush_bytes(struct rig *rig, uint64_t bytes, const char *whom)
{
	struct json_object *answer;
	uint64_t given;

	if (!bytes)
		return 0;
	MUST_EQ(control_ask(control_of(rig), &answer, "\"op\":\"flush\",\"bytes\":%" PRIu64 "%s",
			    at_most(bytes), whom),
		0);
	given = control_number(answer, "given_back");
	json_object_put(answer);
	return given;
}

static uint64_t client_reclaim(struct rig *rig, uint32_t worker, int client, uint64_t bytes)
{
	char whom[64];

	snprintf(whom, sizeof(whom), ",\"name\":\"%s\"", name_of(rig, client));
	return flush_bytes(rig, bytes, whom);
}

static uint64_t reclaim(struct rig *rig, uint32_t worker, uint64_t bytes)
{
	return flush_bytes(rig, bytes, "");
}

static int share(struct rig *rig, int client, const uint64_t uuid[2], const char *action)
{
	return control_ask(control_of(rig), NULL,
			   "\"op\":\"shared-auth\",\"name\":\"%s\",\"action\":\"%s\","
			   "\"uuid\":\"%016" PRIx64 "%016" PRIx64 "\"",
			   name_of(rig, client), action, uuid[0], uuid[1]);
}

static int grant(struct rig *rig, int client, const uint64_t uuid[2])
{
	return share(rig, client, uuid, "grant");
}

static int revoke(struct rig *rig, uint32_t worker, int client, const uint64_t uuid[2], bool now)
{
	return share(rig, client, uuid, now ? "revoke-now" : "revoke");
}

static int pool_create(struct rig *rig, uint32_t worker, int client,
		       const struct tmem_pool_config *config)
{
	return road_pool_create(road_of(rig, client), config);
}

static int pool_destroy(struct rig *rig, uint32_t worker, int client, uint32_t pool)
{
	return road_pool_destroy(road_of(rig, client), pool);
}

static int put(struct rig *rig, uint32_t worker, int client, const struct tmem_handle *handle,
	       const void *page)
{
	return road_call(road_of(rig, client), TMEM_OP_PUT, handle, 0, (void *)(uintptr_t)page);
}

static int get(struct rig *rig, uint32_t worker, int client, const struct tmem_handle *handle,
	       void *page)
{
	return road_call(road_of(rig, client), TMEM_OP_GET, handle, 0, page);
}

static int flush(struct rig *rig, uint32_t worker, int client, const struct tmem_handle *handle)
{
	return road_call(road_of(rig, client), TMEM_OP_FLUSH, handle, 0, NULL);
}

static int flush_range(struct rig *rig, uint32_t worker, int client,
		       const struct tmem_handle *handle, uint64_t count)
{
	return road_call(road_of(rig, client), TMEM_OP_FLUSH_RANGE, handle, count, NULL);
}

static int flush_object(struct rig *rig, uint32_t worker, int client,
			const struct tmem_handle *handle)
{
	return road_call(road_of(rig, client), TMEM_OP_FLUSH_OBJECT, handle, 0, NULL);
}

static void batch(struct rig *rig, uint32_t worker, int client, struct tmem_op *ops, uint32_t count)
{
	road_batch(road_of(rig, client), ops, count);
}

static void set_capacity(struct rig *rig, uint64_t bytes)
{
	struct json_object *answer;

	captive_set_memory(&of(rig)->captive, bytes);
	MUST_EQ(control_ask(control_of(rig), &answer, "\"op\":\"reload\""), 0);
	MUST_EQ(json_object_array_length(control_member(answer, "restart")), 0);
	json_object_put(answer);
}

static int pool_stats(struct rig *rig, int client, uint64_t pool, struct tmem_stats *stats)
{
	struct json_object *answer, *pools;
	int result = -TMEM_ENODEV;
	size_t i;

	MUST_EQ(control_ask(control_of(rig), &answer,
			    "\"op\":\"stat\",\"name\":\"%s\",\"pools\":true", name_of(rig, client)),
		0);
	pools = json_object_array_get_idx(control_member(answer, "guests"), 0);
	pools = control_member(pools, "pools");
	for (i = 0; i < json_object_array_length(pools); i++) {
		struct json_object *one = json_object_array_get_idx(pools, i);

		if (control_number(one, "pool") != pool)
			continue;
		control_figures(one, stats);
		result = 0;
	}
	json_object_put(answer);
	return result;
}

static int stats(struct rig *rig, int client, int pool, struct tmem_stats *out)
{
	struct json_object *answer, *whose;

	if (client >= 0 && pool >= 0)
		return pool_stats(rig, client, (uint64_t)pool, out);
	if (client >= 0) {
		MUST_EQ(control_ask(control_of(rig), &answer, "\"op\":\"stat\",\"name\":\"%s\"",
				    name_of(rig, client)),
			0);
		whose = json_object_array_get_idx(control_member(answer, "guests"), 0);
	} else {
		answer = ask_figures(rig);
		whose = control_member(answer, "host");
	}
	control_figures(control_member(whose, "engine"), out);
	json_object_put(answer);
	return 0;
}

static int check(struct rig *rig, const char **what)
{
	return control_ask(control_of(rig), NULL, "\"op\":\"check\"");
}

/* Extents of pages and of records, and those that are kept ready: nobody's, but freeable. */
static uint64_t host_bytes(struct rig *rig)
{
	struct json_object *answer = ask_figures(rig), *guests;
	struct tmem_stats host, guest;
	uint64_t bytes;
	size_t i;

	control_figures(control_member(control_member(answer, "host"), "engine"), &host);
	bytes = host.extent_bytes + host.meta_bytes + host.freeable;
	guests = control_member(answer, "guests");
	for (i = 0; i < json_object_array_length(guests); i++) {
		control_figures(control_member(json_object_array_get_idx(guests, i), "engine"),
				&guest);
		bytes -= guest.freeable;
	}
	json_object_put(answer);
	return bytes;
}

static void lose_reply(struct rig *rig, int client, enum rig_loss loss, uint32_t code,
		       const struct tmem_handle *handle, void *page)
{
	road_lose_reply(road_of(rig, client), loss, code, handle, page);
}

static int bad_address(struct rig *rig, int client, uint32_t code, const struct tmem_handle *handle)
{
	return road_bad_address(road_of(rig, client), code, handle);
}

static uint64_t find(struct rig *rig, const void *bytes, size_t length)
{
	return captive_find(&of(rig)->captive, bytes, length);
}

static void *page_alloc(struct rig *rig, int client)
{
	return road_page_alloc(road_of(rig, client));
}

/* All clients are gone and the daemon is at rest: NULL, or what is left of them. */
static const char *leftovers(struct rig *rig)
{
	struct tmem_stats host;

	MUST_EQ(stats(rig, -1, -1, &host), 0);
	if (host.persistent_pages || host.ephemeral_pages || host.objects || host.dying_objects)
		return "pages of clients that are gone";
	if (host.allocation || host.billed || host.extent_bytes || host.order_bytes)
		return "memory of clients that are gone";
	return NULL;
}

static const char *stop(struct rig *rig)
{
	struct daemon_rig *r = of(rig);
	const char *complaint;
	int i, status;

	for (i = 0; i < RIG_CLIENTS; i++)
		if (r->client[i].there)
			client_destroy(rig, 0, i);
	while (step(rig, 0, 1))
		;
	complaint = leftovers(rig);
	control_close(&r->control);
	status = captive_stop(&r->captive);
	if (status)
		FAIL("tmemd ended with %d", status);
	pthread_mutex_destroy(&r->lock);
	free(r);
	return complaint;
}

#define CALLS                                                                                   \
	.can = CAN_EPHEMERAL | CAN_OBJECTS | CAN_ADMIN | CAN_STATS | CAN_THREADS | CAN_WIRE |   \
	       CAN_WIRE,                                                                        \
	.extent_size = EXTENT, .keeps_reserve = true, .kept_ready = KEPT_READY,                 \
	.bytes_most = BYTES_MOST, .start = start, .stop = stop, .client_create = client_create, \
	.client_destroy = client_destroy, .session = session, .freeze = freeze,                 \
	.set_codec = set_codec, .set_weight = set_weight, .set_allocation = set_allocation,     \
	.set_cap = set_cap, .set_pool_codec = set_pool_codec, .client_reclaim = client_reclaim, \
	.grant = grant, .revoke = revoke, .pool_create = pool_create,                           \
	.pool_destroy = pool_destroy, .put = put, .get = get, .flush = flush,                   \
	.flush_range = flush_range, .flush_object = flush_object, .batch = batch, .step = step, \
	.reclaim = reclaim, .set_capacity = set_capacity, .stats = stats, .check = check,       \
	.host_bytes = host_bytes, .lose_reply = lose_reply, .bad_address = bad_address,         \
	.client_remove = client_remove, .kill = kill_daemon, .disk_create = disk_create,        \
	.find = find

const struct backend backend_daemon = {
	.name = "daemon",
	.page_alloc = page_alloc,
	CALLS,
};

const struct backend backend_async = {
	.name = "async",
	CALLS,
};
