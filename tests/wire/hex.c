/* SPDX-License-Identifier: MIT */
/* Bytes written as text; what is not exactly that is a fault of the file. */
#include "hex.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static _Noreturn void die(const char *path, const char *what)
{
	fprintf(stderr, "%s: %s\n", path, what);
	exit(2);
}

static int digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* After a '*'. */
static size_t repeats(FILE *file, const char *path)
{
	unsigned long count;

	if (fscanf(file, "%lu", &count) != 1 || !count)
		die(path, "no number after *");
	return count;
}

size_t hex_read(const char *path, uint8_t *bytes, size_t most)
{
	FILE *file = fopen(path, "r");
	size_t length = 0, count;
	int c, high, low;

	if (!file)
		die(path, "cannot be opened");
	while ((c = getc(file)) != EOF) {
		if (isspace(c))
			continue;
		if (c == '#') {
			while (c != '\n' && c != EOF)
				c = getc(file);
			continue;
		}
		high = digit(c);
		low = digit(getc(file));
		if (high < 0 || low < 0)
			die(path, "not a byte of two digits");
		c = getc(file);
		count = c == '*' ? repeats(file, path) : 1;
		if (c != '*' && c != EOF && ungetc(c, file) == EOF)
			die(path, "cannot be read");
		if (count > most - length)
			die(path, "too long");
		while (count--)
			bytes[length++] = (uint8_t)(high << 4 | low);
	}
	fclose(file);
	return length;
}
