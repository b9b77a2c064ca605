/* SPDX-License-Identifier: MIT */
/* A memcached of our own as a peer: sets and gets of pages over a Unix socket, pipelined. */
#ifndef TMEM_BENCH_MEMCACHED_H
#define TMEM_BENCH_MEMCACHED_H

#include "process.h"

struct memcached {
	struct bench_process process;
	int fd;
	char *out; /* what is to be sent */
	char *in;  /* what was received and not looked at: in[begin] to in[end - 1] */
	size_t begin, end;
};

/* 0, or -1: there is none, or it does not start. */
int memcached_open(struct memcached *m, uint64_t bytes);
/* @count pages under the numbers at @key, all sent before the first answer is read. 0 or -1. */
int memcached_set(struct memcached *m, const uint32_t *key, uint32_t count,
		  unsigned char *const *page);
/* The same; each page must be there. */
int memcached_get(struct memcached *m, const uint32_t *key, uint32_t count,
		  unsigned char *const *page);
void memcached_close(struct memcached *m);

#endif
