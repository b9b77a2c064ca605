// SPDX-License-Identifier: MIT
/* The default socket: by environment, then where the daemon puts its own. */
#include "path.h"
#include "paths.h"
#include <stdio.h>
#include <stdlib.h>

bool lt_path_find(const char *given, char *path, size_t size)
{
	const char *name = given ? given : secure_getenv("TMEM_SOCKET");
	const char *dir;
	char run_dir[256];
	int length;

	if (name && name[0]) {
		length = snprintf(path, size, "%s", name);
	} else {
		dir = secure_getenv("TMEM_RUN_DIR");
		if (!dir || !dir[0]) {
			if (!paths_run_dir(run_dir, sizeof(run_dir)))
				return false;
			dir = run_dir;
		}
		length = snprintf(path, size, "%s/%s", dir, PATH_SOCKET_NAME);
	}
	return length > 0 && (size_t)length < size;
}
