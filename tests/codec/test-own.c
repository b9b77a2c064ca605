/* SPDX-License-Identifier: MIT */
/*
 * Our own codecs, on any machine that has a C library: pages come back, what
 * does not fit is refused, no bytes make decompression read or write where it
 * must not, the formats are the same everywhere, and vector's twins are one.
 * Each question is a function that counts wrong answers; asked of codecs with
 * a planted fault it has to find some.
 *
 *	test-own [EACH]: only one room, length and round in EACH, for slow machines
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "pages.h"

#define ROOM	 (2 * PAGE)
#define USUAL	 (PAGE - 64) /* room that an engine gives */
#define PAGES	 (10 * KINDS)
#define CANARIES 64u

/* Of rooms, lengths and rounds, one in this many is tried. */
static uint32_t each = 1;

static unsigned char page[PAGE], block[ROOM + CANARIES], work[8192 + CANARIES];

/* What is tried after @at: near @length each one. */
static uint32_t next(uint32_t at, uint32_t length)
{
	return at + (at + 30 < length ? each : 1);
}

static uint32_t compress(const struct tmem_codec *codec, uint32_t room)
{
	return codec->compress(codec, work, page, block, room);
}

/* From memory of exactly its length, into exactly a page, so that a sanitizer sees any byte more. */
static int decompress(const struct tmem_codec *codec, const unsigned char *from, uint32_t length,
		      unsigned char *into)
{
	unsigned char *exact = malloc(length ? length : 1), *back = malloc(PAGE + CANARIES);
	int result, i;

	memcpy(exact, from, length);
	memset(back, 0xee, PAGE + CANARIES);
	result = codec->decompress(codec, work, exact, length, back);
	for (i = 0; i < (int)CANARIES; i++)
		if (back[PAGE + i] != 0xee)
			result = -1000;
	memcpy(into, back, PAGE);
	free(exact);
	free(back);
	return result;
}

static uint32_t pages_come_back(const struct tmem_codec *codec)
{
	unsigned char back[PAGE];
	uint32_t wrong = 0, i, length;

	for (i = 0; i < PAGES; i++) {
		make_page(page, i);
		/* Scratch holds whatever the last user left in it. */
		memset(work, (int)(37 * i), sizeof(work));
		length = compress(codec, ROOM);
		wrong += length == 0 || length > ROOM;
		wrong += length && (decompress(codec, block, length, back) != 0 ||
				    memcmp(page, back, PAGE) != 0);
		wrong += work[codec->work_size] != (unsigned char)(37 * i);
	}
	return wrong;
}

static uint32_t what_does_not_fit_is_refused(const struct tmem_codec *codec)
{
	uint32_t wrong = 0, i, j, length, room, got;

	for (i = 0; i < KINDS; i++) {
		make_page(page, i);
		length = compress(codec, ROOM);
		for (room = 0; room <= length + 40 && room <= ROOM; room = next(room, length)) {
			memset(block + room, 0xee, CANARIES);
			got = compress(codec, room);
			wrong += got != (room < length ? 0 : length);
			for (j = 0; j < CANARIES; j++)
				wrong += block[room + j] != 0xee;
		}
		wrong += compress(codec, UINT32_MAX) != length;
	}
	make_page(page, 3); /* noise */
	return wrong + (compress(codec, USUAL) != 0);
}

static uint32_t every_length_but_the_right_one_is_an_error(const struct tmem_codec *codec)
{
	unsigned char back[PAGE];
	uint32_t wrong = 0, i, length, cut;

	for (i = 0; i < KINDS; i++) {
		make_page(page, i);
		length = compress(codec, ROOM);
		for (cut = 0; cut <= length + 20 && cut <= ROOM; cut = next(cut, length))
			wrong += decompress(codec, block, cut, back) !=
				 (cut == length ? 0 : -TMEM_EIO);
		wrong += codec->decompress(codec, work, block, UINT32_MAX, back) != -TMEM_EIO;
		wrong += codec->decompress(codec, work, block, 0x80000000, back) != -TMEM_EIO;
	}
	return wrong;
}

/* Blocks with some bytes changed, and bytes that never were one. Both verdicts must be seen. */
static uint32_t any_bytes_are_a_page_or_an_error(const struct tmem_codec *codec)
{
	unsigned char back[PAGE], again[PAGE];
	uint32_t wrong = 0, round, i, length, verdicts[2] = {0, 0};
	uint64_t seed = 5;
	int result;

	for (round = 0; round < 12000 / each; round++) {
		if (round % 8 == 7) {
			length = dice(&seed) % 1000;
			for (i = 0; i < length; i++)
				block[i] = (unsigned char)dice(&seed);
		} else {
			make_page(page, dice(&seed) % PAGES);
			length = compress(codec, ROOM);
			for (i = 0; i <= round % 5; i++)
				block[dice(&seed) % length] = (unsigned char)dice(&seed);
			if (round % 7 == 0)
				length = dice(&seed) % (length + 1);
		}
		result = decompress(codec, block, length, back);
		wrong += result != 0 && result != -TMEM_EIO;
		verdicts[result == 0]++;
		/* The same bytes are the same page. */
		if (result == 0)
			wrong += decompress(codec, block, length, again) != 0 ||
				 memcmp(back, again, PAGE) != 0;
	}
	return wrong + (verdicts[0] == 0) + (verdicts[1] == 0);
}

/* Of all blocks of all pages, in their usual room. */
static uint64_t digest(const struct tmem_codec *codec)
{
	uint64_t sum = 0xcbf29ce484222325;
	uint32_t i, j, length;

	for (i = 0; i < PAGES; i++) {
		make_page(page, i);
		length = compress(codec, USUAL);
		sum = (sum ^ length) * 0x100000001b3;
		for (j = 0; j < length; j++)
			sum = (sum ^ block[j]) * 0x100000001b3;
	}
	return sum;
}

static uint32_t blocks_are_the_same_on_every_machine(const struct tmem_codec *codec)
{
	uint64_t expected = codec->id == TMEM_CODEC_SMALL ? 0x28f08048767810fe : 0x7f547c2d4e316d85;
	uint64_t found = digest(codec);

	if (found != expected && !codec->context)
		printf("     %s: digest %016llx\n", codec->name, (unsigned long long)found);
	return found != expected;
}

/* Byte for byte as tmem_vector, in any room. */
static uint32_t vector_is_one(const struct tmem_codec *codec)
{
	unsigned char twin[ROOM];
	uint32_t wrong = 0, i, room, length;
	uint64_t seed = 6;

	if (codec->id != TMEM_CODEC_VECTOR)
		return 0;
	for (i = 0; i < 100 * KINDS / each; i++) {
		make_page(page, i);
		room = i % 3 ? ROOM : dice(&seed) % PAGE;
		length = tmem_vector.compress(&tmem_vector, work, page, twin, room);
		wrong += compress(codec, room) != length;
		wrong += memcmp(twin, block, length) != 0;
	}
	return wrong;
}

/* And its decompressors: the same page of the same bytes, or none. */
static uint32_t vector_reads_as_one(const struct tmem_codec *codec)
{
	unsigned char back[PAGE], twin[PAGE];
	uint32_t wrong = 0, round, i, length;
	uint64_t seed = 7;
	int result;

	if (codec->id != TMEM_CODEC_VECTOR)
		return 0;
	for (round = 0; round < 8000 / each; round++) {
		make_page(page, dice(&seed) % PAGES);
		length = compress(codec, ROOM);
		/* Each distance, with and without words that go together with one before. */
		if (round % 2)
			block[0] = (unsigned char)(dice(&seed) % 35);
		for (i = 0; i < round % 4; i++)
			block[dice(&seed) % (i == 2 ? 20 : length)] = (unsigned char)dice(&seed);
		if (round % 11 == 0)
			length -= dice(&seed) % 70;
		result = decompress(codec, block, length, back);
		wrong += tmem_vector.decompress(&tmem_vector, work, block, length, twin) != result;
		wrong += result == 0 && memcmp(back, twin, PAGE) != 0;
	}
	return wrong;
}

static const struct question {
	const char *name;
	uint32_t (*ask)(const struct tmem_codec *codec);
} questions[] = {
	{"pages come back", pages_come_back},
	{"what does not fit is refused", what_does_not_fit_is_refused},
	{"every length but the right one is an error", every_length_but_the_right_one_is_an_error},
	{"any bytes are a page or an error", any_bytes_are_a_page_or_an_error},
	{"blocks are the same on every machine", blocks_are_the_same_on_every_machine},
	{"vector's compressors are one", vector_is_one},
	{"vector's decompressors are one", vector_reads_as_one},
};

/* Faults: a codec whose context is the sound one, with one thing wrong. */

static uint32_t sound_compress(const struct tmem_codec *codec, void *scratch, const void *from,
			       void *to, uint32_t room)
{
	const struct tmem_codec *sound = codec->context;

	return sound->compress(sound, scratch, from, to, room);
}

static int sound_decompress(const struct tmem_codec *codec, void *scratch, const void *from,
			    uint32_t length, void *to)
{
	const struct tmem_codec *sound = codec->context;

	return sound->decompress(sound, scratch, from, length, to);
}

static int forgets_a_bit(const struct tmem_codec *codec, void *scratch, const void *from,
			 uint32_t length, void *to)
{
	int result = sound_decompress(codec, scratch, from, length, to);

	((unsigned char *)to)[PAGE - 1] &= 0x7f;
	return result;
}

static uint32_t takes_a_byte_more(const struct tmem_codec *codec, void *scratch, const void *from,
				  void *to, uint32_t room)
{
	return sound_compress(codec, scratch, from, to, room < ROOM ? room + 1 : room);
}

static int ignores_what_follows(const struct tmem_codec *codec, void *scratch, const void *from,
				uint32_t length, void *to)
{
	int result = sound_decompress(codec, scratch, from, length, to);

	return result && length > 1 && length < ROOM
		       ? sound_decompress(codec, scratch, from, length - 1, to)
		       : result;
}

static int writes_beyond(const struct tmem_codec *codec, void *scratch, const void *from,
			 uint32_t length, void *to)
{
	int result = sound_decompress(codec, scratch, from, length, to);

	/* Into the canaries only, so that the program lives to tell. */
	if (result && length < ROOM)
		((unsigned char *)to)[PAGE] = 0;
	return result;
}

/* The block's last two bytes the other way round, and back. */
static uint32_t turns_two(const struct tmem_codec *codec, void *scratch, const void *from, void *to,
			  uint32_t room)
{
	uint32_t length = sound_compress(codec, scratch, from, to, room);
	unsigned char *end = (unsigned char *)to + length, last;

	if (length > 1) {
		last = end[-1];
		end[-1] = end[-2];
		end[-2] = last;
	}
	return length;
}

static const struct fault {
	struct tmem_codec codec;
	uint32_t question; /* which has to find it */
} faults[] = {
	{{.compress = sound_compress, .decompress = forgets_a_bit}, 0},
	{{.compress = takes_a_byte_more, .decompress = sound_decompress}, 1},
	{{.compress = sound_compress, .decompress = ignores_what_follows}, 2},
	{{.compress = sound_compress, .decompress = writes_beyond}, 3},
	{{.compress = turns_two, .decompress = sound_decompress}, 4},
	{{.compress = turns_two, .decompress = sound_decompress}, 5},
	{{.compress = sound_compress, .decompress = forgets_a_bit}, 6},
	{{.compress = sound_compress, .decompress = ignores_what_follows}, 6},
};

int main(int argc, char **argv)
{
	const struct tmem_codec *codecs[8] = {&tmem_small};
	uint32_t count = 1;
	uint32_t passed = 0, failed = 0, wrong, i, j;

	if (argc > 1)
		each = (uint32_t)atoi(argv[1]);
	while ((codecs[count] = tmem_vector_twin(count - 1)) != NULL)
		count++;
	for (i = 0; i < count; i++) {
		for (j = 0; j < sizeof(questions) / sizeof(questions[0]); j++) {
			wrong = questions[j].ask(codecs[i]);
			if (wrong)
				printf("FAIL %s, %u: %s: %u wrong\n", codecs[i]->name, i,
				       questions[j].name, wrong);
			*(wrong ? &failed : &passed) += 1;
		}
		for (j = 0; j < sizeof(faults) / sizeof(faults[0]); j++) {
			struct tmem_codec faulty = faults[j].codec;

			faulty.id = codecs[i]->id;
			faulty.name = codecs[i]->name;
			faulty.work_size = codecs[i]->work_size;
			faulty.context = (void *)codecs[i];
			if (faults[j].question >= 5 && faulty.id != TMEM_CODEC_VECTOR)
				continue;
			if (questions[faults[j].question].ask(&faulty) == 0) {
				printf("FAIL %s, %u: fault %u was not found: %s\n", faulty.name, i,
				       j, questions[faults[j].question].name);
				failed++;
			} else {
				passed++;
			}
		}
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed != 0;
}
