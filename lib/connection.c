// SPDX-License-Identifier: MIT
/* Making a connection and ending it, and the door that every call goes through. */
#include "connection.h"
#include "batch.h"
#include "buffer.h"
#include "error.h"
#include "link.h"
#include "path.h"
#include "pool.h"
#include "random.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000ull
#define US 1000ull

#define TIMEOUT_MS   5000
#define AWAY_MS	     1000
#define SPIN_US	     50
#define BUFFER_BYTES (4u << 20)
#define BUFFER_MOST  (1u << 30)

uint64_t lt_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

int lt_enter(struct tmem *tmem)
{
	if (lt_is_forked(tmem))
		return -TMEM_ECHILD;
	pthread_mutex_lock(&tmem->lock);
	tmem->said = false;
	return 0;
}

int lt_leave(struct tmem *tmem, int result)
{
	if (result < 0 && result != -TMEM_ENOENT)
		lt_note(tmem, result);
	pthread_mutex_unlock(&tmem->lock);
	return result;
}

/*
 * Waiting without sleeping takes the processor away from the daemon, if there
 * is only one. Where both are bound to one of several, it does not pay, and ends.
 */
static bool has_processors(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

static uint64_t choose(uint32_t given, uint32_t initial)
{
	return given == TMEM_NEVER ? 0 : given ? given : initial;
}

static int judge_options(struct tmem *tmem, const struct tmem_options *options,
			 uint64_t *buffer_bytes)
{
	const struct tmem_options zero = {.size = sizeof(zero)};

	if (!options)
		options = &zero;
	if (options->size != sizeof(*options))
		return lt_fail(tmem, -TMEM_EINVAL,
			       "options: size is to be sizeof(struct tmem_options), %zu",
			       sizeof(*options));
	*buffer_bytes = options->buffer_bytes ? options->buffer_bytes : BUFFER_BYTES;
	if (*buffer_bytes > BUFFER_MOST)
		return lt_fail(tmem, -TMEM_EINVAL, "options: buffer_bytes is above %u",
			       BUFFER_MOST);
	*buffer_bytes = (*buffer_bytes + MEMORY_PAGE - 1) & ~(uint64_t)(MEMORY_PAGE - 1);
	tmem->timeout_ns = (options->timeout_ms ? options->timeout_ms : TIMEOUT_MS) * MS;
	tmem->away_ns = choose(options->away_ms, AWAY_MS) * MS;
	tmem->spin_ns = choose(options->spin_us, has_processors() ? SPIN_US : 0) * US;
	tmem->nonce = options->nonce ? options->nonce : lt_random();
	return 0;
}

/* A page that reads as zero in every child, so that looking costs no system call. */
static int mark_process(struct tmem *tmem)
{
	void *page =
		mmap(NULL, MEMORY_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return -errno;
	if (madvise(page, MEMORY_PAGE, MADV_WIPEONFORK)) {
		munmap(page, MEMORY_PAGE);
		return -errno;
	}
	tmem->here = page;
	*tmem->here = 1;
	return 0;
}

static int open_events(struct tmem *tmem)
{
	struct epoll_event event = {.events = EPOLLIN};

	tmem->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	tmem->kick[0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	tmem->kick[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	tmem->waiting = epoll_create1(EPOLL_CLOEXEC);
	if (tmem->call < 0 || tmem->kick[0] < 0 || tmem->kick[1] < 0 || tmem->waiting < 0 ||
	    epoll_ctl(tmem->waiting, EPOLL_CTL_ADD, tmem->call, &event))
		return -errno;
	return 0;
}

static void close_events(struct tmem *tmem)
{
	const int fds[] = {tmem->call, tmem->kick[0], tmem->kick[1], tmem->waiting, tmem->socket};
	size_t i;

	for (i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

/* Frees what was made, however little; @forked: in a child. */
static void destroy(struct tmem *tmem, bool forked)
{
	lt_pool_free_all(tmem);
	close_events(tmem);
	lt_buffer_close(tmem);
	if (tmem->memory.base)
		lt_memory_close(&tmem->memory, forked);
	if (tmem->here)
		munmap((void *)(uintptr_t)tmem->here, MEMORY_PAGE);
	free(tmem->spare);
	free(tmem->debts);
	pthread_mutex_destroy(&tmem->lock);
	free(tmem);
}

static int set_up(struct tmem *tmem, const char *path, const struct tmem_options *options)
{
	uint64_t buffer_bytes = 0;
	int error;

	if (!lt_path_find(path, tmem->path, sizeof(tmem->path)))
		return lt_fail(tmem, -TMEM_EINVAL, "the socket's path is longer than %zu bytes",
			       sizeof(tmem->path) - 1);
	error = judge_options(tmem, options, &buffer_bytes);
	if (error)
		return error;
	error = mark_process(tmem);
	if (!error)
		error = open_events(tmem);
	if (!error)
		error = lt_memory_open(&tmem->memory, buffer_bytes);
	if (!error)
		error = lt_buffer_open(tmem);
	if (error) {
		errno = -error;
		return lt_fail(tmem, -TMEM_ENOMEM, "no memory or descriptors for a connection: %m");
	}
	lt_ring_init(&tmem->ring[0], tmem->memory.base, MEMORY_EVENT_SIZE, tmem->kick[0]);
	lt_ring_init(&tmem->ring[1], tmem->memory.base + MEMORY_RING_BYTES, MEMORY_RING_SIZE,
		     tmem->kick[1]);
	return lt_link_ensure(tmem);
}

int tmem_connect(const char *path, const struct tmem_options *options, struct tmem **out)
{
	struct tmem *tmem;
	int error;

	if (!out)
		return -TMEM_EINVAL;
	tmem = calloc(1, sizeof(*tmem));
	if (!tmem)
		return -TMEM_ENOMEM;
	pthread_mutex_init(&tmem->lock, NULL);
	tmem->call = tmem->kick[0] = tmem->kick[1] = tmem->waiting = tmem->socket = -1;
	error = set_up(tmem, path, options);
	if (error) {
		lt_keep_sentence(tmem);
		destroy(tmem, false);
		return error;
	}
	*out = tmem;
	return 0;
}

void tmem_disconnect(struct tmem *tmem)
{
	bool forked;

	if (!tmem)
		return;
	forked = lt_is_forked(tmem);
	/* Batches of a parent lie in memory that the child has its own copy of: nobody waits here. */
	if (!forked)
		lt_batch_give_up(tmem, -TMEM_ENOTCONN);
	destroy(tmem, forked);
}

int tmem_session_is_new(struct tmem *tmem)
{
	return tmem ? tmem->fresh : -TMEM_EINVAL;
}
