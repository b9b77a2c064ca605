/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzzer's entry point over files instead of under libFuzzer, so that
 * its corpus is a test in every build and a finding can be looked at with any
 * compiler and debugger. Each file is handed over in an allocation of exactly
 * its size, so that a read past its end is one that a sanitizer sees.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(2);
}

static void replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data;
	long size;

	if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0)
		die(path);
	rewind(file);
	data = malloc(size ? (size_t)size : 1);
	if (!data || fread(data, 1, (size_t)size, file) != (size_t)size)
		die(path);
	fclose(file);
	/* Flushed before the call: a crash must name its input. */
	printf("%s: %ld bytes\n", path, size);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, (size_t)size);
	free(data);
}

/* Every file of a folder, or the one file that @path is. */
static unsigned replay_all(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	unsigned count = 0;
	char name[4096];

	if (!folder) {
		replay(path);
		return 1;
	}
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(name, sizeof(name), "%s/%s", path, entry->d_name) >= (int)sizeof(name))
			die("a path that is too long");
		replay(name);
		count++;
	}
	closedir(folder);
	return count;
}

int main(int argc, char **argv)
{
	unsigned count = 0;
	int i;

	for (i = 1; i < argc; i++)
		count += replay_all(argv[i]);
	printf("%u passed, %d failed\n", count, count == 0);
	return count == 0;
}
