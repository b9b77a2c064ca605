// SPDX-License-Identifier: MIT
/*
 * Rows of results: what makes a row worth keeping, results.json, and the
 * table with each target beside what was reached. A missed target is printed
 * like a met one, with the word for it.
 */
#include "bench.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* What the project set itself: @issue to be met now, @goal to be reached in the end. */
static const struct target {
	const char *name;
	enum bench_goal kind;
	double issue, goal; /* 0: none */
} targets[] = {
	{"inproc.put", BENCH_RATIO_AT_MOST, 1.50, 1.10},
	{"inproc.get", BENCH_RATIO_AT_MOST, 2.00, 1.75},
	{"inproc.get.persistent", BENCH_RATIO_AT_MOST, 0, 1.60},
	{"inproc.put.obj1", BENCH_RATIO_AT_MOST, 0, 1.25},
	{"inproc.get.obj1", BENCH_RATIO_AT_MOST, 0, 2.30},
	{"inproc.put.alone", BENCH_RATIO_AT_MOST, 0, 1.30},
	{"inproc.get.alone", BENCH_RATIO_AT_MOST, 0, 1.85},
	{"inproc.put.obj1.alone", BENCH_RATIO_AT_MOST, 0, 1.90},
	{"inproc.get.obj1.alone", BENCH_RATIO_AT_MOST, 0, 2.00},
	{"inproc.put64", BENCH_RATIO_AT_MOST, 0, 0.75},
	{"inproc.get64", BENCH_RATIO_AT_MOST, 0, 0.75},
	{"inproc.put.lz4", BENCH_RATIO_AT_MOST, 1.22, 1.14},
	{"inproc.put.lz4.overwrite", BENCH_RATIO_AT_MOST, 1.22, 1.17},
	{"inproc.get.lz4", BENCH_RATIO_AT_MOST, 1.45, 1.32},
	{"inproc.get64.lz4", BENCH_RATIO_AT_MOST, 0, 0.95},
	{"inproc.put.vector", BENCH_VALUE_AT_MOST, 800, 0},
	{"inproc.get.vector", BENCH_VALUE_AT_MOST, 1400, 0},
	{"codec.small.ratio.anon", BENCH_VALUE_AT_LEAST, 2.3, 0},
	{"codec.vector.ratio.anon", BENCH_VALUE_AT_LEAST, 1.6, 0},
	{"inproc.get.dense", BENCH_RATIO_AT_MOST, 0, 1.15},
	{"metadata.obj64", BENCH_VALUE_AT_MOST, 48, 34},
	{"metadata.obj1", BENCH_VALUE_AT_MOST, 128, 92},
	{"daemon.put32", BENCH_RATIO_AT_MOST, 0.25, 0.20},
	{"daemon.get32", BENCH_RATIO_AT_MOST, 0, 1.00},
	{"daemon.put1.p50", BENCH_RATIO_AT_MOST, 0, 4.00},
	{"daemon.get1.p50", BENCH_RATIO_AT_MOST, 0, 4.00},
	{"flood.throughput", BENCH_RATIO_AT_LEAST, 0.50, 0},
	{"flood.p99", BENCH_RATIO_AT_MOST, 3.00, 0},
	{"flood.throughput.limited", BENCH_RATIO_AT_LEAST, 0.50, 0},
	{"flood.p99.limited", BENCH_RATIO_AT_MOST, 3.00, 0},
	{"scale.samepool2", BENCH_RATIO_AT_LEAST, 0, 0.90},
	{"scale.sameobject2", BENCH_RATIO_AT_LEAST, 0, 0.90},
	{"lock.contended", BENCH_RATIO_AT_MOST, 0, 1.00},
	{"lock.held", BENCH_RATIO_AT_MOST, 0, 1.00},
	{"compact.returned", BENCH_VALUE_AT_LEAST, 0.90, 0.90},
	{"compact.put.p99", BENCH_RATIO_AT_MOST, 1.30, 1.30},
	{"compact.get.p99", BENCH_RATIO_AT_MOST, 1.30, 1.30},
	{"compact.put.p99.beside", BENCH_RATIO_AT_MOST, 0, 1.30},
	{"compact.get.p99.beside", BENCH_RATIO_AT_MOST, 0, 1.30},
	{"reclaim.gib", BENCH_RATIO_AT_MOST, 0, 1.20},
	{"reclaim.first", BENCH_RATIO_AT_MOST, 0, 1.00},
	{"reclaim.sweep", BENCH_RATIO_AT_MOST, 0, 1.00},
	{"store.util", BENCH_VALUE_AT_LEAST, 0.94, 0.96},
	{"density.lz4", BENCH_RATIO_AT_LEAST, 0.96, 1.00},
	{"density.dense", BENCH_RATIO_AT_LEAST, 1.30, 1.30},
};

static const struct target *target_of(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		if (strcmp(targets[i].name, name) == 0)
			return &targets[i];
	return NULL;
}

static double ratio_of(const struct bench_row *row)
{
	return row->value / row->peer_value;
}

static const char *fault_of(const struct bench_results *results, const struct bench_row *row)
{
	uint32_t i;

	if (row->name[0] == '\0')
		return "it has no name";
	if (row->unit == NULL)
		return "it has no unit";
	for (i = 0; i < results->count; i++)
		if (strcmp(results->rows[i].name, row->name) == 0)
			return "there is one of that name";
	if (results->count == sizeof(results->rows) / sizeof(results->rows[0]))
		return "there are too many";
	if (row->why[0] != '\0')
		return NULL;
	if (row->peer == NULL || row->peer[0] == '\0')
		return "it names no peer";
	if (!isfinite(row->peer_value) || row->peer_value <= 0)
		return "its peer was not measured";
	if (!isfinite(row->value) || row->value <= 0)
		return "it has no value";
	if (row->n == 0)
		return "it comes from no measurement";
	return NULL;
}

int bench_results_add(struct bench_results *results, const struct bench_row *row)
{
	const char *fault = fault_of(results, row);

	if (fault != NULL) {
		fprintf(stderr, "bench: row '%s' refused: %s\n", row->name, fault);
		return -1;
	}
	results->rows[results->count++] = *row;
	return 0;
}

void bench_results_skip(struct bench_results *results, const char *name, const char *unit,
			const char *why)
{
	struct bench_row row = {.unit = unit};

	snprintf(row.name, sizeof(row.name), "%s", name);
	snprintf(row.why, sizeof(row.why), "%s", why);
	bench_progress("%s: skipped: %s", name, why);
	(void)bench_results_add(results, &row);
}

/* Our own texts hold nothing worse than a quote. */
static void write_text(FILE *out, const char *key, const char *text)
{
	fprintf(out, ", \"%s\": \"", key);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text < ' ' ? ' ' : *text, out);
	}
	fputc('"', out);
}

static void write_row(FILE *out, const struct bench_row *row, int quick)
{
	const struct target *target = target_of(row->name);

	fprintf(out, ",\n  {\"name\": \"%s\", \"unit\": \"%s\", \"better\": \"%s\"", row->name,
		row->unit, row->higher_is_better ? "higher" : "lower");
	if (row->why[0] != '\0') {
		fprintf(out, ", \"value\": null");
		write_text(out, "why", row->why);
	} else {
		fprintf(out,
			", \"value\": %.6g, \"min\": %.6g, \"max\": %.6g, \"q1\": %.6g, \"q3\": "
			"%.6g"
			", \"n\": %u, \"thrown\": %u",
			row->value, row->min, row->max, row->q1, row->q3, row->n, row->thrown);
		write_text(out, "peer", row->peer);
		fprintf(out, ", \"peer_value\": %.9g, \"ratio\": %.9g", row->peer_value,
			ratio_of(row));
		if (row->ratio_q1 > 0)
			fprintf(out, ", \"ratio_q1\": %.4g, \"ratio_q3\": %.4g", row->ratio_q1,
				row->ratio_q3);
		if (row->floor > 0)
			fprintf(out, ", \"floor\": %.6g", row->floor);
	}
	if (target != NULL && target->issue > 0)
		fprintf(out, ", \"target\": %g", target->issue);
	if (target != NULL && target->goal > 0)
		fprintf(out, ", \"goal\": %g", target->goal);
	if (row->note[0] != '\0')
		write_text(out, "note", row->note);
	fprintf(out, ", \"quick\": %s}", quick ? "true" : "false");
}

int bench_results_write(const struct bench_results *results, const char *path)
{
	FILE *out = fopen(path, "w");
	uint32_t i;

	if (out == NULL)
		return -1;
	fprintf(out, "[\n  {\"name\": \"machine\", %s, \"quick\": %s}", results->machine,
		results->quick ? "true" : "false");
	for (i = 0; i < results->count; i++)
		write_row(out, &results->rows[i], results->quick);
	fprintf(out, "\n]\n");
	if (ferror(out)) {
		fclose(out);
		errno = EIO;
		return -1;
	}
	return fclose(out) == 0 ? 0 : -1;
}

static int reached(const struct bench_row *row, enum bench_goal kind, double bound)
{
	switch (kind) {
	case BENCH_RATIO_AT_MOST:
		return ratio_of(row) <= bound;
	case BENCH_RATIO_AT_LEAST:
		return ratio_of(row) >= bound;
	case BENCH_VALUE_AT_MOST:
		return row->value <= bound;
	case BENCH_VALUE_AT_LEAST:
		return row->value >= bound;
	default:
		return 1;
	}
}

static const char *sign_of(enum bench_goal kind)
{
	return kind == BENCH_RATIO_AT_MOST || kind == BENCH_VALUE_AT_MOST ? "<=" : ">=";
}

static void print_bound(FILE *out, const struct bench_row *row, const struct target *target,
			double bound, const char *yes, const char *no)
{
	if (target == NULL || bound == 0)
		fprintf(out, "  %-14s", "");
	else
		fprintf(out, "  %s %-5g %-5s", sign_of(target->kind), bound,
			reached(row, target->kind, bound) ? yes : no);
}

void bench_results_table(struct bench_results *results, FILE *out)
{
	uint32_t i;

	fprintf(out, "%-26s %10s %-14s %10s %6s %-13s %7s %5s  %-14s  %-14s\n", "row", "value",
		"unit", "peer", "ratio", "  quartiles", "nt", "n", "target", "goal");
	results->missed = 0;
	for (i = 0; i < results->count; i++) {
		const struct bench_row *row = &results->rows[i];
		const struct target *target = target_of(row->name);
		char quartiles[24] = "", floor[16] = "";

		if (row->why[0] != '\0') {
			fprintf(out, "%-26s skipped: %s\n", row->name, row->why);
			continue;
		}
		if (row->ratio_q1 > 0)
			snprintf(quartiles, sizeof(quartiles), "%.3f %.3f", row->ratio_q1,
				 row->ratio_q3);
		if (row->floor > 0)
			snprintf(floor, sizeof(floor), "%.0f", row->floor);
		fprintf(out, "%-26s %10.*f %-14s %10.*f %6.3f %-13s %7s %5u", row->name,
			row->value < 10 ? 4 : 1, row->value, row->unit,
			row->peer_value < 10 ? 4 : 1, row->peer_value, ratio_of(row), quartiles,
			floor, row->n);
		print_bound(out, row, target, target ? target->issue : 0, "met", "MISS");
		print_bound(out, row, target, target ? target->goal : 0, "met", "not");
		fputc('\n', out);
		if (row->note[0] != '\0')
			fprintf(out, "    %s\n", row->note);
		if (target != NULL && target->issue > 0 &&
		    !reached(row, target->kind, target->issue))
			results->missed++;
	}
	fprintf(out, "%u rows, %u targets missed\n", results->count, results->missed);
}
