// SPDX-License-Identifier: MIT
/* The corpus that scripts/corpus built: anonymous pages of programs at work. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The digest that corpus.json gives for the anonymous pages. */
static void read_digest(struct bench_corpus *corpus, const char *folder)
{
	char path[4096], text[4096], *at;
	size_t length = 0;
	FILE *in;

	snprintf(corpus->digest, sizeof(corpus->digest), "unknown");
	snprintf(path, sizeof(path), "%s/corpus.json", folder);
	in = fopen(path, "r");
	if (in == NULL)
		return;
	length = fread(text, 1, sizeof(text) - 1, in);
	fclose(in);
	text[length] = '\0';
	at = strstr(text, "\"anon\"");
	at = at ? strstr(at, "\"sha256\": \"") : NULL;
	if (at != NULL && strlen(at) >= 11 + 64 && strspn(at + 11, "0123456789abcdef") == 64)
		snprintf(corpus->digest, sizeof(corpus->digest), "%.64s", at + 11);
}

/* A file of pages. 0, or -1 with a sentence on stderr. */
static int read_pages(const char *path, unsigned char **pages, uint32_t *count)
{
	struct stat st;
	size_t bytes, done = 0;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		fprintf(stderr, "bench: %s: %s; scripts/corpus builds it\n", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*count = (uint32_t)((uint64_t)st.st_size / BENCH_PAGE);
	bytes = (size_t)*count * BENCH_PAGE;
	*pages = bench_memory_map(bytes);
	while (done < bytes) {
		ssize_t got = pread(fd, *pages + done, bytes - done, (off_t)done);

		if (got <= 0) {
			fprintf(stderr, "bench: %s: cannot be read whole\n", path);
			close(fd);
			return -1;
		}
		done += (size_t)got;
	}
	close(fd);
	return 0;
}

int bench_corpus_open(struct bench_corpus *corpus, const char *folder)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/anon.pages", folder);
	if (read_pages(path, &corpus->pages, &corpus->count) != 0)
		return -1;
	if (corpus->count < 4096) {
		fprintf(stderr, "bench: %s: only %u pages; scripts/corpus --force builds it anew\n",
			path, corpus->count);
		return -1;
	}
	snprintf(path, sizeof(path), "%s/file.pages", folder);
	if (read_pages(path, &corpus->file_pages, &corpus->file_count) != 0)
		corpus->file_count = 0;
	read_digest(corpus, folder);
	return 0;
}
