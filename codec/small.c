/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The codec of worlds without libraries, and denser on anonymous pages than
 * LZ4: what structures in memory repeat, they repeat at the same few distances
 * again and again, often after a word's lower bytes only. So the last three
 * distances have no bytes of their own, and a match of two bytes pays.
 *
 * Format: sequences until the page is full. A sequence is a byte k << 6 | l << 3
 * | m; more of l where l is 7; l literal bytes; and where the page is not full
 * then, a distance where k is 3, and more of m where m is 7. More of a number
 * are bytes to add, the last one of which is not 255. A match is m + 2 bytes at
 * the distance that is k-th of the last three new ones, the youngest first; for
 * k = 3 it is m + 4 bytes at a new one: b + 1 if b < 240, else (b - 240) << 8
 * and the next byte, plus 1. At first these are 1, 2, 4.
 *
 * No libc, no words but little-endian ones, no stack to speak of: the table of
 * places is the caller's.
 */
#include "codec.h"
#include "words.h"

#define NEW	  3u /* the k of a match at a new distance */
#define MORE	  7u /* a field that bytes follow for */
#define FAR	  240u
#define OLD_LEAST 2u /* bytes of a match */
#define NEW_LEAST 4u
#define START	  4u /* the first place at which all first distances lead into the page */
#define STOP	  (TMEM_PAGE_SIZE - 8) /* matches begin before it: words are read whole */

/* Places of the page by a hash of four bytes; 0 where there is none yet, which is one as well. */
#define HASH_BITS 11

struct work {
	uint16_t place[1u << HASH_BITS];
};

TMEM_STATIC_ASSERT(sizeof(struct work) <= 8192);

/* A new distance has to save this many bytes more than an old one. */
#define NEW_COSTS 2u

/* Bytes by which places are skipped in a page that has no matches: one more for each of these. */
#define PATIENCE_BITS 5

struct match {
	uint32_t length, distance;
	uint32_t k;
};

static uint32_t hash(uint64_t word)
{
	return (uint32_t)word * 2654435761u >> (32 - HASH_BITS);
}

/* Bits of the bytes that two words have in common, from the lowest on; 56 may be 64. */
static uint32_t common(uint64_t a, uint64_t b)
{
	return zeros_below((a ^ b) | (uint64_t)1 << 63) & 56;
}

/* Bytes that follow @at and are the same at @distance before. */
static uint32_t measure(const unsigned char *page, uint32_t at, uint32_t distance)
{
	const unsigned char *a = page + at, *b = a - distance;
	uint32_t length = 0, left = TMEM_PAGE_SIZE - at;
	uint64_t differ;

	for (; left - length >= 8; length += 8) {
		differ = get_le64(a + length) ^ get_le64(b + length);
		if (differ)
			return length + zeros_below(differ) / 8;
	}
	while (length < left && a[length] == b[length])
		length++;
	return length;
}

/* The best match at @at, if there is one worth its bytes. */
static inline int find(const unsigned char *page, struct work *work, const uint32_t *recent,
		       uint32_t at, struct match *match)
{
	uint64_t here = get_le64(page + at);
	uint32_t best, score, i, slot = hash(here), place = work->place[slot];

	work->place[slot] = (uint16_t)at;
	/* Branches could not be foretold here: length and k are compared as one number. */
	best = common(here, get_le64(page + at - recent[0])) | 2;
	for (i = 1; i < NEW; i++) {
		score = common(here, get_le64(page + at - recent[i])) | (2 - i);
		best = score > best ? score : best;
	}
	score = common(here, get_le64(page + place));
	if (score >= 8 * NEW_LEAST && score > best + 8 * NEW_COSTS) {
		match->k = NEW;
		match->distance = at - place;
		match->length = score / 8;
	} else {
		if (best < 8 * OLD_LEAST)
			return 0;
		match->k = 2 - (best & 3);
		match->distance = recent[match->k];
		match->length = best / 8;
	}
	if (match->length == 7)
		match->length = measure(page, at, match->distance);
	return 1;
}

/* The bytes that more of a number takes, of which a field has @n or MORE. */
static uint32_t more_bytes(uint32_t n)
{
	return n < MORE ? 0 : (n - MORE) / 255 + 1;
}

static unsigned char *put_more(unsigned char *to, uint32_t n)
{
	if (n < MORE)
		return to;
	for (n -= MORE; n >= 255; n -= 255)
		*to++ = 255;
	*to++ = (unsigned char)n;
	return to;
}

/* A sequence's first byte, and literals of any number and place. Where they end, or NULL. */
static unsigned char *put_literals(unsigned char *to, const unsigned char *end, uint32_t token,
				   const unsigned char *literal, uint32_t count)
{
	if (1 + more_bytes(count) + count > (uint32_t)(end - to))
		return NULL;
	*to = (unsigned char)(token | (count < MORE ? count : MORE) << 3);
	to = put_more(to + 1, count);
	__builtin_memcpy(to, literal, count);
	return to + count;
}

/* One sequence into [@to, @end): where it ends, or NULL. */
static inline unsigned char *put(unsigned char *to, const unsigned char *end,
				 const unsigned char *literal, uint32_t count,
				 const struct match *match)
{
	uint32_t n = match->length - (match->k == NEW ? NEW_LEAST : OLD_LEAST);
	uint32_t token = match->k << 6 | (n < MORE ? n : MORE), further = match->distance - 1;

	/* A match begins before STOP: there is a word of page where its literals are. */
	if (count < MORE && end - to >= 16) {
		*to = (unsigned char)(token | count << 3);
		put_le64(to + 1, get_le64(literal));
		to += 1 + count;
	} else {
		to = put_literals(to, end, token, literal, count);
		if (!to)
			return NULL;
	}
	if (match->k == NEW && further >= FAR)
		further = (FAR + (further >> 8)) << 8 | (further & 255);
	if (end - to < 2 + (long)TMEM_PAGE_SIZE / 255 + 1 &&
	    (match->k == NEW ? 1 + (further > 255) : 0) + more_bytes(n) > (uint32_t)(end - to))
		return NULL;
	if (match->k == NEW) {
		if (further > 255)
			*to++ = (unsigned char)(further >> 8);
		*to++ = (unsigned char)further;
	}
	return put_more(to, n);
}

static uint32_t compress(const struct tmem_codec *codec, void *scratch, const void *src, void *dst,
			 uint32_t room)
{
	const unsigned char *page = src, *end;
	unsigned char *to = dst;
	struct work *work = scratch;
	uint32_t recent[NEW] = {1, 2, 4}, at = START, from = 0, misses = 0;
	struct match match;

	(void)codec;
	end = to + (room < 2 * TMEM_PAGE_SIZE ? room : 2 * TMEM_PAGE_SIZE);
	__builtin_memset(work, 0, sizeof(*work));
	while (at < STOP) {
		if (!find(page, work, recent, at, &match)) {
			at += 1 + (misses++ >> PATIENCE_BITS);
			continue;
		}
		misses = 0;
		if (match.k == NEW) {
			while (at > from && at > match.distance &&
			       page[at - 1] == page[at - 1 - match.distance]) {
				at--;
				match.length++;
			}
			recent[2] = recent[1];
			recent[1] = recent[0];
			recent[0] = match.distance;
		}
		to = put(to, end, page + from, at - from, &match);
		if (!to)
			return 0;
		at += match.length;
		from = at;
		if (at < STOP)
			work->place[hash(get_le64(page + at - 2))] = (uint16_t)(at - 2);
	}
	if (from < TMEM_PAGE_SIZE)
		to = put_literals(to, end, 0, page + from, TMEM_PAGE_SIZE - from);
	return to ? (uint32_t)(to - (unsigned char *)dst) : 0;
}

/* More of a number, which stays below what no page has; 0 where the block ends. */
static const unsigned char *get_more(const unsigned char *from, const unsigned char *end,
				     uint32_t *n)
{
	unsigned char more;

	do {
		if (from == end || *n > TMEM_PAGE_SIZE)
			return NULL;
		more = *from++;
		*n += more;
	} while (more == 255);
	return from;
}

/* @length bytes at @to again, from @distance before. @left bytes are the page's. */
static inline void repeat(unsigned char *to, uint32_t distance, uint32_t length, uint32_t left)
{
	/* The least multiple of a distance that is a word or more. */
	static const unsigned char far[8] = {0, 8, 8, 9, 8, 10, 12, 14};
	const unsigned char *from = to - distance;
	uint32_t i = 0;

	if (distance < 8) {
		for (; i < length && i < 8; i++)
			to[i] = from[i];
		from = to - far[distance];
	}
	if (left - length < 8) {
		for (; i < length; i++)
			to[i] = from[i];
		return;
	}
	for (; i < length; i += 8)
		put_le64(to + i, get_le64(from + i));
}

static int decompress(const struct tmem_codec *codec, void *work, const void *src, uint32_t length,
		      void *dst)
{
	const unsigned char *from = src, *end;
	unsigned char *page = dst;
	uint32_t recent[NEW] = {1, 2, 4}, done = 0, token, k, n;

	(void)codec;
	(void)work;
	if (length > 2 * TMEM_PAGE_SIZE)
		return -TMEM_EIO;
	end = from + length;
	for (;;) {
		if (from == end)
			return -TMEM_EIO;
		token = *from++;
		n = token >> 3 & 7;
		if (n == MORE) {
			from = get_more(from, end, &n);
			if (!from)
				return -TMEM_EIO;
		}
		if (n <= 8 && end - from >= 8 && TMEM_PAGE_SIZE - done >= 8) {
			put_le64(page + done, get_le64(from));
		} else {
			if (n > TMEM_PAGE_SIZE - done || n > (uint32_t)(end - from))
				return -TMEM_EIO;
			__builtin_memcpy(page + done, from, n);
		}
		from += n;
		done += n;
		if (done == TMEM_PAGE_SIZE)
			break;
		k = token >> 6;
		n = (token & 7) + OLD_LEAST;
		if (k == NEW) {
			if (from == end)
				return -TMEM_EIO;
			recent[2] = recent[1];
			recent[1] = recent[0];
			recent[0] = *from++ + 1u;
			if (recent[0] > FAR) {
				if (from == end)
					return -TMEM_EIO;
				recent[0] = (recent[0] - 1 - FAR) << 8;
				recent[0] += *from++ + 1u;
			}
			k = 0;
			n = (token & 7) + NEW_LEAST;
		}
		if ((token & 7) == MORE) {
			from = get_more(from, end, &n);
			if (!from)
				return -TMEM_EIO;
		}
		if (recent[k] > done || n > TMEM_PAGE_SIZE - done)
			return -TMEM_EIO;
		repeat(page + done, recent[k], n, TMEM_PAGE_SIZE - done);
		done += n;
		if (done == TMEM_PAGE_SIZE)
			break;
	}
	return from == end ? 0 : -TMEM_EIO;
}

const struct tmem_codec tmem_small = {
	.id = TMEM_CODEC_SMALL,
	.name = "small",
	.work_size = sizeof(struct work),
	.compress = compress,
	.decompress = decompress,
};
