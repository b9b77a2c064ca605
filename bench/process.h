/* SPDX-License-Identifier: MIT */
/*
 * The servers that the benchmark starts: each on another core than this
 * thread's where there is one, gone with it, and their processor time.
 */
#ifndef TMEM_BENCH_PROCESS_H
#define TMEM_BENCH_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

struct bench_process {
	pid_t pid; /* 0: not started */
	char dir[64];
};

/* As fork(): a child on another core than this thread's where there is one, gone with it. */
pid_t bench_process_fork(void);
/* A private directory for sockets. 0, or -1 with a sentence on stderr. */
int bench_process_dir(struct bench_process *process);
/* 0, or -1. @argv[0] is looked for in $PATH; output goes nowhere. */
int bench_process_start(struct bench_process *process, const char *const *argv);
/* Runs a program to its end. Its status, or -1. */
int bench_process_run(const char *const *argv);
/* Connects to the socket at @path, for at most two seconds. The descriptor, or -1. */
int bench_process_connect(const char *path);
/* Nanoseconds that the process, and this thread, have run so far. */
uint64_t bench_process_cpu(const struct bench_process *process);
uint64_t bench_thread_cpu(void);
/* Ends it and removes its directory with what is in it. */
void bench_process_end(struct bench_process *process);

#endif
