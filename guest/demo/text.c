// SPDX-License-Identifier: MIT
/*
 * Writes a text of a given size that looks like a log: words of a small
 * vocabulary, common ones often, each line opened by a scrambled number.
 * Exists so that host and guest can make the same unsorted text without
 * sending it: the host's sorted checksum is the truth for the guest's.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 240u
#define WORDS	   512u
#define WORD_BYTES 16u

static uint64_t state = 0x853c49e6748fea9bull;

static uint32_t next(void)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(state >> 33);
}

int main(int argc, char **argv)
{
	static char words[WORDS][WORD_BYTES];
	static uint8_t lengths[WORDS];
	char line[LINE_BYTES + WORD_BYTES + 2];
	uint64_t lines;

	if (argc != 2) {
		fprintf(stderr, "usage: text MIB\n");
		return 2;
	}
	lines = strtoull(argv[1], NULL, 10) * (1024 * 1024) / LINE_BYTES;
	for (unsigned int w = 0; w < WORDS; w++) {
		lengths[w] = (uint8_t)(4 + next() % (WORD_BYTES - 4));
		for (unsigned int i = 0; i < lengths[w]; i++)
			words[w][i] = (char)('a' + next() % 26);
	}
	for (uint64_t l = 0; l < lines; l++) {
		size_t at = (size_t)snprintf(line, sizeof(line), "%08x", next());

		while (at < LINE_BYTES) {
			/* Cubed, so that small word numbers are the common ones. */
			uint32_t r = next() % WORDS;
			uint32_t w = r * r / WORDS * r / WORDS;

			line[at++] = ' ';
			memcpy(line + at, words[w], lengths[w]);
			at += lengths[w];
		}
		line[LINE_BYTES - 1] = '\n';
		if (fwrite(line, 1, LINE_BYTES, stdout) != LINE_BYTES)
			return 1;
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
