// SPDX-License-Identifier: MIT
/* tmem: finds the command, judges its words, lets it ask the daemon. */
#include <stdio.h>
#include <string.h>

#include "command.h"

static void print_usage(void)
{
	const struct command *command;

	printf("tmem: controls tmemd, which keeps the pages of virtual machines\n\n"
	       "usage: tmem COMMAND [NAME] [OPTION]...\n\n");
	for (command = commands; command->word; command++)
		printf("  %-11s %s\n", command->word, command->help);
	printf("\ntmem COMMAND --help says more on a command; tmem --version prints the version.\n"
	       "Exit status: 0 done, 1 refused by the daemon, 2 wrong usage, 3 no daemon there.\n");
}

static void print_command(const struct command *command)
{
	static const char *const names[] = {"", " [NAME]", " NAME"};

	printf("tmem %s: %s\n\nusage: tmem %s%s [OPTION]...\n\n", command->word, command->help,
	       command->word, names[command->name]);
	arguments_print(command);
	if (command->bit & (COMMAND_ADD | COMMAND_SET | COMMAND_FLUSH))
		printf("\nBYTES is a number, or one with K, M, G, T or P for powers of 1024.\n");
}

static enum status run(int argc, char **argv)
{
	const struct command *command;
	struct arguments arguments;

	if (argc < 2) {
		fprintf(stderr, "tmem: no command; tmem --help lists them\n");
		return STATUS_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		print_usage();
		return STATUS_OK;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("tmem %s\n", TMEM_VERSION_TEXT);
		return STATUS_OK;
	}
	if (!strcmp(argv[1], "--long-options")) {
		arguments_print_names();
		return STATUS_OK;
	}
	command = commands_find(argv[1]);
	if (!command) {
		fprintf(stderr, "tmem: %s: no such command; tmem --help lists them\n", argv[1]);
		return STATUS_USAGE;
	}
	if (!arguments_parse(command, argv + 2, &arguments))
		return STATUS_USAGE;
	if (arguments.help) {
		print_command(command);
		return STATUS_OK;
	}
	return command->run(&arguments);
}

int main(int argc, char **argv)
{
	enum status status = run(argc, argv);

	/* A full disk must not look like success. */
	if ((fflush(stdout) || ferror(stdout)) && status == STATUS_OK) {
		fprintf(stderr, "tmem: standard output cannot be written\n");
		return STATUS_REFUSED;
	}
	return status;
}
