// SPDX-License-Identifier: MIT
/*
 * A guest from birth to death: its client in the engine, its disk or device,
 * its listening socket, and whichever session is visiting.
 */
#include "guest.h"
#include "daemon.h"
#include "device.h"
#include "disk.h"
#include "listener.h"
#include "log.h"
#include "session.h"
#include "timer.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How often a frozen disk tries whether it has thawed, in nanoseconds. */
#define RETRY_NS 20000000u

struct guest {
	struct daemon *daemon;
	char name[GUEST_NAME_MAX + 1];
	struct tmem_client *client;
	enum guest_kind kind; /* which of the two below it is; the other is all zero */
	struct disk disk;
	struct device device;
	struct guest_counters counters;
	struct latency latency;

	struct listener listener;
	struct watch timer;
	bool timer_armed;

	struct session_host host;
	struct session *session; /* NULL: nobody is connected */
	struct turn turn;

	bool in_use;
	void (*in_use_hook)(struct guest *guest, bool in_use, void *arg);
	void *in_use_arg;
};

static const struct {
	const char *name;
	const char *text;
} errors[GUEST_ERROR_COUNT] = {[GUEST_OK] = {"none", "no error"},
#define ERROR_TEXT(id, sentence) [GUEST_ERROR_##id] = {#id, sentence},
			       GUEST_ERRORS(ERROR_TEXT)
#undef ERROR_TEXT
};

const char *guest_error_name(enum guest_error error)
{
	return errors[error].name;
}

const char *guest_error_text(enum guest_error error)
{
	return errors[error].text;
}

static void count_error(struct guest *guest, enum guest_error error)
{
	guest->counters.errors[error]++;
	log_warning("guest %s: %s: %s", guest->name, guest_error_name(error),
		    guest_error_text(error));
}

static void on_ended(void *arg, enum guest_error error)
{
	struct guest *guest = arg;

	if (error) {
		count_error(guest, error);
		guest->counters.sessions_ended++;
	}
	session_destroy(guest->session);
	guest->session = NULL;
	turn_leave(&guest->turn);
	log_info("guest %s: disconnected", guest->name);
}

static void on_woken(void *arg)
{
	struct guest *guest = arg;

	turn_want(&guest->turn);
}

static void on_in_use(void *arg, bool in_use)
{
	struct guest *guest = arg;

	/* Who uses a device is told by HELLO what is lost: nothing need be remembered. */
	if (guest->in_use == in_use || guest->kind == GUEST_DEVICE)
		return;
	guest->in_use = in_use;
	if (guest->in_use_hook)
		guest->in_use_hook(guest, in_use, guest->in_use_arg);
}

/* A front-end that was killed may still look connected: its last words are read first. */
static bool is_taken(struct guest *guest)
{
	enum guest_error error;
	bool closed;

	if (!guest->session)
		return false;
	error = session_receive(guest->session, &closed);
	if (error || closed)
		on_ended(guest, error);
	return guest->session != NULL;
}

static void on_connect(struct watch *watch, uint32_t ready)
{
	struct guest *guest = (struct guest *)((char *)watch - offsetof(struct guest, listener));
	bool last;
	int fd = listener_accept(&guest->listener, &last);
	int error;

	if (fd < 0)
		return;
	if (last) {
		listener_refuse(&guest->listener, fd);
		count_error(guest, GUEST_ERROR_no_resources);
		return;
	}
	if (is_taken(guest)) {
		close(fd);
		count_error(guest, GUEST_ERROR_second_connection);
		return;
	}
	error = session_create(&guest->host, fd, &guest->session);
	if (error) {
		guest->session = NULL;
		count_error(guest, GUEST_ERROR_no_resources);
		return;
	}
	log_info("guest %s: connected", guest->name);
}

/* The timer fires once; a disk that is still frozen arms it again. */
static void on_timer(struct watch *watch, uint32_t ready)
{
	struct guest *guest = (struct guest *)((char *)watch - offsetof(struct guest, timer));

	if (!timer_expired(watch))
		return;
	guest->timer_armed = false;
	guest->disk.frozen = false;
	if (guest->session)
		session_retry(guest->session);
}

static void arm_timer(struct guest *guest)
{
	if (!guest->timer_armed)
		timer_set(&guest->timer, RETRY_NS, 0);
	guest->timer_armed = true;
}

static enum turn_end on_turn(struct turn *turn, uint32_t *budget)
{
	struct guest *guest = (struct guest *)((char *)turn - offsetof(struct guest, turn));
	enum guest_error error;
	bool more;

	error = session_turn(guest->session, budget, &more);
	if (error) {
		on_ended(guest, error);
		return TURN_GONE;
	}
	if (guest->disk.frozen)
		arm_timer(guest);
	return more ? TURN_MORE : TURN_IDLE;
}

static int start_listening(struct guest *guest, const char *path)
{
	const char *why;
	int error = listener_open(&guest->listener, guest->daemon->loop, path, on_connect, &why);

	if (error)
		log_error("guest %s: cannot listen on %s: %s", guest->name, path, why);
	return error;
}

/* A disk is what its allocation holds when nothing compresses: it can always be filled. */
static int judge_capacity(const struct guest_config *config, bool verify, uint64_t *blocks)
{
	uint64_t most = tmem_allocation_pages(config->allocation, DISK_PIECE, verify);

	if (config->kind == GUEST_DEVICE && config->disk_bytes) {
		log_error("guest %s: a device has no disk", config->name);
		return -EINVAL;
	}
	if (config->kind == GUEST_DEVICE)
		return 0;
	if (config->disk_bytes % DISK_BLOCK) {
		log_error("guest %s: a disk of %" PRIu64 " bytes is not whole blocks of %u",
			  config->name, config->disk_bytes, DISK_BLOCK);
		return -EINVAL;
	}
	*blocks = config->disk_bytes ? config->disk_bytes / DISK_BLOCK : most;
	if (*blocks && *blocks <= most)
		return 0;
	log_error("guest %s: a disk of %" PRIu64 " bytes does not fit: an allocation of %" PRIu64
		  " bytes holds %" PRIu64 " bytes of disk; it needs %" PRIu64,
		  config->name, *blocks * DISK_BLOCK, config->allocation, most * DISK_BLOCK,
		  tmem_pages_allocation(*blocks ? *blocks : 1, DISK_PIECE, verify));
	return -TMEM_ENOSPC;
}

static int create_client(struct guest *guest, const struct guest_config *config)
{
	const struct tmem_client_config client = {
		.size = sizeof(client),
		.codec = config->codec,
		.allocation = config->allocation,
		.cap = config->cap,
		.weight = config->weight,
		.pages_per_object = config->kind == GUEST_DISK ? DISK_PIECE : 1,
	};
	int error = tmem_client_create(guest->daemon->engine, guest->daemon->worker, &client,
				       &guest->client);

	if (error)
		log_error("guest %s: a client with an allocation of %" PRIu64
			  " bytes was refused: %s",
			  config->name, config->allocation, strerror(-error));
	return error;
}

/* The nonce of another life of the guest's system ends all pools of the one before. */
static int on_greet(void *arg, uint64_t nonce)
{
	struct guest *guest = arg;

	return tmem_client_session(guest->client, guest->daemon->worker, nonce);
}

static int open_device(struct guest *guest, const struct guest_config *config)
{
	const struct device_host host = {
		.engine = guest->daemon->engine,
		.worker = guest->daemon->worker,
		.pages = device_pages_create(),
		.counters = &guest->counters,
		.epoch = guest->daemon->epoch,
		.greet = on_greet,
		.arg = guest,
	};

	if (!host.pages)
		return -ENOMEM;
	device_open(&guest->device, &host);
	guest->device.client = guest->client;
	guest->device.id = config->id;
	guest->device.allocation = config->allocation;
	guest->device.cap = config->cap;
	guest->host.service = &guest->device.service;
	return 0;
}

static int open_service(struct guest *guest, const struct guest_config *config, uint64_t blocks)
{
	if (config->kind == GUEST_DEVICE)
		return open_device(guest, config);
	guest->host.service = &guest->disk.service;
	return disk_open(&guest->disk, guest->client, guest->daemon->worker, blocks, guest->name,
			 config->contents_unknown, &guest->counters);
}

static void close_service(struct guest *guest)
{
	if (guest->kind == GUEST_DEVICE)
		device_pages_destroy(guest->device.host.pages);
	else
		disk_close(&guest->disk);
}

static void fill_host(struct guest *guest, const struct guest_config *config)
{
	guest->host.loop = guest->daemon->loop;
	guest->host.counters = &guest->counters;
	guest->host.busy_ns = &guest->counters.busy_ns;
	guest->host.latency = &guest->latency;
	guest->host.name = guest->name;
	guest->host.queues = config->queues ? config->queues : GUEST_QUEUES_DEFAULT;
	guest->host.in_use = on_in_use;
	guest->host.woken = on_woken;
	guest->host.ended = on_ended;
	guest->host.arg = guest;
}

int guest_create(struct daemon *daemon, const struct guest_config *config, struct guest **out)
{
	struct guest *guest;
	uint64_t blocks = 0;
	int error;

	if (config->queues > GUEST_QUEUES_MAX || strlen(config->name) > GUEST_NAME_MAX) {
		log_error("guest %s: at most %d queues, and names of at most %d bytes",
			  config->name, GUEST_QUEUES_MAX, GUEST_NAME_MAX);
		return -EINVAL;
	}
	error = guest_mem_setup();
	if (error)
		return error;
	error = judge_capacity(config, daemon->verify, &blocks);
	if (error)
		return error;
	/* A disk's page begins at a line of the cache. */
	guest = aligned_alloc(_Alignof(struct guest), sizeof(*guest));
	if (!guest)
		return -ENOMEM;
	memset(guest, 0, sizeof(*guest));
	guest->daemon = daemon;
	strcpy(guest->name, config->name);
	guest->kind = config->kind;
	guest->in_use = config->contents_unknown;
	fill_host(guest, config);
	turn_init(&guest->turn, &daemon->turns, on_turn);
	turn_limit(&guest->turn, config->rate);

	error = create_client(guest, config);
	if (error)
		goto err_free;
	error = open_service(guest, config, blocks);
	if (error)
		goto err_client;
	error = timer_open(&guest->timer, daemon->loop, on_timer);
	if (error)
		goto err_service;
	error = start_listening(guest, config->socket_path);
	if (error)
		goto err_timer;
	*out = guest;
	return 0;

err_timer:
	timer_close(&guest->timer, daemon->loop);
err_service:
	close_service(guest);
err_client:
	tmem_client_destroy(guest->client, daemon->worker);
err_free:
	free(guest);
	return error;
}

void guest_destroy(struct guest *guest)
{
	if (guest->session)
		on_ended(guest, GUEST_OK);
	listener_close(&guest->listener);
	timer_close(&guest->timer, guest->daemon->loop);
	close_service(guest);
	tmem_client_destroy(guest->client, guest->daemon->worker);
	/* A disk's last block is in it. */
	explicit_bzero(guest, sizeof(*guest));
	free(guest);
}

void guest_look(struct guest *guest)
{
	if (guest->session)
		session_retry(guest->session);
}

void guest_figures(const struct guest *guest, struct guest_figures *figures)
{
	figures->connected = guest->session != NULL;
	figures->in_use = guest->in_use;
	figures->disk_bytes = guest->disk.blocks * DISK_BLOCK;
	figures->blocks_empty = disk_blocks_empty(&guest->disk);
	figures->blocks_stored = disk_blocks_stored(&guest->disk);
	figures->blocks_lost = disk_blocks_lost(&guest->disk);
	figures->counters = guest->counters;
	figures->counters.rate_waits = guest->turn.rests;
}

const struct latency *guest_latency(const struct guest *guest)
{
	return &guest->latency;
}

struct tmem_client *guest_client(const struct guest *guest)
{
	return guest->client;
}

void guest_tell(struct guest *guest, uint64_t news, uint64_t wanted)
{
	if (guest->kind != GUEST_DEVICE)
		return;
	device_tell(&guest->device, news, wanted);
	if (guest->session)
		session_retry(guest->session);
}

void guest_freeze(struct guest *guest, bool frozen)
{
	tmem_client_freeze(guest->client, frozen);
	guest->device.frozen = frozen;
	guest_tell(guest, frozen ? TMEM_NEWS_FROZEN : TMEM_NEWS_THAWED, 0);
}

void guest_set_cap(struct guest *guest, uint64_t cap)
{
	tmem_client_set_cap(guest->client, cap);
	guest->device.cap = cap;
	guest_tell(guest, TMEM_NEWS_LIMITS, 0);
}

int guest_set_weight(struct guest *guest, uint32_t weight)
{
	int error = tmem_client_set_weight(guest->client, weight);

	if (!error)
		guest_tell(guest, TMEM_NEWS_LIMITS, 0);
	return error;
}

int guest_set_allocation(struct guest *guest, uint64_t bytes)
{
	int error = tmem_client_set_allocation(guest->client, guest->daemon->worker, bytes);

	if (error)
		return error;
	guest->device.allocation = bytes;
	guest_tell(guest, TMEM_NEWS_LIMITS, 0);
	return 0;
}

uint64_t guest_allocation_least(const struct guest *guest)
{
	uint64_t needed =
		tmem_pages_allocation(guest->disk.blocks, DISK_PIECE, guest->daemon->verify);
	struct tmem_stats stats;

	tmem_client_stats(guest->client, &stats);
	return needed > stats.billed ? needed : stats.billed;
}

void guest_set_rate(struct guest *guest, uint64_t rate)
{
	turn_limit(&guest->turn, rate);
}

void guest_set_in_use_hook(struct guest *guest, void (*fn)(struct guest *, bool, void *), void *arg)
{
	guest->in_use_hook = fn;
	guest->in_use_arg = arg;
}
