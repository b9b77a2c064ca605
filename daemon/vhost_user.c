// SPDX-License-Identifier: MIT
/*
 * One handler per message, in a table that says what each may look like:
 * its payload's size, its descriptors, and the protocol feature that it
 * belongs to. A message that the table does not allow never reaches its
 * handler.
 */
#include "vhost_user.h"
#include "log.h"
#include "notify.h"
#include "session.h"
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define PROTOCOL_FEATURES                                                                        \
	(1ull << VHOST_USER_PROTOCOL_MQ | 1ull << VHOST_USER_PROTOCOL_LOG_SHMFD |                \
	 1ull << VHOST_USER_PROTOCOL_REPLY_ACK | 1ull << VHOST_USER_PROTOCOL_CONFIG |            \
	 1ull << VHOST_USER_PROTOCOL_INFLIGHT_SHMFD | 1ull << VHOST_USER_PROTOCOL_RESET_DEVICE | \
	 1ull << VHOST_USER_PROTOCOL_CONFIGURE_MEM_SLOTS)

static uint64_t offered_features(const struct session *session)
{
	const struct service *service = session->host->service;

	return service->ops->features(service) | 1ull << VHOST_USER_F_LOG_ALL |
	       1ull << VHOST_USER_F_PROTOCOL;
}

/* QEMU warns of a back-end with a configuration space behind a device of its own. */
static uint64_t offered_protocol(const struct session *session)
{
	uint64_t features = PROTOCOL_FEATURES;

	if (!session->host->service->ops->config)
		features &= ~(1ull << VHOST_USER_PROTOCOL_CONFIG);
	return features;
}

static void reply_number(struct vhost_user_message *message, uint64_t number)
{
	message->payload.number = number;
	message->header.size = sizeof(number);
	message->reply = true;
}

/* Hands the only descriptor of a message to the caller. */
static int take_fd(struct vhost_user_message *message)
{
	int fd = message->fds ? message->fd[0] : -1;

	if (message->fds)
		message->fd[0] = -1;
	return fd;
}

static enum guest_error get_features(struct session *session, struct vhost_user_message *message)
{
	reply_number(message, offered_features(session));
	return GUEST_OK;
}

static enum guest_error set_features(struct session *session, struct vhost_user_message *message)
{
	if (message->payload.number & ~offered_features(session))
		return GUEST_ERROR_feature_unknown;
	session->features = message->payload.number;
	session->mem.logging = session->features >> VHOST_USER_F_LOG_ALL & 1;
	return GUEST_OK;
}

static enum guest_error get_protocol_features(struct session *session,
					      struct vhost_user_message *message)
{
	reply_number(message, offered_protocol(session));
	return GUEST_OK;
}

static enum guest_error set_protocol_features(struct session *session,
					      struct vhost_user_message *message)
{
	if (message->payload.number & ~offered_protocol(session))
		return GUEST_ERROR_feature_unknown;
	session->protocol_features = message->payload.number;
	return GUEST_OK;
}

/* RESET_OWNER is deprecated and to be ignored. */
static enum guest_error ignore(struct session *session, struct vhost_user_message *message)
{
	return GUEST_OK;
}

static enum guest_error set_mem_table(struct session *session, struct vhost_user_message *message)
{
	const struct vhost_user_table *table = &message->payload.table;
	size_t head = offsetof(struct vhost_user_table, region);
	enum guest_error error;
	uint32_t i;

	if (table->count > VHOST_USER_TABLE_MAX)
		return GUEST_ERROR_region_count;
	if (message->header.size != head + table->count * sizeof(table->region[0]))
		return GUEST_ERROR_message_size;
	if (message->fds != table->count)
		return GUEST_ERROR_descriptor_count;
	guest_mem_clear(&session->mem);
	for (i = 0; i < table->count; i++) {
		const struct vhost_user_region *region = &table->region[i];

		error = guest_mem_add(&session->mem, region->guest, region->user, region->size,
				      region->offset, message->fd[i]);
		if (error)
			return error;
	}
	return GUEST_OK;
}

static enum guest_error get_max_mem_slots(struct session *session,
					  struct vhost_user_message *message)
{
	reply_number(message, GUEST_MEM_REGIONS);
	return GUEST_OK;
}

static enum guest_error add_mem_reg(struct session *session, struct vhost_user_message *message)
{
	const struct vhost_user_region *region = &message->payload.one_region.region;

	return guest_mem_add(&session->mem, region->guest, region->user, region->size,
			     region->offset, message->fd[0]);
}

static enum guest_error rem_mem_reg(struct session *session, struct vhost_user_message *message)
{
	const struct vhost_user_region *region = &message->payload.one_region.region;

	return guest_mem_remove(&session->mem, region->guest, region->user, region->size);
}

static enum guest_error set_log_base(struct session *session, struct vhost_user_message *message)
{
	const struct vhost_user_log *log = &message->payload.log;
	enum guest_error error;

	error = guest_mem_set_log(&session->mem, message->fd[0], log->offset, log->size);
	if (!error)
		reply_number(message, 0);
	return error;
}

static bool is_event(struct session *session, const struct vhost_user_message *message)
{
	return notify_takes(loop_notify(session->host->loop), message->fd[0]);
}

/* The front-end may be told when the log changes; it looks by itself, so this is only judged. */
static enum guest_error set_log_fd(struct session *session, struct vhost_user_message *message)
{
	return is_event(session, message) ? GUEST_OK : GUEST_ERROR_descriptor_not_event;
}

/* The queue that a message names; NULL where there is none. */
static struct session_queue *queue_of(struct session *session, uint64_t index)
{
	return index < session->host->queues ? &session->queue[index] : NULL;
}

static enum guest_error set_vring_num(struct session *session, struct vhost_user_message *message)
{
	struct session_queue *queue = queue_of(session, message->payload.state.index);
	uint32_t size = message->payload.state.number;

	if (!queue)
		return GUEST_ERROR_queue_index;
	if (queue->ring.started)
		return GUEST_ERROR_message_out_of_turn;
	if (!size || size > VIRTQUEUE_SIZE_MAX || (size & (size - 1)))
		return GUEST_ERROR_queue_size;
	queue->ring.size = (uint16_t)size;
	return GUEST_OK;
}

static enum guest_error set_vring_addr(struct session *session, struct vhost_user_message *message)
{
	const struct vhost_user_address *given = &message->payload.address;
	struct session_queue *queue = queue_of(session, given->index);
	struct virtqueue_address address;

	if (!queue)
		return GUEST_ERROR_queue_index;
	if (given->flags & ~VHOST_USER_LOG_VRING)
		return GUEST_ERROR_message_value;
	address.desc = given->desc;
	address.avail = given->avail;
	address.used = given->used;
	address.log = given->log;
	address.logged = given->flags & VHOST_USER_LOG_VRING;
	return virtqueue_set_address(&queue->ring, &address);
}

static enum guest_error set_vring_base(struct session *session, struct vhost_user_message *message)
{
	struct session_queue *queue = queue_of(session, message->payload.state.index);

	if (!queue)
		return GUEST_ERROR_queue_index;
	if (queue->ring.started)
		return GUEST_ERROR_message_out_of_turn;
	if (message->payload.state.number > UINT16_MAX)
		return GUEST_ERROR_message_value;
	queue->ring.base = (uint16_t)message->payload.state.number;
	return GUEST_OK;
}

static enum guest_error get_vring_base(struct session *session, struct vhost_user_message *message)
{
	struct session_queue *queue = queue_of(session, message->payload.state.index);
	enum guest_error error;
	uint16_t base;

	if (!queue)
		return GUEST_ERROR_queue_index;
	error = session_stop_queue(session, queue->ring.index, &base);
	message->payload.state.number = base;
	message->reply = true;
	return error;
}

static enum guest_error set_vring_enable(struct session *session,
					 struct vhost_user_message *message)
{
	struct session_queue *queue = queue_of(session, message->payload.state.index);

	if (!queue)
		return GUEST_ERROR_queue_index;
	if (message->payload.state.number > 1)
		return GUEST_ERROR_message_value;
	session_enable_queue(session, queue->ring.index, message->payload.state.number);
	return GUEST_OK;
}

/* The queue and the descriptor of KICK, CALL, ERR; *@fd is -1 where none was meant. */
static enum guest_error judge_event(struct session *session, struct vhost_user_message *message,
				    struct session_queue **queue, int *fd)
{
	uint64_t number = message->payload.number;

	*fd = -1;
	if (number & ~(uint64_t)(VHOST_USER_INDEX_OF | VHOST_USER_NO_FD))
		return GUEST_ERROR_message_value;
	*queue = queue_of(session, number & VHOST_USER_INDEX_OF);
	if (!*queue)
		return GUEST_ERROR_queue_index;
	if (message->fds != (number & VHOST_USER_NO_FD ? 0 : 1))
		return GUEST_ERROR_descriptor_count;
	if (message->fds && !is_event(session, message))
		return GUEST_ERROR_descriptor_not_event;
	*fd = take_fd(message);
	return GUEST_OK;
}

static enum guest_error set_vring_kick(struct session *session, struct vhost_user_message *message)
{
	struct session_queue *queue;
	enum guest_error error;
	int fd;

	error = judge_event(session, message, &queue, &fd);
	if (error)
		return error;
	/* Without a descriptor the ring would have to be polled, and we never do. */
	if (fd < 0)
		return GUEST_ERROR_descriptor_count;
	return session_start_queue(session, queue->ring.index, fd);
}

static void replace_fd(int *held, int fd)
{
	if (*held >= 0)
		close(*held);
	*held = fd;
}

static enum guest_error set_vring_call(struct session *session, struct vhost_user_message *message)
{
	struct session_queue *queue;
	enum guest_error error;
	int fd;

	error = judge_event(session, message, &queue, &fd);
	if (!error)
		replace_fd(&queue->ring.call_fd, fd);
	return error;
}

static enum guest_error set_vring_err(struct session *session, struct vhost_user_message *message)
{
	struct session_queue *queue;
	enum guest_error error;
	int fd;

	error = judge_event(session, message, &queue, &fd);
	if (!error)
		replace_fd(&queue->ring.err_fd, fd);
	return error;
}

static enum guest_error get_queue_num(struct session *session, struct vhost_user_message *message)
{
	reply_number(message, session->host->queues);
	return GUEST_OK;
}

static enum guest_error get_config(struct session *session, struct vhost_user_message *message)
{
	struct vhost_user_config *config = &message->payload.config;
	const struct service *service = session->host->service;
	uint8_t space[VHOST_USER_CONFIG_MAX];

	if (config->size != message->header.size - offsetof(struct vhost_user_config, data))
		return GUEST_ERROR_message_size;
	message->reply = true;
	if (config->offset > sizeof(space) || config->size > sizeof(space) - config->offset) {
		/* The specification's way to say no. */
		message->header.size = 0;
		return GUEST_OK;
	}
	memset(space, 0, sizeof(space));
	service->ops->config(service, session->host->queues, space, sizeof(space));
	memcpy(config->data, space + config->offset, config->size);
	return GUEST_OK;
}

/* Nothing in the configuration can be written; a guest that tries is told, and goes on. */
static enum guest_error set_config(struct session *session, struct vhost_user_message *message)
{
	message->refused = true;
	return GUEST_OK;
}

static enum guest_error get_inflight_fd(struct session *session, struct vhost_user_message *message)
{
	struct vhost_user_inflight *inflight = &message->payload.inflight;
	const struct session_host *host = session->host;

	if (session_any_started(session))
		return GUEST_ERROR_message_out_of_turn;
	if (!inflight->queues || inflight->queues > host->queues || !inflight->queue_size ||
	    inflight->queue_size > VIRTQUEUE_SIZE_MAX)
		return GUEST_ERROR_inflight_malformed;
	message->reply_fd = inflight_create(inflight->queues, inflight->queue_size);
	if (message->reply_fd < 0)
		return GUEST_ERROR_no_resources;
	inflight->size = inflight_size(inflight->queues, inflight->queue_size);
	inflight->offset = 0;
	inflight->padding = 0;
	message->reply = true;
	if (host->service->ops->reset(host->service)) {
		log_info("guest %s: a front-end begins afresh: the disk is empty again",
			 host->name);
		host->in_use(host->arg, false);
		session->used = false;
	}
	return GUEST_OK;
}

static enum guest_error set_inflight_fd(struct session *session, struct vhost_user_message *message)
{
	const struct vhost_user_inflight *inflight = &message->payload.inflight;
	const struct session_host *host = session->host;
	enum guest_error error;

	if (session_any_started(session))
		return GUEST_ERROR_message_out_of_turn;
	if (inflight->queues > host->queues)
		return GUEST_ERROR_inflight_malformed;
	error = inflight_open(&session->inflight, message->fd[0], inflight->size, inflight->offset,
			      inflight->queues, inflight->queue_size);
	if (error)
		return error;
	if (host->service->ops->resume(host->service))
		log_warning("guest %s: a front-end goes on with a disk whose contents are not "
			    "here: all of it is lost until it is written or discarded",
			    host->name);
	return GUEST_OK;
}

static enum guest_error reset_device(struct session *session, struct vhost_user_message *message)
{
	enum guest_error error;
	uint16_t i, base;

	for (i = 0; i < session->host->queues; i++) {
		error = session_stop_queue(session, i, &base);
		if (error)
			return error;
		session->queue[i].enabled = false;
		session->queue[i].ring.base = 0;
	}
	inflight_close(&session->inflight);
	session->features = 0;
	session->mem.logging = false;
	return GUEST_OK;
}

/*
 * A front-end begins. On a new connection there is nothing yet that could be
 * its predecessor's; but a device that is unplugged from QEMU and plugged in
 * again comes over the same one, and knows nothing of what was shared there.
 */
static enum guest_error set_owner(struct session *session, struct vhost_user_message *message)
{
	enum guest_error error = reset_device(session, message);

	if (!error)
		guest_mem_clear(&session->mem);
	return error;
}

#define ALWAYS (-1)

struct handler {
	const char *name;
	enum guest_error (*fn)(struct session *session, struct vhost_user_message *message);
	uint16_t least; /* bytes of payload */
	uint16_t most;
	uint8_t least_fds;
	uint8_t most_fds;
	int8_t feature; /* of the protocol, that must be negotiated */
};

#define NUMBER sizeof(uint64_t)
#define STATE  sizeof(struct vhost_user_state)
#define REGION sizeof(struct vhost_user_one_region)
#define FLIGHT sizeof(struct vhost_user_inflight)
#define CONFIG offsetof(struct vhost_user_config, data)

#define ENTRY(id, function, low, high, low_fds, high_fds, needed) \
	[VHOST_USER_##id] = {#id, function, low, high, low_fds, high_fds, needed}
#define NEED(id) VHOST_USER_PROTOCOL_##id

static const struct handler handlers[VHOST_USER_REQUESTS] = {
	ENTRY(GET_FEATURES, get_features, 0, 0, 0, 0, ALWAYS),
	ENTRY(SET_FEATURES, set_features, NUMBER, NUMBER, 0, 0, ALWAYS),
	ENTRY(SET_OWNER, set_owner, 0, 0, 0, 0, ALWAYS),
	ENTRY(RESET_OWNER, ignore, 0, 0, 0, 0, ALWAYS),
	ENTRY(SET_MEM_TABLE, set_mem_table, offsetof(struct vhost_user_table, region),
	      sizeof(struct vhost_user_table), 0, VHOST_USER_TABLE_MAX, ALWAYS),
	ENTRY(SET_LOG_BASE, set_log_base, sizeof(struct vhost_user_log),
	      sizeof(struct vhost_user_log), 1, 1, NEED(LOG_SHMFD)),
	ENTRY(SET_LOG_FD, set_log_fd, 0, NUMBER, 1, 1, ALWAYS),
	ENTRY(SET_VRING_NUM, set_vring_num, STATE, STATE, 0, 0, ALWAYS),
	ENTRY(SET_VRING_ADDR, set_vring_addr, sizeof(struct vhost_user_address),
	      sizeof(struct vhost_user_address), 0, 0, ALWAYS),
	ENTRY(SET_VRING_BASE, set_vring_base, STATE, STATE, 0, 0, ALWAYS),
	ENTRY(GET_VRING_BASE, get_vring_base, STATE, STATE, 0, 0, ALWAYS),
	ENTRY(SET_VRING_KICK, set_vring_kick, NUMBER, NUMBER, 0, 1, ALWAYS),
	ENTRY(SET_VRING_CALL, set_vring_call, NUMBER, NUMBER, 0, 1, ALWAYS),
	ENTRY(SET_VRING_ERR, set_vring_err, NUMBER, NUMBER, 0, 1, ALWAYS),
	ENTRY(GET_PROTOCOL_FEATURES, get_protocol_features, 0, 0, 0, 0, ALWAYS),
	ENTRY(SET_PROTOCOL_FEATURES, set_protocol_features, NUMBER, NUMBER, 0, 0, ALWAYS),
	ENTRY(GET_QUEUE_NUM, get_queue_num, 0, 0, 0, 0, ALWAYS),
	ENTRY(SET_VRING_ENABLE, set_vring_enable, STATE, STATE, 0, 0, ALWAYS),
	ENTRY(GET_CONFIG, get_config, CONFIG, sizeof(struct vhost_user_config), 0, 0, NEED(CONFIG)),
	ENTRY(SET_CONFIG, set_config, CONFIG, sizeof(struct vhost_user_config), 0, 0, NEED(CONFIG)),
	ENTRY(GET_INFLIGHT_FD, get_inflight_fd, 20, FLIGHT, 0, 0, NEED(INFLIGHT_SHMFD)),
	ENTRY(SET_INFLIGHT_FD, set_inflight_fd, 20, FLIGHT, 1, 1, NEED(INFLIGHT_SHMFD)),
	ENTRY(RESET_DEVICE, reset_device, 0, 0, 0, 0, NEED(RESET_DEVICE)),
	ENTRY(GET_MAX_MEM_SLOTS, get_max_mem_slots, 0, 0, 0, 0, NEED(CONFIGURE_MEM_SLOTS)),
	ENTRY(ADD_MEM_REG, add_mem_reg, REGION, REGION, 1, 1, NEED(CONFIGURE_MEM_SLOTS)),
	ENTRY(REM_MEM_REG, rem_mem_reg, REGION, REGION, 0, 1, NEED(CONFIGURE_MEM_SLOTS)),
};

_Static_assert(sizeof(struct vhost_user_config) <= VHOST_USER_PAYLOAD_MAX &&
		       sizeof(struct vhost_user_table) <= VHOST_USER_PAYLOAD_MAX,
	       "a payload holds every message");
_Static_assert(sizeof(struct vhost_user_header) == 12 && sizeof(struct vhost_user_inflight) == 24 &&
		       sizeof(struct vhost_user_address) == 40,
	       "the specification's layout");

static const struct handler *find_handler(uint32_t request)
{
	if (request >= VHOST_USER_REQUESTS || !handlers[request].fn)
		return NULL;
	return &handlers[request];
}

const char *vhost_user_name(uint32_t request)
{
	const struct handler *handler = find_handler(request);

	return handler ? handler->name : "unknown";
}

enum guest_error vhost_user_judge(const struct session *session,
				  const struct vhost_user_header *header)
{
	const struct handler *handler = find_handler(header->request);

	if ((header->flags & VHOST_USER_VERSION_OF) != VHOST_USER_VERSION ||
	    (header->flags & VHOST_USER_REPLY))
		return GUEST_ERROR_message_version;
	if (header->size > VHOST_USER_PAYLOAD_MAX)
		return GUEST_ERROR_message_too_long;
	if (!handler)
		return GUEST_ERROR_message_unknown;
	if (handler->feature != ALWAYS &&
	    !session_has(session, (enum vhost_user_protocol_feature)handler->feature))
		return GUEST_ERROR_message_unknown;
	if (header->size < handler->least || header->size > handler->most)
		return GUEST_ERROR_message_size;
	return GUEST_OK;
}

enum guest_error vhost_user_handle(struct session *session, struct vhost_user_message *message)
{
	const struct handler *handler = find_handler(message->header.request);

	if (message->fds < handler->least_fds || message->fds > handler->most_fds)
		return GUEST_ERROR_descriptor_count;
	return handler->fn(session, message);
}
