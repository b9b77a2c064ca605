/* SPDX-License-Identifier: MIT */
/*
 * The judge: each operation with each field out of bounds, each length one
 * off, each turn it may come at, and random bytes, each with its code. Codes
 * are written down where a rule is tried alone; where many meet, they are
 * those of the rules written a second time (oracle.c).
 *
 *	test-judge [how many random requests]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "oracle.h"

#define BATCH 48u /* granted; neither the most nor the least that there is */

static unsigned int passed, failed;

static const struct tmem_wire_state before = {0, 0}, after = {1, BATCH};

struct request {
	uint8_t bytes[64];
	uint64_t readable, writable;
	const struct tmem_wire_state *state;
};

static void note(bool good, const char *name, const char *what, long detail)
{
	if (good) {
		passed++;
		return;
	}
	/* One fault of the judge has many echoes. */
	if (failed++ < 40)
		printf("FAIL %s: %s (%ld)\n", name, what, detail);
}

static int judge(const struct request *r, struct tmem_wire_request *got, int *mute)
{
	/* Exactly as large as what may be looked at, so that a sanitizer sees the rest. */
	size_t seen = r->readable < 64 ? (size_t)r->readable : 64;
	uint8_t *copy = malloc(seen ? seen : 1);
	int code;

	if (!copy)
		exit(2);
	memcpy(copy, r->bytes, seen);
	code = tmem_wire_judge(copy, r->readable, r->writable, r->state, got, mute);
	free(copy);
	return code;
}

/* The judge's code is @code, and the oracle's. */
static void expect(const struct request *r, int code, const char *name, const char *what,
		   long detail)
{
	struct tmem_wire_request got;
	const struct oracle_case c = {r->bytes, r->readable, r->writable, r->state->greeted,
				      r->state->batch};
	struct oracle_verdict oracle = oracle_judge(&c);
	int mute = -1, is = judge(r, &got, &mute);

	note(is == code && oracle.code == code && mute == oracle.mute, name, what, detail);
}

static struct request good(const struct golden *g)
{
	struct request r = {.state = g->req.op == TMEM_WIRE_HELLO ? &before : &after};
	struct tmem_wire_request got = {.op = g->req.op, .form = g->req.form};
	struct tmem_req req = g->req;

	if (req.count > BATCH)
		req.count = BATCH;
	got.count = req.count;
	tmem_wire_layout(&got);
	tmem_wire_put_req(r.bytes, &req);
	r.readable = got.read;
	r.writable = got.written;
	return r;
}

/* For another count: the lengths that it would have. */
static struct request counted(const struct golden *g, uint16_t count)
{
	struct golden other = *g;
	struct request r;

	r = good(&other);
	tmem_put_le16(r.bytes + 2, count);
	r.readable = 64 + (g->req.form == TMEM_WIRE_LIST ? count * 32ull : 0) +
		     (g->req.op == TMEM_WIRE_PUT ? count * 4096ull : 0);
	r.writable =
		16 + TMEM_WIRE_RESULTS(count) + (g->req.op == TMEM_WIRE_GET ? count * 4096ull : 0);
	return r;
}

static void lengths(const struct golden *g)
{
	static const uint64_t ends[] = {0, 15, 16, 63, 64, 65, 1ull << 32, 1ull << 63, ~0ull};
	const struct request r = good(g);
	struct request off = r;
	unsigned int i;

	for (i = 0; i < 9; i++) {
		off.readable = ends[i];
		expect(&off, ends[i] == r.readable ? 0 : -TMEM_EINVAL, g->name, "readable", i);
		off = r;
		off.writable = ends[i];
		expect(&off, ends[i] == r.writable ? 0 : -TMEM_EINVAL, g->name, "writable", i);
		off = r;
	}
	for (i = 0; i < 2; i++) {
		off.readable = r.readable + (i ? 1 : -1ull);
		expect(&off, -TMEM_EINVAL, g->name, "readable one off", i);
		off = r;
		off.writable = r.writable + (i ? 1 : -1ull);
		expect(&off, -TMEM_EINVAL, g->name, "writable one off", i);
		off.readable = r.readable + (i ? -1ull : 1);
		expect(&off, -TMEM_EINVAL, g->name, "one byte on the other side", i);
		off = r;
	}
}

static void turns(const struct golden *g)
{
	struct request r = good(g);

	expect(&r, 0, g->name, "in turn", 0);
	r.state = r.state == &before ? &after : &before;
	expect(&r, -TMEM_EPROTO, g->name, "out of turn", 0);
	r.readable = 63;
	expect(&r, -TMEM_EINVAL, g->name, "too short to be out of turn", 0);
}

static void forms(const struct golden *g)
{
	bool pages = g->req.op >= TMEM_WIRE_PUT && g->req.op <= TMEM_WIRE_FLUSH;
	struct request r = good(g);
	unsigned int form;

	for (form = 3; form < 256; form++) {
		r.bytes[1] = (uint8_t)form;
		expect(&r, -TMEM_EINVAL, g->name, "form", (long)form);
	}
	if (pages)
		return;
	for (form = 1; form < 3; form++) {
		r.bytes[1] = (uint8_t)form;
		expect(&r, -TMEM_EINVAL, g->name, "form without pages", (long)form);
	}
	r = good(g);
	for (form = 0; form < 65536; form += form < 70 ? 1 : 997) {
		tmem_put_le16(r.bytes + 2, (uint16_t)form);
		expect(&r, form == 1 ? 0 : -TMEM_EINVAL, g->name, "count without pages",
		       (long)form);
	}
}

static void counts(const struct golden *g)
{
	static const uint16_t count[] = {0, 1, 2, BATCH - 1, BATCH, BATCH + 1, 64, 65, 65535};
	struct request r;
	unsigned int i;

	if (g->req.op < TMEM_WIRE_PUT || g->req.op > TMEM_WIRE_FLUSH)
		return;
	for (i = 0; i < 9; i++) {
		uint32_t most = g->req.form == TMEM_WIRE_ONE ? 1 : BATCH;

		r = counted(g, count[i]);
		if (g->req.form == TMEM_WIRE_RUN)
			tmem_put_le32(r.bytes + 32, 0u - count[i]);
		expect(&r, count[i] && count[i] <= most ? 0 : -TMEM_EINVAL, g->name, "count",
		       count[i]);
		if (g->req.form != TMEM_WIRE_RUN || count[i] < 2)
			continue;
		tmem_put_le32(r.bytes + 32, 1u - count[i]);
		expect(&r, -TMEM_EINVAL, g->name, "a run that wraps by one", count[i]);
		tmem_put_le32(r.bytes + 32, 0xffffffffu);
		expect(&r, -TMEM_EINVAL, g->name, "a run from the last index on", count[i]);
	}
}

/* Which of the 64 bytes each operation leaves zero: 'u' used, '0' unused; by field. */
static const struct field {
	const char *name;
	unsigned int at, size;
	const char *ops; /* by number of operation; of page operations not in lists */
} fields[] = {
	/*                     0123456789a */
	{"pool", 4, 4, "0u0uuuuuuu0"},	     {"object[0]", 8, 8, "0u00uuuuu00"},
	{"object[1]", 16, 8, "0u00uuuuu00"}, {"object[2]", 24, 8, "0000uuuuu00"},
	{"index", 32, 4, "0u00uuuu000"},     {"flags", 36, 4, "00u00000000"},
	{"cookie", 40, 8, "00u00000000"},    {"arg[0]", 48, 8, "0uu0000u000"},
	{"arg[1]", 56, 8, "00u00000000"},
};

static void unused(const struct golden *g)
{
	struct request r;
	unsigned int i, bit;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		bool used = fields[i].ops[g->req.op] == 'u';

		if (g->req.form == TMEM_WIRE_LIST && fields[i].at >= 8 && fields[i].at <= 32)
			used = false;
		/* A private pool has no uuid. */
		if (g->req.op == TMEM_WIRE_NEW_POOL && !(g->req.flags & TMEM_POOL_SHARED) &&
		    fields[i].at >= 48)
			used = false;
		for (bit = 0; !used && bit < fields[i].size * 8; bit++) {
			r = good(g);
			r.bytes[fields[i].at + bit / 8] |= (uint8_t)(1 << bit % 8);
			expect(&r, -TMEM_EINVAL, g->name, fields[i].name, (long)bit);
		}
		if (used && g->req.op != TMEM_WIRE_HELLO && g->req.op != TMEM_WIRE_NEW_POOL &&
		    g->req.form != TMEM_WIRE_RUN && g->req.op != TMEM_WIRE_FLUSH_RANGE) {
			r = good(g);
			memset(r.bytes + fields[i].at, 0xff, fields[i].size);
			expect(&r, 0, g->name, fields[i].name, -1);
		}
	}
}

static void unknown_operations(void)
{
	struct request r = good(&golden[0]);
	unsigned int op;

	for (op = TMEM_WIRE_OPS; op < 256; op++) {
		r.bytes[0] = (uint8_t)op;
		memset(r.bytes + 1, 0xff, 63);
		r.state = &after;
		expect(&r, -TMEM_EOPNOTSUPP, "unknown", "operation", (long)op);
		r.state = &before;
		expect(&r, -TMEM_EPROTO, "unknown", "operation before HELLO", (long)op);
	}
}

static const struct golden *find(const char *name)
{
	unsigned int i;

	for (i = 0; i < golden_count; i++)
		if (!strcmp(golden[i].name, name))
			return &golden[i];
	exit(2);
}

static void hello(void)
{
	static const struct {
		uint32_t low, high;
		int code;
	} versions[] = {
		{1, 1, 0},
		{0, 1, 0},
		{0, 65535, 0},
		{0, 0, -TMEM_EOPNOTSUPP},
		{2, 2, -TMEM_EOPNOTSUPP},
		{65535, 65535, -TMEM_EOPNOTSUPP},
		{1, 0, -TMEM_EINVAL},
		{65535, 0, -TMEM_EINVAL},
	};
	static const uint32_t sizes[] = {0, 1, 4095, 4097, 8192, 65536, 0x00100000, 0xffffffff};
	const struct golden *g = find("hello");
	struct request r;
	unsigned int i;

	for (i = 0; i < 8; i++) {
		r = good(g);
		tmem_put_le32(r.bytes + 4, TMEM_WIRE_VERSIONS(versions[i].low, versions[i].high));
		expect(&r, versions[i].code, "hello", "versions", (long)i);
		/* Of another version we know no other field. */
		memset(r.bytes + 24, 0xff, 40);
		r.bytes[1] = r.bytes[2] = 9;
		expect(&r, versions[i].code ? versions[i].code : -TMEM_EOPNOTSUPP, "hello",
		       "versions and noise", (long)i);
		r = good(g);
		tmem_put_le32(r.bytes + 32, sizes[i]);
		expect(&r, -TMEM_EOPNOTSUPP, "hello", "page size", (long)sizes[i]);
	}
	for (i = 0; i < 64; i++) {
		r = good(g);
		r.bytes[8 + i / 8] ^= (uint8_t)(1 << i % 8);
		expect(&r, -TMEM_EINVAL, "hello", "magic", (long)i);
		r = good(g);
		r.bytes[16 + i / 8] ^= (uint8_t)(1 << i % 8);
		expect(&r, 0, "hello", "features", (long)i);
		r = good(g);
		r.bytes[48 + i / 8] ^= (uint8_t)(1 << i % 8);
		expect(&r, 0, "hello", "nonce", (long)i);
	}
}

static void pool_flags(const char *name)
{
	const struct golden *g = find(name);
	struct request r;
	unsigned int bit;
	int code;

	for (bit = 0; bit < 32; bit++) {
		r = good(g);
		tmem_put_le32(r.bytes + 36, g->req.flags | 1u << bit);
		code = bit >= 24 || (bit >= 4 && bit < 8) ? -TMEM_EOPNOTSUPP
		       : bit >= 8 || bit == 3		  ? -TMEM_EINVAL
							  : 0;
		expect(&r, code, name, "flag", (long)bit);
	}
	for (bit = 0; bit < 64; bit++) {
		r = good(g);
		r.bytes[40 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		expect(&r, 0, name, "cookie", (long)bit);
	}
	/* A shared pool's uuid that loses its flag is a field out of place. */
	r = good(g);
	tmem_put_le32(r.bytes + 36, 0);
	expect(&r, g->req.arg[0] ? -TMEM_EINVAL : 0, name, "no flags", 0);
}

static void ranges(void)
{
	static const struct {
		uint32_t index;
		uint64_t count;
		int code;
	} range[] = {
		{0, 0, 0},
		{0, 1, 0},
		{0xffffffff, 1, 0},
		{0xffffffff, 2, 0}, /* ends at the last index */
		{0, 1ull << 32, 0},
		{0xffffffff, 1ull << 32, 0},
		{0, (1ull << 32) + 1, -TMEM_EINVAL},
		{5, ~0ull, -TMEM_EINVAL},
		{0xffffffff, ~0ull << 32, -TMEM_EINVAL},
	};
	struct request r;
	unsigned int i;

	for (i = 0; i < sizeof(range) / sizeof(range[0]); i++) {
		r = good(find("flush-range"));
		tmem_put_le32(r.bytes + 32, range[i].index);
		tmem_put_le64(r.bytes + 48, range[i].count);
		expect(&r, range[i].code, "flush-range", "range", (long)i);
	}
}

static void entries(void)
{
	uint8_t bytes[32];
	uint64_t object[3];
	uint32_t index;
	unsigned int bit;

	for (bit = 0; bit < 256; bit++) {
		memset(bytes, 0, sizeof(bytes));
		bytes[bit / 8] = (uint8_t)(1 << bit % 8);
		note(tmem_wire_judge_entry(bytes, object, &index) == (bit < 224 ? 0 : -TMEM_EINVAL),
		     "entry", "bit", (long)bit);
	}
}

/* Nowhere to answer: said for every length, whatever else is wrong. */
static void mutes(void)
{
	struct request r = good(&golden[0]);
	struct tmem_wire_request got;
	int mute;

	for (r.writable = 0; r.writable < 20; r.writable++) {
		for (r.readable = 0; r.readable < 70; r.readable += 7) {
			mute = -1;
			if (judge(&r, &got, &mute) == 0)
				mute = -2;
			note(mute == (r.writable < 16), "mute", "writable", (long)r.writable);
		}
	}
}

static uint64_t state;

/* splitmix64: Steele, Lea, Flood 2014. */
static uint64_t next(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* A good request, spoiled in none to three places; one in eight is noise. */
static struct request random_request(void)
{
	static const uint32_t odd[] = {0,  1,  2,	   3,	       47,	  48,
				       49, 64, 0x7fffffff, 0xfffffffe, 0xffffffff};
	static struct tmem_wire_state granted;
	struct request r = good(&golden[next() % (golden_count - 1)]);
	unsigned int faults = (unsigned int)(next() % 4), i;
	uint64_t at;

	if (next() % 8 == 0) {
		for (i = 0; i < 64; i++)
			r.bytes[i] = (uint8_t)next();
		r.bytes[0] %= 16;
		r.bytes[1] %= 4;
	}
	while (faults--) {
		switch (next() % 6) {
		case 0:
			at = next() % 512;
			r.bytes[at / 8] ^= (uint8_t)(1 << at % 8);
			break;
		case 1:
			at = next() % 16 * 4;
			tmem_put_le32(r.bytes + at, odd[next() % 11]);
			break;
		case 2:
			tmem_put_le16(r.bytes + 2, (uint16_t)odd[next() % 11]);
			break;
		case 3:
			at = next() % 2;
			r.bytes[at] = (uint8_t)(next() % 12);
			break;
		case 4:
			r.readable += next() % 9 - 4;
			break;
		default:
			r.writable += next() % 9 - 4;
		}
	}
	granted.greeted = r.bytes[0] != 1;
	if (next() % 16 == 0)
		granted.greeted = !granted.greeted;
	granted.batch = 32 + (uint32_t)(next() % 33);
	r.state = &granted;
	return r;
}

/* Half of what is spoiled only in its lengths gets those that the oracle wants. */
static void heal(struct request *r, const struct oracle_verdict *oracle)
{
	if (oracle->readable && next() % 2) {
		r->readable = oracle->readable;
		r->writable = oracle->writable;
	}
}

static void randoms(unsigned long count)
{
	unsigned long i, accepted = 0;

	for (i = 0; i < count; i++) {
		struct request r = random_request();
		struct oracle_case c = {r.bytes, r.readable, r.writable, r.state->greeted,
					r.state->batch};
		struct oracle_verdict oracle = oracle_judge(&c);
		struct tmem_wire_request got;
		int mute = -1, code;

		heal(&r, &oracle);
		c.readable = r.readable;
		c.writable = r.writable;
		oracle = oracle_judge(&c);
		code = judge(&r, &got, &mute);
		accepted += !code;
		note(code == oracle.code && mute == oracle.mute, "random", "verdict", (long)i);
		if (!code)
			note(got.read == oracle.readable && got.written == oracle.writable,
			     "random", "lengths", (long)i);
	}
	/* Or the comparison is one of refusals with refusals. */
	note(accepted > count / 8 && accepted < count / 8 * 7, "random", "accepted",
	     (long)accepted);
}

int main(int argc, char **argv)
{
	unsigned int i;

	for (i = 0; i < golden_count; i++) {
		if (golden[i].verdict)
			continue;
		lengths(&golden[i]);
		turns(&golden[i]);
		forms(&golden[i]);
		counts(&golden[i]);
		unused(&golden[i]);
	}
	unknown_operations();
	hello();
	pool_flags("new-pool");
	pool_flags("new-pool-shared");
	ranges();
	entries();
	mutes();
	randoms(argc > 1 ? strtoul(argv[1], NULL, 10) : 200000);
	printf("judge: %u passed, %u failed\n", passed, failed);
	return failed != 0;
}
