// SPDX-License-Identifier: MIT
/* The text protocol, as far as pages need it. See memcached.h. */
#include "memcached.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define ROOM (1u << 20) /* of each of the two buffers: more than 64 pages and their names */

int memcached_open(struct memcached *m, uint64_t bytes)
{
	char path[96], megabytes[24];
	const char *argv[] = {"memcached", "-s",      path, "-t",   "1",
			      "-m",	   megabytes, "-u", "root", NULL};

	memset(m, 0, sizeof(*m));
	m->fd = -1;
	if (bench_process_dir(&m->process) != 0)
		return -1;
	if (getuid() != 0)
		argv[7] = NULL;
	snprintf(path, sizeof(path), "%s/peer.sock", m->process.dir);
	snprintf(megabytes, sizeof(megabytes), "%llu", (unsigned long long)(bytes >> 20));
	m->out = malloc(ROOM);
	m->in = malloc(ROOM);
	if (m->out != NULL && m->in != NULL && bench_process_start(&m->process, argv) == 0)
		m->fd = bench_process_connect(path);
	if (m->fd >= 0)
		return 0;
	memcached_close(m);
	return -1;
}

void memcached_close(struct memcached *m)
{
	if (m->fd >= 0)
		close(m->fd);
	free(m->out);
	free(m->in);
	bench_process_end(&m->process);
}

static int send_all(struct memcached *m, size_t length)
{
	size_t sent = 0;
	ssize_t n;

	while (sent < length) {
		n = send(m->fd, m->out + sent, length - sent, MSG_NOSIGNAL);
		if (n <= 0)
			return -1;
		sent += (size_t)n;
	}
	return 0;
}

/* Has at least @want bytes to look at. 0 or -1. */
static int receive(struct memcached *m, size_t want)
{
	ssize_t n;

	if (m->begin + want > ROOM) {
		memmove(m->in, m->in + m->begin, m->end - m->begin);
		m->end -= m->begin;
		m->begin = 0;
	}
	while (m->end - m->begin < want) {
		n = recv(m->fd, m->in + m->end, ROOM - m->end, 0);
		if (n <= 0)
			return -1;
		m->end += (size_t)n;
	}
	return 0;
}

/* The next line, without its end; NULL: none that fits. */
static char *next_line(struct memcached *m)
{
	size_t length = 0;
	char *line;

	do {
		if (receive(m, length + 1) != 0)
			return NULL;
		line = m->in + m->begin;
	} while (line[length++] != '\n' && length < 256);
	line[length - 1] = '\0';
	m->begin += length;
	return line;
}

int memcached_set(struct memcached *m, const uint32_t *key, uint32_t count,
		  unsigned char *const *page)
{
	size_t length = 0;
	uint32_t i;
	char *line;

	for (i = 0; i < count; i++) {
		length +=
			(size_t)sprintf(m->out + length, "set k%u 0 0 %u\r\n", key[i], BENCH_PAGE);
		memcpy(m->out + length, page[i], BENCH_PAGE);
		length += BENCH_PAGE;
		memcpy(m->out + length, "\r\n", 2);
		length += 2;
	}
	if (send_all(m, length) != 0)
		return -1;
	for (i = 0; i < count; i++) {
		line = next_line(m);
		if (line == NULL || strncmp(line, "STORED", 6) != 0)
			return -1;
	}
	return 0;
}

int memcached_get(struct memcached *m, const uint32_t *key, uint32_t count,
		  unsigned char *const *page)
{
	size_t length = (size_t)sprintf(m->out, "get");
	uint32_t i;
	char *line;

	for (i = 0; i < count; i++)
		length += (size_t)sprintf(m->out + length, " k%u", key[i]);
	length += (size_t)sprintf(m->out + length, "\r\n");
	if (send_all(m, length) != 0)
		return -1;
	for (i = 0; i < count; i++) {
		line = next_line(m);
		if (line == NULL || strncmp(line, "VALUE", 5) != 0 ||
		    receive(m, BENCH_PAGE + 2) != 0)
			return -1;
		memcpy(page[i], m->in + m->begin, BENCH_PAGE);
		m->begin += BENCH_PAGE + 2;
	}
	line = next_line(m);
	return line != NULL && strncmp(line, "END", 3) == 0 ? 0 : -1;
}
