// SPDX-License-Identifier: MIT
/*
 * The reader of configuration files: which there are, whether they may be
 * trusted, and what is in them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options_table.h"

/* Text of a file that options point into. */
struct options_text {
	struct options_text *next;
	char bytes[];
};

static const char *keep(struct options *options, const char *text)
{
	size_t size = strlen(text) + 1;
	struct options_text *kept = malloc(sizeof(*kept) + size);

	if (!kept)
		return NULL;
	memcpy(kept->bytes, text, size);
	kept->next = options->texts;
	options->texts = kept;
	return kept->bytes;
}

void options_free(struct options *options)
{
	while (options->texts) {
		struct options_text *text = options->texts;

		options->texts = text->next;
		free(text);
	}
}

static char *trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = 0;
	while (*text == ' ' || *text == '\t')
		text++;
	return text;
}

/* "key = value", in a line without blanks at its ends. @seen has a bit per row of this file. */
static bool read_pair(struct options_place *place, char *line, struct options *options,
		      uint32_t *seen)
{
	char *equals = strchr(line, '=');
	const struct options_row *row;
	const char *value;
	char *key;

	if (!equals)
		return options_complain(place, "not a line of the form KEY = VALUE");
	*equals = 0;
	key = trim(line);
	row = options_find(key, strlen(key));
	if (!row)
		return options_complain(
			place, "%.50s: no such key; tmemd --help lists them, without --", key);
	if (row->where == WHERE_LINE)
		return options_complain(place, "%s: belongs on the command line, not in a file",
					row->name);
	if (*seen & 1u << (row - options_rows))
		return options_complain(place, "%s: is there twice", row->name);
	*seen |= 1u << (row - options_rows);
	value = keep(options, trim(equals + 1));
	if (!value)
		return options_complain(place, "no memory");
	return options_set(place, row, options, value);
}

bool options_read(const char *file, const char *bytes, size_t length, struct options *options,
		  char why[OPTIONS_WHY])
{
	struct options_place place = {.file = file};
	char line[OPTIONS_LINE + 1];
	uint32_t seen = 0;
	bool good = true;

	while (good && length) {
		const char *end = memchr(bytes, '\n', length);
		size_t bare = end ? (size_t)(end - bytes) : length;
		size_t i;

		place.line++;
		if (bare > OPTIONS_LINE) {
			good = options_complain(&place, "a line of more than %d bytes",
						OPTIONS_LINE);
			break;
		}
		for (i = 0; i < bare && good; i++) {
			unsigned char c = (unsigned char)bytes[i];

			if ((c < 0x20 && c != '\t') || c == 0x7f)
				good = options_complain(&place, "a control character");
			line[i] = bytes[i];
		}
		line[bare] = 0;
		if (good && trim(line)[0] && trim(line)[0] != '#')
			good = read_pair(&place, trim(line), options, &seen);
		length -= bare + (end != NULL);
		bytes += bare + (end != NULL);
	}
	if (!good)
		memcpy(why, place.why, OPTIONS_WHY);
	return good;
}

/* Who may write the file may choose where everything is stored. */
static const char *judge_file(int fd, struct stat *status)
{
	if (fstat(fd, status))
		return strerror(errno);
	if (!S_ISREG(status->st_mode))
		return "not a file";
	if (status->st_uid && status->st_uid != geteuid())
		return "belongs to neither root nor this user";
	if (status->st_mode & (S_IWGRP | S_IWOTH))
		return "others may write it; chmod go-w";
	if (status->st_size > OPTIONS_FILE)
		return "longer than 64 KiB";
	return NULL;
}

/* @needed: one that is not there is an error. */
static bool read_file(const char *path, bool needed, struct options *options, char why[OPTIONS_WHY])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *wrong = fd < 0 ? strerror(errno) : NULL;
	bool good = fd < 0 && errno == ENOENT && !needed;
	struct stat status;
	char *bytes = NULL;
	ssize_t length;

	if (fd >= 0)
		wrong = judge_file(fd, &status);
	if (!wrong) {
		bytes = malloc(OPTIONS_FILE);
		length = bytes ? read(fd, bytes, OPTIONS_FILE) : -1;
		if (length < 0)
			wrong = bytes ? strerror(errno) : "no memory";
		else
			good = options_read(path, bytes, (size_t)length, options, why);
	}
	if (wrong && !good)
		snprintf(why, OPTIONS_WHY, "%.180s: %.50s", path, wrong);
	free(bytes);
	if (fd >= 0)
		close(fd);
	return good;
}

static int is_drop_in(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return length > 5 && entry->d_name[0] != '.' &&
	       !strcmp(entry->d_name + length - 5, ".conf");
}

static int by_bytes(const struct dirent **one, const struct dirent **other)
{
	return strcmp((*one)->d_name, (*other)->d_name);
}

bool options_read_files(struct options *options, char why[OPTIONS_WHY])
{
	const char *file = options->config ? options->config : OPTIONS_CONFIG;
	struct dirent **entries = NULL;
	char path[512];
	bool good;
	int count;
	int i;

	if (strlen(file) > 200) {
		snprintf(why, OPTIONS_WHY, "--config: a path of more than 200 bytes");
		return false;
	}
	good = read_file(file, options->config != NULL, options, why);
	snprintf(path, sizeof(path), "%s.d", file);
	count = scandir(path, &entries, is_drop_in, by_bytes);
	if (count < 0 && errno != ENOENT && good) {
		snprintf(why, OPTIONS_WHY, "%.180s: %.50s", path, strerror(errno));
		good = false;
	}
	for (i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s.d/%s", file, entries[i]->d_name);
		good = good && read_file(path, true, options, why);
		free(entries[i]);
	}
	free(entries);
	return good;
}
