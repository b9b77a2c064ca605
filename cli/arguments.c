// SPDX-License-Identifier: MIT
/* The tool's options, one table for all commands, and the parser that reads it. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "units.h"

enum kind { KIND_SIZE, KIND_NUMBER, KIND_TEXT, KIND_FLAG };

struct row {
	const char *name;
	char letter;	  /* 0: none */
	const char *unit; /* what stands for the value; NULL: takes none */
	enum kind kind;
	size_t at; /* in struct arguments */
	uint64_t low;
	uint64_t high;
	uint32_t commands; /* that take it */
	uint32_t needed;   /* commands that need it */
	const char *help;
};

#define AT(field) offsetof(struct arguments, field)
#define TIB	  (UINT64_C(1) << 40)

static const struct row rows[] = {
	{"kind", 0, "disk|device|template", KIND_TEXT, AT(kind), 0, 0, COMMAND_ADD, 0,
	 "what is added: a swap disk, a tmem device, or a template, by which each process that "
	 "connects becomes a client; default: disk"},
	{"disk", 0, "BYTES", KIND_SIZE, AT(disk), 4096, 16 * TIB, COMMAND_ADD, 0,
	 "size of the swap disk, a multiple of 4096; a disk needs it"},
	{"allocation", 0, "BYTES", KIND_SIZE, AT(allocation), 4096, 64 * TIB,
	 COMMAND_ADD | COMMAND_SET, 0,
	 "host memory to reserve; default: what the disk needs when nothing compresses"},
	{"cap", 0, "BYTES", KIND_SIZE, AT(cap), 0, 64 * TIB, COMMAND_ADD | COMMAND_SET, 0,
	 "most memory of the guest's ephemeral pages; 0: no limit but its share"},
	{"weight", 0, "N", KIND_NUMBER, AT(weight), 1, 10000, COMMAND_ADD | COMMAND_SET, 0,
	 "the guest's part of ephemeral memory when all want more, 1 to 10000; default: 100"},
	{"rate", 0, "BYTES", KIND_SIZE, AT(rate), 0, 64 * TIB, COMMAND_ADD | COMMAND_SET, 0,
	 "most bytes per second that the guest may put and get, write and read; 0: no limit"},
	{"queues", 0, "N", KIND_NUMBER, AT(queues), 1, 16, COMMAND_ADD, 0,
	 "most queues that the virtual machine may use; default: 8"},
	{"codec", 0, "lz4|raw|vector", KIND_TEXT, AT(codec), 0, 0, COMMAND_ADD | COMMAND_SET, 0,
	 "how new pages are stored; default: the daemon's"},
	{"mode", 0, "BITS", KIND_TEXT, AT(mode), 0, 0, COMMAND_ADD | COMMAND_SET, 0,
	 "of a template: who may connect to its socket, as chmod takes it; default: 0600"},
	{"connections", 0, "N", KIND_NUMBER, AT(connections), 1, 16384, COMMAND_ADD | COMMAND_SET,
	 0, "of a template: most clients at a time, 1 to 16384; default: 1024"},
	{"per-user", 0, "N", KIND_NUMBER, AT(per_user), 1, 16384, COMMAND_ADD | COMMAND_SET, 0,
	 "of a template: most clients of one user; default: as many as there may be"},
	{"linger", 0, "SECONDS", KIND_NUMBER, AT(linger), 0, 86400, COMMAND_ADD | COMMAND_SET, 0,
	 "of a template: how long a client outlives its connection, 0 to 86400; default: 10"},
	{"pages-per-object", 0, "N", KIND_NUMBER, AT(pages_per_object), 1, UINT32_MAX,
	 COMMAND_ADD | COMMAND_SET, 0,
	 "of a template: pages that clients file under one object at least; default: 1"},
	{"clients", 0, NULL, KIND_FLAG, AT(clients), 0, 0, COMMAND_STAT, 0,
	 "also the figures of each client of a template"},
	{"pool", 0, "N", KIND_NUMBER, AT(pool), 0, UINT32_MAX, COMMAND_SET | COMMAND_DESTROY, 0,
	 "this one of the guest's pools; default: all"},
	{"ram", 0, "BYTES", KIND_SIZE, AT(ram), 1 << 20, 64 * TIB, COMMAND_ADD, 0,
	 "memory of the virtual machine, a multiple of 1M, for the QEMU arguments; "
	 "default: the word $RAM"},
	{"force", 0, NULL, KIND_FLAG, AT(force), 0, 0, COMMAND_REMOVE | COMMAND_DESTROY, 0,
	 "do it although a virtual machine is connected, or a swap disk is meant, whose swap is "
	 "then gone"},
	{"bytes", 0, "BYTES", KIND_SIZE, AT(bytes), 1, 64 * TIB, COMMAND_FLUSH, COMMAND_FLUSH,
	 "how much to give back; whole extents go, so it may be more"},
	{"all", 0, NULL, KIND_FLAG, AT(all), 0, 0, COMMAND_FREEZE | COMMAND_THAW, 0,
	 "every guest that is there, in place of NAME"},
	{"all", 0, NULL, KIND_FLAG, AT(all), 0, 0, COMMAND_STAT, 0, "also the figures that are 0"},
	{"grant", 0, "UUID", KIND_TEXT, AT(grant), 0, 0, COMMAND_SHARED_AUTH, 0,
	 "let the guest, or each client of a template, make and join the shared pool UUID, 32 "
	 "hexadecimal digits"},
	{"revoke", 0, "UUID", KIND_TEXT, AT(revoke), 0, 0, COMMAND_SHARED_AUTH, 0,
	 "let it join no more; where it is a member, it stays one"},
	{"revoke-now", 0, "UUID", KIND_TEXT, AT(revoke_now), 0, 0, COMMAND_SHARED_AUTH, 0,
	 "let it join no more, and end its membership"},
	{"list", 0, NULL, KIND_FLAG, AT(list), 0, 0, COMMAND_SHARED_AUTH, 0,
	 "print what was granted; the default"},
	{"long", 'l', NULL, KIND_FLAG, AT(long_form), 0, 0, COMMAND_LIST, 0,
	 "print each setting and each figure by its name, with its unit"},
	{"xm", 0, NULL, KIND_FLAG, AT(xm), 0, 0, COMMAND_LIST, 0,
	 "print the two-letter form of xm tmem-list, with -l the long one"},
	{"verbose", 'v', NULL, KIND_FLAG, AT(sentences), 0, 0, COMMAND_STAT, 0,
	 "also print a sentence on each figure"},
	{"interval", 0, "SECONDS", KIND_NUMBER, AT(interval), 1, 3600, COMMAND_WATCH, 0,
	 "time between two lines; default: 1"},
	{"count", 0, "N", KIND_NUMBER, AT(count), 1, UINT32_MAX, COMMAND_WATCH, 0,
	 "end after so many lines; default: go on until interrupted"},
	{"control", 0, "PATH", KIND_TEXT, AT(control), 0, 0, COMMAND_ALL, 0,
	 "the daemon's control socket; default: $TMEM_CONTROL, else where tmemd makes it"},
	{"json", 0, NULL, KIND_FLAG, AT(json), 0, 0, COMMAND_ALL, 0,
	 "print JSON, one object per line"},
	{"help", 0, NULL, KIND_FLAG, AT(help), 0, 0, COMMAND_ALL, 0, "print this and exit"},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))
_Static_assert(ROWS <= 64, "arguments.given has a bit for each");

bool arguments_given(const struct arguments *arguments, const char *name)
{
	size_t i = 0;

	while (strcmp(rows[i].name, name))
		i++;
	return arguments->given >> i & 1;
}

void arguments_print_names(void)
{
	size_t i;

	/* What means different things to different commands has a row for each, one after the other. */
	for (i = 0; i < ROWS; i++)
		if (!i || strcmp(rows[i].name, rows[i - 1].name))
			printf("--%s\n", rows[i].name);
}

void arguments_print(const struct command *command)
{
	size_t i;

	for (i = 0; i < ROWS; i++) {
		const struct row *row = &rows[i];

		if (!(row->commands & command->bit))
			continue;
		if (row->letter)
			printf("  -%c,", row->letter);
		else
			printf("     ");
		printf(" --%s%s%s%s\n          %s\n", row->name, row->unit ? " " : "",
		       row->unit ? row->unit : "", row->needed & command->bit ? "  (needed)" : "",
		       row->help);
	}
}

static const struct row *find(const struct command *command, const char *argument, size_t length)
{
	size_t i;

	for (i = 0; i < ROWS; i++) {
		const struct row *row = &rows[i];

		if (!(row->commands & command->bit))
			continue;
		if (length > 2 && strlen(row->name) == length - 2 &&
		    !memcmp(row->name, argument + 2, length - 2) && argument[1] == '-')
			return row;
		if (length == 2 && row->letter && argument[1] == row->letter)
			return row;
	}
	return NULL;
}

static bool set(const struct row *row, struct arguments *arguments, const char *value)
{
	char *at = (char *)arguments + row->at;
	char high[UNITS_SIZE_TEXT];
	char low[UNITS_SIZE_TEXT];
	uint64_t number;

	switch (row->kind) {
	case KIND_FLAG:
		*(bool *)(void *)at = true;
		return true;
	case KIND_TEXT:
		*(const char **)(void *)at = value;
		if (value[0])
			return true;
		fprintf(stderr, "tmem: --%s: empty\n", row->name);
		return false;
	case KIND_SIZE:
		if (units_parse_size(value, &number) && number >= row->low && number <= row->high)
			break;
		fprintf(stderr,
			"tmem: --%s %s: not a number of bytes from %s to %s (512M, 2G, ...)\n",
			row->name, value, units_format_size(row->low, low),
			units_format_size(row->high, high));
		return false;
	case KIND_NUMBER:
		if (units_parse_number(value, &number) && number >= row->low && number <= row->high)
			break;
		fprintf(stderr, "tmem: --%s %s: not a number from %" PRIu64 " to %" PRIu64 "\n",
			row->name, value, row->low, row->high);
		return false;
	}
	*(uint64_t *)(void *)at = number;
	return true;
}

static bool parse_option(const struct command *command, char ***argv, struct arguments *arguments)
{
	const char *argument = **argv;
	const char *value = strchr(argument, '=');
	const struct row *row =
		find(command, argument, value ? (size_t)(value - argument) : strlen(argument));

	if (!row) {
		fprintf(stderr, "tmem: %s: no such option; tmem %s --help lists them\n", argument,
			command->word);
		return false;
	}
	if (value && !row->unit) {
		fprintf(stderr, "tmem: --%s takes no value\n", row->name);
		return false;
	}
	if (value) {
		value++;
	} else if (row->unit) {
		value = *++*argv;
		if (!value) {
			fprintf(stderr, "tmem: --%s: %s is missing\n", row->name, row->unit);
			return false;
		}
	}
	arguments->given |= UINT64_C(1) << (row - rows);
	return set(row, arguments, value);
}

static bool parse_name(const struct command *command, const char *word, struct arguments *arguments)
{
	if (command->name == NAME_NONE || arguments->name) {
		fprintf(stderr, "tmem: %s: %s has no place for it\n", word, command->word);
		return false;
	}
	if (!units_name_ok(word, strlen(word))) {
		fprintf(stderr, "tmem: %s: a guest's name is 1 to %d of a-z 0-9 _ . -\n", word,
			UNITS_NAME_MAX);
		return false;
	}
	arguments->name = word;
	return true;
}

bool arguments_parse(const struct command *command, char **argv, struct arguments *arguments)
{
	size_t i;

	memset(arguments, 0, sizeof(*arguments));
	for (; *argv; argv++) {
		if ((*argv)[0] == '-' ? !parse_option(command, &argv, arguments)
				      : !parse_name(command, *argv, arguments))
			return false;
	}
	if (arguments->help)
		return true;
	if (command->name == NAME_NEEDED && !arguments->name) {
		fprintf(stderr, "tmem: %s needs a guest's name; tmem %s --help says more\n",
			command->word, command->word);
		return false;
	}
	for (i = 0; i < ROWS; i++) {
		if (rows[i].needed & command->bit && !(arguments->given >> i & 1)) {
			fprintf(stderr, "tmem: %s needs --%s %s; tmem %s --help says more\n",
				command->word, rows[i].name, rows[i].unit, command->word);
			return false;
		}
	}
	return true;
}
