// SPDX-License-Identifier: MIT
/* The table of commands. */
#include "command.h"

#include <stddef.h>
#include <string.h>

const struct command commands[] = {
	{"add", COMMAND_ADD, NAME_NEEDED, cmd_add,
	 "add a guest with a swap disk, and print the QEMU arguments for it"},
	{"remove", COMMAND_REMOVE, NAME_NEEDED, cmd_remove,
	 "remove a guest and all that it stored"},
	{"list", COMMAND_LIST, NAME_NONE, cmd_list, "list the guests"},
	{"stat", COMMAND_STAT, NAME_OPTIONAL, cmd_stat,
	 "print the figures of the host and all guests, or of one guest"},
	{"watch", COMMAND_WATCH, NAME_OPTIONAL, cmd_watch,
	 "print a line of figures again and again, of the host or of one guest"},
	{"set", COMMAND_SET, NAME_NEEDED, cmd_set,
	 "change a guest's limits, or how its new pages are stored"},
	{"freeze", COMMAND_FREEZE, NAME_OPTIONAL, cmd_freeze,
	 "let a guest's writes wait, and refuse its puts; its reads and flushes go on"},
	{"thaw", COMMAND_THAW, NAME_OPTIONAL, cmd_thaw, "end a freeze"},
	{"flush", COMMAND_FLUSH, NAME_OPTIONAL, cmd_flush,
	 "give memory of ephemeral pages back to the host now, those of all guests or of one"},
	{"freeable", COMMAND_FREEABLE, NAME_OPTIONAL, cmd_freeable,
	 "print how many bytes a flush would give back"},
	{"destroy", COMMAND_DESTROY, NAME_NEEDED, cmd_destroy,
	 "destroy a guest's pools, or one of them, with all that they hold"},
	{"shared-auth", COMMAND_SHARED_AUTH, NAME_NEEDED, cmd_shared_auth,
	 "say which shared pools a guest may join"},
	{"reload", COMMAND_RELOAD, NAME_NONE, cmd_reload,
	 "let the daemon read its configuration again, and say what that changed"},
	{"check", COMMAND_CHECK, NAME_NONE, cmd_check,
	 "let the daemon compare all its counts with what it stores; it stands still meanwhile"},
	{"version", COMMAND_VERSION, NAME_NONE, cmd_version,
	 "print the versions of the tool and the daemon"},
	{NULL, 0, NAME_NONE, NULL, NULL},
};

const struct command *commands_find(const char *word)
{
	const struct command *command = commands;

	while (command->word && strcmp(command->word, word))
		command++;
	return command->word ? command : NULL;
}
