/* SPDX-License-Identifier: MIT */
/*
 * What the files of the benchmark share: the run's settings, rows and their
 * writer, pairs of slices, huge memory, the page corpus. doc/benchmark.md
 * says how each row is measured and why so.
 */
#ifndef TMEM_BENCH_H
#define TMEM_BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define BENCH_PAGE 4096u

/* ---- results.c: rows, refused unless they can be judged ---- */

/* Which way a target is meant, and for which figure of the row. */
enum bench_goal {
	BENCH_NO_GOAL,
	BENCH_RATIO_AT_MOST,
	BENCH_RATIO_AT_LEAST,
	BENCH_VALUE_AT_MOST,
	BENCH_VALUE_AT_LEAST
};

struct bench_row {
	char name[48];
	const char *unit;
	int higher_is_better;
	double value, min, max, q1, q3; /* in unit */
	double ratio_q1, ratio_q3;	/* of the pairs; 0: not measured in pairs */
	uint32_t n;			/* pairs, or measurements, that the value comes from */
	uint32_t thrown;		/* pairs thrown away: something else had run meanwhile */
	const char *peer;		/* what it is compared with, in the same run */
	double peer_value;		/* in unit */
	double floor;			/* the same work by non-temporal stores; 0: none */
	char why[160];			/* not empty: skipped, for this reason */
	char note[200];
};

struct bench_results {
	struct bench_row rows[96];
	uint32_t count;
	uint32_t missed; /* targets */
	int quick;
	char machine[2048]; /* the members of the first row, as JSON text */
};

/*
 * 0, or -1 with a sentence on stderr for a row that nobody could judge: no
 * name, no unit, no peer or no peer value (unless skipped with a reason), a
 * value that is not a number above zero, a name that was there before.
 */
int bench_results_add(struct bench_results *results, const struct bench_row *row);
/* A row that was not measured. */
void bench_results_skip(struct bench_results *results, const char *name, const char *unit,
			const char *why);
/* 0, or -1 with errno. */
int bench_results_write(const struct bench_results *results, const char *path);
void bench_results_table(struct bench_results *results, FILE *out);

/* ---- pairs.c: slices of ours and of a reference, in turn ---- */

#define BENCH_PAIRS_MAX 4096
#define BENCH_PAIRS_MIN 40

/* Does @count operations, those at places @first on of a common order. */
typedef void bench_slice(void *context, uint32_t first, uint32_t count);

struct bench_side {
	bench_slice *run;
	void *context;
};

struct bench_pairs {
	uint32_t slice; /* operations per slice; 0: to be found by the first call */
	uint32_t count, thrown, turns;
	double ours[BENCH_PAIRS_MAX]; /* ns per operation */
	double peer[BENCH_PAIRS_MAX];
	double ratio[BENCH_PAIRS_MAX];
	double floor[BENCH_PAIRS_MAX]; /* where there is a third side */
	uint32_t floors;
};

/*
 * Covers the places [@first, @first + @total) by slices of about 10 ms, ours
 * and the peer's in turn. A pair in which this thread lost its core is thrown
 * away. @floor may be NULL.
 */
void bench_pairs_run(struct bench_pairs *pairs, const struct bench_side *ours,
		     const struct bench_side *peer, const struct bench_side *floor, uint32_t first,
		     uint32_t total);
/* Medians and quartiles into @row; ratio is the median over the pairs. */
void bench_pairs_summary(struct bench_pairs *pairs, struct bench_row *row);

double bench_median(double *values, uint32_t count);
double bench_quantile(const double *sorted, uint32_t count, double q);
void bench_sort(double *values, uint32_t count);

/* ---- memory.c: huge populated memory, and how much of it there is ---- */

/* @bytes of zeroed memory in pages of 2 MiB, every page present. Exits where there is none. */
void *bench_memory_map(size_t bytes);
void bench_memory_unmap(void *memory, size_t bytes);
/* Bytes of this process that are resident, and of its page tables; exact. */
uint64_t bench_memory_resident(void);
/* Share of [memory, memory + bytes) that is in pages of 2 MiB. */
double bench_memory_huge_share(const void *memory, size_t bytes);
/* Bytes that could be had now without taking them from anybody. */
uint64_t bench_memory_available(void);

/* ---- machine.c: the core, its neighbours, its name ---- */

uint64_t bench_now(void);	    /* ns */
uint64_t bench_random(uint64_t *s); /* never the same state twice; *s starts anyhow */
/* The numbers 0 to @count - 1 in random order; freed by the caller. */
uint32_t *bench_shuffled(uint32_t count, uint64_t seed);
/* Pins to @core, or with -1 to the one that was least busy just now; which one. */
int bench_machine_pin(int core);
/* The highest priority that this user may have, so that fewer pairs are disturbed; which. */
int bench_machine_priority(void);
uint64_t bench_involuntary_switches(void);
/* Name, cores, kernel, huge-page modes and load as members of a JSON object. */
void bench_machine_describe(char *text, size_t size, int core);

/* ---- line.c: the way to another processor ---- */

/*
 * Times, in ns, of @count trips of a cache line to another core and back; how
 * many there were: fewer where no other core runs.
 */
uint32_t bench_line_trips(double *times, uint32_t count);

/* ---- copy.c: the reference ---- */

/* glibc's, whatever the compiler knows of the length. */
void bench_copy(void *dst, const void *src);
/* Streaming stores; @dst is 64-byte aligned. Falls back to bench_copy(). */
void bench_copy_stream(void *dst, const void *src);
/* Earlier instructions have completed before later ones begin. */
static inline void bench_fence(void)
{
#if defined(__x86_64__)
	__builtin_ia32_lfence();
#elif defined(__aarch64__)
	__asm__ volatile("dsb sy\n\tisb" ::: "memory");
#else
	__sync_synchronize();
#endif
}

/* ---- corpus.c ---- */

struct bench_corpus {
	unsigned char *pages; /* anonymous pages, in their fixed order */
	uint32_t count;
	unsigned char *file_pages; /* pages of files */
	uint32_t file_count;	   /* 0: there are none */
	char digest[65];	   /* as the corpus file says */
};

/* 0, or -1 with a sentence on stderr. */
int bench_corpus_open(struct bench_corpus *corpus, const char *folder);

/* ---- the run ---- */

struct bench {
	int quick;
	uint32_t pages; /* of the in-process rows: 1 M, or 256 k */
	struct bench_corpus corpus;
	struct bench_results results;
	uint64_t patience;	  /* ns that one series of pairs may take on a busy machine */
	const char *tmemd, *tmem; /* programs, for the rows of another process; NULL: none */
	unsigned char *ref;	  /* the reference's store: pages * BENCH_PAGE, huge, populated */
};

__attribute__((format(printf, 1, 2))) void bench_progress(const char *format, ...);

/* Groups; each adds its rows, skipped ones included. */
void bench_raw(struct bench *bench);	     /* inproc.*, metadata.* */
void bench_persistent(struct bench *bench);  /* inproc.get.persistent */
void bench_codec(struct bench *bench);	     /* inproc.*.lz4, .vector */
void bench_dense(struct bench *bench);	     /* inproc.get.dense */
void bench_alone(struct bench *bench);	     /* codec.* */
void bench_scale(struct bench *bench);	     /* scale.*, lock.contended */
void bench_reclaim(struct bench *bench);     /* reclaim.* */
void bench_compact(struct bench *bench);     /* compact.* */
void bench_store_util(struct bench *bench);  /* store.util */
void bench_density(struct bench *bench);     /* density.lz4 */
void bench_daemon(struct bench *bench);	     /* daemon.* */
void bench_flood(struct bench *bench);	     /* flood.* */
int bench_self_test(void);		     /* 0: the harness tells the truth */
void bench_copy_floors(struct bench *bench); /* into the row of the machine */

#endif
