// SPDX-License-Identifier: MIT
/*
 * The reader of configuration files is total: any bytes are settings or one
 * complaint that names file and line. Good files mean what they say, also cut
 * off anywhere; of bad ones, each line is refused for its own reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tmem/host.h>

#include "options.h"

#define FILE_NAME "x.conf"

static const char good[] = "# limits\n"
			   "memory = 4 GiB\n"
			   "persistent=2G\n"
			   "\tcodec = raw  \n"
			   "\n"
			   "   # times\n"
			   "control-idle = 5 min\n"
			   "log-level = debug\n"
			   "at-own-risk = yes\n"
			   "core-dumps = no\n"
			   "run-dir = /tmp/a b\n"
			   "control = /tmp/c=d";

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Reads exactly these bytes, from memory of their own, so that one too far is seen. */
static bool read_bytes(const void *bytes, size_t length, struct options *options, char *why)
{
	char *copy = malloc(length ? length : 1);
	bool read;

	assert_non_null(copy);
	memcpy(copy, bytes, length);
	memset(options, 0, sizeof(*options));
	memset(why, 'x', OPTIONS_WHY);
	read = options_read(FILE_NAME, copy, length, options, why);
	assert_memory_equal(copy, bytes, length);
	free(copy);
	if (!read) {
		assert_non_null(memchr(why, 0, OPTIONS_WHY));
		assert_memory_equal(why, FILE_NAME ":", strlen(FILE_NAME) + 1);
		assert_in_range(strtoul(why + strlen(FILE_NAME) + 1, NULL, 10), 1, length + 1);
	}
	/* What was read before a complaint is in bounds as well. */
	assert_true(options->memory <= UINT64_C(8) << 40);
	assert_true(options->control_idle <= 86400);
	assert_true(options->codec == TMEM_CODEC_RAW || options->codec == TMEM_CODEC_LZ4 ||
		    options->codec == TMEM_CODEC_VECTOR);
	assert_null(options->run);
	assert_null(options->config);
	return read;
}

static void a_good_file_means_what_it_says(void **state)
{
	struct options options;
	char why[OPTIONS_WHY];

	(void)state;
	assert_true(read_bytes(good, sizeof(good) - 1, &options, why));
	assert_int_equal(options.memory, UINT64_C(4) << 30);
	assert_int_equal(options.persistent, UINT64_C(2) << 30);
	assert_int_equal(options.codec, TMEM_CODEC_RAW);
	assert_int_equal(options.control_idle, 300);
	assert_int_equal(options.log_level, LOG_LEVEL_DEBUG);
	assert_true(options.at_own_risk);
	assert_false(options.core_dumps);
	assert_string_equal(options.run_dir, "/tmp/a b");
	assert_string_equal(options.control, "/tmp/c=d");
	options_free(&options);
}

static void every_truncation_has_a_verdict(void **state)
{
	unsigned int verdicts[2] = {0, 0};
	struct options options;
	char why[OPTIONS_WHY];
	size_t length;

	(void)state;
	for (length = 0; length < sizeof(good); length++) {
		verdicts[read_bytes(good, length, &options, why)]++;
		options_free(&options);
	}
	/* The control: some are whole lines, and some are not. */
	assert_true(verdicts[0] > 20 && verdicts[1] > 20);
}

static void every_changed_byte_has_a_verdict(void **state)
{
	unsigned int verdicts[2] = {0, 0};
	char text[sizeof(good)];
	struct options options;
	char why[OPTIONS_WHY];
	size_t at;
	int byte;

	(void)state;
	for (at = 0; at < sizeof(good) - 1; at++) {
		for (byte = 0; byte < 256; byte += at % 7 + 1) {
			memcpy(text, good, sizeof(good));
			text[at] = (char)byte;
			verdicts[read_bytes(text, sizeof(good) - 1, &options, why)]++;
			options_free(&options);
		}
	}
	assert_true(verdicts[0] > 1000 && verdicts[1] > 1000);
}

/* Bytes without sense, and pieces of sense in no order. */
static void random_bytes_have_a_verdict(void **state)
{
	static const char *const pieces[] = {
		"memory",
		"=",
		"codec",
		"4G",
		" ",
		"\n",
		"#",
		"raw",
		"control-idle",
		"9 s",
		"\r\n",
		"run",
		"no",
		"",
		"\t",
		"9999999999999999999 bytes",
		"KiB",
		"yes",
	};
	uint64_t seed = 88172645463325252u;
	struct options options;
	char why[OPTIONS_WHY];
	char text[3000];
	int round;

	(void)state;
	for (round = 0; round < 20000; round++) {
		size_t wanted = next(&seed) % (round % 50 ? 80 : sizeof(text));
		size_t length = 0;

		while (length < wanted) {
			const char *piece =
				pieces[next(&seed) % (sizeof(pieces) / sizeof(*pieces))];

			if (round & 1) {
				text[length++] = (char)next(&seed);
				continue;
			}
			if (strlen(piece) > sizeof(text) - length)
				break;
			memcpy(text + length, piece, strlen(piece));
			length += strlen(piece);
		}
		(void)read_bytes(text, length, &options, why);
		options_free(&options);
	}
}

static void each_bad_line_is_refused_for_its_reason(void **state)
{
	static const struct {
		const char *text;
		const char *why;
	} bad[] = {
		{"mmeory = 4G", "x.conf:1: mmeory: no such key"},
		{"\n\nMemory = 4G", "x.conf:3: Memory: no such key"},
		{"memory", "x.conf:1: not a line of the form KEY = VALUE"},
		{"= 4G", "x.conf:1: : no such key"},
		{"memory =", "x.conf:1: memory = : not a number of bytes from 4M to 8T"},
		{"memory = 4294967296", "memory = 4294967296: not a number of bytes"},
		{"memory = 4g", "memory = 4g: not a number of bytes"},
		{"memory = 4 G B", "not a number of bytes"},
		{"memory = 4.5G", "not a number of bytes"},
		{"memory = -4G", "not a number of bytes"},
		{"memory = 9T", "memory = 9T: not a number of bytes from 4M to 8T"},
		{"memory = 8388608 TiB", "not a number of bytes"},
		{"memory = 9223372036854775808 bytes", "not a number of bytes"},
		{"memory = 4G # of 8", "not a number of bytes"},
		{"control-idle = 60", "control-idle = 60: not a time from 1 to 86400 s"},
		{"control-idle = 25 h", "control-idle = 25 h: not a time from 1 to 86400 s"},
		{"control-idle = 0 s", "not a time"},
		{"codec = zip", "codec = zip: none of lz4, raw, vector"},
		{"log-level = loud", "log-level = loud: not one of"},
		{"at-own-risk", "not a line of the form"},
		{"at-own-risk = true", "at-own-risk = true: neither yes nor no"},
		{"run-dir =", "run-dir: empty"},
		{"codec = raw\n# again\ncodec = raw", "x.conf:3: codec: is there twice"},
		{"run = true", "x.conf:1: run: belongs on the command line"},
		{"config = y.conf", "config: belongs on the command line"},
		{"help = yes", "help: belongs on the command line"},
		{"codec = raw\r", "x.conf:1: a control character"},
		{"# \033[2J", "x.conf:1: a control character"},
	};
	struct options options;
	char why[OPTIONS_WHY];
	char text[OPTIONS_LINE + 2];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (read_bytes(bad[i].text, strlen(bad[i].text), &options, why))
			fail_msg("taken: %s", bad[i].text);
		if (!strstr(why, bad[i].why))
			fail_msg("%s: %s", bad[i].text, why);
		options_free(&options);
	}
	memset(text, '#', sizeof(text));
	assert_true(read_bytes(text, OPTIONS_LINE, &options, why));
	assert_false(read_bytes(text, OPTIONS_LINE + 1, &options, why));
	assert_false(read_bytes("\0", 1, &options, why));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_file_means_what_it_says),
		cmocka_unit_test(every_truncation_has_a_verdict),
		cmocka_unit_test(every_changed_byte_has_a_verdict),
		cmocka_unit_test(random_bytes_have_a_verdict),
		cmocka_unit_test(each_bad_line_is_refused_for_its_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
