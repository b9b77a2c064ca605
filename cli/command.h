/* SPDX-License-Identifier: MIT */
/*
 * What a command is to the tool: a name, what it takes, and a function that
 * asks the daemon and prints. Each command has its function in the file of
 * its group, cmd_*.c.
 */
#ifndef TMEM_CLI_COMMAND_H
#define TMEM_CLI_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

enum status {
	STATUS_OK = 0,
	STATUS_REFUSED = 1,	/* the daemon said no */
	STATUS_USAGE = 2,	/* the command line is wrong */
	STATUS_UNREACHABLE = 3, /* no daemon there, or no answer from it */
};

/* One bit per command, in the order of the table in commands.c. */
enum command_bit {
	COMMAND_ADD = 1 << 0,
	COMMAND_REMOVE = 1 << 1,
	COMMAND_LIST = 1 << 2,
	COMMAND_STAT = 1 << 3,
	COMMAND_WATCH = 1 << 4,
	COMMAND_SET = 1 << 5,
	COMMAND_FREEZE = 1 << 6,
	COMMAND_THAW = 1 << 7,
	COMMAND_FLUSH = 1 << 8,
	COMMAND_FREEABLE = 1 << 9,
	COMMAND_DESTROY = 1 << 10,
	COMMAND_SHARED_AUTH = 1 << 11,
	COMMAND_RELOAD = 1 << 12,
	COMMAND_CHECK = 1 << 13,
	COMMAND_VERSION = 1 << 14,
	COMMAND_ALL = (1 << 15) - 1,
};

/*
 * The command line, judged. Sizes in bytes; 0 and NULL: not given, or where
 * 0 is a value like others, arguments_given() tells.
 */
struct arguments {
	uint64_t given;	  /* one bit per row of the table in arguments.c */
	const char *name; /* of a guest; good in form */
	const char *control;
	const char *codec;
	const char *kind;
	const char *mode;
	const char *grant;
	const char *revoke;
	const char *revoke_now;
	uint64_t disk;
	uint64_t allocation;
	uint64_t cap;
	uint64_t weight;
	uint64_t rate; /* bytes per second */
	uint64_t pool;
	uint64_t bytes;
	uint64_t connections;
	uint64_t per_user;
	uint64_t linger; /* seconds */
	uint64_t pages_per_object;
	uint64_t ram;
	uint64_t queues;
	uint64_t interval; /* seconds */
	uint64_t count;
	bool force;
	bool all;
	bool list;
	bool xm;
	bool clients;
	bool long_form;
	bool sentences;
	bool json;
	bool help;
};

enum name_use { NAME_NONE, NAME_OPTIONAL, NAME_NEEDED };

struct command {
	const char *word;
	enum command_bit bit;
	enum name_use name;
	enum status (*run)(const struct arguments *arguments);
	const char *help; /* one sentence, no full stop */
};

enum status cmd_add(const struct arguments *arguments);
enum status cmd_remove(const struct arguments *arguments);
enum status cmd_list(const struct arguments *arguments);
enum status cmd_stat(const struct arguments *arguments);
enum status cmd_watch(const struct arguments *arguments);
enum status cmd_set(const struct arguments *arguments);
enum status cmd_freeze(const struct arguments *arguments);
enum status cmd_thaw(const struct arguments *arguments);
enum status cmd_flush(const struct arguments *arguments);
enum status cmd_freeable(const struct arguments *arguments);
enum status cmd_destroy(const struct arguments *arguments);
enum status cmd_shared_auth(const struct arguments *arguments);
enum status cmd_reload(const struct arguments *arguments);
enum status cmd_check(const struct arguments *arguments);
enum status cmd_version(const struct arguments *arguments);

/* NULL: no such command. */
const struct command *commands_find(const char *word);
/* Ends with a command whose word is NULL. */
extern const struct command commands[];

/*
 * Judges @argv, options of @command among it, from its first word on. False:
 * said on standard error, STATUS_USAGE.
 */
bool arguments_parse(const struct command *command, char **argv, struct arguments *arguments);
/* Whether --@name was on the line. */
bool arguments_given(const struct arguments *arguments, const char *name);
/* The options that @command takes, for --help. */
void arguments_print(const struct command *command);
/* Every option's long name, one per line. */
void arguments_print_names(void);

#endif
